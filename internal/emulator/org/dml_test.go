package org_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

func TestIDsAreDeterministicAndAscend(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	last := sf.ID("")
	for range 100 {
		x, y := a.add("Account", "Name=A"), b.add("Account", "Name=B")
		if x != y || x <= last || len(x) != 18 || x.KeyPrefix() != "001" {
			t.Fatalf("ids %s and %s after %s", x, y, last)
		}
		last = x
	}
	if other := org.New(org.Config{Seed: 8}); other.ID() == a.ID() {
		t.Error("two seeds gave one org")
	}
}

func TestInsertStampsAndDefaults(t *testing.T) {
	w := newWorld(t)
	id := w.add("Account", "Name=Acme")
	stamp := "2026-03-02T09:30:15.000Z"
	w.wants("SELECT Id, IsDeleted, OwnerId, CreatedDate, CreatedById, LastModifiedDate, SystemModstamp FROM Account",
		strings.Join([]string{string(id), "false", string(w.Admin().User), stamp, string(w.Admin().User), stamp, stamp}, "|"))
	w.clock.Advance(90*time.Second + 400*time.Millisecond)
	w.set(id, "Name=Acme") // no value changes, the stamps do
	w.wants("SELECT CreatedDate, LastModifiedDate, SystemModstamp FROM Account", stamp+"|2026-03-02T09:31:45.000Z|2026-03-02T09:31:45.000Z")
	w.one(org.Update, org.Row{ID: string(id), Fields: fields("Site=x")}, org.Options{Quiet: true})
	w.clock.Advance(time.Hour)
	w.wants("SELECT Site, SystemModstamp FROM Account", "x|2026-03-02T09:31:45.000Z")
}

func TestAuditFieldsOnInsertOnly(t *testing.T) {
	w := newWorld(t)
	row := org.Row{Object: "Account", Fields: fields("Name=Old", "CreatedDate=2019-05-06T07:08:09Z")}
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Insert, row)
	w = newWorld(t, "CreateAuditFields")
	id := w.add("Account", "Name=Old", "CreatedDate=2019-05-06T07:08:09Z")
	w.wants("SELECT CreatedDate, SystemModstamp FROM Account", "2019-05-06T07:08:09.000Z|2026-03-02T09:30:15.000Z")
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Update, org.Row{ID: string(id), Fields: fields("CreatedDate=2019-05-06T07:08:09Z")})
}

func TestFieldRefusals(t *testing.T) {
	w := newWorld(t)
	w.object("Thing__c", words("Short__c", 5), number("Size__c", 2),
		org.FieldSpec{Name: "Choice__c", Type: "Picklist", Restricted: true, Values: []org.ValueSpec{{Value: "Red"}, {Value: "Old", Inactive: true}}},
		org.FieldSpec{Name: "Many__c", Type: "MultiselectPicklist", Restricted: true, Values: []org.ValueSpec{{Value: "A"}, {Value: "B"}}},
		org.FieldSpec{Name: "Mail__c", Type: "Email"}, org.FieldSpec{Name: "Flag__c", Type: "Checkbox", DefaultValue: "true"},
		org.FieldSpec{Name: "Day__c", Type: "Date"}, org.FieldSpec{Name: "At__c", Type: "Time"},
		org.FieldSpec{Name: "Must__c", Type: "Text", Length: 9, Required: true})
	for _, c := range []struct{ pair, code, message string }{
		{"Short__c=123456", "STRING_TOO_LONG", "Short__c: data value too large: 12345 (max length=5)"},
		{"Size__c=x", "INVALID_TYPE_ON_FIELD_IN_RECORD", "Size__c: value not of required type: x"},
		{"Size__c=1e17", "NUMBER_OUTSIDE_VALID_RANGE", "Size__c: value outside of valid range on numeric field: 1e17"},
		{"Choice__c=Blue", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Choice__c: bad value for restricted picklist field: Blue"},
		{"Choice__c=Old", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Choice__c: bad value for restricted picklist field: Old"},
		{"Many__c=A;C", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Many__c: bad value for restricted picklist field: C"},
		{"Mail__c=nobody", "INVALID_EMAIL_ADDRESS", "Mail__c: invalid email address: nobody"},
		{"Flag__c=perhaps", "INVALID_TYPE_ON_FIELD_IN_RECORD", "Flag__c: value not of required type: perhaps"},
		{"Day__c=2026-02-30", "INVALID_TYPE_ON_FIELD_IN_RECORD", "Day__c: value not of required type: 2026-02-30"},
		{"Must__c=", "REQUIRED_FIELD_MISSING", "Required fields are missing: [Must__c]"},
		{"Nope__c=1", "INVALID_FIELD", "No such column 'Nope__c' on sobject of type Thing__c"},
		{"CreatedById=x", "INVALID_FIELD_FOR_INSERT_UPDATE", ""},
		{"OwnerId=nonsense", "MALFORMED_ID", "Owner ID: id value of incorrect type: nonsense"},
	} {
		row := org.Row{Object: "Thing__c", Fields: append(fields("Must__c=m"), fields(c.pair)...)}
		if m := w.refused(c.code, org.Insert, row); c.message != "" && m != c.message {
			t.Errorf("%s: %q, want %q", c.pair, m, c.message)
		}
	}
	w.add("Thing__c", "Must__c=m", "Size__c=1.005", "Day__c=2026-02-28", "At__c=10:11:12", "Many__c=B;A")
	w.wants("SELECT Size__c, Flag__c, Day__c, At__c, Many__c FROM Thing__c", "1.01|true|2026-02-28|10:11:12.000Z|B;A")
	r := w.one(org.Insert, org.Row{Object: "Thing__c", Fields: fields("Must__c=m", "Short__c=ab😀cdef")}, org.Options{Truncate: true})
	if w.value(r.ID, "Short__c") != "ab😀c" {
		t.Errorf("cut to %q", w.value(r.ID, "Short__c"))
	}
}

func TestNamelessRecordIsNamedAfterItsID(t *testing.T) {
	w := newWorld(t)
	w.object("Thing__c")
	id := w.add("Thing__c")
	w.wants("SELECT Name FROM Thing__c", string(id))
}

func TestUniqueAndExternalIDs(t *testing.T) {
	w := newWorld(t)
	w.object("Thing__c", org.FieldSpec{Name: "Code__c", Type: "Text", Length: 20, Unique: true, ExternalID: true},
		org.FieldSpec{Name: "Exact__c", Type: "Text", Length: 20, Unique: true, CaseSensitive: true},
		org.FieldSpec{Name: "Loose__c", Type: "Text", Length: 20, ExternalID: true})
	first := w.add("Thing__c", "Code__c=Abc", "Exact__c=Abc", "Loose__c=x")
	m := w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "Thing__c", Fields: fields("Code__c=aBC")})
	if want := "duplicate value found: Code__c duplicates value on record with id: " + first.Short(); m != want {
		t.Errorf("%q, want %q", m, want)
	}
	second := w.add("Thing__c", "Exact__c=aBC", "Loose__c=X")
	w.set(first, "Code__c=Abc") // its own value is no duplicate

	up := org.Options{ExternalID: "Code__c"}
	if r := w.one(org.Upsert, org.Row{Object: "Thing__c", Fields: fields("Code__c=ABC", "Exact__c=q")}, up); !r.Success || r.Created || r.ID != first {
		t.Errorf("upsert of a known key: %+v", r)
	}
	if r := w.one(org.Upsert, org.Row{Object: "Thing__c", Fields: fields("Code__c=new")}, up); !r.Success || !r.Created {
		t.Errorf("upsert of a new key: %+v", r)
	}
	m = w.refusedWith("DUPLICATE_EXTERNAL_ID", org.Upsert, org.Row{Object: "Thing__c", Fields: fields("Loose__c=x")}, org.Options{ExternalID: "Loose__c"})
	if !strings.Contains(m, string(first)) || !strings.Contains(m, string(second)) {
		t.Error(m)
	}
	// A value that lies in the Recycle Bin is free.
	w.do(org.Delete, first)
	w.add("Thing__c", "Code__c=abc")
	w.refused("DUPLICATE_VALUE", org.Undelete, org.Row{ID: string(first)})
}

func TestParentByExternalID(t *testing.T) {
	w := newWorld(t)
	w.fields("Account", org.FieldSpec{Name: "Key__c", Type: "Text", Length: 20, ExternalID: true, Unique: true})
	acc := w.add("Account", "Name=A", "Key__c=K1")
	row := org.Row{Object: "Contact", Fields: append(fields("LastName=L"),
		org.Assignment{Field: "Account", Parent: &org.ParentKey{Field: "Key__c", Text: "k1"}})}
	if r := w.one(org.Insert, row, org.Options{}); !r.Success {
		t.Fatal(r.Errors)
	}
	w.wants("SELECT AccountId FROM Contact", string(acc))
	row.Fields[1].Parent.Text = "K9"
	if m := w.refused("INVALID_FIELD", org.Insert, row); m != "Foreign key external ID: k9 not found for field Key__c in entity Account" {
		t.Error(m)
	}
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	acc, con := w.add("Account", "Name=A"), w.add("Contact", "LastName=C")
	insert := func(id string) org.Row {
		return org.Row{Object: "Contact", Fields: fields("LastName=L", "AccountId="+id)}
	}
	if m := w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, insert(string(con))); m != "Account ID: id value of incorrect type: "+string(con) {
		t.Error(m)
	}
	w.refused("INVALID_CROSS_REFERENCE_KEY", org.Insert, insert("001000000000001AAA"))
	w.do(org.Delete, acc)
	w.refused("ENTITY_IS_DELETED", org.Insert, insert(string(acc)))
	w.refused("ENTITY_IS_DELETED", org.Update, org.Row{ID: string(acc), Fields: fields("Name=B")})
	w.refused("ENTITY_IS_DELETED", org.Delete, org.Row{ID: string(acc)})
	w.refused("INVALID_CROSS_REFERENCE_KEY", org.Update, org.Row{ID: "001000000000001AAA"})
	w.refused("MALFORMED_ID", org.Update, org.Row{Object: "Account", ID: string(con)})
	w.refused("MALFORMED_ID", org.Delete, org.Row{ID: "xx"})
	w.refused("INVALID_TYPE", org.Insert, org.Row{Object: "Nothing__c"})
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Delete, org.Row{ID: string(w.Admin().User)})
	lead, camp := w.add("Lead", "LastName=L", "Company=C"), w.add("Campaign", "Name=C")
	w.add("Task", "WhoId="+string(lead), "Subject=Call", "WhatId=")
	w.add("Task", "WhatId="+string(camp), "Subject=Call")
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "Task", Fields: fields("WhoId=" + string(camp))})
}

func TestInactiveOwner(t *testing.T) {
	w := newWorld(t)
	former := w.rows("SELECT Id FROM User WHERE IsActive = false")[0]
	row := org.Row{Object: "Account", Fields: fields("Name=A", "OwnerId="+former)}
	m := w.refused("INACTIVE_OWNER_OR_USER", org.Insert, row)
	if m != "operation performed with inactive user ["+former[:15]+"] as owner of account" {
		t.Error(m)
	}
	w = newWorld(t, "UpdateWithInactiveOwner")
	id := w.add("Account", "Name=A", "OwnerId="+former)
	w.set(id, "Name=B")
}

func TestWhatAFormerUserOwnsCanBeEdited(t *testing.T) {
	w := newWorld(t)
	user := w.add("User", "Username=a@b.example", "LastName=L", "Email=a@b.example", "Alias=a", "ProfileId="+w.rows("SELECT Id FROM Profile WHERE Name = 'Standard User'")[0],
		"TimeZoneSidKey=GMT", "LocaleSidKey=en_US", "EmailEncodingKey=UTF-8", "LanguageLocaleKey=en_US", "IsActive=true")
	id := w.add("Account", "Name=A", "OwnerId="+string(user))
	w.set(user, "IsActive=false")
	w.set(id, "Name=B")
	w.wants("SELECT Name, Owner.IsActive FROM Account", "B|false")
}

func TestAllOrNoneAndPartialSuccess(t *testing.T) {
	w := newWorld(t)
	rows := []org.Row{
		{Object: "Account", Fields: fields("Name=A")}, {Object: "Account"}, {Object: "Account", Fields: fields("Name=C")},
	}
	got := w.Write(w.Admin(), org.Insert, rows, org.Options{AllOrNone: true})
	if got[0].Success || got[0].Errors[0].Code != "ALL_OR_NONE_OPERATION_ROLLED_BACK" || got[1].Errors[0].Code != "REQUIRED_FIELD_MISSING" {
		t.Errorf("%+v", got)
	}
	w.wants("SELECT Name FROM Account")
	got = w.Write(w.Admin(), org.Insert, rows, org.Options{})
	if !got[0].Success || got[1].Success || !got[2].Success {
		t.Errorf("%+v", got)
	}
	w.wants("SELECT Name FROM Account", "A", "C")
	// A rollback of deletions brings everything back, cascade included.
	a, c := got[0].ID, got[2].ID
	w.add("Contact", "LastName=L", "AccountId="+string(a))
	w.Write(w.Admin(), org.Delete, []org.Row{{ID: string(a)}, {ID: "x"}, {ID: string(c)}}, org.Options{AllOrNone: true})
	w.wants("SELECT Account.Name FROM Contact", "A")
	w.wants("SELECT Name FROM Account", "A", "C")
}

func TestRulesOfTheOrgCanRefuse(t *testing.T) {
	w := newWorld(t)
	w.Reject(func(a org.Attempt) *org.Error {
		if a.Object == "Account" && a.Value("Name") == "bad" {
			return &org.Error{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: "no bad names"}
		}
		return nil
	})
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Insert, org.Row{Object: "Account", Fields: fields("Name=bad")})
	id := w.add("Account", "Name=good")
	w.refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", org.Update, org.Row{ID: string(id), Fields: fields("Name=bad")})
	w.wants("SELECT Name FROM Account", "good")
}

func TestLateCommitsCarryEarlierStamps(t *testing.T) {
	w := newWorld(t)
	var done []org.Result
	w.WriteLate(w.Admin(), 4*time.Minute, org.Insert, []org.Row{{Object: "Account", Fields: fields("Name=Late")}}, org.Options{},
		func(r []org.Result) { done = r })
	w.clock.Advance(time.Minute)
	w.add("Account", "Name=Early")
	w.wants("SELECT Name FROM Account", "Early")
	w.clock.Advance(3 * time.Minute)
	w.wants("SELECT Name, SystemModstamp FROM Account ORDER BY Name",
		"Early|2026-03-02T09:31:15.000Z", "Late|2026-03-02T09:30:15.000Z")
	if len(done) != 1 || !done[0].Success {
		t.Errorf("%+v", done)
	}
}

func TestAutoNumbers(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		_, err := tx.PutObject(org.ObjectSpec{
			Name: "Thing__c", Label: "Thing",
			NameField: org.NameSpec{AutoNumber: true, DisplayFormat: "T-{YYYY}-{000}", StartingAt: 9}, Kind: org.CustomObject,
		})
		if err != nil {
			return err
		}
		return nil
	})
	w.add("Thing__c")
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Insert, org.Row{Object: "Thing__c", Fields: fields("Name=x")})
	w.add("Thing__c")
	w.wants("SELECT Name FROM Thing__c", "T-2026-009", "T-2026-010")
}

func TestCustomSettings(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		for name, kind := range map[string]org.Kind{"Tree__c": org.HierarchySetting, "List__c": org.ListSetting} {
			if _, err := tx.PutObject(org.ObjectSpec{Name: name, Label: name, Kind: kind}); err != nil {
				return err
			}
		}
		return nil
	})
	w.add("Tree__c")
	w.wants("SELECT SetupOwnerId FROM Tree__c", string(w.ID()))
	w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "Tree__c"})
	w.add("Tree__c", "SetupOwnerId="+string(w.Admin().User))
	w.add("List__c", "Name=a")
	w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "List__c", Fields: fields("Name=A")})
	if o, _ := w.Describe("List__c"); !o.CustomSetting || o.Triggerable || o.MruEnabled || o.CompactLayoutable {
		t.Errorf("flags of a custom setting: %+v", o)
	}
}

func TestPlatformEventsAreNotKept(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		_, err := tx.PutObject(org.ObjectSpec{Name: "Signal__e", Label: "Signal", Kind: org.PlatformEvent})
		if err != nil {
			return err
		}
		return putFields(tx, "Signal__e", words("Text__c", 20))
	})
	w.add("Signal__e", "Text__c=hello")
	if m := w.queryError("SELECT ReplayId FROM Signal__e"); !strings.Contains(m, "does not support query") {
		t.Error(m)
	}
}

func TestCustomMetadataIsReadOnly(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{Name: "Rule__mdt", Label: "Rule", Kind: org.CustomMetadata}); err != nil {
			return err
		}
		if err := putFields(tx, "Rule__mdt", words("Text__c", 20),
			org.FieldSpec{Name: "About__c", Type: "MetadataRelationship", ReferenceTo: "EntityDefinition"}); err != nil {
			return err
		}
		_, _, err := tx.PutMetadataRecord("Rule__mdt", "First", "First rule", fields("Text__c=hi", "About__c=Account"))
		if err != nil {
			return err
		}
		return nil
	})
	w.wants("SELECT DeveloperName, MasterLabel, Text__c, About__c FROM Rule__mdt WHERE About__c = 'Account'", "First|First rule|hi|Account")
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Insert, org.Row{Object: "Rule__mdt"})
	id := w.rows("SELECT Id FROM Rule__mdt")[0]
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Update, org.Row{ID: id})
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Delete, org.Row{ID: id})
}
