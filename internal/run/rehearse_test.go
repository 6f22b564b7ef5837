package run_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// rehearsing rehearses a guarded deployment on an empty org, by a clock of which each look takes a second.
func (r *release) rehearsing(in run.GuardInput, of run.GuardResult) run.RehearseInput {
	stage := newRelease(r.TB, emulator.Options{Seed: 7})
	at := time.Unix(0, 0)
	return run.RehearseInput{Guard: in, Of: of, Stage: stage.client, Scratch: stage.store, Dir: r.TempDir(), Now: func() time.Time {
		at = at.Add(time.Second)
		return at
	}}
}

// The way back of a deployment is walked on a copy of the org, with its records, versions of flows and the package, and
// each of its steps is measured. The org itself is not asked for anything, and the repository is as it was.
func TestRehearsalWalksTheWayBack(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"), classFiles("Pay", "public class Pay {}"), flowFiles("Renew", "one", "Active"))
	r.deploy(nil, flowFiles("Renew", "two", "Active"))
	for range 3 {
		r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "A__c", Text: "a"}, {Field: "B__c", Text: "x"}}})
	}
	in := r.guarding(packageOf(thingSize, classFiles("Pay", "public class Pay { Integer a; }"), classFiles("New", "public class New {}"), flowFiles("Renew", "three", "Active")))
	in.Config = []string{"Account"}
	of, err := run.GuardBefore(t.Context(), in)
	if err != nil || of.Took.Validate <= 0 || of.Took.Observe <= 0 {
		t.Fatalf("%v %+v", err, of)
	}
	calls := r.client.Usage().Calls
	snapshots, err := r.store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := run.Rehearse(t.Context(), r.rehearsing(in, of))
	if !out.Walked || out.Why != "" || len(out.Lacks) > 0 || out.Records != 3 || out.Components < 4 || out.Took <= 0 {
		t.Fatalf("%+v", out)
	}
	var steps []string
	for _, s := range out.Steps {
		if s.What == "observation" {
			continue
		}
		steps = append(steps, s.What)
		if s.Seconds <= 0 || s.Forecast == nil || s.Forecast.Low > s.Forecast.High || s.From == "" {
			t.Errorf("%+v", s)
		}
		if s.What == "records" && s.Rows != 3 {
			t.Errorf("rows: %+v", s)
		}
	}
	if want := []string{"validation", "deployment", "records", "verification"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q, not %q", steps, want)
	}
	if !slices.ContainsFunc(out.Notes, func(n string) bool { return strings.Contains(n, "records of Account") }) {
		t.Errorf("notes: %q", out.Notes)
	}
	if now, err := r.store.List(t.Context()); err != nil || len(now) != len(snapshots) || r.client.Usage().Calls != calls {
		t.Errorf("the org was asked, or the repository has more: %v, %d calls", err, r.client.Usage().Calls-calls)
	}
}

// A rehearsal that cannot be made says why, and so does one that has no time.
func TestRehearsalThatCannotBeMadeSaysWhy(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay {}"))
	in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a; }")))
	of, err := run.GuardBefore(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if out := run.Rehearse(late, r.rehearsing(in, of)); out.Walked || !strings.Contains(out.Why, "no time") {
		t.Errorf("%+v", out)
	}
	refused := in
	refused.Package = packageOf([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.Nobody__c"}}, map[string]string{
		"objects/Thing__c.object": strings.ReplaceAll(thing("A=a")["objects/Thing__c.object"], "<length>40</length><type>Text</type>", "<type>Nonsense</type>"),
	})
	if out := run.Rehearse(t.Context(), r.rehearsing(refused, of)); out.Walked || !strings.Contains(out.Why, "does not take the package: ") || !strings.Contains(out.Why, "Nonsense") {
		t.Errorf("%+v", out)
	}
}
