package run

import (
	"fmt"

	"holdfast/internal/plan"
)

// ForeseenRow are rows that the org would refuse as its schema is now.
type ForeseenRow struct {
	Object string `json:"object"`          // API name
	Field  string `json:"field,omitempty"` // API name
	Reason string `json:"reason"`          // why
	Rows   int64  `json:"rows"`            // rows of the plan
}

// RestorableRow is the restorability of one object: how many rows the org is expected to take, without
// having been asked.
type RestorableRow struct {
	Object  string  `json:"object"`  // API name
	Rows    int64   `json:"rows"`    // rows of the plan
	Refused int64   `json:"refused"` // rows for which a refusal is foreseen
	Score   float64 `json:"score"`   // share of the others, 0 to 1
}

func foreseenRows(list []plan.Foreseen) []ForeseenRow {
	out := make([]ForeseenRow, len(list))
	for i, f := range list {
		out[i] = ForeseenRow(f)
	}
	return out
}

func restorableRows(list []plan.Restorable) []RestorableRow {
	out := make([]RestorableRow, len(list))
	for i, r := range list {
		out[i] = RestorableRow{Object: r.Object, Rows: r.Rows, Refused: r.Refused, Score: 1}
		if r.Rows > 0 {
			out[i].Score = float64(r.Rows-r.Refused) / float64(r.Rows)
		}
	}
	return out
}

// notedReasons bounds how many reasons a plan names; the result of the restore has all of them.
const notedReasons = 20

// foreseenNotes says in a plan what the org would refuse of it.
func foreseenNotes(objects []plan.Restorable, reasons []plan.Foreseen) []string {
	of := map[string]int64{}
	for _, r := range objects {
		of[r.Object] = r.Rows
	}
	var out []string
	for i, f := range reasons {
		if i == notedReasons {
			out = append(out, fmt.Sprintf("and %d more reasons for which rows would be refused", len(reasons)-i))
			break
		}
		name := f.Object
		if f.Field != "" {
			name += "." + f.Field
		}
		out = append(out, fmt.Sprintf("%d of %d rows of %s would be refused: %s: %s", f.Rows, of[f.Object], f.Object, name, f.Reason))
	}
	return out
}
