package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// bodyErasing is what becomes of bodies when rows that refer to them are erased. Small bodies share an object,
// and with it a key: an object that others need is written again without the frames that nobody needs any
// more, and the rows that refer to it are written again, too.
type bodyErasing struct {
	settled  bool                     // whether moved is known
	tainted  map[seal.ID]map[int]bool // frames that erased rows refer to, by object
	needed   map[seal.ID]map[int]bool // of tainted objects, frames that other rows refer to
	carriers map[seal.ID]bool         // segments with rows that refer to tainted objects
	moved    map[seal.ID]seal.ID      // what takes the place of an object
}

// blank is the frame that takes the place of one that is erased: one byte that nobody refers to.
var blank = []byte{codecPlain, 0}

// settle finds out which objects of bodies have to be written again, and writes them.
func (e *eraser) settle(ctx context.Context, s *Store, roots []Info) error {
	known := e.bodies.settled
	before := len(e.bodies.tainted)
	if err := e.eachBodyRow(ctx, s, roots, func(_ segmentRef, erased bool, p piece) {
		if erased {
			mark(e.bodies.tainted, p)
		}
	}); err != nil {
		return err
	}
	if known && len(e.bodies.tainted) != before {
		return e.overtaken()
	}
	lost := false
	if err := e.eachBodyRow(ctx, s, roots, func(in segmentRef, erased bool, p piece) {
		if erased || e.bodies.tainted[p.id] == nil {
			return
		}
		e.bodies.carriers[in.id] = true
		lost = lost || known && !e.bodies.needed[p.id][p.frame]
		mark(e.bodies.needed, p)
	}); err != nil {
		return err
	}
	if lost {
		return e.overtaken()
	}
	if known {
		return nil
	}
	e.bodies.settled = true
	for _, id := range slices.SortedFunc(maps.Keys(e.bodies.needed), func(a, b seal.ID) int { return bytes.Compare(a[:], b[:]) }) {
		if err := e.move(ctx, s, id); err != nil {
			return err
		}
	}
	return nil
}

func mark(all map[seal.ID]map[int]bool, p piece) {
	if all[p.id] == nil {
		all[p.id] = make(map[int]bool)
	}
	all[p.id][p.frame] = true
}

func (e *eraser) overtaken() error {
	return problem.New(problem.Conflict, "a backup has stored files beside those that are erased").Hint("run the same command again")
}

// move writes an object of bodies without the frames that only erased rows refer to.
func (e *eraser) move(ctx context.Context, s *Store, id seal.ID) error {
	shared := true
	for frame := range e.bodies.tainted[id] {
		shared = shared && e.bodies.needed[id][frame]
	}
	if shared {
		return nil // others have the same contents
	}
	ref := repo.Ref{Class: classBody, ID: id}
	frames, err := s.repository.Verify(ctx, ref, false)
	if err != nil {
		return fmt.Errorf("files beside those that are erased: %w", err)
	}
	for i := range frames {
		if !e.bodies.needed[id][i] {
			frames[i] = blank
		}
	}
	stored, err := s.repository.Put(ctx, classBody, frames)
	e.bodies.moved[id] = stored.Ref.ID
	return err
}

// eachBodyRow calls fn with every piece of a body that a row of the snapshots refers to, with the segment of the
// row and whether that is erased; the rows of one segment once.
func (e *eraser) eachBodyRow(ctx context.Context, s *Store, roots []Info, fn func(in segmentRef, erased bool, p piece)) error {
	seen := make(map[seal.ID]bool)
	for _, info := range roots {
		m, err := s.loadManifest(ctx, info.ID)
		if err != nil {
			return err
		}
		for _, p := range m.parts {
			for _, ref := range p.bodySegments() {
				if seen[ref.id] {
					continue
				}
				seen[ref.id] = true
				err := eachVersion(ctx, s.repository, p, ref, func(r sf.Record, id key) error {
					return eachPiece(p.holders, r, func(piece piece) { fn(ref, e.has(id), piece) })
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// eachVersion calls fn with every record version of a segment.
func eachVersion(ctx context.Context, r *repo.Repository, p manifestPart, ref segmentRef, fn func(r sf.Record, id key) error) error {
	c := newCursor(r, classSegment, p.object, []segmentRef{ref})
	for {
		more, err := c.next(ctx)
		if err != nil || !more {
			return err
		}
		if c.gone() {
			continue
		}
		if err := fn(c.record(), c.id()); err != nil {
			return damagedUnless(err, ref)
		}
	}
}

func damagedUnless(err error, ref segmentRef) error {
	if problem.KindOf(err) == problem.Damaged {
		return err
	}
	return damaged(ref.ref(classSegment), err)
}

// eachPiece calls fn with the pieces of every body that the record refers to.
func eachPiece(holders bodyFields, r sf.Record, fn func(piece)) error {
	for v := range holders.of(r) {
		if !v.IsText() {
			continue
		}
		b, err := ParseBody(v.Text())
		if err != nil {
			return err
		}
		for _, p := range b.pieces {
			fn(p)
		}
	}
	return nil
}

// redirected returns the record with references to where its bodies are now, and whether any is elsewhere.
func (e *eraser) redirected(holders bodyFields, r sf.Record) (sf.Record, bool, error) {
	changed := false
	for _, i := range holders.places(r.Shape) {
		if !r.Values[i].IsText() {
			continue
		}
		b, err := ParseBody(r.Values[i].Text())
		if err != nil {
			return r, false, err
		}
		elsewhere := false
		for n := range b.pieces {
			if now, found := e.bodies.moved[b.pieces[n].id]; found {
				b.pieces[n].id, elsewhere = now, true
			}
		}
		if !elsewhere {
			continue
		}
		if !changed {
			r.Values = slices.Clone(r.Values)
		}
		r.Values[i], changed = sf.Text(b.Text()), true
	}
	return r, changed, nil
}

// carriedRow is a row whose references change: what it adds to a digest before and afterwards.
type carriedRow struct{ before, after state.Hash }

// carry notes the rows of a layer whose references change, forgets those of lower layers that it hides, and
// returns the segments that are to be written again.
func (e *eraser) carry(ctx context.Context, r *repo.Repository, p *manifestPart, l layer, carried map[key]carriedRow) (map[seal.ID]bool, error) {
	hit := make(map[seal.ID]bool)
	if len(p.holders) == 0 || len(e.bodies.moved) == 0 {
		return hit, nil
	}
	in := newCursor(r, classSegment, p.object, l.segments)
	for _, id := range slices.SortedFunc(maps.Keys(carried), key.compare) {
		hidden, err := in.seek(ctx, id)
		if err != nil {
			return nil, err
		}
		if hidden {
			delete(carried, id)
		}
	}
	var hasher state.Hasher
	for _, ref := range l.segments {
		if !e.bodies.carriers[ref.id] {
			continue
		}
		err := eachVersion(ctx, r, *p, ref, func(rec sf.Record, id key) error {
			if e.has(id) {
				return nil
			}
			now, changed, err := e.redirected(p.holders, rec)
			if changed {
				hit[ref.id] = true
				carried[id] = carriedRow{hasher.Hash(rec), hasher.Hash(now)}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return hit, nil
}
