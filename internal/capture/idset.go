package capture

import (
	"encoding/binary"
	"iter"
	"slices"

	"holdfast/internal/sf"
)

// idBlock is the number of Ids of an idSet that are unpacked to look for one: a fraction of a
// microsecond, for a third of a byte of index for each Id.
const idBlock = 64

// idSet answers whether it has an Id. It takes some four bytes for each, and does not change.
type idSet struct {
	firsts []rollEntry // of each block
	starts []int       // where in packed the rest of each block begins
	packed []byte      // the distance of each further Id to the one before it
}

// newIDSet returns the Ids of all rolls.
func newIDSet(rolls map[string]*roll) idSet {
	var all roll
	for _, r := range rolls {
		for id := range r.ids() {
			all.put(id, markLive)
		}
	}
	var s idSet
	var last rollEntry
	n := 0
	for id := range all.ids() {
		e := entryOf(id)
		if n%idBlock == 0 {
			s.firsts, s.starts = append(s.firsts, e), append(s.starts, len(s.packed))
		} else {
			s.packed = appendStep(s.packed, last, e)
		}
		last = e
		n++
	}
	return s
}

// has reports whether the text is an Id of the set.
func (s idSet) has(text string) bool {
	if len(text) != 18 || len(s.firsts) == 0 {
		return false
	}
	want := entryOf(sf.ID(text))
	block, found := slices.BinarySearchFunc(s.firsts, want, compareEntries)
	if found {
		return true
	}
	if block--; block < 0 {
		return false
	}
	rest := s.packed[s.starts[block]:]
	if block+1 < len(s.starts) {
		rest = s.packed[s.starts[block]:s.starts[block+1]]
	}
	for at := s.firsts[block]; len(rest) > 0; {
		at, rest = nextStep(rest, at)
		if c := compareEntries(at, want); c >= 0 {
			return c == 0
		}
	}
	return false
}

// appendStep appends what leads from one Id to a higher one.
func appendStep(b []byte, from, to rollEntry) []byte {
	if to.high == from.high {
		return binary.AppendUvarint(b, (to.low-from.low)<<1)
	}
	b = binary.AppendUvarint(b, (to.high-from.high)<<1|1)
	return binary.AppendUvarint(b, to.low)
}

// nextStep undoes appendStep, and returns what follows it.
func nextStep(b []byte, from rollEntry) (rollEntry, []byte) {
	v, n := binary.Uvarint(b)
	b = b[n:]
	if v&1 == 0 {
		from.low += v >> 1
		return from, b
	}
	from.high += v >> 1
	from.low, n = binary.Uvarint(b)
	return from, b[n:]
}

// chunks yields the Ids of the roll, at most askByID at a time. The slice is used again.
func chunks(r *roll) iter.Seq[[]sf.ID] {
	return func(yield func([]sf.ID) bool) {
		chunk := make([]sf.ID, 0, askByID)
		for id := range r.ids() {
			if chunk = append(chunk, id); len(chunk) < askByID {
				continue
			}
			if !yield(chunk) {
				return
			}
			chunk = chunk[:0]
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}
