package component

import (
	_ "embed" // for the table
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed keys.txt
var keysText string

// rule says what the repeated elements at one place of a document are known by.
type rule struct {
	keys    []string // elements inside; none: the whole text
	ordered bool     // their order says something
	grants  bool     // all false is as good as absent
}

// rulesOf returns the rules of a type by path.
type rulesOf map[string]rule

var loadRules = sync.OnceValue(func() map[string]rulesOf {
	all := map[string]rulesOf{}
	put := func(kind, path string, r rule) {
		if all[kind] == nil {
			all[kind] = rulesOf{}
		}
		all[kind][path] = r
	}
	for _, k := range Known().kinds {
		for _, c := range k.Children {
			put(k.Name, c.Element, rule{keys: []string{c.Key}})
		}
	}
	for n, line := range strings.Split(strings.TrimSpace(keysText), "\n") {
		columns := strings.Fields(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(columns) != 4 {
			panic(fmt.Sprintf("keys.txt:%d: %d columns", n+1, len(columns))) // the file is part of the program
		}
		r := rule{ordered: strings.Contains(columns[2], "o"), grants: strings.Contains(columns[2], "d")}
		if columns[3] != "-" {
			r.keys = strings.Split(columns[3], ",")
		}
		put(columns[0], columns[1], r)
	}
	// The components that stand in files of others are documents of their own in source format, with the
	// same rules.
	for _, k := range Known().kinds {
		for _, c := range k.Children {
			for path, r := range all[k.Name] {
				if inner, ok := strings.CutPrefix(path, c.Element+"."); ok {
					put(c.Name, inner, r)
				}
			}
		}
	}
	return all
})

// key returns what the element is known by.
func (r rule) key(n *Node) string {
	if len(r.keys) == 0 {
		return n.Text
	}
	parts := make([]string, len(r.keys))
	for i, k := range r.keys {
		parts[i] = n.Value(k)
	}
	return strings.TrimRight(strings.Join(parts, ", "), ", ")
}

// granted reports an element that gives something: anything but a list of flags that are all false.
func (r rule) granted(n *Node) bool {
	flags := 0
	for _, c := range n.Nodes {
		switch {
		case slices.Contains(r.keys, c.Name):
		case len(c.Nodes) == 0 && c.Text == "false":
			flags++
		default:
			return true
		}
	}
	return flags == 0
}

// Canonical returns the canonical form of a metadata document of that type, or false for what is none:
// then its bytes are all that can be compared.
func Canonical(kind string, raw []byte) ([]byte, bool) {
	root, err := Parse(raw)
	if err != nil || strings.HasPrefix(root.Name, "{") {
		return nil, false
	}
	return Print(Order(kind, root)), true
}

// Order puts a document into its canonical order, drops what grants nothing, and returns it.
func Order(kind string, root *Node) *Node {
	order(loadRules()[kind], "", root, true)
	return root
}

// Arrange puts a document into its canonical order and returns it. It drops nothing: a permission that is
// written down as not given is taken away by a deployment, one that is left out is not.
func Arrange(kind string, root *Node) *Node {
	order(loadRules()[kind], "", root, false)
	return root
}

func order(rules rulesOf, path string, n *Node, drop bool) {
	if len(n.Nodes) == 0 {
		return
	}
	at := func(c *Node) string {
		if path == "" {
			return c.Name
		}
		return path + "." + c.Name
	}
	kept := n.Nodes[:0]
	for _, c := range n.Nodes {
		if r := rules[at(c)]; drop && r.grants && !r.granted(c) {
			continue
		}
		order(rules, at(c), c, drop)
		kept = append(kept, c)
	}
	n.Nodes = kept
	keys := make(map[*Node]string, len(n.Nodes))
	sorted := make(map[string]bool)
	for _, c := range n.Nodes {
		if r, ok := rules[at(c)]; ok && !r.ordered {
			keys[c], sorted[c.Name] = r.key(c), true
		}
	}
	slices.SortStableFunc(n.Nodes, func(a, b *Node) int {
		if d := strings.Compare(a.Name, b.Name); d != 0 || !sorted[a.Name] {
			return d
		}
		if d := strings.Compare(keys[a], keys[b]); d != 0 {
			return d
		}
		return strings.Compare(a.flat(), b.flat())
	})
}

// flat is the element as one text, to order those with the same key.
func (n *Node) flat() string {
	var b strings.Builder
	n.flatten(&b)
	return b.String()
}

func (n *Node) flatten(b *strings.Builder) {
	b.WriteString("<" + n.Name)
	for _, a := range n.Attrs {
		b.WriteString(" " + a.Name + "=" + a.Value)
	}
	b.WriteString(">" + n.Text)
	for _, c := range n.Nodes {
		c.flatten(b)
	}
	b.WriteString("</>")
}

func equal(a, b *Node) bool {
	return a.Name == b.Name && a.Text == b.Text && slices.Equal(a.Attrs, b.Attrs) && slices.EqualFunc(a.Nodes, b.Nodes, equal)
}
