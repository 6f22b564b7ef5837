package csv_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"holdfast/internal/salesforce/csv"
)

func encode(rows [][]string) []byte {
	var out []byte
	for _, row := range rows {
		out = csv.AppendRow(out, row)
	}
	return out
}

func decode(src io.Reader, maxRow int) ([][]string, error) {
	r := csv.NewReader(src, maxRow)
	var rows [][]string
	for {
		fields, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		row := make([]string, len(fields))
		for i, f := range fields {
			row[i] = string(f)
		}
		rows = append(rows, row)
	}
}

func sameRows(a, b [][]string) bool {
	return slices.EqualFunc(a, b, slices.Equal[[]string])
}

// hostile draws text in which everything that ever broke a CSV reader is frequent.
var hostile = rapid.Custom(func(t *rapid.T) string {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"\"", "\"\"", ",", "\r", "\n", "\r\n", "\n\r", "\x00", "\u2028", "\u0085", "\xff",
			"\xed\xa0\x80", "#N/A", " ", "\t", "", "\ufeff", "\\", "'", "\x1a",
		}),
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
	)
	return strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
})

func TestLaw07DecodeOfEncodeIsTheSameRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(hostile, 1, 5), 0, 8).Draw(t, "rows")
		raw := encode(rows)
		sources := map[string]io.Reader{
			"whole":       bytes.NewReader(raw),
			"one byte":    iotest.OneByteReader(bytes.NewReader(raw)),
			"half":        iotest.HalfReader(bytes.NewReader(raw)),
			"data at end": iotest.DataErrReader(bytes.NewReader(raw)),
		}
		for name, src := range sources {
			got, err := decode(src, 0)
			if err != nil || !sameRows(got, rows) {
				t.Fatalf("%s: decode(encode(%q)) = %q, %v", name, rows, got, err)
			}
		}
	})
}

func TestTrap12LineEndsInsideTextAreKept(t *testing.T) {
	long := strings.Repeat("line\r\n\"quoted\", and\rmore\n", 131_072/24+1)[:131_072]
	values := []string{
		"a\r\nb", "a\rb", "a\nb", "\r\n", "\r", "\n", "\u2028", "say \"hi\"", "\"", `""`, "a,b", long,
		"\xed\xa0\x80 lone surrogate", "ends in CR\r", "\r\n\r\n",
	}
	raw := encode([][]string{values, values})
	got, err := decode(bytes.NewReader(raw), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range got {
		for i, v := range row {
			if sha256.Sum256([]byte(v)) != sha256.Sum256([]byte(values[i])) {
				t.Errorf("value %d: %.60q became %.60q", i, values[i], v)
			}
		}
	}
	if len(got) != 2 {
		t.Errorf("%d rows, want 2", len(got))
	}
}

func TestTrap13NulAndOddBytesAreKept(t *testing.T) {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	want := [][]string{{"\x00", "a\x00b", string(all), "\xff\xfe", "\ufeffBOM", ""}}
	got, err := decode(bytes.NewReader(encode(want)), 0)
	if err != nil || !sameRows(got, want) {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestReaderGrammar(t *testing.T) {
	for _, c := range []struct {
		in    string
		want  [][]string
		ended bool
	}{
		{"", nil, true},
		{"\n", [][]string{{""}}, true},
		{"a", [][]string{{"a"}}, false},
		{"a,b\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}, true},
		{"a,b\r\nc,d\r\n", [][]string{{"a", "b"}, {"c", "d"}}, true},
		{"a,\n", [][]string{{"a", ""}}, true},
		{"a,", [][]string{{"a", ""}}, false},
		{",\"\"\n", [][]string{{"", ""}}, true},
		{"a\rb,c\n", [][]string{{"a\rb", "c"}}, true},
		{"\"a\r\",b\r\n", [][]string{{"a\r", "b"}}, true},
		{"\"a\"", [][]string{{"a"}}, false},
		{"a\n\nb\n", [][]string{{"a"}, {""}, {"b"}}, true},
	} {
		r := csv.NewReader(iotest.OneByteReader(strings.NewReader(c.in)), 0)
		var got [][]string
		for {
			f, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", c.in, err)
			}
			var row []string
			for _, b := range f {
				row = append(row, string(b))
			}
			got = append(got, row)
		}
		if !sameRows(got, c.want) || r.Ended() != c.ended || r.Rows() != int64(len(c.want)) {
			t.Errorf("%q: got %q, ended %v, rows %d", c.in, got, r.Ended(), r.Rows())
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	broken := errors.New("cable cut")
	for _, c := range []struct {
		name string
		src  io.Reader
		max  int
		want error
		text string
	}{
		{"text after quote", strings.NewReader("a\n\"b\"c\n"), 0, csv.ErrSyntax, "row 2"},
		{"CR after quote", strings.NewReader("\"b\"\rc\n"), 0, csv.ErrSyntax, "row 1"},
		{"quote inside", strings.NewReader("a\nb\nx\"y\n"), 0, csv.ErrSyntax, "row 3"},
		{"cut inside quotes", strings.NewReader("a\n\"b\nc"), 0, csv.ErrTruncated, "row 2"},
		{"cut by the source", io.MultiReader(strings.NewReader("a\n\"b"), iotest.ErrReader(broken)), 0, broken, ""},
		{"cut in a bare field", io.MultiReader(strings.NewReader("a,b"), iotest.ErrReader(broken)), 0, broken, ""},
		{"cut at a closing quote", io.MultiReader(strings.NewReader(`"a"`), iotest.ErrReader(broken)), 0, broken, ""},
		{"cut between rows", io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)), 0, broken, ""},
		{"long quoted row", strings.NewReader("a\n\"" + strings.Repeat("x", 100) + "\"\n"), 50, csv.ErrRowTooLong, "row 2"},
		{"many fields", strings.NewReader(strings.Repeat(",", 1_000_000)), 0, csv.ErrRowTooLong, "more than 5000 fields"},
		{"long bare row", strings.NewReader(strings.Repeat("x", 100)), 50, csv.ErrRowTooLong, "row 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decode(c.src, c.max)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v in %s", err, c.want, c.text)
			}
		})
	}
}

func TestReaderKeepsItsError(t *testing.T) {
	r := csv.NewReader(strings.NewReader("x\"\na\n"), 0)
	_, first := r.Next()
	_, second := r.Next()
	if first == nil || !errors.Is(second, first) {
		t.Errorf("first %v, then %v", first, second)
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{"a,b\n", "\"a\"\"b\"\r\n", "\"", "a\"b", ",\n,", "\"\r\n\"\n"} {
		f.Add([]byte(seed), 16)
	}
	f.Fuzz(func(t *testing.T, raw []byte, maxRow int) {
		if maxRow < 0 || maxRow > 1<<20 {
			maxRow = 0
		}
		rows, err := decode(bytes.NewReader(raw), maxRow)
		slow, slowErr := decode(iotest.OneByteReader(bytes.NewReader(raw)), maxRow)
		if !sameRows(rows, slow) || (err == nil) != (slowErr == nil) {
			t.Fatalf("the reading depends on the reads: %q %v, %q %v", rows, err, slow, slowErr)
		}
		if err != nil {
			return
		}
		again, err := decode(bytes.NewReader(encode(rows)), 0)
		if err != nil || !sameRows(again, rows) {
			t.Fatalf("%q encoded and decoded is %q, %v", rows, again, err)
		}
	})
}

// rowsOf is shaped like a Bulk result: forty quoted values of some ten bytes each.
func rowsOf(n int) []byte {
	row := make([]string, 40)
	for i := range row {
		row[i] = strings.Repeat("v", i%20+2)
	}
	row[7] = "with \"quotes\" and\r\nlines"
	return bytes.Repeat(csv.AppendRow(nil, row), n)
}

func BenchmarkReader(b *testing.B) {
	raw := rowsOf(2000)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		r := csv.NewReader(bytes.NewReader(raw), 0)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

func BenchmarkAppendRow(b *testing.B) {
	row := strings.Split(strings.Repeat("some value\x00", 39)+"with \"quotes\"", "\x00")
	dst := csv.AppendRow(nil, row)
	b.SetBytes(int64(len(dst)))
	for b.Loop() {
		dst = csv.AppendRow(dst[:0], row)
	}
}
