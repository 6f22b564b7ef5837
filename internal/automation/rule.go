package automation

import (
	"regexp"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// The metadata types that act when records are written. A flow is switched by its FlowDefinition.
const (
	Trigger    = "ApexTrigger"
	Flow       = "Flow"
	definition = "FlowDefinition"
	Validation = "ValidationRule"
	Workflow   = "WorkflowRule"
	Duplicate  = "DuplicateRule"
)

// Queries are what to list in order to know which components there are, at most three to a call.
func Queries() [][]sf.ComponentQuery {
	return [][]sf.ComponentQuery{
		{{Type: Trigger}, {Type: Flow}, {Type: definition}},
		{{Type: Validation}, {Type: Workflow}, {Type: Duplicate}},
	}
}

// Manifest returns what to retrieve of the listed components: triggers and flows, whose files alone tell
// their object, and the rules of these objects. What belongs to a managed package cannot be read or
// changed and is left out.
func Manifest(listed []sf.Component, objects map[string]bool) sf.Manifest {
	var keys []sf.ComponentKey
	for _, c := range listed {
		object, _, ofObject := strings.Cut(c.Name, ".")
		switch {
		case Managed(c):
		case c.Type == Trigger, c.Type == Flow, c.Type == definition, ofObject && objects[object]:
			keys = append(keys, c.ComponentKey)
		}
	}
	return sf.ManifestOf("", keys)
}

// Managed reports a component of a managed package.
func Managed(c sf.Component) bool {
	return c.Namespace != "" && c.Manageable != "" && c.Manageable != "unmanaged"
}

// Rule is one component that acts when records of its object are written.
type Rule struct {
	sf.ComponentKey
	Object string // API name
	Active bool
}

// Read returns the rules in the files of an archive, sorted. Flows that no record starts are left out.
func Read(files []component.Entry) ([]Rule, error) {
	s := newSet(files)
	var out []Rule
	for _, path := range s.paths() {
		rules, err := s.rules(path)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	slices.SortFunc(out, func(a, b Rule) int { return a.Compare(b.ComponentKey) })
	return out, nil
}

// rules reads those of one file.
func (s *set) rules(path string) ([]Rule, error) {
	folder, name, suffix := split(path)
	switch {
	case folder == "triggers" && suffix == "trigger":
		meta, err := s.parse(path + "-meta.xml")
		if err != nil {
			return nil, err
		}
		return []Rule{{sf.ComponentKey{Type: Trigger, Name: name}, triggerObject(string(s.files[path])), meta.Value("status") == "Active"}}, nil
	case folder == "flows" && suffix == "flow":
		return s.flow(path, name)
	case folder == "objects" && suffix == "object":
		return s.parts(path, name, "validationRules", Validation)
	case folder == "workflows" && suffix == "workflow":
		return s.parts(path, name, "rules", Workflow)
	case folder == "duplicateRules" && suffix == "duplicateRule":
		root, err := s.parse(path)
		if err != nil {
			return nil, err
		}
		object, _, _ := strings.Cut(name, ".")
		return []Rule{{sf.ComponentKey{Type: Duplicate, Name: name}, object, root.Value("isActive") == "true"}}, nil
	}
	return nil, nil
}

func (s *set) parts(path, object, element, kind string) ([]Rule, error) {
	root, err := s.parse(path)
	if err != nil {
		return nil, err
	}
	var out []Rule
	for _, n := range root.Nodes {
		if n.Name == element {
			out = append(out, Rule{sf.ComponentKey{Type: kind, Name: object + "." + n.Value("fullName")}, object, n.Value("active") == "true"})
		}
	}
	return out, nil
}

// flow reads a flow that a record starts, or a process of Process Builder, which is a flow as well.
func (s *set) flow(path, name string) ([]Rule, error) {
	root, err := s.parse(path)
	if err != nil {
		return nil, err
	}
	object := ""
	if start := root.Child("start"); start != nil && strings.HasPrefix(start.Value("triggerType"), "Record") {
		object = start.Value("object")
	}
	if root.Value("processType") == "Workflow" {
		for _, n := range root.Nodes {
			if v := n.Child("value"); n.Name == "processMetadataValues" && n.Value("name") == "ObjectType" && v != nil {
				object = v.Value("stringValue")
			}
		}
	}
	if object == "" {
		return nil, nil
	}
	active := root.Value("status") == "Active"
	if path := definitionPath(name); s.files[path] != nil {
		def, err := s.parse(path)
		if err != nil {
			return nil, err
		}
		n := def.Value("activeVersionNumber")
		active = n != "" && n != "0"
	}
	return []Rule{{sf.ComponentKey{Type: Flow, Name: name}, object, active}}, nil
}

func definitionPath(flow string) string { return "flowDefinitions/" + flow + ".flowDefinition" }

var (
	comments = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	header   = regexp.MustCompile(`(?is)^\s*trigger\s+\w+\s+on\s+(\w+)\s*\(`)
)

// triggerObject reads the object in the head of a trigger: Apex Developer Guide, "Trigger Syntax".
func triggerObject(body string) string {
	if m := header.FindStringSubmatch(comments.ReplaceAllString(body, " ")); m != nil {
		return m[1]
	}
	return ""
}
