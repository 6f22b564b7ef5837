package component

import (
	"errors"
	"fmt"

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
