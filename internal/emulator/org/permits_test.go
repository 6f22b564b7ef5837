package org_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// as acts for another user.
type as struct {
	*world
	caller org.Caller
}

func (w *world) sam() as {
	u, _ := w.UserByName("standard.admin@emulated.example")
	return as{w, org.Caller{User: u.ID}}
}

func (a as) query(text string) (*org.Answer, error) {
	a.t.Helper()
	q, err := soql.Parse(text)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.Query(a.caller, q, false)
}

func (a as) refusedQuery(code, text string) {
	a.t.Helper()
	if _, err := a.query(text); err == nil || !strings.Contains(err.Error(), code) && !strings.Contains(err.Error(), "not supported") {
		a.t.Errorf("%s: %v, want %s", text, err, code)
	}
}

func (a as) count(text string) int {
	a.t.Helper()
	answer, err := a.query(text)
	if err != nil {
		a.t.Fatalf("%s: %v", text, err)
	}
	return answer.Len()
}

func (a as) try(op org.Op, row org.Row) string {
	r := a.Write(a.caller, op, []org.Row{row}, org.Options{})[0]
	if r.Success {
		return ""
	}
	return r.Errors[0].Code
}

// grant makes a permission set, gives it to the user, and returns its Id.
func (a as) grant(pairs ...string) sf.ID {
	a.t.Helper()
	set := a.add("PermissionSet", append([]string{"Name=Set" + string(a.caller.User[12:15]), "Label=Set"}, pairs...)...)
	a.add("PermissionSetAssignment", "PermissionSetId="+string(set), "AssigneeId="+string(a.caller.User))
	return set
}

// TestObjectPermissionsDecide: Object Reference, ObjectPermissions; a custom object that nobody was given is not there.
func TestObjectPermissionsDecide(t *testing.T) {
	w := newWorld(t)
	w.object("Secret__c", words("Text__c", 20))
	id := w.add("Secret__c", "Name=S", "Text__c=x")
	sam := w.sam()
	sam.refusedQuery("INVALID_TYPE", "SELECT Id FROM Secret__c")
	if _, ok := sam.DescribeFor(sam.caller, "Secret__c"); ok {
		t.Error("describe shows an object without read permission")
	}
	insert := org.Row{Object: "Secret__c", Fields: fields("Name=T")}
	if got := sam.try(org.Insert, insert); got != "INVALID_TYPE" {
		t.Errorf("insert: %s", got)
	}
	set := sam.grant()
	perms := w.add("ObjectPermissions", "ParentId="+string(set), "SobjectType=Secret__c", "PermissionsRead=true")
	if got := sam.count("SELECT Id FROM Secret__c"); got != 1 {
		t.Errorf("%d rows", got)
	}
	for op, want := range map[org.Op]string{org.Insert: "INVALID_TYPE_FOR_OPERATION", org.Update: "INSUFFICIENT_ACCESS_OR_READONLY", org.Delete: "INSUFFICIENT_ACCESS_OR_READONLY"} {
		row := org.Row{Object: "Secret__c", ID: string(id), Fields: fields("Name=T")}
		if op == org.Insert {
			row.ID = ""
		}
		if got := sam.try(op, row); got != want {
			t.Errorf("op %d: %s, want %s", op, got, want)
		}
	}
	w.set(perms, "PermissionsCreate=true", "PermissionsEdit=true", "PermissionsDelete=true")
	for _, op := range []org.Op{org.Insert, org.Update, org.Delete} {
		row := org.Row{Object: "Secret__c", ID: string(id), Fields: fields("Name=T")}
		if op == org.Insert {
			row.ID = ""
		}
		if got := sam.try(op, row); got != "" {
			t.Errorf("op %d: %s", op, got)
		}
	}
}

// TestFieldLevelSecurityHides: Salesforce Help, "Field-Level Security"; Object Reference, FieldPermissions. A field that was
// deployed is granted to nobody.
func TestFieldLevelSecurityHides(t *testing.T) {
	w := newWorld(t)
	w.fields("Account", words("Code__c", 20))
	acc := w.add("Account", "Name=A", "Code__c=1")
	sam := w.sam()
	for _, text := range []string{"SELECT Code__c FROM Account", "SELECT Id FROM Account WHERE Code__c = '1'", "SELECT Id FROM Account ORDER BY Code__c", "SELECT Account.Code__c FROM Contact", "SELECT COUNT(Id) FROM Account GROUP BY Code__c"} {
		sam.refusedQuery("No such column 'Code__c'", text)
	}
	object, _ := sam.DescribeFor(sam.caller, "Account")
	if object.Field("Code__c") != nil || object.Field("Name") == nil {
		t.Error("describe shows a hidden field, or hides an open one")
	}
	write := org.Row{ID: string(acc), Fields: fields("Code__c=2")}
	if got := sam.try(org.Update, write); got != "INVALID_FIELD_FOR_INSERT_UPDATE" {
		t.Errorf("update: %s", got)
	}
	set := sam.grant()
	perms := w.add("FieldPermissions", "ParentId="+string(set), "SobjectType=Account", "Field=Account.Code__c", "PermissionsRead=true")
	if got := sam.count("SELECT Code__c FROM Account WHERE Code__c = '1'"); got != 1 {
		t.Errorf("%d rows", got)
	}
	if object, _ = sam.DescribeFor(sam.caller, "Account"); object.Field("Code__c").Updateable {
		t.Error("a field to be read is updateable")
	}
	if got := sam.try(org.Update, write); got != "INVALID_FIELD_FOR_INSERT_UPDATE" {
		t.Errorf("update of a field to be read: %s", got)
	}
	w.set(perms, "PermissionsEdit=true")
	if got := sam.try(org.Update, write); got != "" {
		t.Errorf("update: %s", got)
	}
}

// TestStrictFieldAccessHidesFromTheAdministrator: deployed fields are granted to nobody, the administrator included.
func TestStrictFieldAccessHidesFromTheAdministrator(t *testing.T) {
	w := &world{Org: org.New(org.Config{StrictFieldAccess: true}), t: t}
	w.fields("Account", words("Code__c", 20))
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Insert, org.Row{Object: "Account", Fields: fields("Name=A", "Code__c=1")})
	admin := as{w, w.Admin()}
	set := admin.grant()
	w.add("FieldPermissions", "ParentId="+string(set), "SobjectType=Account", "Field=Account.Code__c", "PermissionsRead=true", "PermissionsEdit=true")
	w.add("Account", "Name=A", "Code__c=1")
}

// TestUserPermissionsAreAskedFor: Salesforce Help: "Set Audit Fields upon Record Creation", "Update Records with
// Inactive Owners", "Bulk API Hard Delete".
func TestUserPermissionsAreAskedFor(t *testing.T) {
	w := newWorld(t)
	sam := w.sam()
	former, _ := w.UserByName("former.admin@emulated.example")
	audit := org.Row{Object: "Account", Fields: fields("Name=A", "CreatedDate=2019-05-06T07:08:09Z")}
	owner := org.Row{Object: "Account", Fields: fields("Name=A", "OwnerId="+string(former.ID))}
	user := org.Row{ID: string(former.ID), Fields: fields("Title=X")}
	for row, want := range map[*org.Row]string{&audit: "INVALID_FIELD_FOR_INSERT_UPDATE", &owner: "INACTIVE_OWNER_OR_USER"} {
		if got := sam.try(org.Insert, *row); got != want {
			t.Errorf("%v: %s, want %s", row.Fields, got, want)
		}
	}
	if got := sam.try(org.Update, user); got != "INSUFFICIENT_ACCESS_OR_READONLY" {
		t.Errorf("update of a user: %s", got)
	}
	if sam.May(sam.caller, "BulkApiHardDelete") || w.May(w.Admin(), "BulkApiHardDelete") || !w.May(w.Admin(), "ViewAllData") {
		t.Error("user permissions before they were granted")
	}
	sam.grant("PermissionsCreateAuditFields=true", "PermissionsUpdateWithInactiveOwner=true", "PermissionsManageUsers=true", "PermissionsBulkApiHardDelete=true")
	for _, row := range []org.Row{audit, owner} {
		if got := sam.try(org.Insert, row); got != "" {
			t.Errorf("%v: %s", row.Fields, got)
		}
	}
	if got := sam.try(org.Update, user); got != "" {
		t.Errorf("update of a user: %s", got)
	}
	if !sam.May(sam.caller, "BulkApiHardDelete") {
		t.Error("Bulk API Hard Delete was granted")
	}
}

// TestSharingHidesRecords: Salesforce Help, "Organization-Wide Sharing Defaults" (Private), "Role Hierarchy".
func TestSharingHidesRecords(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{Name: "Deal__c", Label: "D", LabelPlural: "D", Kind: org.CustomObject, Sharing: "Private"}); err != nil {
			return err
		}
		return nil
	})
	sam := w.sam()
	set := sam.grant()
	w.add("ObjectPermissions", "ParentId="+string(set), "SobjectType=Deal__c", "PermissionsRead=true", "PermissionsEdit=true", "PermissionsCreate=true")
	theirs := w.add("Deal__c", "Name=theirs")
	w.add("Deal__c", "Name=mine", "OwnerId="+string(sam.caller.User))
	if got := sam.count("SELECT Id FROM Deal__c"); got != 1 {
		t.Errorf("%d rows of his own", got)
	}
	if got := sam.try(org.Update, org.Row{ID: string(theirs), Fields: fields("Name=x")}); got != "INSUFFICIENT_ACCESS_OR_READONLY" {
		t.Errorf("update: %s", got)
	}
	boss := w.add("UserRole", "Name=Boss", "DeveloperName=Boss")
	clerk := w.add("UserRole", "Name=Clerk", "DeveloperName=Clerk", "ParentRoleId="+string(boss))
	w.set(sam.caller.User, "UserRoleId="+string(boss))
	w.set(w.Admin().User, "UserRoleId="+string(clerk))
	if got := sam.count("SELECT Id FROM Deal__c"); got != 2 {
		t.Errorf("%d rows from above", got)
	}
	w.set(sam.caller.User, "UserRoleId=")
	w.add("Deal__Share", "ParentId="+string(theirs), "UserOrGroupId="+string(sam.caller.User), "AccessLevel=Read")
	if got := sam.count("SELECT Id FROM Deal__c"); got != 2 {
		t.Errorf("%d rows with a share", got)
	}
	if got := sam.try(org.Update, org.Row{ID: string(theirs), Fields: fields("Name=x")}); got != "INSUFFICIENT_ACCESS_OR_READONLY" {
		t.Errorf("update of a record shared to be read: %s", got)
	}
}

// TestAutomationAsksForNoPermission: Apex Developer Guide, "Enforcing Object and Field Permissions": code runs in system mode.
func TestAutomationAsksForNoPermission(t *testing.T) {
	w := newWorld(t)
	w.object("Log__c", words("Text__c", 20))
	w.automation(org.AutomationSpec{Kind: "ApexTrigger", Name: "T", Object: "Account", Events: allEvents, Active: true, Declare: []string{
		`after insert: create Log__c Name = Name, Text__c = $User.Alias`,
	}})
	sam := w.sam()
	if got := sam.try(org.Insert, org.Row{Object: "Account", Fields: fields("Name=A")}); got != "" {
		t.Errorf("insert: %s", got)
	}
	w.wants("SELECT Text__c FROM Log__c", "sam")
}

// TestAnAssignmentExpires: Object Reference, PermissionSetAssignment (ExpirationDate).
func TestAnAssignmentExpires(t *testing.T) {
	w := newWorld(t)
	w.object("Secret__c", words("Text__c", 20))
	sam := w.sam()
	set := w.add("PermissionSet", "Name=Short", "Label=Short")
	w.add("ObjectPermissions", "ParentId="+string(set), "SobjectType=Secret__c", "PermissionsRead=true")
	pair := []string{"PermissionSetId=" + string(set), "AssigneeId=" + string(sam.caller.User)}
	expires := w.clock.Now().Add(time.Hour).UTC().Format(sf.DatetimeLayout)
	w.add("PermissionSetAssignment", append(pair, "ExpirationDate="+expires)...)
	w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "PermissionSetAssignment", Fields: fields(pair...)})
	if got := sam.count("SELECT Id FROM Secret__c"); got != 0 {
		t.Errorf("%d rows", got)
	}
	w.clock.Advance(time.Hour)
	sam.refusedQuery("INVALID_TYPE", "SELECT Id FROM Secret__c")
	w.add("PermissionSetAssignment", pair...)
	if got := sam.count("SELECT Id FROM Secret__c"); got != 0 {
		t.Errorf("%d rows", got)
	}
}
