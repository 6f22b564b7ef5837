package state

import (
	"fmt"
	"testing"

	"holdfast/internal/sf"

	"pgregory.net/rapid"
)

// What one party did over several deltas is their composition when nobody else did anything.
func TestAttributionOfEverythingIsTheWholeDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genState().Draw(t, "a")
		b := genLater(a).Draw(t, "b")
		c := genLater(b).Draw(t, "c")
		var all, none Attribution
		for _, d := range []Delta{diffOf(t, a, b), diffOf(t, b, c)} {
			for _, change := range d {
				all.Add(change, true)
				none.Add(change, false)
			}
		}
		if len(none.Changes()) > 0 {
			t.Fatalf("of nobody: %v", none.Changes())
		}
		want := diffOf(t, a, c)
		got := all.Changes()
		for i := range got { // an update of the result has no hashes
			if i < len(want) && got[i].Kind == Update {
				got[i].Before, got[i].After = want[i].Before, want[i].After
			}
		}
		if fmt.Sprint(got) != fmt.Sprint([]Change(want)) {
			t.Fatalf("%v\nis not\n%v", got, want)
		}
	})
}

// Nothing that others changed last is attributed to the party.
func TestAttributionNeverTakesWhatOthersChangedLast(t *testing.T) {
	type mark struct {
		id    sf.ID
		field string
	}
	rapid.Check(t, func(t *rapid.T) {
		states := [][]sf.Record{genState().Draw(t, "0")}
		var a Attribution
		last := map[mark]bool{} // whether the party was the last to change it
		for i := range 4 {
			states = append(states, genLater(states[i]).Draw(t, fmt.Sprint(i+1)))
			mine := rapid.Bool().Draw(t, "mine")
			for _, c := range diffOf(t, states[i], states[i+1]) {
				a.Add(c, mine)
				for _, f := range c.Fields {
					last[mark{c.ID, f.Field}] = mine
				}
				last[mark{c.ID, ""}] = mine
			}
		}
		for _, c := range a.Changes() {
			for _, f := range c.Fields {
				if c.Kind == Update && !last[mark{c.ID, f.Field}] {
					t.Fatalf("%s of %s was changed last by somebody else", f.Field, c.ID)
				}
			}
			if c.Kind == Delete && !last[mark{c.ID, ""}] {
				t.Fatalf("%s was deleted by somebody else", c.ID)
			}
		}
	})
}

// What was there before the party did anything is never its creation, whoever removed it and brought it
// back: the inverse of a creation is a deletion.
func TestAttributionNeverTakesAReturnForACreation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := genState().Draw(t, "0")
		there := map[sf.ID]bool{}
		for _, r := range first {
			there[r.ID] = true
		}
		var a Attribution
		before := first
		for i := range 4 {
			after := genLater(before).Draw(t, fmt.Sprint(i+1))
			if i == 3 {
				after = first // everything comes back
			}
			for _, c := range diffOf(t, before, after) {
				a.Add(c, rapid.Bool().Draw(t, "mine"))
			}
			before = after
		}
		for _, c := range a.Changes() {
			if c.Kind == Create && there[c.ID] {
				t.Fatalf("%s was there before, and is attributed as made", c.ID)
			}
		}
	})
}
