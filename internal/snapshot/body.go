package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"

	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
)

// classBody is the class of the objects that hold the pieces of bodies.
const classBody repo.Class = "body"

// Limits of a body; docs/format/snapshot.md, "Limits".
const (
	bodyFormat = 1
	maxPieces  = 1 << 16
	maxPiece   = 8 << 20 // bytes of contents in one frame: a reader holds one piece
)

// Body refers to byte contents that are stored: those of a file, or of a component. Its Text is what
// records hold in a field that a part names among its Bodies. The zero Body refers to nothing.
type Body struct {
	Size   int64
	Sum    [sha256.Size]byte // SHA-256 of the whole contents
	pieces []piece
}

// piece is a run of bytes, the contents of one frame of one object.
type piece struct {
	id    seal.ID
	frame int
	size  int
}

func (p piece) ref() repo.Ref { return repo.Ref{Class: classBody, ID: p.id} }

// Hex returns the SHA-256 of the contents as hexadecimal digits.
func (b Body) Hex() string { return hex.EncodeToString(b.Sum[:]) }

// Text returns the one spelling of the reference: docs/format/snapshot.md, "Body". It is not UTF-8.
func (b Body) Text() string {
	out := make([]byte, 0, 48+len(b.pieces)*(len(seal.ID{})+6))
	out = binary.AppendUvarint(out, bodyFormat)
	out = append(out, b.Sum[:]...)
	out = binary.AppendUvarint(out, uint64(len(b.pieces)))
	for _, p := range b.pieces {
		out = append(out, p.id[:]...)
		out = binary.AppendUvarint(out, uint64(p.frame))
		out = binary.AppendUvarint(out, uint64(p.size))
	}
	return string(out)
}

// ParseBody reads the Text of a Body.
func ParseBody(text string) (Body, error) {
	var b Body
	r := reader{b: []byte(text)}
	if v := r.uvarint(1<<32, "format of a body"); r.err == nil && v != bodyFormat {
		return Body{}, fmt.Errorf("%w: body format %d, this program knows %d", errWire, v, bodyFormat)
	}
	copy(b.Sum[:], r.bytes(len(b.Sum), "SHA-256 of a body"))
	n := int(r.uvarint(maxPieces, "number of pieces"))
	if r.err == nil && n*len(seal.ID{}) > len(r.b) {
		r.fail("pieces are cut off")
	}
	if r.err == nil {
		b.pieces = make([]piece, 0, n)
	}
	for i := 0; i < n && r.err == nil; i++ {
		var p piece
		copy(p.id[:], r.bytes(len(p.id), "id of a piece"))
		p.frame = int(r.uvarint(seal.MaxFrames-1, "frame of a piece"))
		p.size = int(r.uvarint(maxPiece, "size of a piece"))
		if r.err == nil && p.size == 0 {
			r.fail("a piece of no bytes")
		}
		b.pieces = append(b.pieces, p)
		b.Size += int64(p.size)
	}
	if r.err == nil && n == 0 && b.Sum != sha256.Sum256(nil) {
		r.fail("no pieces, and not the SHA-256 of nothing")
	}
	if err := r.end(); err != nil {
		return Body{}, err
	}
	return b, nil
}

// Codecs of a frame: its first byte.
const (
	codecPlain = 0
	codecZstd  = 1
)

// packPiece returns the frame of the contents: compressed where that saves a sixteenth, else as they are.
func packPiece(contents []byte) ([]byte, error) {
	packed, _, err := compress(contents, nil, true)
	if err != nil {
		return nil, err
	}
	codec := byte(codecZstd)
	if len(packed) > len(contents)-len(contents)/16 {
		codec, packed = codecPlain, contents
	}
	frame := make([]byte, 0, 1+len(packed))
	return append(append(frame, codec), packed...), nil
}

// unpackPiece returns the contents of a frame, which alias it where they are not compressed.
func unpackPiece(frame []byte) ([]byte, error) {
	if len(frame) == 0 {
		return nil, fmt.Errorf("%w: an empty frame", errWire)
	}
	contents := frame[1:]
	switch frame[0] {
	case codecPlain:
	case codecZstd:
		var err error
		if contents, err = decompress(nil, contents); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: codec %d of a frame", errWire, frame[0])
	}
	if len(contents) == 0 || len(contents) > maxPiece {
		return nil, fmt.Errorf("%w: a piece of %d bytes", errWire, len(contents))
	}
	return contents, nil
}

// Tally adds up the bodies of a part.
type Tally struct {
	Held    int64 // values that refer to a body
	Missing int64 // values that are null: there are contents in the org, and they are not held
	Bytes   int64 // of the contents of those that are held, each counted as often as it is referred to
}

// bodyFields are the fields of a part whose texts are references.
type bodyFields []string

// join returns the fields of both, sorted.
func (f bodyFields) join(more []string) bodyFields {
	all := append(slices.Clone(f), more...)
	slices.Sort(all)
	return slices.Compact(all)
}

// places returns where the fields are in the shape; those that it lacks are left out.
func (f bodyFields) places(shape *sf.Shape) []int {
	var places []int
	for _, name := range f {
		if i := shape.Index(name); i >= 0 {
			places = append(places, i)
		}
	}
	return places
}

// of yields the values of the record in those fields that are not absent, each with its field.
func (f bodyFields) of(r sf.Record) iter.Seq2[sf.Value, string] {
	return func(yield func(sf.Value, string) bool) {
		for _, name := range f {
			if i := r.Shape.Index(name); i >= 0 && !r.Values[i].IsAbsent() && !yield(r.Values[i], name) {
				return
			}
		}
	}
}

func (t *Tally) add(o Tally, sign int64) {
	t.Held += sign * o.Held
	t.Missing += sign * o.Missing
	t.Bytes += sign * o.Bytes
}

// addValue counts a value of a field for bodies.
func (t *Tally) addValue(v sf.Value, sign int64) error {
	switch {
	case v.IsText():
		b, err := ParseBody(v.Text())
		if err != nil {
			return err
		}
		t.add(Tally{Held: 1, Bytes: b.Size}, sign)
	case v.IsNull():
		t.add(Tally{Missing: 1}, sign)
	}
	return nil
}

// tallyUp counts the bodies of a row that takes the place of a record.
func (l *layerWriter) tallyUp(was bool, old sf.Record, gone bool, body []byte) error {
	if len(l.holders) == 0 {
		return nil
	}
	if was {
		for v := range l.holders.of(old) {
			if err := l.tally.addValue(v, -1); err != nil {
				return err
			}
		}
	}
	if gone {
		return nil
	}
	return eachValue(body, func(i int, v sf.Value) error {
		if !slices.Contains(l.places, i) {
			return nil
		}
		return l.tally.addValue(v, 1)
	})
}

// eachValue calls fn with the values of a row in the form of appendRow.
func eachValue(body []byte, fn func(i int, v sf.Value) error) error {
	r := reader{b: body}
	for i := 0; len(r.b) > 0; i++ {
		var v sf.Value
		switch code := r.uvarint(maxRow, "code of a value"); code {
		case codeAbsent:
		case codeNull:
			v = sf.Null()
		default:
			v = sf.Text(string(r.bytes(int(code-firstText), "text")))
		}
		if r.err != nil {
			return r.err
		}
		if err := fn(i, v); err != nil {
			return err
		}
	}
	return nil
}
