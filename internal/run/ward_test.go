package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// ward is an org with a company in it that tests wreck and restore.
type ward struct {
	*observed
	loader *testkit.Loader
	rnd    *rand.Rand
	ids    map[string][]string
}

var wardObjects = []string{"Account", "Contact", "Opportunity", "Crate__c", "Slot__c"}

const crateObject = `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Crate</label><pluralLabel>Crates</pluralLabel>
  <nameField><label>Number</label><type>AutoNumber</type><displayFormat>C-{0000}</displayFormat></nameField>
  <sharingModel>ControlledByParent</sharingModel><enableActivities>true</enableActivities>
  <fields><fullName>Account__c</fullName><label>Account</label><type>MasterDetail</type>
    <referenceTo>Account</referenceTo><relationshipName>Crates</relationshipName><relationshipOrder>0</relationshipOrder></fields>
  <fields><fullName>Keeper__c</fullName><label>Keeper</label><type>Lookup</type>
    <referenceTo>Contact</referenceTo><relationshipName>Kept</relationshipName></fields>
  <fields><fullName>Weight__c</fullName><label>Weight</label><type>Number</type><precision>12</precision><scale>3</scale></fields>
  <fields><fullName>Notes__c</fullName><label>Notes</label><type>LongTextArea</type><length>131072</length><visibleLines>5</visibleLines></fields>
  <fields><fullName>Slots__c</fullName><label>Slots</label><type>Summary</type>
    <summaryForeignKey>Slot__c.Crate__c</summaryForeignKey><summaryOperation>count</summaryOperation></fields>
</CustomObject>`

const slotObject = `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Slot</label><pluralLabel>Slots</pluralLabel>
  <nameField><label>Slot Name</label><type>Text</type></nameField>
  <sharingModel>ControlledByParent</sharingModel>
  <fields><fullName>Crate__c</fullName><label>Crate</label><type>MasterDetail</type>
    <referenceTo>Crate__c</referenceTo><relationshipName>Slots</relationshipName><relationshipOrder>0</relationshipOrder></fields>
  <fields><fullName>Next__c</fullName><label>Next</label><type>Lookup</type>
    <referenceTo>Slot__c</referenceTo><relationshipName>Previous</relationshipName></fields>
  <fields><fullName>Text__c</fullName><label>Text</label><type>Text</type><length>100</length></fields>
</CustomObject>`

// awkward are texts that look like nothing, like null, or like the end of a cell.
var awkward = []string{"Null", "null", "#N/A", "N/A", "a\r\nb", "a\nb", `"quoted", twice`, "Grüße 🎈", "", "0", "Site 5", "Site 5"}

func newWard(t *testing.T, seed uint64) *ward {
	t.Helper()
	w := emptyWard(t, seed, emulator.Options{})
	w.fill(60)
	return w
}

// emptyWard is a ward without a company, in an org with these options.
func emptyWard(t *testing.T, seed uint64, options emulator.Options) *ward {
	t.Helper()
	o := observeOrg(t, options)
	w := &ward{observed: o, rnd: rand.New(rand.NewPCG(seed, 11)), ids: map[string][]string{}, loader: &testkit.Loader{
		InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0",
	}}
	files := map[string]string{
		"package.xml":             testkit.PackageXML("CustomObject", "Crate__c", "Slot__c"),
		"objects/Crate__c.object": crateObject, "objects/Slot__c.object": slotObject,
	}
	if err := w.loader.DeployFiles(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	w.intercept(nil)
	return w
}

// wardSees are the standard objects that a ward's org shows: its own, and those to which they refer.
var wardSees = testkit.Narrow("Account", "Contact", "Opportunity", "User", "RecordType")

// intercept interferes with requests to a ward, in which few objects are seen; wholeOrg shows all.
func (w *ward) intercept(f func(emulator.Request) emulator.Fault) {
	w.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: wardSees}
		}
		if f == nil {
			return emulator.Fault{}
		}
		return f(q)
	})
}

func (w *ward) wholeOrg() { w.server.Intercept(nil) }

func (w *ward) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *ward) text() string { return awkward[w.rnd.IntN(len(awkward))] }

func (w *ward) pick(object string) string {
	return w.ids[object][w.rnd.IntN(len(w.ids[object]))]
}

func (w *ward) insert(object string, rows []testkit.Row) {
	w.Helper()
	ids, err := w.loader.Insert(w.Context(), object, rows)
	w.must(err)
	w.ids[object] = append(w.ids[object], ids...)
}

func (w *ward) update(object string, rows []testkit.Row) {
	w.Helper()
	w.must(w.loader.Update(w.Context(), object, rows))
}

// fill makes a company of n accounts in a tree, contacts in a ring, opportunities, and two levels of
// detail records, the lower of which are chained and many of them twins.
func (w *ward) fill(n int) {
	w.Helper()
	var rows []testkit.Row
	for i := range n {
		rows = append(rows, testkit.Row{"Name": fmt.Sprintf("Account %d", i%(n/2)), "Site": w.text(), "Phone": w.text()})
	}
	w.insert("Account", rows)
	rows = nil
	for i := 1; i < n; i++ {
		rows = append(rows, testkit.Row{"Id": w.ids["Account"][i], "ParentId": w.ids["Account"][w.rnd.IntN(i)]})
	}
	w.update("Account", rows)
	rows = nil
	for i := range 2 * n {
		rows = append(rows, testkit.Row{
			"LastName": fmt.Sprintf("Contact %d", i%n), "AccountId": w.pick("Account"), "Phone": w.text(), "Description": w.text(),
		})
	}
	w.insert("Contact", rows)
	rows = nil
	for i, id := range w.ids["Contact"] {
		rows = append(rows, testkit.Row{"Id": id, "ReportsToId": w.ids["Contact"][(i+1)%(2*n)]})
	}
	w.update("Contact", rows)
	rows = nil
	for i := range n {
		rows = append(rows, testkit.Row{
			"Name": fmt.Sprintf("Deal %d", i), "StageName": "Prospecting", "CloseDate": "2026-06-01",
			"Amount": fmt.Sprint(float64(i) + 0.25), "AccountId": w.pick("Account"),
		})
	}
	w.insert("Opportunity", rows)
	rows = nil
	for i := range n {
		notes := fmt.Sprint("notes ", i)
		if i%17 == 0 {
			notes = string(slices.Repeat([]rune("äx"), 20_000)) // longer than a job carries
		}
		rows = append(rows, testkit.Row{"Account__c": w.pick("Account"), "Keeper__c": w.pick("Contact"), "Weight__c": fmt.Sprint(float64(i) / 8), "Notes__c": notes})
	}
	w.insert("Crate__c", rows)
	rows = nil
	for range 3 * n {
		rows = append(rows, testkit.Row{"Name": "Slot", "Crate__c": w.pick("Crate__c"), "Text__c": w.text()})
	}
	w.insert("Slot__c", rows)
	rows = nil
	for i, id := range w.ids["Slot__c"] {
		if i > 0 && i%3 == 0 {
			rows = append(rows, testkit.Row{"Id": id, "Next__c": w.ids["Slot__c"][i-1]}, testkit.Row{"Id": w.ids["Slot__c"][i-1], "Next__c": id})
		}
	}
	w.update("Slot__c", rows)
	w.server.Clock().Advance(time.Hour)
}

func (w *ward) dump() testkit.Dump {
	w.Helper()
	d, err := testkit.TakeDump(w.Context(), w.loader, wardObjects)
	w.must(err)
	return d
}

// incident deletes accounts with all that goes with them, empties half of that from the Recycle Bin,
// overwrites and blanks what is left, and leaves records behind that nobody wanted.
func (w *ward) incident(before testkit.Dump) {
	w.Helper()
	var doomed, purged []string
	for _, id := range w.ids["Account"] {
		if w.rnd.IntN(6) == 0 {
			if doomed = append(doomed, id); w.rnd.IntN(2) == 0 {
				purged = append(purged, id)
			}
		}
	}
	w.must(w.loader.Delete(w.Context(), doomed))
	w.must(w.loader.EmptyRecycleBin(w.Context(), purged))
	left := w.dump()
	var contacts, accounts, slots []testkit.Row
	for _, id := range slices.Sorted(maps.Keys(left["Contact"])) {
		switch w.rnd.IntN(5) {
		case 0:
			contacts = append(contacts, testkit.Row{"Id": id, "Phone": "", "ReportsToId": ""})
		case 1:
			contacts = append(contacts, testkit.Row{"Id": id, "LastName": "WRONG", "Phone": "1"})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(left["Account"])) {
		if w.rnd.IntN(4) == 0 {
			accounts = append(accounts, testkit.Row{"Id": id, "Name": "WRONG", "ParentId": "", "Site": "WRONG"})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(left["Slot__c"])) {
		if w.rnd.IntN(6) == 0 {
			slots = append(slots, testkit.Row{"Id": id, "Text__c": ""})
		}
	}
	w.update("Contact", contacts)
	w.update("Account", accounts)
	w.update("Slot__c", slots)
	survivor := slices.Sorted(maps.Keys(left["Account"]))[0]
	w.insert("Contact", []testkit.Row{{"LastName": "Spam 1"}, {"LastName": "Spam 2", "AccountId": survivor}})
	w.server.Clock().Advance(time.Hour)
}

// honest edits what it can after the incident, and makes the same edits in want: these must stand.
func (w *ward) honest(want testkit.Dump) {
	w.Helper()
	left := w.dump()
	set := func(object string, rows []testkit.Row) {
		w.update(object, rows)
		for _, r := range rows {
			for field, v := range r {
				if field != "Id" {
					raw, err := json.Marshal(v)
					w.must(err)
					want[object][r["Id"]][field] = string(raw)
				}
			}
		}
	}
	var contacts, accounts []testkit.Row
	for _, id := range slices.Sorted(maps.Keys(left["Contact"])) {
		if _, was := want["Contact"][id]; was && w.rnd.IntN(8) == 0 {
			contacts = append(contacts, testkit.Row{"Id": id, "Phone": "honest", "Title": "Honest"})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(left["Account"])) {
		if w.rnd.IntN(8) == 0 {
			accounts = append(accounts, testkit.Row{"Id": id, "Site": "honest"})
		}
	}
	set("Contact", contacts)
	set("Account", accounts)
	ids, err := w.loader.Insert(w.Context(), "Contact", []testkit.Row{{"LastName": "Honest", "AccountId": accounts[0]["Id"]}})
	w.must(err)
	want["Contact"][ids[0]] = w.dump()["Contact"][ids[0]]
	w.server.Clock().Advance(time.Hour)
}

func (w *ward) restore(in run.RestoreInput) run.RestoreResult {
	w.Helper()
	in.Source, in.Store = w.client, w.store
	r, err := run.Restore(w.Context(), in)
	w.must(err)
	w.server.Clock().Advance(time.Minute)
	return r
}

func (w *ward) input(r run.RestoreResult, journal string) run.ApplyInput {
	return run.ApplyInput{
		Org: w.client, Store: w.store, File: r.File, Digest: r.Digest, Journal: journal,
		Options: apply.Options{Wait: func(ctx context.Context, _ time.Duration) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(2 * time.Millisecond):
				return nil
			}
		}},
	}
}

func (w *ward) apply(r run.RestoreResult) run.ApplyResult {
	w.Helper()
	out, err := run.Apply(w.Context(), w.input(r, filepath.Join(w.TempDir(), "plan.journal")))
	if err != nil {
		w.Fatalf("%v\n%+v\n%v", err, out.Differences, out.Notes)
	}
	w.server.Clock().Advance(time.Hour)
	return out
}

// same compares the org with what it should be, under the new Ids.
func (w *ward) same(want testkit.Dump, news ...[]run.NewIDRow) {
	w.Helper()
	identity := map[string]string{}
	for _, rows := range news {
		for _, p := range rows {
			for old, now := range identity {
				if now == string(p.Old) {
					identity[old] = string(p.New)
				}
			}
			identity[string(p.Old)] = string(p.New)
		}
	}
	if lines, n := want.Differences(w.dump(), identity, 20); n > 0 {
		w.Fatalf("%d differences:\n%v", n, lines)
	}
}

// emulatorOptions are those of an org with nothing special.
var emulatorOptions = emulator.Options{}

// actor writes to the org as one of its users.
type actor struct {
	*ward
	caller org.Caller
}

func (w *ward) actor(user sf.ID) actor { return actor{w, org.Caller{User: user}} }

func (a actor) write(op org.Op, row org.Row) string {
	a.Helper()
	r := a.server.Org().Write(a.caller, op, []org.Row{row}, org.Options{})[0]
	if !r.Success {
		a.Fatal(r.Errors)
	}
	return string(r.ID)
}

func (a actor) update(object, id, field, text string) {
	a.Helper()
	a.write(org.Update, org.Row{Object: object, ID: id, Fields: []org.Assignment{{Field: field, Text: text}}})
}

func (a actor) insert(object, field, text string) string {
	a.Helper()
	return a.write(org.Insert, org.Row{Object: object, Fields: []org.Assignment{{Field: field, Text: text}}})
}

func (a actor) remove(id string) {
	a.Helper()
	a.write(org.Delete, org.Row{ID: id})
}

// again signs in anew, so that nothing is remembered of the schema.
func (w *ward) again() *salesforce.Org {
	w.Helper()
	client, err := salesforce.Connect(w.Context(), salesforce.Config{
		InstanceURL: w.server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(w.server.AccessToken)}, Sleep: nap,
	})
	w.must(err)
	return client
}
