package orgtest

import (
	"strings"
	"testing"
)

var recordRules = []law{
	{
		"record/required", "A record without a required field is 400 REQUIRED_FIELD_MISSING, which names it",
		document("REST API Developer Guide, Status Codes; Account.json: Name is not nillable"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Industry": "Energy"}).Refused(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]")
		},
	},
	{
		"record/unknown-field", "A field that does not exist is 400 INVALID_FIELD",
		client("CumulusCI recordings of rejected rows"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Name": "x", "Nosuch__c": 1}).Refused(400, "INVALID_FIELD", "No such column 'Nosuch__c' on sobject of type Account")
		},
	},
	{
		"record/too-long", "Text longer than its field is 400 STRING_TOO_LONG, not cut",
		document("SOAP API Developer Guide, AllowFieldTruncationHeader"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Name": strings.Repeat("x", 256)}).Refused(400, "STRING_TOO_LONG", "max length=255")
		},
	},
	{
		"record/empty-text-is-null", "Empty text is stored as null",
		unverified,
		func(_ *testing.T, o *Org) {
			id := o.Create("Account", Values{"Name": o.Name(), "Site": ""})
			o.Has("Account", id, "Site", "<nil>")
		},
	},
	{
		"record/null-clears", "A null in an update clears the field",
		document("REST API Developer Guide, Update a Record"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Account", Values{"Name": o.Name(), "Site": "here"})
			o.Patch("sobjects/Account/"+id, Values{"Site": nil}).OK(204)
			o.Has("Account", id, "Site", "<nil>")
		},
	},
	{
		"record/what-is-not-said-stays", "An update leaves alone what it does not name",
		document("REST API Developer Guide, Update a Record"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Account", Values{"Name": o.Name(), "Site": "here", "Phone": "1"})
			o.Patch("sobjects/Account/"+id, Values{"Phone": "2"}).OK(204)
			o.Has("Account", id, "Site", "here")
		},
	},
	{
		"record/read-only", "A field that the platform sets is 400 INVALID_FIELD_FOR_INSERT_UPDATE",
		document("Object Reference, System Fields: read only without the permission to set audit fields"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Name": "x", "SystemModstamp": "2020-01-01T00:00:00Z"}).
				Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "SystemModstamp")
		},
	},
	{
		"record/Id-on-insert", "An insert with an Id is refused",
		document("SOAP API Developer Guide, create(): INVALID_FIELD_FOR_INSERT_UPDATE cannot specify Id in an insert call"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Name": "x", "Id": "001000000000001AAA"}).Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call")
		},
	},
	{
		"record/bad-reference", "A lookup to a record that is not there is refused",
		document("SOAP API Developer Guide, StatusCode: INVALID_CROSS_REFERENCE_KEY, INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"),
		func(t *testing.T, o *Org) {
			gone := o.Account()
			o.Delete("sobjects/Account/" + gone).OK(204)
			r := o.Post("sobjects/Contact", Values{"LastName": "x", "AccountId": gone})
			if r.Status < 400 || !strings.Contains(string(r.Body), "ENTITY_IS_DELETED") && !strings.Contains(string(r.Body), "CROSS_REFERENCE") {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		},
	},
	{
		"record/wrong-kind-of-reference", "A lookup to a record of another object is refused",
		document("SOAP API Developer Guide, StatusCode: FIELD_INTEGRITY_EXCEPTION"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Contact", Values{"LastName": "x", "AccountId": o.Contact("")}).Refused(400, "FIELD_INTEGRITY_EXCEPTION", "")
		},
	},
	{
		"record/malformed-id", "An Id that is none is 400 MALFORMED_ID",
		document("SOAP API Developer Guide, StatusCode: MALFORMED_ID"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Contact", Values{"LastName": "x", "AccountId": "oops"}).Refused(400, "MALFORMED_ID", "")
		},
	},
	{
		"record/restricted-picklist", "A restricted picklist refuses other values",
		document("SOAP API Developer Guide, StatusCode: INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST; Global value sets, help"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Task", Values{"Subject": "x", "Status": "Not Started", "Priority": "Normal", "RecurrenceType": "nosuch"}).
				Refused(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "")
		},
	},
	{
		"record/15-and-18", "An Id of 15 characters and its 18 are the same record, and 18 are answered",
		document("help 000385008, 18-character Ids"),
		func(_ *testing.T, o *Org) {
			id := o.Account()
			o.Patch("sobjects/Account/"+id[:15], Values{"Site": "found"}).OK(204)
			o.Has("Account", id[:15], "Id", id)
		},
	},
	{
		"record/deleted", "A deleted record is 404 ENTITY_IS_DELETED, one that never was is 404 NOT_FOUND",
		client("CumulusCI and jsforce tell them apart; REST API Developer Guide, Status Codes"),
		func(_ *testing.T, o *Org) {
			id := o.Account()
			o.Delete("sobjects/Account/" + id).OK(204)
			o.Get("sobjects/Account/"+id).Refused(404, "ENTITY_IS_DELETED", "entity is deleted")
			o.Patch("sobjects/Account/"+id, Values{"Site": "x"}).Refused(404, "ENTITY_IS_DELETED", "")
			o.Get("sobjects/Account/001000000000000AAA").Refused(404, "NOT_FOUND", "")
		},
	},
	{
		"record/stamp-moves", "Every update moves SystemModstamp and LastModifiedDate forward or leaves them, never back",
		document("Object Reference, System Fields"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			before := o.Field("Account", id, "SystemModstamp")
			o.Patch("sobjects/Account/"+id, Values{"Site": "x"}).OK(204)
			if after := o.Field("Account", id, "SystemModstamp"); after < before {
				t.Errorf("SystemModstamp went from %s to %s", before, after)
			}
		},
	},
	{
		"record/compound-name", "The Name of a person is made of its parts and cannot be written",
		described("Contact.json: Name is not createable"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Contact", Values{"FirstName": "Ada", "LastName": "Byron"})
			o.Has("Contact", id, "Name", "Ada Byron")
			o.Post("sobjects/Contact", Values{"LastName": "x", "Name": "y"}).Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Name")
		},
	},
	{
		"record/address-is-an-object", "A compound address is an object of its parts in JSON",
		document("Object Reference, Address Compound Fields"),
		func(t *testing.T, o *Org) {
			id := o.Create("Account", Values{"Name": o.Name(), "BillingCity": "Bern", "BillingStreet": "A\nB"})
			var got struct{ BillingAddress struct{ City, Street string } }
			o.Get("sobjects/Account/" + id).OK(200).Into(&got)
			if got.BillingAddress.City != "Bern" || got.BillingAddress.Street != "A\nB" {
				t.Errorf("%+v", got)
			}
		},
	},
	{
		"record/text-comes-back-whole", "Quotes, line ends and characters beyond the first plane come back as they were",
		unverified,
		func(t *testing.T, o *Org) {
			const text = "a \"quoted\" 'text', with commas;\nline ends, é 漢 😀 & <b>"
			if got := o.Field("Account", o.Create("Account", Values{"Name": o.Name(), "Description": text}), "Description"); got != text {
				t.Errorf("%q came back as %q", text, got)
			}
		},
	},
}
