package org_test

import (
	"testing"

	"holdfast/internal/emulator/org"
)

// TestDetailsNeedAMaster: Salesforce Help, "Considerations for Relationships": a new master-detail is refused while there are records, and
// a lookup becomes one only when each record has a master; what is in the Recycle Bin is deleted for good then.
func TestDetailsNeedAMaster(t *testing.T) {
	w := newWorld(t)
	w.object("Box__c")
	w.object("Item__c", org.FieldSpec{Name: "In__c", Type: "Lookup", ReferenceTo: "Box__c", RelationshipName: "Items"})
	put := func(name string) error {
		return w.Change(w.Admin(), func(tx *org.Tx) error { return putFields(tx, "Item__c", detail(name, "Box__c", "All"+name[:2])) })
	}
	box := w.add("Box__c", "Name=b")
	kept, loose, binned := w.add("Item__c", "In__c="+string(box)), w.add("Item__c"), w.add("Item__c")
	w.do(org.Delete, binned)
	if put("New__c") == nil {
		t.Error("a new master-detail is taken over records")
	}
	if put("In__c") == nil {
		t.Error("a record without a master becomes a detail")
	}
	w.do(org.Undelete, binned) // what was refused has done nothing
	w.do(org.Delete, binned)
	w.do(org.Delete, loose)
	if err := put("In__c"); err != nil {
		t.Fatal(err)
	}
	w.wants("SELECT In__c FROM Item__c", string(box))
	if got := w.lines("SELECT Id FROM Item__c", true); len(got) != 1 || got[0] != string(kept) {
		t.Errorf("left of the Recycle Bin: %v", got)
	}
}
