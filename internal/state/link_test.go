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
	}{
		{"A", "C", "", ""},
		{"A", "Z", "C", "X"}, // C was purged, and Z stands for what A was
		{"A", "Z", "", ""},
		{"N", "Z", "N", "A"}, // another seed's name for it
		{"Q", "R", "Q", "R"},
	} {
		from, to, err := m.Link(c.old, c.living)
		if from != c.from || to != c.to || err != nil || m.Map(c.old) != c.living {
			t.Errorf("%s is %s: %q, %q, %v, and lives as %s", c.old, c.living, from, to, err, m.Map(c.old))
		}
	}
	// What the map cannot hold is told, and not taken for said already.
	for _, c := range [][2]sf.ID{{"", "L"}, {"L", ""}, {"C", "A"}} {
		before := m.Len()
		if from, to, err := m.Link(c[0], c[1]); err == nil || from != "" || to != "" || m.Len() != before {
			t.Errorf("%q is %q: %q, %q, %v", c[0], c[1], from, to, err)
		}
	}
}
