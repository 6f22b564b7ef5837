package formula

import (
	"math"
	"math/big"
	"time"
)

// Record is what a formula is evaluated over. Each function may be nil, which means that there is
// nothing of the kind.
type Record struct {
	Now time.Time
	// Field returns what the path holds; Missing of its type when it is blank.
	Field func(path []string) Value
	// Prior is Field of the version before; nil for a record that is being created.
	Prior func(path []string) Value
	// New is true while the record is being created.
	New bool
	// BlankAsZero makes a blank number count as zero (formulaTreatBlanksAs BlankAsZero).
	BlankAsZero bool
	// Find is VLOOKUP: what result holds in the record whose key field holds the value.
	Find func(result, key []string, value Value) Value
}

// maxSteps bounds one evaluation. A formula of 15,000 bytes has far fewer parts.
const maxSteps = 100_000

type evaluation struct {
	Record
	steps int
}

// errValue is what the platform shows as #Error!; its APIs give null.
func errValue(format string, args ...any) error { return wrong(format, args...) }

// Eval evaluates the formula. The error is what the platform shows as #Error!: a division by zero, a
// text that is no number, a date that does not exist.
func (f *Formula) Eval(r Record) (Value, error) {
	e := &evaluation{Record: r}
	return e.eval(f.root)
}

func (e *evaluation) eval(n node) (Value, error) {
	if e.steps++; e.steps > maxSteps {
		return Value{}, errValue("the formula takes too long")
	}
	switch n.op {
	case leafText:
		return Text(n.text).or(TypeText), nil
	case leafNumber:
		return Number(n.num), nil
	case leafTrue, leafFalse:
		return Bool(n.op == leafTrue), nil
	case leafNull:
		return Value{}, nil
	case leafField:
		return e.field(n.path), nil
	case "&&":
		return e.all(n.args, true)
	case "||":
		return e.all(n.args, false)
	}
	if n.fn != nil && n.fn.lazy != nil {
		return n.fn.lazy(e, n)
	}
	var held [4]Value
	args := held[:0]
	for _, a := range n.args {
		v, err := e.eval(a)
		if err != nil {
			return Value{}, err
		}
		args = append(args, v)
	}
	if n.fn != nil {
		if n.fn.eval == nil {
			return Value{}, errValue("%s cannot be computed here", n.op)
		}
		v, err := n.fn.eval(e, args)
		return bounded(v.or(n.fn.gives), err)
	}
	return bounded(e.operate(n.op, args))
}

// bounded refuses a text that is too long, which a few operators can double again and again.
func bounded(v Value, err error) (Value, error) {
	if err == nil && len(v.Text) > maxText {
		return Value{}, errValue("the text is too long")
	}
	return v, err
}

// or gives a blank value a type, where it has none.
func (v Value) or(t Type) Value {
	if v.Blank() && v.Of == TypeNull && t != TypeUnknown {
		v.Of = t
	}
	return v
}

func (e *evaluation) field(path []string) Value {
	if e.Field == nil {
		return Value{}
	}
	return e.zero(e.Field(path))
}

func (e *evaluation) zero(v Value) Value {
	if e.BlankAsZero && v.Blank() && v.Of == TypeNumber {
		return Int(0)
	}
	return v
}

func (e *evaluation) operate(op string, a []Value) (Value, error) {
	switch op {
	case "=":
		return equal(a[0], a[1]), nil
	case "<>":
		same := equal(a[0], a[1])
		if same.Blank() {
			return same, nil
		}
		return Bool(!same.Yes), nil
	case "<", ">", "<=", ">=":
		return ordered(op, a[0], a[1]), nil
	case "&":
		return Text(a[0].Spell() + a[1].Spell()).or(TypeText), nil
	case "PLUS":
		return a[0], nil
	case "NEGATE":
		if a[0].Blank() {
			return Missing(TypeNumber), nil
		}
		return Number(new(big.Rat).Neg(a[0].Num)), nil
	case "+", "-":
		return add(a[0], a[1], op == "-")
	}
	if a[0].Type != TypeNumber || a[1].Type != TypeNumber {
		return Missing(TypeNumber), nil
	}
	x, y := a[0].Num, a[1].Num
	switch op {
	case "*":
		return Number(tidy(new(big.Rat).Mul(x, y))), nil
	case "/":
		if y.Sign() == 0 {
			return Value{}, errValue("Division by zero")
		}
		return Number(tidy(new(big.Rat).Quo(x, y))), nil
	}
	return power(x, y)
}

// ordered gives a blank when one side is blank. Source: the formula engine, OperatorComparison.
func ordered(op string, a, b Value) Value {
	order, ok := compare(a, b)
	if !ok {
		return Missing(TypeBoolean)
	}
	switch op {
	case "<":
		return Bool(order < 0)
	case ">":
		return Bool(order > 0)
	case "<=":
		return Bool(order <= 0)
	}
	return Bool(order >= 0)
}

// add is + and -: of numbers, of texts, of days and dates (whole days; a fraction of a day counts for
// datetimes only), of milliseconds and times. Texts: a blank counts as nothing, as with &; that is
// what formula fields of type text show (Salesforce Help, "Formula Operators", &).
func add(a, b Value, minus bool) (Value, error) {
	if textual(a) || textual(b) {
		return Text(a.Spell() + b.Spell()).or(TypeText), nil
	}
	if a.Blank() || b.Blank() {
		of := a.Of
		if !a.Blank() {
			of = a.Type
		}
		return Missing(of), nil
	}
	if a.Type == TypeNumber && isTemporal(b.Type) && !minus {
		a, b = b, a
	}
	switch {
	case a.Type == TypeNumber && b.Type == TypeNumber:
		z := new(big.Rat)
		if minus {
			z.Sub(a.Num, b.Num)
		} else {
			z.Add(a.Num, b.Num)
		}
		return Number(tidy(z)), nil
	case isTemporal(a.Type) && b.Type == TypeNumber:
		return shift(a, b.Num, minus)
	case isTemporal(a.Type) && a.Type == b.Type && minus:
		return between(a, b), nil
	}
	return Value{}, errValue("values of these types cannot be added")
}

func shift(a Value, n *big.Rat, minus bool) (Value, error) {
	f, _ := n.Float64()
	if minus {
		f = -f
	}
	const farDays = 4e6 // years 1 to 9999 hold fewer days
	switch a.Type {
	case TypeDate:
		if math.Abs(f) > farDays {
			return Value{}, errValue("the date is out of range")
		}
		return Value{Type: TypeDate, At: a.At.AddDate(0, 0, int(f))}, nil
	case TypeDatetime:
		if math.Abs(f) > farDays {
			return Value{}, errValue("the date is out of range")
		}
		whole, part := math.Modf(f)
		seconds := math.Round(part * 24 * 60 * 60)
		return Datetime(a.At.AddDate(0, 0, int(whole)).Add(time.Duration(seconds) * time.Second)), nil
	}
	day := 24 * time.Hour
	at := time.Duration(math.Mod(f, float64(day/time.Millisecond))) * time.Millisecond
	return Time(a.At.Add(at)), nil
}

// between is the days from b to a, or the milliseconds of two times, which go round the clock.
func between(a, b Value) Value {
	d := a.At.Sub(b.At)
	if a.Type == TypeTime {
		if d < 0 {
			d += 24 * time.Hour
		}
		return Int(d.Milliseconds())
	}
	if a.Type == TypeDate {
		return Int(int64(d / (24 * time.Hour)))
	}
	return Number(big.NewRat(int64(d/time.Second), 24*60*60))
}
