package metadata_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

const ns = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

// site is an org into which components are deployed and records are written.
type site struct {
	t *testing.T
	o *org.Org
	s *metadata.Store
}

func newSite(t *testing.T) *site {
	o := org.New(org.Config{})
	return &site{t, o, metadata.New(o, nil)}
}

// deploy deploys files given as path, content; types are "Type Member" lines of the manifest.
func (w *site) try(types string, files ...string) *metadata.Result {
	w.t.Helper()
	all := map[string]string{}
	for i := 0; i < len(files); i += 2 {
		all[files[i]] = `<?xml version="1.0"?>` + files[i+1]
		if strings.HasSuffix(files[i], ".trigger") {
			all[files[i]] = files[i+1]
		}
	}
	manifest := `<Package` + ns + `>`
	for _, line := range strings.Split(types, ";") {
		kind, member, _ := strings.Cut(strings.TrimSpace(line), " ")
		manifest += "<types><members>" + member + "</members><name>" + kind + "</name></types>"
	}
	all["package.xml"] = manifest + "<version>66.0</version></Package>"
	return deployAny(w.t, w.s, w.o, all, metadata.Options{RollbackOnError: true, SinglePackage: true})
}

func (w *site) deploy(types string, files ...string) {
	w.t.Helper()
	if r := w.try(types, files...); !r.Success {
		for _, m := range r.Components {
			if !m.Success {
				w.t.Errorf("%s %s: %s", m.ComponentType, m.FullName, m.Problem)
			}
		}
		w.t.Fatalf("deploy: %s %s", r.Status, r.ErrorMessage)
	}
}

// insert returns the code of the refusal, or the Id.
func (w *site) insert(object string, pairs ...string) string {
	row := org.Row{Object: object}
	for _, p := range pairs {
		name, text, _ := strings.Cut(p, "=")
		row.Fields = append(row.Fields, org.Assignment{Field: name, Text: text})
	}
	r := w.o.Write(w.o.Admin(), org.Insert, []org.Row{row}, org.Options{Assign: true})[0]
	if !r.Success {
		return r.Errors[0].Code + " " + r.Errors[0].Message
	}
	return string(r.ID)
}

func (w *site) wantRefused(code, object string, pairs ...string) {
	w.t.Helper()
	if got := w.insert(object, pairs...); !strings.HasPrefix(got, code) {
		w.t.Errorf("insert %s %v: %s, want %s", object, pairs, got, code)
	}
}

func (w *site) read(query string) string {
	w.t.Helper()
	q, err := soql.Parse(query)
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := w.o.Query(w.o.Admin(), q, false)
	if err != nil || a.Len() == 0 {
		w.t.Fatalf("%s: %v", query, err)
	}
	return a.Text(0, 0)
}

func ruleFile(active string) string {
	return `<CustomObject` + ns + `><validationRules><fullName>NoX</fullName><active>` + active + `</active>
	<errorConditionFormula>Name = &quot;X&quot;</errorConditionFormula><errorDisplayField>Name</errorDisplayField><errorMessage>no X</errorMessage></validationRules></CustomObject>`
}

// TestDeployedValidationRuleActs: Metadata API Developer Guide, ValidationRule, active.
func TestDeployedValidationRuleActs(t *testing.T) {
	w := newSite(t)
	w.deploy("ValidationRule Account.NoX", "objects/Account.object", ruleFile("true"))
	w.wantRefused("FIELD_CUSTOM_VALIDATION_EXCEPTION no X", "Account", "Name=X")
	w.deploy("ValidationRule Account.NoX", "objects/Account.object", ruleFile("false"))
	w.wantRefused("001", "Account", "Name=X")
	w.deploy("ValidationRule Account.NoX", "objects/Account.object", ruleFile("true"))
	w.deploy("CustomObject *", "destructiveChanges.xml", `<Package`+ns+`><types><members>Account.NoX</members><name>ValidationRule</name></types><version>66.0</version></Package>`)
	w.wantRefused("001", "Account", "Name=X")
	bad := strings.Replace(ruleFile("true"), "Name =", "Nope__c =", 1)
	r := w.try("ValidationRule Account.NoX", "objects/Account.object", bad)
	if r.Success || !strings.Contains(r.Components[0].Problem, "Field Nope__c does not exist. Check spelling.") {
		t.Errorf("a wrong rule: %+v", r)
	}
}

// TestDeployedDuplicateAndAssignmentRulesAct: Metadata API Developer Guide, DuplicateRule, MatchingRules, AssignmentRules.
func TestDeployedDuplicateAndAssignmentRulesAct(t *testing.T) {
	w := newSite(t)
	w.deploy("MatchingRules Lead; DuplicateRule Lead.Twins; AssignmentRules Lead",
		"matchingRules/Lead.matchingRule", `<MatchingRules`+ns+`><matchingRules><fullName>Mail</fullName><label>m</label><matchingRuleItems>
		<blankValueBehavior>NullNotAllowed</blankValueBehavior><fieldName>Email</fieldName><matchingMethod>Exact</matchingMethod></matchingRuleItems>
		<ruleStatus>Active</ruleStatus></matchingRules></MatchingRules>`,
		"duplicateRules/Lead.Twins.duplicateRule", `<DuplicateRule`+ns+`><actionOnInsert>Block</actionOnInsert><actionOnUpdate>Allow</actionOnUpdate>
		<alertText>twins</alertText><duplicateRuleMatchRules><matchRuleSObjectType>Lead</matchRuleSObjectType><matchingRule>Mail</matchingRule>
		</duplicateRuleMatchRules><isActive>true</isActive><masterLabel>t</masterLabel><sortOrder>1</sortOrder></DuplicateRule>`,
		"assignmentRules/Lead.assignmentRules", `<AssignmentRules`+ns+`><assignmentRule><fullName>Std</fullName><active>true</active><ruleEntry>
		<assignedTo>standard.admin@emulated.example</assignedTo><assignedToType>User</assignedToType><criteriaItems><field>Lead.Company</field>
		<operation>equals</operation><value>Big</value></criteriaItems></ruleEntry></assignmentRule></AssignmentRules>`)
	id := w.insert("Lead", "LastName=L", "Company=Big", "Email=a@b.example")
	if got := w.read("SELECT Owner.Name FROM Lead WHERE Id = '" + id + "'"); got != "Sam Standard" {
		t.Errorf("owner %s", got)
	}
	w.wantRefused("DUPLICATES_DETECTED twins", "Lead", "LastName=M", "Company=C", "Email=a@b.example")
}

// TestDeployedTriggerStatusSwitchesItsReactions: Metadata API Developer Guide, ApexTrigger, status.
func TestDeployedTriggerStatusSwitchesItsReactions(t *testing.T) {
	w := newSite(t)
	body := "// holdfast-emulator: before insert: reject \"no\" when Name = \"X\"\ntrigger Guard on Account (before insert, after update) {}"
	deploy := func(status string) {
		w.deploy("ApexTrigger Guard", "triggers/Guard.trigger", body, "triggers/Guard.trigger-meta.xml",
			`<ApexTrigger`+ns+`><apiVersion>66.0</apiVersion><status>`+status+`</status></ApexTrigger>`)
	}
	deploy("Active")
	w.wantRefused("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Account", "Name=X")
	deploy("Inactive")
	w.wantRefused("001", "Account", "Name=X")
	body = strings.Replace(body, "before insert:", "before delete:", 1)
	r := w.try("ApexTrigger Guard", "triggers/Guard.trigger", body, "triggers/Guard.trigger-meta.xml", `<ApexTrigger`+ns+`><apiVersion>66.0</apiVersion><status>Active</status></ApexTrigger>`)
	if r.Success {
		t.Error("a declaration for an event that the trigger does not run was accepted")
	}
}

func flowBody(status, name string) string {
	return `<Flow` + ns + `><description>holdfast-emulator: before insert: set Site to "` + name + `"</description><label>F</label><processType>AutoLaunchedFlow</processType>
	<start><object>Account</object><recordTriggerType>CreateAndUpdate</recordTriggerType><triggerType>RecordBeforeSave</triggerType></start><status>` + status + `</status></Flow>`
}

// TestDeployedFlowVersionsSwitch: Metadata API Developer Guide, Flow, status; FlowDefinition, activeVersionNumber.
func TestDeployedFlowVersionsSwitch(t *testing.T) {
	w := newSite(t)
	site := func() string {
		id := w.insert("Account", "Name=A")
		return w.read("SELECT Site FROM Account WHERE Id = '" + id + "'")
	}
	version := func(n string) {
		w.deploy("FlowDefinition F", "flowDefinitions/F.flowDefinition", `<FlowDefinition`+ns+`><activeVersionNumber>`+n+`</activeVersionNumber></FlowDefinition>`)
	}
	steps := []struct {
		do   func()
		want string
	}{
		{func() { w.deploy("Flow F", "flows/F.flow", flowBody("Active", "one")) }, "one"},
		{func() { w.deploy("Flow F", "flows/F.flow", flowBody("Draft", "two")) }, "one"},
		{func() { w.deploy("Flow F", "flows/F.flow", flowBody("Active", "two")) }, "one"}, // equal but for its status: nothing happens
		{func() { version("2") }, "two"},
		{func() { w.deploy("Flow F", "flows/F.flow", flowBody("Obsolete", "two")) }, "two"},
		{func() { version("1") }, "one"},
		{func() { version("0") }, ""},
		{func() { w.deploy("Flow F", "flows/F.flow", flowBody("Active", "three")) }, "three"},
	}
	for i, s := range steps {
		if s.do(); site() != s.want {
			t.Errorf("step %d: site %q, want %q", i+1, site(), s.want)
		}
	}
}

// TestDeployedPermissionsAct: Metadata API Developer Guide, PermissionSet, Profile: objectPermissions, fieldPermissions,
// userPermissions, customPermissions.
func TestDeployedPermissionsAct(t *testing.T) {
	w := newSite(t)
	sam, _ := w.o.UserByName("standard.admin@emulated.example")
	caller := org.Caller{User: sam.ID}
	w.deploy("CustomField Account.Code__c; CustomPermission Skip; PermissionSet Keys", "objects/Account.object", `<CustomObject`+ns+`><fields><fullName>Code__c</fullName>
		<label>Code</label><type>Text</type><length>20</length></fields></CustomObject>`,
		"customPermissions/Skip.customPermission", `<CustomPermission`+ns+`><label>Skip</label></CustomPermission>`,
		"permissionsets/Keys.permissionset", `<PermissionSet`+ns+`><label>Keys</label><fieldPermissions><field>Account.Code__c</field><readable>true</readable>
		<editable>false</editable></fieldPermissions><userPermissions><name>BulkApiHardDelete</name><enabled>true</enabled></userPermissions>
		<customPermissions><name>Skip</name><enabled>true</enabled></customPermissions></PermissionSet>`)
	sees := func() bool { o, _ := w.o.DescribeFor(caller, "Account"); return o.Field("Code__c") != nil }
	if sees() {
		t.Error("a deployed field is open to a user whom nobody gave it")
	}
	w.insert("PermissionSetAssignment", "AssigneeId="+string(sam.ID), "PermissionSetId="+w.read("SELECT Id FROM PermissionSet WHERE Name = 'Keys'"))
	if !sees() || !w.o.May(caller, "BulkApiHardDelete") {
		t.Error("the permission set gives nothing")
	}
	// A permission set that is deployed again gives what it says and no more.
	w.deploy("PermissionSet Keys", "permissionsets/Keys.permissionset", `<PermissionSet`+ns+`><label>Keys</label></PermissionSet>`)
	if sees() || w.o.May(caller, "BulkApiHardDelete") {
		t.Error("the permission set still gives what it gave")
	}
	profile := func(read string) {
		w.deploy("Profile Standard", "profiles/Standard.profile", `<Profile`+ns+`><fieldPermissions><field>Account.Code__c</field><readable>`+read+`</readable>
		<editable>false</editable></fieldPermissions></Profile>`)
	}
	profile("true")
	if !sees() {
		t.Error("the profile gives nothing")
	}
	profile("false")
	if sees() {
		t.Error("the profile still gives what it gave")
	}
	r := w.try("PermissionSet Keys", "permissionsets/Keys.permissionset", `<PermissionSet`+ns+`><label>K</label><fieldPermissions><field>Account.Nope__c</field><readable>true</readable></fieldPermissions></PermissionSet>`)
	if r.Success {
		t.Error("a permission for a field that is not there was accepted")
	}
}
