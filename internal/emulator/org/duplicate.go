package org

import (
	"slices"
	"strings"
	"unicode"
)

// MatchingRuleSpec is a MatchingRule component: which records count as the same.
type MatchingRuleSpec struct {
	Object string
	Name   string
	Active bool
	Logic  string // booleanFilter over the items; all of them where it is empty
	Items  []MatchingItem
}

// MatchingItem is one field of a matching rule. Method Exact compares as the field does; every other
// method compares letters and digits alone, without regard to case, which finds less than the
// platform's fuzzy methods do.
type MatchingItem struct {
	Field       string
	Method      string // MatchingMethod of the metadata WSDL
	MatchBlanks bool
}

// DuplicateRuleSpec is a DuplicateRule component.
type DuplicateRuleSpec struct {
	Object        string
	Name          string
	Active        bool
	Order         int
	BlockOnInsert bool // actionOnInsert Block
	BlockOnUpdate bool
	AlertOnInsert bool // operationsOnInsert Alert: with Allow, a caller must say that it saves all the same
	AlertOnUpdate bool
	AlertText     string
	Filter        Criteria
	Matches       []DuplicateMatch

	filter *condition
}

// DuplicateMatch names a matching rule and the object whose records are compared.
type DuplicateMatch struct {
	Object string            // matchRuleSObjectType
	Rule   string            // name of a matching rule of that object
	Fields map[string]string // field of Object by folded field of the record, where they differ
}

// PutMatchingRule defines or changes a matching rule.
func (t *Tx) PutMatchingRule(spec MatchingRuleSpec) (created bool, err *Error) {
	o := t.schema.object(spec.Object)
	if o == nil {
		return false, missing("CustomObject", spec.Object)
	}
	for _, i := range spec.Items {
		if t.field(o, i.Field) < 0 {
			return false, fault("INVALID_FIELD", "Field "+i.Field+" does not exist. Check spelling.")
		}
	}
	if spec.Logic != "" {
		if _, err := parseLogic(spec.Logic, len(spec.Items)); err != nil {
			return false, err
		}
	}
	c := t.conduct(spec.Object)
	created = c.matching[fold(spec.Name)] == nil
	c.matching[fold(spec.Name)] = &spec
	return created, nil
}

// PutDuplicateRule defines or changes a duplicate rule. Its matching rules come first.
func (t *Tx) PutDuplicateRule(spec DuplicateRuleSpec) (created bool, err *Error) {
	o := t.schema.object(spec.Object)
	if o == nil {
		return false, missing("CustomObject", spec.Object)
	}
	for _, m := range spec.Matches {
		of := t.schema.object(m.Object)
		if of == nil || of.conduct == nil || of.conduct.matching[fold(m.Rule)] == nil {
			return false, missing("MatchingRule", m.Object+"."+m.Rule)
		}
	}
	if spec.filter, err = spec.Filter.compile(t.schema, o); err != nil {
		return false, err
	}
	c := t.conduct(spec.Object)
	before := len(c.duplicates)
	c.duplicates = slices.DeleteFunc(c.duplicates, func(d *DuplicateRuleSpec) bool { return strings.EqualFold(d.Name, spec.Name) })
	created = len(c.duplicates) == before
	c.duplicates = append(c.duplicates, &spec)
	slices.SortStableFunc(c.duplicates, func(a, b *DuplicateRuleSpec) int { return a.Order - b.Order })
	return created, nil
}

// DropDuplicateRule deletes a duplicate rule, DropMatchingRule a matching rule.
func (t *Tx) DropDuplicateRule(object, name string) *Error {
	if c := t.conduct(object); c != nil {
		before := len(c.duplicates)
		c.duplicates = slices.DeleteFunc(c.duplicates, func(d *DuplicateRuleSpec) bool { return strings.EqualFold(d.Name, name) })
		if len(c.duplicates) < before {
			return nil
		}
	}
	return missing("DuplicateRule", object+"."+name)
}

// DropMatchingRule deletes a matching rule that no duplicate rule uses.
func (t *Tx) DropMatchingRule(object, name string) *Error {
	c := t.conduct(object)
	if c == nil || c.matching[fold(name)] == nil {
		return missing("MatchingRule", object+"."+name)
	}
	delete(c.matching, fold(name))
	return nil
}

// duplicateText is what the platform says where a rule has no text of its own.
// Source: public replies with DUPLICATES_DETECTED.
const duplicateText = "Use one of these records?"

// unduplicated runs the duplicate rules. Block refuses; Allow with an alert refuses, too, unless the
// caller saves all the same. Source: Salesforce Help, "Duplicate Rules"; REST API Developer Guide,
// Duplicate Rule Header; SalesforceFoundation/NPSP issue 2475.
func (d *draft) unduplicated() *Error {
	c := d.object.conduct
	if c == nil {
		return nil
	}
	for _, rule := range c.duplicates {
		block, alert := rule.BlockOnInsert, rule.AlertOnInsert
		if d.old != nil {
			block, alert = rule.BlockOnUpdate, rule.AlertOnUpdate
		}
		if !rule.Active || !block && (!alert || d.w.opts.AllowDuplicates) {
			continue
		}
		if rule.filter.holds(d.scene(), nil) && d.hasTwin(rule) {
			return fault("DUPLICATES_DETECTED", orElse(rule.AlertText, duplicateText))
		}
	}
	return nil
}

func (d *draft) hasTwin(rule *DuplicateRuleSpec) bool {
	for _, m := range rule.Matches {
		of := d.w.o.schema.object(m.Object)
		if of == nil || of.conduct == nil {
			continue
		}
		match := of.conduct.matching[fold(m.Rule)]
		if match == nil || !match.Active || d.old != nil && !d.touches(match, m) {
			continue
		}
		t := d.w.o.tables[fold(of.Name)]
		for _, r := range d.suspects(t, match, m) {
			if r.fate == live && r.id != d.id && d.matches(t, r, match, m) {
				return true
			}
		}
	}
	return false
}

// touches reports an update that changes a field of the matching rule. Source: Salesforce Help: rules
// run on an update only when a field of the matching rule changes.
func (d *draft) touches(match *MatchingRuleSpec, m DuplicateMatch) bool {
	return slices.ContainsFunc(match.Items, func(i MatchingItem) bool {
		name := m.own(i.Field)
		return d.get(name) != d.was(name)
	})
}

// own is the field of the record that is compared with a field of the matching rule's object.
func (m DuplicateMatch) own(field string) string {
	for own, other := range m.Fields {
		if strings.EqualFold(other, field) {
			return own
		}
	}
	return field
}

// suspects narrows the records by an index where one exact item must match.
func (d *draft) suspects(t *table, match *MatchingRuleSpec, m DuplicateMatch) []*row {
	if match.Logic == "" {
		for _, i := range match.Items {
			f := t.object.Field(i.Field)
			if i.Method == "Exact" && !i.MatchBlanks && f != nil && f.column >= 0 {
				return t.holding(f.column, d.get(m.own(i.Field)))
			}
		}
	}
	return t.rows
}

func (d *draft) matches(t *table, r *row, match *MatchingRuleSpec, m DuplicateMatch) bool {
	same := func(i MatchingItem) bool {
		a, b := d.get(m.own(i.Field)), t.text(r, i.Field)
		if a == "" || b == "" {
			return i.MatchBlanks && a == b
		}
		if i.Method == "Exact" {
			return strings.EqualFold(a, b)
		}
		return essence(a) == essence(b)
	}
	if match.Logic == "" {
		return !slices.ContainsFunc(match.Items, func(i MatchingItem) bool { return !same(i) })
	}
	logic, err := parseLogic(match.Logic, len(match.Items))
	if err != nil {
		return false
	}
	return logicHolds(logic, len(match.Items), func(n int) bool { return same(match.Items[n]) })
}

// essence keeps the letters and digits of a text.
func essence(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
