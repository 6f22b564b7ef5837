package run

import (
	"cmp"
	"context"
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
// without ORDER BY they come by Id, as they are read. Of records that the query reaches over relationships or
// compares with in a semi-join, one value each is held. Errors: Usage for a query that is not
// understood, or asks for what a snapshot cannot answer; NotFound for a snapshot, object or field that is
// not held; Limits when more match than ORDER BY puts in order, or a million values of
// other records do not suffice.
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
	if err := f.compile(ctx); err != nil {
		return FindResult{}, err
	}
	out := FindResult{
		Snapshot: snapshotRow(sn.Info()), Object: f.part.Object, From: f.part.From, To: f.part.To, Stale: f.part.Stale,
	}
	for _, c := range f.selected {
		out.Fields = append(out.Fields, c.name)
	}
	if !query.IsCount() {
		if err := in.Begin(out.Fields); err != nil {
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

// find is one query at work.
type find struct {
	in    FindInput
	query *soql.Query
	sn    *snapshot.Snapshot

	part     snapshot.Part
	selected []column
	holds    func(sf.Record) bool
	order    func(a, b sf.Record) int // nil: as they come
	ids      []sf.ID                  // the only ones that can match, ascending; nil: any

	found int64
	kept  []sf.Record // for order
	bytes int
	most  int // bytes
}

func (f *find) compile(ctx context.Context) error {
	object, err := objectNamed(f.sn, f.query.From.Name)
	if err != nil {
		return err
	}
	f.part, _ = f.sn.Part(object)
	schema := f.sn.Schema().Object(object)
	if schema == nil {
		return problem.Newf(problem.Damaged, "the schema of snapshot %s does not describe %s", f.sn.Info().Short(), object)
	}
	e := &queried{sn: f.sn, at: f.in.Now, most: foundValues}
	for _, item := range f.query.Select {
		paths, err := f.selects(item)
		if err != nil {
			return err
		}
		for _, path := range paths {
			c, err := e.column(ctx, f.query, schema, path)
			if err != nil {
				return err
			}
			f.selected = append(f.selected, c)
		}
	}
	if f.holds, err = e.condition(ctx, schema, f.query); err != nil {
		return err
	}
	if f.query.Where != nil {
		f.ids = onlyIDs(f.query.Where)
	}
	if len(f.query.OrderBy) > 0 {
		f.order, err = e.rows(ctx, schema, f.query).Order(f.query.OrderBy)
	}
	return queryError(err)
}

// selects returns the fields of one item of the SELECT list.
func (f *find) selects(item soql.Item) ([]*soql.Path, error) {
	switch x := item.(type) {
	case *soql.Path:
		return []*soql.Path{x}, nil
	case *soql.Fields:
		var all []*soql.Path
		for _, name := range append([]string{"Id"}, f.part.Fields...) {
			custom := strings.HasSuffix(name, "__c")
			if x.Group == "ALL" || (x.Group == "CUSTOM") == custom {
				all = append(all, &soql.Path{Names: []string{name}})
			}
		}
		return all, nil
	case *soql.Call:
		if f.query.IsCount() {
			return nil, nil
		}
		return nil, problem.Newf(problem.Usage, "%s cannot be selected from a snapshot", x.Name).Hint("select fields, or COUNT() alone")
	default:
		return nil, problem.New(problem.Usage, "sub-queries and TYPEOF cannot be selected from a snapshot").
			Hint("ask for each object in a query of its own")
	}
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
	row := FoundRow{ID: r.ID, Values: make([]FieldRow, len(f.selected))}
	for i, c := range f.selected {
		row.Values[i] = FieldRow{Field: c.name, Value: Value{c.get(r)}}
	}
	if err := f.in.Each(row); err != nil {
		return fmt.Errorf("%s %s: %w", f.part.Object, r.ID, err)
	}
	return nil
}
