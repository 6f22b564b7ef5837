package format_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reading returns the error with which something is refused.
func reading(read func()) error {
	_, err := try(func() struct{} {
		read()
		return struct{}{}
	})
	return err
}

// hexBlocks returns the indented hexadecimal texts of a document, below its heading "Vectors".
func hexBlocks(t *testing.T, file string) (blocks [][]byte) {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(body), "\n## Vectors\n")
	line, indented := regexp.MustCompile(`^ {4}([A-Za-z][A-Za-z ]* {2,})? *([0-9a-f]+)\n$`), false
	for l := range strings.Lines(text) {
		m := line.FindStringSubmatch(l)
		if m == nil {
			indented = false
			continue
		}
		if m[1] != "" || !indented {
			blocks = append(blocks, nil)
		}
		indented = true
		last := &blocks[len(blocks)-1]
		*last = append(*last, unhex(m[2])...)
	}
	return blocks
}

// TestObjectVectors opens the object of repository.md and refuses each of its bits when it is flipped.
func TestObjectVectors(t *testing.T) {
	v := hexBlocks(t, "repository.md")
	if len(v) != 8 {
		t.Fatalf("%d vectors in repository.md", len(v))
	}
	counting := func(from byte) []byte {
		b := make([]byte, 32)
		for i := range b {
			b[i] = from + byte(i)
		}
		return b
	}
	r := newRepository("", unhex("000102030405060708090a0b0c0d0e0f"))
	r.secrets[string(unhex("0102030405060708"))] = counting(0xa0)
	r.tableLines(fmt.Sprintf("ids %x\n", counting(0x80)))
	id, object := v[2], v[4]
	frames := [][]byte{[]byte("head"), {}, []byte("body of the object")}
	master := counting(0xc0)
	for i, got := range [][]byte{r.derive(r.ids, "holdfast content id 1", 32), r.derive(r.ids, "holdfast name id 1", 32), r.idByContent("segment", u32(3), frames), nil, nil, r.idByName("note-run", "name"), r.derive(master, "holdfast master id 1", 16)} {
		if got != nil && !bytes.Equal(got, v[i]) {
			t.Errorf("vector %d: %x, not %x", i, got, v[i])
		}
	}
	if era, got := r.open("segment", id, object); !bytes.Equal(era, u32(3)) || !slices.EqualFunc(got, frames, bytes.Equal) {
		t.Errorf("the object opens to %q", got)
	}
	refused := func(want, class string, id, object []byte) {
		t.Helper()
		if err := reading(func() { r.open(class, id, object) }); outcome(err) != want {
			t.Errorf("%s %x %x: %v, want %s", class, id, object, err, want)
		}
	}
	for bit := range 8 * len(object) {
		spoiled := slices.Clone(object)
		spoiled[bit/8] ^= 1 << (bit % 8)
		want := "damaged"
		if bit/8 == 3 {
			want = "version"
		}
		refused(want, "segment", id, spoiled)
	}
	for n := range object {
		refused("damaged", "segment", id, object[:n])
	}
	refused("damaged", "segment", id, append(slices.Clone(object), 0))
	refused("damaged", "snapshot", id, object)
	refused("damaged", "segment", v[5], object)
	r.keys[string(object[12:28])] = v[3] // the key alone opens it, too
	delete(r.secrets, string(object[12:20]))
	if _, got := r.open("segment", id, object); !slices.EqualFunc(got, frames, bytes.Equal) {
		t.Errorf("with its key the object opens to %q", got)
	}
	r.id = slices.Repeat([]byte{1}, 16)
	refused("damaged", "segment", id, object)
}

// TestTableVector opens the object of the key table of repository.md.
func TestTableVector(t *testing.T) {
	v := hexBlocks(t, "repository.md")
	body, err := os.ReadFile("repository.md")
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(body), "\n    holdfast-table/1\n    repository 0001")
	want, _, _ = strings.Cut("    holdfast-table/1\n    repository 0001"+want, "\n\n")
	want = strings.ReplaceAll(strings.TrimPrefix(want, "    "), "\n    ", "\n") + "\n"
	dir := t.TempDir()
	file := filepath.Join(dir, "base")
	if err := os.WriteFile(file, v[7], 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRepository("", unhex("000102030405060708090a0b0c0d0e0f"))
	var master []byte
	for i := range 32 {
		master = append(master, 0xc0+byte(i))
	}
	masters := map[string][]byte{string(v[6]): master}
	text := r.tableText(file, "0000000000000002", masters)
	head, lines, _ := strings.Cut(want, "generation 2\n")
	if text != lines || head == "" {
		t.Errorf("the key table opens to %q, not %q", text, lines)
	}
	if r.tableLines(text); len(r.roots["snapshot"]) != 1 || len(r.secrets) != 1 || len(r.keys) != 1 {
		t.Errorf("%+v", r)
	}
	if err := reading(func() { r.tableText(file, "0000000000000003", masters) }); outcome(err) != "damaged" {
		t.Errorf("as another generation: %v", err)
	}
}

// TestSegmentVectors reads the frame and the index of snapshot.md, and refuses other spellings.
func TestSegmentVectors(t *testing.T) {
	v := hexBlocks(t, "snapshot.md")
	if len(v) != 5 { // the others are in TestVectorsOfBodies
		t.Fatalf("%d vectors in snapshot.md", len(v))
	}
	frame, index := v[0], v[1]
	object, fields, entries, filter := readIndex(index)
	if fmt.Sprintf("%s %v %v", object, fields, entries) != "Account [Industry Name] [{001000000000001AAA 001000000000010AAA 3 1 56}]" || len(frame) != 56 {
		t.Errorf("index: %s %v %v, of a frame of %d bytes", object, fields, entries, len(frame))
	}
	rows, _ := readRows(frame, fields)
	acme, empty := "Acme", ""
	want := []row{
		{id: "001000000000001AAA", values: map[string]*string{"Industry": nil, "Name": &acme}},
		{id: "001000000000002AAA", gone: true, evidence: "census"},
		{id: "001000000000010AAA", values: map[string]*string{"Name": &empty}},
	}
	for i, r := range rows {
		if !bytes.Equal(filter, filterOf(rows)) {
			t.Errorf("filter %x, not %x", filter, filterOf(rows))
		}
		if !slices.Equal(hashOf(r), hashOf(want[i])) || r.gone != want[i].gone || r.evidence != want[i].evidence ||
			r.gone && r.at.Format("2006-01-02T15:04:05.000Z") != "2026-03-01T02:00:00.000Z" {
			t.Errorf("row %d: %+v, not %+v", i, r, want[i])
		}
	}
	for n := range frame {
		if err := reading(func() { readRows(frame[:n], fields) }); outcome(err) != "damaged" {
			t.Errorf("%d bytes of the frame: %v", n, err)
		}
	}
	for n := range index {
		if err := reading(func() { readIndex(index[:n]) }); outcome(err) != "damaged" {
			t.Errorf("%d bytes of the index: %v", n, err)
		}
	}
	for old, other := range map[string]string{
		"0301":                           "830001",                         // a number that is not in its shortest form
		"0e324141410d3130":               "0d30324141410d3130",             // fewer shared bytes than there are
		"0e324141410d31304141410001":     "0e314141410d31304141410001",     // the same Id twice
		"41000100":                       "41000200",                       // a kind that is none
		"0663656e737573":                 "0763656e737573",                 // evidence that takes a byte of what follows
		"41636d65":                       "41636d6500",                     // a byte too many
		"0301003030":                     "0300003030",                     // more tombstones than are counted
		"07416363":                       "08416363",                       // of the index: a text that is too long
		"08496e647573747279044e616d6501": "044e616d6508496e64757374727901", // fields out of order
	} {
		spoiled := func(b []byte) []byte {
			return unhex(strings.Replace(hex.EncodeToString(b), old, other, 1))
		}
		err := reading(func() { readRows(spoiled(frame), fields) })
		if bytes.Equal(spoiled(frame), frame) {
			err = reading(func() { readIndex(spoiled(index)) }) // which is valid, if this does not hold it either
		}
		if outcome(err) != "damaged" {
			t.Errorf("%s for %s: %s", other, old, outcome(err))
		}
	}
	index[0] = 3
	if err := reading(func() { readIndex(index) }); outcome(err) != "version" {
		t.Errorf("index of format 3: %v", err)
	}
}

func hashOf(r row) []byte { return hashRecord("Account", r.id, r.values).Bytes() }

// TestDigestVectors hashes the records of vectors/digest.txt.
func TestDigestVectors(t *testing.T) {
	body, err := os.ReadFile("vectors/digest.txt")
	if err != nil {
		t.Fatal(err)
	}
	sum := new(big.Int)
	for line := range strings.Lines(string(body)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		want := cells[len(cells)-1]
		if cells[0] == "digest" {
			if digestText(sum) != want {
				t.Errorf("digest %s, not %s", digestText(sum), want)
			}
			continue
		}
		values := map[string]*string{}
		for _, cell := range cells[2 : len(cells)-1] {
			name, text, _ := strings.Cut(cell, "=")
			var value *string
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			values[name] = value
		}
		hash := hashRecord(cells[0], cells[1], values)
		if digestText(hash) != want {
			t.Errorf("%s: %s, not %s", cells[1], digestText(hash), want)
		}
		sum.Add(sum, hash)
	}
}

// TestEveryVectorIsRead knows who reads what stands in vectors: internal/plan and internal/rollback read their own.
func TestEveryVectorIsRead(t *testing.T) {
	entries, err := os.ReadDir("vectors")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "digest.txt" && e.Name() != "plan" && e.Name() != "rollback" {
			t.Errorf("nobody reads vectors/%s", e.Name())
		}
	}
}
