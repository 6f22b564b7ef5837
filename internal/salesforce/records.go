package salesforce

import (
	"context"
	"errors"
	"iter"
	"slices"

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
	room := o.uriRoom() - len(o.queryPath("", e.IncludeDeleted))
	chunks, most := e.chunks(room)
	together := most > 1
	for group := range slices.Chunk(chunks, most) {
		var firsts []*page
		if together {
			var err error
			if firsts, err = o.compositePages(ctx, e, group); err != nil && hopeless(ctx, err) {
				return err
			}
			together = err == nil // an answer that is too long is such again; one by one it is heard why, or it is not so
		}
		if most > 1 && !together {
			group = e.inURLs(slices.Concat(group...), room)
			firsts = nil
		}
		if firsts == nil {
			firsts = make([]*page, len(group))
		}
		for i, ids := range group {
			if more, err := o.extractChunk(ctx, e, ids, firsts[i], fn); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// extractChunk reads the records of one query, of which the first page may be there already, and reports whether fn wants more.
func (o *Org) extractChunk(ctx context.Context, e *extraction, ids []sf.ID, first *page, fn func(sf.Record) bool) (more bool, err error) {
	rows := 0
	more = true
	deliver := func(p page) bool {
		for _, r := range p.records {
			rows++
			if more = fn(r); !more {
				return false
			}
		}
		return true
	}
	if first != nil {
		err = o.restPagesFrom(ctx, e, *first, deliver)
	} else {
		err = o.restPages(ctx, e, e.query(ids), deliver)
	}
	if err == nil && e.Field == "" && rows > len(ids) {
		err = o.giveUp("query "+e.Object.Name, damaged("%d rows for %d Ids", rows, len(ids)))
	}
	return more, err
}
