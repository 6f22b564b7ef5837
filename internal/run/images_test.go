package run_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"holdfast/internal/capture"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// bufferFile is a file that is written to memory.
type bufferFile struct{ *bytes.Buffer }

// Close is that of io.Closer.
func (bufferFile) Close() error { return nil }

// TestImagesOfRichTextComeOutAndGoWithTheirRecords: an image is a file that can be brought out and rescued, and one that is
// erased with the record that shows it.
func TestImagesOfRichTextComeOutAndGoWithTheirRecords(t *testing.T) {
	o := observe(t)
	loader := &testkit.Loader{InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0"}
	if err := loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": testkit.PackageXML("CustomObject", "Story__c"),
		"objects/Story__c.object": `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Story</label><pluralLabel>Stories</pluralLabel>
  <nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Tale__c</fullName><label>Tale</label><type>Html</type><length>32768</length><visibleLines>25</visibleLines></fields>
</CustomObject>`,
	}); err != nil {
		t.Fatal(err)
	}
	id, src, err := o.server.AddImage([]byte("a picture"))
	if err != nil {
		t.Fatal(err)
	}
	record := o.write(org.Insert, org.Row{Object: "Story__c", Fields: []org.Assignment{
		{Field: "Name", Text: "story"}, {Field: "Tale__c", Text: `<img src="` + src + `"></img>`},
	}})[0]
	_, err = run.Backup(t.Context(), run.BackupInput{Source: o.client, Store: o.store, Options: capture.Options{
		OrgName: "prod", Files: true, Include: []string{"Story__c"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := func() (string, error) {
		var out bytes.Buffer
		_, err := run.File(t.Context(), run.FileInput{
			Store: o.store, Snapshot: "latest", Record: string(id), Object: capture.Images,
			Create: func() (io.WriteCloser, error) { return bufferFile{&out}, nil },
		})
		return out.String(), err
	}
	if got, err := file(); err != nil || got != "a picture" {
		t.Errorf("%q, %v", got, err)
	}
	written := map[string]*bytes.Buffer{}
	_, err = run.Rescue(t.Context(), run.RescueInput{Store: o.store, Snapshot: "latest", Create: func(name string) (io.WriteCloser, error) {
		written[name] = &bytes.Buffer{}
		return bufferFile{written[name]}, nil
	}})
	found := false
	for name, b := range written {
		found = found || strings.HasPrefix(name, "files/RichTextImage/"+string(id)) && b.String() == "a picture"
	}
	if err != nil || !found {
		t.Errorf("the image was not rescued: %v", err)
	}
	erase := run.EraseInput{Store: o.store, Records: []string{string(record)}}
	planned, err := run.Erase(t.Context(), erase)
	if err != nil || planned.Versions != 2 {
		t.Errorf("%+v, %v", planned, err)
	}
	erase.Approval = planned.Approval
	if _, err := run.Erase(t.Context(), erase); err != nil {
		t.Fatal(err)
	}
	if got, err := file(); problem.KindOf(err) != problem.NotFound {
		t.Errorf("%q, %v", got, err)
	}
}
