package org_test

import (
	"strconv"
	"testing"

	"holdfast/internal/emulator/org"
)

// TestFirstRecordOfALoadIsFoundByTheNextDeletion: which objects refer to a deleted record is found out once for a load. An
// object that gets its first record within the load is one of them from then on.
func TestFirstRecordOfALoadIsFoundByTheNextDeletion(t *testing.T) {
	w := newWorld(t)
	w.object("Log__c", lookup("About__c", "Account", "Logs", "SetNull"))
	w.automation(org.AutomationSpec{Kind: "ApexTrigger", Name: "T", Object: "Account", Events: allEvents, Active: true, Declare: []string{
		`after delete: create Log__c Name = Name, About__c = Site`,
	}})
	second := w.add("Account", "Name=second")
	first := w.add("Account", "Name=first", "Site="+string(second))
	rows := []org.Row{{ID: string(first)}, {ID: string(second)}}
	for _, r := range w.Write(w.Admin(), org.Delete, rows, org.Options{}) {
		if !r.Success {
			t.Fatal(r.Errors)
		}
	}
	w.wants("SELECT Name, About__c FROM Log__c ORDER BY Name", "first|", "second|")
}

// BenchmarkDelete is the cost of deletions on an org with the whole catalogue: 10,000 contacts.
func BenchmarkDelete(b *testing.B) {
	batch := make([]org.Row, 10_000)
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		for i := range batch {
			batch[i] = org.Row{Object: "Contact", Fields: fields("LastName=Person " + strconv.Itoa(i))}
		}
		for i, r := range w.Write(w.Admin(), org.Insert, batch, org.Options{}) {
			batch[i] = org.Row{ID: string(r.ID)}
		}
		b.StartTimer()
		if r := w.Write(w.Admin(), org.Delete, batch, org.Options{}); !r[len(r)-1].Success {
			b.Fatal(r[len(r)-1].Errors)
		}
	}
}
