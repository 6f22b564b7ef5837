package formula

import (
	"math"
	"math/big"
)

func numeric(about string, least, most int, takes []string, eval func([]Value) (Value, error)) *function {
	return &function{
		least: least, most: most, takes: takes, gives: TypeNumber, use: everywhere, about: about,
		eval: func(_ *evaluation, a []Value) (Value, error) { return eval(a) },
	}
}

// arithmetic declares a function of numbers, which is blank when one of them is. Source: the formula
// engine, UnaryMathCommand and BinaryMathCommand, FunctionMax.
func arithmetic(about string, least, most int, eval func([]*big.Rat) (Value, error)) *function {
	return numeric(about, least, most, []string{"n"}, func(a []Value) (Value, error) {
		numbers := make([]*big.Rat, len(a))
		for i, v := range a {
			if v.Blank() {
				return Value{}, nil
			}
			numbers[i] = v.Num
		}
		return eval(numbers)
	})
}

// floating declares a function that the machine's floating point computes: 15 digits are right.
func floating(about string, f func(x float64) float64) *function {
	return arithmetic(about, 1, 1, func(n []*big.Rat) (Value, error) {
		x, _ := n[0].Float64()
		return fromFloat(f(x))
	})
}

func fromFloat(x float64) (Value, error) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return Value{}, errValue("the result is not a number")
	}
	r, ok := new(big.Rat).SetString(big.NewFloat(x).Text('g', 15))
	if !ok {
		return Value{}, errValue("the result is not a number")
	}
	return Number(r), nil
}

func mathFunctions() map[string]*function {
	whole := func(about string, f func(*big.Rat) *big.Rat) *function {
		return arithmetic(about, 1, 1, func(n []*big.Rat) (Value, error) { return Number(f(settled(n[0]))), nil })
	}
	return map[string]*function{
		"ABS": arithmetic("ABS(number)", 1, 1, func(n []*big.Rat) (Value, error) { return Number(new(big.Rat).Abs(n[0])), nil }),
		"ROUND": arithmetic("ROUND(number, places): half away from zero", 2, 2, func(n []*big.Rat) (Value, error) {
			return scaled(n, func(r *big.Rat) *big.Rat { return halfUp(r) })
		}),
		"TRUNC":   arithmetic("TRUNC(number, places)", 1, 2, func(n []*big.Rat) (Value, error) { return scaled(n, truncated) }),
		"CEILING": whole("CEILING(number): away from zero", func(r *big.Rat) *big.Rat { return outward(r) }),
		"FLOOR":   whole("FLOOR(number): towards zero", truncated),
		"MCEILING": whole("MCEILING(number): up", func(r *big.Rat) *big.Rat {
			return new(big.Rat).Neg(down(new(big.Rat).Neg(r)))
		}),
		"MFLOOR": whole("MFLOOR(number): down", down),
		"MAX":    arithmetic("MAX(number, …)", 1, -1, func(n []*big.Rat) (Value, error) { return extreme(n, 1) }),
		"MIN":    arithmetic("MIN(number, …)", 1, -1, func(n []*big.Rat) (Value, error) { return extreme(n, -1) }),
		"MOD": arithmetic("MOD(number, divisor): with the sign of the number", 2, 2, func(n []*big.Rat) (Value, error) {
			if n[1].Sign() == 0 {
				return Value{}, errValue("Division by zero")
			}
			q := truncated(new(big.Rat).Quo(n[0], n[1]))
			return Number(new(big.Rat).Sub(n[0], q.Mul(q, n[1]))), nil
		}),
		"SQRT": floating("SQRT(number)", math.Sqrt), "EXP": floating("EXP(number)", math.Exp), "LN": floating("LN(number)", math.Log),
		"LOG": floating("LOG(number): to base 10", math.Log10), "SIN": floating("SIN(radians)", math.Sin), "COS": floating("COS(radians)", math.Cos),
		"TAN": floating("TAN(radians)", math.Tan), "ASIN": floating("ASIN(number)", math.Asin), "ACOS": floating("ACOS(number)", math.Acos),
		"ATAN": floating("ATAN(number)", math.Atan),
		"ATAN2": arithmetic("ATAN2(y, x)", 2, 2, func(n []*big.Rat) (Value, error) {
			y, _ := n[0].Float64()
			x, _ := n[1].Float64()
			return fromFloat(math.Atan2(y, x))
		}),
		"PI":    arithmetic("PI()", 0, 0, func([]*big.Rat) (Value, error) { return fromFloat(math.Pi) }),
		"POWER": arithmetic("POWER(number, exponent): as ^", 2, 2, func(n []*big.Rat) (Value, error) { return power(n[0], n[1]) }),
		"GEOLOCATION": {
			least: 2, most: 2, takes: []string{"n"}, gives: TypeLocation, use: everywhere, about: "GEOLOCATION(latitude, longitude)",
			eval: func(_ *evaluation, a []Value) (Value, error) {
				if a[0].Blank() || a[1].Blank() {
					return Value{}, nil
				}
				return Value{Type: TypeLocation, Num: a[0].Num, Lon: a[1].Num}, nil
			},
		},
		"DISTANCE": numeric("DISTANCE(location, location, 'mi' or 'km')", 3, 3, []string{"l", "l", "t"}, distance),
	}
}

func truncated(r *big.Rat) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Quo(r.Num(), r.Denom()))
}

func down(r *big.Rat) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Div(r.Num(), r.Denom())) // Div rounds down, Denom is positive
}

func outward(r *big.Rat) *big.Rat {
	t := truncated(r)
	if t.Cmp(r) == 0 {
		return t
	}
	return t.Add(t, new(big.Rat).SetInt64(int64(r.Sign())))
}

func halfUp(r *big.Rat) *big.Rat {
	half := big.NewRat(int64(r.Sign()), 2)
	return truncated(half.Add(half, r))
}

// settled removes what a division left behind the digits that are trusted, so that CEILING(6/11*11)
// is 6.
func settled(r *big.Rat) *big.Rat {
	if r.IsInt() {
		return r
	}
	out, _ := new(big.Rat).SetString(r.FloatString(places - 3))
	return out
}

// scaled applies f at a number of places behind the point; negative places count before it.
func scaled(n []*big.Rat, f func(*big.Rat) *big.Rat) (Value, error) {
	const maxScale = 100
	at := 0
	if len(n) == 2 {
		at = count(Number(n[1]))
	}
	if at > maxScale || at < -maxScale {
		return Value{}, errValue("more than %d places are too many", maxScale)
	}
	factor := tenTo(at)
	out := f(new(big.Rat).Mul(n[0], factor))
	return Number(out.Quo(out, factor)), nil
}

func tenTo(n int) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil)
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}

func extreme(n []*big.Rat, sign int) (Value, error) {
	best := n[0]
	for _, x := range n[1:] {
		if x.Cmp(best) == sign {
			best = x
		}
	}
	return Number(best), nil
}

// power is ^. A result of 65 digits or more is an error, as 64^64 is in the formula engine's tests.
func power(x, y *big.Rat) (Value, error) {
	const maxExponent = 1000
	if y.IsInt() && y.Num().IsInt64() && y.Num().Int64() >= 0 && y.Num().Int64() <= maxExponent && x.IsInt() {
		n := int(y.Num().Int64())
		if x.Num().BitLen()*n > 64*4 {
			return Value{}, errValue("the result is too large")
		}
		return Number(new(big.Rat).SetInt(new(big.Int).Exp(x.Num(), y.Num(), nil))), nil
	}
	a, _ := x.Float64()
	b, _ := y.Float64()
	z := math.Pow(a, b)
	if math.Abs(z) > 1e64 {
		return Value{}, errValue("the result is too large")
	}
	return fromFloat(z)
}

// distance is on a sphere (haversine). Source: Salesforce Help, DISTANCE; the radius is unverified.
func distance(a []Value) (Value, error) {
	if a[0].Blank() || a[1].Blank() {
		return Value{}, nil
	}
	radius := 6371.0088
	switch a[2].Text {
	case "mi":
		radius = 3958.7613
	case "km":
	default:
		return Value{}, errValue("Incorrect parameter value for function 'DISTANCE()'. Expected 'mi' or 'km', received %s", a[2].Text)
	}
	rad := func(r *big.Rat) float64 { f, _ := r.Float64(); return f * math.Pi / 180 }
	lat1, lat2 := rad(a[0].Num), rad(a[1].Num)
	dLat, dLon := lat2-lat1, rad(a[1].Lon)-rad(a[0].Lon)
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(lat1)*math.Cos(lat2)*math.Pow(math.Sin(dLon/2), 2)
	return fromFloat(2 * radius * math.Asin(math.Min(1, math.Sqrt(h))))
}
