package orgtest

import (
	"testing"
	"time"
)

// moment reads a datetime of the REST API.
func (o *Org) moment(text string) time.Time {
	o.t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000-0700", text)
	if err != nil {
		o.t.Fatal(err)
	}
	return at
}

var deletionRules = []law{
	{
		"deletion/goes-to-the-bin", "A deleted record is seen by queryAll alone, as IsDeleted",
		document("REST API Developer Guide, QueryAll"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			o.Delete("sobjects/Account/" + id).OK(204)
			if n := o.Query("SELECT Id FROM Account WHERE Id = '" + id + "'").TotalSize; n != 0 {
				t.Errorf("query finds %d", n)
			}
			o.Has("Account", id, "IsDeleted", "true")
		},
	},
	{
		"deletion/children-go-with-it", "The contacts of a deleted account are deleted with it",
		described("Account.json: Contacts have cascadeDelete"),
		func(_ *testing.T, o *Org) {
			account := o.Account()
			contact := o.Contact(account)
			o.Delete("sobjects/Account/" + account).OK(204)
			o.Has("Contact", contact, "IsDeleted", "true")
		},
	},
	{
		"deletion/undelete-keeps-the-id", "Undelete brings a record back under its Id, and what went with it",
		document("SOAP API Developer Guide, undelete(); help 000330862"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			contact := o.Contact(account)
			o.Delete("sobjects/Account/" + account).OK(204)
			if code := o.Undelete(account); code != "" {
				t.Fatalf("undelete: %s", code)
			}
			o.Has("Account", account, "IsDeleted", "false")
			o.Has("Contact", contact, "IsDeleted", "false")
			o.Has("Contact", contact, "AccountId", account)
		},
	},
	{
		"deletion/undelete-of-the-living", "What is not in the bin cannot be undeleted",
		document("SOAP API Developer Guide, StatusCode: UNDELETE_FAILED"),
		func(t *testing.T, o *Org) {
			if code := o.Undelete(o.Account()); code != "UNDELETE_FAILED" {
				t.Errorf("refused with %q", code)
			}
		},
	},
	{
		"deletion/purged-is-gone", "What was emptied from the bin cannot be undeleted",
		document("SOAP API Developer Guide, emptyRecycleBin()"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			o.Delete("sobjects/Account/" + id).OK(204)
			o.Purge(id)
			if code := o.Undelete(id); code != "UNDELETE_FAILED" {
				t.Errorf("refused with %q", code)
			}
		},
	},
	{
		"deletion/child-deleted-before-its-parent", "A child that was deleted before its parent is gone for good with the parent's deletion",
		document("help 000330862, Undelete: the child must not be deleted before its master"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			contact := o.Contact(account)
			o.Delete("sobjects/Contact/" + contact).OK(204)
			o.Delete("sobjects/Account/" + account).OK(204)
			if code := o.Undelete(account); code != "" {
				t.Fatalf("undelete of the account: %s", code)
			}
			if code := o.Undelete(contact); code != "UNDELETE_FAILED" {
				t.Errorf("the contact: %q", code)
			}
		},
	},
	{
		"deletion/lookup-is-cleared", "A lookup to a deleted record is cleared, and set again when it is undeleted",
		document("help, Considerations for Relationships; undelete restores lookups that were not set since"),
		func(t *testing.T, o *Org) {
			boss := o.Contact("")
			hand := o.Create("Contact", Values{"LastName": o.Name(), "ReportsToId": boss})
			o.Delete("sobjects/Contact/" + boss).OK(204)
			o.Has("Contact", hand, "ReportsToId", "<nil>")
			if code := o.Undelete(boss); code != "" {
				t.Fatalf("undelete: %s", code)
			}
			o.Has("Contact", hand, "ReportsToId", boss)
		},
	},
	{
		"deletion/twice", "Deleting what is deleted is 404 ENTITY_IS_DELETED",
		document("SOAP API Developer Guide, StatusCode: ENTITY_IS_DELETED"),
		func(_ *testing.T, o *Org) {
			id := o.Account()
			o.Delete("sobjects/Account/" + id).OK(204)
			o.Delete("sobjects/Account/"+id).Refused(404, "ENTITY_IS_DELETED", "entity is deleted")
		},
	},
	{
		"deletion/restricted", "A parent whose children restrict deletion is refused, as the describe says",
		described("Account.json: childRelationships with restrictedDelete"),
		func(t *testing.T, o *Org) {
			restricted := false
			for _, c := range o.describe("Account").ChildRelationships {
				restricted = restricted || c.RestrictedDelete && c.ChildSObject == "Case"
			}
			account := o.Account()
			o.Create("Case", Values{"Subject": o.Name(), "AccountId": account})
			r := o.Delete("sobjects/Account/" + account)
			if restricted && r.Status != 400 || !restricted && r.Status != 204 {
				t.Errorf("restrictedDelete %t, but status %d: %s", restricted, r.Status, r.Body)
			}
		},
	},
	{
		"deletion/users-stay", "A user cannot be deleted",
		document("Object Reference, User: delete() is not supported"),
		func(t *testing.T, o *Org) {
			id := o.Query("SELECT Id FROM User WHERE IsActive = true LIMIT 1").Records[0]["Id"].(string)
			if r := o.Delete("sobjects/User/" + id); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
}
