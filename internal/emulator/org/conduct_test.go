package org_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"holdfast/internal/emulator/image"
	"holdfast/internal/emulator/org"
)

func deployed[T any](w *world, put func(tx *org.Tx) (T, *org.Error)) {
	w.t.Helper()
	w.change(func(tx *org.Tx) error {
		if _, err := put(tx); err != nil {
			return err
		}
		return nil
	})
}

func (w *world) validation(spec org.ValidationRuleSpec) {
	w.t.Helper()
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return tx.PutValidationRule(spec) })
}

// TestValidationRulesRefuse: Object Reference, StatusCode FIELD_CUSTOM_VALIDATION_EXCEPTION; Metadata API Developer
// Guide, ValidationRule: active, errorConditionFormula, errorDisplayField.
func TestValidationRulesRefuse(t *testing.T) {
	w := newWorld(t)
	rule := org.ValidationRuleSpec{
		Object: "Account", Name: "Phone", Active: true, Formula: `ISBLANK(Phone) && ISPICKVAL(Type, "Customer - Direct")`, Message: "Phone, please", Field: "phone",
	}
	w.validation(rule)
	row := org.Row{Object: "Account", Fields: fields("Name=A", "Type=Customer - Direct")}
	r := w.one(org.Insert, row, org.Options{})
	if r.Success || r.Errors[0].Code != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || r.Errors[0].Message != "Phone, please" ||
		len(r.Errors[0].Fields) != 1 || r.Errors[0].Fields[0] != "Phone" {
		t.Fatalf("insert: %+v", r)
	}
	id := w.add("Account", "Name=B", "Type=Prospect")
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Update, org.Row{ID: string(id), Fields: fields("Type=Customer - Direct")})
	rule.Active = false // the switch acts at once
	w.validation(rule)
	w.set(id, "Type=Customer - Direct")
	rule.Active, rule.Formula, rule.Field = true, `ISCHANGED(Name) && PRIORVALUE(Name) = "B"`, ""
	w.validation(rule)
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Update, org.Row{ID: string(id), Fields: fields("Name=C")})
	w.add("Account", "Name=B")
	rule.Formula = "1 / LEN(Description) > 0"
	w.validation(rule)
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Insert, org.Row{Object: "Account", Fields: fields("Name=D")})
	if err := w.Change(w.Admin(), func(tx *org.Tx) error {
		if _, err := tx.PutValidationRule(org.ValidationRuleSpec{Object: "Account", Name: "Bad", Formula: "Nothing__c = 1"}); err != nil {
			return err
		}
		return nil
	}); err == nil || !strings.Contains(err.Error(), "Field Nothing__c does not exist") {
		t.Errorf("a wrong formula: %v", err)
	}
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return true, tx.DropValidationRule("Account", "phone") })
	w.add("Account", "Name=D")
}

// TestLookupFiltersRefuse: Salesforce Help, "Lookup Filters"; the message is that of article 000384756.
func TestLookupFiltersRefuse(t *testing.T) {
	w := newWorld(t)
	filter := &org.LookupFilterSpec{Active: true, Criteria: org.Criteria{Items: []org.Criterion{
		{Field: "Account.Type", Operation: "equals", Value: "Prospect"}, {Field: "$Source.Title", Operation: "equals", ValueField: "Account.Site"},
	}, Logic: "1 AND 2"}}
	spec := lookup("Backer__c", "Account", "Backed", "")
	spec.LookupFilter = filter
	w.fields("Contact", spec)
	good, bad := w.add("Account", "Name=A", "Type=Prospect", "Site=X"), w.add("Account", "Name=B", "Type=Other", "Site=X")
	con := w.add("Contact", "LastName=L", "Title=X", "Backer__c="+string(good))
	for _, change := range []string{"Backer__c=" + string(bad), "Title=Y"} {
		if m := w.refused("FIELD_FILTER_VALIDATION_EXCEPTION", org.Update, org.Row{ID: string(con), Fields: fields(change)}); m != "Value does not exist or does not match filter criteria." {
			t.Errorf("message %q", m)
		}
	}
	filter.Optional = true
	w.fields("Contact", spec)
	w.set(con, "Backer__c="+string(bad))
}

// TestPicklistsFollowTheirControllers: SOAP API Developer Guide, validFor; Salesforce Help, article 000381951 (only
// restricted picklists are enforced through the API).
func TestPicklistsFollowTheirControllers(t *testing.T) {
	w := newWorld(t)
	city := org.FieldSpec{Name: "City__c", Type: "Picklist", ControllingField: "Land__c", Restricted: true, Values: []org.ValueSpec{
		{Value: "Oslo", Controlling: []string{"NO"}}, {Value: "Bonn", Controlling: []string{"DE"}}, {Value: "Any", Controlling: []string{"NO", "DE"}},
	}}
	w.object("Place__c", org.FieldSpec{Name: "Land__c", Type: "Picklist", Values: []org.ValueSpec{{Value: "NO"}, {Value: "DE"}}}, city)
	w.refused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", org.Insert, org.Row{Object: "Place__c", Fields: fields("Land__c=NO", "City__c=Bonn")})
	w.refused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", org.Insert, org.Row{Object: "Place__c", Fields: fields("City__c=Bonn")})
	id := w.add("Place__c", "Land__c=NO", "City__c=Any")
	w.set(id, "Land__c=DE")
	w.set(id, "City__c=Bonn")
	w.refused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", org.Update, org.Row{ID: string(id), Fields: fields("Land__c=NO")})
	city.Restricted = false
	w.fields("Place__c", city)
	w.set(id, "Land__c=NO")
}

// TestDuplicateRules: Salesforce Help, "Duplicate Rules"; REST API Developer Guide, Duplicate Rule Header; that an alert
// blocks without the header: SalesforceFoundation/NPSP issue 2475.
func TestDuplicateRules(t *testing.T) {
	w := newWorld(t)
	match := org.MatchingRuleSpec{Object: "Contact", Name: "Mail", Active: true, Items: []org.MatchingItem{
		{Field: "Email", Method: "Exact"}, {Field: "LastName", Method: "LastName"},
	}}
	rule := org.DuplicateRuleSpec{
		Object: "Contact", Name: "Twins", Active: true, AlertOnInsert: true, AlertOnUpdate: true,
		Matches: []org.DuplicateMatch{{Object: "Contact", Rule: "Mail"}},
	}
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return tx.PutMatchingRule(match) })
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return tx.PutDuplicateRule(rule) })
	w.add("Contact", "LastName=O'Neil", "Email=a@b.example")
	twin := org.Row{Object: "Contact", Fields: fields("LastName=ONEIL", "Email=A@b.example")}
	if m := w.refused("DUPLICATES_DETECTED", org.Insert, twin); m != "Use one of these records?" {
		t.Errorf("message %q", m)
	}
	if r := w.one(org.Insert, twin, org.Options{AllowDuplicates: true}); !r.Success {
		t.Errorf("allowSave: %+v", r)
	}
	other := w.add("Contact", "LastName=Lee", "Email=a@b.example")
	w.set(other, "Title=Boss") // no field of the matching rule changes
	w.refused("DUPLICATES_DETECTED", org.Update, org.Row{ID: string(other), Fields: fields("LastName=Oneil")})
	rule.BlockOnInsert, rule.AlertText = true, "No twins"
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return tx.PutDuplicateRule(rule) })
	if m := w.refusedWith("DUPLICATES_DETECTED", org.Insert, twin, org.Options{AllowDuplicates: true}); m != "No twins" {
		t.Errorf("message %q", m)
	}
	rule.Filter = org.Criteria{Items: []org.Criterion{{Field: "Title", Operation: "notEqual", Value: "Twin"}}}
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return tx.PutDuplicateRule(rule) })
	w.add("Contact", "LastName=Oneil", "Email=a@b.example", "Title=Twin")
	rule.Active = false
	deployed(w, func(tx *org.Tx) (bool, *org.Error) { return tx.PutDuplicateRule(rule) })
	w.add("Contact", "LastName=Oneil", "Email=a@b.example")
}

// TestAssignmentRules: REST API Developer Guide, Assignment Rule Header; Salesforce Help, "Set Up Assignment Rules": the first
// entry that fits.
func TestAssignmentRules(t *testing.T) {
	w := newWorld(t)
	sam, _ := w.UserByName("standard.admin@emulated.example")
	rules := []org.AssignmentRuleSpec{{Object: "Lead", Name: "Std", Active: true, Entries: []org.AssignmentEntry{
		{Criteria: org.Criteria{Items: []org.Criterion{{Field: "Lead.Company", Operation: "startsWith", Value: "Big"}}}, AssignedTo: "standard.admin@emulated.example"},
		{AssignedTo: "nobody@emulated.example"},
	}}}
	put := func() {
		deployed(w, func(tx *org.Tx) (bool, *org.Error) { return true, tx.PutAssignmentRules("Lead", rules) })
	}
	put()
	insert := func(assign bool) string {
		r := w.one(org.Insert, org.Row{Object: "Lead", Fields: fields("LastName=L", "Company=Bigco")}, org.Options{Assign: assign})
		if !r.Success {
			t.Fatal(r.Errors)
		}
		return w.value(r.ID, "OwnerId")
	}
	if got := insert(true); got != string(sam.ID) {
		t.Errorf("owner %s, want %s", got, sam.ID)
	}
	if got := insert(false); got != string(w.Admin().User) {
		t.Errorf("owner %s without the header", got)
	}
	rules[0].Active = false
	put()
	if got := insert(true); got != string(w.Admin().User) {
		t.Errorf("owner %s with the rule off", got)
	}
}

// TestWorkflowFieldUpdates: Apex Developer Guide, "Triggers and Order of Execution": field updates come after the save and
// do not run validation rules again.
func TestWorkflowFieldUpdates(t *testing.T) {
	w := newWorld(t)
	wf := org.WorkflowSpec{
		Object: "Opportunity", Alerts: []string{"Tell"},
		Updates: []org.FieldUpdate{
			{Name: "Next", Field: "NextStep", Operation: "Formula", Formula: `"was " & PRIORVALUE(NextStep)`},
			{Name: "Site", Field: "Site", Operation: "Literal", Value: "won", Target: "AccountId"},
		},
		Rules: []org.WorkflowRule{
			{
				Name: "R", Active: true, Trigger: "onCreateOrTriggeringUpdate", Actions: []org.WorkflowAction{{Name: "Next", Type: "FieldUpdate"}, {Name: "Site", Type: "FieldUpdate"}, {Name: "Tell", Type: "Alert"}},
				Criteria: org.Criteria{Items: []org.Criterion{{Field: "Opportunity.IsWon", Operation: "equals", Value: "True"}}},
			},
		},
	}
	put := func() { deployed(w, func(tx *org.Tx) (bool, *org.Error) { return true, tx.PutWorkflow(wf) }) }
	put()
	w.validation(org.ValidationRuleSpec{Object: "Opportunity", Name: "NoWas", Active: true, Formula: `BEGINS(NextStep, "was") && NOT(ISBLANK(NextStep))`, Message: "no"})
	acc := w.add("Account", "Name=A")
	opp := w.add("Opportunity", "Name=O", "StageName=Prospecting", "CloseDate=2026-04-01", "NextStep=call", "AccountId="+string(acc))
	if got := w.value(opp, "NextStep"); got != "call" {
		t.Errorf("next step %q", got)
	}
	w.set(opp, "StageName=Closed Won")
	if got := w.value(opp, "NextStep"); got != "was call" {
		t.Errorf("next step %q", got)
	}
	if got := w.value(acc, "Site"); got != "won" {
		t.Errorf("site of the account %q", got)
	}
	sent, _, last := w.Outbox()
	if sent != 1 || last[0].Record != string(opp) {
		t.Errorf("%d mails, %v", sent, last)
	}
	wf.Rules[0].Active = false
	put()
	other := w.add("Opportunity", "Name=P", "StageName=Closed Won", "CloseDate=2026-04-01")
	if got := w.value(other, "NextStep"); got != "" {
		t.Errorf("next step %q with the rule off", got)
	}
}

// TestRulesOutliveAnImage: what was compiled is compiled again when an org is read.
func TestRulesOutliveAnImage(t *testing.T) {
	w := newWorld(t)
	w.validation(org.ValidationRuleSpec{Object: "Account", Name: "R", Active: true, Formula: `Name = "X"`, Message: "no"})
	w.fields("Account", formulaField("Loud__c", "Text", "UPPER(Name)"))
	var kept bytes.Buffer
	if err := image.Write(&kept, w.Org); err != nil {
		t.Fatal(err)
	}
	again := &org.Org{}
	if err := image.Read(&kept, again); err != nil {
		t.Fatal(err)
	}
	again.RunClock(w.clock.Now)
	for _, o := range []*org.Org{again, w.Clone()} {
		c := &world{Org: o, t: t}
		c.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Insert, org.Row{Object: "Account", Fields: fields("Name=X")})
		c.add("Account", "Name=y")
		c.wants("SELECT Loud__c FROM Account", "Y")
	}
}

// BenchmarkInsert is the cost of a load on an org without rules: 100,000 rows in batches of 10,000.
func BenchmarkInsert(b *testing.B) {
	batch := make([]org.Row, 10_000)
	for i := range batch {
		batch[i] = org.Row{Object: "Contact", Fields: fields("LastName=Person "+strconv.Itoa(i), "FirstName=F", "Email=p@x.example", "MailingCity=Oslo", "Title=T")}
	}
	for b.Loop() {
		w := newWorld(b)
		for range 10 {
			if r := w.Write(w.Admin(), org.Insert, batch, org.Options{}); !r[len(r)-1].Success {
				b.Fatal(r[len(r)-1].Errors)
			}
		}
	}
}
