package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// Least periods of a prune; docs/format/repository.md, "Prune".
const (
	MinGrace = 24 * time.Hour
	MinUndo  = 7 * 24 * time.Hour
)

// Reach calls seen for every object that the roots reach, the roots aside. An error means that not
// everything was seen.
type Reach func(ctx context.Context, roots []Ref, seen func(Ref)) error

// PruneInput says what to give up.
type PruneInput struct {
	Expire  []Ref   // roots that are no longer wanted
	Collect []Class // classes whose objects are there only because a root reaches them, roots too
	Reach   Reach

	Grace  time.Duration // how long an object that nothing reaches stays; at least MinGrace
	Undo   time.Duration // how long a root that expired can be taken back; at least MinUndo
	DryRun bool          // change nothing
}

// PruneResult says what was given up, or would be.
type PruneResult struct {
	Expired   []Ref // roots that expired now
	Dropped   []Ref // roots whose undo window is over
	Condemned Count // objects that nothing reaches, and that wait for the grace period
	Deleted   Count // objects that are deleted
	Retained  Count // objects that the store does not let go of yet
	Kept      Count // objects that a root reaches, or that a session at work has written
	Swept     Count // files that are no objects, left by writers that were cut short
}

// Count is a number of objects and their size.
type Count struct {
	Objects int
	Bytes   int64
}

func (c *Count) add(size int64) {
	c.Objects++
	c.Bytes += size
}

// Prune gives up roots and what no root reaches any more, in steps that are far apart: docs/format,
// "Prune". A damaged or missing object that a root reaches, and a listing that is cut short, end it
// before anything is given up. On a medium that is full it goes on with the room that is held back for it.
func (r *Repository) Prune(ctx context.Context, in PruneInput) (PruneResult, error) {
	if in.Grace < MinGrace || in.Undo < MinUndo {
		return PruneResult{}, problem.Newf(problem.Usage, "prune: the grace period is at least %v and the undo window at least %v", MinGrace, MinUndo)
	}
	if in.DryRun {
		return r.prune(ctx, in)
	}
	var out PruneResult
	err := r.inReserve(ctx, func() (err error) {
		out, err = r.prune(ctx, in)
		return err
	})
	if err == nil {
		r.reserve(ctx, out.Kept.Objects+out.Condemned.Objects)
	}
	return out, err
}

func (r *Repository) prune(ctx context.Context, in PruneInput) (PruneResult, error) {
	c := &collector{repository: r, classes: in.Collect, reach: in.Reach, reached: make(map[Ref]bool), roots: make(map[Ref]bool)}
	p := &pruning{collector: c, in: in, now: seal.Second(r.clock())}
	state, err := r.keys.load(ctx)
	if err != nil {
		return PruneResult{}, err
	}
	next := successor(state)
	if state, err = r.keys.settled(ctx, state, func(state *tableState) error {
		if err := c.look(ctx, state); err != nil {
			return err
		}
		next = successor(state)
		return p.change(ctx, state, next)
	}); err != nil {
		return PruneResult{}, fmt.Errorf("prune: %w", err)
	}
	if in.DryRun {
		p.forecast(next)
		return p.result, nil
	}
	if p.changed {
		s := succession{change: p.change}
		if state, err = r.keys.succeed(ctx, s); err != nil {
			return PruneResult{}, fmt.Errorf("prune: %w", err)
		}
	}
	if err := p.delete(ctx, state); err != nil {
		return p.result, err
	}
	if err := p.sweep(ctx); err != nil {
		return p.result, err
	}
	return p.result, r.keys.sweep(ctx)
}

// sweep removes what writers have left beside the objects, as long ago as the least grace period.
func (p *pruning) sweep(ctx context.Context) error {
	var err error
	p.result.Swept.Objects, p.result.Swept.Bytes, err = blob.Sweep(ctx, p.repository.bucket, p.now.Add(-MinGrace))
	return err
}

// Unexpire takes roots back that expired. Those that are none are left out; the number of those that
// were taken back is returned.
func (r *Repository) Unexpire(ctx context.Context, refs []Ref) (int, error) {
	n := 0
	found := make(map[Ref]bool) // expired when it was first seen: an attempt may succeed and yet end with an error
	err := r.inReserve(ctx, func() error {
		_, err := r.keys.succeed(ctx, succession{change: func(_ context.Context, _ *tableState, next *seal.Table) error {
			n = 0
			for i := range next.Roots {
				root := &next.Roots[i]
				ref := Ref{Class(root.Class), root.ID}
				if !root.Expired.IsZero() && slices.Contains(refs, ref) {
					root.Expired, found[ref] = time.Time{}, true
				}
				if found[ref] {
					n++
				}
			}
			return nil
		}})
		return err
	})
	return n, err
}

// Expired returns the roots of a class that expired and can be taken back, with the time of that.
func (r *Repository) Expired(ctx context.Context, class Class) (map[Ref]time.Time, error) {
	state, err := r.keys.load(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[Ref]time.Time)
	for ref, root := range state.roots {
		if ref.Class == class && !root.Expired.IsZero() {
			out[ref] = root.Expired
		}
	}
	return out, nil
}

// collector finds out what no root reaches.
type collector struct {
	repository *Repository
	classes    []Class
	reach      Reach

	roots   map[Ref]bool  // those that were followed
	reached map[Ref]bool  // what they reach, themselves included
	objects map[Ref]int64 // what is there, by size
}

// look lists what is there, once, and follows the roots. What is put later is not in the listing, and
// so is left alone.
func (c *collector) look(ctx context.Context, state *tableState) error {
	if c.objects != nil {
		return c.follow(ctx, state)
	}
	c.objects = make(map[Ref]int64)
	for _, class := range c.classes {
		for entry, err := range c.repository.List(ctx, class) {
			if err != nil {
				return err
			}
			c.objects[entry.Ref] = entry.Size
		}
	}
	return c.follow(ctx, state)
}

// follow follows the roots of the state that were not followed yet.
func (c *collector) follow(ctx context.Context, state *tableState) error {
	var fresh []Ref
	for ref := range state.roots {
		if !c.roots[ref] {
			fresh = append(fresh, ref)
		}
	}
	err := c.reach(ctx, fresh, func(ref Ref) { c.reached[ref] = true })
	if err != nil {
		return err
	}
	for _, ref := range fresh {
		c.roots[ref], c.reached[ref] = true, true
	}
	return nil
}

type pruning struct {
	*collector
	in      PruneInput
	now     time.Time
	young   map[Ref]bool // whether an unreached object is of a session at work
	changed bool
	result  PruneResult
}

// change makes the next generation of the table.
func (p *pruning) change(ctx context.Context, state *tableState, next *seal.Table) error {
	p.result, p.changed = PruneResult{}, false
	if err := p.follow(ctx, state); err != nil {
		return err
	}
	next.Roots = slices.DeleteFunc(next.Roots, func(root seal.Root) bool {
		over := !root.Expired.IsZero() && p.now.Sub(root.Expired) >= p.in.Undo
		if over {
			p.result.Dropped = append(p.result.Dropped, Ref{Class(root.Class), root.ID})
		}
		return over
	})
	for i := range next.Roots {
		ref := Ref{Class(next.Roots[i].Class), next.Roots[i].ID}
		if next.Roots[i].Expired.IsZero() && slices.Contains(p.in.Expire, ref) {
			next.Roots[i].Expired = p.now
			p.result.Expired = append(p.result.Expired, ref)
		}
	}
	if err := p.condemn(ctx, state, next); err != nil {
		return err
	}
	p.changed = p.changed || len(p.result.Dropped)+len(p.result.Expired) > 0
	return nil
}

// condemn decides on every object that is there.
func (p *pruning) condemn(ctx context.Context, state *tableState, next *seal.Table) error {
	next.Condemned = nil
	over := seal.Gone{Era: next.Era + 1}
	for _, ref := range slices.SortedFunc(maps.Keys(p.objects), compareRefs) {
		size := p.objects[ref]
		if _, gone := state.gone[ref]; gone {
			continue
		}
		since, doomed := state.doomed[ref]
		if p.reached[ref] {
			p.result.Kept.add(size)
			p.changed = p.changed || doomed
			continue
		}
		if !doomed {
			young, err := p.isYoung(ctx, state, ref)
			if err != nil {
				return err
			}
			if young {
				p.result.Kept.add(size)
				continue
			}
			since, p.changed = p.now, true
		}
		if p.now.Sub(since) >= p.in.Grace {
			over.Class, over.ID = string(ref.Class), ref.ID
			next.Gone = append(next.Gone, over)
			p.changed = true
			continue
		}
		p.result.Condemned.add(size)
		next.Condemned = append(next.Condemned, seal.Condemned{Class: string(ref.Class), ID: ref.ID, At: since})
	}
	if n := len(next.Gone); n > 0 && next.Gone[n-1].Era == over.Era {
		next.Era = over.Era
	}
	next.Gone = slices.DeleteFunc(next.Gone, func(g seal.Gone) bool {
		_, there := p.objects[Ref{Class(g.Class), g.ID}]
		return !there && next.Era-g.Era >= keepEras
	})
	return nil
}

// isYoung reports whether the object is of a session that may still be at work.
func (p *pruning) isYoung(ctx context.Context, state *tableState, ref Ref) (bool, error) {
	if young, known := p.young[ref]; known {
		return young, nil
	}
	head, err := p.repository.get(ctx, ref, 0, int64(seal.HeadSize))
	if errors.Is(err, blob.ErrNotFound) {
		return true, nil // its writer has deleted it
	}
	if err != nil {
		return false, err
	}
	h, err := seal.ParseHead(head)
	secret, known := state.secrets[h.Key.Secret()]
	young := err == nil && known && p.now.Sub(secret.At) < p.in.Grace
	if p.young == nil {
		p.young = make(map[Ref]bool)
	}
	p.young[ref] = young
	return young, nil
}

func compareRefs(a, b Ref) int { return strings.Compare(a.Key(), b.Key()) }

// forecast counts what would be deleted.
func (p *pruning) forecast(next *seal.Table) {
	for _, g := range next.Gone {
		if size, there := p.objects[Ref{Class(g.Class), g.ID}]; there {
			p.result.Deleted.add(size)
		}
	}
}

// delete deletes what is gone, in the newest generation.
func (p *pruning) delete(ctx context.Context, state *tableState) error {
	gone, retained, err := p.repository.deleteGone(ctx, state, p.objects)
	p.result.Deleted, p.result.Retained = gone, retained
	return err
}

// deleteGone deletes those of the objects that are gone in the state, whatever becomes of others.
func (r *Repository) deleteGone(ctx context.Context, state *tableState, objects map[Ref]int64) (deleted, retained Count, err error) {
	for _, ref := range slices.SortedFunc(maps.Keys(state.gone), compareRefs) {
		size, there := objects[ref]
		if !there {
			continue
		}
		err := r.bucket.Delete(ctx, ref.Key())
		switch {
		case err == nil:
			deleted.add(size)
		case errors.Is(err, blob.ErrRetained):
			retained.add(size)
		default:
			return deleted, retained, fmt.Errorf("delete %s: %w", ref, err)
		}
	}
	return deleted, retained, nil
}
