package metadata_test

import (
	"maps"
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
)

func newProduction(t *testing.T) *bench {
	o := org.New(org.Config{Edition: "Enterprise Edition"})
	return &bench{t: t, o: o, s: metadata.New(o, nil)}
}

func class(name, body string) map[string]string {
	return map[string]string{
		"package.xml": packageXML("ApexClass", "*", "ApexTrigger", "*"), "classes/" + name + ".cls": body,
		"classes/" + name + ".cls-meta.xml": file("ApexClass", "<apiVersion>66.0</apiVersion>"),
	}
}

const (
	sums     = "public class Sums {\n  Integer a = 1;\n  Integer b = 2;\n}"
	sumsTest = "@isTest private class SumsTest {\n  @isTest static void adds() { new Sums(); }\n}"
)

// Sources: Metadata API Developer Guide, DeployOptions; forcedotcom/cli issue 2105, IlluminatedCloud issue 583.
func TestProductionRefusesOptions(t *testing.T) {
	b := newProduction(t)
	good := metadata.Options{RollbackOnError: true, SinglePackage: true}
	for name, c := range map[string]struct {
		change func(*metadata.Options)
		want   string
	}{
		"plain":           {func(*metadata.Options) {}, ""},
		"no tests":        {func(o *metadata.Options) { o.TestLevel = "NoTestRun" }, "testLevel of NoTestRun cannot be used in production organizations"},
		"purge":           {func(o *metadata.Options) { o.PurgeOnDelete = true }, "purgeOnDelete option can only be used on a non-active org"},
		"in part":         {func(o *metadata.Options) { o.RollbackOnError = false }, "rollbackOnError must be true"},
		"missing files":   {func(o *metadata.Options) { o.AllowMissingFiles = true }, "allowMissingFiles"},
		"relevant tests":  {func(o *metadata.Options) { o.TestLevel = "RunRelevantTests" }, ""},
		"unknown level":   {func(o *metadata.Options) { o.TestLevel = "RunSome" }, "is not a valid value for the type TestLevel"},
		"specified: none": {func(o *metadata.Options) { o.TestLevel = "RunSpecifiedTests" }, "needs at least one test"},
	} {
		o := good
		c.change(&o)
		err := b.s.Check(o)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for kind, config := range map[metadata.OrgKind]org.Config{
		metadata.Developer: {}, metadata.SandboxOrg: {Edition: "Enterprise Edition", Sandbox: true}, metadata.Production: {Edition: "Enterprise Edition"},
	} {
		s := metadata.New(org.New(config), nil)
		if s.Kind() != kind {
			t.Errorf("%+v is of kind %s", config, s.Kind())
		}
		if err := s.Check(metadata.Options{PurgeOnDelete: true, TestLevel: "NoTestRun"}); (err != nil) != (kind == metadata.Production) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// Source: Metadata API Developer Guide, DeployOptions, testLevel: the default in production.
func TestProductionTestsApex(t *testing.T) {
	b := newProduction(t)
	options := metadata.Options{RollbackOnError: true}
	r := b.deploy(options, class("Sums", sums))
	want := "Average test coverage across all Apex Classes and Triggers is 0%, at least 75% test coverage is required."
	if r.Status != "Failed" || len(r.Tests.Warnings) != 1 || r.Tests.Warnings[0].Message != want || b.listed("ApexClass", "Sums") {
		t.Errorf("%s %+v", r.Status, r.Tests)
	}
	if r = b.deploy(options, map[string]string{"package.xml": packageXML("CustomObject", "Thing__c"), "objects/Thing__c.object": object("")}); !r.Success || r.Tests.Enabled {
		t.Errorf("an object needs no tests: %+v", r)
	}
	files := class("Sums", sums)
	maps.Copy(files, class("SumsTest", sumsTest))
	if r = b.deploy(options, files); !r.Success || len(r.Tests.Successes) != 1 || len(r.Tests.Coverage) != 1 || r.Tests.Coverage[0].Lines != 2 {
		t.Errorf("%v %+v", failures(r), r.Tests)
	}
	b.s.SetCoverage("Sums", 50)
	if r = b.destroy("destructiveChanges.xml", "ApexClass", "SumsTest"); r.Success {
		t.Error("the only test was deleted")
	}
	b.s.SetCoverage("Sums", -1)
	b.s.FailTest("SumsTest", "System.AssertException: no")
	if r = b.deploy(options, class("Other", "public class Other { }")); r.Success || len(r.Tests.Failures) != 1 {
		t.Errorf("%+v", r.Tests)
	}
}

// Source: Metadata API Developer Guide, DeployOptions, RunSpecifiedTests: each class and trigger of the deploy.
func TestSpecifiedTestsCoverEachClass(t *testing.T) {
	b := newProduction(t)
	files := class("Sums", sums)
	maps.Copy(files, class("SumsTest", sumsTest))
	files["triggers/Guard.trigger"] = "trigger Guard on Lead (before insert) {\n  Integer a = 1;\n}"
	files["triggers/Guard.trigger-meta.xml"] = file("ApexTrigger", "<apiVersion>66.0</apiVersion><status>Active</status>")
	options := metadata.Options{RollbackOnError: true, TestLevel: "RunSpecifiedTests", RunTests: []string{"SumsTest"}}
	r := b.deploy(options, files)
	want := "Test coverage of selected Apex Trigger is 0%, at least 75% test coverage is required."
	if r.Success || len(r.Tests.Warnings) != 1 || r.Tests.Warnings[0].Message != want || r.Tests.Warnings[0].Name != "Guard" {
		t.Errorf("%+v", r.Tests)
	}
	files["classes/SumsTest.cls"] = strings.Replace(sumsTest, "new Sums();", "new Sums(); insert new Lead();", 1)
	if r = b.deploy(options, files); !r.Success {
		t.Errorf("%v %+v", failures(r), r.Tests)
	}
}

// Source: Salesforce Help, Deploy Processes and Flows as Active.
func TestFlowsComeInInactiveInProduction(t *testing.T) {
	b := newProduction(t)
	if b.flow("One", "Active"); b.statuses("Route") != "One Draft" {
		t.Errorf("an active flow came in as %s", b.statuses("Route"))
	}
	b.switchTo("<activeVersionNumber>1</activeVersionNumber>")
	if b.flow("Two", "Active"); b.statuses("Route", "Route-1") != "Two Draft, One Active" {
		t.Errorf("a change of an active flow: %s", b.statuses("Route", "Route-1"))
	}
	b.must(map[string]string{
		"package.xml":            packageXML("Settings", "Flow"),
		"settings/Flow.settings": file("FlowSettings", "<enableFlowDeployAsActiveEnabled>true</enableFlowDeployAsActiveEnabled>"),
	})
	three := map[string]string{"package.xml": packageXML("Flow", "Route"), "flows/Route.flow": flowText("Three", "Active")}
	r := b.deploy(metadata.Options{RollbackOnError: true}, three)
	if r.Success || len(r.Tests.Warnings) != 1 || !r.Tests.Warnings[0].Flow || b.statuses("Route") != "Two Draft" {
		t.Errorf("an active flow that no test launches: %+v, %s", r.Tests, b.statuses("Route"))
	}
	b.must(class("RouteTest", "@isTest private class RouteTest { @isTest static void runs() { Flow.Interview i = new Flow.Interview.Route(null); } }"))
	if r := b.must(three); !r.Tests.Enabled || b.statuses("Route", "Route-1") != "Three Active, One Obsolete" {
		t.Errorf("%s", b.statuses("Route", "Route-1"))
	}
}

// A validation whose tests cover too little is not deployed without them.
// Source: Metadata API Developer Guide, deployRecentValidation.
func TestQuickDeploymentsNeedCoverage(t *testing.T) {
	b := newProduction(t)
	defer b.s.Close()
	options := metadata.Options{RollbackOnError: true, CheckOnly: true, TestLevel: "RunLocalTests"}
	bare := b.submit(options, class("Sums", sums))
	b.until(bare, metadata.Failed)
	if _, err := b.s.DeployValidated(b.o.Admin(), bare); err == nil {
		t.Error("a validation without coverage was deployed")
	}
	files := class("Sums", sums)
	maps.Copy(files, class("SumsTest", sumsTest))
	good := b.submit(options, files)
	b.until(good, metadata.Succeeded)
	id, err := b.s.DeployValidated(b.o.Admin(), good)
	if err != nil {
		t.Fatal(err)
	}
	if d := b.until(id, metadata.Succeeded); d.Result.Tests.Enabled || !b.listed("ApexClass", "Sums") {
		t.Errorf("%+v", d.Result)
	}
}
