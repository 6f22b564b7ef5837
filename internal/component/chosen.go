package component

import (
	"slices"

	"holdfast/internal/sf"
)

// Without returns a copy of now without those of its parts that are not in held and would be lost with it: parts
// that are components themselves, such as fields, and of a profile everything that is known by a key.
func Without(kind string, held, now *Node) *Node {
	rules, k := loadRules()[kind], Known().Kind(kind)
	has := group(rules, kind, held.clone())
	out := now.clone()
	out.Nodes = slices.DeleteFunc(out.Nodes, func(n *Node) bool {
		r, keyed := rules[n.Name]
		if !keyed {
			return false
		}
		child := false
		if k != nil {
			_, child = k.Child(n.Name)
		}
		return (child || Dependent(kind)) && has[place{n.Name, r.key(n)}] == nil
	})
	return out
}

// With returns a copy of now in which one part is as in held. A part that held lacks stays as it is.
func With(kind string, held, now *Node, element, key string) *Node {
	parts := Part(kind, held.clone(), element, key)
	out := now.clone()
	if len(parts) == 0 {
		return out
	}
	r, keyed := loadRules()[kind][element]
	out.Nodes = replace(out.Nodes, element, func(n *Node) bool { return n.Name == element && (!keyed || r.key(n) == key) }, parts)
	return out
}

// Adopt returns a copy of now in which these parts are as in from: those that from lacks are gone. A part of an element
// that is known by a key, without one, is the order of all of them, which come as they are in from.
func Adopt(kind string, now, from *Node, parts []PartChange) *Node {
	rules := loadRules()[kind]
	out := now.clone()
	for _, p := range parts {
		r, keyed := rules[p.Element]
		match := func(n *Node) bool {
			return n.Name == p.Element && (!keyed || p.Key == "" || r.key(n) == p.Key)
		}
		var nodes []*Node
		for _, n := range from.Nodes {
			if match(n) {
				nodes = append(nodes, n.clone())
			}
		}
		if !slices.ContainsFunc(out.Nodes, func(n *Node) bool { return n.Name == p.Element }) { // where files of the platform have it
			at := slices.IndexFunc(out.Nodes, func(n *Node) bool { return n.Name > p.Element })
			if at < 0 {
				at = len(out.Nodes)
			}
			out.Nodes = slices.Insert(out.Nodes, at, nodes...)
			continue
		}
		out.Nodes = replace(out.Nodes, p.Element, match, nodes)
	}
	return out
}

// Words returns the names that occur in the files of a component: runs of letters, digits and underscores, and of
// such with dots between. What one component refers to is among them.
func Words(files []Entry) map[string]bool {
	out := map[string]bool{}
	for _, f := range files {
		start, part := -1, -1
		for i := 0; i <= len(f.Body); i++ {
			var c byte
			if i < len(f.Body) {
				c = f.Body[i]
			}
			switch {
			case c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
				if start < 0 {
					start = i
				}
				if part < 0 {
					part = i
				}
				continue
			case c == '.' && part >= 0:
				out[string(f.Body[part:i])] = true
				part = -1
				continue
			}
			if start >= 0 {
				out[string(f.Body[start:i])] = true
			}
			if part >= 0 {
				out[string(f.Body[part:i])] = true
			}
			start, part = -1, -1
		}
	}
	return out
}

// Over returns what a document becomes when another is deployed over it that adds to it: parts that are known by a
// key, and single elements, are those of the other where it has them.
func Over(kind string, base, over *Node) *Node {
	rules := loadRules()[kind]
	out := base.clone()
	at := func(n *Node) place {
		if r, keyed := rules[n.Name]; keyed {
			return place{n.Name, r.key(n)}
		}
		return place{element: n.Name}
	}
	has := map[place]bool{} // also what grants nothing: it takes away
	for _, n := range over.Nodes {
		has[at(n)] = true
	}
	out.Nodes = slices.DeleteFunc(out.Nodes, func(n *Node) bool { return has[at(n)] })
	out.Nodes = append(out.Nodes, over.clone().Nodes...)
	return Arrange(kind, out)
}

// Less returns a document without one of the components that stand in it.
func Less(key sf.ComponentKey, root *Node, part sf.ComponentKey) *Node {
	out := root.clone()
	for _, child := range Known().Kind(key.Type).Children {
		if child.Name == part.Type {
			out.Nodes = slices.DeleteFunc(out.Nodes, func(n *Node) bool {
				return n.Name == child.Element && ChildName(key, n.Value(child.Key)) == part.Name
			})
		}
	}
	return out
}
