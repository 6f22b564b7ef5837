package testkit

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// NPSPPackages are the five managed packages that the Nonprofit Success Pack extends, in the order
// in which they install.
var NPSPPackages = []string{"npe01", "npo02", "npe03", "npe4", "npe5"}

// NPSPObjects are the objects that the data set holds records of, parents before children.
var NPSPObjects = []string{
	"Account", "Address__c", "Contact", "Campaign", "npe03__Recurring_Donation__c", "Opportunity",
	"OpportunityContactRole", "Partial_Soft_Credit__c", "npe01__OppPayment__c", "General_Accounting_Unit__c",
	"Allocation__c", "npe4__Relationship__c", "CampaignMember",
}

// npspAccountTypes are the record types that the data set refers to. The pack ships them beside its
// main source, so they are deployed here in the same way.
const npspAccountTypes = `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
    <recordTypes><fullName>HH_Account</fullName><active>true</active><label>Household Account</label></recordTypes>
    <recordTypes><fullName>Organization</fullName><active>true</active><label>Organization</label></recordTypes>
</CustomObject>
`

// InstallNPSP installs the five packages from the org's package registry, deploys the pack on top
// through the Metadata API and loads the data set of that name (1k, dev_org, qa_org) through the
// data APIs. It returns the Ids by table and row number of the data set.
func InstallNPSP(t testing.TB, ctx context.Context, l *Loader, dataset string) map[string]map[string]string {
	t.Helper()
	DeployNPSP(t, ctx, l)
	set, err := ReadDataset(Shared(t, "projects", "npsp", "datasets", "mapping.yml"), Shared(t, "projects", "npsp", "datasets", dataset, "test_data.sql"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := l.Query(ctx, "SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Account'")
	if err != nil {
		t.Fatal(err)
	}
	recordTypes := map[string]string{}
	for _, r := range rows {
		recordTypes[r["DeveloperName"].(string)] = r["Id"].(string)
	}
	ids, err := set.Load(ctx, l, recordTypes)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// DeployNPSP installs the five packages and deploys the pack on top, without records.
func DeployNPSP(t testing.TB, ctx context.Context, l *Loader) {
	t.Helper()
	deployments, err := NPSPDeployments(Shared(t, "projects", "npsp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range deployments {
		deployFiles(t, ctx, l, files)
	}
}

// InstallPackages installs the five packages from the org's package registry.
func InstallPackages(t testing.TB, ctx context.Context, l *Loader) {
	t.Helper()
	for _, files := range packageDeployments() {
		deployFiles(t, ctx, l, files)
	}
}

// NPSPDeployments returns the files of the deployments, in their order, that install the five packages and put the pack
// of a folder on top of them.
func NPSPDeployments(project string) ([]map[string]string, error) {
	pack, err := SourceToMdapi(filepath.Join(project, "force-app"))
	if err != nil {
		return nil, err
	}
	return append(packageDeployments(), pack, map[string]string{
		"package.xml":            PackageXML("RecordType", "Account.HH_Account", "Account.Organization"),
		"objects/Account.object": npspAccountTypes,
	}), nil
}

func packageDeployments() []map[string]string {
	var all []map[string]string
	for _, namespace := range NPSPPackages {
		all = append(all, map[string]string{
			"package.xml": PackageXML("InstalledPackage", namespace),
			"installedPackages/" + namespace + ".installedPackage": `<?xml version="1.0" encoding="UTF-8"?>
<InstalledPackage xmlns="http://soap.sforce.com/2006/04/metadata"><versionNumber>1.0</versionNumber></InstalledPackage>
`,
		})
	}
	return all
}

// NPSPRegistry returns the package registry of the five packages: namespace → folder.
func NPSPRegistry(t testing.TB) map[string]string {
	root := Shared(t, "projects", "npsp-packages")
	registry := map[string]string{}
	for _, namespace := range NPSPPackages {
		registry[namespace] = filepath.Join(root, namespace)
		if _, err := os.Stat(registry[namespace]); err != nil {
			t.Fatal(err)
		}
	}
	return registry
}

func deployFiles(t testing.TB, ctx context.Context, l *Loader, files map[string]string) {
	t.Helper()
	if err := l.DeployFiles(ctx, files); err != nil {
		t.Fatal(err)
	}
}
