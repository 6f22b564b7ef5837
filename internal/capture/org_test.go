package capture_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"holdfast/internal/sf"
)

// stamp0 is when the org of these tests begins.
var stamp0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeOrg is a Source that obeys the documents in the little that a capture asks of it: queries and
// queryAll by stamp or Id, counts, the log of deletions, server time. Tests spoil its answers.
type fakeOrg struct {
	mu     sync.Mutex
	now    time.Time
	calls  int64
	tables map[string]*table
	hidden map[string]bool // objects that describe leaves out

	onRecords func(x sf.Extract) error                         // before a query is answered
	spoil     func(x sf.Extract, rows []sf.Record) []sf.Record // what a query really shows
	onCount   func(object string, n int64) (int64, error)
	onDeleted func(object string) (*sf.DeletedLog, error)
	onTime    func() error
	during    func(x sf.Extract, row int) // while rows are on their way
}

type table struct {
	object *sf.Object
	rows   map[sf.ID]*row
	log    []sf.DeletedRecord
	next   int
}

type row struct {
	values  map[string]sf.Value
	visible time.Time // nobody sees the record before
	deleted bool
}

func newOrg(objects ...*sf.Object) *fakeOrg {
	o := &fakeOrg{now: stamp0, tables: map[string]*table{}, hidden: map[string]bool{}}
	for _, object := range objects {
		o.tables[object.Name] = &table{object: object, rows: map[sf.ID]*row{}}
	}
	return o
}

// object describes an ordinary object with a Name, stamps and a Recycle Bin, and what is added.
func object(name, prefix string, extra ...*sf.Field) *sf.Object {
	o := &sf.Object{
		Name: name, KeyPrefix: prefix, Queryable: true, Retrieveable: true, Replicateable: true,
		Fields: []*sf.Field{
			{Name: "Id", Type: sf.TypeID},
			{Name: "Name", Type: sf.TypeString},
			{Name: "IsDeleted", Type: sf.TypeBoolean},
			{Name: "SystemModstamp", Type: sf.TypeDatetime},
		},
	}
	o.Fields = append(o.Fields, extra...)
	return o
}

// without returns the object without the fields, as for objects that have no stamp or no bin.
func without(o *sf.Object, fields ...string) *sf.Object {
	c := *o
	c.Fields = slices.DeleteFunc(slices.Clone(o.Fields), func(f *sf.Field) bool { return slices.Contains(fields, f.Name) })
	return &c
}

func (o *fakeOrg) describe(object *sf.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tables[object.Name].object = object
}

func (o *fakeOrg) advance(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

func idOf(prefix string, n int) sf.ID {
	id, err := sf.ParseID(fmt.Sprintf("%s5g%010d", prefix, n))
	if err != nil {
		panic(err)
	}
	return id
}

// insert adds n records and returns their Ids.
func (o *fakeOrg) insert(object string, n int) []sf.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.insertLocked(object, n, 0)
}

func (o *fakeOrg) insertLocked(object string, n int, late time.Duration) []sf.ID {
	t := o.tables[object]
	ids := make([]sf.ID, n)
	for i := range ids {
		t.next++
		ids[i] = idOf(t.object.KeyPrefix, t.next)
		t.rows[ids[i]] = &row{
			values:  map[string]sf.Value{"Name": sf.Text(fmt.Sprintf("%s %d", object, t.next)), "SystemModstamp": o.stamp()},
			visible: o.now.Add(late),
		}
	}
	return ids
}

// insertLate adds records that nobody sees before the delay has passed, with the stamps of now.
func (o *fakeOrg) insertLate(object string, n int, delay time.Duration) []sf.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.insertLocked(object, n, delay)
}

func (o *fakeOrg) stamp() sf.Value { return sf.Text(o.now.Format(sf.DatetimeLayout)) }

func (o *fakeOrg) update(object string, id sf.ID, field, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tables[object].rows[id].values[field] = sf.Text(text)
	o.tables[object].rows[id].values["SystemModstamp"] = o.stamp()
}

// updateQuietly changes a value without moving the stamp, as a formula does.
func (o *fakeOrg) updateQuietly(object string, id sf.ID, field, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tables[object].rows[id].values[field] = sf.Text(text)
}

func (o *fakeOrg) remove(object string, ids ...sf.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		o.tables[object].rows[id].deleted = true
		o.tables[object].rows[id].values["SystemModstamp"] = o.stamp()
		o.logDeletion(object, id)
	}
}

func (o *fakeOrg) logDeletion(object string, id sf.ID) {
	t := o.tables[object]
	t.log = append(t.log, sf.DeletedRecord{ID: id, At: o.now.Truncate(time.Second)})
}

// undelete brings records back; whether that moves the stamp is not documented, so tests try both.
func (o *fakeOrg) undelete(object string, stamped bool, ids ...sf.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		o.tables[object].rows[id].deleted = false
		if stamped {
			o.tables[object].rows[id].values["SystemModstamp"] = o.stamp()
		}
	}
}

// hardDelete takes records away for good, with or without a trace in the log.
func (o *fakeOrg) hardDelete(object string, logged bool, ids ...sf.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		delete(o.tables[object].rows, id)
		if logged {
			o.logDeletion(object, id)
		}
	}
}

func (o *fakeOrg) spend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
}

func (o *fakeOrg) Usage() sf.Usage {
	o.mu.Lock()
	defer o.mu.Unlock()
	return sf.Usage{Calls: o.calls, DailyUsed: o.calls, DailyLimit: 15000}
}

func (o *fakeOrg) Identity(context.Context) (sf.Identity, error) {
	o.spend()
	return sf.Identity{OrgID: "00D000000000001EAA", Username: "admin@example.com"}, nil
}

func (o *fakeOrg) ServerTime(context.Context) (time.Time, error) {
	o.spend()
	if o.onTime != nil {
		if err := o.onTime(); err != nil {
			return time.Time{}, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now, nil
}

func (o *fakeOrg) Schema(context.Context) (*sf.Schema, error) {
	o.spend()
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &sf.Schema{APIVersion: "66.0"}
	for _, name := range slices.Sorted(maps.Keys(o.tables)) {
		if !o.hidden[name] {
			s.Objects = append(s.Objects, o.tables[name].object)
		}
	}
	return s, nil
}

func (o *fakeOrg) SchemaOf(ctx context.Context, objects []string, known *sf.Schema) (*sf.Schema, error) {
	s, err := o.Schema(ctx)
	for i, object := range s.Objects {
		if old := known.Object(object.Name); old != nil && !slices.Contains(objects, object.Name) {
			s.Objects[i] = old
		}
	}
	return s, err
}

func (o *fakeOrg) Count(_ context.Context, object string, deleted bool) (int64, error) {
	o.spend()
	n := o.count(object, deleted)
	if o.onCount != nil {
		return o.onCount(object, n)
	}
	return n, nil
}

func (o *fakeOrg) count(object string, deleted bool) (n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.tables[object].rows {
		if (!r.deleted || deleted) && !r.visible.After(o.now) && (deleted || r.values["IsArchived"].Text() != "true") {
			n++
		}
	}
	return n
}

// Counts counts nothing for tests that interfere with counts: then each is asked for by itself. It
// costs a call for every five objects.
func (o *fakeOrg) Counts(_ context.Context, objects []string) (map[string]int64, error) {
	if o.onCount != nil {
		return nil, nil
	}
	counts := map[string]int64{}
	for i, name := range objects {
		if i%5 == 0 {
			o.spend()
		}
		counts[name] = o.count(name, false)
	}
	return counts, nil
}

func (o *fakeOrg) Deleted(ctx context.Context, object string, from, to time.Time) (sf.DeletedLog, error) {
	o.spend()
	if o.onDeleted != nil {
		if log, err := o.onDeleted(object); log != nil || err != nil {
			return *cmpOr(log, &sf.DeletedLog{}), err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	log := sf.DeletedLog{Earliest: stamp0.AddDate(0, 0, -15), Covered: o.now}
	for _, d := range o.tables[object].log {
		if !d.At.Before(from.Truncate(time.Second)) && d.At.Before(to.Add(time.Second)) {
			log.Records = append(log.Records, d)
		}
	}
	return log, nil
}

func cmpOr[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func (o *fakeOrg) Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	return func(yield func(sf.Record, error) bool) {
		o.spend()
		if o.onRecords != nil {
			if err := o.onRecords(x); err != nil {
				yield(sf.Record{}, err)
				return
			}
		}
		rows, err := o.answer(x)
		if err != nil {
			yield(sf.Record{}, err)
			return
		}
		if o.spoil != nil {
			rows = o.spoil(x, rows)
		}
		for i, r := range rows {
			if ctx.Err() != nil {
				yield(sf.Record{}, ctx.Err())
				return
			}
			if o.during != nil {
				o.during(x, i)
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Ranges cuts the records into ranges of that many.
func (o *fakeOrg) Ranges(_ context.Context, object string, after sf.ID, rows int64) ([]sf.ID, error) {
	o.spend()
	o.mu.Lock()
	defer o.mu.Unlock()
	var bounds []sf.ID
	n := int64(0)
	for _, id := range slices.Sorted(maps.Keys(o.tables[object].rows)) {
		if id <= after {
			continue
		}
		if n++; n%rows == 0 {
			bounds = append(bounds, id)
		}
	}
	return bounds, nil
}

// answer returns the rows of a query, the latest Ids first: their order promises nothing.
func (o *fakeOrg) answer(x sf.Extract) ([]sf.Record, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.tables[x.Object.Name]
	for _, name := range x.Fields {
		if t.object.Field(name) == nil {
			return nil, fmt.Errorf("query: %w", orgError("INVALID_FIELD: No such column '"+name+"' on entity"))
		}
	}
	shape := sf.NewShape(x.Object.Name, x.Fields)
	var out []sf.Record
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(t.rows))) {
		r := t.rows[id]
		if r.visible.After(o.now) || r.deleted && !x.IncludeDeleted ||
			x.IDs != nil && !slices.Contains(x.IDs, r.key(id, x.Field)) ||
			r.values["IsArchived"].Text() == "true" && !x.IncludeDeleted {
			continue
		}
		if x.After != "" && id <= x.After || x.Through != "" && id > x.Through {
			continue
		}
		if !x.From.IsZero() {
			at, err := sf.ParseDatetime(r.values[x.StampField].Text())
			if err != nil || at.Before(x.From) || !x.To.IsZero() && !at.Before(x.To) {
				continue
			}
		}
		out = append(out, r.record(id, shape))
	}
	return out, nil
}

// key is what the Ids of an extract are compared with.
func (r *row) key(id sf.ID, field string) sf.ID {
	if field == "" {
		return id
	}
	return sf.ID(r.values[field].Text())
}

func (r *row) record(id sf.ID, shape *sf.Shape) sf.Record {
	rec := sf.Record{ID: id, Shape: shape, Values: make([]sf.Value, shape.Len())}
	for i, f := range shape.Fields() {
		switch v, ok := r.values[f]; {
		case f == "IsDeleted":
			rec.Values[i] = sf.Bool(r.deleted)
		case ok:
			rec.Values[i] = v
		default:
			rec.Values[i] = sf.Null()
		}
	}
	return rec
}

// orgError is an error that the org answered.
type orgError string

func (e orgError) Error() string { return string(e) }

// otherOrg is an org with another Id.
type otherOrg struct{ *fakeOrg }

func (o *otherOrg) Identity(ctx context.Context) (sf.Identity, error) {
	id, err := o.fakeOrg.Identity(ctx)
	id.OrgID = "00D000000000002EAA"
	return id, err
}
