package org

import (
	"holdfast/internal/sf"
)

// maxTracked is how many fields of an object have a history.
// Source: Salesforce Help, "Field History Tracking"; StatusCode NUM_HISTORY_FIELDS_BY_SOBJECT_EXCEEDED.
const maxTracked = 20

// longText is from which length on the history tells only that a text changed.
// Source: Salesforce Help, "Field History Tracking": text of more than 255 characters.
const longText = 255

func trackedFields(o *Object) []*Field {
	var out []*Field
	for _, f := range o.Fields {
		if f.spec.TrackHistory && f.column >= 0 && len(out) < maxTracked {
			out = append(out, f)
		}
	}
	return out
}

// remember writes the history of a record that was made or changed. Sources: Salesforce Help, "Field
// History Tracking"; Object Reference, AccountHistory: an insert leaves one row with the field
// "created", a change one for each field, and a change of a lookup two, with names and with Ids.
func (d *draft) remember(s *satellites) {
	if d.old == nil {
		d.record(s, "created", "", "", "Text")
		return
	}
	for _, f := range s.tracked {
		was, now := d.old.text(f.column), d.vals[f.column]
		if was == now {
			continue
		}
		name := historyName(f)
		switch {
		case f.Type == sf.TypeReference:
			d.record(s, name, d.w.o.nameByID(was), d.w.o.nameByID(now), "Text")
			d.record(s, name, was, now, "EntityId")
		case f.Length > longText && f.Type == sf.TypeTextarea, f.Encrypted, f.Type == sf.TypeMultipicklist:
			d.record(s, name, "", "", historyType(f))
		case f.Type == sf.TypeBoolean:
			d.record(s, name, orElse(was, "false"), orElse(now, "false"), "Boolean")
		default:
			d.record(s, name, was, now, historyType(f))
		}
	}
}

func (d *draft) record(s *satellites, field, was, now, kind string) {
	values := map[string]string{s.historyRef: string(d.id), "Field": field, "OldValue": was, "NewValue": now, "DataType": kind}
	d.w.plantAt(s.history, d.w.o.newID(s.history), values)
}

// historyName is how a history names a field: standard lookups without their Id. Source: the values
// of AccountHistory.Field in public replies, such as Owner and RecordType.
func historyName(f *Field) string {
	if f.Type == sf.TypeReference && !f.Custom && f.RelationshipName != "" {
		return f.RelationshipName
	}
	return f.Name
}

// historyType is the DataType of a history row; that each type of field has this one is unverified.
func historyType(f *Field) string {
	switch f.Type {
	case sf.TypeCurrency:
		return "Currency"
	case sf.TypePercent:
		return "Percent"
	case sf.TypeInt, sf.TypeDouble, sf.TypeLong:
		return "Double"
	case sf.TypeDate:
		return "DateOnly"
	case sf.TypeDatetime:
		return "DateTime"
	case sf.TypeTime:
		return "TimeOnly"
	case sf.TypePicklist, sf.TypeCombobox:
		return "DynamicEnum"
	case sf.TypeMultipicklist:
		return "MultiEnum"
	case sf.TypeEmail:
		return "Email"
	case sf.TypePhone:
		return "Phone"
	case sf.TypeURL:
		return "Url"
	case sf.TypeTextarea:
		if f.Length > longText {
			return "StringPlusClob"
		}
		return "MultiLineText"
	}
	return "Text"
}

// nameByID is what the platform calls the record with that Id; empty for none.
func (o *Org) nameByID(id string) string {
	p := o.record(sf.ID(id))
	if p.r == nil {
		return ""
	}
	return o.nameOf(p.t, p.r)
}
