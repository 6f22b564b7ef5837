package component

import (
	"strings"

	"holdfast/internal/sf"
)

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

// holders are types whose components only hold those of other types and are nothing by themselves.
// Source: Metadata API Developer Guide, CustomLabels, Workflow, SharingRules, and the pages of the others.
var holders = map[string]bool{
	"AssignmentRules": true, "AutoResponseRules": true, "CustomLabels": true, "EscalationRules": true, "MatchingRules": true, "SharingRules": true,
	"Workflow": true,
}

// Deletions returns the names under which destructive changes delete a component with these files: of one that is nothing but
// components of other types, each of those, and so of a standard object, and of one that another package defines, which no deployment
// deletes. That a holder cannot be named there itself is unverified for all but labels, and taken for the harder reading.
// Source: Metadata API Developer Guide, "Deleting Components from an Organization"; sfdx-git-delta names the same.
func Deletions(key sf.ComponentKey, files []Entry) []sf.ComponentKey {
	kind, root := Known().Kind(key.Type), document(files)
	if kind == nil || len(kind.Children) == 0 || kind.Whole || root == nil {
		return []sf.ComponentKey{InManifest(key)}
	}
	var out []sf.ComponentKey
	own := false
	for _, n := range root.Nodes {
		child, ok := kind.Child(n.Name)
		if !ok {
			own = true
			continue
		}
		out = append(out, sf.ComponentKey{Type: child.Name, Name: ChildName(key, n.Value(child.Key))})
	}
	standard := key.Type == "CustomObject" && !strings.Contains(key.Name, "__")
	if (own || len(out) == 0) && !standard && !holders[key.Type] {
		return []sf.ComponentKey{InManifest(key)}
	}
	return out
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
