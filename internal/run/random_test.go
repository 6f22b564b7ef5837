package run_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// seeds is how many random orgs a test goes through: few in each run of the tests, many in a long one, or as
// many as HOLDFAST_SEEDS says, from HOLDFAST_SEED on.
func seeds(t testing.TB, few, long uint64) (from, to uint64) {
	t.Helper()
	n := few
	if os.Getenv("HOLDFAST_LONG") != "" {
		n = long
	}
	for name, v := range map[string]*uint64{"HOLDFAST_SEEDS": &n, "HOLDFAST_SEED": &from} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		*v = number
	}
	return from, from + n
}

// Laws 11 to 13 on random schemas: whatever objects refer to each other how, the undo of a random incident
// restores every value and every relation, loses no edit that people made since, and leaves nothing to do.
func TestLaw11RandomSchemas(t *testing.T) {
	t.Parallel()
	from, to := seeds(t, 6, 1000)
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := newMazeOrg(t, seed, 20)
			if seed%4 == 3 {
				m.backAndForth()
			} else {
				m.undone()
			}
		})
	}
}

// undone takes an incident back, keeping what people did since, and returns what was planned.
func (m *mazeOrg) undone() run.RestoreResult {
	before := m.see()
	first := m.backup()
	m.wreck()
	after := m.see()
	second := m.backup()
	m.honest(before)
	now := m.see()
	want := m.witness(before, after, now)

	request := run.RestoreInput{Before: first.Snapshot.ID, After: second.Snapshot.ID}
	r := m.restore(request)
	out := m.apply(r)
	if out.Failed > 0 || out.Unexplained > 0 {
		m.Errorf("%+v %+v", out.Errors, out.Differences)
	}
	m.like(want, out)
	if again := m.restore(request); !again.Plan.Empty() {
		m.Errorf("something remains to be done: %s", again.File)
	}
	return r
}

// backAndForth restores to a snapshot, and undoes the restore, and returns what was planned for that.
func (m *mazeOrg) backAndForth() run.RestoreResult {
	want := m.see()
	first := m.backup()
	m.wreck()
	wrecked := m.see()
	r := m.restore(run.RestoreInput{Snapshot: first.Snapshot.ID, DeleteExtra: true})
	out := m.apply(r)
	m.like(want, out)
	undo := m.restore(run.RestoreInput{Before: r.Live.ID, After: out.Observed.ID})
	m.like(wrecked, m.apply(undo))
	return undo
}

// like compares the org with what it should be.
func (m *mazeOrg) like(want testkit.Dump, outs ...run.ApplyResult) {
	m.Helper()
	identity := map[string]string{}
	for _, out := range outs {
		for _, p := range out.NewIDs {
			identity[string(p.Old)] = string(p.New)
		}
	}
	if lines, n := want.Differences(m.see(), identity, 20); n > 0 {
		m.Fatalf("%d differences:\n%v", n, lines)
	}
}
