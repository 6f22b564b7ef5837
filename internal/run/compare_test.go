package run_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// entries are files as a project hands them in.
func entries(sets ...map[string]string) []component.Entry {
	var out []component.Entry
	for _, files := range sets {
		for path, body := range files {
			out = append(out, component.Entry{Path: path, Body: []byte(body)})
		}
	}
	return out
}

// told is what differs, as lines.
func told(r run.DiffResult) []string {
	var out []string
	for _, c := range r.Components {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", c.How, c.Type, c.Name, c.Status)))
		for _, p := range c.Parts {
			line := fmt.Sprintf("- %s %s %s", p.How, p.Element, p.Key)
			for _, v := range p.Values {
				line += fmt.Sprintf(" %s:%s>%s", v.Path, v.Before, v.After)
			}
			out = append(out, line)
		}
	}
	return out
}

var chosen = []string{"ApexClass:*", "CustomObject:Thing__c", "Flow:*"}

// The same is told of any two states: a snapshot, an org, a project. Order and defaults do not matter.
func TestCompareOfAnyTwoStates(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	one := []map[string]string{thing("A=a", "B=b"), classFiles("Pay", "public class Pay {}"), flowFiles("Renew", "one", "Active")}
	r.deploy(nil, one...)
	first := r.take()
	same := thing("B=b", "A=a")
	for path, body := range same {
		same[path] = strings.ReplaceAll(body, "<type>Text</type></fields>", "<externalId>false</externalId><type>Text</type></fields>")
	}
	project := run.Side{Label: "project", Files: entries(same, classFiles("Pay", "public class Pay {}"), flowFiles("Renew", "one", "Active"))}
	live := run.Side{Live: r.client, Capture: capture.Options{OrgName: "prod"}}
	compare := func(before, after run.Side, how ...string) run.DiffResult {
		t.Helper()
		out, err := run.Compare(t.Context(), run.CompareInput{
			Store: r.store, Before: before, After: after, Components: chosen, Except: []string{"ApexClass:Nobody*"}, How: how,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	sides := map[string]run.Side{"snapshot": {Snapshot: first}, "org": live, "project": project}
	for a, before := range sides {
		for b, after := range sides {
			if got := compare(before, after); len(got.Components) > 0 || got.Same != 3 {
				t.Errorf("%s and %s: %q, %d the same, %+v", a, b, told(got), got.Same, got.Objects)
			}
		}
	}

	two := []map[string]string{thing("A=other", "C=c"), classFiles("New", "public class New {}"), flowFiles("Renew", "two", "Active")}
	changed := run.Side{Label: "changed", Files: entries(two...)}
	want := []string{
		"added ApexClass New", "removed ApexClass Pay", "changed CustomObject Thing__c", "- changed fields A__c label:a>other",
		"- removed fields B__c", "- added fields C__c", "changed Flow Renew", "- changed label  :one>two",
	}
	for name, before := range sides {
		if got := told(compare(before, changed)); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := told(compare(project, changed, "removed")); !slices.Equal(got, []string{"removed ApexClass Pay", "changed CustomObject Thing__c", "- removed fields B__c"}) {
		t.Errorf("removed alone: %q", got)
	}
}

// What a project has nothing of is not said to be removed from it, and is named; two projects are compared in full.
func TestCompareOfAProjectThatHoldsLittle(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay {}"))
	snap := run.Side{Snapshot: r.take()}
	little := run.Side{Label: "little", Files: entries(classFiles("Pay", "public class Pay {}"))}
	got, err := run.Compare(t.Context(), run.CompareInput{Store: r.store, Before: snap, After: little})
	if err != nil || len(got.Components) > 0 || !slices.ContainsFunc(got.Objects, func(o run.DiffRow) bool { return o.Object == "components/CustomObject" }) {
		t.Errorf("%v %q %+v", err, told(got), got.Objects)
	}
	both := run.Side{Label: "both", Files: entries(classFiles("Pay", "public class Pay {}"), thing("A=a"))}
	if got, err = run.Compare(t.Context(), run.CompareInput{Before: both, After: little}); err != nil || !slices.Equal(told(got), []string{"removed CustomObject Thing__c"}) {
		t.Errorf("%v %q", err, told(got))
	}
	for _, in := range []run.CompareInput{{How: []string{"odd"}}, {Components: []string{"Pay"}}, {Types: []string{"["}}} {
		if _, err := run.Compare(t.Context(), in); problem.KindOf(err) != problem.Usage {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

// Changes of the schema come with the records and values under them.
func TestCompareCountsTheDataUnderTheSchema(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"))
	r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "A__c", Text: "x"}}}, org.Row{Object: "Thing__c"})
	snap := r.take("components/CustomObject", "Thing__c")
	after := run.Side{Label: "after", Files: entries(thing("B=other"))}
	got, err := run.Compare(t.Context(), run.CompareInput{Store: r.store, Before: run.Side{Snapshot: snap}, After: after, Components: []string{"CustomObject:Thing__c"}})
	want := []run.DataRow{
		{Object: "Thing__c", Field: "A__c", How: "removed", Records: 2, Values: 1, Held: true},
		{Object: "Thing__c", Field: "B__c", How: "changed", Records: 2, Values: 0, Held: true},
	}
	if err != nil || !slices.Equal(got.Data, want) {
		t.Errorf("%v %+v", err, got.Data)
	}
}

// Drift is told with who did it, and is a finding; an org that is as it was has none.
func TestDriftIsAFinding(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"))
	in := run.CompareInput{
		Store: r.store, After: run.Side{Live: r.client, Capture: capture.Options{OrgName: "prod"}}, Types: []string{"ApexClass"},
	}
	if _, err := run.Drift(t.Context(), in); problem.KindOf(err) != problem.NotFound {
		t.Errorf("without a backup: %v", err)
	}
	r.take("components/ApexClass")
	if got, err := run.Drift(t.Context(), in); err != nil || len(got.Components) > 0 {
		t.Errorf("%v %q", err, told(got))
	}
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a; }"))
	got, err := run.Drift(t.Context(), in)
	if problem.KindOf(err) != problem.Findings || len(got.Components) != 1 || got.Components[0].ModifiedBy == "" || got.Components[0].Modified.IsZero() {
		t.Errorf("%v %+v", err, got.Components)
	}
}

// What could not be read was not compared: an org of which that is so is not free of drift, and neither is one of which nothing was asked.
func TestDriftOfWhatIsNotReadIsNotNone(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"), thing("A=a"))
	r.take("components/ApexClass", "components/CustomObject")
	drift := func(org run.MetadataOrg, change func(*run.CompareInput)) (run.DiffResult, error) {
		in := run.CompareInput{Store: r.store, After: run.Side{Live: org, Capture: capture.Options{OrgName: "prod"}}, Types: []string{"ApexClass", "CustomObject"}}
		change(&in)
		return run.Drift(t.Context(), in)
	}
	as := func(*run.CompareInput) {}
	for name, org := range map[string]run.MetadataOrg{
		"type refused": refusing{r.client, "ApexClass"}, "listed empty": blind{r.client, "ApexClass"}, "component poison": poisoned{r.client, "Pay"},
	} {
		if got, err := drift(org, as); problem.KindOf(err) != problem.Partial || len(got.Sides) != 2 || !strings.Contains(err.Error(), "ApexClass") {
			t.Errorf("%s: %v %q", name, err, told(got))
		}
	}
	r.deploy(nil, thing("A=other"))
	if got, err := drift(refusing{r.client, "ApexClass"}, as); problem.KindOf(err) != problem.Findings || len(got.Components) != 1 || !strings.Contains(err.Error(), "ApexClass") {
		t.Errorf("beside a finding: %v %q", err, told(got))
	}
	r.deploy(nil, thing("A=a"))
	for _, texts := range [][]string{{"ApexClss"}, {"ApexClass", "Nothing*"}} {
		if _, err := drift(r.client, func(in *run.CompareInput) { in.Types = texts }); problem.KindOf(err) != problem.Usage {
			t.Errorf("%q: %v", texts, err)
		}
	}
	if _, err := drift(r.client, func(in *run.CompareInput) { in.Types, in.Components = nil, []string{"ApexClass:Nobody"} }); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a component that neither has: %v", err)
	}
	if _, err := drift(r.client, func(in *run.CompareInput) { in.Types = []string{"Flow", "ApexClass"} }); err != nil {
		t.Errorf("a type of which the org has none: %v", err)
	}
}
