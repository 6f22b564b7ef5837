package component

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// ByKey returns the files of an archive by the component that they belong to. Files of no component that is known
// are left out.
func ByKey(files []Entry) map[sf.ComponentKey][]Entry {
	out := map[sf.ComponentKey][]Entry{}
	for _, f := range files {
		if key, ok := Known().Resolve(f.Path); ok {
			out[key] = append(out[key], f)
		}
	}
	return out
}

// Folded is the key under which an org knows a component: the case of letters makes no other of it.
func Folded(key sf.ComponentKey) sf.ComponentKey {
	return sf.ComponentKey{Type: key.Type, Name: strings.ToLower(key.Name)}
}

// Respelt reports that a part which is removed is there under the same name in other letters, upper or lower.
func Respelt(parts []PartChange, gone PartChange) bool {
	return slices.ContainsFunc(parts, func(p PartChange) bool {
		return p.How != Removed && p.Element == gone.Element && p.Key != gone.Key && strings.EqualFold(p.Key, gone.Key)
	})
}

// ReadManifest reads a package.xml, or destructive changes.
func ReadManifest(raw []byte) (sf.Manifest, error) {
	root, err := Parse(raw)
	if err != nil {
		return sf.Manifest{}, err
	}
	if root.Name != "Package" {
		return sf.Manifest{}, fmt.Errorf("%w: %.80q is no Package", ErrXML, root.Name)
	}
	m := sf.Manifest{Version: root.Value("version")}
	for _, n := range root.Nodes {
		if n.Name != "types" {
			continue
		}
		t := sf.ManifestType{Name: n.Value("name")}
		for _, c := range n.Nodes {
			if c.Name == "members" {
				t.Members = append(t.Members, c.Text)
			}
		}
		if t.Name == "" {
			return m, errors.Join(ErrXML, errors.New("types without a name"))
		}
		m.Types = append(m.Types, t)
	}
	return m, nil
}
