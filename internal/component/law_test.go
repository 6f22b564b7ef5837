package component_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

const profileHead = `<?xml version="1.0" encoding="UTF-8"?><Profile xmlns="http://soap.sforce.com/2006/04/metadata">`

func canonical(t testing.TB, kind, text string) string {
	t.Helper()
	c, ok := component.Canonical(kind, []byte(text))
	if !ok {
		t.Fatalf("no document: %s", text)
	}
	return string(c)
}

// TestOrderAndDefaultsSayNothing: what means the same has one canonical form, and only that.
func TestOrderAndDefaultsSayNothing(t *testing.T) {
	const (
		a = `<fieldPermissions><editable>true</editable><field>A.B</field><readable>true</readable></fieldPermissions>`
		b = `<fieldPermissions><field>A.C</field><readable>true</readable><editable>false</editable></fieldPermissions>`
	)
	base := canonical(t, "Profile", profileHead+a+b+"<custom>true</custom></Profile>")
	for name, text := range map[string]string{
		"order":       profileHead + "<custom>true</custom>" + b + a + "</Profile>",
		"white space": profileHead + "\n  " + a + "\r\n" + b + "\t<custom>true</custom><!-- c --></Profile>",
		"prefix":      `<m:Profile xmlns:m="http://soap.sforce.com/2006/04/metadata"><m:custom>true</m:custom>` + prefixed(a+b) + `</m:Profile>`,
		"all false":   profileHead + a + b + "<custom>true</custom><fieldPermissions><editable>false</editable><field>A.D</field><readable>false</readable></fieldPermissions></Profile>",
		"CDATA":       profileHead + a + b + "<custom><![CDATA[true]]></custom></Profile>",
		"references":  profileHead + a + b + "<custom>&#116;r&#x75;e</custom></Profile>",
	} {
		if got := canonical(t, "Profile", text); got != base {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, text := range map[string]string{
		"a permission more": profileHead + a + b + strings.ReplaceAll(b, "A.C", "A.D") + "<custom>true</custom></Profile>",
		"text":              profileHead + a + b + "<custom>true </custom></Profile>",
		"twice":             profileHead + a + a + b + "<custom>true</custom></Profile>",
		"namespace":         `<Profile xmlns="http://example.org/">` + a + b + "<custom>true</custom></Profile>",
	} {
		if got, ok := component.Canonical("Profile", []byte(text)); ok && string(got) == base {
			t.Errorf("%s makes no difference", name)
		}
	}
	const values = `<GlobalValueSet xmlns="http://soap.sforce.com/2006/04/metadata"><customValue><fullName>A</fullName></customValue>` +
		`<customValue><fullName>B</fullName></customValue></GlobalValueSet>`
	swapped := strings.NewReplacer(">A<", ">B<", ">B<", ">A<").Replace(values)
	if canonical(t, "GlobalValueSet", values) == canonical(t, "GlobalValueSet", swapped) {
		t.Error("the order of picklist values says something, and was lost")
	}
	const flow = `<Flow xmlns="http://soap.sforce.com/2006/04/metadata" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:s="http://www.w3.org/2001/XMLSchema">` +
		`<v xsi:type="s:string">x</v><v xsi:nil="true"/></Flow>`
	if got := canonical(t, "Flow", flow); !strings.Contains(got, `xsi:type="xsd:string"`) || !strings.Contains(got, `xmlns:xsd=`) || got != canonical(t, "Flow", got) {
		t.Errorf("types of values: %s", got)
	}
}

// prefixed gives each tag the prefix m.
func prefixed(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, "</", "\x00"), "<", "<m:"), "\x00", "</m:")
}

// document draws a document of one namespace.
func document(t *rapid.T, kind string) *component.Node {
	names := []string{"fields", "fieldPermissions", "label", "values", "fullName", "field", "decisions", "rules", "name"}
	var node func(depth int) *component.Node
	node = func(depth int) *component.Node {
		n := &component.Node{Name: rapid.SampledFrom(names).Draw(t, "name")}
		if depth > 0 && rapid.Bool().Draw(t, "inner") {
			for range rapid.IntRange(1, 4).Draw(t, "n") {
				n.Nodes = append(n.Nodes, node(depth-1))
			}
			return n
		}
		n.Text = rapid.SampledFrom([]string{"", "a", "b", "true", "false", " x\n", "<&>'\"", "\r\n", "é\U0001F600"}).Draw(t, "text")
		return n
	}
	root := &component.Node{Name: kind}
	for range rapid.IntRange(0, 6).Draw(t, "children") {
		root.Nodes = append(root.Nodes, node(3))
	}
	return root
}

var kinds = []string{"Profile", "PermissionSet", "CustomObject", "Flow", "GlobalValueSet", "Layout", "Translations"}

// TestLawCanonicalFormIsStable: printing and reading a document changes nothing, and neither does putting
// its canonical form into canonical form again.
func TestLawCanonicalFormIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		root := document(t, kind)
		printed := component.Print(root)
		read, err := component.Parse(printed)
		if err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		if again := component.Print(read); !bytes.Equal(again, printed) {
			t.Fatalf("printed\n%s\nread and printed\n%s", printed, again)
		}
		once, _ := component.Canonical(kind, printed)
		twice, ok := component.Canonical(kind, once)
		if !ok || !bytes.Equal(once, twice) {
			t.Fatalf("once\n%s\ntwice\n%s", once, twice)
		}
		if parts := component.Parts(kind, mustParse(t, printed), mustParse(t, once)); len(parts) > 0 {
			t.Fatalf("a document differs from its canonical form: %v\n%s\n%s", parts, printed, once)
		}
	})
}

func mustParse(t interface{ Fatal(args ...any) }, raw []byte) *component.Node {
	n, err := component.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLawPartsSayWhatDiffers: two documents have the same canonical form exactly when no part differs.
func TestLawPartsSayWhatDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		a := component.Print(document(t, kind))
		b := a
		if rapid.Bool().Draw(t, "other") {
			b = component.Print(document(t, kind))
		}
		ca, _ := component.Canonical(kind, a)
		cb, _ := component.Canonical(kind, b)
		parts := component.Parts(kind, mustParse(t, a), mustParse(t, b))
		if bytes.Equal(ca, cb) != (len(parts) == 0) {
			t.Fatalf("%v\n%s\n%s", parts, ca, cb)
		}
	})
}

func TestPartsAreAddressed(t *testing.T) {
	object := func(inner string) *component.Node {
		return mustParse(t, []byte(`<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">`+inner+`</CustomObject>`))
	}
	before := object(`<label>A</label><fields><fullName>X__c</fullName><type>Text</type></fields><fields><fullName>Y__c</fullName></fields>`)
	after := object(`<fields><fullName>Z__c</fullName></fields><fields><type>Number</type><fullName>X__c</fullName></fields><label>A</label>`)
	want := []component.PartChange{
		{Element: "fields", Key: "X__c", How: component.Changed},
		{Element: "fields", Key: "Y__c", How: component.Removed},
		{Element: "fields", Key: "Z__c", How: component.Added},
	}
	if got := component.Parts("CustomObject", before, after); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	layout := `<layoutAssignments><layout>L</layout><recordType>R</recordType></layoutAssignments>`
	a := mustParse(t, []byte(profileHead+layout+"</Profile>"))
	b := mustParse(t, []byte(profileHead+strings.ReplaceAll(layout, ">R<", ">S<")+"</Profile>"))
	if got := component.Parts("Profile", a, b); len(got) != 2 || got[0].Key != "L, R" || got[1].Key != "L, S" {
		t.Errorf("%v", got)
	}
	if got := component.Parts("Profile", nil, a); len(got) != 1 || got[0].How != component.Added {
		t.Errorf("%v", got)
	}
}

// TestLawProfilesMerge: a profile that came in pieces, each about some components, is whole again.
func TestLawProfilesMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := &component.Node{Name: "Profile", Nodes: []*component.Node{{Name: "custom", Text: "true"}}}
		n := rapid.IntRange(1, 4).Draw(t, "pieces")
		pieces := make([]*component.Node, n)
		for i := range pieces {
			pieces[i] = &component.Node{Name: "Profile", Nodes: []*component.Node{{Name: "custom", Text: "true"}}}
		}
		for i := range rapid.IntRange(0, 20).Draw(t, "permissions") {
			p := &component.Node{Name: "fieldPermissions", Nodes: []*component.Node{
				{Name: "editable", Text: "true"}, {Name: "field", Text: "A.F" + string(rune('a'+i))},
			}}
			whole.Nodes = append(whole.Nodes, p)
			for _, at := range rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, min(2, n), rapid.ID[int]).Draw(t, "in") {
				pieces[at].Nodes = append(pieces[at].Nodes, p)
			}
		}
		merged := pieces[0]
		for _, p := range pieces[1:] {
			merged = component.Merge("Profile", merged, p)
		}
		a := component.Print(component.Order("Profile", merged))
		b := component.Print(component.Order("Profile", whole))
		if !bytes.Equal(a, b) {
			t.Fatalf("%s\n%s", a, b)
		}
	})
}

// FuzzParse: what is accepted is what the standard library reads in it, and prints stably.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`<?xml version="1.0" encoding="UTF-8"?><a xmlns="http://soap.sforce.com/2006/04/metadata"><b c="d">e&amp;&#10;</b><!-- x --><b/></a>`,
		`<p:a xmlns:p="u" p:b='c'><![CDATA[<x>]]></p:a>`, "<a>\r\n\t</a>", `<a xmlns:x="y"><x:b/></a>`, `<a>x<b/>y</a>`,
		`<a xsi:type="xsd:b" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"/>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		root, err := component.Parse(raw)
		if err != nil {
			if !errors.Is(err, component.ErrXML) {
				t.Fatal(err)
			}
			return
		}
		printed := component.Print(root)
		again, err := component.Parse(printed)
		if err != nil {
			t.Fatalf("%v in %s of %q", err, printed, raw)
		}
		if twice := component.Print(again); !bytes.Equal(twice, printed) {
			t.Fatalf("%s, then %s", printed, twice)
		}
		if want, ok := leaves(raw); ok && !slices.Equal(want, texts(root, nil)) {
			t.Fatalf("%q: %q, the standard library reads %q", raw, texts(root, nil), want)
		}
	})
}

// texts returns the texts of the elements without elements inside.
func texts(n *component.Node, out []string) []string {
	if len(n.Nodes) == 0 {
		return append(out, n.Text)
	}
	for _, c := range n.Nodes {
		out = texts(c, out)
	}
	return out
}

// leaves reads the same with the standard library, or says that it does not read it.
func leaves(raw []byte) ([]string, bool) {
	type frame struct {
		inner bool
		text  strings.Builder
	}
	var out []string
	var stack []*frame
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out, true
		}
		if err != nil {
			return nil, false
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(stack) > 0 {
				stack[len(stack)-1].inner = true
			}
			stack = append(stack, &frame{})
		case xml.EndElement:
			top := stack[len(stack)-1]
			if stack = stack[:len(stack)-1]; !top.inner {
				out = append(out, top.text.String())
			}
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text.Write(tok)
			}
		}
	}
}

func TestFilesAreResolved(t *testing.T) {
	for path, want := range map[string]string{
		"classes/A.cls": "ApexClass A", "classes/A.cls-meta.xml": "ApexClass A", "objects/Account.object": "CustomObject Account",
		"lwc/a/a.js": "LightningComponentBundle a", "lwc/a/a.js-meta.xml": "LightningComponentBundle a", "lwc/a/__tests__/a.test.js": "LightningComponentBundle a",
		"aura/b/b.cmp-meta.xml": "AuraDefinitionBundle b", "reports/F/R.report": "Report F/R", "reports/F-meta.xml": "ReportFolder F",
		"reports/F/G-meta.xml": "ReportFolder F/G", "documents/F-meta.xml": "DocumentFolder F", "documents/F/x.txt": "Document F/x.txt",
		"documents/F/x.txt-meta.xml": "Document F/x.txt", "email/F/T.email": "EmailTemplate F/T", "email/F/T.email-meta.xml": "EmailTemplate F/T",
		"email/F-meta.xml": "EmailFolder F", "staticresources/S.resource": "StaticResource S", "staticresources/S.resource-meta.xml": "StaticResource S",
		"layouts/Account-Account %28Sales%29 Layout.layout": "Layout Account-Account %28Sales%29 Layout", "customMetadata/T.R.md": "CustomMetadata T.R",
		"experiences/X.site-meta.xml": "ExperienceBundle X", "experiences/X/views/home.json": "ExperienceBundle X",
		"digitalExperiences/site/X/X.digitalExperience-meta.xml": "DigitalExperienceBundle site/X",
		"settings/Account.settings":                              "Settings Account", "wave/D.wdash": "WaveDashboard D", "wave/D.wdash-meta.xml": "WaveDashboard D",
		"territory2Models/M/M.territory2Model": "Territory2Model M", "territory2Models/M/territories/T.territory2": "Territory2 M.T",
		"objectTranslations/Account-de.objectTranslation": "CustomObjectTranslation Account-de", "package.xml": "", "unknown/x.y": "", "classes/A.txt": "",
	} {
		key, ok := component.Known().Resolve(path)
		if got := strings.TrimSpace(key.Type + " " + key.Name); got != want || ok != (want != "") {
			t.Errorf("%s: %q", path, got)
		}
	}
	table := component.Known().With([]sf.MetadataType{{Name: "Novelty", Directory: "novelties", Suffix: "novelty"}, {Name: "ApexClass", Directory: "elsewhere"}})
	if key, ok := table.Resolve("novelties/N.novelty"); !ok || key != (sf.ComponentKey{Type: "Novelty", Name: "N"}) {
		t.Errorf("a type that only the org knows: %v", key)
	}
	if table.Kind("ApexClass").Directory != "classes" {
		t.Error("what is known was replaced")
	}
}

// FuzzArchive: an archive is refused with an error of ours, or its files are what the standard library reads.
func FuzzArchive(f *testing.F) {
	for _, files := range [][]component.Entry{{{Path: "package.xml", Body: []byte("<x/>")}}, {{Path: "a/b", Body: bytes.Repeat([]byte("ab"), 500)}, {Path: "a/c", Body: nil}}} {
		raw, err := component.Pack(files)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	limits := component.Limits{Entries: 100, Unpacked: 1 << 20, File: 1 << 19, Ratio: 100}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := component.OpenArchive(raw, limits)
		if err != nil {
			if !errors.Is(err, component.ErrArchive) {
				t.Fatal(err)
			}
			return
		}
		total := 0
		for e, err := range a.Entries() {
			if err != nil {
				if !errors.Is(err, component.ErrArchive) {
					t.Fatal(err)
				}
				return
			}
			if err := component.CheckPath(e.Path); err != nil {
				t.Fatal(err)
			}
			total += len(e.Body)
		}
		if total > 1<<20 {
			t.Fatalf("%d bytes", total)
		}
	})
}

// FuzzUnbundle: what is read is written as it was.
func FuzzUnbundle(f *testing.F) {
	raw, err := component.Bundle([]component.Entry{{Path: "a", Body: []byte("x")}, {Path: "b/c", Body: nil}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		files, err := component.Unbundle(raw)
		if err != nil {
			if !errors.Is(err, component.ErrBundle) {
				t.Fatal(err)
			}
			return
		}
		if again, err := component.Bundle(files); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%q, then %q: %v", raw, again, err)
		}
	})
}
