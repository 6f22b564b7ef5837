package org_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

// realObject is a describe of a real org, as much of it as is read here. That the whole of it is true
// is held over HTTP, by TestDescribesEqualRealOnes of the emulator.
type realObject struct {
	Label  string
	Fields []map[string]any
}

func readDescribe(t *testing.T, name string) realObject {
	t.Helper()
	raw, err := os.ReadFile(testkit.Shared(t, "describe", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var o realObject
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestScopesFollowFromOwners holds the names of the scopes against those of real describes.
func TestScopesFollowFromOwners(t *testing.T) {
	o := org.New(org.Config{})
	for name, want := range map[string]string{
		"Account":                "everything mine scopingRule team",
		"Lead":                   "everything mine queue_owned scopingRule team user_owned",
		"Case":                   "everything genericteam mine queue_owned scopingRule team_by_role user_owned",
		"Event":                  "delegated everything mine scopingRule team",
		"OpportunityContactRole": "everything",
	} {
		object, _ := o.Describe(name)
		var have []string
		for _, s := range object.Scopes() {
			have = append(have, s.Name)
		}
		if strings.Join(have, " ") != want {
			t.Errorf("%s: %v, want %s", name, have, want)
		}
	}
}

// TestPicklistsAreDescribedByVersion: the width of 48 and of later versions, and the default value.
func TestPicklistsAreDescribedByVersion(t *testing.T) {
	object, _ := org.New(org.Config{}).Describe("Case")
	for version, width := range map[int]int{48: 40, 52: 255} {
		status := object.Field("Status").Described(version)
		if status.Length != width || status.ByteLength != 3*width || status.DefaultValue != "New" || !status.DefaultedOnCreate {
			t.Errorf("v%d: %+v", version, status)
		}
	}
	if reason := object.Field("Reason").Described(60); reason.DefaultValue != "" || reason.DefaultedOnCreate {
		t.Errorf("a picklist without a default has %q", reason.DefaultValue)
	}
}

// TestInvitationsAreJunctions: an event names its answers by lists of Ids.
func TestInvitationsAreJunctions(t *testing.T) {
	object, _ := org.New(org.Config{}).Describe("Event")
	var lists []string
	for _, c := range object.Children {
		l, targets := c.Junction()
		lists = append(lists, l...)
		if len(l) > 0 && !slices.Equal(targets, []string{"Calendar", "Contact", "Lead", "User"}) {
			t.Errorf("%s: %v", c.Child, targets)
		}
	}
	if want := "AcceptedEventInviteeIds DeclinedEventInviteeIds UndecidedEventInviteeIds"; strings.Join(lists, " ") != want {
		t.Errorf("%v, want %s", lists, want)
	}
}

// TestRecordTypeStandsWhereTheDescribeHasIt: after Type on Account, after the name elsewhere.
func TestRecordTypeStandsWhereTheDescribeHasIt(t *testing.T) {
	w := newWorld(t)
	for name, after := range map[string]string{"Account": "Type", "Contact": "Name"} {
		w.change(func(tx *org.Tx) error {
			if _, _, err := tx.PutRecordType(org.RecordTypeSpec{Object: name, DeveloperName: "Some", Label: "Some", Active: true}); err != nil {
				return err
			}
			return nil
		})
		object, _ := w.Describe(name)
		i := slices.IndexFunc(object.Fields, func(f *org.Field) bool { return f.Name == "RecordTypeId" })
		if object.Fields[i-1].Name != after {
			t.Errorf("%s has RecordTypeId after %s", name, object.Fields[i-1].Name)
		}
	}
}

// TestValuesComeWithTheirVersion: the describe of Contact in version 52 lacks a salutation that Lead has in 59.
func TestValuesComeWithTheirVersion(t *testing.T) {
	object, _ := org.New(org.Config{}).Describe("Lead")
	for version, want := range map[int]int{52: 5, 59: 6} {
		if n := len(object.Field("Salutation").Described(version).Picklist); n != want {
			t.Errorf("version %d has %d salutations, want %d", version, n, want)
		}
	}
}
