package org

import (
	"time"

	"holdfast/internal/sf"
)

// work is one transaction on records. Every change goes through set, so that all of it, or what one
// row did, can be taken back.
type work struct {
	o      *Org
	caller Caller
	at     time.Time
	stamp  string
	opts   Options
	undo   []undo

	access *permits            // of the caller, while a row is done
	seen   map[string]struct{} // of the chunk that twins looks at
	kin    map[*table][]kin    // see kinOf
	kinIn  *schema             // the schema that kin rests on
	kinAt  int                 // how often it had been published
	system bool                // automation writes: it does not ask what its user may do
	depth  int                 // of writes that writes cause
}

// undo takes one change back.
type undo struct {
	t      *table
	now    *row
	before *row
	f      func() // instead of the above: anything else that changed
}

func (o *Org) begin(caller Caller, now time.Time, opts Options) *work {
	return &work{o: o, caller: caller, at: now, stamp: o.word(stamp(now.Truncate(o.grain))), opts: opts}
}

// set makes r the newest version of its record.
func (w *work) set(t *table, r *row) {
	if !t.inhabited() {
		clear(w.kin)
	}
	before := t.put(r)
	if t.rights {
		w.o.forget()
		w.o.granted = later(w.o.granted, w.at)
	}
	w.undo = append(w.undo, undo{t: t, now: r, before: before})
}

// also registers what takes back a change that is not one of a record.
func (w *work) also(f func()) { w.undo = append(w.undo, undo{f: f}) }

func (w *work) rollback(mark int) {
	for i := len(w.undo) - 1; i >= mark; i-- {
		u := w.undo[i]
		if u.f != nil {
			u.f()
			continue
		}
		u.t.unput(u.now, u.before)
		if u.t.rights {
			w.o.forget()
		}
	}
	w.undo = w.undo[:mark]
}

// commit makes what was done stay, or part of the transaction that the call belongs to.
func (w *work) commit() {
	if t := w.caller.tx; t.open() {
		t.undo = append(t.undo, w.undo...)
	}
	w.undo = nil
}

// perform does one row of a load. On an error the caller takes back what it did.
func (w *work) perform(op Op, in *Row) (Result, *Error) {
	w.access = w.o.permits(w.caller)
	switch op {
	case Insert:
		return w.insert(in)
	case Update:
		return w.update(in)
	case Upsert:
		return w.upsert(in)
	case Delete, HardDelete:
		id, t, r, err := w.target(in, op)
		if err != nil {
			return Result{}, err
		}
		if err := w.react(t, r, "before delete"); err != nil {
			return Result{ID: id}, err
		}
		if err := w.delete(t, r, op); err != nil {
			return Result{ID: id}, err
		}
		if err := w.react(t, r, "after delete"); err != nil {
			return Result{ID: id}, err
		}
		return Result{ID: id, Success: true}, nil
	case Undelete:
		res, err := w.undelete(in)
		if err != nil {
			return res, err
		}
		// Source: Apex Developer Guide, "Triggers and Recovered Records": only those that were asked for.
		back := w.o.record(res.ID)
		return res, w.react(back.t, back.r, "after undelete")
	default:
		return w.emptyBin(in)
	}
}

// target finds the live record that a row names, for an update or a deletion.
func (w *work) target(in *Row, op Op) (sf.ID, *table, *row, *Error) {
	id, object, err := w.o.identify(in)
	if err != nil {
		return "", nil, nil, err
	}
	verb, allowed := "updated", object.Updateable
	if op != Update {
		verb, allowed = "deleted", object.Deletable
	}
	if !allowed || object.Kind == CustomMetadata {
		return id, nil, nil, fault("INVALID_TYPE_FOR_OPERATION", "entity type cannot be "+verb+": "+object.Label)
	}
	t := w.o.tables[fold(object.Name)]
	r := t.find(id)
	switch {
	case r == nil && w.o.wasHere(t, id):
		return id, nil, nil, fault("ENTITY_IS_DELETED", "entity is deleted")
	case r == nil:
		return id, nil, nil, fault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	case r.fate != live:
		return id, nil, nil, fault("ENTITY_IS_DELETED", "entity is deleted")
	}
	if err := w.mayTouch(t, r, op); err != nil {
		return id, nil, nil, err
	}
	return id, t, t.own(r), nil
}

// wasHere reports an Id that the org gave out once.
func (o *Org) wasHere(t *table, id sf.ID) bool {
	_, ok := t.search(id)
	return ok
}

// identify reads the Id of a row and finds its object. The messages are those of public replies.
func (o *Org) identify(in *Row) (sf.ID, *Object, *Error) {
	label := "Record"
	var object *Object
	if in.Object != "" {
		if object = o.schema.object(in.Object); object == nil {
			return "", nil, noObject(in.Object)
		}
		label = object.Label
	}
	if in.ID == "" {
		return "", nil, fault("MISSING_ARGUMENT", "Id not specified in an update call")
	}
	id, err := sf.ParseID(in.ID)
	if err != nil {
		return "", nil, fault("MALFORMED_ID", label+" ID: id value of incorrect type: "+in.ID, "Id")
	}
	named := o.holder(object, id)
	if named == nil || object != nil && named != object {
		return "", nil, fault("MALFORMED_ID", label+" ID: id value of incorrect type: "+in.ID, "Id")
	}
	return id, named, nil
}

func noObject(name string) *Error {
	return fault("INVALID_TYPE", "sObject type '"+name+"' is not supported.")
}
