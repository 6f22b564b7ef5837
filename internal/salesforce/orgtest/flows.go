package orgtest

import (
	"fmt"
	"strings"
	"testing"
)

const routeFlow = "Orgtest_Route"

// flowFile is a flow that does nothing.
func flowFile(label, status string) map[string]string {
	return map[string]string{"flows/" + routeFlow + ".flow": "<Flow" + metadataNamespace + "><apiVersion>65.0</apiVersion><label>" + label +
		"</label><processType>AutoLaunchedFlow</processType><start><locationX>0</locationX><locationY>0</locationY></start><status>" + status + "</status></Flow>"}
}

// route deploys versions of the flow, "label status" each, and takes the flow away at the end of the test.
func (o *Org) route(versions ...string) {
	o.t.Helper()
	o.t.Cleanup(func() {
		o.switchRoute(0)
		var members []string
		for _, r := range o.routes() {
			members = append(members, routeFlow+"-"+fmt.Sprint(r["VersionNumber"]))
		}
		o.destroy(map[string][]string{"Flow": members})
	})
	for _, v := range versions {
		label, status, _ := strings.Cut(v, " ")
		o.must(o.Deploy(flowFile(label, status), map[string][]string{"Flow": {routeFlow}}, nil))
	}
}

// routes are the versions of the flow.
func (o *Org) routes() []Values {
	o.t.Helper()
	return o.Tooling("SELECT VersionNumber, Status, MasterLabel FROM Flow WHERE Definition.DeveloperName = '" + routeFlow + "' ORDER BY VersionNumber")
}

// routed spells the versions of the flow: "1 One Active".
func (o *Org) routed() string {
	o.t.Helper()
	var out []string
	for _, r := range o.routes() {
		out = append(out, fmt.Sprint(r["VersionNumber"], " ", r["MasterLabel"], " ", r["Status"]))
	}
	return strings.Join(out, ", ")
}

// Tooling asks the Tooling API.
func (o *Org) Tooling(soql string) []Values {
	o.t.Helper()
	var page struct{ Records []Values }
	o.Get("tooling/query?q=" + escape(soql)).OK(200).Into(&page)
	return page.Records
}

// switchRoute makes a version of the flow the active one; 0 switches it off.
func (o *Org) switchRoute(n int) Deployment {
	o.t.Helper()
	return o.Deploy(map[string]string{"flowDefinitions/" + routeFlow + ".flowDefinition": "<FlowDefinition" + metadataNamespace +
		"><activeVersionNumber>" + fmt.Sprint(n) + "</activeVersionNumber></FlowDefinition>"}, map[string][]string{"FlowDefinition": {routeFlow}}, nil)
}

func (o *Org) wantRoutes(want string) {
	o.t.Helper()
	if got := o.routed(); got != want {
		o.t.Errorf("got %s, want %s", got, want)
	}
}

var flowRules = []law{
	{
		"flows/a-change-is-a-version", "A changed flow is a new version, and an active one takes the place of the one before",
		document("Metadata API Developer Guide, Flow: changes to active flows; Tooling API Developer Guide, Flow: Status"),
		func(_ *testing.T, o *Org) {
			o.route("One Active", "Two Active", "Three Draft")
			o.wantRoutes("1 One Obsolete, 2 Two Active, 3 Three Draft")
		},
	},
	{
		"flows/one-name", "A list shows a flow once, and a retrieve by its name gives the newest version",
		document("Gearset, Changes to Flows in v44 of the Metadata API"),
		func(t *testing.T, o *Org) {
			o.route("One Active", "Two Draft")
			body := string(o.meta("listMetadata", "<queries><type>Flow</type></queries><asOfVersion>65.0</asOfVersion>").OK(200).Body)
			if n := strings.Count(body, "<fullName>"+routeFlow); n != 1 {
				t.Errorf("listed %d times", n)
			}
			if file := o.retrieve(t, map[string][]string{"Flow": {routeFlow}})["unpackaged/flows/"+routeFlow+".flow"]; !strings.Contains(file, "<label>Two</label>") {
				t.Errorf("%.300s", file)
			}
		},
	},
	{
		"flows/status-alone", "A flow that differs in its status alone is unchanged",
		document("public accounts: sfdx-git-delta issue 588"),
		func(_ *testing.T, o *Org) {
			o.route("One Active", "Two Draft", "Two Active")
			o.wantRoutes("1 One Active, 2 Two Draft")
		},
	},
	{
		"flows/switched", "A FlowDefinition switches versions, whatever their files say",
		document("Metadata API Developer Guide, FlowDefinition: activeVersionNumber"),
		func(_ *testing.T, o *Org) {
			o.route("One Active", "Two Active")
			o.must(o.switchRoute(1))
			o.wantRoutes("1 One Active, 2 Two Obsolete")
			o.must(o.switchRoute(0))
			o.wantRoutes("1 One Obsolete, 2 Two Obsolete")
		},
	},
	{
		"flows/no-such-version", "A version that is not there cannot be switched on",
		document("public deploy results: Invalid version number (Copado, How to Deploy Flows from v44)"),
		func(_ *testing.T, o *Org) {
			o.route("One Draft")
			o.failed(o.switchRoute(9), "Invalid version number: 9")
		},
	},
	{
		"flows/not-by-name", "A flow is not deleted by its name",
		document("public deploy results: insufficient access rights on cross-reference id (sfdx-git-delta issue 366, forcedotcom/cli issue 3401)"),
		func(_ *testing.T, o *Org) {
			o.route("One Active")
			o.failed(o.destroy(map[string][]string{"Flow": {routeFlow}}), "insufficient access rights on cross-reference id")
		},
	},
	{
		"flows/not-while-active", "The active version of a flow is not deleted, and another one is",
		document("Metadata API Developer Guide, Flow: a version can be deleted if it is not active"),
		func(_ *testing.T, o *Org) {
			o.route("One Active", "Two Active")
			o.failed(o.destroy(map[string][]string{"Flow": {routeFlow + "-2"}}), "")
			o.must(o.destroy(map[string][]string{"Flow": {routeFlow + "-1"}}))
			o.wantRoutes("2 Two Active")
		},
	},
	{
		"deploys/coverage", "A class that the named tests do not cover fails the deployment",
		document("Metadata API Developer Guide, DeployOptions: RunSpecifiedTests; public deploy results: Test coverage of selected Apex Trigger is 0%"),
		func(t *testing.T, o *Org) {
			meta := "<ApexClass" + metadataNamespace + "><apiVersion>65.0</apiVersion><status>Active</status></ApexClass>"
			d := o.Deploy(map[string]string{
				"classes/OrgtestSum.cls": "public class OrgtestSum {\n  public static Integer of(Integer a, Integer b) {\n    return a + b;\n  }\n}", "classes/OrgtestSum.cls-meta.xml": meta,
				"classes/OrgtestNone.cls": "@isTest private class OrgtestNone {\n  @isTest static void nothing() { System.assert(true); }\n}", "classes/OrgtestNone.cls-meta.xml": meta,
			}, map[string][]string{"ApexClass": {"OrgtestSum", "OrgtestNone"}}, Values{"checkOnly": true, "testLevel": "RunSpecifiedTests", "runTests": []string{"OrgtestNone"}})
			if d.DeployResult.Success {
				t.Error("it succeeded")
			}
		},
	},
	{
		"destructive/comes-back-empty", "A field that is deleted and deployed again has no values",
		document("Salesforce Help, Manage Deleted Custom Fields: a new field is another field"),
		func(t *testing.T, o *Org) {
			o.build(text("Color__c", ""))
			o.must(o.Deploy(map[string]string{"profiles/Admin.profile": "<Profile" + metadataNamespace + "><fieldPermissions><editable>true</editable><field>" + houseObject +
				".Color__c</field><readable>true</readable></fieldPermissions></Profile>"}, map[string][]string{"Profile": {"Admin"}}, nil))
			id := o.Create(houseObject, Values{"Name": "h", "Color__c": "red"})
			o.must(o.destroy(map[string][]string{"CustomField": {houseObject + ".Color__c"}}))
			files := house(text("Color__c", ""))
			files["profiles/Admin.profile"] = "<Profile" + metadataNamespace + "><fieldPermissions><editable>true</editable><field>" + houseObject +
				".Color__c</field><readable>true</readable></fieldPermissions></Profile>"
			o.must(o.Deploy(files, map[string][]string{"CustomObject": {houseObject}, "Profile": {"Admin"}}, nil))
			if rows := o.Query("SELECT Color__c FROM " + houseObject + " WHERE Id = '" + id + "'").Records; len(rows) != 1 || rows[0]["Color__c"] != nil {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"deploys/retyped", "A text that is no number is gone when its field becomes a number",
		document("Salesforce Help, Considerations for Converting the Field Type of a Custom Field: data loss"),
		func(t *testing.T, o *Org) {
			access := "<Profile" + metadataNamespace + "><fieldPermissions><editable>true</editable><field>" + houseObject + ".Turn__c</field><readable>true</readable></fieldPermissions></Profile>"
			deploy := func(field string) {
				files := house(field)
				files["profiles/Admin.profile"] = access
				o.must(o.Deploy(files, map[string][]string{"CustomObject": {houseObject}, "Profile": {"Admin"}}, nil))
			}
			o.build("")
			deploy(text("Turn__c", ""))
			id := o.Create(houseObject, Values{"Name": "h", "Turn__c": "red"})
			deploy(number("Turn__c", ""))
			if rows := o.Query("SELECT Turn__c FROM " + houseObject + " WHERE Id = '" + id + "'").Records; len(rows) != 1 || rows[0]["Turn__c"] != nil {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"deploys/audit-trail", "A deployed field and its deletion stand in the setup audit trail, with who and when",
		document("Object Reference, SetupAuditTrail; public exports of audit trails: createdCFCustom, deletedCFCustom"),
		func(t *testing.T, o *Org) {
			o.build(text("Audited__c", ""))
			o.must(o.destroy(map[string][]string{"CustomField": {houseObject + ".Audited__c"}}))
			for _, action := range []string{"createdCFCustom", "deletedCFCustom"} {
				rows := o.Query("SELECT Display, CreatedById FROM SetupAuditTrail WHERE Action = '" + action + "' ORDER BY CreatedDate DESC, Id DESC LIMIT 5").Records
				found := false
				for _, r := range rows {
					found = found || strings.Contains(fmt.Sprint(r["Display"]), "Audited") && r["CreatedById"] == o.User()
				}
				if !found {
					t.Errorf("%s: %v", action, rows)
				}
			}
		},
	},
}

// productionRules validate, and change nothing.
var productionRules = []law{
	{
		"production/no-test-run", "No deployment goes without tests by asking for none",
		document("public replies: testLevel of NoTestRun cannot be used in production organizations (forcedotcom/cli issue 2105)"),
		func(_ *testing.T, o *Org) {
			o.refusedOptions(Values{"testLevel": "NoTestRun"}, "testLevel of NoTestRun cannot be used in production organizations")
		},
	},
	{
		"production/rollback", "Nothing is deployed in part",
		document("Metadata API Developer Guide, DeployOptions: rollbackOnError must be true in production"),
		func(_ *testing.T, o *Org) { o.refusedOptions(Values{"rollbackOnError": false}, "rollbackOnError") },
	},
	{
		"production/purge", "Nothing is purged",
		document("public replies: purgeOnDelete option can only be used on a non-active org (IlluminatedCloud issue 583)"),
		func(_ *testing.T, o *Org) {
			o.refusedOptions(Values{"purgeOnDelete": true}, "purgeOnDelete option can only be used on a non-active org")
		},
	},
	{
		"production/described", "describeMetadata says that tests are required and that nothing is saved in part",
		document("Metadata API Developer Guide, DescribeMetadataResult: testRequired, partialSaveAllowed"),
		func(t *testing.T, o *Org) {
			r := o.meta("describeMetadata", "<asOfVersion>65.0</asOfVersion>").OK(200)
			if r.Element("testRequired") != "true" || r.Element("partialSaveAllowed") != "false" {
				t.Errorf("testRequired %s, partialSaveAllowed %s", r.Element("testRequired"), r.Element("partialSaveAllowed"))
			}
		},
	},
}

// refusedOptions demands that a validation with these options is refused with a text.
func (o *Org) refusedOptions(options Values, want string) {
	o.t.Helper()
	options["checkOnly"] = true
	files := house("")
	files["package.xml"] = manifest(houseMember)
	if r := o.upload(files, options); r.Status < 400 || !strings.Contains(string(r.Body), want) {
		o.t.Errorf("status %d: %.300s", r.Status, r.Body)
	}
}
