package emulator_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
)

// hardened starts an org with a few accounts whose hardness is then as given.
func hardened(t *testing.T, accounts int, h emulator.Hardness) *client {
	t.Helper()
	c := start(t, emulator.Options{BulkPageRows: 200})
	var rows strings.Builder
	rows.WriteString("Name\n")
	for i := range accounts {
		fmt.Fprintf(&rows, "A%04d\n", i)
	}
	if j := c.load(`{"object":"Account","operation":"insert"}`, rows.String()); j.NumberRecordsProcessed != accounts {
		t.Fatalf("load %+v", j)
	}
	c.harden(h)
	return c
}

func (c *client) harden(h emulator.Hardness) {
	c.t.Helper()
	if err := c.s.SetHardness(h); err != nil {
		c.t.Fatal(err)
	}
}

// field adds a custom field.
func (c *client) field(object string, spec org.FieldSpec) {
	c.t.Helper()
	err := c.s.Org().Change(c.s.Org().Admin(), func(tx *org.Tx) error {
		if _, err := tx.PutField(object, spec); err != nil {
			return err
		}
		tx.Finish(object)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

const someAccounts = "query?q=SELECT+Id,Name+FROM+Account"

// Each refusal shows its status, code and words at the wire, and is gone with the hardness.
func TestHardnessRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		h      emulator.Hardness
		status int
		code   string
		words  string
	}{
		{"limit", emulator.Hardness{LimitExceeded: 1}, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."},
		{"concurrent", emulator.Hardness{ConcurrentLimit: 1}, 403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn"},
		{"unknown", emulator.Hardness{UnknownException: 1}, 500, "UNKNOWN_EXCEPTION", "ErrorId"},
		{"unavailable", emulator.Hardness{Unavailable: 1}, 503, "SERVER_UNAVAILABLE", ""},
		{"timeout", emulator.Hardness{QueryTimeout: 1}, 400, "QUERY_TIMEOUT", "running for too long"},
		{"retired", emulator.Hardness{RetiredBelow: 67}, 410, "UNSUPPORTED_API_VERSION", "66.0"},
		{"maintenance", emulator.Hardness{Maintenance: []hard.Window{{From: began, To: began.Add(time.Hour)}}}, 503, "SERVER_UNAVAILABLE", "maintenance"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := hardened(t, 1, c.h)
			w.do("GET", someAccounts, "").refused(c.status, c.code, c.words)
			w.harden(emulator.Hardness{})
			w.do("GET", someAccounts, "").ok(200)
		})
	}
}

func TestHardnessAnswersAsGatewaysDo(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{TooMany: 1})
	if a := c.do("GET", someAccounts, "").ok(429); a.header.Get("Retry-After") == "" {
		t.Errorf("headers %v", a.header)
	}
	c.harden(emulator.Hardness{GatewayPage: 1})
	if a := c.do("GET", someAccounts, "").ok(503); !strings.HasPrefix(string(a.body), "<html>") {
		t.Errorf("body %s", a.body)
	}
}

func TestHardnessSpeaksEachSurface(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{Unavailable: 1})
	if a := c.soap("u/66.0", "getServerTimestamp", ""); a.status != 500 || !strings.Contains(string(a.body), "<faultcode>sf:SERVER_UNAVAILABLE") {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.harden(emulator.Hardness{RetiredBelow: 67})
	c.do("GET", "jobs/query", "").refused(400, "INVALIDVERSION", "InvalidVersion")
	if a := c.soap("u/66.0", "getServerTimestamp", ""); a.status != 500 || !strings.Contains(string(a.body), "UNSUPPORTED_API_VERSION") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestHardnessBefallsTheOlderBulkAPI(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{Unavailable: 1})
	if a := c.classic("GET", "job/750000000000001AAA", asXML, ""); a.status != 503 || !strings.Contains(string(a.body), "<exceptionCode>SERVER_UNAVAILABLE") {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.harden(emulator.Hardness{RetiredBelow: 67})
	if a := c.classic("GET", "job/750000000000001AAA", "application/json", ""); a.status != 400 || !strings.Contains(string(a.body), `"exceptionCode":"InvalidVersion"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestHardnessMaintenanceEndsByTheOrgsClock(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{Maintenance: []hard.Window{{From: began, To: began.Add(time.Hour)}}})
	c.do("GET", "limits", "").ok(503)
	c.s.Clock().Advance(time.Hour)
	c.do("GET", "limits", "").ok(200)
}

func TestHardnessLosesLocators(t *testing.T) {
	c := hardened(t, 2500, emulator.Hardness{LocatorLost: 1})
	p := c.query("SELECT Id FROM Account")
	c.do("GET", p.NextRecordsURL, "").refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
}

func TestHardnessCutsConnections(t *testing.T) {
	c := hardened(t, 50, emulator.Hardness{CutBefore: 1})
	insert := func() error {
		_, err := c.try("POST", "sobjects/Account", strings.NewReader(`{"Name":"new"}`))
		return err
	}
	count := func() int {
		c.harden(emulator.Hardness{})
		return c.query("SELECT Id FROM Account").TotalSize
	}
	if insert() == nil {
		t.Error("the connection was not cut before the request")
	}
	if n := count(); n != 50 {
		t.Errorf("%d accounts, want nothing done", n)
	}
	c.harden(emulator.Hardness{LoseReply: 1})
	if insert() == nil {
		t.Error("the reply was not lost")
	}
	if n := count(); n != 51 {
		t.Errorf("%d accounts, want the write committed", n)
	}
	c.harden(emulator.Hardness{CutBody: 1})
	if a, err := c.try("GET", someAccounts, nil); err == nil || len(a.body) == 0 {
		t.Errorf("error %v after %d bytes, want a cut within the body", err, len(a.body))
	}
}

func TestHardnessStripsHeaders(t *testing.T) {
	c := hardened(t, 3, emulator.Hardness{})
	j := c.export(`{"operation":"query","query":"SELECT Id FROM Account"}`)
	path := "jobs/query/" + j.ID + "/results"
	if a := c.do("GET", path, "").ok(200); a.header.Get("Sforce-NumberOfRecords") != "3" || a.header.Get("Sforce-Locator") != "null" {
		t.Fatalf("headers %v", a.header)
	}
	c.harden(emulator.Hardness{StripHeaders: 1})
	a := c.do("GET", path, "").ok(200)
	for _, name := range []string{"Sforce-Locator", "Sforce-NumberOfRecords", "Sforce-Limit-Info"} {
		if a.header.Get(name) != "" {
			t.Errorf("%s is there", name)
		}
	}
}

// waiting sends a query that the hardness delays, and returns when it waits. leave lets the client give
// up and reports whether an answer had come.
func (c *client) waiting() (leave func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.s.URL+"/services/data/v66.0/"+someAccounts, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.s.AccessToken)
	answered := make(chan bool, 1)
	go func() { // ends when the client leaves
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		answered <- err == nil
	}()
	for len(c.s.Injected()) == 0 { // its delay is noted when it is there
		select {
		case <-answered:
			c.t.Fatal("the query was not delayed")
		default:
			runtime.Gosched()
		}
	}
	return func() bool { cancel(); return <-answered }
}

// A slow page takes its time while the others do not wait for it.
func TestHardnessSlowPages(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{SlowPage: 1, SlowFor: hard.Duration(time.Hour)})
	leave := c.waiting()
	c.do("GET", "limits", "").ok(200)
	if leave() {
		t.Error("the page did not take an hour")
	}
}

func TestHardnessCensusIsShort(t *testing.T) {
	c := hardened(t, 500, emulator.Hardness{CensusShort: 1})
	if p := c.query("SELECT Id FROM Account"); p.TotalSize != 300 || !p.Done || len(p.Records) != 300 {
		t.Errorf("%d of %d, done %v; want 300 and done", len(p.Records), p.TotalSize, p.Done)
	}
	if p := c.query("SELECT Id, Name FROM Account"); p.TotalSize != 500 {
		t.Errorf("a query for more than Ids has %d rows", p.TotalSize)
	}
	j := c.export(`{"operation":"query","query":"SELECT Id FROM Account"}`)
	a := c.do("GET", "jobs/query/"+j.ID+"/results?maxRecords=500", "").ok(200)
	if _, rows := a.table(); len(rows) != 300 || a.header.Get("Sforce-NumberOfRecords") != "300" || a.header.Get("Sforce-Locator") != "null" {
		t.Errorf("%d rows, headers %v", len(rows), a.header)
	}
}

func TestHardnessPageIsShort(t *testing.T) {
	c := hardened(t, 10, emulator.Hardness{PageShort: 1})
	if p := c.query("SELECT Id, Name FROM Account"); p.TotalSize != 10 || len(p.Records) != 9 {
		t.Errorf("%d of %d; want one missing", len(p.Records), p.TotalSize)
	}
	j := c.export(`{"operation":"query","query":"SELECT Id, Name FROM Account"}`)
	a := c.do("GET", "jobs/query/"+j.ID+"/results", "").ok(200)
	if _, rows := a.table(); len(rows) != 9 || a.header.Get("Sforce-NumberOfRecords") != "10" {
		t.Errorf("%d rows, headers %v", len(rows), a.header)
	}
}

func TestHardnessTokensDie(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{TokenCalls: 3})
	c.do("GET", "limits", "").ok(200)
	c.do("GET", "limits", "").ok(200)
	c.do("GET", "limits", "").refused(401, "INVALID_SESSION_ID", "")
	c.do("GET", "limits", "").refused(401, "INVALID_SESSION_ID", "")
}

func TestHardnessDailyLimit(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{DailyCalls: 2})
	c.do("GET", "limits", "").ok(200)
	c.do("GET", "limits", "").ok(200)
	c.do("GET", "limits", "").refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests")
	c.s.Clock().Advance(25 * time.Hour)
	c.do("GET", "limits", "").ok(200)
}

// Of two calls at the same time the second is refused where only one may be.
func TestHardnessConcurrentCalls(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{Concurrent: 1, SlowPage: 1, SlowFor: hard.Duration(time.Hour)})
	leave := c.waiting()
	defer leave()
	c.do("GET", "limits", "").refused(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
}

func TestHardnessMovesTheClock(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{Tick: hard.Duration(time.Minute), DateSkew: hard.Duration(-9 * time.Hour)})
	first := c.do("GET", "limits", "").header.Get("Date")
	second := c.do("GET", "limits", "").header.Get("Date")
	if first != "Sun, 04 Jan 2026 23:01:00 GMT" || second != "Sun, 04 Jan 2026 23:02:00 GMT" {
		t.Errorf("Date %s, then %s", first, second)
	}
}

// Rows written minutes apart share a stamp.
func TestHardnessTiesStamps(t *testing.T) {
	c := hardened(t, 0, emulator.Hardness{StampGrain: hard.Duration(time.Hour)})
	for range 3 {
		c.s.Clock().Advance(10 * time.Minute)
		c.create("Account", `{"Name":"tied"}`)
	}
	p := c.query("SELECT SystemModstamp FROM Account")
	for _, r := range p.Records {
		if r["SystemModstamp"] != "2026-01-05T08:00:00.000+0000" {
			t.Errorf("stamp %v", r["SystemModstamp"])
		}
	}
	c.harden(emulator.Hardness{})
	c.create("Account", `{"Name":"free"}`)
	if p := c.query("SELECT SystemModstamp FROM Account WHERE Name = 'free'"); p.Records[0]["SystemModstamp"] != "2026-01-05T08:30:00.000+0000" {
		t.Errorf("stamp %v", p.Records[0]["SystemModstamp"])
	}
}

// A late commit shows after its stamp, behind rows that were read before.
func TestHardnessCommitsLate(t *testing.T) {
	c := hardened(t, 5, emulator.Hardness{Others: hard.Others{
		Every: 1, Objects: []string{"Account"}, LateCommit: 1, LateFor: hard.Duration(4 * time.Minute),
	}})
	c.s.Clock().Advance(time.Minute)
	c.do("GET", "limits", "").ok(200)
	c.harden(emulator.Hardness{})
	c.s.Clock().Advance(time.Minute)
	read := c.create("Account", `{"Name":"read before"}`)
	const changed = "SELECT Id, SystemModstamp FROM Account WHERE SystemModstamp > 2026-01-05T08:00:00Z ORDER BY SystemModstamp"
	if p := c.query(changed); p.TotalSize != 1 || p.Records[0]["Id"] != read {
		t.Fatalf("before the commit is seen: %v", p.Records)
	}
	c.s.Clock().Advance(3 * time.Minute)
	p := c.query(changed)
	if p.TotalSize != 2 || p.Records[0]["SystemModstamp"] != "2026-01-05T08:01:00.000+0000" || p.Records[1]["Id"] != read {
		t.Errorf("after the commit is seen: %v", p.Records)
	}
}

func TestHardnessDeletesForGood(t *testing.T) {
	c := hardened(t, 5, emulator.Hardness{Others: hard.Others{Every: 1, Objects: []string{"Account"}, HardDelete: 1}})
	c.do("GET", "limits", "").ok(200)
	c.harden(emulator.Hardness{})
	if p := c.query("SELECT Id FROM Account"); p.TotalSize != 4 {
		t.Errorf("%d accounts", p.TotalSize)
	}
	var all page
	c.do("GET", "queryAll?q=SELECT+Id+FROM+Account", "").ok(200).into(&all)
	if all.TotalSize != 4 {
		t.Errorf("queryAll sees %d accounts", all.TotalSize)
	}
}

func TestHardnessEmptiesTheBin(t *testing.T) {
	c := hardened(t, 5, emulator.Hardness{})
	id := c.query("SELECT Id FROM Account").Records[0]["Id"].(string)
	c.do("DELETE", "sobjects/Account/"+id, "").ok(204)
	c.harden(emulator.Hardness{Others: hard.Others{Every: 1, Objects: []string{"Account"}, EmptyBin: 1}})
	var all page
	c.do("GET", "queryAll?q=SELECT+Id+FROM+Account", "").ok(200).into(&all)
	if all.TotalSize != 4 {
		t.Errorf("queryAll sees %d accounts, want what was in the bin gone", all.TotalSize)
	}
}

// A formula shows another value and no stamp of its record has moved.
func TestHardnessFormulasDrift(t *testing.T) {
	c := start(t, emulator.Options{})
	c.field("Contact", org.FieldSpec{Name: "Shown__c", Label: "Shown", Type: "Text", Formula: "Account.Site"})
	account := c.create("Account", `{"Name":"A","Site":"before"}`)
	c.create("Contact", `{"LastName":"C","AccountId":"`+account+`"}`)
	look := func() (any, any) {
		r := c.query("SELECT Shown__c, SystemModstamp FROM Contact").Records[0]
		return r["Shown__c"], r["SystemModstamp"]
	}
	value, stamp := look()
	c.s.Clock().Advance(time.Hour)
	c.harden(emulator.Hardness{Others: hard.Others{Every: 1, Objects: []string{"Contact"}, FormulaDrift: 1}})
	c.do("GET", "limits", "").ok(200)
	c.harden(emulator.Hardness{})
	drifted, same := look()
	if value != "before" || drifted == "before" || same != stamp {
		t.Errorf("%v at %v became %v at %v", value, stamp, drifted, same)
	}
}

func TestHardnessLocksRows(t *testing.T) {
	c := hardened(t, 1, emulator.Hardness{RowLocked: 1})
	id := c.query("SELECT Id FROM Account").Records[0]["Id"].(string)
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"B"}`).refused(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records: "+id)
	c.harden(emulator.Hardness{})
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"B"}`).ok(204)
}

// The same seed and the same requests meet the same faults; another seed others; the log as a script
// the same again.
func TestHardnessIsReplayed(t *testing.T) {
	h := emulator.Hardness{Seed: 7, Unavailable: 0.3, LimitExceeded: 0.2, CutBefore: 0.1, LoseReply: 0.1, CutBody: 0.2, CensusShort: 0.5}
	run := func(h emulator.Hardness) (outcomes []string, log []emulator.Injected) {
		c := hardened(t, 20, h)
		for i := range 60 {
			path := []string{"limits", someAccounts, "query?q=SELECT+Id+FROM+Account"}[i%3]
			a, err := c.try("GET", path, nil)
			outcomes = append(outcomes, fmt.Sprintf("%s %d %d %v", path, a.status, len(a.body), err != nil))
		}
		return outcomes, c.s.Injected()
	}
	first, log := run(h)
	if again, _ := run(h); !slices.Equal(first, again) {
		t.Errorf("the same seed:\n%v\n%v", first, again)
	}
	other := h
	other.Seed = 8
	if again, _ := run(other); slices.Equal(first, again) {
		t.Error("another seed meets the same faults")
	}
	script, err := hard.ReadLog(hard.WriteLog(log))
	if err != nil {
		t.Fatal(err)
	}
	again, second := run(emulator.Hardness{Seed: 7, Script: script})
	if !slices.Equal(first, again) || !slices.Equal(log, second) {
		t.Errorf("the script:\n%v\n%v", first, again)
	}
}
