package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Class says how a value comes back.
type Class uint8

// The classes of fidelity, from best to worst.
const (
	// Exact is a value that is written and comes back as it was.
	Exact Class = iota + 1
	// Remapped is a reference that is written and names the successor where its record has one.
	Remapped
	// Recomputed is a value that only the platform sets; it follows from the others, or from the
	// writing itself.
	Recomputed
	// Lost is a value that cannot be brought back.
	Lost
)

// String returns the word for the class: exact, remapped, recomputed or lost.
func (c Class) String() string {
	switch c {
	case Exact:
		return "exact"
	case Remapped:
		return "remapped"
	case Recomputed:
		return "recomputed"
	case Lost:
		return "lost"
	default:
		return fmt.Sprintf("class(%d)", uint8(c))
	}
}

// ParseClass reads the word for a class.
func ParseClass(s string) (Class, error) {
	for _, c := range []Class{Exact, Remapped, Recomputed, Lost} {
		if c.String() == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("class of fidelity %q", clip(s))
}

// FieldFidelity counts the values of one field that share a class and its reason. An empty Field
// counts whole records.
type FieldFidelity struct {
	Object, Field string
	Class         Class
	Reason        string // why it is recomputed or lost; empty otherwise
	Count         int64
}

// Fidelity counts how values come back, per object, field, class and reason. The zero Fidelity is
// ready.
type Fidelity struct {
	counts map[FieldFidelity]int64 // keyed with Count 0
}

// Add counts n values, or takes them back when n is negative.
func (f *Fidelity) Add(object, field string, class Class, reason string, n int64) {
	if f.counts == nil {
		f.counts = make(map[FieldFidelity]int64)
	}
	f.counts[FieldFidelity{Object: object, Field: field, Class: class, Reason: reason}] += n
}

// Dropped counts what Reduce dropped from changes of the object.
func (f *Fidelity) Dropped(object string, dropped []Dropped) {
	for _, d := range dropped {
		f.Add(object, d.Field, d.Class, d.Reason, 1)
	}
}

// Total returns the number of values of the class.
func (f *Fidelity) Total(class Class) int64 {
	var n int64
	for k, count := range f.counts {
		if k.Class == class {
			n += count
		}
	}
	return n
}

// Lines returns the counts, sorted by object, field, class and reason.
func (f *Fidelity) Lines() []FieldFidelity {
	lines := make([]FieldFidelity, 0, len(f.counts))
	for k, count := range f.counts {
		if k.Count = count; count != 0 {
			lines = append(lines, k)
		}
	}
	slices.SortFunc(lines, func(a, b FieldFidelity) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field),
			cmp.Compare(a.Class, b.Class), strings.Compare(a.Reason, b.Reason))
	})
	return lines
}

// Lost returns the lines of class Lost.
func (f *Fidelity) Lost() []FieldFidelity {
	return slices.DeleteFunc(f.Lines(), func(l FieldFidelity) bool { return l.Class != Lost })
}
