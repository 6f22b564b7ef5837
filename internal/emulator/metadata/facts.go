package metadata

import (
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"holdfast/internal/sf"
)

// Shown is a component as the Tooling API shows it.
type Shown struct {
	Component
	// Facts are fields beyond those that every component has, by their names in the Tooling API, as canonical
	// text. Source: Tooling API Developer Guide, ApexClass, ApexTrigger, Flow, FlowDefinition, ValidationRule.
	Facts map[string]string
	// Late are fields that are large, or worked out of what is. They may be read at any time.
	Late map[string]func() string
}

// Show returns the components of a type as the Tooling API has them: those of List, and each version of a
// flow for itself.
func (s *Store) Show(kind string) []Shown {
	list := s.List(kind, "")
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Shown
	for _, c := range list {
		switch kind {
		case "ApexClass", "ApexTrigger":
			out = append(out, Shown{c, codeFacts(c), codeTexts(c)})
		case "ValidationRule":
			out = append(out, Shown{Component: c, Facts: ruleFacts(c)})
		case "Flow":
			versions := flowVersions(s.components, c.FullName)
			for _, v := range versions {
				out = append(out, Shown{Component: v, Facts: flowFacts(v, definitionID(versions[0]))})
			}
		case "FlowDefinition":
			out = append(out, Shown{Component: c, Facts: s.definitionFacts(c)})
		default:
			out = append(out, Shown{Component: c})
		}
	}
	return out
}

// codeFacts tells of a class or a trigger what its file of facts says.
func codeFacts(c Component) map[string]string {
	facts := map[string]string{"Status": "Active", "IsValid": "true"}
	for name, content := range c.files {
		if !strings.HasSuffix(name, "-meta.xml") {
			continue
		}
		root, err := parseXML(content)
		if err != nil {
			continue // a deploy has refused it
		}
		if status := root.value("status"); status != "" {
			facts["Status"] = status
		}
		facts["ApiVersion"] = root.value("apiVersion")
	}
	return facts
}

// code is the text of a class or a trigger.
func (c Component) code() string {
	for name, content := range c.files {
		if !strings.HasSuffix(name, "-meta.xml") {
			return string(content)
		}
	}
	return ""
}

// codeTexts tells of a class or a trigger what its code says. The body of a managed one is hidden from subscribers.
// That LengthWithoutComments counts characters is unverified.
func codeTexts(c Component) map[string]func() string {
	texts := map[string]func() string{
		"Body": c.code,
		"LengthWithoutComments": func() string {
			return strconv.Itoa(utf8.RuneCountInString(comments.ReplaceAllString(c.code(), "")))
		},
	}
	if c.Namespace != "" {
		texts["Body"] = func() string { return "(hidden)" }
	}
	if c.Type == "ApexTrigger" {
		object := func() string {
			if head := triggerHead.FindStringSubmatch(c.code()); head != nil {
				return head[1]
			}
			return ""
		}
		texts["TableEnumOrId"], texts["EntityDefinitionId"] = object, object
	}
	return texts
}

// ruleFacts tells of a validation rule.
func ruleFacts(c Component) map[string]string {
	root, err := parseXML([]byte(c.body))
	if err != nil {
		return nil // a deploy has refused it
	}
	return map[string]string{
		"Active": strconv.FormatBool(root.value("active") == "true"), "ErrorMessage": root.value("errorMessage"), "Description": root.value("description"),
	}
}

// flowFacts tells of one version of a flow.
func flowFacts(version Component, definition string) map[string]string {
	root := flowRoot(version)
	name, _ := flowVersion(version.FullName)
	n := itoa(version.number)
	developer := strings.TrimPrefix(name, version.Namespace+"__")
	return map[string]string{
		"FullName": name + "-" + n, "DeveloperName": developer, "Definition.DeveloperName": developer, "Definition.NamespacePrefix": version.Namespace,
		"MasterLabel": root.value("label"), "Status": cmp.Or(root.value("status"), flowIsDraft), "ProcessType": root.value("processType"), "VersionNumber": n,
		"ApiVersion": root.value("apiVersion"), "DefinitionId": definition,
	}
}

// definitionFacts tells of the definition of a flow. The caller holds mu.
func (s *Store) definitionFacts(c Component) map[string]string {
	versions := flowVersions(s.components, c.FullName)
	newest := versions[len(versions)-1]
	facts := map[string]string{
		"MasterLabel": flowRoot(newest).value("label"), "LatestVersionId": newest.ID, "LatestVersion.VersionNumber": itoa(newest.number),
	}
	active := activeVersion(versions)
	for _, v := range versions {
		if v.number == active {
			facts["ActiveVersionId"], facts["ActiveVersion.VersionNumber"] = v.ID, itoa(active)
		}
	}
	return facts
}

// definitionID is the Id of the definition of a flow, made from that of its first version.
func definitionID(c Component) string {
	if len(c.ID) < 15 {
		return ""
	}
	id, err := sf.ParseID("300" + c.ID[3:15])
	if err != nil {
		return ""
	}
	return string(id)
}
