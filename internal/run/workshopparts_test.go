package run_test

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// grant gives a permission set or a profile something that is there.
func (d *draft) grant() {
	path := d.pick("", func(p string) bool {
		return strings.HasPrefix(p, "permissionsets/") || strings.HasPrefix(p, "profiles/")
	})
	object := d.object()
	if path == "" {
		return
	}
	var n *component.Node
	switch d.rnd.IntN(3) {
	case 0:
		class := d.pick("classes/", func(p string) bool { return strings.HasSuffix(p, ".cls") })
		if class == "" {
			return
		}
		n = node("<classAccesses><apexClass>%s</apexClass><enabled>true</enabled></classAccesses>", nameOf(class))
	case 1:
		if object == "" {
			return
		}
		n = node("<objectPermissions><allowCreate>true</allowCreate><allowDelete>%t</allowDelete><allowEdit>true</allowEdit><allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>%s</object><viewAllRecords>false</viewAllRecords></objectPermissions>", d.rnd.IntN(2) == 0, nameOf(object))
	default:
		if object == "" {
			return
		}
		fields := d.custom(object)
		if len(fields) == 0 {
			return
		}
		n = node("<fieldPermissions><editable>%t</editable><field>%s.%s</field><readable>true</readable></fieldPermissions>", d.rnd.IntN(2) == 0, nameOf(object), fields[d.rnd.IntN(len(fields))])
	}
	known := map[string]string{"classAccesses": "apexClass", "objectPermissions": "object", "fieldPermissions": "field"}[n.Name]
	d.with(path, func(root *component.Node) {
		root.Nodes = slices.DeleteFunc(root.Nodes, func(o *component.Node) bool { return o.Name == n.Name && o.Value(known) == n.Value(known) })
		root.Nodes = append(root.Nodes, n)
	})
}

// revoke takes a permission away: a permission set leaves it out, a profile says so.
func (d *draft) revoke() {
	path := d.pick("", func(p string) bool {
		return strings.HasPrefix(p, "permissionsets/") || strings.HasPrefix(p, "profiles/")
	})
	if path == "" {
		return
	}
	d.with(path, func(root *component.Node) {
		var at []int
		for i, n := range root.Nodes {
			if n.Name == "fieldPermissions" || n.Name == "classAccesses" || n.Name == "objectPermissions" {
				at = append(at, i)
			}
		}
		if len(at) == 0 {
			return
		}
		i := at[d.rnd.IntN(len(at))]
		if n := component.Revoked(root.Name, root.Nodes[i]); n != nil && strings.HasPrefix(path, "profiles/") {
			root.Nodes[i] = n
			return
		}
		root.Nodes = slices.Delete(root.Nodes, i, i+1)
	})
}

func (d *draft) status() string { return []string{"Active", "Draft"}[d.rnd.IntN(2)] }

func (d *draft) newFlow() {
	d.add(flowFiles(fmt.Sprintf("Flow%d", d.number), fmt.Sprintf("made %d", d.number), d.status()))
}

// changeFlow makes a next version of a flow.
func (d *draft) changeFlow() {
	path := d.pick("flows/", nil)
	if path == "" {
		return
	}
	d.with(path, func(root *component.Node) {
		for _, n := range root.Nodes {
			switch n.Name {
			case "label":
				n.Text = fmt.Sprintf("version of %d", d.number)
			case "status":
				n.Text = d.status()
			}
		}
	})
}

// switchFlow activates another version of a flow, or none.
func (d *draft) switchFlow() {
	path := d.pick("flows/", nil)
	if path == "" {
		return
	}
	flow, versions := nameOf(path), []int{0}
	for n := range 60 {
		if d.sight.names[sf.ComponentKey{Type: "Flow", Name: fmt.Sprintf("%s-%d", flow, n)}] {
			versions = append(versions, n)
		}
	}
	d.before = append(d.before, activated(flow, versions[d.rnd.IntN(len(versions))]))
}

// newRecordOfType adds a record of custom metadata, and the type when there is none.
func (d *draft) newRecordOfType() {
	kind := d.pick("objects/", func(p string) bool { return strings.HasSuffix(p, "__mdt.object") })
	name := strings.TrimSuffix(nameOf(kind), "__mdt")
	if kind == "" {
		name = "Setting"
		d.files["objects/Setting__mdt.object"] = `<CustomObject` + metadataSpace + `><fields><fullName>Text__c</fullName><fieldManageability>DeveloperControlled</fieldManageability><label>Text</label><length>40</length><type>Text</type></fields><label>Setting</label><pluralLabel>Settings</pluralLabel><visibility>Public</visibility></CustomObject>`
	}
	d.files[fmt.Sprintf("customMetadata/%s.R%d.md", name, d.number)] = fmt.Sprintf(`<CustomMetadata%s><label>R%d</label><protected>false</protected></CustomMetadata>`, metadataSpace, d.number)
}

// drop deletes a whole component.
func (d *draft) drop() {
	path := d.pick("", func(p string) bool {
		return !strings.HasPrefix(p, "objects/") && !strings.HasPrefix(p, "labels/") && !strings.HasPrefix(p, "profiles/") && !strings.HasPrefix(p, "workflows/")
	})
	if path == "" {
		return
	}
	key := keyAt(path)
	for other := range d.files {
		if keyAt(other) == key {
			delete(d.files, other)
		}
	}
}

func (d *draft) newBundle() {
	d.add(bundleFiles(fmt.Sprintf("made%d", d.number), d.number))
}

func bundleFiles(name string, number int) map[string]string {
	return map[string]string{
		"lwc/" + name + "/" + name + ".js":          fmt.Sprintf("import { LightningElement } from 'lwc';\nexport default class X%d extends LightningElement {}\n", number),
		"lwc/" + name + "/" + name + ".html":        "<template></template>\n",
		"lwc/" + name + "/" + name + ".js-meta.xml": `<LightningComponentBundle` + metadataSpace + `><apiVersion>66.0</apiVersion><isExposed>false</isExposed></LightningComponentBundle>`,
	}
}

// editBundle changes a file of a bundle, or takes one away, or adds one.
func (d *draft) editBundle() {
	path := d.pick("lwc/", func(p string) bool { return strings.HasSuffix(p, ".js") })
	if path == "" {
		return
	}
	style := strings.TrimSuffix(path, ".js") + ".css"
	switch {
	case d.rnd.IntN(2) == 0:
		d.files[path] += fmt.Sprintf("// %d\n", d.number)
	case d.files[style] != "":
		delete(d.files, style)
	default:
		d.files[style] = fmt.Sprintf("p { margin: %dpx }\n", d.number)
	}
}

func (d *draft) newSet() {
	d.files[fmt.Sprintf("permissionsets/Set%d.permissionset", d.number)] = fmt.Sprintf("<PermissionSet%s><hasActivationRequired>false</hasActivationRequired><label>Set %d</label></PermissionSet>", metadataSpace, d.number)
}

func (d *draft) newResource() {
	name := fmt.Sprintf("staticresources/Res%d.resource", d.number)
	d.files[name] = fmt.Sprintf("text %d\n", d.number)
	d.files[name+"-meta.xml"] = `<StaticResource` + metadataSpace + `><cacheControl>Private</cacheControl><contentType>text/plain</contentType></StaticResource>`
}

// rearrange changes a layout: a section goes, or comes, or an item goes.
func (d *draft) rearrange() {
	path := d.pick("layouts/", nil)
	if path == "" {
		return
	}
	d.with(path, func(root *component.Node) {
		for _, n := range root.Nodes {
			if n.Name != "layoutSections" {
				continue
			}
			for _, column := range n.Nodes {
				if column.Name == "layoutColumns" && len(column.Nodes) > 1 && column.Nodes[0].Value("behavior") != "Required" {
					column.Nodes = column.Nodes[1:]
					return
				}
			}
		}
	})
}

// generate deploys a project of a few of everything.
func (w *workshop) generate() {
	w.Helper()
	s := w.see()
	for round := range 4 {
		d := w.draft(s, 1)
		d.rnd = w.rnd
		if round == 0 {
			for i := range 2 + w.rnd.IntN(3) {
				d.number = 10 + i
				d.newObject()
				d.newClass()
				d.newFlow()
				d.newSet()
				d.newBundle()
			}
			d.newRecordOfType()
			d.files["profiles/Standard.profile"] = "<Profile" + metadataSpace + "></Profile>"
		} else {
			for range 4 + w.rnd.IntN(6) {
				w.number++
				d.number = w.number
				[]func(*draft){
					(*draft).newField, (*draft).newPart, (*draft).newLabel, (*draft).grant, (*draft).changeFlow, (*draft).newRecordOfType, (*draft).newResource,
				}[w.rnd.IntN(7)](d)
			}
		}
		if !w.attempt(s, d) && round == 0 {
			w.Fatal("the first components are refused")
		}
		s = w.see()
	}
}
