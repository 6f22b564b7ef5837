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

// queried evaluates the condition of a query over the records of a snapshot.
type queried struct {
	sn   liveState
	eq   *state.Equivalence // names records by their present Ids; nil: by those of the snapshot
	at   time.Time          // what TODAY and the like are reckoned from
	most int                // values of other records to hold

	values map[string]map[sf.ID]sf.Value // of parents by object and field, as they were needed
	held   int
}

// What a query keeps in memory at most: values of parents and rows of semi-joins, and Ids.
const (
	selectedValues = 4_000_000 // of a selection
	foundValues    = 1_000_000 // of a query that a user asks a snapshot
	queriedHops    = 5         // Source: SOQL and SOSL Reference, "Understanding Relationship Query Limitations"
)

// parseSelection reads a query that selects records.
func parseSelection(text string) (*soql.Query, error) {
	q, err := soql.Parse(text)
	if err != nil {
		return nil, queryError(err)
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
func (w *wanted) selectIDs(ctx context.Context, sn liveState, q *soql.Query) (string, map[sf.ID]bool, error) {
	e := &queried{sn: sn, eq: w.eq, at: sn.Info().To, most: selectedValues}
	object, err := e.object(q.From.Name)
	if err != nil {
		return "", nil, err
	}
	ids := map[sf.ID]bool{}
	err = e.each(ctx, object, q, func(r sf.Record) error {
		ids[r.ID] = true
		if len(ids) > selectedValues {
			return problem.Newf(problem.Limits, "query: it selects more than %d records", selectedValues).
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

// condition compiles what a query asks of the records of the object.
func (e *queried) condition(ctx context.Context, object *sf.Object, q *soql.Query) (func(sf.Record) bool, error) {
	if q.Where == nil {
		return func(sf.Record) bool { return true }, nil
	}
	test, err := e.rows(ctx, object, q).Condition(q.Where)
	return test, queryError(err)
}

func (e *queried) rows(ctx context.Context, object *sf.Object, q *soql.Query) soql.Rows[sf.Record] {
	return soql.Rows[sf.Record]{
		Query: q, Env: soql.Env{Now: e.at},
		Column: func(p *soql.Path, _ soql.Use) (soql.Column[sf.Record], error) {
			c, err := e.column(ctx, q, object, p)
			get := func(r sf.Record) string { return c.get(r).Text() }
			return soql.Column[sf.Record]{Type: c.field.Type, CaseSensitive: c.field.CaseSensitive, Get: get}, err
		},
		Members: func(m *soql.Membership) (func(string) bool, error) { return e.members(ctx, m) },
	}
}

// queryError is the error for a query that the language refuses.
func queryError(err error) error {
	if _, refused := errors.AsType[*soql.Error](err); refused {
		return problem.Newf(problem.Usage, "query: %w", err).Hint("the language is that of the platform's SOQL")
	}
	return err
}

// each calls fn with the records that the query selects.
func (e *queried) each(ctx context.Context, object *sf.Object, q *soql.Query, fn func(sf.Record) error) error {
	test, err := e.condition(ctx, object, q)
	if err != nil {
		return err
	}
	for r, err := range e.records(ctx, object.Name) {
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

func (e *queried) records(ctx context.Context, object string) state.Records {
	records := e.sn.Records(ctx, object)
	if e.eq == nil {
		return records
	}
	return e.eq.Records(records)
}

// column is a field of a record, or of a record that it refers to.
type column struct {
	name  string // as the API spells it, after the relationships that lead there
	field *sf.Field
	get   func(sf.Record) sf.Value
}

// column resolves a path.
func (e *queried) column(ctx context.Context, q *soql.Query, object *sf.Object, p *soql.Path) (column, error) {
	names := p.Names
	if len(names) > 1 && relationship(object, names[0]) == nil &&
		(strings.EqualFold(names[0], object.Name) || strings.EqualFold(names[0], q.From.Alias)) {
		names = names[1:]
	}
	none := column{field: &sf.Field{}}
	if len(names) > queriedHops+1 {
		return none, problem.Newf(problem.Usage, "query: %s leads over more than %d relationships", p, queriedHops)
	}
	at, way, spelled := object, []*sf.Field{}, ""
	for _, name := range names[:len(names)-1] {
		f := relationship(at, name)
		if f == nil {
			return none, problem.Newf(problem.Usage, "query: %s has no relationship %q", at.Name, name)
		}
		if len(f.ReferenceTo) != 1 {
			return none, problem.Newf(problem.Usage, "query: %s of %s leads to records of several objects", name, at.Name).
				Hint("compare %s itself, or ask for one of these objects in a query of its own", f.Name)
		}
		next, err := e.object(f.ReferenceTo[0])
		if err != nil {
			return none, err
		}
		if err := e.holds(at, f); err != nil {
			return none, err
		}
		at, way, spelled = next, append(way, f), spelled+f.RelationshipName+"."
	}
	f := at.Field(names[len(names)-1])
	if f == nil {
		return none, problem.Newf(problem.NotFound, "query: %s has no field %q in snapshot %s",
			at.Name, names[len(names)-1], e.sn.Info().Short()).Hint("`holdfast show %s %s` says what it holds", e.sn.Info().Short(), at.Name)
	}
	if err := e.holds(at, f); err != nil {
		return none, err
	}
	get, err := e.along(ctx, append(way, f))
	return column{spelled + f.Name, f, get}, err
}

// holds refuses a field of which the snapshot has no values. What is not held is not null: a condition on it
// would select records of which nothing is known.
func (e *queried) holds(object *sf.Object, f *sf.Field) error {
	part, found := e.sn.Part(object.Name)
	if found && part.State == snapshot.Whole && (f.Name == "Id" || slices.Contains(part.Fields, f.Name)) {
		return nil
	}
	return problem.Newf(problem.NotFound, "query: snapshot %s does not hold %s.%s", e.sn.Info().Short(), object.Name, f.Name).
		Hint("`holdfast show %s %s --coverage` says why", e.sn.Info().Short(), object.Name)
}

// along reads the last of the fields by following the references before it.
func (e *queried) along(ctx context.Context, way []*sf.Field) (func(sf.Record) sf.Value, error) {
	var hops []map[sf.ID]sf.Value
	for i, f := range way[1:] {
		values, err := e.parents(ctx, e.sn.Schema().Object(way[i].ReferenceTo[0]).Name, f.Name)
		if err != nil {
			return nil, err
		}
		hops = append(hops, values)
	}
	return func(r sf.Record) sf.Value {
		v := fieldOf(r, way[0].Name)
		for _, values := range hops {
			if next, found := values[sf.ID(v.Text())]; found {
				v = next
			} else {
				v = sf.Null()
			}
		}
		return v
	}, nil
}

// fieldOf returns the value of a field of the record, its Id among them.
func fieldOf(r sf.Record, field string) sf.Value {
	if field == "Id" {
		return sf.Text(string(r.ID))
	}
	return r.Get(field)
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
func (e *queried) parents(ctx context.Context, object, field string) (map[sf.ID]sf.Value, error) {
	key := object + "." + field
	if known, done := e.values[key]; done {
		return known, nil
	}
	values := map[sf.ID]sf.Value{}
	for r, err := range e.records(ctx, object) {
		if err != nil {
			return nil, err
		}
		values[r.ID] = fieldOf(r, field)
		if err := e.hold(); err != nil {
			return nil, err
		}
	}
	if e.values == nil {
		e.values = map[string]map[sf.ID]sf.Value{}
	}
	e.values[key] = values
	return values, nil
}

// hold counts a value of another record.
func (e *queried) hold() error {
	if e.held++; e.held > e.most {
		return problem.Newf(problem.Limits, "query: it needs more than %d values of other records", e.most).
			Hint("ask in two steps, by the Ids of the other records")
	}
	return nil
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
	c, err := e.column(ctx, m.Sub, object, path)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	err = e.each(ctx, object, m.Sub, func(r sf.Record) error {
		set[c.get(r).Text()] = true
		return e.hold()
	})
	delete(set, "")
	if err != nil {
		return nil, fmt.Errorf("sub-query of %s: %w", object.Name, err)
	}
	return func(text string) bool { return set[text] }, nil
}
