package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// trail is a path of a query as resolved: the relationships, and the field at the end.
type trail struct {
	names []string // as the org spells them, the field last
	hops  []*Field // one reference for each relationship
	field *Field   // of the first object that has it when the last relationship is polymorphic
	// typeOnly is the pseudo-field Type of a polymorphic relationship.
	typeOnly bool
	// many is true when the field has to be found by name in each parent.
	many bool
}

// typeField is the field of a polymorphic relationship that names the object of the parent.
// Source: Object Reference, Name.
const typeField = "Type"

// locate resolves a path from an object. The wording of the refusals is unverified.
func (s *schema) locate(q *soql.Query, object *Object, p *soql.Path) (*trail, error) {
	names := p.Names
	if len(names) > 1 && (strings.EqualFold(names[0], q.From.Alias) || strings.EqualFold(names[0], q.From.Name)) &&
		object.Relationship(names[0]) == nil {
		names = names[1:]
	}
	tr := &trail{}
	objects := []*Object{object}
	for _, name := range names[:len(names)-1] {
		var hop *Field
		for _, o := range objects {
			if hop = o.Relationship(name); hop != nil {
				break
			}
		}
		if hop == nil || hop.Type != sf.TypeReference {
			return nil, q.ErrorAt(p.Pos, "INVALID_FIELD", "Didn't understand relationship '%s' in field path. "+
				"If you are attempting to use a custom relationship, be sure to append the '__r' after the custom "+
				"relationship name. Please reference your WSDL or the describe call for the appropriate names.", name)
		}
		tr.hops, tr.names = append(tr.hops, hop), append(tr.names, hop.RelationshipName)
		objects = objects[:0:0]
		for _, target := range hop.ReferenceTo {
			if o := s.object(target); o != nil {
				objects = append(objects, o)
			}
		}
	}
	last := names[len(names)-1]
	tr.many = len(objects) > 1
	for _, o := range objects {
		if f := o.Field(last); f != nil {
			tr.field = f
			break
		}
	}
	if tr.many && strings.EqualFold(last, typeField) {
		tr.typeOnly, tr.field = true, s.object("Name").Field(typeField)
	}
	if tr.field == nil {
		entity := object.Name
		if len(tr.hops) > 0 && len(objects) > 0 {
			entity = objects[0].Name
		}
		return nil, noColumn(q, p.Pos, last, entity)
	}
	tr.names = append(tr.names, tr.field.Name)
	return tr, nil
}

func noColumn(q *soql.Query, pos int, name, entity string) error {
	return q.ErrorAt(pos, "INVALID_FIELD", "No such column '%s' on entity '%s'. If you are attempting to use a custom "+
		"field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe "+
		"call for the appropriate names.", name, entity)
}

// walk follows the relationships of a trail from a record.
func (o *Org) walk(t *table, r *row, hops []*Field) (*table, *row) {
	for _, hop := range hops {
		f := hop
		if !slices.Contains(t.object.Fields, f) { // found in another object that the path may lead to
			if f = t.object.Field(hop.Name); f == nil {
				return nil, nil
			}
		}
		p := o.record(sf.ID(o.value(t, r, f, 0)))
		if p.r == nil {
			return nil, nil
		}
		t, r = p.t, p.r
	}
	return t, r
}

// reader returns a function that reads the trail from records of the table.
func (o *Org) reader(caller Caller, t *table, tr *trail) func(*row) string {
	if len(tr.hops) == 0 {
		f := tr.field
		switch {
		case f.column >= 0 && f.Type != sf.TypeBoolean:
			column := f.column
			return func(r *row) string { return r.text(column) }
		case f.Type == sf.TypeID:
			return func(r *row) string { return string(r.id) }
		}
		return func(r *row) string { return o.valueFor(caller, t, r, f, 0) }
	}
	return func(r *row) string {
		pt, p := o.walk(t, r, tr.hops)
		if p == nil {
			return ""
		}
		return o.leaf(caller, pt, p, tr)
	}
}

// leaf reads the field at the end of a trail.
func (o *Org) leaf(caller Caller, t *table, r *row, tr *trail) string {
	if tr.typeOnly {
		return t.object.Name
	}
	f := tr.field
	if tr.many {
		if f = t.object.Field(tr.field.Name); f == nil {
			return ""
		}
	}
	return o.valueFor(caller, t, r, f, 0)
}
