package component

import "holdfast/internal/sf"

// InManifest returns the name under which a manifest asks for a component: folders go by the type of what
// they hold.
func InManifest(k sf.ComponentKey) sf.ComponentKey {
	for content, folder := range Known().folderOf {
		if folder == k.Type {
			k.Type = content
		}
	}
	return k
}

// PrintManifest writes a package.xml.
func PrintManifest(m sf.Manifest) []byte {
	root := &Node{Name: "Package"}
	for _, t := range m.Types {
		n := &Node{Name: "types"}
		for _, member := range t.Members {
			n.Nodes = append(n.Nodes, &Node{Name: "members", Text: member})
		}
		n.Nodes = append(n.Nodes, &Node{Name: "name", Text: t.Name})
		root.Nodes = append(root.Nodes, n)
	}
	if m.Version != "" { // destructive changes have none
		root.Nodes = append(root.Nodes, &Node{Name: "version", Text: m.Version})
	}
	return Print(root)
}
