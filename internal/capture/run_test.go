package capture_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

func TestUnchangedOrgCostsThreeCallsAnObject(t *testing.T) {
	var objects []*sf.Object
	for i := range 20 {
		objects = append(objects, object(fmt.Sprintf("Thing%02d__c", i), fmt.Sprintf("a%02d", i)))
	}
	objects = append(objects, without(object("Share", "0aS"), "SystemModstamp", "IsDeleted"))
	b := newBench(t, objects...)
	for _, o := range objects {
		b.org.insert(o.Name, 30)
	}
	b.back()
	b.org.advance(time.Hour)
	r := b.back()
	const fixed = 3 // identity, time, schema
	if limit := int64(3*len(objects) + fixed); r.Calls > limit {
		t.Errorf("%d calls for %d objects, want at most %d", r.Calls, len(objects), limit)
	}
	for _, p := range r.Parts {
		if c := p.Part.Changes; c.Created+c.Updated+c.Deleted != 0 {
			t.Errorf("%s: %+v", p.Object, c)
		}
	}
	if r.Snapshot.Records != 30*21 {
		t.Errorf("%d records", r.Snapshot.Records)
	}
}

func TestObjectsWithoutAStampAreReadAgainAndStoredAsChanges(t *testing.T) {
	share := without(object("Share", "0aS"), "SystemModstamp", "IsDeleted")
	share.Replicateable = false
	b := newBench(t, share, object("Account", "001"))
	ids := b.org.insert("Share", 100)
	b.back()
	b.org.hardDelete("Share", false, ids[:40]...) // shares are recalculated in numbers: the count agrees
	b.org.insert("Share", 10)
	r := b.back()
	b.wantSame("Share")
	p := part(t, r, "Share")
	if c := p.Part.Changes; p.Mode != capture.ModeFull || c.Created != 10 || c.Deleted != 40 || c.Updated != 0 {
		t.Errorf("mode %s, changes %+v", p.Mode, c)
	}
	b.org.hardDelete("Share", false, ids[40:]...)
	b.org.hardDelete("Share", false, idOf("0aS", 101), idOf("0aS", 102), idOf("0aS", 103), idOf("0aS", 104), idOf("0aS", 105),
		idOf("0aS", 106), idOf("0aS", 107), idOf("0aS", 108), idOf("0aS", 109), idOf("0aS", 110))
	b.backPartial("Share") // everything: that is how a lost permission looks
}

func TestSelection(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Contact", "003"), object("Lead", "00Q"))
	for _, name := range []string{"Account", "Contact", "Lead"} {
		b.org.insert(name, 5)
	}
	b.opts.Rules.Exclude = []string{"Lead"}
	first := b.back()
	b.org.advance(time.Hour)
	b.org.insert("Account", 1)
	b.org.insert("Contact", 1)
	b.opts.Include = []string{"account"}
	r := b.back()
	b.wantSame("Account")
	if n := len(b.held("Contact")); n != 5 {
		t.Errorf("%d contacts, want the 5 held before", n)
	}
	carried := part(t, r, "Contact")
	if carried.Mode != capture.ModeCarried || !carried.Part.Watermark.Equal(part(t, first, "Contact").Part.Watermark) {
		t.Errorf("carried part: %+v", carried)
	}
	if got := gapOf(r, "Lead", ""); got != capture.RuleExcluded {
		t.Errorf("Lead: %q", got)
	}
	if r.Snapshot.Partial {
		t.Error("a selection is not a failure")
	}
	b.opts.Include = nil
	if r = b.back(); part(t, r, "Contact").Mode != capture.ModeChanges {
		t.Error("the carried part is read in full")
	}
	b.wantSame("Contact")
	b.opts.Rules.Exclude = []string{"Leed"}
	if _, err := capture.Run(t.Context(), b.org, b.store, b.opts); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a misspelt exclusion: %v", err)
	}
}

func TestVanishedObjectIsNamed(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Old__c", "a00"))
	b.org.insert("Old__c", 3)
	b.back()
	b.org.hidden["Old__c"] = true
	r := b.back()
	if gapOf(r, "Old__c", "") != capture.RuleVanished {
		t.Errorf("coverage %v", r.Coverage)
	}
}

func TestRefusalOfAHeldObjectIsAFailure(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Vote", "083"))
	b.org.insert("Vote", 3)
	b.back()
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Vote" {
			return orgError("INVALID_TYPE: sObject type 'Vote' is not supported.")
		}
		return nil
	}
	b.backPartial("Vote")
	if n := len(b.held("Vote")); n != 3 {
		t.Errorf("held %d, want 3", n)
	}
}

func TestUncountableObjectIsProvedByCensus(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	ids := b.org.insert("Account", 200)
	b.org.onCount = func(string, int64) (int64, error) {
		return 0, orgError("INVALID_TYPE_FOR_OPERATION: no aggregates here")
	}
	r := b.back()
	if gapOf(r, "Account", "") != capture.RuleUncounted {
		t.Errorf("coverage %v", r.Coverage)
	}
	b.org.advance(time.Hour)
	b.org.hardDelete("Account", false, ids[:3]...)
	b.back()
	b.wantSame("Account")
	if p, _ := b.latest().Part("Account"); p.Expected != -1 {
		t.Errorf("expected %d, want -1", p.Expected)
	}
}

func TestArchivedActivitiesAreHeld(t *testing.T) {
	archived := &sf.Field{Name: "IsArchived", Type: sf.TypeBoolean}
	b := newBench(t, object("Task", "00T", archived))
	ids := b.org.insert("Task", 30)
	for _, id := range ids[:10] {
		b.org.update("Task", id, "IsArchived", "true")
	}
	b.back()
	if n := len(b.held("Task")); n != 30 {
		t.Fatalf("held %d, want the archived ones too", n)
	}
	b.org.advance(time.Hour)
	b.org.updateQuietly("Task", ids[15], "IsArchived", "true") // archiving is not known to move the stamp
	b.org.update("Task", ids[20], "IsArchived", "true")
	b.org.remove("Task", ids[0], ids[25])
	b.back()
	held := b.held("Task")
	if len(held) != 28 {
		t.Errorf("held %d, want 28", len(held))
	}
	for _, id := range []sf.ID{ids[15], ids[20]} {
		if held[id].Get("IsArchived").Text() != "true" {
			t.Errorf("%s is not held as archived", id)
		}
	}
	b.org.advance(time.Hour)
	r := b.back()
	if p := part(t, r, "Task"); p.Settled != "" {
		t.Errorf("the counts still differ: %s", p.Settled)
	}
}

func TestLimitsEndTheRunAndKeepWhatIsDone(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Contact", "003"), object("Lead", "00Q"))
	for _, name := range []string{"Account", "Contact", "Lead"} {
		b.org.insert(name, 5)
	}
	var asked atomic.Int32
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name != "Account" {
			asked.Add(1)
			return problem.New(problem.Limits, "the budget of calls is used up")
		}
		return nil
	}
	b.opts.Parallel = 1
	b.org.onTime = func() error { // what is spent is spent: the clock is not told either
		if asked.Load() > 0 {
			return problem.New(problem.Limits, "the budget of calls is used up")
		}
		return nil
	}
	b.backPartial("Contact", "Lead")
	b.org.onTime = nil
	b.wantSame("Account")
	if n := asked.Load(); n != 1 {
		t.Errorf("the org was asked for %d objects after its limit, want 1", n)
	}
	b.org.onRecords = func(sf.Extract) error { return problem.New(problem.Limits, "the budget of calls is used up") }
	before := snapshots(t, b.store)
	if _, err := capture.Run(t.Context(), b.org, b.store, b.opts); problem.KindOf(err) != problem.Limits {
		t.Errorf("got %v, want the limit", err)
	}
	if n := snapshots(t, b.store); n != before {
		t.Error("a run without a single part was published")
	}
}

func TestParallelIsBounded(t *testing.T) {
	var objects []*sf.Object
	for i := range 12 {
		objects = append(objects, object(fmt.Sprintf("Thing%02d__c", i), fmt.Sprintf("a%02d", i)))
	}
	b := newBench(t, objects...)
	for _, o := range objects {
		b.org.insert(o.Name, 3)
	}
	var now, most atomic.Int32
	b.org.onRecords = func(sf.Extract) error {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		now.Add(-1)
		return nil
	}
	b.opts.Parallel = 3
	b.back()
	if got := most.Load(); got > 3 || got < 2 {
		t.Errorf("%d objects at once, want 3", got)
	}
}

func TestProgressTellsOfEveryPart(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Contact", "003"), object("Vote", "083"))
	b.org.insert("Account", 4500)
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Vote" {
			return orgError("INVALID_TYPE: sObject type 'Vote' is not supported.")
		}
		return nil
	}
	b.org.insert("Vote", 1)
	stages := map[string][]capture.Stage{}
	var last capture.Event
	b.opts.Progress = func(e capture.Event) {
		stages[e.Object] = append(stages[e.Object], e.Stage)
		last = e
		if e.Stage == capture.Done && e.Object == "Account" && (e.Rows != 4500 || e.Bytes == 0 || e.Calls == 0) {
			t.Errorf("event %+v", e)
		}
	}
	b.back()
	want := map[string][]capture.Stage{
		"Account": {capture.Started, capture.Reading, capture.Reading, capture.Done},
		"Contact": {capture.Started, capture.Done},
		"Vote":    {capture.Started, capture.Refused},
	}
	for name, w := range want {
		if !slices.Equal(stages[name], w) {
			t.Errorf("%s: %v, want %v", name, stages[name], w)
		}
	}
	if last.Ended != 3 || last.Parts != 3 {
		t.Errorf("the last event says %d of %d", last.Ended, last.Parts)
	}
}

func TestRunsOfTwoOrgsDoNotMix(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	b.org.insert("Account", 3)
	b.back()
	other := &otherOrg{fakeOrg: newOrg(object("Account", "001"))}
	r, err := capture.Run(t.Context(), other, b.store, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p := part(t, r, "Account"); r.Snapshot.Parent != "" || p.Part.Records != 0 {
		t.Errorf("the other org builds on %q and holds %d", r.Snapshot.Parent, p.Part.Records)
	}
}

func TestPartsAreComparedWithTheSchemaTheyWereReadUnder(t *testing.T) {
	withField := func(typ sf.FieldType) *sf.Object {
		return object("Contact", "003", &sf.Field{Name: "Extra__c", Type: typ})
	}
	b := newBench(t, object("Account", "001"), withField(sf.TypeString))
	b.org.insert("Contact", 3)
	b.back()
	b.opts.Include = []string{"Account"}
	b.org.describe(withField(sf.TypeTextarea)) // while the part is only carried over
	for range 3 {
		b.back()
	}
	b.opts.Include = nil
	if r := b.back(); gapOf(r, "Contact", "Extra__c") != capture.RuleFieldType {
		t.Errorf("the changed type went unnoticed: %v", r.Coverage)
	}
	if r := b.back(); part(t, r, "Contact").Mode != capture.ModeChanges {
		t.Error("the part is read in full again")
	}
}
