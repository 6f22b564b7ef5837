package run_test

import (
	"slices"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/run"
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
