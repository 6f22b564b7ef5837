package emulator_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
)

var zipOf = regexp.MustCompile(`<zipFile>([^<]*)</zipFile>`)

// TestRetrieveInEverySpelling retrieves as each known client does: the official one, the WSDL, and one
// that polls checkStatus first.
func TestRetrieveInEverySpelling(t *testing.T) {
	c := start(t, emulator.Options{})
	c.deploy("ZipFile", "id", packed(t, "package.xml", manifest, "objects/House__c.object", house)).has("<success>true</success>")
	for _, spelling := range []struct{ request, id string }{{"request", "asyncProcessId"}, {"retrieveRequest", "id"}} {
		a := c.soap("m/66.0", "retrieve", "<"+spelling.request+"><apiVersion>67.0</apiVersion><unpackaged><types><members>House__c</members>"+
			"<name>CustomObject</name></types><version>66.0</version></unpackaged></"+spelling.request+">").ok(200)
		a.has("<done>false</done>", "<state>Queued</state>")
		id := idOf.FindStringSubmatch(string(a.body))[1]
		ask := "<" + spelling.id + ">" + id + "</" + spelling.id + ">"
		for !strings.Contains(string(c.soap("m/66.0", "checkStatus", ask).ok(200).body), "<state>Completed</state>") {
			if t.Context().Err() != nil {
				t.Fatal("the retrieve does not end")
			}
		}
		c.soap("m/66.0", "checkRetrieveStatus", ask+"<includeZip>false</includeZip>").ok(200).
			has("<status>Succeeded</status>", `<zipFile xsi:nil="true"/>`, "<fullName>House__c.Rooms__c</fullName>")
		a = c.soap("m/66.0", "checkRetrieveStatus", ask).ok(200)
		a.has("<fileName>unpackaged/objects/House__c.object</fileName>", "<success>true</success>")
		raw, err := base64.StdEncoding.DecodeString(zipOf.FindStringSubmatch(string(a.body))[1])
		if err != nil {
			t.Fatal(err)
		}
		if r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw))); err != nil || len(r.File) != 2 || r.File[0].Name != "unpackaged/objects/House__c.object" {
			t.Errorf("the zip: %v", err)
		}
		c.soap("m/66.0", "checkRetrieveStatus", ask).ok(500).has("sf:INVALID_LOCATOR")
	}
	c.soap("m/66.0", "checkRetrieveStatus", "<id>09S000000000000AAA</id>").ok(500).has("sf:INVALID_CROSS_REFERENCE_KEY")
}

// TestDeployCallsInEverySpelling cancels and quick-deploys in the spellings of clients and of the WSDL.
func TestDeployCallsInEverySpelling(t *testing.T) {
	c := start(t, emulator.Options{})
	zipped := "<ZipFile>" + packed(t, "package.xml", manifest, "objects/House__c.object", house) + "</ZipFile>"
	send := func(options string) string {
		a := c.soap("m/66.0", "deploy", zipped+"<DeployOptions>"+options+"<rollbackOnError>true</rollbackOnError><singlePackage>true</singlePackage></DeployOptions>").ok(200)
		return idOf.FindStringSubmatch(string(a.body))[1]
	}
	release := c.s.Metadata().Hold(metadata.Pending)
	for _, name := range []string{"id", "String", "asyncProcessId"} {
		id := send("")
		c.soap("m/66.0", "checkDeployStatus", "<id>"+id+"</id>").ok(200).has("<status>Pending</status>", "<done>false</done>")
		c.soap("m/66.0", "cancelDeploy", "<"+name+">"+id+"</"+name+">").ok(200).has("<done>true</done>", "<id>"+id+"</id>")
		c.soap("m/66.0", "checkDeployStatus", "<id>"+id+"</id>").ok(200).has("<status>Canceled</status>", "<canceledByName>", "<done>true</done>")
	}
	release()
	for _, name := range []string{"validationId", "validationID", "id"} {
		id := send("<checkOnly>true</checkOnly><testLevel>RunLocalTests</testLevel>")
		c.deployed("id", id).has("<status>Succeeded</status>", "<checkOnly>true</checkOnly>", "<runTestsEnabled>true</runTestsEnabled>")
		a := c.soap("m/66.0", "deployRecentValidation", "<"+name+">"+id+"</"+name+">").ok(200)
		quick := regexp.MustCompile(`<result>(\w{18})</result>`).FindStringSubmatch(string(a.body))
		if quick == nil || quick[1] == id {
			t.Fatalf("%s: %s", name, a.body)
		}
		c.deployed("asyncProcessId", quick[1]).has("<status>Succeeded</status>", "<checkOnly>false</checkOnly>")
	}
	c.soap("m/66.0", "deploy", zipped+"<DeployOptions><testLevel>Sometimes</testLevel></DeployOptions>").ok(500).has("sf:INVALID_OPERATION")
}

// upload sends a deployment by REST and returns the answer.
func (c *client) upload(parts ...string) answer {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		f, err := w.CreateFormFile(parts[i], "package.xml")
		if err != nil {
			c.t.Fatal(err)
		}
		if _, err := f.Write([]byte(parts[i+1])); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.header.Set("Content-Type", w.FormDataContentType())
	defer c.header.Del("Content-Type")
	return c.do("POST", "metadata/deployRequest", b.String())
}

type restDeploy struct {
	ID           string
	DeployResult struct {
		Status  string
		Done    bool
		Details struct {
			ComponentSuccesses []struct{ FullName string }
			ComponentFailures  []struct{ Problem string }
		}
	}
	DeployOptions map[string]any
}

func TestDeployByREST(t *testing.T) {
	c := start(t, emulator.Options{})
	raw, err := base64.StdEncoding.DecodeString(packed(t, "package.xml", manifest, "objects/House__c.object", house))
	if err != nil {
		t.Fatal(err)
	}
	const path = "/services/data/v66.0/metadata/deployRequest"
	read := func(a answer) (r restDeploy) {
		t.Helper()
		if err := json.Unmarshal(a.body, &r); err != nil {
			t.Fatalf("%v: %s", err, a.body)
		}
		return r
	}
	options := `{"deployOptions":{"rollbackOnError":true,"singlePackage":true,"checkOnly":true,"testLevel":"RunLocalTests"}}`
	done := func(id string) restDeploy {
		t.Helper()
		for {
			r := read(c.do("GET", path+"/"+id+"?includeDetails=true", "").ok(http.StatusOK))
			if r.DeployResult.Done || t.Context().Err() != nil {
				return r
			}
		}
	}
	validation := read(c.upload("file", string(raw), "entity_content", options).ok(http.StatusCreated))
	if r := done(validation.ID); r.DeployResult.Status != "Succeeded" || len(r.DeployResult.Details.ComponentSuccesses) < 2 || r.DeployOptions["testLevel"] != "RunLocalTests" {
		t.Errorf("%+v", r)
	}
	quick := read(c.do("POST", path, `{"validatedDeployRequestId":"`+validation.ID+`"}`).ok(http.StatusCreated))
	if r := done(quick.ID); r.DeployResult.Status != "Succeeded" || quick.ID == validation.ID {
		t.Errorf("%+v", r)
	}
	release := c.s.Metadata().Hold(metadata.Pending)
	waiting := read(c.upload("entity_content", options, "file", string(raw)).ok(http.StatusCreated))
	c.do("PATCH", path+"/"+waiting.ID, `{"deployResult":{"status":"Succeeded"}}`).ok(http.StatusBadRequest)
	if r := read(c.do("PATCH", path+"/"+waiting.ID, `{"deployResult":{"status":"Canceling"}}`).ok(http.StatusAccepted)); r.DeployResult.Status != "Canceled" {
		t.Errorf("%+v", r)
	}
	release()
	c.do("GET", path+"/0Af000000000000AAA", "").ok(http.StatusNotFound)
	c.upload("entity_content", options).ok(http.StatusBadRequest).has("INVALID_MULTIPART_REQUEST")
	c.do("DELETE", path+"/"+waiting.ID, "").ok(http.StatusMethodNotAllowed)
}
