package run_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
