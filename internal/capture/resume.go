package capture

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

const (
	// DefaultRangeRows is how many records a range of Ids has, about: as many are read again when a run is
	// cut short. Each range costs a job of its own, and finding where it ends some counts.
	DefaultRangeRows = 1_000_000
	// rangesAhead is how many ranges are asked for before the one that is being stored is at its end: an org
	// prepares the answer of one while another is received.
	rangesAhead = 2
	// batchBytes bounds what of one range waits to be stored, and batches how often.
	batchBytes = 256 << 10
	batches    = 4
	// saveRows is how many rows a part must have read to be noted when it is closed: the next run reads
	// fewer in a call.
	saveRows = 10_000
	// begunAge is how old what was begun may be. What was deleted for good since then is found by a census;
	// after some days there is too much of that.
	begunAge = 7 * 24 * time.Hour
)

func (o Options) rangeRows() int64 {
	if o.RangeRows <= 0 {
		return DefaultRangeRows
	}
	return o.RangeRows
}

// resume takes over what an earlier run had stored of the part when it was cut short, and reports whether
// there was something, and through which Id it had read.
func (p *part) resume(ctx context.Context) (b snapshot.Begun, ok bool, err error) {
	b, found := p.begun[p.object.Name]
	if !found || b.Reread != p.reread || p.stamp == "" || !slices.Equal(b.Part.Fields, p.fields) ||
		!slices.Equal(b.Types, p.types()) || p.from.Sub(b.Part.From) > begunAge || b.Part.From.After(p.from) {
		return b, false, nil
	}
	var seen roll
	for row, err := range p.store.Rows(ctx, b) {
		switch {
		case problem.KindOf(err) == problem.Damaged:
			p.kept = 0
			return b, false, nil // it is read from the org again
		case err != nil:
			return b, false, fmt.Errorf("read what was begun of %s: %w", p.object.Name, err)
		case row.Gone:
			seen.put(row.Record.ID, markGone)
		case isTrue(row.Record, "IsArchived") && p.archives():
			seen.put(row.Record.ID, markArchived)
		default:
			seen.put(row.Record.ID, markLive)
		}
		if !row.Gone {
			p.lookForImages(row.Record)
		}
		p.kept++
	}
	out, err := p.snap.Resume(b)
	if problem.KindOf(err) == problem.NotFound {
		p.kept = 0
		return b, false, nil
	}
	if err != nil {
		return b, false, fmt.Errorf("go on with %s: %w", p.object.Name, err)
	}
	p.out, p.seen, p.since = out, seen, b.Part.From
	for _, g := range p.opts.Rules.staleFields(p.object, b.Part.From) {
		p.gap(g)
	}
	return b, true, nil
}

// goOn reads what the run that was cut short had not read, and what changed since it began.
func (p *part) goOn(ctx context.Context, b snapshot.Begun, expect int64) error {
	from := b.Part.Watermark
	if !b.Whole {
		from = b.Part.From
		if err := p.readRanges(ctx, b.Through, max(expect-p.kept, 0)); err != nil {
			return err
		}
	}
	return p.takeAll(ctx, p.changesSince(from.Add(-p.opts.overlap())))
}

// types returns the types of the fields of the part.
func (p *part) types() []sf.FieldType {
	types := make([]sf.FieldType, len(p.fields))
	for i, name := range p.fields {
		if f := p.object.Field(name); f != nil {
			types[i] = f.Type
		}
	}
	return types
}

// began is when the first record of the part was read: by this run, or by one that was cut short.
func (p *part) began() time.Time {
	if p.since.IsZero() {
		return p.from
	}
	return p.since
}

// save notes that all records of Ids up to through are stored.
func (p *part) save(ctx context.Context, through sf.ID) error {
	if p.redescribed {
		return nil
	}
	if err := p.open(); err != nil {
		return err
	}
	p.out.Observed(p.began(), time.Time{}, time.Time{})
	err := p.out.Settle(ctx)
	if err == nil {
		err = p.out.Save(ctx, snapshot.Extent{Reread: p.reread, Through: through, Types: p.types()})
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", p.object.Name, err)
	}
	return nil
}

// saveClosed notes a part that was closed, so that it need not be read again when this run does not come to
// its end.
func (c *capture) saveClosed(ctx context.Context, p *part) error {
	if p.rows < saveRows || p.stamp == "" || p.redescribed {
		return nil
	}
	return c.snap.SaveClosed(ctx, p.object.Name, snapshot.Extent{Reread: p.reread, Types: p.types()})
}

// forget takes away the notes of what is published whole, and those that are too old to be of use.
func (c *capture) forget(ctx context.Context, published *snapshot.Snapshot) {
	c.store.ForgetBegun(ctx, c.org.OrgID, func(object string) bool {
		p, found := published.Part(object)
		return !found || p.State == snapshot.Whole && !p.Stale
	}, c.started.Add(-begunAge))
}

// readRanges reads every record of an Id after that one, in ranges of Ids, and notes each that is stored.
func (p *part) readRanges(ctx context.Context, after sf.ID, expect int64) error {
	var bounds []sf.ID
	if expect > p.opts.rangeRows()*3/2 {
		var err error
		if bounds, err = p.src.Ranges(ctx, p.object.Name, after, p.opts.rangeRows()); err != nil {
			if fatal(ctx, err) {
				return fmt.Errorf("cut %s into ranges: %w", p.object.Name, err)
			}
			bounds = nil // it is read at once
		}
	}
	ranges := make([]idRange, 0, len(bounds)+1)
	for _, to := range append(bounds, "") {
		ranges = append(ranges, idRange{after: after, through: to, rows: expect / int64(len(bounds)+1)})
		after = to
	}
	for len(ranges) > 0 {
		done, err := p.takeRanges(ctx, ranges)
		ranges = ranges[done:]
		if code, _ := answer(err); code == "INVALID_FIELD" && !p.redescribed {
			err = p.redescribe(ctx)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", p.object.Name, err)
		}
	}
	return nil
}

// idRange is the records of the Ids between two.
type idRange struct {
	after, through sf.ID // "" is no bound
	rows           int64 // about
}

// reading is a range that is being received.
type reading struct {
	batches chan []sf.Record // closed at its end
	err     error            // set before
}

// takeRanges stores the ranges one after the other, the next ones already under way, and returns how many
// were stored.
func (p *part) takeRanges(ctx context.Context, ranges []idRange) (done int, err error) {
	group, reading := errgroup.WithContext(ctx)
	reading, stop := context.WithCancel(reading)
	defer func() {
		stop()
		_ = group.Wait() // each has said in its reading how it ended
	}()
	under := p.begin(reading, group, ranges[:min(rangesAhead, len(ranges))])
	for i, r := range ranges {
		for batch := range under[i].batches {
			for _, record := range batch {
				if err := p.take(record); err != nil {
					return i, err
				}
			}
		}
		if err := under[i].err; err != nil {
			return i, err
		}
		if next := i + rangesAhead; next < len(ranges) {
			under = append(under, p.begin(reading, group, ranges[next:next+1])...)
		}
		if r.through != "" {
			if err := p.save(ctx, r.through); err != nil {
				return i, err
			}
		}
	}
	return len(ranges), nil
}

// begin begins to receive ranges.
func (p *part) begin(ctx context.Context, group *errgroup.Group, ranges []idRange) []*reading {
	var out []*reading
	for _, r := range ranges {
		x := p.everything(r.rows)
		x.After, x.Through = r.after, r.through
		under := &reading{batches: make(chan []sf.Record, batches)}
		out = append(out, under)
		group.Go(func() error {
			defer close(under.batches)
			under.err = p.receive(ctx, x, under.batches)
			return nil
		})
	}
	return out
}

// receive passes on what the query answers, some records at a time.
func (p *part) receive(ctx context.Context, x sf.Extract, to chan<- []sf.Record) error {
	var batch []sf.Record
	bytes := 0
	send := func() error {
		select {
		case to <- batch:
			batch, bytes = nil, 0
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for r, err := range p.src.Records(ctx, x) {
		if err != nil {
			return err
		}
		batch = append(batch, r)
		for _, v := range r.Values {
			bytes += len(v.Text()) + 24
		}
		if bytes >= batchBytes {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return send()
}
