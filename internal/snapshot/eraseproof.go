package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// prove opens every object that can be opened, and looks for versions of the records in those that hold rows, and
// for their bodies where those were and where what lay beside them is now: in the frames that are unwanted.
func (s *Store) prove(ctx context.Context, e *eraser, unwanted map[seal.ID][]int, out *Erased) error {
	if err := s.repository.NoEarlierKeys(ctx); err != nil {
		return fmt.Errorf("look for what was erased: %w", err)
	}
	contents, err := s.repository.Contents(ctx)
	if err != nil {
		return err
	}
	for ref := range contents.Objects {
		o, err := s.repository.Open(ctx, ref)
		switch {
		case errors.Is(err, repo.ErrNoKey):
			out.Unreadable++
			continue
		case errors.Is(err, repo.ErrMissing):
			continue
		case err != nil:
			return fmt.Errorf("look for what was erased: %w", err)
		}
		out.Read++
		var found bool
		switch ref.Class {
		case classSegment, classSpill:
			found, err = e.holds(ctx, o)
		case classBody:
			found, err = holdsAny(ctx, o, unwanted[ref.ID])
		}
		if err != nil {
			return fmt.Errorf("look for what was erased: %w", err)
		}
		if found {
			return problem.Newf(problem.Damaged, "%s still holds a version of a record that was to be erased", ref).
				Hint("a backup may have read it from the org again meanwhile: delete it there, and erase it once more")
		}
	}
	return nil
}

// holds reports whether a segment has a version of a record.
func (e *eraser) holds(ctx context.Context, o *repo.Object) (bool, error) {
	head, err := o.Frame(ctx, 0)
	if err != nil {
		return false, err
	}
	s := &segment{object: o}
	if s.shape, s.index, _, err = decodeIndex(head); err != nil {
		return false, damaged(o.Ref(), err)
	}
	var f frame
	for i, info := range s.index {
		at, _ := slices.BinarySearchFunc(e.ids, info.first, key.compare)
		if at == len(e.ids) || e.ids[at].compare(info.last) > 0 {
			continue
		}
		if err := s.load(ctx, i, &f); err != nil {
			return false, err
		}
		for _, id := range f.ids {
			if e.has(id) {
				return true, nil
			}
		}
	}
	return false, nil
}

// unwanted returns the frames that no row may need any more, by object: of each that holds bodies of erased rows, and
// the same ones of what has taken its place.
func (b *bodyErasing) unwanted() map[seal.ID][]int {
	all := make(map[seal.ID][]int)
	for id, frames := range b.tainted {
		for frame := range frames {
			if b.needed[id][frame] {
				continue // others have the same contents
			}
			all[id] = append(all[id], frame)
			if now, found := b.moved[id]; found && now != id {
				all[now] = append(all[now], frame)
			}
		}
	}
	return all
}

// holdsAny reports whether one of the frames of an object of bodies is not blank.
func holdsAny(ctx context.Context, o *repo.Object, frames []int) (bool, error) {
	for _, n := range frames {
		frame, err := o.Frame(ctx, n)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(frame, blank) {
			return true, nil
		}
	}
	return false, nil
}
