package cli_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// TestNonprofitSuccessPackComesBack is the main job on real metadata and real data: five managed
// packages, the pack on top, 17,283 linked records of 13 objects. A fifth of the parents is deleted
// with all that hangs on them, a tenth of the fields elsewhere is overwritten and a twentieth
// blanked, then people go on working. The restore must bring back everything that the incident
// took and keep everything that was done since; an independent client compares.
func TestNonprofitSuccessPackComesBack(t *testing.T) {
	ctx := t.Context()
	server, err := emulator.Start(ctx, emulator.Options{Seed: 1, Packages: testkit.NPSPRegistry(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	loader := &testkit.Loader{InstanceURL: server.URL, AccessToken: server.AccessToken, Version: "v66.0"}
	testkit.InstallNPSP(t, ctx, loader, "1k")

	house := newHouse(t, server)
	house.must("init", "--recovery-key-file", house.path("recovery.key"))
	before := house.backup()
	original := takeDump(t, ctx, loader)
	see := seer(original.See)
	if os.Getenv("HOLDFAST_LONG") != "" {
		see = officialSeer(t, server)
	}
	if values := house.wantEqual(t, see, loader, testkit.NPSPObjects); values < 500_000 {
		t.Errorf("%d values of the first snapshot were compared", values)
	} else {
		t.Logf("%d values of the first snapshot, in %d objects: 0 differ", values, len(testkit.NPSPObjects))
	}

	server.Clock().Advance(2 * time.Hour)
	incident := newIncident(loader, original, 7)
	incident.strike(t, ctx)
	server.Clock().Advance(time.Hour)
	after := house.backup()
	wrecked := takeDump(t, ctx, loader)
	server.Clock().Advance(time.Hour)
	honest := incident.workOn(t, ctx, wrecked)
	server.Clock().Advance(time.Hour)

	// A rule of the pack lets nobody change whom a relationship is with, and contacts come back under
	// new Ids: the operator switches it off before the restore, and on again after it.
	relatedContactRule(t, ctx, loader, false)
	plan := house.path("undo.plan")
	var planned struct {
		Digest string `json:"digest"`
		Totals struct {
			Conflicts int `json:"conflicts"`
		} `json:"totals"`
	}
	house.json(&planned, "restore", "wrecked", "--undo", before+".."+after, "--plan", plan)
	var applied struct {
		Unexplained int              `json:"unexplained"`
		Classes     map[string]int64 `json:"classes"`
	}
	house.json(&applied, "apply", plan, "--approve", planned.Digest)
	if applied.Unexplained != 0 {
		t.Errorf("%d unexplained differences", applied.Unexplained)
	}
	relatedContactRule(t, ctx, loader, true)

	successors := house.successors()
	want := original.Clone()
	honest.apply(want)
	lines, total := want.Differences(takeDump(t, ctx, loader), successors, 20)
	if total > 0 {
		t.Errorf("%d differences after the restore:\n%s", total, strings.Join(lines, "\n"))
	}
	t.Logf("deleted %d parents (%d records with their cascades), purged %d of the parents, overwrote %d fields, blanked %d; %d honest edits kept, %d conflicts, %d new Ids, values by class %v",
		incident.parents, incident.gone, incident.purged, incident.overwritten, incident.blanked, len(honest.edits), planned.Totals.Conflicts, len(successors), applied.Classes)
	records, values, links := compared(want, incident.fields)
	t.Logf("an independent client compared %d records, %d values, %d of them links between records: %d differ", records, values, links, total)
}

// relatedContactRule deploys the rule of a package as active or not, as an administrator may.
func relatedContactRule(t *testing.T, ctx context.Context, l *testkit.Loader, active bool) {
	t.Helper()
	err := l.DeployFiles(ctx, map[string]string{
		"package.xml": testkit.PackageXML("ValidationRule", "npe4__Relationship__c.npe4__Related_Contact_Do_Not_Change"),
		"objects/npe4__Relationship__c.object": fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><validationRules>
<fullName>npe4__Related_Contact_Do_Not_Change</fullName><active>%t</active>
<errorConditionFormula>and(not( ISNEW()), ISCHANGED( npe4__RelatedContact__c ))</errorConditionFormula>
<errorDisplayField>npe4__RelatedContact__c</errorDisplayField>
<errorMessage>Rather than change the contacts in an existing relationship, delete this relationship and create a new on between the new contacts</errorMessage>
</validationRules></CustomObject>`, active),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func takeDump(t *testing.T, ctx context.Context, l *testkit.Loader) testkit.Dump {
	t.Helper()
	dump, err := testkit.TakeDump(ctx, l, testkit.NPSPObjects)
	if err != nil {
		t.Fatal(err)
	}
	return dump
}

// compared counts what Differences looks at.
func compared(d testkit.Dump, fields map[string][]testkit.FieldKind) (records, values, links int) {
	for object, rows := range d {
		isLink := map[string]bool{}
		for _, f := range fields[object] {
			isLink[f.Name] = f.Type == "reference"
		}
		for _, row := range rows {
			records++
			for name, value := range row {
				values++
				if isLink[name] && value != "null" {
					links++
				}
			}
		}
	}
	return records, values, links
}

// incident wrecks an org and remembers what it did.
type incident struct {
	loader   *testkit.Loader
	original testkit.Dump
	rng      *rand.Rand
	fields   map[string][]testkit.FieldKind

	touched                                     map[string]bool // object Id field
	parents, gone, purged, overwritten, blanked int
}

func newIncident(l *testkit.Loader, original testkit.Dump, seed uint64) *incident {
	return &incident{loader: l, original: original, rng: rand.New(rand.NewPCG(seed, 0)), touched: map[string]bool{}, fields: map[string][]testkit.FieldKind{}}
}

// shares of the incident, per mille of what there is.
const (
	deletedParents = 200
	purgedParents  = 150 // of the deleted
	overwritten    = 100
	blanked        = 50
	editedRows     = 60
)

func (i *incident) strike(t *testing.T, ctx context.Context) {
	t.Helper()
	for _, object := range testkit.NPSPObjects {
		fields, err := i.loader.Fields(ctx, object)
		if err != nil {
			t.Fatal(err)
		}
		i.fields[object] = fields
	}
	for _, object := range testkit.NPSPObjects {
		if err := i.loader.Update(ctx, object, i.overwrites(object)); err != nil {
			t.Fatal(err)
		}
	}
	var doomed []string
	for _, id := range slices.Sorted(maps.Keys(i.original["Account"])) {
		if i.rng.IntN(1000) < deletedParents {
			doomed = append(doomed, id)
		}
	}
	i.parents = len(doomed)
	if err := i.loader.Delete(ctx, doomed); err != nil {
		t.Fatal(err)
	}
	// A part of them leaves the Recycle Bin, too, and comes back under new Ids.
	i.purged = len(doomed) * purgedParents / 1000
	if err := i.loader.EmptyRecycleBin(ctx, doomed[:i.purged]); err != nil {
		t.Fatal(err)
	}
}

// refusedByRule reports a field that the incident leaves alone, because the org refuses the change or what
// comes after it: a campaign member who is nobody; by a validation rule of the pack, a relationship with
// other contacts than at first; by a lookup filter of the pack, any work on the allocations of an accounting
// unit that is not active.
func refusedByRule(object string, f testkit.FieldKind) bool {
	switch object {
	case "CampaignMember", "npe4__Relationship__c":
		return f.Type == "reference"
	case "General_Accounting_Unit__c":
		return f.Name == "Active__c"
	}
	return false
}

// overwrites makes the updates of one object: some fields get another text, some become blank.
func (i *incident) overwrites(object string) []testkit.Row {
	var rows []testkit.Row
	for _, id := range slices.Sorted(maps.Keys(i.original[object])) {
		row := testkit.Row{"Id": id}
		for _, f := range i.fields[object] {
			if !f.Updateable || f.Name == "OwnerId" || f.Unique {
				continue
			}
			if refusedByRule(object, f) {
				continue
			}
			draw := i.rng.IntN(1000)
			value, filled := i.original[object][id][f.Name], i.original[object][id][f.Name] != "null"
			switch {
			case draw < blanked && filled && f.Nillable && f.Type != "boolean":
				row[f.Name] = ""
				i.blanked++
			case draw < blanked+overwritten && f.Type == "string" && f.Length >= 20 && filled:
				row[f.Name] = fmt.Sprintf("wrecked %d", i.rng.IntN(1000))
				i.overwritten++
			case draw < blanked+overwritten && (f.Type == "currency" || f.Type == "double") && filled && f.Refers == nil:
				row[f.Name] = "13"
				i.overwritten++
			case draw < blanked+overwritten && f.Type == "boolean":
				row[f.Name] = fmt.Sprint(value != "true")
				i.overwritten++
			default:
				continue
			}
			i.touched[object+" "+id+" "+f.Name] = true
		}
		if len(row) > 1 {
			rows = append(rows, row)
		}
	}
	return rows
}

// work is the honest edits after an incident.
type work struct{ edits []edit }

type edit struct{ object, id, field, value string }

func (w work) apply(d testkit.Dump) {
	for _, e := range w.edits {
		d[e.object][e.id][e.field] = `"` + e.value + `"`
	}
}

// workOn edits a share of the rows that are still there. Most edits meet fields that the incident
// left alone; some meet fields that it wrecked, and must win over the restore.
func (i *incident) workOn(t *testing.T, ctx context.Context, wrecked testkit.Dump) work {
	t.Helper()
	var done work
	for _, object := range testkit.NPSPObjects {
		i.gone += len(i.original[object]) - len(wrecked[object])
		var texts []string
		for _, f := range i.fields[object] {
			if f.Updateable && f.Type == "string" && f.Length >= 20 && !f.Unique {
				texts = append(texts, f.Name)
			}
		}
		if len(texts) == 0 {
			continue
		}
		var rows []testkit.Row
		for _, id := range slices.Sorted(maps.Keys(wrecked[object])) {
			if i.rng.IntN(1000) >= editedRows {
				continue
			}
			field, value := texts[i.rng.IntN(len(texts))], fmt.Sprintf("later %d", i.rng.IntN(1e6))
			rows = append(rows, testkit.Row{"Id": id, field: value})
			done.edits = append(done.edits, edit{object, id, field, value})
		}
		if err := i.loader.Update(ctx, object, rows); err != nil {
			t.Fatal(err)
		}
	}
	return done
}
