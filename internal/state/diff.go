package state

import (
	"errors"
	"fmt"
	"iter"

	"holdfast/internal/sf"
)

// Records is a sequence of records of one object in ascending order of their Ids, each Id once. On
// an error it yields the zero record and that error, once, and ends.
type Records = iter.Seq2[sf.Record, error]

// The errors of this package that a caller may want to tell apart.
var (
	// ErrOrder is a sequence that is not ascending, or that names a record twice.
	ErrOrder = errors.New("not in ascending order of Ids")
	// ErrObject is a sequence that mixes objects, or two sequences of different objects.
	ErrObject = errors.New("records of different objects")
	// ErrFit is a change that does not fit the record it is applied to.
	ErrFit = errors.New("change does not fit")
	// ErrTooMany is more changes than the caller allowed.
	ErrTooMany = errors.New("too many changes")
)

// Ordered yields the same records and ends with an error where they are not in order, where they
// mix objects, or where a record does not have one value per field of its shape.
func Ordered(records Records) Records {
	return func(yield func(sf.Record, error) bool) {
		var last sf.ID
		var object string
		for r, err := range records {
			if err == nil {
				err = fits(r, last, object)
			}
			if err != nil {
				yield(sf.Record{}, err)
				return
			}
			last, object = r.ID, r.Object()
			if !yield(r, nil) {
				return
			}
		}
	}
}

func fits(r sf.Record, last sf.ID, object string) error {
	switch {
	case r.Shape == nil || len(r.Values) != r.Shape.Len():
		return fmt.Errorf("record %q does not have one value per field", r.ID)
	case object != "" && r.Object() != object:
		return fmt.Errorf("%w: %s %s after %s", ErrObject, r.Object(), r.ID, object)
	case r.ID == last:
		return twice(r)
	case r.ID < last:
		return fmt.Errorf("%w: %s %q after %q", ErrOrder, r.Object(), r.ID, last)
	}
	return nil
}

func twice(r sf.Record) error {
	return fmt.Errorf("%w: %s %q comes twice", ErrOrder, r.Object(), r.ID)
}

// FromSlice returns the records as a sequence.
func FromSlice(records []sf.Record) Records {
	return func(yield func(sf.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Diff yields the changes that lead from a to b, in the order of their Ids. It reads both sequences
// once, side by side, and holds one record of each. Sequences that are out of order or of different
// objects end it with an error.
func Diff(a, b Records) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		var h Hasher
		var object string
		for m, err := range merge(Ordered(a), Ordered(b), recordID, recordID) {
			if err == nil {
				object, err = sameObject(object, m.left, m.right)
			}
			if err != nil {
				yield(Change{}, err)
				return
			}
			if c, differ := h.between(m.left, m.right); differ && !yield(c, nil) {
				return
			}
		}
	}
}

// sameObject checks that the records are of the object seen so far, and returns it.
func sameObject(object string, records ...sf.Record) (string, error) {
	for _, r := range records {
		switch {
		case r.Shape == nil:
		case object == "":
			object = r.Object()
		case r.Object() != object:
			return "", fmt.Errorf("%w: %s %s beside %s", ErrObject, r.Object(), r.ID, object)
		}
	}
	return object, nil
}

func recordID(r sf.Record) sf.ID { return r.ID }
func changeID(c Change) sf.ID    { return c.ID }

// match is one Id of a merge join, with what each side has of it.
type match[A, B any] struct {
	left              A
	right             B
	hasLeft, hasRight bool
}

// merge joins two ascending sequences by Id. It pulls the left one and is pushed the right one; an
// error of either ends it.
func merge[A, B any](left iter.Seq2[A, error], right iter.Seq2[B, error], idA func(A) sf.ID, idB func(B) sf.ID) iter.Seq2[match[A, B], error] {
	return func(yield func(match[A, B], error) bool) {
		next, stop := iter.Pull2(left)
		defer stop()
		l, err, more := next()
		// lefts yields what the left side alone has, up to the Id, or to the end.
		lefts := func(until sf.ID, end bool) bool {
			for more && (err != nil || end || idA(l) < until) {
				if err != nil {
					yield(match[A, B]{}, err)
					return false
				}
				if !yield(match[A, B]{left: l, hasLeft: true}, nil) {
					return false
				}
				l, err, more = next()
			}
			return true
		}
		for r, errRight := range right {
			if errRight != nil {
				yield(match[A, B]{}, errRight)
				return
			}
			if !lefts(idB(r), false) {
				return
			}
			m := match[A, B]{right: r, hasRight: true}
			if more && idA(l) == idB(r) {
				m.left, m.hasLeft = l, true
				l, err, more = next()
			}
			if !yield(m, nil) {
				return
			}
		}
		lefts("", true)
	}
}
