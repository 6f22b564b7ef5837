package org_test

import (
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

func TestContactsOfSeveralAccounts(t *testing.T) {
	w := &world{t: t, clock: org.FixedClock(start)}
	w.Org = org.New(org.Config{Seed: 7, Clock: w.clock, Features: org.Features{ContactsToMultipleAccounts: true}})
	a, b := w.add("Account", "Name=A"), w.add("Account", "Name=B")
	con := w.add("Contact", "LastName=L", "AccountId="+string(a))
	lone := w.add("Contact", "LastName=Lone")
	w.wants("SELECT Account.Name, ContactId, IsDirect, IsActive FROM AccountContactRelation", "A|"+string(con)+"|true|true")
	indirect := org.Row{Object: "AccountContactRelation", Fields: fields("AccountId="+string(b), "ContactId="+string(con), "Roles=Evaluator")}
	made := w.one(org.Insert, indirect, org.Options{})
	w.refused("DUPLICATE_VALUE", org.Insert, indirect)
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "AccountContactRelation", Fields: fields("AccountId="+string(b), "ContactId="+string(lone))})
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Update, org.Row{ID: string(made.ID), Fields: fields("AccountId=" + string(a))})
	direct := w.rows("SELECT Id FROM AccountContactRelation WHERE IsDirect = true")[0]
	w.refused("DELETE_FAILED", org.Delete, org.Row{ID: direct})
	w.set(con, "AccountId="+string(b))
	w.wants("SELECT Account.Name, IsDirect, Roles FROM AccountContactRelation ORDER BY Account.Name", "A|false|", "B|true|Evaluator")
	w.merge("Account", b, []sf.ID{a}) // the master has the contact already
	w.wants("SELECT Account.Name, IsDirect FROM AccountContactRelation", "B|true")
	w.do(org.Delete, con)
	w.wants("SELECT Id FROM AccountContactRelation")
	if _, ok := newWorld(t).Describe("AccountContactRelation"); ok {
		t.Error("an org without the feature has the object")
	}
}
