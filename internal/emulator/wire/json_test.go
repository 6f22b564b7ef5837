package wire_test

import (
	"encoding/json"
	"testing"

	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// Numbers are spelled as Java's Double spells them, without losing digits.
func TestDouble(t *testing.T) {
	for canonical, want := range map[string]string{
		"0": "0.0", "1": "1.0", "-1": "-1.0", "1.5": "1.5", "9999999": "9999999.0", "9999999.25": "9999999.25",
		"10000000": "1.0E7", "350000000": "3.5E8", "-12345678.9": "-1.23456789E7",
		"0.1": "0.1", "0.001": "0.001", "0.0015": "0.0015", "0.00099": "9.9E-4", "0.0001": "1.0E-4",
		"123456789012345678": "1.23456789012345678E17",
	} {
		got := wire.Double(canonical)
		if got != want {
			t.Errorf("%s is spelled %s, want %s", canonical, got, want)
		}
		if back, err := sf.CanonicalNumber(got); err != nil || back != canonical {
			t.Errorf("%s reads back as %s (%v)", got, back, err)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f", "é 漢 😀 \u2028", "<&>", "\xff\xfe", "a\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(wire.AppendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want := string([]rune(s)); got != want { // bytes that are not UTF-8 become U+FFFD
			t.Errorf("%q came back as %q", s, got)
		}
	})
}
