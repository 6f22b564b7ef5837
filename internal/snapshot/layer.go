package snapshot

import (
	"context"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// layer is one run of segments, with the digests of the state below it and with it.
type layer struct {
	before, after state.Digest
	records       int64 // live records of the state with it
	segments      []segmentRef
}

func (l layer) rows() int64 {
	var n int64
	for _, s := range l.segments {
		n += s.rows
	}
	return n
}

// sameRun reports whether both layers are the same segments.
func sameRun(a, b layer) bool { return slices.Equal(a.segments, b.segments) }

// cursor walks one run of segments in the order of Ids. It holds one decoded frame.
type cursor struct {
	repository *repo.Repository
	class      repo.Class
	object     string
	segments   []segmentRef

	seg   int // next or current segment
	open  *segment
	frame int // current frame of the open segment; -1 before the first
	data  frame
	row   int

	readsAhead bool
	ahead      chan ahead // the frame after this one while it is loaded; else nil
	spare      frame      // memory for it
}

// ahead is where a cursor goes next.
type ahead struct {
	seg   int
	open  *segment // nil at the end
	frame int
	data  frame
	err   error
}

func newCursor(r *repo.Repository, class repo.Class, object string, segments []segmentRef) *cursor {
	return &cursor{repository: r, class: class, object: object, segments: segments, frame: -1}
}

// next moves to the next row and reports whether there is one.
func (c *cursor) next(ctx context.Context) (bool, error) {
	if c.open != nil && c.frame >= 0 && c.row+1 < len(c.data.ids) {
		c.row++
		return true, nil
	}
	next := ahead{seg: c.seg, open: c.open, frame: c.frame}
	if c.ahead != nil {
		next = <-c.ahead
		c.ahead = nil
	} else {
		next.data, c.spare = c.spare, frame{}
		c.load(ctx, &next)
	}
	if next.err != nil {
		return false, next.err
	}
	c.seg, c.open, c.frame, c.row = next.seg, next.open, next.frame, 0
	if c.open == nil {
		return false, nil
	}
	c.data, c.spare = next.data, c.data
	if c.readsAhead {
		c.start(ctx)
	}
	return true, nil
}

// start loads the frame after the current one on the side. Whoever lets a cursor read ahead calls
// end.
func (c *cursor) start(ctx context.Context) {
	next := ahead{seg: c.seg, open: c.open, frame: c.frame, data: c.spare}
	c.spare = frame{}
	done := make(chan ahead, 1)
	c.ahead = done
	go func() {
		c.load(ctx, &next)
		done <- next
	}()
}

// end waits for what is loaded on the side.
func (c *cursor) end() {
	if c.ahead != nil {
		<-c.ahead
		c.ahead = nil
	}
}

// load goes to the frame after that at which next is, and reads it. Of the cursor it uses what does
// not change.
func (c *cursor) load(ctx context.Context, next *ahead) {
	if next.err = ctx.Err(); next.err != nil {
		return
	}
	if next.open != nil && next.frame+1 == len(next.open.index) {
		next.open = nil
		next.seg++
	}
	if next.open == nil {
		if next.seg == len(c.segments) {
			return
		}
		next.frame = -1
		if next.open, next.err = openSegment(ctx, c.repository, c.class, c.object, c.segments[next.seg]); next.err != nil {
			return
		}
	}
	next.frame++
	next.err = next.open.load(ctx, next.frame, &next.data)
}

// seek moves to the row with that Id and reports whether there is one. The Ids of successive calls
// ascend. Frames that cannot hold the Id are not read.
func (c *cursor) seek(ctx context.Context, id key) (bool, error) {
	if c.seg < len(c.segments) && c.segments[c.seg].last.compare(id) < 0 {
		c.open = nil
		rest := c.segments[c.seg:]
		n, _ := slices.BinarySearchFunc(rest, id, func(s segmentRef, id key) int { return s.last.compare(id) })
		c.seg += n
	}
	if c.seg == len(c.segments) || c.segments[c.seg].first.compare(id) > 0 {
		return false, nil
	}
	if c.open == nil {
		if err := c.openSegment(ctx); err != nil {
			return false, err
		}
	}
	index := c.open.index
	n := max(c.frame, 0)
	if index[n].last.compare(id) < 0 {
		skip, _ := slices.BinarySearchFunc(index[n:], id, func(f frameInfo, id key) int { return f.last.compare(id) })
		n += skip
	}
	if n == len(index) || index[n].first.compare(id) > 0 {
		return false, nil
	}
	if n != c.frame {
		if !c.open.filter.may(filterHash(id)) {
			return false, nil
		}
		if err := c.jump(ctx, n); err != nil {
			return false, err
		}
	}
	row, found := slices.BinarySearchFunc(c.data.ids[c.row:], id, key.compare)
	c.row += row
	if c.row == len(c.data.ids) {
		c.row--
	}
	return found, nil
}

func (c *cursor) openSegment(ctx context.Context) error {
	open, err := openSegment(ctx, c.repository, c.class, c.object, c.segments[c.seg])
	if err != nil {
		return err
	}
	c.open, c.frame = open, -1
	return nil
}

// jump reads a frame of the open segment.
func (c *cursor) jump(ctx context.Context, frame int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.open.load(ctx, frame, &c.data); err != nil {
		return err
	}
	c.frame, c.row = frame, 0
	return nil
}

// id, gone, record and tombstone describe the current row.
func (c *cursor) id() key              { return c.data.ids[c.row] }
func (c *cursor) gone() bool           { return c.data.gone(c.row) }
func (c *cursor) record() sf.Record    { return c.data.record(c.row) }
func (c *cursor) tombstone() Tombstone { return c.data.tombstone(c.row) }

// hash returns the hash of the record at the current row.
func (c *cursor) hash(h *state.Hasher) state.Hash { return c.data.hash(h, c.row) }

// same reports whether both are at records with the same fields and values.
func (c *cursor) same(o *cursor) bool { return c.data.same(c.row, &o.data, o.row) }

// merged walks several runs at once, oldest first in the slice; of rows with the same Id it gives
// that of the newest run.
type merged struct {
	all     []*cursor
	cursors []*cursor // those that are not at their end
	started bool
	at      *cursor
}

func newMerged(cursors ...*cursor) *merged {
	return &merged{all: cursors, cursors: slices.Clone(cursors)}
}

// readAhead makes the runs load their next frame while the current one is read: decrypting and
// decompressing take as long as what is done with the rows. Whoever calls it calls end.
func (m *merged) readAhead() *merged {
	for _, c := range m.all {
		c.readsAhead = true
	}
	return m
}

// end waits for what is still loaded.
func (m *merged) end() {
	for _, c := range m.all {
		c.end()
	}
}

// next moves to the next Id and reports whether there is one; at is then the cursor with its row.
func (m *merged) next(ctx context.Context) (bool, error) {
	if !m.started {
		m.started = true
		if err := m.advance(ctx, nil); err != nil {
			return false, err
		}
	} else {
		last := m.at.id()
		if err := m.advance(ctx, &last); err != nil {
			return false, err
		}
	}
	m.at = nil
	for _, c := range m.cursors {
		// A later cursor is newer, and wins a tie.
		if m.at == nil || c.id().compare(m.at.id()) <= 0 {
			m.at = c
		}
	}
	return m.at != nil, nil
}

// advance moves the cursors that stand on the Id (all of them for nil) and drops those at their end.
func (m *merged) advance(ctx context.Context, id *key) error {
	kept := m.cursors[:0]
	for _, c := range m.cursors {
		if id == nil || c.id() == *id {
			more, err := c.next(ctx)
			if err != nil {
				return err
			}
			if !more {
				continue
			}
		}
		kept = append(kept, c)
	}
	m.cursors = kept
	return nil
}

// lookup finds rows by ascending Ids in several runs, oldest first in the slice.
type lookup struct{ cursors []*cursor }

// find returns the cursor that stands on the newest row with the Id, or nil.
func (l lookup) find(ctx context.Context, id key) (*cursor, error) {
	for _, c := range slices.Backward(l.cursors) {
		found, err := c.seek(ctx, id)
		if err != nil {
			return nil, err
		}
		if found {
			return c, nil
		}
	}
	return nil, nil
}

// stack opens a cursor on each layer.
func stack(r *repo.Repository, object string, layers []layer) []*cursor {
	cursors := make([]*cursor, len(layers))
	for i, l := range layers {
		cursors[i] = newCursor(r, classSegment, object, l.segments)
	}
	return cursors
}

// chainError returns what is wrong with the digests of a list of layers, or nil.
func chainError(layers []layer) error {
	var last state.Digest
	for i, l := range layers {
		if l.before != last {
			return problem.Newf(problem.Damaged, "layer %d begins at digest %s, the one below ends at %s", i, l.before, last)
		}
		last = l.after
	}
	return nil
}
