package orgtest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixture is metadata that rules need: files of a package, and what they define by type. It is deployed
// once in a run and deleted at its end.
type fixture struct {
	files   map[string]string
	members map[string][]string
	keep    []string     // types that are not deleted: they go with others, or cannot be deleted
	ready   func(o *Org) // what else it takes, once it is deployed; nil: nothing
}

// run is what the tests of one run share.
type run struct {
	target   Target
	deployed map[*fixture]error
	order    []*fixture
	second   string // Id of the second user
	token    string // of its session
}

const metadataNamespace = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

// manifest is a package.xml.
func manifest(members map[string][]string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><Package` + metadataNamespace + `>`)
	for _, kind := range slices.Sorted(maps.Keys(members)) {
		b.WriteString("<types>")
		for _, m := range members[kind] {
			b.WriteString("<members>" + m + "</members>")
		}
		b.WriteString("<name>" + kind + "</name></types>")
	}
	b.WriteString("<version>65.0</version></Package>")
	return b.String()
}

// zipped packs files; one that is no Apex and no XML declaration gets one.
func zipped(files map[string]string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		if strings.HasPrefix(text, "<") && !strings.HasPrefix(text, "<?xml") {
			text = `<?xml version="1.0" encoding="UTF-8"?>` + text
		}
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// Deployment is the result of a deployment.
type Deployment struct {
	ID           string
	DeployResult struct {
		Status       string
		Done         bool
		Success      bool
		CheckOnly    bool
		ErrorMessage string
		Details      struct {
			ComponentSuccesses []component
			ComponentFailures  []component
		}
	}
}

type component struct {
	ComponentType, FullName, Problem, ProblemType string
	Created, Changed, Deleted                     bool
}

// problems are the problems of a deployment, one a line.
func (d Deployment) problems() string {
	text := d.DeployResult.Status + " " + d.DeployResult.ErrorMessage
	for _, f := range d.DeployResult.Details.ComponentFailures {
		text += "\n" + f.ComponentType + " " + f.FullName + ": " + f.Problem
	}
	return text
}

// Deploy deploys files with a manifest of what they hold, and waits for the end.
func (o *Org) Deploy(files map[string]string, members map[string][]string, options Values) Deployment {
	o.t.Helper()
	all := maps.Clone(files)
	if all == nil {
		all = map[string]string{}
	}
	if _, own := all["package.xml"]; !own {
		all["package.xml"] = manifest(members)
	}
	d := o.startDeploy(all, options)
	return o.deployed(d.ID)
}

func (o *Org) startDeploy(files map[string]string, options Values) Deployment {
	o.t.Helper()
	var d Deployment
	o.upload(files, options).OK(201).Into(&d)
	return d
}

func (o *Org) upload(files map[string]string, options Values) Reply {
	o.t.Helper()
	raw, err := zipped(files)
	if err != nil {
		o.t.Fatal(err)
	}
	all := Values{"rollbackOnError": true, "singlePackage": true}
	maps.Copy(all, options)
	text, err := json.Marshal(Values{"deployOptions": all})
	if err != nil {
		o.t.Fatal(err)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part := func(name, file, kind string, content []byte) {
		f, err := w.CreatePart(map[string][]string{
			"Content-Disposition": {`form-data; name="` + name + `"` + file}, "Content-Type": {kind},
		})
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
	part("json", "", "application/json", text)
	part("file", `; filename="package.zip"`, "application/zip", raw)
	if err := w.Close(); err != nil {
		o.t.Fatal(err)
	}
	return o.Do("POST", "metadata/deployRequest", w.FormDataContentType(), b.String())
}

// deployed waits for the end of a deployment.
func (o *Org) deployed(id string) Deployment {
	o.t.Helper()
	var d Deployment
	for until := time.Now().Add(jobPatience); time.Now().Before(until); o.pause() {
		o.Get("metadata/deployRequest/" + id + "?includeDetails=true").OK(200).Into(&d)
		if d.DeployResult.Done {
			return d
		}
	}
	o.t.Fatalf("deployment %s does not end", id)
	return d
}

// pause waits between two looks at something that takes its time: shortly on an emulated org.
func (o *Org) pause() {
	if slices.Contains(o.target.Has, Clock) {
		time.Sleep(2 * time.Millisecond)
		return
	}
	time.Sleep(time.Second)
}

// fixture deploys what a rule needs, once in a run.
func (o *Org) fixture(f *fixture) {
	o.t.Helper()
	err, done := o.run.deployed[f]
	if !done {
		if d := o.Deploy(f.files, f.members, nil); !d.DeployResult.Success {
			err = errors.New(d.problems())
		} else {
			o.run.order = append(o.run.order, f)
		}
		o.run.deployed[f] = err
		if err == nil && f.ready != nil {
			f.ready(o)
		}
	}
	if err != nil {
		o.t.Fatalf("the metadata that the rule needs: %v", err)
	}
}

// clear deletes what the run has deployed and deactivates the second user.
func (r *run) clear(t *testing.T) {
	o := &Org{t: t, target: r.target, run: r}
	if r.second != "" {
		o.Patch("sobjects/User/"+r.second, Values{"IsActive": false})
	}
	for _, f := range slices.Backward(r.order) {
		gone := maps.Clone(f.members)
		for _, kind := range f.keep {
			delete(gone, kind)
		}
		if d := o.Deploy(map[string]string{"destructiveChanges.xml": manifest(gone)}, nil, Values{"purgeOnDelete": true}); !d.DeployResult.Success {
			t.Errorf("what the rules deployed stays: %s", d.problems())
		}
	}
}

// Second is the org as a user of the profile Standard User sees it.
func (o *Org) Second() *Org {
	o.t.Helper()
	if o.run.second == "" {
		o.signUp()
	}
	other := *o
	other.target.Token = o.run.token
	return &other
}

// signUp makes the second user and opens a session for it. Login by SOAP is of no version after 64.
func (o *Org) signUp() {
	o.t.Helper()
	name := fmt.Sprintf("orgtest.%d@orgtest.example", time.Now().UnixNano())
	profile := o.Query("SELECT Id FROM Profile WHERE Name = 'Standard User'").Records[0]["Id"]
	var made struct{ ID string }
	o.Post("sobjects/User", Values{
		"Username": name, "LastName": "Orgtest", "Email": "orgtest@orgtest.example", "Alias": "orgtest", "ProfileId": profile, "IsActive": true,
		"TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US",
	}).OK(201).Into(&made)
	const password = "Orgtest-2718-palimpsest"
	o.Partner("setPassword", "<userId>"+made.ID+"</userId><password>"+password+"</password>").OK(200)
	reply := o.Do("POST", "/services/Soap/u/64.0", "text/xml; charset=UTF-8",
		`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><e:Body><login><username>`+name+
			`</username><password>`+password+`</password></login></e:Body></e:Envelope>`, "SOAPAction", `""`).OK(200)
	o.run.second, o.run.token = made.ID, reply.Element("sessionId")
}
