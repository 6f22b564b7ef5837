package salesforce

import (
	"holdfast/internal/sf"
)

// canonical is sf.Canonical with a short way for text that is canonical already, which nearly every
// value of a large extract is.
func canonical(t sf.FieldType, raw string) (sf.Value, error) {
	if raw == "" {
		return sf.Null(), nil
	}
	switch t {
	case sf.TypeBoolean:
		if raw == "true" || raw == "false" {
			return sf.Text(raw), nil
		}
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		if plainNumber(raw) {
			return sf.Text(raw), nil
		}
	case sf.TypeDatetime:
		if plainDatetime(raw) {
			return sf.Text(raw), nil
		}
	case sf.TypeID, sf.TypeReference:
		if plainID(raw) {
			return sf.Text(raw), nil
		}
	case sf.TypeDate, sf.TypeTime:
	default:
		return sf.Text(raw), nil
	}
	return sf.Canonical(t, raw)
}

// plainNumber reports a canonical number: digits without leading zero, perhaps a fraction without
// trailing zero, perhaps a minus before anything but zero.
func plainNumber(s string) bool {
	if s[0] == '-' {
		s = s[1:]
		if s == "0" {
			return false
		}
	}
	point := -1
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
		case c == '.' && point < 0 && i > 0:
			point = i
		default:
			return false
		}
	}
	whole := s
	if point >= 0 {
		whole = s[:point]
		if last := s[len(s)-1]; last == '0' || last == '.' {
			return false
		}
	}
	return whole != "" && (whole == "0" || whole[0] != '0')
}

const datetimeForm = "0000-00-00T00:00:00.000Z"

// plainDatetime reports a canonical datetime of which every part is surely in range; days 29 to 31
// are left to the calendar.
func plainDatetime(s string) bool {
	if len(s) != len(datetimeForm) {
		return false
	}
	for i := range len(s) {
		if f := datetimeForm[i]; f == '0' && (s[i] < '0' || s[i] > '9') || f != '0' && s[i] != f {
			return false
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	month, day := two(5), two(8)
	return month >= 1 && month <= 12 && day >= 1 && day <= 28 && two(11) < 24 && two(14) < 60 && two(17) < 60
}

// parseID is sf.ParseID with the short way.
func parseID(raw string) (sf.ID, error) {
	if plainID(raw) {
		return sf.ID(raw), nil
	}
	return sf.ParseID(raw)
}

// plainID reports an Id of 18 characters whose last three fit the case of the others.
func plainID(s string) bool {
	if len(s) != 18 {
		return false
	}
	for g := range 3 {
		bits := byte(0)
		for i := range 5 {
			switch c := s[g*5+i]; {
			case c >= 'A' && c <= 'Z':
				bits |= 1 << i
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			default:
				return false
			}
		}
		want := 'A' + bits
		if bits > 25 {
			want = '0' + bits - 26
		}
		if s[15+g] != want {
			return false
		}
	}
	return true
}
