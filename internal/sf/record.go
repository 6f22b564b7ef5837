package sf

import (
	"slices"
	"strings"
)

// Shape is the sorted list of the fields that a run of records of one object carries. Records that
// were read together share one Shape, so that a record costs its values and nothing else.
type Shape struct {
	object string
	fields []string
	index  map[string]int
}

// NewShape returns the shape of the object with these fields, sorted by name in byte order. Id is
// not a field of a shape (a Record has it apart), and repeated names count once.
func NewShape(object string, fields []string) *Shape {
	sorted := slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "Id" })
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	s := &Shape{object: object, fields: sorted, index: make(map[string]int, len(sorted))}
	for i, f := range sorted {
		s.index[f] = i
	}
	return s
}

// Object returns the API name of the object.
func (s *Shape) Object() string { return s.object }

// Fields returns the field names in order. The caller does not change them.
func (s *Shape) Fields() []string { return s.fields }

// Len returns the number of fields.
func (s *Shape) Len() int { return len(s.fields) }

// Index returns the position of the field, or -1.
func (s *Shape) Index(field string) int {
	if i, ok := s.index[field]; ok {
		return i
	}
	return -1
}

// Equal reports whether both shapes name the same object and the same fields.
func (s *Shape) Equal(o *Shape) bool {
	return s == o || (s.object == o.object && slices.Equal(s.fields, o.fields))
}

// Record is one record as seen once: its Id and one value for each field of its Shape.
type Record struct {
	ID     ID
	Shape  *Shape
	Values []Value // as long as Shape.Fields, in the same order
}

// NewRecord returns a record with the named values; its shape holds exactly these fields.
func NewRecord(object string, id ID, values map[string]Value) Record {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	r := Record{ID: id, Shape: NewShape(object, names)}
	r.Values = make([]Value, r.Shape.Len())
	for i, f := range r.Shape.fields {
		r.Values[i] = values[f]
	}
	return r
}

// Object returns the API name of the record's object.
func (r Record) Object() string { return r.Shape.object }

// Get returns the value of the field, or the Absent value when the record does not carry it.
func (r Record) Get(field string) Value {
	if i := r.Shape.Index(field); i >= 0 {
		return r.Values[i]
	}
	return Value{}
}

// Compare orders records by Id, as every segment and every sequence of records is ordered.
func Compare(a, b Record) int { return strings.Compare(string(a.ID), string(b.ID)) }
