package run_test

import (
	"context"
	"fmt"
	"os"
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

// ruled is a release in an org of things and rules, whose records are seen.
func ruled(t testing.TB, objects ...string) *release {
	t.Helper()
	r := newRelease(t, emulator.Options{})
	narrow := testkit.Narrow(append([]string{"Account", "User", "Thing__c"}, objects...)...)
	r.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: narrow}
		}
		return emulator.Fault{}
	})
	return r
}

func (r *release) insert(object string, rows ...testkit.Row) []string {
	r.Helper()
	ids, err := r.loader.Insert(r.Context(), object, rows)
	if err != nil {
		r.Fatal(err)
	}
	r.server.Clock().Advance(time.Hour)
	return ids
}

func (r *release) set(object string, rows ...testkit.Row) {
	r.Helper()
	if err := r.loader.Update(r.Context(), object, rows); err != nil {
		r.Fatal(err)
	}
	r.server.Clock().Advance(time.Hour)
}

// texts is what a query returns, a record each, its values in the order of the fields.
func (r *release) texts(fields, object string) string {
	r.Helper()
	rows, err := r.loader.Query(r.Context(), "SELECT "+fields+" FROM "+object+" ORDER BY Name")
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	for _, row := range rows {
		var values []string
		for _, f := range strings.Split(fields, ", ") {
			values = append(values, fmt.Sprint(row[f]))
		}
		out = append(out, strings.Join(values, " "))
	}
	return strings.Join(out, ", ")
}

func (r *release) expect(fields, object, want string) {
	r.Helper()
	if got := r.texts(fields, object); got != want {
		r.Errorf("%s is\n%s, not\n%s", object, got, want)
	}
}

var withThings = append([]string{"Thing__c", "User"}, few...)

// The story of the config data: a release changes a class and its rules, which are records. All of it goes back in one plan:
// what was updated, what was inserted, what was deleted; what somebody has changed since stays. And it can be undone.
func TestConfigDataGoesBackWithTheDeployment(t *testing.T) {
	r := ruled(t)
	r.deploy(nil, thing("A=a", "B=b"), classFiles("Pay", "public class Pay { Integer a = 1; }"))
	ids := r.insert("Thing__c", testkit.Row{"Name": "a", "A__c": "1"}, testkit.Row{"Name": "b", "A__c": "1"}, testkit.Row{"Name": "c", "A__c": "1"})
	before := r.take(withThings...)
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"))
	r.set("Thing__c", testkit.Row{"Id": ids[0], "A__c": "2"}, testkit.Row{"Id": ids[1], "A__c": "2"})
	if err := r.loader.Delete(t.Context(), ids[2:]); err != nil {
		t.Fatal(err)
	}
	r.insert("Thing__c", testkit.Row{"Name": "d", "A__c": "2"})
	after := r.take(withThings...)
	r.set("Thing__c", testkit.Row{"Id": ids[1], "A__c": "later", "B__c": "later"})

	in := r.request(before, after)
	in.ConfigData = []string{"Thing__c"}
	p, err := run.Rollback(t.Context(), in)
	if err != nil || len(p.Records) != 1 || p.Conflicts != 1 {
		t.Fatalf("%v %+v", err, p)
	}
	out, err := run.ApplyRollback(t.Context(), r.applying(p, filepath.Join(t.TempDir(), "j")))
	if err != nil || !out.Verified || out.Applied[0].Failed > 0 {
		t.Fatalf("%v %+v", err, out)
	}
	r.expect("Name, A__c, B__c", "Thing__c", "a 1 <nil>, b later later, c 1 <nil>")
	if again, err := run.Rollback(t.Context(), in); err != nil || !again.Empty() {
		t.Errorf("something is left: %v %+v", err, again)
	}

	in = r.request(out.Live, out.Observed)
	in.ConfigData = []string{"Thing__c"}
	if p, err = run.Rollback(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if _, err := run.ApplyRollback(t.Context(), r.applying(p, filepath.Join(t.TempDir(), "j"))); err != nil {
		t.Fatal(err)
	}
	r.expect("Name, A__c, B__c", "Thing__c", "a 2 <nil>, b later later, d 2 <nil>")
	r.same("taken back", r.held(out.Live, "ApexClass"), r.sums("ApexClass"))
}

// Snapshots that do not hold the records do not tell what a deployment did to them.
func TestConfigDataThatIsNotHeldIsRefused(t *testing.T) {
	r := ruled(t)
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay { Integer a = 1; }"))
	before := r.take(withThings...)
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"))
	in := r.request(before, r.take())
	in.ConfigData = []string{"Thing__c"}
	if _, err := run.Rollback(t.Context(), in); problem.KindOf(err) != problem.Conflict {
		t.Errorf("%v", err)
	}
}

// numbered is the object of things, of which a text field has become a number.
func numbered(field string) map[string]string {
	files := thing(field + "=" + field)
	for path, body := range files {
		files[path] = strings.Replace(body, "<length>40</length><type>Text</type>", "<precision>9</precision><scale>0</scale><type>Number</type>", 1)
	}
	return files
}

// A field that got another type gets its type back, and its values; what somebody entered since stays.
func TestRetypedFieldComesBackWithItsValues(t *testing.T) {
	r := ruled(t)
	r.deploy(nil, thing("A=A"))
	ids := r.insert("Thing__c", testkit.Row{"Name": "a", "A__c": "x1"}, testkit.Row{"Name": "b", "A__c": "22"}, testkit.Row{"Name": "c", "A__c": "x3"})
	before := r.take(withThings...)
	r.deploy(nil, numbered("A"))
	after := r.take(withThings...)
	r.set("Thing__c", testkit.Row{"Id": ids[2], "A__c": "5"})
	out := r.roll(before, after)
	if out.Conflicts != 1 || len(out.Records) != 1 || len(out.Records[0].Conflicts) != 1 {
		t.Errorf("%+v", out.Records)
	}
	if got := r.texts("Name, A__c", "Thing__c"); !strings.HasPrefix(got, "a x1, b 22, c 5") {
		t.Errorf("%s", got)
	}
}

// Values are written where there are none: what somebody has entered into a field that is back already stays.
func TestRefillLeavesWhatWasEnteredSince(t *testing.T) {
	r := ruled(t)
	r.deploy(nil, thing("A=a", "B=b"))
	ids := r.insert("Thing__c", testkit.Row{"Name": "a", "A__c": "1"}, testkit.Row{"Name": "b", "A__c": "1"})
	before := r.take(withThings...)
	r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.A__c"}})
	after := r.take(withThings...)
	r.deploy(nil, thing("A=a", "B=b"))
	r.set("Thing__c", testkit.Row{"Id": ids[0], "A__c": "mine"})
	p := r.plan(before, after)
	if len(p.Deployments) != 0 || len(p.Records) != 1 || p.Conflicts != 1 {
		t.Fatalf("%s %+v", shown(p), p.Records)
	}
	r.roll(before, after)
	r.expect("Name, A__c", "Thing__c", "a mine, b 1")
}

// A record that has moved since the plan stops it before anything is deployed.
func TestRollbackWhoseRecordsHaveMovedDeploysNothing(t *testing.T) {
	r := ruled(t)
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay { Integer a = 1; }"))
	ids := r.insert("Thing__c", testkit.Row{"Name": "a", "A__c": "1"})
	before := r.take(withThings...)
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"))
	r.set("Thing__c", testkit.Row{"Id": ids[0], "A__c": "2"})
	after := r.take(withThings...)
	in := r.request(before, after)
	in.ConfigData = []string{"Thing__c"}
	p, err := run.Rollback(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	r.set("Thing__c", testkit.Row{"Id": ids[0], "A__c": "3"})
	out, err := run.ApplyRollback(t.Context(), r.applying(p, filepath.Join(t.TempDir(), "j")))
	if problem.KindOf(err) != problem.Conflict || len(out.Sent) > 0 || !strings.Contains(err.Error(), "nothing was deployed") {
		t.Errorf("%v %+v", err, out.Sent)
	}
	r.expect("Name, A__c", "Thing__c", "a 3")
}

// mortal is an org whose user dies at one call that changes something, before the org has it or after.
type mortal struct {
	run.DeployOrg
	at, calls int
	die       context.CancelFunc
}

func (m *mortal) step(ctx context.Context, call func() error) error {
	for range 2 {
		if m.calls++; m.calls == m.at {
			m.die()
			return context.Cause(ctx)
		}
		if m.calls%2 == 1 {
			if err := call(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *mortal) StartDeploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (id string, err error) {
	err = m.step(ctx, func() (err error) { id, err = m.DeployOrg.StartDeploy(ctx, archive, opts); return err })
	return id, err
}

func (m *mortal) Update(ctx context.Context, object string, fields []string, rows []sf.Write) (out []sf.Outcome, err error) {
	err = m.step(ctx, func() (err error) { out, err = m.DeployOrg.Update(ctx, object, fields, rows); return err })
	return out, err
}

func (m *mortal) Delete(ctx context.Context, ids []sf.ID) (out []sf.Outcome, err error) {
	err = m.step(ctx, func() (err error) { out, err = m.DeployOrg.Delete(ctx, ids); return err })
	return out, err
}

func (m *mortal) SendRows(ctx context.Context, job string, fields []string, rows []sf.Write) error {
	return m.step(ctx, func() error { return m.DeployOrg.SendRows(ctx, job, fields, rows) })
}

// Law 12 across the border: whoever dies between a deployment and what goes back of records, the same command goes on,
// and nothing is done twice.
func TestLaw12RollbackDiesBetweenComponentsAndRecords(t *testing.T) {
	points := []int{4, 6, 8} // of two sides of each: validation, deployment, insert, update, update, deletion
	if os.Getenv("HOLDFAST_LONG") != "" {
		points = points[:0]
		for at := range 16 {
			points = append(points, at+1)
		}
	}
	for _, at := range points {
		r := ruled(t, "Lost__c", "Rule__c")
		other := func(name string) map[string]string {
			return map[string]string{"objects/" + name + ".object": strings.ReplaceAll(thing("A=a")["objects/Thing__c.object"], ">Thing", ">"+strings.TrimSuffix(name, "__c"))}
		}
		r.deploy(nil, thing("A=a", "B=b"), other("Lost__c"), other("Rule__c"))
		r.insert("Thing__c", testkit.Row{"Name": "one", "A__c": "1"}, testkit.Row{"Name": "two", "A__c": "2"})
		r.insert("Lost__c", testkit.Row{"Name": "gone", "A__c": "x"}, testkit.Row{"Name": "gone too", "A__c": "y"})
		rules := r.insert("Rule__c", testkit.Row{"Name": "a", "A__c": "1"})
		all := append([]string{"Rule__c"}, withThings...)
		before := r.take(append([]string{"Lost__c"}, all...)...)
		r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.A__c"}, {Type: "CustomObject", Name: "Lost__c"}})
		r.set("Rule__c", testkit.Row{"Id": rules[0], "A__c": "2"})
		r.insert("Rule__c", testkit.Row{"Name": "b", "A__c": "2"})
		in := r.request(before, r.take(all...))
		in.ConfigData = []string{"Rule__c"}
		p, err := run.Rollback(t.Context(), in)
		if err != nil || len(p.Records) != 2 {
			t.Fatalf("%v %+v", err, p)
		}
		apply := r.applying(p, filepath.Join(t.TempDir(), "j"))
		ctx, die := context.WithCancel(t.Context())
		org := &mortal{DeployOrg: r.client, at: at, die: die}
		apply.Org = org
		out, err := run.ApplyRollback(ctx, apply)
		died := org.calls >= at
		if died == (err == nil) {
			t.Fatalf("call %d of %d: %v", at, org.calls, err)
		}
		org.die = func() {}
		if died {
			out, err = run.ApplyRollback(t.Context(), apply)
		}
		if err != nil || !out.Verified || out.Done != 1 || slices.ContainsFunc(out.Applied, func(a run.ApplyResult) bool { return a.Failed > 0 || a.Unexplained > 0 }) {
			t.Fatalf("call %d: %v %+v", at, err, out)
		}
		r.expect("Name, A__c", "Thing__c", "one 1, two 2")
		r.expect("Name, A__c", "Lost__c", "gone x, gone too y")
		r.expect("Name, A__c", "Rule__c", "a 1")
		if again, err := run.ApplyRollback(t.Context(), apply); err != nil || !again.DoneBefore || len(again.Applied) != 2 || len(again.Applied[0].NewIDs) != 2 {
			t.Errorf("a run after the end: %v, done before %t, %d applications", err, again.DoneBefore, len(again.Applied))
		}
		die()
	}
}
