package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Order makes a plan from a delta. The same delta gives the same plan, whatever its order.
//
// Records that the Recycle Bin holds are undeleted and keep their Ids; the others are inserted,
// targets of references first; then come updates, a second pass for what the inserts had to leave
// out, and deletions, children first. Where references form a ring, those that may be empty at first
// are left to the second pass, as few fields as suffice, and the plan says which and why.
//
// It returns a *CapError, *CycleError or *InputError when there is no such plan.
func Order(in Input) (*Plan, error) {
	delta, err := sorted(in.Delta)
	if err != nil {
		return nil, err
	}
	o := newOrdering(in, delta)
	o.keepDependedOn()
	o.decideFates()
	o.undeletes = slices.ContainsFunc(o.items, func(it *item) bool { return it.fate == byUndelete })
	if err := o.arrangeDeletes(); err != nil {
		return nil, err
	}
	o.release()
	o.undelete()
	if err := o.insert(); err != nil {
		return nil, err
	}
	o.update()
	o.secondPass()
	o.delete()
	if limit := cmp.Or(in.MaxRows, MaxRows); o.touched > limit {
		return nil, &CapError{Rows: o.touched, Max: limit}
	}
	o.finish()
	if in.Automation != nil && len(o.plan.Steps) > 0 {
		if o.plan.Automation, err = in.Automation(o.plan.Rows()); err != nil {
			return nil, err
		}
		slices.SortFunc(o.plan.Automation, compareAutomation)
	}
	return o.plan, nil
}

// sorted returns the delta in order after checking that each change can be understood.
func sorted(changes state.Delta) (state.Delta, error) {
	delta, err := state.NewDelta(changes)
	if err != nil {
		return nil, &InputError{Reason: err.Error()}
	}
	for _, c := range delta {
		ascending := slices.IsSortedFunc(c.Fields, func(a, b state.FieldChange) int {
			return cmp.Or(strings.Compare(a.Field, b.Field), -1) // equal names are out of order too
		})
		named := !slices.ContainsFunc(c.Fields, func(f state.FieldChange) bool { return f.Field == "" || f.Field == "Id" })
		id, idErr := sf.ParseID(string(c.ID))
		switch {
		case c.Object == "" || idErr != nil || id != c.ID:
			err = fmt.Errorf("change of %q %q: not an object and a record Id of 18 characters", c.Object, c.ID)
		case c.Kind < state.Create || c.Kind > state.Delete:
			err = fmt.Errorf("change of %s %s: unknown %s", c.Object, c.ID, c.Kind)
		case !ascending || !named:
			err = fmt.Errorf("change of %s %s: fields are not sorted names", c.Object, c.ID)
		case (c.Kind == state.Create) != c.Before.IsZero() || (c.Kind == state.Delete) != c.After.IsZero():
			err = fmt.Errorf("change of %s %s: its hashes are not those of a %s", c.Object, c.ID, c.Kind)
		}
		if err != nil {
			return nil, &InputError{Reason: err.Error()}
		}
	}
	return delta, nil
}

// fate is how a record that is wanted back comes back.
type fate uint8

const (
	byInsert fate = iota
	byUndelete
	lost // it does not
)

// item is a record that is wanted back.
type item struct {
	change state.Change // as wanted
	object *sf.Object   // nil: the org does not have it
	fate   fate
	reason string    // of lost
	bin    sf.Record // the values with which undelete brings it back; no Shape: not known
	first  []state.FieldChange
	later  []state.FieldChange // for the second pass
}

// ordering is one plan in the making.
type ordering struct {
	in      Input
	rules   *state.Equivalence
	plan    *Plan
	objects map[string]*objectOrder

	items   []*item // wanted back, sorted
	index   map[sf.ID]*item
	updates map[string][]Row // by object
	deletes []state.Change
	deleted map[sf.ID]bool

	deletions []layer // the deletes, in their order
	// loosened are links of records that are deleted: emptied first, for each forbids the deletion of the next.
	loosened map[sf.ID][]string

	second   map[string][]Row
	deferred map[Deferred]int64 // keyed with Rows 0
	done     state.Delta        // what the plan does, for its undo
	touched  int

	undeletes bool // some record is undeleted
}

// objectOrder is what the order of one object's records depends on.
type objectOrder struct {
	object  *sf.Object
	refs    []*sf.Field
	uniques []*sf.Field // that can be changed
	holding []*sf.Field // the references whose target cannot be deleted without harm
	ties
	fields map[string]*sf.Field
	body   bool // its records have files
}

func newOrdering(in Input, delta state.Delta) *ordering {
	o := &ordering{
		in:       in,
		rules:    &state.Equivalence{Schema: in.Schema},
		objects:  make(map[string]*objectOrder),
		index:    make(map[sf.ID]*item),
		updates:  make(map[string][]Row),
		deleted:  make(map[sf.ID]bool),
		second:   make(map[string][]Row),
		deferred: make(map[Deferred]int64),
		loosened: make(map[sf.ID][]string),
		plan: &Plan{
			Org: in.Org, Made: in.Made.UTC(), Source: in.Source,
			Conflicts: slices.Clone(in.Conflicts), Notes: slices.Clone(in.Notes),
		},
	}
	if o.in.Schema == nil {
		o.in.Schema = &sf.Schema{}
		o.rules.Schema = o.in.Schema
	}
	for i := range o.plan.Conflicts {
		o.plan.Conflicts[i].Record = state.Hash{}
	}
	for _, c := range delta {
		switch c.Kind {
		case state.Create:
			it := &item{change: c, object: o.of(c.Object).object}
			o.items = append(o.items, it)
			o.index[c.ID] = it
		case state.Delete:
			if reduced, dropped, something := o.rules.Reduce(c); something {
				o.deletes = append(o.deletes, reduced)
				o.deleted[c.ID] = true
			} else {
				o.plan.Fidelity.Dropped(c.Object, dropped)
			}
		}
	}
	o.in.Delta = delta
	return o
}

func (o *ordering) of(name string) *objectOrder {
	if known, found := o.objects[name]; found {
		return known
	}
	known := &objectOrder{object: o.in.Schema.Object(name), fields: make(map[string]*sf.Field)}
	if known.object != nil {
		known.refs = known.object.References()
		known.ties = tiesOf(o.in.Schema, known.object)
		known.holding = known.ties.holding(known.object)
		for _, f := range known.object.Fields {
			known.fields[f.Name] = f
			known.body = known.body || f.Type == sf.TypeBase64 && f.Createable
			if f.Unique && f.Updateable {
				known.uniques = append(known.uniques, f)
			}
		}
	}
	o.objects[name] = known
	return known
}

// essential reports a reference that no record is without.
func essential(f *sf.Field) bool { return f.Required() || f.RelationshipOrder > 0 }

// atOnce reports a reference that an insert has to carry: an essential one, or one that nothing can
// set afterwards.
func atOnce(f *sf.Field) bool { return f.Createable && (essential(f) || !f.Updateable) }

// wanted returns the value that the item is to have.
func (it *item) wanted(field string) sf.Value {
	f, _ := it.change.Field(field)
	return f.After
}

// decideFates says of each record that is wanted back whether it is undeleted, inserted or lost. A
// record that needs one which does not come back is lost with it; one that needs a record which
// gets a new Id cannot be undeleted.
func (o *ordering) decideFates() {
	for _, it := range o.items {
		switch {
		case it.object == nil:
			it.fate, it.reason = lost, state.ReasonNoObject
		case it.object.Undeletable && o.in.InBin != nil && o.in.InBin(it.change.ID):
			it.fate = byUndelete
			if o.in.BinRecord != nil {
				if r, found := o.in.BinRecord(it.change.ID); found {
					it.bin = r
				}
			}
		default:
			o.insertOrLose(it)
		}
	}
	for moved := true; moved; {
		moved = false
		for _, it := range o.items {
			if it.fate != lost && o.demote(it) {
				moved = true
			}
		}
	}
}

func (o *ordering) insertOrLose(it *item) {
	it.fate = byInsert
	if !it.object.Createable && o.in.Companions[it.change.ID] == "" {
		it.fate, it.reason = lost, state.ReasonNoCreate
	}
}

// demote takes from an item what the fates of others deny it, and reports whether it did.
func (o *ordering) demote(it *item) bool {
	if it.fate == byInsert && !it.object.Createable && o.companion(it) == "" {
		it.fate, it.reason = lost, state.ReasonNoCreate // what would have made it does not come
		return true
	}
	for _, f := range o.of(it.change.Object).refs {
		if it.fate == byUndelete && o.orphaned(it, f) {
			o.insertOrLose(it)
			return true
		}
		if !essential(f) {
			continue
		}
		target := sf.ID(it.wanted(f.Name).Text())
		if target == "" {
			target = o.target(it, f)
		}
		if target != "" && o.gone(target) {
			it.fate, it.reason = lost, reasonParentLost
			return true
		}
	}
	return false
}

// orphaned reports that undelete cannot bring the item back, because the record to which it belonged when it
// was deleted does not come back by it. Source: Salesforce Help, "Considerations for Object Relationships"; of
// references other than master-detail it is unverified, and a record that is refused is worse than a new Id.
func (o *ordering) orphaned(it *item, f *sf.Field) bool {
	held := o.target(it, f)
	if held == "" || !essential(f) && !o.of(it.change.Object).owned[f.Name] {
		return false
	}
	if to := o.index[held]; to != nil {
		return to.fate != byUndelete
	}
	return o.in.Gone != nil && o.in.Gone(held) || o.in.InBin != nil && o.in.InBin(held)
}

const (
	reasonParentLost = "a record that it requires is not brought back"
	reasonTargetLost = "refers to a record that is not brought back"
)

// target returns the record that the item refers to when it comes back: by the value that undelete
// restores, where that is how it comes back and the value is known, or else by the wanted one.
func (o *ordering) target(it *item, f *sf.Field) sf.ID {
	v := it.wanted(f.Name)
	if it.fate == byUndelete && it.bin.Shape != nil {
		if b := it.bin.Get(f.Name); !b.IsAbsent() {
			v = b
		}
	}
	return sf.ID(v.Text())
}

// gone reports a record that will not be there when the plan is done: it is deleted by it, wanted
// back in vain, or in the Recycle Bin without being wanted back.
func (o *ordering) gone(id sf.ID) bool {
	if it, found := o.index[id]; found {
		return it.fate == lost
	}
	return o.deleted[id] || (o.in.InBin != nil && o.in.InBin(id))
}

// step appends a step with these rows, which are not empty.
func (o *ordering) step(op Op, object string, rows []Row) *Step {
	set := make(map[string]bool)
	if op == Insert || op.Updates() {
		for _, r := range rows {
			for _, f := range r.Fields {
				set[f.Field] = true
			}
		}
	}
	fields := make([]string, 0, len(set))
	for f := range set {
		fields = append(fields, f)
	}
	slices.Sort(fields)
	o.plan.Steps = append(o.plan.Steps, Step{
		Number: len(o.plan.Steps) + 1, Op: op, Object: object, Fields: fields, Rows: rows,
	})
	return &o.plan.Steps[len(o.plan.Steps)-1]
}

// finish adds what a plan says about itself.
func (o *ordering) finish() {
	for d, rows := range o.deferred {
		d.Rows = rows
		o.plan.Deferred = append(o.plan.Deferred, d)
	}
	slices.SortFunc(o.plan.Deferred, func(a, b Deferred) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field), strings.Compare(a.Reason, b.Reason))
	})
	slices.SortStableFunc(o.plan.Conflicts, func(a, b state.Conflict) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(string(a.ID), string(b.ID)), strings.Compare(a.Field, b.Field))
	})
	slices.SortFunc(o.done, state.Compare)
	o.plan.Undo = o.done.Invert()
}
