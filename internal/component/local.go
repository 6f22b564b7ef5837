package component

import "strings"

// Local returns what an org has added of its own to a component of a managed package: the fields, record types
// and the like inside an object whose names lack the namespace of the package. It is the document of the
// component with these alone; nothing when there are none.
func Local(c Row, files []Entry) []Entry {
	k := Known().Kind(c.Type)
	if k == nil || !k.each || len(files) != 1 {
		return nil
	}
	root, err := Parse(files[0].Body)
	if err != nil || root.Name != k.Name {
		return nil
	}
	local := &Node{Name: root.Name}
	for _, n := range root.Nodes {
		child, ok := k.Child(n.Name)
		name := n.Value(child.Key)
		custom := child.Name != "CustomField" || strings.Contains(name, "__") // a standard field is of nobody's making
		if ok && custom && !strings.HasPrefix(name, c.Namespace+"__") {
			local.Nodes = append(local.Nodes, n)
		}
	}
	if len(local.Nodes) == 0 {
		return nil
	}
	return []Entry{{Path: files[0].Path, Body: Print(local)}}
}
