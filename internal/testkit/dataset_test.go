package testkit

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestReadDatasetOfTheNonprofitSuccessPack(t *testing.T) {
	root := Shared(t, "projects", "npsp", "datasets")
	set, err := ReadDataset(filepath.Join(root, "mapping.yml"), filepath.Join(root, "1k", "test_data.sql"))
	if err != nil {
		t.Fatal(err)
	}
	// The dump holds 17,285 INSERT statements; two of them list record types, which are not records.
	if len(set.Steps) != 13 || set.Rows() != 17283 {
		t.Errorf("%d steps with %d rows", len(set.Steps), set.Rows())
	}
	contacts := set.Steps[2]
	if contacts.Object != "Contact" || contacts.Rows[1].Refs["Primary_Affiliation__c"] != "887" || contacts.Rows[1].Values["FirstName"] != "Anna" {
		t.Errorf("%s: %+v", contacts.Object, contacts.Rows[1])
	}
	if got := set.Steps[0].Rows[0].Values["RecordTypeId"]; got != "RecordType:HH_Account" {
		t.Errorf("record type %q", got)
	}
}

func TestSQLValues(t *testing.T) {
	got := sqlValues(`1,'it''s','','a,b',NULL,2.5`)
	if want := []string{"1", "it's", "", "a,b", "", "2.5"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
