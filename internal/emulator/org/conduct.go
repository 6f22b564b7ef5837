package org

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/emulator/formula"
	"holdfast/internal/sf"
)

// conduct is what configuration makes of a write to one object: rules that refuse it and rules that
// change it. It belongs to the version of the object that carries it and is never changed once that is
// published. An object without any has none, so that its writes cost nothing.
type conduct struct {
	validations []*validation
	matching    map[string]*MatchingRuleSpec // by folded name
	duplicates  []*DuplicateRuleSpec         // in the order of their sort order
	assignment  *assignment                  // the active one
	workflow    *workflow
	reactions   []*reaction // of active components
}

// conduct returns a private copy of what configuration makes of writes to an object, which the caller
// may change; nil when there is no such object.
func (t *Tx) conduct(object string) *conduct {
	old := t.schema.object(object)
	if old == nil {
		return nil
	}
	o := t.schema.edit(old)
	c := &conduct{}
	if o.conduct != nil {
		*c = *o.conduct
		c.validations, c.duplicates = slices.Clone(c.validations), slices.Clone(c.duplicates)
		c.reactions, c.matching = slices.Clone(c.reactions), maps.Clone(c.matching)
	}
	if c.matching == nil {
		c.matching = map[string]*MatchingRuleSpec{}
	}
	o.conduct = c
	return c
}

// Criterion is one filter item of a rule: Field as metadata names it, such as Lead.Company, $Source.Name or
// $User.Alias. ValueField stands for Value where it is set.
type Criterion struct {
	Field      string
	Operation  string // FilterOperation of the metadata WSDL
	Value      string
	ValueField string
}

// Criteria say when a rule applies: a formula, or items joined by a logic such as "1 AND (2 OR 3)". All
// of the items must hold where there is no logic. The zero Criteria always hold.
type Criteria struct {
	Items   []Criterion
	Logic   string
	Formula string
}

// condition is Criteria as they are asked.
type condition struct {
	items   []Criterion
	logic   *compiled // over the fields N1, N2 … that stand for the items
	formula *compiled
}

// compile reads criteria for an object. The messages are those of formulas.
func (c Criteria) compile(s *schema, o *Object) (*condition, *Error) {
	out := &condition{items: c.Items}
	if c.Formula != "" {
		f, err := s.booleanFormula(o, c.Formula, formula.Workflow)
		if err != nil {
			return nil, err
		}
		out.formula = f
	}
	if c.Logic != "" {
		f, err := parseLogic(c.Logic, len(c.Items))
		if err != nil {
			return nil, err
		}
		out.logic = f
	}
	return out, nil
}

// booleanFormula reads a formula that decides something about a record.
func (s *schema) booleanFormula(o *Object, text string, use formula.Use) (*compiled, *Error) {
	return s.ruleFormula(o, text, use, formula.TypeBoolean)
}

// ruleFormula reads a formula of a rule. A standard field or label that this org lacks, and a real one may
// have, reads as blank.
func (s *schema) ruleFormula(o *Object, text string, use formula.Use, want formula.Type) (*compiled, *Error) {
	f, err := formula.Parse(text)
	if err == nil {
		_, err = f.Check(s.lookUp(o), use, want)
	}
	var missing *formula.MissingFieldError
	if err != nil && (!errors.As(err, &missing) || customPath(missing.Path)) {
		return nil, fault("FIELD_INTEGRITY_EXCEPTION", "Error: "+err.Error())
	}
	return &compiled{of: f}, nil
}

// parseLogic reads a filter logic as a formula: 1 AND (2 OR 3) is N1 && (N2 || N3).
func parseLogic(text string, items int) (*compiled, *Error) {
	wrong := fault("INVALID_FILTER_VALUE", "Invalid filter logic: "+text) // wording unverified
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
	for i, w := range words {
		switch strings.ToUpper(w) {
		case "AND":
			words[i] = "&&"
		case "OR":
			words[i] = "||"
		case "NOT", "(", ")":
		default:
			if strings.Trim(w, "0123456789") != "" || w == "0" || len(w) > 2 || len(w) == 2 && w > itoa(items) || len(w) == 1 && items < 10 && w > itoa(items) {
				return nil, wrong
			}
			words[i] = "N" + w
		}
	}
	f, err := formula.Parse(strings.Join(words, " "))
	if err != nil {
		return nil, wrong
	}
	return &compiled{of: f}, nil
}

// holds reports whether the condition holds for a record. source is the record that a lookup filter
// belongs to; nil elsewhere. A formula that ends in an error does not hold.
func (c *condition) holds(s, source *scene) bool {
	if c == nil {
		return true
	}
	if c.formula != nil {
		v, err := s.eval(c.formula)
		return err == nil && v.True()
	}
	if c.logic == nil {
		return !slices.ContainsFunc(c.items, func(i Criterion) bool { return !i.holds(s, source) })
	}
	return logicHolds(c.logic, len(c.items), func(n int) bool { return c.items[n].holds(s, source) })
}

// logicHolds evaluates a filter logic over items, which are counted from zero.
func logicHolds(logic *compiled, items int, item func(int) bool) bool {
	v, err := logic.of.Eval(formula.Record{Field: func(path []string) formula.Value {
		n := 0
		for _, digit := range path[0][1:] {
			n = 10*n + int(digit-'0')
		}
		return formula.Bool(n >= 1 && n <= items && item(n-1))
	}})
	return err == nil && v.True()
}

func (i Criterion) holds(s, source *scene) bool {
	f, have := s.named(i.Field, source)
	if f == nil {
		return false
	}
	item := SummaryFilter{Operation: i.Operation, Value: i.Value}
	if i.ValueField != "" {
		_, item.Value = s.named(i.ValueField, source)
	}
	return compareFilter(f, have, item)
}

// named reads a field as metadata names it: of the record by the name of its object, of the source of
// a lookup filter, of the user, or along a relationship.
func (s *scene) named(name string, source *scene) (*Field, string) {
	path := strings.Split(name, ".")
	if strings.EqualFold(path[0], "$Source") {
		if source == nil {
			return nil, ""
		}
		return source.named(strings.Join(path[1:], "."), nil)
	}
	t, r := s.t, s.r
	if object := personal[fold(path[0])]; object != "" && len(path) > 1 {
		p := s.o.record(s.personalID(fold(path[0])))
		if p.r == nil {
			return nil, ""
		}
		t, r, path = p.t, p.r, path[1:]
	} else if len(path) > 1 && strings.EqualFold(path[0], t.object.Name) {
		path = path[1:]
	}
	for ; len(path) > 1; path = path[1:] {
		f, _ := t.object.hop(path[0])
		if f == nil {
			if f, _ = t.object.hop(strings.TrimSuffix(path[0], "__c") + "__r"); f == nil {
				return nil, ""
			}
		}
		p := s.o.record(sf.ID(s.o.value(t, r, f, 0)))
		if p.r == nil {
			return nil, ""
		}
		t, r = p.t, p.r
	}
	f := t.object.Field(path[0])
	if f == nil {
		return nil, ""
	}
	return f, s.o.valueFor(s.caller, t, r, f, s.depth+1)
}
