package state

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

func account(n int, pairs ...string) sf.Record {
	values := map[string]sf.Value{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = value(pairs[i+1])
	}
	return sf.NewRecord("Account", genID(n), values)
}

func value(s string) sf.Value {
	switch s {
	case "<absent>":
		return sf.Value{}
	case "<null>":
		return sf.Null()
	}
	return sf.Text(s)
}

func TestDiffRefusesDisorder(t *testing.T) {
	contact := sf.NewRecord("Contact", "003000000000001AAA", nil)
	broken := account(1, "Name", "x")
	broken.Values = nil
	good := []sf.Record{account(1), account(2)}
	boom := errors.New("disk")
	failing := Records(func(yield func(sf.Record, error) bool) {
		if yield(account(1), nil) {
			yield(sf.Record{}, boom)
		}
	})
	cases := []struct {
		name string
		bad  Records
		want error
	}{
		{"descending", FromSlice([]sf.Record{account(2), account(1)}), ErrOrder},
		{"duplicate", FromSlice([]sf.Record{account(1), account(1)}), ErrOrder},
		{"descending at the end", FromSlice([]sf.Record{account(1), account(2), account(9), account(8)}), ErrOrder},
		{"mixed objects", FromSlice([]sf.Record{account(1), contact}), ErrObject},
		{"another object", FromSlice([]sf.Record{contact}), ErrObject},
		{"values missing", FromSlice([]sf.Record{broken}), nil},
		{"source fails", failing, boom},
	}
	for _, c := range cases {
		for side, seq := range map[string][2]Records{"left": {c.bad, FromSlice(good)}, "right": {FromSlice(good), c.bad}} {
			t.Run(c.name+" "+side, func(t *testing.T) {
				errs := 0
				for change, err := range Diff(seq[0], seq[1]) {
					if errs > 0 {
						t.Fatalf("went on after the error with %v, %v", change, err)
					}
					if err == nil {
						continue
					}
					errs++
					if c.want != nil && !errors.Is(err, c.want) {
						t.Errorf("error %v, want %v", err, c.want)
					}
				}
				if errs != 1 {
					t.Errorf("%d errors, want 1", errs)
				}
			})
		}
	}
}

func TestDiffStopsWhenTheReaderStops(t *testing.T) {
	closed := false
	a := Records(func(yield func(sf.Record, error) bool) {
		defer func() { closed = true }()
		for n := range 5 {
			if !yield(account(n), nil) {
				return
			}
		}
	})
	for _, err := range Diff(a, FromSlice(nil)) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if !closed {
		t.Error("the left sequence was left open")
	}
}

func TestAbsentIsNotNull(t *testing.T) {
	null, absent, without := account(1, "Name", "<null>"), account(1, "Name", "<absent>"), account(1)
	if HashRecord(null) == HashRecord(absent) {
		t.Error("null and absent have one hash")
	}
	if HashRecord(absent) != HashRecord(without) || !Equal(absent, without) {
		t.Error("an absent field counts")
	}
	if c, differ := Between(null, without); !differ || !c.Fields[0].After.IsAbsent() || !c.Fields[0].Before.IsNull() {
		t.Errorf("change %+v, want null to absent", c)
	}
}

// TestHashTellsWhatMovedAcross guards the framing: no two of these records may be confused.
func TestHashTellsWhatMovedAcross(t *testing.T) {
	seen := map[Hash]string{}
	for name, r := range map[string]sf.Record{
		"a=xy":       account(1, "A", "xy"),
		"a=x b=y":    account(1, "A", "x", "B", "y"),
		"a=y b=x":    account(1, "A", "y", "B", "x"),
		"a='' b=xy":  account(1, "A", "", "B", "xy"),
		"a=null":     account(1, "A", "<null>"),
		"a=''":       account(1, "A", ""),
		"b=xy":       account(1, "B", "xy"),
		"ab=xy":      account(1, "AB", "xy"),
		"other id":   account(2, "A", "xy"),
		"other type": sf.NewRecord("Contact", genID(1), map[string]sf.Value{"A": sf.Text("xy")}),
		"no fields":  account(1),
	} {
		h := HashRecord(r)
		if other := seen[h]; other != "" {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[h] = name
	}
}

func TestHasherForgetsShapesButNotHashes(t *testing.T) {
	var h Hasher
	for n := range 3 * maxShapes {
		r := account(n, "Name", "x", fmt.Sprintf("F%d", n), "<absent>")
		if h.Hash(r) != HashRecord(r) {
			t.Fatalf("record %d: the hash depends on what was hashed before", n)
		}
	}
	if len(h.shapes) > maxShapes {
		t.Errorf("%d shapes are kept, want at most %d", len(h.shapes), maxShapes)
	}
}

func TestPatchRefusesWhatDoesNotFit(t *testing.T) {
	one, other := account(1, "Name", "a"), account(1, "Name", "b")
	create, _ := Between(sf.Record{}, one)
	update, _ := Between(one, other)
	remove, _ := Between(one, sf.Record{})
	lying := update
	lying.After = Hash{1}
	ofID := Change{Object: "Account", ID: genID(1), Kind: Create, Fields: []FieldChange{{Field: "Id", After: sf.Text("x")}}}
	cases := []struct {
		name  string
		state []sf.Record
		delta Delta
		want  error
	}{
		{"create of what is there", []sf.Record{one}, Delta{create}, ErrFit},
		{"update of what is not", nil, Delta{update}, ErrFit},
		{"update of another state", []sf.Record{other}, Delta{update}, ErrFit},
		{"delete of another state", []sf.Record{other}, Delta{remove}, ErrFit},
		{"delete of what is not", nil, Delta{remove}, ErrFit},
		{"result that it does not say", []sf.Record{one}, Delta{lying}, ErrFit},
		{"change of an Id", nil, Delta{ofID}, ErrFit},
		{"two changes of one record", nil, Delta{create, create}, ErrOrder},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var err error
			for _, err = range Patch(FromSlice(c.state), c.delta.All()) {
			}
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestCollectIsBounded(t *testing.T) {
	changes := Diff(FromSlice(nil), FromSlice([]sf.Record{account(1), account(2), account(3)}))
	if d, err := Collect(changes, 3); err != nil || len(d) != 3 {
		t.Errorf("%d changes and %v, want 3", len(d), err)
	}
	if _, err := Collect(changes, 2); !errors.Is(err, ErrTooMany) {
		t.Errorf("error %v, want ErrTooMany", err)
	}
}

func TestDeltaIsSortedAndCounted(t *testing.T) {
	contact := sf.NewRecord("Contact", "003000000000001AAA", nil)
	c1, _ := Between(sf.Record{}, contact)
	c2, _ := Between(account(1, "A", "x", "B", "y"), account(1, "A", "y", "B", "z"))
	c3, _ := Between(account(2), sf.Record{})
	d, err := NewDelta([]Change{c1, c3, c2})
	if err != nil {
		t.Fatal(err)
	}
	var s Summary
	for _, c := range d {
		s.Count(c)
	}
	if want := (Summary{Created: 1, Updated: 1, Deleted: 1, Fields: 2}); s != want {
		t.Errorf("summary %+v, want %+v", s, want)
	}
	if got := fmt.Sprint(d.Objects(), len(d.Object("Account")), len(d.Object("Contact")), len(d.Object("B"))); got != "[Account Contact] 2 1 0" {
		t.Errorf("objects %s", got)
	}
	if _, err := NewDelta([]Change{c1, c1}); !errors.Is(err, ErrOrder) {
		t.Errorf("error %v, want ErrOrder", err)
	}
}

func TestDigestText(t *testing.T) {
	d, _ := digestOf(t, []sf.Record{account(1, "Name", "a")})
	if got, err := ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("ParseDigest(%s) = %s, %v", d, got, err)
	}
	for _, bad := range []string{"", "00", strings.ToUpper(d.String()) + "", strings.Repeat("g", 64), strings.Repeat("A", 64)} {
		if _, err := ParseDigest(bad); err == nil {
			t.Errorf("ParseDigest(%q) succeeds", bad)
		}
	}
	if h := HashRecord(account(1)); func() bool { got, err := ParseHash(h.String()); return err != nil || got != h }() {
		t.Error("ParseHash of String differs")
	}
}

func TestIdentityMapIsInjective(t *testing.T) {
	m := NewIdentityMap()
	a, b, c, d := genID(1), genID(2), genID(3), genID(4)
	for _, pair := range [][2]sf.ID{{a, b}, {b, c}, {a, b}} {
		if err := m.Add(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range [][2]sf.ID{{a, c}, {d, b}, {c, a}, {d, d}, {"", a}, {a, ""}} {
		if err := m.Add(pair[0], pair[1]); err == nil {
			t.Errorf("%v is accepted", pair)
		}
	}
	if m.Map(a) != c || m.Map(b) != c || m.Map(d) != d || m.Len() != 2 {
		t.Errorf("a→%s b→%s d→%s", m.Map(a), m.Map(b), m.Map(d))
	}
	var none *IdentityMap
	if none.Map(a) != a || none.Len() != 0 {
		t.Error("a nil map maps")
	}
}

// BenchmarkHash hashes records of 20 fields and about 500 bytes, as a capture does.
func BenchmarkHash(b *testing.B) {
	values := map[string]sf.Value{}
	for i := range 20 {
		values[fmt.Sprintf("Field_%02d__c", i)] = sf.Text(strings.Repeat("x", 25))
	}
	r := sf.NewRecord("Account", genID(1), values)
	var h Hasher
	b.ReportAllocs()
	for b.Loop() {
		h.Hash(r)
	}
}

// BenchmarkDiff compares two states of 10,000 records of which one in a thousand differs.
func BenchmarkDiff(b *testing.B) {
	shape := sf.NewShape("Account", []string{"A", "B", "C", "D"})
	left := make([]sf.Record, 10_000)
	right := make([]sf.Record, len(left))
	for i := range left {
		v := []sf.Value{sf.Text("one"), sf.Text("two"), sf.Null(), sf.Text(fmt.Sprint(i))}
		left[i] = sf.Record{ID: genID(i), Shape: shape, Values: v}
		right[i] = left[i]
		if i%1000 == 0 {
			right[i].Values = []sf.Value{v[0], sf.Text("changed"), v[2], v[3]}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range Diff(FromSlice(left), FromSlice(right)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(left)), "ns/record")
}
