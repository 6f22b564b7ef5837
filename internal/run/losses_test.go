package run_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// fieldGrants are permissions of fields of Thing__c, each as Name=editable.
func fieldGrants(fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		name, edit, _ := strings.Cut(f, "=")
		fmt.Fprintf(&b, `<fieldPermissions><editable>%s</editable><field>Thing__c.%s__c</field><readable>true</readable></fieldPermissions>`, edit, name)
	}
	return b.String()
}

func profileFile(name, body string) map[string]string {
	return map[string]string{"profiles/" + name + ".profile": `<Profile` + metadataSpace + `>` + body + `</Profile>`}
}

func setFile(name, body string) map[string]string {
	return map[string]string{"permissionsets/" + name + ".permissionset": `<PermissionSet` + metadataSpace + `>` + body +
		`<hasActivationRequired>false</hasActivationRequired><label>` + name + `</label></PermissionSet>`}
}

// holding is what snapshots that tell of permissions hold.
var holding = []string{
	"components/ApexClass", "components/ApexPage", "components/Bot", "components/CustomApplication", "components/CustomObject",
	"components/CustomPermission", "components/CustomTab", "components/DataCategoryGroup", "components/ExternalDataSource",
	"components/Flow", "components/Layout", "components/PermissionSet", "components/Profile",
}

// What people have built since on what a deployment made goes with it: the plan lists each of these, and what the
// deployment did itself is not among them. A plan that does not list something that has come since is stale.
func TestLaterWorkThatGoesWithARollbackIsListed(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), setFile("Old", fieldGrants("A=true")), map[string]string{
		"layouts/Thing__c-Thing Layout.layout": `<Layout` + metadataSpace + `><layoutSections><label>Information</label>` +
			`<layoutColumns><layoutItems><behavior>Required</behavior><field>Name</field></layoutItems></layoutColumns><style>OneColumn</style></layoutSections></Layout>`,
	})
	before := r.take(holding...)
	made := thing("A=a", "B=b")
	r.deploy(nil, made, classFiles("Made", "public class Made {}"), setFile("Old", fieldGrants("A=true", "B=false")))
	after := r.take(holding...)

	object := strings.Replace(made["objects/Thing__c.object"], "<nameField>", `<listViews><fullName>Later</fullName><columns>NAME</columns>`+
		`<columns>B__c</columns><filterScope>Everything</filterScope><label>Later</label></listViews><nameField>`, 1)
	r.deploy(nil, map[string]string{
		"objects/Thing__c.object": object,
		"layouts/Thing__c-Thing Layout.layout": `<Layout` + metadataSpace + `><layoutSections><label>Information</label>` +
			`<layoutColumns><layoutItems><behavior>Required</behavior><field>Name</field></layoutItems>` +
			`<layoutItems><behavior>Edit</behavior><field>B__c</field></layoutItems></layoutColumns><style>OneColumn</style></layoutSections></Layout>`,
	}, setFile("New", fieldGrants("A=true", "B=true")), profileFile("Standard", `<classAccesses><apexClass>Made</apexClass><enabled>true</enabled></classAccesses>`+fieldGrants("A=true")))
	stale := r.plan(before, after)
	want := []string{
		"listViews Later of CustomObject Thing__c no longer shows CustomField Thing__c.B__c",
		"layoutItems B__c of Layout Thing__c-Thing Layout goes with CustomField Thing__c.B__c",
		"fieldPermissions Thing__c.B__c of PermissionSet New goes with CustomField Thing__c.B__c",
		"classAccesses Made of Profile Standard goes with ApexClass Made",
	}
	if !slices.Equal(stale.Notes, want) {
		t.Fatalf("%s\nnot\n%s", strings.Join(stale.Notes, "\n"), strings.Join(want, "\n"))
	}
	if again, err := run.ReadRollback(stale.File); err != nil || !slices.Equal(again.Notes, want) {
		t.Errorf("the file: %v %q", err, again.Notes)
	}

	r.deploy(nil, profileFile("Standard", fieldGrants("B=false")))
	out, err := run.ApplyRollback(t.Context(), r.applying(stale, filepath.Join(t.TempDir(), "stale")))
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(fmt.Sprint(err), "fieldPermissions Thing__c.B__c of Profile Standard") || out.Done != 0 {
		t.Fatalf("%v, %d done", err, out.Done)
	}
	r.roll(before, after)
	if again := r.plan(before, after); len(again.Deployments) != 0 || len(again.Notes) != 0 {
		t.Errorf("left: %s%q", shown(again), again.Notes)
	}
}

// An org that does not say what profiles give leaves a note in the plan.
func TestLaterWorkThatCannotBeReadIsSaid(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"))
	before := r.take()
	r.deploy(nil, thing("A=a", "B=b"))
	in := r.request(before, r.take())
	in.Org = poisoned{r.client, "Admin"}
	p, err := run.Rollback(t.Context(), in)
	if err != nil || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "could not be read") {
		t.Fatalf("%v %q", err, p.Notes)
	}
	applying := r.applying(p, filepath.Join(t.TempDir(), "journal"))
	applying.Org = poisoned{r.client, "Admin"}
	if out, err := run.ApplyRollback(t.Context(), applying); err != nil || !out.Verified {
		t.Errorf("%v %+v", err, out)
	}
}

// A field that a deployment hid from everybody is seen again after the rollback, and so is one that it deleted, in an org
// where nobody sees a field by itself, as the platform has it of deployed fields, and in one where the administrator does.
func TestFieldsAreSeenAgainAfterARollback(t *testing.T) {
	for _, strict := range []bool{true, false} {
		t.Run(fmt.Sprint("strict ", strict), func(t *testing.T) {
			r := newRelease(t, emulator.Options{StrictFieldAccess: strict})
			r.server.Intercept(func(q emulator.Request) emulator.Fault {
				if q.Op == "GET sobjects" {
					return emulator.Fault{Rewrite: testkit.Narrow("Account", "User", "Thing__c")}
				}
				return emulator.Fault{}
			})
			var own []map[string]string
			if strict {
				own = append(own, profileFile("Admin", fieldGrants("A=true", "B=true")))
			}
			r.deploy(nil, append(own, thing("A=a", "B=b"))...)
			if _, err := r.loader.Insert(t.Context(), "Thing__c", []testkit.Row{{"Name": "one", "A__c": "x", "B__c": "y"}}); err != nil {
				t.Fatal(err)
			}
			r.server.Clock().Advance(time.Hour)
			whole := append([]string{"Thing__c", "User"}, holding...)
			before := r.take(whole...)
			hidden := `<fieldPermissions><editable>false</editable><field>Thing__c.B__c</field><readable>false</readable></fieldPermissions>`
			r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.A__c"}}, profileFile("Admin", hidden))
			after := r.take(whole...)
			out := r.roll(before, after)
			rows, err := r.loader.Query(t.Context(), "SELECT Name, A__c, B__c FROM Thing__c")
			if err != nil {
				t.Fatalf("%v\n%s", err, shown(out.RollbackResult))
			}
			if len(rows) != 1 || rows[0]["A__c"] != "x" || rows[0]["B__c"] != "y" {
				t.Errorf("%v\n%s", rows, shown(out.RollbackResult))
			}
		})
	}
}

// What somebody switches twice before a deployment, or switches on and then deletes, is one file of the package.
func TestWorkshopSwitchesAFlowOnce(t *testing.T) {
	w := newWorkshop(t, 1, emulator.Options{})
	w.deploy(nil, flowFiles("Renew", "one", "Active"))
	w.deploy(nil, flowFiles("Renew", "two", "Active"))
	s := w.see()
	d := w.draft(s, 1)
	d.before = append(d.before, activated("Renew", 2), activated("Renew", 1))
	if !w.attempt(s, d) || !strings.Contains(w.see().active["Renew"], "one") {
		t.Error("not switched to what was said last")
	}
	delete(d.files, "flows/Renew.flow")
	if !w.attempt(w.see(), d) {
		t.Error("not deleted")
	}
	if _, there := w.see().active["Renew"]; there {
		t.Error("the flow is there")
	}
}
