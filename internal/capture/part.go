package capture

import (
	"context"
	"fmt"
	"iter"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// progressRows is how many rows arrive between two events of a part: a page of the REST API.
const progressRows = 2000

// smallBytes is how much a part may have read to be called small.
const smallBytes = 1 << 20

// part is one object while it is read.
type part struct {
	*capture
	*task
	from time.Time // server time before the first query: the watermark

	out       *snapshot.PartWriter // nil until there is something to write
	abandoned bool

	first    int64 // what the org counted before the part was begun
	hasFirst bool  // and it has not been used yet

	seen    roll  // every record that this run has read, with what it saw last
	counted int64 // what the org counts, archived records included; or uncounted
	rows    int64
	bytes   int64
	buried  Evidence
	settled string // how a difference of counts was explained

	by *sf.Field // reference by whose values the org wants to be asked, or nil

	since time.Time // when a run that was cut short began to read the part; zero when there was none
	kept  int64     // rows that are taken over from it

	images    bool // a record refers to an image
	rich      []int
	richShape *sf.Shape

	log          []sf.DeletedRecord // of this part's window, by Id; nil until asked for
	logAsked     bool
	redescribed  bool
	heldArchived int64 // archived records in the previous part; -1 until counted
}

// observe reads the part and makes it agree with what the org counts.
func (p *part) observe(ctx context.Context) error {
	p.heldArchived = -1
	if err := p.read(ctx); err != nil {
		return err
	}
	var err error
	if p.counted, err = p.settle(ctx); err != nil {
		return err
	}
	if p.reread && p.previous != nil {
		return p.buryUnseen(ctx)
	}
	return nil
}

// small reports a part that costs little memory while it waits to be closed.
func (p *part) small() bool { return p.rows <= progressRows && p.bytes <= smallBytes }

// close publishes the part into the snapshot being written; to is a server time after its last query.
func (p *part) close(ctx context.Context, to time.Time) (snapshot.Part, error) {
	if err := p.open(); err != nil {
		return snapshot.Part{}, err
	}
	if to.Before(p.from) {
		to = p.from // the org's clock was set back
	}
	p.out.Observed(p.began(), to, p.from)
	done, err := p.out.Close(ctx, p.counted)
	if err != nil {
		return done, fmt.Errorf("store %s: %w", p.object.Name, err)
	}
	// Records seen in the Recycle Bin may have been known there before; the rest of those that went
	// were buried one by one.
	p.buried.Bin = max(0, done.Changes.Deleted-p.buried.Log-p.buried.Census)
	return done, nil
}

// open begins the part in the snapshot, once there is something to write: an object that refuses
// the first query leaves no trace but a gap.
func (p *part) open() error {
	if p.opened() {
		return nil
	}
	out, err := p.snap.Part(snapshot.PartInfo{Object: p.object.Name, Fields: p.fields, Full: p.previous == nil})
	if err != nil {
		return fmt.Errorf("store %s: %w", p.object.Name, err)
	}
	p.out = out
	return nil
}

func (p *part) opened() bool { return p.out != nil }

// abandon ends a part that was begun, and that did not close, as absent by name.
func (p *part) abandon(reason string) error {
	if !p.opened() {
		return nil
	}
	p.abandoned = true
	if err := p.out.Abandon(reason); err != nil {
		return fmt.Errorf("give up %s: %w", p.object.Name, err)
	}
	return nil
}

// extract returns the query of the part's records.
func (p *part) extract() sf.Extract {
	return sf.Extract{Object: p.object, Fields: p.fields}
}

// changesSince returns the query of what changed from t on, deletions included where the object can
// show them. The upper end stays open: what commits while the query runs is welcome.
func (p *part) changesSince(t time.Time) sf.Extract {
	x := p.extract()
	x.StampField, x.From = p.stamp, t
	x.IncludeDeleted = p.has("IsDeleted")
	return x
}

// everything returns the query of every record.
func (p *part) everything(expect int64) sf.Extract {
	x := p.extract()
	x.IncludeDeleted, x.ExpectRows = p.archives(), expect
	return x
}

// read reads the part's records or changes for the first time.
func (p *part) read(ctx context.Context) error {
	if p.empty() && p.heldNothing() {
		return nil // a record that appears meanwhile has a later stamp
	}
	begun, ok, err := p.resume(ctx)
	if err != nil {
		return err
	}
	if !p.reread {
		if ok {
			return p.goOn(ctx, begun, 0)
		}
		return p.takeAll(ctx, p.changesSince(p.previous.Watermark.Add(-p.opts.overlap())))
	}
	expect := int64(0)
	if p.previous != nil {
		expect = p.previous.Records
	}
	switch {
	case expect > 0:
	case p.hasFirst:
		expect = p.first
	default:
		counted, err := p.countOrg(ctx)
		if err != nil {
			return err
		}
		if counted == 0 && !p.archives() {
			return nil // a record that appears meanwhile has a later stamp, or fails the count
		}
		expect = max(counted, 0)
	}
	switch {
	case ok:
		return p.goOn(ctx, begun, expect)
	case p.stamp != "" && expect > p.opts.rangeRows():
		return p.readRanges(ctx, "", expect)
	}
	return p.takeAll(ctx, p.everything(expect))
}

// empty reports that the org counted no records before the part was begun, and none can hide from its
// count in the archive.
func (p *part) empty() bool { return p.hasFirst && p.first == 0 && !p.archives() }

func (p *part) heldNothing() bool { return p.previous == nil || p.previous.Records == 0 }

// takeAll reads what the query answers. When a field has gone since the org was described, the org is
// described again and the query repeated without it: the object is worth more than the field.
func (p *part) takeAll(ctx context.Context, x sf.Extract) error {
	err := p.takeOnce(ctx, x)
	if code, _ := answer(err); code == "INVALID_FIELD" && !p.redescribed {
		if err := p.redescribe(ctx); err != nil {
			return err
		}
		x.Object, x.Fields = p.object, p.fields
		if !p.reread {
			p.reread, p.why = true, "its fields changed while it was read"
			x = p.everything(p.previous.Records)
		}
		err = p.takeOnce(ctx, x)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", p.object.Name, err)
	}
	return nil
}

func (p *part) takeOnce(ctx context.Context, x sf.Extract) error {
	for r, err := range p.src.Records(ctx, x) {
		if err != nil {
			return err
		}
		if err := p.take(r); err != nil {
			return err
		}
	}
	return nil
}

// redescribe drops the fields that the org no longer has.
func (p *part) redescribe(ctx context.Context) error {
	p.redescribed = true
	schema, err := p.src.SchemaOf(ctx, []string{p.object.Name}, p.schema)
	if err != nil {
		return fmt.Errorf("describe the org again: %w", err)
	}
	object := schema.Object(p.object.Name)
	if object == nil {
		return problem.Newf(problem.NotFound, "%s was deleted while it was read", p.object.Name)
	}
	var left []string
	for _, name := range p.fields {
		if object.Field(name) != nil {
			left = append(left, name)
			continue
		}
		p.gap(gap(object.Name, name, RuleFieldGone, "deleted, or hidden from the user, while the object was read"))
	}
	p.object, p.fields = object, left
	return nil
}

// take writes one record, or the tombstone of one that is in the Recycle Bin.
func (p *part) take(r sf.Record) error {
	if len(r.ID) != 18 {
		return problem.Newf(problem.Failed, "the org sent a record with the Id %q", r.ID)
	}
	if err := p.open(); err != nil {
		return err
	}
	size := int64(0)
	for _, v := range r.Values {
		size += int64(len(v.Text()))
	}
	p.rows, p.bytes = p.rows+1, p.bytes+size
	p.capture.rows.Add(1)
	p.capture.bytes.Add(size)
	if p.rows%progressRows == 0 {
		p.tell(Event{Object: p.object.Name, Stage: Reading, Rows: p.rows, Bytes: p.bytes})
		if err := p.mayGoOn(); err != nil {
			return err
		}
	}
	stamp := p.stampOf(r)
	if isTrue(r, "IsDeleted") {
		return p.bury(r.ID, stamp, EvidenceBin)
	}
	if isTrue(r, "IsArchived") && p.archives() {
		p.seen.put(r.ID, markArchived)
	} else {
		p.seen.put(r.ID, markLive)
	}
	p.lookForImages(r)
	if err := p.out.Add(r); err != nil {
		return fmt.Errorf("store %s %s: %w", p.object.Name, r.ID, err)
	}
	return nil
}

// bury writes a tombstone.
func (p *part) bury(id sf.ID, at time.Time, evidence string) error {
	if err := p.open(); err != nil {
		return err
	}
	if at.IsZero() {
		at = p.clock.latest()
	}
	p.seen.put(id, markGone)
	if err := p.out.Remove(id, at, evidence); err != nil {
		return fmt.Errorf("store the deletion of %s %s: %w", p.object.Name, id, err)
	}
	return nil
}

func isTrue(r sf.Record, field string) bool { return r.Get(field).Text() == "true" }

// stampOf returns when the org last wrote the record, or the zero time.
func (p *part) stampOf(r sf.Record) time.Time {
	text := r.Get(p.stamp).Text()
	if text == "" {
		return time.Time{}
	}
	t, err := sf.ParseDatetime(text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// uncounted says that the org does not count the object.
const uncounted = -1

// countOrg returns the number of records that ordinary queries see, or uncounted. For a part in which
// nothing was there to read it is what the org counted before the part was begun, once; a difference
// makes the org be asked.
func (p *part) countOrg(ctx context.Context) (int64, error) {
	if p.hasFirst && p.rows == 0 {
		p.hasFirst = false
		return p.first, nil
	}
	n, err := p.src.Count(ctx, p.object.Name, false)
	if err == nil {
		return n, nil
	}
	if _, ok := refused(err); ok {
		return uncounted, nil
	}
	return 0, fmt.Errorf("count %s: %w", p.object.Name, err)
}

// countHeld returns the number of live records that the part will hold, and how many of them are
// archived.
func (p *part) countHeld(ctx context.Context) (live, archived int64, err error) {
	seen, archived := p.seen.count()
	live = seen + archived
	if p.reread {
		return live, archived, nil
	}
	live += p.previous.Records
	if p.archives() {
		if err := p.countHeldArchived(ctx); err != nil {
			return 0, 0, err
		}
		archived += p.heldArchived
	}
	for r, err := range p.parent.Lookup(ctx, p.object.Name, p.seen.ids()) {
		if err != nil {
			return 0, 0, fmt.Errorf("look up %s in the last snapshot: %w", p.object.Name, err)
		}
		live--
		if isTrue(r, "IsArchived") && p.archives() {
			archived--
		}
	}
	return live, archived, nil
}

// countHeldArchived counts the archived records of the previous part, once.
func (p *part) countHeldArchived(ctx context.Context) error {
	if p.heldArchived >= 0 {
		return nil
	}
	p.heldArchived = 0
	for r, err := range p.parent.Records(ctx, p.object.Name) {
		if err != nil {
			return fmt.Errorf("read %s in the last snapshot: %w", p.object.Name, err)
		}
		if isTrue(r, "IsArchived") {
			p.heldArchived++
		}
	}
	return nil
}

// heldIDs yields the Ids of the previous part, ascending.
func (p *part) heldIDs(ctx context.Context) iter.Seq2[sf.ID, error] {
	return func(yield func(sf.ID, error) bool) {
		for r, err := range p.parent.Records(ctx, p.object.Name) {
			if err != nil {
				yield("", fmt.Errorf("read %s in the last snapshot: %w", p.object.Name, err))
				return
			}
			if !yield(r.ID, nil) {
				return
			}
		}
	}
}

// liveIDs yields the Ids that the part will hold, ascending: what this run saw, over what was held.
func (p *part) liveIDs(ctx context.Context) iter.Seq2[sf.ID, error] {
	if p.reread {
		return p.seen.live()
	}
	return func(yield func(sf.ID, error) bool) {
		next, stop := iter.Pull2(p.seen.all())
		defer stop()
		id, m, ok := next()
		// emitBefore yields what this run saw below the limit; an empty limit is no limit.
		emitBefore := func(limit sf.ID) bool {
			for ; ok && (limit == "" || id < limit); id, m, ok = next() {
				if m != markGone && !yield(id, nil) {
					return false
				}
			}
			return true
		}
		for held, err := range p.heldIDs(ctx) {
			if err != nil {
				yield("", err)
				return
			}
			if !emitBefore(held) {
				return
			}
			if ok && id == held {
				continue // the run's own sighting counts; it is yielded before the next one
			}
			if !yield(held, nil) {
				return
			}
		}
		emitBefore("")
	}
}
