package metadata_test

import (
	"archive/zip"
	"bytes"
	"runtime"
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

// TestHostileNamesAreRefused has names that are words of the schema's own language, and more.
func TestHostileNamesAreRefused(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"A'; DROP__c", "A B__c", "A)\nB__c", "1A__c", "_A__c", "A___c", "A\u00e9__c", strings.Repeat("A", 41) + "__c", "a__b__c__c"} {
		files := map[string]string{"package.xml": packageXML("CustomObject", "*"), "objects/" + name + ".object": object("")}
		r := b.deploy(metadata.Options{RollbackOnError: true}, files)
		if got := failures(r); r.Success || len(got) != 1 || !strings.HasPrefix(got[0], name+": The object name ") {
			t.Errorf("object %q: %v", name, got)
		}
		files = map[string]string{"package.xml": packageXML("CustomObject", "*"), "objects/Account.object": file("CustomObject", textField(name))}
		r = b.deploy(metadata.Options{RollbackOnError: true}, files)
		if got := failures(r); r.Success || len(got) != 1 || !strings.HasPrefix(got[0], "Account."+name+": The field name ") {
			t.Errorf("field %q: %v", name, got)
		}
	}
}

func TestALabelIsNoPartOfTheSchema(t *testing.T) {
	b := newBench(t)
	text := strings.NewReplacer("<label>", "<label>One\nTwo | three ", "ReadWrite", "Private").Replace(object(""))
	if !strings.Contains(text, "Private") {
		text = strings.Replace(text, "<label>", "<sharingModel>Private</sharingModel><label>", 1)
	}
	r := b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{"package.xml": packageXML("CustomObject", "*"), "objects/Odd__c.object": text})
	if !r.Success {
		t.Fatal(failures(r))
	}
	if _, ok := b.o.Describe("Odd__Share"); !ok {
		t.Error("a private object has no shares")
	}
}

// TestATextInPiecesIsReadInOnePass: what is allocated grows with the text, not with its square.
func TestATextInPiecesIsReadInOnePass(t *testing.T) {
	b := newBench(t)
	const pieces, enough = 20_000, 200 << 20 // 20,000 growing copies are 2 GB
	label := "<label>" + strings.Repeat("0123456789<!---->", pieces) + "</label>"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{"package.xml": packageXML("CustomTab", "A"), "tabs/A.tab": file("CustomTab", label)})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; !r.Success || used > enough {
		t.Errorf("%d bytes to read %d pieces: %v", used, pieces, failures(r))
	}
}

func TestAFormulaCannotReachItself(t *testing.T) {
	b := newBench(t)
	formula := func(name, text string) string {
		return field("<fullName>" + name + "</fullName><label>x</label><type>Number</type><precision>18</precision><scale>0</scale><formula>" + text + "</formula>")
	}
	for name, c := range map[string]struct {
		fields string
		bad    int
	}{
		"itself":  {formula("A__c", "A__c + 1"), 1},
		"a ring":  {formula("A__c", "B__c + 1") + formula("B__c", "C__c") + formula("C__c", "A__c"), 3},
		"a chain": {formula("A__c", "B__c + B__c") + formula("B__c", "C__c + C__c") + formula("C__c", "1"), 0},
	} {
		r := b.deploy(metadata.Options{RollbackOnError: true, CheckOnly: true}, map[string]string{"package.xml": packageXML("CustomObject", "*"), "objects/Ring__c.object": object(c.fields)})
		if got := failures(r); len(got) != c.bad || c.bad > 0 && !strings.Contains(got[0], "references itself") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Code of more than a million characters is no code.
func TestLongCodeIsRefused(t *testing.T) {
	b := newBench(t)
	long := map[string]string{
		"package.xml": packageXML("ApexClass", "Long"), "classes/Long.cls": "class Long { /*" + strings.Repeat("x", 1_000_000) + "*/ }",
		"classes/Long.cls-meta.xml": file("ApexClass", "<apiVersion>66.0</apiVersion>"),
	}
	if r := b.deploy(metadata.Options{RollbackOnError: true}, long); r.Success || b.listed("ApexClass", "Long") {
		t.Errorf("%s", r.Status)
	}
}
