package metadata_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
)

// yard is an org with an object whose fields are used in several ways.
func yard(t *testing.T) *bench {
	b := newBench(t)
	b.must(map[string]string{
		"package.xml": packageXML("CustomObject", "*", "ApexClass", "*", "Flow", "*", "Layout", "*", "Profile", "*", "GlobalValueSet", "*"),
		"objects/Shed__c.object": object(textField("Code__c") + textField("Said__c") + textField("Shown__c") + textField("Ruled__c") + textField("Moved__c") +
			field(`<fullName>Copy__c</fullName><label>C</label><type>Text</type><formula>Moved__c &amp; &quot;!&quot;</formula>`) +
			`<validationRules><fullName>Rule</fullName><active>true</active><errorConditionFormula>ISBLANK(Ruled__c)</errorConditionFormula><errorMessage>no</errorMessage></validationRules>`),
		"classes/Sheds.cls":          "class Sheds { /* Said__c of Shed__c */ String f(Shed__c s) { return s.Code__c; } }",
		"classes/Sheds.cls-meta.xml": file("ApexClass", "<apiVersion>66.0</apiVersion>"),
		"flows/Do.flow":              file("Flow", "<label>Do</label><status>Active</status><start><object>Shed__c</object></start>"),
		"layouts/Shed__c-Main.layout": file("Layout", "<layoutSections><layoutColumns><layoutItems><behavior>Edit</behavior><field>Shown__c</field></layoutItems>"+
			"<layoutItems><behavior>Edit</behavior><field>Code__c</field></layoutItems></layoutColumns></layoutSections>"),
		"profiles/Sales.profile": file("Profile", "<fieldPermissions><editable>true</editable><field>Shed__c.Shown__c</field><readable>true</readable></fieldPermissions>"),
	})
	return b
}

// destroy deletes members given as type, member, type, member …
func (b *bench) destroy(manifest string, members ...string) *metadata.Result {
	b.t.Helper()
	return b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{"package.xml": packageXML(), manifest: packageXML(members...)})
}

func TestWhatIsUsedIsNotDeleted(t *testing.T) {
	b := yard(t)
	for _, c := range []struct{ kind, name, problem string }{
		{"CustomField", "Shed__c.Code__c", "This custom field is referenced elsewhere in salesforce.com. : Apex Class - Sheds."},
		{"CustomField", "Shed__c.Ruled__c", "This custom field is referenced elsewhere in salesforce.com. : Validation Formula - Shed__c.Rule."},
		{"CustomField", "Shed__c.Moved__c", "This custom field is referenced elsewhere in salesforce.com. : Custom Formula Field - Shed__c.Copy__c."},
		{"CustomObject", "Shed__c", "This custom object is used by another feature. Remove the usage and try again. : Apex Class - Sheds. " +
			"This custom object is used by another feature. Remove the usage and try again. : Flow Version - Do."},
		{"CustomObject", "Account", "The CustomObject called 'Account' is standard and cannot be deleted"},
		{"Flow", "Do", "insufficient access rights on cross-reference id"},
		{"ApexClass", "*", "Wildcards are not allowed in destructiveChanges.xml"},
	} {
		r := b.destroy("destructiveChanges.xml", c.kind, c.name)
		if got := strings.Join(failures(r), "; "); r.Success || got != c.name+": "+c.problem {
			t.Errorf("%s %s: %s", c.kind, c.name, got)
		}
	}
}

func TestDeletionsMendWhatOnlyShows(t *testing.T) {
	b := yard(t)
	if r := b.destroy("destructiveChangesPost.xml", "CustomField", "Shed__c.Shown__c"); !r.Success {
		t.Fatal(failures(r))
	}
	if r := b.destroy("destructiveChanges.xml", "CustomField", "Shed__c.Said__c"); !r.Success { // only a comment says its name
		t.Fatal(failures(r))
	}
	files, _ := b.ask("Layout", "*", "Profile", "*", "CustomObject", "Shed__c")
	layout := files["unpackaged/layouts/Shed__c-Main.layout"]
	if strings.Contains(layout, "Shown__c") || !strings.Contains(layout, "Code__c") {
		t.Errorf("the layout is %s", layout)
	}
	if strings.Contains(files["unpackaged/profiles/Sales.profile"], "Shown__c") || strings.Contains(files["unpackaged/objects/Shed__c.object"], "Shown__c") {
		t.Error("the deleted field is still named")
	}
}

func TestWhatGoesTogetherMayGo(t *testing.T) {
	b := yard(t)
	if r := b.destroy("destructiveChanges.xml", "CustomField", "Shed__c.Moved__c", "CustomField", "Shed__c.Copy__c"); !r.Success {
		t.Errorf("a field and the formula that uses it: %v", failures(r))
	}
	// Before the additions the class still uses the field; after them it does not.
	files := map[string]string{
		"package.xml": packageXML("ApexClass", "Sheds"), "classes/Sheds.cls": "class Sheds {}",
		"classes/Sheds.cls-meta.xml": file("ApexClass", "<apiVersion>66.0</apiVersion>"),
		"destructiveChangesPre.xml":  packageXML("CustomField", "Shed__c.Code__c"),
	}
	if r := b.deploy(metadata.Options{RollbackOnError: true}, files); r.Success {
		t.Error("a field was deleted before its user was changed")
	}
	files["destructiveChangesPost.xml"] = files["destructiveChangesPre.xml"]
	delete(files, "destructiveChangesPre.xml")
	if r := b.deploy(metadata.Options{RollbackOnError: true}, files); !r.Success || b.listed("CustomField", "Shed__c.Code__c") {
		t.Errorf("%v", failures(r))
	}
}
