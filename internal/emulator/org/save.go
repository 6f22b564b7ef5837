package org

// The order in which a record is saved. Source: Apex Developer Guide, "Triggers and Order of Execution".
// The engine keeps it as follows:
//
//  1. the values of the row take the place of the old ones; types, lengths, access (assign)
//  2. what the platform derives, and the rules of single objects (before)
//  3. reactions before the save, of flows and triggers alike (react)
//  4. system validation: required fields, record type, references, picklists, lookup filters, unique
//     fields, with what step 3 changed (check)
//  5. validation rules (validate)
//  6. duplicate rules (unduplicated)
//  7. the save (work.set)
//  8. reactions after the save (react)
//  9. assignment rules, then workflow: field updates save once more, with reactions of updates and
//     system validation, but without validation and duplicate rules
//  10. roll-ups and formulas, which are computed when they are read
//  11. the commit; mail

// prepare does what comes before the save.
func (d *draft) prepare(event string) *Error {
	if err := d.before(); err != nil {
		return err
	}
	if err := d.react(event); err != nil {
		return err
	}
	d.audit()
	if err := d.check(d.w.o.reject); err != nil {
		return err
	}
	if d.object.conduct == nil {
		return nil
	}
	if err := d.validate(); err != nil {
		return err
	}
	return d.unduplicated()
}

// follow does what comes after the save.
func (d *draft) follow(event string) *Error {
	if err := d.beside(); err != nil || d.object.conduct == nil {
		return err
	}
	if err := d.react(event); err != nil {
		return err
	}
	assigned := d.reassign()
	updated, err := d.flows()
	if err != nil || !assigned && !updated {
		return err
	}
	return d.again()
}

// beside makes what the platform makes beside a record: histories, shares, other records. It asks nobody.
func (d *draft) beside() *Error {
	system := d.w.system
	d.w.system = true
	err := d.after()
	d.w.system = system
	return err
}

// again saves what assignment rules and field updates changed, with all that an update leaves behind.
// That a new record, too, has a history of what its field updates change is unverified.
func (d *draft) again() *Error {
	d.old = d.t.find(d.id)
	if err := d.before(); err != nil {
		return err
	}
	if err := d.react("before update"); err != nil {
		return err
	}
	d.audit()
	if err := d.check(nil); err != nil {
		return err
	}
	d.place()
	d.w.set(d.t, d.t.pack(d.id, d.vals, live, d.old.pos))
	if err := d.beside(); err != nil {
		return err
	}
	return d.react("after update")
}

// choices refuses values that the record's other values do not allow: lookup filters, record types and
// controlling values of picklists. Objects without any have none of the three.
func (d *draft) choices() *Error {
	if d.object.choosy {
		if err := d.picklists(); err != nil {
			return err
		}
	}
	for _, i := range d.object.filtered {
		f := d.object.Fields[i]
		if d.old != nil && !d.given[f.column] && !f.filter.sourced {
			continue
		}
		if err := d.filtered(f); err != nil {
			return err
		}
	}
	return nil
}

// react does what active components declare for the deletion of a record.
func (w *work) react(t *table, r *row, event string) *Error {
	if t.object.conduct == nil {
		return nil
	}
	d := &draft{w: w, t: t, object: t.object, old: r, id: r.id, vals: t.dense(r), given: map[int]bool{}}
	return d.react(event)
}
