package metadata

import (
	"encoding/xml"
	"regexp"
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
	d.flows()
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

func (d *deploy) automate(kind, name, file string, spec org.AutomationSpec) bool {
	spec.Kind, spec.Name = kind, name
	return d.attempt(kind, name, file, func() (string, bool, *org.Error) { return "", false, d.tx.PutAutomation(spec) })
}
