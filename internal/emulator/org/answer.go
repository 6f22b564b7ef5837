package org

import "holdfast/internal/sf"

// Answer is the result of a query: a consistent view that later writes do not change. Rows are
// materialised one at a time, so that an answer of a million rows costs little more than a
// reference for each.
type Answer struct {
	// Object is what FROM names; nil when the rows are aggregates (type AggregateResult).
	Object *Object
	// Columns is the select list in order, FIELDS() expanded. It is empty for SELECT COUNT().
	Columns []Column
	// Total is totalSize: the number of rows, or what COUNT() counted.
	Total int
	// CountOnly is true for SELECT COUNT(), whose answer has a total and no rows.
	CountOnly bool
}

// Column is one item of a select list.
type Column struct {
	// Path spells the item as the org does: {"Id"}, {"Owner", "Name"}, {"expr0"}. The last element is
	// the name of the cell, those before it are relationships.
	Path []string
	// Field is the field at the end of the path; nil for an aggregate, and for a child sub-select.
	Field *Field
	// Type is the type of the value. For an aggregate it is that of its result; for a child
	// sub-select it is empty.
	Type sf.FieldType
	// Children is true for a child sub-select.
	Children bool
}

// Record is one row of an answer as a tree, in the order of the select list: a relationship stands
// where its first field was named.
type Record struct {
	Object *Object // nil for an AggregateResult
	ID     sf.ID   // empty for an AggregateResult
	Cells  []Cell
}

// Cell is one value of a Record. Exactly one of the following holds: it is a plain value (Text, with
// Field or Type), a parent (IsParent), the children of a sub-select (IsChildren) or a compound
// (Parts not nil, or null when Text is empty and Type is address or location).
type Cell struct {
	Name  string
	Type  sf.FieldType
	Field *Field // nil for aggregates, parents and children
	Text  string // canonical; empty is null

	IsParent bool
	Parent   *Record // nil: null

	IsChildren bool
	Children   *Answer // nil: no children, which the wire spells as null

	// Parts holds the components of an address or a location under their names on the wire, such as
	// street, city, latitude; nil when all are null.
	Parts []Cell
}

// Len returns the number of rows.
func (a *Answer) Len() int { return 0 }

// Record returns the row at i as a tree.
func (a *Answer) Record(i int) Record { return Record{} }

// Text returns the canonical text of a plain column of the row at i; empty is null.
func (a *Answer) Text(i, column int) string { return "" }

// Retrieve returns the records with these Ids, one for each and nil where there is none, as the
// retrieve call does. Unknown fields are an error. Records in the Recycle Bin are not found.
func (o *Org) Retrieve(caller Caller, object string, ids []string, fields []string) ([]*Record, error) {
	return nil, nil
}
