package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// What a query may not say, whatever its object. Source: SOQL and SOSL Reference: "Comparison Operators" (restrictions of
// semi-joins), "GROUP BY", "HAVING", "COUNT()", "LIMIT", "FOR UPDATE", "ALL ROWS". The words are those of public replies; where a
// comment says so they are unverified.

// maxSemiJoins is how many semi-joins and anti-joins a query may hold.
const maxSemiJoins = 2

func malformed(message string) error { return &soql.Error{Code: "MALFORMED_QUERY", Message: message} }

// WellFormed refuses a query that says what no query of an API may say, before its names are looked up.
func WellFormed(q *soql.Query) error {
	if q.AllRows {
		return malformed("ALL ROWS not allowed in this context")
	}
	if err := lockable(q); err != nil {
		return err
	}
	if err := counting(q); err != nil {
		return err
	}
	if err := aliases(q); err != nil {
		return err
	}
	// The words of both are unverified.
	var orders, groups []soql.Expr
	for _, o := range q.OrderBy {
		orders = append(orders, o.By)
	}
	if q.GroupBy != nil {
		groups = q.GroupBy.Items
	}
	if twice := repeated(orders); twice != "" {
		return malformed("duplicate field in ORDER BY: " + twice)
	}
	if twice := repeated(groups); twice != "" {
		return malformed("duplicate field in GROUP BY: " + twice)
	}
	return joins(q)
}

// lockable refuses locks that contradict the query. The words are unverified.
func lockable(q *soql.Query) error {
	for i, name := range q.For {
		if slices.Contains(q.For[:i], name) {
			return malformed("FOR " + name + " is given twice")
		}
		if name == "UPDATE" && len(q.OrderBy) > 0 {
			return malformed("ORDER BY is not allowed with FOR UPDATE")
		}
	}
	return nil
}

// counting refuses clauses that do not go with COUNT() or with aggregates of all rows.
func counting(q *soql.Query) error {
	all := false
	for _, item := range q.Select {
		if c, ok := item.(*soql.Call); ok && c.Name == "COUNT" && c.Arg == nil {
			all = true
		}
	}
	switch {
	case all && len(q.Select) > 1: // the words are unverified
		return malformed("COUNT() must be the only item of the select list")
	case all && q.GroupBy != nil: // the words are unverified
		return malformed("COUNT() cannot be used with GROUP BY: use COUNT(fieldName)")
	case all && len(q.OrderBy) > 0: // the words are unverified
		return malformed("COUNT() cannot be used with ORDER BY: use COUNT(fieldName)")
	case q.Having != nil && q.GroupBy == nil: // the words are unverified
		return malformed("HAVING needs GROUP BY")
	case q.IsAggregate() && q.GroupBy == nil && q.Limit != nil:
		return malformed("Non-grouped query that uses overall aggregate functions cannot also use LIMIT")
	}
	return nil
}

// aliases refuses the alias of a field in a query that is no aggregate. Functions may have one anywhere.
func aliases(q *soql.Query) error {
	if q.IsAggregate() {
		return nil
	}
	for _, item := range q.Select {
		if p, ok := item.(*soql.Path); ok && p.Alias != "" {
			return q.ErrorAt(p.Pos, "MALFORMED_QUERY", "only aggregate expressions use field aliasing")
		}
	}
	return nil
}

// repeated returns the first operand that occurs twice; empty when none does.
func repeated(operands []soql.Expr) string {
	seen := map[string]bool{}
	for _, e := range operands {
		text := exprText(e)
		if seen[text] {
			return text
		}
		seen[text] = true
	}
	return ""
}

// joins refuses semi-joins and anti-joins where they may not stand.
func joins(q *soql.Query) error {
	terms := []soql.Expr{q.Where}
	word := "only allowed at the top level WHERE expressions and not in nested WHERE expressions"
	switch x := q.Where.(type) {
	case *soql.And:
		terms = x.Terms
	case *soql.Or:
		if slices.ContainsFunc(x.Terms, isJoin) {
			word = "not allowed with the 'OR' operator"
		}
	case *soql.Not: // the words are unverified
		word = "not allowed with the 'NOT' operator"
	}
	n := 0
	for _, term := range terms {
		if isJoin(term) {
			n++
			continue
		}
		if holdsJoin(term) {
			return malformed("Semi join sub-selects are " + word)
		}
	}
	if n > maxSemiJoins {
		return malformed("Maximum 2 semi join sub-selects are allowed")
	}
	return nil
}

func isJoin(e soql.Expr) bool {
	m, ok := e.(*soql.Membership)
	return ok && m.Sub != nil
}

func holdsJoin(e soql.Expr) bool {
	switch x := e.(type) {
	case *soql.And:
		return slices.ContainsFunc(x.Terms, holdsJoin)
	case *soql.Or:
		return slices.ContainsFunc(x.Terms, holdsJoin)
	case *soql.Not:
		return holdsJoin(x.Term)
	}
	return isJoin(e)
}

// unjoined are objects that the sub-select of a semi-join cannot read.
// Source: SOQL and SOSL Reference, "Comparison Operators": objects that are not supported in sub-queries.
var unjoined = []string{"ActivityHistory", "Attachment", "Event", "EventRelation", "Note", "OpenActivity", "Task"}

// joined checks a semi-join against the schema: sub is its compiled sub-select.
func (s *selection) joined(m *soql.Membership, sub *selection) error {
	q := m.Sub
	switch {
	case len(q.OrderBy) > 0 || q.Limit != nil || q.Offset != nil || len(q.For) > 0: // the words are unverified
		return malformed("ORDER BY, LIMIT, OFFSET and FOR are not allowed in semi join sub-selects")
	case len(sub.columns) != 1 || sub.columns[0].trail == nil:
		return s.q.ErrorAt(m.Pos, "MALFORMED_QUERY", "semi join sub-selects must select exactly one field")
	case sub.object == s.object:
		return malformed("The inner and outer selects should not be on the same object type")
	case slices.Contains(unjoined, sub.object.Name):
		return malformed("Entity '" + sub.object.Name + "' is not supported for semi join inner selects")
	}
	inner := sub.columns[0].trail
	if len(inner.hops) > 0 || !holdsID(inner.field) {
		return malformed("semi join sub-selects can only query id fields, cannot use: '" + strings.Join(inner.names, ".") + "'")
	}
	path, ok := m.Left.(*soql.Path)
	if !ok {
		return malformed("The left operand field in the where expression for outer query should be an id field")
	}
	outer, err := s.locate(path)
	if err != nil {
		return err
	}
	if len(outer.hops) > 0 || !holdsID(outer.field) {
		return malformed("The left operand field in the where expression for outer query should be an id field, cannot use: '" + path.String() + "'")
	}
	here, there := namesObjects(s.object, outer.field), namesObjects(sub.object, inner.field)
	if !slices.ContainsFunc(here, func(name string) bool { return slices.Contains(there, name) }) {
		return malformed("The selected field '" + inner.field.Name + "' in the subquery and the left operand field in the where expression in the outer query '" +
			outer.field.Name + "' should point to the same object type")
	}
	return nil
}

// holdsID reports a field that holds the Id of a record.
func holdsID(f *Field) bool {
	return f.Type == sf.TypeID || f.Type == sf.TypeReference && !f.holdsName()
}

// namesObjects are the objects whose Ids a field holds.
func namesObjects(o *Object, f *Field) []string {
	if f.Type == sf.TypeID {
		return []string{o.Name}
	}
	return f.ReferenceTo
}

// once refuses a column that the select list holds already, at the place where it stands a second time.
// Source: SFDMU issue 340: "duplicate field selected: Name". Its code is unverified.
func (s *selection) once(path []string, pos int) error {
	if slices.ContainsFunc(s.columns, func(it item) bool { return slices.Equal(it.column.Path, path) }) {
		return s.q.ErrorAt(pos, "INVALID_FIELD", "duplicate field selected: %s", path[len(path)-1])
	}
	return nil
}

// folds reports that an aggregate takes values of that type.
// Source: SOQL and SOSL Reference, "Support for Field Types in Aggregate Functions".
func folds(name string, t sf.FieldType) bool {
	if name != "SUM" && name != "AVG" {
		return true
	}
	switch t {
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return true
	}
	return false
}
