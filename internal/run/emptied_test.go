package run_test

import (
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// A field or an object whose values no snapshot holds comes back empty, and the plan says so before anybody approves it.
func TestRollbackSaysWhatComesBackEmpty(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	other := func(name string) map[string]string {
		return map[string]string{"objects/" + name + "__c.object": strings.ReplaceAll(thing("A=a")["objects/Thing__c.object"], ">Thing", ">"+name)}
	}
	r.deploy(nil, thing("A=a", "B=b"), other("Held"), other("Lost"))
	for _, object := range []string{"Thing__c", "Held__c", "Lost__c"} {
		if _, err := r.loader.Insert(t.Context(), object, []testkit.Row{{"Name": "one", "A__c": "x"}}); err != nil {
			t.Fatal(err)
		}
	}
	before := r.take(append([]string{"Held__c", "User"}, few...)...) // and no records of Thing__c and Lost__c
	r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.A__c"}, {Type: "CustomField", Name: "Held__c.A__c"}, {Type: "CustomObject", Name: "Lost__c"}})
	after := r.take(append([]string{"Held__c", "User"}, few...)...)

	plan := r.plan(before, after)
	var empty []string
	for _, n := range plan.Notes {
		if strings.Contains(n, "comes back") {
			empty = append(empty, n)
		}
	}
	slices.Sort(empty)
	if len(empty) != 2 || !strings.HasPrefix(empty[0], "CustomField Thing__c.A__c comes back empty: snapshot ") ||
		!strings.HasPrefix(empty[1], "CustomObject Lost__c comes back without records: snapshot ") {
		t.Errorf("the plan says %q", empty)
	}
}
