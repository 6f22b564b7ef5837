package metadata

import (
	"path"
	"strconv"
	"strings"

	"holdfast/internal/sf"
)

// Shown is a component as the Tooling API shows it.
type Shown struct {
	Component
	// Facts are fields beyond those that every component has, by their names in the Tooling API, as canonical
	// text. Source: Tooling API Developer Guide, ApexClass, ApexTrigger, Flow, FlowDefinition, ValidationRule.
	Facts map[string]string
}

// Show returns the components of a type as the Tooling API has them: those of List, and each version of a
// flow for itself.
func (s *Store) Show(kind string) []Shown {
	list := s.List(kind, "")
	if kind == "FlowDefinition" {
		list = s.List("Flow", "")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Shown
	for _, c := range list {
		switch kind {
		case "ApexClass", "ApexTrigger":
			out = append(out, Shown{c, codeFacts(c)})
		case "ValidationRule":
			out = append(out, Shown{c, ruleFacts(c)})
		case "Flow":
			versions, active := s.versions(c)
			for i, v := range versions {
				out = append(out, Shown{v, flowFacts(v, c, i+1, active)})
			}
		case "FlowDefinition":
			out = append(out, s.definition(c))
		default:
			out = append(out, Shown{Component: c})
		}
	}
	return out
}

// codeFacts tells of a class or a trigger. The body of a managed one is hidden from subscribers.
// That LengthWithoutComments counts characters is unverified.
func codeFacts(c Component) map[string]string {
	facts := map[string]string{"Status": "Active", "IsValid": "true"}
	for name, content := range c.files {
		if !strings.HasSuffix(name, "-meta.xml") {
			facts["Body"] = string(content)
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
	if c.Type == "ApexTrigger" {
		if head := triggerHead.FindStringSubmatch(facts["Body"]); head != nil {
			facts["TableEnumOrId"], facts["EntityDefinitionId"] = head[1], head[1]
		}
	}
	facts["LengthWithoutComments"] = strconv.Itoa(len([]rune(comments.ReplaceAllString(facts["Body"], ""))))
	if c.Namespace != "" {
		facts["Body"] = "(hidden)"
	}
	return facts
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

// versions returns the versions of a flow from the first on, and the number of the active one; 0 if none
// is. What a FlowDefinition switched on last counts before the status of the newest.
func (s *Store) versions(newest Component) (all []Component, active int) {
	for n := 1; ; n++ {
		c, ok := s.components[key{"Flow", newest.FullName + "-" + strconv.Itoa(n)}]
		if !ok {
			break
		}
		all = append(all, c)
	}
	all = append(all, newest)
	for n, c := range all {
		if flowActive(c) {
			active = n + 1
		}
	}
	if d, ok := s.components[key{"FlowDefinition", newest.FullName}]; ok && !d.Modified.Before(newest.Modified) {
		if n, err := strconv.Atoi(flowRoot(d).value("activeVersionNumber")); err == nil {
			active = n
		}
	}
	return all, active
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

// flowFacts tells of one version of a flow. One that was active and has been followed by another is obsolete.
// Source: Tooling API Developer Guide, Flow, Status.
func flowFacts(version, newest Component, n, active int) map[string]string {
	root := flowRoot(version)
	status := root.value("status")
	switch {
	case n == active:
		status = "Active"
	case status == "Active":
		status = "Obsolete"
	}
	return map[string]string{
		"FullName": newest.FullName + "-" + strconv.Itoa(n), "DeveloperName": newest.FullName, "Definition.DeveloperName": newest.FullName,
		"MasterLabel": root.value("label"), "Status": status, "ProcessType": root.value("processType"), "VersionNumber": strconv.Itoa(n),
		"ApiVersion": root.value("apiVersion"), "DefinitionId": definitionID(newest),
	}
}

// definition is the FlowDefinition that each flow has.
func (s *Store) definition(newest Component) Shown {
	versions, active := s.versions(newest)
	facts := map[string]string{
		"MasterLabel": flowRoot(newest).value("label"), "LatestVersionId": newest.ID, "LatestVersion.VersionNumber": strconv.Itoa(len(versions)),
	}
	if active > 0 && active <= len(versions) {
		facts["ActiveVersionId"], facts["ActiveVersion.VersionNumber"] = versions[active-1].ID, strconv.Itoa(active)
	}
	d := newest
	d.Type, d.ID = "FlowDefinition", definitionID(newest)
	return Shown{d, facts}
}

// definitionID is the Id of the definition of a flow, made from that of the flow.
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
