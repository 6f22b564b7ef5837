package run_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// triggerFiles are the files of a trigger that sets a field of every Thing__c that is updated.
func triggerFiles(name, value string) map[string]string {
	return map[string]string{
		"triggers/" + name + ".trigger": "// holdfast-emulator: before update: set A__c to \"" + value + "\"\n" +
			"trigger " + name + " on Thing__c (before update) {}",
		"triggers/" + name + ".trigger-meta.xml": `<ApexTrigger` + metadataSpace + `><apiVersion>66.0</apiVersion><status>Active</status></ApexTrigger>`,
	}
}

// overwritten is a release that deletes a field with values and a trigger on its object, and makes another trigger.
func overwritten(t *testing.T) (r *release, before, after string, want map[string]string) {
	r = newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"), triggerFiles("Old", "by old"))
	r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "A__c", Text: "a"}, {Field: "B__c", Text: "x"}}})
	kinds := []string{"components/ApexTrigger", "components/CustomObject", "Thing__c"}
	before = r.take(kinds...)
	want = r.held(before, "ApexTrigger", "CustomObject")
	r.deploy(append([]sf.ComponentKey{{Type: "ApexTrigger", Name: "Old"}}, thingSize...), triggerFiles("New", "by new"))
	return r, before, r.take(kinds...), want
}

// things returns the values of the records: A__c and B__c.
func (r *release) things() []string {
	r.Helper()
	var out []string
	for record, err := range r.client.Records(r.Context(), sf.Extract{Object: r.described("Thing__c"), Fields: []string{"A__c", "B__c"}}) {
		if err != nil {
			r.Fatal(err)
		}
		out = append(out, record.Get("A__c").Text()+" "+record.Get("B__c").Text())
	}
	return out
}

func (r *release) described(object string) *sf.Object {
	r.Helper()
	schema, err := r.client.Schema(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return schema.Object(object)
}

// What acts on the records of a rollback is what the org has once the deployments are done: a trigger that the change had
// deleted is listed, one that it had made is not. It is switched off while values come back, if that is asked for, and
// on again at the end.
func TestRollbackSwitchesOffWhatActsOnItsRecords(t *testing.T) {
	for _, off := range []bool{false, true} {
		r, before, after, want := overwritten(t)
		in := r.request(before, after)
		in.AutomationOff = off
		p, err := run.Rollback(t.Context(), in)
		if err != nil || len(p.Records) != 1 {
			t.Fatalf("%v %+v", err, p)
		}
		if acts := p.Records[0].Automation; len(acts) != 1 || acts[0].Name != "Old" || acts[0].Rows != 1 || acts[0].Off != off || p.SwitchesOff() != off {
			t.Errorf("off %v: %+v", off, acts)
		}
		if !off && !slices.ContainsFunc(p.Records[0].Notes, func(n string) bool { return strings.Contains(n, "--automation-off") }) {
			t.Errorf("notes: %q", p.Records[0].Notes)
		}
		again, err := run.ReadRollback(p.File)
		if err != nil || again.SwitchesOff() != off || len(again.Records[0].Automation) != 1 {
			t.Errorf("the file: %v %+v", err, again.Records)
		}
		out, err := run.ApplyRollback(t.Context(), r.applying(p, filepath.Join(t.TempDir(), "journal")))
		if len(out.Applied) != 1 {
			t.Fatalf("%v %+v", err, out)
		}
		switched := out.Applied[0].Switched
		if off {
			if err != nil || !out.Verified || switched == nil || !switched.Back || !slices.Equal(switched.Off, []string{"ApexTrigger Old"}) {
				t.Errorf("%v %+v", err, switched)
			}
			if got := r.things(); !slices.Equal(got, []string{"a x"}) {
				t.Errorf("values: %q", got)
			}
			r.same("rolled back", want, r.held(r.take("components/ApexTrigger", "components/CustomObject"), "ApexTrigger", "CustomObject"))
			continue
		}
		if switched != nil || !slices.Equal(r.things(), []string{"by old x"}) {
			t.Errorf("%v %+v %q", err, switched, r.things())
		}
	}
}

// Wherever a rollback dies that switches automation off, it is on again once it is gone on with, and also when no more is
// done than to put it back.
func TestAutomationIsBackAfterARollbackThatDied(t *testing.T) {
	// Calls of four for the deployment; then those to switch off, each with two sides, and to put back.
	for _, at := range []int{9, 12, 14, 15} {
		r, before, after, want := overwritten(t)
		in := r.request(before, after)
		in.AutomationOff = true
		p, err := run.Rollback(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		d := &dying{DeployOrg: r.client, at: at}
		applying := r.applying(p, filepath.Join(t.TempDir(), "journal"))
		applying.Org = d
		if _, err := run.ApplyRollback(t.Context(), applying); !errors.Is(err, errKilled) {
			t.Fatalf("call %d: it does not die: %v", at, err)
		}
		d.at = 0
		if at%2 == 0 {
			if out, err := run.PutBack(t.Context(), run.PutBackInput{Org: r.client, Deployer: r.client, Journal: applying.Journal}); err != nil || !out.Back && len(out.Off) > 0 {
				t.Fatalf("call %d: put back: %v %+v", at, err, out)
			}
			if got := r.held(r.take("components/ApexTrigger"), "ApexTrigger"); got["ApexTrigger Old"] != want["ApexTrigger Old"] {
				t.Errorf("call %d: the trigger is not as it was: %q", at, got)
			}
		}
		out, err := run.ApplyRollback(t.Context(), applying)
		if err != nil || !out.Verified || !slices.Equal(r.things(), []string{"a x"}) {
			t.Fatalf("call %d: %v %q %+v", at, err, r.things(), out.Sent)
		}
		r.same("rolled back", want, r.held(r.take("components/ApexTrigger", "components/CustomObject"), "ApexTrigger", "CustomObject"))
	}
}

// A rule that comes back and would refuse the values that come back is, in effect, deployed after them: it is off while
// they are written. Without that the org refuses the rows, which is told.
func TestRuleThatRefusesTheValuesComesAfterThem(t *testing.T) {
	for _, off := range []bool{false, true} {
		r := newRelease(t, emulator.Options{})
		files := thing("A=a", "B=b")
		r.deploy(nil, files)
		r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "B__c", Text: "x"}}})
		frozen := strings.Replace(files["objects/Thing__c.object"], "</CustomObject>", `<validationRules><fullName>Frozen</fullName><active>true</active>`+
			`<errorConditionFormula>B__c = "x"</errorConditionFormula><errorMessage>frozen</errorMessage></validationRules></CustomObject>`, 1)
		r.deploy(nil, map[string]string{"objects/Thing__c.object": frozen})
		kinds := []string{"components/CustomObject", "Thing__c"}
		before := r.take(kinds...)
		want := r.held(before, "CustomObject")
		r.deploy(append([]sf.ComponentKey{{Type: "ValidationRule", Name: "Thing__c.Frozen"}}, thingSize...))
		in := r.request(before, r.take(kinds...))
		in.AutomationOff = off
		p, err := run.Rollback(t.Context(), in)
		if err != nil || len(p.Records) != 1 || len(p.Records[0].Automation) != 1 || p.Records[0].Automation[0].Name != "Thing__c.Frozen" {
			t.Fatalf("%v %+v", err, p.Records)
		}
		out, err := run.ApplyRollback(t.Context(), r.applying(p, filepath.Join(t.TempDir(), "journal")))
		if len(out.Applied) != 1 || (err == nil) != off || (out.Applied[0].Failed == 0) != off {
			t.Errorf("off %v: %v %+v", off, err, out.Applied)
		}
		r.same("the rule", want, r.held(r.take("components/CustomObject"), "CustomObject"))
	}
}

// The org's own bypass is set while the records of a rollback are written, and put back, as of every plan of records; its file and
// what is shown of it say so.
func TestRollbackSetsTheOrgsOwnBypass(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	guarded := triggerFiles("Old", "by old")
	guarded["triggers/Old.trigger"] = strings.Replace(guarded["triggers/Old.trigger"], `"by old"`, `"by old" when NOT($Setup.Bypass__c.Triggers__c)`, 1)
	r.deploy(nil, thing("A=a", "B=b"), guarded, map[string]string{"objects/Bypass__c.object": `<CustomObject` + metadataSpace + `><customSettingsType>Hierarchy</customSettingsType>` +
		`<label>Bypass</label><visibility>Public</visibility><fields><fullName>Triggers__c</fullName><label>Triggers</label><type>Checkbox</type><defaultValue>false</defaultValue></fields></CustomObject>`})
	r.write(org.Insert, org.Row{Object: "Thing__c", Fields: []org.Assignment{{Field: "A__c", Text: "a"}, {Field: "B__c", Text: "x"}}})
	kinds := []string{"components/ApexTrigger", "components/CustomObject", "Thing__c"}
	before := r.take(kinds...)
	r.deploy(thingSize)
	in := r.request(before, r.take(kinds...))
	in.Bypass = []run.Bypass{{Kind: "setting", Name: "Bypass__c.Triggers__c"}}
	p, err := run.Rollback(t.Context(), in)
	if err != nil || len(p.Records) != 1 || len(p.Records[0].Bypass) != 1 || !p.Switches() || p.SwitchesOff() {
		t.Fatalf("%v %+v", err, p.Records)
	}
	if again, err := run.ReadRollback(p.File); err != nil || !again.Switches() {
		t.Errorf("the file: %v %+v", err, again.Records)
	}
	out, err := run.ApplyRollback(t.Context(), r.applying(p, filepath.Join(t.TempDir(), "journal")))
	if err != nil || !out.Verified || len(out.Applied) != 1 {
		t.Fatalf("%v %+v", err, out)
	}
	if s := out.Applied[0].Switched; s == nil || !s.Back || !slices.Equal(s.Bypass, []string{"setting Bypass__c.Triggers__c"}) {
		t.Errorf("%+v", s)
	}
	if got := r.things(); !slices.Equal(got, []string{"a x"}) {
		t.Errorf("values: %q", got)
	}
	for record, err := range r.client.Records(t.Context(), sf.Extract{Object: r.described("Bypass__c"), Fields: []string{"Triggers__c"}}) {
		if err != nil || record.Get("Triggers__c").Text() == "true" {
			t.Errorf("the bypass is still set: %v %v", record, err)
		}
	}
}
