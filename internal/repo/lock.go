package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
)

// parallelLocks is how many locks are asked for or about at once: each waits for the store.
const parallelLocks = 16

// Base is a root from which another takes objects over. Where the medium locks what is put, their locks
// need not be looked at as long as that of the base tells enough: docs/format/repository.md, "Locks".
type Base struct {
	Root    Ref
	Carried map[Ref]bool // what the base reaches, as far as the new root reaches it, too
}

// fresh notes that this view put the object, which is locked as of that time.
func (r *Repository) fresh(ref Ref, at time.Time) {
	l, locks := blob.AsLocker(r.bucket)
	if !locks {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if until := l.LocksUntil(at); r.locked == nil || !until.Equal(r.lockedUntil) {
		r.locked, r.lockedUntil = make(map[Ref]bool), until
	}
	r.locked[ref] = true
}

// lock locks all of refs for as long as a put does now, where the medium locks what is put. It asks for nothing
// that it knows to be locked for so long: what this view put, and what a base that was committed in the same period
// has reached.
func (r *Repository) lock(ctx context.Context, refs []Ref, base Base) error {
	l, locks := blob.AsLocker(r.bucket)
	if !locks {
		return nil
	}
	until := l.LocksUntil(r.clock())
	state, err := r.keys.current(ctx)
	if err != nil {
		return err
	}
	vouched := false
	if len(base.Carried) > 0 {
		if vouched, err = state.vouches(ctx, l, base.Root, until); err != nil {
			return err
		}
	}
	r.mu.Lock()
	need := slices.DeleteFunc(slices.Clone(refs), func(ref Ref) bool {
		return vouched && base.Carried[ref] || r.locked[ref] && !r.lockedUntil.Before(until)
	})
	r.mu.Unlock()
	return retain(ctx, l, need, until)
}

// vouches reports whether everything that the root reaches is locked until that time: its session began in the period
// of which that is the end, by the sealed account of the key table, and its own object is locked for as long. The lock
// alone would not do: whoever may lock objects could lock that one, to have the others forgotten.
func (s *tableState) vouches(ctx context.Context, l blob.Locker, root Ref, until time.Time) (bool, error) {
	if began, known := s.began(root); !known || !l.LocksUntil(began).Equal(until) {
		return false, nil
	}
	end, err := l.LockedUntil(ctx, root.Key())
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil && !end.Before(until), err
}

// began returns when the session that wrote the root began. It is known until an erasure destroys its secret.
func (s *tableState) began(root Ref) (time.Time, bool) {
	is, found := s.roots[root]
	secret, known := s.secrets[is.Data.ID.Secret()]
	return secret.At, found && known
}

// retain locks the objects until that time at least.
func retain(ctx context.Context, l blob.Locker, refs []Ref, until time.Time) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(parallelLocks)
	for _, ref := range refs {
		if within.Err() != nil {
			break
		}
		g.Go(func() error {
			err := l.Retain(within, ref.Key(), until)
			if errors.Is(err, blob.ErrNotFound) {
				return damaged(ref.Key(), "it is missing: %w", err)
			}
			return err
		})
	}
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return fmt.Errorf("lock what is relied on: %w", err)
	}
	return nil
}

// Promised returns until when everything that the root reaches must be locked: what a medium that locks was
// asked for when the root was committed. It is the zero time when that is over, or not known: after an erasure, and
// where nothing was locked then.
func (r *Repository) Promised(ctx context.Context, root Ref) (time.Time, error) {
	l, locks := blob.AsLocker(r.bucket)
	if !locks {
		return time.Time{}, nil
	}
	state, err := r.keys.current(ctx)
	if err != nil {
		return time.Time{}, err
	}
	began, known := state.began(root)
	if !known || !l.LocksUntil(began).After(r.clock()) {
		return time.Time{}, nil
	}
	own, err := l.LockedUntil(ctx, root.Key())
	if errors.Is(err, blob.ErrNotFound) {
		return time.Time{}, nil // found by whoever reads it
	}
	if until := l.LocksUntil(began); until.Before(own) {
		return until, err // somebody locked it for longer, which promises nothing of others
	}
	return own, err // what locked it was asked for less then
}

// Unlocked returns those of the objects whose lock ends before the time that is given for each, sorted. What is
// missing is not among them.
func (r *Repository) Unlocked(ctx context.Context, promised map[Ref]time.Time) ([]Ref, error) {
	l, locks := blob.AsLocker(r.bucket)
	if !locks {
		return nil, nil
	}
	refs := slices.SortedFunc(maps.Keys(promised), compareRefs)
	early := make([]bool, len(refs))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(parallelLocks)
	for i, ref := range refs {
		g.Go(func() error {
			end, err := l.LockedUntil(within, ref.Key())
			if errors.Is(err, blob.ErrNotFound) {
				return nil
			}
			early[i] = end.Before(promised[ref])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("look at locks: %w", err)
	}
	var out []Ref
	for i, ref := range refs {
		if early[i] {
			out = append(out, ref)
		}
	}
	return out, nil
}

// lockThere locks in the copy what roots reach that it did not have before, for as long as a put does now.
func (c *copying) lockThere(ctx context.Context) error {
	l, locks := blob.AsLocker(c.to)
	if !locks {
		return nil
	}
	until := l.LocksUntil(c.clock())
	known := until.Equal(c.lockUntil)    // else a period has ended meanwhile
	for _, f := range c.result.Missing { // there are some only where the copy may lack them
		if ref, ok := ParseKey(f.Key); ok {
			delete(c.locks, ref)
		}
	}
	var need []Ref
	for _, ref := range slices.SortedFunc(maps.Keys(c.locks), compareRefs) {
		if !known || !c.vouched[ref] && !c.put[ref] {
			need = append(need, ref)
		}
	}
	return retain(ctx, l, need, until)
}

// sorts says of a root how the locks of what it reaches are known: the root is new in the copy, or it vouches.
func (c *copying) sorts(ctx context.Context, state, seen *tableState, root Ref) (isNew, vouches bool, err error) {
	l, locks := blob.AsLocker(c.to)
	if !locks {
		return false, false, nil
	}
	if seen != nil {
		if _, old := seen.roots[root]; old {
			vouches, err = state.vouches(ctx, l, root, c.lockUntil)
			return false, vouches, err
		}
	}
	return true, false, nil
}
