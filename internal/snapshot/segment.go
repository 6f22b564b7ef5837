package snapshot

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
)

// Classes of objects that snapshots are made of.
const (
	classSegment  repo.Class = "segment"
	classSpill    repo.Class = "spill" // sorted runs of a writer that is still at work; nothing refers to them
	classSnapshot repo.Class = "snapshot"
	classSchema   repo.Class = "schema"
	notePrefix               = "note-"
)

// Limits of a segment; docs/format/snapshot.md, "Limits".
const (
	segmentFormat = 2
	segmentTarget = 4 << 20 // sealed bytes at which a segment ends: bounds the memory of a writer
	segmentFrames = 4096
	maxSegmentRow = segmentFrames * frameRows
	maxName       = 255 // bytes of the name of an object or field
	maxFields     = 4000
)

// segmentRef names a segment in a manifest, with what a reader needs to skip it.
type segmentRef struct {
	id          seal.ID
	size        int64 // bytes of the object
	rows        int64 // record versions and tombstones
	tombstones  int64
	first, last key
}

func (s segmentRef) ref(class repo.Class) repo.Ref { return repo.Ref{Class: class, ID: s.id} }

// frameInfo is one line of a segment's index.
type frameInfo struct {
	first, last      key
	rows, tombstones int
	size             int // bytes before compression
}

// segmentWriter writes one sorted run as a sequence of segments.
type segmentWriter struct {
	repository *repo.Repository
	class      repo.Class
	shape      *sf.Shape
	verify     bool
	filtered   bool // the segments get a filter: Ids that are not in them will be looked for

	building frameBuilder
	scratch  []byte
	index    []frameInfo
	frames   [][]byte // compressed
	size     int      // bytes in frames
	hashes   []uint64 // of the Ids of the segment, for its filter

	done     []segmentRef
	newBytes int64 // bytes that were not in the repository before
}

func newSegmentWriter(r *repo.Repository, class repo.Class, shape *sf.Shape) *segmentWriter {
	return &segmentWriter{
		repository: r, class: class, shape: shape, verify: true,
		building: frameBuilder{columns: shape.Len()},
	}
}

// add appends a row. The caller adds rows in strictly ascending order.
func (w *segmentWriter) add(ctx context.Context, id key, gone bool, body []byte) error {
	if !w.building.fits(len(body)) {
		if err := w.endFrame(); err != nil {
			return err
		}
		if w.size >= segmentTarget || len(w.frames) == segmentFrames {
			if err := w.endSegment(ctx); err != nil {
				return err
			}
		}
	}
	if w.filtered {
		w.hashes = append(w.hashes, filterHash(id))
	}
	w.building.add(id, gone, body)
	return nil
}

func (w *segmentWriter) endFrame() error {
	b := &w.building
	if b.rows() == 0 {
		return nil
	}
	raw := b.encode()
	packed, scratch, err := compress(raw, w.scratch, w.verify)
	if err != nil {
		return err
	}
	w.scratch = scratch
	w.index = append(w.index, frameInfo{
		first: b.ids[0], last: b.ids[b.rows()-1], rows: b.rows(), tombstones: b.deleted, size: len(raw),
	})
	w.frames = append(w.frames, packed)
	w.size += len(packed)
	b.reset()
	return nil
}

func (w *segmentWriter) endSegment(ctx context.Context) error {
	if len(w.frames) == 0 {
		return nil
	}
	ref := segmentRef{first: w.index[0].first, last: w.index[len(w.index)-1].last}
	for _, f := range w.index {
		ref.rows += int64(f.rows)
		ref.tombstones += int64(f.tombstones)
	}
	head := encodeIndex(w.shape, w.index, newFilter(w.hashes))
	stored, err := w.put(ctx, append([][]byte{head}, w.frames...))
	if err != nil {
		return err
	}
	ref.id, ref.size = stored.Ref.ID, stored.Size
	if stored.New {
		w.newBytes += stored.Size
	}
	w.done = append(w.done, ref)
	w.index, w.frames, w.size, w.hashes = w.index[:0], w.frames[:0], 0, w.hashes[:0]
	return nil
}

// put stores a segment. A spilled run gets a name of its own instead of one by its contents, because
// its writer deletes it in the end, and another writer may have spilled the same.
func (w *segmentWriter) put(ctx context.Context, frames [][]byte) (repo.Stored, error) {
	if w.class == classSpill {
		return w.repository.PutLoose(ctx, classSpill, frames)
	}
	return w.repository.Put(ctx, w.class, frames)
}

// finish stores what is left and returns the segments of the run.
func (w *segmentWriter) finish(ctx context.Context) ([]segmentRef, error) {
	if err := w.endFrame(); err != nil {
		return nil, err
	}
	if err := w.endSegment(ctx); err != nil {
		return nil, err
	}
	return w.done, nil
}

// encodeIndex writes the first frame of a segment.
func encodeIndex(shape *sf.Shape, index []frameInfo, f filter) []byte {
	b := binary.AppendUvarint(nil, segmentFormat)
	b = appendText(b, shape.Object())
	b = binary.AppendUvarint(b, uint64(shape.Len()))
	for _, f := range shape.Fields() {
		b = appendText(b, f)
	}
	b = binary.AppendUvarint(b, uint64(len(index)))
	for _, i := range index {
		b = append(b, i.first[:]...)
		b = append(b, i.last[:]...)
		b = binary.AppendUvarint(b, uint64(i.rows))
		b = binary.AppendUvarint(b, uint64(i.tombstones))
		b = binary.AppendUvarint(b, uint64(i.size))
	}
	b = binary.AppendUvarint(b, uint64(len(f)))
	return append(b, f...)
}

// decodeIndex reads the first frame of a segment.
func decodeIndex(raw []byte) (*sf.Shape, []frameInfo, filter, error) {
	r := reader{b: raw}
	if v := r.uvarint(1<<32, "segment format"); r.err == nil && v != segmentFormat {
		return nil, nil, nil, fmt.Errorf("%w: segment format %d, this program knows %d", errWire, v, segmentFormat)
	}
	object := r.text(maxName, "object")
	fields := make([]string, 0, 64)
	for range r.uvarint(maxFields, "number of fields") {
		fields = append(fields, r.text(maxName, "field"))
		if r.err != nil {
			return nil, nil, nil, r.err
		}
	}
	shape := sf.NewShape(object, fields)
	if r.err == nil && !slices.Equal(shape.Fields(), fields) {
		r.fail("fields are not sorted")
	}
	var index []frameInfo
	var rows int64
	for range r.uvarint(segmentFrames, "number of frames") {
		f := frameInfo{first: r.key(), last: r.key()}
		f.rows = int(r.uvarint(frameRows, "rows of a frame"))
		f.tombstones = int(r.uvarint(uint64(f.rows), "tombstones of a frame"))
		f.size = int(r.uvarint(maxFrame, "size of a frame"))
		if r.err != nil {
			return nil, nil, nil, r.err
		}
		rows += int64(f.rows)
		if f.rows == 0 || f.last.compare(f.first) < 0 ||
			len(index) > 0 && f.first.compare(index[len(index)-1].last) <= 0 {
			r.fail("frames are out of order")
		}
		index = append(index, f)
	}
	size := r.uvarint(uint64(filterSize(rows)), "size of the filter")
	if size != 0 && size != uint64(filterSize(rows)) {
		r.fail("a filter of %d bytes", size)
	}
	f := filter(r.bytes(int(size), "filter"))
	if err := r.end(); err != nil {
		return nil, nil, nil, err
	}
	if len(index) == 0 {
		return nil, nil, nil, fmt.Errorf("%w: no frames", errWire)
	}
	return shape, index, f, nil
}

func (r *reader) key() key {
	var k key
	copy(k[:], r.bytes(idSize, "id"))
	return k
}

// segment is an open segment.
type segment struct {
	object *repo.Object
	shape  *sf.Shape
	index  []frameInfo
	filter filter
}

// openSegment opens a segment and holds it to what the manifest says of it.
func openSegment(ctx context.Context, r *repo.Repository, class repo.Class, of string, ref segmentRef) (*segment, error) {
	object, err := r.Open(ctx, ref.ref(class))
	if err != nil {
		return nil, err
	}
	head, err := object.Frame(ctx, 0)
	if err != nil {
		return nil, err
	}
	s := &segment{object: object}
	if s.shape, s.index, s.filter, err = decodeIndex(head); err != nil {
		return nil, damaged(object.Ref(), err)
	}
	if err := s.fits(of, ref); err != nil {
		return nil, damaged(object.Ref(), err)
	}
	return s, nil
}

// fits returns an error when the segment is not what the manifest says of it.
func (s *segment) fits(of string, ref segmentRef) error {
	var rows, tombstones int64
	for _, f := range s.index {
		rows += int64(f.rows)
		tombstones += int64(f.tombstones)
	}
	switch {
	case s.shape.Object() != of:
		return fmt.Errorf("%w: it holds %s, want %s", errWire, s.shape.Object(), of)
	case s.object.Frames() != len(s.index)+1:
		return fmt.Errorf("%w: %d frames, its index has %d", errWire, s.object.Frames()-1, len(s.index))
	case rows != ref.rows || tombstones != ref.tombstones || s.object.Size() != ref.size ||
		s.index[0].first != ref.first || s.index[len(s.index)-1].last != ref.last:
		return fmt.Errorf("%w: it is not what the manifest says of it", errWire)
	}
	return nil
}

// load reads the i-th frame into f.
func (s *segment) load(ctx context.Context, i int, f *frame) error {
	packed, err := s.object.Frame(ctx, i+1)
	if err != nil {
		return err
	}
	if err := s.unpack(packed, i, f); err != nil {
		return damaged(s.object.Ref(), err)
	}
	return nil
}

// unpack decodes the i-th frame and holds it to the index.
func (s *segment) unpack(packed []byte, i int, f *frame) error {
	raw, err := decompress(f.raw[:0], packed)
	if err != nil {
		return err
	}
	if err := f.decode(s.shape, raw); err != nil {
		return err
	}
	want := s.index[i]
	if len(f.ids) != want.rows || len(f.times) != want.tombstones || len(raw) != want.size ||
		f.ids[0] != want.first || f.ids[len(f.ids)-1] != want.last {
		return fmt.Errorf("%w: frame %d is not what the index says of it", errWire, i)
	}
	return nil
}

// damaged names the object whose bytes make no sense.
func damaged(ref repo.Ref, err error) error {
	return problem.Newf(problem.Damaged, "%s is damaged: %w", ref, err).
		Hint("run `holdfast verify` to see which snapshots are affected")
}
