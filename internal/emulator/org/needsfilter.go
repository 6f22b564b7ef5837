package org

import (
	"slices"
	"strings"

	"holdfast/internal/soql"
)

// needsFilter refuses a query without the filter that its object asks for. Two kinds of objects ask
// for one: links and votes, which are read by what they belong to, and reified objects, whose rows the
// platform makes when they are asked for.
//
// Source: Object Reference, ContentDocumentLink, ContentFolderItem, Vote, FieldDefinition; the texts
// are those of public replies. That "Query All Files" lifts it for ContentDocumentLink from version 59
// on is from the first of these pages.
func (o *Org) needsFilter(caller Caller, object *Object, q *soql.Query) error {
	if len(object.NeedsFilter) == 0 || filtersBy(q.Where, object.NeedsFilter) {
		return nil
	}
	if slices.Contains(object.NeedsFilter, "DurableId") {
		return &soql.Error{
			Code: "MALFORMED_QUERY", Message: "A filter on a reified column is required [" + strings.Join(object.NeedsFilter, ",") + "]",
		}
	}
	names := object.NeedsFilter[1:] // the Id is understood
	if object.Name == "ContentDocumentLink" && o.permits(caller).has("QueryAllFiles") {
		return nil
	}
	return &soql.Error{
		Code: "MALFORMED_QUERY", Message: "Implementation restriction: " + object.Name + " requires a filter by a single Id on " +
			strings.Join(names, " or ") + " using the equals operator or multiple Id's using the IN operator.",
	}
}

// filtersBy reports a condition that holds for rows of some values of one of the fields only: field =
// value or field IN set, alone or among terms joined by AND.
func filtersBy(e soql.Expr, fields []string) bool {
	named := func(left soql.Expr) bool {
		path, ok := left.(*soql.Path)
		return ok && slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, path.Field()) })
	}
	switch e := e.(type) {
	case *soql.And:
		return slices.ContainsFunc(e.Terms, func(t soql.Expr) bool { return filtersBy(t, fields) })
	case *soql.Comparison:
		return e.Op == soql.Equal && named(e.Left)
	case *soql.Membership:
		return e.Op == soql.In && named(e.Left)
	}
	return false
}
