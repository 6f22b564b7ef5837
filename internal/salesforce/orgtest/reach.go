package orgtest

import (
	"fmt"
	"strings"
	"testing"
)

// nested is a query of so many levels of accounts.
func nested(levels int) string {
	text := "SELECT Id FROM ChildAccounts"
	for range levels - 2 {
		text = "SELECT Id, (" + text + ") FROM ChildAccounts"
	}
	return "SELECT Id, (" + text + ") FROM Account LIMIT 1"
}

// at asks a version of the API.
func (o *Org) at(version, soql string) Reply {
	o.t.Helper()
	return o.Get("/services/data/v" + version + "/query?q=" + escape(soql))
}

const reachDocument = "SOQL and SOSL Reference, Understanding Relationship Query Limitations"

var reachRules = []law{
	{
		"query/parent-levels", "A path goes up five levels of parents, not six", document(reachDocument),
		func(_ *testing.T, o *Org) {
			path := strings.Repeat("Parent.", 5)
			o.Get("query?q=" + escape("SELECT "+path+"Name FROM Account LIMIT 1")).OK(200)
			o.Get("query?q="+escape("SELECT Parent."+path+"Name FROM Account LIMIT 1")).Refused(400, "MALFORMED_QUERY", "")
		},
	},
	{
		"query/child-levels", "From version 58 a query has five levels of children, itself the first", document(reachDocument),
		func(_ *testing.T, o *Org) {
			o.at("58.0", nested(5)).OK(200)
			o.at("58.0", nested(6)).Refused(400, "MALFORMED_QUERY", "")
		},
	},
	{
		"query/child-levels-before", "Until version 57 a sub-select has no sub-selects",
		client("datanucleus-salesforce expects \"cannot query aggregate relationships more than 1 level away\""),
		func(_ *testing.T, o *Org) {
			o.at("57.0", nested(2)).OK(200)
			o.at("57.0", nested(3)).Refused(400, "MALFORMED_QUERY", "more than 1 level away from the root entity object")
		},
	},
	{
		"query/sub-selects", "A query has twenty sub-selects, not more", document(reachDocument),
		func(t *testing.T, o *Org) {
			var d describe
			o.Get("sobjects/Account/describe").OK(200).Into(&d)
			var subs []string
			for _, c := range d.ChildRelationships {
				if c.RelationshipName == "" || c.ChildSObject == "OpenActivity" || c.ChildSObject == "ActivityHistory" {
					continue
				}
				sub := "(SELECT Id FROM " + c.RelationshipName + ")"
				if o.Do("GET", "query?q="+escape("SELECT Id, "+sub+" FROM Account LIMIT 1"), "", "").Status == 200 {
					subs = append(subs, sub)
				}
				if len(subs) == 21 {
					break
				}
			}
			if len(subs) < 21 {
				t.Skip("the org has too few children of Account")
			}
			ask := func(n int) Reply {
				return o.Get("query?q=" + escape("SELECT Id, "+strings.Join(subs[:n], ", ")+" FROM Account LIMIT 1"))
			}
			ask(20).OK(200)
			ask(21).Refused(400, "MALFORMED_QUERY", "")
		},
	},
	{
		"records/entity-tag", "An account has an entity tag: If-None-Match is 304, If-Match of another 412",
		document("REST API Developer Guide, Conditional Request Headers: ETag, If-Match, If-None-Match"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			tag := o.Get("sobjects/Account/" + id).OK(200).Header.Get("ETag")
			if tag == "" {
				t.Fatal("no ETag")
			}
			o.Do("GET", "sobjects/Account/"+id, "", "", "If-None-Match", tag).OK(304)
			o.Do("PATCH", "sobjects/Account/"+id, "application/json", `{"Site":"x"}`, "If-Match", `"other"`).OK(412)
			o.Do("PATCH", "sobjects/Account/"+id, "application/json", `{"Site":"x"}`, "If-Match", tag).OK(204)
		},
	},
	{
		"describe/scopes", "Scopes follow from who can own a record, in the order of their names",
		described("describes of Lead, Case and Event that public tests recorded"),
		func(t *testing.T, o *Org) {
			for object, want := range map[string]string{
				"Lead": "everything mine queue_owned scopingRule team user_owned", "Event": "delegated everything mine scopingRule team",
			} {
				var d struct{ SupportedScopes []struct{ Name string } }
				o.Get("sobjects/" + object + "/describe").OK(200).Into(&d)
				var have []string
				for _, s := range d.SupportedScopes {
					have = append(have, s.Name)
				}
				if got := strings.Join(have, " "); got != want {
					t.Errorf("%s: %s, want %s", object, got, want)
				}
			}
		},
	},
	{
		"describe/default-of-a-picklist", "The default value of a picklist is that of its field",
		described("describes of Lead and Case that public tests recorded"),
		func(t *testing.T, o *Org) {
			var d struct {
				Fields []struct {
					Name, Type        string
					DefaultValue      any
					DefaultedOnCreate bool
					PicklistValues    []struct {
						Value        string
						DefaultValue bool
					}
				}
			}
			o.Get("sobjects/Case/describe").OK(200).Into(&d)
			for _, f := range d.Fields {
				for _, v := range f.PicklistValues {
					if v.DefaultValue && (fmt.Sprint(f.DefaultValue) != v.Value || !f.DefaultedOnCreate) {
						t.Errorf("Case.%s: the default is %v, its value %s", f.Name, f.DefaultValue, v.Value)
					}
				}
			}
		},
	},
	{
		"bulk-query/chunked", "A job says whether its object is chunked: Account is, Profile is not",
		document("Bulk API Developer Guide, PK Chunking; Bulk API 2.0, Chunking Query Jobs"),
		func(_ *testing.T, o *Org) {
			for object, want := range map[string]string{"Account": "true", "Profile": "false"} {
				job := o.Export(Values{"operation": "query", "query": "SELECT Id FROM " + object + " LIMIT 1"})
				o.Get("jobs/query/" + job.ID).OK(200).has(`"isPkChunkingSupported":` + want)
			}
		},
	},
}

var sharedActivityRules = []law{
	{
		"shared-activities/primary", "WhoId is one of the people of a task, and a new one joins them", document("Object Reference, Task: WhoId; TaskRelation"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			one, other := o.Contact(account), o.Contact(account)
			task := o.Create("Task", Values{"Subject": "x", "WhoId": one})
			o.Set("Task", task, Values{"WhoId": other})
			o.Has("Task", task, "WhoCount", "2")
			if n := o.Query("SELECT Id FROM TaskRelation WHERE IsWhat = false AND TaskId = '" + task + "'").TotalSize; n != 2 {
				t.Errorf("%d relations", n)
			}
			o.Patch("sobjects/Task/"+task, Values{"WhoId": nil}).OK(204)
			o.Has("Task", task, "WhoId", one)
		},
	},
	{
		"shared-activities/lead-alone", "A lead shares a task with nobody", document("Salesforce Help, Guidelines for Relating Multiple Contacts to Activities"),
		func(_ *testing.T, o *Org) {
			task := o.Create("Task", Values{"Subject": "x", "WhoId": o.Contact(o.Account())})
			o.Post("sobjects/TaskRelation", Values{"TaskId": task, "RelationId": o.lead(nil)}).Refused(400, "FIELD_INTEGRITY_EXCEPTION", "")
		},
	},
	{
		"shared-activities/what", "What a task is about is a relation, too", document("Object Reference, TaskRelation: IsWhat"),
		func(_ *testing.T, o *Org) {
			task := o.Create("Task", Values{"Subject": "x", "WhatId": o.Account()})
			o.Has("Task", task, "WhatCount", "1")
			o.Set("Task", task, Values{"WhatId": nil})
			o.Has("Task", task, "WhatCount", "0")
		},
	},
}
