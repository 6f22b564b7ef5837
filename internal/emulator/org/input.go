package org

import (
	"cmp"
	"math/big"
	"net/mail"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// maxDigits bounds a number before it is expanded.
const maxDigits = 400

// read turns the text of a value, in any spelling of the platform's APIs, into canonical text. The
// messages are those of public reports of each status code.
func (f *Field) read(text string, truncate bool) (string, *Error) {
	if text == "" {
		return "", nil
	}
	switch f.Type {
	case sf.TypeBoolean:
		switch strings.ToLower(text) {
		case "true", "1":
			return "true", nil
		case "false", "0":
			return "", nil // a checkbox is false unless it is set
		}
		return "", f.wrongType(text)
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return f.readNumber(text)
	case sf.TypeDate:
		day, _, _ := strings.Cut(text, "T")
		at, err := time.Parse(time.DateOnly, day)
		switch {
		case err != nil:
			return "", f.wrongType(text)
		case outOfTime(at):
			return "", f.wrongDate(at)
		}
		return day, nil
	case sf.TypeDatetime:
		return f.readDatetime(text)
	case sf.TypeTime:
		for _, layout := range []string{"15:04:05.000Z", "15:04:05Z", "15:04:05.000", "15:04:05"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.Format("15:04:05.000Z"), nil
			}
		}
		return "", f.wrongType(text)
	case sf.TypeID, sf.TypeReference:
		id, err := sf.ParseID(text)
		if err != nil {
			return "", fault("MALFORMED_ID", f.Label+": id value of incorrect type: "+text, f.Name)
		}
		return string(id), nil
	case sf.TypeEmail:
		if a, err := mail.ParseAddress(text); err != nil || a.Address != text || a.Name != "" {
			return "", fault("INVALID_EMAIL_ADDRESS", f.Label+": invalid email address: "+text, f.Name)
		}
	case sf.TypePicklist:
		if f.RestrictedPicklist && !f.offers(text) {
			return "", fault("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
				f.Label+": bad value for restricted picklist field: "+text, f.Name)
		}
	case sf.TypeMultipicklist:
		return f.readMulti(text)
	}
	return f.readText(text, truncate)
}

func (f *Field) wrongType(text string) *Error {
	return fault("INVALID_TYPE_ON_FIELD_IN_RECORD", f.Label+": value not of required type: "+text, f.Name)
}

// readText checks the length. The platform counts UTF-16 code units (unverified); whether it trims
// blanks is unverified too, and text is kept byte for byte here, which asks more of a client.
func (f *Field) readText(text string, truncate bool) (string, *Error) {
	if f.Length == 0 || len(text) <= f.Length {
		return text, nil
	}
	units, cut := 0, len(text)
	for i, r := range text {
		units++
		if r > 0xFFFF {
			units++
		}
		if units > f.Length && cut == len(text) {
			cut = i
		}
	}
	if units <= f.Length {
		return text, nil
	}
	if truncate {
		return text[:cut], nil
	}
	return "", fault("STRING_TOO_LONG", f.Label+": data value too large: "+text[:min(cut, 256)]+
		" (max length="+itoa(f.Length)+")", f.Name)
}

func (f *Field) readMulti(text string) (string, *Error) {
	for _, v := range strings.Split(text, ";") {
		if f.RestrictedPicklist && !f.offers(v) {
			return "", fault("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
				f.Label+": bad value for restricted picklist field: "+v, f.Name)
		}
	}
	return text, nil
}

// offers reports an active value of the picklist; values compare without regard to case.
func (f *Field) offers(text string) bool {
	for _, v := range f.Picklist {
		if v.Active && strings.EqualFold(v.Value, text) {
			return true
		}
	}
	return false
}

// readNumber rounds to the scale of the field, half away from zero, and refuses more digits before
// the point than the field has.
func (f *Field) readNumber(text string) (string, *Error) {
	r, ok := parseNumber(text)
	if !ok {
		return "", f.wrongType(text)
	}
	scale := f.Scale
	if f.Type == sf.TypeInt || f.Type == sf.TypeLong {
		if !r.IsInt() {
			return "", f.wrongType(text)
		}
		scale = 0
	}
	out := decimal(r, scale)
	whole, _, _ := strings.Cut(strings.TrimPrefix(out, "-"), ".")
	digits := f.Precision - f.Scale
	switch f.Type {
	case sf.TypeInt: // Source: describes; Object Reference, Account.NumberOfEmployees: eight digits
		digits = cmp.Or(f.Digits, 10)
	case sf.TypeLong:
		digits = cmp.Or(f.Digits, 18)
	}
	if digits > 0 && len(strings.TrimLeft(whole, "0")) > digits || f.offTheGlobe(r) {
		return "", fault("NUMBER_OUTSIDE_VALID_RANGE",
			f.Label+": value outside of valid range on numeric field: "+text, f.Name)
	}
	return out, nil
}

// offTheGlobe reports a latitude beyond 90 degrees or a longitude beyond 180. Source: SOAP API Developer Guide,
// "Compound Field Considerations and Limitations": valid values of geolocation components.
func (f *Field) offTheGlobe(n *big.Rat) bool {
	var most int64
	name := strings.TrimSuffix(f.Name, "__s")
	switch {
	case f.CompoundFieldName == "":
		return false
	case strings.HasSuffix(name, "Latitude"):
		most = 90
	case strings.HasSuffix(name, "Longitude"):
		most = 180
	default:
		return false
	}
	return new(big.Rat).Abs(n).Cmp(big.NewRat(most, 1)) > 0
}

func parseNumber(text string) (*big.Rat, bool) {
	s := strings.TrimSpace(text)
	if len(s) > maxDigits || strings.Trim(s, "+-.0123456789eE") != "" || strings.ContainsAny(s, "/_xX") {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 && len(strings.TrimLeft(s[i+1:], "+-0")) > 3 {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// decimal writes a number with at most scale digits after the point and no superfluous zeros.
func decimal(r *big.Rat, scale int) string {
	s := r.FloatString(scale)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" || s == "" {
		return "0"
	}
	return s
}

// stampLayout is a datetime in canonical form. The platform stores whole seconds.
// Source: every datetime of the recorded replies ends in .000.
const stampLayout = "2006-01-02T15:04:05.000Z"

var datetimeLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05.000Z07:00",
	"2006-01-02T15:04:05.000Z0700", "2006-01-02T15:04:05", time.DateOnly,
}

func (f *Field) readDatetime(text string) (string, *Error) {
	for _, layout := range datetimeLayouts {
		t, err := time.Parse(layout, text)
		switch {
		case err != nil:
		case outOfTime(t):
			return "", f.wrongDate(t)
		default:
			return stamp(t), nil
		}
	}
	return "", f.wrongType(text)
}

// The years of dates. Source: SOQL and SOSL Reference, "Date Formats and Date Literals": from 1700-01-01 to 4000-12-31.
const firstYear, lastYear = 1700, 4000

func outOfTime(t time.Time) bool { return t.UTC().Year() < firstYear || t.UTC().Year() > lastYear }

// wrongDate is the refusal of a date beyond these years; the words are those of public reports of years mistyped.
func (f *Field) wrongDate(t time.Time) *Error {
	return fault("FIELD_INTEGRITY_EXCEPTION", f.Label+": invalid date: "+t.UTC().Format("Mon Jan 02 15:04:05 ")+"GMT"+t.UTC().Format(" 2006"), f.Name)
}

func stamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(stampLayout) }
