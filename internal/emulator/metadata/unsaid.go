package metadata

import (
	"cmp"
	"strconv"
	"strings"
)

// unsaid is what a retrieve gives of a profile besides what was deployed: of a standard one that it is, its license, and
// the permissions of fields that it gives by itself. Source for the first two: retrieved profiles of public projects.
func (t *retrieve) unsaid(profile string, said []part) []part {
	own := map[string]bool{}
	for _, p := range said {
		own[p.element+p.id] = true
	}
	var out []part
	for _, e := range []*element{{name: "custom", text: "false"}, {name: "userLicense", text: "Salesforce"}} {
		if standardProfile(profile) && !own[e.name] {
			out = append(out, part{element: e.name, body: e.print()})
		}
	}
	return append(out, t.openFields(profile, own)...)
}

// standardProfile reports a profile that every org has.
func standardProfile(file string) bool {
	for _, f := range profileFiles {
		if f == file {
			return true
		}
	}
	return file == "Minimum Access - Salesforce"
}

// openFields are the permissions of fields that a profile gives though nothing that was deployed says so: where the org
// opens custom fields to its administrator by itself, what users see and what a retrieve lists are the same, as they are on the
// platform, where Setup writes a row for each profile. It covers the fields that the request covers.
func (t *retrieve) openFields(profile string, own map[string]bool) []part {
	name := profile
	for label, file := range profileFiles {
		if file == profile {
			name = label
		}
	}
	var out []part
	add := func(fullName string) {
		id := "\x00" + fullName
		object, field, _ := strings.Cut(fullName, ".")
		read, edit := t.store.org.GivesUnsaid(name, cmp.Or(map[string]string{"Activity": "Task"}[object], object), field)
		if own["fieldPermissions"+id] || !read {
			return
		}
		own["fieldPermissions"+id] = true
		e := &element{name: "fieldPermissions", kids: []*element{
			{name: "editable", text: strconv.FormatBool(edit)}, {name: "field", text: fullName}, {name: "readable", text: "true"},
		}}
		out = append(out, part{element: "fieldPermissions", id: id, body: e.print()})
	}
	for k := range t.whole {
		if k.kind != "CustomObject" {
			continue
		}
		for _, child := range t.kids[k] {
			if child.Type == "CustomField" {
				add(child.FullName)
			}
		}
	}
	for k := range t.scope.single {
		if k.kind == "CustomField" {
			add(k.name)
		}
	}
	return out
}
