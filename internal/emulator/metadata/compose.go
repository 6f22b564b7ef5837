package metadata

import (
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

func itoa(n int) string { return strconv.Itoa(n) }

// write puts the components that were resolved into the zip, with the manifest of the package.
func (t *retrieve) write(fullName string) error {
	t.scope = t.newScope()
	keys := map[key]bool{}
	for k := range t.whole {
		keys[k] = true
	}
	for k := range t.single {
		keys[k] = true
	}
	var sorted []key
	for k := range keys {
		sorted = append(sorted, k)
	}
	slices.SortFunc(sorted, compareKeys)
	for _, k := range sorted {
		t.component(k)
		if len(t.files) > 2*maxFiles { // far enough for the count below to refuse it
			break
		}
	}
	t.manifest(fullName, sorted)
	return nil
}

// component writes the files of one component.
func (t *retrieve) component(k key) {
	c, stored := t.store.components[k]
	if k.kind == "FlowDefinition" {
		c, stored = t.store.definition(k.name)
	}
	kind := kindNamed(k.kind)
	if c.Type == "" {
		c = Component{Type: k.kind, FullName: k.name, FileName: kind.fileOf(k.name), By: t.store.org.Admin().User, Editor: t.store.org.Admin().User}
	}
	if kind.composed() {
		c.FileName = kind.fileOf(k.name)
	}
	properties := t.store.shown(c)
	properties.FileName = t.folder + c.FileName
	if t.whole[k] {
		t.result.Files = append(t.result.Files, properties)
	}
	switch {
	case k.kind == "StandardValueSet" && !stored:
		t.files[t.folder+c.FileName] = document(k.kind, nil, standardValues(k.name, t.store.ValueSet(k.name)))
	case !kind.composed():
		for file, content := range c.files {
			t.files[t.folder+file] = content
		}
	default:
		t.files[t.folder+c.FileName] = t.compose(k, c, properties)
	}
}

// compose writes the file of a component that is taken apart: what belongs to itself when it was asked
// for, and those of the components inside it that were asked for, or all.
func (t *retrieve) compose(k key, c, properties Component) []byte {
	var parts []part
	if t.whole[k] {
		for _, p := range c.parts {
			if k.kind != "Profile" || t.scope.shows(p) {
				parts = append(parts, p)
			}
		}
		if k.kind == "Profile" {
			parts = append(parts, t.unsaid(k.name, c.parts)...)
		}
	}
	kind := kindNamed(k.kind)
	elements := map[string]string{}
	for _, child := range kind.Children {
		elements[child.Name] = child.Element
	}
	given := map[string]bool{}
	for _, child := range t.kids[k] {
		ck := key{child.Type, child.FullName}
		if !t.whole[k] && !t.single[k][ck] {
			continue
		}
		given[child.FullName] = true
		parts = append(parts, part{element: elements[child.Type], id: child.FullName, body: child.body})
		child.FileName = properties.FileName
		t.result.Files = append(t.result.Files, child)
	}
	if k.kind == "CustomObject" {
		parts = append(parts, t.standardFields(k, given)...)
	}
	sortParts(parts)
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.body)
	}
	return document(k.kind, nil, b.String())
}

// standardFields are the standard fields of a standard object that were asked for and that no deploy
// has described: their names, and of lookups and picklists the types.
// Source: retrieved standard objects of public projects.
func (t *retrieve) standardFields(k key, given map[string]bool) []part {
	o, ok := t.store.org.Describe(k.name)
	if !ok || o.Kind != org.StandardObject {
		return nil
	}
	var out []part
	for _, f := range o.Fields {
		name := k.name + "." + f.Name
		if !customizable(f) || given[name] || !t.whole[k] && !t.single[k][key{"CustomField", name}] {
			continue
		}
		e := &element{name: "fields", kids: []*element{{name: "fullName", text: f.Name}}}
		if o.FeedEnabled {
			e.kids = append(e.kids, &element{name: "trackFeedHistory", text: "false"})
		}
		switch f.Type {
		case sf.TypeReference:
			e.kids = append(e.kids, &element{name: "type", text: "Lookup"})
		case "picklist":
			e.kids = append(e.kids, &element{name: "type", text: "Picklist"})
		case "multipicklist":
			e.kids = append(e.kids, &element{name: "type", text: "MultiselectPicklist"})
		}
		out = append(out, part{element: "fields", id: name, body: e.print()})
	}
	return out
}

// standardValues prints the values of a standard value set that was never deployed.
func standardValues(_ string, values []org.PicklistValue) string {
	var b strings.Builder
	b.WriteString("    <sorted>false</sorted>\n")
	for _, v := range values {
		e := &element{name: "standardValue", kids: []*element{
			{name: "fullName", text: v.Value}, {name: "default", text: strconv.FormatBool(v.Default)}, {name: "label", text: v.Label},
		}}
		if !v.Active {
			e.kids = slices.Insert(e.kids, 2, &element{name: "isActive", text: "false"})
		}
		e.write(&b, 1)
	}
	return b.String()
}

// manifest writes the package.xml of what was found.
func (t *retrieve) manifest(fullName string, keys []key) {
	members := map[string][]string{}
	for _, k := range keys {
		if t.whole[k] {
			kind := k.kind
			if content := contentOf[kind]; content != "" {
				kind = content
			}
			members[kind] = append(members[kind], k.name)
		}
		for child := range t.single[k] {
			members[child.kind] = append(members[child.kind], child.name)
		}
	}
	var kinds []string
	for kind := range members {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	var b strings.Builder
	if fullName != "" {
		(&element{name: "fullName", text: fullName}).write(&b, 1)
	}
	for _, kind := range kinds {
		e := &element{name: "types"}
		slices.Sort(members[kind])
		for _, m := range slices.Compact(members[kind]) {
			e.kids = append(e.kids, &element{name: "members", text: m})
		}
		e.kids = append(e.kids, &element{name: "name", text: kind})
		e.write(&b, 1)
	}
	(&element{name: "version", text: itoa(t.req.Version) + ".0"}).write(&b, 1)
	name := t.folder + "package.xml"
	t.files[name] = document("Package", nil, b.String())
	t.result.Files = append(t.result.Files, Component{
		Type: "Package", FullName: name, FileName: name, By: t.store.org.Admin().User, Editor: t.store.org.Admin().User,
	})
}

// scope is what a request names beside profiles: a profile is given back with the parts that are about
// these components only. Source: Metadata API Developer Guide, Profile.
type scope struct {
	whole  map[key]bool
	single map[key]bool
}

func (t *retrieve) newScope() *scope {
	s := &scope{whole: t.whole, single: map[key]bool{}}
	for _, children := range t.single {
		for k := range children {
			s.single[k] = true
		}
	}
	return s
}

// about says which type the parts of a profile are about, by element and the element that names it.
var about = map[string]struct{ name, kind string }{
	"agentAccesses": {"agentName", "Bot"}, "applicationVisibilities": {"application", "CustomApplication"},
	"categoryGroupVisibilities": {"dataCategoryGroup", "DataCategoryGroup"}, "classAccesses": {"apexClass", "ApexClass"},
	"customMetadataTypeAccesses": {"name", "CustomObject"}, "customPermissions": {"name", "CustomPermission"},
	"customSettingAccesses": {"name", "CustomObject"}, "externalDataSourceAccesses": {"externalDataSource", "ExternalDataSource"},
	"fieldPermissions": {"field", "CustomField"}, "flowAccesses": {"flow", "Flow"}, "layoutAssignments": {"layout", "Layout"},
	"objectPermissions": {"object", "CustomObject"}, "pageAccesses": {"apexPage", "ApexPage"},
	"recordTypeVisibilities": {"recordType", "RecordType"}, "tabVisibilities": {"tab", "CustomTab"},
}

// shows reports a part of a profile that the request covers. Fields and record types are covered by
// their object too; parts that are about no component always come.
func (s *scope) shows(p part) bool {
	a, ok := about[p.element]
	if !ok {
		return true
	}
	e, err := parseXML([]byte(p.body))
	if err != nil {
		return true
	}
	k := key{a.kind, e.value(a.name)}
	if s.whole[k] || s.single[k] {
		return true
	}
	parent, ok := parentOf(k.kind, k.name)
	return ok && s.whole[parent]
}
