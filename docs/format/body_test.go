package format_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// bodies reads every body that the rows of a part refer to, and holds the tally of the part to them.
func (r *repository) bodies(p part, state map[string]row) error {
	var sum tally
	for _, row := range state {
		for field, v := range row.values {
			switch {
			case !slices.Contains(p.BodyFields, field) || row.gone:
			case v == nil:
				sum.Missing++
			default:
				contents, err := r.body(*v)
				if err != nil {
					return err
				}
				sum.Held++
				sum.Bytes += len(contents)
			}
		}
	}
	if sum != p.Bodies {
		return damaged("bodies %+v, not %+v", sum, p.Bodies)
	}
	return nil
}

type piece struct {
	id          string
	frame, size int
}

// body reads the contents to which a reference refers: snapshot.md, "Bodies".
func (r *repository) body(reference string) ([]byte, error) {
	sum, pieces, err := readReference(reference)
	if err != nil {
		return nil, err
	}
	contents := []byte{}
	for _, p := range pieces {
		frames, _, err := r.read("body", p.id)
		if err != nil {
			return nil, err
		}
		if p.frame >= len(frames) {
			return nil, damaged("body %s has no frame %d", p.id, p.frame)
		}
		more, err := readPiece(frames[p.frame])
		if err != nil {
			return nil, err
		}
		if len(more) != p.size {
			return nil, damaged("a piece of %d bytes, not %d", len(more), p.size)
		}
		contents = append(contents, more...)
	}
	if got := sha256.Sum256(contents); string(got[:]) != sum {
		return nil, damaged("a body of another SHA-256 than %x", sum)
	}
	return contents, nil
}

func readReference(reference string) (sum string, pieces []piece, err error) {
	c := &cursor{rest: []byte(reference)}
	if v := c.uv(); c.err == nil && v != 1 {
		return "", nil, errVersion
	}
	sum = c.take(sha256.Size)
	for range c.count(1 << 16) {
		p := piece{hex.EncodeToString([]byte(c.take(32))), c.count(1<<16 - 1), c.count(8 << 20)}
		if p.size == 0 {
			c.fail("an empty piece")
		}
		pieces = append(pieces, p)
	}
	return sum, pieces, c.end()
}

func readPiece(frame []byte) ([]byte, error) {
	switch {
	case len(frame) > 1 && frame[0] == 0:
		return frame[1:], nil
	case len(frame) > 1 && frame[0] == 1:
		return decompress(frame[1:])
	}
	return nil, damaged("frame of a body: %.10x", frame)
}

// TestVectorsOfBodies reads the frame and the references of snapshot.md.
func TestVectorsOfBodies(t *testing.T) {
	v := hexBlocks(t, "snapshot.md")
	if len(v) != 5 {
		t.Fatalf("%d vectors in snapshot.md", len(v))
	}
	v = v[2:] // of the others, in TestSegmentVectors
	hello := []byte("Hello, world")
	if got, err := readPiece(v[0]); err != nil || !bytes.Equal(got, hello) {
		t.Errorf("the frame is read as %q, %v", got, err)
	}
	sum, pieces, err := readReference(string(v[1]))
	want := sha256.Sum256(hello)
	if err != nil || sum != string(want[:]) || len(pieces) != 1 || pieces[0].frame != 2 || pieces[0].size != len(hello) || !strings.HasSuffix(pieces[0].id, "1e1f") {
		t.Errorf("the reference is read as %x, %+v, %v", sum, pieces, err)
	}
	if got, err := new(repository).body(string(v[2])); err != nil || len(got) != 0 {
		t.Errorf("the empty body is read as %q, %v", got, err)
	}
	for _, bad := range [][]byte{v[1][:len(v[1])-1], append(slices.Clone(v[1]), 0), append([]byte{2}, v[1][1:]...), {}, {1}} {
		if _, _, err := readReference(string(bad)); err == nil {
			t.Errorf("%x is read", bad)
		}
	}
}
