package org

import "holdfast/internal/sf"

// chunkRows is how many rows of a load the platform saves together.
const chunkRows = 200

// twins finds the rows of one chunk that stand twice, and what they are refused with, by their place;
// nil when there are none. The later one of two rows with the same Id is refused, and every row of an
// upsert whose external id another one has. In separate chunks both are done.
// Sources: Salesforce Help 000384876 for Ids and for separate chunks; public replies for external ids,
// whose first row is refused, too. Which of two rows with the same Id goes through is unverified, and
// so is whether an update lets a few of them through (Help 000386990 counts twelve).
func (w *work) twins(op Op, rows []Row) map[int]*Error {
	if len(rows) < 2 || op != Update && op != Upsert {
		return nil
	}
	if key := w.opts.ExternalID; op == Upsert && key != "" && fold(key) != "id" {
		return w.keyTwins(key, rows)
	}
	var found map[int]*Error
	if w.seen == nil {
		w.seen = make(map[string]struct{}, len(rows))
	}
	clear(w.seen)
	for i := range rows {
		if rows[i].ID == "" {
			continue
		}
		id := sf.ID(rows[i].ID).Short()
		if _, twice := w.seen[id]; !twice {
			w.seen[id] = struct{}{}
			continue
		}
		if found == nil {
			found = map[int]*Error{}
		}
		found[i] = fault("DUPLICATE_VALUE", "duplicate id specified: "+rows[i].ID)
	}
	return found
}

// keyTwins refuses all rows of an upsert that carry the same external id.
func (w *work) keyTwins(key string, rows []Row) map[int]*Error {
	values := make([]string, len(rows))
	first := make(map[string]int, len(rows)) // row of each value; -1 once it is refused
	var found map[int]*Error
	for i := range rows {
		for _, a := range rows[i].Fields {
			if a.Parent == nil && fold(a.Field) == fold(key) {
				values[i] = a.Text
			}
		}
		if values[i] == "" {
			continue
		}
		value := values[i]
		if o := w.o.schema.object(rows[i].Object); o != nil {
			if f := o.Field(key); f != nil && !f.CaseSensitive {
				value = fold(value)
			}
		}
		j, twice := first[value]
		if !twice {
			first[value] = i
			continue
		}
		if found == nil {
			found = map[int]*Error{}
		}
		for _, k := range []int{j, i} {
			if k >= 0 {
				found[k] = fault("DUPLICATE_VALUE", "Duplicate external id specified: "+values[k], key)
			}
		}
		first[value] = -1
	}
	return found
}
