package orgtest

import (
	"strings"
	"testing"
	"time"
)

var soapRules = []law{
	{
		"soap/create", "create makes records and says which it refused",
		document("SOAP API Developer Guide, create()"),
		func(_ *testing.T, o *Org) {
			r := o.Partner("create", "<sObjects><type>Account</type><Name>orgtest soap</Name></sObjects><sObjects><type>Contact</type><FirstName>x</FirstName></sObjects>").OK(200)
			r.has("<success>true</success>", "<success>false</success>", "<statusCode>REQUIRED_FIELD_MISSING</statusCode>")
			o.discard("Account", r.Element("id"))
		},
	},
	{
		"soap/200", "create takes 200 records",
		document("SOAP API Developer Guide, create(): up to 200 records"),
		func(t *testing.T, o *Org) {
			if r := o.Partner("create", strings.Repeat("<sObjects><type>Account</type><Name>x</Name></sObjects>", 201)); r.Status != 500 || r.Element("faultcode") != "sf:EXCEEDED_ID_LIMIT" {
				t.Errorf("status %d %s", r.Status, r.Element("faultcode"))
			}
		},
	},
	{
		"soap/fields-to-null", "Only fieldsToNull clears a field; an empty element leaves it",
		document("SOAP API Developer Guide, fieldsToNull"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Account", Values{"Name": o.Name(), "Site": "stays", "Phone": "1"})
			o.Partner("update", "<sObjects><type>Account</type><fieldsToNull>Phone</fieldsToNull><Id>"+id+"</Id><Site></Site></sObjects>").OK(200).has("<success>true</success>")
			o.Has("Account", id, "Phone", "<nil>")
			o.Has("Account", id, "Site", "stays")
		},
	},
	{
		"soap/retrieve", "retrieve gives null for what is not there",
		document("SOAP API Developer Guide, retrieve()"),
		func(_ *testing.T, o *Org) {
			o.Partner("retrieve", "<fieldList>Id,Name</fieldList><sObjectType>Account</sObjectType><ids>"+o.Account()+"</ids><ids>001000000000000AAA</ids>").OK(200).
				has("orgtest", `xsi:nil="true"`)
		},
	},
	{
		"soap/query", "query gives rows, their number and whether that is all",
		document("SOAP API Developer Guide, query()"),
		func(_ *testing.T, o *Org) {
			id := o.Account()
			o.Partner("query", "<queryString>SELECT Id, Name FROM Account WHERE Id = '"+id+"'</queryString>").OK(200).has("<size>1</size>", "<done>true</done>", id)
		},
	},
	{
		"soap/query-fault", "A query with an unknown field is a fault with its place",
		wsdl("partner WSDL: InvalidFieldFault"),
		func(t *testing.T, o *Org) {
			r := o.Partner("query", "<queryString>SELECT Nosuch FROM Account</queryString>")
			if r.Status != 500 || r.Element("faultcode") != "sf:INVALID_FIELD" {
				t.Errorf("status %d: %.300s", r.Status, r.Body)
			}
			r.has("InvalidFieldFault")
		},
	},
	{
		"soap/delete", "delete moves records to the bin",
		document("SOAP API Developer Guide, delete()"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			if got := o.saved("delete", "<ids>"+id+"</ids>"); got != "" {
				t.Fatal(got)
			}
			o.Has("Account", id, "IsDeleted", "true")
		},
	},
	{
		"soap/upsert", "upsert by Id changes a record and makes one without an Id",
		document("SOAP API Developer Guide, upsert()"),
		func(_ *testing.T, o *Org) {
			id := o.Account()
			o.Partner("upsert", "<externalIDFieldName>Id</externalIDFieldName><sObjects><type>Account</type><Id>"+id+"</Id><Site>s</Site></sObjects>").OK(200).
				has("<created>false</created>", "<success>true</success>")
			o.Has("Account", id, "Site", "s")
		},
	},
	{
		"soap/describe", "describeSObject tells the fields as REST does",
		document("SOAP API Developer Guide, describeSObjects()"),
		func(_ *testing.T, o *Org) {
			o.Partner("describeSObject", "<sObjectType>Account</sObjectType>").OK(200).has("<keyPrefix>001</keyPrefix>", "<name>BillingStreet</name>", "<relationshipName>Contacts</relationshipName>")
		},
	},
	{
		"soap/user-info", "getUserInfo tells the user and the org",
		document("SOAP API Developer Guide, getUserInfo()"),
		func(t *testing.T, o *Org) {
			r := o.Partner("getUserInfo", "").OK(200)
			if r.Element("userId") != o.User() || !strings.HasPrefix(r.Element("organizationId"), "00D") {
				t.Errorf("%.500s", r.Body)
			}
		},
	},
	{
		"soap/unknown-operation", "An operation that does not exist is a fault",
		document("SOAP API Developer Guide, ExceptionCode: INVALID_OPERATION"),
		func(t *testing.T, o *Org) {
			if r := o.Partner("eatCake", ""); r.Status != 500 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"soap/undelete-200", "undelete takes 200 Ids",
		unverified,
		func(t *testing.T, o *Org) {
			if r := o.Partner("undelete", strings.Repeat("<ids>001000000000000AAA</ids>", 201)); r.Status != 500 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"bulk-ingest/states", "A job is Open until its data is complete",
		document("Bulk API 2.0 Developer Guide, Job States"),
		func(t *testing.T, o *Org) {
			var job struct{ ID, State, ContentURL string }
			o.Post("jobs/ingest", loads("insert")).OK(200).Into(&job)
			o.Get("jobs/ingest/" + job.ID).OK(200).Into(&job)
			if job.State != "Open" || !strings.HasSuffix(job.ContentURL, "/jobs/ingest/"+job.ID+"/batches") {
				t.Errorf("%+v", job)
			}
			if r := o.Delete("jobs/ingest/" + job.ID); r.Status != 400 {
				t.Errorf("an open job was deleted: %d", r.Status)
			}
			o.Patch("jobs/ingest/"+job.ID, Values{"state": "Aborted"}).OK(200)
			o.Delete("jobs/ingest/" + job.ID).OK(204)
			o.Get("jobs/ingest/" + job.ID).OK(404)
		},
	},
	{
		"bulk-ingest/one-upload", "A job takes one upload",
		document("Bulk API 2.0 Developer Guide, Upload Job Data: once per job"),
		func(t *testing.T, o *Org) {
			var job struct{ ID string }
			o.Post("jobs/ingest", loads("insert")).OK(200).Into(&job)
			path := "jobs/ingest/" + job.ID
			o.Do("PUT", path+"/batches", "text/csv", "Name\n").OK(201)
			if r := o.Do("PUT", path+"/batches", "text/csv", "Name\n"); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
			o.Patch(path, Values{"state": "Aborted"}).OK(200)
			o.Delete(path).OK(204)
		},
	},
	{
		"bulk-ingest/line-ending", "A file whose lines end otherwise than the job says fails",
		client("jsforce and simple-salesforce report: ClientInputError : LineEnding is invalid on user data"),
		func(t *testing.T, o *Org) {
			job := o.Ingest(loads("insert"), "Name\r\nx\r\n")
			if job.State != "Failed" || !strings.Contains(job.ErrorMessage, "LineEnding is invalid on user data") {
				t.Errorf("%+v", job)
			}
		},
	},
	{
		"bulk-ingest/upsert-needs-a-key", "An upsert names its external id",
		document("Bulk API 2.0 Developer Guide, Create a Job: externalIdFieldName"),
		func(t *testing.T, o *Org) {
			if r := o.Post("jobs/ingest", loads("upsert")); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"bulk-1/pk-chunking", "The header of PK chunking is read strictly, and only where chunks can be",
		unverified,
		func(t *testing.T, o *Org) {
			path := "/services/async/" + o.target.Version + "/job"
			for _, bad := range [][3]string{
				{"maybe", "query", "Account"},
				{"chunkSize=250001", "query", "Account"},
				{"chunkSize=5; parent=Nope", "query", "Account"},
				{"TRUE", "insert", "Account"},
				{"TRUE", "query", "Profile"},
			} {
				r := o.Do("POST", path, "application/json", `{"operation":"`+bad[1]+`","object":"`+bad[2]+`","contentType":"CSV"}`,
					"X-SFDC-Session", o.target.Token, "Sforce-Enable-PKChunking", bad[0])
				if r.Status != 400 {
					t.Errorf("%v: status %d: %s", bad, r.Status, r.Body)
				}
			}
		},
	},
	{
		"bulk-1/batches", "A job of the first Bulk API takes batches and is closed",
		document("Bulk API Developer Guide, Create a Job; Add a Batch to a Job"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			head := []string{"X-SFDC-Session", o.target.Token}
			path := "/services/async/" + o.target.Version + "/job"
			var job struct{ ID, State string }
			o.Do("POST", path, "application/json", `{"operation":"insert","object":"Account","contentType":"CSV"}`, head...).OK(201).Into(&job)
			o.Do("POST", path+"/"+job.ID+"/batch", "text/csv", "Name\n"+name+"\n", head...).OK(201)
			o.Do("POST", path+"/"+job.ID, "application/json", `{"state":"Closed"}`, head...).OK(200).Into(&job)
			if job.State != "Closed" {
				t.Errorf("%+v", job)
			}
			for until := time.Now().Add(jobPatience); time.Now().Before(until); o.pause() {
				p := o.Query("SELECT Id FROM Account WHERE Name = '" + name + "'")
				if p.TotalSize == 1 {
					o.discard("Account", p.Records[0]["Id"].(string))
					return
				}
			}
			t.Error("the row did not come")
		},
	},
}
