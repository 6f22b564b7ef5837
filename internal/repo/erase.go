package repo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// EraseInput says what to erase.
type EraseInput struct {
	Collect []Class
	Reach   Reach
	// Rewrite puts a root without what is erased, with Put of the view, and returns it; the same root
	// when there is nothing to erase in it. It is asked once for each root, older ones first by its
	// own means.
	Rewrite func(ctx context.Context, view *Repository, roots []Ref) (map[Ref]Ref, error)
}

// EraseResult says what an erasure did.
type EraseResult struct {
	Rewritten int   // roots
	Deleted   Count // objects
	Retained  Count // objects that stay, locked, and that no key opens
}

// Erase replaces roots by others and destroys every key that the new ones do not need: what only the
// old ones reached, and whatever writers have left, can be read by nobody any more, also where it
// cannot be deleted. Writers at work end with an error of kind Conflict.
func (r *Repository) Erase(ctx context.Context, in EraseInput) (EraseResult, error) {
	view, err := r.Begin(ctx)
	if err != nil {
		return EraseResult{}, err
	}
	e := &erasing{
		collector: &collector{repository: view, classes: in.Collect, reach: in.Reach, reached: make(map[Ref]bool), roots: make(map[Ref]bool)},
		rewrite:   in.Rewrite, session: view.session, instead: make(map[Ref]Ref), keys: make(map[Ref]seal.DataKey),
	}
	// Once before the generation is closed, so that little is left to do while writers wait; with what was almost added,
	// because the next generation has it.
	state, err := r.keys.mirrored(ctx)
	if err != nil {
		return EraseResult{}, err
	}
	if _, err := r.keys.settled(ctx, state, func(state *tableState) error {
		return e.change(ctx, state, successor(state))
	}); err != nil {
		return EraseResult{}, fmt.Errorf("erase: %w", err)
	}
	if state, err = r.keys.succeed(ctx, succession{change: e.change, destroy: true}); err != nil {
		return EraseResult{}, fmt.Errorf("erase: %w", err)
	}
	var result EraseResult
	for old, now := range e.instead {
		if old != now {
			result.Rewritten++
		}
	}
	result.Deleted, result.Retained, err = r.deleteGone(ctx, state, e.objects)
	return result, err
}

// EndErasure ends what an erasure that was cut short has left to do: the generation that it made is durable,
// and the keys of earlier ones are destroyed, when it returns.
func (r *Repository) EndErasure(ctx context.Context) error {
	if err := blob.Settle(ctx, r.bucket); err != nil {
		return err
	}
	return r.keys.sweep(ctx)
}

// NoEarlierKeys destroys what there is of earlier generations of the key table, which a writer that stood still during an
// erasure may have put since, and returns an error of kind Damaged when it is there all the same: what was destroyed
// could be read with it.
func (r *Repository) NoEarlierKeys(ctx context.Context) error {
	if err := r.keys.sweep(ctx); err != nil {
		return err
	}
	l, err := r.keys.list(ctx)
	if err != nil {
		return err
	}
	newest, _ := l.newest()
	for _, key := range slices.Sorted(maps.Keys(l.tables)) {
		if g, _, ok := parseTableKey(key); ok && g < newest {
			return problem.Newf(problem.Damaged, "%s is still there, of an earlier generation of the keys", l.tables[key][0]).
				Hint("run the same erasure again: it destroys what is left of earlier keys")
		}
	}
	return nil
}

type erasing struct {
	*collector
	rewrite func(context.Context, *Repository, []Ref) (map[Ref]Ref, error)
	session *session // in which the new roots are written
	instead map[Ref]Ref
	keys    map[Ref]seal.DataKey // of what the new roots reach
}

// change makes the next generation: the new roots, and keys of what they reach.
func (e *erasing) change(ctx context.Context, state *tableState, next *seal.Table) error {
	if err := e.session.allows(state, nil); err != nil {
		return err // another erasure was faster: nobody can read what this one wrote
	}
	var fresh []Ref
	for ref := range state.roots {
		if _, known := e.instead[ref]; !known {
			fresh = append(fresh, ref)
		}
	}
	slices.SortFunc(fresh, compareRefs)
	if len(fresh) > 0 {
		instead, err := e.rewrite(ctx, e.repository, fresh)
		if err != nil {
			return err
		}
		maps.Copy(e.instead, instead)
	}
	if err := e.newRoots(ctx, state, next); err != nil {
		return err
	}
	if err := e.look(ctx, newState(next, state.master, false, 0)); err != nil {
		return err
	}
	next.Secrets = slices.DeleteFunc(next.Secrets, func(s seal.Secret) bool { return !s.Lasting })
	next.Keys, next.Condemned = nil, nil
	for _, key := range e.keys {
		next.Keys = append(next.Keys, key)
	}
	next.Era++
	over := maps.Clone(e.objects)
	for old := range e.instead { // also those that came after the listing
		over[old] = 0
	}
	for _, ref := range slices.SortedFunc(maps.Keys(over), compareRefs) {
		if _, gone := state.gone[ref]; !gone && !e.reached[ref] {
			next.Gone = append(next.Gone, seal.Gone{Era: next.Era, Class: string(ref.Class), ID: ref.ID})
		}
	}
	return nil
}

// newRoots puts the new roots in the place of the old ones, and collects the keys of what they reach.
func (e *erasing) newRoots(ctx context.Context, state *tableState, next *seal.Table) error {
	need := make(map[Ref]bool)
	for i := range next.Roots {
		root := &next.Roots[i]
		now, found := e.instead[Ref{Class(root.Class), root.ID}]
		if !found {
			return fmt.Errorf("%s: nothing takes the place of the root", Ref{Class(root.Class), root.ID})
		}
		if err := e.session.allows(state, []Ref{now}); err != nil {
			return err // pruned, because the erasure stood still for so long
		}
		if now.ID != root.ID {
			key, err := e.keyOf(ctx, now)
			if err != nil {
				return err
			}
			root.ID, root.Data = now.ID, key
		}
		need[now] = true
	}
	// Roots that have become one: what was wanted of any of them is wanted.
	slices.SortStableFunc(next.Roots, func(a, b seal.Root) int { return a.Expired.Compare(b.Expired) })
	seen := make(map[Ref]bool, len(next.Roots))
	next.Roots = slices.DeleteFunc(next.Roots, func(root seal.Root) bool {
		ref := Ref{Class(root.Class), root.ID}
		twice := seen[ref]
		seen[ref] = true
		return twice
	})
	roots := slices.SortedFunc(maps.Keys(need), compareRefs)
	if err := e.reach(ctx, roots, func(ref Ref) { need[ref] = true }); err != nil {
		return err
	}
	if err := e.session.allows(state, slices.Collect(maps.Keys(need))); err != nil {
		return err
	}
	maps.DeleteFunc(e.keys, func(ref Ref, _ seal.DataKey) bool { return !need[ref] })
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(parallelHeads)
	var mu sync.Mutex
	maps.DeleteFunc(need, func(ref Ref, _ bool) bool { _, known := e.keys[ref]; return known })
	for ref := range need {
		g.Go(func() error {
			key, err := e.keyOf(within, ref)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				e.keys[ref] = key
			}
			return err
		})
	}
	return g.Wait()
}

// parallelHeads is how many heads of objects are read at once: each is some hundred bytes, and waits
// for the store most of the time.
const parallelHeads = 16

// keyOf returns the data key of an object that is there.
func (e *erasing) keyOf(ctx context.Context, ref Ref) (seal.DataKey, error) {
	head, err := e.repository.get(ctx, ref, 0, int64(seal.HeadSize))
	if err != nil {
		return seal.DataKey{}, err
	}
	_, key, err := e.repository.dataKey(ctx, ref, head)
	return key, err
}
