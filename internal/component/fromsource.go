package component

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// FromSource converts the files of a project in source format into those of an archive, without its
// package.xml. Paths are relative to any folder of the project. Files that belong to no known component
// are returned by their paths.
func (t *Table) FromSource(files []Entry) (archive []Entry, foreign []string, err error) {
	c := &composition{table: t, files: map[string][]byte{}, objects: map[string]*composed{}, folders: map[string][]Entry{}}
	for _, f := range files {
		ok, err := c.take(f)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if !ok {
			foreign = append(foreign, f.Path)
		}
	}
	if err := c.finish(); err != nil {
		return nil, nil, err
	}
	for _, p := range slices.Sorted(maps.Keys(c.files)) {
		archive = append(archive, Entry{p, c.files[p]})
	}
	slices.Sort(foreign)
	return archive, foreign, nil
}

// composition is the archive while it is put together.
type composition struct {
	table   *Table
	files   map[string][]byte
	objects map[string]*composed // of decomposed components, by path in the archive
	folders map[string][]Entry   // of static resources that are folders, by path in the archive
}

// composed is the parts of one decomposed component.
type composed struct {
	kind     *Kind
	own      *Node
	children []*Node
}

func (c *composition) put(path string, body []byte) error {
	if _, twice := c.files[path]; twice {
		return fmt.Errorf("the project has %s twice", path)
	}
	c.files[path] = body
	return nil
}

// take places one file of the project, and reports whether it belongs to a component.
func (c *composition) take(f Entry) (bool, error) {
	parts := strings.Split(f.Path, "/")
	for i := range len(parts) - 1 {
		for _, k := range c.table.byDir[parts[i]] {
			if ok, err := c.place(k, parts[i+1:], f.Body); ok || err != nil {
				return ok, err
			}
		}
		if parts[i] == "territory2Models" {
			if stem, meta := strings.CutSuffix(strings.Join(parts[i:], "/"), metaSuffix); meta {
				return true, c.put(stem, f.Body)
			}
		}
	}
	return c.bySuffix(parts[len(parts)-1], f.Body)
}

// bySuffix places a file that lies in no folder of its type, as projects may have it.
func (c *composition) bySuffix(name string, body []byte) (bool, error) {
	stem, meta := strings.CutSuffix(name, metaSuffix)
	suffix := strings.TrimPrefix(path.Ext(stem), ".")
	kinds := c.table.bySuffix[suffix]
	if suffix == "" || len(kinds) != 1 || kinds[0].Bundle || kinds[0].Mixed || kinds[0].Decomposed() || kinds[0].folder || kinds[0].InFolder {
		return false, nil
	}
	if k := kinds[0]; k.Content {
		return true, c.put(k.Directory+"/"+name, body)
	} else if meta {
		return true, c.put(k.Directory+"/"+stem, body)
	}
	return false, nil
}

// place places a file that lies in the folder of a type, if it is of that type.
func (c *composition) place(k *Kind, parts []string, body []byte) (bool, error) {
	rest := strings.Join(parts, "/")
	stem, meta := strings.CutSuffix(rest, metaSuffix)
	base := parts[len(parts)-1]
	switch {
	case k.Bundle, k.Mixed && k.Suffix == "":
		if len(parts) < 2 && !meta {
			return false, nil
		}
		return true, c.put(k.Directory+"/"+rest, body)
	case k.Decomposed():
		return c.part(k, parts, stem, meta, body)
	case k.Name == "StaticResource":
		return true, c.resource(k, parts, meta, body)
	case k.Name == "Document":
		return c.document(k, rest, stem, meta, len(parts), body)
	case k.folder:
		name, ok := strings.CutSuffix(stem, "."+k.Suffix)
		if !ok || !meta {
			return false, nil
		}
		return true, c.put(k.Directory+"/"+name+metaSuffix, body)
	case !strings.HasSuffix(stem, "."+k.Suffix):
		return false, nil
	case k.InFolder && k.Content:
		return true, c.put(k.Directory+"/"+rest, body)
	case k.Content:
		return true, c.put(k.Directory+"/"+base, body)
	case !meta:
		return false, nil
	case k.InFolder, k.Name == "Territory2Model":
		return true, c.put(k.Directory+"/"+stem, body)
	}
	return true, c.put(k.Directory+"/"+strings.TrimSuffix(base, metaSuffix), body)
}

// document places a document or the -meta.xml of one, which loses the suffix of its type. Its content may
// come later, so the name of the meta file is settled at the end.
func (c *composition) document(k *Kind, rest, stem string, meta bool, depth int, body []byte) (bool, error) {
	if depth < 2 {
		return false, nil
	}
	if !meta {
		return true, c.put(k.Directory+"/"+rest, body)
	}
	name, ok := strings.CutSuffix(stem, "."+k.Suffix)
	if !ok {
		return true, c.put(k.Directory+"/"+rest, body) // of the other format
	}
	return true, c.put(k.Directory+"/"+name+unsettled, body)
}

// unsettled ends the path of the meta file of a document whose content is not known yet. No path of an
// archive has it.
const unsettled = "\x00"

// part takes a part of a decomposed component.
func (c *composition) part(k *Kind, parts []string, stem string, meta bool, body []byte) (bool, error) {
	if !meta || len(parts) < 2 {
		return false, nil
	}
	target := k.Directory + "/" + parts[0] + "." + k.Suffix
	root, err := Parse(body)
	if err != nil {
		return false, err
	}
	whole := c.objects[target]
	if whole == nil {
		whole = &composed{kind: k}
		c.objects[target] = whole
	}
	if strings.HasSuffix(stem, "."+k.Suffix) && len(parts) == 2 {
		if whole.own != nil {
			return false, fmt.Errorf("the project has %s twice", target)
		}
		whole.own = root
		return true, nil
	}
	for _, child := range k.Children {
		if root.Name == child.Name && strings.HasSuffix(stem, "."+child.Suffix) {
			whole.children = append(whole.children, &Node{Name: child.Element, Nodes: root.Nodes})
			return true, nil
		}
	}
	return false, nil
}

// resource takes a file of a static resource.
func (c *composition) resource(k *Kind, parts []string, meta bool, body []byte) error {
	name, dir := parts[0], k.Directory+"/"
	if len(parts) > 1 {
		target := dir + name + "." + k.Suffix
		c.folders[target] = append(c.folders[target], Entry{strings.Join(parts[1:], "/"), body})
		return nil
	}
	if meta {
		return c.put(dir+name, body)
	}
	return c.put(dir+strings.TrimSuffix(name, path.Ext(name))+"."+k.Suffix, body)
}

// finish puts together what came in parts.
func (c *composition) finish() error {
	for target, files := range c.folders {
		packed, err := Pack(files)
		if err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		if err := c.put(target, packed); err != nil {
			return err
		}
	}
	for target, whole := range c.objects {
		root := &Node{Name: whole.kind.Name}
		if whole.own != nil {
			root.Attrs, root.Nodes = whole.own.Attrs, whole.own.Nodes
		}
		root.Nodes = append(root.Nodes, whole.children...)
		if err := c.put(target, Print(Arrange(whole.kind.Name, root))); err != nil {
			return err
		}
	}
	return c.settle()
}

// settle names the meta files of documents after their content.
func (c *composition) settle() error {
	for _, p := range slices.Sorted(maps.Keys(c.files)) {
		stem, ok := strings.CutSuffix(p, unsettled)
		if !ok {
			continue
		}
		target := stem
		for other := range c.files {
			if !strings.HasSuffix(other, metaSuffix) && strings.TrimSuffix(other, path.Ext(other)) == stem {
				target = other
			}
		}
		body := c.files[p]
		delete(c.files, p)
		if err := c.put(target+metaSuffix, body); err != nil {
			return err
		}
	}
	return nil
}
