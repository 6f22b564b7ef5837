package format_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math/big"
	"slices"
	"time"
)

// cursor takes numbers and texts off a frame: snapshot.md, "Numbers and text".
type cursor struct {
	rest []byte
	err  error
}

func (c *cursor) take(n uint64) string {
	if c.err != nil || n > uint64(len(c.rest)) {
		c.fail("it ends early")
		return ""
	}
	out := c.rest[:n]
	c.rest = c.rest[n:]
	return string(out)
}

func (c *cursor) uv() uint64 {
	n, size := binary.Uvarint(c.rest)
	if c.err != nil || size <= 0 || size > 1 && c.rest[size-1] == 0 {
		c.fail("a number")
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

// count is a number that cannot be above limit.
func (c *cursor) count(limit uint64) int {
	n := c.uv()
	if n > limit {
		c.fail("a number of %d", n)
		return 0
	}
	return int(n)
}

func (c *cursor) text() string { return c.take(c.uv()) }

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = damaged(format, args...)
	}
}

func (c *cursor) end() error {
	if len(c.rest) > 0 {
		c.fail("%d bytes too many", len(c.rest))
	}
	return c.err
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

func readIndex(b []byte) (object string, fields []string, entries []frameEntry, filter []byte, err error) {
	c := &cursor{rest: b}
	if v := c.uv(); c.err == nil && v != 2 {
		return "", nil, nil, nil, errVersion
	}
	object = c.text()
	for range c.count(4000) {
		fields = append(fields, c.text())
	}
	for range c.count(4096) {
		entries = append(entries, frameEntry{c.take(18), c.take(18), c.count(1024), c.count(1024), c.count(maxFrame)})
	}
	for i, f := range fields {
		if f == "Id" || i > 0 && f <= fields[i-1] {
			c.fail("field %q", f)
		}
	}
	rows := 0
	for _, e := range entries {
		rows += e.rows
	}
	if filter = []byte(c.take(c.uv())); len(filter) > 0 && len(filter) != (10*rows+7)/8 {
		c.fail("a filter of %d bytes", len(filter))
	}
	return object, fields, entries, filter, c.end()
}

// filterOf is the filter of rows.
func filterOf(rows []row) []byte {
	filter := make([]byte, (10*len(rows)+7)/8)
	for _, r := range rows {
		hash := fnv.New64a()
		hash.Write([]byte(r.id))
		at, step := hash.Sum64()&0xffffffff, hash.Sum64()>>32|1
		for range 7 {
			n := at % uint64(8*len(filter))
			filter[n/8] |= 1 << (n % 8)
			at += step
		}
	}
	return filter
}

// readRows reads the columns of a frame.
func readRows(b []byte, fields []string) (rows []row, tombstones int, err error) {
	c := &cursor{rest: b}
	rows = make([]row, c.count(1024))
	tombstones = c.count(uint64(len(rows)))
	before := ""
	for i := range rows {
		shared := c.count(17)
		if shared > len(before) {
			c.fail("a shared beginning of %d", shared)
			return nil, 0, c.err
		}
		id := before[:shared] + c.take(uint64(18-shared))
		if c.err != nil {
			return nil, 0, c.err
		}
		if before != "" && (id <= before || id[shared] == before[shared]) {
			c.fail("Id %q after %q", id, before)
		}
		rows[i].id, before = id, id
	}
	gone := 0
	for i := range rows {
		if tombstones > 0 {
			kind := c.take(1)
			if rows[i].gone = kind == "\x01"; rows[i].gone {
				gone++
			} else if kind != "\x00" {
				c.fail("kind %q", kind)
			}
		}
	}
	if gone != tombstones {
		c.fail("%d tombstones, not %d", gone, tombstones)
	}
	versions := make([]*row, 0, len(rows))
	for i := range rows {
		if !rows[i].gone {
			rows[i].values = map[string]*string{}
			versions = append(versions, &rows[i])
			continue
		}
		z := c.uv()
		rows[i].at = time.UnixMilli(int64(z>>1) ^ -int64(z&1)).UTC()
		if rows[i].evidence = c.text(); len(rows[i].evidence) > 1024 {
			c.fail("evidence")
		}
	}
	codes := make([]uint64, len(versions))
	for _, field := range fields {
		for i := range codes {
			codes[i] = c.uv()
		}
		for i, code := range codes {
			switch code {
			case 0:
			case 1:
				versions[i].values[field] = nil
			default:
				text := c.take(code - 2)
				versions[i].values[field] = &text
			}
		}
	}
	return rows, tombstones, c.end()
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
		if values[name] == nil {
			record = append(record, 0)
		} else {
			record = append(append(record, 1), text(*values[name])...)
		}
	}
	sum = sha256.Sum256(record)
	return new(big.Int).SetBytes(sum[:])
}

var modulus = new(big.Int).Lsh(big.NewInt(1), 256)

func digestText(d *big.Int) string { return fmt.Sprintf("%064x", new(big.Int).Mod(d, modulus)) }
