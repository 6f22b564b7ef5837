package emulator_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
)

// source writes a file of a project.
func (l commandLine) source(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(l.dir, "force-app", "main", "default", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	metaHead  = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	metaSpace = ` xmlns="http://soap.sforce.com/2006/04/metadata">`
)

// shed is a small project: an object with two fields, and a class with a test that says so.
func shed(t *testing.T, sf commandLine) {
	t.Helper()
	sf.source(t, "objects/Shed__c/Shed__c.object-meta.xml", metaHead+"<CustomObject"+metaSpace+`<label>Shed</label><pluralLabel>Sheds</pluralLabel>
<nameField><label>Name</label><type>Text</type></nameField><deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel></CustomObject>`)
	for _, f := range []string{"Doors__c", "Roof__c"} {
		sf.source(t, "objects/Shed__c/fields/"+f+".field-meta.xml", metaHead+"<CustomField"+metaSpace+"<fullName>"+f+"</fullName><label>"+f+
			"</label><type>Text</type><length>20</length></CustomField>")
	}
	class := "<ApexClass" + metaSpace + "<apiVersion>66.0</apiVersion><status>Active</status></ApexClass>"
	sf.source(t, "classes/ShedTest.cls", "@isTest private class ShedTest {\n  @isTest static void stands() { System.assertEquals(null, Sheds.doors(new Shed__c())); }\n}\n")
	sf.source(t, "classes/ShedTest.cls-meta.xml", metaHead+class)
	sf.source(t, "classes/Sheds.cls", "public class Sheds { public static String doors(Shed__c s) { return s.Doors__c; } }\n")
	sf.source(t, "classes/Sheds.cls-meta.xml", metaHead+class)
}

// TestConformanceDeployments drives the commands of the official client for deployments.
func TestConformanceDeployments(t *testing.T) {
	t.Parallel()
	sf, c := signedIn(t, emulator.Options{})
	shed(t, sf)
	var r deployReport
	sf.json(t, &r, "project", "deploy", "validate", "-o", "emu", "--source-dir", "force-app", "-l", "RunLocalTests")
	if r.Status != "Succeeded" || !r.CheckOnly || r.NumberTestsCompleted != 1 {
		t.Fatalf("validate: %+v", r)
	}
	if _, ok := c.s.Org().Describe("Shed__c"); ok {
		t.Error("a validation changed the org")
	}
	var quick deployReport
	sf.json(t, &quick, "project", "deploy", "quick", "-o", "emu", "--job-id", r.ID)
	if o, ok := c.s.Org().Describe("Shed__c"); !ok || o.Field("Roof__c") == nil || quick.Status != "Succeeded" || quick.ID == r.ID {
		t.Errorf("quick: %+v", quick)
	}
	if text := sf.refused(t, "project", "deploy", "quick", "-o", "emu", "--job-id", r.ID); !strings.Contains(text, "INVALID_ID_FIELD") {
		t.Errorf("a validation was deployed after another deployment: %s", text)
	}

	c.s.Metadata().FailTest("ShedTest.stands", "System.AssertException: Assertion Failed")
	text := sf.refused(t, "project", "deploy", "start", "-o", "emu", "--source-dir", "force-app", "-l", "RunSpecifiedTests", "-t", "ShedTest")
	if !strings.Contains(text, "Assertion Failed") {
		t.Errorf("the failed test is not told: %s", text)
	}
	c.s.Metadata().FailTest("ShedTest.stands", "")

	sf.env = append(slices.Clone(sf.env), "SF_ORG_METADATA_REST_DEPLOY=true")
	sf.json(t, &r, "project", "deploy", "start", "-o", "emu", "--source-dir", "force-app", "-l", "RunLocalTests")
	if r.Status != "Succeeded" || r.NumberTestsCompleted != 1 {
		t.Errorf("by REST: %+v", r)
	}
	sf.env = sf.env[:len(sf.env)-1]

	text = sf.refused(t, "project", "delete", "source", "-o", "emu", "--no-prompt", "--metadata", "CustomField:Shed__c.Doors__c")
	if !strings.Contains(text, "This custom field is referenced elsewhere in salesforce.com. : Apex Class - Sheds.") {
		t.Errorf("a field that Apex uses was deleted: %s", text)
	}
	sf.json(t, &struct{}{}, "project", "delete", "source", "-o", "emu", "--no-prompt", "--metadata", "CustomField:Shed__c.Roof__c")
	if o, _ := c.s.Org().Describe("Shed__c"); o.Field("Roof__c") != nil {
		t.Error("delete source left the field")
	}
	sf.file(t, "empty.xml", metaHead+"<Package"+metaSpace+"<version>66.0</version></Package>")
	sf.file(t, "pre.xml", metaHead+"<Package"+metaSpace+"<types><members>Sheds</members><members>ShedTest</members><name>ApexClass</name></types><version>66.0</version></Package>")
	sf.file(t, "post.xml", metaHead+"<Package"+metaSpace+"<types><members>Shed__c.Doors__c</members><name>CustomField</name></types><version>66.0</version></Package>")
	sf.json(t, &r, "project", "deploy", "start", "-o", "emu", "--manifest", "empty.xml", "--pre-destructive-changes", "pre.xml", "--post-destructive-changes", "post.xml")
	if o, _ := c.s.Org().Describe("Shed__c"); r.Status != "Succeeded" || len(c.s.Metadata().List("ApexClass", "")) != 0 || o.Field("Doors__c") != nil {
		t.Errorf("destructive changes before and after: %+v", r)
	}

	release := c.s.Metadata().Hold(metadata.Pending)
	sf.json(t, &r, "project", "deploy", "start", "-o", "emu", "--source-dir", "force-app", "--async")
	var canceled deployReport
	sf.json(t, &canceled, "project", "deploy", "cancel", "-o", "emu", "--job-id", r.ID)
	release()
	if d, ok := c.s.Metadata().Deployment(r.ID); !ok || d.Status != metadata.Canceled || canceled.Status != "Canceled" {
		t.Errorf("cancel: %+v", canceled)
	}
}

// TestConformanceProduction deploys to a production org: its rules as the official client tells them.
func TestConformanceProduction(t *testing.T) {
	t.Parallel()
	sf, c := signedIn(t, emulator.Options{Kind: metadata.Production})
	shed(t, sf)
	start := []string{"project", "deploy", "start", "-o", "emu", "--source-dir", "force-app"}
	for flags, want := range map[string]string{
		"--test-level NoTestRun": "testLevel of NoTestRun cannot be used in production organizations",
		"--ignore-errors":        "rollbackOnError must be true in production organizations",
	} {
		if text := sf.refused(t, append(slices.Clone(start), strings.Fields(flags)...)...); !strings.Contains(text, want) {
			t.Errorf("%s: %.1000s", flags, text)
		}
	}
	c.s.Metadata().SetCoverage("Sheds", 60)
	const short = "Average test coverage across all Apex Classes and Triggers is 0%, at least 75% test coverage is required."
	if text := sf.refused(t, start...); !strings.Contains(text, short) || c.s.Metadata().List("ApexClass", "") != nil {
		t.Errorf("too little coverage: %.3000s", text)
	}
	c.s.Metadata().SetCoverage("Sheds", -1)
	sf.env = append(sf.env, "SF_ORG_METADATA_REST_DEPLOY=true")
	var r, quick deployReport
	sf.json(t, &r, "project", "deploy", "validate", "-o", "emu", "--source-dir", "force-app", "-l", "RunRelevantTests")
	if r.Status != "Succeeded" || r.NumberTestsCompleted != 1 {
		t.Errorf("validate: %+v", r)
	}
	sf.json(t, &quick, "project", "deploy", "quick", "-o", "emu", "--job-id", r.ID)
	if quick.Status != "Succeeded" || len(c.s.Metadata().List("ApexClass", "")) != 2 {
		t.Errorf("quick by REST: %+v", quick)
	}
}

// TestConformanceListings drives the commands of the official client that list metadata.
func TestConformanceListings(t *testing.T) {
	t.Parallel()
	sf, _ := signedIn(t, emulator.Options{})
	shed(t, sf)
	sf.source(t, "reports/Yard/Sheds.report-meta.xml", metaHead+"<Report"+metaSpace+"<name>Sheds</name><reportType>Shed__c</reportType></Report>")
	sf.source(t, "reports/Yard.reportFolder-meta.xml", metaHead+"<ReportFolder"+metaSpace+"<name>Yard</name></ReportFolder>")
	sf.json(t, &struct{}{}, "project", "deploy", "start", "-o", "emu", "--source-dir", "force-app")
	var types struct {
		MetadataObjects []struct {
			XMLName       string
			DirectoryName string
			ChildXMLNames []string
		}
	}
	sf.json(t, &types, "org", "list", "metadata-types", "-o", "emu")
	if n := len(types.MetadataObjects); n < 300 {
		t.Errorf("%d types", n)
	}
	for _, q := range []struct {
		want string
		args []string
	}{
		{"Shed__c", []string{"-m", "CustomObject"}},
		{"Shed__c.Roof__c", []string{"-m", "CustomField"}},
		{"Account.Industry", []string{"-m", "CustomField"}},
		{"Yard", []string{"-m", "ReportFolder"}},
		{"Yard/Sheds", []string{"-m", "Report", "--folder", "Yard"}},
		{"Admin", []string{"-m", "Profile"}},
	} {
		var list []struct{ FullName, Type, FileName string }
		sf.json(t, &list, append([]string{"org", "list", "metadata", "-o", "emu"}, q.args...)...)
		if !slices.ContainsFunc(list, func(c struct{ FullName, Type, FileName string }) bool {
			return c.FullName == q.want && c.Type == q.args[1]
		}) {
			t.Errorf("%v does not list %s", q.args, q.want)
		}
	}
	sf.json(t, &struct{}{}, "project", "generate", "manifest", "--from-org", "emu", "--name", "org.xml")
	raw, err := os.ReadFile(filepath.Join(sf.dir, "org.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Shed__c.Doors__c", "Yard/Sheds", "<name>StandardValueSet</name>", "<members>Industry</members>", "<members>ShedTest</members>"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the manifest of the org lacks %s", want)
		}
	}
}
