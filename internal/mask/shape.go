package mask

import (
	"math/big"
	"strings"
	"unicode"
)

// class is a set of characters of which one may stand in the place of another.
type class struct {
	first rune
	size  int64
}

var (
	digits   = class{'0', 10}
	nonZero  = class{'1', 9}
	capitals = class{'A', 26}
	smalls   = class{'a', 26}
)

func classOf(r rune) (class, bool) {
	switch {
	case r >= '0' && r <= '9':
		return digits, true
	case r >= 'A' && r <= 'Z':
		return capitals, true
	case r >= 'a' && r <= 'z':
		return smalls, true
	}
	return class{}, false
}

// block is how many characters are replaced as one: longer texts are replaced block by block, each
// under the ones before it.
const block = 32

// shape replaces letters by letters and digits by digits and leaves everything else, in a place of its
// own for each use of the key.
func (p permuter) shape(text, place string) string {
	runes := []rune(text)
	foreign := foreignIn(runes)
	tweak := []byte(place + "\x00" + foreign)
	var out strings.Builder
	changed := false
	for len(runes) > 0 {
		n := min(block, len(runes))
		if rest := len(runes) - n; rest > 0 && rest < block/2 {
			n = len(runes) // no short last block, which would have few pseudonyms
		}
		masked, some := p.block(runes[:n], tweak, place)
		out.WriteString(masked)
		changed = changed || some
		tweak = append(tweak, string(runes[:n])...)
		runes = runes[n:]
	}
	if !changed { // neither letters nor digits: nothing is left of it but its length
		return strings.Repeat("x", len([]rune(text)))
	}
	return out.String()
}

// foreignIn returns the letters, digits and combining marks that are not of ASCII, with their places.
func foreignIn(runes []rune) string {
	var b strings.Builder
	for i, r := range runes {
		if isForeign(r) {
			b.WriteRune(rune(i))
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isForeign(r rune) bool {
	return r > unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

func (p permuter) block(runes []rune, tweak []byte, place string) (string, bool) {
	classes := make([]class, len(runes))
	n, x := big.NewInt(1), new(big.Int)
	foreign := false
	for i, r := range runes {
		c, ok := classOf(r)
		foreign = foreign || isForeign(r)
		if !ok {
			continue
		}
		classes[i] = c
		size := big.NewInt(c.size)
		x.Mul(x, size).Add(x, big.NewInt(int64(r-c.first)))
		n.Mul(n, size)
	}
	return p.fill(runes, classes, x, n, tweak, place), foreign || n.Cmp(big.NewInt(1)) > 0
}

// fill writes the pseudonym of the number that the characters are into their places.
func (p permuter) fill(runes []rune, classes []class, x, n *big.Int, tweak []byte, place string) string {
	y := p.permute(x, n, tweak)
	out := make([]rune, len(runes))
	for i := len(runes) - 1; i >= 0; i-- {
		c := classes[i]
		if c.size == 0 {
			out[i] = runes[i]
			continue
		}
		digit := new(big.Int)
		y.QuoRem(y, big.NewInt(c.size), digit)
		out[i] = c.first + rune(digit.Int64())
	}
	noise := p.stream(len(runes), []byte(place), tweak, []byte(string(runes)))
	for i, r := range runes {
		if !isForeign(r) {
			continue
		}
		c := smalls
		if unicode.IsUpper(r) {
			c = capitals
		} else if unicode.IsDigit(r) {
			c = digits
		}
		out[i] = c.first + rune(int64(noise[i])%c.size)
	}
	return string(out)
}

// number replaces the digits of a number in canonical form: sign, scale and count of digits stay.
func (p permuter) number(text, place string) string {
	runes := []rune(text)
	classes := make([]class, len(runes))
	whole, fraction, hasFraction := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	start := len(text) - len(strings.TrimPrefix(text, "-"))
	n, x := big.NewInt(1), new(big.Int)
	for i, r := range runes {
		c, ok := classOf(r)
		if !ok || c != digits {
			continue
		}
		leading := i == start && (len(whole) > 1 || start > 0 && !hasFraction)
		trailing := hasFraction && i == len(runes)-1 && fraction != "0"
		if (leading || trailing) && r != '0' {
			c = nonZero
		}
		classes[i] = c
		size := big.NewInt(c.size)
		x.Mul(x, size).Add(x, big.NewInt(int64(r-c.first)))
		n.Mul(n, size)
	}
	return p.fill(runes, classes, x, n, []byte(place), place)
}
