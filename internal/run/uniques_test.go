package run_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// A unique value that a record of the incident took, and that people worked on since, stays with it: the record that had it
// before comes back without the value, the plan says so, and nothing is refused.
func TestUniqueValueThatAnotherRecordKeeps(t *testing.T) {
	m := newMazeOrg(t, 162, 12) // in which that happens
	before := m.see()
	first := m.backup()
	m.wreck()
	after := m.see()
	second := m.backup()
	m.honest(before)
	now := m.see()
	want := m.witness(before, after, now)
	m.must(m.server.SetHardness(emulator.Hardness{}))
	r := m.restore(run.RestoreInput{Before: first.Snapshot.ID, After: second.Snapshot.ID})
	if !slices.ContainsFunc(r.Conflicts, func(c run.ConflictRow) bool { return c.Reason == run.ReasonTaken }) {
		t.Fatalf("the plan does not say it: %+v", r.Conflicts)
	}
	out := m.apply(r)
	if out.Failed > 0 || out.Unexplained > 0 {
		t.Errorf("%+v %+v", out.Errors, out.Differences)
	}
	m.like(want, out)
}

// Two records lie in the Recycle Bin with one unique value, which each had when it was deleted. Where a third one keeps it,
// neither comes out of there, and otherwise only the one that is to have it: nothing is refused.
func TestTwoRecordsInTheBinWithOneUniqueValue(t *testing.T) {
	for _, kept := range []bool{false, true} {
		w := emptyWard(t, 69, emulatorOptions)
		w.must(w.loader.DeployFiles(t.Context(), map[string]string{
			"package.xml": testkit.PackageXML("CustomObject", "Key__c"),
			"objects/Key__c.object": `<CustomObject` + metadataSpace + `><deploymentStatus>Deployed</deploymentStatus><label>Key</label><pluralLabel>Keys</pluralLabel>
<nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
<fields><fullName>Code__c</fullName><label>Code</label><type>Text</type><length>20</length><unique>true</unique><externalId>true</externalId></fields></CustomObject>`,
		}))
		ids := w.added("Key__c", testkit.Row{"Name": "one", "Code__c": "K-1"}, testkit.Row{"Name": "two", "Code__c": "K-2"})
		w.server.Clock().Advance(time.Hour)
		before := w.backup().Snapshot.ID
		w.must(w.loader.Delete(t.Context(), ids[1:]))
		w.update("Key__c", []testkit.Row{{"Id": ids[0], "Code__c": "K-2"}})
		w.must(w.loader.Delete(t.Context(), ids[:1]))
		codes, fresh := map[string]string{"one": "K-1", "two": "K-2"}, 1
		if kept {
			w.added("Key__c", testkit.Row{"Name": "three", "Code__c": "K-2"})
			codes, fresh = map[string]string{"one": "K-1", "two": "", "three": "K-2"}, 2
		}
		w.server.Clock().Advance(time.Hour)
		r := w.restore(run.RestoreInput{Snapshot: before, Selection: run.Selection{Objects: []string{"Key__c"}}})
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "cannot come out of the Recycle Bin") }) {
			t.Errorf("kept %v: %q", kept, r.Notes)
		}
		out := w.apply(r)
		got, names := map[string]string{}, w.field("Key__c", "Name")
		for id, code := range w.field("Key__c", "Code__c") {
			got[names[id]] = code
		}
		if !maps.Equal(got, codes) || len(out.NewIDs) != fresh || out.Failed > 0 {
			t.Errorf("kept %v: %v, %d new Ids, %+v", kept, got, len(out.NewIDs), out.Errors)
		}
	}
}
