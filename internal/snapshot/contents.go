package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

// frameSum is what the contents of one frame of an object of bodies are.
type frameSum struct {
	size int
	sum  [sha256.Size]byte
}

// body decodes an object of bodies. The SHA-256 of its frames is kept for those that refer to them: a small
// body is one frame, so that it need not be read again.
func (v *verifier) body(ref repo.Ref, frames [][]byte) error {
	sums := make([]frameSum, len(frames))
	for i, frame := range frames {
		contents, err := unpackPiece(frame)
		if err != nil {
			return damaged(ref, fmt.Errorf("frame %d: %w", i, err))
		}
		sums[i] = frameSum{len(contents), sha256.Sum256(contents)}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.frames[ref] = sums
	return nil
}

// eachBody calls fn with every body that the rows of snapshots refer to, as far as they can be read; those of
// one segment once.
func (v *verifier) eachBody(ctx context.Context, only string, fn func(b Body, object string)) error {
	r := newReach(v.store.repository)
	return v.eachManifest(ctx, only, func(m *manifest) error {
		for _, p := range m.parts {
			for _, s := range p.bodySegments() {
				ref := s.ref(classSegment)
				if v.isBroken(ref) {
					continue
				}
				err := r.segment(ctx, p, s, func(b Body) { fn(b, p.object) })
				if err := v.tell(err, ref, p.object); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// eachManifest calls fn with the manifests that could be read; what has become unreadable since is noted.
func (v *verifier) eachManifest(ctx context.Context, only string, fn func(m *manifest) error) error {
	for n, id := range v.snaps {
		if only != "" && id != only || !v.legible[n] {
			continue
		}
		m := v.kept[id]
		if m == nil {
			var err error
			if m, err = v.store.loadManifest(ctx, id); err != nil {
				if err := v.tell(err, snapshotRef(id), ""); err != nil {
					return err
				}
				continue
			}
		}
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

// largeBodies reads every body of several pieces whole. Its objects need not be read again by themselves.
func (v *verifier) largeBodies(ctx context.Context, only string, parallel int) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	begun := make(map[string]bool)
	err := v.eachBody(within, only, func(b Body, object string) {
		if len(b.pieces) < 2 || begun[b.Text()] || !v.opts.inPart(b.Sum) {
			return
		}
		begun[b.Text()] = true
		g.Go(func() error { return v.large(within, b, object) })
	})
	return errors.Join(g.Wait(), err)
}

// large reads every piece of a body, recomputes the Ids of their objects, and the SHA-256 of the whole. It ends
// with the first piece that is damaged.
func (v *verifier) large(ctx context.Context, b Body, object string) error {
	hash := sha256.New()
	for _, p := range b.pieces {
		ref := p.ref()
		contents, err := v.largePiece(ctx, p)
		if err != nil {
			return v.tell(err, ref, object)
		}
		hash.Write(contents)
	}
	if [sha256.Size]byte(hash.Sum(nil)) == b.Sum {
		return nil
	}
	ref := b.pieces[0].ref()
	return v.tell(damaged(ref, fmt.Errorf("%w: the body that begins with it is not the one of SHA-256 %s", errWire, b.Hex())), ref, object)
}

func (v *verifier) largePiece(ctx context.Context, p piece) ([]byte, error) {
	ref := p.ref()
	frames, err := v.store.repository.Verify(ctx, ref, false)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	_, again := v.frames[ref]
	v.mu.Unlock()
	if err := v.body(ref, frames); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Read += v.contents.Objects[ref]
	if !again && v.opts.inPart(ref.ID) {
		v.step()
	}
	if p.frame >= len(frames) {
		return nil, damaged(ref, fmt.Errorf("%w: frame %d of %d", errWire, p.frame, len(frames)))
	}
	contents, err := unpackPiece(frames[p.frame])
	if err == nil && len(contents) != p.size {
		err = damaged(ref, fmt.Errorf("%w: a piece of %d bytes, want %d", errWire, len(contents), p.size))
	}
	return contents, err
}

// tell is note, in any goroutine, for what may have been found before.
func (v *verifier) tell(err error, ref repo.Ref, object string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if problem.KindOf(err) == problem.Damaged && v.broken(ref) {
		return nil
	}
	return v.note(err, ref, object)
}

func (v *verifier) isBroken(ref repo.Ref) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.broken(ref)
}

// isRead reports whether an object of bodies was read and is as it should be.
func (v *verifier) isRead(ref repo.Ref) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.frames[ref] != nil
}

// smallBodies holds the bodies of one piece to what the frames of their objects were found to be.
func (v *verifier) smallBodies(ctx context.Context, only string) error {
	return v.eachBody(ctx, only, func(b Body, object string) {
		if len(b.pieces) != 1 || !v.opts.inPart(b.pieces[0].id) {
			return
		}
		at := b.pieces[0]
		frames := v.frames[at.ref()]
		if at.frame >= len(frames) || frames[at.frame] != (frameSum{at.size, b.Sum}) {
			err := damaged(at.ref(), fmt.Errorf("%w: frame %d is not the body of SHA-256 %s", errWire, at.frame, b.Hex()))
			_ = v.tell(err, at.ref(), object) // of kind Damaged: nothing is passed on
		}
	})
}

// tallies holds the tally of every part to its rows. States that several snapshots share are added up once.
func (v *verifier) tallies(ctx context.Context, only string) error {
	known := make(map[[sha256.Size]byte]Tally)
	return v.eachManifest(ctx, only, func(m *manifest) error {
		for _, p := range m.parts {
			if len(p.holders) == 0 || slices.ContainsFunc(p.bodySegments(), func(s segmentRef) bool { return v.broken(s.ref(classSegment)) }) {
				continue
			}
			place := sha256.New()
			for _, s := range p.bodySegments() {
				place.Write(s.id[:])
			}
			at := [sha256.Size]byte(place.Sum(nil))
			if !v.opts.inPart(at) {
				continue
			}
			got, seen := known[at]
			if !seen {
				var err error
				if got, err = tallyOf(ctx, v.store.repository, p); err != nil {
					if err := v.tell(err, snapshotRef(m.info.ID), p.object); err != nil {
						return err
					}
					continue
				}
				known[at] = got
			}
			if got != p.tally {
				ref := snapshotRef(m.info.ID)
				if err := v.note(damaged(ref, fmt.Errorf("%w: %s: bodies add up to %+v, it states %+v", errWire, p.object, got, p.tally)), ref, p.object); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// tallyOf adds up the bodies of a part from its rows.
func tallyOf(ctx context.Context, r *repo.Repository, p manifestPart) (Tally, error) {
	var t Tally
	rows := newMerged(stack(r, p.object, p.layers)...)
	for {
		more, err := rows.next(ctx)
		if err != nil || !more {
			return t, err
		}
		if rows.at.gone() {
			continue
		}
		for value := range p.holders.of(rows.at.record()) {
			if err := t.addValue(value, 1); err != nil {
				return t, damaged(p.layers[0].segments[0].ref(classSegment), err)
			}
		}
	}
}
