package component

import (
	"slices"
	"strings"
)

// Difference is how two states differ in one thing.
type Difference string

// The differences between two states.
const (
	Added   Difference = "added"
	Removed Difference = "removed"
	Changed Difference = "changed"
)

// PartChange is one difference inside a component: one field of an object, one permission of a profile,
// one element of a flow.
type PartChange struct {
	Element string // such as fieldPermissions
	Key     string // what it is known by, such as Account.Region__c; "" for an element that is there once
	How     Difference
}

// Parts compares two documents of the same type, element by element, in the order of element and key.
// A nil document is one without elements.
func Parts(kind string, before, after *Node) []PartChange {
	rules := loadRules()[kind]
	a, b := group(rules, kind, before), group(rules, kind, after)
	var out []PartChange
	for id, x := range a {
		y, both := b[id]
		switch {
		case !both:
			out = append(out, PartChange{id.element, id.key, Removed})
		case !slices.EqualFunc(x, y, equal):
			out = append(out, PartChange{id.element, id.key, Changed})
		}
	}
	for id := range b {
		if a[id] == nil {
			out = append(out, PartChange{id.element, id.key, Added})
		}
	}
	// Where only their order differs, elements that are known one by one all look the same.
	for element, r := range rules {
		if r.ordered && before != nil && after != nil && !strings.Contains(element, ".") && !touched(out, element) &&
			!slices.Equal(sequence(r, element, before), sequence(r, element, after)) {
			out = append(out, PartChange{element, "", Changed})
		}
	}
	slices.SortFunc(out, func(x, y PartChange) int {
		if c := strings.Compare(x.Element, y.Element); c != 0 {
			return c
		}
		return strings.Compare(x.Key, y.Key)
	})
	return out
}

func touched(changes []PartChange, element string) bool {
	return slices.ContainsFunc(changes, func(c PartChange) bool { return c.Element == element })
}

func sequence(r rule, element string, n *Node) []string {
	var keys []string
	for _, c := range n.Nodes {
		if c.Name == element {
			keys = append(keys, r.key(c))
		}
	}
	return keys
}

// place is where the elements of a document are compared.
type place struct{ element, key string }

// group returns the elements of a document by what they are known by; those that no rule names by their
// element alone.
func group(rules rulesOf, kind string, root *Node) map[place][]*Node {
	out := map[place][]*Node{}
	if root == nil {
		return out
	}
	for _, c := range Order(kind, root).Nodes {
		id := place{element: c.Name}
		if r, ok := rules[c.Name]; ok {
			id.key = r.key(c)
		}
		out[id] = append(out[id], c)
	}
	return out
}

// Merge joins what two retrieves gave of one component whose content depends on what else was asked for
// (a profile): every element that either has. Elements that a rule names are joined by their keys; of the
// others the first document's stand.
func Merge(kind string, a, b *Node) *Node {
	rules := loadRules()[kind]
	seen := map[place]bool{}
	has := map[string]bool{}
	at := func(c *Node) place {
		if r, ok := rules[c.Name]; ok {
			return place{c.Name, r.key(c)}
		}
		return place{element: c.Name}
	}
	for _, c := range a.Nodes {
		seen[at(c)], has[c.Name] = true, true
	}
	for _, c := range b.Nodes {
		_, keyed := rules[c.Name]
		if keyed && !seen[at(c)] || !keyed && !has[c.Name] {
			a.Nodes = append(a.Nodes, c)
		}
	}
	return a
}
