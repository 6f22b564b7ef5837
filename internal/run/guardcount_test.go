package run_test

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// counted is an org that counts how often its metadata is asked for: descriptions of its types, which each observation
// begins with, and retrieves by whether profiles are among what is asked for.
type counted struct {
	run.DeployOrg
	t     *testing.T
	mu    sync.Mutex
	calls map[string]int
}

func (c *counted) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[what]++
}

func (c *counted) MetadataTypes(ctx context.Context) ([]sf.MetadataType, string, error) {
	c.count("observations")
	return c.DeployOrg.MetadataTypes(ctx)
}

func (c *counted) Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error) {
	kinds := map[string]bool{}
	for _, t := range m.Types {
		kinds[t.Name] = true
	}
	c.count("retrieves")
	if kinds["CustomObject"] && len(kinds) == 1 {
		c.count("of objects alone")
	}
	return c.DeployOrg.Retrieve(ctx, m)
}

// insist compares the counts since it was last asked.
func (c *counted) insist(what string, want map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !maps.Equal(c.calls, want) {
		c.t.Errorf("%s: %v, not %v", what, c.calls, want)
	}
	c.calls = map[string]int{}
}

// A guarded deployment observes the org once before and once after, however much is derived from it: profiles make
// either observation one of everything. Beside these it asks for the objects that the package touches, which says what
// records are at risk, and for what holders of permissions say of what the rollback deletes.
func TestGuardObservesOncePerSide(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"), classFiles("Pay", "public class Pay {}"), profileFile("Standard", fieldGrants("A=true")))
	r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "B__c", Text: "x"}}})
	c := &counted{DeployOrg: r.client, t: t, calls: map[string]int{}}
	in := r.guarding(packageOf(thingSize, thing("A=a", "C=c"), classFiles("Pay", "public class Pay { Integer a; }"), profileFile("Standard", fieldGrants("A=false"))))
	in.Org = c
	before, err := run.GuardBefore(t.Context(), in)
	if err != nil || before.Grade != "C" {
		t.Fatalf("%v %+v", err, before)
	}
	// An observation with profiles is three retrieves: standard value sets and the like, profiles alone, and everything with them.
	c.insist("before", map[string]int{"observations": 1, "retrieves": 1 + 3, "of objects alone": 1})
	out, err := run.GuardDeploy(t.Context(), in)
	if err != nil || out.Rollback == nil || len(out.Rollback.Values) != 1 || out.Rollback.Live != out.After {
		t.Fatalf("%v %+v", err, out)
	}
	c.insist("deploy", map[string]int{"observations": 2, "retrieves": 1 + 3 + 3 + 1, "of objects alone": 1})
	applied, err := run.ApplyRollback(t.Context(), r.applying(*out.Rollback, filepath.Join(t.TempDir(), "rollback")))
	if err != nil || !applied.Verified || len(applied.Applied) != 1 {
		t.Fatalf("%v %+v", err, applied)
	}
}

// What somebody deploys otherwise than the package says is looked at again, where the plan needs more records for it.
func TestGuardLooksAgainWhereTheDeploymentDidOtherwise(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"), classFiles("Pay", "public class Pay {}"))
	r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "B__c", Text: "entered"}}})
	c := &counted{DeployOrg: r.client, t: t, calls: map[string]int{}}
	in := r.guarding(packageOf(nil, thing("A=new", "B=b"), classFiles("Pay", "public class Pay { Integer a; }")))
	in.Org, in.Objects = c, []string{"Thing__c"}
	if _, err := run.GuardBefore(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	c.insist("before", map[string]int{"observations": 1, "retrieves": 2, "of objects alone": 1})
	r.deploy(thingSize, thing("A=new"))
	out, err := run.GuardAfter(t.Context(), in)
	if err != nil || out.Rollback == nil || out.Rollback.Live == out.After || len(out.Rollback.Values) != 1 {
		t.Fatalf("%v %+v", err, out)
	}
	live, err := r.store.Load(t.Context(), out.Rollback.Live)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := live.Part("Thing__c"); !ok || p.Records != 1 {
		t.Errorf("the records of which the deployment took values away were not looked at: %+v", p)
	}
}

// An object that the org does not give stands in no other's way: the records that the others put at risk are held.
func TestGuardHoldsWhatIsAtRiskBesideAnObjectThatIsNotGiven(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	other := map[string]string{"objects/Other__c.object": strings.ReplaceAll(thing("A=a")["objects/Thing__c.object"], "Thing", "Other")}
	r.deploy(nil, thing("A=a", "B=b"), other)
	r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "B__c", Text: "x"}}})
	in := r.guarding(packageOf(append([]sf.ComponentKey{{Type: "CustomField", Name: "Other__c.A__c"}}, thingSize...)))
	in.Org = poisoned{r.client, "Other__c"}
	out, err := run.GuardBefore(t.Context(), in)
	if err != nil || len(out.Components) != 2 || out.Components[0].Grade != "D" || out.Components[1].Grade != "C" {
		t.Fatalf("%v %+v", err, out.Components)
	}
}

// limited is an org that has no calls left when it is asked for objects.
type limited struct {
	run.DeployOrg
}

func (r limited) Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error) {
	if len(m.Types) == 1 && m.Types[0].Name == "CustomObject" {
		return sf.Retrieved{}, problem.New(problem.Limits, "REQUEST_LIMIT_EXCEEDED")
	}
	return r.DeployOrg.Retrieve(ctx, m)
}

// An org that does not answer is not taken for one without the object: its records would not be held.
func TestGuardStopsWhereItIsNotToldWhatIsAtRisk(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"))
	in := r.guarding(packageOf(thingSize))
	in.Org = limited{r.client}
	if out, err := run.GuardBefore(t.Context(), in); problem.KindOf(err) != problem.Limits || out.Before != "" {
		t.Errorf("%v %+v", err, out)
	}
}
