package capture_test

import (
	"slices"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// TestObjectsThatWantAFilterAreReadByTheirParents: the org does not answer unfiltered queries on links, and
// counts none; all are held, and what goes is buried.
func TestObjectsThatWantAFilterAreReadByTheirParents(t *testing.T) {
	link := without(object("Link__c", "a02",
		&sf.Field{Name: "Doc__c", Type: sf.TypeReference, ReferenceTo: []string{"Doc__c"}},
		&sf.Field{Name: "Entity__c", Type: sf.TypeReference, ReferenceTo: []string{"Doc__c", "Other__c"}}), "IsDeleted")
	link.Replicateable = false
	b := newBench(t, object("Doc__c", "a01"), object("Plain__c", "a03"), link)
	var refusal error
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Link__c" && x.IDs == nil {
			return refusal
		}
		return nil
	}
	refusal = orgError("MALFORMED_QUERY: Implementation restriction: Link__c requires a filter by a single Id on Entity__c or Doc__c using the equals operator")
	b.org.onCount = func(object string, n int64) (int64, error) {
		if object == "Link__c" {
			return 0, refusal
		}
		return n, nil
	}
	docs := b.org.insert("Doc__c", 30)
	links := b.org.insert("Link__c", 60)
	for i, id := range links {
		b.org.update("Link__c", id, "Doc__c", string(docs[i/2]))
	}
	r := b.back()
	if p := part(t, r, "Link__c"); p.Part.Records != 60 || gapOf(r, "Link__c", "") != capture.RuleUncounted {
		t.Fatalf("%+v, %s", p, gapOf(r, "Link__c", ""))
	}
	b.org.advance(time.Hour)
	b.org.hardDelete("Link__c", false, links[5])
	b.org.update("Link__c", links[6], "Name", "changed")
	r = b.back()
	if c := part(t, r, "Link__c").Part.Changes; c.Updated != 1 || c.Deleted != 1 || c.Created != 0 {
		t.Errorf("changes %+v", c)
	}
	// Without what they belong to nobody takes them for deleted.
	b.opts.Rules.Exclude = []string{"Doc__c"}
	r = b.backPartial("Link__c")
	if p := part(t, r, "Link__c"); p.Mode != capture.ModeStale || p.Part.Records != 59 {
		t.Errorf("%+v", p)
	}
}

// TestBigObjectsAreHeldWhenAskedFor: by name alone, in full each time, and what goes is buried.
func TestBigObjectsAreHeldWhenAskedFor(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	err := e.server.Org().Change(e.server.Org().Admin(), func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{
			Name: "Visit__b", Label: "Visit", LabelPlural: "Visits", Kind: org.BigObject, Index: []string{"Who__c"},
		}); err != nil {
			return err
		}
		if _, err := tx.PutField("Visit__b", org.FieldSpec{Name: "Who__c", Label: "Who", Type: "Text", Length: 20, Required: true}); err != nil {
			return err
		}
		tx.Finish("Visit__b")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	visit := func(who string) org.Row {
		return org.Row{Object: "Visit__b", Fields: []org.Assignment{{Field: "Who__c", Text: who}}}
	}
	e.insert("Account", 3)
	ids := e.write(org.Insert, []org.Row{visit("ada"), visit("bob"), visit("cy")}, org.Options{})
	e.server.Clock().Advance(time.Hour)
	e.wholeOrg()
	if r := e.back(); gapOf(r, "Visit__b", "") != capture.RuleKind || slices.ContainsFunc(r.Parts, func(p capture.PartResult) bool { return p.Object == "Visit__b" }) {
		t.Errorf("a big object that nobody asked for: %q", gapOf(r, "Visit__b", ""))
	}
	e.opts.Include = []string{"Account", "Visit__b"}
	if p := part(t, e.back(), "Visit__b"); p.Part.Records != 3 {
		t.Errorf("%+v", p)
	}
	e.server.Clock().Advance(time.Hour)
	e.write(org.Delete, rowsOf(ids[:1]), org.Options{})
	e.write(org.Insert, []org.Row{visit("dee")}, org.Options{})
	if c := part(t, e.back(), "Visit__b").Part.Changes; c.Created != 1 || c.Deleted != 1 {
		t.Errorf("changes %+v", c)
	}
	e.opts.Include = nil
	if p := part(t, e.back(), "Visit__b"); p.Mode != capture.ModeCarried || p.Part.Records != 3 {
		t.Errorf("held before, and not asked for now: %+v", p)
	}
}
