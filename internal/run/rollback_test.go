package run_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/testkit"
)

// release is an org to which releases are deployed.
type release struct {
	*observed
	loader *testkit.Loader
}

func newRelease(t testing.TB, options emulator.Options) *release {
	t.Helper()
	o := observeOrg(t, options)
	narrow := testkit.Narrow("Account", "Organization", "User")
	o.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: narrow}
		}
		return emulator.Fault{}
	})
	return &release{o, &testkit.Loader{InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0"}}
}

// classFiles are the files of an Apex class.
func classFiles(name, body string) map[string]string {
	return map[string]string{
		"classes/" + name + ".cls":          body,
		"classes/" + name + ".cls-meta.xml": `<ApexClass` + metadataSpace + `><apiVersion>66.0</apiVersion><status>Active</status></ApexClass>`,
	}
}

var payTest = classFiles("PayTest", "@isTest private class PayTest { @isTest static void runs() { new Pay(); } }")

// activated switches a flow to a version.
func activated(flow string, version int) map[string]string {
	return map[string]string{"flowDefinitions/" + flow + ".flowDefinition": fmt.Sprintf(
		"<FlowDefinition"+metadataSpace+"><activeVersionNumber>%d</activeVersionNumber></FlowDefinition>", version)}
}

// thing is an object with these text fields, each as Name=Label.
func thing(fields ...string) map[string]string {
	var b strings.Builder
	for _, f := range fields {
		name, label, _ := strings.Cut(f, "=")
		fmt.Fprintf(&b, `<fields><fullName>%s__c</fullName><label>%s</label><length>40</length><type>Text</type></fields>`, name, label)
	}
	return map[string]string{"objects/Thing__c.object": `<CustomObject` + metadataSpace + `><deploymentStatus>Deployed</deploymentStatus>` + b.String() +
		`<label>Thing</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Things</pluralLabel><sharingModel>ReadWrite</sharingModel></CustomObject>`}
}

// flowFiles are the files of a flow that is deployed as its next version.
func flowFiles(name, label, status string) map[string]string {
	return map[string]string{"flows/" + name + ".flow": `<Flow` + metadataSpace + `><apiVersion>66.0</apiVersion><label>` + label + `</label><processType>AutoLaunchedFlow</processType>
<start><locationX>0</locationX><locationY>0</locationY></start><status>` + status + `</status></Flow>`}
}

// deploy deploys files, whose manifest is made of what they are, and then deletes components.
func (r *release) deploy(deleted []sf.ComponentKey, sets ...map[string]string) {
	r.Helper()
	var keys []sf.ComponentKey
	var entries []component.Entry
	for _, files := range sets {
		for path, body := range files {
			entries = append(entries, component.Entry{Path: path, Body: []byte(body)})
			if key, ok := component.Known().Resolve(path); ok {
				keys = append(keys, key)
			}
		}
	}
	entries = append(entries, component.Entry{Path: "package.xml", Body: component.PrintManifest(sf.ManifestOf("66.0", keys))})
	if len(deleted) > 0 {
		entries = append(entries, component.Entry{Path: "destructiveChangesPost.xml", Body: component.PrintManifest(sf.ManifestOf("", deleted))})
	}
	raw, err := component.Pack(entries)
	if err != nil {
		r.Fatal(err)
	}
	d, err := r.client.Deploy(r.Context(), raw, sf.DeployOptions{RollbackOnError: true})
	if err != nil || !d.Success {
		r.Fatalf("deploy: %v %s %+v", err, d.Error, d.Results[:min(len(d.Results), 3)])
	}
	r.server.Clock().Advance(time.Hour)
}

// few are the types that most tests look at: an org has a hundred others.
var few = []string{"components/ApexClass", "components/CustomObject", "components/Flow"}

// take takes a snapshot of the metadata, or of some parts.
func (r *release) take(include ...string) string {
	r.Helper()
	if len(include) == 0 {
		include = few
	}
	b, err := run.Backup(r.Context(), run.BackupInput{
		Source: r.client, Store: r.store, Options: capture.Options{OrgName: "prod", Metadata: r.client, Include: include},
	})
	if err != nil {
		r.Fatal(err)
	}
	r.server.Clock().Advance(time.Hour)
	return b.Snapshot.ID
}

func (r *release) request(before, after string, only ...string) run.RollbackInput {
	return run.RollbackInput{Org: r.client, Store: r.store, Before: before, After: after, Only: only, APIVersion: "66.0"}
}

func (r *release) plan(before, after string, only ...string) run.RollbackResult {
	r.Helper()
	p, err := run.Rollback(r.Context(), r.request(before, after, only...))
	if err != nil {
		r.Fatal(err)
	}
	return p
}

func (r *release) applying(p run.RollbackResult, journal string) run.ApplyRollbackInput {
	return run.ApplyRollbackInput{Org: r.client, Store: r.store, File: p.File, Digest: p.Digest, Journal: journal}
}

// roll plans, applies and insists that nothing is left.
func (r *release) roll(before, after string, only ...string) run.RolledBackResult {
	r.Helper()
	p := r.plan(before, after, only...)
	out, err := run.ApplyRollback(r.Context(), r.applying(p, filepath.Join(r.TempDir(), "journal")))
	if err != nil || !out.Verified || out.Left != 0 || out.Done != len(p.Deployments) {
		r.Fatalf("%v %+v", err, out)
	}
	return out
}

// shown is a plan as lines: what becomes of each component, and what is deployed and deleted.
func shown(p run.RollbackResult) string {
	var b strings.Builder
	for _, a := range p.Actions {
		fmt.Fprintf(&b, "%s %s %s", a.Action, a.Type, a.Name)
		for _, c := range a.Conflicts {
			fmt.Fprintf(&b, " !%s %s", c.Element, c.Key)
		}
		b.WriteString("\n")
	}
	for _, d := range p.Deployments {
		for _, k := range d.Deploy {
			fmt.Fprintf(&b, "%d deploy %s\n", d.Number, k)
		}
		for _, k := range d.Delete {
			fmt.Fprintf(&b, "%d delete %s\n", d.Number, k)
		}
	}
	return b.String()
}

// sums is what the newest snapshot, which this takes, holds of some types: the sum of each component by its
// name; of flows, which version is active.
func (r *release) sums(kinds ...string) map[string]string {
	r.Helper()
	return r.held(r.take(), kinds...)
}

func (r *release) held(id string, kinds ...string) map[string]string {
	r.Helper()
	sn, err := r.store.Load(r.Context(), id)
	if err != nil {
		r.Fatal(err)
	}
	out := map[string]string{}
	for _, kind := range kinds {
		name := snapshot.Components.Name(kind)
		if _, ok := sn.Part(name); !ok {
			continue
		}
		for record, err := range sn.Records(r.Context(), name) {
			if err != nil {
				r.Fatal(err)
			}
			row := component.RowOf(kind, record)
			switch {
			case kind != "Flow":
				out[kind+" "+row.Name] = row.Sum
			case row.Status == "Active":
				flow, _, _ := strings.Cut(row.Name, "-")
				out["active "+flow] = fmt.Sprint(row.Version)
			}
		}
	}
	return out
}

func (r *release) same(what string, want, got map[string]string) {
	r.Helper()
	for k, v := range want {
		if got[k] != v {
			r.Errorf("%s: %s is %.8q, not %.8q", what, k, got[k], v)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			r.Errorf("%s: %s is left", what, k)
		}
	}
}

var released = []string{"ApexClass", "CustomObject", "Flow"}

// The package that takes "add a field, edit a class, delete a flow" back is exactly the inverse, and what was
// there before is there again; what somebody added since stays.
func TestTrap30TheRollbackIsExactlyTheInverse(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay { Integer a = 1; }"), flowFiles("Renew", "one", "Draft"))
	before := r.take()
	r.deploy([]sf.ComponentKey{{Type: "Flow", Name: "Renew-1"}}, thing("A=a", "B=b"), classFiles("Pay", "public class Pay { Integer a = 2; }"))
	after := r.take()
	r.deploy(nil, thing("A=a", "B=b", "C=c"))

	p := r.plan(before, after)
	want := "take back ApexClass Pay\ntake back CustomObject Thing__c\nput back Flow Renew\n" +
		"1 deploy ApexClass Pay\n1 deploy Flow Renew\n1 delete CustomField Thing__c.B__c\n"
	if got := shown(p); got != want {
		t.Fatalf("%s\nnot\n%s", got, want)
	}
	if !slices.Equal(p.Destroyed, []string{"Thing__c.B__c"}) {
		t.Errorf("what is lost: %v", p.Destroyed)
	}
	r.roll(before, after)
	held := r.held(before, released...)
	now := r.sums(released...)
	if now["CustomObject Thing__c"] == held["CustomObject Thing__c"] {
		t.Error("the field that was added since is gone")
	}
	delete(held, "CustomObject Thing__c")
	delete(now, "CustomObject Thing__c")
	r.same("rolled back", held, now)
	if again := r.plan(before, after); len(again.Deployments) != 0 {
		t.Errorf("something is left to be done:\n%s", shown(again))
	}
}

// refusing is an org that does not list a type.
type refusing struct {
	run.DeployOrg
	kind string
}

func (r refusing) Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error) {
	if slices.ContainsFunc(queries, func(q sf.ComponentQuery) bool { return q.Type == r.kind }) {
		return nil, problem.New(problem.Failed, "UNKNOWN_EXCEPTION: no")
	}
	return r.DeployOrg.Components(ctx, queries)
}

// blind is an org that lists nothing of a type, as if there were nothing.
type blind struct {
	run.DeployOrg
	kind string
}

func (b blind) Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error) {
	all, err := b.DeployOrg.Components(ctx, queries)
	return slices.DeleteFunc(all, func(c sf.Component) bool { return c.Type == b.kind }), err
}

// poisoned is an org that does not give one component.
type poisoned struct {
	run.DeployOrg
	name string
}

func (r poisoned) Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error) {
	for _, t := range m.Types {
		if slices.Contains(t.Members, r.name) {
			return sf.Retrieved{}, problem.New(problem.Failed, "UNKNOWN_EXCEPTION: poison")
		}
	}
	return r.DeployOrg.Retrieve(ctx, m)
}

// takeFrom takes a snapshot through an ailing org, which may be partial.
func (r *release) takeFrom(m capture.Metadata) string {
	r.Helper()
	b, err := run.Backup(r.Context(), run.BackupInput{
		Source: r.client, Store: r.store, Options: capture.Options{OrgName: "prod", Metadata: m, Include: few},
	})
	if err != nil && problem.KindOf(err) != problem.Partial {
		r.Fatal(err)
	}
	r.server.Clock().Advance(time.Hour)
	return b.Snapshot.ID
}

// An empty, failed, stale or partial snapshot is refused for what it does not tell: what it lacks was there,
// and is never deleted.
func TestTrap30SnapshotsThatDoNotTellDeleteNothing(t *testing.T) {
	for name, before := range map[string]func(r *release) string{
		"of another type":  func(r *release) string { return r.take("components/CustomObject") },
		"without metadata": func(r *release) string { return r.take("Account") },
		"type refused":     func(r *release) string { return r.takeFrom(refusing{r.client, "ApexClass"}) },
		"listed empty": func(r *release) string {
			r.server.Clock().Advance(time.Hour)
			return r.takeFrom(blind{r.client, "ApexClass"})
		},
		"component poison": func(r *release) string { return r.takeFrom(poisoned{r.client, "Pay"}) },
		"stale": func(r *release) string {
			r.take()
			r.deploy(nil, classFiles("Late", "public class Late {}"))
			return r.takeFrom(refusing{r.client, "ApexClass"})
		},
		"taken over": func(r *release) string {
			r.take()
			r.deploy(nil, classFiles("Late", "public class Late {}"))
			return r.take("components/CustomObject")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelease(t, emulator.Options{})
			r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay {}"))
			id := before(r)
			r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"))
			p, err := run.Rollback(t.Context(), r.request(id, r.take()))
			if err != nil && problem.KindOf(err) != problem.Conflict {
				t.Fatal(err)
			}
			for _, d := range p.Deployments {
				if len(d.Delete) > 0 || slices.ContainsFunc(d.Deploy, func(k string) bool { return strings.HasPrefix(k, "ApexClass") }) {
					t.Errorf("deployed:\n%s", shown(p))
				}
			}
			if err == nil && p.Impossible == 0 {
				t.Errorf("nothing is refused:\n%s", shown(p))
			}
		})
	}
}

// The state after the change, or now, that does not tell is refused as well.
func TestTrap30AfterAndNowMustTell(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"))
	before := r.take()
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"), classFiles("New", "public class New {}"))
	failed := r.takeFrom(refusing{r.client, "ApexClass"})
	after := r.take()
	if p := r.plan(before, failed); len(p.Deployments) > 0 {
		t.Errorf("the state after failed:\n%s", shown(p))
	}
	in := r.request(before, after)
	in.Org = refusing{r.client, "ApexClass"}
	p, err := run.Rollback(t.Context(), in)
	if err != nil || len(p.Deployments) > 0 || p.Impossible != 2 {
		t.Errorf("now failed: %v\n%s", err, shown(p))
	}
}

// The story of the flow: its third version breaks, and the second is active again.
func TestFlowWhoseThirdVersionBreaks(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, flowFiles("Renew", "one", "Active"))
	r.deploy(nil, flowFiles("Renew", "two", "Active"))
	before := r.take()
	r.deploy(nil, flowFiles("Renew", "three", "Active"), flowFiles("Extra", "new", "Active"))
	after := r.take()
	out := r.roll(before, after)
	if got := shown(out.RollbackResult); !strings.Contains(got, "activate Flow Renew\n") || !strings.Contains(got, "remove Flow Extra\n") || len(out.Deployments) != 2 {
		t.Errorf("%s", got)
	}
	r.same("flows", map[string]string{"active Renew": "2"}, r.sums("Flow"))
}

// reading is a flow that reads a field.
func reading(name, label, status, field string) map[string]string {
	files := flowFiles(name, label, status)
	for path, body := range files {
		files[path] = strings.Replace(body, "<start>", `<recordLookups><name>find</name><label>find</label><locationX>0</locationX><locationY>0</locationY><object>Thing__c</object><queriedFields>`+
			field+`</queriedFields></recordLookups><start>`, 1)
	}
	return files
}

// The commonest release: a new field, and flows that read it. Versions of flows go before what they keep.
func TestFieldAndTheFlowsThatReadItAreRolledBack(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), flowFiles("Renew", "one", "Active"))
	before := r.take()
	r.deploy(nil, thing("A=a", "B=b"), reading("Renew", "two", "Active", "B__c"), reading("Extra", "new", "Active", "B__c"))
	after := r.take()
	out := r.roll(before, after)
	if got := shown(out.RollbackResult); !strings.Contains(got, "2 delete Flow Extra-1\n2 delete Flow Renew-2\n3 delete CustomField Thing__c.B__c\n") {
		t.Errorf("%s", got)
	}
	r.same("rolled back", r.held(before, released...), r.sums(released...))
}

// A flow that was deleted in production comes back, and runs.
func TestFlowComesBackActiveInProduction(t *testing.T) {
	r := newRelease(t, emulator.Options{Kind: metadata.Production})
	r.deploy(nil, flowFiles("Renew", "one", "Active"))
	r.deploy(nil, activated("Renew", 1))
	before := r.take("components/Flow")
	r.deploy(nil, activated("Renew", 0))
	r.deploy([]sf.ComponentKey{{Type: "Flow", Name: "Renew-1"}})
	after := r.take("components/Flow")
	if out := r.roll(before, after); len(out.Deployments) != 2 {
		t.Errorf("%s", shown(out.RollbackResult))
	}
	r.same("flows", map[string]string{"active Renew": "1"}, r.held(r.take("components/Flow"), "Flow"))
}

// A plan is carried out on the org that it was made for, and on no other state of it.
func TestRollbackPlanThatIsStaleDoesNothing(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"))
	before := r.take()
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"), classFiles("New", "public class New {}"))
	p := r.plan(before, r.take())
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 3; }"))
	want := r.sums(released...)
	out, err := run.ApplyRollback(t.Context(), r.applying(p, filepath.Join(t.TempDir(), "j")))
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "stale") || out.Done != 0 {
		t.Fatalf("%v %+v", err, out)
	}
	r.same("a stale plan", want, r.sums(released...))

	wrong := r.applying(p, filepath.Join(t.TempDir(), "j"))
	wrong.Digest = strings.Repeat("0", 64)
	if _, err := run.ApplyRollback(t.Context(), wrong); problem.KindOf(err) != problem.Conflict {
		t.Errorf("not approved: %v", err)
	}
}

// One component alone goes back when it is asked for.
func TestRollbackOfChosenComponents(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"), thing("A=a"))
	before := r.take()
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"), thing("A=a", "B=b"))
	after := r.take()
	out := r.roll(before, after, "ApexClass:Pay")
	if got := shown(out.RollbackResult); got != "take back ApexClass Pay\n1 deploy ApexClass Pay\n" {
		t.Error(got)
	}
	if _, err := run.Rollback(t.Context(), r.request(before, after, "ApexClass:Nobody")); problem.KindOf(err) != problem.NotFound {
		t.Errorf("%v", err)
	}
	if _, err := run.Rollback(t.Context(), r.request(before, after, "Pay")); problem.KindOf(err) != problem.Usage {
		t.Errorf("%v", err)
	}
	if _, err := run.Rollback(t.Context(), r.request(after, before)); problem.KindOf(err) != problem.Usage {
		t.Errorf("%v", err)
	}
}

// slow is an org that refuses quick deployments.
type slow struct{ run.DeployOrg }

func (slow) QuickDeploy(context.Context, string) (string, error) {
	return "", problem.New(problem.Failed, "INVALID_ID_FIELD: does not qualify")
}

// A validation that ran tests is deployed without running them again, and in full where the org refuses that:
// in production, too, where no validation goes without tests.
func TestRollbackAfterTestsIsAQuickDeployment(t *testing.T) {
	quick := func(o run.DeployOrg) run.DeployOrg { return o }
	refused := func(o run.DeployOrg) run.DeployOrg { return slow{o} }
	for _, c := range []struct {
		kind metadata.OrgKind
		how  string
		wrap func(run.DeployOrg) run.DeployOrg
	}{
		{metadata.Developer, "validate quick", quick},
		{metadata.Developer, "validate quick validate deploy", refused},
		{metadata.Production, "validate quick validate deploy", refused},
	} {
		r := newRelease(t, emulator.Options{Kind: c.kind})
		r.deploy(nil, classFiles("Pay", "public class Pay {}"), payTest)
		before := r.take("components/ApexClass")
		r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"))
		in := r.request(before, r.take("components/ApexClass"))
		in.Tests = sf.RunLocalTests
		p, err := run.Rollback(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		applying := r.applying(p, filepath.Join(t.TempDir(), "j"))
		applying.Org = c.wrap(r.client)
		out, err := run.ApplyRollback(t.Context(), applying)
		if err != nil || !out.Verified {
			t.Fatalf("%s %s: %v %+v", c.kind, c.how, err, out.Sent)
		}
		var sent []string
		for _, s := range out.Sent {
			sent = append(sent, s.How)
		}
		if strings.Join(sent, " ") != c.how || out.Sent[0].Tests != 1 {
			t.Errorf("%s %s: %+v", c.kind, c.how, out.Sent)
		}
	}
}

// What a deployment granted to a profile is revoked with what it was about, what it took away is granted
// again, and the rest of the profile is not touched.
func TestRollbackOfProfiles(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	grants := func(fields ...string) map[string]string {
		var b strings.Builder
		for _, f := range fields {
			name, edit, _ := strings.Cut(f, "=")
			fmt.Fprintf(&b, `<fieldPermissions><editable>%s</editable><field>Thing__c.%s__c</field><readable>true</readable></fieldPermissions>`, edit, name)
		}
		return map[string]string{"profiles/Standard.profile": `<Profile` + metadataSpace + `>` + b.String() + `</Profile>`}
	}
	all := "components/*"
	r.deploy(nil, thing("A=a", "D=d"), grants("A=true", "D=false"))
	before := r.take(all)
	r.deploy(nil, thing("A=a", "B=b", "D=d"), grants("A=false", "B=true"))
	after := r.take(all)
	r.deploy(nil, grants("D=true"))
	out := r.roll(before, after)
	if got := shown(out.RollbackResult); !strings.Contains(got, "take back Profile Standard") || !strings.Contains(got, "1 delete CustomField Thing__c.B__c") {
		t.Errorf("%s", got)
	}
	sn, err := r.store.Load(t.Context(), r.take(all))
	if err != nil {
		t.Fatal(err)
	}
	record, found, err := sn.Record(t.Context(), "components/Profile", component.RowID(sf.ComponentKey{Type: "Profile", Name: "Standard"}))
	if err != nil || !found {
		t.Fatal(err)
	}
	body, err := snapshot.ParseBody(component.RowOf("Profile", record).Content)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r.store.OpenBody(t.Context(), body))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(raw)), "")
	for _, want := range []string{
		"<editable>true</editable><field>Thing__c.A__c</field>", "<editable>true</editable><field>Thing__c.D__c</field>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the profile lacks %s", want)
		}
	}
	if _, about, found := strings.Cut(text, "Thing__c.B__c"); found && !strings.HasPrefix(about, "</field><readable>false") {
		t.Errorf("the profile grants a field that is gone: %.200s", about)
	}
}
