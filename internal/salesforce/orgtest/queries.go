package orgtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var queryRules = []law{
	{
		"query/malformed", "Text that is no query is 400 MALFORMED_QUERY",
		client("sf 2.150.6 and jsforce 3.12 show its message"),
		func(_ *testing.T, o *Org) { o.Get("query?q=SELECT").Refused(400, "MALFORMED_QUERY", "") },
	},
	{
		"query/unknown-field", "An unknown field is 400 INVALID_FIELD, with the place in the query",
		client("SFDMU 3.7.19 asks for IsPersonAccount and expects it"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q=SELECT+Nosuch+FROM+Account").Refused(400, "INVALID_FIELD", "No such column 'Nosuch' on entity 'Account'")
		},
	},
	{
		"query/unknown-object", "An unknown object is 400 INVALID_TYPE",
		client("sf 2.150.6 takes it for an org that is no hub: ScratchOrgInfo"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q=SELECT+Id+FROM+Nosuch").Refused(400, "INVALID_TYPE", "sObject type 'Nosuch' is not supported")
		},
	},
	{
		"query/count", "SELECT COUNT() answers in totalSize, without records",
		document("SOQL and SOSL Reference, COUNT()"),
		func(t *testing.T, o *Org) {
			p := o.Query("SELECT COUNT() FROM Account WHERE Id = '" + o.Account() + "'")
			if p.TotalSize != 1 || len(p.Records) != 0 {
				t.Errorf("%+v", p)
			}
		},
	},
	{
		"query/aggregates", "Aggregates without an alias are expr0, expr1",
		document("SOQL and SOSL Reference, Using Aliases with GROUP BY"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			got := o.Query("SELECT COUNT(Id), MAX(Name) m, MIN(Name) FROM Account WHERE Id = '" + id + "'").Records[0]
			if fmt.Sprint(got["expr0"]) != "1" || got["m"] == nil || got["expr1"] != got["m"] {
				t.Errorf("%v", got)
			}
		},
	},
	{
		"query/parents-and-children", "Fields of parents are nested objects, children nested pages",
		document("SOQL and SOSL Reference, Relationship Queries"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			child := o.Contact(id)
			got := o.Query("SELECT Id, Owner.Name, (SELECT Id, Account.Id FROM Contacts) FROM Account WHERE Id = '" + id + "'").Records[0]
			contacts := fmt.Sprint(got["Contacts"])
			if got["Owner"] == nil || !strings.Contains(contacts, child) || !strings.Contains(contacts, "totalSize:1") {
				t.Errorf("%v", got)
			}
		},
	},
	{
		"query/no-children", "A parent without children has null in their place",
		document("SOQL and SOSL Reference, Relationship Queries; REST API Developer Guide, Query"),
		func(t *testing.T, o *Org) {
			got := o.Query("SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Id = '" + o.Account() + "'").Records[0]
			if v, ok := got["Contacts"]; !ok || v != nil {
				t.Errorf("%v", got)
			}
		},
	},
	{
		"query/text-ignores-case", "Comparisons of text ignore case",
		document("SOQL and SOSL Reference, Comparison Operators"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			o.Create("Account", Values{"Name": name})
			if n := o.Query("SELECT Id FROM Account WHERE Name = '" + strings.ToUpper(name) + "'").TotalSize; n != 1 {
				t.Errorf("%d rows", n)
			}
		},
	},
	{
		"query/nulls-first", "ORDER BY puts nulls first unless told otherwise",
		document("SOQL and SOSL Reference, ORDER BY"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			with := o.Create("Account", Values{"Name": name, "Site": "b"})
			without := o.Create("Account", Values{"Name": name})
			for order, want := range map[string]string{"Site": without, "Site NULLS LAST": with} {
				if got := o.Query("SELECT Id FROM Account WHERE Name = '" + name + "' ORDER BY " + order).Records[0]["Id"]; got != want {
					t.Errorf("ORDER BY %s begins with %v, want %s", order, got, want)
				}
			}
		},
	},
	{
		"query/ids-of-15", "An Id of 15 characters in a condition finds the record",
		document("SOQL and SOSL Reference, WHERE: Id fields"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			if n := o.Query("SELECT Id FROM Account WHERE Id IN ('" + id[:15] + "')").TotalSize; n != 1 {
				t.Errorf("%d rows", n)
			}
		},
	},
	{
		"query/pages", "A page has at most the rows that were asked for, at least 200, and a locator for the rest",
		document("REST API Developer Guide, Query; Query Options Header"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			rows := make([]Values, 200)
			for i := range rows {
				rows[i] = Values{"attributes": Values{"type": "Account"}, "Name": name}
			}
			for range 2 {
				for _, r := range o.collection("POST", "", rows) {
					o.t.Cleanup(func() { o.discard("Account", r.ID) })
				}
			}
			var p, next Page
			o.Do("GET", "query?q=SELECT+Id+FROM+Account+WHERE+Name='"+strings.ReplaceAll(name, " ", "+")+"'", "", "",
				"Sforce-Query-Options", "batchSize=200").OK(200).Into(&p)
			if p.TotalSize != 400 || p.Done || len(p.Records) != 200 || p.NextRecordsURL == "" {
				t.Fatalf("%d of %d, done %t, next %q", len(p.Records), p.TotalSize, p.Done, p.NextRecordsURL)
			}
			o.Get(p.NextRecordsURL).OK(200).Into(&next)
			if next.TotalSize != 400 || !next.Done || len(next.Records) != 200 {
				t.Errorf("second page: %d of %d, done %t", len(next.Records), next.TotalSize, next.Done)
			}
		},
	},
	{
		"query/locator", "A locator that is none is 400 INVALID_QUERY_LOCATOR",
		document("SOAP API Developer Guide, ExceptionCode: INVALID_QUERY_LOCATOR"),
		func(_ *testing.T, o *Org) {
			o.Get("query/01g000000000000AAA-500").Refused(400, "INVALID_QUERY_LOCATOR", "")
		},
	},
	{
		"query/needs-a-filter", "ContentDocumentLink is only read by the document or by what it is linked to",
		document("Object Reference, ContentDocumentLink: Usage"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q=SELECT+Id+FROM+ContentDocumentLink").Refused(400, "MALFORMED_QUERY", "")
		},
	},
	{
		"query/not-queryable", "Some objects are described and cannot be queried",
		document("Object Reference, Name, ActivityHistory, NoteAndAttachment"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q=SELECT+Id+FROM+ActivityHistory").Refused(400, "INVALID_TYPE_FOR_OPERATION", "does not support query")
		},
	},
	{
		"query/semi-joins", "A semi-join stands alone or among terms joined by AND, twice at most, over Ids of another object",
		document("SOQL and SOSL Reference, Comparison Operators: semi-join and anti-join restrictions"),
		func(_ *testing.T, o *Org) {
			const deals = "Id IN (SELECT AccountId FROM Opportunity)"
			for _, where := range []string{
				"Name = 'x' OR " + deals, "Site = 'x' AND (Name = 'x' OR " + deals + ")", "(NOT " + deals + ")",
				deals + " AND Id IN (SELECT AccountId FROM Contact) AND Id IN (SELECT AccountId FROM Case)",
				"Id IN (SELECT ParentId FROM Account)", "Name IN (SELECT AccountId FROM Contact)", "Id IN (SELECT AccountId FROM Contact LIMIT 1)",
				"Id IN (SELECT OwnerId FROM Contact)", "Id IN (SELECT LastName FROM Contact)",
				"Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT ContactId FROM Case))",
			} {
				o.Get("query?q="+escape("SELECT Id FROM Account WHERE "+where)).Refused(400, "MALFORMED_QUERY", "")
			}
			o.Query("SELECT Id FROM Account WHERE Id = '" + o.Account() + "' AND " + deals + " AND Id NOT IN (SELECT AccountId FROM Case)")
		},
	},
	{
		"query/selected-once", "A field is selected once, by its path",
		client("SFDMU issue 340 shows the reply"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q="+escape("SELECT Id, Owner.Name, Owner.name FROM Account")).Refused(400, "INVALID_FIELD", "duplicate field selected: Name")
		},
	},
	{
		"query/field-alias", "A field has an alias in an aggregate query only",
		document("SOQL and SOSL Reference, Using Aliases with GROUP BY"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q="+escape("SELECT Name n FROM Account")).Refused(400, "MALFORMED_QUERY", "only aggregate expressions use field aliasing")
		},
	},
	{
		"query/aggregate-limits", "An aggregate of all rows takes no LIMIT and no HAVING, and COUNT() no order and no groups",
		document("SOQL and SOSL Reference, LIMIT, HAVING and COUNT()"),
		func(_ *testing.T, o *Org) {
			for _, soql := range []string{
				"SELECT MAX(CreatedDate) FROM Account LIMIT 1", "SELECT COUNT(Id) FROM Account HAVING COUNT(Id) > 1",
				"SELECT COUNT() FROM Account ORDER BY Name", "SELECT COUNT() FROM Account GROUP BY Name", "SELECT COUNT(), Name FROM Account",
			} {
				o.Get("query?q="+escape(soql)).Refused(400, "MALFORMED_QUERY", "")
			}
		},
	},
	{
		"query/sums-are-of-numbers", "SUM and AVG take numbers only",
		document("SOQL and SOSL Reference, Support for Field Types in Aggregate Functions"),
		func(_ *testing.T, o *Org) {
			for _, call := range []string{"SUM(Name)", "AVG(CreatedDate)", "SUM(OwnerId)"} {
				o.Get("query?q="+escape("SELECT "+call+" FROM Account")).Refused(400, "INVALID_FIELD", "does not support aggregate operator")
			}
		},
	},
	{
		"query/named-once", "ORDER BY and GROUP BY name a field once",
		unverified,
		func(_ *testing.T, o *Org) {
			for _, tail := range []string{"ORDER BY Name, Name", "GROUP BY Name, Name"} {
				o.Get("query?q="+escape("SELECT Name FROM Account "+tail)).Refused(400, "MALFORMED_QUERY", "")
			}
		},
	},
	{
		"query/locks", "A query that locks has no order",
		document("SOQL and SOSL Reference, FOR UPDATE: ORDER BY cannot be used with locks"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q="+escape("SELECT Id FROM Account ORDER BY Id FOR UPDATE")).Refused(400, "MALFORMED_QUERY", "")
		},
	},
	{
		"query/all-rows", "ALL ROWS is a word of Apex: queryAll is what sees the bin over an API",
		document("SOQL and SOSL Reference, ALL ROWS; REST API Developer Guide, QueryAll"),
		func(_ *testing.T, o *Org) {
			o.Get("query?q="+escape("SELECT Id FROM Account ALL ROWS")).Refused(400, "MALFORMED_QUERY", "")
		},
	},
	{
		"query/date-literals", "Date literals such as TODAY compare by the day of the user",
		document("SOQL and SOSL Reference, Date Formats and Date Literals"),
		func(t *testing.T, o *Org) {
			if n := o.Query("SELECT Id FROM Account WHERE CreatedDate >= LAST_N_DAYS:2 AND Id = '" + o.Account() + "'").TotalSize; n != 1 {
				t.Errorf("%d rows", n)
			}
		},
	},
}

var changeRules = []law{
	{
		"changes/updated", "getUpdated names what changed in the span, and the time that it covers",
		document("REST API Developer Guide, Get Updated"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			from, to := o.around(id)
			var got struct {
				IDs               []string
				LatestDateCovered string
			}
			o.Get("sobjects/Account/updated/?start=" + from + "&end=" + to).OK(200).Into(&got)
			if !strings.Contains(fmt.Sprint(got.IDs), id) || got.LatestDateCovered == "" {
				t.Errorf("%+v", got)
			}
		},
	},
	{
		"changes/deleted", "getDeleted names what was deleted in the span, and since when it can tell",
		document("REST API Developer Guide, Get Deleted"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			from, to := o.around(id)
			o.Delete("sobjects/Account/" + id).OK(204)
			var got struct {
				DeletedRecords        []struct{ ID, DeletedDate string }
				EarliestDateAvailable string
				LatestDateCovered     string
			}
			o.Get("sobjects/Account/deleted/?start=" + from + "&end=" + to).OK(200).Into(&got)
			if !strings.Contains(fmt.Sprint(got.DeletedRecords), id) || got.EarliestDateAvailable == "" || got.LatestDateCovered == "" {
				t.Errorf("%+v", got)
			}
		},
	},
	{
		"changes/too-far-back", "getUpdated looks back 30 days at most",
		document("REST API Developer Guide, Get Updated: startDate cannot be more than 30 days ago"),
		func(_ *testing.T, o *Org) {
			o.Get("sobjects/Account/updated/?start=2001-01-01T00:00:00Z&end=2001-01-02T00:00:00Z").Refused(400, "INVALID_REPLICATION_DATE", "")
		},
	},
	{
		"changes/span-backwards", "A span that ends before it begins is refused",
		document("SOAP API Developer Guide, getUpdated(): startDate must chronologically precede endDate by more than one minute"),
		func(_ *testing.T, o *Org) {
			from, to := o.around(o.Account())
			o.Get("sobjects/Account/deleted/?start="+to+"&end="+from).Refused(400, "INVALID_REPLICATION_DATE", "")
		},
	},
}

// around is a span of some minutes that the creation of the record lies in, by the org's clock.
func (o *Org) around(id string) (from, to string) {
	o.t.Helper()
	at := o.moment(o.Field("Account", id, "CreatedDate"))
	const form = "2006-01-02T15:04:05Z"
	return at.Add(-5 * time.Minute).UTC().Format(form), at.Add(5 * time.Minute).UTC().Format(form)
}
