package run

import (
	"context"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/snapshot"
)

// DataRow is the data that a change of the schema touches, as the snapshot holds it.
type DataRow struct {
	Object  string `json:"object"`          // API name
	Field   string `json:"field,omitempty"` // API name; empty: the object itself
	How     string `json:"how"`             // removed, or changed
	Records int64  `json:"records"`         // of the object
	Values  int64  `json:"values"`          // records with a value in the field; of an object, its records
	Held    bool   `json:"held"`            // the snapshot holds the object and the field; if not, nothing is known of them
}

// touchedData counts the data under fields and objects that are removed or changed. Of fields that are added there
// is none.
func touchedData(ctx context.Context, sn *snapshot.Snapshot, diffs []ComponentDiff) ([]DataRow, error) {
	if sn == nil {
		return nil, nil
	}
	var out []DataRow
	for _, d := range diffs {
		if d.Type != "CustomObject" || d.How == string(component.Added) {
			continue
		}
		part, held := wholePart(sn, d.Name)
		if d.How == string(component.Removed) {
			out = append(out, DataRow{Object: d.Name, How: d.How, Records: part.Records, Values: part.Records, Held: held})
			continue
		}
		var rows []DataRow
		for _, p := range d.Parts {
			if p.Element == "fields" && p.How != string(component.Added) && strings.Contains(p.Key, "__") {
				has := held && slices.Contains(part.Fields, p.Key)
				rows = append(rows, DataRow{Object: d.Name, Field: p.Key, How: p.How, Records: part.Records, Held: has})
			}
		}
		if err := countValues(ctx, sn, d.Name, rows); err != nil {
			return out, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// countValues counts the values of the fields that are held.
func countValues(ctx context.Context, sn *snapshot.Snapshot, object string, rows []DataRow) error {
	if !slices.ContainsFunc(rows, func(r DataRow) bool { return r.Held && r.Records > 0 }) {
		return nil
	}
	for record, err := range sn.Records(ctx, object) {
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Held && !record.Get(rows[i].Field).IsNull() {
				rows[i].Values++
			}
		}
	}
	return nil
}
