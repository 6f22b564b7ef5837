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
func (r *repository) bodies(p statedPart, state map[string]row) {
	var sum tally
	for _, row := range state {
		for _, field := range p.BodyFields {
			if reference, held := row.values[field]; held && reference == nil {
				sum.Missing++
			} else if held {
				sum.Held++
				sum.Bytes += len(r.body(*reference))
			}
		}
	}
	want(sum == p.Bodies, "bodies %+v, not %+v", sum, p.Bodies)
}

type piece struct {
	id          string
	frame, size int
}

// bundle is the object of bodies that was read last: many bodies share one.
var bundle struct {
	of     *repository
	id     string
	frames [][]byte
}

// body reads the contents to which a reference refers: snapshot.md, "Bodies".
func (r *repository) body(reference string) []byte {
	sum, pieces := readReference(reference)
	contents := []byte{}
	for _, p := range pieces {
		if bundle.id != p.id || bundle.of != r {
			bundle.frames, _ = r.read("body", p.id)
			bundle.of, bundle.id = r, p.id
		}
		want(p.frame < len(bundle.frames), "body %s has no frame %d", p.id, p.frame)
		more := readPiece(bundle.frames[p.frame])
		want(len(more) == p.size, "a piece of %d bytes, not %d", len(more), p.size)
		contents = append(contents, more...)
	}
	got := sha256.Sum256(contents)
	want(string(got[:]) == sum, "a body of another SHA-256 than %x", sum)
	return contents
}

func readReference(reference string) (sum string, pieces []piece) {
	c := &cursor{rest: []byte(reference)}
	if c.uv() != 1 {
		panic(errVersion)
	}
	sum = c.take(sha256.Size)
	for range c.count(1 << 16) {
		p := piece{hex.EncodeToString([]byte(c.take(32))), c.count(1<<16 - 1), c.count(8 << 20)}
		want(p.size > 0, "an empty piece")
		pieces = append(pieces, p)
	}
	want(len(c.rest) == 0, "%d bytes too many", len(c.rest))
	return sum, pieces
}

func readPiece(frame []byte) []byte {
	want(len(frame) > 1 && frame[0] <= 1, "frame of a body: %.10x", frame)
	if frame[0] == 0 {
		return frame[1:]
	}
	return decompress(frame[1:])
}

// TestVectorsOfBodies reads the frame and the references of snapshot.md.
func TestVectorsOfBodies(t *testing.T) {
	v := hexBlocks(t, "snapshot.md")
	if len(v) != 5 {
		t.Fatalf("%d vectors in snapshot.md", len(v))
	}
	v = v[2:] // of the others, in TestSegmentVectors
	hello := []byte("Hello, world")
	if got := readPiece(v[0]); !bytes.Equal(got, hello) {
		t.Errorf("the frame is read as %q", got)
	}
	sum, pieces := readReference(string(v[1]))
	want := sha256.Sum256(hello)
	if sum != string(want[:]) || len(pieces) != 1 || pieces[0].frame != 2 || pieces[0].size != len(hello) || !strings.HasSuffix(pieces[0].id, "1e1f") {
		t.Errorf("the reference is read as %x, %+v", sum, pieces)
	}
	if got := new(repository).body(string(v[2])); len(got) != 0 {
		t.Errorf("the empty body is read as %q", got)
	}
	for _, bad := range [][]byte{v[1][:len(v[1])-1], append(slices.Clone(v[1]), 0), append([]byte{2}, v[1][1:]...), {}, {1}} {
		if err := reading(func() { readReference(string(bad)) }); err == nil {
			t.Errorf("%x is read", bad)
		}
	}
}
