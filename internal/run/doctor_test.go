package run_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/testkit"
)

const boxObject = `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Box</label><pluralLabel>Boxes</pluralLabel>
  <nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Secret__c</fullName><label>Secret</label><type>Text</type><length>100</length></fields>
</CustomObject>`

// aSet lets somebody read the box, its field and a field of an account.
const aSet = `<?xml version="1.0" encoding="UTF-8"?>
<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata">
  <fieldPermissions><editable>false</editable><field>Account.AnnualRevenue</field><readable>true</readable></fieldPermissions>
  <fieldPermissions><editable>false</editable><field>Box__c.Secret__c</field><readable>true</readable></fieldPermissions>
  <hasActivationRequired>false</hasActivationRequired><label>Keepers</label>
  <objectPermissions><allowCreate>false</allowCreate><allowDelete>false</allowDelete><allowEdit>false</allowEdit><allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>Box__c</object><viewAllRecords>false</viewAllRecords></objectPermissions>
</PermissionSet>`

// TestCheckIsADoctor: what a user lacks is named, and the permission set that is printed gives it.
func TestCheckIsADoctor(t *testing.T) {
	o := observe(t)
	loader := &testkit.Loader{InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0"}
	if err := loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": strings.Replace(testkit.PackageXML("CustomObject", "Box__c"), "<version>",
			"<types><members>Keepers</members><name>PermissionSet</name></types><version>", 1),
		"objects/Box__c.object": boxObject, "permissionsets/Keepers.permissionset": aSet,
	}); err != nil {
		t.Fatal(err)
	}
	user, client := o.signInAs("standard.admin@emulated.example")
	check := func() run.CheckResult {
		t.Helper()
		r, err := run.Check(t.Context(), run.CheckInput{
			Source: client(), Store: o.store, Now: o.server.Clock().Now(), Newest: o.client.NewestVersion, Share: 0.5,
		})
		if err != nil && problem.KindOf(err) != problem.Findings {
			t.Fatal(err)
		}
		return r
	}
	ill := check()
	if !slices.Contains(ill.Access.Permissions, "ViewAllData") || slices.Contains(ill.Access.Permissions, "ApiEnabled") {
		t.Errorf("permissions lacking: %v", ill.Access.Permissions)
	}
	if !slices.Contains(ill.Access.Restore, "ModifyAllData") || !slices.Contains(ill.Access.Restore, "UpdateWithInactiveOwner") {
		t.Errorf("permissions lacking for a restore: %v", ill.Access.Restore)
	}
	if !slices.Contains(ill.Access.Objects, "Box__c") || !slices.Contains(ill.Access.Fields, "Box__c.Secret__c") {
		t.Errorf("hidden: %v, %v", ill.Access.Objects, ill.Access.Fields)
	}
	if ill.Newest == "" || ill.APIVersion == "" || ill.Ceiling == 0 || ill.ClockSkew > 2 || ill.ClockSkew < -2 {
		t.Errorf("%+v", ill)
	}
	rules := map[string]bool{}
	for _, f := range ill.Findings {
		rules[f.Rule] = true
	}
	if !rules[run.FindingPermission] || !rules[run.FindingHidden] {
		t.Errorf("findings %v", ill.Findings)
	}
	if err := loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": testkit.PackageXML("PermissionSet", "Holdfast_backup"),
		"permissionsets/Holdfast_backup.permissionset": ill.Access.PermissionSet,
	}); err != nil {
		t.Fatalf("%v\n%s", err, ill.Access.PermissionSet)
	}
	sets, err := loader.Query(t.Context(), "SELECT Id FROM PermissionSet WHERE Name = 'Holdfast_backup'")
	if err != nil || len(sets) != 1 {
		t.Fatal(sets, err)
	}
	o.write(org.Insert, org.Row{Object: "PermissionSetAssignment", Fields: []org.Assignment{
		{Field: "AssigneeId", Text: user}, {Field: "PermissionSetId", Text: sets[0]["Id"].(string)},
	}})
	if well := check(); len(well.Access.Permissions)+len(well.Access.Objects)+len(well.Access.Fields) != 0 || well.Access.PermissionSet != "" {
		t.Errorf("with the permission set the user still lacks %+v", well.Access)
	}
}

// TestCheckSeesAWrongClock: the machine's clock matters to sign-in and time windows.
func TestCheckSeesAWrongClock(t *testing.T) {
	o := observe(t)
	r, err := run.Check(t.Context(), run.CheckInput{Source: o.client, Store: o.store, Now: o.server.Clock().Now().Add(time.Hour)})
	if problem.KindOf(err) != problem.Findings || !slices.ContainsFunc(r.Findings, func(f run.FindingRow) bool { return f.Rule == run.FindingClock }) {
		t.Errorf("%v %v", r.Findings, err)
	}
}

// signInAs signs in as another user of the org, and returns the user's Id and a way to connect.
func (o *observed) signInAs(username string) (string, func() *salesforce.Org) {
	o.Helper()
	resp, err := http.PostForm(o.server.URL+"/services/oauth2/token", url.Values{
		"grant_type": {"password"}, "client_id": {o.server.ClientID}, "client_secret": {o.server.ClientSecret},
		"username": {username}, "password": {o.server.Password},
	})
	if err != nil {
		o.Fatal(err)
	}
	defer resp.Body.Close()
	var reply struct {
		Token string `json:"access_token"`
		ID    string `json:"id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || reply.Token == "" {
		o.Fatalf("sign in as %s: %s %v", username, resp.Status, err)
	}
	return reply.ID[strings.LastIndexByte(reply.ID, '/')+1:], func() *salesforce.Org {
		o.Helper()
		client, err := salesforce.Connect(o.Context(), salesforce.Config{
			InstanceURL: o.server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(reply.Token)},
		})
		if err != nil {
			o.Fatal(err)
		}
		return client
	}
}
