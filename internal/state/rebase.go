package state

import (
	"fmt"

	"holdfast/internal/sf"
)

// Conflict is a part of a wanted change that is not made because the live state moved on. Live is
// what is kept. With an empty Field the whole record is meant.
type Conflict struct {
	Object             string
	ID                 sf.ID
	Field              string
	Wanted, Base, Live sf.Value
	Reason             string
	Record             Hash // of the live record, where one field of it is meant; plan files do not hold it
}

// The reasons of conflicts.
const (
	ReasonEdited   = "edited since"
	ReasonDeleted  = "deleted since"
	ReasonReturned = "the record is back, with another value"
)

// Rebase moves the wanted changes of one object onto the live state, field by field, so that no
// field changes that someone changed since:
//
//   - an update changes a field where live still has its Before value, or does not hold the field;
//     where live has the After value already there is nothing to do; elsewhere it is a conflict;
//   - an update of a record that is gone is a conflict;
//   - a create of a record that is there becomes an update of the fields that live does not hold;
//     every other field that differs is a conflict;
//   - a delete of a record that was edited since is a conflict for each edited field, and the record
//     stays; a delete of a record that is gone is done already.
//
// Fields that only the platform sets are never a conflict: their differences are dropped. Rebase
// knows the platform's bookkeeping fields; (*Equivalence).Rebase knows formulas and the like too.
//
// wanted and live are in ascending order of Ids. The rebased changes carry the hashes of the live
// records, so that they fit the live state.
func Rebase(wanted []Change, live Records) (rebased []Change, conflicts []Conflict, err error) {
	var e Equivalence
	return e.Rebase(wanted, live)
}

// Rebase is the function Rebase with knowledge of the schema.
func (e *Equivalence) Rebase(wanted []Change, live Records) (rebased []Change, conflicts []Conflict, err error) {
	if len(wanted) == 0 {
		return nil, nil, nil
	}
	b := rebase{rules: e}
	last := wanted[len(wanted)-1].ID
	for m, err := range merge(Ordered(live), orderedChanges(Delta(wanted).All()), recordID, changeID) {
		if err != nil {
			return nil, nil, err
		}
		switch {
		case m.hasLeft && m.left.Object() != wanted[0].Object:
			return nil, nil, fmt.Errorf("%w: rebase of %s onto %s", ErrObject, wanted[0].Object, m.left.Object())
		case !m.hasRight:
			if m.left.ID > last {
				return b.changes, b.conflicts, nil // the rest of live is not concerned
			}
		case !m.hasLeft:
			b.onNothing(m.right)
		default:
			if err := b.onRecord(m.right, m.left); err != nil {
				return nil, nil, err
			}
		}
	}
	return b.changes, b.conflicts, nil
}

// rebase collects the result of one Rebase.
type rebase struct {
	rules     *Equivalence
	patcher   patcher
	changes   []Change
	conflicts []Conflict
}

// onNothing rebases a change of a record that live does not have.
func (b *rebase) onNothing(c Change) {
	switch c.Kind {
	case Create:
		b.changes = append(b.changes, c)
	case Update:
		b.conflicts = append(b.conflicts, Conflict{Object: c.Object, ID: c.ID, Reason: ReasonDeleted})
	}
}

// onRecord rebases a change of a record that live has.
func (b *rebase) onRecord(c Change, live sf.Record) error {
	switch c.Kind {
	case Create, Update:
		b.onFields(c, live)
	case Delete:
		b.onDelete(c, live)
	default:
		return fmt.Errorf("%w: %s of %s %s", ErrFit, c.Kind, c.Object, c.ID)
	}
	return nil
}

func (b *rebase) onFields(c Change, live sf.Record) {
	var fields []FieldChange
	reason, own := ReasonEdited, len(b.conflicts)
	if c.Kind == Create {
		reason = ReasonReturned
	}
	for _, f := range c.Fields {
		l := live.Get(f.Field)
		switch {
		case l == f.After:
		case l == f.Before, l.IsAbsent():
			fields = append(fields, FieldChange{Field: f.Field, Before: l, After: f.After})
		case b.platform(c.Object, f.Field):
		case b.rules.Take != nil && b.rules.Take(c.Object, c.ID, f.Field):
			fields = append(fields, FieldChange{Field: f.Field, Before: l, After: f.After})
		default:
			b.conflicts = append(b.conflicts, Conflict{
				Object: c.Object, ID: c.ID, Field: f.Field,
				Wanted: f.After, Base: f.Before, Live: l, Reason: reason,
			})
		}
	}
	if len(fields) == 0 && len(b.conflicts) == own {
		return
	}
	before := b.patcher.hasher.Hash(live)
	for i := range b.conflicts[own:] {
		b.conflicts[own+i].Record = before
	}
	if len(fields) == 0 {
		return
	}
	after := b.patcher.set(live, fields)
	b.changes = append(b.changes, Change{
		Object: c.Object, ID: c.ID, Kind: Update, Fields: fields, Before: before, After: b.patcher.hasher.Hash(after),
	})
}

// onDelete keeps a record on which someone worked since. What only the platform sets is no work,
// with one exception: another LastModifiedDate than the one that the base holds is, even where no
// field that we hold differs.
func (b *rebase) onDelete(c Change, live sf.Record) {
	base, _ := c.Record()
	kept := false
	for _, f := range differences(base, live) {
		dated := f.Field == "LastModifiedDate" && f.Before.IsText()
		if !dated && b.platform(c.Object, f.Field) {
			continue
		}
		if !f.Before.IsText() && !f.After.IsText() {
			continue // null where the other state does not hold the field
		}
		kept = true
		b.conflicts = append(b.conflicts, Conflict{
			Object: c.Object, ID: c.ID, Field: f.Field, Base: f.Before, Live: f.After, Reason: ReasonEdited,
		})
	}
	if kept {
		return
	}
	change, _ := b.patcher.hasher.between(live, sf.Record{})
	b.changes = append(b.changes, change)
}

// platform reports a field that only the platform sets.
func (b *rebase) platform(object, field string) bool {
	class, _ := b.rules.Class(object, field, Update)
	return class == Recomputed
}
