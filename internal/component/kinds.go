package component

import (
	_ "embed" // for the tables
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"holdfast/internal/sf"
)

//go:embed kinds.txt
var kindsText string

//go:embed valuesets.txt
var valueSetsText string

// StandardValueSets returns the names of the standard value sets, which no org lists, sorted as in the
// table.
func StandardValueSets() []string {
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(valueSetsText), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "#")
	})
}

// Kind is what is known of the files of one metadata type.
type Kind struct {
	Name, Directory, Suffix string

	Content  bool // a content file with a -meta.xml beside it
	Mixed    bool // content of any suffix with a -meta.xml beside it
	Bundle   bool // a folder of files for each component
	InFolder bool // components lie in folders, which are components of FolderKind
	folder   bool // it is itself the folders of another type
	each     bool // in source format, a folder for each type of child
	together bool // in source format, all children in the folder of the component

	Whole    bool // no manifest names its children: they are deployed with it
	Children []Child
}

// Child is a type of component that stands inside the files of another.
type Child struct {
	Element string // in the file of the parent, such as fields
	Name    string // metadata type, such as CustomField
	Dir     string // in source format
	Suffix  string // in source format
	Key     string // the element that names it
}

// Decomposed reports a type whose components are several files in source format.
func (k *Kind) Decomposed() bool { return k.each || k.together }

// Table is the metadata types that are known.
type Table struct {
	kinds    []*Kind
	byName   map[string]*Kind
	byDir    map[string][]*Kind
	bySuffix map[string][]*Kind
	parents  map[string]*Kind  // by the name of the child
	folderOf map[string]string // folder type by the type it holds
}

// Known returns the table of the types that are known whatever the org.
var Known = sync.OnceValue(func() *Table {
	t := newTable()
	for n, line := range strings.Split(strings.TrimSpace(kindsText), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		k, err := readKind(strings.Fields(line))
		if err != nil {
			panic(fmt.Sprintf("kinds.txt:%d: %v", n+1, err)) // the file is part of the program
		}
		t.add(k)
	}
	return t
})

func newTable() *Table {
	return &Table{
		byName: map[string]*Kind{}, byDir: map[string][]*Kind{}, bySuffix: map[string][]*Kind{}, parents: map[string]*Kind{},
		folderOf: map[string]string{"Report": "ReportFolder", "Dashboard": "DashboardFolder", "Document": "DocumentFolder", "EmailTemplate": "EmailFolder"},
	}
}

func (t *Table) add(k *Kind) {
	t.kinds = append(t.kinds, k)
	t.byName[k.Name] = k
	t.byDir[k.Directory] = append(t.byDir[k.Directory], k)
	t.bySuffix[k.Suffix] = append(t.bySuffix[k.Suffix], k)
	for _, c := range k.Children {
		t.parents[c.Name] = k
	}
}

// With returns the table with the types that an org describes and that it lacks. What is known of a
// type is not replaced.
func (t *Table) With(types []sf.MetadataType) *Table {
	out := newTable()
	for _, k := range t.kinds {
		out.add(k)
	}
	for _, d := range types {
		if out.byName[d.Name] == nil && d.Directory != "" {
			out.add(&Kind{
				Name: d.Name, Directory: d.Directory, Suffix: d.Suffix, Content: d.MetaFile && d.Suffix != "",
				Bundle: d.Suffix == "", InFolder: d.InFolder,
			})
		}
	}
	return out
}

// Kind returns what is known of a type, or nil.
func (t *Table) Kind(name string) *Kind { return t.byName[name] }

// Names returns the names of the types that are known, sorted.
func (t *Table) Names() []string { return slices.Sorted(maps.Keys(t.byName)) }

// Parent returns the type in whose files components of this type stand, or nil.
func (t *Table) Parent(child string) *Kind { return t.parents[child] }

// FolderType returns the type of the folders in which components of this type lie, or "".
func (t *Table) FolderType(name string) string { return t.folderOf[name] }

func readKind(columns []string) (*Kind, error) {
	if len(columns) != 5 {
		return nil, fmt.Errorf("%d columns", len(columns))
	}
	k := &Kind{Name: columns[0], Directory: columns[1], Suffix: strings.TrimPrefix(columns[2], "-")}
	for _, flag := range strings.TrimPrefix(columns[3], "-") {
		switch flag {
		case 'b':
			k.Bundle = true
		case 'c':
			k.Content = true
		case 'd':
			k.folder = true
		case 'f':
			k.InFolder = true
		case 'm':
			k.Mixed = true
		case 'p':
			k.each = true
		case 'w':
			k.Whole = true
		case 't':
			k.together = true
		default:
			return nil, fmt.Errorf("flag %c", flag)
		}
	}
	if columns[4] == "-" {
		return k, nil
	}
	for _, text := range strings.Split(columns[4], ",") {
		element, rest, _ := strings.Cut(text, "=")
		parts := strings.Split(rest, ":")
		if len(parts) != 4 {
			return nil, fmt.Errorf("child %q", text)
		}
		k.Children = append(k.Children, Child{Element: element, Name: parts[0], Dir: parts[1], Suffix: parts[2], Key: parts[3]})
	}
	return k, nil
}

const metaSuffix = "-meta.xml"

// Resolve returns the component to which a file of an archive belongs. Paths are relative to the folder
// of package.xml.
func (t *Table) Resolve(path string) (sf.ComponentKey, bool) {
	dir, rest, found := strings.Cut(path, "/")
	if !found || rest == "" {
		return sf.ComponentKey{}, false
	}
	stem, meta := strings.CutSuffix(rest, metaSuffix)
	for _, k := range t.byDir[dir] {
		if name, ok := k.resolve(rest, stem, meta); ok {
			return sf.ComponentKey{Type: k.Name, Name: name}, true
		}
	}
	if dir == "territory2Models" {
		return t.territory(rest)
	}
	return sf.ComponentKey{}, false
}

// resolve returns the name of the component of this type to which the file belongs.
func (k *Kind) resolve(rest, stem string, meta bool) (string, bool) {
	parts := strings.Split(rest, "/")
	switch {
	case k.Name == "DigitalExperienceBundle":
		if len(parts) < 3 {
			return "", false
		}
		return parts[0] + "/" + parts[1], true
	case k.Bundle:
		return parts[0], len(parts) > 1
	case k.Mixed && k.Suffix == "": // ExperienceBundle: a folder, and a file of its own beside it
		name, _, _ := strings.Cut(parts[0], ".")
		return name, len(parts) > 1 || meta
	case k.folder:
		return stem, meta && k.isFolder(stem, len(parts))
	case k.Mixed && k.InFolder: // Document: the suffix belongs to the name
		return stem, len(parts) > 1
	case k.Content || k.Mixed:
		return strings.CutSuffix(stem, "."+k.Suffix)
	case k.Name == "Territory2Model":
		return parts[0], len(parts) == 2 && strings.HasSuffix(rest, "."+k.Suffix)
	case meta:
		return "", false
	}
	name, ok := strings.CutSuffix(rest, "."+k.Suffix)
	return name, ok && name != ""
}

// isFolder reports that the -meta.xml of that stem is of a folder and not of something in one.
func (k *Kind) isFolder(stem string, depth int) bool {
	switch k.Name {
	case "DocumentFolder":
		return depth == 1
	case "EmailFolder":
		return !strings.HasSuffix(stem, ".email")
	}
	return true
}

// territory resolves what lies in the folder of a territory model.
func (t *Table) territory(rest string) (sf.ComponentKey, bool) {
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return sf.ComponentKey{}, false
	}
	for _, name := range []string{"Territory2", "Territory2Rule"} {
		k := t.byName[name]
		if base, ok := strings.CutSuffix(parts[2], "."+k.Suffix); ok && parts[1] == k.Directory {
			return sf.ComponentKey{Type: name, Name: parts[0] + "." + base}, true
		}
	}
	return sf.ComponentKey{}, false
}
