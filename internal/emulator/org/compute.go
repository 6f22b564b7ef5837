package org

import (
	"math/big"
	"strings"
	"time"

	"holdfast/internal/emulator/formula"
	"holdfast/internal/sf"
)

// compiled is a formula as a field, a default value or a rule uses it.
type compiled struct {
	of   *formula.Formula
	zero bool // formulaTreatBlanksAs BlankAsZero
}

// formulaType is the type that formulas know a field by.
func formulaType(f *Field) formula.Type {
	switch f.Type {
	case sf.TypeBoolean:
		return formula.TypeBoolean
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return formula.TypeNumber
	case sf.TypeDate:
		return formula.TypeDate
	case sf.TypeDatetime:
		return formula.TypeDatetime
	case sf.TypeTime:
		return formula.TypeTime
	case sf.TypePicklist:
		return formula.TypePicklist
	case sf.TypeMultipicklist:
		return formula.TypeMultiPicklist
	case sf.TypeLocation:
		return formula.TypeLocation
	case sf.TypeAnyType, sf.TypeAddress:
		return formula.TypeUnknown
	}
	return formula.TypeText
}

// formulaValue reads the canonical text of a field as a formula sees it. A percent counts as its
// fraction. Source: Salesforce Help, "Tips for Working with Percent Fields in Formulas".
func formulaValue(f *Field, text string) formula.Value {
	t := formulaType(f)
	if text == "" {
		return formula.Missing(t)
	}
	switch t {
	case formula.TypeBoolean:
		return formula.Bool(text == "true")
	case formula.TypeNumber:
		r, ok := parseNumber(text)
		if !ok {
			return formula.Missing(t)
		}
		if f.Type == sf.TypePercent {
			r.Quo(r, big.NewRat(100, 1))
		}
		return formula.Number(r)
	case formula.TypeDate:
		if at, err := time.Parse(time.DateOnly, text); err == nil {
			return formula.Date(at)
		}
		return formula.Missing(t)
	case formula.TypeDatetime:
		if at, err := time.Parse(stampLayout, text); err == nil {
			return formula.Datetime(at)
		}
		return formula.Missing(t)
	case formula.TypeTime:
		if at, err := time.Parse("15:04:05.000Z", text); err == nil {
			return formula.Time(at)
		}
		return formula.Missing(t)
	}
	v := formula.Text(text)
	v.Type = t
	return v
}

// spellAs writes the result of a formula as a value of the field; empty is null.
func spellAs(v formula.Value, f *Field) string {
	if v.Blank() {
		if f.Type == sf.TypeBoolean {
			return "false"
		}
		return ""
	}
	switch formulaType(f) {
	case formula.TypeBoolean:
		return boolText(v.True())
	case formula.TypeNumber:
		switch {
		case v.Type != formula.TypeNumber:
			return ""
		case f.Type == sf.TypePercent:
			return decimal(new(big.Rat).Mul(v.Num, big.NewRat(100, 1)), f.Scale)
		}
		return decimal(v.Num, f.Scale)
	case formula.TypeDate:
		if v.Type == formula.TypeDate || v.Type == formula.TypeDatetime {
			return v.At.Format(time.DateOnly)
		}
		return ""
	case formula.TypeDatetime:
		if v.Type == formula.TypeDate || v.Type == formula.TypeDatetime {
			return stamp(v.At)
		}
		return ""
	case formula.TypeTime:
		if v.Type == formula.TypeTime {
			return v.At.Format("15:04:05.000Z")
		}
		return ""
	}
	return v.Spell()
}

// scene is what a formula is evaluated over: a record, the version before it, and whoever asks.
type scene struct {
	o      *Org
	t      *table
	r      *row // nil for a default value, which sees no record
	old    *row // nil for a record that is being created
	saving bool // old means something
	caller Caller
	now    time.Time
	depth  int
}

// eval evaluates a formula. The error is what the platform shows as #Error!.
func (s *scene) eval(c *compiled) (formula.Value, error) {
	rec := formula.Record{Now: s.now, Field: s.field, BlankAsZero: c.zero, Find: s.find}
	if s.saving {
		rec.New = s.old == nil
		if s.old != nil {
			before := *s
			before.r = s.old
			rec.Prior = before.field
		}
	}
	return c.of.Eval(rec)
}

// field reads a field of the record, of one of its parents, or of a global.
func (s *scene) field(path []string) formula.Value {
	if strings.HasPrefix(path[0], "$") {
		return s.global(path)
	}
	if s.r == nil {
		return formula.Value{}
	}
	t, r := s.t, s.r
	for _, name := range path[:len(path)-1] {
		f, only := t.object.hop(name)
		if f == nil {
			return formula.Value{}
		}
		p := s.o.record(sf.ID(s.o.value(t, r, f, 0)))
		if p.r == nil || p.r.fate == gone || only != "" && !strings.EqualFold(p.t.object.Name, only) {
			return formula.Missing(s.o.schema.pathType(t.object, path))
		}
		t, r = p.t, p.r
		path = path[1:]
	}
	f := t.object.Field(path[len(path)-1])
	if f == nil {
		return formula.Value{}
	}
	text := s.o.valueFor(s.caller, t, r, f, s.depth+1)
	if to := s.o.currencyOf(s.t, s.r); to != "" && r != s.r && f.Type == sf.TypeCurrency {
		text = s.o.exchange(text, t.text(r, "CurrencyIsoCode"), to, f.Scale)
	}
	return formulaValue(f, text)
}

// hop resolves one step of a path in a formula. A polymorphic step names its object after a colon,
// as in Owner:User.Name; Queue is the Group that a queue is. Source: Salesforce Help, "Using the Owner
// Field in Formulas".
func (o *Object) hop(name string) (f *Field, only string) {
	relationship, only, _ := strings.Cut(name, ":")
	if strings.EqualFold(only, "Queue") {
		only = "Group"
	}
	return o.Relationship(relationship), only
}

// pathType is the type of a field by its path from an object; TypeNull when there is none.
func (s *schema) pathType(o *Object, path []string) formula.Type {
	for len(path) > 1 {
		f, only := o.hop(path[0])
		if f == nil || len(f.ReferenceTo) == 0 {
			return formula.TypeNull
		}
		// "Owner" may be a user or a queue; formulas that do not say see the user.
		if only == "" {
			only = f.ReferenceTo[len(f.ReferenceTo)-1]
		}
		if o = s.object(only); o == nil {
			return formula.TypeNull
		}
		path = path[1:]
	}
	if f := s.formulaField(o, path[0]); f != nil {
		return formulaType(f)
	}
	return formula.TypeNull
}

// formulaField finds a field also while the object is being edited, when it has no index yet.
func (s *schema) formulaField(o *Object, name string) *Field {
	if o.byName != nil {
		return o.Field(name)
	}
	for _, f := range o.Fields {
		if strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

// maxFormulaChain bounds formulas that use formulas. Source: Salesforce Help, "Tips for Working with
// Formula Fields", where ten levels are spanned at most.
const maxFormulaChain = 10

// constant computes a default value.
func (o *Org) constant(caller Caller, f *Field, now time.Time) string {
	s := scene{o: o, now: now, caller: caller}
	v, err := s.eval(f.initial)
	if err != nil {
		return ""
	}
	text := spellAs(v, f)
	if f.Type == sf.TypeBoolean && text == "false" {
		return ""
	}
	return text
}

// compute computes a formula field of a record for a caller.
func (o *Org) compute(caller Caller, t *table, r *row, f *Field, depth int) string {
	if f.formula == nil || f.FormulaUnread || depth > maxFormulaChain {
		return spellAs(formula.Value{}, f)
	}
	s := scene{o: o, t: t, r: r, now: o.clock.Now(), depth: depth, caller: caller}
	v, err := s.eval(f.formula)
	if err != nil {
		v = formula.Value{} // #Error! on the platform's pages, null in its APIs
	}
	return spellAs(v, f)
}

// value returns the canonical text of any field of a record, computing it when it is not stored.
func (o *Org) value(t *table, r *row, f *Field, depth int) string {
	return o.valueFor(Caller{}, t, r, f, depth)
}

// valueFor is value as a caller sees it: a formula may ask who looks at it.
func (o *Org) valueFor(caller Caller, t *table, r *row, f *Field, depth int) string {
	switch {
	case f.column >= 0:
		text := r.text(f.column)
		if text == "" && f.Type == sf.TypeBoolean {
			return "false"
		}
		return text
	case f.Type == sf.TypeID:
		return string(r.id)
	case f.summary != nil:
		return o.summarise(t, r, f)
	case f.Calculated:
		return o.compute(caller, t, r, f, depth)
	}
	if f.derive != nil {
		return f.derive(o, t, r)
	}
	return ""
}
