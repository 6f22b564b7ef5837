package orgtest

import (
	"testing"
	"time"
)

const day = 24 * time.Hour

var clockRules = []law{
	{
		"bin/fifteen-days", "A record stays in the Recycle Bin for 15 days",
		document("Salesforce Help, Recycle Bin: 15 days"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			o.Delete("sobjects/Account/" + id).OK(204)
			o.target.Advance(14 * day)
			if n := o.QueryAll("SELECT Id FROM Account WHERE Id = '" + id + "'").TotalSize; n != 1 {
				t.Fatalf("%d rows after 14 days", n)
			}
			o.target.Advance(2 * day)
			if n := o.QueryAll("SELECT Id FROM Account WHERE Id = '" + id + "'").TotalSize; n != 0 {
				t.Errorf("%d rows after 16 days", n)
			}
		},
	},
	{
		"changes/deleted-looks-back-15-days", "getDeleted looks back 15 days at most",
		document("REST API Developer Guide, Get Deleted: startDate"),
		func(_ *testing.T, o *Org) {
			from, to := o.around(o.Account())
			o.Get("sobjects/Account/deleted/?start=" + from + "&end=" + to).OK(200)
			o.target.Advance(16 * day)
			o.Get("sobjects/Account/deleted/?start="+from+"&end="+to).Refused(400, "INVALID_REPLICATION_DATE", "")
		},
	},
	{
		"activities/archived", "A task that was finished more than 365 days ago is archived: queryAll alone finds it",
		document("SOAP API Developer Guide, Archived Activities"),
		func(t *testing.T, o *Org) {
			id := o.Create("Task", Values{"Subject": "old", "Status": "Completed", "ActivityDate": "2001-01-01"})
			open := o.Create("Task", Values{"Subject": "open", "Status": "Not Started", "ActivityDate": "2001-01-01"})
			o.target.Advance(2 * day)
			if n := o.Query("SELECT Id FROM Task WHERE Id = '" + id + "'").TotalSize; n != 0 {
				t.Errorf("query finds %d", n)
			}
			o.Has("Task", id, "IsArchived", "true")
			if n := o.Query("SELECT Id FROM Task WHERE Id = '" + open + "'").TotalSize; n != 1 {
				t.Errorf("an open task is archived")
			}
		},
	},
	{
		"activities/archived-event", "An event of more than 365 days ago is archived, too",
		document("SOAP API Developer Guide, Archived Activities"),
		func(t *testing.T, o *Org) {
			id := o.Create("Event", Values{"Subject": "old", "ActivityDateTime": "2001-01-01T10:00:00Z", "DurationInMinutes": 30})
			o.target.Advance(2 * day)
			if n := o.Query("SELECT Id FROM Event WHERE Id = '" + id + "'").TotalSize; n != 0 {
				t.Errorf("query finds %d", n)
			}
		},
	},
	{
		"query/locator-ages", "A locator is good for two days",
		document("Salesforce App Limits Cheatsheet, API query cursor limits"),
		func(_ *testing.T, o *Org) {
			name := o.many(201)
			var p Page
			o.Do("GET", "query?q="+escape("SELECT Id FROM Account WHERE Name = '"+name+"'"), "", "", "Sforce-Query-Options", "batchSize=200").OK(200).Into(&p)
			o.target.Advance(3 * day)
			o.Get(p.NextRecordsURL).Refused(400, "INVALID_QUERY_LOCATOR", "")
		},
	},
	{
		"bulk-query/results-age", "The results of a job are kept for seven days",
		document("Bulk API 2.0 Developer Guide, Limits: results are kept for 7 days"),
		func(t *testing.T, o *Org) {
			job := o.Export(exports("SELECT Id FROM Account LIMIT 1"))
			o.target.Advance(8 * day)
			if r := o.Get("jobs/query/" + job.ID + "/results"); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
}
