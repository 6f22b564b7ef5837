package org_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
)

func (w *world) automation(spec org.AutomationSpec) {
	w.t.Helper()
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return true, tx.PutAutomation(spec) })
}

var allEvents = []string{"before insert", "before update", "before delete", "after insert", "after update", "after delete", "after undelete"}

// TestReactionsActWhileTheirComponentIsActive: Metadata API Developer Guide, ApexTrigger, status.
func TestReactionsActWhileTheirComponentIsActive(t *testing.T) {
	w := newWorld(t)
	trigger := org.AutomationSpec{Kind: "ApexTrigger", Name: "T", Object: "Account", Events: allEvents, Active: true, Declare: []string{
		`before insert, before update: set Site to UPPER(Name) & "!" when ISBLANK(Site)`,
		`before insert: reject "not (this, when) way" at Name when Name = "bad"`,
		`before update: fail "oops" when Name = "worse"`,
		`after insert: create Contact LastName = Name & ", Jr", AccountId = Id when NOT(ISBLANK(Phone))`,
		`after insert: mail`,
		`after insert: call "https://x.example"`,
		`before delete: reject "stay" when Name = "kept"`,
	}}
	w.automation(trigger)
	id := w.add("Account", "Name=kept", "Phone=1")
	if got := w.value(id, "Site"); got != "KEPT!" {
		t.Errorf("site %q", got)
	}
	w.wants("SELECT LastName FROM Contact WHERE AccountId = '"+string(id)+"'", "kept, Jr")
	r := w.one(org.Insert, org.Row{Object: "Account", Fields: fields("Name=bad")}, org.Options{})
	if r.Success || r.Errors[0].Code != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || r.Errors[0].Message != "not (this, when) way" || r.Errors[0].Fields[0] != "Name" {
		t.Errorf("%+v", r)
	}
	if m := w.refused("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", org.Update, org.Row{ID: string(id), Fields: fields("Name=worse")}); !strings.HasPrefix(m, "T: execution of BeforeUpdate\n\ncaused by:") {
		t.Errorf("message %q", m)
	}
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Delete, org.Row{ID: string(id)})
	if sent, _, _ := w.Outbox(); sent != 1 || w.Callouts() != 1 {
		t.Errorf("%d mails, %d call-outs", sent, w.Callouts())
	}
	w.SetDeliverability(org.NoEmail)
	w.add("Account", "Name=quiet")
	if sent, held, _ := w.Outbox(); sent != 1 || held != 1 {
		t.Errorf("%d mails left, %d were held", sent, held)
	}
	trigger.Active = false
	w.automation(trigger)
	w.add("Account", "Name=bad")
	w.do(org.Delete, id)
}

// TestReactionsEndWhereTheyCallThemselves: Apex Developer Guide, governor limits, 16 levels of triggers.
func TestReactionsEndWhereTheyCallThemselves(t *testing.T) {
	w := newWorld(t)
	w.automation(org.AutomationSpec{Kind: "Flow", Name: "Loop", Object: "Account", Events: allEvents, Active: true, Declare: []string{
		`after insert: create Account Name = Name & "+"`,
	}})
	if m := w.refused("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", org.Insert, org.Row{Object: "Account", Fields: fields("Name=A")}); m != "maximum trigger depth exceeded" {
		t.Errorf("message %q", m)
	}
	w.wants("SELECT Name FROM Account")
}

// TestReactionsCanBeBypassed: a permission or a setting in the condition, as admins write it in real flows.
func TestReactionsCanBeBypassed(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{Name: "Switch__c", Label: "S", LabelPlural: "S", Kind: org.HierarchySetting}); err != nil {
			return err
		}
		return putFields(tx, "Switch__c", org.FieldSpec{Name: "Off__c", Type: "Checkbox", DefaultValue: "false"})
	})
	w.automation(org.AutomationSpec{Kind: "ApexTrigger", Name: "T", Object: "Account", Events: allEvents, Active: true, Declare: []string{
		`before insert: reject "no" when NOT($Setup.Switch__c.Off__c)`,
	}})
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Insert, org.Row{Object: "Account", Fields: fields("Name=A")})
	setting := w.add("Switch__c", "Off__c=true")
	w.add("Account", "Name=A")
	w.set(setting, "Off__c=false")
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Insert, org.Row{Object: "Account", Fields: fields("Name=B")})
}

// TestAFailingFlowIsNamed: public replies name the flow and repeat its fault.
func TestAFailingFlowIsNamed(t *testing.T) {
	w := newWorld(t)
	w.automation(org.AutomationSpec{Kind: "Flow", Name: "F", Object: "Account", Events: allEvents, Active: true, Declare: []string{`before insert: fail "oops"`}})
	m := w.refused("CANNOT_EXECUTE_FLOW_TRIGGER", org.Insert, org.Row{Object: "Account", Fields: fields("Name=A")})
	if !strings.Contains(m, "“F” process failed") || !strings.HasSuffix(m, "oops") {
		t.Errorf("message %q", m)
	}
}

// TestUndeleteRunsItsReactions: Apex Developer Guide, "Triggers and Recovered Records": after undelete, for the record
// that was asked for and not for those that come back with it.
func TestUndeleteRunsItsReactions(t *testing.T) {
	w := newWorld(t)
	for _, object := range []string{"Account", "Contact"} {
		w.automation(org.AutomationSpec{Kind: "ApexTrigger", Name: "On" + object, Object: object, Events: allEvents, Active: true, Declare: []string{
			`after undelete: mail`,
		}})
	}
	id := w.add("Account", "Name=A")
	w.add("Contact", "LastName=C", "AccountId="+string(id))
	w.do(org.Delete, id)
	w.do(org.Undelete, id)
	if sent, _, last := w.Outbox(); sent != 1 || last[0].By != "ApexTrigger OnAccount" || last[0].Record != string(id) {
		t.Errorf("%d mails: %+v", sent, last)
	}
	w.automation(org.AutomationSpec{Kind: "ApexTrigger", Name: "OnAccount", Object: "Account", Events: allEvents, Active: true, Declare: []string{
		`after undelete: reject "stay"`,
	}})
	w.do(org.Delete, id)
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Undelete, org.Row{ID: string(id)})
	w.wants("SELECT Id FROM Account WHERE Name = 'A'")
}

// TestWrongDeclarationsAreRefused: a declaration that is not understood must not be a rule that is silently absent.
func TestWrongDeclarationsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{
		"reject", "before lunch: mail", "before insert: dance", `before insert: reject no quotes`, `before insert: set Nope to 1`,
		`before insert: set Name to LEFT(`, `before insert: mail when 1`, `before insert: slow 1h`, `before insert: create Nope A = 1`, `after undelete: mail`,
	} {
		w.change(func(tx *org.Tx) error {
			if tx.PutAutomation(org.AutomationSpec{Kind: "ApexTrigger", Name: "T", Object: "Account", Events: []string{"before insert"}, Active: true, Declare: []string{line}}) == nil {
				t.Errorf("%s was accepted", line)
			}
			return nil
		})
	}
}

// TestASavedRecordIsNotSet: a value that is set behind the save would be lost without a word.
func TestASavedRecordIsNotSet(t *testing.T) {
	w := newWorld(t)
	for _, event := range allEvents {
		w.change(func(tx *org.Tx) error {
			err := tx.PutAutomation(org.AutomationSpec{
				Kind: "ApexTrigger", Name: "T", Object: "Account", Events: allEvents, Active: true, Declare: []string{event + ": set Site to Name"},
			})
			if before := event == "before insert" || event == "before update"; before != (err == nil) {
				t.Errorf("%s: %v", event, err)
			}
			return nil
		})
	}
}
