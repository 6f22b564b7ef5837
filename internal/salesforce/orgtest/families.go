package orgtest

import (
	"fmt"
	"testing"
)

var familyRules = []law{
	{
		"history/created", "The history of a record begins with a row that says created",
		document("Object Reference, AccountHistory: Field created"),
		func(t *testing.T, o *Org) {
			id := o.Thing(nil)
			if n := o.Query("SELECT Id FROM Orgtest_Thing__History WHERE ParentId = '" + id + "' AND Field = 'created'").TotalSize; n != 1 {
				t.Errorf("%d rows", n)
			}
		},
	},
	{
		"history/old-and-new", "A change of a tracked field leaves a row with the old and the new value",
		document("Salesforce Help, Field History Tracking"),
		func(t *testing.T, o *Org) {
			id := o.Thing(Values{"Whole__c": 1})
			o.Set(thing, id, Values{"Whole__c": 2})
			rows := o.Query("SELECT OldValue, NewValue FROM Orgtest_Thing__History WHERE ParentId = '" + id + "' AND Field = 'Whole__c'").Records
			if len(rows) != 1 || fmt.Sprint(rows[0]["OldValue"]) != "1" || fmt.Sprint(rows[0]["NewValue"]) != "2" {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"history/untracked", "A field that is not tracked leaves no row",
		document("Salesforce Help, Field History Tracking"),
		func(t *testing.T, o *Org) {
			id := o.Thing(nil)
			o.Set(thing, id, Values{"Web__c": "https://orgtest.example"})
			if n := o.Query("SELECT Id FROM Orgtest_Thing__History WHERE ParentId = '" + id + "' AND Field = 'Web__c'").TotalSize; n != 0 {
				t.Errorf("%d rows", n)
			}
		},
	},
	{
		"history/long-text", "The history of a long text tells that it changed and not what it was",
		document("Salesforce Help, Field History Tracking: text of more than 255 characters"),
		func(t *testing.T, o *Org) {
			id := o.Thing(Values{"Long__c": "before"})
			o.Set(thing, id, Values{"Long__c": "after"})
			rows := o.Query("SELECT OldValue, NewValue FROM Orgtest_Thing__History WHERE ParentId = '" + id + "' AND Field = 'Long__c'").Records
			if len(rows) != 1 || rows[0]["OldValue"] != nil || rows[0]["NewValue"] != nil {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"history/not-written", "A history is written by the platform alone",
		document("Object Reference, AccountHistory: supported calls"),
		func(t *testing.T, o *Org) {
			if d := o.describe("Orgtest_Thing__History"); d.Createable || d.Updateable {
				t.Errorf("%+v", d)
			}
			if r := o.Post("sobjects/Orgtest_Thing__History", Values{"ParentId": o.Thing(nil)}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"history/goes-with-the-record", "The history of a deleted record is not read any more, and comes back with it",
		unverified,
		func(t *testing.T, o *Org) {
			id := o.Thing(nil)
			count := func() int {
				return o.Query("SELECT Id FROM Orgtest_Thing__History WHERE ParentId = '" + id + "'").TotalSize
			}
			o.Delete("sobjects/" + thing + "/" + id).OK(204)
			if n := count(); n != 0 {
				t.Errorf("%d rows of what is deleted", n)
			}
			o.Undelete(id)
			if n := count(); n == 0 {
				t.Error("no row came back")
			}
		},
	},
	{
		"share/owner", "The owner of a private record has a share of cause Owner with all access",
		document("Object Reference, AccountShare; Apex Developer Guide, Understanding Apex Managed Sharing"),
		func(t *testing.T, o *Org) {
			id := o.Thing(nil)
			rows := o.Query("SELECT UserOrGroupId, AccessLevel FROM Orgtest_Thing__Share WHERE RowCause = 'Owner' AND ParentId = '" + id + "'").Records
			if len(rows) != 1 || rows[0]["AccessLevel"] != "All" || rows[0]["UserOrGroupId"] != o.User() {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"share/owner-stays", "The share of the owner cannot be deleted",
		document("Apex Developer Guide, Understanding Apex Managed Sharing: owner shares are the platform's"),
		func(t *testing.T, o *Org) {
			id := o.Thing(nil)
			share := o.Query("SELECT Id FROM Orgtest_Thing__Share WHERE ParentId = '" + id + "'").Records[0]["Id"].(string)
			if r := o.Delete("sobjects/Orgtest_Thing__Share/" + share); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"share/cause", "Only shares of cause Manual are written through the API",
		document("Object Reference, AccountShare: RowCause"),
		func(t *testing.T, o *Org) {
			group := o.Create("Group", Values{"Name": "Orgtest", "Type": "Regular"})
			if r := o.Post("sobjects/Orgtest_Thing__Share", Values{"ParentId": o.Thing(nil), "UserOrGroupId": group, "AccessLevel": "Read", "RowCause": "Owner"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"share/trivial", "A share that gives no more than everybody has is refused",
		document("public replies: trivial share level; StatusCode FIELD_INTEGRITY_EXCEPTION"),
		func(t *testing.T, o *Org) {
			group := o.Create("Group", Values{"Name": "Orgtest", "Type": "Regular"})
			if r := o.Post("sobjects/Orgtest_Thing__Share", Values{"ParentId": o.Thing(nil), "UserOrGroupId": group, "AccessLevel": "None"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"share/manual", "A manual share is made and read again",
		document("Object Reference, AccountShare"),
		func(_ *testing.T, o *Org) {
			group := o.Create("Group", Values{"Name": "Orgtest", "Type": "Regular"})
			share := o.Create("Orgtest_Thing__Share", Values{"ParentId": o.Thing(nil), "UserOrGroupId": group, "AccessLevel": "Edit"})
			o.Has("Orgtest_Thing__Share", share, "RowCause", "Manual")
		},
	},
	{
		"share/open-objects-have-none", "An object that everybody may edit has no share object",
		document("Salesforce Help, Organization-Wide Defaults; Apex Developer Guide: share objects exist for private and read-only objects"),
		func(_ *testing.T, o *Org) { o.Get("sobjects/Orgtest_Strict__Share/describe").OK(404) },
	},
	{
		"feed/post", "A post is seen in the feed of its record under the same Id",
		document("Object Reference, FeedItem, AccountFeed"),
		func(t *testing.T, o *Org) {
			id := o.Thing(nil)
			post := o.Create("FeedItem", Values{"ParentId": id, "Body": "hello"})
			rows := o.Query("SELECT Id, Type, Body FROM Orgtest_Thing__Feed WHERE ParentId = '" + id + "' AND Type = 'TextPost'").Records
			if len(rows) != 1 || rows[0]["Id"] != post {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"feed/body", "A text post needs a body",
		document("Object Reference, FeedItem: Body"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/FeedItem", Values{"ParentId": o.Thing(nil)}).Refused(400, "REQUIRED_FIELD_MISSING", "Body")
		},
	},
	{
		"feed/tracked-change", "A change of a field that the feed tracks makes a post, which nobody can write",
		document("Object Reference, FeedItem: Type TrackedChange"),
		func(t *testing.T, o *Org) {
			id := o.Thing(Values{"Whole__c": 1})
			o.Set(thing, id, Values{"Whole__c": 2})
			if n := o.Query("SELECT Id FROM Orgtest_Thing__Feed WHERE ParentId = '" + id + "' AND Type = 'TrackedChange'").TotalSize; n == 0 {
				t.Error("no post")
			}
			if r := o.Post("sobjects/FeedItem", Values{"ParentId": id, "Body": "x", "Type": "TrackedChange"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"feed/comment", "A comment counts at its post",
		document("Object Reference, FeedComment; FeedItem: CommentCount"),
		func(_ *testing.T, o *Org) {
			post := o.Create("FeedItem", Values{"ParentId": o.Thing(nil), "Body": "hello"})
			o.Create("FeedComment", Values{"FeedItemId": post, "CommentBody": "yes"})
			o.Has("FeedItem", post, "CommentCount", "1")
		},
	},
	{
		"settings/one-per-owner", "A hierarchy custom setting has one record for each owner",
		document("Salesforce Help, Custom Settings; Object Reference: SetupOwnerId"),
		func(_ *testing.T, o *Org) {
			v := Values{"SetupOwnerId": o.User(), "Limit__c": 1}
			o.Create("Orgtest_Setting__c", v)
			o.Post("sobjects/Orgtest_Setting__c", v).Refused(400, "DUPLICATE_VALUE", "")
		},
	},
	{
		"settings/list-names", "A list custom setting has one record of each name",
		document("Salesforce Help, Custom Settings: List"),
		func(_ *testing.T, o *Org) {
			v := Values{"Name": "A", "Limit__c": 1}
			o.Create("Orgtest_Listed__c", v)
			o.Post("sobjects/Orgtest_Listed__c", v).Refused(400, "DUPLICATE_VALUE", "")
		},
	},
	{
		"settings/described", "The describe tells a custom setting",
		described("Custom__c.json: customSetting"),
		func(t *testing.T, o *Org) {
			var d struct{ CustomSetting bool }
			o.Get("sobjects/Orgtest_Setting__c/describe").OK(200).Into(&d)
			if !d.CustomSetting {
				t.Error("customSetting is false")
			}
		},
	},
	{
		"custom-metadata/read", "A deployed record of custom metadata is read by a query",
		document("Custom Metadata Types Implementation Guide, Query Custom Metadata Records"),
		func(t *testing.T, o *Org) {
			rows := o.Query("SELECT DeveloperName, MasterLabel, Limit__c FROM Orgtest_Rule__mdt WHERE DeveloperName = 'One'").Records
			if len(rows) != 1 || fmt.Sprint(rows[0]["Limit__c"]) != "7" || rows[0]["MasterLabel"] != "One" {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"custom-metadata/not-by-dml", "Records of custom metadata are not written as records are",
		document("Custom Metadata Types Implementation Guide: records are read-only for DML and the data APIs"),
		func(t *testing.T, o *Org) {
			if r := o.Post("sobjects/Orgtest_Rule__mdt", Values{"DeveloperName": "Two", "MasterLabel": "Two"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"custom-metadata/prefix", "Custom metadata has key prefixes that begin with m",
		document("public lists of key prefixes"),
		func(t *testing.T, o *Org) {
			if got := o.describe("Orgtest_Rule__mdt").KeyPrefix; len(got) != 3 || got[0] != 'm' {
				t.Error(got)
			}
		},
	},
	{
		"big-objects/upsert-by-index", "A record of a big object with the same index takes the place of the first",
		document("Big Objects Implementation Guide, Populate a Custom Big Object"),
		func(t *testing.T, o *Org) {
			for _, note := range []string{"old", "new"} {
				o.Post("sobjects/Orgtest_Visit__b", Values{"Who__c": "ada", "Seq__c": 1, "Note__c": note}).OK(201)
			}
			rows := o.Query("SELECT Note__c FROM Orgtest_Visit__b WHERE Who__c = 'ada' AND Seq__c = 1").Records
			if len(rows) != 1 || rows[0]["Note__c"] != "new" {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"big-objects/only-the-index", "A big object is asked by the fields of its index, in their order and without gaps",
		document("Big Objects Implementation Guide, SOQL with Big Objects"),
		func(t *testing.T, o *Org) {
			for _, where := range []string{"Seq__c = 1", "Note__c = 'x'", "Who__c LIKE 'a%'", "Who__c != 'a'"} {
				if r := o.Get("query?q=" + escape("SELECT Who__c FROM Orgtest_Visit__b WHERE "+where)); r.Status != 400 {
					t.Errorf("%s: status %d", where, r.Status)
				}
			}
		},
	},
	{
		"big-objects/no-aggregates", "Aggregate functions do not work on big objects",
		document("Big Objects Implementation Guide, SOQL with Big Objects: aggregate functions are not supported"),
		func(t *testing.T, o *Org) {
			if r := o.Get("query?q=" + escape("SELECT COUNT(Who__c) n FROM Orgtest_Visit__b")); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"big-objects/index-required", "The fields of the index are required",
		document("Big Objects Implementation Guide, Define and Deploy Custom Big Objects: index fields are required"),
		refuses("Orgtest_Visit__b", Values{"Who__c": "ada"}, "REQUIRED_FIELD_MISSING", "Seq__c"),
	},
	{
		"bin/details-wait-for-the-master", "Details in the bin are no rows of their own there: their master alone can be undeleted",
		document("Salesforce Help, Considerations for Object Relationships"),
		func(t *testing.T, o *Org) {
			master := o.Thing(nil)
			d := o.Detail(detail, master, 1)
			o.Delete("sobjects/" + thing + "/" + master).OK(204)
			if got := o.Undelete(d); got == "" {
				t.Error("the detail came back without its master")
			}
		},
	},
	{
		"bin/purge-takes-the-details", "Emptying a master from the bin takes its details along",
		document("SOAP API Developer Guide, emptyRecycleBin(): child records"),
		func(t *testing.T, o *Org) {
			master := o.Thing(nil)
			d := o.Detail(detail, master, 1)
			o.Delete("sobjects/" + thing + "/" + master).OK(204)
			o.Purge(master)
			if n := o.QueryAll("SELECT Id FROM " + detail + " WHERE Id = '" + d + "'").TotalSize; n != 0 {
				t.Errorf("%d rows", n)
			}
		},
	},
	{
		"bin/purge-of-the-living", "What is not in the bin cannot be emptied from it",
		document("SOAP API Developer Guide, emptyRecycleBin(); StatusCode INVALID_CROSS_REFERENCE_KEY"),
		func(t *testing.T, o *Org) {
			if got := o.saved("emptyRecycleBin", "<ids>"+o.Account()+"</ids>"); got == "" {
				t.Error("done")
			}
		},
	},
}
