package org_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
)

func formulaField(name, kind, text string) org.FieldSpec {
	return org.FieldSpec{Name: name, Type: kind, Formula: text, Precision: 18, Scale: 2, BlankAsZero: false}
}

func TestFormulasFollowTheirFieldsWithoutMovingStamps(t *testing.T) {
	w := newWorld(t)
	w.fields("Contact", formulaField("Shout__c", "Text", `Account.Name & "/" & LastName & IF(ISBLANK(Email), "", "!")`),
		formulaField("Unread__c", "Number", `CURRENCYRATE("EUR")`))
	acc := w.add("Account", "Name=Acme")
	con := w.add("Contact", "LastName=Lee", "AccountId="+string(acc))
	before := w.value(con, "SystemModstamp")
	w.clock.Advance(time.Hour)
	w.set(acc, "Name=Bell")
	if got := w.value(con, "Shout__c"); got != "Bell/Lee" {
		t.Errorf("formula %q", got)
	}
	if w.value(con, "SystemModstamp") != before {
		t.Error("a formula moved SystemModstamp")
	}
	w.set(con, "Email=a@b.example")
	w.wants("SELECT Shout__c, Unread__c FROM Contact WHERE Shout__c LIKE '%!'", "Bell/Lee!|")
	o, _ := w.Describe("Contact")
	if f := o.Field("Unread__c"); !f.FormulaUnread || !f.Calculated || f.Createable || o.Field("Shout__c").FormulaUnread {
		t.Errorf("flags of formulas: %+v", f)
	}
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Update, org.Row{ID: string(con), Fields: fields("Shout__c=x")})
}

func TestFormulaSubset(t *testing.T) {
	w := newWorld(t)
	w.object("Thing__c", number("A__c", 2), number("B__c", 2), words("T__c", 20), org.FieldSpec{Name: "D__c", Type: "Date"},
		org.FieldSpec{Name: "P__c", Type: "Percent", Precision: 5, Scale: 2}, org.FieldSpec{Name: "C__c", Type: "Checkbox"},
		org.FieldSpec{Name: "K__c", Type: "Picklist", Values: []org.ValueSpec{{Value: "x"}}})
	id := w.add("Thing__c", "A__c=7", "T__c=hi", "D__c=2026-02-27", "P__c=25", "K__c=x")
	for n, c := range []struct{ kind, text, want string }{
		{"Number", "A__c + 2 * 3", "13"},
		{"Number", "(A__c + 2) * 3", "27"},
		{"Number", "A__c / 3", "2.33"},
		{"Number", "-A__c", "-7"},
		{"Number", "A__c + B__c", ""},
		{"Number", "A__c / 0", ""},
		{"Number", "A__c * P__c", "1.75"},
		{"Percent", "P__c * 2", "50"},
		{"Text", `T__c & "-" & TEXT(A__c)`, "hi-7"},
		{"Text", `T__c + "x"`, "hix"},
		{"Checkbox", "A__c > 6 && NOT(C__c)", "true"},
		{"Checkbox", `OR(ISBLANK(T__c), T__c <> "hi")`, "false"},
		{"Date", "D__c + 2", "2026-03-01"},
		{"Date", "TODAY()", "2026-03-02"},
		{"Number", "TODAY() - D__c", "3"},
		{"Text", `CASE(K__c, "y", "no", "x", "yes", "none")`, "yes"},
		{"Text", `IF(ISPICKVAL(K__c, "x"), "one", "two")`, "one"},
		{"Text", `BLANKVALUE(Owner.Name, "?")`, "Ada Admin"},
		{"Text", "/* why */ T__c", "hi"},
		{"Number", "LEN(T__c)", "2"},
	} {
		name := "F" + string(rune('a'+n)) + "__c"
		w.fields("Thing__c", formulaField(name, c.kind, c.text))
		if got := w.value(id, name); got != c.want {
			t.Errorf("%s = %q, want %q", c.text, got, c.want)
		}
	}
	w.fields("Thing__c", org.FieldSpec{Name: "Zero__c", Type: "Number", Precision: 18, Formula: "A__c + B__c", BlankAsZero: true},
		formulaField("Loop1__c", "Number", "Loop2__c + 1"), formulaField("Loop2__c", "Number", "Loop1__c + 1"))
	w.wants("SELECT Zero__c, Loop1__c FROM Thing__c", "7|")
}

func TestRollUps(t *testing.T) {
	w := newWorld(t)
	w.object("Master__c")
	w.object("Line__c", detail("Master__c", "Master__c", "Lines"), org.FieldSpec{Name: "Cost__c", Type: "Currency", Precision: 10, Scale: 2},
		org.FieldSpec{Name: "Paid__c", Type: "Checkbox"}, org.FieldSpec{Name: "Day__c", Type: "Date"})
	roll := func(name, op, field string, filters ...org.SummaryFilter) org.FieldSpec {
		s := org.FieldSpec{Name: name, Type: "Summary", SummaryOperation: op, SummaryForeignKey: "Line__c.Master__c", SummaryFilters: filters}
		if field != "" {
			s.SummarizedField = "Line__c." + field
		}
		return s
	}
	w.fields("Master__c", roll("Count__c", "count", ""), roll("Sum__c", "sum", "Cost__c"), roll("First__c", "min", "Day__c"),
		roll("Top__c", "max", "Cost__c"), roll("Paid__c", "sum", "Cost__c", org.SummaryFilter{Field: "Line__c.Paid__c", Operation: "equals", Value: "True"}))
	m := w.add("Master__c", "Name=M")
	w.wants("SELECT Count__c, Sum__c, First__c, Top__c FROM Master__c", "0|0||")
	before := w.value(m, "SystemModstamp")
	w.clock.Advance(time.Hour)
	a := w.add("Line__c", "Master__c="+string(m), "Cost__c=10.50", "Day__c=2026-01-02", "Paid__c=true")
	w.add("Line__c", "Master__c="+string(m), "Cost__c=4", "Day__c=2025-01-02")
	w.wants("SELECT Count__c, Sum__c, First__c, Top__c, Paid__c FROM Master__c", "2|14.5|2025-01-02|10.5|10.5")
	w.do(org.Delete, a)
	w.wants("SELECT Count__c, Sum__c FROM Master__c WHERE Sum__c < 5", "1|4")
	if w.value(m, "SystemModstamp") != before {
		t.Error("a roll-up moved SystemModstamp")
	}
	if o, _ := w.Describe("Line__c"); o.Field("OwnerId") != nil || o.Field("Master__c").RelationshipOrder != 0 || !o.Field("Master__c").CascadeDelete {
		t.Error("a detail is not described as one")
	}
}

func TestPersonNames(t *testing.T) {
	w := newWorld(t)
	id := w.add("Contact", "Salutation=Dr.", "FirstName=Ann", "LastName=Lee")
	w.set(id, "LastName=Moe")
	w.wants("SELECT Name FROM Contact", "Ann Moe")
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Update, org.Row{ID: string(id), Fields: fields("Name=x")})
}

func TestOpportunityFollowsItsStage(t *testing.T) {
	w := newWorld(t)
	id := w.add("Opportunity", "Name=O", "StageName=Needs Analysis", "CloseDate=2026-05-06", "Amount=200")
	w.wants("SELECT Probability, ForecastCategory, IsClosed, IsWon, ExpectedRevenue, Fiscal, FiscalQuarter FROM Opportunity",
		"20|Pipeline|false|false|40|2026 2|2")
	w.set(id, "StageName=Closed Won")
	w.wants("SELECT Probability, ForecastCategoryName, IsClosed, IsWon FROM Opportunity", "100|Closed|true|true")
	w.set(id, "StageName=Prospecting", "Probability=33")
	w.wants("SELECT Probability FROM Opportunity WHERE IsClosed = false", "33")
	w.change(func(tx *org.Tx) error {
		_, err := tx.PutValueSet("OpportunityStage", true, []org.ValueSpec{{Value: "Pledged", Probability: "75", Category: "BestCase"}})
		if err != nil {
			return err
		}
		return nil
	})
	w.set(id, "StageName=Pledged")
	w.wants("SELECT Probability, ForecastCategoryName FROM Opportunity", "75|Best Case")
}

func TestCampaignMembers(t *testing.T) {
	w := newWorld(t)
	camp, con := w.add("Campaign", "Name=C"), w.add("Contact", "LastName=L", "Email=l@x.example")
	w.wants("SELECT Label, IsDefault, HasResponded FROM CampaignMemberStatus ORDER BY SortOrder", "Sent|true|false", "Responded|false|true")
	w.refused("REQUIRED_FIELD_MISSING", org.Insert, org.Row{Object: "CampaignMember", Fields: fields("CampaignId=" + string(camp))})
	row := org.Row{Object: "CampaignMember", Fields: fields("CampaignId="+string(camp), "ContactId="+string(con))}
	id := w.one(org.Insert, row, org.Options{}).ID
	w.wants("SELECT Status, HasResponded, Email, LeadOrContactId FROM CampaignMember", "Sent|false|l@x.example|"+string(con))
	w.refused("DUPLICATE_VALUE", org.Insert, row)
	w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "CampaignMemberStatus", Fields: fields("CampaignId="+string(camp), "Label=sent")})
	w.set(id, "Status=Responded")
	w.wants("SELECT NumberOfContacts, NumberOfResponses FROM Campaign", "1|1")
}

func TestEventsAndTasks(t *testing.T) {
	w := newWorld(t)
	w.add("Event", "Subject=Meet", "ActivityDateTime=2026-03-04T10:00:00Z", "DurationInMinutes=45")
	w.wants("SELECT StartDateTime, EndDateTime, ActivityDate FROM Event", "2026-03-04T10:00:00.000Z|2026-03-04T10:45:00.000Z|2026-03-04")
	w.refused("REQUIRED_FIELD_MISSING", org.Insert, org.Row{Object: "Event", Fields: fields("Subject=x")})
	w.add("Task", "Subject=Call")
	w.add("Task", "Subject=Done", "Status=Completed", "Priority=High")
	w.wants("SELECT Subject, Status, Priority, IsClosed, IsHighPriority, TaskSubtype FROM Task",
		"Call|Not Started|Normal|false|false|Task", "Done|Completed|High|true|true|Task")
}

func TestPricesAndLines(t *testing.T) {
	w := newWorld(t)
	standard := w.rows("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0]
	product, book := w.add("Product2", "Name=P", "ProductCode=X1"), w.add("Pricebook2", "Name=B", "IsActive=true")
	custom := org.Row{Object: "PricebookEntry", Fields: fields("Pricebook2Id="+string(book), "Product2Id="+string(product), "UnitPrice=9")}
	w.refused("STANDARD_PRICE_NOT_DEFINED", org.Insert, custom)
	w.add("PricebookEntry", "Pricebook2Id="+standard, "Product2Id="+string(product), "UnitPrice=10")
	entry := w.one(org.Insert, custom, org.Options{}).ID
	w.refused("DUPLICATE_VALUE", org.Insert, custom)
	opp := w.add("Opportunity", "Name=O", "StageName=Prospecting", "CloseDate=2026-05-06")
	w.add("OpportunityLineItem", "OpportunityId="+string(opp), "PricebookEntryId="+string(entry), "Quantity=3")
	w.wants("SELECT UnitPrice, TotalPrice, Product2Id, ProductCode, ListPrice, Name FROM OpportunityLineItem",
		"9|27|"+string(product)+"|X1|9|O P")
	w.wants("SELECT HasOpportunityLineItem FROM Opportunity", "true")
}

func TestCustomSettingsHaveNoRecordTypes(t *testing.T) {
	w := newWorld(t)
	err := w.Change(w.Admin(), func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{Name: "Switch__c", Label: "Switch", Kind: org.ListSetting}); err != nil {
			return err
		}
		if _, _, err := tx.PutRecordType(org.RecordTypeSpec{Object: "Switch__c", DeveloperName: "Red", Label: "Red"}); err != nil {
			return err
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "Record types are not available for Switch__c") {
		t.Errorf("%v", err)
	}
}

func TestRecordTypes(t *testing.T) {
	w := newWorld(t)
	var red, blue string
	w.change(func(tx *org.Tx) error {
		a, _, err := tx.PutRecordType(org.RecordTypeSpec{Object: "Account", DeveloperName: "Red", Label: "Red", Active: true})
		if err != nil {
			return err
		}
		b, _, err := tx.PutRecordType(org.RecordTypeSpec{Object: "Account", DeveloperName: "Blue", Label: "Blue", Active: true, Default: true})
		if err != nil {
			return err
		}
		red, blue = string(a), string(b)
		return nil
	})
	w.add("Account", "Name=A")
	id := w.add("Account", "Name=B", "RecordTypeId="+red)
	w.wants("SELECT RecordType.DeveloperName, RecordTypeId FROM Account ORDER BY Name", "Blue|"+blue, "Red|"+red)
	other := w.one(org.Update, org.Row{ID: string(id), Fields: fields("RecordTypeId=012000000000009AAA")}, org.Options{})
	if other.Success || other.Errors[0].Code != "INVALID_CROSS_REFERENCE_KEY" {
		t.Errorf("%+v", other)
	}
	o, _ := w.Describe("Account")
	if len(o.RecordTypes) != 3 || !o.RecordTypes[2].Master || o.RecordTypes[2].Default || !o.RecordTypes[1].Default {
		t.Errorf("%+v", o.RecordTypes)
	}
	w.wants("SELECT DeveloperName, SobjectType FROM RecordType", "Red|Account", "Blue|Account")
}
