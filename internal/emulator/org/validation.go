package org

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/emulator/formula"
	"holdfast/internal/sf"
)

// ValidationRuleSpec is a ValidationRule component.
type ValidationRuleSpec struct {
	Object  string
	Name    string // without the object
	Active  bool
	Formula string // errorConditionFormula
	Message string // errorMessage
	Field   string // errorDisplayField; empty shows the error at the top of the page
}

type validation struct {
	spec ValidationRuleSpec
	when *compiled
}

// PutValidationRule defines or changes a validation rule. Its formula must be right even while it is
// not active.
func (t *Tx) PutValidationRule(spec ValidationRuleSpec) (created bool, err *Error) {
	o := t.schema.object(spec.Object)
	if o == nil {
		return false, missing("CustomObject", spec.Object)
	}
	when, err := t.schema.booleanFormula(o, spec.Formula, formula.Validation)
	if err != nil {
		return false, err
	}
	if spec.Field != "" && t.field(o, spec.Field) < 0 {
		return false, fault("INVALID_FIELD", "Field "+spec.Field+" does not exist. Check spelling.")
	}
	c := t.conduct(spec.Object)
	rule := &validation{spec: spec, when: when}
	if i := slices.IndexFunc(c.validations, func(v *validation) bool { return strings.EqualFold(v.spec.Name, spec.Name) }); i >= 0 {
		c.validations[i] = rule
		return false, nil
	}
	c.validations = append(c.validations, rule)
	return true, nil
}

// DropValidationRule deletes a validation rule.
func (t *Tx) DropValidationRule(object, name string) *Error {
	if c := t.conduct(object); c != nil {
		if i := slices.IndexFunc(c.validations, func(v *validation) bool { return strings.EqualFold(v.spec.Name, name) }); i >= 0 {
			c.validations = slices.Delete(c.validations, i, i+1)
			return nil
		}
	}
	return missing("ValidationRule", object+"."+name)
}

// scene is the draft as formulas see it: the values that it will have, and those before.
func (d *draft) scene() *scene {
	id, pos := d.id, int32(0)
	if d.old != nil {
		pos = d.old.pos
	}
	return &scene{
		o: d.w.o, t: d.t, r: d.t.pack(id, d.vals, live, pos), old: d.old, saving: true, caller: d.w.caller, now: d.w.at,
	}
}

// validate runs the validation rules. Every rule that holds is an error of its own on the platform;
// the first one stands for all here, in the order in which the rules were deployed. Source: Metadata
// API Developer Guide, ValidationRule; Object Reference, StatusCode FIELD_CUSTOM_VALIDATION_EXCEPTION. That a formula
// that ends in an error refuses the record is what public replies show; its wording is unverified.
func (d *draft) validate() *Error {
	c := d.object.conduct
	if c == nil || len(c.validations) == 0 {
		return nil
	}
	var s *scene
	for _, rule := range c.validations {
		if !rule.spec.Active {
			continue
		}
		if s == nil {
			s = d.scene()
		}
		v, err := s.eval(rule.when)
		switch {
		case err != nil:
			return fault("FIELD_CUSTOM_VALIDATION_EXCEPTION", "The formula in the \""+rule.spec.Name+
				"\" validation rule is invalid due to the following: "+err.Error())
		case v.True() && rule.spec.Field != "":
			return fault("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.spec.Message, d.object.Field(rule.spec.Field).Name)
		case v.True():
			return fault("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.spec.Message)
		}
	}
	return nil
}

// LookupFilterSpec is the lookupFilter of a lookup or master-detail field.
type LookupFilterSpec struct {
	Active   bool
	Optional bool // isOptional: a hint to users, which the API does not enforce
	Message  string
	Criteria Criteria
}

// filterMessage is what the platform says where a filter has no message of its own.
// Source: Salesforce Help, article 000384756.
const filterMessage = "Value does not exist or does not match filter criteria."

type lookupFilter struct {
	spec    LookupFilterSpec
	when    *condition
	sourced bool // it compares with fields of the record itself
}

// filtered refuses a parent that the filter of the lookup does not let through. It is asked when the
// lookup or a field of the record changes that the filter reads (unverified: always on a write that
// names either). Source: Salesforce Help, "Lookup Filters", required filters.
func (d *draft) filtered(f *Field) *Error {
	id := sf.ID(d.vals[f.column])
	if id == "" {
		return nil
	}
	p := d.w.o.record(id)
	if p.r == nil {
		return nil
	}
	source := d.scene()
	target := &scene{o: d.w.o, t: p.t, r: p.r, caller: d.w.caller, now: d.w.at}
	if f.filter.when.holds(target, source) {
		return nil
	}
	return fault("FIELD_FILTER_VALIDATION_EXCEPTION", orElse(f.filter.spec.Message, filterMessage), f.Name)
}

// finishFilter reads the lookup filter of a field, once the fields that it names are there.
func (t *Tx) finishFilter(f *Field) *lookupFilter {
	spec := f.spec.LookupFilter
	if spec == nil || !spec.Active || spec.Optional || len(f.ReferenceTo) == 0 {
		return nil
	}
	target := t.schema.object(f.ReferenceTo[0])
	if target == nil {
		return nil
	}
	when, err := spec.Criteria.compile(t.schema, target)
	if err != nil {
		return nil
	}
	f2 := &lookupFilter{spec: *spec, when: when}
	for _, i := range spec.Criteria.Items {
		f2.sourced = f2.sourced || strings.HasPrefix(i.Field, "$Source") || strings.HasPrefix(i.ValueField, "$Source")
	}
	return f2
}

// picklists refuses values of restricted picklists that the record type or the controlling value does
// not offer. A picklist that is not restricted takes anything through the API. Source: Salesforce Help,
// article 000381951; that the record type counts: public replies with the same code.
func (d *draft) picklists() *Error {
	for _, f := range d.object.Fields {
		if !f.RestrictedPicklist || f.column < 0 || !d.given[f.column] && !d.retyped(f) {
			continue
		}
		text := d.vals[f.column]
		if text == "" || d.old != nil && d.old.text(f.column) == text && !d.retyped(f) {
			continue
		}
		for _, value := range strings.Split(text, ";") {
			if !d.offered(f, value) {
				return fault("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f.Label+": bad value for restricted picklist field: "+value, f.Name)
			}
		}
	}
	return nil
}

// retyped reports a change of what a picklist depends on.
func (d *draft) retyped(f *Field) bool {
	if d.old == nil {
		return false
	}
	return f.ControllerName != "" && d.get(f.ControllerName) != d.was(f.ControllerName) ||
		d.object.availability != nil && d.get("RecordTypeId") != d.was("RecordTypeId")
}

func (d *draft) offered(f *Field, value string) bool {
	if lists := d.object.availability[d.get("RecordTypeId")]; lists != nil {
		if values, ok := lists[fold(f.Name)]; ok && !slices.Contains(values, fold(value)) {
			return false
		}
	}
	if f.ControllerName == "" {
		return true
	}
	controller := d.object.Field(f.ControllerName)
	if controller == nil || controller.column < 0 {
		return true
	}
	for _, v := range f.Picklist {
		if strings.EqualFold(v.Value, value) {
			return validNow(controller, v.ValidFor, d.vals[controller.column])
		}
	}
	return true
}

// validNow reads the bitmap of controlling values. Source: SOAP API Developer Guide, validFor.
func validNow(controller *Field, bitmap, value string) bool {
	bits, err := base64.StdEncoding.DecodeString(bitmap)
	if err != nil {
		return false
	}
	at := 0
	switch {
	case controller.Type != sf.TypeBoolean:
		at = slices.IndexFunc(controller.Picklist, func(v PicklistValue) bool { return strings.EqualFold(v.Value, value) })
	case value == "true":
		at = 1
	}
	return at >= 0 && at/8 < len(bits) && bits[at/8]&(0x80>>(at%8)) != 0
}

// offer notes which picklist values a record type offers. o is private to the transaction.
func (o *Object) offer(recordType sf.ID, picklists map[string][]string) {
	if picklists == nil {
		return
	}
	lists := map[string][]string{}
	for field, values := range picklists {
		for _, v := range values {
			lists[fold(field)] = append(lists[fold(field)], fold(v))
		}
	}
	o.availability = maps.Clone(o.availability)
	if o.availability == nil {
		o.availability = map[string]map[string][]string{}
	}
	o.availability[string(recordType)] = lists
}
