package run_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// The undo of a restore brings the org back to what it was before the restore: what it created goes, what it
// undeleted goes to the Recycle Bin again, and values are as they were; later work stays.
func TestUndoOfARestore(t *testing.T) {
	w := newWard(t, 61)
	want := w.dump()
	before := w.backup()
	w.incident(want)
	wrecked := w.dump()
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, DeleteExtra: true})
	out := w.apply(r)
	w.same(want, out.NewIDs)

	var edited string
	for id := range wrecked["Account"] {
		edited = max(edited, id)
	}
	w.update("Account", []testkit.Row{{"Id": edited, "Phone": "later work"}})
	w.server.Clock().Advance(time.Hour)
	wrecked["Account"][edited]["Phone"] = `"later work"`
	back := w.restore(run.RestoreInput{Before: r.Live.ID, After: out.Observed.ID})
	if back.Totals.Delete == 0 || back.Totals.Update == 0 || back.Totals.Undelete == 0 {
		t.Errorf("%+v", back.Totals)
	}
	w.apply(back)
	if lines, n := wrecked.Differences(w.dump(), nil, 20); n > 0 {
		t.Errorf("%d differences:\n%v", n, lines)
	}
}

// A merge is undone as far as the platform allows: the loser comes back under its Id, its children hang on it
// again, and the master has the values that it had.
func TestUndoOfAMerge(t *testing.T) {
	w := emptyWard(t, 62, emulatorOptions)
	master := w.added("Account", testkit.Row{"Name": "Master", "Phone": "1"})[0]
	loser := w.added("Account", testkit.Row{"Name": "Loser", "Phone": "2", "Site": "s"})[0]
	child := w.added("Contact", testkit.Row{"LastName": "Child", "AccountId": loser})[0]
	own := w.added("Contact", testkit.Row{"LastName": "Own", "AccountId": master})[0]
	w.server.Clock().Advance(time.Hour)
	want := w.dump()
	before := w.backup()
	w.soap("merge", fmt.Sprintf(`<request xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><masterRecord xsi:type="ens:Account" xmlns:ens="urn:sobject.partner.soap.sforce.com"><ens:type>Account</ens:type><ens:Id>%s</ens:Id><ens:Phone>2</ens:Phone></masterRecord><recordToMergeIds>%s</recordToMergeIds></request>`, master, loser))
	w.server.Clock().Advance(time.Hour)
	if got := w.field("Contact", "AccountId")[child]; got != master {
		t.Fatalf("the merge did not move the child: %s", got)
	}
	after := w.backup()
	r := w.restore(run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID})
	if r.Totals.Undelete != 1 || r.Totals.Update != 2 {
		t.Errorf("%+v", r.Totals)
	}
	out := w.apply(r)
	w.same(want, out.NewIDs)
	if len(out.NewIDs) != 0 || w.field("Contact", "AccountId")[own] != master {
		t.Errorf("%+v", out.NewIDs)
	}
}

// A conversion is undone as far as the platform allows: the records that it made go, and the plan says
// that the lead stays converted.
func TestUndoOfALeadConversion(t *testing.T) {
	w := emptyWard(t, 63, emulatorOptions)
	w.sees("Lead", "LeadStatus")
	lead := w.added("Lead", testkit.Row{"LastName": "Lead", "Company": "Company"})[0]
	w.server.Clock().Advance(time.Hour)
	before := w.backup()
	w.soap("convertLead", fmt.Sprintf(`<leadConverts><convertedStatus>Closed - Converted</convertedStatus><doNotCreateOpportunity>false</doNotCreateOpportunity><leadId>%s</leadId><opportunityName>Deal</opportunityName><overwriteLeadSource>false</overwriteLeadSource><sendNotificationEmail>false</sendNotificationEmail></leadConverts>`, lead))
	w.server.Clock().Advance(time.Hour)
	after := w.backup()
	r := w.restore(run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID})
	if r.Totals.Delete != 3 {
		t.Errorf("%+v", r.Totals)
	}
	if !strings.Contains(strings.Join(r.Notes, "\n"), "1 leads stay converted") {
		t.Errorf("the plan does not say that the lead stays converted: %q", r.Notes)
	}
	out := w.apply(r)
	if out.Failed > 0 || out.Unexplained > 0 {
		t.Errorf("%+v %+v", out.Errors, out.Differences)
	}
	for _, object := range []string{"Account", "Contact", "Opportunity"} {
		if n := len(w.field(object, "Name")); n != 0 {
			t.Errorf("%d of %s are left", n, object)
		}
	}
}

// soap calls an operation of the partner API.
func (w *ward) soap(operation, arguments string) {
	w.Helper()
	body := `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><soapenv:Header><SessionHeader><sessionId>` +
		w.server.AccessToken + `</sessionId></SessionHeader></soapenv:Header><soapenv:Body><` + operation + `>` + arguments + `</` + operation + `></soapenv:Body></soapenv:Envelope>`
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.server.URL+"/services/Soap/u/66.0", strings.NewReader(body))
	w.must(err)
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("SOAPAction", `""`)
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	w.must(err)
	if !strings.Contains(string(raw), "<success>true</success>") {
		text, _ := json.Marshal(string(raw))
		w.Fatalf("%s: %s", operation, text)
	}
}

// Somebody works on what the incident made, through a record that would go with it: the account stays, because
// the platform deletes contacts with their account.
func TestUndoKeepsWhatLaterWorkHangsOn(t *testing.T) {
	w := emptyWard(t, 64, emulatorOptions)
	before := w.backup()
	spam := w.added("Account", testkit.Row{"Name": "Spam"}, testkit.Row{"Name": "More spam"})
	w.server.Clock().Advance(time.Hour)
	after := w.backup()
	honest := w.added("Contact", testkit.Row{"LastName": "Honest", "AccountId": spam[0]})[0]
	w.server.Clock().Advance(time.Hour)
	r := w.restore(run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID})
	if r.Totals.Delete != 1 || r.Totals.Conflicts != 1 {
		t.Errorf("%+v", r.Totals)
	}
	w.apply(r)
	if got := w.field("Contact", "AccountId"); got[honest] != spam[0] || len(w.field("Account", "Name")) != 1 {
		t.Errorf("contacts %v, accounts %v", got, w.field("Account", "Name"))
	}
}

// People moved an account below another one, which the undo would put below it: no hierarchy has a circle, so
// that the later move stays and the plan names the conflict.
func TestUndoClosesNoCircle(t *testing.T) {
	w := emptyWard(t, 65, emulatorOptions)
	ids := w.added("Account", testkit.Row{"Name": "A"}, testkit.Row{"Name": "B"}, testkit.Row{"Name": "C"})
	w.update("Account", []testkit.Row{{"Id": ids[1], "ParentId": ids[0]}})
	w.server.Clock().Advance(time.Hour)
	before := w.backup()
	w.update("Account", []testkit.Row{{"Id": ids[1], "ParentId": "", "Site": "wrong"}})
	w.server.Clock().Advance(time.Hour)
	after := w.backup()
	w.update("Account", []testkit.Row{{"Id": ids[0], "ParentId": ids[2]}, {"Id": ids[2], "ParentId": ids[1]}})
	w.server.Clock().Advance(time.Hour)
	r := w.restore(run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID})
	if len(r.Conflicts) != 1 || r.Conflicts[0].Reason != run.ReasonCircle || string(r.Conflicts[0].ID) != ids[1] {
		t.Errorf("%+v", r.Conflicts)
	}
	w.apply(r)
	if parents, sites := w.field("Account", "ParentId"), w.field("Account", "Site"); parents[ids[1]] != "" || parents[ids[2]] != ids[1] || sites[ids[1]] != "" {
		t.Errorf("%v %v", parents, sites)
	}
}

// A hierarchy was turned upside down and comes back: its records are moved from the top down, so that no step
// closes a circle.
func TestRestoreTurnsAHierarchyBack(t *testing.T) {
	w := emptyWard(t, 66, emulatorOptions)
	var rows []testkit.Row
	for i := range 12 {
		rows = append(rows, testkit.Row{"Name": fmt.Sprint("A ", i)})
	}
	ids := w.added("Account", rows...)
	chain := func(order []string) {
		for i, id := range order {
			w.update("Account", []testkit.Row{{"Id": id, "ParentId": ""}})
			if i > 0 {
				w.update("Account", []testkit.Row{{"Id": id, "ParentId": order[i-1]}})
			}
		}
		w.server.Clock().Advance(time.Hour)
	}
	chain(ids)
	want := w.dump()
	before := w.backup()
	turned := slices.Clone(ids)
	slices.Reverse(turned)
	for _, id := range ids {
		w.update("Account", []testkit.Row{{"Id": id, "ParentId": ""}})
	}
	chain(turned)
	w.same(want, w.apply(w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID})).NewIDs)
}

// A record was deleted for good and made again with its unique value, and two others have exchanged theirs: each
// gets its own back, though the platform never lets two records have one.
func TestRestoreOfUniqueValuesThatOthersTook(t *testing.T) {
	w := emptyWard(t, 67, emulatorOptions)
	w.must(w.loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": testkit.PackageXML("CustomObject", "Key__c"),
		"objects/Key__c.object": `<CustomObject` + metadataSpace + `><deploymentStatus>Deployed</deploymentStatus><label>Key</label><pluralLabel>Keys</pluralLabel>
<nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
<fields><fullName>Code__c</fullName><label>Code</label><type>Text</type><length>20</length><unique>true</unique><externalId>true</externalId></fields></CustomObject>`,
	}))
	ids := w.added("Key__c", testkit.Row{"Name": "gone", "Code__c": "K-1"}, testkit.Row{"Name": "binned", "Code__c": "K-2"},
		testkit.Row{"Name": "left", "Code__c": "K-3"}, testkit.Row{"Name": "right", "Code__c": "K-4"})
	w.server.Clock().Advance(time.Hour)
	before := w.backup()
	w.purge(ids[0])
	w.must(w.loader.Delete(t.Context(), ids[1:2]))
	w.added("Key__c", testkit.Row{"Name": "again", "Code__c": "k-1"}, testkit.Row{"Name": "again", "Code__c": "K-2"})
	for _, r := range []testkit.Row{{"Id": ids[2], "Code__c": ""}, {"Id": ids[3], "Code__c": "K-3"}, {"Id": ids[2], "Code__c": "K-4"}} {
		w.update("Key__c", []testkit.Row{r})
	}
	w.server.Clock().Advance(time.Hour)
	after := w.backup()
	r := w.restore(run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID})
	if r.Steps[0].Op != "release" || r.Steps[0].Rows != 4 || r.Totals.Update != 4 || r.Totals.Delete != 2 {
		t.Errorf("%+v %+v", r.Steps, r.Totals)
	}
	out := w.apply(r)
	codes := w.field("Key__c", "Code__c")
	if len(codes) != 4 || len(out.NewIDs) != 1 {
		t.Fatalf("%v", codes)
	}
	for i, want := range []string{"K-1", "K-2", "K-3", "K-4"} {
		id := ids[i]
		if i == 0 {
			id = string(out.NewIDs[0].New)
		}
		if codes[id] != want {
			t.Errorf("%s has %q", id, codes[id])
		}
	}
}

// A record of a custom object whose name is "#N/A", which no Bulk job carries, gets its Id for a name from the
// platform until the second pass: that is nobody's edit. Nor is a link that the platform sets again when what it
// led to is undeleted, or empties when that is deleted.
func TestWhatThePlatformSetsIsNobodysEdit(t *testing.T) {
	w := newWard(t, 68)
	accounts := w.added("Account", testkit.Row{"Name": "Binned"}, testkit.Row{"Name": "Other"})
	w.update("Account", []testkit.Row{{"Id": accounts[1], "ParentId": ""}})
	contact := w.added("Contact", testkit.Row{"LastName": "Moved", "ReportsToId": w.ids["Contact"][1]})[0]
	boss := w.added("Contact", testkit.Row{"LastName": "Boss"})[0]
	slot := w.added("Slot__c", testkit.Row{"Name": "#N/A", "Crate__c": w.ids["Crate__c"][0]})[0]
	w.server.Clock().Advance(time.Hour)
	want := w.dump()
	before := w.backup()
	w.update("Contact", []testkit.Row{{"Id": contact, "ReportsToId": boss}})
	w.must(w.loader.Delete(t.Context(), []string{boss})) // empties the link, and undelete sets it again
	w.purge(slot)
	out := w.apply(w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID}))
	w.same(want, out.NewIDs)
}
