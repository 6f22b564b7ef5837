package metadata_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
)

// entry is one file of a zip that no honest program makes.
type entry struct {
	name  string
	body  string
	claim uint64 // of the size unpacked; 0 is the truth
}

func hostile(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range append([]entry{{name: "package.xml", body: packageXML()}}, entries...) {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		create := w.CreateHeader
		if e.claim > 0 {
			h.Method, h.UncompressedSize64, h.CompressedSize64, create = zip.Store, e.claim, uint64(len(e.body)), w.CreateRaw
		}
		f, err := create(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostileZipsAreRefused(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		entries []entry
		code    string
	}{
		"a path out of the package":  {[]entry{{name: "../tabs/A.tab", body: "x"}}, "INVALID_OPERATION"},
		"a path through the package": {[]entry{{name: "tabs/../../A.tab", body: "x"}}, "INVALID_OPERATION"},
		"an absolute path":           {[]entry{{name: "/tabs/A.tab", body: "x"}}, "INVALID_OPERATION"},
		"another system's path":      {[]entry{{name: `tabs\A.tab`, body: "x"}}, "INVALID_OPERATION"},
		"the same name twice":        {[]entry{{name: "tabs/A.tab", body: "x"}, {name: "tabs/A.tab", body: "y"}}, "INVALID_OPERATION"},
		"600 MB and a byte":          {[]entry{{name: "tabs/A.tab", body: "x", claim: 629_145_601}}, "LIMIT_EXCEEDED"},
		"many that are too much":     {[]entry{{name: "tabs/A.tab", body: "x", claim: 400 << 20}, {name: "tabs/B.tab", body: "x", claim: 400 << 20}}, "LIMIT_EXCEEDED"},
	} {
		r := b.s.Deploy(b.o.Admin(), hostile(t, c.entries...), metadata.Options{RollbackOnError: true})
		if r.Success || r.ErrorCode != c.code {
			t.Errorf("%s: %s %s %s", name, r.Status, r.ErrorCode, r.ErrorMessage)
		}
	}
	if n := len(b.s.List("CustomTab", "")); n != 0 {
		t.Errorf("%d tabs of refused zips are there", n)
	}
}

func TestHostileXMLIsRefused(t *testing.T) {
	b := newBench(t)
	for name, text := range map[string]string{
		"a document type":   `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><CustomTab><label>&a;</label></CustomTab>`,
		"an unknown entity": file("CustomTab", "<label>&a;</label>"),
		"too deep":          file("CustomTab", strings.Repeat("<a>", 200)+strings.Repeat("</a>", 200)),
		"cut off":           head + "<CustomTab><label>",
		"nothing":           "",
	} {
		r := b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{"package.xml": packageXML("CustomTab", "A"), "tabs/A.tab": text})
		if got := failures(r); r.Success || len(got) != 1 || !strings.HasPrefix(got[0], "A: Error parsing file: ") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatThePackageDoesNotNameFails(t *testing.T) {
	b := newBench(t)
	files := map[string]string{
		"package.xml": packageXML("CustomObject", "Thing__c", "CustomField", "Account.One__c"), "objects/Thing__c.object": object(textField("Any__c")),
		"objects/Account.object": file("CustomObject", textField("One__c")+textField("Two__c")), "tabs/A.tab": file("CustomTab", "<label>A</label>"),
	}
	r := b.deploy(metadata.Options{RollbackOnError: true}, files)
	if got := strings.Join(failures(r), "; "); got != "Account.Two__c: Not in package.xml; A: Not in package.xml" {
		t.Errorf("%s", got)
	}
	if r = b.deploy(metadata.Options{RollbackOnError: true, AutoUpdatePackage: true}, files); !r.Success || !b.listed("CustomTab", "A") {
		t.Errorf("with autoUpdatePackage: %v", failures(r))
	}
}
