package metadata

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
)

// A flow is its versions. The newest is stored under the name of the flow, which is what a list shows
// and a retrieve gives; each earlier one under the name with its number, Name-2, which a manifest may
// name. The status in the file of a version is the one that it has now. Sources: Metadata API Developer
// Guide, Flow ("Upgrade Flow Files to API Version 44.0"), FlowDefinition; accounts of tools of what a
// retrieve gives (Gearset, "Changes to flows in v44 of the metadata API": the latest version).

type flowFile struct {
	Description string `xml:"description"`
	Status      string `xml:"status"`
	Start       struct {
		Object  string `xml:"object"`
		Trigger string `xml:"triggerType"`
		Record  string `xml:"recordTriggerType"`
	} `xml:"start"`
}

// spec is what a version of a flow declares. Source of the moments: Metadata API Developer Guide, FlowStart.
func (f *flowFile) spec() org.AutomationSpec {
	s := org.AutomationSpec{Object: f.Start.Object, Active: true, Declare: declarations(f.Description)}
	moment := "after"
	if strings.HasPrefix(f.Start.Trigger, "RecordBefore") {
		moment = "before"
	}
	ops := map[string][]string{"Create": {"insert"}, "Update": {"update"}, "CreateAndUpdate": {"insert", "update"}, "Delete": {"delete"}}[f.Start.Record]
	if f.Start.Trigger == "RecordBeforeDelete" {
		ops = []string{"delete"}
	}
	for _, op := range ops {
		s.Events = append(s.Events, moment+" "+op)
	}
	return s
}

// The statuses of a version. Source: metadata WSDL, FlowVersionStatus. One that was active and has been
// followed by another, or was switched off, is obsolete (Tooling API Developer Guide, Flow, Status).
const (
	flowIsActive   = "Active"
	flowIsDraft    = "Draft"
	flowIsObsolete = "Obsolete"
)

// statusElement is the status of a flow in its file, which stands at the first level of a file as it is kept.
var statusElement = regexp.MustCompile(`(?m)^    <status>.*</status>\n`)

// flowVersion splits Name-3 into the flow and its version; 0 means that none is named.
func flowVersion(name string) (string, int) {
	base, digits, ok := strings.Cut(name, "-")
	if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 {
		return base, n
	}
	return name, 0
}

// flowVersions are the versions of a flow among components, oldest first.
func flowVersions(view map[key]Component, name string) []Component {
	newest, ok := view[key{"Flow", name}]
	if !ok {
		return nil
	}
	var out []Component
	for n := 1; n < newest.number; n++ { // the numbers of deleted versions are left out
		if c, ok := view[key{"Flow", name + "-" + itoa(n)}]; ok {
			out = append(out, c)
		}
	}
	return append(out, newest)
}

// activeVersion is the number of the active one among the versions of a flow; 0 if none is.
func activeVersion(versions []Component) int {
	for _, c := range versions {
		if flowRoot(c).value("status") == flowIsActive {
			return c.number
		}
	}
	return 0
}

// flowRoot is the file of a flow or of its definition; of one that cannot be read it is empty.
func flowRoot(c Component) *element {
	for name, content := range c.files {
		if path.Ext(name) == ".flow" || path.Ext(name) == ".flowDefinition" {
			if root, err := parseXML(content); err == nil {
				return root
			}
		}
	}
	return &element{}
}

// withStatus is the file of a flow with another status.
func withStatus(files map[string][]byte, status string) map[string][]byte {
	out := maps.Clone(files)
	for name, content := range files {
		root, err := parseXML(content)
		if err != nil {
			continue // a deploy has refused it
		}
		root.kids = slices.DeleteFunc(root.kids, func(e *element) bool { return e.name == "status" })
		at := slices.IndexFunc(root.kids, func(e *element) bool { return e.name > "status" })
		if at < 0 {
			at = len(root.kids)
		}
		root.kids = slices.Insert(root.kids, at, &element{name: "status", text: status})
		out[name] = root.normal()
	}
	return out
}

// flow deploys a version of a flow. What is equal to the newest version but for its status changes
// nothing, not even the status: a version is switched by its FlowDefinition. Anything else is a new version, and an
// active one takes the place of the version that was active. In production a flow comes in inactive
// unless FlowSettings say otherwise. Sources: Metadata API Developer Guide, Flow, status; Salesforce Help,
// "Deploy Processes and Flows as Active"; an account of what an equal file does (sfdx-git-delta issue
// 588). That an active flow becomes a draft in production is unverified.
func (d *deploy) flow(p *piece) {
	old, exists := d.store.components[p.key]
	if exists && equalButStatus(p.files, old.files) {
		p.files = old.files
		return
	}
	v := &newVersion{number: old.number + 1}
	d.versions[p.name] = v
	var def flowFile
	if err := xml.Unmarshal(p.content(), &def); err != nil {
		return // read has refused it
	}
	if def.Status != flowIsActive {
		return
	}
	if d.kind == Production && !d.flowsDeployActive() {
		p.files = withStatus(p.files, flowIsDraft)
		return
	}
	if d.switchFlow(p, def) {
		d.active[p.name] = v.number
	}
}

// content is the one file of a component.
func (p *piece) content() []byte {
	for _, content := range p.files {
		return content
	}
	return nil
}

// newVersion is a version that a deploy adds to a flow.
type newVersion struct{ number int }

func equalButStatus(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(a, b []byte) bool {
		return bytes.Equal(statusElement.ReplaceAll(a, nil), statusElement.ReplaceAll(b, nil))
	})
}

// switchFlow lets what a version declares act in place of what the flow declared before.
func (d *deploy) switchFlow(p *piece, def flowFile) bool {
	spec := def.spec()
	if len(spec.Declare) == 0 {
		d.tx.DropAutomation("Flow", p.name)
		return true
	}
	return d.automate("Flow", p.name, p.file, spec)
}

// flowsDeployActive reports the preference of a production org that lets flows come in active.
// Source: Metadata API Developer Guide, FlowSettings, enableFlowDeployAsActiveEnabled.
func (d *deploy) flowsDeployActive() bool {
	parts := d.store.components[key{"Settings", "Flow"}].parts
	for _, p := range d.pieces {
		if p.key == (key{"Settings", "Flow"}) {
			parts = mergeParts(parts, p.parts)
		}
	}
	return slices.ContainsFunc(parts, func(p part) bool {
		return p.element == "enableFlowDeployAsActiveEnabled" && strings.Contains(p.body, ">true<")
	})
}

// flows deploys flows, and then what FlowDefinitions say of them: it overrides the statuses.
// activeVersionNumber 0 or none switches a flow off. Source: Metadata API Developer Guide, FlowDefinition; the
// problem: Copado, "How to deploy flows from v44".
func (d *deploy) flows() {
	for _, p := range d.pieces {
		if p.kind == "Flow" {
			d.flow(p)
		}
	}
	type definition struct {
		Active int `xml:"activeVersionNumber"`
	}
	each(d, "FlowDefinition", "flowDefinitions", "flowDefinition", func(name string, def *definition) *org.Error {
		if def.Active == 0 {
			d.tx.DropAutomation("Flow", name)
			d.active[name] = 0
			return nil
		}
		raw := d.version(name, def.Active)
		if raw == nil {
			return &org.Error{Message: "Invalid version number: " + strconv.Itoa(def.Active)}
		}
		var flow flowFile
		if err := xml.Unmarshal(raw, &flow); err != nil {
			return &org.Error{Message: "Error parsing file: " + err.Error()}
		}
		d.active[name] = def.Active
		spec := flow.spec()
		spec.Kind, spec.Name = "Flow", name
		return d.tx.PutAutomation(spec)
	})
}

// version is the content of one version of a flow, which this deploy may bring; nil when there is none.
func (d *deploy) version(name string, n int) []byte {
	if v := d.versions[name]; v != nil && v.number == n {
		for _, p := range d.pieces {
			if p.key == (key{"Flow", name}) {
				return p.content()
			}
		}
	}
	for _, c := range flowVersions(d.view(false), name) {
		if c.number == n {
			for _, content := range c.files {
				return content
			}
		}
	}
	return nil
}

// keepVersion keeps a flow as it was before this deploy, as an earlier version. The caller holds the
// store's mu.
func (s *Store) keepVersion(old Component) {
	base := "flows/" + old.FullName
	old.FullName += "-" + itoa(old.number)
	files := map[string][]byte{}
	for p, content := range old.files {
		files[strings.Replace(p, base, base+"-"+itoa(old.number), 1)] = content
	}
	old.files, old.past, old.FileName = files, true, "flows/"+old.FullName+".flow"
	s.components[key{"Flow", old.FullName}] = old
}

// promote makes the last of the earlier versions the newest of a flow whose newest was deleted.
// The caller holds the store's mu.
func (s *Store) promote(name string) {
	found := key{}
	for k, c := range s.components { // flows lose their newest version seldom
		if base, n := flowVersion(k.name); k.kind == "Flow" && c.past && base == name && n > s.components[found].number {
			found = k
		}
	}
	c, ok := s.components[found]
	if !ok {
		delete(s.components, key{"FlowDefinition", name})
		return
	}
	delete(s.components, found)
	files := map[string][]byte{}
	for _, content := range c.files {
		files["flows/"+name+".flow"] = content
	}
	c.FullName, c.FileName, c.files, c.past = name, "flows/"+name+".flow", files, false
	s.components[key{"Flow", name}] = c
}

// activate gives the versions of a flow the statuses that follow from which of them is active.
// The caller holds the store's mu.
func (d *deploy) activate(name string, active int) {
	now := d.store.org.Clock().Now()
	for _, c := range flowVersions(d.store.components, name) {
		is := flowRoot(c).value("status")
		want := is
		switch {
		case c.number == active:
			want = flowIsActive
		case is == flowIsActive:
			want = flowIsObsolete
		}
		if want == is {
			continue
		}
		c.files = withStatus(c.files, want)
		c.Modified, c.Editor = now, d.caller.User
		d.store.components[key{"Flow", c.FullName}] = c
	}
}

// undeletableFlow says why a flow, or a version of one, is not deleted: a flow goes version by version, and the active one
// not at all. Source: public deploy results (sfdx-git-delta issue 366, forcedotcom/cli issue 3401) and
// Metadata API Developer Guide, Flow; that an active version is refused in the same words is unverified.
func undeletableFlow(member string, c Component) string {
	if _, n := flowVersion(member); n == 0 || flowRoot(c).value("status") == flowIsActive {
		return "insufficient access rights on cross-reference id"
	}
	return ""
}

// definition is the FlowDefinition that each flow has, with the number of the active version.
// Source: Tooling API Developer Guide, FlowDefinition: it is made with the flow.
func (s *Store) definition(name string) (Component, bool) {
	versions := flowVersions(s.components, name)
	if len(versions) == 0 {
		return Component{}, false
	}
	first, newest := versions[0], versions[len(versions)-1]
	c := Component{
		Type: "FlowDefinition", FullName: name, FileName: "flowDefinitions/" + name + ".flowDefinition", Namespace: newest.Namespace,
		ID: definitionID(first), Created: first.Created, By: first.By,
	}
	last := slices.MaxFunc(versions, func(a, b Component) int { return cmp.Compare(a.Modified.UnixNano(), b.Modified.UnixNano()) })
	c.Modified, c.Editor = last.Modified, last.Editor
	root := flowRoot(s.components[key{"FlowDefinition", name}])
	root.name = "FlowDefinition"
	root.kids = slices.DeleteFunc(root.kids, func(e *element) bool { return e.name == "activeVersionNumber" })
	if n := activeVersion(versions); n > 0 {
		root.kids = append(root.kids, &element{name: "activeVersionNumber", text: itoa(n)})
		slices.SortStableFunc(root.kids, func(a, b *element) int { return strings.Compare(a.name, b.name) })
	}
	c.files = map[string][]byte{c.FileName: root.normal()}
	return c, true
}

// definitions are the FlowDefinitions of all flows. The caller holds mu.
func (s *Store) definitions() []Component {
	var out []Component
	for k, c := range s.components {
		if k.kind != "Flow" || c.past {
			continue
		}
		if def, ok := s.definition(k.name); ok {
			out = append(out, def)
		}
	}
	slices.SortFunc(out, compareComponents)
	return out
}
