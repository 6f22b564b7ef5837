package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Scopes of queries. Source: SOQL and SOSL Reference, USING SCOPE: an object takes those that its describe lists.
// The wording of the refusal, and that a team without team members is the users below in the roles, are unverified.

// teams are the objects that say who is in the team of a record: the lookup to the record and that to the user.
var teams = map[string][3]string{
	"Account":     {"accountteammember", "AccountId", "UserId"},
	"Opportunity": {"opportunityteammember", "OpportunityId", "UserId"},
	"Case":        {"caseteammember", "ParentId", "MemberId"},
}

// scoped returns what the scope of a query demands of a record; nil when it demands nothing.
func (s *selection) scoped() (func(*row) bool, error) {
	name := fold(s.q.Scope)
	if name == "" {
		return nil, nil
	}
	if !slices.ContainsFunc(s.object.Scopes(), func(scope Scope) bool { return fold(scope.Name) == name }) {
		return nil, s.q.ErrorAt(s.q.From.Pos, "MALFORMED_QUERY", "filter scope '%s' is not supported for %s", s.q.Scope, s.object.Name)
	}
	user := s.caller.User
	owner := func(r *row) sf.ID { return sf.ID(s.t.text(r, "OwnerId")) }
	mine := func(r *row) bool { return owner(r) == user }
	switch name {
	case "mine":
		return mine, nil
	case "delegated":
		return func(r *row) bool { return !mine(r) && s.t.text(r, "CreatedById") == string(user) }, nil
	case "queue_owned":
		return func(r *row) bool { return strings.HasPrefix(string(owner(r)), "00G") }, nil
	case "user_owned":
		return func(r *row) bool { return strings.HasPrefix(string(owner(r)), "005") }, nil
	case "genericteam":
		return func(r *row) bool { return s.inTeam(r) }, nil
	case "team", "team_by_role":
		return func(r *row) bool { return mine(r) || s.o.below(owner(r), user) || name == "team" && s.inTeam(r) }, nil
	}
	return nil, nil // everything, and what scoping rules leave, of which this org has none
}

// inTeam reports a record whose team the caller is in.
func (s *selection) inTeam(r *row) bool {
	team, ok := teams[s.object.Name]
	if !ok {
		return false
	}
	t := s.o.tables[team[0]]
	return slices.ContainsFunc(s.o.rowsOf(team[0], team[1], r.id), func(m *row) bool { return t.text(m, team[2]) == string(s.caller.User) })
}
