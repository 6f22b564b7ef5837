package run_test

import (
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// Two plans that were made of one state, and one plan under two journals, make no record twice: whoever comes later is stale, and
// nothing is written. What is known of the records stays readable.
func TestNoRecordIsMadeTwice(t *testing.T) {
	w := emptyWard(t, 61, emulatorOptions)
	ids := w.added("Contact", testkit.Row{"LastName": "One"}, testkit.Row{"LastName": "Two"}, testkit.Row{"LastName": "Two"})
	w.server.Clock().Advance(1e12)
	in := run.RestoreInput{Snapshot: w.backup().Snapshot.ID, Selection: run.Selection{Objects: []string{"Contact"}}}
	w.purge(ids...)
	first, second := w.restore(in), w.restore(in)
	journal := filepath.Join(t.TempDir(), "j")
	if out, err := run.Apply(t.Context(), w.input(first, journal)); err != nil || len(out.NewIDs) != 3 {
		t.Fatalf("%v %+v", err, out)
	}
	for name, r := range map[string]run.RestoreResult{"another plan": second, "another journal": first} {
		out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
		if problem.KindOf(err) != problem.Conflict || len(out.Moved) != 3 || !strings.Contains(out.Moved[0].Reason, "was made again as") {
			t.Errorf("%s: %v %+v", name, err, out)
		}
	}
	if out, err := run.Apply(t.Context(), w.input(first, journal)); err != nil || !out.Before {
		t.Errorf("asked again: %v %+v", err, out)
	}
	if n := len(w.field("Contact", "LastName")); n != 3 {
		t.Errorf("%d records", n)
	}
	w.server.Clock().Advance(1e12)
	if again := w.restore(in); !again.Plan.Empty() {
		t.Errorf("a new plan has something to do: %+v", again.Totals)
	}
	var made []string
	for id := range w.field("Contact", "LastName") {
		made = append(made, id)
	}
	w.purge(made...)
	w.server.Clock().Advance(1e12)
	if out := w.apply(w.restore(in)); len(out.NewIDs) != 3 || out.Unexplained > 0 {
		t.Errorf("made a third time, since the second are gone: %+v", out)
	}
}
