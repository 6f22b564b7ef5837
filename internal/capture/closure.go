package capture

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// The platform empties lookups of other records when the record that they refer to is deleted, and
// fills them again when it is brought back. Whether that moves a stamp of those records is unverified,
// so they are found by what they refer to.

// closing is a part that was read and closed, and what is needed to read some of it again.
type closing struct {
	*task
	result PartResult
}

// closeLookups reads again the records whose lookups the org may have emptied or filled since they
// were read: those that still refer to a record that went, and those that the org says refer to one
// that came back.
func (c *capture) closeLookups(ctx context.Context) error {
	if len(c.closed) == 0 {
		return nil
	}
	soFar, err := c.snap.SoFar()
	if err != nil {
		return err
	}
	referred := c.referred()
	known := map[*snapshot.Snapshot]*turned{}
	workers, reading := errgroup.WithContext(ctx)
	workers.SetLimit(c.opts.parallel())
	for _, done := range c.closed {
		t := known[done.beside]
		if t == nil {
			if t, err = turnedSince(ctx, done.beside, soFar, referred); err != nil {
				break
			}
			known[done.beside] = t
		}
		p := &closingPart{part: &part{capture: c, task: done.task}, done: done.result, soFar: soFar, turned: t}
		if p.emptied, p.filled = p.lookups(t.gone), p.lookups(t.back); len(p.emptied)+len(p.filled) > 0 {
			workers.Go(func() error { return p.end(reading) })
		}
	}
	if ended := workers.Wait(); err == nil {
		err = ended
	}
	return err
}

// referred returns the objects that lookups of the closed parts may refer to.
func (c *capture) referred() map[string]bool {
	names := map[string]bool{}
	for _, done := range c.closed {
		for _, f := range done.object.References() {
			for _, name := range f.ReferenceTo {
				names[name] = true
			}
		}
	}
	return names
}

// turned is what went and what came back between two snapshots.
type turned struct {
	gone, back       map[string]*roll // by object
	allGone, allBack idSet
}

// turnedSince compares what the snapshot holds so far of the objects with an earlier one.
func turnedSince(ctx context.Context, before, soFar *snapshot.Snapshot, objects map[string]bool) (*turned, error) {
	t := &turned{gone: map[string]*roll{}, back: map[string]*roll{}}
	for _, p := range soFar.Parts() {
		if !objects[p.Object] {
			continue
		}
		for turn, err := range snapshot.Turns(ctx, before, soFar, p.Object) {
			if err != nil {
				return nil, fmt.Errorf("look for deletions of %s: %w", p.Object, err)
			}
			list := t.gone
			if turn.Back {
				list = t.back
			}
			if list[p.Object] == nil {
				list[p.Object] = &roll{}
			}
			list[p.Object].put(turn.ID, markLive)
		}
	}
	t.allGone, t.allBack = newIDSet(t.gone), newIDSet(t.back)
	return t, nil
}

// closingPart is a part some of whose records are read again.
type closingPart struct {
	*part
	done            PartResult
	soFar           *snapshot.Snapshot
	turned          *turned
	emptied, filled []*sf.Field // lookups that may refer to what went, and to what came back
	dangling        map[string]int64
}

// lookups returns the fields of the part that may refer to one of the objects.
func (p *closingPart) lookups(objects map[string]*roll) []*sf.Field {
	var fields []*sf.Field
	for _, f := range p.object.References() {
		if p.has(f.Name) && slices.ContainsFunc(f.ReferenceTo, func(name string) bool { return objects[name] != nil }) {
			fields = append(fields, f)
		}
	}
	return fields
}

// end reads the records again and closes the part for the second time. When that goes wrong, the part
// keeps its earlier content like any other whose reading failed: a watermark that moved on would
// hide from the next run what is missing.
func (p *closingPart) end(ctx context.Context) error {
	err := p.readAgain(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !p.opened() {
		out, err := p.snap.Amend(p.object.Name)
		if err != nil {
			return err
		}
		p.out = out
	}
	p.noteFailure(ctx, err)
	p.retract(p.object.Name)
	return p.fail(p.task, p.part, err)
}

func (p *closingPart) readAgain(ctx context.Context) error {
	again := &roll{}
	if err := p.findEmptied(ctx, again); err != nil {
		return err
	}
	if err := p.findFilled(ctx, again); err != nil {
		return err
	}
	if again.len() == 0 {
		return nil
	}
	p.tell(Event{Object: p.object.Name, Stage: Closing, Rows: p.done.Read, Bytes: p.done.Bytes})
	var err error
	if p.out, err = p.snap.Amend(p.object.Name); err != nil {
		return err
	}
	p.dangling = map[string]int64{}
	if err := p.replace(ctx, again); err != nil {
		return err
	}
	now := p.clock.now(ctx)
	was := p.done.Part
	if now.Before(was.To) {
		now = was.To
	}
	p.out.Observed(was.From, now, was.Watermark)
	part, err := p.out.Close(ctx, was.Expected)
	if err != nil {
		return fmt.Errorf("store %s: %w", p.object.Name, err)
	}
	p.done.Part, p.done.Again = part, p.rows
	p.done.Read, p.done.Bytes = p.done.Read+p.rows, p.done.Bytes+p.bytes
	p.revise(p.done)
	for name, n := range p.dangling {
		p.gap(gap(p.object.Name, name, RuleDangling, "%d records refer by it to records that the org no longer has; "+
			"they were read again, and the org shows nothing else", n))
	}
	return nil
}

// findEmptied collects the records that refer to one that went, from what the snapshot holds.
func (p *closingPart) findEmptied(ctx context.Context, again *roll) error {
	if len(p.emptied) == 0 {
		return nil
	}
	for r, err := range p.soFar.Records(ctx, p.object.Name) {
		if err != nil {
			return fmt.Errorf("look for lookups that dangle: %w", err)
		}
		n := int64(0)
		for _, f := range p.emptied {
			if p.dangles(r, f) {
				n++
			}
		}
		if n > 0 {
			p.dangled.Add(n)
			again.put(r.ID, markLive)
		}
	}
	return nil
}

// dangles reports a lookup of the record that refers to one that went.
func (p *closingPart) dangles(r sf.Record, f *sf.Field) bool {
	return p.turned.allGone.has(r.Get(f.Name).Text())
}

// findFilled collects the held records that, as the org says, refer to one that came back, and that
// are held with another value.
func (p *closingPart) findFilled(ctx context.Context, again *roll) error {
	for _, f := range p.filled {
		found, err := p.referring(ctx, f)
		if err != nil {
			if words, ok := unfiltered(err); ok {
				p.gap(gap(p.object.Name, f.Name, RuleUnfiltered,
					"may lack references to records that came back; the org does not say who refers to them: %s", words))
				continue
			}
			return err
		}
		for r, err := range p.soFar.Lookup(ctx, p.object.Name, found.ids()) {
			if err != nil {
				return fmt.Errorf("look up records that refer to others: %w", err)
			}
			if !p.turned.allBack.has(r.Get(f.Name).Text()) {
				again.put(r.ID, markLive)
			}
		}
	}
	return nil
}

// referring asks the org for the Ids of the records that refer by the field to one that came back.
func (p *closingPart) referring(ctx context.Context, f *sf.Field) (*roll, error) {
	found := &roll{}
	x := sf.Extract{Object: p.object, Field: f.Name, IncludeDeleted: p.archives()}
	for _, name := range f.ReferenceTo {
		back := p.turned.back[name]
		if back == nil {
			continue
		}
		for ids := range chunks(back) {
			x.IDs = ids
			for r, err := range p.src.Records(ctx, x) {
				if err != nil {
					return nil, fmt.Errorf("look for %s by %s: %w", p.object.Name, f.Name, err)
				}
				if len(r.ID) != 18 {
					return nil, problem.Newf(problem.Failed, "the org sent a record with the Id %q", r.ID)
				}
				found.put(r.ID, markLive)
			}
		}
	}
	return found, nil
}

// replace reads the records by Id and stores what the org shows. A record that it does not show is
// left as it is: that it went is for the next run to prove.
func (p *closingPart) replace(ctx context.Context, again *roll) error {
	shown := &roll{}
	x := p.extract()
	x.IncludeDeleted = p.archives()
	for ids := range chunks(again) {
		x.IDs = ids
		for r, err := range p.src.Records(ctx, x) {
			if err != nil {
				return fmt.Errorf("read %s again: %w", p.object.Name, err)
			}
			if isTrue(r, "IsDeleted") {
				continue
			}
			if err := p.take(r); err != nil {
				return err
			}
			shown.put(r.ID, markLive)
			p.countDangling(r)
		}
	}
	left, _, err := compareIDs(again.live(), shown.live())
	if err != nil {
		return err
	}
	for r, err := range p.soFar.Lookup(ctx, p.object.Name, left.ids()) {
		if err != nil {
			return fmt.Errorf("look up records that were not shown again: %w", err)
		}
		p.countDangling(r)
	}
	return nil
}

func (p *closingPart) countDangling(r sf.Record) {
	for _, f := range p.emptied {
		if p.dangles(r, f) {
			p.dangling[f.Name]++
			p.capture.dangling.Add(1)
		}
	}
}
