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
