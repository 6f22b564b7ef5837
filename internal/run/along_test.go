package run_test

import (
	"slices"
	"strings"
	"testing"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// The org undeletes what was deleted with a record. A plan says how many records that are which it does not name, and they count
// against the cap; what is in the plan, or was not deleted with it, is not counted.
func TestAPlanTellsWhatComesBackAlong(t *testing.T) {
	w := emptyWard(t, 63, emulatorOptions)
	accounts := w.added("Account", testkit.Row{"Name": "With"}, testkit.Row{"Name": "Other"})
	contacts := w.added("Contact", testkit.Row{"LastName": "One", "AccountId": accounts[0]}, testkit.Row{"LastName": "Two", "AccountId": accounts[0]},
		testkit.Row{"LastName": "Three", "AccountId": accounts[1]})
	w.server.Clock().Advance(1e12)
	before := w.backup().Snapshot.ID
	w.must(w.loader.Delete(t.Context(), []string{accounts[0]}))
	w.server.Clock().Advance(1e12)
	told := func(r run.RestoreResult) bool {
		return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "beside those of the plan") })
	}
	in := run.RestoreInput{Source: w.client, Store: w.store, Snapshot: before, Selection: run.Selection{Records: []string{accounts[0]}}, MaxRows: 2}
	if _, err := run.Restore(t.Context(), in); problem.KindOf(err) != problem.Limits || !strings.Contains(problem.HintOf(err), "--max-rows 3") {
		t.Errorf("a cap of 2: %v (%s)", err, problem.HintOf(err))
	}
	whole := w.restore(run.RestoreInput{Snapshot: before})
	if whole.Totals.Undelete != 3 || told(whole) {
		t.Errorf("what is in the plan is told as beside it: %+v %q", whole.Totals, whole.Notes)
	}
	in.MaxRows = 3
	r, err := run.Restore(t.Context(), in)
	if err != nil || r.Totals.Undelete != 1 || !slices.ContainsFunc(r.Notes, func(n string) bool {
		return strings.HasPrefix(n, "2 records come back") && strings.HasSuffix(n, ": 2 of Contact")
	}) {
		t.Fatalf("%v %+v %q", err, r.Totals, r.Notes)
	}
	if out := w.apply(r); out.Unexplained > 0 {
		t.Errorf("%+v", out.Differences)
	}
	if n := len(w.field("Contact", "LastName")); n != len(contacts) {
		t.Errorf("%d contacts", n)
	}
}
