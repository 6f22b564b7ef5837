package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Run captures the org into a new snapshot, building on the newest one of the same org.
//
// It returns a Result whenever a snapshot was published. The error is of kind Partial when some part
// could not be captured; Usage for an object in opts that the org does not have; otherwise of the
// kind of what went wrong, and then nothing was published.
func Run(ctx context.Context, src Source, store *snapshot.Store, opts Options) (Result, error) {
	var result Result
	before := src.Usage().Calls
	c, err := prepare(ctx, src, store, opts)
	if c != nil {
		result.Org = c.org
	}
	if err != nil {
		return result, err
	}
	draft := snapshot.Draft{
		Kind: opts.Kind, OrgID: c.org.OrgID, OrgName: opts.OrgName, Username: c.org.Username,
		Schema: c.schema, Parent: c.parent, Started: c.started,
	}
	published, err := store.Write(ctx, draft, func(w *snapshot.Writer) error { return c.write(ctx, w) })
	result.Usage = src.Usage()
	result.Calls = result.Usage.Calls - before
	if err != nil {
		return result, err
	}
	c.forget(ctx, published)
	result.Snapshot, result.Coverage = published.Info(), published.Coverage()
	result.Parts, result.Files = c.results, c.files
	slices.SortFunc(result.Parts, func(a, b PartResult) int { return strings.Compare(a.Object, b.Object) })
	return result, partial(result)
}

// prepare decides what a capture will do, before any record is read. With an error it returns what it
// came to, or nil.
func prepare(ctx context.Context, src Source, store *snapshot.Store, opts Options) (*capture, error) {
	c := &capture{src: src, store: store, opts: opts, pictured: map[string]bool{}, spentBefore: src.Usage().Calls}
	var err error
	if c.org, err = src.Identity(ctx); err != nil {
		return nil, fmt.Errorf("identify the org: %w", err)
	}
	if c.started, err = src.ServerTime(ctx); err != nil {
		return c, fmt.Errorf("ask the org for its time: %w", err)
	}
	c.clock = newServerClock(src, c.started)
	if c.parent, err = newest(ctx, store, c.org.OrgID, c.started.Add(opts.overlap())); err != nil {
		return c, err
	}
	if c.schema, err = c.describe(ctx); err != nil {
		return c, fmt.Errorf("describe the org: %w", err)
	}
	if err := opts.check(c.schema); err != nil {
		return c, err
	}
	earlier, err := heldParts(ctx, store, c.parent)
	if err != nil {
		return c, err
	}
	c.plan = opts.plan(c.schema, earlier, c.parent, c.started)
	begun, err := store.Begun(ctx, c.org.OrgID)
	if err != nil {
		return c, fmt.Errorf("look for what was begun: %w", err)
	}
	c.begun = make(map[string]snapshot.Begun, len(begun))
	for _, b := range begun {
		c.begun[b.Part.Object] = b
	}
	return c, nil
}

// describe describes the org. When only some objects are to be read, the others are carried over as they were
// described when they were read: a run of a few objects is to cost few calls.
func (c *capture) describe(ctx context.Context) (*sf.Schema, error) {
	if len(c.opts.Include) == 0 || c.parent == nil || names(c.opts.Include, "*") {
		return c.src.Schema(ctx)
	}
	return c.src.SchemaOf(ctx, c.opts.Include, c.parent.Schema())
}

// check refuses names that the org does not have: a misspelt exclusion would hold what the operator
// wanted left out, and a misspelt inclusion would hold nothing.
func (o Options) check(schema *sf.Schema) error {
	for _, list := range [][]string{o.Include, o.AcceptDeletions} {
		for _, name := range list {
			if name != "*" && !isComponents(name) && schema.Object(name) == nil {
				return NoObject(schema, name)
			}
		}
	}
	return o.Rules.check(schema)
}

// partial returns the error of a capture that was published with parts missing, or nil.
func partial(r Result) error {
	failed := r.Failed()
	if len(failed) == 0 {
		return partialFiles(r)
	}
	first := failed[0]
	err := problem.Newf(problem.Partial, "%d of %d objects could not be captured, the first of them %s: %s",
		len(failed), len(r.Parts), first.Object, first.Why)
	if first.Hint != "" {
		return err.Hint("%s", first.Hint)
	}
	return err.Hint("run the backup again: the objects that failed are read from where they stood")
}

// partialFiles returns the error of a capture that was published with files missing, or nil.
func partialFiles(r Result) error {
	for _, f := range r.Files {
		lost := f.Bodies.Missing > 0 && f.Mode != ModeCarried
		if !lost && f.Mode != ModeStale && f.Mode != ModeAbsent {
			continue
		}
		what := "the files"
		if lost {
			what = fmt.Sprintf("%d of %d files", f.Bodies.Missing, f.Bodies.Missing+f.Bodies.Held)
		}
		err := problem.Newf(problem.Partial, "%s of %s could not be captured: %s", what, f.Object, f.Why)
		if f.Hint != "" {
			return err.Hint("%s", f.Hint)
		}
		return err.Hint("run the backup again: it reads those that are missing")
	}
	return nil
}

// newest returns the newest snapshot of the org that ended by that time, or nil when there is none. A
// later one was taken while the org told a wrong time: nothing of what happens until then would be
// after its watermarks.
func newest(ctx context.Context, store *snapshot.Store, org sf.ID, by time.Time) (*snapshot.Snapshot, error) {
	past := func(i snapshot.Info) bool { return !i.Started.After(by) && !i.To.After(by) }
	parent, err := store.Load(ctx, "latest", snapshot.OfOrg(org), past)
	switch {
	case err == nil:
		return parent, nil
	case problem.KindOf(err) == problem.NotFound:
		return nil, nil
	}
	return nil, fmt.Errorf("open the last snapshot: %w", err)
}

// heldParts returns the whole parts of the snapshot with the objects as they were described when the
// parts were read. A part that was carried over was read under the schema of an ancestor.
func heldParts(ctx context.Context, store *snapshot.Store, parent *snapshot.Snapshot) (map[string]held, error) {
	earlier := map[string]held{}
	if parent == nil {
		return earlier, nil
	}
	carried := map[string][]string{} // objects by the snapshot in which they were read
	var lineage map[string]snapshot.Info
	for _, p := range parent.Parts() {
		if p.State != snapshot.Whole {
			continue
		}
		if readIn(p, parent.Info()) {
			earlier[p.Object] = held{
				part: p, object: parent.Schema().Object(p.Object), beside: parent, formulas: formulasRead(parent.Coverage(), p),
			}
			continue
		}
		earlier[p.Object] = held{part: p, formulas: formulasRead(parent.Coverage(), p)}
		if lineage == nil {
			var err error
			if lineage, err = infos(ctx, store, parent.Info().OrgID); err != nil {
				return nil, err
			}
		}
		at, ok := lineage[parent.Info().Parent]
		for ok && !readIn(p, at) {
			at, ok = lineage[at.Parent]
		}
		if ok {
			carried[at.ID] = append(carried[at.ID], p.Object)
		}
	}
	for id, objects := range carried {
		at, err := store.Load(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("open an earlier snapshot: %w", err)
		}
		for _, name := range objects {
			earlier[name] = held{
				part: earlier[name].part, object: at.Schema().Object(name), beside: at, formulas: earlier[name].formulas,
			}
		}
	}
	return earlier, nil
}

// readIn reports that the part was read for that snapshot, and not carried over by it. Times are
// kept in milliseconds.
func readIn(p snapshot.Part, in snapshot.Info) bool {
	return !p.To.Before(in.Started.Truncate(time.Millisecond))
}

// infos returns the snapshots of the org by ID.
func infos(ctx context.Context, store *snapshot.Store, org sf.ID) (map[string]snapshot.Info, error) {
	list, err := store.List(ctx, snapshot.OfOrg(org))
	if err != nil {
		return nil, fmt.Errorf("list the snapshots: %w", err)
	}
	byID := make(map[string]snapshot.Info, len(list))
	for _, info := range list {
		byID[info.ID] = info
	}
	return byID, nil
}

// serverClock remembers what the org last said of its time: a lower bound for whatever is asked
// next, so that a part needs no reading of its own at its beginning.
type serverClock struct {
	src  Source
	mu   sync.Mutex
	last time.Time
	read time.Time // of this machine's monotonic clock, when last was read
}

func newServerClock(src Source, now time.Time) *serverClock {
	return &serverClock{src: src, last: now, read: time.Now()}
}

func (c *serverClock) latest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// now asks the org for its time. When it does not say, which is no reason to lose what was read, it is
// what it last said and the time that has passed since, as this machine's monotonic clock measures
// it: neither a wrong clock nor a time zone matters to that.
func (c *serverClock) now(ctx context.Context) time.Time {
	now, err := c.src.ServerTime(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		return c.last.Add(time.Since(c.read))
	}
	c.last, c.read = now, time.Now()
	return now
}

// capture is one run over all objects.
type capture struct {
	src         Source
	store       *snapshot.Store
	begun       map[string]snapshot.Begun // what runs that were cut short have left, by object
	org         sf.Identity
	started     time.Time // by the org's clock
	opts        Options
	schema      *sf.Schema
	parent      *snapshot.Snapshot
	plan        survey
	clock       *serverClock
	spentBefore int64
	counts      map[string]int64 // what the org counted before any part was begun
	expect      int64            // of these, the rows that are to be read
	rows, bytes atomic.Int64     // read so far, of all parts
	snap        *snapshot.Writer

	dangled, dangling atomic.Int64 // lookups to what went: as first read, and as read again

	mu         sync.Mutex      // guards what follows, and the calls of Progress
	pictured   map[string]bool // objects whose records were seen to refer to images
	results    []PartResult
	files      []FilesResult
	failure    error   // the first
	halt       error   // why no further part is begun
	late       []*part // put off until what their records belong to is read
	waiting    []*part // observed, not yet closed
	closed     []closing
	components int // parts of components that are to end
	unanswered int // parts in a row for which the org did not answer or the storage had no room
	whole      int // parts captured
	ended      int
}

// maxUnanswered is the number of parts in a row for which the org may fail to answer, or the storage
// have no room, before the rest is given up: each costs minutes of retries, or calls for nothing.
const maxUnanswered = 3

// write captures every part. It returns an error, so that nothing is published, when the work was
// interrupted or no part succeeded.
func (c *capture) write(ctx context.Context, w *snapshot.Writer) error {
	c.snap = w
	defer func() {
		w.Spent(snapshot.Spent{Calls: c.src.Usage().Calls - c.spentBefore, Dangled: c.dangled.Load(), Dangling: c.dangling.Load()})
	}()
	for _, g := range c.plan.gaps {
		if Of(g.Reason) != RuleBase64 { // what becomes of files is said when it is known
			c.gap(g)
		}
	}
	for _, object := range c.plan.carry {
		if err := w.Carry(object); err != nil {
			return fmt.Errorf("carry %s over: %w", object, err)
		}
		was, _ := c.parent.Part(object)
		c.end(PartResult{Object: object, Mode: ModeCarried, Part: was}, Event{Object: object, Stage: Carried})
	}
	c.countAll(ctx)
	both, reading := errgroup.WithContext(ctx)
	both.Go(func() error { return c.captureComponents(reading) })
	both.Go(func() error { return c.captureParts(reading) })
	if err := both.Wait(); err != nil {
		return err
	}
	if err := c.closeAll(ctx, c.waiting); err != nil {
		return err
	}
	if err := c.readLate(ctx); err != nil {
		return err
	}
	if err := c.closeLookups(ctx); err != nil {
		return err
	}
	if c.whole == 0 && c.failure != nil {
		return c.failure
	}
	return c.captureFiles(ctx)
}

// captureParts captures every object that is to be read.
func (c *capture) captureParts(ctx context.Context) error {
	workers, reading := errgroup.WithContext(ctx)
	workers.SetLimit(c.opts.parallel())
	for _, t := range c.plan.tasks {
		workers.Go(func() error { return c.capturePart(reading, t) })
	}
	return workers.Wait()
}

// countAll counts every object that is to be read, before the first is. It spares most objects, which
// are empty or unchanged, a call of their own. What is not counted here is counted with its part,
// which meets the error again if there was one.
func (c *capture) countAll(ctx context.Context) {
	names := make([]string, 0, len(c.plan.tasks))
	for _, t := range c.plan.tasks {
		names = append(names, t.object.Name)
	}
	if counts, err := c.src.Counts(ctx, names); err == nil {
		c.counts = counts
	}
	for _, t := range c.plan.tasks {
		if t.reread {
			c.expect += c.counts[t.object.Name]
		}
	}
}

// capturePart captures one object. It returns an error only when the whole capture must end.
func (c *capture) capturePart(ctx context.Context, t *task) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if halt := c.halted(); halt != nil {
		return c.fail(t, nil, fmt.Errorf("not begun: %w", halt))
	}
	if err := c.mayGoOn(); err != nil {
		c.noteFailure(ctx, err)
		return c.fail(t, nil, fmt.Errorf("not begun: %w", err))
	}
	p := &part{capture: c, task: t, from: c.clock.latest()}
	p.first, p.hasFirst = c.counts[t.object.Name]
	c.tell(Event{Object: t.object.Name, Stage: Started})
	if err := p.observe(ctx); err != nil {
		return c.failed(ctx, p, err)
	}
	return c.finish(ctx, p)
}

// mayGoOn returns why the reading must end now, or nil.
func (c *capture) mayGoOn() error {
	if c.opts.MayGoOn == nil {
		return nil
	}
	return c.opts.MayGoOn()
}

// shareClock is how many small parts wait for one another, so that the end of their observation
// costs one reading of the org's clock and not one each.
const shareClock = 16

// finish closes the part, with those that wait for it, or lets it wait.
func (c *capture) finish(ctx context.Context, p *part) error {
	c.mu.Lock()
	c.waiting = append(c.waiting, p)
	var ready []*part
	if !p.small() || len(c.waiting) >= shareClock {
		ready, c.waiting = c.waiting, nil
	}
	c.mu.Unlock()
	return c.closeAll(ctx, ready)
}

// closeAll closes parts that were observed.
func (c *capture) closeAll(ctx context.Context, ready []*part) error {
	if len(ready) == 0 {
		return nil
	}
	to := c.clock.now(ctx)
	for _, p := range ready {
		done, err := p.close(ctx, to)
		if err == nil {
			c.succeeded(p, done)
			if err := c.saveClosed(ctx, p); err != nil {
				return err
			}
			continue
		}
		if err := c.failed(ctx, p, err); err != nil {
			return err
		}
	}
	return nil
}

func (c *capture) succeeded(p *part, done snapshot.Part) {
	r := PartResult{
		Object: p.object.Name, Mode: ModeChanges, Why: p.why, Part: done,
		Read: p.rows, Bytes: p.bytes, Kept: p.kept, Buried: p.buried, Settled: p.settled,
	}
	if p.reread {
		r.Mode = ModeFull
	}
	c.mu.Lock()
	c.whole++
	c.unanswered = 0
	c.closed = append(c.closed, closing{p.task, r})
	c.mu.Unlock()
	c.end(r, Event{Object: p.object.Name, Stage: Done, Rows: p.rows, Bytes: p.bytes, Text: p.settled})
}

// failed settles what becomes of a part that could not be captured.
func (c *capture) failed(ctx context.Context, p *part, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.by == nil && c.postpone(p, cause) {
		return nil
	}
	if words, ok := refused(cause); ok && p.previous == nil && p.rows == 0 {
		return c.refuse(p, words)
	}
	c.noteFailure(ctx, cause)
	return c.fail(p.task, p, cause)
}

// gap adds to the coverage of the snapshot.
func (c *capture) gap(g snapshot.Gap) { c.snap.Gap(g.Object, g.Field, g.Reason) }

func (c *capture) halted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.halt
}

// noteFailure decides whether the parts that have not begun can still succeed.
func (c *capture) noteFailure(ctx context.Context, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch problem.KindOf(err) {
	case problem.Unreachable, problem.NoSpace:
		c.unanswered++
	default:
		c.unanswered = 0
	}
	if c.failure == nil {
		c.failure = err
	}
	if c.halt == nil && (fatal(ctx, err) || c.unanswered >= maxUnanswered) {
		c.halt = err
	}
}

// answered notes that the org answers.
func (c *capture) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unanswered = 0
}

// refuse leaves an object out that the org does not answer for and that was never held.
func (c *capture) refuse(p *part, words string) error {
	name := p.object.Name
	c.gap(gap(name, "", RuleRefused, "%s", words))
	if err := p.abandon(words); err != nil {
		return err
	}
	c.tell(Event{Object: name, Stage: Refused, Text: words})
	return nil
}

// fail keeps what was held of the object, with its watermark, or names it absent.
func (c *capture) fail(t *task, p *part, cause error) error {
	name := t.object.Name
	if p != nil {
		if err := p.abandon(cause.Error()); err != nil {
			return err
		}
	}
	r := PartResult{Object: name, Why: cause.Error(), Hint: problem.HintOf(cause)}
	var err error
	if t.previous != nil {
		r.Mode, r.Part = ModeStale, *t.previous
		err = c.snap.CarryStale(name, cause.Error())
	} else if r.Mode = ModeAbsent; p == nil || !p.abandoned {
		err = c.snap.Absent(name, cause.Error())
	}
	if err != nil {
		return fmt.Errorf("record that %s failed (%w): %w", name, cause, err)
	}
	c.gap(gap(name, "", RuleFailed, "%s", cause))
	c.end(r, Event{Object: name, Stage: Failed, Text: cause.Error()})
	return nil
}

// end records the result of a part and tells of it.
func (c *capture) end(r PartResult, e Event) {
	c.mu.Lock()
	c.results = append(c.results, r)
	c.mu.Unlock()
	c.tell(e)
}

// revise replaces the result of a part that has ended.
func (c *capture) revise(r PartResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.results {
		if c.results[i].Object == r.Object {
			c.results[i] = r
		}
	}
}

// retract takes back the result of a part that was done, and did not stay so.
func (c *capture) retract(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results = slices.DeleteFunc(c.results, func(r PartResult) bool { return r.Object == object })
	c.whole--
	c.ended--
}

// tell passes an event on, with the counts of the whole capture.
func (c *capture) tell(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Stage {
	case Done, Carried, Failed, Refused:
		c.ended++
	}
	if c.opts.Progress == nil {
		return
	}
	e.Ended, e.Parts = c.ended, len(c.plan.tasks)+len(c.plan.carry)+c.components
	e.Calls = c.src.Usage().Calls - c.spentBefore
	e.AllRows, e.AllBytes, e.Expect = c.rows.Load(), c.bytes.Load(), c.expect
	c.opts.Progress(e)
}
