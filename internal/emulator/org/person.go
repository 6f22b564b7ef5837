package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// A person account is an account with a record type of persons, and a contact that belongs to it. The
// fields of the contact show on the account, and the contact is only written through the account.
// Sources: Object Reference, "Person Account Record Types"; Salesforce Help, "Considerations for
// Using Person Accounts". Where a refusal's code or text is not from there it is unverified.

// personTypes makes the record types that an org with person accounts has.
func (o *Org) personTypes() {
	err := o.Change(o.Admin(), func(tx *Tx) error {
		for _, spec := range []RecordTypeSpec{
			{Object: "Account", DeveloperName: "Business_Account", Label: "Business Account", Active: true, Default: true},
			{Object: personObject, DeveloperName: "PersonAccount", Label: "Person Account", Active: true},
		} {
			if _, _, err := tx.PutRecordType(spec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		panic(err) // a new org takes its own record types
	}
}

// personObject is what the Metadata API calls the object of person record types.
// Source: Metadata API Developer Guide, RecordType: "PersonAccount.name".
const personObject = "PersonAccount"

// isPersonType reports a record type of persons.
func (o *Object) isPersonType(id string) bool {
	return slices.ContainsFunc(o.RecordTypes, func(rt RecordType) bool { return rt.Person && string(rt.ID) == id })
}

// personOnly reports a field of Account that belongs to the person.
func personOnly(f *Field) bool {
	switch f.Name {
	case "FirstName", "LastName", "Salutation", "MiddleName", "Suffix":
		return true
	}
	return strings.HasPrefix(f.Name, "Person") && f.Name != "PersonContactId" || strings.HasSuffix(f.Name, "__pc")
}

// ofContact is the field of Contact behind a field of the person's account; empty when there is none.
func ofContact(f *Field) string {
	if base, ok := strings.CutSuffix(f.Name, "__pc"); ok {
		return base + "__c"
	}
	switch f.Name {
	case "PersonContactId":
		return ""
	case "Phone", "Fax", "OwnerId", "Name":
		return f.Name
	}
	if personOnly(f) {
		return strings.TrimPrefix(f.Name, "Person")
	}
	return ""
}

// personAccount checks an account in an org with person accounts and names it after its person.
func (d *draft) personAccount() *Error {
	if d.old == nil && !d.named("RecordTypeId") && d.get("LastName") != "" && d.get("Name") == "" {
		// An account with a last name only is a person (unverified).
		for _, rt := range d.object.RecordTypes {
			if rt.Person && rt.Active {
				d.put("RecordTypeId", string(rt.ID))
				break
			}
		}
	}
	person, was := d.object.isPersonType(d.get("RecordTypeId")), d.was("IsPersonAccount") == "true"
	if d.old != nil && person != was {
		if err := d.changeKind(person); err != nil {
			return err
		}
	}
	var barred []string
	for _, f := range d.object.Fields {
		if f.column < 0 || !d.given[f.column] {
			continue
		}
		if !person && personOnly(f) && d.vals[f.column] != "" || person && f.Name == "Name" {
			barred = append(barred, f.Name)
		}
	}
	if len(barred) > 0 { // Source: public replies to writing the fields of the other kind
		return fault("INVALID_FIELD_FOR_INSERT_UPDATE",
			"Account: bad field names on insert/update call: "+strings.Join(barred, ", "), barred...)
	}
	if !person {
		return d.noPersonAbove()
	}
	if d.get("LastName") == "" {
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", "LastName")
	}
	if d.get("ParentId") != "" {
		return fault("FIELD_INTEGRITY_EXCEPTION", "a person account cannot have a parent account", "ParentId")
	}
	d.put("IsPersonAccount", "true")
	d.put("Name", strings.TrimSpace(d.get("FirstName")+" "+d.get("LastName")))
	return nil
}

func (d *draft) noPersonAbove() *Error {
	if id := d.get("ParentId"); id != "" && id != d.was("ParentId") && d.w.isPerson(id) {
		return fault("FIELD_INTEGRITY_EXCEPTION", "a person account cannot be a parent account", "ParentId")
	}
	return nil
}

func (w *work) isPerson(account string) bool {
	p := w.o.record(sf.ID(account))
	return p.r != nil && p.t.text(p.r, "IsPersonAccount") == "true"
}

// changeKind makes an account a person, or a person a business account, as a change of the record type
// does. A business account must have exactly one contact, which becomes the person, and neither a
// parent nor children. Source: Salesforce Help, "Convert Business Accounts to Person Accounts".
func (d *draft) changeKind(person bool) *Error {
	contacts, rows := d.w.o.childrenOf("contact", "AccountId", d.id, nil)
	if !person {
		for _, f := range d.object.Fields {
			if f.column >= 0 && personOnly(f) && !d.given[f.column] {
				d.vals[f.column] = ""
			}
		}
		d.put("IsPersonAccount", "")
		d.put("PersonContactId", "")
		for _, r := range rows {
			d.w.amend(place{contacts, r.pos}, map[string]string{"IsPersonAccount": "false"})
		}
		return nil
	}
	_, below := d.w.o.childrenOf("account", "ParentId", d.id, nil)
	if len(rows) != 1 || len(below) > 0 {
		return fault("INVALID_PERSON_ACCOUNT_OPERATION",
			"a business account needs exactly one contact and no child accounts to become a person account", "RecordTypeId")
	}
	for _, f := range d.object.Fields {
		if source := ofContact(f); source != "" && personOnly(f) && f.column >= 0 && !d.given[f.column] {
			d.vals[f.column] = contacts.text(rows[0], source)
		}
	}
	d.put("PersonContactId", string(rows[0].id))
	return nil
}

// shadow brings the contact of a person account in line with it, or makes it.
func (d *draft) shadow() *Error {
	if d.get("IsPersonAccount") != "true" {
		return nil
	}
	values := map[string]string{"AccountId": string(d.id), "IsPersonAccount": "true"}
	for _, f := range d.object.Fields {
		if name := ofContact(f); name != "" && f.column >= 0 {
			values[name] = d.vals[f.column]
		}
	}
	if id := d.get("PersonContactId"); id != "" {
		contact := d.w.o.record(sf.ID(id))
		if !d.w.opts.Quiet {
			values["LastModifiedDate"], values["LastModifiedById"], values["SystemModstamp"] = d.w.stamp, string(d.w.caller.User), d.w.stamp
		}
		d.w.amend(place{contact.t, contact.r.pos}, values)
		return nil
	}
	values["CreatedDate"], values["CreatedById"] = d.get("CreatedDate"), d.get("CreatedById")
	values["LastModifiedDate"], values["LastModifiedById"] = d.get("LastModifiedDate"), d.get("LastModifiedById")
	contact := d.w.plant("Contact", values)
	r := d.t.find(d.id)
	d.w.amend(place{d.t, r.pos}, map[string]string{"PersonContactId": string(contact)})
	d.put("PersonContactId", string(contact)) // for a second save
	return nil
}

// throughAccount refuses writes of the contact of a person account, and contacts below a person.
func (d *draft) throughAccount() *Error {
	if d.old != nil && d.was("IsPersonAccount") == "true" {
		return fault("INVALID_PERSON_ACCOUNT_OPERATION", "the contact of a person account is changed through its account", "Id")
	}
	if id := d.get("AccountId"); id != "" && id != d.was("AccountId") && d.w.isPerson(id) {
		return fault("FIELD_INTEGRITY_EXCEPTION", "a person account cannot have contacts", "AccountId")
	}
	return nil
}

// absorbPerson moves what belongs to the contact of a person account that is merged away.
func (w *work) absorbPerson(t *table, master, loser sf.ID) ([]sf.ID, *Error) {
	from, to := sf.ID(t.text(t.find(loser), "PersonContactId")), sf.ID(t.text(t.find(master), "PersonContactId"))
	if from == "" || to == "" {
		return nil, nil
	}
	return w.adopt(w.o.tables["contact"], to, from, []sf.ID{from})
}

// personField makes, or changes, the field of Account that shows a custom field of Contact. Source:
// Object Reference, Account: such fields end in __pc, and their relationships in __pr.
func (t *Tx) personField(spec FieldSpec) *Error {
	account := t.schema.object("Account")
	if !t.org.cfg.Features.PersonAccounts || account == nil {
		return nil
	}
	source := spec.Name
	spec.Name = strings.TrimSuffix(spec.Name, "__c") + "__pc"
	spec.Required, spec.Unique, spec.RelationshipName = false, false, ""
	if spec.Type == "MasterDetail" || spec.Type == "Summary" || spec.Type == "Location" {
		return nil // no contact has a master; the others do not show on the account (unverified)
	}
	f, err := t.newCustomField(account, spec)
	if err != nil {
		return err
	}
	if f.Calculated || f.AutoNumber {
		f.formula, f.auto, f.derive = nil, nil, via("PersonContactId", source)
		f.Createable, f.Updateable = false, false
	}
	if f.RelationshipName != "" {
		f.RelationshipName = strings.TrimSuffix(spec.Name, "__pc") + "__pr"
		f.link = link{}
	}
	o := t.schema.edit(account)
	if i := t.field(o, spec.Name); i >= 0 {
		return t.replaceField(o, i, f)
	}
	o.Fields = append(o.Fields, f)
	return nil
}
