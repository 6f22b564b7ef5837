package metadata

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Which components keep another from being deleted is found out from their texts, because nothing
// here compiles Apex or draws up a graph of dependencies as the platform does:
//
//   - code (Apex without comments, pages, components, bundles), flows and the other declarative types
//     of users mention a component when its name stands in them as a whole word;
//   - a field is mentioned within the components of its own object by its name alone, and elsewhere by
//     its name together with the name of its object, or behind a relationship (__r.Field__c) in a
//     formula;
//   - a version of a flow keeps what it mentions whether or not it is active (simplysfdc.com, "Delete Custom
//     Field"), and, which is unverified and the harder reading, even when the same manifest deletes the version;
//   - layouts, list views, field sets, compact layouts, profiles, permission sets, translations, reports and
//     search layouts do not keep a component: the platform takes the mention out of them. Source:
//     Salesforce Help, "Delete Custom Fields"; for compact layouts unverified.
//
// Source of the problem's form: public deploy results ("This custom field is referenced elsewhere in
// salesforce.com. : Custom Formula Field - OpportunityLineItem.X__c", "This apex class is referenced
// elsewhere in salesforce.com.  Remove the usage and try again. : Visualforce Page - Foo").

// users are the types whose components keep what they mention, with the words by which the platform
// names them; those that no public result shows are unverified.
var users = map[string]string{
	"ApexClass": "Apex Class", "ApexTrigger": "Apex Trigger", "ApexPage": "Visualforce Page", "ApexComponent": "Visualforce Component",
	"AuraDefinitionBundle": "Lightning Component Bundle", "LightningComponentBundle": "Lightning Web Component",
	"Flow": "Flow Version", "FlexiPage": "Lightning Page", "QuickAction": "Quick Action", "CustomField": "Custom Formula Field",
	"ValidationRule": "Validation Formula", "WorkflowRule": "Workflow Rule", "WorkflowFieldUpdate": "Workflow Field Update",
	"WorkflowAlert": "Workflow Alert", "WorkflowTask": "Workflow Task", "WorkflowOutboundMessage": "Workflow Outbound Message",
	"SharingCriteriaRule": "Sharing Rule", "AssignmentRule": "Assignment Rule", "AutoResponseRule": "Auto-Response Rule",
	"EscalationRule": "Escalation Rule", "ApprovalProcess": "Approval Process", "DuplicateRule": "Duplicate Rule",
	"MatchingRule": "Matching Rule", "PathAssistant": "Path Assistant", "WebLink": "Custom Button or Link", "CustomTab": "Custom Tab",
	"CustomApplication": "Custom App",
}

// mends are the types that lose a mention of what is deleted.
var mends = map[string]bool{
	"Layout": true, "ListView": true, "FieldSet": true, "CompactLayout": true, "Profile": true, "PermissionSet": true,
}

// nouns are the words of the first sentence of a problem. Types that are not here are called by
// their name in words.
var nouns = map[string]string{
	"CustomField": "custom field", "ApexClass": "apex class", "ApexTrigger": "apex trigger", "CustomObject": "custom object",
	"ApexPage": "page", "ApexComponent": "component", "AuraDefinitionBundle": "lightning component bundle",
	"LightningComponentBundle": "lightning web component", "CustomLabel": "custom label", "GlobalValueSet": "global value set",
}

var wordStart = regexp.MustCompile(`([a-z])([A-Z])`)

// user is a component that keeps what it mentions, with all that it says.
type user struct {
	key
	label, text string
}

// usersOf are the users among components, by type and name. What each says is put together once for a
// whole manifest: an org has thousands of them.
func usersOf(view map[key]Component) []user {
	var out []user
	for k, c := range view {
		if label := users[k.kind]; label != "" {
			out = append(out, user{k, label, c.text()})
		}
	}
	slices.SortFunc(out, func(a, b user) int { return compareKeys(a.key, b.key) })
	return out
}

// usage says what keeps a component from being deleted; it is empty when nothing does. What goes with
// the same manifest does not count, but for versions of flows.
func usage(k key, among []user, gone map[key]bool) string {
	find := mentionOf(k)
	if find == nil {
		return ""
	}
	noun := cmp.Or(nouns[k.kind], strings.ToLower(wordStart.ReplaceAllString(k.kind, "$1 $2")))
	first, tail := "This "+noun+" is referenced elsewhere in salesforce.com.", " "
	switch k.kind {
	case "CustomField":
	case "CustomObject":
		first = "This custom object is used by another feature. Remove the usage and try again."
	default:
		first += "  Remove the usage and try again."
	}
	var found []string
	for _, other := range among {
		parent, _ := parentOf(other.kind, other.name)
		together := gone[other.key] && (other.kind != "Flow" || k.kind == "Flow")
		if other.key == k || together || parent == k || gone[parent] {
			continue
		}
		if find(other.key, other.text) {
			found = append(found, first+tail+": "+other.label+" - "+other.name+".")
		}
	}
	return strings.Join(found, " ")
}

// comments of Apex.
var comments = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/`)

// text is everything that a component says.
func (c Component) text() string {
	var b strings.Builder
	b.WriteString(c.body)
	for _, p := range c.parts {
		b.WriteString(p.body)
	}
	for _, file := range slices.Sorted(maps.Keys(c.files)) {
		content := string(c.files[file])
		if c.Type == "ApexClass" || c.Type == "ApexTrigger" {
			content = comments.ReplaceAllString(content, " ")
		}
		b.WriteString(content)
	}
	return b.String()
}

// mentionOf returns what finds a component in the text of another; nil for types that nothing
// mentions by a name of their own.
func mentionOf(k key) func(other key, text string) bool {
	word := func(name string) *regexp.Regexp { return regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`) }
	switch k.kind {
	case "CustomField":
		object, field, _ := strings.Cut(k.name, ".")
		inField, inObject := word(field), word(object)
		path := regexp.MustCompile(`(__r|\b` + regexp.QuoteMeta(object) + `)\.` + regexp.QuoteMeta(field) + `\b`)
		return func(other key, text string) bool {
			if !strings.Contains(text, field) {
				return false
			}
			owner, _, within := strings.Cut(other.name, ".")
			switch {
			case within && owner == object:
				return inField.MatchString(text)
			case other.kind == "CustomField" || other.kind == "ValidationRule":
				return path.MatchString(text)
			}
			return inField.MatchString(text) && inObject.MatchString(text)
		}
	case "CustomObject":
		name := word(k.name)
		return func(other key, text string) bool {
			owner, _, _ := strings.Cut(other.name, ".")
			if other.kind == "CustomTab" || other.kind == "CustomApplication" || owner == k.name {
				return false // these go or change with their object
			}
			return strings.Contains(text, k.name) && name.MatchString(text)
		}
	case "ApexClass", "ApexPage", "ApexComponent", "AuraDefinitionBundle", "LightningComponentBundle", "Flow", "GlobalValueSet",
		"CustomLabel", "CustomPermission", "StaticResource", "FlexiPage":
		name := word(k.name)
		return func(_ key, text string) bool { return strings.Contains(text, k.name) && name.MatchString(text) }
	}
	return nil
}

// strip takes the mentions of a field or an object out of a component that the platform mends, and
// reports whether there were any.
func (c *Component) strip(k key) bool {
	object, field, isField := strings.Cut(k.name, ".")
	own := strings.HasPrefix(c.FullName, object+".") || strings.HasPrefix(c.FullName, object+"-")
	if !strings.Contains(c.text(), object) && !own {
		return false
	}
	doomed := func(e *element) bool {
		switch e.name {
		case "fieldPermissions":
			return isField && e.value("field") == k.name || !isField && strings.HasPrefix(e.value("field"), object+".")
		case "objectPermissions":
			return !isField && e.value("object") == object
		case "layoutAssignments":
			return !isField && strings.HasPrefix(e.value("layout"), object+"-")
		case "recordTypeVisibilities":
			return !isField && strings.HasPrefix(e.value("recordType"), object+".")
		case "layoutItems", "displayedFields", "availableFields":
			return own && isField && e.value("field") == field
		case "columns", "fields":
			return own && isField && len(e.kids) == 0 && e.text == field
		}
		return false
	}
	changed := false
	if c.body != "" {
		if root, err := parseXML([]byte(c.body)); err == nil && prune(root, doomed) {
			c.body, changed = root.print(), true
		}
	}
	kept := make([]part, 0, len(c.parts))
	for _, p := range c.parts {
		root, err := parseXML([]byte(p.body))
		if err == nil && doomed(root) {
			changed = true
			continue
		}
		kept = append(kept, p)
	}
	c.parts = kept
	files := maps.Clone(c.files)
	for file, content := range c.files {
		if root, err := parseXML(content); err == nil && prune(root, doomed) {
			files[file], changed = root.normal(), true
		}
	}
	c.files = files
	return changed
}

// prune removes the elements below that are doomed.
func prune(e *element, doomed func(*element) bool) bool {
	n := len(e.kids)
	e.kids = slices.DeleteFunc(e.kids, doomed)
	changed := len(e.kids) != n
	for _, k := range e.kids {
		changed = prune(k, doomed) || changed
	}
	return changed
}
