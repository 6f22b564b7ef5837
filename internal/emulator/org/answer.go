package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

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

	rows    []*row
	lazy    *lazyRows // instead of rows, of an answer that is too long to hold
	parents []parents // by relationship path; the paths of Columns index it
	tree    *branch
}

// Column is one item of a select list.
type Column struct {
	// Path spells the item as the org does: {"Id"}, {"Owner", "Name"}, {"expr0"}. The last element is
	// the name of the cell, those before it are relationships.
	Path []string
	// Field is the field at the end of the path; nil for an aggregate, a child sub-select and TYPEOF.
	Field *Field
	// Type is the type of the value. For an aggregate it is that of its result; for a child
	// sub-select and a TYPEOF it is empty.
	Type sf.FieldType
	// Children is true for a child sub-select.
	Children bool
	// ByType is true for a TYPEOF.
	ByType bool

	below    []Column // of a child sub-select: its select list
	source   int      // 0: the row itself; else 1 + position in parents
	texts    []string
	children []*Answer
	records  []*Record
}

// Below returns the select list of a child sub-select.
func (c Column) Below() []Column { return c.below }

// parents are the records at the end of one relationship path, one for each row of an answer.
type parents struct {
	path []string
	refs []parent
}

// parent is one version of a record with the object as it was; r is nil where there is none.
type parent struct {
	object *Object
	r      *row
}

// branch is one level of the tree of a record: cells in the order of the select list.
type branch struct {
	name   string
	column int // of a leaf; -1 for a relationship
	source int // of a relationship: position in parents
	below  []*branch
}

// Record is one row of an answer as a tree, in the order of the select list: a relationship stands
// where its first field was named.
type Record struct {
	Object *Object // nil for an AggregateResult
	ID     sf.ID   // empty for an AggregateResult
	Cells  []Cell
}

// Cell is one value of a Record. It is one of: a plain value (Text with Type); a parent (IsParent);
// the children of a sub-select (IsChildren); a compound (Type address or location), null when Parts
// is nil.
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
func (a *Answer) Len() int {
	if a.CountOnly {
		return 0
	}
	return a.Total
}

// Record returns the row at i as a tree.
func (a *Answer) Record(i int) Record {
	if a.lazy != nil {
		piece, at := a.lazy.answer(i)
		return piece.Record(at)
	}
	rec := Record{Object: a.Object, Cells: a.cells(a.tree, i)}
	if a.Object != nil {
		rec.ID = a.rows[i].id
	}
	return rec
}

func (a *Answer) cells(b *branch, i int) []Cell {
	cells := make([]Cell, 0, len(b.below))
	for _, leaf := range b.below {
		if leaf.column >= 0 {
			cells = append(cells, a.cell(leaf, i))
			continue
		}
		cell := Cell{Name: leaf.name, IsParent: true}
		if p := a.parents[leaf.source].refs[i]; p.r != nil {
			cell.Parent = &Record{Object: p.object, ID: p.r.id, Cells: a.cells(leaf, i)}
		}
		cells = append(cells, cell)
	}
	return cells
}

func (a *Answer) cell(leaf *branch, i int) Cell {
	c := &a.Columns[leaf.column]
	cell := Cell{Name: leaf.name, Type: c.Type, Field: c.Field}
	switch {
	case c.Children:
		cell.IsChildren = true
		if sub := c.children[i]; sub.Total > 0 {
			cell.Children = sub
		}
	case c.ByType:
		cell.IsParent, cell.Parent = true, c.records[i]
	case c.Type.IsCompound():
		if p := a.at(c, i); p.r != nil {
			cell.Parts = compound(p.object, p.r, c.Field)
		}
	default:
		cell.Text = a.Text(i, leaf.column)
	}
	return cell
}

// at returns the record that a column of the row at i is read from.
func (a *Answer) at(c *Column, i int) parent {
	if c.source == 0 {
		return parent{a.Object, a.rows[i]}
	}
	return a.parents[c.source-1].refs[i]
}

// Text returns the canonical text of a plain column of the row at i; empty is null.
func (a *Answer) Text(i, column int) string {
	if a.lazy != nil {
		piece, at := a.lazy.answer(i)
		return piece.Text(at, column)
	}
	c := &a.Columns[column]
	if c.texts != nil {
		return c.texts[i]
	}
	if c.Field == nil {
		return ""
	}
	p := a.at(c, i)
	if p.r == nil {
		return ""
	}
	return plainText(p.r, c.Field)
}

// plainText reads a field that needs nothing but the record.
func plainText(r *row, f *Field) string {
	if f.Type == sf.TypeID {
		return string(r.id)
	}
	text := r.text(f.column)
	if text == "" && f.Type == sf.TypeBoolean {
		return "false"
	}
	return text
}

// compound returns the parts of an address, a location or a name under their names on the wire, in
// the order of the recorded replies, which is by name.
func compound(object *Object, r *row, f *Field) []Cell {
	var parts []Cell
	some := false
	for _, p := range object.Fields {
		if p.CompoundFieldName != f.Name || p == f || p.column < 0 {
			continue
		}
		name := strings.TrimSuffix(strings.TrimSuffix(f.Name, "__c"), "Address")
		name = strings.TrimPrefix(p.Name, name)
		name = strings.TrimSuffix(strings.TrimPrefix(name, "__"), "__s")
		name = strings.ToLower(name[:1]) + name[1:]
		text := r.text(p.column)
		some = some || text != ""
		parts = append(parts, Cell{Name: name, Type: p.Type, Field: p, Text: text})
	}
	if !some {
		return nil
	}
	slices.SortFunc(parts, func(a, b Cell) int { return strings.Compare(a.Name, b.Name) })
	return parts
}

// grow builds the tree of the select list.
func (a *Answer) grow() {
	a.tree = &branch{column: -1}
	for i := range a.Columns {
		c := &a.Columns[i]
		at := a.tree
		for depth, name := range c.Path[:len(c.Path)-1] {
			at = at.child(name, a.source(c.Path[:depth+1]))
		}
		at.below = append(at.below, &branch{name: c.Path[len(c.Path)-1], column: i})
	}
}

func (b *branch) child(name string, source int) *branch {
	for _, c := range b.below {
		if c.column < 0 && c.name == name {
			return c
		}
	}
	c := &branch{name: name, column: -1, source: source}
	b.below = append(b.below, c)
	return c
}

func (a *Answer) source(path []string) int {
	return slices.IndexFunc(a.parents, func(p parents) bool { return slices.Equal(p.path, path) })
}
