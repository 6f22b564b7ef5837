package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// succession says what the next generation changes.
type succession struct {
	change  func(context.Context, *tableState, *seal.Table) error // of a copy of the table; nil changes nothing
	master  *seal.Master                                          // nil is the one before
	destroy bool                                                  // keys go: nothing of earlier generations stays
}

// succeed makes the next generation. Its change is called for each attempt, with what all earlier
// generations have come to; nothing can be added to that any more.
func (k *keyTable) succeed(ctx context.Context, s succession) (*tableState, error) {
	state, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	for range maxAttempts {
		generation := state.table.Generation
		mark := k.dir() + tableDir + tableKey(generation, closedName)
		if err := k.bucket.Put(ctx, mark, []byte(closedText)); err != nil && !errors.Is(err, blob.ErrExist) {
			return nil, fmt.Errorf("close a generation of the key table: %w", err)
		}
		l, err := k.list(ctx)
		if err != nil {
			return nil, err
		}
		if state, err = k.loadFrom(ctx, l, true); err != nil {
			return nil, err
		}
		if state.table.Generation != generation {
			if s.change == nil && s.master == nil {
				return state, nil // somebody else did it
			}
			continue
		}
		next := successor(state)
		if s.change != nil {
			if err := s.change(ctx, state, next); err != nil {
				if state, err = k.overtaken(ctx, generation, err); err != nil {
					return nil, err
				}
				continue
			}
		}
		master := state.master
		if s.master != nil {
			master = s.master
		}
		err = k.put(ctx, master, seal.TableBase, next)
		if errors.Is(err, blob.ErrExist) {
			if state, err = k.load(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		// The name is free again, too, when others have made this generation and later ones, and have
		// taken this one away: then what was put here came too late.
		if l, err = k.list(ctx); err != nil {
			return nil, err
		}
		if newest, _ := l.newest(); newest != next.Generation {
			if state, err = k.loadFrom(ctx, l, false); err != nil {
				return nil, err
			}
			if slices.Contains(state.table.Past, seal.Past{Generation: next.Generation, Name: next.Name}) {
				return state, k.forget(ctx, l, state.table.Generation, s.destroy) // others went on from it
			}
			if err := k.withdraw(ctx, next.Generation, seal.TableBase); err != nil {
				return nil, err
			}
			continue
		}
		state = newState(next, master, false, 0)
		k.mu.Lock()
		k.now = state
		k.mu.Unlock()
		return state, k.forget(ctx, l, next.Generation, s.destroy)
	}
	return nil, contended()
}

// overtaken returns the newest state when the reason for damage that a change met is that others have made
// a later generation meanwhile, and have deleted what they gave up; else it returns the damage.
func (k *keyTable) overtaken(ctx context.Context, generation uint64, damage error) (*tableState, error) {
	if problem.KindOf(damage) != problem.Damaged {
		return nil, damage
	}
	state, err := k.load(ctx)
	if err != nil || state.table.Generation == generation {
		return nil, damage
	}
	return state, nil
}

// settled looks at the state, and at later ones as long as what was looked at is given up by others.
func (k *keyTable) settled(ctx context.Context, state *tableState, look func(*tableState) error) (*tableState, error) {
	for range maxAttempts {
		err := look(state)
		if err == nil {
			return state, nil
		}
		if state, err = k.overtaken(ctx, state.table.Generation, err); err != nil {
			return nil, err
		}
	}
	return nil, contended()
}

// withdraw deletes what came too late: it may hold keys that were destroyed since it was made.
func (k *keyTable) withdraw(ctx context.Context, generation uint64, name string) error {
	for _, dir := range []string{tableDir, mirrorDir} {
		if err := k.bucket.Delete(ctx, k.dir()+dir+tableKey(generation, name)); err != nil {
			return fmt.Errorf("take back what came too late for the key table: %w", err)
		}
	}
	return nil
}

// sweep deletes what is left of earlier generations by whoever was cut short or came too late.
func (k *keyTable) sweep(ctx context.Context) error {
	l, err := k.list(ctx)
	if err != nil {
		return err
	}
	newest, _ := l.newest()
	return k.forget(ctx, l, newest, true)
}

// successor returns the table of the next generation, with nothing changed.
func successor(state *tableState) *seal.Table {
	t := *state.table
	t.Base = true
	t.Past = append(slices.Clone(t.Past), seal.Past{Generation: t.Generation, Name: t.Name})
	t.Past = t.Past[max(0, len(t.Past)-seal.MaxPast):]
	t.Generation++
	t.Name = seal.NewTableName()
	t.Members, t.Secrets, t.Keys = slices.Clone(t.Members), slices.Clone(t.Secrets), slices.Clone(t.Keys)
	t.Roots, t.Condemned, t.Gone = slices.Clone(t.Roots), slices.Clone(t.Condemned), slices.Clone(t.Gone)
	return &t
}

// forget deletes what is left of generations before that one. Unless it must, a failure is of no
// consequence: the next time it is tried again.
func (k *keyTable) forget(ctx context.Context, l listing, before uint64, must bool) error {
	for _, key := range slices.Sorted(maps.Keys(l.tables)) {
		if g, _, ok := parseTableKey(key); !ok || g >= before {
			continue
		}
		for _, place := range l.tables[key] {
			if err := k.bucket.Delete(ctx, place); err != nil {
				if must {
					return fmt.Errorf("destroy keys: %w", err)
				}
				return nil
			}
		}
	}
	return nil
}
