package org

import "holdfast/internal/sf"

// Contacts of several accounts. Sources: Object Reference, AccountContactRelation; Salesforce Help,
// "Considerations for Relating a Contact to Multiple Accounts": each contact with an account has one
// direct relation, which the platform keeps in line with Contact.AccountId; others are indirect. The
// codes and wordings of the refusals are unverified.

// related keeps the direct relation of a contact. The relation to the account before becomes an
// indirect one (that this is the default is unverified).
func (d *draft) related() {
	account := d.get("AccountId")
	if d.old != nil && account == d.was("AccountId") {
		return
	}
	t, rows := d.w.o.childrenOf("accountcontactrelation", "ContactId", d.id, nil)
	direct := false
	for _, r := range rows {
		isDirect := t.text(r, "AccountId") == account
		if direct = direct || isDirect; isDirect == (t.text(r, "IsDirect") == "true") {
			continue
		}
		d.w.amend(place{t, r.pos}, map[string]string{
			"IsDirect": boolText(isDirect), "SystemModstamp": d.w.stamp, "LastModifiedDate": d.w.stamp,
			"LastModifiedById": string(d.w.caller.User),
		})
	}
	if account != "" && !direct {
		d.w.plant("AccountContactRelation", map[string]string{
			"AccountId": account, "ContactId": string(d.id), "IsDirect": "true", "IsActive": "true",
			"CreatedDate": d.get("CreatedDate"), "CreatedById": d.get("CreatedById"),
		})
	}
}

// indirect checks a relation that a caller makes: one of a contact that has an account, to another
// account, once.
func (d *draft) indirect() *Error {
	if d.old != nil {
		return nil
	}
	contact := d.w.o.record(sf.ID(d.get("ContactId")))
	if contact.r != nil && contact.t.text(contact.r, "AccountId") == "" {
		return fault("FIELD_INTEGRITY_EXCEPTION", "a contact without an account cannot be related to others", "ContactId")
	}
	t, rows := d.w.o.childrenOf("accountcontactrelation", "ContactId", sf.ID(d.get("ContactId")), nil)
	for _, r := range rows {
		if t.text(r, "AccountId") == d.get("AccountId") {
			return fault("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: "+r.id.Short())
		}
	}
	if !d.named("IsActive") {
		d.put("IsActive", "true")
	}
	return nil
}

// keepsDirect refuses to delete the direct relation of a contact, which goes with Contact.AccountId.
func (w *work) keepsDirect(t *table, r *row) *Error {
	if t.text(r, "IsDirect") != "true" {
		return nil
	}
	return fault("DELETE_FAILED", "the direct relation of a contact cannot be deleted")
}
