package run_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// bring plans and applies the restore of components, and insists that nothing is left.
func (r *release) bring(from string, only ...string) run.RolledBackResult {
	r.Helper()
	p := r.plan(from, "", only...)
	out, err := run.ApplyRollback(r.Context(), r.applying(p, filepath.Join(r.TempDir(), "journal")))
	if err != nil || !out.Verified || out.Left != 0 {
		r.Fatalf("%v %+v", err, out)
	}
	return out
}

// A chosen component comes back with what it names and the org no longer has, and nothing else moves.
func TestRestoreOfComponentsBringsWhatTheyNeed(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	pay := classFiles("Pay", "public class Pay { void f() { Rate.of(new Thing__c(B__c = 'x')); } }")
	rate := classFiles("Rate", "public class Rate { public static void of(Thing__c t) {} }")
	r.deploy(nil, thing("A=a", "B=b"), rate)
	r.deploy(nil, pay, classFiles("Other", "public class Other {}"))
	from := r.take()
	r.deploy([]sf.ComponentKey{{Type: "ApexClass", Name: "Pay"}, {Type: "ApexClass", Name: "Rate"}, {Type: "CustomField", Name: "Thing__c.B__c"}},
		thing("A=later", "C=c"), classFiles("Other", "public class Other { Integer a; }"))
	before := r.sums("ApexClass")

	out := r.bring(from, "ApexClass:Pay")
	want := "put back ApexClass Pay\nput back ApexClass Rate\ntake back CustomObject Thing__c\n" +
		"1 deploy ApexClass Pay\n1 deploy ApexClass Rate\n1 deploy CustomField Thing__c.B__c\n"
	if got := shown(out.RollbackResult); got != want {
		t.Errorf("%s\n%q", got, out.Notes)
	}
	if notes := strings.Join(out.Notes, "\n"); !strings.Contains(notes, "ApexClass Rate comes back, too: ApexClass Pay names it") {
		t.Errorf("%s", notes)
	}
	held, now := r.held(from, "ApexClass"), r.sums("ApexClass")
	if now["ApexClass Pay"] != held["ApexClass Pay"] || now["ApexClass Rate"] != held["ApexClass Rate"] || now["ApexClass Other"] != before["ApexClass Other"] {
		t.Errorf("%v", now)
	}
	if again := r.plan(from, "", "ApexClass:Pay"); len(again.Deployments) > 0 {
		t.Errorf("something is left:\n%s", shown(again))
	}
}

// An object comes back without losing the fields that it has got since; one field comes back alone; what the
// snapshot does not hold is not there to come back.
func TestRestoreOfAnObjectDeletesNothing(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"))
	from := r.take()
	r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.B__c"}}, thing("A=later", "C=c"))

	one := r.plan(from, "", "CustomField:Thing__c.A__c")
	if got := shown(one); got != "take back CustomObject Thing__c\n1 deploy CustomField Thing__c.A__c\n" {
		t.Errorf("one field: %s", got)
	}
	out := r.bring(from, "CustomObject:Thing__c")
	if got := shown(out.RollbackResult); got != "take back CustomObject Thing__c\n1 deploy CustomField Thing__c.A__c\n1 deploy CustomField Thing__c.B__c\n" {
		t.Errorf("the object: %s", got)
	}
	for _, name := range []string{"ApexClass:Nobody", "CustomObject:Nobody__c", "CustomField:Thing__c.Z__c", "Nonsense:A"} {
		if _, err := run.Rollback(t.Context(), r.request(from, "", name)); problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := run.Rollback(t.Context(), r.request(from, "")); problem.KindOf(err) != problem.Usage {
		t.Errorf("nothing named: %v", err)
	}
}

// A flow goes back to the version that was active; one that is gone comes back.
func TestRestoreOfFlows(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, flowFiles("Renew", "one", "Active"), flowFiles("Gone", "one", "Active"))
	from := r.take("components/Flow")
	r.deploy(nil, flowFiles("Renew", "two", "Active"), flowFiles("Gone", "off", "Draft"))
	out := r.bring(from, "Flow:*")
	if got := shown(out.RollbackResult); !strings.Contains(got, "activate Flow Renew\n") {
		t.Errorf("%s", got)
	}
	r.same("flows", map[string]string{"active Renew": "1", "active Gone": "1"}, r.sums("Flow"))
}

// A profile is merged: what was taken from it comes back, and what it has got since stays.
func TestRestoreOfAProfileMergesIt(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	all := []string{"components/*"}
	profile := func(fields ...string) map[string]string {
		body := `<Profile` + metadataSpace + `>`
		for _, f := range fields {
			name, can, _ := strings.Cut(f, "=")
			body += `<fieldPermissions><editable>` + can + `</editable><field>Thing__c.` + name + `__c</field><readable>true</readable></fieldPermissions>`
		}
		return map[string]string{"profiles/Sellers.profile": body + `</Profile>`}
	}
	r.deploy(nil, thing("A=a", "B=b"))
	r.deploy(nil, profile("A=true"))
	from := r.take(all...)
	r.deploy(nil, profile("A=false", "B=true"))
	p := r.plan(from, "", "Profile:Sellers")
	var parts []string
	for _, a := range p.Actions {
		for _, c := range a.Parts {
			parts = append(parts, c.How+" "+c.Element+" "+c.Key)
		}
	}
	if !slices.Equal(parts, []string{"changed fieldPermissions Thing__c.A__c"}) {
		t.Errorf("%q\n%s", parts, shown(p))
	}
	r.bring(from, "Profile:Sellers")
	if again := r.plan(from, "", "Profile:Sellers"); len(again.Deployments) > 0 {
		t.Errorf("left: %s", shown(again))
	}
}
