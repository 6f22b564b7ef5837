package org_test

import (
	"slices"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

const manyRows = 100_000_000

func many(t *testing.T) *world {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{Name: "Many__c", Label: "Many", LabelPlural: "Many", NameField: org.NameSpec{Label: "Name"}}); err != nil {
			return err
		}
		return putFields(tx, "Many__c", org.FieldSpec{Name: "Text__c", Type: "Text", Length: 40},
			org.FieldSpec{Name: "Amount__c", Type: "Number", Precision: 10, Scale: 2})
	})
	if err := w.Generate(org.Generation{Object: "Many__c", Rows: manyRows, Seed: 1, From: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Step: time.Second}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) ask(text string) (*org.Answer, error) {
	w.t.Helper()
	q, err := soql.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Query(w.Admin(), q, false)
}

func (w *world) counts(text string, want int) {
	w.t.Helper()
	a, err := w.ask(text)
	if err != nil || a.Total != want {
		w.t.Errorf("%s: %v, %v, want %d", text, a, err, want)
	}
}

// A hundred million rows are there, in order, without being stored.
func TestGeneratedRowsAreComputed(t *testing.T) {
	w := many(t)
	w.counts("SELECT COUNT() FROM Many__c", manyRows)
	a, err := w.ask("SELECT Id, Name, Text__c, Amount__c, CreatedBy.Name, SystemModstamp FROM Many__c")
	if err != nil || a.Len() != manyRows {
		t.Fatalf("%v, %v", a, err)
	}
	last := ""
	for _, i := range []int{0, 1, 1999, 2000, 50_000_000, manyRows - 1} {
		if id := a.Text(i, 0); id <= last || a.Text(i, 2) == "" || a.Text(i, 3) == "" {
			t.Errorf("row %d is %s, after %s", i, id, last)
		} else {
			last = id
		}
		if again := a.Record(i); string(again.ID) != last {
			t.Errorf("row %d is %s and then %s", i, last, again.ID)
		}
	}
	id := a.Text(50_000_000, 0)
	w.counts("SELECT COUNT() FROM Many__c WHERE Id >= '"+id+"'", manyRows/2)
	w.counts("SELECT COUNT() FROM Many__c WHERE Id = '"+id+"'", 1)
	w.counts("SELECT COUNT() FROM Many__c WHERE SystemModstamp >= 2020-01-01T00:10:00Z AND SystemModstamp < 2020-01-01T00:20:00Z", 600)
	if one, err := w.ask("SELECT Text__c FROM Many__c WHERE Id = '" + id + "'"); err != nil || one.Text(0, 0) != a.Text(50_000_000, 2) {
		t.Errorf("found by Id: %v, %v", one, err)
	}
	if _, err := w.ask("SELECT Id FROM Many__c WHERE Text__c = 'x'"); err == nil {
		t.Error("a condition that no range answers looked at a hundred million rows")
	}
	if rows := w.rows("SELECT Text__c FROM Many__c LIMIT 2 OFFSET 1"); !slices.Equal(rows, []string{a.Text(1, 2), a.Text(2, 2)}) {
		t.Errorf("rows %v", rows)
	}
}

// Edits lie over the computed rows: updates, deletions and inserts are seen by every query.
func TestGeneratedRowsCanBeEdited(t *testing.T) {
	w := many(t)
	a, err := w.ask("SELECT Id FROM Many__c")
	if err != nil {
		t.Fatal(err)
	}
	changed, deleted := a.Text(1000, 0), a.Text(2000, 0)
	write := func(op org.Op, row org.Row) org.Result {
		t.Helper()
		r := w.Write(w.Admin(), op, []org.Row{row}, org.Options{})[0]
		if !r.Success {
			t.Fatal(r.Errors)
		}
		return r
	}
	write(org.Update, org.Row{ID: changed, Fields: fields("Text__c=edited")})
	write(org.Delete, org.Row{ID: deleted})
	inserted := write(org.Insert, org.Row{Object: "Many__c", Fields: fields("Text__c=new")})
	w.counts("SELECT COUNT() FROM Many__c", manyRows)
	w.counts("SELECT COUNT() FROM Many__c WHERE Id <= '"+deleted+"'", 2000)
	w.counts("SELECT COUNT() FROM Many__c WHERE Id = '"+deleted+"'", 0)
	edited, err := w.ask("SELECT Id, Text__c FROM Many__c")
	if err != nil || edited.Len() != manyRows {
		t.Fatalf("%v, %v", edited, err)
	}
	if edited.Text(1000, 1) != "edited" || edited.Text(1000, 0) != changed || edited.Text(2000, 0) != a.Text(2001, 0) ||
		edited.Text(manyRows-1, 1) != "new" || edited.Text(manyRows-1, 0) != string(inserted.ID) {
		t.Errorf("rows %s %s %s", edited.Text(1000, 1), edited.Text(2000, 0), edited.Text(manyRows-1, 1))
	}
	// The edits have the stamps of now, which is after those of all computed rows.
	w.counts("SELECT COUNT() FROM Many__c WHERE SystemModstamp >= 2025-01-01T00:00:00Z", 2)
	write(org.Undelete, org.Row{ID: deleted})
	w.counts("SELECT COUNT() FROM Many__c", manyRows+1)
	c := w.Clone()
	if r := c.Write(c.Admin(), org.Delete, []org.Row{{ID: changed}}, org.Options{})[0]; !r.Success {
		t.Error(r.Errors)
	}
	w.counts("SELECT COUNT() FROM Many__c WHERE Text__c = 'edited' AND Id = '"+changed+"'", 1)
}

// TestGeneratedRowsAreInOrder: an order by Id costs what its answer costs, in both directions, with edits laid over the rows.
func TestGeneratedRowsAreInOrder(t *testing.T) {
	w := many(t)
	first, last := w.rows("SELECT Id FROM Many__c LIMIT 1")[0], w.rows("SELECT Id FROM Many__c ORDER BY Id DESC LIMIT 1")[0]
	w.set(sf.ID(last), "Text__c=edited")
	newest := string(w.add("Many__c", "Name=new", "Text__c=edited"))
	for text, want := range map[string][]string{
		"SELECT Id FROM Many__c ORDER BY Id LIMIT 1":                                           {first},
		"SELECT Id FROM Many__c ORDER BY Id DESC LIMIT 2":                                      {newest, last},
		"SELECT Id FROM Many__c ORDER BY Id DESC LIMIT 1 OFFSET 1":                             {last},
		"SELECT Id FROM Many__c WHERE Id <= '" + last + "' ORDER BY Id DESC, Name LIMIT 1":     {last},
		"SELECT Id FROM Many__c WHERE Id > '" + last + "' ORDER BY Id":                         {newest},
		"SELECT Id FROM Many__c WHERE Id >= '" + last + "' AND Text__c = 'edited' ORDER BY Id": {last, newest},
	} {
		if got := w.rows(text); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	a, err := w.ask("SELECT Id FROM Many__c ORDER BY Id DESC")
	if err != nil || a.Len() != manyRows+1 || a.Text(0, 0) != newest || a.Text(manyRows, 0) != first {
		t.Errorf("%v %v", a, err)
	}
}
