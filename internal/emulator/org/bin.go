package org

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"holdfast/internal/sf"
)

// maxCascade is how many records one deletion takes along. Source: Status Codes of the SOAP API
// Developer Guide, DELETE_OPERATION_TOO_LARGE (100,000); the wording is unverified.
const maxCascade = 100_000

// binDays is how long a deleted record can be brought back.
// Source: Salesforce Help, "Recycle Bin" (15 days).
const binDays = 15

// deletion is what one deletion took with it: the record that was asked for and what followed.
type deletion struct {
	root sf.ID
	at   time.Time
	// records are the root and its cascade children, root first.
	records []place
	// cleared are the lookups of other records that pointed at one of them.
	cleared []clearing
	// opportunities lose lines: their amounts follow.
	opportunities []string
}

// ends is when the records can no longer be brought back.
func (d *deletion) ends() time.Time { return d.at.Add(binDays * 24 * time.Hour) }

// place is where a record lies.
type place struct {
	t   *table
	pos int32
}

// clearing is a lookup that a deletion set to null.
type clearing struct {
	place
	column int
	was    string
}

// delete moves a record, and what cannot live without it, into the Recycle Bin, or removes them for
// good. Lookups that may be empty are set to null. Sources: Object Reference, cascadeDelete and
// restrictedDelete of childRelationships; Salesforce Help, "Object Relationships Overview".
func (w *work) delete(t *table, r *row, op Op) *Error {
	if w.o.reject != nil {
		value := func(name string) string {
			if f := t.object.Field(name); f != nil {
				return r.text(f.column)
			}
			return ""
		}
		if err := w.o.reject(Attempt{Op: op, Object: t.object.Name, ID: r.id, Value: value}); err != nil {
			return err
		}
	}
	if t.object.AssociateEntityType == feedSatellite { // a view of the posts
		posts := w.o.tables["feeditem"]
		return w.delete(posts, posts.find(r.id), op)
	}
	if err := w.mayDelete(t, r); err != nil {
		return err
	}
	d := &deletion{root: r.id, at: w.at, records: []place{{t, r.pos}}}
	taken := map[sf.ID]bool{r.id: true}
	for followed := 0; followed < len(d.records); { // follow appends to records
		p := d.records[followed]
		followed++
		if err := w.follow(d, p, taken); err != nil {
			return err
		}
	}
	if len(d.records) > maxCascade {
		return fault("DELETE_OPERATION_TOO_LARGE", "the deletion takes more than "+itoa(maxCascade)+" records with it")
	}
	// An object that cannot be undeleted has no bin: its records go for good when they are deleted
	// themselves, and wait with their parent when they go with it (the second half is unverified).
	forGood := op == HardDelete || !t.object.Undeletable
	w.clear(d, taken)
	w.sweep(d, taken)
	var left []func()
	for _, p := range d.records {
		switch p.t.object.Name {
		case "TaskRelation", "EventRelation":
			left = append(left, w.leaving(p))
		case "FeedItem":
			w.unmirror(p, forGood)
		case "OpportunityLineItem":
			d.opportunities = append(d.opportunities, p.t.text(p.t.rows[p.pos], "OpportunityId"))
		}
		w.bury(p, forGood)
	}
	if !forGood {
		if len(w.o.bin) == 0 {
			w.o.binFrom = w.at
		}
		w.o.bin[d.root] = d
		w.o.binned += len(d.records)
		w.o.dueBy(d.ends())
		if w.o.overfull() {
			w.o.dueBy(w.o.binFrom.Add(binGrace))
		}
		w.also(func() {
			delete(w.o.bin, d.root)
			w.o.binned -= len(d.records)
		})
	}
	w.after(d)
	for _, leave := range left {
		leave()
	}
	return nil
}

// after does what follows from a deletion elsewhere.
func (w *work) after(d *deletion) {
	for _, id := range slices.Compact(d.opportunities) {
		w.total(id)
	}
}

// The Recycle Bin of an org holds 25 records for each megabyte of its data storage; above that the
// oldest go, once they have been there for two hours. Source: Salesforce Help, "Recycle Bin".
const (
	binPerMegabyte = 25
	binGrace       = 2 * time.Hour
)

func (o *Org) overfull() bool {
	l := o.limits.all["DataStorageMB"]
	return l != nil && o.binned > binPerMegabyte*l.Max
}

// overflow removes the oldest deletions from a bin that holds too many records.
func (w *work) overflow(now time.Time) {
	if !w.o.overfull() {
		return
	}
	oldest := slices.SortedFunc(maps.Values(w.o.bin), func(a, b *deletion) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.root, b.root))
	})
	for _, d := range oldest {
		if !w.o.overfull() || d.at.Add(binGrace).After(now) {
			return
		}
		w.purge(d)
	}
}

// sweep removes for good what lies in the bin since another of its masters was deleted, and now loses
// this one, too. Source: Salesforce Help, "Considerations for Object Relationships": a junction
// record whose master records are both deleted cannot be restored.
func (w *work) sweep(d *deletion, taken map[sf.ID]bool) {
	for _, p := range d.records {
		parent := p.t.rows[p.pos]
		for _, ref := range w.kinOf(p.t) {
			t := ref.t
			if !ref.link.cascade || len(t.rows) == t.live { // nothing of it was ever deleted
				continue
			}
			for _, r := range t.holding(ref.field.column, string(parent.id)) {
				if r.fate != live && r.fate != gone && !taken[r.id] {
					w.remove(place{t, r.pos})
				}
			}
		}
	}
}

// remove makes a record one that no query sees and nothing brings back.
func (w *work) remove(p place) {
	w.set(p.t, p.t.pack(p.t.rows[p.pos].id, make([]string, p.t.columns), gone, p.pos))
}

// follow adds the cascade children of one record to a deletion, or refuses it because of children
// that forbid it.
func (w *work) follow(d *deletion, p place, taken map[sf.ID]bool) *Error {
	parent := p.t.rows[p.pos]
	for _, ref := range w.kinOf(p.t) {
		link, t := ref.link, ref.t
		if t.live == 0 || !link.cascade && !link.restrict {
			continue
		}
		var blocking []*row
		for _, r := range t.holding(ref.field.column, string(parent.id)) {
			switch {
			case r.fate != live || taken[r.id] || w.others(t, r, ref.field, parent.id):
			case link.restrict && !link.cascade:
				blocking = append(blocking, r)
			case link.restrict && w.o.activated(t, r):
				// Source: Object Reference, Contract and Order: activated ones keep their account.
				blocking = append(blocking, r)
			default:
				taken[r.id] = true
				d.records = append(d.records, place{t, r.pos})
			}
		}
		if len(blocking) > 0 {
			return w.blocked(p.t, parent, t, blocking)
		}
	}
	return nil
}

// activated reports a contract or an order that is no draft any more.
func (o *Org) activated(t *table, r *row) bool {
	f := t.object.Field("StatusCode")
	return f != nil && r.text(f.column) == "Activated"
}

// blocked is the platform's answer, as public replies have it: the label of the children in small
// letters, their names, and a line break at the end.
func (w *work) blocked(t *table, parent *row, children *table, rows []*row) *Error {
	names := ""
	for i, r := range rows {
		if i > 0 {
			names += ", "
		}
		names += w.o.nameOf(children, r)
	}
	return fault("DELETE_FAILED", "Your attempt to delete "+w.o.nameOf(t, parent)+
		" could not be completed because it is associated with the following "+
		fold(children.object.LabelPlural)+".: "+names+"\n")
}

// nameOf returns what the platform calls a record.
func (o *Org) nameOf(t *table, r *row) string {
	for _, f := range t.object.Fields {
		if f.NameField && f.column >= 0 {
			if text := r.text(f.column); text != "" {
				return text
			}
		}
	}
	return string(r.id)
}

// clear sets the lookups that point at a deleted record, and may be empty, to null.
func (w *work) clear(d *deletion, taken map[sf.ID]bool) {
	for _, p := range d.records {
		parent := p.t.rows[p.pos]
		for _, ref := range w.kinOf(p.t) {
			f, t := ref.field, ref.t
			if t.live == 0 || ref.link.cascade || ref.link.restrict {
				continue
			}
			for _, r := range t.holding(f.column, string(parent.id)) {
				if r.fate != live || taken[r.id] || !f.Nillable {
					continue
				}
				d.cleared = append(d.cleared, clearing{place{t, r.pos}, f.column, string(parent.id)})
				w.point(place{t, r.pos}, f.column, "")
			}
		}
	}
}

// point sets a lookup as the platform itself does when the record that it refers to goes or comes
// back. Whether that moves a stamp of the record is unverified; the reading that is harder for whoever
// follows stamps is taken: none moves.
func (w *work) point(p place, column int, id string) {
	r := p.t.rows[p.pos]
	vals := p.t.dense(r)
	vals[column] = id
	w.set(p.t, p.t.pack(r.id, vals, r.fate, r.pos))
}

// bury takes a record out of the live ones and notes it in the log behind getDeleted. A deletion
// moves LastModifiedDate and SystemModstamp, which is how queryAll finds it.
func (w *work) bury(p place, forGood bool) {
	r, object := p.t.rows[p.pos], p.t.object
	vals := p.t.dense(r)
	for name, text := range map[string]string{
		"IsDeleted": "true", "SystemModstamp": w.stamp, "LastModifiedDate": w.stamp,
		"LastModifiedById": string(w.caller.User),
	} {
		if f := object.Field(name); f != nil && f.column >= 0 {
			vals[f.column] = text
		}
	}
	f := binned
	switch {
	case forGood:
		f, vals = gone, make([]string, p.t.columns)
	case !object.Undeletable:
		f = hidden
	}
	w.set(p.t, p.t.pack(r.id, vals, f, r.pos))
	w.logDeletion(object, r.id)
}

func (w *work) logDeletion(object *Object, id sf.ID) {
	log := w.o.log[fold(object.Name)]
	if log == nil {
		log = map[sf.ID]time.Time{}
		w.o.log[fold(object.Name)] = log
	}
	log[id] = w.at.Truncate(time.Second)
	w.also(func() { delete(log, id) })
}

// undelete brings back a record, its cascade children, and the lookups that it cleared and nobody
// has filled since. Sources: SOAP API Developer Guide, undelete(); Apex Developer Guide, "Restoring
// Deleted Records". The message is the one that operators report.
func (w *work) undelete(in *Row) (Result, *Error) {
	id, object, err := w.o.identify(in)
	if err != nil {
		return Result{}, err
	}
	res := Result{ID: id}
	if !object.Undeletable {
		return res, fault("INVALID_TYPE_FOR_OPERATION", "entity type cannot be undeleted: "+object.Label)
	}
	d := w.o.bin[id]
	if d == nil || d.records[0].t.rows[d.records[0].pos].fate == gone {
		return res, fault("UNDELETE_FAILED", "Entity is not in the recycle bin")
	}
	for i, p := range d.records {
		if p.t.rows[p.pos].fate == gone {
			continue
		}
		if err := w.raise(p, d); err != nil && i == 0 {
			return res, err
		} else if err != nil {
			w.remove(p) // that a child which cannot come back does not keep its parent is unverified
		}
	}
	for _, c := range d.cleared {
		r := c.t.rows[c.pos]
		// What was swept out of the bin with another master, or could not come back, is referred to by nobody.
		if r.fate == live && r.text(c.column) == "" && w.alive(sf.ID(c.was), nil) {
			w.point(c.place, c.column, c.was)
		}
	}
	w.takeOut(d)
	res.Success = true
	return res, nil
}

// raise makes a buried record live again. Its parents must be: a detail whose master is in the bin
// cannot come back alone. Source: Salesforce Help, "Considerations for Object Relationships".
func (w *work) raise(p place, d *deletion) *Error {
	r, object := p.t.rows[p.pos], p.t.object
	vals := p.t.dense(r)
	for _, f := range object.Fields {
		if f.column < 0 || vals[f.column] == "" {
			continue
		}
		if f.Unique {
			draft := &draft{w: w, t: p.t, object: object, id: r.id, vals: vals}
			if err := draft.unique(f); err != nil {
				return err
			}
		}
		if f.Type != sf.TypeReference || w.alive(sf.ID(vals[f.column]), d) {
			continue
		}
		if !f.Nillable {
			return fault("UNDELETE_FAILED", "Entity is not in the recycle bin")
		}
		if f.link.cascade && w.inBin(sf.ID(vals[f.column])) {
			return fault("UNDELETE_FAILED", "Entity is not in the recycle bin")
		}
		vals[f.column] = "" // the parent is gone for good, or will restore the lookup itself
	}
	for name, text := range map[string]string{
		"IsDeleted": "", "SystemModstamp": w.stamp, "LastModifiedDate": w.stamp,
		// A record that was merged comes back on its own; its children stay where they are.
		// Source: SOAP API Developer Guide, undelete().
		"LastModifiedById": string(w.caller.User), "MasterRecordId": "",
	} {
		if f := object.Field(name); f != nil && f.column >= 0 {
			vals[f.column] = text
		}
	}
	w.set(p.t, p.t.pack(r.id, vals, live, r.pos))
	w.unlogDeletion(object, r.id)
	return nil
}

// alive reports a record that is live, or comes back in the same undelete, if one is given.
func (w *work) alive(id sf.ID, d *deletion) bool {
	object := w.o.schema.prefixes[id.KeyPrefix()]
	if object == nil {
		return false
	}
	t := w.o.tables[fold(object.Name)]
	r := t.find(id)
	if r == nil {
		return false
	}
	return r.fate == live || d != nil && slices.Contains(d.records, place{t, r.pos})
}

func (w *work) inBin(id sf.ID) bool {
	object := w.o.schema.prefixes[id.KeyPrefix()]
	if object == nil {
		return false
	}
	r := w.o.tables[fold(object.Name)].find(id)
	return r != nil && r.fate != live
}

func (w *work) unlogDeletion(object *Object, id sf.ID) {
	log := w.o.log[fold(object.Name)]
	if at, ok := log[id]; ok {
		delete(log, id)
		w.also(func() { log[id] = at })
	}
}

// emptyBin removes a deleted record and what went with it for good.
// Source: SOAP API Developer Guide, emptyRecycleBin(); not for Ids of cascade children.
func (w *work) emptyBin(in *Row) (Result, *Error) {
	id, _, err := w.o.identify(in)
	if err != nil {
		return Result{}, err
	}
	d := w.o.bin[id]
	if d == nil {
		return Result{ID: id}, fault("INVALID_CROSS_REFERENCE_KEY", "invalid record id; not in recycle bin")
	}
	w.purge(d)
	return Result{ID: id, Success: true}, nil
}

func (w *work) purge(d *deletion) {
	for _, p := range d.records {
		w.remove(p)
	}
	w.takeOut(d)
}

// takeOut forgets a deletion, because its records are back or gone.
func (w *work) takeOut(d *deletion) {
	delete(w.o.bin, d.root)
	w.o.binned -= len(d.records)
	w.also(func() {
		w.o.bin[d.root] = d
		w.o.binned += len(d.records)
	})
}

// expire removes what has been in the Recycle Bin for 15 days. The caller holds the lock.
func (o *Org) expire(now time.Time) {
	w := o.begin(Caller{User: o.admin}, now, Options{})
	for _, d := range o.bin {
		if !d.ends().After(now) {
			w.purge(d)
		}
	}
	w.overflow(now)
	w.undo = nil
	o.forgetDeletions(now.Add(-deletedWindow))
}

func (o *Org) forgetDeletions(before time.Time) {
	for _, log := range o.log {
		maps.DeleteFunc(log, func(_ sf.ID, at time.Time) bool { return at.Before(before) })
	}
}
