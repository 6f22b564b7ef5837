package run

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"holdfast/internal/component"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// compared is one side of a comparison: a snapshot, or the files of a project by type and name.
type compared struct {
	store *snapshot.Store
	sn    *snapshot.Snapshot
	files map[string]map[string][]component.Entry
	row   SideRow
}

func (c *compared) kinds() []string {
	if c.sn != nil {
		return componentKinds(c.sn)
	}
	return slices.Collect(maps.Keys(c.files))
}

// untold says why the side says nothing of a type, or "".
func (c *compared) untold(kind string) string {
	if c.sn == nil {
		if c.files[kind] == nil {
			return "the project has none"
		}
		return ""
	}
	if part, held := wholePart(c.sn, snapshot.Components.Name(kind)); held {
		if part.Stale {
			return "the snapshot holds it as an earlier one did: " + part.Reason
		}
		return ""
	}
	if _, held := wholePart(c.sn, snapshot.Components.Name("CustomObject")); held && untold(c.sn, kind) == "" {
		return "" // a type without components has no part
	}
	return "the snapshot does not hold it"
}

// sideComponent is one component of a side. Files are read when they are needed.
type sideComponent struct {
	row   component.Row
	files []component.Entry // of a project
}

// components returns the components of a type by name.
func (c *compared) components(ctx context.Context, kind string) (map[string]sideComponent, error) {
	out := map[string]sideComponent{}
	if c.sn == nil {
		for name, files := range c.files[kind] {
			out[name] = sideComponent{
				component.Row{Component: sf.Component{ComponentKey: sf.ComponentKey{Type: kind, Name: name}}, Sum: component.Sum(kind, files)}, files,
			}
		}
		return out, nil
	}
	rows, err := rowsOf(ctx, c.sn, kind)
	for name, row := range rows {
		out[name] = sideComponent{row: row}
	}
	return out, err
}

func (c *compared) read(ctx context.Context, x *sideComponent) ([]component.Entry, error) {
	if x == nil || c.sn == nil {
		if x == nil {
			return nil, nil
		}
		return x.files, nil
	}
	return componentFiles(ctx, c.store, x.row)
}

// comparison is the work of one Compare.
type comparison struct {
	in            CompareInput
	before, after *compared
	out           *DiffResult
}

func (c *comparison) kinds() []string {
	all := slices.Concat(c.before.kinds(), c.after.kinds())
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(kind string) bool { return !c.in.wantsKind(kind) })
}

// mixed reports that a project is compared with what an org has.
func (c *comparison) mixed() bool { return (c.before.sn == nil) != (c.after.sn == nil) }

func (c *comparison) kind(ctx context.Context, kind string) error {
	for _, side := range []*compared{c.before, c.after} {
		why := side.untold(kind)
		if why == "" || side.sn == nil && (!c.mixed() || c.in.asked(kind)) {
			continue
		}
		c.out.Objects = append(c.out.Objects, DiffRow{Object: snapshot.Components.Name(kind), Note: "not compared: " + why})
		return nil
	}
	before, err := c.before.components(ctx, kind)
	if err != nil {
		return err
	}
	after, err := c.after.components(ctx, kind)
	if err != nil {
		return err
	}
	found := 0
	for _, name := range c.names(kind, before, after) {
		at := func(side *compared, all map[string]sideComponent) *sideComponent {
			x, ok := all[name]
			if !ok {
				return nil
			}
			side.row.Components++
			return &x
		}
		differs, err := c.component(ctx, at(c.before, before), at(c.after, after))
		if err != nil {
			return err
		}
		if differs {
			found++
		}
	}
	if found == 0 {
		c.out.Same++
	}
	return nil
}

// names returns the components of a type that are compared, sorted. A project has no numbers of flow versions.
func (c *comparison) names(kind string, sides ...map[string]sideComponent) []string {
	var out []string
	for _, side := range sides {
		for name, x := range side {
			if c.in.wants(kind, name) && !(c.mixed() && isVersion(x.row)) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// component compares one component and reports whether it differs in what is asked for.
func (c *comparison) component(ctx context.Context, before, after *sideComponent) (bool, error) {
	if before != nil && after != nil && before.row.Sum == after.row.Sum && before.row.Status == after.row.Status {
		return false, nil
	}
	a, err := c.filesOf(ctx, c.before, before)
	if err != nil {
		return false, err
	}
	b, err := c.filesOf(ctx, c.after, after)
	if err != nil {
		return false, err
	}
	if c.mixed() { // what an installed package brought is in no project
		if before != nil && before.row.Installed() && len(a) == 0 {
			before = nil
		}
		if after != nil && after.row.Installed() && len(b) == 0 {
			after = nil
		}
		if before == nil && after == nil {
			return false, nil
		}
	}
	row, differs := c.differ(before, after, a, b)
	if !differs {
		return false, nil
	}
	c.out.Components = append(c.out.Components, row)
	if c.in.Each != nil {
		return true, c.in.Each(ComponentTexts{row, textsOf(row.Type, a, b)})
	}
	return true, nil
}

func (c *comparison) filesOf(ctx context.Context, side *compared, x *sideComponent) ([]component.Entry, error) {
	files, err := side.read(ctx, x)
	if err == nil && x != nil && c.mixed() && x.row.Installed() {
		files = component.Local(x.row, files)
	}
	return files, err
}

// differ says how two components differ.
func (c *comparison) differ(before, after *sideComponent, a, b []component.Entry) (ComponentDiff, bool) {
	is := after
	if is == nil {
		is = before
	}
	row := ComponentDiff{Type: is.row.Type, Name: is.row.Name, How: string(component.Changed), Parts: []PartDiff{}, Installed: is.row.Installed()}
	if after != nil {
		row.ModifiedBy, row.Modified = after.row.ModifiedBy, after.row.Modified
	}
	switch {
	case before == nil:
		row.How = string(component.Added)
		return row, c.in.wantsHow(row.How)
	case after == nil:
		row.How = string(component.Removed)
		return row, c.in.wantsHow(row.How)
	}
	if !c.mixed() && before.row.Status != after.row.Status {
		row.Status = after.row.Status
	}
	if len(a) > 0 && len(b) > 0 && !component.SameFiles(row.Type, a, b) {
		row.Parts = slices.DeleteFunc(fileDiffs(row.Type, tidied(row.Type, a), tidied(row.Type, b)), func(p PartDiff) bool { return !c.in.wantsHow(p.How) })
	}
	return row, len(row.Parts) > 0 || row.Status != "" && c.in.wantsHow(string(component.Changed))
}

// tidied returns the files in canonical form, where they have one.
func tidied(kind string, files []component.Entry) []component.Entry {
	out := slices.Clone(files)
	for i, f := range files {
		if root, err := component.Parse(f.Body); err == nil && !strings.HasPrefix(root.Name, "{") {
			out[i].Body = component.Print(component.Tidy(kind, root))
		}
	}
	return out
}

// textsOf pairs the files of a component, in canonical form.
func textsOf(kind string, before, after []component.Entry) []FileTexts {
	byPath := map[string]*FileTexts{}
	take := func(files []component.Entry, put func(f *FileTexts, text string)) {
		for _, f := range tidied(kind, files) {
			if byPath[f.Path] == nil {
				byPath[f.Path] = &FileTexts{Path: f.Path}
			}
			if !utf8.Valid(f.Body) {
				byPath[f.Path].Binary = true
				continue
			}
			put(byPath[f.Path], string(f.Body))
		}
	}
	take(before, func(f *FileTexts, text string) { f.Before = text })
	take(after, func(f *FileTexts, text string) { f.After = text })
	var out []FileTexts
	for _, at := range slices.Sorted(maps.Keys(byPath)) {
		if f := byPath[at]; f.Binary || f.Before != f.After {
			out = append(out, *f)
		}
	}
	return out
}
