package snapshot

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// reach finds what manifests reach: what they name, and the bodies that the rows of their segments refer to.
// Whoever must know all that a snapshot relies on asks here, and nowhere else.
type reach struct {
	repository *repo.Repository
	followed   map[seal.ID]bool // segments whose rows were read

	ofParent map[seal.ID]bool // segments whose bodies the parent reaches, too
	carried  func(repo.Ref)   // called with these
}

func newReach(r *repo.Repository) *reach {
	return &reach{repository: r, followed: make(map[seal.ID]bool)}
}

// named calls seen with every object that the manifest names itself.
func (m *manifest) named(seen func(repo.Ref)) {
	seen(repo.Ref{Class: classSchema, ID: m.schema})
	for _, p := range m.parts {
		for _, l := range slices.Concat(p.layers, p.replaced) {
			for _, s := range l.segments {
				seen(s.ref(classSegment))
			}
		}
	}
}

// follow calls seen with every object that the manifest reaches. Bodies of a segment that was followed
// before, for any manifest, are not seen again.
func (r *reach) follow(ctx context.Context, m *manifest, seen func(repo.Ref)) error {
	m.named(seen)
	for _, p := range m.parts {
		for _, s := range p.bodySegments() {
			err := r.segment(ctx, p, s, func(b Body) {
				for _, piece := range b.pieces {
					seen(piece.ref())
					if r.ofParent[s.id] {
						r.carried(piece.ref())
					}
				}
			})
			if err != nil {
				return fmt.Errorf("what %s reaches: %w", p.object, err)
			}
		}
	}
	return nil
}

// carry calls carried with what the manifest has from its parent: at once with what both name, and in follow with the
// bodies of the segments that both refer to bodies with.
func (r *reach) carry(parent, m *manifest, carried func(repo.Ref)) {
	named := make(map[repo.Ref]bool)
	parent.named(func(ref repo.Ref) { named[ref] = true })
	m.named(func(ref repo.Ref) {
		if named[ref] {
			carried(ref)
		}
	})
	r.carried, r.ofParent = carried, make(map[seal.ID]bool)
	holders := make(map[string]bodyFields)
	for _, p := range m.parts {
		holders[p.object] = p.holders
	}
	for _, p := range parent.parts {
		if !slices.Equal(p.holders, holders[p.object]) {
			continue // a field that holds bodies now was not followed for the parent
		}
		for _, s := range p.bodySegments() {
			r.ofParent[s.id] = true
		}
	}
}

// bodySegments returns the segments of a part whose rows may refer to bodies.
func (m manifestPart) bodySegments() []segmentRef {
	if len(m.holders) == 0 {
		return nil
	}
	var all []segmentRef
	for _, l := range m.layers {
		all = append(all, l.segments...)
	}
	return all
}

// segment calls seen with every body that a row of the segment refers to, unless it was followed before.
func (r *reach) segment(ctx context.Context, p manifestPart, s segmentRef, seen func(Body)) error {
	if r.followed[s.id] {
		return nil
	}
	c := newCursor(r.repository, classSegment, p.object, []segmentRef{s})
	for {
		more, err := c.next(ctx)
		if err != nil {
			return err
		}
		if !more {
			r.followed[s.id] = true
			return nil
		}
		if c.gone() {
			continue
		}
		for v := range p.holders.of(c.record()) {
			if !v.IsText() {
				continue
			}
			b, err := ParseBody(v.Text())
			if err != nil {
				return damaged(s.ref(classSegment), err)
			}
			seen(b)
		}
	}
}

// eachBodyOfParent calls seen with every body that the parent holds.
func (w *Writer) eachBodyOfParent(ctx context.Context, seen func(Body)) error {
	if w.draft.Parent == nil {
		return nil
	}
	r := newReach(w.store.repository)
	for _, p := range w.draft.Parent.manifest.parts {
		for _, s := range p.bodySegments() {
			if err := r.segment(ctx, p, s, seen); err != nil {
				return err
			}
		}
	}
	return nil
}
