package metadata_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

// datasets are linked records of NPSP. The third data set, qa_org, holds records of an object that the project does not define.
var datasets = []struct{ name, mapping string }{{"dev_org", "dev_org/mapping.yml"}, {"1k", "mapping.yml"}}

// loadDataset loads records into the deployed org: every row must be accepted.
func loadDataset(t *testing.T, o *org.Org, name, mapping string) {
	set, err := testkit.ReadDataset(testkit.Shared(t, "projects", "npsp", "datasets", mapping),
		testkit.Shared(t, "projects", "npsp", "datasets", name, "test_data.sql"))
	if err != nil {
		t.Fatal(err)
	}
	ids, types, refused := map[string]string{}, map[string]string{}, 0
	for _, step := range set.Steps {
		rows := make([]org.Row, len(step.Rows))
		for i, r := range step.Rows {
			rows[i].Object = step.Object
			for field, text := range r.Values {
				if typeName, ok := strings.CutPrefix(text, "RecordType:"); ok {
					text = recordType(t, o, types, step.Object, typeName)
				}
				rows[i].Fields = append(rows[i].Fields, org.Assignment{Field: field, Text: text})
			}
			for field, number := range r.Refs {
				rows[i].Fields = append(rows[i].Fields, org.Assignment{Field: field, Text: ids[step.Lookups[field]+"/"+number]})
			}
		}
		for i, r := range o.Write(o.Admin(), org.Insert, rows, org.Options{}) {
			if !r.Success {
				if refused++; refused < 10 {
					t.Errorf("%s row %s: %v", step.Object, step.Rows[i].Number, r.Errors)
				}
			}
			ids[step.Table+"/"+step.Rows[i].Number] = string(r.ID)
		}
	}
	if refused > 0 || set.Rows() < 1000 {
		t.Errorf("%d of %d rows were refused", refused, set.Rows())
	}
}

// recordType makes the record type that a data set expects of the org.
func recordType(t *testing.T, o *org.Org, types map[string]string, object, name string) string {
	t.Helper()
	if id := types[object+name]; id != "" {
		return id
	}
	err := o.Change(o.Admin(), func(tx *org.Tx) error {
		id, _, err := tx.PutRecordType(org.RecordTypeSpec{Object: object, DeveloperName: name, Label: name, Active: true})
		if err != nil {
			return err
		}
		types[object+name] = string(id)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return types[object+name]
}
