package soql

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// constant returns the canonical text of a literal as a value of the type, or the platform's error
// for a literal that does not fit.
func (r Rows[R]) constant(left Expr, l Literal, t sf.FieldType) (string, error) {
	switch {
	case t == sf.TypeID || t == sf.TypeReference:
		if l.Kind != StringLiteral {
			return "", r.typeError(left, l, t)
		}
		id, err := sf.ParseID(l.Text)
		if err != nil {
			return "", r.Query.ErrorAt(l.Pos, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: %s", l.Text)
		}
		return string(id), nil
	case isNumber(t) && l.Kind == NumberLiteral, t == sf.TypeCurrency && l.Kind == CurrencyLiteral:
		text := l.Text
		if l.Kind == CurrencyLiteral {
			text = text[3:]
		}
		n, err := sf.CanonicalNumber(text)
		if err != nil {
			return "", r.typeError(left, l, t)
		}
		return n, nil
	case t == sf.TypeBoolean && l.Kind == BoolLiteral,
		t == sf.TypeDate && l.Kind == DateLiteral,
		t == sf.TypeDatetime && l.Kind == DatetimeLiteral,
		t == sf.TypeTime && l.Kind == StringLiteral:
		v, err := sf.Canonical(t, l.Text)
		if err != nil {
			return "", r.typeError(left, l, t)
		}
		return v.Text(), nil
	case isText(t) && l.Kind == StringLiteral:
		return l.Text, nil
	}
	return "", r.typeError(left, l, t)
}

// typeError is the platform's answer to a literal of the wrong type.
func (r Rows[R]) typeError(left Expr, l Literal, t sf.FieldType) error {
	name := ""
	pos := l.Pos
	switch x := left.(type) {
	case *Path:
		name, pos = x.Field(), x.Pos
	case *Call:
		name, pos = x.Name, x.Pos
	}
	if l.Kind == StringLiteral {
		return r.Query.ErrorAt(pos, "INVALID_FIELD",
			"value of filter criterion for field '%s' must be of type %s and should not be enclosed in quotes",
			name, typeName(t))
	}
	if isText(t) || t == sf.TypeID || t == sf.TypeReference {
		return r.Query.ErrorAt(pos, "INVALID_FIELD",
			"value of filter criterion for field '%s' must be of type %s and should be enclosed in quotes",
			name, typeName(t))
	}
	return r.Query.ErrorAt(pos, "INVALID_FIELD",
		"value of filter criterion for field '%s' must be of type %s", name, typeName(t))
}

// typeName is how error messages call a type.
func typeName(t sf.FieldType) string {
	switch t {
	case sf.TypeDatetime:
		return "dateTime"
	case sf.TypeCurrency, sf.TypePercent:
		return "double"
	case sf.TypeID, sf.TypeReference:
		return "ID"
	}
	if isText(t) {
		return "string"
	}
	return string(t)
}

// like compiles the pattern of LIKE, which compares without regard to case.
func (r Rows[R]) like(c *Comparison, col Column[R]) (func(string) bool, error) {
	if c.Right.Kind != StringLiteral || !isText(col.Type) {
		return nil, r.Query.ErrorAt(c.Pos, "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on %s field", typeName(col.Type))
	}
	pattern := compilePattern(c.Right.Text)
	return func(s string) bool { return s != "" && pattern.match(strings.ToLower(s)) }, nil
}

// pattern is a compiled LIKE: plain runes, and the two wild cards.
type pattern []rune

const (
	anyRunes rune = -1 // %
	anyRune  rune = -2 // _
)

func compilePattern(text string) pattern {
	var p pattern
	escaped := false
	for _, c := range strings.ToLower(text) {
		switch {
		case escaped:
			p = append(p, c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == '%':
			if len(p) == 0 || p[len(p)-1] != anyRunes {
				p = append(p, anyRunes)
			}
		case c == '_':
			p = append(p, anyRune)
		default:
			p = append(p, c)
		}
	}
	return p
}

// match compares greedily and goes back to the last % only, which is enough and takes time in
// proportion to the product of both lengths at worst.
func (p pattern) match(s string) bool {
	text := []rune(s)
	i, j, star, mark := 0, 0, -1, 0
	for i < len(text) {
		switch {
		case j < len(p) && p[j] == anyRunes:
			star, mark = j, i
			j++
		case j < len(p) && (p[j] == anyRune || p[j] == text[i]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j] == anyRunes {
		j++
	}
	return j == len(p)
}

// sameSet compares multi-select picklists as sets: 'A;B' equals 'B;A'.
func sameSet(want string) func(string) bool {
	sorted := splitSet(want)
	return func(s string) bool { return slices.Equal(splitSet(s), sorted) }
}

func splitSet(s string) []string {
	parts := strings.Split(strings.ToLower(s), ";")
	slices.Sort(parts)
	return slices.Compact(parts)
}

// includes tests a multi-select picklist: one of the literals must have all its values selected.
func includes(set []Literal) func(string) bool {
	wanted := make([][]string, len(set))
	for i, l := range set {
		wanted[i] = splitSet(l.Text)
	}
	return func(s string) bool {
		have := splitSet(s)
		return slices.ContainsFunc(wanted, func(all []string) bool {
			return !slices.ContainsFunc(all, func(v string) bool {
				_, found := slices.BinarySearch(have, v)
				return !found
			})
		})
	}
}
