package org

// kin is a reference of other records to those of a table.
type kin struct {
	field *Field
	link  *link
	t     *table // of the records that refer
}

// kinOf returns the references to the records of a table from objects that have records. A catalogue of hundreds of
// objects refers to Contact and User, and few of them have any: the list is made once for a load, and again when an
// object gets its first record or the schema changes.
func (w *work) kinOf(t *table) []kin {
	s := w.o.schema
	if w.kinIn != s || w.kinAt != s.published {
		w.kin, w.kinIn, w.kinAt = map[*table][]kin{}, s, s.published
	}
	list, ok := w.kin[t]
	if ok {
		return list
	}
	for _, ref := range s.kids[fold(t.object.Name)] {
		if child := w.o.tables[ref.child]; ref.field.column >= 0 && child.inhabited() {
			list = append(list, kin{field: ref.field, link: &ref.field.link, t: child})
		}
	}
	w.kin[t] = list
	return list
}

// inhabited reports a table that has, or had, records.
func (t *table) inhabited() bool { return len(t.rows) > 0 || t.live > 0 }
