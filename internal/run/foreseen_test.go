package run_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// gauge is an object whose fields are narrowed after a backup.
func gauge(length, values string) map[string]string {
	var list strings.Builder
	for _, v := range strings.Split(values, ";") {
		fmt.Fprintf(&list, "<value><fullName>%s</fullName><default>false</default><label>%s</label></value>", v, v)
	}
	return map[string]string{
		"package.xml": testkit.PackageXML("CustomObject", "Gauge__c"),
		"objects/Gauge__c.object": `<CustomObject` + metadataSpace + `><deploymentStatus>Deployed</deploymentStatus><label>Gauge</label><pluralLabel>Gauges</pluralLabel>
<nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
<fields><fullName>Code__c</fullName><label>Code</label><type>Text</type><length>` + length + `</length></fields>
<fields><fullName>Kind__c</fullName><label>Kind</label><type>Picklist</type><valueSet><restricted>true</restricted><valueSetDefinition><sorted>false</sorted>` + list.String() + `</valueSetDefinition></valueSet></fields>
</CustomObject>`,
	}
}

// What the org would refuse as its schema is now is foreseen without asking it, row by row: then exactly these
// rows are refused.
func TestRestoreForeseesWhatTheSchemaRefuses(t *testing.T) {
	w := emptyWard(t, 71, emulatorOptions)
	w.must(w.loader.DeployFiles(t.Context(), gauge("20", "Red;Green;Blue")))
	kinds := []string{"Red", "Green", "Blue", ""}
	var rows []testkit.Row
	for i := range 40 {
		rows = append(rows, testkit.Row{"Name": fmt.Sprint("Gauge ", i), "Code__c": strings.Repeat("x", 1+i%20), "Kind__c": kinds[i%4]})
	}
	ids := w.added("Gauge__c", rows...)
	w.server.Clock().Advance(time.Hour)
	before := w.backup()
	w.purge(ids...)
	w.must(w.loader.DeployFiles(t.Context(), gauge("15", "Red;Green")))
	w.sees("Group") // what the client remembers of the schema is read again
	w.client = w.again()
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID})
	// Twenty lengths, of which five are too long, in forty rows: ten; every fourth row is blue: ten; two are both.
	want := []run.ForeseenRow{
		{Object: "Gauge__c", Field: "Code__c", Reason: "the text is longer than the 15 characters that it takes now", Rows: 10},
		{Object: "Gauge__c", Field: "Kind__c", Reason: `its restricted picklist does not have "Blue"`, Rows: 10},
	}
	if !slices.Equal(r.Foreseen, want) || len(r.Restorable) != 1 || r.Restorable[0].Refused != 18 || r.Restorable[0].Score != 0.55 {
		t.Errorf("%+v %+v", r.Foreseen, r.Restorable)
	}
	if !slices.Contains(r.Notes, `10 of 40 rows of Gauge__c would be refused: Gauge__c.Kind__c: its restricted picklist does not have "Blue"`) {
		t.Errorf("%q", r.Notes)
	}
	out, err := run.Apply(t.Context(), w.input(r, filepath.Join(t.TempDir(), "j")))
	if problem.KindOf(err) != problem.Partial || out.Failed != 18 {
		t.Errorf("%v, %d refused", err, out.Failed)
	}
}
