package orgtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// has fails unless the reply holds all texts.
func (r Reply) has(texts ...string) {
	r.t.Helper()
	for _, want := range texts {
		if !strings.Contains(string(r.Body), want) {
			r.t.Errorf("no %s in %.800s", want, r.Body)
		}
	}
}

// root is the path of the version.
func (o *Org) root() string { return "/services/data/v" + o.target.Version }

var resourceRules = []law{
	{
		"graph/each-by-itself", "A composite graph that fails is taken back whole; the others stay",
		document("REST API Developer Guide, Composite Graph"),
		func(t *testing.T, o *Org) {
			good, bad := o.Name(), o.Name()
			post := func(name, reference string) Values {
				return Values{"method": "POST", "url": o.root() + "/sobjects/Account", "referenceId": reference, "body": Values{"Name": name}}
			}
			r := o.Post("composite/graph", Values{"graphs": []Values{
				{"graphId": "1", "compositeRequest": []Values{post(good, "a")}},
				{"graphId": "2", "compositeRequest": []Values{post(bad, "b"), post("", "c")}},
			}}).OK(200)
			r.has(`"isSuccessful":true`, `"isSuccessful":false`)
			for name, want := range map[string]int{good: 1, bad: 0} {
				p := o.Query("SELECT Id FROM Account WHERE Name = '" + name + "'")
				if p.TotalSize != want {
					t.Errorf("%d rows of %s, want %d", p.TotalSize, name, want)
				}
				for _, row := range p.Records {
					o.discard("Account", row["Id"].(string))
				}
			}
		},
	},
	{
		"graph/75", "A call has 75 graphs at most, and one at least",
		document("REST API Developer Guide, Composite Graph Limits"),
		func(t *testing.T, o *Org) {
			graphs := make([]Values, 76)
			for i := range graphs {
				graphs[i] = Values{"graphId": fmt.Sprint(i), "compositeRequest": []Values{{"method": "GET", "url": o.root() + "/sobjects/Account/001000000000000AAA", "referenceId": "a"}}}
			}
			for _, all := range [][]Values{{}, graphs} {
				if r := o.Post("composite/graph", Values{"graphs": all}); r.Status != 400 {
					t.Errorf("%d graphs: status %d", len(all), r.Status)
				}
			}
		},
	},
	{
		"batch/each-by-itself", "The requests of a batch are done one by one, and one that fails stops nobody",
		document("REST API Developer Guide, Composite Batch"),
		func(_ *testing.T, o *Org) {
			v := "v" + o.target.Version
			o.Post("composite/batch", Values{"batchRequests": []Values{{"method": "GET", "url": v + "/nosuch"}, {"method": "GET", "url": v + "/sobjects/Account/describe"}}}).
				OK(200).has(`"hasErrors":true`, `"statusCode":404`, `"statusCode":200`)
		},
	},
	{
		"batch/halt", "A batch that halts on error does not do the rest",
		document("REST API Developer Guide, Composite Batch: haltOnError; BATCH_PROCESSING_HALTED"),
		func(_ *testing.T, o *Org) {
			v := "v" + o.target.Version
			o.Post("composite/batch", Values{"haltOnError": true, "batchRequests": []Values{{"method": "GET", "url": v + "/nosuch"}, {"method": "GET", "url": v + "/limits"}}}).
				OK(200).has(`"statusCode":412`, "BATCH_PROCESSING_HALTED")
		},
	},
	{
		"batch/25", "A batch has 25 requests at most",
		document("REST API Developer Guide, Composite Batch: up to 25 subrequests"),
		func(t *testing.T, o *Org) {
			all := make([]Values, 26)
			for i := range all {
				all[i] = Values{"method": "GET", "url": "v" + o.target.Version + "/limits"}
			}
			if r := o.Post("composite/batch", Values{"batchRequests": all}); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"tree/nested", "A tree makes parents and their children",
		document("REST API Developer Guide, sObject Tree: Create Nested Records"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			o.Post("composite/tree/Account", Values{"records": []Values{{
				"attributes": Values{"type": "Account", "referenceId": "a"}, "Name": name,
				"Contacts": Values{"records": []Values{{"attributes": Values{"type": "Contact", "referenceId": "c"}, "LastName": "x"}}},
			}}}).OK(201).has(`"hasErrors":false`)
			p := o.Query("SELECT AccountId FROM Contact WHERE Account.Name = '" + name + "'")
			if p.TotalSize != 1 {
				t.Fatalf("%d contacts", p.TotalSize)
			}
			o.discard("Account", p.Records[0]["AccountId"].(string))
		},
	},
	{
		"tree/200", "A tree has 200 records at most",
		document("REST API Developer Guide, sObject Tree: up to 200 records"),
		func(t *testing.T, o *Org) {
			all := make([]Values, 201)
			for i := range all {
				all[i] = Values{"attributes": Values{"type": "Account", "referenceId": fmt.Sprintf("r%d", i)}, "Name": "x"}
			}
			if r := o.Post("composite/tree/Account", Values{"records": all}); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"tree/references", "A reference id stands once in a tree",
		document("REST API Developer Guide, sObject Tree: referenceId is unique"),
		func(t *testing.T, o *Org) {
			row := Values{"attributes": Values{"type": "Account", "referenceId": "r"}, "Name": "x"}
			if r := o.Post("composite/tree/Account", Values{"records": []Values{row, row}}); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"search/malformed", "A search without braces is 400 MALFORMED_SEARCH",
		document("SOSL Reference, FIND; StatusCode MALFORMED_SEARCH"),
		func(_ *testing.T, o *Org) { o.Get("search?q="+escape("FIND x")).Refused(400, "MALFORMED_SEARCH", "") },
	},
	{
		"search/one-letter", "A search term has more than one character",
		document("SOSL Reference, FIND: search terms"),
		func(_ *testing.T, o *Org) {
			o.Get("search?q="+escape("FIND {a}")).Refused(400, "MALFORMED_SEARCH", "longer than one character")
		},
	},
	{
		"search/returning", "A search returns only the objects that it names",
		document("SOSL Reference, RETURNING"),
		func(t *testing.T, o *Org) {
			o.Account()
			var got struct {
				SearchRecords []struct{ Attributes struct{ Type string } }
			}
			o.Get("search?q=" + escape("FIND {orgtest} IN NAME FIELDS RETURNING Contact(Id)")).OK(200).Into(&got)
			for _, r := range got.SearchRecords {
				if r.Attributes.Type != "Contact" {
					t.Errorf("%s", r.Attributes.Type)
				}
			}
		},
	},
	{
		"query/columns", "columns=true tells the columns of a query and runs nothing",
		client("sf 2.150.6 asks for it before each query"),
		func(t *testing.T, o *Org) {
			r := o.Get("query?columns=true&q=" + escape("SELECT Id, Owner.Name FROM Account")).OK(200)
			r.has(`"columnMetadata":`, `"entityName":"Account"`, `"columnName":"Owner"`, `"joinColumns":`)
			if strings.Contains(string(r.Body), `"totalSize"`) {
				t.Errorf("%.300s", r.Body)
			}
		},
	},
	{
		"query/explain", "explain tells the plan of a query",
		document("REST API Developer Guide, Query Performance Feedback"),
		func(_ *testing.T, o *Org) {
			o.Get("query?explain="+escape("SELECT Id FROM Account")).OK(200).has(`"leadingOperationType":"TableScan"`, `"sobjectType":"Account"`)
		},
	},
	{
		"records/conditional-read", "A record that has not changed since is 304",
		document("REST API Developer Guide, Conditional Request Headers: If-Modified-Since"),
		func(_ *testing.T, o *Org) {
			id := o.Account()
			at := o.moment(o.Field("Account", id, "LastModifiedDate")).Add(time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
			o.Do("GET", "sobjects/Account/"+id, "", "", "If-Modified-Since", at).OK(304)
			o.Do("GET", "sobjects/Account/"+id, "", "", "If-Unmodified-Since", at).OK(200)
		},
	},
	{
		"records/conditional-write", "A record that has changed since is not written: 412",
		document("REST API Developer Guide, Conditional Request Headers: If-Unmodified-Since"),
		func(_ *testing.T, o *Org) {
			id := o.Account()
			at := o.moment(o.Field("Account", id, "LastModifiedDate")).Add(-time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
			o.Do("PATCH", "sobjects/Account/"+id, "application/json", `{"Site":"x"}`, "If-Unmodified-Since", at).OK(412)
			o.Has("Account", id, "Site", "<nil>")
		},
	},
	{
		"records/relationship-paths", "A path goes on along a relationship",
		document("REST API Developer Guide, sObject Relationships"),
		func(_ *testing.T, o *Org) {
			account := o.Account()
			contact := o.Contact(account)
			o.Get("sobjects/Contact/" + contact + "/Account").OK(200).has(account)
			o.Get("sobjects/Account/"+account+"/Contacts").OK(200).has(contact, `"totalSize":1`)
		},
	},
	{
		"records/media-type", "A body of a type that is no JSON is 415",
		document("REST API Developer Guide, Status Codes and Error Responses: 415"),
		func(_ *testing.T, o *Org) {
			o.Do("POST", "sobjects/Account", "text/plain", `{"Name":"x"}`).Refused(415, "UNSUPPORTED_MEDIA_TYPE", "")
		},
	},
	{
		"limits/record-count", "recordCount tells numbers of rows, and passes over empty objects",
		document("REST API Developer Guide, Record Count"),
		func(_ *testing.T, o *Org) {
			o.Account()
			o.Get("limits/recordCount?sObjects=Account").OK(200).has(`"sObjects":[`)
		},
	},
	{
		"limits/daily", "limits tells how many requests are left, and each reply how many were used",
		document("REST API Developer Guide, Limits; Limit Info Header"),
		func(t *testing.T, o *Org) {
			r := o.Get("limits").OK(200)
			r.has(`"DailyApiRequests":{`, `"Max":`, `"Remaining":`)
			if got := r.Header.Get("Sforce-Limit-Info"); !strings.HasPrefix(got, "api-usage=") {
				t.Errorf("%q", got)
			}
		},
	},
}

// keyRules need the fixture.
var keyRules = []law{
	{
		"collections/twins-by-external-id", "Rows of an upsert that carry the same external id are all refused",
		document("public replies: Duplicate external id specified (StackExchange 104048, 296121)"),
		func(t *testing.T, o *Org) {
			code := o.Name()
			code = code[len(code)-15:]
			row := Values{"attributes": Values{"type": thing}, "Name": "x", "Code__c": code}
			for _, r := range o.collection("PATCH", "/"+thing+"/Code__c", []Values{row, row}) {
				if r.Success || r.Errors[0].StatusCode != "DUPLICATE_VALUE" {
					t.Errorf("%+v", r)
				}
			}
		},
	},
	{
		"big-objects/not-updated", "A record of a big object is written by its index and not updated by its Id",
		document("Big Objects Implementation Guide, Populate a Custom Big Object"),
		func(t *testing.T, o *Org) {
			if o.describe("Orgtest_Visit__b").Updateable {
				t.Error("updateable")
			}
		},
	},
}
