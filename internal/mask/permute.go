package mask

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
)

// rounds of the Feistel network. Eight are what NIST SP 800-38G asks of FF3, which this is not; it has
// the same purpose.
const rounds = 8

// permuter is a keyed permutation of the numbers below a bound. It has no number that stays itself.
type permuter struct{ key []byte }

// permute returns the pseudonym of x below n, with a tweak under which it is another permutation. It is
// the inverse of a keyed permutation after the successor of that permutation, which is why no number
// stays itself when there are two or more.
func (p permuter) permute(x, n *big.Int, tweak []byte) *big.Int {
	if n.Cmp(big.NewInt(2)) < 0 {
		return new(big.Int).Set(x)
	}
	y := p.walk(x, n, tweak, p.forward)
	y.Add(y, big.NewInt(1))
	if y.Cmp(n) == 0 {
		y.SetInt64(0)
	}
	return p.walk(y, n, tweak, p.backward)
}

// walk follows a permutation of a power of four until it comes back below n, which makes it one of the
// numbers below n.
func (p permuter) walk(x, n *big.Int, tweak []byte, step func(x *big.Int, half uint, tweak []byte) *big.Int) *big.Int {
	last := new(big.Int).Sub(n, big.NewInt(1))
	half := uint(last.BitLen()+1) / 2
	y := step(x, half, tweak)
	for y.Cmp(n) >= 0 { // at most four times on average: the power is below four times n
		y = step(y, half, tweak)
	}
	return y
}

func (p permuter) forward(x *big.Int, half uint, tweak []byte) *big.Int {
	left, right := cut(x, half)
	for i := range rounds {
		left, right = right, left.Xor(left, p.round(byte(i), right, half, tweak))
	}
	return join(left, right, half)
}

func (p permuter) backward(x *big.Int, half uint, tweak []byte) *big.Int {
	left, right := cut(x, half)
	for i := rounds - 1; i >= 0; i-- {
		left, right = right.Xor(right, p.round(byte(i), left, half, tweak)), left
	}
	return join(left, right, half)
}

func cut(x *big.Int, half uint) (left, right *big.Int) {
	left = new(big.Int).Rsh(x, half)
	return left, new(big.Int).Xor(x, new(big.Int).Lsh(left, half))
}

func join(left, right *big.Int, half uint) *big.Int {
	out := new(big.Int).Lsh(left, half)
	return out.Or(out, right)
}

// round is the keyed function of one round: half bits of HMAC-SHA256 in counter mode.
func (p permuter) round(i byte, x *big.Int, half uint, tweak []byte) *big.Int {
	bits := p.stream(int(half+7)/8, []byte{i}, binary.BigEndian.AppendUint32(nil, uint32(half)), tweak, x.Bytes())
	out := new(big.Int).SetBytes(bits)
	return out.Rsh(out, uint(len(bits)*8)-half)
}

// stream returns n bytes that follow from the key and the parts.
func (p permuter) stream(n int, parts ...[]byte) []byte {
	var out []byte
	for block := uint32(0); len(out) < n; block++ {
		h := hmac.New(sha256.New, p.key)
		h.Write(binary.BigEndian.AppendUint32(nil, block))
		for _, part := range parts {
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			h.Write(part)
		}
		out = h.Sum(out)
	}
	return out[:n]
}
