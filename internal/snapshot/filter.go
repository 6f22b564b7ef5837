package snapshot

import "hash/fnv"

// Parameters of a filter; docs/format/snapshot.md, "Filter".
const (
	filterBits   = 10 // of the filter, for each row
	filterProbes = 7  // bits that a row sets: one absent Id in 120 is not told apart
)

// filter tells for most Ids that a segment has no row of them. An empty one tells nothing.
type filter []byte

// filterSize returns the bytes of a filter of that many rows.
func filterSize(rows int64) int { return int((filterBits*rows + 7) / 8) }

// filterHash is the FNV-1a hash of an Id.
func filterHash(id key) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(id[:])
	return h.Sum64()
}

// newFilter returns the filter of rows with these hashes.
func newFilter(hashes []uint64) filter {
	f := make(filter, filterSize(int64(len(hashes))))
	for _, h := range hashes {
		f.probe(h, func(byteAt int, bit byte) bool {
			f[byteAt] |= bit
			return true
		})
	}
	return f
}

// may reports whether there may be a row with that hash.
func (f filter) may(h uint64) bool {
	return len(f) == 0 || f.probe(h, func(byteAt int, bit byte) bool { return f[byteAt]&bit != 0 })
}

// probe calls do with the bits of a hash until it returns false.
func (f filter) probe(h uint64, do func(byteAt int, bit byte) bool) bool {
	at, step, bits := h&(1<<32-1), h>>32|1, uint64(8*len(f))
	for range filterProbes {
		n := at % bits
		if !do(int(n/8), 1<<(n%8)) {
			return false
		}
		at += step
	}
	return true
}
