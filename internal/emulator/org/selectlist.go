package org

import (
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// maxFields is the largest LIMIT with FIELDS(ALL) and FIELDS(CUSTOM).
// Source: SOQL Reference, FIELDS().
const maxFields = 200

// selectItem compiles one entry of the select list.
func (s *selection) selectItem(i soql.Item) error {
	switch x := i.(type) {
	case *soql.Path:
		return s.selectPath(x)
	case *soql.Call:
		col, err := s.rows.Operand(x, soql.Filter)
		if err != nil {
			return err
		}
		name := x.Alias
		if name == "" && x.Arg != nil && x.Name == "TOLABEL" {
			name = x.Arg.Field()
		}
		if name == "" {
			name = "expr" + itoa(len(s.columns))
		}
		if err := s.once([]string{name}, x.Pos); err != nil {
			return err
		}
		s.columns = append(s.columns, item{column: Column{Path: []string{name}, Type: col.Type}, call: col.Get})
		return nil
	case *soql.Fields:
		return s.selectFields(x)
	case *soql.Child:
		return s.selectChild(x)
	case *soql.TypeOf:
		return s.selectTypeOf(x)
	}
	return &soql.Error{Code: "MALFORMED_QUERY", Message: "unexpected item in the select list"}
}

func (s *selection) selectPath(p *soql.Path) error {
	tr, err := s.locate(p)
	if err != nil {
		return err
	}
	if err := s.once(tr.names, p.Pos); err != nil {
		return err
	}
	s.columns = append(s.columns, item{trail: tr, column: Column{Path: tr.names, Field: tr.field, Type: tr.field.Type}})
	return nil
}

func (s *selection) selectFields(x *soql.Fields) error {
	if x.Group != "STANDARD" && (s.limit < 0 || s.limit > maxFields) {
		return s.q.ErrorAt(x.Pos, "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
	}
	for _, f := range s.object.Fields {
		if (x.Group == "ALL" || f.Custom == (x.Group == "CUSTOM")) && s.access.reads(s.object, f) {
			if err := s.once([]string{f.Name}, x.Pos); err != nil {
				return err
			}
			s.columns = append(s.columns, item{
				trail:  &trail{names: []string{f.Name}, field: f},
				column: Column{Path: []string{f.Name}, Field: f, Type: f.Type},
			})
		}
	}
	return nil
}

func (s *selection) selectChild(x *soql.Child) error {
	for _, c := range s.object.Children {
		if c.RelationshipName == "" || !strings.EqualFold(c.RelationshipName, x.Query.From.Name) {
			continue
		}
		child := s.o.schema.object(c.Child)
		q := *x.Query
		if err := WellFormed(&q); err != nil {
			return err
		}
		sub, err := s.o.compile(s.caller, &q, child, s.all, s)
		if err != nil {
			return err
		}
		below := make([]Column, len(sub.columns))
		for i, it := range sub.columns {
			below[i] = it.column
		}
		s.columns = append(s.columns, item{
			sub: sub, lookup: child.Field(c.Field).column, ofPerson: c.OfPerson,
			column: Column{Path: []string{c.RelationshipName}, Children: true, below: below},
		})
		return nil
	}
	return s.q.ErrorAt(x.Query.From.Pos, "INVALID_TYPE", "Didn't understand relationship '%s' in FROM part of query call. "+
		"If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship "+
		"name. Please reference your WSDL or the describe call for the appropriate names.", x.Query.From.Name)
}

func (s *selection) selectTypeOf(x *soql.TypeOf) error {
	hop := s.object.Relationship(x.Path.Field())
	if hop == nil || !hop.PolymorphicForeignKey {
		return s.q.ErrorAt(x.Pos, "INVALID_FIELD", "'%s' is not a polymorphic relationship", x.Path)
	}
	if err := s.chooses(x); err != nil {
		return err
	}
	s.columns = append(s.columns, item{
		byType: x, trail: &trail{hops: []*Field{hop}},
		column: Column{Path: []string{hop.RelationshipName}, ByType: true},
	})
	return nil
}

// fill adds one column to an answer. What needs only the record, or a plain parent, is read when it
// is asked for; everything else is computed now, so that the answer stays a view of this moment.
func (s *selection) fill(a *Answer, it item) error {
	c := it.column
	switch {
	case it.call != nil:
		c.texts = s.texts(a.rows, it.call)
	case it.sub != nil:
		c.children = make([]*Answer, len(a.rows))
		for i, r := range a.rows {
			children := it.sub.t.holding(it.lookup, s.keyOf(r, it))
			if children == nil {
				children = []*row{}
			}
			sub, err := it.sub.run(children)
			if err != nil {
				return err
			}
			c.children[i] = sub
		}
	case it.byType != nil:
		c.records = make([]*Record, len(a.rows))
		for i, r := range a.rows {
			c.records[i] = s.typed(r, it)
		}
	default:
		s.fillTrail(a, &c, it.trail)
	}
	a.Columns = append(a.Columns, c)
	return nil
}

// keyOf is the Id by which the records of a child relationship name this one.
func (s *selection) keyOf(r *row, it item) string {
	if it.ofPerson {
		return orElse(s.t.text(r, "PersonContactId"), string(r.id))
	}
	return string(r.id)
}

func (s *selection) texts(rows []*row, get func(*row) string) []string {
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = get(r)
	}
	return texts
}

func (s *selection) fillTrail(a *Answer, c *Column, tr *trail) {
	for depth := range tr.hops {
		if a.source(tr.names[:depth+1]) >= 0 {
			continue
		}
		p := parents{path: tr.names[:depth+1], refs: make([]parent, len(a.rows))}
		for i, r := range a.rows {
			if t, found := s.o.walk(s.t, r, tr.hops[:depth+1]); found != nil {
				p.refs[i] = parent{t.object, found}
			}
		}
		a.parents = append(a.parents, p)
	}
	if len(tr.hops) > 0 {
		c.source = 1 + a.source(tr.names[:len(tr.hops)])
	}
	f := tr.field
	plain := f.column >= 0 || f.Type == sf.TypeID || f.Type.IsCompound()
	if !plain || tr.many {
		c.texts = s.texts(a.rows, s.o.reader(s.caller, s.t, tr))
	}
}

// typed returns what TYPEOF selects of the parent of one row; nil when there is no parent.
func (s *selection) typed(r *row, it item) *Record {
	t, p := s.o.walk(s.t, r, it.trail.hops)
	if p == nil {
		return nil
	}
	fields := it.byType.Else
	for _, w := range it.byType.Whens {
		if strings.EqualFold(w.Object, t.object.Name) {
			fields = w.Fields
		}
	}
	rec := &Record{Object: t.object, ID: p.id}
	for _, path := range fields {
		if f := t.object.Field(path.Field()); f != nil && len(path.Names) == 1 {
			rec.Cells = append(rec.Cells, Cell{Name: f.Name, Type: f.Type, Field: f, Text: s.o.value(t, p, f, 0)})
		}
	}
	return rec
}

// Retrieve returns the records with these Ids, one for each and nil where there is none, as the
// retrieve call does. A field that the object lacks is an error. Records in the Recycle Bin are not
// found.
func (o *Org) Retrieve(caller Caller, object string, ids []string, fields []string) ([]*Record, error) {
	q := &soql.Query{From: soql.From{Name: object}}
	for _, f := range fields {
		q.Select = append(q.Select, &soql.Path{Names: strings.Split(f, ".")})
	}
	defer o.reading(caller)()
	target := o.schema.object(object)
	if target == nil {
		return nil, noObject(object)
	}
	s, err := o.compile(caller, q, target, false, nil)
	if err != nil {
		return nil, err
	}
	out := make([]*Record, len(ids))
	for i, text := range ids {
		id, err := sf.ParseID(text)
		if err != nil {
			return nil, fault("MALFORMED_ID", target.Label+" ID: id value of incorrect type: "+text, "Id")
		}
		r := s.t.find(id)
		if r == nil || r.fate != live {
			continue
		}
		answer, err := s.run([]*row{r})
		if err != nil {
			return nil, err
		}
		if answer.Len() == 0 { // sharing hides it
			continue
		}
		record := answer.Record(0)
		out[i] = &record
	}
	return out, nil
}
