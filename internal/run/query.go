package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/soql"
	"holdfast/internal/state"
)

// queried evaluates the condition of a query over the states of a restore.
type queried struct {
	sn *snapshot.Snapshot
	eq *state.Equivalence
	at time.Time // what TODAY and the like are reckoned from: when the state was observed

	values map[string]map[sf.ID]string // values of parents by object and field, as they were needed
	held   int
}

// What a selection by query keeps in memory at most: values of parents and rows of semi-joins, and Ids.
const (
	queriedValues = 4_000_000
	queriedHops   = 5 // Source: SOQL and SOSL Reference, "Understanding Relationship Query Limitations"
)

// parseSelection reads a query that selects records.
func parseSelection(text string) (*soql.Query, error) {
	q, err := soql.Parse(text)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "query").Hint("write it as SELECT Id FROM Object WHERE …")
	}
	if q.IsAggregate() || q.IsCount() || len(q.OrderBy) > 0 || q.Limit != nil || q.Offset != nil || q.Scope != "" || q.AllRows ||
		q.With != "" || len(q.For) > 0 {
		return nil, problem.New(problem.Usage, "a query that selects records has FROM and WHERE alone").
			Hint("leave out GROUP BY, ORDER BY, LIMIT, OFFSET, USING SCOPE, WITH, FOR and ALL ROWS")
	}
	return q, nil
}

// selectIDs returns the object of the query and the Ids of the records of the snapshot that it selects, under
// their present Ids.
func (w *wanted) selectIDs(ctx context.Context, sn *snapshot.Snapshot, q *soql.Query) (string, map[sf.ID]bool, error) {
	e := &queried{sn: sn, eq: w.eq, at: sn.Info().To, values: map[string]map[sf.ID]string{}}
	object, err := e.object(q.From.Name)
	if err != nil {
		return "", nil, err
	}
	ids := map[sf.ID]bool{}
	err = e.each(ctx, object, q, func(r sf.Record) error {
		ids[r.ID] = true
		if len(ids) > queriedValues {
			return problem.Newf(problem.Limits, "query: it selects more than %d records", queriedValues).
				Hint("choose the object with --object, or narrow the condition")
		}
		return nil
	})
	return object.Name, ids, err
}

func (e *queried) object(name string) (*sf.Object, error) {
	object := e.sn.Schema().Object(name)
	if object == nil {
		return nil, problem.Newf(problem.NotFound, "snapshot %s has no object %q", e.sn.Info().Short(), name).
			Hint("give API names, such as Contact or Invoice__c")
	}
	return object, nil
}

// each calls fn with the records that the query selects.
func (e *queried) each(ctx context.Context, object *sf.Object, q *soql.Query, fn func(sf.Record) error) error {
	test := func(sf.Record) bool { return true }
	if q.Where != nil {
		rows := soql.Rows[sf.Record]{
			Query: q, Env: soql.Env{Now: e.at},
			Column: func(p *soql.Path, _ soql.Use) (soql.Column[sf.Record], error) { return e.column(ctx, q, object, p) },
			Members: func(m *soql.Membership) (func(string) bool, error) {
				return e.members(ctx, m)
			},
		}
		var err error
		if test, err = rows.Condition(q.Where); err != nil {
			if _, spelled := errors.AsType[*soql.Error](err); spelled {
				return problem.Wrap(problem.Usage, err, "query")
			}
			return err
		}
	}
	for r, err := range e.eq.Records(e.sn.Records(ctx, object.Name)) {
		if err != nil {
			return err
		}
		if test(r) {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// column resolves a path: a field of the record, or one of a record that it refers to.
func (e *queried) column(ctx context.Context, q *soql.Query, object *sf.Object, p *soql.Path) (soql.Column[sf.Record], error) {
	names := p.Names
	if len(names) > 1 && relationship(object, names[0]) == nil &&
		(strings.EqualFold(names[0], object.Name) || strings.EqualFold(names[0], q.From.Alias)) {
		names = names[1:]
	}
	if len(names) > queriedHops+1 {
		return soql.Column[sf.Record]{}, problem.Newf(problem.Usage, "query: %s leads over more than %d relationships", p, queriedHops)
	}
	at, way := object, []*sf.Field{}
	for _, name := range names[:len(names)-1] {
		f := relationship(at, name)
		if f == nil {
			return soql.Column[sf.Record]{}, problem.Newf(problem.Usage, "query: %s has no relationship %q", at.Name, name)
		}
		if len(f.ReferenceTo) != 1 {
			return soql.Column[sf.Record]{}, problem.Newf(problem.Usage, "query: %s of %s leads to records of several objects", name, at.Name).
				Hint("compare %s itself, or select by an object of its own", f.Name)
		}
		next, err := e.object(f.ReferenceTo[0])
		if err != nil {
			return soql.Column[sf.Record]{}, err
		}
		at, way = next, append(way, f)
	}
	f := at.Field(names[len(names)-1])
	if f == nil {
		return soql.Column[sf.Record]{}, problem.Newf(problem.NotFound, "query: %s has no field %q in snapshot %s",
			at.Name, names[len(names)-1], e.sn.Info().Short())
	}
	// What is not held is not null: a condition on it would select records of which nothing is known.
	if part, _ := e.sn.Part(at.Name); f.Name != "Id" && !slices.Contains(part.Fields, f.Name) {
		return soql.Column[sf.Record]{}, problem.Newf(problem.NotFound, "query: snapshot %s does not hold %s.%s", e.sn.Info().Short(), at.Name, f.Name).
			Hint("`holdfast show %s %s --coverage` says why", e.sn.Info().Short(), at.Name)
	}
	get, err := e.along(ctx, append(way, f))
	return soql.Column[sf.Record]{Type: f.Type, CaseSensitive: f.CaseSensitive, Get: get}, err
}

// along reads the last of the fields by following the references before it.
func (e *queried) along(ctx context.Context, way []*sf.Field) (func(sf.Record) string, error) {
	first := way[0].Name
	var hops []map[sf.ID]string
	for i, f := range way[1:] {
		values, err := e.parents(ctx, e.sn.Schema().Object(way[i].ReferenceTo[0]).Name, f.Name)
		if err != nil {
			return nil, err
		}
		hops = append(hops, values)
	}
	return func(r sf.Record) string {
		text := r.Get(first).Text()
		if first == "Id" {
			text = string(r.ID)
		}
		for _, values := range hops {
			text = values[sf.ID(text)]
		}
		return text
	}, nil
}

// relationship returns the reference that a path follows by this name.
func relationship(object *sf.Object, name string) *sf.Field {
	for _, f := range object.References() {
		if f.RelationshipName != "" && strings.EqualFold(f.RelationshipName, name) {
			return f
		}
	}
	return nil
}

// parents returns one field of every record of the object.
func (e *queried) parents(ctx context.Context, object, field string) (map[sf.ID]string, error) {
	key := object + "." + field
	if known, done := e.values[key]; done {
		return known, nil
	}
	values := map[sf.ID]string{}
	for r, err := range e.eq.Records(e.sn.Records(ctx, object)) {
		if err != nil {
			return nil, err
		}
		if values[r.ID] = r.Get(field).Text(); field == "Id" {
			values[r.ID] = string(r.ID)
		}
		if e.held++; e.held > queriedValues {
			return nil, problem.Newf(problem.Limits, "query: it needs more than %d values of other records", queriedValues).
				Hint("select in two steps, by the Ids of the parents")
		}
	}
	e.values[key] = values
	return values, nil
}

// members evaluates the sub-query of a semi-join.
func (e *queried) members(ctx context.Context, m *soql.Membership) (func(string) bool, error) {
	object, err := e.object(m.Sub.From.Name)
	if err != nil {
		return nil, err
	}
	path, ok := m.Sub.Select[0].(*soql.Path)
	if !ok || len(m.Sub.Select) != 1 {
		return nil, problem.New(problem.Usage, "query: a sub-query selects one field")
	}
	column, err := e.column(ctx, m.Sub, object, path)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	err = e.each(ctx, object, m.Sub, func(r sf.Record) error {
		set[column.Get(r)] = true
		if e.held++; e.held > queriedValues {
			return problem.Newf(problem.Limits, "query: it needs more than %d values of other records", queriedValues)
		}
		return nil
	})
	delete(set, "")
	if err != nil {
		return nil, fmt.Errorf("sub-query of %s: %w", object.Name, err)
	}
	return func(text string) bool { return set[text] }, nil
}
