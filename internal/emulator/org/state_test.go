package org

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/image"
)

// Whatever is below an Org is in its image, or says by its tag that it is not.
func TestNothingIsForgotten(t *testing.T) {
	for _, bad := range image.Check(&Org{}) {
		t.Errorf("%s: give it the tag image:\"-\", and make it again in Thaw", bad)
	}
}

// What the platform computes is computed by an org that was read, too.
func TestDerivedFieldsAreMadeAgain(t *testing.T) {
	o := New(Config{})
	err := o.Change(o.Admin(), func(tx *Tx) error {
		_, err := tx.PutObject(ObjectSpec{Name: "House__c", Label: "House", LabelPlural: "Houses", Feeds: true})
		if err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := image.Write(&b, o); err != nil {
		t.Fatal(err)
	}
	read := &Org{}
	if err := image.Read(&b, read); err != nil {
		t.Fatal(err)
	}
	read.RunClock(func() time.Time { return time.Time{} })
	derived := 0
	for key, object := range o.schema.objects {
		same := read.schema.objects[key]
		if same == nil || len(same.Fields) != len(object.Fields) {
			t.Fatalf("%s is not the same", object.Name)
		}
		for i, f := range object.Fields {
			if (f.derive == nil) != (same.Fields[i].derive == nil) {
				t.Errorf("%s.%s is not computed any more: teach derivationOf", object.Name, f.Name)
			}
			if f.derive != nil {
				derived++
			}
		}
	}
	if derived == 0 {
		t.Error("no field is derived")
	}
}

// TestClonesShareBodies: a clone of an org with gigabytes of files takes no memory for them.
func TestClonesShareBodies(t *testing.T) {
	o := New(Config{})
	b, err := o.StoreBody(strings.NewReader("the bytes of a file"), MaxBody)
	if err != nil {
		t.Fatal(err)
	}
	if o.Clone().bodies[b.key] != b {
		t.Error("the clone has a copy of the body")
	}
}

// TestASandboxSendsNoMail: Salesforce Help, "Configure Deliverability Settings".
func TestASandboxSendsNoMail(t *testing.T) {
	o := New(Config{})
	o.BecomeSandbox("dev", o.Admin())
	w := o.begin(o.Admin(), o.clock.Now(), Options{})
	w.mail("ApexTrigger T", o.admin)
	w.commit()
	if sent, held, _ := o.Outbox(); sent != 0 || held != 1 {
		t.Errorf("%d messages left the sandbox, %d were held back", sent, held)
	}
}
