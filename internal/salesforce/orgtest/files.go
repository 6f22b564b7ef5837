package orgtest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// encoded is base64, as JSON carries a body.
func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// File makes a file and returns the Ids of its first version and its document.
func (o *Org) File(v Values) (version, document string) {
	o.t.Helper()
	all := Values{"PathOnClient": "Plan.txt", "VersionData": encoded("first")}
	for name, value := range v {
		all[name] = value
	}
	var made struct{ ID string }
	o.Post("sobjects/ContentVersion", all).OK(201).Into(&made)
	document = o.Field("ContentVersion", made.ID, "ContentDocumentId")
	o.t.Cleanup(func() { o.discard("ContentDocument", document) })
	return made.ID, document
}

var fileRules = []law{
	{
		"files/made-by-a-version", "The first version of a file makes its document",
		document("Object Reference, ContentVersion, ContentDocument"),
		func(t *testing.T, o *Org) {
			version, document := o.File(nil)
			if !strings.HasPrefix(document, "069") {
				t.Errorf("%s", document)
			}
			o.Has("ContentDocument", document, "LatestPublishedVersionId", version)
			o.Has("ContentDocument", document, "Title", "Plan")
			o.Has("ContentVersion", version, "FileExtension", "txt")
			o.Has("ContentVersion", version, "ContentSize", "5")
		},
	},
	{
		"files/checksum", "A version carries the MD5 of its bytes",
		document("Object Reference, ContentVersion: Checksum"),
		func(_ *testing.T, o *Org) {
			version, _ := o.File(nil)
			o.Has("ContentVersion", version, "Checksum", "8b04d5e3775d298e78455efc5ca404d5")
		},
	},
	{
		"files/document-not-inserted", "A document is not inserted by itself",
		document("Object Reference, ContentDocument: supported calls"),
		func(t *testing.T, o *Org) {
			if o.describe("ContentDocument").Createable {
				t.Error("createable")
			}
			if r := o.Post("sobjects/ContentDocument", Values{"Title": "x"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"files/new-version", "A second version takes the place of the first, which stays",
		document("Object Reference, ContentVersion: IsLatest, VersionNumber"),
		func(_ *testing.T, o *Org) {
			first, document := o.File(nil)
			second := o.Post("sobjects/ContentVersion", Values{"PathOnClient": "b.txt", "VersionData": encoded("second"), "ContentDocumentId": document}).OK(201)
			var made struct{ ID string }
			second.Into(&made)
			o.Has("ContentVersion", first, "IsLatest", "false")
			o.Has("ContentVersion", made.ID, "IsLatest", "true")
			o.Has("ContentVersion", made.ID, "VersionNumber", "2")
		},
	},
	{
		"files/old-version-is-closed", "Only the latest version can be edited",
		document("Object Reference, ContentVersion: Usage"),
		func(t *testing.T, o *Org) {
			first, document := o.File(nil)
			o.Post("sobjects/ContentVersion", Values{"PathOnClient": "b.txt", "VersionData": encoded("x"), "ContentDocumentId": document}).OK(201)
			if r := o.Patch("sobjects/ContentVersion/"+first, Values{"Title": "x"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"files/bytes", "The bytes of a version are read at the address that the record names",
		document("REST API Developer Guide, sObject Blob Get"),
		func(t *testing.T, o *Org) {
			version, _ := o.File(nil)
			path := o.Query("SELECT VersionData FROM ContentVersion WHERE Id = '" + version + "'").Records[0]["VersionData"].(string)
			if got := string(o.Get(path).OK(200).Body); got != "first" {
				t.Errorf("%q at %s", got, path)
			}
		},
	},
	{
		"files/multipart", "A file goes up as parts, the record first",
		document("REST API Developer Guide, Insert or Update Blob Data"),
		func(t *testing.T, o *Org) {
			body := "--xx\r\nContent-Disposition: form-data; name=\"entity_content\"\r\nContent-Type: application/json\r\n\r\n{\"PathOnClient\":\"p.bin\"}\r\n" +
				"--xx\r\nContent-Disposition: form-data; name=\"VersionData\"; filename=\"p.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\x01\r\n--xx--\r\n"
			var made struct{ ID string }
			o.Do("POST", "sobjects/ContentVersion", `multipart/form-data; boundary="xx"`, body).OK(201).Into(&made)
			o.t.Cleanup(func() { o.discard("ContentDocument", o.Field("ContentVersion", made.ID, "ContentDocumentId")) })
			if got := string(o.Get("sobjects/ContentVersion/" + made.ID + "/VersionData").OK(200).Body); got != "\x00\xff\x01" {
				t.Errorf("%q", got)
			}
		},
	},
	{
		"files/owner-link", "The owner of a file is linked with it",
		document("Object Reference, ContentDocumentLink"),
		func(t *testing.T, o *Org) {
			_, document := o.File(nil)
			rows := o.Query("SELECT LinkedEntityId, ShareType FROM ContentDocumentLink WHERE ContentDocumentId = '" + document + "'").Records
			if len(rows) != 1 || rows[0]["LinkedEntityId"] != o.User() || rows[0]["ShareType"] != "I" {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"files/first-location", "A first version can name the record that the file hangs on",
		document("Object Reference, ContentVersion: FirstPublishLocationId"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			_, document := o.File(Values{"FirstPublishLocationId": account})
			if n := o.Query("SELECT Id FROM ContentDocumentLink WHERE ContentDocumentId = '" + document + "' AND LinkedEntityId = '" + account + "'").TotalSize; n != 1 {
				t.Errorf("%d links", n)
			}
		},
	},
	{
		"files/link-twice", "A file is linked with a record once",
		document("Object Reference, ContentDocumentLink; public replies: DUPLICATE_VALUE"),
		func(_ *testing.T, o *Org) {
			account := o.Account()
			_, document := o.File(Values{"FirstPublishLocationId": account})
			o.Post("sobjects/ContentDocumentLink", Values{"ContentDocumentId": document, "LinkedEntityId": account, "ShareType": "V"}).Refused(400, "DUPLICATE_VALUE", "")
		},
	},
	{
		"files/links-go-with-the-document", "Deleting a document deletes its versions and links",
		document("Object Reference, ContentDocument: Usage"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			version, document := o.File(Values{"FirstPublishLocationId": account})
			o.Delete("sobjects/ContentDocument/" + document).OK(204)
			if n := o.Query("SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '" + account + "'").TotalSize; n != 0 {
				t.Errorf("%d links", n)
			}
			if n := o.Query("SELECT Id FROM ContentVersion WHERE Id = '" + version + "'").TotalSize; n != 0 {
				t.Errorf("%d versions", n)
			}
		},
	},
	{
		"files/path", "A first version needs the name of its file",
		document("Object Reference, ContentVersion: PathOnClient"),
		refuses("ContentVersion", Values{"VersionData": encoded("x")}, "REQUIRED_FIELD_MISSING", "PathOnClient"),
	},
	{
		"attachments/body", "An attachment keeps its bytes and their number",
		document("Object Reference, Attachment: Body, BodyLength"),
		func(t *testing.T, o *Org) {
			id := o.Create("Attachment", Values{"ParentId": o.Account(), "Name": "a.txt", "Body": encoded("bytes")})
			o.Has("Attachment", id, "BodyLength", "5")
			if got := string(o.Get("sobjects/Attachment/" + id + "/Body").OK(200).Body); got != "bytes" {
				t.Errorf("%q", got)
			}
		},
	},
	{
		"attachments/address-in-json", "JSON carries the address of a body and not the body",
		document("REST API Developer Guide, sObject Blob Get"),
		func(t *testing.T, o *Org) {
			id := o.Create("Attachment", Values{"ParentId": o.Account(), "Name": "a.txt", "Body": encoded("bytes")})
			if got := o.Field("Attachment", id, "Body"); !strings.HasSuffix(got, "/sobjects/Attachment/"+id+"/Body") {
				t.Error(got)
			}
		},
	},
	{
		"attachments/go-with-the-parent", "Attachments and notes go with their parent",
		described("Account.json: Attachments and Notes have cascadeDelete"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			attachment := o.Create("Attachment", Values{"ParentId": account, "Name": "a.txt", "Body": encoded("x")})
			note := o.Create("Note", Values{"ParentId": account, "Title": "n"})
			o.Delete("sobjects/Account/" + account).OK(204)
			o.Has("Attachment", attachment, "IsDeleted", "true")
			if n := o.Query("SELECT Id FROM Note WHERE Id = '" + note + "'").TotalSize; n != 0 {
				t.Errorf("%d notes", n)
			}
		},
	},
	{
		"attachments/base64", "A body that is no base64 is refused",
		document("SOAP API Developer Guide, base64Binary"),
		func(t *testing.T, o *Org) {
			if r := o.Post("sobjects/Attachment", Values{"ParentId": o.Account(), "Name": "a", "Body": "***"}); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"notes/title", "A note needs a title",
		document("Object Reference, Note: Title"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Note", Values{"ParentId": o.Account()}).Refused(400, "REQUIRED_FIELD_MISSING", "Title")
		},
	},
}

var activityRules = []law{
	{
		"activities/account", "A task about a contact belongs to the contact's account",
		document("Object Reference, Task: AccountId"),
		func(_ *testing.T, o *Org) {
			account := o.Account()
			id := o.Create("Task", Values{"Subject": "s", "WhoId": o.Contact(account)})
			o.Has("Task", id, "AccountId", account)
		},
	},
	{
		"activities/closed", "The status of a task says whether it is closed",
		document("Object Reference, Task: IsClosed; TaskStatus"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Task", Values{"Subject": "s", "Status": "Completed"})
			o.Has("Task", id, "IsClosed", "true")
			o.Set("Task", id, Values{"Status": "Not Started"})
			o.Has("Task", id, "IsClosed", "false")
		},
	},
	{
		"activities/event-length", "An event needs a length or an end",
		document("Object Reference, Event: DurationInMinutes, EndDateTime"),
		refuses("Event", Values{"Subject": "e", "ActivityDateTime": "2030-01-01T10:00:00Z"}, "REQUIRED_FIELD_MISSING", "DurationInMinutes"),
	},
	{
		"activities/event-end", "The end of an event follows from its beginning and length",
		document("Object Reference, Event: EndDateTime"),
		keeps("Event", Values{"Subject": "e", "ActivityDateTime": "2030-01-01T10:00:00Z", "DurationInMinutes": 30}, "EndDateTime", "2030-01-01T10:30:00.000+0000"),
	},
	{
		"activities/who-and-what", "The who of an activity is a contact or a lead, the what is not",
		document("Object Reference, Task: WhoId, WhatId"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Task", Values{"Subject": "s", "WhoId": o.Account()}).Refused(400, "FIELD_INTEGRITY_EXCEPTION", "id value of incorrect type")
		},
	},
	{
		"activities/type-of-what", "The What of a task says of which object it is",
		document("SOQL and SOSL Reference, Polymorphic Keys: Type"),
		func(t *testing.T, o *Org) {
			id := o.Create("Task", Values{"Subject": "s", "WhatId": o.Account()})
			row := o.Query("SELECT What.Type, TYPEOF What WHEN Account THEN Name END FROM Task WHERE Id = '" + id + "'")
			if got := fmt.Sprint(row.Records[0]["What"]); !strings.Contains(got, "Account") {
				t.Error(got)
			}
		},
	},
	{
		"activities/series", "A recurring task makes its occurrences",
		document("Object Reference, Task: Recurring Tasks"),
		func(t *testing.T, o *Org) {
			id := o.Create("Task", Values{
				"Subject": "daily", "IsRecurrence": true, "RecurrenceStartDateOnly": "2030-01-01", "RecurrenceEndDateOnly": "2030-01-03",
				"RecurrenceType": "RecursDaily", "RecurrenceInterval": 1,
			})
			if n := o.Query("SELECT Id FROM Task WHERE RecurrenceActivityId = '" + id + "' AND IsRecurrence = false").TotalSize; n != 3 {
				t.Errorf("%d occurrences", n)
			}
		},
	},
	{
		"activities/invitation-once", "A person is invited to an event once",
		document("Object Reference, EventRelation"),
		func(t *testing.T, o *Org) {
			event := o.Create("Event", Values{"Subject": "e", "ActivityDateTime": "2030-01-01T10:00:00Z", "DurationInMinutes": 30})
			v := Values{"EventId": event, "RelationId": o.Contact("")}
			o.Create("EventRelation", v)
			if r := o.Post("sobjects/EventRelation", v); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"activities/mail-is-closed", "A mail that is no draft cannot be edited, and has a task",
		document("Object Reference, EmailMessage: Status, ActivityId"),
		func(t *testing.T, o *Org) {
			id := o.Create("EmailMessage", Values{"Subject": "s", "TextBody": "t", "Status": "3", "RelatedToId": o.Account()})
			if got := o.Field("EmailMessage", id, "ActivityId"); !strings.HasPrefix(got, "00T") {
				t.Errorf("task %s", got)
			}
			if r := o.Patch("sobjects/EmailMessage/"+id, Values{"Subject": "x"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
}
