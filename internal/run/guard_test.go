package run_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// packageOf is a package of these files and deletions.
func packageOf(deleted []sf.ComponentKey, sets ...map[string]string) component.Package {
	p := component.Package{Files: entries(sets...), Deleted: deleted}
	slices.SortFunc(p.Files, func(a, b component.Entry) int { return strings.Compare(a.Path, b.Path) })
	for key, files := range component.ByKey(p.Files) {
		p.Members = append(p.Members, component.Members(key, files)...)
	}
	return p
}

func (r *release) guarding(p component.Package) run.GuardInput {
	return run.GuardInput{
		Org: r.client, Store: r.store, Source: "package", Package: p, Version: "66.0", Journal: filepath.Join(r.TempDir(), "guard.journal"),
		Capture: capture.Options{OrgName: "prod"},
	}
}

var thingSize = []sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.B__c"}}

// A deployment that deletes a field with values is graded before it is made, stopped by a gate, deployed without one,
// and taken back with the plan that the guard leaves, values named.
func TestGuardedDeploymentGoesAllTheWayBack(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"), classFiles("Pay", "public class Pay {}"), flowFiles("Renew", "one", "Active"))
	r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "B__c", Text: "x"}}})
	want := r.sums(released...)
	in := r.guarding(packageOf(thingSize, classFiles("Pay", "public class Pay { Integer a; }"), classFiles("New", "public class New {}"), flowFiles("Renew", "two", "Active")))

	gated := in
	gated.MinGrade, gated.Journal = "B", filepath.Join(t.TempDir(), "j")
	out, err := run.GuardDeploy(t.Context(), gated)
	if problem.KindOf(err) != problem.Findings || out.Grade != "C" || out.Deployed {
		t.Fatalf("%v %+v", err, out)
	}
	r.same("a gate", want, r.sums(released...))

	out, err = run.GuardDeploy(t.Context(), in)
	if err != nil || !out.Deployed || out.Grade != "C" || len(out.Beyond) > 0 || len(out.Otherwise) > 0 || out.Rollback == nil {
		t.Fatalf("%v %+v", err, out)
	}
	if len(out.Data) != 1 || out.Data[0].Values != 1 || !out.Data[0].Held {
		t.Errorf("data at risk: %+v", out.Data)
	}
	if len(out.Validated) != 3 || slices.ContainsFunc(out.Validated, func(v run.ValidationRow) bool { return !v.Success }) {
		t.Errorf("validated: %+v", out.Validated)
	}
	text := shown(*out.Rollback)
	for _, line := range []string{"take back ApexClass Pay", "remove ApexClass New", "activate Flow Renew", "1 deploy CustomField Thing__c.B__c"} {
		if !strings.Contains(text, line) {
			t.Errorf("the rollback lacks %q:\n%s", line, text)
		}
	}
	var foreseen []string
	for _, d := range out.Foreseen {
		foreseen = append(foreseen, d.Deploy...)
		foreseen = append(foreseen, d.Delete...)
	}
	var planned []string
	for _, d := range out.Rollback.Deployments {
		planned = append(planned, d.Deploy...)
		planned = append(planned, d.Delete...)
	}
	if !slices.Equal(foreseen, planned) {
		t.Errorf("foreseen %q, planned %q", foreseen, planned)
	}
	if len(out.Rollback.Values) != 1 || out.Rollback.Values[0].Field != "B__c" {
		t.Errorf("values: %+v", out.Rollback.Values)
	}
	applied, err := run.ApplyRollback(t.Context(), r.applying(*out.Rollback, filepath.Join(t.TempDir(), "rollback")))
	if err != nil || !applied.Verified {
		t.Fatalf("%v %+v", err, applied)
	}
	r.same("rolled back", want, r.sums(released...))

	again, err := run.GuardDeploy(t.Context(), in)
	if err != nil || again.Before != out.Before || again.After != out.After || len(again.Sent) != 2 {
		t.Errorf("run again: %v %+v", err, again)
	}
}

// The first component of its type comes of a type that the org is known to have nothing of, whatever was backed up before.
func TestGuardOfTheFirstOfAType(t *testing.T) {
	for name, before := range map[string]func(r *release){
		"no backup before": func(*release) {},
		"a backup before":  func(r *release) { r.take() },
		"one without it":   func(r *release) { r.take("components/CustomObject") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelease(t, emulator.Options{})
			before(r)
			out, err := run.GuardDeploy(t.Context(), r.guarding(packageOf(nil, classFiles("Pay", "public class Pay {}"))))
			if err != nil || !out.Deployed || out.Grade != "A" || len(out.Cannot) > 0 || out.Rollback == nil {
				t.Fatalf("%v %+v", err, out)
			}
			applied, err := run.ApplyRollback(t.Context(), r.applying(*out.Rollback, filepath.Join(t.TempDir(), "rollback")))
			if err != nil || !applied.Verified {
				t.Fatalf("%v %+v", err, applied)
			}
			r.same("rolled back", map[string]string{}, r.sums("ApexClass"))
		})
	}
}

// Beside a deployment that somebody else makes, what changed beyond it is told, and what is not as it was asked.
func TestGuardBeforeAndAfterSomebodyElsesDeployment(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay {}"))
	in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a; }"), thing("A=new")))
	if _, err := run.GuardAfter(t.Context(), in); problem.KindOf(err) != problem.Conflict {
		t.Errorf("after without before: %v", err)
	}
	out, err := run.GuardBefore(t.Context(), in)
	if err != nil || out.Grade != "A" || out.After != "" {
		t.Fatalf("%v %+v", err, out)
	}
	other := in
	other.Package = packageOf(nil, classFiles("Pay", "public class Pay { Integer other; }"))
	if _, err := run.GuardBefore(t.Context(), other); problem.KindOf(err) != problem.Conflict {
		t.Errorf("another package: %v", err)
	}
	r.deploy(nil, thing("A=new", "C=c"), classFiles("Pay", "public class Pay {  }"), classFiles("Extra", "public class Extra {}"))
	out, err = run.GuardAfter(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got := told(run.DiffResult{Components: out.Beyond}); !slices.Equal(got, []string{"added ApexClass Extra", "changed CustomObject Thing__c", "- added fields C__c"}) {
		t.Errorf("beyond: %q", got)
	}
	if len(out.Otherwise) != 1 || out.Otherwise[0].Name != "Pay" {
		t.Errorf("otherwise: %q", told(run.DiffResult{Components: out.Otherwise}))
	}
}

// What somebody else has made, or changed in classes, between the snapshots around a deployment is not taken back with it,
// and what the deployment did is.
func TestGuardDoesNotTakeBackWhatWasBesideTheDeployment(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay {}"), classFiles("Theirs", "public class Theirs {}"))
	in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a; }"), classFiles("Made", "public class Made {}"), thing("A=new", "B=b")))
	if _, err := run.GuardBefore(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	r.deploy(nil, thing("A=new", "B=b", "C=c"), classFiles("Pay", "public class Pay { Integer a; }"), classFiles("Made", "public class Made {}"))
	r.deploy(nil, classFiles("Extra", "public class Extra {}"), classFiles("Theirs", "public class Theirs { Integer b; }"))
	out, err := run.GuardAfter(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ApexClass Extra", "ApexClass Theirs", "CustomField Thing__c.C__c"}; !slices.Equal(out.Rollback.Except, want) {
		t.Errorf("except %q", out.Rollback.Except)
	}
	applied, err := run.ApplyRollback(t.Context(), r.applying(*out.Rollback, filepath.Join(t.TempDir(), "rollback")))
	if err != nil || !applied.Verified {
		t.Fatalf("%v %+v", err, applied)
	}
	if got := strings.Join(slices.Sorted(maps.Keys(r.sums("ApexClass"))), ","); strings.Contains(got, "Made") || !strings.Contains(got, "Extra") {
		t.Errorf("classes: %s", got)
	}
	var deleted []string
	for _, d := range out.Rollback.Deployments {
		deleted = append(deleted, d.Delete...)
	}
	if !slices.Equal(deleted, []string{"ApexClass Made", "CustomField Thing__c.B__c"}) {
		t.Errorf("deleted: %q", deleted)
	}
	if text := shown(*out.Rollback); strings.Contains(text, "Theirs") || !strings.Contains(text, "take back ApexClass Pay") {
		t.Errorf("the rollback:\n%s", text)
	}
}

// What the org refuses is found before anything is deployed.
// What people do between a look and the deployment, and between the snapshot after it and a run that goes on, is not
// taken back with the deployment.
func TestGuardTakesNothingBackThatPeopleDid(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay {}"), classFiles("Other", "public class Other {}"))
	in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a; }"), classFiles("Other", "public class Other { Integer a; }")))
	early, err := run.GuardBefore(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	r.server.Clock().Advance(time.Hour)
	r.deploy(nil, classFiles("Other", "public class Other { Integer people; }"))
	r.server.Clock().Advance(time.Hour)
	d := &dying{DeployOrg: r.client, at: 18} // while the org validates the way back
	in.Org = d
	out, err := run.GuardDeploy(t.Context(), in)
	if !errors.Is(err, errKilled) || !out.Deployed || out.After == "" || out.Before == early.Before {
		t.Fatalf("%v %+v", err, out)
	}
	d.at = 0
	r.server.Clock().Advance(time.Hour)
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a; Integer late; }"))
	out, err = run.GuardDeploy(t.Context(), in)
	if err != nil || out.Rollback == nil {
		t.Fatalf("%v %+v", err, out)
	}
	text := shown(*out.Rollback)
	if !strings.Contains(text, "take back ApexClass Other") || strings.Contains(text, "take back ApexClass Pay") {
		t.Errorf("the rollback:\n%s", text)
	}
}

func TestGuardOfWhatTheOrgRefuses(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	out, err := run.GuardDeploy(t.Context(), r.guarding(packageOf(nil, map[string]string{"objects/Thing__c.object": strings.ReplaceAll(
		thing("A=a")["objects/Thing__c.object"], "<length>40</length><type>Text</type>", "<type>Nonsense</type>")})))
	if problem.KindOf(err) != problem.Findings || out.Deployed || len(out.Validated) == 0 || len(out.Validated[0].Problems) == 0 {
		t.Errorf("%v %+v", err, out.Validated)
	}
}

// Wherever a guarded deployment dies, running it again comes to the same end: deployed once, with the snapshot from
// before the first attempt, and a rollback that leads back to it.
func TestLaw12GuardedDeploymentDiesAnywhere(t *testing.T) {
	points, rounds := []int{14, 16, 18}, 1 // the answer of the deployment, of its end, and of the validation afterwards
	if os.Getenv("HOLDFAST_LONG") != "" {
		points, rounds = nil, 10
		for at := range 20 {
			points = append(points, at+1)
		}
	}
	for round := range rounds {
		for _, at := range points {
			r := newRelease(t, emulator.Options{Seed: uint64(round + 1)})
			r.deploy(nil, classFiles("Pay", "public class Pay {}"), flowFiles("Renew", "one", "Active"))
			want := r.sums("ApexClass", "Flow")
			in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a; }"), flowFiles("Renew", "two", "Active")))
			d := &dying{DeployOrg: r.client, at: at}
			in.Org = d
			if _, err := run.GuardDeploy(t.Context(), in); !errors.Is(err, errKilled) {
				t.Fatalf("call %d: it does not die: %v", at, err)
			}
			d.at = 0
			out, err := run.GuardDeploy(t.Context(), in)
			if err != nil || !out.Deployed || d.deployed != 1 || out.Rollback == nil {
				t.Fatalf("call %d: %v, %d deployments, %+v", at, err, d.deployed, out.Sent)
			}
			r.same("deployed", map[string]string{"active Renew": "2"}, r.sums("Flow"))
			if _, err := run.ApplyRollback(t.Context(), r.applying(*out.Rollback, filepath.Join(t.TempDir(), "rollback"))); err != nil {
				t.Fatal(err)
			}
			r.same("rolled back", want, r.sums("ApexClass", "Flow"))
		}
	}
}

// What an org refuses because tests cover too little of it is said, too.
func TestGuardSaysWhatTestsDoNotCover(t *testing.T) {
	r := newRelease(t, emulator.Options{Kind: metadata.Production})
	in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a = 1; }")))
	out, err := run.GuardBefore(t.Context(), in)
	if problem.KindOf(err) != problem.Findings || len(out.Validated) == 0 || len(out.Validated[0].Problems) == 0 ||
		!strings.Contains(out.Validated[0].Problems[0].Problem, "coverage") {
		t.Errorf("%v %+v", err, out.Validated)
	}
}

// What a listing lacks and the org gives by name was there before: no rollback of a guarded deployment deletes it, be there a
// date that tells or none, as of labels. Nor does the guard say that it comes back as it was.
func TestGuardDoesNotTakeAShortListingForAnEmptyOrg(t *testing.T) {
	label := func(value string) map[string]string {
		return map[string]string{"labels/CustomLabels.labels": `<CustomLabels xmlns="http://soap.sforce.com/2006/04/metadata"><labels><fullName>A</fullName><language>en_US</language><protected>false</protected>` +
			`<shortDescription>a</shortDescription><value>` + value + `</value></labels></CustomLabels>`}
	}
	for _, kind := range []string{"CustomLabels", "ApexClass"} {
		r := newRelease(t, emulator.Options{})
		r.deploy(nil, label("precious"), classFiles("Pay", "public class Pay {}"))
		in := r.guarding(packageOf(nil, label("new"), classFiles("Pay", "public class Pay { Integer a; }")))
		in.Org = listless{r.client, kind}
		before, err := run.GuardBefore(t.Context(), in)
		if err != nil || before.Grade != "D" || len(before.Cannot) != 1 {
			t.Errorf("%s: %v grade %s, cannot %q", kind, err, before.Grade, before.Cannot)
		}
		r.deploy(nil, label("new"), classFiles("Pay", "public class Pay { Integer a; }"))
		in.Org = r.client
		out, err := run.GuardAfter(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range out.Rollback.Deployments {
			if len(d.Delete) > 0 {
				t.Errorf("%s: the rollback deletes what was there:\n%s", kind, shown(*out.Rollback))
			}
		}
	}
}

// listless is an org that lists nothing of a type.
type listless struct {
	run.DeployOrg
	kind string
}

func (l listless) Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error) {
	all, err := l.DeployOrg.Components(ctx, queries)
	return slices.DeleteFunc(all, func(c sf.Component) bool { return c.Type == l.kind }), err
}
