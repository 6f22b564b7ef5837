package sf

import "strings"

// Value is the value of one field of one record, in canonical text form. The zero value is Absent:
// the field was not seen, which is something else than null.
//
// Canonical text, by field type:
//
//	boolean                        "true" or "false"
//	int, long                      decimal, no leading zeros, "-" only before a non-zero number
//	double, currency, percent      decimal without exponent and without trailing zeros
//	date                           2006-01-02
//	datetime                       2006-01-02T15:04:05.000Z, always UTC and milliseconds
//	time                           15:04:05.000Z
//	id                             the 18-character Id
//	reference                      the 18-character Id; what is not an Id, such as the durable Id of a
//	                               standard object, exactly as stored
//	every other type               the text exactly as stored, byte for byte
//
// The platform stores an empty text as null, so a canonical Value is never the empty text.
type Value struct {
	kind valueKind
	text string
}

type valueKind uint8

const (
	absent valueKind = iota
	null
	text
)

// Null returns the explicit null.
func Null() Value { return Value{kind: null} }

// Text returns a value with that canonical text. The empty text is kept apart from null here;
// Canonical turns it into null.
func Text(s string) Value { return Value{kind: text, text: s} }

// Bool returns the canonical boolean.
func Bool(b bool) Value {
	if b {
		return Text("true")
	}
	return Text("false")
}

// IsAbsent reports that the field was not seen at all.
func (v Value) IsAbsent() bool { return v.kind == absent }

// IsNull reports an explicit null.
func (v Value) IsNull() bool { return v.kind == null }

// IsText reports that the value has a text.
func (v Value) IsText() bool { return v.kind == text }

// Text returns the canonical text; it is empty for null and absent.
func (v Value) Text() string { return v.text }

// String shows the value to a person: (absent), null, or the quoted text.
func (v Value) String() string {
	switch v.kind {
	case absent:
		return "(absent)"
	case null:
		return "null"
	default:
		return `"` + strings.ReplaceAll(v.text, `"`, `""`) + `"`
	}
}
