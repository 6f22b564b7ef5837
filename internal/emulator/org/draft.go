package org

import (
	"strings"

	"holdfast/internal/sf"
)

// draft is one record while it is being written: its values by column.
type draft struct {
	w      *work
	t      *table
	object *Object
	old    *row // nil for an insert
	id     sf.ID
	vals   []string
	given  map[int]bool // columns that the row names, null included
}

// get returns the value of a stored field; empty also where the object lacks the field.
func (d *draft) get(name string) string {
	if f := d.object.Field(name); f != nil && f.column >= 0 {
		return d.vals[f.column]
	}
	return ""
}

// put sets a stored field where the object has it.
func (d *draft) put(name, text string) {
	if f := d.object.Field(name); f != nil && f.column >= 0 {
		d.vals[f.column] = text
	}
}

// preset sets a field that the row does not name.
func (d *draft) preset(name, text string) {
	if f := d.object.Field(name); f != nil && f.column >= 0 && !d.given[f.column] && d.vals[f.column] == "" {
		d.vals[f.column] = text
	}
}

// named reports a field that the row sets, to null included.
func (d *draft) named(name string) bool {
	f := d.object.Field(name)
	return f != nil && f.column >= 0 && d.given[f.column]
}

// was returns the value of the version before.
func (d *draft) was(name string) string {
	f := d.object.Field(name)
	if f == nil || d.old == nil {
		return ""
	}
	return d.old.text(f.column)
}

// assign reads the fields of a row into the draft.
func (d *draft) assign(fields []Assignment) *Error {
	var barred []string
	for _, a := range fields {
		f, text, err := d.w.resolve(d.object, a)
		if err != nil {
			return err
		}
		if f.Type == sf.TypeID {
			continue
		}
		if !d.writable(f) || !d.mayWrite(f) {
			barred = append(barred, f.Name)
			continue
		}
		if f.column < 0 {
			return fault("INVALID_FIELD_FOR_INSERT_UPDATE", barredMessage([]string{f.Name}), f.Name)
		}
		if f.HTMLFormatted {
			text = d.pictured(f, text) // what the length of the field is held to is what is kept (unverified)
		}
		switch {
		case f.Type != sf.TypeBase64:
			text, err = f.read(text, d.w.opts.Truncate)
		case a.Body != nil:
			text = d.w.o.keep(a.Body).key
		case text != "":
			text, err = d.w.o.readBody(f, text)
		}
		if err != nil {
			return err
		}
		if repeats(f.Type) {
			text = d.w.o.word(text)
		}
		d.vals[f.column] = text
		d.given[f.column] = true
	}
	if len(barred) > 0 {
		return fault("INVALID_FIELD_FOR_INSERT_UPDATE", barredMessage(barred), barred...)
	}
	return nil
}

// repeats reports types whose values many records have in common.
func repeats(t sf.FieldType) bool {
	switch t {
	case sf.TypeReference, sf.TypePicklist, sf.TypeMultipicklist, sf.TypeCombobox, sf.TypeDate, sf.TypeDatetime,
		sf.TypeTime, sf.TypeBoolean, sf.TypeInt, sf.TypePercent:
		return true
	}
	return false
}

// barredMessage is the text of public replies to writing a read-only field.
func barredMessage(names []string) string {
	return "Unable to create/update fields: " + strings.Join(names, ", ") +
		". Please check the security settings of this field and verify that it is read/write for your profile or permission set."
}

// auditFields are those that "Set Audit Fields upon Record Creation" opens, on insert only.
// Source: Salesforce Help, article 000176484.
var auditFields = map[string]bool{
	"CreatedDate": true, "CreatedById": true, "LastModifiedDate": true, "LastModifiedById": true,
}

func (d *draft) writable(f *Field) bool {
	if d.old != nil {
		return f.Updateable
	}
	return f.Createable || auditFields[f.Name] && d.w.rights().has("CreateAuditFields")
}

// resolve finds the field of an assignment, and the Id of a parent that is named by a key.
func (w *work) resolve(object *Object, a Assignment) (*Field, string, *Error) {
	if a.Parent == nil {
		f := object.Field(a.Field)
		if f == nil {
			// Source: public replies to a row with an unknown field.
			return nil, "", fault("INVALID_FIELD", "No such column '"+a.Field+"' on sobject of type "+object.Name)
		}
		return f, a.Text, nil
	}
	f := object.Relationship(a.Field)
	if f == nil {
		return nil, "", fault("INVALID_FIELD", "No such relation '"+a.Field+"' on sobject of type "+object.Name)
	}
	name := a.Parent.Object
	if name == "" && len(f.ReferenceTo) > 0 {
		name = f.ReferenceTo[0]
	}
	parent := w.o.schema.object(name)
	if parent == nil {
		return nil, "", noObject(name)
	}
	rows, key, err := w.o.byKey(parent, a.Parent.Field, a.Parent.Text)
	switch {
	case err != nil:
		return nil, "", err
	case len(rows) == 0: // from public replies; that the key is shown in small letters is unverified
		return nil, "", fault("INVALID_FIELD", "Foreign key external ID: "+fold(a.Parent.Text)+
			" not found for field "+key.Name+" in entity "+parent.Name)
	case len(rows) > 1:
		return nil, "", manyRecords(key, rows)
	}
	return f, string(rows[0].id), nil
}

// manyRecords is the answer to an external id that several records carry, as public replies have it.
func manyRecords(key *Field, rows []*row) *Error {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = string(r.id)
	}
	return fault("DUPLICATE_EXTERNAL_ID", key.Label+": more than one record found for external id field: ["+
		strings.Join(ids, ", ")+"]")
}

// byKey returns the live records whose external id, or other field with IDLookup, has that value.
func (o *Org) byKey(object *Object, field, text string) ([]*row, *Field, *Error) {
	f := object.Field(field)
	if f == nil {
		return nil, nil, fault("INVALID_FIELD", "Field name provided, "+field+" does not match an External ID for "+object.Name)
	}
	t := o.tables[fold(object.Name)]
	if f.Type == sf.TypeID {
		id, err := sf.ParseID(text)
		if err != nil {
			return nil, f, fault("MALFORMED_ID", object.Label+" ID: id value of incorrect type: "+text, "Id")
		}
		if r := t.find(id); r != nil && r.fate == live {
			return []*row{r}, f, nil
		}
		return nil, f, nil
	}
	if !f.ExternalID && !f.IDLookup || f.column < 0 {
		return nil, f, fault("INVALID_FIELD", "Field name provided, "+field+" does not match an External ID for "+object.Name)
	}
	canonical, err := f.read(text, false)
	if err != nil {
		return nil, f, err
	}
	var rows []*row
	for _, r := range t.holding(f.column, canonical) {
		if r.fate == live {
			rows = append(rows, r)
		}
	}
	return rows, f, nil
}
