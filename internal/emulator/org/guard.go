package org

import "holdfast/internal/sf"

// guard refuses writes that the object itself forbids, whatever the fields are, and derives what the
// rules of fields need. It runs before the rules of single objects.
func (d *draft) guard() *Error {
	switch d.object.Name {
	case "Lead":
		if d.old != nil && d.was("IsConverted") == "true" {
			return convertedLead()
		}
	case "Task", "Event":
		return d.unconverted("WhoId")
	}
	return nil
}

// unconverted refuses a reference to a converted lead.
func (d *draft) unconverted(lookup string) *Error {
	id := d.get(lookup)
	if id == "" || id == d.was(lookup) {
		return nil
	}
	p := d.w.o.record(sf.ID(id))
	if p.r != nil && p.t.object.Name == "Lead" && p.t.text(p.r, "IsConverted") == "true" {
		return convertedLead()
	}
	return nil
}

// consequences makes what follows from a record that has been written: other records, and changes
// of them.
func (d *draft) consequences() *Error {
	return nil
}

// mayDelete refuses the deletion of a record that its object keeps.
func (w *work) mayDelete(t *table, r *row) *Error {
	return nil
}
