package run

import (
	"cmp"
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
)

// Bounds of a query over a snapshot.
const (
	// MaxSorted is how many records ORDER BY puts in order, in memory.
	MaxSorted = 100_000
	// maxSortedBytes bounds what these take, where the caller says nothing else.
	maxSortedBytes = 64 << 20
)

// FindInput is a query over an org as of a moment.
type FindInput struct {
	Moment
	Query string // SOQL: SELECT of the fields of one object, or COUNT(), with WHERE, ORDER BY, LIMIT and OFFSET
	Now   time.Time

	MaxSortedBytes int // of memory for ORDER BY; 0 is 64 MiB

	// Begin is told the fields that are selected, before Each is given the records. An error of either
	// ends the query.
	Begin func(fields []string) error
	Each  func(FoundRow) error
}

// FoundRow is one record that was found, with the values of the fields that were selected, in their
// order.
type FoundRow struct {
	ID     sf.ID
	Values []FieldRow
}

// FindResult says what was found.
type FindResult struct {
	Snapshot SnapshotRow `json:"snapshot"` // the snapshot that was looked into
	Object   string      `json:"object"`   // API name
	From     time.Time   `json:"from"`     // window in which the object was read: its beginning, server time
	To       time.Time   `json:"to"`       // window in which the object was read: its end, server time
	Stale    bool        `json:"stale"`    // the object was taken over from an earlier snapshot because reading it failed
	Fields   []string    `json:"fields"`   // that were selected
	Found    int64       `json:"found"`    // records; of COUNT(), those that were counted
}

// Find evaluates a query over the records of a snapshot, in memory that does not grow with them:
// without ORDER BY they come by Id, as they are read. Errors: Usage for a query that is not
// understood, or asks for what a snapshot cannot answer; NotFound for a snapshot, object or field that is
// not held; Limits when more match than ORDER BY puts in order.
func Find(ctx context.Context, in FindInput) (FindResult, error) {
	query, err := parseFind(in.Query)
	if err != nil {
		return FindResult{}, err
	}
	sn, err := in.load(ctx)
	if err != nil {
		return FindResult{}, err
	}
	f := find{in: in, query: query, sn: sn, most: cmp.Or(in.MaxSortedBytes, maxSortedBytes)}
	if err := f.compile(); err != nil {
		return FindResult{}, err
	}
	out := FindResult{
		Snapshot: snapshotRow(sn.Info()), Object: f.part.Object, From: f.part.From, To: f.part.To, Stale: f.part.Stale,
		Fields: f.fields,
	}
	if !query.IsCount() {
		if err := in.Begin(f.fields); err != nil {
			return out, err
		}
	}
	err = f.run(ctx)
	out.Found = f.found
	return out, err
}

// parseFind parses a query and refuses what a snapshot cannot answer.
func parseFind(text string) (*soql.Query, error) {
	q, err := soql.Parse(text)
	if err != nil {
		return nil, queryError(err)
	}
	refused := ""
	switch {
	case q.IsAggregate():
		refused = "aggregates and GROUP BY"
	case q.AllRows:
		refused = "ALL ROWS (a snapshot holds no fields of what was deleted; see `holdfast history`)"
	case q.Scope != "":
		refused = "USING SCOPE"
	case q.With != "":
		refused = "WITH"
	case len(q.For) > 0:
		refused = "FOR"
	}
	if refused != "" {
		return nil, problem.Newf(problem.Usage, "%s cannot be asked of a snapshot", refused).
			Hint("select fields of one object, with WHERE, ORDER BY, LIMIT and OFFSET")
	}
	return q, nil
}

// queryError is the error for a query that the language refuses.
func queryError(err error) error {
	var e *soql.Error
	if errors.As(err, &e) {
		return problem.Newf(problem.Usage, "query: %w", err).Hint("the language is that of the platform's SOQL")
	}
	return err
}

// find is one query at work.
type find struct {
	in    FindInput
	query *soql.Query
	sn    *snapshot.Snapshot

	part   snapshot.Part
	schema *sf.Object
	fields []string // selected
	holds  func(sf.Record) bool
	order  func(a, b sf.Record) int // nil: as they come
	ids    []sf.ID                  // the only ones that can match, ascending; nil: any

	found int64
	kept  []sf.Record // for order
	bytes int
	most  int // bytes
}

func (f *find) compile() error {
	object, err := objectNamed(f.sn, f.query.From.Name)
	if err != nil {
		return err
	}
	f.part, _ = f.sn.Part(object)
	if f.schema = f.sn.Schema().Object(object); f.schema == nil {
		return problem.Newf(problem.Damaged, "the schema of snapshot %s does not describe %s", f.sn.Info().Short(), object)
	}
	for _, item := range f.query.Select {
		if err := f.selects(item); err != nil {
			return err
		}
	}
	rows := soql.Rows[sf.Record]{Query: f.query, Env: soql.Env{Now: f.in.Now}, Column: f.column}
	f.holds = func(sf.Record) bool { return true }
	if f.query.Where != nil {
		if f.holds, err = rows.Condition(f.query.Where); err != nil {
			return queryError(err)
		}
		f.ids = onlyIDs(f.query.Where)
	}
	if len(f.query.OrderBy) > 0 {
		if f.order, err = rows.Order(f.query.OrderBy); err != nil {
			return queryError(err)
		}
	}
	return nil
}

// selects adds the fields of one item of the SELECT list.
func (f *find) selects(item soql.Item) error {
	switch x := item.(type) {
	case *soql.Path:
		field, err := f.field(x)
		if err != nil {
			return err
		}
		f.fields = append(f.fields, field.Name)
	case *soql.Fields:
		for _, name := range append([]string{"Id"}, f.part.Fields...) {
			custom := strings.HasSuffix(name, "__c")
			if x.Group == "ALL" || (x.Group == "CUSTOM") == custom {
				f.fields = append(f.fields, name)
			}
		}
	case *soql.Call:
		if f.query.IsCount() {
			return nil
		}
		return problem.Newf(problem.Usage, "%s cannot be selected from a snapshot", x.Name).Hint("select fields, or COUNT() alone")
	default:
		return problem.New(problem.Usage, "sub-queries and TYPEOF cannot be selected from a snapshot").
			Hint("ask for each object in a query of its own")
	}
	return nil
}

// field resolves a path to a field that is held.
func (f *find) field(p *soql.Path) (*sf.Field, error) {
	names := p.Names
	if len(names) == 2 && (strings.EqualFold(names[0], f.part.Object) || f.query.From.Alias != "" && strings.EqualFold(names[0], f.query.From.Alias)) {
		names = names[1:]
	}
	if len(names) > 1 {
		return nil, problem.Newf(problem.Usage, "%s goes to another object, which cannot be asked of a snapshot", p).
			Hint("ask for that object in a query of its own, and use its Ids")
	}
	i := slices.IndexFunc(f.schema.Fields, func(d *sf.Field) bool { return strings.EqualFold(d.Name, names[0]) })
	if i < 0 {
		return nil, problem.Newf(problem.NotFound, "snapshot %s knows no field %s of %s", f.sn.Info().Short(), names[0], f.part.Object).
			Hint("`holdfast show %s %s` says what it holds", f.sn.Info().Short(), f.part.Object)
	}
	d := f.schema.Fields[i]
	if d.Name != "Id" && !slices.Contains(f.part.Fields, d.Name) {
		return nil, problem.Newf(problem.NotFound, "snapshot %s does not hold %s.%s", f.sn.Info().Short(), f.part.Object, d.Name).
			Hint("`holdfast show %s %s --coverage` says why", f.sn.Info().Short(), f.part.Object)
	}
	return d, nil
}

// column resolves a path for a condition or an order.
func (f *find) column(p *soql.Path, _ soql.Use) (soql.Column[sf.Record], error) {
	field, err := f.field(p)
	if err != nil {
		return soql.Column[sf.Record]{}, err
	}
	get := func(r sf.Record) string { return r.Get(field.Name).Text() }
	if field.Name == "Id" {
		get = func(r sf.Record) string { return string(r.ID) }
	}
	return soql.Column[sf.Record]{Type: field.Type, CaseSensitive: field.CaseSensitive, Get: get}, nil
}

// onlyIDs returns the Ids that a condition allows at most, ascending, when it says so at its top.
func onlyIDs(e soql.Expr) []sf.ID {
	var literals []soql.Literal
	switch x := e.(type) {
	case *soql.And:
		for _, t := range x.Terms {
			if ids := onlyIDs(t); ids != nil {
				return ids
			}
		}
	case *soql.Comparison:
		if isID(x.Left) && x.Op == soql.Equal {
			literals = []soql.Literal{x.Right}
		}
	case *soql.Membership:
		if isID(x.Left) && x.Op == soql.In && x.Sub == nil {
			literals = x.Set
		}
	}
	var ids []sf.ID
	for _, l := range literals {
		if l.Kind == soql.StringLiteral && l.Text != "" {
			id, err := sf.ParseID(l.Text)
			if err != nil {
				return nil
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func isID(e soql.Expr) bool {
	p, ok := e.(*soql.Path)
	return ok && len(p.Names) == 1 && strings.EqualFold(p.Names[0], "Id")
}

// run reads what may match and gives on what does.
func (f *find) run(ctx context.Context) error {
	records := f.sn.Records(ctx, f.part.Object)
	if f.ids != nil {
		records = f.sn.Lookup(ctx, f.part.Object, slices.Values(f.ids))
	}
	skip, most := int64(0), int64(-1)
	if f.query.Offset != nil {
		skip = *f.query.Offset
	}
	if f.query.Limit != nil {
		most = *f.query.Limit
	}
	for r, err := range records {
		if err != nil {
			return err
		}
		if f.order == nil && most >= 0 && f.found >= most {
			return nil
		}
		if !f.holds(r) {
			continue
		}
		switch {
		case f.query.IsCount():
			f.found++
		case f.order != nil:
			if err := f.keep(r, skip+most, most >= 0); err != nil {
				return err
			}
		case skip > 0:
			skip--
		default:
			if err := f.give(r); err != nil {
				return err
			}
		}
	}
	return f.sorted(skip, most)
}

// keep holds a record for ORDER BY: all, or, when only so many are wanted, about twice these.
func (f *find) keep(r sf.Record, wanted int64, limited bool) error {
	f.kept = append(f.kept, r)
	f.bytes += sizeOf(r)
	if limited && int64(len(f.kept)) > wanted && (int64(len(f.kept)) > 2*wanted+1000 || f.bytes > f.most) {
		slices.SortStableFunc(f.kept, f.order)
		clear(f.kept[wanted:])
		f.kept = f.kept[:wanted]
		f.bytes = 0
		for _, k := range f.kept {
			f.bytes += sizeOf(k)
		}
	}
	if len(f.kept) > MaxSorted || f.bytes > f.most {
		return problem.Newf(problem.Limits, "more than %d records, or %d MiB of them, would have to be put in order", MaxSorted, f.most>>20).
			Hint("narrow the condition, add a LIMIT, or leave out ORDER BY and sort the output")
	}
	return nil
}

// sizeOf is about what a record takes in memory.
func sizeOf(r sf.Record) int {
	n := 64 + 24*len(r.Values)
	for i := range r.Values {
		n += len(r.Values[i].Text())
	}
	return n
}

// sorted gives on what was kept, in order.
func (f *find) sorted(skip, most int64) error {
	slices.SortStableFunc(f.kept, f.order)
	for i, r := range f.kept {
		if int64(i) < skip {
			continue
		}
		if most >= 0 && f.found >= most {
			return nil
		}
		if err := f.give(r); err != nil {
			return err
		}
	}
	return nil
}

func (f *find) give(r sf.Record) error {
	f.found++
	row := FoundRow{ID: r.ID, Values: make([]FieldRow, len(f.fields))}
	for i, name := range f.fields {
		v := r.Get(name)
		if name == "Id" {
			v = sf.Text(string(r.ID))
		}
		row.Values[i] = FieldRow{Field: name, Value: Value{v}}
	}
	if err := f.in.Each(row); err != nil {
		return fmt.Errorf("%s %s: %w", f.part.Object, r.ID, err)
	}
	return nil
}
