package state

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Attribution puts together what one party changed over several deltas of one object, while others
// changed things, too. It is fed every change of each delta, in the order of the deltas, and told
// whose it is. What others changed after the party is theirs: such a field, or record, is no longer
// part of it, and would be a conflict if it were.
//
// An update of the result has no hashes, because it need not lie between two states: it is made to be
// inverted and rebased onto a live state.
type Attribution struct {
	own map[sf.ID]*attributed
	// gone has the records that others removed. One that comes back from there was not made by whoever
	// brought it back: to undo that would delete what was there before the party did anything.
	gone map[sf.ID]bool
}

// attributed is what the party did to one record.
type attributed struct {
	kind   Kind
	object string
	fields map[string]FieldChange
}

// Add takes in one change.
func (a *Attribution) Add(c Change, mine bool) {
	if a.own == nil {
		a.own, a.gone = map[sf.ID]*attributed{}, map[sf.ID]bool{}
	}
	known := a.own[c.ID]
	switch {
	case c.Kind == Create && a.gone[c.ID]:
		delete(a.gone, c.ID)
	case !mine && c.Kind == Delete:
		delete(a.own, c.ID) // whether the record is there is now the work of others
		a.gone[c.ID] = true
	case mine && known == nil:
		a.own[c.ID] = newAttributed(c)
	case mine:
		a.again(known, c)
	case known != nil:
		a.others(known, c)
	}
}

func newAttributed(c Change) *attributed {
	out := &attributed{kind: c.Kind, object: c.Object, fields: make(map[string]FieldChange, len(c.Fields))}
	for _, f := range c.Fields {
		out.fields[f.Field] = f
	}
	return out
}

// again adds a change of the party to a record that it had changed before.
func (a *Attribution) again(known *attributed, c Change) {
	switch {
	case known.kind == Create && c.Kind == Delete:
		delete(a.own, c.ID) // made and removed: nothing is left of it
	case known.kind == Delete && c.Kind == Create:
		a.returned(known, c)
	case c.Kind == Delete:
		// The record as it was before the party touched it.
		deleted := newAttributed(c)
		for name, f := range known.fields {
			was := deleted.fields[name]
			was.Field, was.Before = name, f.Before
			deleted.fields[name] = was
		}
		a.own[c.ID] = deleted
	default:
		for _, f := range c.Fields {
			if before, touched := known.fields[f.Field]; touched {
				f.Before = before.Before
			}
			known.fields[f.Field] = f
		}
	}
}

// returned turns a deletion and a return by the same party into the values that differ.
func (a *Attribution) returned(known *attributed, c Change) {
	fields := map[string]FieldChange{}
	for name, f := range known.fields {
		if _, back := c.Field(name); !back {
			fields[name] = f
		}
	}
	for _, f := range c.Fields {
		if was := known.fields[f.Field].Before; was != f.After {
			fields[f.Field] = FieldChange{Field: f.Field, Before: was, After: f.After}
		}
	}
	if len(fields) == 0 {
		delete(a.own, c.ID)
		return
	}
	known.kind, known.fields = Update, fields
}

// others takes from the party what somebody else changed after it.
func (a *Attribution) others(known *attributed, c Change) {
	switch {
	case c.Kind != Update:
		delete(a.own, c.ID) // whether the record is there is now the work of others
	case known.kind == Update:
		for _, f := range c.Fields {
			delete(known.fields, f.Field)
		}
		if len(known.fields) == 0 {
			delete(a.own, c.ID)
		}
	}
	// What was created and then edited by others is still a creation of the party; that it was edited
	// shows when its deletion is rebased.
}

// Changes returns what the party did, by ascending Id.
func (a *Attribution) Changes() []Change {
	var h Hasher
	out := make([]Change, 0, len(a.own))
	for id, known := range a.own {
		c := Change{Object: known.object, ID: id, Kind: known.kind}
		for _, f := range known.fields {
			if f.Before != f.After {
				c.Fields = append(c.Fields, f)
			}
		}
		slices.SortFunc(c.Fields, func(a, b FieldChange) int { return strings.Compare(a.Field, b.Field) })
		if r, whole := c.Record(); whole && c.Kind == Create {
			c.After = h.Hash(r)
		} else if whole {
			c.Before = h.Hash(r)
		} else if len(c.Fields) == 0 {
			continue
		}
		out = append(out, c)
	}
	slices.SortFunc(out, Compare)
	return out
}
