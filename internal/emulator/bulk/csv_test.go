package bulk

import (
	"slices"
	"testing"
)

func rowsOf(t *testing.T, text string, delimiter byte, ending string) [][]string {
	t.Helper()
	s := newScanner(text, delimiter, ending)
	var rows [][]string
	for {
		cells, err := s.next()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if cells == nil {
			return rows
		}
		rows = append(rows, slices.Clone(cells))
	}
}

func TestScannerReadsWhatClientsWrite(t *testing.T) {
	for _, c := range []struct {
		text, ending string
		want         [][]string
	}{
		{"a,b\n1,2\n", "\n", [][]string{{"a", "b"}, {"1", "2"}}},
		{"a,b\r\n1,2", "\r\n", [][]string{{"a", "b"}, {"1", "2"}}},
		{"a,\n,b\n", "\n", [][]string{{"a", ""}, {"", "b"}}},
		{"a\n\n\nb\n", "\n", [][]string{{"a"}, {"b"}}},
		{"\"a\"\"b\",\"c\r\nd\ne\"\n", "\n", [][]string{{`a"b`, "c\r\nd\ne"}}},
		{"x\"y,z\n", "\n", [][]string{{`x"y`, "z"}}},
		{"a,b,", "\n", [][]string{{"a", "b", ""}}},
	} {
		if got := rowsOf(t, c.text, ',', c.ending); !slices.EqualFunc(got, c.want, slices.Equal) {
			t.Errorf("%q reads as %q, want %q", c.text, got, c.want)
		}
	}
	for _, bad := range []string{"\"a", "\"a\"b\n"} {
		if _, err := newScanner(bad, ',', "\n").next(); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// What the emulator writes it reads back, byte for byte, with every delimiter and line ending.
func FuzzCSVKeepsEveryByte(f *testing.F) {
	f.Add("a", "b")
	f.Add("\"q\"", "x,\r\n\r\n\n;|\t^`")
	f.Add("", "\x00\u2028")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, delimiter := range delimiters {
			for _, ending := range lineEndings {
				text := string(appendRow(appendRow(nil, []string{a, b}, delimiter, ending), []string{b, a}, delimiter, ending))
				got := rowsOf(t, text, delimiter, ending)
				if want := [][]string{{a, b}, {b, a}}; !slices.EqualFunc(got, want, slices.Equal) {
					t.Fatalf("%q reads as %q, want %q", text, got, want)
				}
			}
		}
	})
}
