// Package format_test has a second reader of the repository: this file, written from the documents of this folder
// alone, in 500 lines at most (TestReaderIsSmall): whoever has them and a key can read a repository without Holdfast.
package format_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// The outcomes of reading, besides that it is valid: repository.md, "Outcomes". There are no others.
var (
	errVersion = errors.New("version")
	errKey     = errors.New("key")
	errDamaged = errors.New("damaged")
)

// try runs what reads, which panics with an error when it must refuse.
func try[T any](read func() T) (v T, err error) {
	defer func() {
		if failed, ok := recover().(error); ok {
			err = failed
		}
	}()
	return read(), nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// want refuses what is damaged.
func want(ok bool, format string, args ...any) {
	if !ok {
		panic(fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...)))
	}
}

func u32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func unhex(digits string) []byte {
	b, err := hex.DecodeString(digits)
	want(err == nil, "digits %.80q", digits)
	return b
}

// repository is an open directory, with what its key table says.
type repository struct {
	dir           string
	id, ids       []byte
	secrets, keys map[string][]byte   // by name of the secret, by key id
	roots         map[string][]string // by class
}

func newRepository(dir string, id []byte) *repository {
	return &repository{dir, id, nil, map[string][]byte{}, map[string][]byte{}, map[string][]string{}}
}

func (r *repository) derive(key []byte, label string, size int) []byte {
	out, err := hkdf.Key(sha256.New, key, r.id, label, size)
	check(err)
	return out
}

// unseal opens what AES-256-GCM sealed.
func unseal(key, nonce, sealed, associated []byte) []byte {
	block, err := aes.NewCipher(key)
	check(err)
	gcm, err := cipher.NewGCM(block)
	check(err)
	plain, err := gcm.Open(nil, nonce, sealed, associated)
	want(err == nil, "%.20q does not open", associated)
	return plain
}

func (r *repository) idByContent(class string, era []byte, frames [][]byte) []byte {
	mac := hmac.New(sha256.New, r.derive(r.ids, "holdfast content id 1", 32))
	mac.Write(slices.Concat(u32(len(class)), []byte(class), era, u32(len(frames))))
	for _, f := range frames {
		mac.Write(slices.Concat(u32(len(f)), f))
	}
	return mac.Sum(nil)
}

// open returns the era and the frames of an object: repository.md, "Object".
func (r *repository) open(class string, id, raw []byte) (era []byte, frames [][]byte) {
	want(len(raw) >= 4 && string(raw[:3]) == "HFO", "no object")
	if raw[3] != 1 {
		panic(errVersion)
	}
	want(len(raw) >= 44, "%d bytes", len(raw))
	n := int(binary.BigEndian.Uint32(raw[4:]))
	want(n >= 1 && n <= 65536 && len(raw) >= 44+4*n, "%d frames", n)
	era = raw[8:12]
	key := r.keys[string(raw[12:28])]
	if secret := r.secrets[string(raw[12:20])]; key == nil && secret != nil {
		key = r.derive(secret, string(slices.Concat([]byte("holdfast data key 1 "), raw[12:28], id, era, []byte(class))), 32)
	}
	want(key != nil, "no key of %s %x", class, id)
	associated := func(part string, more ...byte) []byte {
		return slices.Concat([]byte("holdfast object 1 "+part+"\x00"), r.id, id, era, []byte(class), more)
	}
	nonce := func(i uint32) []byte { return binary.BigEndian.AppendUint32(make([]byte, 8), i) }
	header, rest := raw[:28+4*n], raw[44+4*n:]
	unseal(key, nonce(0xffffffff), raw[28+4*n:44+4*n], associated("header", header...))
	for i := range n {
		size := int(binary.BigEndian.Uint32(header[28+4*i:])) + 16
		want(size <= 32<<20+16 && size <= len(rest), "frame %d has %d bytes", i, size)
		frames = append(frames, unseal(key, nonce(uint32(i)), rest[:size], associated("frame")))
		rest = rest[size:]
	}
	want(len(rest) == 0, "%d bytes after the frames", len(rest))
	return era, frames
}

var (
	configForm = regexp.MustCompile(`\Aholdfast-repository/1\nid ([0-9a-f]{32})\n\z`)
	masterForm = regexp.MustCompile(`\Aholdfast-key/1\nrepository ([0-9a-f]{32})\nmaster ([0-9a-f]{64})\n\z`)
	tableLine  = regexp.MustCompile(`\A(?:(ids) ([0-9a-f]{64})|(secret) ([0-9a-f]{16}) ([0-9a-f]{64}) (?:session|lasting) \S{20}|` +
		`(key) ([0-9a-f]{32}) ([0-9a-f]{64})|(root) (\S+) ([0-9a-f]{64}) ([0-9a-f]{32}) ([0-9a-f]{64})|(?:base|past|era|recipient|expired|condemned|gone) .*)\n\z`)
)

// openRepository opens a directory with the age identity in a file: repository.md, "Layout".
func openRepository(dir, identityFile string) (*repository, error) {
	return try(func() *repository {
		config, err := os.ReadFile(filepath.Join(dir, "config"))
		check(err)
		m := configForm.FindSubmatch(config)
		if format, _, _ := bytes.Cut(config, []byte("\n")); m == nil && bytes.HasPrefix(format, []byte("holdfast-repository/")) && !bytes.HasSuffix(format, []byte("/1")) {
			panic(errVersion)
		}
		want(m != nil, "config")
		text, err := os.ReadFile(identityFile)
		check(err)
		identities, err := age.ParseIdentities(bytes.NewReader(text))
		check(err)
		r := newRepository(dir, unhex(string(m[1])))
		r.table(r.masters(identities))
		return r
	})
}

// masters returns the master keys that the identities open, by their ids: repository.md, "Keys".
func (r *repository) masters(identities []age.Identity) map[string][]byte {
	names, err := filepath.Glob(filepath.Join(r.dir, "keys", hex.EncodeToString(r.id), "file", "*"))
	want(err == nil && len(names) > 0, "no key file (%v)", err)
	outcome, masters := errKey, map[string][]byte{}
	for _, name := range names {
		text, err := try(func() []byte {
			sealed, err := os.ReadFile(name)
			check(err)
			want(fmt.Sprintf("%x", sha256.Sum256(sealed)) == filepath.Base(name), "key file %s", name)
			plain, err := age.Decrypt(bytes.NewReader(sealed), identities...)
			if err != nil {
				panic(errKey)
			}
			text, err := io.ReadAll(plain)
			check(err)
			return text
		})
		if m := masterForm.FindSubmatch(text); m != nil && string(m[1]) == hex.EncodeToString(r.id) {
			master := unhex(string(m[2]))
			masters[string(r.derive(master, "holdfast master id 1", 16))] = master
		} else if !errors.Is(err, errKey) {
			outcome = errDamaged
		}
	}
	if len(masters) == 0 {
		panic(outcome)
	}
	return masters
}

// table reads the newest generation: repository.md, "Key table". A file that does not open is read from mirror/.
func (r *repository) table(masters map[string][]byte) {
	keys := filepath.Join(r.dir, "keys", hex.EncodeToString(r.id))
	bases, err := filepath.Glob(filepath.Join(keys, "*", "*", "base"))
	want(err == nil && len(bases) > 0, "no key table (%v)", err)
	newest := ""
	for _, base := range bases {
		newest = max(newest, filepath.Base(filepath.Dir(base)))
	}
	names, err := filepath.Glob(filepath.Join(keys, "table", newest, "add-*"))
	check(err)
	for _, name := range append(names, "base") {
		file := filepath.Join(newest, filepath.Base(name))
		text, err := try(func() string { return r.tableText(filepath.Join(keys, "table", file), newest, masters) })
		if err != nil {
			text = r.tableText(filepath.Join(keys, "mirror", file), newest, masters)
		}
		r.tableLines(text)
	}
}

func (r *repository) tableText(file, generation string, masters map[string][]byte) string {
	raw, err := os.ReadFile(file)
	want(err == nil && len(raw) >= 48 && string(raw[:4]) == "HFT\x01" && masters[string(raw[4:20])] != nil, "key table %s (%v)", file, err)
	key := r.derive(masters[string(raw[4:20])], "holdfast key table 1", 32)
	text := unseal(key, raw[20:32], raw[32:], slices.Concat([]byte("holdfast table 1 "), r.id, unhex(generation), []byte(filepath.Base(file))))
	head := fmt.Sprintf("holdfast-table/1\nrepository %x\ngeneration %d\n", r.id, binary.BigEndian.Uint64(unhex(generation)))
	want(bytes.HasPrefix(text, []byte(head)), "key table %s begins otherwise", file)
	return string(text[len(head):])
}

func (r *repository) tableLines(text string) {
	for line := range strings.Lines(text) {
		m := tableLine.FindStringSubmatch(line)
		want(m != nil, "a line of the key table")
		switch {
		case m[1] != "":
			r.ids = unhex(m[2])
		case m[3] != "":
			r.secrets[string(unhex(m[4]))] = unhex(m[5])
		case m[6] != "":
			r.keys[string(unhex(m[7]))] = unhex(m[8])
		case m[9] != "":
			r.roots[m[10]] = append(r.roots[m[10]], m[11])
			r.keys[string(unhex(m[12]))] = unhex(m[13])
		}
	}
}

// read returns the frames of an object and its size, and compares the Id of one named by content.
func (r *repository) read(class, id string) (frames [][]byte, size int) {
	raw, err := os.ReadFile(filepath.Join(r.dir, class, id[:2], id))
	want(err == nil, "%v", err)
	era, frames := r.open(class, unhex(id), raw)
	named := strings.HasPrefix(class, "note-") || class == "spill"
	want(named || bytes.Equal(r.idByContent(class, era, frames), unhex(id)), "%s %s has other contents", class, id)
	return frames, len(raw)
}

// What a manifest says of a part that is needed to read it: snapshot.md, "Manifest".
type (
	part struct {
		Object, State string
		Layers        []layer
	}
	layer struct {
		Before, After string
		Records       int
		Segments      []segmentEntry
	}
	segmentEntry struct {
		Id                     string
		Size, Rows, Tombstones int
		First, Last            string
	}
)

func decode[T any](line []byte) (v T) {
	err := json.Unmarshal(line, &v)
	want(err == nil, "%v in %.200s", err, line)
	return v
}

// maxFrame is the most bytes of a frame before compression: snapshot.md, "Limits".
const maxFrame = 16<<20 + 320<<10

var unzstd, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxFrame))

func decompress(frame []byte) []byte {
	out, err := unzstd.DecodeAll(frame, nil)
	want(err == nil, "%v", err)
	return out
}

// document returns the head and the lines of a schema or manifest: snapshot.md, "Documents".
func (r *repository) document(class, id, format string) (head []byte, lines [][]byte) {
	frames, _ := r.read(class, id)
	if decode[struct{ Format string }](frames[0]).Format != format {
		panic(errVersion)
	}
	for _, frame := range frames[1:] {
		body := decompress(frame)
		want(bytes.HasSuffix(body, []byte("\n")), "%s %s: a frame of no whole lines", class, id)
		lines = slices.AppendSeq(lines, bytes.Lines(body))
	}
	return frames[0], lines
}

// snapshot reads the states of the whole parts of a snapshot, by object and Id, tombstones too.
func (r *repository) snapshot(id string) (states map[string]map[string]row, err error) {
	return try(func() map[string]map[string]row {
		states := map[string]map[string]row{}
		_, lines := r.document("snapshot", id, "holdfast-snapshot/1")
		for _, line := range lines {
			if p := decode[struct{ Part part }](line).Part; p.State == "whole" {
				states[p.Object] = r.part(p)
			}
		}
		return states
	})
}

// part merges the layers of a part and computes its digest before and after each.
func (r *repository) part(p part) map[string]row {
	state, digest, records := map[string]row{}, new(big.Int), 0
	for _, l := range p.Layers {
		want(digestText(digest) == l.Before, "%s: digest before a layer", p.Object)
		for _, row := range r.rows(p.Object, l) {
			if old, ok := state[row.id]; ok && !old.gone {
				digest.Sub(digest, hashRecord(p.Object, old.id, old.values))
				records--
			}
			if !row.gone {
				digest.Add(digest, hashRecord(p.Object, row.id, row.values))
				records++
			}
			state[row.id] = row
		}
		want(digestText(digest) == l.After && records == l.Records, "%s: digest after a layer", p.Object)
	}
	return state
}

// rows reads the segments of a layer.
func (r *repository) rows(object string, l layer) (all []row) {
	last := ""
	for _, entry := range l.Segments {
		rows := r.segment(object, entry)
		want(rows[0].id > last, "%s after %s", rows[0].id, last)
		all, last = append(all, rows...), entry.Last
	}
	return all
}

// segment reads the rows of a segment and holds its index, and what the manifest says of it, to them.
func (r *repository) segment(object string, stated segmentEntry) (all []row) {
	frames, size := r.read("segment", stated.Id)
	name, fields, entries, _ := readIndex(frames[0])
	want(name == object && len(entries) == len(frames)-1, "segment of %s with %d frames", name, len(frames))
	got := segmentEntry{Id: stated.Id, Size: size}
	for i, entry := range entries {
		body := decompress(frames[i+1])
		rows, tombstones := readRows(body, fields)
		want(len(rows) > 0 && entry == frameEntry{rows[0].id, rows[len(rows)-1].id, len(rows), tombstones, len(body)}, "frame %d", i)
		want(len(all) == 0 || all[len(all)-1].id < rows[0].id, "frame %d is out of order", i)
		all = append(all, rows...)
		got.Tombstones += tombstones
	}
	want(len(all) > 0, "an empty segment")
	got.Rows, got.First, got.Last = len(all), all[0].id, all[len(all)-1].id
	want(got == stated, "segment %+v, not %+v", got, stated)
	return all
}

// cursor takes numbers and texts off a frame: snapshot.md, "Numbers and text".
type cursor struct{ rest []byte }

func (c *cursor) take(n uint64) string {
	want(n <= uint64(len(c.rest)), "it ends early")
	out := c.rest[:n]
	c.rest = c.rest[n:]
	return string(out)
}

func (c *cursor) uv() uint64 {
	n, size := binary.Uvarint(c.rest)
	want(size > 0 && (size == 1 || c.rest[size-1] != 0), "a number")
	c.rest = c.rest[size:]
	return n
}

func (c *cursor) count(limit uint64) int {
	n := c.uv()
	want(n <= limit, "a number of %d", n)
	return int(n)
}

// row is a record version, or a tombstone. A field that is not in values is absent, nil is null.
type row struct {
	id       string
	gone     bool
	at       time.Time
	evidence string
	values   map[string]*string
}

type frameEntry struct {
	first, last            string
	rows, tombstones, size int
}

func readIndex(b []byte) (object string, fields []string, entries []frameEntry, filter []byte) {
	c := &cursor{b}
	if c.uv() != 2 {
		panic(errVersion)
	}
	object = c.take(c.uv())
	for range c.count(4000) {
		f := c.take(c.uv())
		want(f != "Id" && (len(fields) == 0 || f > fields[len(fields)-1]), "field %q", f)
		fields = append(fields, f)
	}
	rows := 0
	for range c.count(4096) {
		e := frameEntry{c.take(18), c.take(18), c.count(1024), c.count(1024), c.count(maxFrame)}
		entries, rows = append(entries, e), rows+e.rows
	}
	filter = []byte(c.take(c.uv()))
	want(len(filter) == 0 || len(filter) == (10*rows+7)/8, "a filter of %d bytes", len(filter))
	want(len(c.rest) == 0, "%d bytes too many", len(c.rest))
	return object, fields, entries, filter
}

// readRows reads the columns of a frame.
func readRows(b []byte, fields []string) (rows []row, tombstones int) {
	c := &cursor{b}
	rows = make([]row, c.count(1024))
	tombstones = c.count(uint64(len(rows)))
	before := ""
	for i := range rows {
		shared := c.count(17)
		want(shared <= len(before), "a shared beginning of %d", shared)
		id := before[:shared] + c.take(uint64(18-shared))
		want(before == "" || id > before && id[shared] != before[shared], "Id %q after %q", id, before)
		rows[i].id, before = id, id
	}
	gone := 0
	for i := range rows {
		if tombstones > 0 {
			kind := c.count(1)
			rows[i].gone, gone = kind == 1, gone+kind
		}
	}
	want(gone == tombstones, "%d tombstones, not %d", gone, tombstones)
	var versions []*row
	for i := range rows {
		if !rows[i].gone {
			rows[i].values = map[string]*string{}
			versions = append(versions, &rows[i])
			continue
		}
		z := c.uv()
		rows[i].at, rows[i].evidence = time.UnixMilli(int64(z>>1)^-int64(z&1)).UTC(), c.take(uint64(c.count(1024)))
	}
	codes := make([]uint64, len(versions))
	for _, field := range fields {
		for i := range codes {
			codes[i] = c.uv()
		}
		for i, code := range codes {
			if code == 1 {
				versions[i].values[field] = nil
			} else if code > 1 {
				text := c.take(code - 2)
				versions[i].values[field] = &text
			}
		}
	}
	want(len(c.rest) == 0, "%d bytes too many", len(c.rest))
	return rows, tombstones
}

// hashRecord is the record hash of digest.md.
func hashRecord(object, id string, values map[string]*string) *big.Int {
	text := func(s string) []byte { return append(u32(len(s)), s...) }
	names := slices.Sorted(maps.Keys(values))
	shape := slices.Concat([]byte("holdfast-record/1"), text(object), u32(len(names)))
	for _, name := range names {
		shape = append(shape, text(name)...)
	}
	sum := sha256.Sum256(shape)
	record := append(sum[:], text(id)...)
	for _, name := range names {
		if record = append(record, 0); values[name] != nil {
			record = append(append(record[:len(record)-1], 1), text(*values[name])...)
		}
	}
	sum = sha256.Sum256(record)
	return new(big.Int).SetBytes(sum[:])
}

func digestText(d *big.Int) string {
	return fmt.Sprintf("%064x", new(big.Int).Mod(d, new(big.Int).Lsh(big.NewInt(1), 256)))
}
