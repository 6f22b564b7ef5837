package metadata

import (
	"bytes"
	"encoding/xml"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
)

// Triggers and flows are not executed: what they do is declared in them, in lines that begin with a
// mark: a comment of a trigger, a line of the description of a flow. See docs/adr/0015.
const mark = "holdfast-emulator:"

// declarations returns what a text declares, one a line.
func declarations(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if _, after, ok := strings.Cut(line, mark); ok {
			out = append(out, strings.TrimSuffix(strings.TrimSpace(after), "*/"))
		}
	}
	return out
}

// triggerHead is how a trigger begins. Source: Apex Developer Guide, "Trigger Syntax".
var triggerHead = regexp.MustCompile(`(?is)\btrigger\s+\w+\s+on\s+(\w+)\s*\(([^)]*)\)`)

func (d *deploy) automation() {
	for _, entry := range d.archive.under("triggers", "trigger") {
		d.trigger(entry[0], entry[1])
	}
	for _, entry := range d.archive.under("flows", "flow") {
		d.flow(entry[0], entry[1])
	}
	d.flowDefinitions()
}

// trigger deploys what a trigger declares. Its status is that of the -meta.xml beside it.
// Source: Metadata API Developer Guide, ApexTrigger, status.
func (d *deploy) trigger(name, file string) {
	body := string(d.archive.files[file])
	var meta struct {
		Status string `xml:"status"`
	}
	if raw, ok := d.archive.files[file+"-meta.xml"]; ok {
		if err := xml.Unmarshal(raw, &meta); err != nil {
			return // read has refused it
		}
	}
	head := triggerHead.FindStringSubmatch(body)
	if head == nil {
		if len(declarations(body)) > 0 {
			d.fail("ApexTrigger", name, file, "no trigger in "+file)
		}
		return
	}
	d.automate("ApexTrigger", name, file, org.AutomationSpec{
		Object: head[1], Events: events(head[2]), Active: meta.Status != "Inactive" && meta.Status != "Deleted", Declare: declarations(body),
	})
}

func events(list string) []string {
	var out []string
	for _, e := range strings.Split(list, ",") {
		out = append(out, strings.Join(strings.Fields(strings.ToLower(e)), " "))
	}
	return out
}

func (d *deploy) automate(kind, name, file string, spec org.AutomationSpec) {
	spec.Kind, spec.Name = kind, name
	d.attempt(kind, name, file, func() (string, bool, *org.Error) { return "", false, d.tx.PutAutomation(spec) })
}

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
func (f *flowFile) spec(active bool) org.AutomationSpec {
	s := org.AutomationSpec{Object: f.Start.Object, Active: active, Declare: declarations(f.Description)}
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

// statusElement is the status of a flow in its file.
var statusElement = regexp.MustCompile(`(?s)<status>.*?</status>`)

// flow deploys a version of a flow. An active one takes the place of the version that was active. One that
// is not active and otherwise equal to what the org has is that version switched off; any other is a
// new version beside the active one. Source: Metadata API Developer Guide, Flow, status and "Flow
// versions"; that the equal one is switched off is unverified. In production a flow is deployed as inactive
// unless FlowSettings enableFlowDeployAsActiveEnabled; this org is no production org.
func (d *deploy) flow(name, file string) {
	if strings.Contains(name, "-") { // a version by its number, until API 43
		return
	}
	var def flowFile
	if err := xml.Unmarshal(d.archive.files[file], &def); err != nil {
		return // read has refused it
	}
	if len(declarations(def.Description)) == 0 && def.Status == "Active" {
		d.tx.DropAutomation("Flow", name)
		return
	}
	active := def.Status == "Active"
	if !active && !d.sameFlow(name) {
		return
	}
	d.automate("Flow", name, file, def.spec(active))
}

// sameFlow reports a flow that differs from what the org has in its status alone.
func (d *deploy) sameFlow(name string) bool {
	old, ok := d.store.components[key{"Flow", name}]
	if !ok {
		return true
	}
	for _, p := range d.pieces {
		if p.kind == "Flow" && p.name == name {
			return maps.EqualFunc(p.files, old.files, func(a, b []byte) bool {
				return bytes.Equal(statusElement.ReplaceAll(a, nil), statusElement.ReplaceAll(b, nil))
			})
		}
	}
	return false
}

// flowDefinitions switches versions of flows: activeVersionNumber 0 switches a flow off.
// Source: Metadata API Developer Guide, FlowDefinition.
func (d *deploy) flowDefinitions() {
	type definition struct {
		Active int `xml:"activeVersionNumber"`
	}
	each(d, "FlowDefinition", "flowDefinitions", "flowDefinition", func(name string, def *definition) *org.Error {
		raw := d.flowVersion(name, def.Active)
		if raw == nil {
			d.tx.DropAutomation("Flow", name)
			if def.Active == 0 {
				return nil
			}
			return &org.Error{Message: "Flow " + name + " has no version " + strconv.Itoa(def.Active)} // wording unverified
		}
		var flow flowFile
		if err := xml.Unmarshal(raw, &flow); err != nil {
			return &org.Error{Message: "Error parsing file: " + err.Error()}
		}
		spec := flow.spec(true)
		spec.Kind, spec.Name = "Flow", name
		return d.tx.PutAutomation(spec)
	})
}

// flowVersion is the content of one version: the newest is that of this deploy, or the one that is
// stored under the flow's name; earlier ones are stored with their number.
func (d *deploy) flowVersion(name string, n int) []byte {
	past := 0
	for {
		if _, ok := d.store.components[key{"Flow", name + "-" + strconv.Itoa(past+1)}]; !ok {
			break
		}
		past++
	}
	stored, exists := d.store.components[key{"Flow", name}]
	raw, fresh := d.archive.files["flows/"+name+".flow"]
	newest := past
	if exists {
		newest++
	}
	if fresh {
		newest++
	}
	switch {
	case n == 0 || n > newest:
		return nil
	case fresh && n == newest:
		return raw
	case n <= past:
		stored = d.store.components[key{"Flow", name + "-" + strconv.Itoa(n)}]
	}
	for _, content := range stored.files {
		return content
	}
	return nil
}
