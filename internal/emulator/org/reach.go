package org

import (
	"strings"
	"unicode/utf8"

	"holdfast/internal/soql"
)

// How far one query may reach. Source: SOQL and SOSL Reference, "Understanding Relationship Query Limitations"; the
// message about children of children is that of public replies, the others are unverified.
const (
	maxParents      = 55 // relationships to parents, each counted once
	maxParentLevels = 5
	maxSubSelects   = 20
	// maxChildLevels counts the object of the query itself; until version 57 there were two levels.
	maxChildLevels     = 5
	maxOldChildLevels  = 2
	manyLevelsSince    = 58
	maxConditionString = 4000 // Source: Salesforce App Limits Cheatsheet, "Strings in SOQL WHERE clauses"
)

// reach is what a query and its sub-selects have reached so far.
type reach struct {
	parents    map[string]bool
	subSelects int
}

// within takes a sub-select into the reach of its query.
func (s *selection) within(outer *selection) error {
	if outer == nil {
		s.reach = &reach{parents: map[string]bool{}}
		return nil
	}
	s.reach, s.depth = outer.reach, outer.depth+1
	levels := maxChildLevels
	if v := s.caller.Version; v > 0 && v < manyLevelsSince {
		levels = maxOldChildLevels
	}
	if s.depth >= levels {
		return s.q.ErrorAt(s.q.From.Pos, "MALFORMED_QUERY", "SOQL statements cannot query aggregate relationships more than %d level away "+
			"from the root entity object.", levels-1)
	}
	if s.reach.subSelects++; s.reach.subSelects > maxSubSelects {
		return s.q.ErrorAt(s.q.From.Pos, "MALFORMED_QUERY", "SOQL statements cannot have more than %d child relationships", maxSubSelects)
	}
	return nil
}

// passes counts the relationships of a path.
func (s *selection) passes(p *soql.Path, names []string) error {
	if len(names) > maxParentLevels {
		return s.q.ErrorAt(p.Pos, "MALFORMED_QUERY", "SOQL statements cannot follow more than %d levels of parents: %s", maxParentLevels, p)
	}
	for i := range names {
		key := itoa(s.depth) + s.q.From.Name + "." + strings.Join(names[:i+1], ".")
		s.reach.parents[key] = true
	}
	return s.crowded(p)
}

// crowded refuses a query with too many parents.
func (s *selection) crowded(p *soql.Path) error {
	if len(s.reach.parents) > maxParents {
		return s.q.ErrorAt(p.Pos, "MALFORMED_QUERY", "SOQL statements cannot have more than %d parent relationships", maxParents)
	}
	return nil
}

// chooses counts the relationship of a TYPEOF, and each object that it names; only the relationship where
// the query is of one record.
func (s *selection) chooses(x *soql.TypeOf) error {
	key := itoa(s.depth) + s.q.From.Name + "." + x.Path.String()
	s.reach.parents[key] = true
	if path, ids := equalities(s.q.Where); path == nil || len(ids) != 1 || !strings.EqualFold(path.String(), "Id") {
		for _, when := range x.Whens {
			s.reach.parents[key+" "+fold(when.Object)] = true
		}
	}
	return s.crowded(x.Path)
}

// strings refuses a condition that holds too long a text.
func (s *selection) strings(e soql.Expr) error {
	literals, terms := []soql.Literal(nil), []soql.Expr(nil)
	switch x := e.(type) {
	case *soql.And:
		terms = x.Terms
	case *soql.Or:
		terms = x.Terms
	case *soql.Not:
		terms = []soql.Expr{x.Term}
	case *soql.Comparison:
		literals = []soql.Literal{x.Right}
	case *soql.Membership:
		literals = x.Set
	}
	for _, l := range literals {
		if utf8.RuneCountInString(l.Text) > maxConditionString {
			return &soql.Error{Code: "MALFORMED_QUERY", Message: "a string of a condition cannot be longer than " + itoa(maxConditionString) + " characters"}
		}
	}
	for _, term := range terms {
		if err := s.strings(term); err != nil {
			return err
		}
	}
	return nil
}
