package snapshot

import (
	"bytes"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

// FuzzSegment: whatever stands in the frames of a segment, it is read or refused, in bounded memory.
func FuzzSegment(f *testing.F) {
	shape := sf.NewShape("Account", []string{"Name"})
	b := frameBuilder{columns: shape.Len()}
	id, err := makeKey("001000000000001AAA")
	if err != nil {
		f.Fatal(err)
	}
	b.add(id, false, appendRow(nil, []sf.Value{sf.Text("x")}))
	raw := b.encode()
	packed, _, err := compress(raw, nil, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encodeIndex(shape, []frameInfo{{first: id, last: id, rows: 1, size: len(raw)}}, newFilter([]uint64{filterHash(id)})), packed)
	f.Fuzz(func(t *testing.T, index, packed []byte) {
		got, err := sumSegment([][]byte{index, packed})
		if err == nil && got.records > frameRows {
			t.Fatalf("%d records of one frame", got.records)
		}
	})
}

// FuzzNoteHead: there is one spelling of the head of a note.
func FuzzNoteHead(f *testing.F) {
	f.Add([]byte(`{"format":"holdfast-note/1","name":"n","size":3}` + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var h noteHead
		if decodeLine(line, &h) != nil {
			return
		}
		if again, err := encodeLine(h); err != nil || !bytes.Equal(again, line) {
			t.Fatalf("%q is read, and written as %q (%v)", line, again, err)
		}
	})
}

// FuzzErasure: there is one spelling of the note of an erasure.
func FuzzErasure(f *testing.F) {
	id := strings.Repeat("0a", 32)
	line, err := encodeLine(erasureNote{
		Format: erasureFormat, Versions: 3, Bytes: 9,
		Snapshots: []replacedLine{{id, id, 1}, {id, "", 0}}, Bodies: []unwantedLine{{id, []int{1, 2}}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Fuzz(func(t *testing.T, line []byte) {
		note, err := parseErasure(line)
		if err != nil {
			return
		}
		if again, err := encodeLine(note); err != nil || !bytes.Equal(again, line) {
			t.Fatalf("%q is read, and written as %q (%v)", line, again, err)
		}
	})
}

// FuzzTime: there is one spelling of a time.
func FuzzTime(f *testing.F) {
	f.Add("2026-03-01T02:00:00.000Z")
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := readTime(text); err == nil && writeTime(at) != text {
			t.Fatalf("%q is read as %v", text, at)
		}
	})
}
