package state

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"holdfast/internal/sf"
)

// Hash stands for the content of one record: its object, Id, and the fields that it carries with
// their values. An absent field does not count, null does. The zero Hash means "no record".
type Hash [sha256.Size]byte

// IsZero reports the Hash of a record that is not there.
func (h Hash) IsZero() bool { return h == Hash{} }

// String returns the hash as 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 64 lower-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	b, err := parseHex(s)
	if err != nil {
		return Hash{}, fmt.Errorf("hash %q: %w", clip(s), err)
	}
	return Hash(b), nil
}

// HashRecord returns the hash of one record. Whoever hashes many uses a Hasher.
func HashRecord(r sf.Record) Hash {
	var h Hasher
	return h.Hash(r)
}

// The forms in docs/format/digest.md, "Record hash".
const (
	shapeDomain = "holdfast-record/1"
	tagNull     = 0
	tagText     = 1
)

// maxShapes bounds the memory of a Hasher. A capture sees one shape per object and run, so that the
// bound only matters to callers that make a shape for each record.
const maxShapes = 256

// Hasher hashes records and remembers what it computed for their shapes, so that a record costs one
// SHA-256 over its values. The zero Hasher is ready. It is not for concurrent use.
type Hasher struct {
	last   *sf.Shape
	known  *shapeHashes
	shapes map[*sf.Shape]*shapeHashes
	buffer []byte
	mask   []byte
}

// shapeHashes are the hashes of one shape: with all of its fields, and with those subsets that
// records with absent fields brought up, keyed by the bitmap of the fields that are present.
type shapeHashes struct {
	whole   [sha256.Size]byte
	partial map[string][sha256.Size]byte
}

// Hash returns the hash of the record.
func (h *Hasher) Hash(r sf.Record) Hash {
	known := h.shape(r.Shape)
	b := append(h.buffer[:0], known.whole[:]...)
	b = appendText(b, string(r.ID))
	absent := false
	for i := range r.Values {
		v := &r.Values[i]
		switch {
		case v.IsText():
			b = append(b, tagText)
			b = appendText(b, v.Text())
		case v.IsNull():
			b = append(b, tagNull)
		default:
			absent = true
		}
	}
	if absent {
		prefix := h.partial(r, known)
		copy(b, prefix[:])
	}
	h.buffer = b
	return sha256.Sum256(b)
}

func (h *Hasher) shape(s *sf.Shape) *shapeHashes {
	if s == h.last && h.known != nil {
		return h.known
	}
	known, found := h.shapes[s]
	if !found {
		if h.shapes == nil || len(h.shapes) >= maxShapes {
			h.shapes = make(map[*sf.Shape]*shapeHashes)
		}
		known = &shapeHashes{whole: hashShape(s.Object(), s.Fields())}
		h.shapes[s] = known
	}
	h.last, h.known = s, known
	return known
}

// partial returns the shape hash over the fields that the record carries.
func (h *Hasher) partial(r sf.Record, known *shapeHashes) [sha256.Size]byte {
	return h.subset(r.Shape, known, func(i int) bool { return !r.Values[i].IsAbsent() })
}

// subset returns the shape hash over the fields that are present, by their places.
func (h *Hasher) subset(shape *sf.Shape, known *shapeHashes, present func(i int) bool) [sha256.Size]byte {
	fields := shape.Fields()
	mask := append(h.mask[:0], make([]byte, (len(fields)+7)/8)...)
	h.mask = mask
	for i := range fields {
		if present(i) {
			mask[i/8] |= 1 << (i % 8)
		}
	}
	if sum, found := known.partial[string(mask)]; found {
		return sum
	}
	var names []string
	for i, f := range fields {
		if present(i) {
			names = append(names, f)
		}
	}
	sum := hashShape(shape.Object(), names)
	if known.partial == nil || len(known.partial) >= maxShapes {
		known.partial = make(map[string][sha256.Size]byte)
	}
	known.partial[string(mask)] = sum
	return sum
}

// Cell is a value that is not a sf.Value yet.
type Cell struct {
	Present bool
	Null    bool
	Text    []byte
}

// HashCells returns the hash of the record that has the Id and, by the places of the fields of the
// shape, the cells: that of Hash, for those who have the bytes and no record. Nothing is kept.
func (h *Hasher) HashCells(shape *sf.Shape, id []byte, cell func(i int) Cell) Hash {
	known := h.shape(shape)
	b := append(h.buffer[:0], known.whole[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(id)))
	b = append(b, id...)
	absent := false
	for i := range shape.Len() {
		switch c := cell(i); {
		case !c.Present:
			absent = true
		case c.Null:
			b = append(b, tagNull)
		default:
			b = append(b, tagText)
			b = binary.BigEndian.AppendUint32(b, uint32(len(c.Text)))
			b = append(b, c.Text...)
		}
	}
	if absent {
		prefix := h.subset(shape, known, func(i int) bool { return cell(i).Present })
		copy(b, prefix[:])
	}
	h.buffer = b
	return sha256.Sum256(b)
}

func hashShape(object string, fields []string) [sha256.Size]byte {
	b := append([]byte(nil), shapeDomain...)
	b = appendText(b, object)
	b = binary.BigEndian.AppendUint32(b, uint32(len(fields)))
	for _, f := range fields {
		b = appendText(b, f)
	}
	return sha256.Sum256(b)
}

// appendText writes the length in four bytes, big-endian, and the bytes.
func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// parseHex reads 32 bytes in their only spelling.
func parseHex(s string) ([sha256.Size]byte, error) {
	var out [sha256.Size]byte
	if len(s) != hex.EncodedLen(len(out)) {
		return out, fmt.Errorf("%d characters, want %d", len(s), hex.EncodedLen(len(out)))
	}
	if _, err := hex.Decode(out[:], []byte(s)); err != nil {
		return out, err
	}
	if hex.EncodeToString(out[:]) != s {
		return out, fmt.Errorf("capitals in hexadecimal digits")
	}
	return out, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
