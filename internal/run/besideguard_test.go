package run_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// What somebody changes beside a guarded deployment in components that the package does not name, or in parts of those that it does, is
// theirs: no deployment relabels a field or edits a rule by the way.
func TestGuardLeavesWhatOthersChangeBeside(t *testing.T) {
	renamed := func(files map[string]string, from, to string) map[string]string {
		out := map[string]string{}
		for path, body := range files {
			out[strings.ReplaceAll(path, from, to)] = strings.ReplaceAll(body, from, to)
		}
		return out
	}
	other := func(fields ...string) map[string]string { return renamed(thing(fields...), "Thing", "Other") }
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a", "B=b"), other("A=a", "C=c"), classFiles("Pay", "public class Pay {}"))
	in := r.guarding(packageOf(nil, thing("A=new"), classFiles("Pay", "public class Pay { Integer a; }")))
	if _, err := run.GuardBefore(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	r.deploy(nil, thing("A=new", "B=theirs"), classFiles("Pay", "public class Pay { Integer a; }"))
	r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Other__c.C__c"}}, other("A=theirs"))
	out, err := run.GuardAfter(t.Context(), in)
	if err != nil && problem.KindOf(err) != problem.Findings {
		t.Fatal(err)
	}
	text := shown(*out.Rollback)
	if strings.Contains(text, "Other__c") || strings.Contains(text, "Thing__c.B__c") {
		t.Errorf("the rollback takes back what is not ours:\n%s\nexcept %q, beyond %+v", text, out.Rollback.Except, out.Beyond)
	}
	if !strings.Contains(text, "deploy CustomField Thing__c.A__c") || !strings.Contains(text, "ApexClass Pay") {
		t.Errorf("what is ours stays:\n%s", text)
	}
	if want := "CustomField Thing__c.B__c,CustomObject Other__c"; strings.Join(out.Rollback.Except, ",") != want {
		t.Errorf("except %q", out.Rollback.Except)
	}
	want := r.sums("CustomObject")["CustomObject Other__c"]
	applied, err := run.ApplyRollback(t.Context(), r.applying(*out.Rollback, filepath.Join(t.TempDir(), "rollback")))
	if err != nil || !applied.Verified {
		t.Fatalf("%v %+v", err, applied)
	}
	if got := r.sums("CustomObject")["CustomObject Other__c"]; got != want {
		t.Error("what is theirs was taken back")
	}
	files := r.objectText("Thing__c")
	if !strings.Contains(files, "theirs") || strings.Contains(files, ">new<") {
		t.Errorf("the object:\n%s", files)
	}
}

// objectText is what the org says of an object.
func (r *release) objectText(name string) string {
	r.Helper()
	got, err := r.client.Retrieve(r.Context(), sf.ManifestOf("66.0", []sf.ComponentKey{{Type: "CustomObject", Name: name}}))
	if err != nil {
		r.Fatal(err)
	}
	archive, err := component.OpenArchive(got.Zip, component.DefaultLimits)
	if err != nil {
		r.Fatal(err)
	}
	text := ""
	for f, err := range archive.Entries() {
		if err != nil {
			r.Fatal(err)
		}
		if strings.HasSuffix(f.Path, ".object") {
			text += string(f.Body)
		}
	}
	return text
}

// What could not be read after a deployment is neither as it was asked nor otherwise: the guard says so, is not done, and looks
// again when it is run again.
func TestGuardAfterLooksAgainAtWhatItCouldNotRead(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, thing("A=a"), classFiles("Pay", "public class Pay {}"))
	in := r.guarding(packageOf(nil, thing("A=new"), classFiles("Pay", "public class Pay { Integer a; }")))
	if _, err := run.GuardBefore(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	r.deploy(nil, thing("A=new"), classFiles("Pay", "public class Pay { Integer a; }"))
	in.Org = listless{r.client, "ApexClass"}
	out, err := run.GuardAfter(t.Context(), in)
	if problem.KindOf(err) != problem.Partial || len(out.Unread) != 1 || !strings.Contains(out.Unread[0], "ApexClass") || out.Rollback == nil {
		t.Errorf("%v %q", err, out.Unread)
	}
	in.Org = r.client
	out, err = run.GuardAfter(t.Context(), in)
	if err != nil || len(out.Unread) > 0 || out.Rollback.Impossible > 0 || !strings.Contains(shown(*out.Rollback), "take back ApexClass Pay") {
		t.Errorf("again: %v %q\n%s", err, out.Unread, shown(*out.Rollback))
	}
	if after := out.After; after != "" { // from now on it is known
		if again, err := run.GuardAfter(t.Context(), in); err != nil || again.After != after {
			t.Errorf("looked at again: %v %s, not %s", err, again.After, after)
		}
	}
}

// A class of the package that somebody has edited after our deployment ended, and before the guard looked, is theirs by now: it is
// left alone and listed. One that is as the package has it goes back, whoever saved it again.
func TestGuardLeavesAClassThatWasEditedSince(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"), classFiles("Other", "public class Other {}"))
	in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a; }"), classFiles("Other", "public class Other { Integer a; }")))
	in.Org = &editing{DeployOrg: r.client, then: func() {
		r.server.Clock().Advance(time.Minute)
		r.deploy(nil, classFiles("Pay", "public class Pay { Integer a; Integer theirs; }"), classFiles("Other", "public class Other { Integer a; }"))
		r.server.Clock().Advance(time.Minute)
	}}
	out, err := run.GuardDeploy(t.Context(), in)
	if err != nil || !out.Deployed {
		t.Fatalf("%v %+v", err, out)
	}
	text := shown(*out.Rollback)
	if strings.Join(out.Rollback.Except, ",") != "ApexClass Pay" || strings.Contains(text, "Pay") || !strings.Contains(text, "take back ApexClass Other") {
		t.Errorf("except %q\n%s", out.Rollback.Except, text)
	}
	applied, err := run.ApplyRollback(t.Context(), r.applying(*out.Rollback, filepath.Join(t.TempDir(), "rollback")))
	if err != nil || !applied.Verified {
		t.Errorf("%v %+v", err, applied.Sent)
	}
}

// editing is an org in which somebody works once a deployment has ended.
type editing struct {
	run.DeployOrg
	real string // Id of the deployment that is none of a validation
	then func()
}

func (e *editing) StartDeploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (string, error) {
	id, err := e.DeployOrg.StartDeploy(ctx, archive, opts)
	if !opts.CheckOnly {
		e.real = id
	}
	return id, err
}

func (e *editing) AwaitDeploy(ctx context.Context, id string) (sf.Deployment, error) {
	d, err := e.DeployOrg.AwaitDeploy(ctx, id)
	if then := e.then; id == e.real && then != nil {
		e.then = nil
		then()
	}
	return d, err
}
