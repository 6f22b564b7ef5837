package component

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Package is what is deployed and deleted to make one state of a project another.
type Package struct {
	Files   []Entry           // by path, without manifests
	Members []sf.ComponentKey // of its package.xml, sorted
	Deleted []sf.ComponentKey // of its destructive changes, sorted
}

// Between returns what makes the components of before those of after. Of components whose parts are components
// themselves only the parts that differ are in it. Nothing is deleted of which after has the name in other letters, upper or
// lower: to an org it is the same component, which would be gone then. Sources: scolladon/sfdx-git-delta issue 132 (a field),
// forcedotcom/salesforcedx-vscode issue 3575 (a class that is deployed so has its new name); for other types unverified, the harder reading.
func Between(before, after []Entry) Package {
	var p Package
	a, b := ByKey(before), ByKey(after)
	spelt := map[sf.ComponentKey][]Entry{} // what before has, by folded name
	for key, files := range a {
		spelt[Folded(key)] = files
	}
	stays := map[sf.ComponentKey]bool{}
	for key, files := range b {
		stays[Folded(key)] = true
		switch was := a[key]; {
		case was == nil && spelt[Folded(key)] != nil:
			p.changed(key, spelt[Folded(key)], files)
		case was == nil:
			p.Files = append(p.Files, files...)
			p.Members = append(p.Members, Members(key, files)...)
		case Sum(key.Type, was) != Sum(key.Type, files):
			p.changed(key, was, files)
		}
	}
	for key, files := range a {
		if !stays[Folded(key)] {
			p.Deleted = append(p.Deleted, Deletions(key, files)...)
		}
	}
	slices.SortFunc(p.Files, func(x, y Entry) int { return strings.Compare(x.Path, y.Path) })
	for _, list := range []*[]sf.ComponentKey{&p.Members, &p.Deleted} {
		slices.SortFunc(*list, sf.ComponentKey.Compare)
		*list = slices.Compact(*list)
	}
	return p
}

// changed takes in what differs of one component.
func (p *Package) changed(key sf.ComponentKey, was, is []Entry) {
	kind := Known().Kind(key.Type)
	x, y := document(was), document(is)
	if kind == nil || len(kind.Children) == 0 || x == nil || y == nil {
		p.Files = append(p.Files, is...)
		p.Members = append(p.Members, InManifest(key))
		return
	}
	doc := &Node{Name: y.Name, Attrs: y.Attrs}
	own := false
	parts := Parts(key.Type, x.clone(), y.clone())
	for _, c := range parts {
		child, ok := kind.Child(c.Element)
		if !ok {
			own = true
			continue
		}
		name := sf.ComponentKey{Type: child.Name, Name: ChildName(key, c.Key)}
		if c.How == Removed {
			if !Respelt(parts, c) {
				p.Deleted = append(p.Deleted, name)
			}
			continue
		}
		p.Members = append(p.Members, name)
		doc.Nodes = append(doc.Nodes, Part(key.Type, y, c.Element, c.Key)...)
	}
	if own {
		p.Members = append(p.Members, InManifest(key))
		for _, n := range y.Nodes {
			if _, ok := kind.Child(n.Name); !ok {
				doc.Nodes = append(doc.Nodes, n)
			}
		}
	}
	if len(doc.Nodes) > 0 {
		p.Files = append(p.Files, Entry{is[0].Path, Print(Arrange(key.Type, doc))})
	}
}

// Members returns the names under which a manifest asks for what the files of a component hold: of a document that
// holds nothing of the component itself, those of the parts alone.
func Members(key sf.ComponentKey, files []Entry) []sf.ComponentKey {
	kind, doc := Known().Kind(key.Type), document(files)
	if kind == nil || len(kind.Children) == 0 || doc == nil {
		return []sf.ComponentKey{InManifest(key)}
	}
	var out []sf.ComponentKey
	for _, n := range doc.Nodes {
		child, ok := kind.Child(n.Name)
		if !ok {
			return []sf.ComponentKey{InManifest(key)}
		}
		out = append(out, sf.ComponentKey{Type: child.Name, Name: ChildName(key, n.Value(child.Key))})
	}
	return out
}

// document is the only file of a component, parsed; nil where it is none.
func document(files []Entry) *Node {
	if len(files) != 1 {
		return nil
	}
	root, err := Parse(files[0].Body)
	if err != nil {
		return nil
	}
	return root
}
