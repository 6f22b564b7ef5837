package state_test

import (
	"testing"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// TestLinkJoinsLines: two lines of successors become one, each step of which is one that a map may hold, and what is said
// already is not said again.
func TestLinkJoinsLines(t *testing.T) {
	m := state.NewIdentityMap()
	for _, p := range [][2]sf.ID{{"A", "B"}, {"B", "C"}, {"X", "Y"}, {"Y", "Z"}} {
		if err := m.Add(p[0], p[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		old, living, from, to sf.ID
		added                 bool
	}{
		{"A", "C", "", "", false},
		{"A", "Z", "C", "X", true}, // C was purged, and Z stands for what A was
		{"A", "Z", "", "", false},
		{"N", "Z", "N", "A", true}, // another seed's name for it
		{"Q", "R", "Q", "R", true},
	} {
		from, to, added := m.Link(c.old, c.living)
		if from != c.from || to != c.to || added != c.added || m.Map(c.old) != c.living {
			t.Errorf("%s is %s: %q, %q, %v, and lives as %s", c.old, c.living, from, to, added, m.Map(c.old))
		}
	}
}
