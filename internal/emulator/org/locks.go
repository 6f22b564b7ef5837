package org

import (
	"strings"

	"holdfast/internal/sf"
)

// Locks returns, for each row of a load, the records that writing it locks beside itself: the
// masters that the row names, and those that the record has now. Rows that name what is not there
// lock nothing. Source: Salesforce Help, "Record Locking Cheat Sheet" (the masters of a detail, and
// the account of its contacts, opportunities and the like).
func (o *Org) Locks(rows []Row) [][]sf.ID {
	defer o.read()()
	out := make([][]sf.ID, len(rows))
	for i := range rows {
		out[i] = o.locksOf(&rows[i])
	}
	return out
}

func (o *Org) locksOf(in *Row) []sf.ID {
	var ids []sf.ID
	object := o.schema.object(in.Object)
	if id, err := sf.ParseID(in.ID); in.ID != "" && err == nil {
		if object = o.schema.prefixes[id.KeyPrefix()]; object == nil {
			return nil
		}
		t := o.tables[fold(object.Name)]
		if r := t.find(id); r != nil {
			for _, f := range object.Fields {
				if locking(f) && r.text(f.column) != "" {
					ids = append(ids, sf.ID(r.text(f.column)))
				}
			}
		}
	}
	if object == nil {
		return ids
	}
	for _, a := range in.Fields {
		if id, ok := o.lockedBy(object, a); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// locking reports a field whose target is locked when the record is written.
func locking(f *Field) bool {
	return f.column >= 0 && f.Type == sf.TypeReference && (f.link.cascade || f.link.restrict)
}

// lockedBy returns the record that an assignment locks.
func (o *Org) lockedBy(object *Object, a Assignment) (sf.ID, bool) {
	if a.Parent == nil {
		f := object.Field(a.Field)
		id, err := sf.ParseID(a.Text)
		return id, f != nil && locking(f) && a.Text != "" && err == nil
	}
	f := object.Relationship(a.Field)
	if f == nil || !locking(f) || a.Parent.Text == "" {
		return "", false
	}
	for _, name := range f.ReferenceTo {
		if a.Parent.Object != "" && !strings.EqualFold(a.Parent.Object, name) {
			continue
		}
		target := o.schema.object(name)
		if target == nil || target.Field(a.Parent.Field) == nil {
			continue
		}
		if rows, _, err := o.byKey(target, a.Parent.Field, a.Parent.Text); err == nil && len(rows) == 1 {
			return rows[0].id, true
		}
	}
	return "", false
}
