package metadata_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

// unpack reads a zip.
func unpack(t testing.TB, raw []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range r.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

// ask retrieves members given as type, member, type, member …
func (b *bench) ask(members ...string) (map[string]string, *metadata.RetrieveResult) {
	b.t.Helper()
	req := metadata.RetrieveRequest{Version: 66, Unpackaged: true}
	for i := 0; i < len(members); i += 2 {
		req.Types = append(req.Types, metadata.Wanted{Type: members[i], Members: []string{members[i+1]}})
	}
	r := b.s.Retrieve(req)
	if r.ErrorCode != "" {
		b.t.Fatal(r.ErrorCode, r.ErrorMessage)
	}
	return unpack(b.t, r.Zip), r
}

// must deploys and fails the test when the deploy fails.
func (b *bench) must(files map[string]string) *metadata.Result {
	b.t.Helper()
	r := b.deploy(metadata.Options{RollbackOnError: true}, files)
	if !r.Success {
		b.t.Fatal(r.ErrorCode, r.ErrorMessage, failures(r))
	}
	return r
}

// packageXML names members given as type, member, type, member …
func packageXML(members ...string) string {
	text := head + `<Package xmlns="http://soap.sforce.com/2006/04/metadata">`
	for i := 0; i < len(members); i += 2 {
		text += "<types><members>" + members[i+1] + "</members><name>" + members[i] + "</name></types>"
	}
	return text + "<version>66.0</version></Package>"
}

func file(root, inner string) string {
	return head + "<" + root + ` xmlns="http://soap.sforce.com/2006/04/metadata">` + inner + "</" + root + ">"
}

func textField(name string) string {
	return field("<fullName>" + name + "</fullName><label>" + name + "</label><type>Text</type><length>20</length>")
}

func TestAPartOfAFileIsAComponent(t *testing.T) {
	b := newBench(t)
	b.must(map[string]string{"package.xml": packageXML("CustomObject", "Thing__c"), "objects/Thing__c.object": object(textField("One__c") + textField("Two__c"))})
	b.must(map[string]string{"package.xml": packageXML("CustomField", "Thing__c.Three__c"), "objects/Thing__c.object": file("CustomObject", textField("Three__c"))})
	whole, _ := b.ask("CustomObject", "Thing__c")
	text := whole["unpackaged/objects/Thing__c.object"]
	for _, want := range []string{"<label>Thing</label>", "One__c", "Two__c", "Three__c"} {
		if !strings.Contains(text, want) {
			t.Errorf("after a deploy of one field the object lacks %s: %s", want, text)
		}
	}
	single, r := b.ask("CustomField", "Thing__c.Two__c")
	text = single["unpackaged/objects/Thing__c.object"]
	if !strings.Contains(text, "Two__c") || strings.Contains(text, "One__c") || strings.Contains(text, "<pluralLabel>") {
		t.Errorf("a field came back as %s", text)
	}
	if len(r.Files) != 2 || r.Files[0].FullName != "Thing__c.Two__c" || r.Files[0].FileName != "unpackaged/objects/Thing__c.object" || r.Files[1].Type != "Package" {
		t.Errorf("%+v", r.Files)
	}
	if !b.listed("CustomField", "Thing__c.Three__c") || !b.listed("CustomField", "Account.Industry") || b.listed("CustomField", "Account.Id") {
		t.Error("the list of fields is wrong")
	}
}

func TestWildcardsLeaveOutWhatThePlatformLeavesOut(t *testing.T) {
	b := newBench(t)
	b.must(map[string]string{
		"package.xml":             packageXML("CustomObject", "*", "CustomField", "Account.Extra__c", "Report", "Yard", "Report", "Yard/R"),
		"objects/Thing__c.object": object(textField("One__c")), "objects/Account.object": file("CustomObject", textField("Extra__c")),
		"reports/Yard-meta.xml": file("ReportFolder", "<name>Yard</name>"), "reports/Yard/R.report": file("Report", "<name>R</name>"),
	})
	files, r := b.ask("CustomObject", "*", "Report", "*", "CustomField", "*")
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"unpackaged/objects/Thing__c.object", "unpackaged/package.xml"}) {
		t.Errorf("%q", got)
	}
	if len(r.Messages) != 0 {
		t.Errorf("%v", r.Messages)
	}
	files, _ = b.ask("CustomObject", "Account", "Report", "Yard/R")
	account := files["unpackaged/objects/Account.object"]
	if !strings.Contains(account, "Extra__c") || !strings.Contains(account, "<fullName>Industry</fullName>") {
		t.Errorf("a standard object that is named came back as %s", account)
	}
	if files["unpackaged/reports/Yard/R.report"] == "" || files["unpackaged/reports/Yard-meta.xml"] == "" {
		t.Errorf("%q", slices.Sorted(maps.Keys(files)))
	}
	if len(b.s.List("Report", "")) != 0 || len(b.s.List("Report", "Yard")) != 1 || len(b.s.List("ReportFolder", "")) != 1 {
		t.Error("reports are listed by folder, and only so")
	}
}

func TestRetrieveWarnsOfWhatIsNotThere(t *testing.T) {
	b := newBench(t)
	files, r := b.ask("ApexClass", "Nothing", "Nonsense", "X", "DataWeaveResource", "*")
	var got []string
	for _, m := range r.Messages {
		got = append(got, m.FileName+": "+m.Problem)
	}
	want := []string{"unpackaged/package.xml: Entity of type 'ApexClass' named 'Nothing' cannot be found", "unpackaged/package.xml: Entity type: 'Nonsense' is unknown"}
	if !slices.Equal(got, want) || len(files) != 1 {
		t.Errorf("%q %q", got, slices.Sorted(maps.Keys(files)))
	}
	old := b.s.Retrieve(metadata.RetrieveRequest{Version: 57, Unpackaged: true, Types: []metadata.Wanted{{Type: "DataWeaveResource", Members: []string{"*"}}}})
	if len(old.Messages) != 1 || old.Messages[0].Problem != "Entity type 'DataWeaveResource' is not available in this api version" {
		t.Errorf("%+v", old.Messages)
	}
}

const permits = `<classAccesses><apexClass>Foo</apexClass><enabled>true</enabled></classAccesses>` +
	`<fieldPermissions><editable>true</editable><field>Thing__c.One__c</field><readable>true</readable></fieldPermissions>` +
	`<fieldPermissions><editable>true</editable><field>Thing__c.Two__c</field><readable>true</readable></fieldPermissions>`

// TestProfilesSayWhatIsSeen: what the administrator sees because the org opens fields by itself stands in the profile, and
// where it opens none nothing does. Required fields and such as are computed: Metadata API Developer Guide, Profile.
func TestProfilesSayWhatIsSeen(t *testing.T) {
	permission := func(name string, editable bool) string {
		return fmt.Sprintf("<fieldPermissions><editable>%t</editable><field>Thing__c.%s__c</field><readable>true</readable></fieldPermissions>", editable, name)
	}
	for _, strict := range []bool{false, true} {
		o := org.New(org.Config{StrictFieldAccess: strict})
		b := &bench{t: t, o: o, s: metadata.New(o, nil)}
		b.must(map[string]string{
			"package.xml": packageXML("CustomObject", "Thing__c", "Profile", "Admin"),
			"objects/Thing__c.object": file("CustomObject", `<label>Thing</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Things</pluralLabel>`+
				textField("Open__c")+textField("Shut__c")+field("<fullName>Must__c</fullName><label>M</label><type>Text</type><length>20</length><required>true</required>")+
				field("<fullName>Sum__c</fullName><label>S</label><type>Text</type><formula>Name</formula>")),
			"profiles/Admin.profile": file("Profile", "<fieldPermissions><editable>false</editable><field>Thing__c.Shut__c</field><readable>false</readable></fieldPermissions>"),
		})
		shut := "<fieldPermissions><editable>false</editable><field>Thing__c.Shut__c</field><readable>false</readable></fieldPermissions>"
		want := permission("Open", true) + shut + permission("Sum", false)
		if strict {
			want = shut
		}
		for _, members := range [][]string{{"Profile", "*", "CustomObject", "Thing__c"}, {"Profile", "Admin", "CustomField", "Thing__c.Open__c", "CustomField", "Thing__c.Shut__c", "CustomField", "Thing__c.Sum__c", "CustomField", "Thing__c.Must__c"}} {
			files, _ := b.ask(members...)
			text := strings.Join(strings.Fields(files["unpackaged/profiles/Admin.profile"]), "")
			if got := file("Profile", "<custom>false</custom>"+want+"<userLicense>Salesforce</userLicense>"); text != strings.Join(strings.Fields(got), "") {
				t.Errorf("strict %t, %v: %s", strict, members, text)
			}
			if strings.Contains(files["unpackaged/profiles/Standard.profile"], "fieldPermissions") {
				t.Error("a standard user sees no field that nobody gave")
			}
		}
		object, _ := o.DescribeFor(o.Admin(), "Thing__c")
		for name, seen := range map[string]bool{"Open__c": !strict, "Shut__c": false, "Must__c": true, "Sum__c": !strict} {
			if (object.Field(name) != nil) != seen {
				t.Errorf("strict %t: %s is seen: %t", strict, name, !seen)
			}
		}
	}
}

func TestProfilesShowWhatTheSameRequestNames(t *testing.T) {
	b := newBench(t)
	b.must(map[string]string{
		"package.xml":                        packageXML("CustomObject", "Thing__c", "Profile", "Sales", "PermissionSet", "Extra", "ApexClass", "Foo"),
		"objects/Thing__c.object":            object(textField("One__c") + textField("Two__c")),
		"profiles/Sales.profile":             file("Profile", permits+`<custom>true</custom><userPermissions><enabled>true</enabled><name>ApiEnabled</name></userPermissions>`),
		"permissionsets/Extra.permissionset": file("PermissionSet", permits+"<label>Extra</label>"),
		"classes/Foo.cls":                    "public class Foo {}", "classes/Foo.cls-meta.xml": file("ApexClass", "<apiVersion>66.0</apiVersion>"),
	})
	for _, c := range []struct {
		ask  []string
		want []string
	}{
		{[]string{"Profile", "Sales"}, []string{"ApiEnabled"}},
		{[]string{"Profile", "Sales", "CustomField", "Thing__c.One__c"}, []string{"ApiEnabled", "Thing__c.One__c"}},
		{[]string{"Profile", "Sales", "CustomObject", "Thing__c"}, []string{"ApiEnabled", "Thing__c.One__c", "Thing__c.Two__c"}},
		{[]string{"Profile", "*", "ApexClass", "*"}, []string{"ApiEnabled", "<apexClass>Foo"}},
	} {
		files, _ := b.ask(c.ask...)
		text := files["unpackaged/profiles/Sales.profile"]
		for _, name := range []string{"ApiEnabled", "Thing__c.One__c", "Thing__c.Two__c", "<apexClass>Foo"} {
			if strings.Contains(text, name) != slices.Contains(c.want, name) {
				t.Errorf("%q: %s in %s", c.ask, name, text)
			}
		}
	}
	files, _ := b.ask("PermissionSet", "Extra")
	if text := files["unpackaged/permissionsets/Extra.permissionset"]; !strings.Contains(text, "Thing__c.Two__c") || !strings.Contains(text, "Foo") {
		t.Errorf("a permission set is whole, not %s", text)
	}
	// A profile is merged, a permission set replaced.
	b.must(map[string]string{
		"package.xml":            packageXML("Profile", "Sales", "PermissionSet", "Extra"),
		"profiles/Sales.profile": file("Profile", "<custom>true</custom>"), "permissionsets/Extra.permissionset": file("PermissionSet", "<label>Less</label>"),
	})
	files, _ = b.ask("Profile", "Sales", "PermissionSet", "Extra", "CustomObject", "Thing__c")
	if !strings.Contains(files["unpackaged/profiles/Sales.profile"], "Thing__c.Two__c") || strings.Contains(files["unpackaged/permissionsets/Extra.permissionset"], "Foo") {
		t.Error("a profile must be merged and a permission set replaced")
	}
}

func TestSinglePackageAndSpecificFiles(t *testing.T) {
	b := newBench(t)
	b.must(map[string]string{
		"package.xml": packageXML("CustomTab", "*"), "tabs/A.tab": file("CustomTab", "<label>A</label>"), "tabs/B.tab": file("CustomTab", "<label>B</label>"),
	})
	r := b.s.Retrieve(metadata.RetrieveRequest{
		Version: 66, SinglePackage: true, Unpackaged: true, SpecificFiles: []string{"unpackaged/tabs/B.tab"},
		Types: []metadata.Wanted{{Type: "CustomTab", Members: []string{"*"}}},
	})
	if got := slices.Sorted(maps.Keys(unpack(t, r.Zip))); !slices.Equal(got, []string{"package.xml", "tabs/B.tab"}) {
		t.Errorf("%q", got)
	}
	if r = b.s.Retrieve(metadata.RetrieveRequest{Version: 66, PackageNames: []string{"gone"}}); r.ErrorCode != "INVALID_CROSS_REFERENCE_KEY" {
		t.Errorf("%+v", r)
	}
}

// tabs are n files from a number on.
func tabs(from, n int) map[string]string {
	files := map[string]string{"package.xml": packageXML("CustomTab", "*")}
	for i := range n {
		files[fmt.Sprintf("tabs/T%06d.tab", from+i)] = file("CustomTab", "<label>T</label>")
	}
	return files
}

func TestTenThousandFilesAreTheMost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if r := b.deploy(metadata.Options{}, tabs(0, 10_000)); r.ErrorCode != "INVALID_OPERATION" || r.ErrorMessage != "Too many files in zip" {
		t.Errorf("a zip of 10,001 files: %s %s", r.ErrorCode, r.ErrorMessage)
	}
	b.must(tabs(0, 5000))
	b.must(tabs(5000, 5001))
	all := []metadata.Wanted{{Type: "CustomTab", Members: []string{"*"}}}
	r := b.s.Retrieve(metadata.RetrieveRequest{Version: 66, Unpackaged: true, Types: all})
	if r.ErrorCode != "LIMIT_EXCEEDED" || r.ErrorMessage != "LIMIT_EXCEEDED: Too many files in retrieve call, limit is: 10000" || r.Zip != nil {
		t.Errorf("%s %s", r.ErrorCode, r.ErrorMessage)
	}
	var half []string
	for _, c := range b.s.List("CustomTab", "")[:5000] {
		half = append(half, c.FullName)
	}
	r = b.s.Retrieve(metadata.RetrieveRequest{Version: 66, Unpackaged: true, Types: []metadata.Wanted{{Type: "CustomTab", Members: half}}})
	if r.ErrorCode != "" || len(unpack(t, r.Zip)) != 5001 {
		t.Errorf("the half of it: %s %s", r.ErrorCode, r.ErrorMessage)
	}
}

func TestLargeZipsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	noise := make([]byte, 41<<20)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(noise); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, content := range map[string]string{
		"package.xml": packageXML("StaticResource", "Noise"), "staticresources/Noise.resource": string(noise),
		"staticresources/Noise.resource-meta.xml": file("StaticResource", "<contentType>application/octet-stream</contentType>"),
	} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}) // noise cannot be packed
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if r := b.s.Deploy(b.o.Admin(), archive.Bytes(), metadata.Options{}); !r.Success { // the 39 MB are a limit of SOAP
		t.Fatal(failures(r))
	}
	r := b.s.Retrieve(metadata.RetrieveRequest{Version: 66, Unpackaged: true, Types: []metadata.Wanted{{Type: "StaticResource", Members: []string{"*"}}}})
	if r.ErrorCode != "LIMIT_EXCEEDED" {
		t.Errorf("a zip of more than 39 MB: %s %s", r.ErrorCode, r.ErrorMessage)
	}
}

// Source: listMetadata results: the epoch and no Id for what is no record of its own.
func TestListsTellWhoAndWhen(t *testing.T) {
	clock := org.FixedClock(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC))
	o := org.New(org.Config{Clock: clock})
	b := &bench{t: t, o: o, s: metadata.New(o, nil)}
	named := func(kind, name string) metadata.Component {
		for _, c := range b.s.List(kind, "") {
			if c.FullName == name {
				return c
			}
		}
		t.Errorf("%s %s is not listed", kind, name)
		return metadata.Component{}
	}
	b.must(map[string]string{
		"package.xml":            packageXML("CustomField", "Account.Extra__c", "CustomLabels", "CustomLabels", "CustomTab", "T000001"),
		"objects/Account.object": file("CustomObject", textField("Extra__c")), "tabs/T000001.tab": file("CustomTab", "<label>T</label>"),
		"labels/CustomLabels.labels": file("CustomLabels", "<labels><fullName>Hi</fullName><language>en_US</language><protected>false</protected><shortDescription>s</shortDescription><value>v</value></labels>"),
	})
	clock.Advance(time.Hour)
	sam, _ := o.UserByName("standard.admin@emulated.example")
	r := b.s.Deploy(org.Caller{User: sam.ID}, zipped(t, map[string]string{"package.xml": packageXML("CustomTab", "*"), "tabs/T000001.tab": file("CustomTab", "<label>Changed</label>")}), metadata.Options{})
	if !r.Success {
		t.Fatal(failures(r))
	}
	for _, c := range []metadata.Component{named("CustomObject", "Account"), named("CustomLabels", "CustomLabels"), named("CustomObject", "Contact")} {
		if c.ID != "" || !c.Created.IsZero() || !c.Modified.IsZero() {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range []metadata.Component{named("CustomField", "Account.Extra__c"), named("CustomLabel", "Hi"), named("CustomTab", "T000001")} {
		changed := c.Type == "CustomTab"
		if c.ID == "" || c.Created.Hour() != 8 || (c.Modified.Hour() == 9) != changed || (c.Editor == sam.ID) != changed || c.By != o.Admin().User {
			t.Errorf("%s %s: made %s by %s, changed %s by %s", c.Type, c.FullName, c.Created, c.By, c.Modified, c.Editor)
		}
	}
	first := named("CustomField", "Account.Extra__c").ID
	b.destroy("destructiveChanges.xml", "CustomField", "Account.Extra__c")
	b.must(map[string]string{"package.xml": packageXML("CustomField", "Account.Extra__c"), "objects/Account.object": file("CustomObject", textField("Extra__c"))})
	if again := named("CustomField", "Account.Extra__c"); again.ID == first || again.Created.Hour() != 9 {
		t.Errorf("a field that was deleted came back as the same: %+v", again)
	}
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	raw, err := testkit.Zip(files)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
