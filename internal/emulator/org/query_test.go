package org_test

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

func TestQueryConditionsAndOrder(t *testing.T) {
	w := newWorld(t)
	for i, city := range []string{"Oslo", "", "bern", "Rome"} {
		w.add("Account", fmt.Sprintf("Name=A%d", i), "BillingCity="+city, fmt.Sprintf("NumberOfEmployees=%d", 10*i))
	}
	w.wants("SELECT Name FROM Account WHERE BillingCity = 'BERN'", "A2")
	w.wants("SELECT Name FROM Account WHERE BillingCity != 'Oslo' ORDER BY Name DESC", "A3", "A2", "A1")
	w.wants("SELECT Name FROM Account WHERE NumberOfEmployees >= 20 AND (NOT Name LIKE '%3')", "A2")
	w.wants("SELECT Name FROM Account WHERE BillingCity IN ('Oslo','Rome') AND NumberOfEmployees < 30", "A0")
	w.wants("SELECT Name FROM Account ORDER BY BillingCity NULLS LAST, Name LIMIT 2 OFFSET 1", "A0", "A3")
	w.wants("SELECT Name FROM Account WHERE CreatedDate = TODAY AND SystemModstamp >= 2026-03-02T09:30:15Z LIMIT 1", "A0")
	w.wants("SELECT Name FROM Account WHERE Id = '"+w.rows("SELECT Id FROM Account")[3][:15]+"'", "A3")
	if a := w.answer("SELECT COUNT() FROM Account WHERE NumberOfEmployees > 5", false); !a.CountOnly || a.Total != 3 || a.Len() != 0 {
		t.Errorf("count %+v", a)
	}
}

func TestQueryParentsAndChildren(t *testing.T) {
	w := newWorld(t)
	acc := w.add("Account", "Name=Acme", "BillingCity=Oslo", "BillingLatitude=1.5")
	w.add("Contact", "LastName=A", "AccountId="+string(acc))
	w.add("Contact", "LastName=B", "AccountId="+string(acc), "Email=b@x.example")
	w.add("Contact", "LastName=C")
	w.wants("SELECT LastName, Account.Name, Account.Owner.Name, c.CreatedBy.Username FROM Contact c WHERE Account.Name = 'acme' ORDER BY LastName",
		"A|Acme|Ada Admin|admin@emulated.example", "B|Acme|Ada Admin|admin@emulated.example")
	a := w.answer("SELECT Name, BillingAddress, (SELECT LastName FROM Contacts WHERE Email = null), (SELECT Id FROM Opportunities) FROM Account", false)
	rec := a.Record(0)
	if rec.ID != acc || rec.Object.Name != "Account" || len(rec.Cells) != 4 {
		t.Fatalf("%+v", rec)
	}
	var parts []string
	for _, p := range rec.Cells[1].Parts {
		parts = append(parts, p.Name+"="+p.Text)
	}
	if got := strings.Join(parts, " "); got != "city=Oslo country= geocodeAccuracy= latitude=1.5 longitude= postalCode= state= street=" {
		t.Error(got)
	}
	kids := rec.Cells[2].Children
	if kids == nil || kids.Total != 1 || kids.Record(0).Cells[0].Text != "A" || rec.Cells[3].Children != nil || !rec.Cells[3].IsChildren {
		t.Errorf("%+v", rec.Cells)
	}
	w.wants("SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName = 'B')", "Acme")
	w.wants("SELECT LastName FROM Contact WHERE AccountId NOT IN (SELECT Id FROM Account)", "C")
	b := w.answer("SELECT Account.Name, LastName, Account.Owner.Name FROM Contact ORDER BY LastName", false)
	first, last := b.Record(0), b.Record(2)
	if c := first.Cells[0]; len(first.Cells) != 2 || !c.IsParent || c.Name != "Account" || c.Parent.ID != acc ||
		c.Parent.Cells[1].Parent.Cells[0].Text != "Ada Admin" || last.Cells[0].Parent != nil {
		t.Errorf("%+v %+v", first, last)
	}
}

func TestQueryPolymorphicParents(t *testing.T) {
	w := newWorld(t)
	lead, con, camp := w.add("Lead", "LastName=Lead", "Company=X"), w.add("Contact", "LastName=Con"), w.add("Campaign", "Name=Camp")
	w.add("Task", "Subject=1", "WhoId="+string(lead))
	w.add("Task", "Subject=2", "WhoId="+string(con), "WhatId=")
	w.add("Task", "Subject=3", "WhatId="+string(camp))
	w.wants("SELECT Subject, Who.Name, Who.Type, What.Name, What.Type, Owner.Name FROM Task ORDER BY Subject",
		"1|Lead|Lead|||Ada Admin", "2|Con|Contact|||Ada Admin", "3|||Camp|Campaign|Ada Admin")
	w.wants("SELECT Subject FROM Task WHERE Who.Type = 'Lead'", "1")
	a := w.answer("SELECT TYPEOF What WHEN Campaign THEN Name, Status ELSE Name END FROM Task WHERE Subject = '3'", false)
	if p := a.Record(0).Cells[0].Parent; p == nil || p.Object.Name != "Campaign" || len(p.Cells) != 2 {
		t.Errorf("%+v", p)
	}
}

func TestQueryAggregates(t *testing.T) {
	w := newWorld(t)
	for i, stage := range []string{"Prospecting", "Prospecting", "Closed Won"} {
		w.add("Opportunity", "Name=O", "StageName="+stage, fmt.Sprintf("Amount=%d.5", i+1), "CloseDate=2026-05-06")
	}
	w.wants("SELECT StageName, COUNT(Id), SUM(Amount) total FROM Opportunity GROUP BY StageName ORDER BY StageName DESC",
		"Prospecting|2|4", "Closed Won|1|3.5")
	w.wants("SELECT StageName s, MAX(Amount) FROM Opportunity GROUP BY StageName HAVING COUNT(Id) > 1", "Prospecting|2.5")
	w.wants("SELECT MIN(CloseDate), COUNT(Id) FROM Opportunity WHERE Amount > 100", "|0")
	w.wants("SELECT CALENDAR_YEAR(CloseDate), COUNT(Id) n FROM Opportunity GROUP BY CALENDAR_YEAR(CloseDate)", "2026|3")
	if m := w.queryError("SELECT Name, COUNT(Id) FROM Opportunity GROUP BY StageName"); !strings.Contains(m, "Field must be grouped or aggregated: Name") {
		t.Error(m)
	}
}

func TestQueryRefusals(t *testing.T) {
	w := newWorld(t)
	for text, want := range map[string]string{
		"SELECT Nope FROM Account":                              "INVALID_FIELD: SELECT Nope FROM Account ^ ERROR at Row:1:Column:8 No such column 'Nope' on entity 'Account'.",
		"SELECT Id FROM Nope":                                   "INVALID_TYPE: ",
		"SELECT Nope.Name FROM Account":                         "Didn't understand relationship 'Nope' in field path",
		"SELECT Id FROM Account WHERE Description = 'x'":        "field 'Description' can not be filtered in a query call",
		"SELECT Id FROM Account ORDER BY Description":           "field 'Description' can not be sorted in a query call",
		"SELECT FIELDS(ALL) FROM Account":                       "The SOQL FIELDS function must have a LIMIT of at most 200",
		"SELECT FIELDS(ALL) FROM Account LIMIT 201":             "The SOQL FIELDS function must have a LIMIT of at most 200",
		"SELECT Id FROM Account LIMIT 1 OFFSET 2001":            "Maximum SOQL offset allowed is 2000",
		"SELECT Id, (SELECT Id FROM Nopes) FROM Account":        "Didn't understand relationship 'Nopes' in FROM part of query call",
		"SELECT Id FROM Name":                                   "entity type Name does not support query",
		"SELECT Id FROM Account WHERE Name = 5":                 "value of filter criterion for field 'Name' must be of type string",
		"SELECT Id FROM Account WHERE Id IN (SELECT Id FROM X)": "INVALID_TYPE",
	} {
		if m := w.queryError(text); !strings.Contains(m, want) {
			t.Errorf("%s\n have %s\n want %s", text, m, want)
		}
	}
}

// TestQueriesThatNoQueryMayBe: what the SOQL reference rules out is refused, and its neighbours are not.
func TestQueriesThatNoQueryMayBe(t *testing.T) {
	w := newWorld(t)
	const in = "SELECT Id FROM Account WHERE "
	const deals, people, cases = "Id IN (SELECT AccountId FROM Opportunity)", "Id IN (SELECT AccountId FROM Contact)", "Id NOT IN (SELECT AccountId FROM Case)"
	for text, want := range map[string]string{
		in + "Name = 'x' OR " + deals:                                                     "Semi join sub-selects are not allowed with the 'OR' operator",
		in + "Name = 'x' AND (Site = 'y' OR " + deals + ")":                               "only allowed at the top level",
		in + "NOT " + deals:                                                               "Semi join sub-selects are not allowed",
		in + "(NOT " + deals + ") AND Name = 'x'":                                         "Semi join sub-selects are",
		in + deals + " AND " + people + " AND " + cases:                                   "Maximum 2 semi join sub-selects are allowed",
		in + deals + " AND " + cases:                                                      "",
		in + "Id IN (SELECT ParentId FROM Account)":                                       "The inner and outer selects should not be on the same object type",
		in + "Name IN (SELECT AccountId FROM Contact)":                                    "should be an id field, cannot use: 'Name'",
		in + "Parent.OwnerId IN (SELECT Id FROM User)":                                    "should be an id field, cannot use: 'Parent.OwnerId'",
		in + "Id IN (SELECT LastName FROM Contact)":                                       "semi join sub-selects can only query id fields, cannot use: 'LastName'",
		in + "Id IN (SELECT Account.OwnerId FROM Contact)":                                "semi join sub-selects can only query id fields",
		in + "Id IN (SELECT OwnerId FROM Contact)":                                        "should point to the same object type",
		in + "Id IN (SELECT AccountId FROM Contact LIMIT 1)":                              "MALFORMED_QUERY",
		in + "Id IN (SELECT AccountId FROM Contact ORDER BY Id)":                          "MALFORMED_QUERY",
		in + "Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT WhoId FROM Task))": "Nesting of semi join sub-selects is not supported",
		in + "Id IN (SELECT WhatId FROM Task)":                                            "Entity 'Task' is not supported for semi join inner selects",
		"SELECT Id FROM Task WHERE WhatId IN (SELECT Id FROM Account)":                    "",
		"SELECT SUM(Name) FROM Account":                                                   "field Name does not support aggregate operator SUM",
		"SELECT AVG(CreatedDate) FROM Account":                                            "field CreatedDate does not support aggregate operator AVG",
		"SELECT SUM(OwnerId) FROM Account":                                                "field OwnerId does not support aggregate operator SUM",
		"SELECT MAX(Name), MIN(CreatedDate), SUM(NumberOfEmployees) FROM Account":         "",
		"SELECT Id, Name, id FROM Account":                                                "Column:18 duplicate field selected: Id",
		"SELECT a.Name, Name FROM Account a":                                              "duplicate field selected: Name",
		"SELECT Owner.Name, Owner.name FROM Account":                                      "duplicate field selected: Name",
		"SELECT Name, toLabel(Name) FROM Account":                                         "duplicate field selected: Name",
		"SELECT Name, FORMAT(CreatedDate) d FROM Account":                                 "",
		"SELECT Id, FIELDS(ALL) FROM Account LIMIT 1":                                     "duplicate field selected: Id",
		"SELECT Name n FROM Account":                                                      "only aggregate expressions use field aliasing",
		"SELECT Name x, COUNT(Id) x FROM Account GROUP BY Name":                           "duplicate alias: x",
		"SELECT Name, Name FROM Account GROUP BY Name":                                    "duplicate field selected: Name",
		"SELECT Account.Name, Owner.Name FROM Contact GROUP BY Account.Name, Owner.Name":  "duplicate alias: Name",
		"SELECT Name FROM Account GROUP BY Name, Name":                                    "duplicate field in GROUP BY: name",
		"SELECT Name FROM Account ORDER BY Name, name":                                    "duplicate field in ORDER BY: name",
		"SELECT COUNT(Id) FROM Account HAVING COUNT(Id) > 1":                              "HAVING needs GROUP BY",
		"SELECT COUNT(Id) FROM Account LIMIT 1":                                           "Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
		"SELECT COUNT() FROM Account LIMIT 1":                                             "",
		"SELECT COUNT(), Name FROM Account":                                               "COUNT() must be the only item",
		"SELECT COUNT() FROM Account GROUP BY Name":                                       "COUNT() cannot be used with GROUP BY",
		"SELECT COUNT() FROM Account ORDER BY Name":                                       "COUNT() cannot be used with ORDER BY",
		"SELECT Id FROM Account ORDER BY Id FOR UPDATE":                                   "ORDER BY is not allowed with FOR UPDATE",
		"SELECT Id FROM Account FOR VIEW FOR VIEW":                                        "FOR VIEW is given twice",
		"SELECT Id FROM Account FOR VIEW FOR REFERENCE":                                   "",
		"SELECT Id FROM Account ALL ROWS":                                                 "ALL ROWS not allowed in this context",
		"SELECT Id, (SELECT Id, Id FROM Contacts) FROM Account":                           "duplicate field selected: Id",
	} {
		q, err := soql.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Query(w.Admin(), q, false)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n have %v\n want %s", text, err, want)
		}
	}
}

func TestQueryFieldsAll(t *testing.T) {
	w := newWorld(t)
	w.fields("Account", words("Extra__c", 9))
	w.add("Account", "Name=A", "Extra__c=e")
	o, _ := w.Describe("Account")
	if a := w.answer("SELECT FIELDS(ALL) FROM Account LIMIT 200", false); len(a.Columns) != len(o.Fields) {
		t.Errorf("%d columns, want %d", len(a.Columns), len(o.Fields))
	}
	w.wants("SELECT FIELDS(CUSTOM) FROM Account LIMIT 1", "e")
}

// TestAnswersAreConsistentViews: what is written after a query does not show in its answer.
func TestAnswersAreConsistentViews(t *testing.T) {
	w := newWorld(t)
	w.fields("Contact", formulaField("F__c", "Text", "Account.Name"))
	acc := w.add("Account", "Name=Before")
	con := w.add("Contact", "LastName=L", "AccountId="+string(acc))
	a := w.answer("SELECT LastName, Account.Name, F__c, (SELECT Id FROM Tasks) FROM Contact", false)
	w.set(acc, "Name=After")
	w.set(con, "LastName=M")
	w.add("Task", "WhoId="+string(con))
	w.do(org.Delete, con)
	w.fields("Contact", words("New__c", 5))
	if got := a.Text(0, 0) + a.Text(0, 1) + a.Text(0, 2); got != "LBeforeBefore" || a.Record(0).Cells[3].Children != nil {
		t.Errorf("the answer moved: %s %+v", got, a.Record(0))
	}
}

func TestRetrieve(t *testing.T) {
	w := newWorld(t)
	a, b := w.add("Account", "Name=A"), w.add("Account", "Name=B")
	w.do(org.Delete, b)
	got, err := w.Retrieve(w.Admin(), "account", []string{a.Short(), string(b)}, []string{"name", "Owner.Name"})
	if err != nil || got[0] == nil || got[0].Cells[0].Text != "A" || got[1] != nil {
		t.Errorf("%+v %v", got, err)
	}
	if _, err = w.Retrieve(w.Admin(), "Account", []string{"x"}, []string{"Name"}); err == nil {
		t.Error("a malformed Id was accepted")
	}
	if _, err = w.Retrieve(w.Admin(), "Account", nil, []string{"Nope"}); err == nil {
		t.Error("an unknown field was accepted")
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(t)
	q, err := soql.Parse("SELECT Name, Owner.Name, (SELECT Id FROM Contacts) FROM Account WHERE Name LIKE 'A%'")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	for n := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 30 {
				r := w.Write(w.Admin(), org.Insert, []org.Row{{Object: "Account", Fields: fields(fmt.Sprintf("Name=A%d", i))}}, org.Options{})
				w.Write(w.Admin(), org.Insert, []org.Row{{Object: "Contact", Fields: fields("LastName=L", "AccountId="+string(r[0].ID))}}, org.Options{})
				a, err := w.Query(w.Admin(), q, false)
				if err != nil {
					t.Error(err)
					return
				}
				for k := range a.Len() {
					a.Record(k)
				}
				if o, _ := w.Describe("Account"); o.Field("Name") == nil {
					t.Error("no Name")
				}
				if i == 10 {
					err := w.Change(w.Admin(), func(tx *org.Tx) error { return putFields(tx, "Account", words(fmt.Sprintf("F%d__c", n), 5)) })
					if err != nil {
						t.Error(err)
					}
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
	w.wants("SELECT COUNT(Id) FROM Account", "120")
}

// Source: SOQL and SOSL Reference, "Understanding Relationship Query Limitations".
func TestQueriesReachOnlySoFar(t *testing.T) {
	w := newWorld(t)
	w.fields("Contact", func() (specs []org.FieldSpec) {
		for i := range 60 {
			specs = append(specs, org.FieldSpec{Name: fmt.Sprintf("L%d__c", i), Type: "Lookup", ReferenceTo: "Account", RelationshipName: fmt.Sprintf("C%d", i)})
		}
		return specs
	}()...)
	list := func(n int, format string) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(format, i))
		}
		return strings.Join(parts, ", ")
	}
	nested := func(levels int) string {
		text := "SELECT Id FROM ChildAccounts"
		for range levels - 2 {
			text = "SELECT Id, (" + text + ") FROM ChildAccounts"
		}
		return "SELECT Id, (" + text + ") FROM Account"
	}
	for _, c := range []struct {
		query   string
		version int
		refused string
	}{
		{"SELECT Account.Parent.Parent.Parent.Parent.Name FROM Contact", 66, ""},
		{"SELECT Account.Parent.Parent.Parent.Parent.Parent.Name FROM Contact", 66, "5 levels"},
		{"SELECT Id FROM Contact WHERE Account.Parent.Parent.Parent.Parent.Parent.Name = 'x'", 66, "5 levels"},
		{"SELECT " + list(55, "L%[1]d__r.Name, L%[1]d__r.Phone") + " FROM Contact", 66, ""},
		{"SELECT " + list(55, "L%d__r.Name") + " FROM Contact WHERE Account.Name = 'x'", 66, "55 parent"},
		{"SELECT Id, " + list(20, "(SELECT Id FROM C%d__r)") + " FROM Account", 66, ""},
		{"SELECT Id, " + list(21, "(SELECT Id FROM C%d__r)") + " FROM Account", 66, "20 child"},
		{nested(5), 58, ""},
		{nested(6), 66, "more than 4 level"},
		{nested(2), 57, ""},
		{nested(3), 57, "more than 1 level"},
		{"SELECT Id FROM Account WHERE Name = '" + strings.Repeat("x", 4000) + "'", 66, ""},
		{"SELECT Id FROM Account WHERE Name = '" + strings.Repeat("x", 4001) + "'", 66, "4000"},
		{"SELECT Id FROM Account WHERE Name IN ('a', '" + strings.Repeat("x", 4001) + "')", 66, "4000"},
	} {
		q, err := soql.Parse(c.query)
		if err == nil {
			_, err = w.Query(org.Caller{User: w.Admin().User, Version: c.version}, q, false)
		}
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%.120s in version %d: %v, want %q", c.query, c.version, err, c.refused)
		}
	}
}

func TestTypeOfCountsWhatItNames(t *testing.T) {
	w := newWorld(t)
	w.fields("Event", func() (specs []org.FieldSpec) {
		for i := range 53 {
			specs = append(specs, org.FieldSpec{Name: fmt.Sprintf("L%d__c", i), Type: "Lookup", ReferenceTo: "Account", RelationshipName: fmt.Sprintf("E%d", i)})
		}
		return specs
	}()...)
	text := "SELECT "
	for i := range 53 {
		text += fmt.Sprintf("L%d__r.Name, ", i)
	}
	text += "TYPEOF What WHEN Account THEN Phone WHEN Opportunity THEN Amount END FROM Event"
	if m := w.queryError(text); !strings.Contains(m, "55 parent") {
		t.Error(m)
	}
	w.wants(text + " WHERE Id = '00U000000000001AAA'")
}

// Source: SOQL and SOSL Reference, USING SCOPE.
func TestScopesOfQueries(t *testing.T) {
	w := newWorld(t)
	sam := w.sam()
	queue := w.add("Group", "Name=Q", "Type=Queue")
	w.add("QueueSobject", "QueueId="+string(queue), "SobjectType=Case")
	mine := string(w.add("Case", "Subject=mine"))
	queued := string(w.add("Case", "Subject=queued", "OwnerId="+string(queue)))
	given := string(w.add("Case", "Subject=given", "OwnerId="+string(sam.caller.User)))
	task := string(w.add("Task", "Subject=given", "OwnerId="+string(sam.caller.User)))
	w.add("Task", "Subject=mine")
	w.wants("SELECT Id FROM Case USING SCOPE everything ORDER BY Id", mine, queued, given)
	w.wants("SELECT Id FROM Case USING SCOPE mine", mine)
	w.wants("SELECT Id FROM Case USING SCOPE queue_owned", queued)
	w.wants("SELECT Id FROM Case USING SCOPE user_owned ORDER BY Id", mine, given)
	w.wants("SELECT Id FROM Task USING SCOPE delegated", task)
	w.wants("SELECT Id FROM Case USING SCOPE genericteam")
	role := w.add("CaseTeamRole", "Name=R", "AccessLevel=Edit")
	w.add("CaseTeamMember", "ParentId="+given, "MemberId="+string(w.Admin().User), "TeamRoleId="+string(role))
	w.wants("SELECT Id FROM Case USING SCOPE genericteam", given)
	if m := w.queryError("SELECT Id FROM Product2 USING SCOPE mine"); !strings.Contains(m, "filter scope 'mine' is not supported") {
		t.Error(m)
	}
}
