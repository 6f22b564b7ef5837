package state

import (
	"fmt"

	"holdfast/internal/sf"
)

// IdentityMap says which record of the org is the successor of a record that no longer exists: old
// Id → new Id. A record that was restored twice has a chain of successors, of which Map names the
// last. The map is injective and without cycles: two records never become one, and a record never
// becomes itself again.
//
// A nil *IdentityMap is the empty map. It is not for concurrent use while it is written.
type IdentityMap struct {
	successor   map[sf.ID]sf.ID
	predecessor map[sf.ID]sf.ID
}

// NewIdentityMap returns an empty map.
func NewIdentityMap() *IdentityMap {
	return &IdentityMap{successor: make(map[sf.ID]sf.ID), predecessor: make(map[sf.ID]sf.ID)}
}

// Add records that the record with the new Id takes the place of the old one. Adding the same pair
// again changes nothing; a pair that contradicts the map is an error.
func (m *IdentityMap) Add(old, successor sf.ID) error {
	switch {
	case old == "" || successor == "":
		return fmt.Errorf("identity of %q and %q: an Id is empty", old, successor)
	case m.successor[old] == successor:
		return nil
	case m.successor[old] != "":
		return fmt.Errorf("identity of %s: it is %s already, and cannot be %s too", old, m.successor[old], successor)
	case m.predecessor[successor] != "":
		return fmt.Errorf("identity of %s: %s stands for %s already", old, successor, m.predecessor[successor])
	case m.Map(successor) == old:
		return fmt.Errorf("identity of %s: it would succeed itself through %s", old, successor)
	}
	m.successor[old], m.predecessor[successor] = successor, old
	return nil
}

// Link records that the record which lives under that Id is the one that was old, and returns the pair that says so: the
// last successor of old, and the first that the living one is known by. Both are empty when the map says so already. The
// error is that of Add: then the map is as it was, and the two stay apart.
func (m *IdentityMap) Link(old, living sf.ID) (from, to sf.ID, err error) {
	from, to = m.Map(old), living
	if from == living {
		return "", "", nil
	}
	for m.predecessor[to] != "" {
		to = m.predecessor[to]
	}
	if err := m.Add(from, to); err != nil {
		return "", "", err
	}
	return from, to, nil
}

// Map returns the Id under which the record lives now: its last successor, or the Id itself.
func (m *IdentityMap) Map(id sf.ID) sf.ID {
	if m == nil {
		return id
	}
	for {
		next, found := m.successor[id]
		if !found {
			return id
		}
		id = next
	}
}

// Len returns the number of pairs.
func (m *IdentityMap) Len() int {
	if m == nil {
		return 0
	}
	return len(m.successor)
}
