package metadata

import (
	"cmp"
	"fmt"
	"strings"

	"holdfast/internal/emulator/org"
)

// A deployment leaves rows in the setup audit trail, one or more for each component that it changes.
// Source of actions, sections and texts: public exports of audit trails (Object Reference, SetupAuditTrail, for
// PermSetCreate). Types that are not here get a row whose action and text are made in the same manner,
// which is unverified; so is the single row for any change of a field or an object.

// trailText is how the trail tells of one type: the section, and for what was created, changed and
// deleted the action and the text, in which %s is the name.
type trailText struct {
	section                   string
	created, changed, deleted string
	text                      string // after Created, Changed or Deleted
}

var trailTexts = map[string]trailText{
	"ApexClass":        {"Apex Class", "createdApexClass", "changedApexClass", "deletedApexClass", "%s Apex Class code"},
	"ApexPage":         {"Page", "createdApexPage", "changedApexPage", "deletedApexPage", "Page %s"},
	"ApexComponent":    {"Component", "createdApexComponent", "changedApexComponent", "deletedApexComponent", "Component %s"},
	"StaticResource":   {"Static Resource", "createdStaticResource", "changedStaticResource", "deletedStaticResource", "Static Resource %s"},
	"CustomPermission": {"Custom Permissions", "CustomPermissionCreate", "CustomPermissionDescriptionChange", "CustomPermissionDelete", "custom permission %s"},
	"PermissionSet":    {"Manage Users", "PermSetCreate", "PermSetFlsChanged", "PermSetDelete", "permission set %s"},
	"PermissionSetGroup": {
		"Permission Set Group", "PermissionSetGroupCreate", "PermissionSetGroupComponentAdd", "PermissionSetGroupDelete", "permission set group %s",
	},
	"Profile":                  {"Manage Users", "profileClonedStandard", "profileFlsChangedCustom", "deletedprofile", "profile %s"},
	"WorkflowRule":             {"Workflow Rule", "createdworkflowrule", "changedworkflowrule", "deletedworkflowrule", "workflow rule %s"},
	"Group":                    {"Groups", "createdgroup", "updatedgroup", "deletedgroup", "Public Group %s"},
	"Role":                     {"Manage Users", "createdrole", "role", "deletedrole", "role %s"},
	"LightningComponentBundle": {"Lightning Components", "createdLightningWebComponent", "changedLightningWebComponent", "deletedLightningWebComponent", "Lightning Web Component %s"},
	"AuraDefinitionBundle":     {"Lightning Components", "createdAuraComponent", "changedAuraComponent", "deletedAuraComponent", "Aura Component %s"},
	"FlexiPage":                {"Lightning Pages", "createdFlexiPage", "changedFlexiPage", "deletedFlexiPage", "Lightning Page %s"},
	"InstalledPackage":         {"Custom Apps", "installedpackagingapp", "upgradedpackagingapp", "uninstalledpackagingapp", "AppExchange package: %s"},
}

// trail writes the audit trail of a deploy that was saved. The caller holds the store's mu.
func (d *deploy) trail(before map[key]Component, messages []Message) error {
	var rows []org.Audit
	for _, m := range messages {
		if !m.Success || m.ProblemType != "" || !m.Created && !m.Changed && !m.Deleted || m.ComponentType == "" {
			continue
		}
		old := before[actual(before, m.ComponentType, m.FullName)]
		now := d.store.components[actual(d.store.components, m.ComponentType, m.FullName)]
		for _, r := range d.trailOf(m, old, now) {
			r.Namespace = cmp.Or(now.Namespace, old.Namespace)
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return d.store.org.Change(d.caller, func(tx *org.Tx) error {
		tx.Audit(rows)
		return nil
	})
}

// trailOf are the rows for one component, given as it was and as it is.
func (d *deploy) trailOf(m Message, old, now Component) []org.Audit {
	switch m.ComponentType {
	case "CustomField":
		return d.trailOfField(m, old, now)
	case "CustomObject":
		return trailOfObject(m, old, now)
	case "ApexTrigger":
		head := triggerHead.FindStringSubmatch(cmp.Or(now.text(), old.text()))
		object := ""
		if head != nil {
			object = head[1] + " "
		}
		return []org.Audit{{Action: verb(m) + "ApexTrigger", Section: "Apex Trigger", Display: titled(verb(m)) + " " + object + "Trigger code: " + m.FullName}}
	case "ValidationRule":
		return trailOfRule(m, old, now)
	case "Flow":
		return trailOfFlow(m, old, now)
	case "FlowDefinition":
		return d.trailOfSwitch(m)
	}
	if t, ok := trailTexts[m.ComponentType]; ok {
		action := map[string]string{"created": t.created, "changed": t.changed, "deleted": t.deleted}[verb(m)]
		return []org.Audit{{Action: action, Section: t.section, Display: titled(verb(m)) + " " + fmt.Sprintf(t.text, m.FullName)}}
	}
	words := wordStart.ReplaceAllString(m.ComponentType, "$1 $2")
	return []org.Audit{{Action: verb(m) + m.ComponentType, Section: words, Display: titled(verb(m)) + " " + words + " " + m.FullName}}
}

func verb(m Message) string {
	switch {
	case m.Deleted:
		return "deleted"
	case m.Created:
		return "created"
	}
	return "changed"
}

func titled(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// trailOfField tells of a field, in the words for standard objects or in those for custom ones.
func (d *deploy) trailOfField(m Message, old, now Component) []org.Audit {
	object, name, _ := strings.Cut(m.FullName, ".")
	label, plural := object, object
	if o, ok := d.store.org.Describe(object); ok {
		label, plural = o.Label, o.LabelPlural
	}
	root, err := parseXML([]byte(cmp.Or(now.body, old.body)))
	if err != nil {
		root = &element{} // a deploy has refused it
	}
	field, kind := cmp.Or(root.value("label"), name), cmp.Or(root.value("type"), "Text")
	action := verb(m) + "CF"
	if m.Deleted && d.opts.PurgeOnDelete {
		action = "hardDeletedCF"
	}
	display := map[string]string{
		"createdCF": "Created custom field: " + field + " (" + kind + ")", "changedCF": "Changed custom field " + field,
		"deletedCF": "Deleted custom field " + field, "hardDeletedCF": "Permanently deleted custom field " + field,
	}[action]
	if !strings.Contains(object, "__") {
		return []org.Audit{{Action: action, Section: "Customize " + plural, Display: display}}
	}
	display = map[string]string{
		"createdCF": "Created custom field " + field + " (" + kind + ") on " + label, "changedCF": "Changed custom field " + field + " on " + label,
		"deletedCF": "Deleted custom field " + field + " from " + label, "hardDeletedCF": "Permanently deleted custom field " + field + " from " + label,
	}[action]
	return []org.Audit{{Action: action + "Custom", Section: "Custom Objects", Display: display}}
}

func trailOfObject(m Message, old, now Component) []org.Audit {
	label := m.FullName
	for _, p := range append(append([]part{}, old.parts...), now.parts...) {
		if e, err := parseXML([]byte(p.body)); err == nil && p.element == "label" {
			label = e.text
		}
	}
	switch {
	case strings.HasSuffix(m.FullName, "__mdt"):
		return []org.Audit{{Action: verb(m) + "CustMdType", Section: "Custom Metadata Types", Display: titled(verb(m)) + " custom metadata type: " + label}}
	case m.Created || m.Deleted:
		return []org.Audit{{Action: verb(m) + "CustEnt", Section: "Custom Objects", Display: titled(verb(m)) + " custom object: " + label}}
	case old.text() == now.text():
		return nil // a field or another child has changed, which has a row of its own
	}
	return []org.Audit{{Action: "changedCustEntLabel", Section: "Custom Objects", Display: "Changed label for custom object from " + label + " to " + label}}
}

// trailOfRule tells which of its parts have changed.
func trailOfRule(m Message, old, now Component) []org.Audit {
	object, name, _ := strings.Cut(m.FullName, ".")
	row := func(action, text string) org.Audit {
		return org.Audit{Action: action, Section: "Validation Rules", Display: text + ` "` + name + `"`}
	}
	switch {
	case m.Deleted:
		return []org.Audit{row("removedValidation", "Removed "+object+" validation")}
	case m.Created || old.body == "":
		return []org.Audit{row("newValidation", "New "+object+" validation rule")}
	}
	before, err := parseXML([]byte(old.body))
	after, err2 := parseXML([]byte(now.body))
	if err != nil || err2 != nil {
		return nil // a deploy has refused it
	}
	var out []org.Audit
	for _, c := range []struct{ element, action, words string }{
		{"active", "changedValidationActive", "active flag"},
		{"errorConditionFormula", "changedValidationFormula", "formula"},
		{"errorMessage", "changedValidationMessage", "error message"},
		{"errorDisplayField", "changedValidationLocation", "error location"},
	} {
		if a, b := before.value(c.element), after.value(c.element); a != b {
			r := row(c.action, "Changed "+c.words+" for "+object+" validation")
			r.Display += ` from "` + a + `" to "` + b + `"`
			out = append(out, r)
		}
	}
	return out
}

// trailOfFlow tells of a version of a flow.
func trailOfFlow(m Message, old, now Component) []org.Audit {
	name, n := flowVersion(m.FullName)
	c := now
	if m.Deleted {
		c = old
	}
	if n == 0 {
		n = c.number
	}
	root := flowRoot(c)
	version := fmt.Sprintf("flow version #%d %q for flow with Unique Name %q", n, root.value("label"), name)
	out := []org.Audit{{Action: verb(m) + "interactiondefversion", Section: "Flows", Display: titled(verb(m)) + " " + version}}
	switch {
	case m.Deleted:
		return out
	case m.Created:
		out = append([]org.Audit{{
			Action: "createdinteractiondefinition", Section: "Flows",
			Display: fmt.Sprintf("Created flow with Name %q and Unique Name %q", root.value("label"), name),
		}}, out...)
	default: // a change is a new version
		out[0].Action, out[0].Display = "createdinteractiondefversion", "Created "+version
	}
	if root.value("status") == flowIsActive {
		out = append(out, org.Audit{Action: "activatedinteractiondefversion", Section: "Flows", Display: "Activated " + version})
	}
	return out
}

// trailOfSwitch tells that a version of a flow was switched on, or the flow off.
func (d *deploy) trailOfSwitch(m Message) []org.Audit {
	n, ok := d.active[m.FullName]
	if !ok {
		return nil
	}
	if n == 0 {
		return []org.Audit{{Action: "deactivatedinteractiondefinition", Section: "Flows", Display: fmt.Sprintf("Deactivated flow with Unique Name %q", m.FullName)}}
	}
	return []org.Audit{{
		Action: "activatedinteractiondefversion", Section: "Flows",
		Display: fmt.Sprintf("Activated flow version #%d for flow with Unique Name %q", n, m.FullName),
	}}
}
