package snapshot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Limits of a frame; docs/format/snapshot.md, "Limits".
const (
	frameRows   = 1024      // a point read decodes one frame: it stays small
	frameTarget = 256 << 10 // bytes before compression at which a frame ends
	maxRow      = 16 << 20  // bytes of one row; the longest field of the platform is 131,072 characters
	maxFrame    = frameTarget + maxRow + 1<<16

	idSize      = 18
	maxEvidence = 1 << 10
)

// Codes of values; any other code is the length of a text plus firstText.
const (
	codeAbsent = 0
	codeNull   = 1
	firstText  = 2
)

// key is a record Id as bytes, for comparing without allocation.
type key [idSize]byte

func makeKey(id sf.ID) (key, error) {
	if len(id) != idSize {
		return key{}, fmt.Errorf("%w: %.40q has %d characters, want %d", sf.ErrID, string(id), len(id), idSize)
	}
	for i := range idSize {
		if c := id[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return key{}, fmt.Errorf("%w: %q", sf.ErrID, string(id))
		}
	}
	return key([]byte(id)), nil
}

func (k key) id() sf.ID         { return sf.ID(k[:]) }
func (k key) compare(o key) int { return bytes.Compare(k[:], o[:]) }

// appendRow appends the row form of a record: for each field of the shape its code, and its text.
func appendRow(b []byte, values []sf.Value) []byte {
	for i := range values {
		v := &values[i]
		switch {
		case v.IsText():
			s := v.Text()
			b = binary.AppendUvarint(b, uint64(len(s))+firstText)
			b = append(b, s...)
		case v.IsNull():
			b = append(b, codeNull)
		default:
			b = append(b, codeAbsent)
		}
	}
	return b
}

// appendTombstone appends the row form of a tombstone: its time in milliseconds, and its evidence.
func appendTombstone(b []byte, at time.Time, evidence string) []byte {
	b = binary.AppendVarint(b, at.UnixMilli())
	return appendText(b, evidence)
}

// frameBuilder turns rows, in ascending order of their Ids, into the column form of a frame.
type frameBuilder struct {
	columns int
	ids     []key
	gone    []bool // by row: a tombstone
	bodies  []byte // row forms, one after the other
	ends    []int  // by row: where its form ends in bodies
	deleted int    // tombstones

	raw     []byte // the column form
	text    []byte
	cursors []int
}

func (f *frameBuilder) rows() int { return len(f.ids) }

// fits reports whether a row of n bytes still belongs into the frame.
func (f *frameBuilder) fits(n int) bool {
	return len(f.ids) == 0 || (len(f.ids) < frameRows && len(f.bodies)+idSize*len(f.ids)+n <= frameTarget)
}

func (f *frameBuilder) add(id key, gone bool, body []byte) {
	f.ids = append(f.ids, id)
	f.gone = append(f.gone, gone)
	f.bodies = append(f.bodies, body...)
	f.ends = append(f.ends, len(f.bodies))
	if gone {
		f.deleted++
	}
}

func (f *frameBuilder) reset() {
	f.ids, f.gone, f.bodies, f.ends = f.ids[:0], f.gone[:0], f.bodies[:0], f.ends[:0]
	f.deleted = 0
}

// encode returns the column form of the rows; it is valid until the next call.
func (f *frameBuilder) encode() []byte {
	out := binary.AppendUvarint(f.raw[:0], uint64(len(f.ids)))
	out = binary.AppendUvarint(out, uint64(f.deleted))
	out = f.appendIDs(out)
	f.cursors = f.cursors[:0]
	start := 0
	for _, end := range f.ends {
		f.cursors = append(f.cursors, start)
		start = end
	}
	if f.deleted > 0 {
		out = f.appendTombstones(out)
	}
	for range f.columns {
		out = f.appendColumn(out)
	}
	f.raw = out
	return out
}

// appendIDs writes each Id as the number of bytes that it shares with the one before, and the rest.
func (f *frameBuilder) appendIDs(out []byte) []byte {
	for i := range f.ids {
		shared := 0
		if i > 0 {
			for f.ids[i][shared] == f.ids[i-1][shared] {
				shared++
			}
		}
		out = append(out, byte(shared))
		out = append(out, f.ids[i][shared:]...)
	}
	return out
}

func (f *frameBuilder) appendTombstones(out []byte) []byte {
	for _, gone := range f.gone {
		if gone {
			out = append(out, 1)
		} else {
			out = append(out, 0)
		}
	}
	for i, gone := range f.gone {
		if gone {
			out = append(out, f.bodies[f.cursors[i]:f.ends[i]]...)
		}
	}
	return out
}

// appendColumn writes the next column: the codes of all records, then their texts. It moves the
// cursors of the rows on.
func (f *frameBuilder) appendColumn(out []byte) []byte {
	text := f.text[:0]
	for i, at := range f.cursors {
		if f.gone[i] {
			continue
		}
		code, n := uint64(f.bodies[at]), 1
		if code >= 0x80 {
			code, n = binary.Uvarint(f.bodies[at:])
		}
		out = append(out, f.bodies[at:at+n]...)
		at += n
		if code >= firstText {
			end := at + int(code-firstText)
			text = append(text, f.bodies[at:end]...)
			at = end
		}
		f.cursors[i] = at
	}
	f.text = text
	return append(out, text...)
}

// frame is a decoded frame. Its buffers are used again by the next decode.
type frame struct {
	shape *sf.Shape
	raw   []byte
	ids   []key
	slot  []int32 // by row: its number among the records, or -1 minus its number among tombstones
	live  int     // records

	codes []uint32 // by column and record
	texts []uint32 // by column and record: where its text begins in raw

	times    []int64
	evidence []string
}

// decode takes the column form apart; raw is kept. Whatever it accepts, encoding would give again.
func (f *frame) decode(shape *sf.Shape, raw []byte) error {
	f.shape, f.raw = shape, raw
	r := reader{b: raw}
	rows := int(r.uvarint(frameRows, "number of rows"))
	gone := int(r.uvarint(uint64(rows), "number of tombstones"))
	if r.err == nil && rows == 0 {
		r.fail("no rows")
	}
	f.live = rows - gone
	f.decodeIDs(&r, rows)
	f.decodeTombstones(&r, rows, gone)
	f.decodeColumns(&r)
	return r.end()
}

func (f *frame) decodeIDs(r *reader, rows int) {
	f.ids = f.ids[:0]
	var last key
	for i := range rows {
		shared := r.uvarint(idSize-1, "shared bytes of an id")
		rest := r.bytes(idSize-int(shared), "id")
		if r.err != nil {
			return
		}
		id := last
		copy(id[shared:], rest)
		// More shared bytes than stated, or an Id that does not ascend, is not what encoding gives.
		if i == 0 && shared > 0 || i > 0 && id[shared] <= last[shared] {
			r.fail("id %d is out of order", i)
			return
		}
		f.ids = append(f.ids, id)
		last = id
	}
}

func (f *frame) decodeTombstones(r *reader, rows, gone int) {
	f.slot, f.times, f.evidence = f.slot[:0], f.times[:0], f.evidence[:0]
	var kinds []byte
	if gone > 0 {
		kinds = r.bytes(rows, "kinds of rows")
	}
	records, deleted := 0, 0
	for i := range rows {
		switch {
		case kinds == nil || kinds[i] == 0:
			f.slot = append(f.slot, int32(records))
			records++
		case kinds[i] == 1:
			f.slot = append(f.slot, int32(-1-deleted))
			deleted++
		default:
			r.fail("kind of row %d", kinds[i])
			return
		}
	}
	if r.err == nil && deleted != gone {
		r.fail("%d tombstones, want %d", deleted, gone)
	}
	for range gone {
		f.times = append(f.times, r.varint("time of a tombstone"))
		f.evidence = append(f.evidence, r.text(maxEvidence, "evidence"))
		if r.err != nil {
			return
		}
	}
}

func (f *frame) decodeColumns(r *reader) {
	n := f.shape.Len() * f.live
	if n > len(r.b) {
		r.fail("columns are cut off")
		return
	}
	f.codes = grow(f.codes, n)
	f.texts = grow(f.texts, n)
	for c := 0; c < n && r.err == nil; c += f.live {
		codes := f.codes[c : c+f.live]
		total := uint64(0)
		for i := range codes {
			code := r.uvarint(maxRow, "code of a value")
			codes[i] = uint32(code)
			if code >= firstText {
				total += code - firstText
			}
		}
		at := uint32(len(f.raw) - len(r.b))
		if total > uint64(len(r.b)) {
			r.fail("texts of a column are cut off")
			return
		}
		r.b = r.b[total:]
		for i, code := range codes {
			f.texts[c+i] = at
			if code >= firstText {
				at += code - firstText
			}
		}
	}
}

func grow(s []uint32, n int) []uint32 {
	if cap(s) < n {
		return make([]uint32, n)
	}
	return s[:n]
}

// record returns a record of the frame with memory of its own.
func (f *frame) record(row int) sf.Record {
	slot, columns := int(f.slot[row]), f.shape.Len()
	size := idSize
	for c := range columns {
		if code := f.codes[c*f.live+slot]; code >= firstText {
			size += int(code - firstText)
		}
	}
	var b strings.Builder
	b.Grow(size)
	b.Write(f.ids[row][:])
	for c := range columns {
		if code := f.codes[c*f.live+slot]; code >= firstText {
			at := f.texts[c*f.live+slot]
			b.Write(f.raw[at : at+code-firstText])
		}
	}
	all := b.String()
	r := sf.Record{ID: sf.ID(all[:idSize]), Shape: f.shape, Values: make([]sf.Value, columns)}
	at := idSize
	for c := range columns {
		switch code := f.codes[c*f.live+slot]; code {
		case codeAbsent:
		case codeNull:
			r.Values[c] = sf.Null()
		default:
			end := at + int(code-firstText)
			r.Values[c] = sf.Text(all[at:end])
			at = end
		}
	}
	return r
}

// cell returns a value of the frame, whose bytes are its own.
func (f *frame) cell(slot, column int) state.Cell {
	n := column*f.live + slot
	switch code := f.codes[n]; code {
	case codeAbsent:
		return state.Cell{}
	case codeNull:
		return state.Cell{Present: true, Null: true}
	default:
		at := f.texts[n]
		return state.Cell{Present: true, Text: f.raw[at : at+code-firstText]}
	}
}

// hash returns the hash of a record of the frame, without making the record.
func (f *frame) hash(h *state.Hasher, row int) state.Hash {
	slot := int(f.slot[row])
	return h.HashCells(f.shape, f.ids[row][:], func(column int) state.Cell { return f.cell(slot, column) })
}

// same reports whether both rows are records with the same fields and values. It may say no of
// records whose shapes differ by fields that neither has.
func (f *frame) same(row int, o *frame, other int) bool {
	if f.gone(row) || o.gone(other) || f.shape != o.shape && !slices.Equal(f.shape.Fields(), o.shape.Fields()) {
		return false
	}
	a, b := int(f.slot[row]), int(o.slot[other])
	for range f.shape.Len() {
		code := f.codes[a]
		if code != o.codes[b] {
			return false
		}
		if code >= firstText {
			n := code - firstText
			if !bytes.Equal(f.raw[f.texts[a]:f.texts[a]+n], o.raw[o.texts[b]:o.texts[b]+n]) {
				return false
			}
		}
		a, b = a+f.live, b+o.live
	}
	return true
}

// tombstone returns a tombstone of the frame.
func (f *frame) tombstone(row int) Tombstone {
	n := -1 - int(f.slot[row])
	return Tombstone{ID: f.ids[row].id(), At: time.UnixMilli(f.times[n]).UTC(), Evidence: f.evidence[n]}
}

func (f *frame) gone(row int) bool { return f.slot[row] < 0 }

// The level is the fastest: it gives 0.97 of the ratio of the default at two thirds of its cost, and
// the levels above it have once written frames that did not decode.
var encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
})

var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFrame))
})

// compress returns the compressed bytes, after decompressing them again and comparing: an encoder
// that goes wrong is found while the records are still at hand. scratch is memory to work in, and is
// returned for the next call.
func compress(raw, scratch []byte, verify bool) (packed, next []byte, err error) {
	enc, err := encoder()
	if err != nil {
		return nil, nil, err
	}
	scratch = enc.EncodeAll(raw, scratch[:0])
	packed = bytes.Clone(scratch)
	if !verify {
		return packed, scratch, nil
	}
	scratch, err = decompress(scratch[:0], packed)
	if err != nil || !bytes.Equal(scratch, raw) {
		return nil, nil, fmt.Errorf("compression gave %d bytes that do not decompress to the %d put in (%v): "+
			"nothing of this is stored", len(packed), len(raw), err)
	}
	return packed, scratch, nil
}

// decompress appends the decompressed bytes to dst, at most maxFrame.
func decompress(dst, packed []byte) ([]byte, error) {
	dec, err := decoder()
	if err != nil {
		return nil, err
	}
	out, err := dec.DecodeAll(packed, dst)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errWire, err)
	}
	return out, nil
}
