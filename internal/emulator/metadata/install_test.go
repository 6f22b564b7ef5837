package metadata_test

import (
	"testing"
	"testing/fstest"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
)

// A package brings objects of its own and adds fields to others: those stay whose they are.
func TestObjectsThatAPackageAddsToStayTheirOwners(t *testing.T) {
	t.Parallel()
	const space = `xmlns="http://soap.sforce.com/2006/04/metadata"`
	field := `<fields><fullName>Level__c</fullName><label>Level</label><length>20</length><type>Text</type></fields>`
	o := org.New(org.Config{})
	s := metadata.New(o, metadata.Registry{"acme": fstest.MapFS{
		"objects/Account.object": {Data: []byte(`<CustomObject ` + space + `>` + field + `</CustomObject>`)},
		"objects/Thing__c.object": {Data: []byte(`<CustomObject ` + space + `>` + field + `<label>Thing</label><pluralLabel>Things</pluralLabel>` +
			`<nameField><label>Name</label><type>Text</type></nameField><deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel></CustomObject>`)},
	}})
	deployFiles(t, s, o, installFiles("acme"))
	deployFiles(t, s, o, map[string]string{ // the org adds one, too
		"package.xml":            `<Package ` + space + `><types><members>Account.Own__c</members><name>CustomField</name></types><version>66.0</version></Package>`,
		"objects/Account.object": `<CustomObject ` + space + `><fields><fullName>Own__c</fullName><label>Own</label><length>20</length><type>Text</type></fields></CustomObject>`,
	})
	want := map[string]string{
		"CustomObject Account": "", "CustomObject acme__Thing__c": "acme", "CustomField Account.Own__c": "",
		"CustomField Account.acme__Level__c": "acme", "CustomField acme__Thing__c.acme__Level__c": "acme",
	}
	found := 0
	for _, kind := range []string{"CustomObject", "CustomField"} {
		for _, c := range s.List(kind, "") {
			namespace, asked := want[kind+" "+c.FullName]
			if !asked {
				continue
			}
			if found++; c.Namespace != namespace {
				t.Errorf("%s %s belongs to %q, and not to %q", kind, c.FullName, c.Namespace, namespace)
			}
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d components are listed", found, len(want))
	}
}
