package metadata

import (
	"encoding/xml"
	"fmt"
	"slices"
)

// manifest is a package.xml or a destructiveChanges.xml.
type manifest struct {
	Version string         `xml:"version"`
	Types   []manifestType `xml:"types"`
}

type manifestType struct {
	Name    string   `xml:"name"`
	Members []string `xml:"members"`
}

func readManifest(raw []byte) (*manifest, error) {
	m := &manifest{}
	if err := xml.Unmarshal(raw, m); err != nil {
		return nil, fmt.Errorf("Error parsing file: %w", err) //nolint:staticcheck // the platform's text
	}
	return m, nil
}

// has reports a member, or a wildcard for its type.
func (m *manifest) has(kind, name string) bool {
	for _, t := range m.Types {
		if t.Name == kind && (slices.Contains(t.Members, name) || slices.Contains(t.Members, "*")) {
			return true
		}
	}
	return false
}

// kind is one metadata type that lies in a folder of its own, one file (or a file and its -meta.xml)
// a component. Source: the metadata registry of source-deploy-retrieve, and describeMetadata.
type kind struct {
	name, folder, suffix string
}

var kinds = []kind{
	{"CustomObject", "objects", "object"},
	{"GlobalValueSet", "globalValueSets", "globalValueSet"},
	{"StandardValueSet", "standardValueSets", "standardValueSet"},
	{"CustomMetadata", "customMetadata", "md"},
	{"InstalledPackage", "installedPackages", "installedPackage"},
	{"Profile", "profiles", "profile"},
	{"PermissionSet", "permissionsets", "permissionset"},
	{"PermissionSetGroup", "permissionsetgroups", "permissionsetgroup"},
	{"Layout", "layouts", "layout"},
	{"CustomTab", "tabs", "tab"},
	{"CustomApplication", "applications", "app"},
	{"CustomLabels", "labels", "labels"},
	{"CustomPermission", "customPermissions", "customPermission"},
	{"ApexClass", "classes", "cls"},
	{"ApexTrigger", "triggers", "trigger"},
	{"ApexPage", "pages", "page"},
	{"ApexComponent", "components", "component"},
	{"Flow", "flows", "flow"},
	{"Workflow", "workflows", "workflow"},
	{"QuickAction", "quickActions", "quickAction"},
	{"FlexiPage", "flexipages", "flexipage"},
	{"ReportType", "reportTypes", "reportType"},
	{"Report", "reports", "report"},
	{"Dashboard", "dashboards", "dashboard"},
	{"EmailTemplate", "email", "email"},
	{"MatchingRules", "matchingRules", "matchingRule"},
	{"DuplicateRule", "duplicateRules", "duplicateRule"},
	{"StaticResource", "staticresources", "resource"},
	{"RemoteSiteSetting", "remoteSiteSettings", "remoteSite"},
	{"CspTrustedSite", "cspTrustedSites", "cspTrustedSite"},
	{"Prompt", "prompts", "prompt"},
	{"Role", "roles", "role"},
	{"Group", "groups", "group"},
	{"Queue", "queues", "queue"},
	{"Settings", "settings", "settings"},
	{"SharingRules", "sharingRules", "sharingRules"},
	{"AssignmentRules", "assignmentRules", "assignmentRules"},
	{"NamedCredential", "namedCredentials", "namedCredential"},
	{"CustomObjectTranslation", "objectTranslations", "objectTranslation"},
	{"ConnectedApp", "connectedApps", "connectedApp"},
}

// parts are the metadata types that live inside the file of another: CustomField in CustomObject …
var parts = []string{
	"CustomField", "RecordType", "ValidationRule", "ListView", "FieldSet", "CompactLayout", "WebLink", "BusinessProcess",
	"SharingReason", "Index", "CustomLabel", "WorkflowAlert", "WorkflowFieldUpdate", "WorkflowRule", "MatchingRule",
}

func kindNamed(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}
