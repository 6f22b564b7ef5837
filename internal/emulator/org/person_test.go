package org_test

import (
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// people is a world with person accounts, and the Id of their record type.
func people(t *testing.T) (w *world, person string) {
	w = &world{t: t, clock: org.FixedClock(start)}
	w.Org = org.New(org.Config{Seed: 7, Clock: w.clock, Features: org.Features{PersonAccounts: true}})
	return w, w.rows("SELECT Id FROM RecordType WHERE SobjectType = 'Account' AND IsPersonType = true")[0]
}

func TestWithoutPersonAccountsTheFieldDoesNotExist(t *testing.T) {
	w := newWorld(t)
	if m := w.queryError("SELECT IsPersonAccount FROM Account"); m[:len("INVALID_FIELD")] != "INVALID_FIELD" {
		t.Error(m)
	}
}

func TestPersonAccountHasAContactOfItsOwn(t *testing.T) {
	w, person := people(t)
	w.fields("Contact", words("Hobby__c", 20))
	id := w.add("Account", "RecordTypeId="+person, "FirstName=Ada", "LastName=Byron", "PersonEmail=ada@x.example", "Hobby__pc=chess", "Phone=1")
	contact := sf.ID(w.value(id, "PersonContactId"))
	w.wants("SELECT Name, IsPersonAccount, PersonEmail FROM Account", "Ada Byron|true|ada@x.example")
	w.wants("SELECT Id, Name, AccountId, Email, Hobby__c, Phone, IsPersonAccount FROM Contact",
		string(contact)+"|Ada Byron|"+string(id)+"|ada@x.example|chess|1|true")
	w.set(id, "LastName=King", "PersonEmail=")
	w.wants("SELECT Name, Email FROM Contact", "Ada King|")
	w.refused("INVALID_PERSON_ACCOUNT_OPERATION", org.Update, org.Row{ID: string(contact), Fields: fields("Phone=2")})
	w.refused("DELETE_FAILED", org.Delete, org.Row{ID: string(contact)})
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "Contact", Fields: fields("LastName=x", "AccountId="+string(id))})
	w.do(org.Delete, id)
	w.wants("SELECT Id FROM Contact")
	w.do(org.Undelete, id)
	w.wants("SELECT Id, AccountId FROM Contact", string(contact)+"|"+string(id))
	// A last name without a record type makes a person, a name a business.
	w.add("Account", "LastName=Solo")
	w.add("Account", "Name=Works")
	w.wants("SELECT Name, IsPersonAccount FROM Account WHERE Name IN ('Solo', 'Works') ORDER BY Name", "Solo|true", "Works|false")
}

func TestPersonAccountRefusals(t *testing.T) {
	w, person := people(t)
	business := w.add("Account", "Name=Works")
	id := w.add("Account", "RecordTypeId="+person, "LastName=Byron")
	for _, c := range []struct {
		code  string
		pairs []string
	}{
		{"INVALID_FIELD_FOR_INSERT_UPDATE", []string{"RecordTypeId=" + person, "Name=Ada", "LastName=Byron"}},
		{"INVALID_FIELD_FOR_INSERT_UPDATE", []string{"Name=Works", "PersonEmail=a@x.example"}},
		{"REQUIRED_FIELD_MISSING", []string{"RecordTypeId=" + person, "FirstName=Ada"}},
		{"FIELD_INTEGRITY_EXCEPTION", []string{"RecordTypeId=" + person, "LastName=x", "ParentId=" + string(business)}},
		{"FIELD_INTEGRITY_EXCEPTION", []string{"Name=Sub", "ParentId=" + string(id)}},
	} {
		w.refused(c.code, org.Insert, org.Row{Object: "Account", Fields: fields(c.pairs...)})
	}
	w.mergeRefused("INVALID_PERSON_ACCOUNT_OPERATION", "Account", business, id)
}

func TestPersonAccountsMergeWithTheirContacts(t *testing.T) {
	w, person := people(t)
	a := w.add("Account", "RecordTypeId="+person, "LastName=A")
	b := w.add("Account", "RecordTypeId="+person, "LastName=B")
	w.add("Task", "WhoId="+w.value(b, "PersonContactId"), "Subject=Call")
	w.merge("Account", a, []sf.ID{b})
	w.wants("SELECT Name FROM Contact", "A")
	w.wants("SELECT WhoId FROM Task", w.value(a, "PersonContactId"))
}

func TestAccountChangesItsKind(t *testing.T) {
	w, person := people(t)
	business := w.rows("SELECT Id FROM RecordType WHERE DeveloperName = 'Business_Account'")[0]
	id := w.add("Account", "Name=Works")
	toPerson := org.Row{ID: string(id), Fields: fields("RecordTypeId=" + person)}
	w.refused("INVALID_PERSON_ACCOUNT_OPERATION", org.Update, toPerson)
	contact := w.add("Contact", "LastName=Byron", "FirstName=Ada", "Title=Countess", "AccountId="+string(id))
	w.set(id, "RecordTypeId="+person)
	w.wants("SELECT Name, PersonTitle, PersonContactId FROM Account", "Ada Byron|Countess|"+string(contact))
	w.set(id, "RecordTypeId="+business, "Name=Works")
	w.wants("SELECT Name, IsPersonAccount, PersonTitle FROM Account", "Works|false|")
	w.wants("SELECT Name, IsPersonAccount FROM Contact", "Ada Byron|false")
	w.set(contact, "Title=Lady")
}

// TestPersonAccountHasTheChildrenOfItsContact by relationships that begin with Person.
func TestPersonAccountHasTheChildrenOfItsContact(t *testing.T) {
	w, person := people(t)
	id := w.add("Account", "RecordTypeId="+person, "LastName=Byron")
	w.add("Task", "WhoId="+w.value(id, "PersonContactId"), "Subject=Call")
	other := w.add("Account", "Name=Works")
	w.add("Task", "WhatId="+string(other), "Subject=Post")
	for account, want := range map[sf.ID]int{id: 1, other: 0} {
		a := w.answer("SELECT Id, (SELECT Subject FROM PersonTasks) FROM Account WHERE Id = '"+string(account)+"'", false)
		children := a.Record(0).Cells[1].Children
		if (children != nil) != (want > 0) || want > 0 && children.Len() != want {
			t.Errorf("%s: %v, want %d tasks of its contact", account, children, want)
		}
	}
	object, _ := w.Describe("Account")
	for _, c := range object.Children {
		if c.Child == "ContactHistory" || c.Child == "ContactShare" {
			t.Errorf("%s is a child of the person", c.Child)
		}
	}
}
