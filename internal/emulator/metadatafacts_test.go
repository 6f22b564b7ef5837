package emulator_test

import (
	"fmt"
	"net/url"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// The Tooling API tells what is switched on: the metadata says it, and no list does.
func TestToolingTellsWhatIsSwitchedOn(t *testing.T) {
	c := start(t, emulator.Options{})
	deploy := func(files ...string) {
		t.Helper()
		c.deploy("ZipFile", "id", packed(t, files...)).has("<status>Succeeded</status>")
	}
	is := func(soql string, want ...string) {
		t.Helper()
		var p page
		c.do("GET", "tooling/query?q="+url.QueryEscape(soql), "").ok(200).into(&p)
		if got, want := fmt.Sprint(bare(p.Records)), fmt.Sprint(want); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", soql, got, want)
		}
	}
	const space = ` xmlns="http://soap.sforce.com/2006/04/metadata">`
	code := func(kind, status string) string {
		return "<" + kind + space + "<apiVersion>61.0</apiVersion><status>" + status + "</status></" + kind + ">"
	}
	deploy("package.xml", testkit.PackageXML("ApexTrigger", "Guard"), "triggers/Guard.trigger", "trigger Guard on Lead (before insert) {/* x */}",
		"triggers/Guard.trigger-meta.xml", code("ApexTrigger", "Active"))
	deploy("package.xml", testkit.PackageXML("ApexClass", "Sum"), "classes/Sum.cls", "public class Sum {}", "classes/Sum.cls-meta.xml", code("ApexClass", "Active"))
	is("SELECT Name, Body, Status, IsValid FROM ApexClass", "map[Body:public class Sum {} IsValid:true Name:Sum Status:Active]")
	is("SELECT Name, Status, ApiVersion, TableEnumOrId FROM ApexTrigger", "map[ApiVersion:61 Name:Guard Status:Active TableEnumOrId:Lead]")
	deploy("package.xml", testkit.PackageXML("ApexTrigger", "Guard"), "triggers/Guard.trigger", "trigger Guard on Lead (before insert) {}",
		"triggers/Guard.trigger-meta.xml", code("ApexTrigger", "Inactive"))
	is("SELECT Name FROM ApexTrigger WHERE Status = 'Active'")

	rule := func(active string) {
		deploy("package.xml", testkit.PackageXML("ValidationRule", "Lead.Named"), "objects/Lead.object", "<CustomObject"+space+
			"<validationRules><fullName>Named</fullName><active>"+active+"</active><errorConditionFormula>ISBLANK(LastName)</errorConditionFormula>"+
			"<errorMessage>Name it.</errorMessage></validationRules></CustomObject>")
	}
	const rules = "SELECT ValidationName, Active, ErrorMessage, EntityDefinition.QualifiedApiName FROM ValidationRule"
	rule("true")
	is(rules, "map[Active:true EntityDefinition:map[QualifiedApiName:Lead] ErrorMessage:Name it. ValidationName:Named]")
	rule("false")
	is(rules, "map[Active:false EntityDefinition:map[QualifiedApiName:Lead] ErrorMessage:Name it. ValidationName:Named]")

	flow := func(label, status string) {
		deploy("package.xml", testkit.PackageXML("Flow", "Route"), "flows/Route.flow", "<Flow"+space+"<label>"+label+
			"</label><processType>AutoLaunchedFlow</processType><status>"+status+"</status></Flow>")
	}
	const versions = "SELECT VersionNumber, Status, MasterLabel, Definition.DeveloperName FROM Flow ORDER BY VersionNumber"
	flow("First", "Active")
	is(versions, "map[Definition:map[DeveloperName:Route] MasterLabel:First Status:Active VersionNumber:1]")
	flow("Second", "Active")
	flow("Third", "Draft")
	is(versions, "map[Definition:map[DeveloperName:Route] MasterLabel:First Status:Obsolete VersionNumber:1]",
		"map[Definition:map[DeveloperName:Route] MasterLabel:Second Status:Active VersionNumber:2]",
		"map[Definition:map[DeveloperName:Route] MasterLabel:Third Status:Draft VersionNumber:3]")
	const definition = "SELECT DeveloperName, ActiveVersion.VersionNumber, LatestVersion.VersionNumber FROM FlowDefinition"
	is(definition, "map[ActiveVersion:map[VersionNumber:2] DeveloperName:Route LatestVersion:map[VersionNumber:3]]")
	deploy("package.xml", testkit.PackageXML("FlowDefinition", "Route"), "flowDefinitions/Route.flowDefinition",
		"<FlowDefinition"+space+"<activeVersionNumber>0</activeVersionNumber></FlowDefinition>")
	is("SELECT VersionNumber FROM Flow WHERE Status = 'Active'")

	ids := map[any]bool{}
	var p page
	c.do("GET", "tooling/query?q="+url.QueryEscape("SELECT Id, DefinitionId FROM Flow"), "").ok(200).into(&p)
	for _, r := range p.Records {
		ids[r["Id"]] = true
		if d := fmt.Sprint(r["DefinitionId"]); len(d) != 18 || d[:3] != "300" {
			t.Errorf("definition %s", d)
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d Ids of 3 versions", len(ids))
	}
}
