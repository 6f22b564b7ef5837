package metadata_test

import (
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
	"holdfast/internal/testkit"
)

// bench is an org and its metadata.
type bench struct {
	t testing.TB
	o *org.Org
	s *metadata.Store
}

func newBench(t testing.TB) *bench {
	o := org.New(org.Config{})
	return &bench{t: t, o: o, s: metadata.New(o, nil)}
}

func (b *bench) deploy(opts metadata.Options, files map[string]string) *metadata.Result {
	b.t.Helper()
	raw, err := testkit.Zip(files)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.s.Deploy(b.o.Admin(), raw, opts)
}

// listed reports a component that listMetadata shows.
func (b *bench) listed(kind, name string) bool {
	return slices.ContainsFunc(b.s.List(kind, ""), func(c metadata.Component) bool { return c.FullName == name })
}

const head = `<?xml version="1.0" encoding="UTF-8"?>`

func manifest(kind string, members ...string) string {
	text := head + `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types>`
	for _, m := range members {
		text += "<members>" + m + "</members>"
	}
	return text + "<name>" + kind + "</name></types><version>66.0</version></Package>"
}

func object(inner string) string {
	return head + `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><label>Thing</label><pluralLabel>Things</pluralLabel>` +
		`<nameField><label>Name</label><type>Text</type></nameField>` + inner + `</CustomObject>`
}

func field(inner string) string { return "<fields>" + inner + "</fields>" }

const (
	good = `<fullName>Good__c</fullName><label>Good</label><type>Text</type><length>20</length>`
	bad  = `<fullName>Bad__c</fullName><label>Bad</label><type>Lookup</type><referenceTo>Nowhere__c</referenceTo>`
)

func failures(r *metadata.Result) []string {
	var out []string
	for _, m := range r.Components {
		if !m.Success {
			out = append(out, m.FullName+": "+m.Problem)
		}
	}
	return out
}

func TestFailureRollsTheDeployBack(t *testing.T) {
	b := newBench(t)
	files := map[string]string{
		"package.xml":             manifest("CustomObject", "Thing__c"),
		"objects/Thing__c.object": object(field(good) + field(bad)),
	}
	r := b.deploy(metadata.Options{RollbackOnError: true}, files)
	if r.Success || r.Status != "Failed" || r.Errors != 1 || r.Deployed != 2 {
		t.Errorf("%+v", r)
	}
	want := "Thing__c.Bad__c: referenceTo value of 'Nowhere__c' does not resolve to a valid sObject type"
	if got := failures(r); len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
	if _, ok := b.o.Describe("Thing__c"); ok || b.listed("CustomObject", "Thing__c") {
		t.Error("something of the failed deploy remained")
	}
	r = b.deploy(metadata.Options{}, files)
	o, ok := b.o.Describe("Thing__c")
	if r.Status != "SucceededPartial" || !ok || o.Field("Good__c") == nil || o.Field("Bad__c") != nil {
		t.Errorf("without rollbackOnError: %+v", r)
	}
}

func TestCheckOnlyChangesNothing(t *testing.T) {
	b := newBench(t)
	r := b.deploy(metadata.Options{CheckOnly: true, RollbackOnError: true}, map[string]string{
		"package.xml": manifest("CustomObject", "Thing__c"), "objects/Thing__c.object": object(field(good)),
	})
	if !r.Success || r.Status != "Succeeded" || r.Total != 2 {
		t.Errorf("%+v", r)
	}
	if _, ok := b.o.Describe("Thing__c"); ok {
		t.Error("a validation made an object")
	}
}

func TestRedeployKeepsRecordsAndPrefix(t *testing.T) {
	b := newBench(t)
	files := map[string]string{"package.xml": manifest("CustomObject", "Thing__c"), "objects/Thing__c.object": object(field(good))}
	b.deploy(metadata.Options{RollbackOnError: true}, files)
	row := org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "Good__c", Text: "kept"}}}
	id := b.o.Write(b.o.Admin(), org.Insert, []org.Row{row}, org.Options{})[0].ID
	files["objects/Thing__c.object"] = object(field(strings.Replace(good, "20", "40", 1)) + field(`<fullName>More__c</fullName><label>M</label><type>Checkbox</type><defaultValue>true</defaultValue>`))
	if r := b.deploy(metadata.Options{RollbackOnError: true}, files); !r.Success {
		t.Fatal(failures(r))
	}
	got, err := b.o.Retrieve(b.o.Admin(), "Thing__c", []string{string(id)}, []string{"Good__c", "More__c"})
	if err != nil || got[0] == nil || got[0].Cells[0].Text != "kept" || got[0].Cells[1].Text != "false" {
		t.Errorf("%+v %v", got, err)
	}
	// A failed deploy that deletes the object first gives its records back.
	files["destructiveChanges.xml"] = manifest("CustomObject", "Thing__c")
	files["objects/Thing__c.object"] = object(field(bad))
	if r := b.deploy(metadata.Options{RollbackOnError: true}, files); r.Success {
		t.Error("a bad field was deployed")
	}
	if got, _ = b.o.Retrieve(b.o.Admin(), "Thing__c", []string{string(id)}, []string{"Good__c"}); got[0] == nil || got[0].Cells[0].Text != "kept" {
		t.Errorf("the record is gone: %+v", got)
	}
}

func TestDestructiveChanges(t *testing.T) {
	b := newBench(t)
	b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{
		"package.xml": manifest("CustomObject", "Thing__c"), "objects/Thing__c.object": object(field(good)),
	})
	r := b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{
		"package.xml":            head + `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><version>66.0</version></Package>`,
		"destructiveChanges.xml": manifest("CustomField", "Thing__c.Good__c", "Thing__c.Gone__c"),
	})
	if !r.Success || !r.Components[0].Deleted || r.Components[1].ProblemType != "Warning" {
		t.Errorf("%+v", r)
	}
	if o, _ := b.o.Describe("Thing__c"); o.Field("Good__c") != nil {
		t.Error("the field is still there")
	}
}

func TestArchivesThatCannotBeDeployed(t *testing.T) {
	b := newBench(t)
	if r := b.s.Deploy(b.o.Admin(), []byte("no zip"), metadata.Options{}); r.ErrorCode != "INVALID_OPERATION" {
		t.Errorf("%+v", r)
	}
	if r := b.deploy(metadata.Options{}, map[string]string{"a/b/c.txt": ""}); len(failures(r)) != 1 || failures(r)[0] != "package.xml: No package.xml found" {
		t.Errorf("%+v", r)
	}
	r := b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{"pkg/package.xml": manifest("Layout", "Missing")})
	if got := failures(r); len(got) != 1 || got[0] != "Missing: An object 'Missing' of type Layout was named in package.xml, but was not found in zipped directory" {
		t.Errorf("%q", got)
	}
	r = b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{"package.xml": manifest("Nonsense", "X")})
	if got := failures(r); len(got) != 1 || !strings.Contains(got[0], "Unknown type name 'Nonsense' specified in package.xml") {
		t.Errorf("%q", got)
	}
	r = b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{
		"package.xml": manifest("CustomObject", "Thing__c"), "objects/Thing__c.object": "<CustomObject><label>",
	})
	if got := failures(r); len(got) != 1 || !strings.HasPrefix(got[0], "Thing__c: Error parsing file: ") {
		t.Errorf("%q", got)
	}
}

func TestPackageNamesGetTheirNamespace(t *testing.T) {
	o := org.New(org.Config{})
	s := metadata.New(o, registry(t))
	for _, ns := range packages {
		deployFiles(t, s, o, installFiles(ns))
	}
	for _, c := range []struct{ object, field, target, kids string }{
		{"npe01__OppPayment__c", "npe01__Opportunity__c", "Opportunity", "npe01__OppPayment__r"},
		{"Opportunity", "npe03__Recurring_Donation__c", "npe03__Recurring_Donation__c", ""},
		{"Contact", "npo02__Household__c", "npo02__Household__c", ""},
		{"npe4__Relationship__c", "npe4__Contact__c", "Contact", ""},
	} {
		object, ok := o.Describe(c.object)
		if !ok || object.Field(c.field) == nil || object.Field(c.field).ReferenceTo[0] != c.target {
			t.Errorf("%s.%s does not refer to %s", c.object, c.field, c.target)
			continue
		}
		parent, _ := o.Describe(c.target)
		found := c.kids == ""
		for _, k := range parent.Children {
			found = found || k.RelationshipName == c.kids
		}
		if !found {
			t.Errorf("%s has no children %s", c.target, c.kids)
		}
	}
	opportunity := o.Write(o.Admin(), org.Insert, []org.Row{{Object: "Opportunity", Fields: []org.Assignment{
		{Field: "Name", Text: "O"}, {Field: "StageName", Text: "Closed Won"}, {Field: "CloseDate", Text: "2026-01-01"},
	}}}, org.Options{})[0].ID
	payment := o.Write(o.Admin(), org.Insert, []org.Row{{Object: "npe01__OppPayment__c", Fields: []org.Assignment{
		{Field: "npe01__Opportunity__c", Text: string(opportunity)},
		{Field: "npe01__Payment_Amount__c", Text: "12.5"},
		{Field: "npe01__Paid__c", Text: "true"},
	}}}, org.Options{})[0]
	if !payment.Success {
		t.Fatal(payment.Errors)
	}
	q, err := soql.Parse("SELECT npe01__Payments_Made__c, npe01__Number_of_Payments__c FROM Opportunity")
	if err != nil {
		t.Fatal(err)
	}
	a, err := o.Query(o.Admin(), q, false)
	if err != nil || a.Text(0, 0) != "12.5" || a.Text(0, 1) != "1" {
		t.Errorf("roll-ups of the package: %v %q %q", err, a.Text(0, 0), a.Text(0, 1))
	}
	r := deployAny(t, s, o, installFiles("nobody"), metadata.Options{RollbackOnError: true})
	if r.Success || len(failures(r)) != 1 {
		t.Errorf("a package that nobody knows was installed: %+v", r)
	}
}
