package repo

import (
	"strings"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// TestAnOlderStateIsNoticed puts back a copy of each state of a repository, also after honest work went on
// from there, and takes away what was added to the key table.
func TestAnOlderStateIsNoticed(t *testing.T) {
	r, bucket, id := opened(t)
	var copies []*blob.Memory
	var seen []Witness
	step := func(do func()) {
		t.Helper()
		do()
		w, err := r.Witness(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		copies, seen = append(copies, bucket.Clone()), append(seen, w)
	}
	step(func() { commitLeaves(t, r, "first", "a") })
	step(func() { commitLeaves(t, r, "second", "b") })
	step(func() {
		if err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	step(func() { commitLeaves(t, r, "third", "c") })
	meets := func(what string, b *blob.Memory, w Witness, want bool) {
		t.Helper()
		again, err := Open(t.Context(), b, id)
		if err != nil {
			t.Fatal(err)
		}
		err = again.Meet(t.Context(), w)
		if want && err != nil || !want && problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s, witness %v: %v", what, w, err)
		}
	}
	for at, b := range copies {
		for then, w := range seen {
			meets("a copy", b, w, then <= at)
		}
	}
	// From the state before the rotation another history begins, and comes further.
	old, err := Open(t.Context(), copies[1].Clone(), id)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := old.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Meet(t.Context(), seen[3]); problem.KindOf(err) != problem.Damaged {
		t.Errorf("another history: %v", err)
	}
	withheld := bucket.Clone()
	for info, err := range bucket.List(t.Context(), keysDir) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info.Key, "/"+addPrefix) {
			withheld.Corrupt(info.Key, func([]byte) []byte { return nil })
		}
	}
	meets("what was added is taken away", withheld, seen[3], false)
	kind(t, "another repository", r.Meet(t.Context(), Witness{}), problem.Usage)
}
