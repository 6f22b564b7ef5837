package state

import (
	"slices"

	"holdfast/internal/sf"
)

// Equivalence says when two states of an org count as equal although their bytes differ: which
// record is the successor of which, and which fields only the platform sets.
//
// A nil Schema knows only the platform's own bookkeeping fields; a nil Identity maps every Id to
// itself. It keeps an index of the Schema, so that it is used through a pointer and not
// concurrently.
type Equivalence struct {
	Schema   *sf.Schema
	Identity *IdentityMap

	// Take reports a field of which the wanted value is taken although somebody changed it since; nil:
	// none is. Only values of records that are there are ever taken: what was deleted since, or was edited
	// after an incident created it, stays a conflict.
	Take func(object string, id sf.ID, field string) bool

	objects map[string]*objectRules
}

// objectRules are the fields of one object by their names.
type objectRules struct {
	object *sf.Object // nil: the schema does not have it
	fields map[string]*sf.Field
}

// Dropped is a part of a change that is not written: a field, or with an empty Field the record.
type Dropped struct {
	Field  string
	Class  Class // Recomputed or Lost
	Reason string
}

// The reasons for which values are recomputed or lost.
const (
	ReasonNoObject     = "the org has no such object"
	ReasonNoField      = "the org has no such field"
	ReasonNoCreate     = "records of this object cannot be created"
	ReasonNoUpdate     = "records of this object cannot be updated"
	ReasonNoDelete     = "records of this object cannot be deleted"
	ReasonAudit        = `needs "Set Audit Fields upon Record Creation"`
	ReasonBookkeeping  = "set by the platform on each write"
	ReasonFormula      = "formula or roll-up"
	ReasonAutoNumber   = "numbered by the org"
	ReasonCompound     = "made of other fields"
	ReasonPlatform     = "set by the platform alone"
	ReasonReadOnly     = "this user may not write it"
	ReasonOnCreateOnly = "can only be set when a record is created"
	ReasonRequired     = "required, cannot be blank"
	ReasonNotHeld      = "the live state does not hold it"
)

func (e *Equivalence) rules(object string) *objectRules {
	if r, found := e.objects[object]; found {
		return r
	}
	r := &objectRules{}
	if e.Schema != nil {
		r.object = e.Schema.Object(object)
	}
	if r.object != nil {
		r.fields = make(map[string]*sf.Field, len(r.object.Fields))
		for _, f := range r.object.Fields {
			r.fields[f.Name] = f
		}
	}
	if e.objects == nil {
		e.objects = make(map[string]*objectRules)
	}
	e.objects[object] = r
	return r
}

// field returns the field, by its exact name as records carry it, or else without regard to case.
func (r *objectRules) field(name string) *sf.Field {
	f, found := r.fields[name]
	if !found && r.object != nil {
		f = r.object.Field(name)
		r.fields[name] = f // nil is remembered too
	}
	return f
}

// Class says how a value of the field comes back through a change of that kind, and why if it is
// not written. Without a Schema every field is Exact except the platform's own.
func (e *Equivalence) Class(object, field string, kind Kind) (Class, string) {
	if e.Schema == nil {
		if sf.IsSystemField(field) {
			return Recomputed, ReasonBookkeeping
		}
		return Exact, ""
	}
	r := e.rules(object)
	if r.object == nil {
		return Lost, ReasonNoObject
	}
	f := r.field(field)
	if f == nil {
		return Lost, ReasonNoField
	}
	return fieldClass(f, kind)
}

func fieldClass(f *sf.Field, kind Kind) (Class, string) {
	written := Exact
	if f.Type == sf.TypeReference {
		written = Remapped
	}
	switch {
	case f.Type.IsCompound():
		return Recomputed, ReasonCompound
	case f.Calculated:
		return Recomputed, ReasonFormula
	case f.AutoNumber:
		return Recomputed, ReasonAutoNumber
	case kind == Create && isAuthorship(f.Name):
		// With the org preference and the permission, describe reports these as createable.
		// Source: Salesforce help 000176484.
		if f.Createable {
			return written, ""
		}
		return Lost, ReasonAudit
	case sf.IsSystemField(f.Name):
		return Recomputed, ReasonBookkeeping
	case kind == Create && (f.Createable || f.Updateable):
		return written, "" // what an insert cannot carry, an update after it can
	case kind != Create && f.Updateable:
		return written, ""
	case f.Createable:
		return Lost, ReasonOnCreateOnly
	case f.Custom:
		// A custom field is either computed or a person's; a platform that says neither writable nor
		// computed hides it behind field-level security.
		return Lost, ReasonReadOnly
	default:
		return Recomputed, ReasonPlatform
	}
}

// isAuthorship reports the fields that say who made a record and when, and that an insert may carry.
func isAuthorship(field string) bool {
	switch field {
	case "CreatedById", "CreatedDate", "LastModifiedById", "LastModifiedDate":
		return true
	}
	return false
}

// Reduce takes a change that is wanted on the live state and returns what may be written of it,
// what was dropped and why, and whether anything is left to do.
//
// A field that one side does not hold is never written: that the wanted state does not hold it is no
// loss and not counted; that the live state does not hold it is, because what is there cannot be
// known. The hashes stay those of the whole records: Before is still the precondition, After names
// the state that the change approaches.
func (e *Equivalence) Reduce(c Change) (Change, []Dropped, bool) {
	if d := e.record(c); d != nil {
		return Change{}, []Dropped{*d}, false
	}
	if c.Kind == Delete {
		return c, nil, true
	}
	var dropped []Dropped
	out := c
	out.Fields = make([]FieldChange, 0, len(c.Fields))
	for _, f := range c.Fields {
		if f.After.IsAbsent() {
			continue
		}
		class, reason := e.Class(c.Object, f.Field, c.Kind)
		switch {
		case class > Remapped:
		case c.Kind == Update && f.Before.IsAbsent():
			class, reason = Lost, ReasonNotHeld
		case f.After.IsNull() && !e.nillable(c.Object, f.Field):
			if c.Kind == Create {
				continue // the org gives it a default
			}
			class, reason = Lost, ReasonRequired
		}
		if class > Remapped {
			dropped = append(dropped, Dropped{Field: f.Field, Class: class, Reason: reason})
			continue
		}
		out.Fields = append(out.Fields, f)
	}
	return out, dropped, c.Kind == Create || len(out.Fields) > 0
}

// record says why the org refuses such a change of any record of the object, or nil.
func (e *Equivalence) record(c Change) *Dropped {
	if e.Schema == nil {
		return nil
	}
	o := e.rules(c.Object).object
	lost := func(reason string) *Dropped { return &Dropped{Class: Lost, Reason: reason} }
	switch {
	case o == nil:
		return lost(ReasonNoObject)
	case c.Kind == Create && !o.Createable:
		return lost(ReasonNoCreate)
	case c.Kind == Update && !o.Updateable:
		return lost(ReasonNoUpdate)
	case c.Kind == Delete && !o.Deletable:
		return lost(ReasonNoDelete)
	}
	return nil
}

func (e *Equivalence) nillable(object, field string) bool {
	if e.Schema == nil {
		return true
	}
	f := e.rules(object).field(field)
	return f == nil || f.Nillable
}

// ReduceAll reduces every change of the delta and counts how the values come back. A change that
// would leave nothing to do is not in the result.
func (e *Equivalence) ReduceAll(d Delta) (Delta, Fidelity) {
	var out Delta
	var fidelity Fidelity
	for _, c := range d {
		reduced, dropped, something := e.Reduce(c)
		fidelity.Dropped(c.Object, dropped)
		if !something {
			continue
		}
		out = append(out, reduced)
		e.CountWritten(&fidelity, reduced)
	}
	return out, fidelity
}

// CountWritten counts the values that a reduced create or update writes.
func (e *Equivalence) CountWritten(fidelity *Fidelity, c Change) {
	if c.Kind == Delete {
		return
	}
	for _, f := range c.Fields {
		class, _ := e.Class(c.Object, f.Field, c.Kind)
		fidelity.Add(c.Object, f.Field, class, "", 1)
	}
}

// Record returns the record as it looks in the org now: its Id and its references name the
// successors of records that were restored under new Ids. References are known by the Schema.
func (e *Equivalence) Record(r sf.Record) sf.Record {
	if e.Identity.Len() == 0 {
		return r
	}
	r.ID = e.Identity.Map(r.ID)
	rules := e.rules(r.Object())
	copied := false
	for i, name := range r.Shape.Fields() {
		if !r.Values[i].IsText() {
			continue
		}
		f := rules.field(name)
		if f == nil || f.Type != sf.TypeReference {
			continue
		}
		old := sf.ID(r.Values[i].Text())
		if id := e.Identity.Map(old); id != old {
			if !copied {
				r.Values, copied = slices.Clone(r.Values), true
			}
			r.Values[i] = sf.Text(string(id))
		}
	}
	return r
}

// Records yields the records as they look in the org now, in the order of their present Ids. The
// records that have a successor move; they alone are held in memory, and the sequence is read twice
// when there are any.
func (e *Equivalence) Records(records Records) Records {
	if e.Identity.Len() == 0 {
		return records
	}
	return func(yield func(sf.Record, error) bool) {
		var moved []sf.Record
		for r, err := range Ordered(records) {
			if err != nil {
				yield(sf.Record{}, err)
				return
			}
			if e.Identity.Map(r.ID) != r.ID {
				moved = append(moved, e.Record(r))
			}
		}
		slices.SortFunc(moved, sf.Compare)
		stayed := func(yield func(sf.Record, error) bool) {
			for r, err := range Ordered(records) {
				if err == nil && e.Identity.Map(r.ID) != r.ID {
					continue
				}
				if err == nil {
					r = e.Record(r)
				}
				if !yield(r, err) {
					return
				}
			}
		}
		for m, err := range merge(Ordered(FromSlice(moved)), stayed, recordID, recordID) {
			switch {
			case err != nil:
			case m.hasLeft && m.hasRight:
				err = twice(m.left)
			case m.hasLeft:
				m.right = m.left
			}
			if !yield(m.right, err) || err != nil {
				return
			}
		}
	}
}
