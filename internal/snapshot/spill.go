package snapshot

import (
	"context"

	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// spillFan is how many sorted runs of one size are merged into one of the next: it bounds the frames
// that a merge holds decoded at once.
const spillFan = 16

// spills are the sorted runs of a part whose rows did not come in order. They are sealed objects
// like any other, but nothing refers to them: what a crash leaves behind is harmless.
type spills struct {
	repository *repo.Repository
	shape      *sf.Shape
	levels     [][]run // by size; within a level oldest first; higher levels are older
	removed    []run   // merged into others, still to be deleted
}

type run []segmentRef

func (s *spills) empty() bool { return len(s.levels) == 0 }

// add writes the rows, which are sorted, as the newest run.
func (s *spills) add(ctx context.Context, r *rows) error {
	w := newSegmentWriter(s.repository, classSpill, s.shape)
	for i := range r.list {
		if err := w.add(ctx, r.list[i].id, r.list[i].gone, r.body(i)); err != nil {
			return err
		}
	}
	segments, err := w.finish(ctx)
	if err != nil {
		return err
	}
	return s.push(ctx, 0, segments)
}

// push adds a run to a level, and merges the level into one run of the next when it is full.
func (s *spills) push(ctx context.Context, level int, r run) error {
	if level == len(s.levels) {
		s.levels = append(s.levels, nil)
	}
	s.levels[level] = append(s.levels[level], r)
	if len(s.levels[level]) < spillFan {
		return nil
	}
	w := newSegmentWriter(s.repository, classSpill, s.shape)
	err := s.each(ctx, s.levels[level], func(c *cursor, body []byte) error {
		return w.add(ctx, c.id(), c.gone(), body)
	})
	if err != nil {
		return err
	}
	segments, err := w.finish(ctx)
	if err != nil {
		return err
	}
	s.removed = append(s.removed, s.levels[level]...)
	s.levels[level] = nil
	return s.push(ctx, level+1, segments)
}

// merge puts all rows into the layer.
func (s *spills) merge(ctx context.Context, to *layerWriter) error {
	var runs []run
	for i := len(s.levels) - 1; i >= 0; i-- {
		runs = append(runs, s.levels[i]...)
	}
	var hasher state.Hasher
	return s.each(ctx, runs, func(c *cursor, body []byte) error {
		var hash state.Hash
		if !c.gone() {
			hash = hasher.Hash(c.record())
		}
		return to.put(ctx, c.id(), c.gone(), hash, body)
	})
}

// each calls fn with the newest row of each Id of the runs, oldest run first, and its row form.
func (s *spills) each(ctx context.Context, runs []run, fn func(c *cursor, body []byte) error) error {
	cursors := make([]*cursor, len(runs))
	for i, r := range runs {
		cursors[i] = newCursor(s.repository, classSpill, s.shape.Object(), r)
	}
	return eachRow(ctx, newMerged(cursors...), s.shape, fn)
}

// eachRow calls fn with each row of m and its row form in the shape.
func eachRow(ctx context.Context, m *merged, shape *sf.Shape, fn func(c *cursor, body []byte) error) error {
	var body []byte
	var values []sf.Value
	for {
		more, err := m.next(ctx)
		if err != nil || !more {
			return err
		}
		if m.at.gone() {
			t := m.at.tombstone()
			body = appendTombstone(body[:0], t.At, t.Evidence)
		} else {
			r := m.at.record()
			if r.Shape.Equal(shape) {
				values = r.Values
			} else {
				values = make([]sf.Value, shape.Len())
				for i, f := range r.Shape.Fields() {
					values[shape.Index(f)] = r.Values[i]
				}
			}
			body = appendRow(body[:0], values)
		}
		if err := fn(m.at, body); err != nil {
			return err
		}
	}
}

// remove deletes the runs. Errors are of no consequence: nothing refers to what stays behind.
func (s *spills) remove(ctx context.Context) {
	runs := s.removed
	for _, level := range s.levels {
		runs = append(runs, level...)
	}
	for _, r := range runs {
		for _, segment := range r {
			_ = s.repository.Remove(ctx, segment.ref(classSpill))
		}
	}
	s.levels, s.removed = nil, nil
}
