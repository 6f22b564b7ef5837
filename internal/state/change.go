package state

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Kind is what a change does to a record.
type Kind uint8

// The kinds of change.
const (
	Create Kind = iota + 1
	Update
	Delete
)

// String returns the word for the kind: create, update or delete.
func (k Kind) String() string {
	switch k {
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// ParseKind reads the word for a kind.
func ParseKind(s string) (Kind, error) {
	for _, k := range []Kind{Create, Update, Delete} {
		if k.String() == s {
			return k, nil
		}
	}
	return 0, fmt.Errorf("kind of change %q", clip(s))
}

// FieldChange is the change of one field. Absent means that the state does not hold the field.
type FieldChange struct {
	Field         string
	Before, After sf.Value
}

// Change is the difference of one record between two states.
//
// Fields are sorted by name and hold only what differs: for a create every field that the record
// carries with Before absent, for a delete the same with After absent. Before and After are the
// hashes of the whole record in the two states; the zero Hash says that the record is not there.
type Change struct {
	Object        string
	ID            sf.ID
	Kind          Kind
	Fields        []FieldChange
	Before, After Hash
}

// Field returns the change of the field, if there is one.
func (c Change) Field(name string) (FieldChange, bool) {
	i, found := slices.BinarySearchFunc(c.Fields, name, func(f FieldChange, n string) int {
		return strings.Compare(f.Field, n)
	})
	if !found {
		return FieldChange{}, false
	}
	return c.Fields[i], true
}

// Invert returns the change that undoes c.
func (c Change) Invert() Change {
	inverse := c
	inverse.Before, inverse.After = c.After, c.Before
	switch c.Kind {
	case Create:
		inverse.Kind = Delete
	case Delete:
		inverse.Kind = Create
	}
	inverse.Fields = make([]FieldChange, len(c.Fields))
	for i, f := range c.Fields {
		inverse.Fields[i] = FieldChange{Field: f.Field, Before: f.After, After: f.Before}
	}
	return inverse
}

// Record returns the record that a create makes, or that a delete takes away. It reports false for
// an update, which does not know the whole record.
func (c Change) Record() (sf.Record, bool) {
	if c.Kind != Create && c.Kind != Delete {
		return sf.Record{}, false
	}
	names := make([]string, len(c.Fields))
	for i, f := range c.Fields {
		names[i] = f.Field
	}
	r := sf.Record{ID: c.ID, Shape: sf.NewShape(c.Object, names), Values: make([]sf.Value, len(names))}
	for i, f := range c.Fields {
		r.Values[i] = f.After
		if c.Kind == Delete {
			r.Values[i] = f.Before
		}
	}
	return r, true
}

// Compare orders changes by object and then by Id, as a Delta is ordered.
func Compare(a, b Change) int {
	return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(string(a.ID), string(b.ID)))
}

// Between returns the change that leads from one version of a record to another and whether there
// is a difference. A record without a Shape stands for "not there". Two versions of different
// records have no change between them: that is a mistake of the caller, and panics.
func Between(before, after sf.Record) (Change, bool) {
	var h Hasher
	return h.between(before, after)
}

func (h *Hasher) between(before, after sf.Record) (Change, bool) {
	switch {
	case before.Shape == nil && after.Shape == nil:
		return Change{}, false
	case before.Shape == nil:
		return Change{
			Object: after.Object(), ID: after.ID, Kind: Create, After: h.Hash(after),
			Fields: fieldsOf(after, func(f string, v sf.Value) FieldChange { return FieldChange{Field: f, After: v} }),
		}, true
	case after.Shape == nil:
		return Change{
			Object: before.Object(), ID: before.ID, Kind: Delete, Before: h.Hash(before),
			Fields: fieldsOf(before, func(f string, v sf.Value) FieldChange { return FieldChange{Field: f, Before: v} }),
		}, true
	case before.ID != after.ID || before.Object() != after.Object():
		panic(fmt.Sprintf("state.Between of %s %s and %s %s", before.Object(), before.ID, after.Object(), after.ID))
	}
	fields := differences(before, after)
	if len(fields) == 0 {
		return Change{}, false
	}
	return Change{
		Object: before.Object(), ID: before.ID, Kind: Update, Fields: fields,
		Before: h.Hash(before), After: h.Hash(after),
	}, true
}

// Equal reports whether both records are the same record with the same fields and values. An absent
// field is the same as none.
func Equal(a, b sf.Record) bool {
	if a.Shape == nil || b.Shape == nil {
		return a.Shape == b.Shape
	}
	return a.ID == b.ID && a.Object() == b.Object() && len(differences(a, b)) == 0
}

func fieldsOf(r sf.Record, change func(string, sf.Value) FieldChange) []FieldChange {
	fields := make([]FieldChange, 0, len(r.Values))
	for i, f := range r.Shape.Fields() {
		if !r.Values[i].IsAbsent() {
			fields = append(fields, change(f, r.Values[i]))
		}
	}
	return fields
}

// differences walks the sorted fields of both records side by side.
func differences(a, b sf.Record) []FieldChange {
	var out []FieldChange
	if a.Shape == b.Shape {
		for i := range a.Values {
			if a.Values[i] != b.Values[i] {
				out = append(out, FieldChange{Field: a.Shape.Fields()[i], Before: a.Values[i], After: b.Values[i]})
			}
		}
		return out
	}
	left, right := a.Shape.Fields(), b.Shape.Fields()
	for i, j := 0, 0; i < len(left) || j < len(right); {
		var f FieldChange
		switch {
		case j == len(right) || (i < len(left) && left[i] < right[j]):
			f = FieldChange{Field: left[i], Before: a.Values[i]}
			i++
		case i == len(left) || right[j] < left[i]:
			f = FieldChange{Field: right[j], After: b.Values[j]}
			j++
		default:
			f = FieldChange{Field: left[i], Before: a.Values[i], After: b.Values[j]}
			i, j = i+1, j+1
		}
		if f.Before != f.After {
			out = append(out, f)
		}
	}
	return out
}

// Delta is a set of changes, sorted by object and Id, at most one per record.
type Delta []Change

// NewDelta returns the changes in the order of a Delta. Two changes of one record are an error.
func NewDelta(changes []Change) (Delta, error) {
	d := Delta(slices.Clone(changes))
	slices.SortStableFunc(d, Compare)
	for i := 1; i < len(d); i++ {
		if Compare(d[i-1], d[i]) == 0 {
			return nil, fmt.Errorf("%w: two changes of %s %s", ErrOrder, d[i].Object, d[i].ID)
		}
	}
	return d, nil
}

// Collect reads changes into memory. More than limit are ErrTooMany; with a limit of 0 there is none.
func Collect(changes iter.Seq2[Change, error], limit int) (Delta, error) {
	var d Delta
	for c, err := range changes {
		if err != nil {
			return nil, err
		}
		if limit > 0 && len(d) == limit {
			return nil, fmt.Errorf("%w: more than %d changes", ErrTooMany, limit)
		}
		d = append(d, c)
	}
	return NewDelta(d)
}

// Invert returns the delta that undoes d.
func (d Delta) Invert() Delta {
	inverse := make(Delta, len(d))
	for i, c := range d {
		inverse[i] = c.Invert()
	}
	return inverse
}

// Object returns the changes of one object, in the order of their Ids. The caller does not change
// them.
func (d Delta) Object(name string) []Change {
	from, _ := slices.BinarySearchFunc(d, name, func(c Change, n string) int { return strings.Compare(c.Object, n) })
	to := from
	for to < len(d) && d[to].Object == name {
		to++
	}
	return d[from:to:to]
}

// Objects returns the names of the objects that have changes, sorted.
func (d Delta) Objects() []string {
	var names []string
	for _, c := range d {
		if len(names) == 0 || names[len(names)-1] != c.Object {
			names = append(names, c.Object)
		}
	}
	return names
}

// All yields the changes, as Patch and Digest want them.
func (d Delta) All() iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for _, c := range d {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// Summary counts changes.
type Summary struct {
	Created, Updated, Deleted int64
	Fields                    int64 // values changed by updates
}

// Count adds one change.
func (s *Summary) Count(c Change) {
	switch c.Kind {
	case Create:
		s.Created++
	case Update:
		s.Updated++
		s.Fields += int64(len(c.Fields))
	case Delete:
		s.Deleted++
	}
}
