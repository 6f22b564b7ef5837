package org_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

// TestMemoryPerRecord bounds what a record costs, so that an org of a million records fits into a
// gigabyte. HOLDFAST_LONG_ROWS asks for another number of rows.
func TestMemoryPerRecord(t *testing.T) {
	rows := 20_000
	if n, err := strconv.Atoi(os.Getenv("HOLDFAST_LONG_ROWS")); err == nil {
		rows = n
	}
	w := newWorld(t)
	w.fields("Contact", org.FieldSpec{Name: "Key__c", Type: "Text", Length: 20, ExternalID: true, Unique: true})
	acc := w.add("Account", "Name=A")
	before := heap()
	for at := 0; at < rows; at += 1000 {
		batch := make([]org.Row, 1000)
		for i := range batch {
			n := strconv.Itoa(at + i)
			batch[i] = org.Row{Object: "Contact", Fields: fields("LastName=Person "+n, "FirstName=First "+n, "Key__c=K-"+n,
				"AccountId="+string(acc), "Email=p"+n+"@x.example", "MailingCity=Oslo", "MailingStreet=Street "+n, "Title=Chief of things")}
		}
		for _, r := range w.Write(w.Admin(), org.Insert, batch, org.Options{}) {
			if !r.Success {
				t.Fatal(r.Errors)
			}
		}
	}
	each := (heap() - before) / uint64(rows)
	t.Logf("%d bytes a record", each)
	if each > 1000 {
		t.Errorf("a record costs %d bytes", each)
	}
	q, err := soql.Parse("SELECT Id, LastName, Account.Name, Email FROM Contact WHERE SystemModstamp >= 2020-01-01T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.Query(w.Admin(), q, false)
	if err != nil || a.Len() != rows || a.Text(rows-1, 1) != fmt.Sprintf("Person %d", rows-1) {
		t.Errorf("%v, %d rows", err, a.Len())
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
