package org

import (
	"slices"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// Query runs a query for the caller. all also sees the records in the Recycle Bin, as queryAll does.
// An error is an *Error or a *soql.Error with the platform's code.
func (o *Org) Query(caller Caller, q *soql.Query, all bool) (*Answer, error) {
	if err := WellFormed(q); err != nil {
		return nil, err
	}
	defer o.reading(caller)()
	object := o.schema.object(q.From.Name)
	if object == nil {
		return nil, q.ErrorAt(q.From.Pos, "INVALID_TYPE", "sObject type '%s' is not supported. If you are attempting to "+
			"use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the "+
			"describe call for the appropriate names.", q.From.Name)
	}
	if !object.Queryable {
		return nil, fault("INVALID_TYPE_FOR_OPERATION", "entity type "+object.Name+" does not support query")
	}
	if err := o.needsFilter(caller, object, q); err != nil {
		return nil, err
	}
	s, err := o.compile(caller, q, object, all, nil)
	if err != nil {
		return nil, err
	}
	if s.t.gen != nil {
		return s.runGenerated()
	}
	return s.run(nil)
}

// selection is a query as compiled for one object.
type selection struct {
	o      *Org
	caller Caller
	q      *soql.Query
	t      *table
	object *Object
	all    bool
	now    time.Time
	access *permits
	reach  *reach
	depth  int // of a sub-select

	rows     soql.Rows[*row]
	test     func(*row) bool     // nil: every row
	scope    func(*row) bool     // nil: every row
	order    func(a, b *row) int // nil: by Id
	columns  []item              // of the select list; none for aggregates
	groups   *grouping           // of an aggregate query
	archived int                 // column that hides archived records; -1: none
	limit    int                 // -1: none
	offset   int
}

// item is one compiled entry of the select list.
type item struct {
	column Column
	trail  *trail
	call   func(*row) string // a function of a field
	sub    *selection
	lookup int // of a child sub-select: column of the child that points here
	// ofPerson: what points here names the contact of the person account
	ofPerson bool
	byType   *soql.TypeOf
}

// maxOffset is the largest OFFSET. Source: SOQL Reference, OFFSET.
const maxOffset = 2000

// compile prepares a query of an object; outer is the query whose sub-select it is, nil for any other.
func (o *Org) compile(caller Caller, q *soql.Query, object *Object, all bool, outer *selection) (*selection, error) {
	s := &selection{
		o: o, caller: caller, q: q, t: o.tables[fold(object.Name)], object: object, all: all, now: o.clock.Now(), limit: -1,
		archived: archived(object), access: o.permits(caller),
	}
	if !s.access.object(o, object).read {
		return nil, q.ErrorAt(q.From.Pos, "INVALID_TYPE", "sObject type '%s' is not supported. If you are attempting to "+
			"use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the "+
			"describe call for the appropriate names.", object.Name)
	}
	if err := s.within(outer); err != nil {
		return nil, err
	}
	s.rows = soql.Rows[*row]{
		Query: q, Env: soql.Env{Now: s.now}, Column: s.resolve, Members: s.members, Call: s.converted,
	}
	if q.Limit != nil {
		s.limit = int(*q.Limit)
	}
	if q.Offset != nil {
		if s.offset = int(*q.Offset); s.offset > maxOffset {
			return nil, &Error{Code: "NUMBER_OUTSIDE_VALID_RANGE", Message: "Maximum SOQL offset allowed is 2000"}
		}
	}
	if object.Kind == BigObject {
		if err := byIndex(q, object); err != nil {
			return nil, err
		}
	}
	var err error
	if s.scope, err = s.scoped(); err != nil {
		return nil, err
	}
	if q.Where != nil {
		if err := s.strings(q.Where); err != nil {
			return nil, err
		}
		if s.test, err = s.rows.Condition(q.Where); err != nil {
			return nil, err
		}
	}
	switch {
	case q.IsCount():
		return s, nil
	case q.IsAggregate():
		s.groups, err = s.compileGroups()
		return s, err
	}
	if len(q.OrderBy) > 0 {
		if s.order, err = s.rows.Order(q.OrderBy); err != nil {
			return nil, err
		}
	}
	for _, i := range q.Select {
		if err := s.selectItem(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// resolve binds a path for a condition, an order or a group. The wording of the refusals is unverified.
func (s *selection) resolve(p *soql.Path, use soql.Use) (soql.Column[*row], error) {
	tr, err := s.locate(p)
	if err != nil {
		return soql.Column[*row]{}, err
	}
	f := tr.field
	switch {
	case use == soql.Filter && !f.Filterable:
		return soql.Column[*row]{}, s.q.ErrorAt(p.Pos, "INVALID_FIELD", "field '%s' can not be filtered in a query call", f.Name)
	case use == soql.Sort && !f.Sortable:
		return soql.Column[*row]{}, s.q.ErrorAt(p.Pos, "INVALID_FIELD", "field '%s' can not be sorted in a query call", f.Name)
	case use == soql.Group && !f.Groupable:
		return soql.Column[*row]{}, s.q.ErrorAt(p.Pos, "INVALID_FIELD", "field '%s' can not be grouped in a query call", f.Name)
	}
	return soql.Column[*row]{Type: valueType(f), CaseSensitive: f.CaseSensitive, Get: s.o.reader(s.caller, s.t, tr)}, nil
}

// valueType is the type that a query compares a field as: a metadata relationship holds a name.
func valueType(f *Field) sf.FieldType {
	if f.Type == sf.TypeReference && f.holdsName() {
		return sf.TypeString
	}
	return f.Type
}

// members runs the sub-query of a semi-join and returns a test for what it selects.
func (s *selection) members(m *soql.Membership) (func(string) bool, error) {
	object := s.o.schema.object(m.Sub.From.Name)
	if object == nil {
		return nil, m.Sub.ErrorAt(m.Sub.From.Pos, "INVALID_TYPE", "sObject type '%s' is not supported.", m.Sub.From.Name)
	}
	if m.Sub.Where != nil && holdsJoin(m.Sub.Where) {
		return nil, malformed("Nesting of semi join sub-selects is not supported")
	}
	if err := WellFormed(m.Sub); err != nil {
		return nil, err
	}
	sub, err := s.o.compile(s.caller, m.Sub, object, s.all, nil)
	if err != nil {
		return nil, err
	}
	if err := s.joined(m, sub); err != nil {
		return nil, err
	}
	answer, err := sub.run(nil)
	if err != nil {
		return nil, err
	}
	set := make(map[string]struct{}, answer.Len())
	for i := range answer.Len() {
		if text := answer.Text(i, 0); text != "" {
			set[text] = struct{}{}
		}
	}
	return func(text string) bool { _, ok := set[text]; return ok }, nil
}

// visible reports a row that the query may see.
func (s *selection) visible(r *row) bool {
	if s.all {
		return r.fate == live || r.fate == binned
	}
	return r.fate == live && (s.archived < 0 || r.text(s.archived) != "true")
}

// scan returns the rows that the query selects, in its order. from are the candidates; nil means the
// whole table, or what an index offers.
func (s *selection) scan(from []*row) []*row {
	if from == nil {
		from = s.candidates()
	}
	// Without an order the rows come by Id, and a limit ends the scan.
	enough := -1
	if s.order == nil && s.limit >= 0 && !s.q.IsCount() && s.groups == nil {
		enough = s.offset + s.limit
	}
	hidden := s.hides()
	var out []*row
	for _, r := range from {
		if !s.visible(r) || hidden != nil && hidden(r) || s.test != nil && !s.test(r) || s.scope != nil && !s.scope(r) {
			continue
		}
		if len(out) == enough {
			break
		}
		out = append(out, r)
	}
	if s.order != nil {
		slices.SortStableFunc(out, s.order)
	}
	if s.groups != nil || s.q.IsCount() {
		return out
	}
	return s.page(out)
}

func (s *selection) page(rows []*row) []*row {
	rows = rows[min(s.offset, len(rows)):]
	if s.limit >= 0 {
		rows = rows[:min(s.limit, len(rows))]
	}
	return rows
}

func (s *selection) run(from []*row) (*Answer, error) {
	rows := s.scan(from)
	switch {
	case s.q.IsCount():
		n := len(rows)
		if s.limit >= 0 {
			n = min(n, s.limit)
		}
		return &Answer{Object: s.object, CountOnly: true, Total: n}, nil
	case s.groups != nil:
		return s.groups.run(rows)
	}
	a := &Answer{Object: s.object, Total: len(rows), rows: rows}
	for _, it := range s.columns {
		if err := s.fill(a, it); err != nil {
			return nil, err
		}
	}
	a.grow()
	return a, nil
}

// candidates returns a superset of the rows that the condition selects, by Id: those that an index
// gives for one of the terms that must hold, or the whole table.
func (s *selection) candidates() []*row {
	terms := []soql.Expr{s.q.Where}
	if and, ok := s.q.Where.(*soql.And); ok {
		terms = and.Terms
	}
	for _, term := range terms {
		path, literals := equalities(term)
		if path == nil || len(path.Names) != 1 {
			continue
		}
		f := s.object.Field(path.Names[0])
		if f == nil || !(f.Type == sf.TypeID || f.column >= 0 && (f.Type == sf.TypeReference || f.Unique || f.ExternalID)) {
			continue
		}
		if rows, ok := s.lookUp(f, literals); ok {
			return rows
		}
	}
	return s.t.rows
}

// equalities reads a term as "field is one of these literals".
func equalities(term soql.Expr) (*soql.Path, []soql.Literal) {
	switch x := term.(type) {
	case *soql.Comparison:
		if p, ok := x.Left.(*soql.Path); ok && x.Op == soql.Equal {
			return p, []soql.Literal{x.Right}
		}
	case *soql.Membership:
		if p, ok := x.Left.(*soql.Path); ok && x.Op == soql.In && x.Sub == nil {
			return p, x.Set
		}
	}
	return nil, nil
}

func (s *selection) lookUp(f *Field, literals []soql.Literal) ([]*row, bool) {
	seen := map[int32]*row{}
	for _, l := range literals {
		if l.Kind != soql.StringLiteral || l.Text == "" {
			return nil, false
		}
		text := l.Text
		if f.Type == sf.TypeID || f.Type == sf.TypeReference && !f.holdsName() {
			id, err := sf.ParseID(text)
			if err != nil {
				return nil, false
			}
			text = string(id)
		}
		if f.Type == sf.TypeID {
			if r := s.t.find(sf.ID(text)); r != nil {
				seen[r.pos] = r
			}
			continue
		}
		for _, r := range s.t.holding(f.column, text) {
			seen[r.pos] = r
		}
	}
	rows := make([]*row, 0, len(seen))
	for _, r := range seen {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b *row) int { return int(a.pos - b.pos) })
	return rows, true
}
