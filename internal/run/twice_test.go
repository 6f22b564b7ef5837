package run_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/internal/emulator"
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

// Whoever makes a new plan after an application has died makes nothing twice either: which records that one made is in its journal
// alone, so that the new plan is refused until it has ended, or somebody takes it for ended.
func TestAfterADeathANewPlanMakesNothingTwice(t *testing.T) {
	for _, point := range []string{"PATCH jobs/ingest/*", "GET jobs/ingest/*", "GET jobs/ingest/*/successfulResults"} {
		t.Run(point, func(t *testing.T) {
			w := emptyWard(t, 62, emulatorOptions)
			ids := w.added("Contact", testkit.Row{"LastName": "One"}, testkit.Row{"LastName": "Two"}, testkit.Row{"LastName": "Two"})
			w.server.Clock().Advance(1e12)
			in := run.RestoreInput{Snapshot: w.backup().Snapshot.ID, Selection: run.Selection{Objects: []string{"Contact"}}}
			w.purge(ids...)
			first := w.input(w.restore(in), filepath.Join(t.TempDir(), "first"))
			ctx, die := context.WithCancel(t.Context())
			var dead atomic.Bool
			w.intercept(func(q emulator.Request) emulator.Fault {
				switch {
				case dead.Load():
					return gone
				case q.Op == point && dead.CompareAndSwap(false, true):
					return emulator.Fault{After: die, DropReply: true}
				}
				return emulator.Fault{}
			})
			if _, err := run.Apply(ctx, first); err == nil {
				t.Fatal("it did not die")
			}
			w.intercept(nil)
			w.server.Clock().Advance(1e12)
			r := w.restore(in)
			if !slices.ContainsFunc(r.Notes, func(n string) bool {
				return strings.Contains(n, first.Digest[:12]) && strings.Contains(n, "has not ended")
			}) {
				t.Errorf("the new plan does not say so: %q", r.Notes)
			}
			second := w.input(r, filepath.Join(t.TempDir(), "second"))
			_, err := run.Apply(t.Context(), second)
			if problem.KindOf(err) != problem.Conflict || !strings.Contains(problem.HintOf(err), "--give-up "+first.Digest) {
				t.Errorf("the new plan: %v", err)
			}
			if n := len(w.field("Contact", "LastName")); n != 3 {
				t.Errorf("%d records", n)
			}
			if point == "GET jobs/ingest/*" { // the journal is lost: it is taken for ended, for what that is worth
				second.GiveUp = first.Digest
				if out, err := run.Apply(t.Context(), second); err != nil || len(out.NewIDs) != 3 {
					t.Errorf("given up: %v %+v", err, out)
				}
				return
			}
			if out, err := run.Apply(t.Context(), first); err != nil || len(out.NewIDs) != 3 || out.Unexplained > 0 {
				t.Fatalf("gone on with: %v %+v", err, out)
			}
			if _, err := run.Apply(t.Context(), second); problem.KindOf(err) != problem.Conflict {
				t.Errorf("the new plan, afterwards: %v", err)
			}
			w.server.Clock().Advance(1e12)
			if again := w.restore(in); !again.Plan.Empty() || len(w.field("Contact", "LastName")) != 3 {
				t.Errorf("%d records, and still to do: %+v", len(w.field("Contact", "LastName")), again.Totals)
			}
		})
	}
}
