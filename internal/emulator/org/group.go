package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// grouping is an aggregate query as compiled: what makes a group, and what is folded over it.
type grouping struct {
	s      *selection
	keys   []groupKey
	folds  []groupFold
	picks  []pick
	rows   soql.Rows[*group]
	having func(*group) bool
	order  func(a, b *group) int
}

type groupKey struct {
	name string // as written, folded, to find it again
	col  soql.Column[*row]
}

type groupFold struct {
	name string
	call string // folded text of the call, to find it again
	col  soql.Column[*row]
	all  bool // COUNT(Id) and its like over every row
}

// pick is one column of the result: a key or a fold.
type pick struct {
	name string
	key  int // -1: a fold
	fold int
}

// group is one row of the result while it is computed.
type group struct {
	keys  []string
	folds []*soql.Fold
}

// maxGroups bounds the rows of an aggregate query without LIMIT.
// Source: SOQL Reference, GROUP BY (2,000 rows).
const maxGroups = 2000

func (s *selection) compileGroups() (*grouping, error) {
	g := &grouping{s: s}
	if by := s.q.GroupBy; by != nil {
		if by.Kind != "" {
			return nil, &soql.Error{Code: "MALFORMED_QUERY", Message: "GROUP BY " + by.Kind + " is not supported by this org"}
		}
		for _, e := range by.Items {
			col, err := s.rows.Operand(e, soql.Group)
			if err != nil {
				return nil, err
			}
			g.keys = append(g.keys, groupKey{name: exprText(e), col: col})
		}
	}
	for n, i := range s.q.Select {
		if err := g.pickItem(i); err != nil {
			return nil, err
		}
		if err := g.once(n); err != nil {
			return nil, err
		}
	}
	g.rows = soql.Rows[*group]{Query: s.q, Env: s.rows.Env, Column: g.column, Call: g.call}
	var err error
	if s.q.Having != nil {
		if g.having, err = g.rows.Condition(s.q.Having); err != nil {
			return nil, err
		}
	}
	if len(s.q.OrderBy) > 0 {
		g.order, err = g.rows.Order(s.q.OrderBy)
	}
	return g, err
}

// exprText spells an operand so that equal ones are found again, whatever their case and alias.
func exprText(e any) string {
	switch x := e.(type) {
	case *soql.Path:
		return fold(x.String())
	case *soql.Call:
		text := fold(x.Name) + "("
		if x.Arg != nil {
			text += fold(x.Arg.String())
		}
		for _, a := range x.Args {
			text += exprText(a)
		}
		return text + ")"
	}
	return ""
}

func (g *grouping) pickItem(i soql.Item) error {
	name, alias := exprText(i), ""
	shown := ""
	switch x := i.(type) {
	case *soql.Path:
		alias, shown = x.Alias, x.Field()
		if tr, err := g.s.locate(x); err == nil {
			shown = tr.field.Name
		}
	case *soql.Call:
		if x.IsAggregate() {
			n, err := g.fold(x)
			if err != nil {
				return err
			}
			g.picks = append(g.picks, pick{name: orElse(x.Alias, g.nextName()), key: -1, fold: n})
			return nil
		}
		alias, shown = x.Alias, g.nextName()
	}
	k := slices.IndexFunc(g.keys, func(key groupKey) bool { return key.name == name })
	if k < 0 {
		// The wording is unverified.
		return &soql.Error{Code: "MALFORMED_QUERY", Message: "Field must be grouped or aggregated: " + shown}
	}
	g.picks = append(g.picks, pick{name: orElse(alias, shown), key: k})
	return nil
}

// once refuses a column whose name an earlier one has.
func (g *grouping) once(n int) error {
	name := fold(g.picks[n].name)
	for i, p := range g.picks[:n] {
		switch {
		case fold(p.name) != name:
		case exprText(g.s.q.Select[i]) == exprText(g.s.q.Select[n]):
			return malformed("duplicate field selected: " + g.picks[n].name)
		default:
			return malformed("duplicate alias: " + g.picks[n].name)
		}
	}
	return nil
}

// nextName is the name of an aggregate without alias: expr0, expr1 … in order of the aggregates.
func (g *grouping) nextName() string {
	n := 0
	for _, p := range g.picks {
		if strings.HasPrefix(p.name, "expr") {
			n++
		}
	}
	return "expr" + itoa(n)
}

// fold registers an aggregate and returns its position.
func (g *grouping) fold(call *soql.Call) (int, error) {
	text := exprText(call)
	if i := slices.IndexFunc(g.folds, func(f groupFold) bool { return f.call == text }); i >= 0 {
		return i, nil
	}
	f := groupFold{name: call.Name, call: text}
	if call.Arg == nil {
		f.all = true
		f.col = soql.Column[*row]{Type: sf.TypeID, Get: func(r *row) string { return string(r.id) }}
	} else {
		tr, err := g.s.locate(call.Arg)
		if err != nil {
			return 0, err
		}
		if !tr.field.Aggregatable || !folds(call.Name, tr.field.Type) {
			return 0, g.s.q.ErrorAt(call.Pos, "INVALID_FIELD", "field %s does not support aggregate operator %s", tr.field.Name, call.Name)
		}
		f.col = soql.Column[*row]{Type: valueType(tr.field), Get: g.s.o.reader(g.s.caller, g.s.t, tr)}
		if g.s.o.cfg.Features.MultiCurrency && tr.field.Type == sf.TypeCurrency { // sums are in the corporate currency
			f.col.Get = g.s.o.inCurrency(g.s.t, tr, f.col.Get, corporateCurrency)
		}
	}
	g.folds = append(g.folds, f)
	return len(g.folds) - 1, nil
}

// column finds a grouped field, or an alias, for HAVING and ORDER BY.
func (g *grouping) column(p *soql.Path, _ soql.Use) (soql.Column[*group], error) {
	name := fold(p.String())
	for k, key := range g.keys {
		if key.name == name {
			return g.keyColumn(k), nil
		}
	}
	for _, pk := range g.picks {
		if fold(pk.name) != name {
			continue
		}
		if pk.key >= 0 {
			return g.keyColumn(pk.key), nil
		}
		return g.foldColumn(pk.fold), nil
	}
	return soql.Column[*group]{}, g.s.q.ErrorAt(p.Pos, "MALFORMED_QUERY", "Ordered field must be grouped or aggregated: %s", p.Field())
}

func (g *grouping) keyColumn(k int) soql.Column[*group] {
	return soql.Column[*group]{Type: g.keys[k].col.Type, Get: func(x *group) string { return x.keys[k] }}
}

func (g *grouping) foldColumn(n int) soql.Column[*group] {
	t := soql.NewFold(g.folds[n].name, g.folds[n].col.Type).Type()
	return soql.Column[*group]{Type: t, Get: func(x *group) string { return x.folds[n].Result() }}
}

func (g *grouping) call(call *soql.Call, use soql.Use) (soql.Column[*group], bool, error) {
	text := exprText(call)
	if k := slices.IndexFunc(g.keys, func(key groupKey) bool { return key.name == text }); k >= 0 {
		return g.keyColumn(k), true, nil
	}
	if !call.IsAggregate() {
		return soql.Column[*group]{}, false, nil
	}
	n, err := g.fold(call)
	if err != nil {
		return soql.Column[*group]{}, true, err
	}
	return g.foldColumn(n), true, nil
}

func (g *grouping) run(rows []*row) (*Answer, error) {
	groups := g.collect(rows)
	if g.having != nil {
		groups = slices.DeleteFunc(groups, func(x *group) bool { return !g.having(x) })
	}
	if g.order != nil {
		slices.SortStableFunc(groups, g.order)
	}
	s := g.s
	groups = groups[min(s.offset, len(groups)):]
	if s.limit >= 0 {
		groups = groups[:min(s.limit, len(groups))]
	}
	if len(groups) > maxGroups && s.limit < 0 {
		return nil, &Error{Code: "EXCEEDED_ID_LIMIT", Message: "Aggregate query has too many rows for direct assignment, use FOR loop"}
	}
	a := &Answer{Total: len(groups)}
	for _, pk := range g.picks {
		col := Column{Path: []string{pk.name}, texts: make([]string, len(groups))}
		var from soql.Column[*group]
		if pk.key >= 0 {
			from = g.keyColumn(pk.key)
		} else {
			from = g.foldColumn(pk.fold)
		}
		col.Type = from.Type
		for i, x := range groups {
			col.texts[i] = from.Get(x)
		}
		a.Columns = append(a.Columns, col)
	}
	a.grow()
	return a, nil
}

// collect folds the rows into groups, in the order of their keys.
func (g *grouping) collect(rows []*row) []*group {
	byKey := map[string]*group{}
	var groups []*group
	if len(g.keys) == 0 { // one group, also over no rows
		groups = append(groups, g.empty(nil))
		byKey[""] = groups[0]
	}
	for _, r := range rows {
		keys := make([]string, len(g.keys))
		var joined strings.Builder
		for i, k := range g.keys {
			keys[i] = k.col.Get(r)
			joined.WriteString(fold(keys[i]))
			joined.WriteByte(0)
		}
		key := joined.String()
		x := byKey[key]
		if x == nil {
			x = g.empty(keys)
			byKey[key] = x
			groups = append(groups, x)
		}
		for i, f := range g.folds {
			x.folds[i].Add(f.col.Get(r))
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return slices.Compare(a.keys, b.keys) })
	return groups
}

func (g *grouping) empty(keys []string) *group {
	x := &group{keys: keys}
	for _, f := range g.folds {
		x.folds = append(x.folds, soql.NewFold(f.name, f.col.Type))
	}
	return x
}
