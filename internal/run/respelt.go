package run

import (
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/rollback"
)

// joinRespelt makes one change of two whose names differ in the case of letters alone, unless one state has both: to an org
// they are one component, and whoever deletes one of them deletes the other.
func joinRespelt(byName map[string]*rollback.Change) {
	folded := map[string][]string{}
	for name := range byName {
		folded[strings.ToLower(name)] = append(folded[strings.ToLower(name)], name)
	}
	for _, names := range folded {
		slices.Sort(names)
		if len(names) != 2 {
			continue
		}
		first, second := byName[names[0]], byName[names[1]]
		if first.Before == nil {
			first, second = second, first
		}
		apart := true
		for _, pair := range [][2]**rollback.Component{{&first.Before, &second.Before}, {&first.After, &second.After}, {&first.Now, &second.Now}} {
			apart = apart && (*pair[0] == nil || *pair[1] == nil)
		}
		if !apart {
			continue
		}
		for _, pair := range [][2]**rollback.Component{{&first.Before, &second.Before}, {&first.After, &second.After}, {&first.Now, &second.Now}} {
			if *pair[0] == nil && *pair[1] != nil {
				*pair[0] = respelt(*pair[1], first)
			}
		}
		delete(byName, second.Key.Name)
	}
}

// respelt is a component under the name, and with the paths, that the change goes by.
func respelt(c *rollback.Component, by *rollback.Change) *rollback.Component {
	paths := map[string]string{}
	for _, x := range []*rollback.Component{by.Now, by.After, by.Before} {
		if x != nil {
			for _, f := range x.Files {
				paths[strings.ToLower(f.Path)] = f.Path
			}
		}
	}
	out := *c
	out.ComponentKey, out.Files = by.Key, slices.Clone(c.Files)
	for i, f := range out.Files {
		if path, ok := paths[strings.ToLower(f.Path)]; ok {
			out.Files[i].Path = path
		}
	}
	return &out
}

// withoutExcepted is a component as the change left it, but for the components in it that are not part of the change: these
// are as they were before it, so that what is different now is what somebody has done since.
func (r *reversal) withoutExcepted(before, c *rollback.Component) *rollback.Component {
	if c == nil || len(c.Files) != 1 || len(r.except) == 0 {
		return c
	}
	kind := component.Known().Kind(c.Type)
	if kind == nil || len(kind.Children) == 0 {
		return c
	}
	doc, err := component.Parse(c.Files[0].Body)
	if err != nil {
		return c
	}
	was := &component.Node{Name: doc.Name, Attrs: doc.Attrs}
	if before != nil && len(before.Files) == 1 {
		if was, err = component.Parse(before.Files[0].Body); err != nil {
			return c
		}
	}
	out, touched := doc, false
	for _, text := range r.except {
		part := keyOf(text)
		i := slices.IndexFunc(kind.Children, func(k component.Child) bool { return k.Name == part.Type })
		if i < 0 {
			continue
		}
		child := kind.Children[i]
		own := &component.Node{Name: doc.Name, Attrs: doc.Attrs}
		for _, n := range was.Nodes {
			if n.Name == child.Element && component.ChildName(c.ComponentKey, n.Value(child.Key)) == part.Name {
				own.Nodes = append(own.Nodes, n)
			}
		}
		less := component.Less(c.ComponentKey, out, part)
		touched = touched || len(less.Nodes) < len(out.Nodes) || len(own.Nodes) > 0
		out = component.Over(c.Type, less, own)
	}
	if !touched {
		return c
	}
	made := *c
	made.Files = []component.Entry{{Path: c.Files[0].Path, Body: component.Print(out)}}
	return &made
}
