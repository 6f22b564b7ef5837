package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// Big objects. Source: Big Objects Implementation Guide: a record is found by its index, which an
// insert with the same values overwrites; it is neither updated nor undeleted, and a query filters on
// the fields of the index from the first on without a gap, by =, and on the last of them also by a
// range or IN. That one record is deleted by its Id is unverified: the platform deletes by the index.

// newBigObject returns a big object with the fields that the platform gives it.
func newBigObject(o *Object) *Object {
	o.Updateable, o.Undeletable, o.Replicateable, o.Searchable, o.MruEnabled = false, false, false, false, false
	o.Triggerable, o.Layoutable, o.SearchLayoutable, o.CompactLayoutable, o.FeedEnabled = false, false, false, false, false
	o.QuickActions = false
	o.Fields = fieldsOf(`Id id
		CreatedDate datetime ro nonil dflt
		CreatedById ref(User) rel=CreatedBy ro nonil dflt noprefilter
		SystemModstamp datetime ro nonil dflt`)
	return o
}

// indexed finds the record of a big object that an insert overwrites: the one with the same index.
func (d *draft) indexed() (*row, *Error) {
	var columns []int
	for _, name := range d.object.spec.Index {
		f := d.object.Field(name)
		if f == nil {
			continue
		}
		if d.vals[f.column] == "" {
			return nil, fault("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+f.Name+"]", f.Name)
		}
		columns = append(columns, f.column)
	}
	if len(columns) == 0 {
		return nil, nil
	}
	for _, r := range d.t.holding(columns[0], d.vals[columns[0]]) {
		if r.fate == live && !slices.ContainsFunc(columns, func(c int) bool { return r.text(c) != d.vals[c] }) {
			return r, nil
		}
	}
	return nil, nil
}

// store writes a record of a big object: a new one, or over the one with the same index.
func (d *draft) store() (Result, *Error) {
	old, err := d.indexed()
	if err != nil {
		return Result{}, err
	}
	d.audit()
	if err := d.check(d.w.o.reject); err != nil {
		return Result{}, err
	}
	pos := int32(len(d.t.rows))
	if old != nil {
		d.id, pos = old.id, old.pos
	} else {
		d.id = d.w.o.newID(d.t)
	}
	d.w.set(d.t, d.t.pack(d.id, d.vals, live, pos))
	return Result{ID: d.id, Success: true, Created: old == nil}, nil
}

// byIndex refuses a query that a big object cannot answer. The wordings are unverified.
func byIndex(q *soql.Query, o *Object) error {
	refuse := func(text string) error {
		return &Error{Code: "BIG_OBJECT_UNSUPPORTED_OPERATION", Message: text}
	}
	if q.GroupBy != nil || q.IsAggregate() && !q.IsCount() {
		return refuse("aggregate functions are not supported for big objects")
	}
	if q.Where == nil {
		return nil
	}
	terms := []soql.Expr{q.Where}
	if and, ok := q.Where.(*soql.And); ok {
		terms = and.Terms
	}
	ranged := false
	for i := 0; len(terms) > 0; i++ {
		if i == len(o.spec.Index) || ranged {
			return refuse("filter only on fields of the index, in their order and without gaps; a range only on the last")
		}
		before := len(terms)
		terms = slices.DeleteFunc(slices.Clone(terms), func(term soql.Expr) bool {
			path, isRange, ok := indexTerm(term)
			if !ok || len(path.Names) != 1 || !strings.EqualFold(path.Names[0], o.spec.Index[i]) {
				return false
			}
			ranged = ranged || isRange
			return true
		})
		if len(terms) == before {
			return refuse("filter only on fields of the index, in their order and without gaps; a range only on the last")
		}
	}
	return nil
}

// indexTerm reads a condition that an index can answer.
func indexTerm(term soql.Expr) (path *soql.Path, isRange, ok bool) {
	switch x := term.(type) {
	case *soql.Comparison:
		path, ok = x.Left.(*soql.Path)
		switch x.Op {
		case soql.Equal:
			return path, false, ok
		case soql.Less, soql.LessEqual, soql.Greater, soql.GreaterEqual:
			return path, true, ok
		}
	case *soql.Membership:
		path, ok = x.Left.(*soql.Path)
		return path, true, ok && x.Op == soql.In && x.Sub == nil
	}
	return nil, false, false
}

// linkMetadata is a metadata relationship whose record was named before it was there.
type linkMetadata struct {
	table  *table
	id     sf.ID
	column int
	target string // folded name of the custom metadata type
	name   string
}

// connect turns the names in metadata relationships into Ids, as far as the records are there.
// Source: Custom Metadata Types Implementation Guide, "Custom Metadata Relationships": the relationship
// is traversed as a lookup is. Those to EntityDefinition and FieldDefinition keep names.
func (t *Tx) connect() {
	waiting := t.links[:0]
	for _, l := range t.links {
		target, r := t.org.tables[l.target], l.table.find(l.id)
		if target == nil || r == nil || r.fate != live {
			continue
		}
		found := sf.ID("")
		for _, c := range target.holding(target.object.Field("QualifiedApiName").column, l.name) {
			if c.fate == live {
				found = c.id
			}
		}
		if found == "" {
			waiting = append(waiting, l)
			continue
		}
		vals := l.table.dense(r)
		vals[l.column] = string(found)
		t.work.set(l.table, l.table.pack(l.id, vals, live, r.pos))
	}
	t.links = waiting
}

// holdsName reports a reference whose value is a name and no Id: a metadata relationship to an object
// or a field.
func (f *Field) holdsName() bool {
	return f.spec.Type == "MetadataRelationship" && !strings.HasSuffix(fold(f.spec.ReferenceTo), "__mdt")
}
