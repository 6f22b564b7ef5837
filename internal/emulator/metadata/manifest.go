package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/emulator/wire"
)

// manifest is a package.xml or a destructiveChanges.xml.
type manifest struct {
	Version  string
	FullName string // of a package; empty for the unpackaged components
	Types    []manifestType
}

type manifestType struct {
	Name    string
	Members []string
}

func readManifest(raw []byte) (*manifest, error) {
	root, err := parseXML(raw)
	if err != nil {
		return nil, fmt.Errorf("Error parsing file: %w", err)
	}
	if root.name != "Package" {
		return nil, errors.New("Error parsing file: the root element is not Package")
	}
	m := &manifest{Version: root.value("version"), FullName: root.value("fullName")}
	if m.Version != "" && !Served(m.Version) {
		return nil, fmt.Errorf("the version %s of the package is not supported", m.Version) // wording unverified
	}
	for _, t := range root.kids {
		if t.name != "types" {
			continue
		}
		mt := manifestType{Name: t.value("name")}
		for _, member := range t.kids {
			if member.name == "members" {
				mt.Members = append(mt.Members, plainMember(member.text))
			}
		}
		m.Types = append(m.Types, mt)
	}
	return m, nil
}

// plainMember is the name of a member. The official client ends the names of folders with a slash.
func plainMember(text string) string { return strings.TrimSuffix(strings.TrimSpace(text), "/") }

// names reports a member, or a wildcard for its type.
func (m *manifest) names(kind, name string) bool {
	for _, t := range m.Types {
		if t.Name == kind && (slices.Contains(t.Members, name) || slices.Contains(t.Members, "*")) {
			return true
		}
	}
	return false
}

// has reports a component that a deploy names: itself, a wildcard for its type, or the component in
// whose file it lives.
func (m *manifest) has(kind, name string) bool {
	if m.names(kind, name) {
		return true
	}
	if k := kindNamed(kind); k != nil && k.folderOf != "" { // folders are named among what they hold
		return m.names(k.folderOf, name) || m.within(k.folderOf, name)
	}
	parent, ok := parentOf(kind, name)
	return ok && m.names(parent.kind, parent.name)
}

// within reports that something in a folder is named.
func (m *manifest) within(kind, folder string) bool {
	for _, t := range m.Types {
		if t.Name == kind && slices.ContainsFunc(t.Members, func(n string) bool { return strings.HasPrefix(n, folder+"/") }) {
			return true
		}
	}
	return false
}

// The versions of the Metadata API, of which the newest is that of the org. Source: Metadata API Developer Guide, "Metadata API
// Support Policy": versions 7 and later have been served.
const firstVersion = 7

// Served reports a version, such as 66.0, that a package or a call may name.
func Served(version string) bool {
	n, err := strconv.ParseFloat(version, 64)
	return err == nil && n >= firstVersion && n <= wire.LastVersion && n == float64(int(n))
}
