package project

import (
	"path"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
)

// apart are the files into which a project may take components that are one file otherwise, by the folder of their type:
// what their names end in before -meta.xml. They are not put together here, and what is left of the component without
// them is not the component.
// Source: sfdx-project.json, "sourceBehaviorOptions"; the presets of @salesforce/source-deploy-retrieve 12.
var apart = map[string]struct {
	kind     string
	suffixes []string
}{
	"labels": {"CustomLabels", []string{"label"}},
	"permissionsets": {"PermissionSet", []string{
		"applicationVisibility", "classAccess", "customMetadataTypeAccess", "customPermission", "customPermissions", "customSettingAccess",
		"externalCredentialPrincipalAccess", "externalDataSourceAccess", "fieldPermission", "flowAccess", "objectPermission",
		"objectSettings", "pageAccess", "recordTypeVisibility", "tabSetting", "userPermission",
	}},
	"sharingRules": {"SharingRules", []string{"sharingCriteriaRule", "sharingGuestRule", "sharingOwnerRule", "sharingTerritoryRule"}},
	"workflows": {"Workflow", []string{
		"workflowAlert", "workflowFieldUpdate", "workflowFlowAction", "workflowKnowledgePublish", "workflowOutboundMessage",
		"workflowRule", "workflowSend", "workflowTask",
	}},
	"externalServiceRegistrations": {"ExternalServiceRegistration", []string{"yaml"}},
}

// takenApart returns the types of which a project has components in such parts, each with the path of one.
func takenApart(files []component.Entry) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		suffix := strings.TrimPrefix(path.Ext(strings.TrimSuffix(f.Path, "-meta.xml")), ".")
		for _, dir := range strings.Split(path.Dir(f.Path), "/") {
			if a, ok := apart[dir]; ok && slices.Contains(a.suffixes, suffix) {
				out[a.kind] = f.Path
			}
		}
	}
	return out
}

// whole refuses a project that has components in such parts: compared, they would lack what the parts have, and
// deployed, they would take it away.
func whole(files []component.Entry) error {
	for kind, name := range takenApart(files) {
		return problem.Newf(problem.Usage, "%s is a part of a %s, as sourceBehaviorOptions of sfdx-project.json have it, and such parts are not read", name, kind).
			Hint("name a folder that `sf project convert source` has made of the project, or list the folder of the type in .forceignore")
	}
	return nil
}
