package metadata_test

import (
	"os"
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
	"holdfast/internal/testkit"
)

// packages are the five packages that NPSP extends, in the order of their dependencies.
var packages = []string{"npo02", "npe01", "npe03", "npe4", "npe5"}

func registry(t *testing.T) metadata.Registry {
	r := metadata.Registry{}
	for _, ns := range packages {
		r[ns] = os.DirFS(testkit.Shared(t, "projects", "npsp-packages", ns))
	}
	return r
}

// deployFiles deploys files and fails the test when a component fails.
func deployFiles(t *testing.T, s *metadata.Store, o *org.Org, files map[string]string) *metadata.Result {
	t.Helper()
	r := deployAny(t, s, o, files, metadata.Options{RollbackOnError: true, SinglePackage: true})
	if !r.Success {
		for i, m := range r.Components {
			if !m.Success && i < 2000 {
				t.Errorf("%s %s (%s): %s", m.ComponentType, m.FullName, m.FileName, m.Problem)
			}
		}
		t.Fatalf("deploy: %s %s %s", r.Status, r.ErrorCode, r.ErrorMessage)
	}
	return r
}

func deployAny(t *testing.T, s *metadata.Store, o *org.Org, files map[string]string, opts metadata.Options) *metadata.Result {
	t.Helper()
	raw, err := testkit.Zip(files)
	if err != nil {
		t.Fatal(err)
	}
	return s.Deploy(o.Admin(), raw, opts)
}

func installFiles(namespaces ...string) map[string]string {
	files := map[string]string{}
	members := ""
	for _, ns := range namespaces {
		files["installedPackages/"+ns+".installedPackage"] = `<InstalledPackage xmlns="http://soap.sforce.com/2006/04/metadata"><versionNumber>1.0</versionNumber></InstalledPackage>`
		members += "<members>" + ns + "</members>"
	}
	files["package.xml"] = `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types>` + members +
		`<name>InstalledPackage</name></types><version>66.0</version></Package>`
	return files
}

// TestProjects deploys the real projects: what they define must all be there, and their records fit.
func TestProjects(t *testing.T) {
	t.Parallel()
	o := org.New(org.Config{})
	s := metadata.New(o, registry(t))
	for _, ns := range packages {
		deployFiles(t, s, o, installFiles(ns))
	}
	for _, project := range [][]string{
		{"npsp", "force-app"},
		{"dreamhouse", "force-app"},
		{"easy-spaces"},
	} {
		files, err := testkit.SourceToMdapi(testkit.Shared(t, append([]string{"projects"}, project...)...))
		if err != nil {
			t.Fatal(err)
		}
		deployFiles(t, s, o, files)
	}
	unread, fields := 0, 0
	for _, object := range o.Objects() {
		for _, f := range object.Fields {
			if f.Custom {
				fields++
			}
			if f.FormulaUnread {
				unread++
				t.Logf("formula not computed: %s.%s = %s", object.Name, f.Name, strings.Join(strings.Fields(f.CalculatedFormula), " "))
			}
		}
	}
	t.Logf("%d objects, %d custom fields, %d formulas not computed", len(o.Objects()), fields, unread)
	if unread > 0 {
		t.Errorf("%d formulas of real projects are not computed", unread)
	}
	if fields < 1000 {
		t.Errorf("only %d custom fields", fields)
	}
	payment, ok := o.Describe("npe01__OppPayment__c")
	if !ok || payment.Field("npe01__Paid__c") == nil || payment.Field("npe01__Opportunity__c").ReferenceTo[0] != "Opportunity" {
		t.Errorf("npe01__OppPayment__c is not what the package defines: %v", payment)
	}
	q, err := soql.Parse("SELECT COUNT() FROM Data_Import_Field_Mapping__mdt")
	if err != nil {
		t.Fatal(err)
	}
	if a, err := o.Query(o.Admin(), q, false); err != nil || a.Total < 100 {
		t.Errorf("custom metadata records: %v, %v", a, err)
	}
	for _, set := range datasets {
		loadDataset(t, o, set.name, set.mapping)
	}
}
