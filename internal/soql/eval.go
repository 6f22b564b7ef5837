package soql

import (
	"cmp"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// Column is how the value of a field, or of a function of one, is read from a row of type R.
type Column[R any] struct {
	Type sf.FieldType
	// CaseSensitive is true for text that compares with regard to case, which is rare.
	CaseSensitive bool
	// Get returns the canonical text of the value as sf.Value describes it; empty is null.
	Get func(R) string
}

// Use says for what a query names a field; a resolver refuses fields that do not serve for it.
type Use uint8

// The uses of a field.
const (
	Filter Use = iota
	Sort
	Group
)

// Rows binds a query to rows of type R. Conditions and orders compiled from it are safe for
// concurrent use when its functions are.
type Rows[R any] struct {
	Query *Query // for error messages
	Env   Env
	// Column resolves a path. Its error is returned as it is.
	Column func(path *Path, use Use) (Column[R], error)
	// Call resolves a function before the functions of this package are tried, as HAVING needs for
	// aggregates; it may be nil, and may return false for a function that it does not know.
	Call func(call *Call, use Use) (Column[R], bool, error)
	// Members returns a test for the rows of the sub-query of a semi-join; the test gets the
	// canonical text of the left side. It may be nil when the caller allows no sub-queries.
	Members func(m *Membership) (func(text string) bool, error)
}

// Condition compiles a condition into a test of rows.
func (r Rows[R]) Condition(e Expr) (func(R) bool, error) {
	switch x := e.(type) {
	case *And:
		terms, err := r.conditions(x.Terms)
		return func(row R) bool {
			for _, t := range terms {
				if !t(row) {
					return false
				}
			}
			return true
		}, err
	case *Or:
		terms, err := r.conditions(x.Terms)
		return func(row R) bool {
			for _, t := range terms {
				if t(row) {
					return true
				}
			}
			return false
		}, err
	case *Not:
		term, err := r.Condition(x.Term)
		return func(row R) bool { return !term(row) }, err
	case *Comparison:
		return r.comparison(x)
	case *Membership:
		return r.membership(x)
	default:
		return nil, malformed("a condition is missing")
	}
}

func (r Rows[R]) conditions(terms []Expr) ([]func(R) bool, error) {
	tests := make([]func(R) bool, len(terms))
	for i, t := range terms {
		var err error
		if tests[i], err = r.Condition(t); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

// Operand compiles a path or a function call into a column.
func (r Rows[R]) Operand(e Expr, use Use) (Column[R], error) {
	switch x := e.(type) {
	case *Path:
		return r.Column(x, use)
	case *Call:
		if r.Call != nil {
			if c, ok, err := r.Call(x, use); ok || err != nil {
				return c, err
			}
		}
		return r.function(x, use)
	default:
		return Column[R]{}, malformed("a field is missing")
	}
}

func (r Rows[R]) comparison(c *Comparison) (func(R) bool, error) {
	col, err := r.Operand(c.Left, Filter)
	if err != nil {
		return nil, err
	}
	test, err := r.test(c, col)
	if err != nil {
		return nil, err
	}
	return func(row R) bool { return test(col.Get(row)) }, nil
}

// test compiles a comparison into a test of canonical text.
func (r Rows[R]) test(c *Comparison, col Column[R]) (func(string) bool, error) {
	if c.Right.Kind == NullLiteral || c.Right.Kind == StringLiteral && c.Right.Text == "" {
		switch c.Op {
		case Equal, Like:
			return func(s string) bool { return s == "" }, nil
		case NotEqual:
			return func(s string) bool { return s != "" }, nil
		default: // an order with null holds for nothing
			return func(string) bool { return false }, nil
		}
	}
	if c.Op == Like {
		return r.like(c, col)
	}
	if c.Right.Kind == RangeLiteral {
		return r.rangeTest(c, col)
	}
	want, err := r.constant(c.Left, c.Right, col.Type)
	if err != nil {
		return nil, err
	}
	if col.Type == sf.TypeMultipicklist && (c.Op == Equal || c.Op == NotEqual) {
		same := sameSet(want)
		return func(s string) bool { return same(s) == (c.Op == Equal) }, nil
	}
	compare := comparer(col.Type, col.CaseSensitive)
	switch c.Op {
	case Equal:
		return func(s string) bool { return s != "" && compare(s, want) == 0 }, nil
	case NotEqual: // null differs from every value
		return func(s string) bool { return s == "" || compare(s, want) != 0 }, nil
	case Less:
		return func(s string) bool { return s != "" && compare(s, want) < 0 }, nil
	case LessEqual:
		return func(s string) bool { return s != "" && compare(s, want) <= 0 }, nil
	case Greater:
		return func(s string) bool { return s != "" && compare(s, want) > 0 }, nil
	default:
		return func(s string) bool { return s != "" && compare(s, want) >= 0 }, nil
	}
}

// rangeTest compares a date or datetime with a range such as LAST_WEEK: "=" means within it, "<"
// before it, ">" after it.
func (r Rows[R]) rangeTest(c *Comparison, col Column[R]) (func(string) bool, error) {
	if col.Type != sf.TypeDate && col.Type != sf.TypeDatetime {
		return nil, r.typeError(c.Left, c.Right, col.Type)
	}
	from, to := r.Env.Range(c.Right)
	lower, upper := dayText(from, col.Type), dayText(to, col.Type)
	switch c.Op {
	case Equal:
		return func(s string) bool { return s != "" && s >= lower && s < upper }, nil
	case NotEqual:
		return func(s string) bool { return s == "" || s < lower || s >= upper }, nil
	case Less:
		return func(s string) bool { return s != "" && s < lower }, nil
	case LessEqual:
		return func(s string) bool { return s != "" && s < upper }, nil
	case Greater:
		return func(s string) bool { return s != "" && s >= upper }, nil
	default:
		return func(s string) bool { return s != "" && s >= lower }, nil
	}
}

// dayText spells the midnight t in the canonical form of the type; for a date its own zone counts.
func dayText(t time.Time, ft sf.FieldType) string {
	if ft == sf.TypeDate {
		return t.Format(time.DateOnly)
	}
	return t.UTC().Format(sf.DatetimeLayout)
}

func (r Rows[R]) membership(m *Membership) (func(R) bool, error) {
	col, err := r.Operand(m.Left, Filter)
	if err != nil {
		return nil, err
	}
	test, err := r.memberTest(m, col)
	if err != nil {
		return nil, err
	}
	wanted := m.Op == In || m.Op == Includes
	return func(row R) bool { return test(col.Get(row)) == wanted }, nil
}

// memberTest tells whether a canonical text is in the set, whatever the operator makes of it.
func (r Rows[R]) memberTest(m *Membership, col Column[R]) (func(string) bool, error) {
	if m.Sub != nil {
		if r.Members == nil {
			return nil, malformed("semi join sub-selects are not supported here")
		}
		return r.Members(m)
	}
	if m.Op == Includes || m.Op == Excludes {
		if col.Type != sf.TypeMultipicklist {
			return nil, r.Query.ErrorAt(m.Pos, "INVALID_QUERY_FILTER_OPERATOR",
				"includes or excludes operator only valid on multipicklist field")
		}
		return includes(m.Set), nil
	}
	set := make(map[string]struct{}, len(m.Set))
	var ranges []func(string) bool
	for _, l := range m.Set {
		switch l.Kind {
		case NullLiteral:
			set[""] = struct{}{}
			continue
		case RangeLiteral:
			test, err := r.rangeTest(&Comparison{Left: m.Left, Op: Equal, Right: l}, col)
			if err != nil {
				return nil, err
			}
			ranges = append(ranges, test)
			continue
		}
		want, err := r.constant(m.Left, l, col.Type)
		if err != nil {
			return nil, err
		}
		set[setKey(want, col.Type, col.CaseSensitive)] = struct{}{}
	}
	return func(s string) bool {
		if _, ok := set[setKey(s, col.Type, col.CaseSensitive)]; ok {
			return true
		}
		for _, test := range ranges {
			if test(s) {
				return true
			}
		}
		return false
	}, nil
}

// setKey folds text so that equal values have equal keys.
func setKey(s string, t sf.FieldType, caseSensitive bool) string {
	if isText(t) && !caseSensitive {
		return strings.ToLower(s)
	}
	return s
}

// Order compiles ORDER BY into a comparison of rows; rows that compare equal keep their order when
// the caller sorts stably.
func (r Rows[R]) Order(orders []Order) (func(a, b R) int, error) {
	compares := make([]func(a, b R) int, len(orders))
	for i, o := range orders {
		col, err := r.Operand(o.By, Sort)
		if err != nil {
			return nil, err
		}
		compares[i] = orderBy(o, col)
	}
	return func(a, b R) int {
		for _, c := range compares {
			if d := c(a, b); d != 0 {
				return d
			}
		}
		return 0
	}, nil
}

func orderBy[R any](o Order, col Column[R]) func(a, b R) int {
	compare := comparer(col.Type, col.CaseSensitive)
	nulls := -1 // nulls first is the default in both directions (SOQL Reference, ORDER BY)
	if o.Nulls == "LAST" {
		nulls = 1
	}
	sign := 1
	if o.Desc {
		sign = -1
	}
	return func(a, b R) int {
		x, y := col.Get(a), col.Get(b)
		switch {
		case x == "" && y == "":
			return 0
		case x == "":
			return nulls
		case y == "":
			return -nulls
		}
		return sign * compare(x, y)
	}
}

// Comparer returns the order of two canonical texts of the type, neither of them null: numbers by
// value, text without regard to case, everything else by its bytes.
func Comparer(t sf.FieldType) func(a, b string) int { return comparer(t, false) }

func comparer(t sf.FieldType, caseSensitive bool) func(a, b string) int {
	switch {
	case isNumber(t):
		return compareNumbers
	case isText(t) && !caseSensitive:
		return compareFold
	default:
		return strings.Compare
	}
}

func isNumber(t sf.FieldType) bool {
	switch t {
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return true
	}
	return false
}

// isText reports types whose text compares without regard to case.
func isText(t sf.FieldType) bool {
	switch t {
	case sf.TypeBoolean, sf.TypeDate, sf.TypeDatetime, sf.TypeTime, sf.TypeID, sf.TypeReference:
		return false
	}
	return !isNumber(t)
}

// compareNumbers orders canonical decimals without going through binary floating point.
func compareNumbers(a, b string) int {
	negativeA, negativeB := a[0] == '-', b[0] == '-'
	if negativeA != negativeB {
		if negativeA {
			return -1
		}
		return 1
	}
	if negativeA {
		return comparePositive(b[1:], a[1:])
	}
	return comparePositive(a, b)
}

func comparePositive(a, b string) int {
	wholeA, fractionA, _ := strings.Cut(a, ".")
	wholeB, fractionB, _ := strings.Cut(b, ".")
	return cmp.Or(
		cmp.Compare(len(wholeA), len(wholeB)),
		strings.Compare(wholeA, wholeB),
		strings.Compare(fractionA, fractionB),
	)
}

// compareFold orders text without regard to case.
func compareFold(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := a[i], b[i]
		if x|y >= 0x80 {
			return strings.Compare(strings.ToLower(a[i:]), strings.ToLower(b[i:]))
		}
		if x >= 'A' && x <= 'Z' {
			x |= 0x20
		}
		if y >= 'A' && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}
