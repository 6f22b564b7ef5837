package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Some objects are queried only by what their records belong to: links of files, items of folders, votes.
// They are read when those others are, by their Ids.

// wantsParents returns the reference field by whose values the org wants an object to be asked for, or nil.
// The org names the fields in its refusal; of several the one that leads to fewest objects is taken.
// Source: Object Reference, ContentDocumentLink, ContentFolderItem, Vote; that the refusal names the fields
// is from public replies (unverified).
func wantsParents(o *sf.Object, cause error) *sf.Field {
	code, words := answer(cause)
	if code != "MALFORMED_QUERY" || !strings.Contains(strings.ToLower(words), "filter") {
		return nil
	}
	var best *sf.Field
	for _, f := range o.References() {
		named := slices.Contains(strings.FieldsFunc(words, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
		}), f.Name)
		if named && len(f.ReferenceTo) > 0 && (best == nil || len(f.ReferenceTo) < len(best.ReferenceTo)) {
			best = f
		}
	}
	return best
}

// postpone puts a part off until what its records belong to is read, and reports whether that is of use.
func (c *capture) postpone(p *part, cause error) bool {
	if p.by = wantsParents(p.object, cause); p.by == nil || p.rows > 0 || p.opened() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = append(c.late, p)
	return true
}

// readLate reads the parts that were put off: first those that belong to none of the others.
func (c *capture) readLate(ctx context.Context) error {
	for len(c.late) > 0 {
		waits := func(p *part) bool {
			return slices.ContainsFunc(c.late, func(q *part) bool { return q != p && slices.Contains(p.by.ReferenceTo, q.object.Name) })
		}
		ready := slices.DeleteFunc(slices.Clone(c.late), waits)
		if len(ready) == 0 {
			ready = c.late // they wait for one another
		}
		rest := slices.DeleteFunc(slices.Clone(c.late), func(p *part) bool { return slices.Contains(ready, p) })
		if err := c.readTogether(ctx, ready); err != nil {
			return err
		}
		c.late = rest
	}
	return nil
}

// readTogether reads parts that were put off.
func (c *capture) readTogether(ctx context.Context, ready []*part) error {
	soFar, err := c.snap.SoFar()
	if err != nil {
		return err
	}
	workers, reading := errgroup.WithContext(ctx)
	workers.SetLimit(c.opts.parallel())
	var observed []*part
	for _, p := range ready {
		workers.Go(func() error {
			p.from = c.clock.latest()
			p.reread, p.why = true, "it is read by what its records belong to"
			if err := p.readByParents(reading, soFar); err != nil {
				return c.failed(reading, p, err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			observed = append(observed, p)
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	return c.closeAll(ctx, observed)
}

// readByParents reads the records that belong to those that the snapshot holds.
func (p *part) readByParents(ctx context.Context, soFar *snapshot.Snapshot) error {
	p.heldArchived, p.counted = -1, uncounted
	for _, name := range p.by.ReferenceTo {
		o := p.schema.Object(name)
		if o == nil || !o.Queryable {
			continue // nobody can be asked for what belongs to it
		}
		parents, found := soFar.Part(name)
		if !found {
			p.gap(gap(p.object.Name, p.by.Name, RuleUnfiltered, "records that belong to %s are not held: it is not held itself", name))
			continue
		}
		if parents.State != snapshot.Whole || parents.Stale {
			return problem.Newf(problem.Failed, "%s is read by the Ids of %s, which was not captured", p.object.Name, name).
				Hint("run the backup again")
		}
		var ids roll
		for r, err := range soFar.Records(ctx, name) {
			if err != nil {
				return fmt.Errorf("read the Ids of %s: %w", name, err)
			}
			ids.put(r.ID, markLive)
		}
		x := p.extract()
		x.Field = p.by.Name
		for batch := range chunks(&ids) {
			x.IDs = batch
			if err := p.takeAll(ctx, x); err != nil {
				return err
			}
		}
	}
	p.gap(gap(p.object.Name, "", RuleUncounted, "it is read by what its records belong to (%s), and the org does not count it", p.by.Name))
	if p.previous != nil {
		return p.buryUnseen(ctx)
	}
	return nil
}
