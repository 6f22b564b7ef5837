package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/bulk"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// hold lets the first job that inserts contacts stand still once it has done so many rows, after calling at.
// The returned function lets it go on, and any later job run.
func (w *ward) hold(done int, at func()) (release func()) {
	gate := make(chan struct{})
	var once sync.Once
	w.server.InterceptBatch(func(b bulk.Batch) error {
		if b.Operation == "insert" && b.Object == "Contact" && b.Done == done {
			once.Do(at)
			<-gate
		}
		return nil
	})
	release = sync.OnceFunc(func() { close(gate) })
	w.Cleanup(release)
	return release
}

// gone answers a process that is to be dead: nothing of it reaches the org, and it does not try again.
var gone = emulator.Fault{Status: 403, Body: "forbidden"}

// crowd is a haunted ward of which 250 more contacts were deleted: two steps of a job.
func crowd(t *testing.T) (w *ward, want testkit.Dump, in run.ApplyInput) {
	w = emptyWard(t, 43, emulatorOptions)
	var rows []testkit.Row
	for i := range 250 {
		rows = append(rows, testkit.Row{"LastName": fmt.Sprintf("Crowd %d", i)})
	}
	ids := w.added("Contact", rows...)
	w.server.Clock().Advance(1e12)
	want = w.dump()
	before := w.backup().Snapshot.ID
	w.purge(ids...)
	w.guarded()
	r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, AutomationOff: true})
	in = w.input(r, filepath.Join(t.TempDir(), "j"))
	in.Deployer = w.client
	return w, want, in
}

// automated counts the contacts that the trigger has seen.
func (w *ward) automated() int {
	w.Helper()
	n := 0
	for _, department := range w.field("Contact", "Department") {
		if department == "by trigger" {
			n++
		}
	}
	return n
}

// A run is interrupted, or dies and only putting back is asked for, while its job has not begun or is half
// done: the job writes no row after automation is back, and what goes on sends the rest with automation off.
func TestAutomationIsNotBackWhileAJobWrites(t *testing.T) {
	for _, done := range []int{0, 200} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("at %d, dies %v", done, dies), func(t *testing.T) {
				w, want, in := crowd(t)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				release := w.hold(done, func() {
					if dies {
						w.intercept(func(emulator.Request) emulator.Fault { return gone })
					}
					stop()
				})
				if _, err := run.Apply(ctx, in); err == nil {
					t.Fatal("was not interrupted")
				}
				if dies {
					w.intercept(nil)
					back, err := run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Deployer: w.client, Journal: in.Journal})
					if err != nil || !back.Back {
						t.Fatalf("%v %+v", err, back)
					}
				}
				release()
				if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
					t.Fatalf("back are: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", a, b, c, d, e)
				}
				if n := w.automated(); n != 0 {
					t.Fatalf("%d rows were written with automation on", n)
				}
				out, err := run.Apply(t.Context(), in)
				if err != nil || out.Failed > 0 || !out.Switched.Back {
					t.Fatalf("%v %+v %+v", err, out.Switched, out.Errors)
				}
				w.server.Clock().Advance(1e12)
				w.same(want, out.NewIDs)
			})
		}
	}
}

// The job cannot be aborted: automation stays off, and the error names the job. Once it has ended, the same
// command puts automation back.
func TestAutomationStaysOffWhileAJobCannotBeStopped(t *testing.T) {
	w, _, in := crowd(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	release := w.hold(200, func() {
		w.intercept(func(q emulator.Request) emulator.Fault {
			if q.Method == "PATCH" {
				return emulator.Fault{Status: 400, Body: `[{"errorCode":"INSUFFICIENT_ACCESS","message":"not yours"}]`}
			}
			return emulator.Fault{}
		})
		stop()
	})
	out, err := run.Apply(ctx, in)
	if err == nil || out.Switched == nil || out.Switched.Back || !strings.Contains(err.Error(), "bulk job 750") || !strings.Contains(err.Error(), "not yours") {
		t.Fatalf("%v %+v", err, out.Switched)
	}
	back, err := run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Deployer: w.client, Journal: in.Journal})
	if problem.KindOf(err) != problem.NotVerified || back.Back || !strings.Contains(problem.HintOf(err), "750") || !strings.Contains(problem.HintOf(err), "--put-back") {
		t.Fatalf("%v %q %+v", err, problem.HintOf(err), back)
	}
	release()
	for len(w.field("Contact", "LastName")) < 250 { // the job ends
		time.Sleep(5 * time.Millisecond)
	}
	if n := w.automated(); n != 0 {
		t.Errorf("%d rows were written with automation on", n)
	}
	w.intercept(nil)
	back, err = run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Deployer: w.client, Journal: in.Journal})
	if err != nil || !back.Back {
		t.Fatalf("%v %+v", err, back)
	}
	if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
		t.Fatalf("back are: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", a, b, c, d, e)
	}
}

// edit is what people do to the automation while it is off: the trigger gets other code, the flow another
// version that is active, and the validation rule is deleted.
func (w *ward) edit() {
	w.must(w.loader.DeployFiles(w.Context(), map[string]string{
		"package.xml": `<?xml version="1.0"?><Package` + metadataSpace + `><types><members>Guard</members><name>ApexTrigger</name></types>
<types><members>Greet</members><name>Flow</name></types><version>66.0</version></Package>`,
		"destructiveChanges.xml":          testkit.PackageXML("ValidationRule", "Contact.No_Robots"),
		"triggers/Guard.trigger":          "// edited\ntrigger Guard on Contact (before insert) {}",
		"triggers/Guard.trigger-meta.xml": `<ApexTrigger` + metadataSpace + `><apiVersion>66.0</apiVersion><status>Inactive</status></ApexTrigger>`,
		"flows/Greet.flow": `<Flow` + metadataSpace + `><apiVersion>66.0</apiVersion><label>Greet</label><processType>AutoLaunchedFlow</processType>
<description>holdfast-emulator: before insert, before update: set Fax to "by another"</description>
<start><object>Contact</object><recordTriggerType>CreateAndUpdate</recordTriggerType><triggerType>RecordBeforeSave</triggerType><locationX>0</locationX><locationY>0</locationY></start><status>Active</status></Flow>`,
	}))
}

// edited checks that the edits stand, and that the rest of the automation acts again.
func (w *ward) edited() {
	w.Helper()
	trigger, _, validation, workflow, duplicate := w.acts()
	if trigger || validation || !workflow || !duplicate {
		w.Errorf("the edits were overwritten: trigger %v, validation %v; or back are: workflow %v, duplicate %v", trigger, validation, workflow, duplicate)
	}
	id := w.added("Contact", testkit.Row{"LastName": "Edited"})[0]
	if fax := w.field("Contact", "Fax")[id]; fax != "by another" {
		w.Errorf("the flow made it %q", fax)
	}
	w.purge(id)
}

var editedNames = []string{"ApexTrigger Guard", "Flow Greet", "ValidationRule Contact.No_Robots"}

// What people changed while it was off stays as they left it and is named, now and whenever it is asked again.
func TestAutomationThatWasEditedMeanwhileIsLeft(t *testing.T) {
	w, _, before, _ := haunted(t, emulatorOptions)
	r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, AutomationOff: true})
	in := w.input(r, filepath.Join(t.TempDir(), "j"))
	in.Deployer = w.client
	var mu sync.Mutex
	deployed, asked := 0, 0
	w.intercept(func(q emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		if q.Method == "POST" && strings.Contains(q.Op, "deployRequest") {
			deployed++
		}
		if strings.Contains(q.Op, "retrieve") && deployed == 1 { // the rows are written
			if asked++; asked == 1 {
				return emulator.Fault{Before: w.edit}
			}
		}
		return emulator.Fault{}
	})
	out, err := run.Apply(t.Context(), in)
	if problem.KindOf(err) != problem.Conflict || out.Switched == nil || out.Switched.Back || !slices.Equal(out.Switched.Left, editedNames) || !out.Ended {
		t.Fatalf("%v %+v, %d deployments", err, out.Switched, deployed)
	}
	w.intercept(nil)
	w.edited()
	again, err := run.Apply(t.Context(), in)
	if problem.KindOf(err) != problem.Conflict || again.Switched.Back || !slices.Equal(again.Switched.Left, editedNames) {
		t.Errorf("%v %+v", err, again.Switched)
	}
	back, err := run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Deployer: w.client, Journal: in.Journal})
	if problem.KindOf(err) != problem.Conflict || back.Back || !slices.Equal(back.Left, editedNames) {
		t.Errorf("%v %+v", err, back)
	}
	w.edited()
}

// What is on again while rows are written is named, for they may have met it: what somebody has put back as it was, and what
// another plan had off when this one began, and puts back when that ends.
func TestAutomationThatIsOnMeanwhileIsNamed(t *testing.T) {
	for _, off := range []bool{false, true} {
		w, _, before, _ := haunted(t, emulatorOptions)
		r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, AutomationOff: true})
		in := w.input(r, filepath.Join(t.TempDir(), "j"))
		in.Deployer = w.client
		status := func(s string) {
			w.must(w.loader.DeployFiles(w.Context(), map[string]string{
				"package.xml": testkit.PackageXML("ApexTrigger", "Guard"),
				"triggers/Guard.trigger": "// holdfast-emulator: before insert, before update: set Department to \"by trigger\"\n" +
					"trigger Guard on Contact (before insert, before update) { /* trigger Other on Account (before insert) */ }",
				"triggers/Guard.trigger-meta.xml": `<ApexTrigger` + metadataSpace + `><apiVersion>66.0</apiVersion><status>` + s + `</status></ApexTrigger>`,
			}))
		}
		if off { // by another plan
			status("Inactive")
		}
		var once sync.Once
		w.intercept(func(q emulator.Request) emulator.Fault {
			if q.Op == "POST jobs/ingest" {
				return emulator.Fault{Before: func() { once.Do(func() { status("Active") }) }}
			}
			return emulator.Fault{}
		})
		out, err := run.Apply(t.Context(), in)
		w.intercept(nil)
		if err == nil || out.Switched == nil || out.Switched.Back || !slices.Equal(out.Switched.Left, []string{"ApexTrigger Guard"}) {
			t.Errorf("off before %v: %v %+v", off, err, out.Switched)
		}
		if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
			t.Errorf("back are: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", a, b, c, d, e)
		}
	}
}

// A run dies with automation off, and people edit it before the next: what goes on does not deploy the
// journal's state over the edits, neither to switch off nor to put back.
func TestAutomationThatWasEditedBetweenRunsIsLeft(t *testing.T) {
	for _, putBack := range []bool{false, true} {
		w, _, in := crowd(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var dead atomic.Bool
		w.intercept(func(q emulator.Request) emulator.Fault {
			if q.Method == "POST" && strings.HasPrefix(q.Op, "POST jobs/ingest") { // nothing of the dead process reaches the org
				dead.Store(true)
				stop()
			}
			if dead.Load() {
				return gone
			}
			return emulator.Fault{}
		})
		if _, err := run.Apply(ctx, in); err == nil {
			t.Fatal("did not die")
		}
		w.intercept(nil)
		w.edit()
		if putBack {
			back, err := run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Deployer: w.client, Journal: in.Journal})
			if problem.KindOf(err) != problem.Conflict || !slices.Equal(back.Left, editedNames) {
				t.Fatalf("%v %+v", err, back)
			}
			w.edited()
		}
		// The flow is as its editor left it, active, and so it is switched off and put back like any other.
		out, err := run.Apply(t.Context(), in)
		if problem.KindOf(err) != problem.Conflict || out.Failed > 0 || !slices.Equal(out.Switched.Left, []string{"ApexTrigger Guard", "ValidationRule Contact.No_Robots"}) {
			t.Fatalf("%v %+v %+v", err, out.Switched, out.Errors)
		}
		w.edited()
	}
}

// A plan in whose making the automation could not be read says so to programs, too.
func TestAutomationThatCannotBeReadIsToldFromNone(t *testing.T) {
	w, _, before, _ := haunted(t, emulatorOptions)
	unread := func() bool {
		text, err := json.Marshal(w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client}))
		w.must(err)
		var out struct {
			Unread *bool `json:"automation_unread"`
		}
		w.must(json.Unmarshal(text, &out))
		if out.Unread == nil {
			t.Fatal("the result has no automation_unread")
		}
		return *out.Unread
	}
	if unread() {
		t.Error("it was read")
	}
	w.intercept(func(q emulator.Request) emulator.Fault {
		if strings.Contains(q.Op, "listMetadata") {
			return emulator.Fault{Status: 403, Body: "forbidden"}
		}
		return emulator.Fault{}
	})
	if !unread() {
		t.Error("it was not read")
	}
}

// The run ends or dies while the deployment that switches off still waits in the org, or is at work there, and the
// answer that names it may be lost; the org may refuse to cancel it. Whatever the journal calls back is back, and
// stays so when that deployment has ended.
func TestAutomationIsNotBackBeforeItsDeploymentHasEnded(t *testing.T) {
	for _, c := range []struct {
		state            string
		lost, deaf, dies bool
	}{
		{state: metadata.Pending},
		{state: metadata.InProgress, dies: true},
		{state: metadata.Pending, deaf: true, dies: true},
		{state: metadata.Pending, lost: true},
		{state: metadata.InProgress, lost: true, dies: true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			w, want, before, _ := haunted(t, emulatorOptions)
			in := w.input(w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, AutomationOff: true}), filepath.Join(t.TempDir(), "j"))
			in.Deployer = w.client
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			release := w.server.Metadata().HoldDeploys(c.state)
			defer release()
			var mu sync.Mutex
			sent, dead := 0, false
			end := func() { dead = c.dies; stop() }
			w.intercept(func(q emulator.Request) emulator.Fault {
				mu.Lock()
				defer mu.Unlock()
				deployment := strings.Contains(q.Op, "deployRequest")
				switch {
				case dead:
					return gone
				case deployment && q.Method == "POST":
					if sent++; sent > 1 { // only what comes after the first waits for it
						release()
					} else if c.lost {
						return emulator.Fault{After: func() { mu.Lock(); defer mu.Unlock(); end() }, DropReply: true}
					}
				case deployment && q.Method == "PATCH" && c.deaf:
					release()
					return emulator.Fault{Status: 400, Body: `[{"errorCode":"INVALID_ID_FIELD","message":"too late"}]`}
				case deployment && sent == 1 && ctx.Err() == nil:
					end()
				}
				return emulator.Fault{}
			})
			if out, err := run.Apply(ctx, in); err == nil || c.dies == (out.Switched != nil && out.Switched.Back) {
				t.Fatalf("%v %+v", err, out.Switched)
			}
			if c.dies {
				mu.Lock()
				dead = false
				mu.Unlock()
				if back, err := run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Deployer: w.client, Journal: in.Journal}); err != nil || !back.Back {
					t.Fatalf("%v %+v", err, back)
				}
			}
			release()
			w.intercept(nil)
			w.must(w.loader.DeployFiles(t.Context(), map[string]string{ // whatever still waited has ended when this has
				"package.xml": testkit.PackageXML("CustomObject", "Slot__c"), "objects/Slot__c.object": slotObject,
			}))
			if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
				t.Fatalf("back are: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", a, b, c, d, e)
			}
			out, err := run.Apply(t.Context(), in)
			if err != nil || out.Failed > 0 || !out.Switched.Back {
				t.Fatalf("%v %+v %+v", err, out.Switched, out.Errors)
			}
			w.server.Clock().Advance(1e12)
			w.same(want, out.NewIDs)
		})
	}
}
