package plan

import (
	"slices"

	"holdfast/internal/sf"
)

// ties say what the deletion of a parent does to a record that refers to it, by the fields of one object.
type ties struct {
	owned map[string]bool // the record is deleted, too
	bound map[string]bool // the deletion is refused
}

// tiesOf reads the ties of an object: from its own fields, where describe tells them of custom relationships, and
// from the child relationships of the objects to which they refer, where it tells them of all.
// Source: SOAP API Developer Guide, DescribeSObjectResult, ChildRelationship and Field, cascadeDelete.
func tiesOf(schema *sf.Schema, o *sf.Object) ties {
	t := ties{owned: map[string]bool{}, bound: map[string]bool{}}
	for _, f := range o.References() {
		t.owned[f.Name] = f.CascadeDelete || f.RelationshipOrder > 0
		t.bound[f.Name] = f.RestrictedDelete
		for _, name := range f.ReferenceTo {
			parent := schema.Object(name)
			if parent == nil {
				continue
			}
			for _, c := range parent.Children {
				if c.Child == o.Name && c.Field == f.Name {
					t.owned[f.Name] = t.owned[f.Name] || c.CascadeDelete
					t.bound[f.Name] = t.bound[f.Name] || c.RestrictedDelete
				}
			}
		}
	}
	return t
}

// holding returns the references whose target cannot be deleted without harm to the record.
func (t ties) holding(o *sf.Object) []*sf.Field {
	return slices.DeleteFunc(o.References(), func(f *sf.Field) bool { return !t.owned[f.Name] && !t.bound[f.Name] })
}

// Owners returns the references of an object to records with which its own are deleted.
func Owners(schema *sf.Schema, object string) []*sf.Field {
	o := schema.Object(object)
	if o == nil {
		return nil
	}
	t := tiesOf(schema, o)
	return slices.DeleteFunc(o.References(), func(f *sf.Field) bool { return !t.owned[f.Name] })
}

// Holding returns the references of an object to records with which its own are deleted, or which cannot be deleted because of
// them. To insert a record of the object locks the records to which these refer.
func Holding(schema *sf.Schema, object string) []*sf.Field {
	o := schema.Object(object)
	if o == nil {
		return nil
	}
	return tiesOf(schema, o).holding(o)
}

// Holder is a reference whose records are deleted with the record that they refer to, or forbid that it is deleted.
type Holder struct {
	Object *sf.Object // that has the field
	Field  *sf.Field
}

// Holders returns the references by which records hold on to those of an object, by object and field.
func Holders(schema *sf.Schema, object string) []Holder {
	parent := schema.Object(object)
	if parent == nil {
		return nil
	}
	var out []Holder
	for _, o := range schema.Objects {
		for _, f := range o.References() {
			if !slices.Contains(f.ReferenceTo, object) {
				continue
			}
			holds := f.CascadeDelete || f.RelationshipOrder > 0 || f.RestrictedDelete
			if holds || slices.ContainsFunc(parent.Children, func(c sf.ChildRelationship) bool {
				return c.Child == o.Name && c.Field == f.Name && (c.CascadeDelete || c.RestrictedDelete)
			}) {
				out = append(out, Holder{Object: o, Field: f})
			}
		}
	}
	return out
}

// Hierarchy reports a reference of an object to its own records in which the platform allows no circle: the
// ParentId of accounts, campaigns, cases and their like. Contacts may report to each other in a ring, and custom
// lookups may go in one. Source: SOAP API Developer Guide, StatusCode, CIRCULAR_DEPENDENCY; that it is this field
// of every standard object is unverified.
func Hierarchy(object string, f *sf.Field) bool {
	return f.Name == "ParentId" && !f.Custom && slices.Contains(f.ReferenceTo, object)
}
