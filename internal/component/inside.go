package component

import (
	"slices"
	"strconv"
	"strings"
)

// ValueChange is one value inside an element that differs.
type ValueChange struct {
	Path          string // names of elements from the part to the value, with dots between, such as connector.targetReference
	Before, After string // "" where there is none
}

// maxValues bounds the values that are told of one part: who wants more looks at the files.
const maxValues = 50

// Inside returns which values of one part of a document differ, by path. A nil document is one without elements.
func Inside(kind string, before, after *Node, element, key string) []ValueChange {
	values := func(root *Node) map[string]string {
		out := map[string]string{}
		if root == nil {
			return out
		}
		for i, n := range Part(kind, root, element, key) {
			at := ""
			if i > 0 {
				at = strconv.Itoa(i+1) + "."
			}
			spread(out, at, "", n)
		}
		return out
	}
	a, b := values(before), values(after)
	var out []ValueChange
	for path, was := range a {
		if is, ok := b[path]; !ok || is != was {
			out = append(out, ValueChange{path, was, is})
		}
	}
	for path, is := range b {
		if _, ok := a[path]; !ok {
			out = append(out, ValueChange{path, "", is})
		}
	}
	slices.SortFunc(out, func(x, y ValueChange) int { return strings.Compare(x.Path, y.Path) })
	return out[:min(len(out), maxValues)]
}

// spread writes the texts below a node down by their paths; of elements that are repeated, with their number.
func spread(out map[string]string, before, path string, n *Node) {
	if len(n.Nodes) == 0 {
		out[before+path] = n.Text
		return
	}
	seen := map[string]int{}
	for _, c := range n.Nodes {
		seen[c.Name]++
		at := c.Name
		if seen[c.Name] > 1 {
			at += "[" + strconv.Itoa(seen[c.Name]) + "]"
		}
		if path != "" {
			at = path + "." + at
		}
		spread(out, before, at, c)
	}
}
