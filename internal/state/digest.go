package state

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// Digest stands for the content of a set of records, whatever their order: the sum of their hashes
// modulo 2^256, the hashes read as big-endian numbers. The zero Digest is that of no records.
//
// A sum can be advanced by a change without reading the rest, which is what lets a chain of
// segments prove itself. It tells damage and omission; it is no defence against someone who can
// choose the contents of records, which is what the seal of the repository is for.
type Digest [32]byte

// Add returns the digest with one record more.
func (d Digest) Add(h Hash) Digest {
	var carry uint64
	for i := len(d) - 8; i >= 0; i -= 8 {
		var sum uint64
		sum, carry = bits.Add64(binary.BigEndian.Uint64(d[i:]), binary.BigEndian.Uint64(h[i:]), carry)
		binary.BigEndian.PutUint64(d[i:], sum)
	}
	return d
}

// Remove returns the digest with one record less.
func (d Digest) Remove(h Hash) Digest {
	var borrow uint64
	for i := len(d) - 8; i >= 0; i -= 8 {
		var rest uint64
		rest, borrow = bits.Sub64(binary.BigEndian.Uint64(d[i:]), binary.BigEndian.Uint64(h[i:]), borrow)
		binary.BigEndian.PutUint64(d[i:], rest)
	}
	return d
}

// Advance returns the digest of the state after the change.
func (d Digest) Advance(c Change) Digest {
	if !c.Before.IsZero() {
		d = d.Remove(c.Before)
	}
	if !c.After.IsZero() {
		d = d.Add(c.After)
	}
	return d
}

// String returns the digest as 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads 64 lower-case hexadecimal digits.
func ParseDigest(s string) (Digest, error) {
	b, err := parseHex(s)
	if err != nil {
		return Digest{}, fmt.Errorf("digest %q: %w", clip(s), err)
	}
	return Digest(b), nil
}

// DigestOf reads all records and returns their digest and their number. Records out of order are an
// error.
func DigestOf(records Records) (Digest, int64, error) {
	var (
		d Digest
		n int64
		h Hasher
	)
	for r, err := range Ordered(records) {
		if err != nil {
			return Digest{}, 0, err
		}
		d = d.Add(h.Hash(r))
		n++
	}
	return d, n, nil
}
