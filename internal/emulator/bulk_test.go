package emulator_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/bulk"
)

type job struct {
	ID, State, Operation, Object, ContentURL, JobType, ErrorMessage, LineEnding, ColumnDelimiter string
	APIVersion                                                                                   json64
	NumberRecordsProcessed, NumberRecordsFailed                                                  int
}

type json64 float64

// settled polls a job until it has ended.
func (c *client) settled(path string) job {
	c.t.Helper()
	for {
		var j job
		c.do("GET", path, "").ok(200).into(&j)
		switch j.State {
		case "JobComplete", "Failed", "Aborted":
			return j
		}
		time.Sleep(time.Millisecond)
	}
}

// load runs an ingest job to its end.
func (c *client) load(request, rows string) job {
	c.t.Helper()
	return c.settled("jobs/ingest/" + c.begin(request, rows).ID)
}

// begin uploads the rows of a job, which the org then works at.
func (c *client) begin(request, rows string) job {
	c.t.Helper()
	var j job
	c.do("POST", "jobs/ingest", request).ok(200).into(&j)
	if j.State != "Open" || j.ContentURL != "services/data/v66.0/jobs/ingest/"+j.ID+"/batches" {
		c.t.Fatalf("new job %+v", j)
	}
	c.do("PUT", "/"+j.ContentURL, rows).ok(201)
	c.do("PATCH", "jobs/ingest/"+j.ID+"/", `{"state":"UploadComplete"}`).ok(200)
	return j
}

func (c *client) export(request string) job {
	c.t.Helper()
	var j job
	c.do("POST", "jobs/query", request).ok(200).into(&j)
	return c.settled("jobs/query/" + j.ID)
}

// table reads a result file.
func (a answer) table() (header []string, rows [][]string) {
	a.t.Helper()
	all, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	if err != nil || len(all) == 0 {
		a.t.Fatalf("%v: %q", err, a.body)
	}
	return all[0], all[1:]
}

func TestBulkQueryPages(t *testing.T) {
	c := start(t, emulator.Options{BulkPageRows: 400})
	var rows strings.Builder
	rows.WriteString("Name,AnnualRevenue\n")
	for i := range 1000 {
		fmt.Fprintf(&rows, "A%04d,%d\n", i, i)
	}
	if j := c.load(`{"object":"Account","operation":"insert"}`, rows.String()); j.State != "JobComplete" || j.NumberRecordsProcessed != 1000 {
		t.Fatalf("load %+v", j)
	}
	j := c.export(`{"operation":"query","query":"SELECT Id, Name, AnnualRevenue, Phone, CreatedDate, Owner.Name FROM Account"}`)
	if j.State != "JobComplete" || j.NumberRecordsProcessed != 1000 || j.Object != "Account" || j.JobType != "V2Query" {
		t.Fatalf("job %+v", j)
	}
	seen, locator := map[string]bool{}, ""
	for _, want := range []int{400, 400, 200} {
		a := c.do("GET", "jobs/query/"+j.ID+"/results"+locator, "").ok(200)
		header, rows := a.table()
		if strings.Join(header, " ") != "Id Name AnnualRevenue Phone CreatedDate Owner.Name" || !strings.HasPrefix(string(a.body), `"Id","Name"`) {
			t.Fatalf("header %q", header)
		}
		if len(rows) != want || a.header.Get("Sforce-NumberOfRecords") != strconv.Itoa(want) {
			t.Fatalf("%d rows, header says %s, want %d", len(rows), a.header.Get("Sforce-NumberOfRecords"), want)
		}
		for _, r := range rows {
			seen[r[1]] = true
		}
		if rows[0][3] != "" || rows[0][4] != "2026-01-05T08:00:00.000Z" {
			t.Errorf("row %q", rows[0])
		}
		locator = "?locator=" + a.header.Get("Sforce-Locator")
	}
	if locator != "?locator=null" || len(seen) != 1000 {
		t.Errorf("the last locator is %q, %d rows seen", locator, len(seen))
	}
	if a := c.do("GET", "jobs/query/"+j.ID+"/results?maxRecords=999", "").ok(200); a.header.Get("Sforce-Locator") != "OTk5" {
		t.Errorf("locator %q", a.header.Get("Sforce-Locator"))
	}
	c.do("GET", "jobs/query/"+j.ID+"/results?locator=zzz", "").refused(400, "INVALID_QUERY_LOCATOR", "")
	c.do("GET", "/services/data/v60.0/jobs/query/"+j.ID+"/results", "").refused(409, "INVALIDVERSION", "66.0")
	c.do("GET", "jobs/query/"+j.ID+"/resultPages", "").ok(200).is(`{"done":true,"nextRecordUrl":null,"resultPages":[
		{"resultUrl":"/services/data/v66.0/jobs/query/` + j.ID + `/results"},
		{"resultUrl":"/services/data/v66.0/jobs/query/` + j.ID + `/results?locator=NDAw"},
		{"resultUrl":"/services/data/v66.0/jobs/query/` + j.ID + `/results?locator=ODAw"}]}`)
	c.do("GET", "jobs/query", "").ok(200)
	c.do("PATCH", "jobs/query/"+j.ID, `{"state":"Aborted"}`).refused(400, "INVALIDJOBSTATE", "")
	c.do("DELETE", "jobs/query/"+j.ID, "").ok(204)
	c.do("GET", "jobs/query/"+j.ID, "").refused(404, "NOT_FOUND", "")
}

func TestBulkQueryRefuses(t *testing.T) {
	c := start(t, emulator.Options{})
	for query, want := range map[string][2]string{
		"SELECT COUNT(Id) FROM Account":                     {"FUNCTIONALITY_NOT_ENABLED", "Aggregate"},
		"SELECT Id FROM Account OFFSET 5":                   {"FUNCTIONALITY_NOT_ENABLED", "OFFSET"},
		"SELECT Id, (SELECT Id FROM Contacts) FROM Account": {"FUNCTIONALITY_NOT_ENABLED", "Nested"},
		"SELECT BillingAddress FROM Account":                {"FeatureNotEnabled", "Cannot serialize value for 'BillingAddress' in CSV format"},
		"SELECT Nme FROM Account":                           {"INVALID_FIELD", "No such column 'Nme'"},
		"SELECT Id FROM":                                    {"MALFORMED_QUERY", "unexpected token"},
	} {
		c.do("POST", "jobs/query", `{"operation":"query","query":"`+query+`"}`).refused(400, want[0], want[1])
	}
}

func TestBulkIngestFiles(t *testing.T) {
	c := start(t, emulator.Options{Seed: 7})
	rows := "LastName,Email,Description\r\n" +
		"Doe,j@example.com,\"a \"\"quoted\"\" text,\r\nof two\n lines\"\r\n" +
		",no@example.com,\r\n" +
		"#N/A,,\r\n" +
		"Roe,,plain\r\n"
	j := c.load(`{"object":"Contact","operation":"insert","lineEnding":"CRLF"}`, rows)
	if j.State != "JobComplete" || j.NumberRecordsProcessed != 4 || j.NumberRecordsFailed != 2 {
		t.Fatalf("job %+v", j)
	}
	good := c.do("GET", "jobs/ingest/"+j.ID+"/successfulResults", "").ok(200)
	if !strings.Contains(string(good.body), "\"a \"\"quoted\"\" text,\r\nof two\n lines\"") {
		t.Errorf("the echo differs from what was sent: %q", good.body)
	}
	header, list := good.table()
	if strings.Join(header, ",") != "sf__Id,sf__Created,LastName,Email,Description" || len(list) != 2 || list[0][1] != "true" {
		t.Errorf("%q %q", header, list)
	}
	header, list = c.do("GET", "jobs/ingest/"+j.ID+"/failedResults/", "").ok(200).table()
	if strings.Join(header, ",") != "sf__Id,sf__Error,LastName,Email,Description" || len(list) != 2 ||
		list[0][1] != "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --" {
		t.Errorf("%q %q", header, list)
	}
	header, list = c.do("GET", "jobs/ingest/"+j.ID+"/unprocessedrecords", "").ok(200).table()
	if strings.Join(header, ",") != "LastName,Email,Description" || len(list) != 0 {
		t.Errorf("%q %q", header, list)
	}
	got := c.query("SELECT Description FROM Contact WHERE LastName = 'Doe'").Records[0]["Description"]
	if got != "a \"quoted\" text,\r\nof two\n lines" {
		t.Errorf("stored %q", got)
	}
}

func TestBulkResultsComeInArbitraryOrder(t *testing.T) {
	c := start(t, emulator.Options{Seed: 3})
	var rows strings.Builder
	rows.WriteString("Name\n")
	for i := range 100 {
		fmt.Fprintf(&rows, "A%03d\n", i)
	}
	j := c.load(`{"object":"Account","operation":"insert"}`, rows.String())
	_, list := c.do("GET", "jobs/ingest/"+j.ID+"/successfulResults", "").ok(200).table()
	var names []string
	for _, r := range list {
		names = append(names, r[2])
	}
	if len(names) != 100 || slices.IsSorted(names) {
		t.Errorf("the rows come in the order in which they were sent: %q", names)
	}
	if slices.Sort(names); names[0] != "A000" || names[99] != "A099" {
		t.Errorf("names %q", names)
	}
}

func TestBulkUpdateLeavesEmptyAndClearsNA(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A","Phone":"1","Fax":"2","Site":"3"}`)
	c.load(`{"object":"Account","operation":"update","columnDelimiter":"PIPE"}`, "Id|Phone|Fax|Site\n"+id+"||#N/A|4\n")
	c.do("GET", "sobjects/Account/"+id+"?fields=Phone,Fax,Site,Id", "").ok(200).is(`{"attributes":{"type":"Account",
		"url":"/services/data/v66.0/sobjects/Account/` + id + `"},"Phone":"1","Fax":null,"Site":"4","Id":"` + id + `"}`)
}

func TestBulkRefusesBadFilesAsAWhole(t *testing.T) {
	c := start(t, emulator.Options{})
	for rows, want := range map[string]string{
		"Nme\nx\n":        "InvalidBatch : Field name not found : Nme",
		"Name\r\nx\r\n":   "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
		"Name\n\"x\n":     "Failed to parse CSV",
		"Name,Phone\nx\n": "Row 1 has 1 columns",
		"Name\n" + strings.Repeat("x", 32_001) + "\n": "maximum is 32000",
		"Name\n\xff\n": "UTF-8",
	} {
		j := c.load(`{"object":"Account","operation":"insert"}`, rows)
		if j.State != "Failed" || !strings.Contains(j.ErrorMessage, want) {
			t.Errorf("%.30q: %s %q, want %q", rows, j.State, j.ErrorMessage, want)
		}
	}
	c.do("POST", "jobs/ingest", `{"object":"Foo","operation":"insert"}`).refused(400, "INVALIDENTITY", "Foo")
	c.do("POST", "jobs/ingest", `{"object":"Account","operation":"eat"}`).refused(400, "INVALIDJOB", "eat")
	c.do("POST", "jobs/ingest", `{"object":"Account","operation":"upsert","externalIdFieldName":"Name"}`).refused(400, "INVALIDJOB", "Name")
}

// TestBulkUploadsAnswerUploadComplete: what declares an upload complete is answered with that state, however fast the work is.
// SFDMU 3.7.19 gives up a job that answers otherwise. Jobs are many because the work races with the answer.
func TestBulkUploadsAnswerUploadComplete(t *testing.T) {
	t.Parallel()
	c := start(t, emulator.Options{})
	for range 100 {
		var j job
		c.do("POST", "jobs/ingest", `{"object":"Account","operation":"insert"}`).ok(200).into(&j)
		c.do("PUT", "jobs/ingest/"+j.ID+"/batches", "Name\nx\n").ok(201)
		if c.do("PATCH", "jobs/ingest/"+j.ID, `{"state":"UploadComplete"}`).ok(200).into(&j); j.State != "UploadComplete" {
			t.Fatalf("the job answers %s", j.State)
		}
	}
	job := c.classic("POST", "job", asXML, jobXML("insert", "Account", "CSV")).ok(201).first(idPattern)
	for range 100 {
		c.classic("POST", "job/"+job+"/batch", asCSV, "Name\nx\n").ok(201).has("<state>Queued</state>")
	}
}

func TestBulkJobLife(t *testing.T) {
	c := start(t, emulator.Options{})
	var j job
	c.do("POST", "jobs/ingest", `{"object":"Account","operation":"insert","externalIdFieldName":""}`).ok(200).into(&j)
	c.do("PUT", "jobs/ingest/"+j.ID+"/batches", "Name\nx\n").ok(201)
	c.do("PUT", "jobs/ingest/"+j.ID+"/batches", "Name\nx\n").refused(400, "INVALIDBATCH", "multiple contents")
	c.do("DELETE", "jobs/ingest/"+j.ID, "").refused(400, "INVALIDJOBSTATE", "")
	c.do("PATCH", "jobs/ingest/"+j.ID, `{"state":"Aborted"}`).ok(200)
	if c.settled("jobs/ingest/"+j.ID).State != "Aborted" {
		t.Error("the job goes on")
	}
	c.do("PATCH", "jobs/ingest/"+j.ID, `{"state":"UploadComplete"}`).refused(400, "INVALIDJOBSTATE", "Aborted")
	c.s.Clock().Advance(8 * 24 * time.Hour)
	c.do("GET", "jobs/ingest/"+j.ID, "").refused(404, "NOT_FOUND", "")

	j = c.load(`{"object":"Account","operation":"insert"}`, "Name\nx\n")
	c.do("DELETE", "jobs/ingest/"+j.ID, "").ok(204)
}

func TestBulkJobThatFailsHalfWayLeavesTheRestUnprocessed(t *testing.T) {
	c := start(t, emulator.Options{})
	c.s.InterceptBatch(func(b bulk.Batch) error {
		if b.Done == 400 {
			return errors.New("InternalServerError : it broke")
		}
		return nil
	})
	j := c.load(`{"object":"Account","operation":"insert"}`, "Name\n"+strings.Repeat("x\n", 500))
	if j.State != "Failed" || j.ErrorMessage != "InternalServerError : it broke" || j.NumberRecordsProcessed != 400 {
		t.Fatalf("job %+v", j)
	}
	_, rest := c.do("GET", "jobs/ingest/"+j.ID+"/unprocessedrecords", "").ok(200).table()
	_, good := c.do("GET", "jobs/ingest/"+j.ID+"/successfulResults", "").ok(200).table()
	if len(rest) != 100 || len(good) != 400 {
		t.Errorf("%d unprocessed and %d good, want 100 and 400", len(rest), len(good))
	}
}

func TestBulkDeleteAndParentsByExternalID(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A"}`)
	c.load(`{"object":"Account","operation":"delete"}`, "Id\n"+id+"\n001000000000000AAA\n")
	if c.query("SELECT Id FROM Account").TotalSize != 0 {
		t.Error("the record is still there")
	}
	var user struct{ Username string }
	c.do("GET", "sobjects/User/"+c.s.UserID, "").ok(200).into(&user)
	j := c.load(`{"object":"Account","operation":"insert"}`, "Name,Owner.Username\nB,"+user.Username+"\n")
	if j.NumberRecordsFailed != 0 {
		body := c.do("GET", "jobs/ingest/"+j.ID+"/failedResults", "").body
		t.Errorf("a parent was not found by its external id: %s", body)
	}
}

// A page of results is sent while it is spelled, so nobody knows its length before, and it is whole.
func TestBulkResultsStream(t *testing.T) {
	t.Parallel()
	const rows, length = 1_000, 1_800
	c := start(t, emulator.Options{})
	text := strings.Repeat("some text ", length/len("some text "))
	c.load(`{"object":"Account","operation":"insert"}`, "Name,Description\n"+strings.Repeat("A name of an account,"+text+"\n", rows))
	j := c.export(`{"operation":"query","query":"SELECT Id, Name, Description, CreatedDate, OwnerId FROM Account"}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.s.URL+"/services/data/v66.0/jobs/query/"+j.ID+"/results", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.s.AccessToken)
	r.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ContentLength >= 0 {
		t.Errorf("the length %d was known before the rows were spelled", resp.ContentLength)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n < rows*length {
		t.Errorf("%d bytes of more than %d: %v", n, rows*length, err)
	}
	c.do("GET", "jobs/query/"+j.ID+"/results", "").ok(200) // again: it is stored once
	var limits struct {
		DailyBulkV2QueryFileStorageMB struct{ Max, Remaining int64 }
	}
	c.do("GET", "limits", "").ok(200).into(&limits)
	if l := limits.DailyBulkV2QueryFileStorageMB; l.Max-l.Remaining != n>>20 {
		t.Errorf("%d MB of results were counted, of %d bytes", l.Max-l.Remaining, n)
	}
}

// paged reads all pages of a query job by locators, and by resultPages, and returns the names by page.
func (c *client) paged(id string) (byLocator, byPages [][]string) {
	c.t.Helper()
	page := func(path string) ([]string, string) {
		a := c.do("GET", path, "").ok(200)
		_, rows := a.table()
		var names []string
		for _, r := range rows {
			names = append(names, r[0])
		}
		if a.header.Get("Sforce-NumberOfRecords") != strconv.Itoa(len(rows)) {
			c.t.Errorf("%d rows, header says %s", len(rows), a.header.Get("Sforce-NumberOfRecords"))
		}
		return names, a.header.Get("Sforce-Locator")
	}
	for locator := ""; locator != "null"; {
		path := "jobs/query/" + id + "/results"
		if locator != "" {
			path += "?locator=" + locator
		}
		names, next := page(path)
		byLocator, locator = append(byLocator, names), next
	}
	for next := "/services/data/v66.0/jobs/query/" + id + "/resultPages"; next != ""; {
		var reply struct {
			ResultPages []struct{ ResultURL string }
			NextURL     string `json:"nextRecordUrl"`
			Done        bool
		}
		c.do("GET", next, "").ok(200).into(&reply)
		if len(reply.ResultPages) > 5 || reply.Done != (reply.NextURL == "") {
			c.t.Fatalf("%+v", reply)
		}
		for _, p := range reply.ResultPages {
			names, _ := page(p.ResultURL)
			byPages = append(byPages, names)
		}
		next = reply.NextURL
	}
	return byLocator, byPages
}

// TestBulkQueryChunks: chunks end pages and come in any order; ORDER BY, LIMIT and some objects switch them off.
func TestBulkQueryChunks(t *testing.T) {
	c := start(t, emulator.Options{Seed: 7, BulkPageRows: 40, BulkChunkRows: 100})
	var rows strings.Builder
	rows.WriteString("Name\n")
	for i := range 600 {
		fmt.Fprintf(&rows, "A%04d\n", i)
	}
	c.load(`{"object":"Account","operation":"insert"}`, rows.String())
	job := func(query string) (string, [][]string) {
		t.Helper()
		j := c.export(`{"operation":"query","query":"` + query + `"}`)
		one, other := c.paged(j.ID)
		if !reflect.DeepEqual(one, other) {
			t.Errorf("%s: by locator %v, by resultPages %v", query, one, other)
		}
		return j.ID, one
	}
	id, on := job("SELECT Name FROM Account")
	c.do("GET", "jobs/query/"+id, "").ok(200).has(`"isPkChunkingSupported":true`)
	flat := slices.Concat(on...)
	short := 0
	for _, p := range on[:len(on)-1] {
		if len(p) < 40 {
			short++
		}
	}
	if short < 5 || slices.IsSorted(flat) {
		t.Errorf("%d pages end with their chunk; in order: %t", short, slices.IsSorted(flat))
	}
	if slices.Sort(flat); len(slices.Compact(flat)) != 600 {
		t.Errorf("%d rows", len(flat))
	}
	_, again := job("SELECT Name FROM Account")
	_, all := job("SELECT Name FROM Account WHERE Name = 'none'")
	if len(all) != 1 || len(all[0]) != 0 || len(again) == 0 {
		t.Errorf("of none: %v", all)
	}
	for _, query := range []string{"SELECT Name FROM Account ORDER BY Name", "SELECT Name FROM Account LIMIT 600"} {
		_, off := job(query)
		if len(off) != 15 || !slices.IsSorted(slices.Concat(off...)) {
			t.Errorf("%s: %d pages", query, len(off))
		}
	}
	id, _ = job("SELECT Name FROM Profile")
	c.do("GET", "jobs/query/"+id, "").ok(200).has(`"isPkChunkingSupported":false`)
}
