package salesforce

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

const (
	// columnQuery is how long the query of one group of columns may be: what is left of maxQuery holds Ids.
	columnQuery = maxQuery / 4
	// columnBatch is of how many records the groups are joined at once.
	columnBatch = 500
	// columnTries is how often records are read again that changed while their groups were read.
	columnTries = 5
)

// versionFields are what two groups of columns of one record are compared by, the first that the object has. Both
// are of whole seconds, so two changes within one second look alike: who reads changes later reads an overlap.
// Source: Object Reference, "System Fields".
var versionFields = []string{"SystemModstamp", "LastModifiedDate"}

// columns is an extraction whose field list is too long for one query: its fields are read in groups, and
// the groups of a record are joined when the record is in each of them the same version.
type columns struct {
	org     *Org
	x       sf.Extract // as asked for
	shape   *sf.Shape
	version string // field by which versions are told apart
	groups  [][]string
}

// extractColumns reads an extraction whose field list is too long.
func (o *Org) extractColumns(ctx context.Context, e *extraction, fn func(sf.Record) bool) error {
	c := &columns{org: o, x: e.Extract, shape: e.shape}
	for _, name := range versionFields {
		if c.version == "" && e.Object.Field(name) != nil {
			c.version = name
		}
	}
	if c.version == "" {
		return problem.New(problem.Failed, fmt.Sprintf("extract %s: a query of its %d fields is longer than the platform takes, and nothing tells its versions apart",
			e.Object.Name, e.shape.Len())).Hint("leave out some of its fields")
	}
	c.cut()
	first := c.x
	first.Fields = c.groups[0]
	var batch []sf.Record
	more := true
	join := func() error {
		whole, err := c.join(ctx, batch)
		for i := 0; err == nil && more && i < len(whole); i++ {
			more = fn(whole[i])
		}
		batch = batch[:0]
		return err
	}
	for r, err := range o.Records(ctx, first) {
		if err != nil {
			return err
		}
		if batch = append(batch, r); len(batch) < columnBatch {
			continue
		}
		if err := join(); err != nil || !more {
			return err
		}
	}
	return join()
}

// cut divides the fields into groups whose queries are short enough, each with the field of the version.
func (c *columns) cut() {
	var group []string
	length := 0
	for _, name := range c.shape.Fields() {
		if length += len(", ") + len(name); length > columnQuery {
			c.groups = append(c.groups, group)
			group, length = nil, len(", ")+len(name)
		}
		group = append(group, name)
	}
	c.groups = append(c.groups, group)
	for i, g := range c.groups {
		if !slices.Contains(g, c.version) {
			c.groups[i] = append(g, c.version)
		}
	}
}

// join returns the whole records of which the first groups are given. Those that changed meanwhile are
// read again; those that went are left out, as a query that came a little later would.
func (c *columns) join(ctx context.Context, first []sf.Record) ([]sf.Record, error) {
	var whole []sf.Record
	for range columnTries {
		if len(first) == 0 {
			return whole, nil
		}
		made := make(map[sf.ID]sf.Record, len(first))
		ids := make([]sf.ID, 0, len(first))
		for _, r := range first {
			record := sf.Record{ID: r.ID, Shape: c.shape, Values: make([]sf.Value, c.shape.Len())}
			c.fill(record, r)
			made[r.ID], ids = record, append(ids, r.ID)
		}
		same := make(map[sf.ID]int, len(first))
		for _, fields := range c.groups[1:] {
			rest, err := c.read(ctx, fields, ids)
			if err != nil {
				return nil, err
			}
			for _, r := range rest {
				if record, asked := made[r.ID]; asked {
					c.fill(record, r)
				}
			}
			for i, r := range first {
				if at, found := slices.BinarySearchFunc(rest, r.ID, byID); found && rest[at].Get(c.version) == first[i].Get(c.version) {
					same[r.ID]++
				}
			}
		}
		var again []sf.ID
		for _, r := range first {
			if same[r.ID] == len(c.groups)-1 {
				whole = append(whole, made[r.ID])
				continue
			}
			again = append(again, r.ID)
		}
		var err error
		if first, err = c.read(ctx, c.groups[0], again); err != nil {
			return nil, err
		}
	}
	if len(first) == 0 {
		return whole, nil
	}
	return nil, problem.Newf(problem.Failed, "extract %s: %s changes faster than its %d groups of columns can be read",
		c.x.Object.Name, first[0].ID, len(c.groups)).Hint("run it again when less is written, or leave out some fields")
}

// read reads one group of columns of these records, by Id. A condition on their stamps is left out: what
// changed is wanted as it is now.
func (c *columns) read(ctx context.Context, fields []string, ids []sf.ID) ([]sf.Record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	x := sf.Extract{Object: c.x.Object, Fields: fields, IDs: ids, IncludeDeleted: c.x.IncludeDeleted}
	var out []sf.Record
	for r, err := range c.org.Records(ctx, x) {
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b sf.Record) int { return byID(a, b.ID) })
	return out, nil
}

// fill puts the values of a group where they belong.
func (c *columns) fill(record, group sf.Record) {
	for i, name := range group.Shape.Fields() {
		if at := c.shape.Index(name); at >= 0 {
			record.Values[at] = group.Values[i]
		}
	}
}

func byID(r sf.Record, id sf.ID) int {
	switch {
	case r.ID < id:
		return -1
	case r.ID > id:
		return 1
	}
	return 0
}
