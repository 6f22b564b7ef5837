package snapshot

import (
	"context"
	"iter"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Diff yields the changes that lead from a to b, by ascending Id. It reads the layers that lead from
// one to the other, and of the rest the frames in which one of their Ids may lie: the cost follows
// the change, not the state. Where no layers lead from one to the other, as between two full backups,
// it reads both states, side by side. An object that a snapshot does not name is empty there; one that
// is absent is an error of kind NotFound, because nobody knows what it was.
//
// A sequence that is read to its end without error leads from the digest that a states to that of b.
func Diff(ctx context.Context, a, b *Snapshot, object string) iter.Seq2[state.Change, error] {
	return func(yield func(state.Change, error) bool) {
		before, err := a.named(object)
		if err != nil {
			yield(state.Change{}, err)
			return
		}
		after, err := b.named(object)
		if err != nil {
			yield(state.Change{}, err)
			return
		}
		digest, stopped := before.digest(), false
		counted := func(change state.Change, err error) bool {
			digest = digest.Advance(change)
			stopped = !yield(change, err)
			return !stopped
		}
		if before.digest() != after.digest() || before.records() != after.records() {
			err = diff(ctx, a, b, before, after, counted)
		}
		switch {
		case stopped:
		case err != nil:
			yield(state.Change{}, b.within(object, err))
		case digest != after.digest():
			yield(state.Change{}, b.within(object, problem.Newf(problem.Damaged,
				"the changes since snapshot %s lead to digest %s, the manifest states %s", a.Info().Short(), digest, after.digest()).
				Hint("run `holdfast verify` to find the damage")))
		}
	}
}

// diff calls yield with the changes. It returns nil when yield asked to stop.
func diff(ctx context.Context, a, b *Snapshot, before, after manifestPart, yield func(state.Change, error) bool) error {
	way, err := wayBetween(ctx, a, b, before, after, manifestCost)
	if err != nil {
		return err
	}
	if way == nil {
		return a.beside(ctx, b, before, after, yield)
	}
	ids := candidates(ctx, a.store, before.object, way)
	for change, err := range state.Diff(a.some(ctx, before, ids), b.some(ctx, after, ids)) {
		if err != nil {
			return err
		}
		if !yield(change, nil) {
			return nil
		}
	}
	return nil
}

// named is whole for Diff: a part that the snapshot does not name is empty.
func (sn *Snapshot) named(object string) (manifestPart, error) {
	if _, found := sn.find(object); !found {
		return manifestPart{object: object, state: Whole}, nil
	}
	return sn.whole(object)
}

func (sn *Snapshot) some(ctx context.Context, part manifestPart, ids iter.Seq2[key, error]) state.Records {
	return func(yield func(sf.Record, error) bool) {
		if err := sn.lookup(ctx, part, ids, yield); err != nil {
			yield(sf.Record{}, err)
		}
	}
}

// candidates yields the Ids of all rows of the layers: whatever differs is among them.
func candidates(ctx context.Context, s *Store, object string, layers ...[]layer) iter.Seq2[key, error] {
	return func(yield func(key, error) bool) {
		m := newMerged(stack(s.repository, object, slices.Concat(layers...))...)
		for {
			more, err := m.next(ctx)
			if err != nil {
				yield(key{}, err)
				return
			}
			if !more || !yield(m.at.id(), nil) {
				return
			}
		}
	}
}

// beside reads both states whole, and compares rows without making records of those that are the
// same. It checks the digest of a; that the changes lead to that of b is for the caller.
func (sn *Snapshot) beside(ctx context.Context, b *Snapshot, before, after manifestPart, yield func(state.Change, error) bool) error {
	left := living{merged: newMerged(stack(sn.store.repository, before.object, before.layers)...).readAhead()}
	defer left.end()
	right := living{merged: newMerged(stack(b.store.repository, after.object, after.layers)...).readAhead()}
	defer right.end()
	var hasher state.Hasher
	var digest state.Digest
	var n int64
	if err := step(ctx, 0, &left, &right); err != nil {
		return err
	}
	for left.at != nil || right.at != nil {
		var old, now sf.Record
		side := compareSides(left.at, right.at)
		if side <= 0 {
			n++
		}
		if side <= 0 {
			digest = digest.Add(left.at.hash(&hasher))
		}
		if side != 0 || !left.at.same(right.at) {
			if side <= 0 {
				old = left.at.record()
			}
			if side >= 0 {
				now = right.at.record()
			}
			if change, differs := state.Between(old, now); differs && !yield(change, nil) {
				return nil
			}
		}
		if err := step(ctx, side, &left, &right); err != nil {
			return err
		}
	}
	if digest != before.digest() || n != before.records() {
		return wrongDigest(before.object, digest, n, layer{after: before.digest(), records: before.records()})
	}
	return nil
}

// living walks the rows of a state that are records; at is nil at its end.
type living struct{ *merged }

func (l *living) next(ctx context.Context) error {
	for {
		more, err := l.merged.next(ctx)
		if err != nil || !more || !l.at.gone() {
			return err
		}
	}
}

// compareSides returns 0 when both are at one Id, and -1 or 1 when the left or the right is at the lower
// one.
func compareSides(left, right *cursor) int {
	switch {
	case left == nil:
		return 1
	case right == nil:
		return -1
	}
	return left.id().compare(right.id())
}

// step moves on the side that was at the lower Id, or both.
func step(ctx context.Context, side int, left, right *living) error {
	if side <= 0 {
		if err := left.next(ctx); err != nil {
			return err
		}
	}
	if side >= 0 {
		return right.next(ctx)
	}
	return nil
}
