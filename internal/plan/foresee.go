package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Foreseen are rows of a plan that the org would refuse as its schema is now, for one reason.
type Foreseen struct {
	Object string
	Field  string
	Reason string
	Rows   int64
}

// Restorable says how many rows of one object the org is expected to take.
type Restorable struct {
	Object  string
	Rows    int64 // of the plan
	Refused int64 // of these, those for which a refusal is foreseen
}

// maxForeseen bounds the reasons that are told apart; more are counted under one.
const maxForeseen = 1_000

// Foresee tells, from the plan and the schema alone, which rows the org would refuse: values that a
// restricted picklist does not have any more, texts and numbers that became too long for their field, and
// required fields without a value. What rules, triggers and uniqueness refuse it cannot tell. The lists are
// sorted by object, field and reason.
func Foresee(p *Plan, schema *sf.Schema) ([]Foreseen, []Restorable) {
	f := &foresight{counts: map[Foreseen]int64{}, objects: map[string]*Restorable{}}
	for _, s := range p.Steps {
		r := f.objects[s.Object]
		if r == nil {
			r = &Restorable{Object: s.Object}
			f.objects[s.Object] = r
		}
		o := schema.Object(s.Object)
		fields := map[string]*sf.Field{}
		var required []*sf.Field
		if o != nil {
			for _, field := range o.Fields {
				fields[field.Name] = field
				if field.Required() {
					required = append(required, field)
				}
			}
		}
		for _, row := range s.Rows {
			r.Rows++
			if o != nil && row.With == "" && s.Op != Undelete && s.Op != Delete && f.row(s, row, fields, required) {
				r.Refused++
			}
		}
	}
	return f.list()
}

type foresight struct {
	counts  map[Foreseen]int64
	objects map[string]*Restorable
}

// row counts why the row would be refused, and reports that it would.
func (f *foresight) row(s Step, row Row, fields map[string]*sf.Field, required []*sf.Field) bool {
	refused := false
	for _, c := range row.Fields {
		field := fields[c.Field]
		if field == nil || !c.After.IsText() {
			continue
		}
		if why := unfit(field, c.After.Text()); why != "" {
			f.count(Foreseen{Object: s.Object, Field: c.Field, Reason: why})
			refused = true
		}
	}
	if s.Op != Insert {
		return refused
	}
	for _, field := range required {
		if !has(row, field.Name) && !(field.Name == "Name" && has(row, "LastName")) { // a person is named by its parts
			f.count(Foreseen{Object: s.Object, Field: field.Name, Reason: "it is required, and the record has none"})
			refused = true
		}
	}
	return refused
}

func has(row Row, name string) bool {
	_, found := slices.BinarySearchFunc(row.Fields, name, func(c state.FieldChange, n string) int { return strings.Compare(c.Field, n) })
	return found
}

func (f *foresight) count(why Foreseen) {
	if _, known := f.counts[why]; !known && len(f.counts) >= maxForeseen {
		why = Foreseen{Object: why.Object, Reason: "more reasons than are told apart"}
	}
	f.counts[why]++
}

// unfit says why the field, as it is now, does not take the value, or "".
func unfit(f *sf.Field, text string) string {
	switch f.Type {
	case sf.TypePicklist, sf.TypeMultipicklist:
		if !f.RestrictedPicklist {
			return ""
		}
		for _, v := range strings.Split(text, ";") {
			if !slices.ContainsFunc(f.Picklist, func(p sf.PicklistValue) bool { return p.Active && p.Value == v }) {
				return fmt.Sprintf("its restricted picklist does not have %q", clip(v))
			}
		}
	case sf.TypeString, sf.TypeTextarea, sf.TypePhone, sf.TypeEmail, sf.TypeURL:
		if f.Length > 0 && len(text) > f.Length && len(utf16.Encode([]rune(text))) > f.Length {
			return fmt.Sprintf("the text is longer than the %d characters that it takes now", f.Length)
		}
	case sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		whole, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
		if digits := f.Precision - f.Scale; f.Precision > 0 && len(whole) > digits && whole != "0" {
			return fmt.Sprintf("the number has more than the %d digits before the point that it takes now", digits)
		}
	}
	return ""
}

func (f *foresight) list() ([]Foreseen, []Restorable) {
	var seen []Foreseen
	for why, n := range f.counts {
		why.Rows = n
		seen = append(seen, why)
	}
	slices.SortFunc(seen, func(a, b Foreseen) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field), strings.Compare(a.Reason, b.Reason))
	})
	var objects []Restorable
	for _, name := range slices.Sorted(maps.Keys(f.objects)) {
		objects = append(objects, *f.objects[name])
	}
	return seen, objects
}
