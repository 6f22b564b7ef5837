package sf

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		kind      FieldType
		raw, want string
	}{
		{TypeBoolean, "true", "true"},
		{TypeBoolean, "0", "false"},
		{TypeInt, "007", "7"},
		{TypeInt, "-0", "0"},
		{TypeDouble, "1.0", "1"},
		{TypeDouble, "1.50E3", "1500"},
		{TypeDouble, "12e-4", "0.0012"},
		{TypeDouble, "-.5", "-0.5"},
		{TypeDouble, "123456789012345678.10", "123456789012345678.1"},
		{TypeCurrency, "0.00", "0"},
		{TypePercent, "+12.50", "12.5"},
		{TypeDate, "2024-02-29", "2024-02-29"},
		{TypeDate, "2024-02-29T00:00:00.000Z", "2024-02-29"},
		{TypeDatetime, "2024-02-29T23:59:59.000+0000", "2024-02-29T23:59:59.000Z"},
		{TypeDatetime, "2024-02-29T23:59:59.120Z", "2024-02-29T23:59:59.120Z"},
		{TypeDatetime, "2024-03-01T01:00:00+02:00", "2024-02-29T23:00:00.000Z"},
		{TypeTime, "10:30:00", "10:30:00.000Z"},
		{TypeTime, "10:30:00.500Z", "10:30:00.500Z"},
		{TypeReference, "0122a000000PCxA", "0122a000000PCxAAAW"},
		{TypeReference, "Account.Industry", "Account.Industry"},
		{TypeID, "0122a000000PCxA", "0122a000000PCxAAAW"},
		{TypeString, " #N/A ", " #N/A "},
		{TypeTextarea, "a\r\nb\x00", "a\r\nb\x00"},
		{TypeMultipicklist, "b;a", "b;a"},
	} {
		got, err := Canonical(c.kind, c.raw)
		if err != nil || got != Text(c.want) {
			t.Errorf("Canonical(%s, %q) = %v, %v; want %q", c.kind, c.raw, got, err, c.want)
		}
	}
}

func TestCanonicalEmptyIsNull(t *testing.T) {
	for _, kind := range []FieldType{TypeString, TypeDouble, TypeDate, TypeReference, TypeBoolean} {
		if got, err := Canonical(kind, ""); err != nil || !got.IsNull() {
			t.Errorf("Canonical(%s, empty) = %v, %v; want null", kind, got, err)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, c := range []struct {
		kind FieldType
		raw  string
	}{
		{TypeBoolean, "yes"},
		{TypeInt, "1,5"},
		{TypeDouble, "."},
		{TypeDouble, "-"},
		{TypeDouble, "1e"},
		{TypeDouble, "1e9999"},
		{TypeDouble, "NaN"},
		{TypeDouble, "1e+-3"},
		{TypeDate, "29.02.2024"},
		{TypeDate, "2023-02-29"},
		{TypeDatetime, "2024-02-29"},
		{TypeTime, "25:00:00"},
		{TypeID, "nobody"},
	} {
		got, err := Canonical(c.kind, c.raw)
		if err == nil || !(errors.Is(err, ErrValue) || errors.Is(err, ErrID)) {
			t.Errorf("Canonical(%s, %q) = %v, %v; want an error", c.kind, c.raw, got, err)
		}
		if !got.IsAbsent() {
			t.Errorf("Canonical(%s, %q) gave %v beside its error", c.kind, c.raw, got)
		}
	}
}

// A canonical number has the same exact value, is canonical itself, and is unique for its value.
func TestCanonicalNumberKeepsTheExactValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`[+-]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "raw")
		got, err := CanonicalNumber(raw)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		want, _ := new(big.Rat).SetString(strings.TrimPrefix(raw, "+"))
		have, ok := new(big.Rat).SetString(got)
		if !ok || want.Cmp(have) != 0 {
			t.Fatalf("%q became %q", raw, got)
		}
		again, err := CanonicalNumber(got)
		if err != nil || again != got {
			t.Fatalf("%q is not canonical: %q, %v", got, again, err)
		}
		if strings.ContainsAny(got, "eE+") || got == "-0" || strings.HasSuffix(got, ".") {
			t.Fatalf("%q is not canonical", got)
		}
	})
}

func FuzzCanonicalNumber(f *testing.F) {
	for _, s := range []string{"1.50E3", "-0.0", ".", "1e400", "00012", "1e-400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := CanonicalNumber(raw)
		if err != nil {
			return
		}
		if again, err := CanonicalNumber(got); err != nil || again != got {
			t.Fatalf("%q became %q, then %q, %v", raw, got, again, err)
		}
	})
}
