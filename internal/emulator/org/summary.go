package org

import (
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// summary is a roll-up summary: it is computed when it is read, from the live details, so that it
// is always right and never moves a stamp. That the platform's roll-ups leave SystemModstamp alone
// is what makers of connectors report (Estuary, "Formula fields"); for the change of a detail it is
// unverified, and it is the harder case for whoever looks for changes.
type summary struct {
	child   string // folded API name
	key     string // field of the child that points at the master
	op      string // COUNT, SUM, MIN, MAX
	field   string // field of the child that is summed; empty for COUNT
	filters []SummaryFilter
}

func (o *Org) summarise(master *table, r *row, f *Field) string {
	s := f.summary
	t := o.tables[s.child]
	if t == nil {
		return ""
	}
	key, counted := t.object.Field(s.key), t.object.Field(s.field)
	if key == nil || counted == nil && s.op != "COUNT" {
		return ""
	}
	ft := sf.TypeInt
	if counted != nil {
		ft = counted.Type
	}
	total, n := soql.NewFold(s.op, ft), 0
	currency := o.currencyOf(master, r)
	for _, child := range t.holding(key.column, string(r.id)) {
		if child.fate != live || !o.passes(t, child, s.filters) {
			continue
		}
		n++
		if counted != nil {
			total.Add(o.amount(t, child, counted, currency))
		}
	}
	if s.op == "COUNT" {
		return itoa(n)
	}
	if text := total.Result(); text != "" || s.op != "SUM" {
		return text
	}
	return "0"
}

// passes applies the filter items of a roll-up. Operations are those of FilterOperation in the
// metadata WSDL; one that is not known lets nothing pass.
func (o *Org) passes(t *table, r *row, filters []SummaryFilter) bool {
	for _, item := range filters {
		_, name, _ := strings.Cut(item.Field, ".")
		f := t.object.Field(name)
		if f == nil || !compareFilter(f, o.value(t, r, f, 1), item) {
			return false
		}
	}
	return true
}

func compareFilter(f *Field, have string, item SummaryFilter) bool {
	if f.Type == sf.TypeBoolean {
		is := strings.EqualFold(item.Value, "true") || item.Value == "1"
		return (have == "true") == (is == (item.Operation != "notEqual"))
	}
	compare := soql.Comparer(f.Type)
	some := func(test func(want string) bool) bool {
		for _, want := range strings.Split(item.Value, ",") {
			if test(strings.TrimSpace(want)) {
				return true
			}
		}
		return false
	}
	equal := func(want string) bool {
		if have == "" || want == "" {
			return have == want
		}
		canonical, err := f.read(want, false)
		return err == nil && compare(have, canonical) == 0
	}
	order := func(test func(int) bool) bool {
		canonical, err := f.read(item.Value, false)
		return err == nil && canonical != "" && have != "" && test(compare(have, canonical))
	}
	switch item.Operation {
	case "equals":
		return some(equal)
	case "notEqual":
		return !some(equal)
	case "lessThan":
		return order(func(d int) bool { return d < 0 })
	case "lessOrEqual":
		return order(func(d int) bool { return d <= 0 })
	case "greaterThan":
		return order(func(d int) bool { return d > 0 })
	case "greaterOrEqual":
		return order(func(d int) bool { return d >= 0 })
	case "contains", "includes":
		return some(func(want string) bool { return strings.Contains(fold(have), fold(want)) })
	case "notContain", "excludes":
		return !some(func(want string) bool { return strings.Contains(fold(have), fold(want)) })
	case "startsWith":
		return some(func(want string) bool { return strings.HasPrefix(fold(have), fold(want)) })
	}
	return false
}
