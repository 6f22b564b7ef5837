package automation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// set is the files of an archive, of which each is parsed once.
type set struct {
	files  map[string][]byte
	parsed map[string]*component.Node
}

func newSet(files []component.Entry) *set {
	s := &set{files: make(map[string][]byte, len(files)), parsed: map[string]*component.Node{}}
	for _, f := range files {
		s.files[f.Path] = f.Body
	}
	return s
}

func (s *set) paths() []string { return slices.Sorted(maps.Keys(s.files)) }

func (s *set) parse(path string) (*component.Node, error) {
	if root, done := s.parsed[path]; done {
		return root, nil
	}
	body, found := s.files[path]
	if !found {
		return nil, fmt.Errorf("the archive has no %s", path)
	}
	root, err := component.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.parsed[path] = root
	return root, nil
}

// split takes the path of a file apart: triggers/Name.trigger.
func split(p string) (folder, name, suffix string) {
	folder, file := path.Split(p)
	name = strings.TrimSuffix(file, path.Ext(file))
	return strings.TrimSuffix(folder, "/"), name, strings.TrimPrefix(path.Ext(file), ".")
}

// Only returns an archive with nothing but these rules, as the files have them: deployed, it puts them
// into the state that they have there.
func Only(files []component.Entry, rules []sf.ComponentKey) ([]component.Entry, error) {
	return build(files, rules, func(n *component.Node, _ string, _ string) *component.Node { return n })
}

// Off returns an archive that switches these rules off: what Only returns, with another status.
func Off(files []component.Entry, rules []sf.ComponentKey) ([]component.Entry, error) {
	return build(files, rules, with)
}

// with returns a copy of the element in which the child of that name has that text.
func with(n *component.Node, name, text string) *component.Node {
	out := *n
	out.Nodes = slices.Clone(n.Nodes)
	for i, c := range out.Nodes {
		if c.Name == name {
			out.Nodes[i] = &component.Node{Name: name, Text: text}
			return &out
		}
	}
	out.Nodes = append(out.Nodes, &component.Node{Name: name, Text: text})
	return &out
}

// change returns an element whose child has another text.
type change func(n *component.Node, name, text string) *component.Node

// build makes the archive of these rules, changed.
func build(files []component.Entry, rules []sf.ComponentKey, change change) ([]component.Entry, error) {
	s := newSet(files)
	out := map[string][]byte{}
	inside := map[string][]*component.Node{} // parts of objects and workflows by path
	var members []sf.ComponentKey
	for _, k := range rules {
		object, _, _ := strings.Cut(k.Name, ".")
		var err error
		member := k
		switch k.Type {
		case Trigger:
			p := "triggers/" + k.Name + ".trigger"
			out[p] = s.files[p]
			err = s.whole(out, p+"-meta.xml", change, "status", "Inactive")
		case Flow:
			member.Type = definition
			err = s.whole(out, definitionPath(k.Name), change, "activeVersionNumber", "0")
		case Duplicate:
			err = s.whole(out, "duplicateRules/"+k.Name+".duplicateRule", change, "isActive", "false")
		case Validation:
			err = s.part(inside, "objects/"+object+".object", "validationRules", k, change)
		case Workflow:
			err = s.part(inside, "workflows/"+object+".workflow", "rules", k, change)
		default:
			err = fmt.Errorf("nothing switches a %s", k.Type)
		}
		if err != nil {
			return nil, err
		}
		members = append(members, member)
	}
	for p, nodes := range inside {
		root, err := s.parse(p)
		if err != nil {
			return nil, err
		}
		out[p] = component.Print(&component.Node{Name: root.Name, Nodes: nodes})
	}
	version := s.version()
	if version == "" {
		return nil, fmt.Errorf("the archive has no package.xml that says its version")
	}
	out["package.xml"] = manifest(sf.ManifestOf(version, members))
	entries := make([]component.Entry, 0, len(out))
	for _, p := range slices.Sorted(maps.Keys(out)) {
		entries = append(entries, component.Entry{Path: p, Body: out[p]})
	}
	return entries, nil
}

func (s *set) whole(out map[string][]byte, path string, change change, name, text string) error {
	root, err := s.parse(path)
	if err != nil {
		return err
	}
	out[path] = component.Print(change(root, name, text))
	return nil
}

func (s *set) part(inside map[string][]*component.Node, path, element string, k sf.ComponentKey, change change) error {
	root, err := s.parse(path)
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(k.Name, ".")
	for _, n := range root.Nodes {
		if n.Name == element && n.Value("fullName") == name {
			inside[path] = append(inside[path], change(n, "active", "false"))
			return nil
		}
	}
	return fmt.Errorf("%s has no %s %s", path, k.Type, k.Name)
}

func (s *set) version() string {
	root, err := s.parse("package.xml")
	if err != nil {
		return ""
	}
	return root.Value("version")
}

// manifest writes a package.xml.
func manifest(m sf.Manifest) []byte {
	root := &component.Node{Name: "Package"}
	for _, t := range m.Types {
		n := &component.Node{Name: "types"}
		for _, name := range t.Members {
			n.Nodes = append(n.Nodes, &component.Node{Name: "members", Text: name})
		}
		n.Nodes = append(n.Nodes, &component.Node{Name: "name", Text: t.Name})
		root.Nodes = append(root.Nodes, n)
	}
	root.Nodes = append(root.Nodes, &component.Node{Name: "version", Text: m.Version})
	return component.Print(root)
}

// Retrieved returns the manifest with which these rules are retrieved again.
func Retrieved(rules []sf.ComponentKey) sf.Manifest {
	var keys []sf.ComponentKey
	for _, k := range rules {
		if keys = append(keys, k); k.Type == Flow {
			keys = append(keys, sf.ComponentKey{Type: definition, Name: k.Name})
		}
	}
	return sf.ManifestOf("", keys)
}

// Standing is how a rule stands to what it was before it was switched off.
type Standing int

const (
	// Changed is a rule that somebody changed or deleted since.
	Changed Standing = iota
	// Unchanged is a rule that is as it was.
	Unchanged
	// SwitchedOff is a rule that is as it was, but off.
	SwitchedOff
)

// Compare tells how the rule of these files stands to what it was in the prior ones.
func Compare(prior, now []component.Entry, rule sf.ComponentKey) Standing {
	key := []sf.ComponentKey{rule}
	was, is := States(prior, key), States(now, key)
	if is[rule] == "" {
		return Changed
	}
	if was[rule] == is[rule] {
		return Unchanged
	}
	isOff := false
	off, err := build(now, key, func(n *component.Node, name, text string) *component.Node {
		value := n.Value(name)
		isOff = value == text || value == "" && rule.Type == Flow // a flow without an active version
		return with(n, name, text)
	})
	wasOff, errWas := Off(prior, key)
	if err != nil || errWas != nil || !isOff || States(off, key)[rule] != States(wasOff, key)[rule] {
		return Changed
	}
	return SwitchedOff
}

// States returns for each of the rules a digest of all that its archive says of it, so that it can be
// proved that a rule is as it was: the code of a trigger and its status, the version of a flow that acts,
// each word of a rule. A rule that the archive does not have has none.
func States(files []component.Entry, rules []sf.ComponentKey) map[sf.ComponentKey]string {
	out := map[sf.ComponentKey]string{}
	for _, k := range rules {
		entries, err := Only(files, []sf.ComponentKey{k})
		if err != nil {
			continue
		}
		h := sha256.New()
		for _, e := range entries {
			if e.Path != "package.xml" {
				fmt.Fprintf(h, "%s %d\n", e.Path, len(e.Body))
				h.Write(e.Body)
			}
		}
		out[k] = hex.EncodeToString(h.Sum(nil))
	}
	return out
}
