package metadata_test

import (
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/soql"
)

// trail are the rows of the audit trail that were not there before, one a text, without an order.
func (b *bench) trail(seen map[string]bool) []string {
	b.t.Helper()
	q, err := soql.Parse("SELECT Id, Action, Section, Display, CreatedById FROM SetupAuditTrail ORDER BY Id")
	if err != nil {
		b.t.Fatal(err)
	}
	a, err := b.o.Query(b.o.Admin(), q, false)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for i := range a.Len() {
		if id := a.Text(i, 0); !seen[id] {
			seen[id] = true
			out = append(out, strings.Join([]string{a.Text(i, 1), a.Text(i, 2), a.Text(i, 3)}, " | "))
			if a.Text(i, 4) != string(b.o.Admin().User) {
				b.t.Errorf("the row is of %s", a.Text(i, 4))
			}
		}
	}
	return out
}

// Source: public exports of audit trails; Object Reference, SetupAuditTrail.
func TestDeploymentsLeaveATrail(t *testing.T) {
	b := newBench(t)
	seen := map[string]bool{}
	wants := func(what string, want ...string) {
		t.Helper()
		if got := b.trail(seen); !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	thing := map[string]string{"package.xml": packageXML("CustomObject", "Thing__c"), "objects/Thing__c.object": object(textField("One__c"))}
	b.must(thing)
	wants("an object", "createdCustEnt | Custom Objects | Created custom object: Thing", "createdCFCustom | Custom Objects | Created custom field One__c (Text) on Thing")
	b.must(thing)
	wants("the same again")
	b.deploy(metadata.Options{CheckOnly: true, RollbackOnError: true}, map[string]string{
		"package.xml": packageXML("CustomField", "Account.Two__c"), "objects/Account.object": file("CustomObject", textField("Two__c")),
	})
	wants("a validation")
	b.must(map[string]string{"package.xml": packageXML("CustomField", "Account.Two__c"), "objects/Account.object": file("CustomObject", textField("Two__c"))})
	wants("a field", "createdCF | Customize Accounts | Created custom field: Two__c (Text)")
	b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{"package.xml": packageXML(), "destructiveChanges.xml": packageXML("CustomField", "Account.Two__c", "CustomField", "Account.None__c")})
	wants("a deletion", "deletedCF | Customize Accounts | Deleted custom field Two__c")
	b.deploy(metadata.Options{RollbackOnError: true, PurgeOnDelete: true}, map[string]string{"package.xml": packageXML(), "destructiveChanges.xml": packageXML("CustomField", "Thing__c.One__c")})
	wants("a deletion for good", "hardDeletedCFCustom | Custom Objects | Permanently deleted custom field One__c from Thing")
	b.must(class("Sums", sums))
	wants("a class", "createdApexClass | Apex Class | Created Sums Apex Class code")
	b.flow("One", "Active")
	b.flow("Two", "Draft")
	b.switchTo("<activeVersionNumber>0</activeVersionNumber>")
	wants("flows", `createdinteractiondefinition | Flows | Created flow with Name "One" and Unique Name "Route"`,
		`createdinteractiondefversion | Flows | Created flow version #1 "One" for flow with Unique Name "Route"`,
		`activatedinteractiondefversion | Flows | Activated flow version #1 "One" for flow with Unique Name "Route"`,
		`createdinteractiondefversion | Flows | Created flow version #2 "Two" for flow with Unique Name "Route"`,
		`deactivatedinteractiondefinition | Flows | Deactivated flow with Unique Name "Route"`)
	b.destroy("destructiveChanges.xml", "Flow", "Route-2")
	wants("a version", `deletedinteractiondefversion | Flows | Deleted flow version #2 "Two" for flow with Unique Name "Route"`)
}
