package sf

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrValue is the error for text that is not a value of its field's type.
var ErrValue = errors.New("not a value of its type")

// maxExponent bounds the exponent of a number: the platform stores at most 18 digits, so anything
// far beyond is damage, and expanding it would only cost memory.
const maxExponent = 400

// Canonical turns the text of a value, as any Salesforce API spells it, into the canonical Value of
// its type. The empty text is null: the platform stores no empty text.
func Canonical(t FieldType, raw string) (Value, error) {
	if raw == "" {
		return Null(), nil
	}
	switch t {
	case TypeBoolean:
		switch raw {
		case "true", "1":
			return Text("true"), nil
		case "false", "0":
			return Text("false"), nil
		}
		return Value{}, fmt.Errorf("%w: boolean %q", ErrValue, clip(raw))
	case TypeInt, TypeLong, TypeDouble, TypeCurrency, TypePercent:
		n, err := CanonicalNumber(raw)
		if err != nil {
			return Value{}, err
		}
		return Text(n), nil
	case TypeDate:
		return canonicalDate(raw)
	case TypeDatetime:
		return canonicalDatetime(raw)
	case TypeTime:
		return canonicalTime(raw)
	case TypeID:
		id, err := ParseID(raw)
		if err != nil {
			return Value{}, err
		}
		return Text(string(id)), nil
	case TypeReference:
		// A reference to an entity or field definition holds its durable Id, which for standard ones
		// is the name: "Account", "Account.Industry". Source: Tooling API, EntityDefinition, DurableId.
		if id, err := ParseID(raw); err == nil {
			raw = string(id)
		}
		return Text(raw), nil
	default:
		return Text(raw), nil
	}
}

// CanonicalNumber writes a decimal number without exponent, without superfluous zeros and without a
// sign on zero: "1.50E3" becomes "1500", "-0.0" becomes "0". It never goes through binary floating
// point, so no digit changes.
func CanonicalNumber(raw string) (string, error) {
	s, negative := raw, false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	mantissa, exponent, err := splitExponent(s)
	if err != nil {
		return "", fmt.Errorf("%w: number %q", ErrValue, clip(raw))
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole == "" && fraction == "" {
		return "", fmt.Errorf("%w: number %q", ErrValue, clip(raw))
	}
	for _, part := range []string{whole, fraction} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return "", fmt.Errorf("%w: number %q", ErrValue, clip(raw))
			}
		}
	}
	switch {
	case exponent > 0:
		fraction += strings.Repeat("0", max(0, exponent-len(fraction)))
		whole, fraction = whole+fraction[:exponent], fraction[exponent:]
	case exponent < 0:
		whole = strings.Repeat("0", max(0, -exponent-len(whole))) + whole
		cut := len(whole) + exponent
		whole, fraction = whole[:cut], whole[cut:]+fraction
	}
	whole = strings.TrimLeft(whole, "0")
	fraction = strings.TrimRight(fraction, "0")
	if whole == "" {
		whole = "0"
	}
	out := whole
	if fraction != "" {
		out += "." + fraction
	}
	if negative && out != "0" {
		out = "-" + out
	}
	return out, nil
}

func splitExponent(s string) (mantissa string, exponent int, err error) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, nil
	}
	digits, sign := s[i+1:], 1
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		if digits[0] == '-' {
			sign = -1
		}
		digits = digits[1:]
	}
	if digits == "" {
		return "", 0, ErrValue
	}
	for j := range len(digits) {
		if digits[j] < '0' || digits[j] > '9' {
			return "", 0, ErrValue
		}
		exponent = exponent*10 + int(digits[j]-'0')
		if exponent > maxExponent {
			return "", 0, ErrValue
		}
	}
	return s[:i], sign * exponent, nil
}

func canonicalDate(raw string) (Value, error) {
	// Some APIs spell a date as midnight of that day in UTC.
	day, _, _ := strings.Cut(raw, "T")
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return Value{}, fmt.Errorf("%w: date %q", ErrValue, clip(raw))
	}
	return Text(day), nil
}

// datetimeLayouts are the spellings that the platform's APIs use: REST writes +0000, Bulk writes Z.
var datetimeLayouts = []string{
	"2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000Z0700",
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700",
}

// DatetimeLayout is the canonical form of a datetime for time.Format, in UTC.
const DatetimeLayout = "2006-01-02T15:04:05.000Z"

func canonicalDatetime(raw string) (Value, error) {
	t, err := ParseDatetime(raw)
	if err != nil {
		return Value{}, err
	}
	return Text(t.Format(DatetimeLayout)), nil
}

// ParseDatetime reads a datetime in any spelling of the platform's APIs and returns it in UTC.
func ParseDatetime(raw string) (time.Time, error) {
	for _, layout := range datetimeLayouts {
		if t, err := time.Parse(layout, raw); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: datetime %q", ErrValue, clip(raw))
}

func canonicalTime(raw string) (Value, error) {
	for _, layout := range []string{"15:04:05.000Z", "15:04:05.000", "15:04:05Z", "15:04:05"} {
		if t, err := time.Parse(layout, raw); err == nil {
			return Text(t.Format("15:04:05.000Z")), nil
		}
	}
	return Value{}, fmt.Errorf("%w: time %q", ErrValue, clip(raw))
}
