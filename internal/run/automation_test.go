package run_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

const metadataSpace = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

// guarded deploys one automation of each kind on Contact, each of which spoils or refuses what a restore
// writes, and returns their names.
func (w *ward) guarded() []string {
	w.Helper()
	files := map[string]string{
		"package.xml": `<?xml version="1.0"?><Package` + metadataSpace + `>
<types><members>Guard</members><name>ApexTrigger</name></types><types><members>Greet</members><name>Flow</name></types>
<types><members>Contact.No_Robots</members><name>ValidationRule</name></types><types><members>Contact.Stamp</members><name>WorkflowRule</name></types><types><members>Contact.Stamp_it</members><name>WorkflowFieldUpdate</name></types>
<types><members>Contact</members><name>MatchingRules</name></types>
<types><members>Contact.Twins</members><name>DuplicateRule</name></types><version>66.0</version></Package>`,
		"triggers/Guard.trigger": "// holdfast-emulator: before insert, before update: set Department to \"by trigger\"\n" +
			"trigger Guard on Contact (before insert, before update) { /* trigger Other on Account (before insert) */ }",
		"triggers/Guard.trigger-meta.xml": `<ApexTrigger` + metadataSpace + `><apiVersion>66.0</apiVersion><status>Active</status></ApexTrigger>`,
		"flows/Greet.flow": `<Flow` + metadataSpace + `><apiVersion>66.0</apiVersion><label>Greet</label><processType>AutoLaunchedFlow</processType>
<description>holdfast-emulator: before insert, before update: set Fax to "by flow"</description>
<start><object>Contact</object><recordTriggerType>CreateAndUpdate</recordTriggerType><triggerType>RecordBeforeSave</triggerType><locationX>0</locationX><locationY>0</locationY></start><status>Active</status></Flow>`,
		"objects/Contact.object": `<CustomObject` + metadataSpace + `><validationRules><fullName>No_Robots</fullName><active>true</active>
<errorConditionFormula>AND(NOT(ISBLANK(Title)), Title = &quot;Robot&quot;)</errorConditionFormula><errorMessage>no robots</errorMessage></validationRules></CustomObject>`,
		"workflows/Contact.workflow": `<Workflow` + metadataSpace + `><fieldUpdates><fullName>Stamp_it</fullName><field>AssistantName</field><literalValue>by workflow</literalValue>
<name>Stamp it</name><notifyAssignee>false</notifyAssignee><operation>Literal</operation><protected>false</protected></fieldUpdates>
<rules><fullName>Stamp</fullName><actions><name>Stamp_it</name><type>FieldUpdate</type></actions><active>true</active>
<formula>true</formula><triggerType>onAllChanges</triggerType></rules></Workflow>`,
		"matchingRules/Contact.matchingRule": `<MatchingRules` + metadataSpace + `><matchingRules><fullName>Same</fullName><label>Same</label><matchingRuleItems>
<blankValueBehavior>NullNotAllowed</blankValueBehavior><fieldName>Email</fieldName><matchingMethod>Exact</matchingMethod></matchingRuleItems><ruleStatus>Active</ruleStatus></matchingRules></MatchingRules>`,
		"duplicateRules/Contact.Twins.duplicateRule": `<DuplicateRule` + metadataSpace + `><actionOnInsert>Block</actionOnInsert><actionOnUpdate>Block</actionOnUpdate><alertText>twin</alertText>
<duplicateRuleMatchRules><matchRuleSObjectType>Contact</matchRuleSObjectType><matchingRule>Same</matchingRule></duplicateRuleMatchRules>
<isActive>true</isActive><masterLabel>Twins</masterLabel><securityOption>EnforceSharingRules</securityOption><sortOrder>1</sortOrder></DuplicateRule>`,
	}
	w.must(w.loader.DeployFiles(w.Context(), files))
	return []string{"ApexTrigger Guard", "DuplicateRule Contact.Twins", "Flow Greet", "ValidationRule Contact.No_Robots", "WorkflowRule Contact.Stamp"}
}

// acts reports whether the automation acts: what it makes of a new contact.
func (w *ward) acts() (trigger, flow, validation, workflow, duplicate bool) {
	w.Helper()
	id := w.added("Contact", testkit.Row{"LastName": "Probe", "Email": "probe@x.example"})[0]
	trigger = w.field("Contact", "Department")[id] == "by trigger"
	flow = w.field("Contact", "Fax")[id] == "by flow"
	workflow = w.field("Contact", "AssistantName")[id] == "by workflow"
	_, err := w.loader.Insert(w.Context(), "Contact", []testkit.Row{{"LastName": "Probe", "Title": "Robot"}})
	validation = err != nil && strings.Contains(err.Error(), "no robots")
	_, err = w.loader.Insert(w.Context(), "Contact", []testkit.Row{{"LastName": "Probe 2", "Email": "probe@x.example"}})
	duplicate = err != nil && strings.Contains(err.Error(), "DUPLICATES_DETECTED")
	w.purge(id)
	return trigger, flow, validation, workflow, duplicate
}

// haunted is a ward whose contacts were deleted and changed, and then guarded by automation.
func haunted(t *testing.T, options emulator.Options) (w *ward, want testkit.Dump, before string, names []string) {
	w = emptyWard(t, 41, options)
	account := w.added("Account", testkit.Row{"Name": "Acme"})[0]
	contacts := w.added("Contact",
		testkit.Row{"LastName": "One", "Email": "same@x.example", "Title": "Robot", "Department": "d", "AccountId": account},
		testkit.Row{"LastName": "Two", "Email": "same@x.example", "Fax": "1"}, testkit.Row{"LastName": "Three", "AssistantName": "a"})
	w.server.Clock().Advance(1e12)
	want = w.dump()
	before = w.backup().Snapshot.ID
	w.update("Contact", []testkit.Row{{"Id": contacts[2], "AssistantName": "", "Title": "x"}})
	w.purge(contacts[:2]...)
	return w, want, before, w.guarded()
}

// What acts on the rows of a plan is in the plan; without a word it stays on, and what it spoils is found.
func TestAutomationIsShownAndStaysOnUnlessAsked(t *testing.T) {
	w, _, before, names := haunted(t, emulatorOptions)
	r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client})
	var shown []string
	for _, a := range r.Automation {
		shown = append(shown, a.Type+" "+a.Name)
		if a.Off || a.Object != "Contact" || a.Rows != 3 {
			t.Errorf("%+v", a)
		}
	}
	if !slices.Equal(shown, names) {
		t.Errorf("%v, not %v", shown, names)
	}
	out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
	if err == nil || out.Failed == 0 || out.Switched != nil {
		t.Errorf("the automation did nothing: %v %+v", err, out)
	}
}

// Trap 27, the part of rules: automation is off while the rows are written, the result is what was
// planned, and afterwards every part of it acts as before.
func TestAutomationIsOffForTheRestoreAndBackAfterIt(t *testing.T) {
	w, want, before, names := haunted(t, emulatorOptions)
	r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, AutomationOff: true})
	in := w.input(r, filepath.Join(t.TempDir(), "j"))
	if _, err := run.Apply(t.Context(), in); problem.KindOf(err) != problem.Usage {
		t.Errorf("without anything to switch with: %v", err)
	}
	in.Deployer = w.client
	out, err := run.Apply(t.Context(), in)
	if err != nil || out.Switched == nil || !out.Switched.Back || !slices.Equal(out.Switched.Off, names) {
		t.Fatalf("%v %+v %+v", err, out.Switched, out.Errors)
	}
	w.server.Clock().Advance(1e12)
	w.same(want, out.NewIDs)
	if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
		t.Errorf("back are: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", a, b, c, d, e)
	}
	if again := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client}); !again.Plan.Empty() {
		t.Errorf("%s", again.File)
	}
}

// The run dies at every call to the org in turn, before it takes effect or after: what runs again comes to
// the same end, and automation is back every time. PutBack alone puts it back as well.
func TestAutomationIsBackAfterADeathAnywhere(t *testing.T) {
	for _, putBack := range []bool{false, true} {
		w, want, before, _ := haunted(t, emulatorOptions)
		r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, AutomationOff: true})
		in := w.input(r, filepath.Join(t.TempDir(), "j"))
		in.Deployer = w.client
		deaths := 0
		for at := 1; ; at++ {
			ctx, die := context.WithCancel(t.Context())
			var mu sync.Mutex
			calls, dead := 0, false
			w.intercept(func(q emulator.Request) emulator.Fault {
				mu.Lock()
				defer mu.Unlock()
				if dead {
					return gone
				}
				if q.Method == "GET" && !strings.Contains(q.Op, "deployRequest") {
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
			w.intercept(nil)
			if putBack && at%3 == 0 {
				back, err := run.PutBack(t.Context(), run.PutBackInput{Org: w.client, Deployer: w.client, Journal: in.Journal})
				if err != nil || len(back.Off) > 0 && !back.Back {
					t.Fatalf("death %d: %v %+v", at, err, back)
				}
				if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
					t.Fatalf("death %d: back are: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", at, a, b, c, d, e)
				}
			}
			if err == nil {
				w.server.Clock().Advance(1e12)
				w.same(want, out.NewIDs)
				break
			}
			if at > 60 {
				t.Fatalf("death %d: %v", at, err)
			}
		}
		if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
			t.Errorf("back are: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", a, b, c, d, e)
		}
		if deaths < 8 {
			t.Errorf("only %d deaths", deaths)
		}
	}
}

// A run fails at a row, puts automation back, and dies before it can write so: the run that goes on
// switches it off again.
func TestAutomationIsOffAgainWhenARunGoesOn(t *testing.T) {
	w, want, before, _ := haunted(t, emulatorOptions)
	r := w.restore(run.RestoreInput{Snapshot: before, Metadata: w.client, AutomationOff: true})
	in := w.input(r, filepath.Join(t.TempDir(), "j"))
	in.Deployer = w.client
	ctx, fail := context.WithCancel(t.Context())
	defer fail()
	var mu sync.Mutex
	deployed, failed := 0, false
	w.intercept(func(q emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		deploy := strings.Contains(q.Op, "deployRequest")
		switch {
		case q.Method == "GET":
		case deploy:
			deployed++
		case deployed == 1 && !failed:
			failed = true
			fail()
			return emulator.Fault{Cut: true}
		case deployed > 1: // the proof of what was put back
			return gone
		}
		return emulator.Fault{}
	})
	if _, err := run.Apply(ctx, in); err == nil || !failed || deployed != 2 {
		t.Fatalf("%v, failed: %v, after %d deployments", err, failed, deployed)
	}
	w.intercept(nil)
	if a, b, c, d, e := w.acts(); !a || !b || !c || !d || !e {
		t.Fatalf("the first run left: trigger %v, flow %v, validation %v, workflow %v, duplicate %v", a, b, c, d, e)
	}
	out, err := run.Apply(t.Context(), in)
	if err != nil || out.Failed > 0 || out.Switched == nil || !out.Switched.Back {
		t.Fatalf("%v %+v %+v", err, out.Switched, out.Errors)
	}
	w.server.Clock().Advance(1e12)
	w.same(want, out.NewIDs)
}
