package metadata

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A file of most types is one component and is replaced as a whole when it is deployed again. The
// files of some types are taken apart instead: into the components inside them (the fields of an
// object), and into parts that a later deploy of other parts leaves alone (the sections of a profile).
// Source: Metadata API Developer Guide, the pages of the types.

// part is one element of a file that is merged when it is deployed.
type part struct {
	element string
	id      string // what tells it from others of the same element; empty when it stands alone
	body    string // printed at one level of indentation
}

// merged are the types whose files are merged with what the org has, beside those with children.
// Source: Metadata API Developer Guide, Profile ("deploying a profile … only what is in the file") and
// Settings; for CustomObjectTranslation and Translations unverified.
var merged = map[string]bool{"Profile": true, "Settings": true, "CustomObjectTranslation": true, "Translations": true}

// composed reports a type whose files are taken apart.
func (k *Kind) composed() bool { return len(k.Children) > 0 || merged[k.Name] }

// sections says which elements of a file occur many times, and by what each is known. Settings and
// the head of an object are merged by the name of the element alone.
var sections = map[string][]string{
	"agentAccesses": {"agentName"}, "applicationVisibilities": {"application"}, "categoryGroupVisibilities": {"dataCategoryGroup"},
	"classAccesses": {"apexClass"}, "customMetadataTypeAccesses": {"name"}, "customPermissions": {"name"},
	"customSettingAccesses": {"name"}, "emailRoutingAddressAccesses": {"name"}, "externalCredentialPrincipalAccesses": {"externalCredentialPrincipal"},
	"externalDataSourceAccesses": {"externalDataSource"}, "fieldPermissions": {"field"}, "flowAccesses": {"flow"},
	"layoutAssignments": {"layout", "recordType"}, "objectPermissions": {"object"}, "pageAccesses": {"apexPage"},
	"profileActionOverrides": {"actionName", "pageOrSobjectType", "formFactor", "recordType"},
	"recordTypeVisibilities": {"recordType"}, "servicePresenceStatusAccesses": {"servicePresenceStatus"},
	"tabVisibilities": {"tab"}, "userPermissions": {"name"}, "fields": {"name"}, "layouts": {"layout"},
	"fieldSets": {"name"}, "quickActions": {"name"}, "recordTypes": {"name"}, "sharingReasons": {"name"},
	"validationRules": {"name"}, "webLinks": {"name"}, "workflowTasks": {"name"}, "customLabels": {"name"},
	"customTabs": {"name"}, "customApplications": {"name"}, "flowDefinitions": {"fullName"},
}

// piece is one component of an archive as it will be stored.
type piece struct {
	key
	file      string // path of the file that it came in
	line, col int
	parts     []part            // of a composed type: its own elements, without its children
	body      string            // of a child
	files     map[string][]byte // of every other type, by path
}

// fullNameOf is the full name that a child has within its parent.
func fullNameOf(e *element) string { return cmp.Or(e.value("fullName"), e.value("name")) }

// takeApart returns the component of a composed file and those inside it.
func takeApart(k *Kind, name, file string, root *element) []*piece {
	whole := &piece{key: key{k.Name, name}, file: file, line: root.line, col: root.column}
	out := []*piece{whole}
	for _, e := range root.kids {
		if c, ok := k.child(e.name); ok {
			out = append(out, &piece{
				key: key{c.Name, k.childName(name, fullNameOf(e))}, file: file, line: e.line, col: e.column, body: e.print(),
			})
			continue
		}
		if e.name == "fullName" && len(e.kids) == 0 { // of the file itself, which its name says
			continue
		}
		p := part{element: e.name, body: e.print()}
		if ids := sections[e.name]; merged[k.Name] && k.Name != "Settings" && ids != nil && len(e.kids) > 0 {
			for _, id := range ids {
				p.id += "\x00" + e.value(id)
			}
		}
		whole.parts = append(whole.parts, p)
	}
	return out
}

// mergeParts lays new parts over old ones: a part replaces those of the same element and id, and
// parts that are not in the new file stay.
func mergeParts(old, add []part) []part {
	type name struct{ element, id string }
	given := map[name]bool{}
	for _, p := range add {
		given[name{p.element, p.id}] = true
	}
	out := slices.DeleteFunc(slices.Clone(old), func(p part) bool { return given[name{p.element, p.id}] })
	out = append(out, add...)
	sortParts(out)
	return out
}

// sortParts orders parts as the platform writes them: elements by name, and what has a name by it.
func sortParts(parts []part) {
	slices.SortStableFunc(parts, func(a, b part) int {
		return cmp.Or(strings.Compare(a.element, b.element), strings.Compare(a.id, b.id))
	})
}

// equalContent reports whether a component would be stored as it is already.
func (p *piece) equalContent(c *Component) bool {
	switch {
	case p.files != nil:
		return maps.EqualFunc(p.files, c.files, bytes.Equal)
	case p.body != "":
		return p.body == c.body
	}
	return slices.Equal(mergeParts(c.parts, p.parts), c.parts)
}
