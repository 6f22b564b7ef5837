package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/testkit"
)

// Law 11 for three states: after the undo of an incident the org is as it was before, but for what
// people did since, which stands; and then nothing remains to be done.
func TestLaw11UndoComesBackToBeforeAndKeepsLaterWork(t *testing.T) {
	seeds := uint64(2)
	if os.Getenv("HOLDFAST_LONG") != "" {
		seeds = 60
	}
	for seed := range seeds {
		w := newWard(t, seed)
		if seed == 0 {
			w.wholeOrg()
		}
		want := w.dump()
		before := w.backup()
		w.incident(want)
		after := w.backup()
		w.honest(want)

		request := run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID}
		r := w.restore(request)
		if r.Totals.Undelete == 0 || r.Totals.Insert == 0 || r.Totals.Update == 0 || r.Totals.Delete != 2 || r.Totals.Conflicts == 0 {
			t.Errorf("plan: %+v", r.Totals)
		}
		out := w.apply(r)
		if out.Failed > 0 || !out.Verified || out.Unexplained > 0 {
			t.Errorf("%+v", out)
		}
		w.same(want, out.NewIDs)

		again := w.restore(request)
		if !again.Plan.Empty() {
			t.Errorf("something remains to be done: %+v\n%s", again.Totals, again.File)
		}
	}
}

// Law 11 for two states: the org comes back to a snapshot, twice over, through new Ids.
func TestLaw11RestoreComesBackToASnapshot(t *testing.T) {
	w := newWard(t, 7)
	want := w.dump()
	before := w.backup()
	w.incident(want)
	request := run.RestoreInput{Snapshot: before.Snapshot.ID}
	r := w.restore(request)
	if r.Totals.Delete != 0 || r.Totals.Extra < 2 {
		t.Errorf("deletes without being asked: %+v", r.Totals)
	}
	request.DeleteExtra = true
	r = w.restore(request)
	if r.Totals.Delete != 2 {
		t.Errorf("%+v", r.Totals)
	}
	out := w.apply(r)
	w.same(want, out.NewIDs)
	if again := w.restore(request); !again.Plan.Empty() {
		t.Fatalf("something remains to be done: %s", again.File)
	}

	// What came back under a new Id is lost once more, for good: it is recognised and comes back.
	var lost []string
	for _, p := range out.NewIDs {
		if p.Object == "Slot__c" && w.rnd.IntN(3) == 0 {
			lost = append(lost, string(p.New))
		}
	}
	w.must(w.loader.Delete(t.Context(), lost))
	w.must(w.loader.EmptyRecycleBin(t.Context(), lost))
	w.server.Clock().Advance(time.Hour)
	r = w.restore(request)
	if r.Totals.Insert != len(lost) || len(lost) == 0 {
		t.Fatalf("%d lost: %+v", len(lost), r.Totals)
	}
	second := w.apply(r)
	w.same(want, out.NewIDs, second.NewIDs)
}

// A chosen record comes back with the parents that it needs, and nothing else does.
func TestRestoreOfOneRecordBringsItsParents(t *testing.T) {
	w := newWard(t, 3)
	before := w.backup()
	dump := w.dump()
	slot := w.ids["Slot__c"][0]
	crate := dump["Slot__c"][slot]["Crate__c"]
	var crateID string
	w.must(json.Unmarshal([]byte(crate), &crateID))
	doomed := []string{crateID, w.ids["Contact"][5]}
	w.must(w.loader.Delete(t.Context(), doomed))
	w.must(w.loader.EmptyRecycleBin(t.Context(), doomed))
	w.server.Clock().Advance(time.Hour)

	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, Selection: run.Selection{Records: []string{slot[:15]}}})
	objects := map[string]int{}
	for _, s := range r.Plan.Steps {
		if s.Op == plan.Insert {
			objects[s.Object] += len(s.Rows)
		}
	}
	if objects["Crate__c"] < 1 || objects["Slot__c"] < 1 || objects["Slot__c"] > 2 {
		t.Errorf("%v: %s", objects, r.File)
	}
	out := w.apply(r)
	if len(out.NewIDs) != r.Totals.Insert {
		t.Errorf("%+v", out.NewIDs)
	}
}

// Rows that the org refuses are named, the run ends as partial, and what is left is in the next plan.
func TestApplyIsPartialWhereTheOrgRefusesRows(t *testing.T) {
	w := newWard(t, 4)
	want := w.dump()
	before := w.backup()
	w.incident(want)
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, DeleteExtra: true})
	n := 0
	w.server.Org().Reject(func(a org.Attempt) *org.Error {
		if a.Object == "Slot__c" && a.Op != org.Delete {
			if n++; n%4 == 0 {
				return &org.Error{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: "no"}
			}
		}
		return nil
	})
	out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
	if problem.KindOf(err) != problem.Partial || out.Failed == 0 || out.Unexplained != 0 {
		t.Fatalf("%v %+v %+v", err, out.Differences, out.Errors)
	}
	w.server.Org().Reject(nil)
	w.server.Clock().Advance(time.Hour)
	second := w.apply(w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, DeleteExtra: true}))
	w.same(want, out.NewIDs, second.NewIDs)
}

// Law 12 through the whole stack: the connection is cut, before or after the org obeys, at one write
// after the other; running again goes on to the same end.
func TestLaw12LostRepliesThroughTheWholeStack(t *testing.T) {
	w := newWard(t, 5)
	want := w.dump()
	before := w.backup()
	w.incident(want)
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, DeleteExtra: true})
	journal := filepath.Join(t.TempDir(), "j")
	hasty, err := salesforce.Connect(t.Context(), salesforce.Config{
		InstanceURL: w.server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(w.server.AccessToken)},
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	w.must(err)
	w.client = hasty
	var mu sync.Mutex
	writes, cuts := 0, 0
	w.intercept(func(q emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		if q.Method == "GET" || cuts >= 40 {
			return emulator.Fault{}
		}
		if writes++; writes%2 == 0 {
			cuts++
			return emulator.Fault{DropReply: cuts%2 == 0, Cut: cuts%2 == 1}
		}
		return emulator.Fault{}
	})
	for life := 0; ; life++ {
		out, err := run.Apply(t.Context(), w.input(r, journal))
		if err == nil {
			mu.Lock()
			if cuts == 0 {
				t.Error("nothing was cut")
			}
			mu.Unlock()
			w.server.Clock().Advance(time.Hour)
			w.same(want, out.NewIDs)
			return
		}
		if life > 60 || errors.Is(err, context.Canceled) {
			t.Fatalf("life %d: %v %+v", life, err, out.Differences)
		}
	}
}

// A plan that is not the approved one, one that is stale, and one that is being applied are refused.
func TestApplyRefusals(t *testing.T) {
	w := newWard(t, 6)
	before := w.backup()
	id := w.ids["Account"][0]
	w.update("Account", []testkit.Row{{"Id": id, "Name": "WRONG"}})
	w.server.Clock().Advance(time.Hour)
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID})
	in := w.input(r, filepath.Join(t.TempDir(), "j"))

	wrong := in
	wrong.Digest = plan.Digest([]byte("something else"))
	if _, err := run.Apply(t.Context(), wrong); problem.KindOf(err) != problem.Conflict {
		t.Errorf("another approval: %v", err)
	}
	wrong = in
	wrong.File, wrong.Digest = []byte("{}"), plan.Digest([]byte("{}"))
	if _, err := run.Apply(t.Context(), wrong); problem.KindOf(err) != problem.Usage {
		t.Errorf("no plan: %v", err)
	}
	held, err := apply.OpenJournal(in.Journal)
	w.must(err)
	if _, err := run.Apply(t.Context(), in); problem.KindOf(err) != problem.Locked {
		t.Errorf("two at once: %v", err)
	}
	w.must(held.Close())
	w.update("Account", []testkit.Row{{"Id": id, "Name": "Honest"}})
	out, err := run.Apply(t.Context(), in)
	if problem.KindOf(err) != problem.Conflict || len(out.Moved) != 1 || string(out.Moved[0].ID) != id {
		t.Errorf("stale: %v %+v", err, out.Moved)
	}
	if got := w.dump()["Account"][id]["Name"]; got != `"Honest"` {
		t.Errorf("the edit is lost: %s", got)
	}
}

// Trap 21: a chain of parents fifty deep, a ring of contacts, two lookups to one object: every edge
// is what the backup says after all of it was deleted for good.
func TestTrap21ChainsAndRings(t *testing.T) {
	w := newWard(t, 8)
	var rows []testkit.Row
	for i := range 50 {
		rows = append(rows, testkit.Row{"Name": fmt.Sprintf("Chain %d", i)})
	}
	from := len(w.ids["Account"])
	w.insert("Account", rows)
	chain := w.ids["Account"][from:]
	rows = nil
	for i := 1; i < len(chain); i++ {
		rows = append(rows, testkit.Row{"Id": chain[i], "ParentId": chain[i-1]})
	}
	w.update("Account", rows)
	rows = nil
	from = len(w.ids["Contact"])
	for i := range 400 {
		rows = append(rows, testkit.Row{"LastName": "Ring", "AccountId": chain[i%50]})
	}
	w.insert("Contact", rows)
	ring := w.ids["Contact"][from:]
	rows = nil
	for i, id := range ring {
		rows = append(rows, testkit.Row{"Id": id, "ReportsToId": ring[(i+1)%len(ring)]})
	}
	w.update("Contact", rows)
	w.server.Clock().Advance(time.Hour)

	want := w.dump()
	before := w.backup()
	w.must(w.loader.Delete(t.Context(), slices.Concat(ring, chain)))
	w.must(w.loader.EmptyRecycleBin(t.Context(), slices.Concat(ring, chain)))
	w.server.Clock().Advance(time.Hour)
	out := w.apply(w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID}))
	if len(out.NewIDs) != 450 {
		t.Errorf("%d new Ids", len(out.NewIDs))
	}
	w.same(want, out.NewIDs)
}

// Trap 28: an application stops in the middle for good and is taken back: what it created goes,
// children first, what it changed goes back, nulls included, and what someone edited since stays.
func TestTrap28RollbackOfAHalfDoneApplication(t *testing.T) {
	w := newWard(t, 9)
	before := w.backup()
	w.incident(w.dump())
	wrecked := w.dump()
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, DeleteExtra: true})
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	patches := 0
	w.intercept(func(q emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		if q.Op == "PATCH composite/sobjects" {
			if patches++; patches == 3 {
				return emulator.Fault{After: stop}
			}
		}
		return emulator.Fault{}
	})
	if _, err := run.Apply(ctx, w.input(r, filepath.Join(t.TempDir(), "j"))); problem.KindOf(err) != problem.Interrupted {
		t.Fatalf("not interrupted: %v", err)
	}
	w.intercept(nil)
	w.server.Clock().Advance(time.Hour)
	half := w.backup()

	var edited string
	for _, s := range r.Plan.Steps {
		if s.Op == plan.Update && s.Object == "Account" {
			edited = string(s.Rows[0].ID)
		}
	}
	w.update("Account", []testkit.Row{{"Id": edited, "Site": "honest", "Name": "honest"}})
	w.server.Clock().Advance(time.Hour)
	wrecked["Account"][edited]["Site"], wrecked["Account"][edited]["Name"] = `"honest"`, `"honest"`

	back := w.restore(run.RestoreInput{Before: r.Live.ID, After: half.Snapshot.ID})
	if back.Totals.Delete == 0 || back.Totals.Update == 0 || back.Totals.Conflicts == 0 {
		t.Errorf("%+v", back.Totals)
	}
	w.apply(back)
	if lines, n := wrecked.Differences(w.dump(), nil, 20); n > 0 {
		t.Errorf("%d differences:\n%v", n, lines)
	}
}

// A snapshot of some objects is restored without reading the others.
func TestRestoreReadsOnlyWhatTheSnapshotHolds(t *testing.T) {
	w := newWard(t, 10)
	r, err := run.Backup(t.Context(), run.BackupInput{
		Source: w.client, Store: w.store, Options: capture.Options{Include: []string{"Account", "Contact"}},
	})
	w.must(err)
	w.server.Clock().Advance(time.Hour)
	id := w.ids["Contact"][0]
	w.update("Contact", []testkit.Row{{"Id": id, "LastName": "WRONG"}})
	w.server.Clock().Advance(time.Hour)
	plan := w.restore(run.RestoreInput{Snapshot: r.Snapshot.ID})
	if plan.Totals.Update != 1 || plan.Live.Parts != 2 {
		t.Errorf("%+v %+v", plan.Totals, plan.Live)
	}
	w.apply(plan)
	if got := w.dump()["Contact"][id]["LastName"]; got != `"Contact 0"` {
		t.Error(got)
	}
}
