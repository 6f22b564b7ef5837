package capture

import (
	"container/heap"
	"iter"
	"slices"

	"holdfast/internal/sf"
)

// mark is what was seen of a record.
type mark uint8

const (
	markLive     mark = iota
	markArchived      // live, but the org leaves it out of ordinary queries and counts
	markGone
)

// rollChunk is the number of Ids that are sorted and packed together: it bounds the unpacked buffer
// to 1.5 MiB.
const rollChunk = 1 << 16

// roll is a set of record Ids, each with the last mark it was given. Ids of one object differ in
// their last characters, so that sorted they pack into about four bytes each: a census of five
// million records takes some 20 MB.
type roll struct {
	chunks [][]byte // each sorted and packed; of two with the same Id the later one counts
	open   []rollEntry
}

// rollEntry is the first 15 characters of an Id as two numbers in base 62, whose order is that of
// the bytes of Ids.
type rollEntry struct {
	high, low uint64 // six characters, nine characters
	mark      mark
}

const (
	base62     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	highDigits = 6
	idDigits   = 15
)

var base62Digit = func() (table [256]byte) {
	for i := range len(base62) {
		table[base62[i]] = byte(i)
	}
	return table
}()

// put marks the Id, which is a valid 18-character one.
func (r *roll) put(id sf.ID, m mark) {
	e := entryOf(id)
	e.mark = m
	r.open = append(r.open, e)
	if len(r.open) >= rollChunk {
		r.pack()
	}
}

// entryOf returns the entry of an Id of 18 characters, without a mark.
func entryOf(id sf.ID) rollEntry {
	var e rollEntry
	for i := range highDigits {
		e.high = e.high*62 + uint64(base62Digit[id[i]])
	}
	for i := highDigits; i < idDigits; i++ {
		e.low = e.low*62 + uint64(base62Digit[id[i]])
	}
	return e
}

func (e rollEntry) id() sf.ID {
	var b [idDigits]byte
	low, high := e.low, e.high
	for i := idDigits - 1; i >= highDigits; i-- {
		b[i] = base62[low%62]
		low /= 62
	}
	for i := highDigits - 1; i >= 0; i-- {
		b[i] = base62[high%62]
		high /= 62
	}
	id, err := sf.ParseID(string(b[:]))
	if err != nil {
		panic("roll: " + err.Error()) // base 62 has no other characters
	}
	return id
}

func compareEntries(a, b rollEntry) int {
	switch {
	case a.high != b.high:
		if a.high < b.high {
			return -1
		}
		return 1
	case a.low < b.low:
		return -1
	case a.low > b.low:
		return 1
	}
	return 0
}

// pack moves the open entries into a chunk: for each the distance to the one before it and the mark.
func (r *roll) pack() {
	if len(r.open) == 0 {
		return
	}
	slices.SortStableFunc(r.open, compareEntries)
	chunk := make([]byte, 0, 4*len(r.open))
	var last rollEntry
	for i, e := range r.open {
		if i+1 < len(r.open) && compareEntries(e, r.open[i+1]) == 0 {
			continue // a later mark of the same Id follows
		}
		chunk = appendStep(chunk, last, e)
		chunk = append(chunk, byte(e.mark))
		last = e
	}
	r.chunks = append(r.chunks, slices.Clip(chunk))
	r.open = r.open[:0]
}

// cursor reads one chunk.
type cursor struct {
	rest  []byte
	entry rollEntry
	age   int // position of the chunk: the higher, the later
}

func (c *cursor) next() bool {
	if len(c.rest) == 0 {
		return false
	}
	c.entry, c.rest = nextStep(c.rest, c.entry)
	c.entry.mark, c.rest = mark(c.rest[0]), c.rest[1:]
	return true
}

// cursors is a heap: the lowest Id first, and of equal ones the latest chunk.
type cursors []*cursor

func (h cursors) Len() int { return len(h) }
func (h cursors) Less(i, j int) bool {
	if c := compareEntries(h[i].entry, h[j].entry); c != 0 {
		return c < 0
	}
	return h[i].age > h[j].age
}
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)   { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// all yields every Id with its last mark, ascending. Ids that are put while it runs are not seen.
func (r *roll) all() iter.Seq2[sf.ID, mark] {
	return func(yield func(sf.ID, mark) bool) {
		r.pack()
		var h cursors
		for i, chunk := range r.chunks {
			c := &cursor{rest: chunk, age: i}
			if c.next() {
				h = append(h, c)
			}
		}
		heap.Init(&h)
		var last rollEntry
		for first := true; len(h) > 0; first = false {
			c := h[0]
			e := c.entry
			if c.next() {
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
			if !first && compareEntries(e, last) == 0 {
				continue
			}
			last = e
			if !yield(e.id(), e.mark) {
				return
			}
		}
	}
}

// ids yields every Id of the roll, whatever its mark.
func (r *roll) ids() iter.Seq[sf.ID] {
	return func(yield func(sf.ID) bool) {
		for id := range r.all() {
			if !yield(id) {
				return
			}
		}
	}
}

// live yields the Ids that are not marked as gone. It never yields an error.
func (r *roll) live() iter.Seq2[sf.ID, error] {
	return func(yield func(sf.ID, error) bool) {
		for id, m := range r.all() {
			if m != markGone && !yield(id, nil) {
				return
			}
		}
	}
}

// count returns the number of live Ids, and of archived ones.
func (r *roll) count() (live, archived int64) {
	for _, m := range r.all() {
		switch m {
		case markLive:
			live++
		case markArchived:
			archived++
		}
	}
	return live, archived
}

// len returns the number of Ids, whatever their marks.
func (r *roll) len() (n int64) {
	for range r.all() {
		n++
	}
	return n
}

// compareIDs reads two ascending sequences side by side and returns what only one of them has.
func compareIDs(a, b iter.Seq2[sf.ID, error]) (onlyA, onlyB *roll, err error) {
	onlyA, onlyB = &roll{}, &roll{}
	nextA, stopA := iter.Pull2(a)
	defer stopA()
	nextB, stopB := iter.Pull2(b)
	defer stopB()
	x, errA, okA := nextA()
	y, errB, okB := nextB()
	for okA || okB {
		if err := firstError(errA, errB); err != nil {
			return nil, nil, err
		}
		advanceA := okA && (!okB || x <= y)
		advanceB := okB && (!okA || y <= x)
		switch {
		case advanceA && !advanceB:
			onlyA.put(x, markLive)
		case advanceB && !advanceA:
			onlyB.put(y, markLive)
		}
		if advanceA {
			x, errA, okA = nextA()
		}
		if advanceB {
			y, errB, okB = nextB()
		}
	}
	return onlyA, onlyB, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
