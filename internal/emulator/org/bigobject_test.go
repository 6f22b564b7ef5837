package org_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

func TestBigObjectIsFoundByItsIndex(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{
			Name: "Visit__b", Label: "Visit", LabelPlural: "Visits", Kind: org.BigObject, Index: []string{"Who__c", "Seq__c"},
		}); err != nil {
			return err
		}
		return putFields(tx, "Visit__b", words("Who__c", 20), number("Seq__c", 0), words("Note__c", 50))
	})
	first := w.add("Visit__b", "Who__c=ada", "Seq__c=1", "Note__c=old")
	w.add("Visit__b", "Who__c=ada", "Seq__c=2", "Note__c=two")
	w.add("Visit__b", "Who__c=bob", "Seq__c=1", "Note__c=bob")
	if again := w.add("Visit__b", "Who__c=ada", "Seq__c=1", "Note__c=new"); again != first {
		t.Error("the same index made another record")
	}
	w.wants("SELECT Note__c FROM Visit__b WHERE Who__c = 'ada'", "new", "two")
	w.wants("SELECT Note__c FROM Visit__b WHERE Who__c = 'ada' AND Seq__c > 1", "two")
	w.wants("SELECT Note__c FROM Visit__b WHERE Who__c IN ('bob')", "bob")
	for _, where := range []string{"Seq__c = 1", "Note__c = 'new'", "Who__c > 'a' AND Seq__c = 1", "Who__c LIKE 'a%'", "Who__c = 'ada' OR Who__c = 'bob'"} {
		if m := w.queryError("SELECT Id FROM Visit__b WHERE " + where); !strings.HasPrefix(m, "BIG_OBJECT_UNSUPPORTED_OPERATION") {
			t.Errorf("%s: %s", where, m)
		}
	}
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Update, org.Row{ID: string(first), Fields: fields("Note__c=x")})
	w.refused("REQUIRED_FIELD_MISSING", org.Insert, org.Row{Object: "Visit__b", Fields: fields("Who__c=ada")})
	w.do(org.Delete, first)
	if q, _ := soql.Parse("SELECT Id FROM Visit__b"); q != nil {
		if a, err := w.Query(w.Admin(), q, true); err != nil || a.Len() != 2 {
			t.Errorf("after the deletion %v, %v", a, err)
		}
	}
}

func TestMetadataRelationshipsHoldIds(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		for _, name := range []string{"Rule__mdt", "Kind__mdt"} {
			if _, err := tx.PutObject(org.ObjectSpec{Name: name, Label: name, Kind: org.CustomMetadata}); err != nil {
				return err
			}
		}
		if err := putFields(tx, "Rule__mdt",
			org.FieldSpec{Name: "Kind__c", Type: "MetadataRelationship", ReferenceTo: "Kind__mdt"},
			org.FieldSpec{Name: "About__c", Type: "MetadataRelationship", ReferenceTo: "EntityDefinition"}); err != nil {
			return err
		}
		// The record that is named comes later in the same deploy.
		if _, _, err := tx.PutMetadataRecord("Rule__mdt", "One", "One", fields("Kind__c=ns__Late", "About__c=Account")); err != nil {
			return err
		}
		if _, _, err := tx.PutMetadataRecord("Kind__mdt", "ns__Late", "Late", nil); err != nil {
			return err
		}
		return nil
	})
	id := w.rows("SELECT Id FROM Kind__mdt")[0]
	w.wants("SELECT Kind__c, Kind__r.DeveloperName, About__c FROM Rule__mdt", id+"|Late|Account")
	w.wants("SELECT DeveloperName FROM Rule__mdt WHERE Kind__c = '"+id+"'", "One")
	w.change(func(tx *org.Tx) error { // again: nothing doubles
		_, created, err := tx.PutMetadataRecord("Kind__mdt", "ns__Late", "Later", nil)
		if err != nil || created {
			t.Errorf("created %v, %v", created, err)
		}
		return nil
	})
	w.wants("SELECT MasterLabel FROM Kind__mdt", "Later")
}
