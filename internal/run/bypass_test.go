package run_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/emulator"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// Both ways past the automation of an org that has them.
var bothBypasses = []run.Bypass{{Kind: plan.BypassSetting, Name: "bypass__c.triggers__c"}, {Kind: plan.BypassPermission, Name: "Skip_Rules"}}

// passed is a ward with contacts that were deleted, and with a trigger and a validation rule that spoil them unless the
// user has the bypass: a checkbox of a setting for the one, a custom permission for the other.
func passed(t *testing.T) (w *ward, want testkit.Dump, before string) {
	w = emptyWard(t, 47, emulatorOptions)
	ids := w.added("Contact", testkit.Row{"LastName": "One", "Title": "Robot", "Department": "d"}, testkit.Row{"LastName": "Two", "Fax": "1"})
	w.must(w.loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": `<?xml version="1.0"?><Package` + metadataSpace + `><types><members>Guard</members><name>ApexTrigger</name></types>
<types><members>Bypass__c</members><name>CustomObject</name></types><types><members>Skip_Rules</members><name>CustomPermission</name></types>
<types><members>Skips</members><name>PermissionSet</name></types>
<types><members>Contact.No_Robots</members><name>ValidationRule</name></types><version>66.0</version></Package>`,
		"objects/Bypass__c.object": `<CustomObject` + metadataSpace + `><customSettingsType>Hierarchy</customSettingsType><label>Bypass</label><visibility>Public</visibility>
<fields><fullName>Triggers__c</fullName><label>Triggers</label><type>Checkbox</type><defaultValue>false</defaultValue></fields>
<fields><fullName>Other__c</fullName><label>Other</label><type>Checkbox</type><defaultValue>false</defaultValue></fields>
<fields><fullName>Text__c</fullName><label>Text</label><type>Text</type><length>20</length></fields></CustomObject>`,
		"customPermissions/Skip_Rules.customPermission": `<CustomPermission` + metadataSpace + `><isLicensed>false</isLicensed><label>Skip rules</label></CustomPermission>`,
		"permissionsets/Skips.permissionset": `<PermissionSet` + metadataSpace + `><customPermissions><enabled>true</enabled><name>Skip_Rules</name></customPermissions>
<hasActivationRequired>false</hasActivationRequired><label>Skips</label></PermissionSet>`,
		"triggers/Guard.trigger": "// holdfast-emulator: before insert, before update: set Department to \"by trigger\" when NOT($Setup.Bypass__c.Triggers__c)\n" +
			"trigger Guard on Contact (before insert, before update) {}",
		"triggers/Guard.trigger-meta.xml": `<ApexTrigger` + metadataSpace + `><apiVersion>66.0</apiVersion><status>Active</status></ApexTrigger>`,
		"objects/Contact.object": `<CustomObject` + metadataSpace + `><validationRules><fullName>No_Robots</fullName><active>true</active>
<errorConditionFormula>AND(NOT($Permission.Skip_Rules), Title = &quot;Robot&quot;)</errorConditionFormula><errorMessage>no robots</errorMessage></validationRules></CustomObject>`,
	}))
	w.added("Bypass__c", testkit.Row{"SetupOwnerId": w.server.OrgID, "Other__c": "true", "Text__c": "of the org"})
	w.watched(nil)
	w.server.Clock().Advance(1e12)
	want = w.dump()
	before = w.backup().Snapshot.ID
	w.purge(ids...)
	return w, want, before
}

// passedSees are the objects that the org shows: those of a ward, and what tells of permissions.
var passedSees = testkit.Narrow("Account", "Contact", "User", "RecordType", "Profile", "CustomPermission", "SetupEntityAccess", "PermissionSet",
	"PermissionSetAssignment")

// watched interferes with requests, as intercept does.
func (w *ward) watched(f func(emulator.Request) emulator.Fault) {
	w.server.Intercept(func(q emulator.Request) emulator.Fault {
		switch {
		case q.Op == "GET sobjects":
			return emulator.Fault{Rewrite: passedSees}
		case f == nil:
			return emulator.Fault{}
		}
		return f(q)
	})
}

// bypasses tells what the org has of both: the records of the setting but the org's own, and the assignments.
func (w *ward) bypasses() string {
	w.Helper()
	rows, err := w.loader.Query(w.Context(), "SELECT SetupOwnerId, Triggers__c, Other__c, Text__c FROM Bypass__c ORDER BY SetupOwnerId")
	w.must(err)
	var out []string
	for _, r := range rows {
		if fmt.Sprint(r["SetupOwnerId"]) != w.server.OrgID {
			out = append(out, fmt.Sprint("triggers ", r["Triggers__c"], " other ", r["Other__c"], " text ", r["Text__c"]))
		}
	}
	rows, err = w.loader.Query(w.Context(), "SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Skips'")
	w.must(err)
	return strings.Join(append(out, fmt.Sprint(len(rows), " assigned")), "; ")
}

// me is the Id of the user as whom plans are applied.
func (w *ward) me() string {
	w.Helper()
	who, err := w.client.Identity(w.Context())
	w.must(err)
	return string(who.UserID)
}

// spoils demands that the trigger and the rule act.
func (w *ward) spoils(when string) {
	w.Helper()
	id := w.added("Contact", testkit.Row{"LastName": "Probe"})[0]
	if got := w.field("Contact", "Department")[id]; got != "by trigger" {
		w.Errorf("%s: the trigger made it %q", when, got)
	}
	if _, err := w.loader.Insert(w.Context(), "Contact", []testkit.Row{{"LastName": "Probe", "Title": "Robot"}}); err == nil {
		w.Errorf("%s: the rule does not act", when)
	}
	w.purge(id)
}

// The bypass is in the plan; it is on while the rows are written, what it hides of the org's own values is not changed for
// the user meanwhile, and afterwards everything is as it was, whatever it was.
func TestTheOrgsOwnBypassIsSetAndPutBack(t *testing.T) {
	for name, c := range map[string]struct {
		before func(w *ward)
		during string
		set    []string
	}{
		"nothing there": {during: "triggers true other true text of the org; 1 assigned", set: []string{"permission Skip_Rules", "setting Bypass__c.Triggers__c"}},
		"a record of the user": {
			before: func(w *ward) {
				w.added("Bypass__c", testkit.Row{"SetupOwnerId": w.me(), "Triggers__c": "false", "Other__c": "false", "Text__c": "mine"})
			},
			during: "triggers true other false text mine; 1 assigned", set: []string{"permission Skip_Rules", "setting Bypass__c.Triggers__c"},
		},
		"on already": {
			before: func(w *ward) {
				w.added("Bypass__c", testkit.Row{"SetupOwnerId": w.me(), "Triggers__c": "true"})
			},
			during: "triggers true other false text <nil>; 1 assigned", set: []string{"permission Skip_Rules"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, want, before := passed(t)
			if c.before != nil {
				c.before(w)
			}
			was := w.bypasses()
			r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Bypass: bothBypasses, Selection: run.Selection{Objects: []string{"Contact"}}})
			if got := fmt.Sprint(r.Bypass); got != "[{permission Skip_Rules Skips} {setting Bypass__c.Triggers__c }]" {
				t.Errorf("the plan has %s", got)
			}
			var mu sync.Mutex
			during := ""
			w.watched(func(q emulator.Request) emulator.Fault {
				if q.Op == "POST jobs/ingest" {
					return emulator.Fault{Before: func() {
						mu.Lock()
						defer mu.Unlock()
						during = w.bypasses()
					}}
				}
				return emulator.Fault{}
			})
			out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
			w.watched(nil)
			if err != nil || out.Switched == nil || !out.Switched.Back || !slices.Equal(out.Switched.Bypass, c.set) || len(out.Switched.Off) > 0 {
				t.Fatalf("%v %+v %+v", err, out.Switched, out.Errors)
			}
			mu.Lock()
			if during != c.during {
				t.Errorf("while rows were written: %s", during)
			}
			mu.Unlock()
			if got := w.bypasses(); got != was {
				t.Errorf("was %q, is %q", was, got)
			}
			w.server.Clock().Advance(1e12)
			w.same(want, out.NewIDs)
			if name != "on already" {
				w.spoils("afterwards")
			}
		})
	}
}

// An assignment that has expired gives nothing: the bypass is not on because of it, and it is left as it is. One that expires while
// rows are written is told, too.
func TestAnExpiredAssignmentIsNoBypass(t *testing.T) {
	permission := bothBypasses[1:]
	assigned := func(w *ward, lasts time.Duration) string {
		w.added("PermissionSetAssignment", testkit.Row{
			"AssigneeId": w.me(), "PermissionSetId": w.one("SELECT Id FROM PermissionSet WHERE Name = 'Skips'"),
			"ExpirationDate": w.server.Clock().Now().Add(lasts).UTC().Format(sf.DatetimeLayout),
		})
		return w.one("SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Skips'")
	}
	t.Run("before", func(t *testing.T) {
		w, _, before := passed(t)
		old := assigned(w, time.Minute)
		w.server.Clock().Advance(time.Hour)
		r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Bypass: permission, Selection: run.Selection{Objects: []string{"Contact"}}})
		out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
		if out.Switched == nil || !out.Switched.Back || out.Failed > 0 {
			t.Fatalf("%v %+v %+v", err, out.Switched, out.Errors)
		}
		if is := w.one("SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Skips'"); is != old {
			t.Errorf("assignment %s was there, and %s is", old, is)
		}
		w.spoils("afterwards")
	})
	t.Run("refused", func(t *testing.T) {
		w, _, before := passed(t)
		assigned(w, time.Minute)
		w.server.Clock().Advance(time.Hour)
		r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Bypass: permission, Selection: run.Selection{Objects: []string{"Contact"}}})
		was := w.dump()
		w.watched(func(q emulator.Request) emulator.Fault {
			if strings.HasSuffix(q.Path, "/sobjects/PermissionSetAssignment") && q.Method == http.MethodPost {
				return emulator.Fault{
					Status: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}},
					Body: `[{"errorCode":"DUPLICATE_VALUE","message":"Duplicate PermissionSetAssignment."}]`,
				}
			}
			return emulator.Fault{}
		})
		_, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
		w.watched(nil)
		if problem.KindOf(err) != problem.Conflict || !strings.Contains(fmt.Sprint(err), "expired") || fmt.Sprint(was) != fmt.Sprint(w.dump()) {
			t.Errorf("%v", err)
		}
	})
	t.Run("meanwhile", func(t *testing.T) {
		w, _, before := passed(t)
		assigned(w, time.Hour)
		r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Bypass: permission, Selection: run.Selection{Objects: []string{"Contact"}}})
		w.watched(func(q emulator.Request) emulator.Fault {
			if q.Op == "POST jobs/ingest" {
				return emulator.Fault{Before: func() { w.server.Clock().Advance(2 * time.Hour) }}
			}
			return emulator.Fault{}
		})
		out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
		w.watched(nil)
		if out.Switched == nil || !slices.Equal(out.Switched.Left, []string{"permission Skip_Rules"}) {
			t.Errorf("%v %+v", err, out.Switched)
		}
	})
}

// What switching takes is in the forecast of the plan, by kind: deployments, whose looks depend on the machine's time, and the calls
// for the org's own bypass.
func TestSwitchingIsForecast(t *testing.T) {
	for _, off := range []bool{false, true} {
		w, _, before := passed(t)
		r := w.restore(run.RestoreInput{
			Snapshot: before, Metadata: w.client, AutomationOff: off, Bypass: bothBypasses, Selection: run.Selection{Objects: []string{"Contact"}},
		})
		in := w.input(r, filepath.Join(t.TempDir(), "j"))
		in.Deployer = w.client
		out, err := run.Apply(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want, calls := map[string]int64{}, map[string]int64{}
		for _, k := range r.Forecast.Kinds {
			want[k.Kind] = k.Calls.Likely
		}
		for _, s := range out.Spent {
			calls[s.Kind] = s.Calls
		}
		if want["bypass"] == 0 || (want["metadata"] > 0) != off || want["bypass"] != calls["bypass"] || want["describe"] != calls["describe"] {
			t.Errorf("automation off %v: forecast %v, spent %v", off, want, calls)
		}
		if _, other := calls["write"]; other || (calls["metadata"] > 0) != off {
			t.Errorf("automation off %v: the bypass is counted elsewhere: %v", off, calls)
		}
	}
}

// A checkbox that an org reads as null, as one may that was added after the record, is as it was when it is off.
func TestABypassThatReadNullIsBackAsFalse(t *testing.T) {
	w, want, before := passed(t)
	w.added("Bypass__c", testkit.Row{"SetupOwnerId": w.me(), "Text__c": "mine"})
	r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Bypass: bothBypasses, Selection: run.Selection{Objects: []string{"Contact"}}})
	var written atomic.Bool
	w.watched(func(q emulator.Request) emulator.Fault {
		if q.Method == http.MethodPatch {
			written.Store(true)
		}
		return emulator.Fault{Rewrite: func(status int, _ http.Header, body []byte) (int, []byte) {
			if !written.Load() {
				body = bytes.ReplaceAll(body, []byte(`"Triggers__c":false`), []byte(`"Triggers__c":null`))
			}
			return status, body
		}}
	})
	out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
	w.watched(nil)
	if err != nil || out.Switched == nil || !out.Switched.Back {
		t.Fatalf("%v %+v", err, out.Switched)
	}
	if got := w.bypasses(); got != "triggers false other false text mine; 0 assigned" {
		t.Error(got)
	}
	w.server.Clock().Advance(1e12)
	w.same(want, out.NewIDs)
}

// Without the bypass the same plan is spoiled; so the test above can fail.
func TestWithoutTheBypassTheRowsAreSpoiled(t *testing.T) {
	w, _, before := passed(t)
	r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Selection: run.Selection{Objects: []string{"Contact"}}})
	out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
	if err == nil || out.Failed != 1 || len(r.Bypass) > 0 {
		t.Errorf("%v %+v", err, out)
	}
}

// What is named and is not in the org is refused when the plan is made, and told apart.
func TestABypassThatIsNotThereIsRefused(t *testing.T) {
	w, _, before := passed(t)
	for text, b := range map[string]run.Bypass{
		"no object Nope__c":              {Kind: plan.BypassSetting, Name: "Nope__c.X__c"},
		"no hierarchy custom setting":    {Kind: plan.BypassSetting, Name: "Contact.DoNotCall"},
		"has no field Nope__c":           {Kind: plan.BypassSetting, Name: "Bypass__c.Nope__c"},
		"no checkbox":                    {Kind: plan.BypassSetting, Name: "Bypass__c.Text__c"},
		"no custom permission Nope":      {Kind: plan.BypassPermission, Name: "Nope"},
		"Other does not give Skip_Rules": {Kind: plan.BypassPermission, Name: "Skip_Rules", Set: "Other"},
	} {
		_, err := run.Restore(t.Context(), run.RestoreInput{Source: w.client, Store: w.store, Snapshot: before, Bypass: []run.Bypass{b}})
		if problem.KindOf(err) != problem.NotFound || !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

// Whichever request about the bypass or the rows a run dies at, it is put back: by what goes on, or by what only puts back.
func TestTheBypassIsBackAfterADeathAnywhere(t *testing.T) {
	for _, putBack := range []bool{false, true} {
		w, want, before := passed(t)
		was := w.bypasses()
		r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Bypass: bothBypasses, Selection: run.Selection{Objects: []string{"Contact"}}})
		in := w.input(r, filepath.Join(t.TempDir(), "j"))
		deaths, on := 0, 0
		for at := 1; ; at++ {
			ctx, die := context.WithCancel(t.Context())
			var mu sync.Mutex
			calls, dead := 0, false
			w.watched(func(q emulator.Request) emulator.Fault {
				mu.Lock()
				defer mu.Unlock()
				if dead {
					return gone
				}
				if q.Method == "GET" || q.Op == "POST composite" || strings.HasPrefix(q.Op, "SOAP") {
					return emulator.Fault{}
				}
				if calls++; calls == at {
					dead = true
					deaths++
					die()
					return emulator.Fault{Cut: at%2 == 0, DropReply: at%2 == 1}
				}
				return emulator.Fault{}
			})
			out, err := run.Apply(ctx, in)
			die()
			w.watched(nil)
			if err == nil {
				w.server.Clock().Advance(1e12)
				w.same(want, out.NewIDs)
				break
			}
			if w.bypasses() != was {
				on++
				if off, err := apply.StillOff(in.Journal); err != nil || len(off) == 0 {
					t.Errorf("death %d: the journal has %v as set: %v", at, off, err)
				}
			}
			if putBack {
				back, err := run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Journal: in.Journal})
				if err != nil || len(back.Bypass) > 0 && !back.Back {
					t.Fatalf("death %d: %v %+v", at, err, back)
				}
				if got := w.bypasses(); got != was {
					t.Fatalf("death %d: was %q, is %q", at, was, got)
				}
			}
			if at > 40 {
				t.Fatalf("death %d: %v", at, err)
			}
		}
		if got := w.bypasses(); got != was {
			t.Errorf("was %q, is %q", was, got)
		}
		w.spoils("at the end")
		if deaths < 5 || on < 3 {
			t.Errorf("only %d deaths, %d of them with the bypass on", deaths, on)
		}
	}
}

// What somebody does to it meanwhile stays and is named, but for the bypass itself, which is not left on.
func TestABypassThatWasEditedMeanwhileIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		before, edit func(w *ward)
		is           string
		left         []string
	}{
		"the record has something else now": {
			edit: func(w *ward) {
				w.server.Clock().Advance(2e9)
				id := w.one("SELECT Id FROM Bypass__c WHERE Triggers__c = true")
				w.update("Bypass__c", []testkit.Row{{"Id": id, "Text__c": "edited"}})
			},
			is: "triggers false other true text edited; 0 assigned", left: []string{"setting Bypass__c.Triggers__c"},
		},
		"switched off by hand": {
			edit: func(w *ward) {
				w.server.Clock().Advance(2e9)
				id := w.one("SELECT Id FROM Bypass__c WHERE Triggers__c = true")
				w.update("Bypass__c", []testkit.Row{{"Id": id, "Triggers__c": "false"}})
			},
			is: "triggers false other true text of the org; 0 assigned", left: []string{"setting Bypass__c.Triggers__c"},
		},
		"both gone": {
			edit: func(w *ward) {
				w.must(w.loader.Delete(w.Context(), []string{
					w.one("SELECT Id FROM Bypass__c WHERE Triggers__c = true"), w.one("SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Skips'"),
				}))
			},
			is: "0 assigned", left: []string{"permission Skip_Rules", "setting Bypass__c.Triggers__c"},
		},
		"put back by somebody": {
			before: func(w *ward) {
				w.added("Bypass__c", testkit.Row{"SetupOwnerId": w.me(), "Triggers__c": "false", "Text__c": "mine"})
			},
			edit: func(w *ward) {
				w.server.Clock().Advance(2e9)
				w.update("Bypass__c", []testkit.Row{{"Id": w.one("SELECT Id FROM Bypass__c WHERE Triggers__c = true"), "Triggers__c": "false"}})
			},
			is: "triggers false other false text mine; 0 assigned", left: []string{"setting Bypass__c.Triggers__c"},
		},
		"on before, by another plan that ends": {
			before: func(w *ward) {
				w.added("Bypass__c", testkit.Row{"SetupOwnerId": w.me(), "Triggers__c": "true"})
			},
			edit: func(w *ward) {
				w.must(w.loader.Delete(w.Context(), []string{w.one("SELECT Id FROM Bypass__c WHERE Triggers__c = true")}))
			},
			is: "0 assigned", left: []string{"setting Bypass__c.Triggers__c"},
		},
		"both on before": {
			before: func(w *ward) {
				w.added("Bypass__c", testkit.Row{"SetupOwnerId": w.me(), "Triggers__c": "true"})
				w.added("PermissionSetAssignment", testkit.Row{"AssigneeId": w.me(), "PermissionSetId": w.one("SELECT Id FROM PermissionSet WHERE Name = 'Skips'")})
			},
			edit: func(w *ward) {
				w.must(w.loader.Delete(w.Context(), []string{
					w.one("SELECT Id FROM Bypass__c WHERE Triggers__c = true"), w.one("SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Skips'"),
				}))
			},
			is: "0 assigned", left: []string{"permission Skip_Rules", "setting Bypass__c.Triggers__c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, before := passed(t)
			if c.before != nil {
				c.before(w)
			}
			r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, Bypass: bothBypasses, Selection: run.Selection{Objects: []string{"Contact"}}})
			var once sync.Once
			w.watched(func(q emulator.Request) emulator.Fault {
				if strings.Contains(q.Op, "successfulResults") {
					return emulator.Fault{Before: func() { once.Do(func() { c.edit(w) }) }}
				}
				return emulator.Fault{}
			})
			journal := filepath.Join(t.TempDir(), "j")
			out, err := run.Apply(t.Context(), w.input(r, journal))
			w.watched(nil)
			if problem.KindOf(err) != problem.Conflict || out.Switched == nil || !slices.Equal(out.Switched.Left, c.left) {
				t.Errorf("%v %+v", err, out.Switched)
			}
			if got := w.bypasses(); got != c.is {
				t.Errorf("is %q", got)
			}
			w.spoils("afterwards")
			again, err := run.Apply(t.Context(), w.input(r, journal))
			if problem.KindOf(err) != problem.Conflict || !again.Before || !slices.Equal(again.Switched.Left, c.left) {
				t.Errorf("asked again: %v %+v", err, again.Switched)
			}
		})
	}
}

// one is the Id of the only record that a query finds.
func (w *ward) one(soql string) string {
	w.Helper()
	rows, err := w.loader.Query(w.Context(), soql)
	w.must(err)
	if len(rows) != 1 {
		w.Fatalf("%s: %d records", soql, len(rows))
	}
	return fmt.Sprint(rows[0]["Id"])
}
