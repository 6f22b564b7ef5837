package snapshot

import (
	"math/bits"
	"math/rand/v2"

	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// bodySizes are the measures of a writer of bodies, in bytes. They are no part of the format: a reader takes what the
// references say. ADR 22 has the measurements.
type bodySizes struct {
	small  int // up to which a body shares an object with others
	bundle int // of frames, at which such an object is stored
	least  int // of a piece that is not the last; at least 64
	usual  int // a power of 2: before it a cut is less likely than on average, after it more
	most   int // of a piece: bounds the memory of a writer
}

var usualSizes = bodySizes{small: 256 << 10, bundle: 4 << 20, least: 512 << 10, usual: 1 << 20, most: 4 << 20}

// cutter finds the places where a body is cut, by its contents: bytes that stay the same stay the same pieces, wherever
// they move. Where that is depends on a secret of the repository, so that the sizes of the pieces do not
// tell whoever reads the storage which known file it is.
type cutter struct {
	bodySizes
	early, late uint64 // bits of the hash that are 0 at a cut: the high ones depend on the last 64 bytes
	gear        [256]uint64
}

func newCutter(r *repo.Repository, sizes bodySizes) *cutter {
	usual := bits.Len(uint(sizes.usual)) - 1
	c := &cutter{bodySizes: sizes, early: ^uint64(0) << (64 - usual - 2), late: ^uint64(0) << (64 - usual + 2)}
	secret := r.Named(classBody, "where bodies are cut").ID
	chance := rand.NewChaCha8([len(seal.ID{})]byte(secret))
	for i := range c.gear {
		c.gear[i] = chance.Uint64()
	}
	return c
}

// cut returns the length of the piece that b begins with, where b is the rest of the body or as much of it as a
// piece may hold.
func (c *cutter) cut(b []byte) int {
	if len(b) <= c.least {
		return len(b)
	}
	var hash uint64
	usual, end := min(c.usual, len(b)), min(c.most, len(b))
	i := c.least - 64
	for ; i < c.least; i++ {
		hash = hash<<1 + c.gear[b[i]]
	}
	for ; i < usual; i++ {
		hash = hash<<1 + c.gear[b[i]]
		if hash&c.early == 0 {
			return i + 1
		}
	}
	for ; i < end; i++ {
		hash = hash<<1 + c.gear[b[i]]
		if hash&c.late == 0 {
			return i + 1
		}
	}
	return end
}
