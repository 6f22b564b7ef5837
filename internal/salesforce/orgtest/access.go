package orgtest

import "testing"

// granted gives the second user a permission set of its own, which the test ends, and returns its Id.
func (o *Org) granted(permissions Values) string {
	o.t.Helper()
	o.Second()
	all := Values{"Name": "Orgtest" + o.Name()[8:20], "Label": "Orgtest"}
	for name, value := range permissions {
		all[name] = value
	}
	set := o.Create("PermissionSet", all)
	o.Create("PermissionSetAssignment", Values{"PermissionSetId": set, "AssigneeId": o.run.second})
	return set
}

// opened lets the second user do everything with things, and returns the permission set.
func (o *Org) opened(v Values) string {
	o.t.Helper()
	set := o.granted(nil)
	all := Values{"ParentId": set, "SobjectType": thing, "PermissionsRead": true}
	for name, value := range v {
		all[name] = value
	}
	o.Create("ObjectPermissions", all)
	return set
}

var writing = Values{"PermissionsCreate": true, "PermissionsEdit": true, "PermissionsDelete": true}

var accessRules = []law{
	{
		"access/object-unseen", "An object that a user was not given is not there for the user",
		document("Object Reference, ObjectPermissions; SOQL and SOSL Reference, INVALID_TYPE"),
		func(_ *testing.T, o *Org) {
			other := o.Second()
			other.Get("query?q="+escape("SELECT Id FROM "+thing)).Refused(400, "INVALID_TYPE", "is not supported")
			other.Get("sobjects/" + thing + "/describe").OK(404)
		},
	},
	{
		"access/read-only", "Who may read an object's records may not make them",
		document("Object Reference, ObjectPermissions: PermissionsRead, PermissionsCreate"),
		func(t *testing.T, o *Org) {
			o.opened(nil)
			other := o.Second()
			other.Query("SELECT Id FROM " + thing)
			if r := other.Post("sobjects/"+thing, Values{"Name": "x"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
			if d := other.describe(thing); d.Createable || !d.Queryable {
				t.Errorf("createable %t, queryable %t", d.Createable, d.Queryable)
			}
		},
	},
	{
		"access/field-unseen", "A field that a user was not given is not there for the user",
		document("Salesforce Help, Field-Level Security; SOQL and SOSL Reference, INVALID_FIELD"),
		func(t *testing.T, o *Org) {
			o.opened(nil)
			other := o.Second()
			for _, soql := range []string{"SELECT Whole__c FROM " + thing, "SELECT Id FROM " + thing + " WHERE Whole__c = 1"} {
				other.Get("query?q="+escape(soql)).Refused(400, "INVALID_FIELD", "No such column 'Whole__c'")
			}
			for _, f := range other.describe(thing).Fields {
				if f.Name == "Whole__c" {
					t.Error("the describe shows it")
				}
			}
		},
	},
	{
		"access/field-unwritten", "A field that a user was not given cannot be written",
		document("SOAP API Developer Guide, StatusCode: INVALID_FIELD_FOR_INSERT_UPDATE"),
		func(_ *testing.T, o *Org) {
			o.opened(writing)
			o.Second().Post("sobjects/"+thing, Values{"Name": "x", "Whole__c": 1}).Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Whole__c")
		},
	},
	{
		"access/field-read-only", "A field that a user may read is described as not updateable",
		document("Object Reference, FieldPermissions: PermissionsRead, PermissionsEdit"),
		func(t *testing.T, o *Org) {
			set := o.opened(writing)
			o.Create("FieldPermissions", Values{"ParentId": set, "SobjectType": thing, "Field": thing + ".Whole__c", "PermissionsRead": true})
			if f := o.Second().describe(thing).field(t, "Whole__c"); f.Updateable || f.Createable {
				t.Errorf("%+v", f)
			}
		},
	},
	{
		"sharing/private", "A private record of another is not seen",
		document("Salesforce Help, Organization-Wide Sharing Defaults: Private"),
		func(t *testing.T, o *Org) {
			o.opened(writing)
			id := o.Thing(nil)
			if n := o.Second().Query("SELECT Id FROM " + thing + " WHERE Id = '" + id + "'").TotalSize; n != 0 {
				t.Errorf("%d rows", n)
			}
			o.Second().Get("sobjects/"+thing+"/"+id).Refused(404, "NOT_FOUND", "")
		},
	},
	{
		"sharing/share-opens", "A share opens a record to be read and not to be changed",
		document("Object Reference, AccountShare: AccessLevel Read; StatusCode INSUFFICIENT_ACCESS_OR_READONLY"),
		func(t *testing.T, o *Org) {
			o.opened(writing)
			id := o.Thing(nil)
			o.Create("Orgtest_Thing__Share", Values{"ParentId": id, "UserOrGroupId": o.run.second, "AccessLevel": "Read"})
			other := o.Second()
			if n := other.Query("SELECT Id FROM " + thing + " WHERE Id = '" + id + "'").TotalSize; n != 1 {
				t.Errorf("%d rows", n)
			}
			other.Patch("sobjects/"+thing+"/"+id, Values{"Name": "x"}).Refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights")
		},
	},
	{
		"sharing/manual-shares-go-with-the-owner", "A new owner ends the manual shares of a record",
		document("Apex Developer Guide, Understanding Apex Managed Sharing"),
		func(t *testing.T, o *Org) {
			o.opened(writing)
			group := o.Create("Group", Values{"Name": "Orgtest", "Type": "Regular"})
			id := o.Thing(nil)
			o.Create("Orgtest_Thing__Share", Values{"ParentId": id, "UserOrGroupId": group, "AccessLevel": "Read"})
			o.Set(thing, id, Values{"OwnerId": o.run.second})
			rows := o.Query("SELECT RowCause, UserOrGroupId FROM Orgtest_Thing__Share WHERE ParentId = '" + id + "'").Records
			if len(rows) != 1 || rows[0]["RowCause"] != "Owner" || rows[0]["UserOrGroupId"] != o.run.second {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"owners/inactive", "A record is not given to a user who is inactive",
		document("Salesforce Help, Update Records with Inactive Owners; StatusCode INACTIVE_OWNER_OR_USER"),
		func(_ *testing.T, o *Org) {
			o.Second()
			o.Set("User", o.run.second, Values{"IsActive": false})
			defer o.Set("User", o.run.second, Values{"IsActive": true})
			o.Post("sobjects/Account", Values{"Name": "x", "OwnerId": o.run.second}).Refused(400, "INACTIVE_OWNER_OR_USER", "inactive user")
		},
	},
	{
		"owners/inactive-stays", "A record of a user who has become inactive can be changed",
		document("Salesforce Help, Considerations for Deactivating Users"),
		func(_ *testing.T, o *Org) {
			o.Second()
			id := o.Create("Account", Values{"Name": o.Name(), "OwnerId": o.run.second})
			o.Set("User", o.run.second, Values{"IsActive": false})
			defer o.Set("User", o.run.second, Values{"IsActive": true})
			o.Set("Account", id, Values{"Site": "x"})
			o.Has("Account", id, "OwnerId", o.run.second)
		},
	},
	{
		"owners/audit-fields", "Only who has the permission sets audit fields",
		document("Salesforce Help, Set Audit Fields upon Record Creation"),
		func(_ *testing.T, o *Org) {
			o.opened(writing)
			o.Second().Post("sobjects/"+thing, Values{"Name": "x", "CreatedDate": "2019-05-06T07:08:09Z"}).
				Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "CreatedDate")
		},
	},
	{
		"owners/audit-fields-set", "With the permission an insert carries its audit fields",
		document("Salesforce Help, Set Audit Fields upon Record Creation"),
		func(_ *testing.T, o *Org) {
			o.opened(writing)
			o.granted(Values{"PermissionsCreateAuditFields": true, "Name": "OrgtestAudit"})
			var made struct{ ID string }
			o.Second().Post("sobjects/"+thing, Values{"Name": "x", "CreatedDate": "2019-05-06T07:08:09Z"}).OK(201).Into(&made)
			o.t.Cleanup(func() { o.discard(thing, made.ID) })
			o.Has(thing, made.ID, "CreatedDate", "2019-05-06T07:08:09.000+0000")
		},
	},
	{
		"owners/username-once", "A username is taken once",
		document("SOAP API Developer Guide, StatusCode: DUPLICATE_USERNAME"),
		func(_ *testing.T, o *Org) {
			o.Second()
			name := o.Field("User", o.run.second, "Username")
			profile := o.Field("User", o.run.second, "ProfileId")
			o.Post("sobjects/User", Values{
				"Username": name, "LastName": "Orgtest", "Email": "orgtest@orgtest.example", "Alias": "orgtest", "ProfileId": profile,
				"TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US",
			}).Refused(400, "DUPLICATE_USERNAME", "")
		},
	},
	{
		"owners/who-manages-users", "Who may not manage users does not change them",
		document("Object Reference, User: Special Access Rules"),
		func(t *testing.T, o *Org) {
			if r := o.Second().Patch("sobjects/User/"+o.User(), Values{"Title": "x"}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"assignment-rules/first-that-fits", "An active assignment rule gives a lead to whom its first entry that fits names, unless told not to",
		document("Salesforce Help, Set Up Assignment Rules; REST API Developer Guide, Assignment Rule Header"),
		func(_ *testing.T, o *Org) {
			o.Second()
			rule := func(active string) map[string]string {
				return map[string]string{"assignmentRules/Lead.assignmentRules": `<AssignmentRules` + metadataNamespace + `><assignmentRule><fullName>Orgtest</fullName><active>` + active +
					`</active><ruleEntry><assignedTo>` + o.Field("User", o.run.second, "Username") + `</assignedTo><assignedToType>User</assignedToType><criteriaItems><field>Lead.Company</field>` +
					`<operation>equals</operation><value>Orgtest Ltd</value></criteriaItems></ruleEntry></assignmentRule></AssignmentRules>`}
			}
			members := map[string][]string{"AssignmentRules": {"Lead"}}
			o.must(o.Deploy(rule("true"), members, nil))
			defer func() { o.must(o.Deploy(rule("false"), members, nil)) }()
			o.Has("Lead", o.lead(Values{"Company": "Orgtest Ltd"}), "OwnerId", o.run.second)
			o.Has("Lead", o.lead(nil), "OwnerId", o.User())
			var made struct{ ID string }
			o.Do("POST", "sobjects/Lead", "application/json", `{"LastName":"x","Company":"Orgtest Ltd"}`, "Sforce-Auto-Assign", "FALSE").OK(201).Into(&made)
			o.t.Cleanup(func() { o.discard("Lead", made.ID) })
			o.Has("Lead", made.ID, "OwnerId", o.User())
		},
	},
}

// must fails unless a deployment has succeeded.
func (o *Org) must(d Deployment) {
	o.t.Helper()
	if !d.DeployResult.Success {
		o.t.Fatal(d.problems())
	}
}
