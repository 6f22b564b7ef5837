package capture

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast/internal/sf"
)

func genID(t *rapid.T) sf.ID {
	id, err := sf.ParseID(rapid.StringMatching(`00[13][0-9A-Za-z]{3}0000000[0-9A-Za-z]{2}`).Draw(t, "id"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRollIsASortedMapWhoseLastMarkCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r roll
		want := map[sf.ID]mark{}
		for range rapid.IntRange(0, 60).Draw(t, "n") {
			id, m := genID(t), mark(rapid.IntRange(0, 2).Draw(t, "mark"))
			r.put(id, m)
			want[id] = m
			if rapid.IntRange(0, 5).Draw(t, "pack") == 0 {
				r.pack()
			}
		}
		var ids []sf.ID
		got := map[sf.ID]mark{}
		for id, m := range r.all() {
			ids = append(ids, id)
			got[id] = m
		}
		if !slices.IsSorted(ids) || len(ids) != len(got) {
			t.Fatalf("out of order or twice: %v", ids)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestRollPacksIdsIntoFewBytes(t *testing.T) {
	var r roll
	const n = 200_000
	for i := range n {
		id, err := sf.ParseID(fmt.Sprintf("0035g%010d", (i*7919)%n)) // every Id once, in no order
		if err != nil {
			t.Fatal(err)
		}
		r.put(id, markLive)
	}
	live, _ := r.count()
	size := 0
	for _, chunk := range r.chunks {
		size += len(chunk)
	}
	if live != n || size > 6*n {
		t.Errorf("%d Ids in %d bytes", live, size)
	}
}

func TestCompareIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfDistinct(rapid.Custom(genID), rapid.ID[sf.ID]).Draw(t, "a"), rapid.SliceOfDistinct(rapid.Custom(genID), rapid.ID[sf.ID]).Draw(t, "b")
		slices.Sort(a)
		slices.Sort(b)
		onlyA, onlyB, err := compareIDs(sequence(a, nil), sequence(b, nil))
		if err != nil {
			t.Fatal(err)
		}
		minus := func(x, y []sf.ID) []sf.ID {
			return slices.DeleteFunc(slices.Clone(x), func(id sf.ID) bool { return slices.Contains(y, id) })
		}
		if got, want := slices.Collect(onlyA.ids()), minus(a, b); !slices.Equal(got, want) {
			t.Fatalf("only in a: %v, want %v", got, want)
		}
		if got, want := slices.Collect(onlyB.ids()), minus(b, a); !slices.Equal(got, want) {
			t.Fatalf("only in b: %v, want %v", got, want)
		}
	})
	broken := errors.New("broken")
	if _, _, err := compareIDs(sequence([]sf.ID{"001000000000001AAA"}, broken), sequence(nil, nil)); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the sequence", err)
	}
}

func sequence(ids []sf.ID, err error) iter.Seq2[sf.ID, error] {
	return func(yield func(sf.ID, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

func TestAnswerFindsTheOrgsWords(t *testing.T) {
	inner := errors.New("MALFORMED_QUERY: a filter on a reified column is required [Id]")
	for _, tt := range []struct {
		err     error
		code    string
		refused bool
	}{
		{nil, "", false},
		{errors.New("the connection broke"), "", false},
		{fmt.Errorf("read Vote: %w", inner), "MALFORMED_QUERY", true},
		{fmt.Errorf("read Vote: %w: %w", errors.New("twice"), inner), "MALFORMED_QUERY", true},
		{errors.New("MALFORMED_QUERY: unexpected token"), "MALFORMED_QUERY", false},
		{errors.New("INVALID_TYPE_FOR_OPERATION: entity type Name does not support query"), "INVALID_TYPE_FOR_OPERATION", true},
		{errors.New("UNABLE_TO_LOCK_ROW: busy"), "UNABLE_TO_LOCK_ROW", false},
		{errors.New("EOF: no code"), "", false},
	} {
		code, _ := answer(tt.err)
		if _, ok := refused(tt.err); code != tt.code || ok != tt.refused {
			t.Errorf("%v: code %q refused %v, want %q %v", tt.err, code, ok, tt.code, tt.refused)
		}
	}
}
