package formula

import (
	"math/big"
	"strings"
	"time"
)

// Type is the type of a value or of a part of a formula.
type Type uint8

// The types. Null is the type of the literal NULL, and the kind of every blank value. Picklists hold
// text, but only some functions take them.
const (
	TypeNull Type = iota
	TypeText
	TypeNumber
	TypeBoolean
	TypeDate
	TypeDatetime
	TypeTime
	TypePicklist
	TypeMultiPicklist
	TypeLocation
	// TypeUnknown is the type of what can only be known when it is evaluated; every function takes it.
	TypeUnknown
)

var typeNames = [...]string{
	"Null", "Text", "Number", "Boolean", "Date", "DateTime", "Time", "Picklist", "Multi-Select Picklist", "Location",
	"Runtime Validated Type",
}

// String returns the platform's word for the type, as its messages have it.
func (t Type) String() string { return typeNames[t] }

// Value is one value. The zero Value is blank.
type Value struct {
	Type Type
	Text string    // of texts and picklists
	Num  *big.Rat  // of numbers; of a location, the latitude
	Lon  *big.Rat  // of a location, the longitude
	Yes  bool      // of booleans
	At   time.Time // of dates (midnight UTC), datetimes, and times (of day zero)
	// Of is the type that a blank value would have, where that is known: a blank text equals the empty
	// one, and a blank number equals nothing.
	Of Type
}

// Text returns a text; the empty one is blank, as on the platform.
func Text(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{Type: TypeText, Text: s}
}

// Number returns a number, which the caller no longer changes.
func Number(n *big.Rat) Value {
	if n == nil {
		return Value{}
	}
	return Value{Type: TypeNumber, Num: n}
}

// Int returns a whole number.
func Int(n int64) Value { return Number(new(big.Rat).SetInt64(n)) }

// Bool returns a boolean.
func Bool(b bool) Value { return Value{Type: TypeBoolean, Yes: b} }

// Date returns the day of t in its own zone.
func Date(t time.Time) Value {
	return Value{Type: TypeDate, At: time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)}
}

// Datetime returns a moment.
func Datetime(t time.Time) Value { return Value{Type: TypeDatetime, At: t.UTC()} }

// Time returns the time of day of t.
func Time(t time.Time) Value {
	return Value{Type: TypeTime, At: time.Date(1970, 1, 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)}
}

// Missing returns a blank value of a type.
func Missing(t Type) Value { return Value{Of: t} }

// kind is the type of a value, of a blank one the type that it would have.
func (v Value) kind() Type {
	if v.Blank() {
		return v.Of
	}
	return v.Type
}

// Blank reports a value that is not there.
func (v Value) Blank() bool { return v.Type == TypeNull }

// True reports the boolean true; blank is not.
func (v Value) True() bool { return v.Type == TypeBoolean && v.Yes }

// Spell returns what TEXT and & make of a value. Source: Salesforce Help, TEXT(): dates are
// YYYY-MM-DD, datetimes YYYY-MM-DD HH:MM:SSZ.
func (v Value) Spell() string {
	switch v.Type {
	case TypeText, TypePicklist, TypeMultiPicklist:
		return v.Text
	case TypeNumber:
		return spellNumber(v.Num)
	case TypeBoolean:
		if v.Yes {
			return "true"
		}
		return "false"
	case TypeDate:
		return v.At.Format(time.DateOnly)
	case TypeDatetime:
		return v.At.Format("2006-01-02 15:04:05Z")
	case TypeTime:
		return v.At.Format("15:04:05.000")
	}
	return ""
}

// places is how many digits behind the point a result keeps. The platform keeps 39 digits in all,
// of which 33 are trusted. Source: the formula engine, BigDecimalHelper.
const places = 33

// spellNumber drops zeros at the end, as formatBigDecimal does. What is too long to be exact is cut
// at 18 digits, the most a number field has.
func spellNumber(n *big.Rat) string {
	s := n.FloatString(18)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" || s == "" {
		return "0"
	}
	return s
}

// tidy bounds the digits of a result, so that a chain of divisions stays small.
func tidy(n *big.Rat) *big.Rat {
	if n.IsInt() {
		return n
	}
	if n.Denom().BitLen() > 128 {
		out, _ := new(big.Rat).SetString(n.FloatString(places))
		return out
	}
	return n
}

// compare orders two values of one kind; ok is false when they have none in common.
func compare(a, b Value) (order int, ok bool) {
	switch {
	case a.Type == TypeNumber && b.Type == TypeNumber:
		return a.Num.Cmp(b.Num), true
	case a.Type == TypeBoolean && b.Type == TypeBoolean:
		if a.Yes == b.Yes {
			return 0, true
		}
		return 1, true
	case isTemporal(a.Type) && isTemporal(b.Type):
		return a.At.Compare(b.At), true
	case isText(a.Type) && isText(b.Type):
		return strings.Compare(a.Text, b.Text), true
	}
	return 0, false
}

func isText(t Type) bool     { return t == TypeText || t == TypePicklist || t == TypeMultiPicklist }
func isTemporal(t Type) bool { return t == TypeDate || t == TypeDatetime || t == TypeTime }
