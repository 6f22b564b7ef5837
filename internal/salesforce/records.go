package salesforce

import (
	"context"
	"errors"
	"iter"

	"holdfast/internal/sf"
)

const (
	// bulkFrom is the number of rows from which Bulk is used. The platform's advice is 2,000.
	bulkFrom = 2_000
	// restPagesAtMost is how many pages REST may take when it turns out that there are more rows
	// than was thought: beyond, a Bulk job needs fewer calls.
	restPagesAtMost = 6
)

// Records returns the records of the extract, each once, in the order in which the org sends them.
// It reads through REST or Bulk API 2.0, whichever costs less; the sequence ends with an error
// unless every page and the whole agree with the counts that the org gives. A sequence that is left
// early stops the work behind it.
func (o *Org) Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	return func(yield func(sf.Record, error) bool) {
		stopped := false
		err := o.extract(ctx, x, func(r sf.Record) bool {
			stopped = !yield(r, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(sf.Record{}, err)
		}
	}
}

func (o *Org) extract(ctx context.Context, x sf.Extract, fn func(sf.Record) bool) error {
	e, err := check(x)
	if err != nil {
		return err
	}
	if e.tooLong() {
		return o.extractColumns(ctx, e, fn)
	}
	if x.IDs != nil {
		return o.extractIDs(ctx, e, fn)
	}
	if x.ExpectRows > bulkFrom {
		if err := o.bulkQuery(ctx, e, fn); !errors.Is(err, errNoBulk) {
			return err
		}
		return o.extractREST(ctx, e, false, fn)
	}
	return o.extractREST(ctx, e, true, fn)
}

// extractREST reads through REST. When the first page shows that there is much more than was
// thought, and mayBulk allows, it turns to Bulk before it has delivered anything.
func (o *Org) extractREST(ctx context.Context, e *extraction, mayBulk bool, fn func(sf.Record) bool) error {
	turn := false
	deliver := func(p page) bool {
		if mayBulk && !p.done && p.total > int64(restPagesAtMost*len(p.records)) {
			turn = true
			return false
		}
		mayBulk = false
		for _, r := range p.records {
			if !fn(r) {
				return false
			}
		}
		return true
	}
	if err := o.restPages(ctx, e, e.query(nil), deliver); err != nil || !turn {
		return err
	}
	if err := o.bulkQuery(ctx, e, fn); !errors.Is(err, errNoBulk) {
		return err
	}
	mayBulk = false
	return o.restPages(ctx, e, e.query(nil), deliver)
}

// extractIDs reads the records with the Ids, or that refer to them, in several queries. Ids that the
// org does not find give no record.
func (o *Org) extractIDs(ctx context.Context, e *extraction, fn func(sf.Record) bool) error {
	more := true
	for _, ids := range e.chunks(o.uriRoom() - len(o.queryPath("", e.IncludeDeleted))) {
		rows := 0
		err := o.restPages(ctx, e, e.query(ids), func(p page) bool {
			for _, r := range p.records {
				rows++
				if more = fn(r); !more {
					return false
				}
			}
			return true
		})
		switch {
		case err != nil:
			return err
		case e.Field == "" && rows > len(ids):
			return o.giveUp("query "+e.Object.Name, damaged("%d rows for %d Ids", rows, len(ids)))
		case !more:
			return nil
		}
	}
	return nil
}
