package emulator_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
)

// packed is a zip in base64 of files given as name and content in turn.
func packed(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: files[i], Method: zip.Store}) // a packer clears large tables for each file
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

const house = `<?xml version="1.0" encoding="UTF-8"?><CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
<label>House</label><pluralLabel>Houses</pluralLabel><nameField><label>House</label><type>Text</type></nameField>
<deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>
<fields><fullName>Rooms__c</fullName><label>Rooms</label><type>Number</type><precision>4</precision><scale>0</scale></fields>
</CustomObject>`

const manifest = `<?xml version="1.0" encoding="UTF-8"?><Package xmlns="http://soap.sforce.com/2006/04/metadata">
<types><members>House__c</members><name>CustomObject</name></types><version>66.0</version></Package>`

var idOf = regexp.MustCompile(`<id>(\w+)</id>`)

// deploy sends a deployment in one of the spellings of clients and returns its status.
func (c *client) deploy(zipName, idName, archive string) answer {
	c.t.Helper()
	a := c.soap("m/66.0/"+c.s.OrgID, "deploy", "<"+zipName+">"+archive+"</"+zipName+">"+
		"<DeployOptions><rollbackOnError>true</rollbackOnError><singlePackage>true</singlePackage></DeployOptions>").ok(200)
	a.has("<done>false</done>", "<state>Queued</state>")
	id := idOf.FindStringSubmatch(string(a.body))[1]
	return c.deployed(idName, id)
}

// deployed asks for a deployment until it is done.
func (c *client) deployed(idName, id string) answer {
	c.t.Helper()
	for {
		a := c.soap("m/66.0", "checkDeployStatus", "<"+idName+">"+id+"</"+idName+"><includeDetails>true</includeDetails>").ok(200)
		if strings.Contains(string(a.body), "<done>true</done>") {
			return a
		}
		select {
		case <-c.t.Context().Done():
			c.t.Fatal("the deployment does not end")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestDeploy(t *testing.T) {
	c := start(t, emulator.Options{})
	for _, spelling := range [][2]string{{"ZipFile", "asyncProcessId"}, {"zipFile", "id"}} {
		c.deploy(spelling[0], spelling[1], packed(t, "package.xml", manifest, "objects/House__c.object", house)).
			has("<done>true</done>", "<status>Succeeded</status>", "<success>true</success>", "<fullName>House__c.Rooms__c</fullName>")
	}
	c.create("House__c", `{"Name":"Red","Rooms__c":4}`)
	broken := strings.Replace(house, "<type>Number</type>", "<type>Nonsense</type>", 1)
	c.deploy("ZipFile", "id", packed(t, "package.xml", manifest, "objects/House__c.object", broken)).
		has("<status>Failed</status>", "<success>false</success>", "<componentFailures>", "<problemType>Error</problemType>")
	c.deploy("ZipFile", "id", base64.StdEncoding.EncodeToString([]byte("not a zip"))).has("<status>Failed</status>", "<errorMessage>")

	c.soap("m/66.0", "describeMetadata", "<asOfVersion>66.0</asOfVersion>").ok(200).
		has("<directoryName>objects</directoryName>", "<xmlName>CustomObject</xmlName>", "<childXmlNames>CustomField</childXmlNames>")
	c.soap("m/66.0", "listMetadata", "<queries><type>CustomObject</type></queries>").ok(200).
		has("<fullName>Account</fullName>", "<fullName>House__c</fullName>", "<fileName>objects/House__c.object</fileName>")
	c.soap("m/66.0", "listMetadata", "<queries><type>Nonsense</type></queries>").ok(500).has("sf:INVALID_TYPE")
	c.soap("m/66.0", "checkDeployStatus", "<id>0Af000000000000AAA</id>").ok(500).has("sf:INVALID_CROSS_REFERENCE_KEY")
	c.soap("m/66.0", "createMetadata", "").ok(500).has("<faultcode>soapenv:Client</faultcode><faultstring>No operation available for request")
}
