package state

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Patch yields the state that the changes make of a. It ends with ErrFit where a change does not
// fit: a create of a record that is there, an update or delete of one that is not or whose hash is
// not the change's Before, or a result whose hash is not the change's After.
func Patch(a Records, changes iter.Seq2[Change, error]) Records {
	return func(yield func(sf.Record, error) bool) {
		var p patcher
		for m, err := range merge(Ordered(a), orderedChanges(changes), recordID, changeID) {
			if err == nil && m.hasRight {
				m.left, err = p.apply(m.left, m.right)
			}
			if err != nil {
				yield(sf.Record{}, err)
				return
			}
			if m.left.Shape != nil && !yield(m.left, nil) {
				return
			}
		}
	}
}

// orderedChanges is Ordered for changes of one object.
func orderedChanges(changes iter.Seq2[Change, error]) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		var last Change
		for c, err := range changes {
			switch {
			case err != nil:
			case last.Object != "" && c.Object != last.Object:
				err = fmt.Errorf("%w: change of %s %s after %s", ErrObject, c.Object, c.ID, last.Object)
			case slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return f.Field == "Id" }):
				err = fmt.Errorf("%w: change of the Id of %s %s", ErrFit, c.Object, c.ID)
			case c.ID <= last.ID:
				err = fmt.Errorf("%w: change of %s %q after %q", ErrOrder, c.Object, c.ID, last.ID)
			}
			if err != nil {
				yield(Change{}, err)
				return
			}
			last = c
			if !yield(c, nil) {
				return
			}
		}
	}
}

// patcher applies changes to records. It keeps the shapes that it made, so that records which gain
// the same fields share one.
type patcher struct {
	hasher Hasher
	shapes map[string]*sf.Shape
}

// apply returns the record after the change; a record without a Shape is not there.
func (p *patcher) apply(r sf.Record, c Change) (sf.Record, error) {
	if r.Shape == nil {
		if c.Kind != Create {
			return r, fmt.Errorf("%w: %s of %s %s, which is not there", ErrFit, c.Kind, c.Object, c.ID)
		}
		r = p.set(sf.Record{ID: c.ID, Shape: p.shape(c.Object, nil)}, c.Fields)
		return r, p.check(r, c)
	}
	switch {
	case r.Object() != c.Object:
		return r, fmt.Errorf("%w: change of %s %s on %s", ErrObject, c.Object, c.ID, r.Object())
	case c.Kind == Create:
		return r, fmt.Errorf("%w: create of %s %s, which is there", ErrFit, c.Object, c.ID)
	case p.hasher.Hash(r) != c.Before:
		return r, fmt.Errorf("%w: %s of %s %s, which is in another state", ErrFit, c.Kind, c.Object, c.ID)
	case c.Kind == Delete:
		return sf.Record{}, nil
	}
	r = p.set(r, c.Fields)
	return r, p.check(r, c)
}

func (p *patcher) check(r sf.Record, c Change) error {
	if p.hasher.Hash(r) != c.After {
		return fmt.Errorf("%w: %s of %s %s gives another state than it says", ErrFit, c.Kind, c.Object, c.ID)
	}
	return nil
}

// set returns a copy of the record with the After values of the fields.
func (p *patcher) set(r sf.Record, fields []FieldChange) sf.Record {
	shape := r.Shape
	for _, f := range fields {
		if shape.Index(f.Field) < 0 {
			names := append([]string(nil), shape.Fields()...)
			for _, g := range fields {
				names = append(names, g.Field)
			}
			shape = p.shape(shape.Object(), names)
			break
		}
	}
	out := sf.Record{ID: r.ID, Shape: shape, Values: make([]sf.Value, shape.Len())}
	if shape == r.Shape {
		copy(out.Values, r.Values)
	} else {
		for i, f := range r.Shape.Fields() {
			out.Values[shape.Index(f)] = r.Values[i]
		}
	}
	for _, f := range fields {
		out.Values[shape.Index(f.Field)] = f.After
	}
	return out
}

func (p *patcher) shape(object string, fields []string) *sf.Shape {
	key := object + "\x00" + strings.Join(fields, "\x00")
	if s, found := p.shapes[key]; found {
		return s
	}
	if p.shapes == nil || len(p.shapes) >= maxShapes {
		p.shapes = make(map[string]*sf.Shape)
	}
	s := sf.NewShape(object, fields)
	p.shapes[key] = s
	return s
}
