package capture

import (
	"context"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// What a forecast reckons with. How fast an org answers is not documented; these are unverified.
const (
	restPage  = 2_000   // rows of a page of the REST API
	bulkPage  = 100_000 // rows of a page of the results of a Bulk job
	bulkCalls = 5       // to begin a job and to ask whether it is done
	callTime  = 400 * time.Millisecond
	readSpeed = 3 << 20 // bytes a second
)

// Forecast says what a capture will probably cost. Counts are those of the org; what changed since the
// last snapshot is a guess from what changed before it.
type Forecast struct {
	Org      sf.Identity
	Parts    []PartForecast // in the order in which they would be begun
	Metadata ComponentForecast
	Carried  int // objects that would be taken over from the last snapshot
	Coverage []snapshot.Gap
	Rows     int64
	Bytes    int64
	Calls    int64 // describes and counts included
	Time     time.Duration
	Usage    sf.Usage
}

// PartForecast says what reading one object will probably cost.
type PartForecast struct {
	Object string
	Mode   Mode
	Why    string // why every record is read
	Rows   int64
	Bytes  int64
	Calls  int64
}

// Estimate forecasts what Run with the same arguments would cost. It reads no record and stores
// nothing; it costs the describes and the counts, and listings of metadata that is not held, which the capture
// costs again.
func Estimate(ctx context.Context, src Source, store *snapshot.Store, opts Options) (Forecast, error) {
	c, err := prepare(ctx, src, store, opts)
	if err != nil {
		return Forecast{}, err
	}
	c.countAll(ctx)
	f := Forecast{Org: c.org, Carried: len(c.plan.carry), Coverage: c.plan.gaps}
	if c.halted() != nil {
		return f, c.halted()
	}
	described := src.Usage().Calls - c.spentBefore
	for _, t := range c.plan.tasks {
		p := c.forecast(t)
		f.Parts = append(f.Parts, p)
		f.Rows, f.Bytes, f.Calls = f.Rows+p.Rows, f.Bytes+p.Bytes, f.Calls+p.Calls
	}
	if f.Metadata, err = c.forecastComponents(ctx); err != nil {
		return f, err
	}
	f.Usage = src.Usage()
	f.Calls += described + f.Metadata.Calls
	f.Bytes += f.Metadata.Bytes
	waiting := time.Duration(f.Calls) * callTime / time.Duration(opts.parallel())
	f.Time = max(waiting, time.Duration(f.Bytes/readSpeed)*time.Second)
	return f, nil
}

// forecast guesses what one object costs. A first reading of an object that the org did not count is
// taken for one page.
func (c *capture) forecast(t *task) PartForecast {
	f := PartForecast{Object: t.object.Name, Mode: ModeChanges, Why: t.why}
	counted, hasCount := c.counts[t.object.Name]
	held := int64(0)
	if t.previous != nil {
		held = t.previous.Records
	}
	if hasCount && counted == 0 && held == 0 && !t.archives() {
		if t.reread {
			f.Mode = ModeFull
		}
		return f
	}
	if t.reread {
		f.Mode, f.Rows = ModeFull, max(counted, held)
	} else {
		was := t.previous.Changes
		f.Rows = max(counted-held, held-counted) + was.Updated
		if was.Created < t.previous.Records { // else it was the first reading
			f.Rows = max(f.Rows, was.Created+was.Updated+was.Deleted)
		}
	}
	f.Bytes = f.Rows * rowSize(t)
	f.Calls = readCalls(f.Rows) + 1 // and one to count
	return f
}

// readCalls is how many calls reading that many rows takes.
func readCalls(rows int64) int64 {
	if rows <= restPage {
		return 1
	}
	return bulkCalls + (rows+bulkPage-1)/bulkPage
}

// rowSize guesses how many bytes a record of the object has.
func rowSize(t *task) int64 {
	size := int64(18)
	for _, name := range t.fields {
		if f := t.object.Field(name); f != nil {
			size += f.Type.TypicalSize() + 1
		}
	}
	return size
}
