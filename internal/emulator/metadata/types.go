package metadata

import (
	_ "embed" // for the table of types
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// typesText is the table of metadata types; its head says what the columns are.
//
//go:embed types.txt
var typesText string

// Kind is one metadata type as describeMetadata shows it.
type Kind struct {
	Name   string // such as CustomObject
	Folder string // of an archive, such as objects
	Suffix string // without the dot; empty for bundles and documents
	// InFolder is true for types whose components lie in folders of their own: reports, dashboards,
	// documents and email templates.
	InFolder bool
	// MetaFile is true where the content stands apart from its -meta.xml.
	MetaFile bool
	// Children are the types whose components live inside the file of this one.
	Children []Child

	bundle   bool // many files in a folder for each component
	folderOf string
	foreign  bool // not in the WSDL: of a feature that the org lacks, so not described
	since    int  // the first API version that has it; 0 where it is at most the oldest
}

// Child is a metadata type inside the file of another: CustomField in the element fields of
// CustomObject.
type Child struct{ Element, Name string }

// typeTable is the table of types, indexed.
type typeTable struct {
	kinds   []*Kind // by name
	byName  map[string]*Kind
	folders map[string][]*Kind
	parents map[string]*Kind // by the name of the child
}

var loadTypes = sync.OnceValue(func() *typeTable {
	t := &typeTable{byName: map[string]*Kind{}, folders: map[string][]*Kind{}, parents: map[string]*Kind{}}
	for n, line := range strings.Split(strings.TrimSpace(typesText), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		k, err := readKind(strings.Fields(line))
		if err != nil {
			panic(fmt.Sprintf("types.txt:%d: %v", n+1, err)) // the file is part of the program
		}
		t.kinds = append(t.kinds, k)
		t.byName[k.Name] = k
		t.folders[k.Folder] = append(t.folders[k.Folder], k)
		for _, c := range k.Children {
			t.parents[c.Name] = k
		}
	}
	return t
})

func readKind(columns []string) (*Kind, error) {
	if len(columns) != 6 {
		return nil, fmt.Errorf("%d columns", len(columns))
	}
	for i := range columns {
		columns[i] = strings.TrimPrefix(columns[i], "-")
	}
	k := &Kind{Name: columns[0], Folder: columns[1], Suffix: columns[2]}
	for _, flag := range columns[3] {
		switch flag {
		case 'b':
			k.bundle = true
		case 'd':
			k.folderOf = contentOf[k.Name]
		case 'f':
			k.InFolder = true
		case 'm':
			k.MetaFile = true
		case 'n':
			k.foreign = true
		case 'x': // said in the table for the reader
		default:
			return nil, fmt.Errorf("flag %c", flag)
		}
	}
	if columns[4] != "" {
		var err error
		if k.since, err = strconv.Atoi(columns[4]); err != nil {
			return nil, err
		}
	}
	if columns[5] != "" {
		for _, pair := range strings.Split(columns[5], ",") {
			element, name, _ := strings.Cut(pair, "=")
			k.Children = append(k.Children, Child{Element: element, Name: name})
		}
	}
	return k, nil
}

// contentOf says what the folders of each folder type hold.
var contentOf = map[string]string{
	"ReportFolder": "Report", "DashboardFolder": "Dashboard", "DocumentFolder": "Document",
	"EmailFolder": "EmailTemplate", "EmailTemplateFolder": "EmailTemplate",
}

// folderTypes are the folder types of a type whose components lie in folders.
var folderTypes = map[string][]string{
	"Report": {"ReportFolder"}, "Dashboard": {"DashboardFolder"}, "Document": {"DocumentFolder"}, "EmailTemplate": {"EmailFolder", "EmailTemplateFolder"},
}

// folder finds a folder that is named as a component of what lies in it.
func folder(kind, name string, has func(key) bool) (key, bool) {
	for _, f := range folderTypes[kind] {
		if k := (key{f, name}); has(k) {
			return k, true
		}
	}
	return key{}, false
}

// Kinds returns the metadata types that an org of that API version describes, by name. Folder types
// and types inside the files of others are not among them. Source: describeMetadata results.
func Kinds(version int) []Kind {
	var out []Kind
	for _, k := range loadTypes().kinds {
		if k.folderOf == "" && !k.foreign && k.since <= version {
			kind := *k
			kind.Children = slices.Clone(k.Children)
			out = append(out, kind)
		}
	}
	return out
}

// Known reports a metadata type: one of the registry or of the WSDL, or one inside the file of
// another.
func Known(name string) bool {
	return kindNamed(name) != nil || loadTypes().parents[name] != nil
}

func kindNamed(name string) *Kind { return loadTypes().byName[name] }

// child returns what the element of a file of the type holds; false for an element of its own.
func (k *Kind) child(element string) (Child, bool) {
	i := slices.IndexFunc(k.Children, func(c Child) bool { return c.Element == element })
	if i < 0 {
		return Child{}, false
	}
	return k.Children[i], true
}

// childName is the full name of a component inside the file of another. Custom labels have no name
// of a parent before theirs.
func (k *Kind) childName(parent, name string) string {
	if k.Name == "CustomLabels" {
		return name
	}
	return parent + "." + name
}

// parentOf returns the component in whose file a child lives.
func parentOf(kind, name string) (key, bool) {
	k := loadTypes().parents[kind]
	if k == nil {
		return key{}, false
	}
	if k.Name == "CustomLabels" {
		return key{k.Name, k.Name}, true
	}
	parent, _, ok := strings.Cut(name, ".")
	return key{k.Name, parent}, ok
}

// fileOf is where a component without content lies in an archive.
func (k *Kind) fileOf(name string) string {
	if k.folderOf != "" {
		return k.Folder + "/" + name + "-meta.xml"
	}
	if k.Suffix == "" {
		return k.Folder + "/" + name
	}
	return k.Folder + "/" + name + "." + k.Suffix
}

// place says which component a file of an archive belongs to. root is the name of the root element
// of a file that is XML, which tells folders from what lies in them.
func place(file, root string) (k *Kind, name string) {
	folder, rest, ok := strings.Cut(file, "/")
	if !ok {
		return nil, ""
	}
	candidates := loadTypes().folders[folder]
	plain := strings.TrimSuffix(rest, "-meta.xml")
	for _, k := range candidates {
		switch {
		case k.bundle:
			return k, bundleName(k, rest)
		case k.folderOf != "":
			if root == k.Name {
				return k, strings.TrimSuffix(plain, "."+k.Suffix)
			}
		case k.Suffix == "" && strings.Contains(plain, "/"):
			return k, plain
		case k.Suffix != "" && strings.HasSuffix(plain, "."+k.Suffix):
			name = strings.TrimSuffix(plain, "."+k.Suffix)
			if k.Name == "CustomLabels" { // whatever its name, it adds to the one that the org has
				name = k.Name
			}
			return k, name
		}
	}
	return nil, ""
}

// bundleName is the component of a file in the folder of bundles. Digital experiences lie one level
// deeper; experience bundles have a -meta.xml beside their folder.
func bundleName(k *Kind, rest string) string {
	parts := strings.Split(rest, "/")
	switch {
	case k.Name == "DigitalExperienceBundle" && len(parts) > 1:
		return parts[0] + "/" + parts[1]
	case len(parts) == 1:
		name, _, _ := strings.Cut(parts[0], ".")
		return name
	}
	return parts[0]
}
