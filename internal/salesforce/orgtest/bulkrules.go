package orgtest

import (
	"slices"
	"strings"
	"testing"
)

var ingestRules = []law{
	{
		"bulk-ingest/results", "Results are three files: what was done, what was refused and why, and what was not tried",
		document("Bulk API 2.0 Developer Guide, Get Job Results"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			job := o.Ingest(loads("insert"), "Name,Site\n"+name+",a\n,b\n")
			if job.State != "JobComplete" || job.NumberRecordsProcessed != 2 || job.NumberRecordsFailed != 1 {
				t.Errorf("%+v", job)
			}
			header, rows := job.Rows("successfulResults")
			if !slices.Equal(header[:2], []string{"sf__Id", "sf__Created"}) || len(rows) != 1 || rows[0][1] != "true" {
				t.Errorf("done: %v %v", header, rows)
			}
			o.discard("Account", rows[0][0])
			header, rows = job.Rows("failedResults")
			if !slices.Equal(header[:2], []string{"sf__Id", "sf__Error"}) || len(rows) != 1 || !strings.HasPrefix(rows[0][1], "REQUIRED_FIELD_MISSING:") {
				t.Errorf("refused: %v %v", header, rows)
			}
			if header, rows = job.Rows("unprocessedrecords"); len(rows) != 0 {
				t.Errorf("not tried: %v %v", header, rows)
			}
		},
	},
	{
		"bulk-ingest/empty-and-null", "An empty cell leaves a field alone, #N/A clears it",
		client("SFDMU, jsforce 3.12 and fabric-emulator depend on it"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Account", Values{"Name": o.Name(), "Site": "stays", "Phone": "1"})
			o.Ingest(loads("update"), "Id,Site,Phone\n"+id+",,#N/A\n")
			o.Has("Account", id, "Site", "stays")
			o.Has("Account", id, "Phone", "<nil>")
		},
	},
	{
		"bulk-ingest/unknown-column", "A column that is no field fails the job or each of its rows, and changes nothing",
		document("Bulk API 2.0 Developer Guide, Errors: InvalidBatch : Field name not found"),
		func(t *testing.T, o *Org) {
			job := o.Ingest(loads("insert"), "Name,Nosuch\nx,y\n")
			if job.State != "Failed" || !strings.Contains(job.ErrorMessage, "Nosuch") {
				t.Errorf("%+v", job)
			}
		},
	},
	{
		"bulk-ingest/operation", "An operation that does not exist is refused when the job is made",
		document("Bulk API 2.0 Developer Guide, Create a Job"),
		func(t *testing.T, o *Org) {
			if r := o.Post("jobs/ingest", loads("replace")); r.Status != 400 {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		},
	},
	{
		"bulk-ingest/insert-with-id", "A row of an insert that has an Id is refused",
		document("SOAP API Developer Guide, StatusCode: INVALID_FIELD_FOR_INSERT_UPDATE; create(): Id"),
		func(t *testing.T, o *Org) {
			job := o.Ingest(loads("insert"), "Id,Name\n001000000000001AAA,"+o.Name()+"\n")
			if job.NumberRecordsFailed != 1 && job.State != "Failed" {
				t.Errorf("%+v", job)
			}
		},
	},
	{
		"bulk-ingest/columns-once", "A file that names a field twice is refused as a whole",
		unverified,
		func(t *testing.T, o *Org) {
			if job := o.Ingest(loads("insert"), "Name,name\nx,y\n"); job.State != "Failed" {
				t.Errorf("%+v", job)
			}
		},
	},
	{
		"bulk-ingest/known-parameters", "A job with a parameter that no job has is refused",
		unverified,
		func(t *testing.T, o *Org) {
			request := loads("insert")
			request["speed"] = "fast"
			if r := o.Post("jobs/ingest", request); r.Status != 400 {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		},
	},
	{
		"bulk-ingest/upload-complete", "Whoever declares an upload complete is told that state, however soon the work begins",
		document("Bulk API 2.0 Developer Guide, Notify Salesforce the Upload is Complete; SFDMU 3.7.19 gives up at any other"),
		func(t *testing.T, o *Org) {
			var job struct{ ID, State string }
			o.Post("jobs/ingest", loads("insert")).OK(200).Into(&job)
			o.Do("PUT", "jobs/ingest/"+job.ID+"/batches", "text/csv", "Name\n\n").OK(201)
			if o.Patch("jobs/ingest/"+job.ID, Values{"state": "UploadComplete"}).OK(200).Into(&job); job.State != "UploadComplete" {
				t.Errorf("%+v", job)
			}
		},
	},
	{
		"bulk-ingest/abort", "A job that is open can be aborted, and then takes no data",
		document("Bulk API 2.0 Developer Guide, Close or Abort a Job"),
		func(t *testing.T, o *Org) {
			var job struct{ ID, State string }
			o.Post("jobs/ingest", loads("insert")).OK(200).Into(&job)
			o.Patch("jobs/ingest/"+job.ID, Values{"state": "Aborted"}).OK(200).Into(&job)
			if job.State != "Aborted" {
				t.Errorf("%+v", job)
			}
			if r := o.Do("PUT", "jobs/ingest/"+job.ID+"/batches", "text/csv", "Name\nx\n"); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
			o.Delete("jobs/ingest/" + job.ID).OK(204)
		},
	},
}

// hardRules need the permission Bulk API Hard Delete, which the fixture gives to the user of the session.
var hardRules = []law{
	{
		"bulk-ingest/hard-delete", "hardDelete leaves nothing in the bin",
		document("Bulk API 2.0 Developer Guide, Create a Job: hardDelete"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			job := o.Ingest(loads("hardDelete"), "Id\n"+id+"\n")
			if job.State != "JobComplete" || job.NumberRecordsFailed != 0 {
				t.Fatalf("%+v (the permission Bulk API Hard Delete is needed)", job)
			}
			if code := o.Undelete(id); code != "UNDELETE_FAILED" {
				t.Errorf("undelete: %q", code)
			}
		},
	},
}

var exportRules = []law{
	{
		"bulk-query/last-page", "The last page says null as its locator, and each page repeats the header",
		document("Bulk API 2.0 Developer Guide, Get Results for a Query Job; sf 2.150.6 drops the first line of each page"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			rows := make([]Values, 200)
			for i := range rows {
				rows[i] = account(Values{"Name": name})
			}
			for _, r := range o.collection("POST", "", rows) {
				o.t.Cleanup(func() { o.discard("Account", r.ID) })
			}
			job := o.Export(exports("SELECT Id FROM Account WHERE Name = '" + name + "'"))
			first := o.Get("jobs/query/" + job.ID + "/results?maxRecords=150").OK(200)
			locator := first.Header.Get("Sforce-Locator")
			if first.Header.Get("Sforce-NumberOfRecords") != "150" || locator == "" || locator == "null" {
				t.Fatalf("%v", first.Header)
			}
			last := o.Get("jobs/query/" + job.ID + "/results?maxRecords=150&locator=" + locator).OK(200)
			if last.Header.Get("Sforce-Locator") != "null" || last.Header.Get("Sforce-NumberOfRecords") != "50" {
				t.Errorf("%v", last.Header)
			}
			if !strings.HasPrefix(string(last.Body), "\"Id\"\n") {
				t.Errorf("the last page begins with %.20q", last.Body)
			}
		},
	},
	{
		"bulk-query/null-and-empty", "Null is an empty value in quotes",
		client("jsforce issue 640; the same writer as Bulk 1.0"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			job := o.Export(exports("SELECT Id, Site FROM Account WHERE Id = '" + id + "'"))
			if got := string(o.Get("jobs/query/" + job.ID + "/results").OK(200).Body); got != "\"Id\",\"Site\"\n\""+id+"\",\"\"\n" {
				t.Errorf("%q", got)
			}
		},
	},
	{
		"bulk-query/no-aggregates", "Aggregates, GROUP BY, OFFSET, TYPEOF and sub-queries are refused",
		document("Bulk API 2.0 Developer Guide, Query: SOQL considerations"),
		func(t *testing.T, o *Org) {
			for _, soql := range []string{
				"SELECT COUNT(Id) FROM Account", "SELECT Name FROM Account GROUP BY Name", "SELECT Id FROM Account OFFSET 5",
				"SELECT Id, (SELECT Id FROM Contacts) FROM Account",
			} {
				r := o.Post("jobs/query", exports(soql))
				if r.Status == 200 {
					var job Job
					r.Into(&job)
					job.o, job.kind = o, "query"
					if end := job.wait(); end.State != "Failed" {
						t.Errorf("%s: %+v", soql, end)
					}
				}
			}
		},
	},
	{
		"bulk-query/no-compound", "A compound field cannot be exported",
		document("Bulk API 2.0 Developer Guide, Query: compound address and geolocation fields are not supported"),
		func(t *testing.T, o *Org) {
			r := o.Post("jobs/query", exports("SELECT BillingAddress FROM Account"))
			if r.Status == 200 {
				var job Job
				r.Into(&job)
				job.o, job.kind = o, "query"
				if end := job.wait(); end.State != "Failed" || !strings.Contains(end.ErrorMessage, "BillingAddress") {
					t.Errorf("%+v", end)
				}
			}
		},
	},
	{
		"bulk-query/not-every-object", "Some objects cannot be exported in bulk",
		client("tap-salesforce's list of objects that Bulk refuses: Entity 'TaskStatus' is not supported by the Bulk API"),
		func(t *testing.T, o *Org) {
			r := o.Post("jobs/query", exports("SELECT Id FROM TaskStatus"))
			if r.Status != 400 || !strings.Contains(string(r.Body), "is not supported by the Bulk API") {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		},
	},
	{
		"bulk-query/other-version", "Results are fetched with the version that made the job, otherwise 409",
		document("Bulk API 2.0 Developer Guide, Get Results for a Query Job"),
		func(_ *testing.T, o *Org) {
			job := o.Export(exports("SELECT Id FROM Account LIMIT 1"))
			o.Get("/services/data/v52.0/jobs/query/" + job.ID + "/results").OK(409)
		},
	},
	{
		"bulk-query/pages-at-once", "resultPages names pages that can be fetched side by side",
		document("Bulk API 2.0 Developer Guide, Get Parallel Results for a Query Job"),
		func(t *testing.T, o *Org) {
			o.Account()
			job := o.Export(exports("SELECT Id FROM Account"))
			var got struct {
				ResultPages []struct{ ResultURL string }
				Done        bool
			}
			o.Get("jobs/query/" + job.ID + "/resultPages").OK(200).Into(&got)
			if len(got.ResultPages) == 0 || len(got.ResultPages) > 5 {
				t.Errorf("%+v", got)
			}
		},
	},
}

var sessionRules = []law{
	{
		"session/userinfo", "The user of a session is told by userinfo",
		client("sf 2.150.6 signs in with preferred_username, organization_id and user_id"),
		func(t *testing.T, o *Org) {
			var user struct {
				PreferredUsername string `json:"preferred_username"`
				OrganizationID    string `json:"organization_id"`
				UserID            string `json:"user_id"`
			}
			o.Get("/services/oauth2/userinfo").OK(200).Into(&user)
			if user.PreferredUsername == "" || !strings.HasPrefix(user.OrganizationID, "00D") || !strings.HasPrefix(user.UserID, "005") {
				t.Errorf("%+v", user)
			}
		},
	},
	{
		"session/versions", "The versions of the API are told to everybody",
		document("REST API Developer Guide, Versions"),
		func(t *testing.T, o *Org) {
			stranger := *o
			stranger.target.Token = ""
			var all []struct{ Version, URL string }
			(&stranger).Get("/services/data").OK(200).Into(&all)
			if len(all) < 5 || all[len(all)-1].URL != "/services/data/v"+all[len(all)-1].Version {
				t.Errorf("%+v", all)
			}
		},
	},
	{
		"session/server-time", "getServerTimestamp tells the time of the org",
		document("SOAP API Developer Guide, getServerTimestamp()"),
		func(t *testing.T, o *Org) {
			if got := o.Partner("getServerTimestamp", "").OK(200).Element("timestamp"); !strings.HasSuffix(got, "Z") {
				t.Errorf("%q", got)
			}
		},
	},
	{
		"session/soap-fault", "A SOAP call without a session is a fault, 500 with sf:INVALID_SESSION_ID",
		document("SOAP API Developer Guide, Error Handling"),
		func(t *testing.T, o *Org) {
			stranger := *o
			stranger.target.Token = "00D000000000000!nobody"
			r := (&stranger).Partner("getServerTimestamp", "")
			if r.Status != 500 || r.Element("faultcode") != "sf:INVALID_SESSION_ID" {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		},
	},
	{
		"session/soap-login", "SOAP login is refused from version 65 on",
		document("help 005132110, SOAP API login() retirement"),
		func(t *testing.T, o *Org) {
			r := o.Do("POST", "/services/Soap/u/65.0", "text/xml", `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><login xmlns="urn:partner.soap.sforce.com"><username>a</username><password>b</password></login></soapenv:Body></soapenv:Envelope>`, "SOAPAction", "login")
			if r.Status != 500 || r.Element("faultcode") == "sf:INVALID_LOGIN" {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		},
	},
}
