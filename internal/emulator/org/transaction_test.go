package org_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
)

// A transaction that fails leaves no trace: no record, no Recycle Bin, no log of deletions.
func TestTransactionThatFailsLeavesNoTrace(t *testing.T) {
	o := org.New(org.Config{})
	admin := o.Admin()
	insert := func(c org.Caller, name string) org.Result {
		return o.Write(c, org.Insert, []org.Row{{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: name}}}}, org.Options{})[0]
	}
	kept := insert(admin, "kept")
	stop := errors.New("stop")
	err := o.Transact(admin, func(c org.Caller) error {
		made := insert(c, "made")
		if !made.Success {
			t.Fatal(made.Errors)
		}
		if r, err := o.Retrieve(c, "Account", []string{string(made.ID)}, []string{"Name"}); err != nil || r[0] == nil {
			t.Errorf("the transaction does not see what it made: %v", err)
		}
		for _, id := range []string{string(made.ID), string(kept.ID)} {
			if res := o.Write(c, org.Delete, []org.Row{{ID: id}}, org.Options{})[0]; !res.Success {
				t.Error(res.Errors)
			}
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if r, err := o.Retrieve(admin, "Account", []string{string(kept.ID)}, []string{"Name"}); err != nil || r[0] == nil {
		t.Errorf("what was deleted is gone: %v", err)
	}
	now := o.Clock().Now()
	log, err := o.Deleted(admin, "Account", now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil || len(log.Records) != 0 {
		t.Errorf("getDeleted tells of %v (%v)", log.Records, err)
	}
	if res := o.Write(admin, org.Undelete, []org.Row{{ID: string(kept.ID)}}, org.Options{})[0]; res.Success {
		t.Error("the Recycle Bin holds a record that lives")
	}
}

// A transaction that ends well stays, and others see nothing of it before.
func TestTransactionIsSeenWhenItEnds(t *testing.T) {
	o := org.New(org.Config{})
	admin := o.Admin()
	seen := make(chan int)
	err := o.Transact(admin, func(c org.Caller) error {
		o.Write(c, org.Insert, []org.Row{{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "A"}}}}, org.Options{})
		go func() {
			log, _, err := o.Updated(admin, "Account", o.Clock().Now().Add(-time.Hour), o.Clock().Now().Add(time.Hour))
			if err != nil {
				t.Error(err)
			}
			seen <- len(log)
		}()
		if _, ok := o.Describe("Account"); !ok { // what is no record can be asked for
			t.Error("no Account")
		}
		return nil
	})
	if n := <-seen; err != nil || n != 1 {
		t.Errorf("others see %d records (%v), want 1: they wait for the end", n, err)
	}
}
