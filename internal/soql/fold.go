package soql

import (
	"math/big"
	"strconv"
	"strings"

	"holdfast/internal/sf"
)

// Fold accumulates one aggregate over the rows of a group.
type Fold struct {
	name     string
	t        sf.FieldType
	compare  func(a, b string) int
	count    int
	distinct map[string]struct{}
	sum      big.Rat
	scale    int
	best     string
}

// averageScale is the number of decimal places of AVG. The platform's own is unverified.
const averageScale = 15

// NewFold returns an empty accumulator of an aggregate (COUNT, COUNT_DISTINCT, SUM, AVG, MIN or MAX)
// over values of the type.
func NewFold(name string, t sf.FieldType) *Fold {
	f := &Fold{name: name, t: t, compare: Comparer(t)}
	if name == "COUNT_DISTINCT" {
		f.distinct = map[string]struct{}{}
	}
	return f
}

// Type returns the type of the result.
func (f *Fold) Type() sf.FieldType {
	switch f.name {
	case "COUNT", "COUNT_DISTINCT":
		return sf.TypeInt
	case "AVG":
		return sf.TypeDouble
	default:
		return f.t
	}
}

// Add counts one value, in canonical text; nulls (empty) do not count.
func (f *Fold) Add(text string) {
	if text == "" {
		return
	}
	f.count++
	switch f.name {
	case "COUNT_DISTINCT":
		f.distinct[setKey(text, f.t, false)] = struct{}{}
	case "SUM", "AVG":
		var n big.Rat
		if _, ok := n.SetString(text); ok {
			f.sum.Add(&f.sum, &n)
		}
		if _, fraction, ok := strings.Cut(text, "."); ok {
			f.scale = max(f.scale, len(fraction))
		}
	case "MIN":
		if f.best == "" || f.compare(text, f.best) < 0 {
			f.best = text
		}
	case "MAX":
		if f.best == "" || f.compare(text, f.best) > 0 {
			f.best = text
		}
	}
}

// Result returns the aggregate in canonical text; empty is null, as of SUM over no values.
func (f *Fold) Result() string {
	switch f.name {
	case "COUNT":
		return strconv.Itoa(f.count)
	case "COUNT_DISTINCT":
		return strconv.Itoa(len(f.distinct))
	case "SUM":
		if f.count == 0 {
			return ""
		}
		return decimal(&f.sum, f.scale)
	case "AVG":
		if f.count == 0 {
			return ""
		}
		return decimal(new(big.Rat).Quo(&f.sum, big.NewRat(int64(f.count), 1)), averageScale)
	default:
		return f.best
	}
}

func decimal(r *big.Rat, scale int) string {
	text, err := sf.CanonicalNumber(r.FloatString(scale))
	if err != nil {
		return ""
	}
	return text
}
