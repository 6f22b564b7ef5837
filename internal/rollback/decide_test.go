package rollback_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
)

const space = ` xmlns="` + component.Namespace + `">`

// xml is a component of one document.
func xml(kind, name, path, body string) *rollback.Component {
	return &rollback.Component{
		Component: sf.Component{ComponentKey: sf.ComponentKey{Type: kind, Name: name}},
		Files:     []component.Entry{{Path: path, Body: []byte("<" + kind + space + body + "</" + kind + ">")}},
	}
}

func object(fields ...string) *rollback.Component {
	var b strings.Builder
	b.WriteString("<label>Thing</label>")
	for _, f := range fields {
		name, label, _ := strings.Cut(f, "=")
		fmt.Fprintf(&b, "<fields><fullName>%s__c</fullName><label>%s</label><type>Text</type></fields>", name, label)
	}
	return xml("CustomObject", "Thing__c", "objects/Thing__c.object", b.String())
}

func profile(grants ...string) *rollback.Component {
	var b strings.Builder
	for _, g := range grants {
		field, edit, _ := strings.Cut(g, "=")
		fmt.Fprintf(&b, "<fieldPermissions><editable>%s</editable><field>%s</field><readable>true</readable></fieldPermissions>", edit, field)
	}
	return xml("Profile", "Admin", "profiles/Admin.profile", b.String())
}

func class(code string) *rollback.Component {
	c := xml("ApexClass", "Pay", "classes/Pay.cls-meta.xml", "<status>Active</status>")
	c.Files = append(c.Files, component.Entry{Path: "classes/Pay.cls", Body: []byte(code)})
	return c
}

func flow(version int, status string) *rollback.Component {
	c := xml("Flow", strings.TrimSuffix(fmt.Sprintf("Renew-%d", version), "-0"), fmt.Sprintf("flows/Renew-%d.flow", version), fmt.Sprintf("<label>v%d</label>", version))
	c.Version, c.Status = version, status
	return c
}

// reading is a version of a flow that mentions things.
func reading(version int, status, what string) *rollback.Component {
	c := flow(version, status)
	c.Files[0].Body = []byte(strings.Replace(string(c.Files[0].Body), "</label>", "</label><description>"+what+"</description>", 1))
	return c
}

func page(what string) *rollback.Component {
	return xml("FlexiPage", "Home", "flexipages/Home.flexipage", "<masterLabel>"+what+"</masterLabel>")
}

// change joins three states of one component.
func change(before, after, now *rollback.Component) rollback.Change {
	for _, c := range []*rollback.Component{before, after, now} {
		if c != nil {
			return rollback.Change{Key: c.ComponentKey, Before: before, After: after, Now: now}
		}
	}
	panic("a change of nothing")
}

// decide returns the plan as text, a line for each action and each thing that is deployed or deleted.
func decide(t *testing.T, changes ...rollback.Change) string {
	t.Helper()
	plan, err := rollback.Decide(rollback.Input{Changes: changes, APIVersion: "66.0"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, a := range plan.Actions {
		fmt.Fprintf(&b, "%s %s %s", a.Verb, a.Key.Type, a.Key.Name)
		for _, c := range a.Conflicts {
			fmt.Fprintf(&b, " !%s %s", c.Element, c.Key)
		}
		b.WriteString("\n")
	}
	for i, d := range plan.Deployments {
		for _, m := range d.Manifest.Types {
			fmt.Fprintf(&b, "%d deploy %s %s\n", i+1, m.Name, strings.Join(m.Members, " "))
		}
		for _, k := range d.Deleted {
			fmt.Fprintf(&b, "%d delete %s %s\n", i+1, k.Type, k.Name)
		}
		if _, err := d.Archive(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestTrap30TheInverseIsExact: what is deployed and deleted is exactly the inverse of the change, and never
// anything that was there before it.
func TestTrap30TheInverseIsExact(t *testing.T) {
	for name, c := range map[string]struct {
		changes []rollback.Change
		want    string
	}{
		"a field added, a class edited, a flow deleted": {
			[]rollback.Change{
				change(object("A=a"), object("A=a", "B=b"), object("A=a", "B=b")),
				change(class("old"), class("new"), class("new")),
				change(flow(1, "Active"), nil, nil),
			},
			"take back ApexClass Pay\ntake back CustomObject Thing__c\nput back Flow Renew\n" +
				"1 deploy ApexClass Pay\n1 deploy Flow Renew\n1 delete CustomField Thing__c.B__c\n",
		},
		"a field removed and one changed; someone has added a third": {
			[]rollback.Change{change(object("A=a", "B=b"), object("A=x"), object("A=x", "C=c"))},
			"take back CustomObject Thing__c\n1 deploy CustomField Thing__c.A__c Thing__c.B__c\n",
		},
		"a field that someone has changed since": {
			[]rollback.Change{change(object("A=a"), object("A=x"), object("A=y"))},
			"keep CustomObject Thing__c !fields A__c\n",
		},
		"an object made by the change, and worked on since": {
			[]rollback.Change{change(nil, object("A=a"), object("A=a", "B=b"))},
			"keep CustomObject Thing__c\n",
		},
		"an object made by the change": {
			[]rollback.Change{change(nil, object("A=a"), object("A=a"))},
			"remove CustomObject Thing__c\n1 delete CustomObject Thing__c\n",
		},
		"a class that someone has edited since": {
			[]rollback.Change{change(class("old"), class("new"), class("newer"))},
			"keep ApexClass Pay\n",
		},
		"a flow whose third version breaks": {
			[]rollback.Change{
				change(flow(2, "Active"), flow(2, "Obsolete"), flow(2, "Obsolete")), change(nil, flow(3, "Active"), flow(3, "Active")),
			},
			"activate Flow Renew\n1 deploy FlowDefinition Renew\n",
		},
		"a flow that no version of ran": {
			[]rollback.Change{change(flow(1, "Draft"), flow(1, "Active"), flow(1, "Active"))},
			"deactivate Flow Renew\n1 deploy FlowDefinition Renew\n",
		},
		"a flow that did not run, and was deleted": {
			[]rollback.Change{change(flow(1, "Draft"), nil, nil)},
			"put back Flow Renew\n1 deploy Flow Renew\n",
		},
		"a flow whose versions are not known": {
			[]rollback.Change{change(flow(0, ""), flow(1, "Active"), flow(1, "Active"))},
			"cannot Flow Renew\n",
		},
		"a flow that the change made": {
			[]rollback.Change{change(nil, flow(1, "Active"), flow(1, "Active"))},
			"remove Flow Renew\n1 deploy FlowDefinition Renew\n2 delete Flow Renew-1\n",
		},
		"a flow that the change made, and someone has switched off since": {
			[]rollback.Change{change(nil, flow(1, "Active"), flow(1, "Obsolete"))},
			"remove Flow Renew\n1 delete Flow Renew-1\n",
		},
		"a flow that the change made, and someone has made a version of since": {
			[]rollback.Change{change(nil, flow(1, "Active"), flow(1, "Obsolete")), change(nil, nil, flow(2, "Draft"))},
			"keep Flow Renew\n",
		},
		"a flow that someone has switched to another version since": {
			[]rollback.Change{
				change(flow(1, "Active"), flow(1, "Obsolete"), flow(1, "Obsolete")), change(nil, flow(2, "Active"), flow(2, "Obsolete")),
				change(nil, nil, flow(3, "Active")),
			},
			"keep Flow Renew\n",
		},
		"a field, and a version of a flow that reads it": {
			[]rollback.Change{
				change(object("A=a"), object("A=a", "B=b"), object("A=a", "B=b")), change(nil, class("new"), class("new")),
				change(flow(2, "Active"), flow(2, "Obsolete"), flow(2, "Obsolete")), change(nil, reading(3, "Active", "B__c"), reading(3, "Active", "B__c")),
			},
			"remove ApexClass Pay\ntake back CustomObject Thing__c\nactivate Flow Renew\n" +
				"1 deploy FlowDefinition Renew\n2 delete Flow Renew-3\n3 delete ApexClass Pay\n3 delete CustomField Thing__c.B__c\n",
		},
		"that, when its first deployment is done": {
			[]rollback.Change{
				change(object("A=a"), object("A=a", "B=b"), object("A=a", "B=b")), change(nil, class("new"), class("new")),
				change(flow(2, "Active"), flow(2, "Obsolete"), flow(2, "Active")), change(nil, reading(3, "Active", "B__c"), reading(3, "Obsolete", "B__c")),
			},
			"remove ApexClass Pay\ntake back CustomObject Thing__c\ntake back Flow Renew\n" +
				"1 delete Flow Renew-3\n2 delete ApexClass Pay\n2 delete CustomField Thing__c.B__c\n",
		},
		"a version that reads a new field, and that someone has changed since": {
			[]rollback.Change{
				change(object("A=a"), object("A=a", "B=b"), object("A=a", "B=b")),
				change(flow(2, "Active"), flow(2, "Active"), flow(2, "Active")), change(nil, reading(3, "Draft", "B__c"), reading(3, "Draft", "B__c A__c")),
			},
			"take back CustomObject Thing__c\nnothing Flow Renew\n1 delete CustomField Thing__c.B__c\n",
		},
		"a flow, the page that shows it and the class that it calls": {
			[]rollback.Change{
				change(nil, page("Renew"), page("Renew")), change(nil, class("new"), class("new")),
				change(nil, reading(1, "Active", "Pay"), reading(1, "Active", "Pay")),
			},
			"remove ApexClass Pay\nremove FlexiPage Home\nremove Flow Renew\n" +
				"1 deploy FlowDefinition Renew\n1 delete FlexiPage Home\n2 delete Flow Renew-1\n3 delete ApexClass Pay\n",
		},
		"a flow and a class that mention each other": {
			[]rollback.Change{
				change(nil, class("Renew"), class("Renew")), change(nil, reading(1, "Draft", "Pay"), reading(1, "Draft", "Pay")),
			},
			"remove ApexClass Pay\nremove Flow Renew\n1 delete ApexClass Pay\n1 delete Flow Renew-1\n",
		},
		"a version that ran before, and came back without running": {
			[]rollback.Change{change(flow(1, "Active"), nil, nil), change(nil, nil, renamed(flow(1, "Draft"), 4))},
			"activate Flow Renew\n1 deploy FlowDefinition Renew\n",
		},
		"nothing, as it is back already": {
			[]rollback.Change{change(class("old"), class("new"), class("old")), change(nil, object("A=a"), nil)},
			"nothing ApexClass Pay\nnothing CustomObject Thing__c\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decide(t, c.changes...); got != c.want {
				t.Errorf("\n%swanted\n%s", got, c.want)
			}
			slices.Reverse(c.changes)
			if got := decide(t, c.changes...); got != c.want {
				t.Errorf("in another order:\n%s", got)
			}
		})
	}
}

// Parts that no deployment takes away stay and are named with the reason; everything else goes on.
func TestWhatNoDeploymentTakesAwayStays(t *testing.T) {
	typed := func(fields ...string) *rollback.Component {
		o := object(fields...)
		o.Files[0].Body = []byte(strings.Replace(string(o.Files[0].Body), "</CustomObject>", "<recordTypes><fullName>Partner</fullName><active>true</active></recordTypes></CustomObject>", 1))
		return o
	}
	translation := func(label string) *rollback.Component {
		return xml("CustomObjectTranslation", "Account-de", "objectTranslations/Account-de.objectTranslation", "<fields><label>"+label+"</label><name>A__c</name></fields>")
	}
	profile := func(body string) *rollback.Component { return xml("Profile", "Sales", "profiles/Sales.profile", body) }
	const assigned = "<layoutAssignments><layout>Account-Sales</layout></layoutAssignments>"
	tab := func(visibility string) string {
		return "<tabVisibilities><tab>Orders</tab><visibility>" + visibility + "</visibility></tabVisibilities>"
	}
	for name, c := range map[string]struct {
		changes []rollback.Change
		want    string
	}{
		"a record type and a field": {
			[]rollback.Change{change(object("A=a"), typed("A=a", "B=b"), typed("A=a", "B=b"))},
			"take back CustomObject Thing__c !recordTypes Partner\n1 delete CustomField Thing__c.B__c\n",
		},
		"a record type alone": {
			[]rollback.Change{change(object("A=a"), typed("A=a"), typed("A=a"))}, "cannot CustomObject Thing__c !recordTypes Partner\n",
		},
		"the translation of a field": {
			[]rollback.Change{change(translation("Alt"), translation("Neu"), translation("Neu"))},
			"take back CustomObjectTranslation Account-de\n1 deploy CustomObjectTranslation Account-de\n",
		},
		"a tab and the assignment of a layout": {
			[]rollback.Change{change(profile(""), profile(assigned+tab("DefaultOn")), profile(assigned+tab("DefaultOn")))},
			"take back Profile Sales !layoutAssignments Account-Sales\n1 deploy Profile Sales\n",
		},
		"that, when it is done": {
			[]rollback.Change{change(profile(""), profile(assigned+tab("DefaultOn")), profile(assigned+tab("Hidden")))},
			"cannot Profile Sales !layoutAssignments Account-Sales\n",
		},
		"an installed package": {
			[]rollback.Change{change(nil, xml("InstalledPackage", "x", "installedPackages/x.installedPackage", ""), xml("InstalledPackage", "x", "installedPackages/x.installedPackage", ""))},
			"cannot InstalledPackage x\n",
		},
	} {
		if got := decide(t, c.changes...); got != c.want {
			t.Errorf("%s:\n%swanted\n%s", name, got, c.want)
		}
	}
}

// renamed is a version with another number.
func renamed(c *rollback.Component, version int) *rollback.Component {
	c.Name, c.Version = fmt.Sprintf("Renew-%d", version), version
	return c
}

// Trap 30: what the org says to have been made before the snapshot that lacks it was there, and is not deleted.
func TestWhatIsOlderThanTheStateThatLacksItStays(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		made time.Time
		want rollback.Verb
	}{
		"made before":  {began.Add(-time.Second), rollback.Cannot},
		"made by it":   {began.Add(time.Second), rollback.Remove},
		"of no date":   {time.Unix(0, 0), rollback.Remove},
		"date unknown": {time.Time{}, rollback.Remove},
	} {
		made := class("public class Pay {}")
		made.Created = c.made
		plan, err := rollback.Decide(rollback.Input{APIVersion: "66.0", Before: began, Changes: []rollback.Change{change(nil, made, made)}})
		if err != nil || len(plan.Actions) != 1 || plan.Actions[0].Verb != c.want || (c.want == rollback.Cannot) != (len(plan.Deployments) == 0) {
			t.Errorf("%s: %+v %v", name, plan.Actions, err)
		}
	}
}

// A standard object was always there, whatever a listing says: nothing of it is deleted with it.
func TestStandardObjectsAreNeverRemoved(t *testing.T) {
	for name, want := range map[string]rollback.Verb{"Account": rollback.Cannot, "Made__c": rollback.Remove} {
		made := object("A=a")
		made.Name = name
		plan, err := rollback.Decide(rollback.Input{APIVersion: "66.0", Changes: []rollback.Change{change(nil, made, made)}})
		if err != nil || len(plan.Actions) != 1 || plan.Actions[0].Verb != want {
			t.Errorf("%s: %+v %v", name, plan.Actions, err)
		}
	}
}

// In production a flow comes back as a draft, and is switched on when it is there.
func TestFlowsThatComeBackInProductionAreSwitchedOn(t *testing.T) {
	plan, err := rollback.Decide(rollback.Input{Production: true, APIVersion: "66.0", Changes: []rollback.Change{
		change(flow(2, "Active"), nil, nil), change(flow(3, "Draft"), flow(3, "Draft"), flow(3, "Draft")),
	}})
	if err != nil || len(plan.Deployments) != 2 || fmt.Sprint(plan.Deployments[1].Members()) != "[{FlowDefinition Renew}]" {
		t.Fatalf("%+v %v", plan.Deployments, err)
	}
	if body := string(plan.Deployments[1].Files[0].Body); !strings.Contains(body, "<activeVersionNumber>4<") {
		t.Error(body)
	}
}

// TestProfilesAreMerged: of a profile only what changes is deployed, and what is no longer granted is
// written down as not given, because a deployment that leaves it out leaves it as it is.
func TestProfilesAreMerged(t *testing.T) {
	plan, err := rollback.Decide(rollback.Input{APIVersion: "66.0", Changes: []rollback.Change{change(
		profile("A.X=true", "A.Same=true"), profile("A.X=false", "A.Same=true", "A.New=true"), profile("A.X=false", "A.Same=true", "A.New=true", "A.Later=true"),
	)}})
	if err != nil || len(plan.Deployments) != 1 || len(plan.Deployments[0].Files) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	root, err := component.Parse(plan.Deployments[0].Files[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range root.Nodes {
		got = append(got, n.Value("field")+" "+n.Value("readable")+" "+n.Value("editable"))
	}
	slices.Sort(got)
	if want := []string{"A.New false false", "A.X true true"}; !slices.Equal(got, want) {
		t.Errorf("%v, wanted %v", got, want)
	}
}

// TestWhatIsNotHeldIsNotTouched: a component of an installed package, or one whose files a state lacks, is
// named and left alone.
func TestWhatIsNotHeldIsNotTouched(t *testing.T) {
	lacking := class("old")
	lacking.Files = nil
	installed := class("old")
	installed.Manageable = "installed"
	for _, before := range []*rollback.Component{lacking, installed} {
		if got := decide(t, change(before, class("new"), class("new"))); got != "cannot ApexClass Pay\n" {
			t.Error(got)
		}
		if got := decide(t, change(before, nil, nil)); got != "cannot ApexClass Pay\n" {
			t.Error(got)
		}
	}
}
