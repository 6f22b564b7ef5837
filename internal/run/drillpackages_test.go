package run_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// depotPackage is a managed package with an object, its details, and a field of an object that every org has.
var depotPackage = map[string]string{
	"Depot__c": `<label>Depot</label><pluralLabel>Depots</pluralLabel><nameField><label>Depot Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
<fields><fullName>Account__c</fullName><label>Account</label><type>Lookup</type><referenceTo>Account</referenceTo><relationshipName>Depots</relationshipName></fields>
<fields><fullName>Kind__c</fullName><label>Kind</label><type>Picklist</type><valueSet><restricted>true</restricted><valueSetDefinition><sorted>false</sorted>
<value><fullName>cold</fullName><default>false</default><label>cold</label></value><value><fullName>dry</fullName><default>false</default><label>dry</label></value></valueSetDefinition></valueSet></fields>`,
	"Parcel__c": `<label>Parcel</label><pluralLabel>Parcels</pluralLabel><nameField><label>Number</label><type>AutoNumber</type><displayFormat>P-{0000}</displayFormat></nameField><sharingModel>ControlledByParent</sharingModel>
<fields><fullName>Depot__c</fullName><label>Depot</label><type>MasterDetail</type><referenceTo>Depot__c</referenceTo><relationshipName>Parcels</relationshipName><relationshipOrder>0</relationshipOrder></fields>
<fields><fullName>Weight__c</fullName><label>Weight</label><type>Number</type><precision>10</precision><scale>3</scale></fields>
<fields><fullName>Serial__c</fullName><label>Serial</label><type>AutoNumber</type><displayFormat>S-{000}</displayFormat></fields>
<fields><fullName>Double__c</fullName><label>Double</label><type>Number</type><precision>18</precision><scale>3</scale><formula>Weight__c * 2</formula></fields>`,
	"Account": `<fields><fullName>Tier__c</fullName><label>Tier</label><type>Text</type><length>12</length></fields>`,
}

// ownParts is what the org has made itself around the package: a field on the package's object, and a lookup to it.
var ownParts = map[string]string{
	"package.xml": testkit.PackageXML("CustomField", "dep__Depot__c.Remark__c", "Crate__c.Depot__c", "Account.Region__c"),
	"objects/dep__Depot__c.object": customObjectFile(
		`<fields><fullName>Remark__c</fullName><label>Remark</label><type>LongTextArea</type><length>2000</length><visibleLines>3</visibleLines></fields>`),
	"objects/Crate__c.object": customObjectFile(
		`<fields><fullName>Depot__c</fullName><label>Depot</label><type>Lookup</type><referenceTo>dep__Depot__c</referenceTo><relationshipName>Crates</relationshipName></fields>`),
	"objects/Account.object": customObjectFile(
		`<fields><fullName>Region__c</fullName><label>Region</label><type>Text</type><length>20</length></fields>`),
}

func customObjectFile(inside string) string {
	return `<?xml version="1.0"?><CustomObject` + metadataSpace + `>` + inside + `</CustomObject>`
}

// look reads records as a witness does who uses nothing of the client.
func (w *ward) look(ctx context.Context, object string, fields []string, each func(sf.ID, map[string]any) error) error {
	rows, err := w.loader.Query(ctx, "SELECT "+strings.Join(append([]string{"Id"}, fields...), ",")+" FROM "+object)
	for _, r := range rows {
		if err := each(sf.ID(fmt.Sprint(r["Id"])), r); err != nil {
			return err
		}
	}
	return err
}

// Records of a managed package come back in a drill as any others: the snapshot describes what the package would bring.
func TestDrillRehearsesRecordsOfPackages(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, inside := range depotPackage {
		if err := os.WriteFile(filepath.Join(folder, "objects", name+".object"), []byte(customObjectFile(inside)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := emptyWard(t, 61, emulator.Options{Packages: map[string]string{"dep": folder}})
	a.must(a.loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": testkit.PackageXML("InstalledPackage", "dep"),
		"installedPackages/dep.installedPackage": `<?xml version="1.0"?><InstalledPackage` + metadataSpace +
			`><versionNumber>1.0</versionNumber></InstalledPackage>`,
	}))
	a.must(a.loader.DeployFiles(t.Context(), ownParts))
	acme := a.added("Account", testkit.Row{"Name": "Acme", "dep__Tier__c": "gold", "Region__c": "north"})[0]
	depots := a.added("dep__Depot__c", testkit.Row{"Name": "North", "dep__Account__c": acme, "dep__Kind__c": "cold", "Remark__c": "by the river"},
		testkit.Row{"Name": "South", "dep__Kind__c": "dry"})
	a.added("dep__Parcel__c", testkit.Row{"dep__Depot__c": depots[0], "dep__Weight__c": "1.125"}, testkit.Row{"dep__Depot__c": depots[1]})
	a.added("Crate__c", testkit.Row{"Account__c": acme, "Depot__c": depots[1]})
	a.server.Clock().Advance(time.Hour)
	_, err := run.Backup(t.Context(), run.BackupInput{
		Source: a.client, Store: a.store, Options: capture.Options{OrgName: "prod", Metadata: a.client},
	})
	a.must(err)

	in := run.DrillInput{Store: a.store, Snapshot: "latest", Now: time.Now}
	namespaces, err := run.DrillNamespaces(t.Context(), in)
	a.must(err)
	if !slices.Equal(namespaces, []string{"dep"}) {
		t.Fatalf("packages %v", namespaces)
	}
	in.Packages = map[string]string{"dep": filepath.Join(t.TempDir(), "dep")}
	stage := observeOrg(t, emulator.Options{Seed: 62, Packages: in.Packages})
	witness := &ward{observed: stage, loader: &testkit.Loader{InstanceURL: stage.server.URL, AccessToken: stage.server.AccessToken, Version: "v66.0"}}
	witness.intercept(nil)
	in.Org, in.Scratch, in.Dir, in.Look = stage.client, stage.store, t.TempDir(), witness.look
	out, err := run.Drill(t.Context(), in)
	if err != nil {
		t.Fatalf("%v\nnot deployed %+v\nrefused %+v", err, out.NotDeployed, out.Refusals)
	}
	records := map[string]int64{}
	for _, o := range out.Objects {
		records[o.Object] = o.Whole
		if o.Whole != o.Records || len(o.Without) > 0 {
			t.Errorf("%+v", o)
		}
	}
	for object, n := range map[string]int64{"Account": 1, "dep__Depot__c": 2, "dep__Parcel__c": 2, "Crate__c": 1} {
		if records[object] != n {
			t.Errorf("%d records of %s came back, want %d", records[object], object, n)
		}
	}
	if out.Score != 1 || out.Different != 0 || !slices.Equal(out.Packages, []string{"dep"}) || len(out.NotDeployed) > 0 {
		t.Errorf("score %v, %d different, packages %v, not deployed %+v", out.Score, out.Different, out.Packages, out.NotDeployed)
	}
	told := strings.Join(out.NotTried, "\n")
	for _, want := range []string{
		"packages dep: objects and fields as the snapshot describes them; what their own rules and code refuse was not rehearsed",
		"package dep: 1 fields are formulas or roll-ups", "dep__Parcel__c.dep__Double__c",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("nothing is said of %q:\n%s", want, told)
		}
	}
	witness.sameShape(t, a, "dep__Depot__c", "dep__Parcel__c", "Account", "Crate__c")
}

// sameShape demands that the objects have the fields of another org, as a describe tells of them, but for formulas.
func (w *ward) sameShape(t *testing.T, other *ward, objects ...string) {
	t.Helper()
	have, err := w.client.Schema(t.Context())
	w.must(err)
	want, err := other.client.Schema(t.Context())
	w.must(err)
	for _, object := range objects {
		if have.Object(object) == nil {
			t.Errorf("%s is missing", object)
			continue
		}
		for _, f := range want.Object(object).Fields {
			if f.Calculated {
				continue
			}
			is := have.Object(object).Field(f.Name)
			if is == nil {
				t.Errorf("%s.%s is missing", object, f.Name)
			} else if got, wants := fmt.Sprintf("%+v", *is), fmt.Sprintf("%+v", *f); got != wants {
				t.Errorf("%s.%s is\n%s, want\n%s", object, f.Name, got, wants)
			}
		}
	}
}
