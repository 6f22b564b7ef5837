package mask

import (
	"math"
	"math/big"
	"strings"

	"holdfast/internal/sf"
)

// number replaces a number by one that the field takes, too.
func (m *Masker) number(f *sf.Field, text string) string {
	if most, bound := mostOf(f, text); bound {
		if out, fits := m.key.bounded(text, most); fits {
			return out
		}
	}
	return m.key.number(text, "number")
}

// mostOf returns the largest number that a field takes, sign or not, where other digits in the same places
// may come to more.
// Source: SOAP API Developer Guide, "Primitive Data Types" (int, long); Object Reference, "Compound Fields"
// (geolocations, in degrees); that probabilities end at 100 is what percents of the platform's own are taken for.
func mostOf(f *sf.Field, text string) (int64, bool) {
	whole, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	name := strings.ToLower(f.Name)
	switch {
	case f.Type == sf.TypeInt && len(whole) >= len("2147483647"):
		return math.MaxInt32, true
	case f.Type == sf.TypeLong && len(whole) >= len("9223372036854775807"):
		return math.MaxInt64, true
	case f.Type == sf.TypePercent:
		return 100, true
	case f.Type == sf.TypeDouble && (strings.HasSuffix(name, "latitude") || strings.HasSuffix(name, "latitude__s")):
		return 90, true
	case f.Type == sf.TypeDouble && (strings.HasSuffix(name, "longitude") || strings.HasSuffix(name, "longitude__s")):
		return 180, true
	}
	return 0, false
}

// bounded replaces a number in canonical form by another one of the same sign and scale that is not larger
// than most, or reports that the number itself is.
func (p permuter) bounded(text string, most int64) (string, bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	x, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return "", false
	}
	ten := big.NewInt(10)
	n := new(big.Int).Exp(ten, big.NewInt(int64(len(fraction))), nil)
	if n.Mul(n, big.NewInt(most)); x.Cmp(n) > 0 {
		return "", false
	}
	tweak := []byte("bounded\x00" + big.NewInt(int64(len(fraction))).String())
	var y *big.Int
	switch {
	case fraction != "": // its last digit is not 0, in canonical form: nine of ten numbers are such
		nine, one := big.NewInt(9), big.NewInt(1)
		x.Sub(x, new(big.Int).Quo(x, ten)).Sub(x, one)
		y = p.permute(x, n.Sub(n, new(big.Int).Quo(n, ten)), tweak)
		y.Add(y, new(big.Int).Quo(y, nine)).Add(y, one)
	case negative: // there is no negative zero
		y = p.permute(x.Sub(x, big.NewInt(1)), n, append(tweak, '-'))
		y.Add(y, big.NewInt(1))
	default:
		y = p.permute(x, n.Add(n, big.NewInt(1)), tweak)
	}
	out := y.String()
	if scale := len(fraction); scale > 0 {
		if short := scale + 1 - len(out); short > 0 {
			out = strings.Repeat("0", short) + out
		}
		out = out[:len(out)-scale] + "." + out[len(out)-scale:]
	}
	if negative {
		out = "-" + out
	}
	return out, true
}
