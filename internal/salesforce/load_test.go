package salesforce_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/salesforce/csv"
	"holdfast/internal/sf"
)

const describeAccount = `{"name":"Account","keyPrefix":"001","queryable":true,"fields":[
	{"name":"Id","type":"id"},{"name":"Name","type":"string"},{"name":"Active__c","type":"boolean"},
	{"name":"Revenue","type":"currency"},{"name":"ParentId","type":"reference","referenceTo":["Account"]}]}`

func TestUpdateWritesTypedJSON(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"sobjects/Account/describe", answer(200, describeAccount))
	f.on("PATCH "+v+"composite/sobjects", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		want := `{"allOrNone":false,"records":[` +
			`{"attributes":{"type":"Account"},"id":"001000000000001AAA","Name":"a\u0000\"\\\u000d\u000aé😀\ud800","Active__c":true,"Revenue":1234567890.12},` +
			`{"attributes":{"type":"Account"},"id":"001000000000002AAA","Name":null,"Revenue":null}]}`
		if string(raw) != want {
			t.Errorf("body %s\nwant %s", raw, want)
		}
		if r.Header.Get("Sforce-Auto-Assign") != "FALSE" {
			t.Errorf("headers %v", r.Header)
		}
		writeJSON(w, 200, `[{"id":"001000000000001AAA","success":true,"errors":[]},
			{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"unable to obtain\nexclusive access","fields":["Name"]}]}]`)
	})
	org := f.connect()
	out, err := org.Update(t.Context(), "Account", []string{"Name", "Active__c", "Revenue"}, []sf.Write{
		{ID: idOf("001", 1), Values: []sf.Value{sf.Text("a\x00\"\\\r\né😀\xed\xa0\x80"), sf.Text("true"), sf.Text("1234567890.12")}},
		{ID: idOf("001", 2), Values: []sf.Value{sf.Null(), {}, sf.Null()}},
	})
	if err != nil || len(out) != 2 || !out[0].Success || out[0].ID != idOf("001", 1) || out[1].Success || out[1].ID != idOf("001", 2) ||
		out[1].Code != "UNABLE_TO_LOCK_ROW" || out[1].Message != "unable to obtain exclusive access" || out[1].Fields[0] != "Name" {
		t.Errorf("%+v, %v", out, err)
	}
	for name, rows := range map[string][]sf.Write{
		"bytes that are not UTF-8": {{ID: idOf("001", 1), Values: []sf.Value{sf.Text("\xff"), {}, {}}}},
		"no number":                {{ID: idOf("001", 1), Values: []sf.Value{{}, {}, sf.Text("x")}}},
		"no boolean":               {{ID: idOf("001", 1), Values: []sf.Value{{}, sf.Text("yes"), {}}}},
		"values missing":           {{ID: idOf("001", 1)}},
		"too many":                 make([]sf.Write, 201),
	} {
		if _, err := org.Update(t.Context(), "Account", []string{"Name", "Active__c", "Revenue"}, rows); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := org.Update(t.Context(), "Account", []string{"Nope__c"}, make([]sf.Write, 1)); problem.KindOf(err) != problem.NotFound {
		t.Errorf("unknown field: %v", err)
	}
}

func TestOutcomesMustFitTheRows(t *testing.T) {
	for name, reply := range map[string]string{
		"fewer": `[{"id":"001000000000001AAA","success":true}]`,
		"other": `[{"id":"001000000000002AAA","success":true},{"id":"001000000000001AAA","success":true}]`,
	} {
		f := newFake(t)
		f.on("DELETE "+v+"composite/sobjects", answer(200, reply))
		if out, err := f.connect().Delete(t.Context(), []sf.ID{idOf("001", 1), idOf("001", 2)}); err == nil {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

func TestDeleteOfWhatIsGoneIsASuccess(t *testing.T) {
	f := newFake(t)
	f.on("DELETE "+v+"composite/sobjects", failFirst(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("ids") != "001000000000001AAA,001000000000002AAA,001000000000003AAA" || r.URL.Query().Get("allOrNone") != "false" {
			t.Error(r.URL)
		}
		writeJSON(w, 200, `[{"success":false,"errors":[{"statusCode":"ENTITY_IS_DELETED","message":"entity is deleted","fields":[]}]},
			{"id":"001000000000002AAA","success":true,"errors":[]},
			{"success":false,"errors":[{"statusCode":"DELETE_FAILED","message":"has children","fields":[]}]}]`)
	}, answer(502, "")))
	out, err := f.connect().Delete(t.Context(), []sf.ID{idOf("001", 1), idOf("001", 2), idOf("001", 3)})
	if err != nil || !out[0].Success || out[0].Code != "" || !out[1].Success || out[2].Success || out[2].Code != "DELETE_FAILED" {
		t.Errorf("%+v, %v", out, err)
	}
}

func soapAnswer(body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns="urn:partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>` + body + `</soapenv:Body></soapenv:Envelope>`
}

func onSOAP(f *fakeOrg, h func(body string) (int, string)) {
	f.on("POST /services/Soap/u/66.0", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		status, reply := h(string(raw))
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	})
}

func TestUndelete(t *testing.T) {
	f := newFake(t)
	f.valid[`t&k<"`] = true
	f.on("GET "+v+"sobjects", answer(200, `{"sobjects":[{"name":"Account","keyPrefix":"001","queryable":true}]}`))
	f.on("GET "+v+"query", answer(200, `{"totalSize":1,"done":true,"records":[{"Id":"001000000000002AAA"}]}`))
	onSOAP(f, func(body string) (int, string) {
		if !strings.Contains(body, `<sessionId>t&amp;k&lt;&#34;</sessionId>`) ||
			!strings.Contains(body, `<undelete><ids>001000000000001AAA</ids><ids>001000000000002AAA</ids><ids>001000000000003AAA</ids></undelete>`) {
			t.Error(body)
		}
		fail := `<errors><extendedErrorDetails xsi:nil="true"/><message>Entity is not in the recycle bin</message><statusCode>UNDELETE_FAILED</statusCode></errors>`
		return 200, soapAnswer(`<undeleteResponse><result><id>001000000000001AAA</id><success>true</success></result>` +
			`<result>` + fail + `<id>001000000000002AAA</id><success>false</success></result>` +
			`<result>` + fail + `<id xsi:nil="true"/><success>false</success></result></undeleteResponse>`)
	})
	c := f.config()
	c.Credentials.AccessToken = `t&k<"`
	out, err := mustConnect(t, c).Undelete(t.Context(), []sf.ID{idOf("001", 1), idOf("001", 2), idOf("001", 3)})
	if err != nil || !out[0].Success || !out[1].Success || out[2].Success || out[2].Code != "UNDELETE_FAILED" ||
		out[2].Message != "Entity is not in the recycle bin" || out[2].ID != idOf("001", 3) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestSOAPFaults(t *testing.T) {
	fault := func(code, text string) string {
		return soapAnswer(`<soapenv:Fault><faultcode xmlns:sf="urn:fault.partner.soap.sforce.com">` + code + `</faultcode><faultstring>` + text + `</faultstring></soapenv:Fault>`)
	}
	f := newFake(t)
	onToken(f, func(*http.Request) string { return "" })
	old := ""
	onSOAP(f, func(body string) (int, string) {
		_, token, _ := strings.Cut(body, "<sessionId>")
		token, _, _ = strings.Cut(token, "<")
		if old == "" || token == old {
			old = token
			return 500, fault("sf:INVALID_SESSION_ID", "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader")
		}
		return 200, soapAnswer(`<getServerTimestampResponse><result><timestamp>2026-01-02T03:04:05.678Z</timestamp></result></getServerTimestampResponse>`)
	})
	now, err := mustConnect(t, refreshConfig(f)).ServerTime(t.Context())
	if err != nil || !now.Equal(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)) {
		t.Errorf("%v, %v", now, err)
	}
	f = newFake(t)
	onSOAP(f, func(string) (int, string) {
		return 500, fault("sf:UNSUPPORTED_API_VERSION", "UNSUPPORTED_API_VERSION: too old")
	})
	if _, err = f.connect().ServerTime(t.Context()); problem.KindOf(err) != problem.Usage || len(f.sleeps) != 0 ||
		!strings.Contains(err.Error(), "UNSUPPORTED_API_VERSION: too old") {
		t.Errorf("%v", err)
	}
}

func TestDeleted(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"sobjects/Account/deleted", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("start") != "2026-01-02T03:04:00+00:00" || q.Get("end") != "2026-01-02T04:01:00+00:00" {
			t.Error(r.URL)
		}
		writeJSON(w, 200, `{"deletedRecords":[{"id":"001000000000001AAA","deletedDate":"2026-01-02T03:10:00.000+0000"}],
			"earliestDateAvailable":"2025-12-20T00:00:00.000+0000","latestDateCovered":"2026-01-02T03:55:00.000+0000"}`)
	})
	from, to := time.Date(2026, 1, 2, 3, 4, 59, 9, time.UTC), time.Date(2026, 1, 2, 4, 0, 1, 0, time.UTC)
	log, err := f.connect().Deleted(t.Context(), "Account", from, to)
	if err != nil || len(log.Records) != 1 || log.Records[0].ID != idOf("001", 1) ||
		!log.Covered.Equal(time.Date(2026, 1, 2, 3, 55, 0, 0, time.UTC)) || !log.Earliest.Before(from) {
		t.Errorf("%+v, %v", log, err)
	}
}

func TestTrap08NoLogIsSaidSo(t *testing.T) {
	for _, code := range []string{"INVALID_REPLICATION_DATE", "EXCEEDED_ID_LIMIT"} {
		f := newFake(t)
		f.on("GET "+v+"sobjects/Account/deleted", answer(400, `[{"errorCode":"`+code+`","message":"startDate before org replication enabled date"}]`))
		_, err := f.connect().Deleted(t.Context(), "Account", time.Now().Add(-20*24*time.Hour), time.Now())
		if problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), code) {
			t.Errorf("%v", err)
		}
	}
}

var ingestJob = string(idOf("750", 9))

// ingestOrg serves one ingest job.
func ingestOrg(t *testing.T, state string, processed, failed int) *fakeOrg {
	f := newFake(t)
	f.on("POST "+v+"jobs/ingest", func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		if body["object"] != "Account" || body["operation"] != "insert" || body["lineEnding"] != "LF" || body["contentType"] != "CSV" {
			t.Errorf("job %v", body)
		}
		writeJSON(w, 200, fmt.Sprintf(`{"id":%q,"state":"Open"}`, ingestJob))
	})
	f.on("GET "+v+"jobs/ingest/"+ingestJob, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, fmt.Sprintf(`{"id":%q,"state":%q,"numberRecordsProcessed":%d,"numberRecordsFailed":%d,"errorMessage":"TooManyErrors"}`,
			ingestJob, state, processed, failed))
	})
	return f
}

func TestSendRowsUploadsAndBegins(t *testing.T) {
	f := ingestOrg(t, "Open", 0, 0)
	var uploaded []byte
	f.on("PUT "+v+"jobs/ingest/"+ingestJob+"/batches", func(w http.ResponseWriter, r *http.Request) {
		uploaded, _ = io.ReadAll(r.Body)
		if r.ContentLength != int64(len(uploaded)) || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/csv") {
			t.Errorf("%d bytes of %d, %s", len(uploaded), r.ContentLength, r.Header.Get("Content-Type"))
		}
		w.WriteHeader(201)
	})
	f.on("PATCH "+v+"jobs/ingest/"+ingestJob, answer(200, `{"state":"UploadComplete"}`))
	org := f.connect()
	job, err := org.StartInsert(t.Context(), "Account", []string{"Name", "Revenue"})
	if err != nil || job != ingestJob {
		t.Fatal(job, err)
	}
	rows := []sf.Write{
		{Values: []sf.Value{sf.Text("a\r\n\"b\","), sf.Null()}},
		{Values: []sf.Value{{}, sf.Text("1.5")}},
		{Values: []sf.Value{sf.Text("null"), sf.Text("N/A")}},
	}
	if err := org.SendRows(t.Context(), job, []string{"Name", "Revenue"}, rows); err != nil {
		t.Fatal(err)
	}
	want := "\"Name\",\"Revenue\"\n\"a\r\n\"\"b\"\",\",#N/A\n,\"1.5\"\n\"null\",\"N/A\"\n"
	if string(uploaded) != want {
		t.Errorf("uploaded %q\nwant %q", uploaded, want)
	}
	many := make([]sf.Write, 5000) // more than the reader's buffer, read in pieces
	for i := range many {
		many[i].Values = []sf.Value{sf.Text(strconv.Itoa(i)), {}}
	}
	if err := org.SendRows(t.Context(), job, []string{"Name", "Revenue"}, many); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(uploaded), "\n"); lines != 5001 || !strings.HasSuffix(string(uploaded), "\"4999\",\n") {
		t.Errorf("%d lines", lines)
	}
}

func TestTrap23SendRowsRefusesWhatCSVCannotSay(t *testing.T) {
	f := ingestOrg(t, "Open", 0, 0)
	org := f.connect()
	long := sf.Text(strings.Repeat("é", 30_000))
	for name, values := range map[string][]sf.Value{
		"#N/A":        {sf.Text("#N/A")},
		"empty":       {sf.Text("")},
		"long":        {sf.Text(strings.Repeat("é", 32_001))},
		"long record": {long, long, long, long, long, long, long, long, long, long, long, long, long, long},
		"not UTF-8":   {sf.Text("\xff")},
		"misaligned":  {{}, {}},
	} {
		fields := make([]string, max(len(values)-len(name)/10, 1))
		if name == "long record" {
			fields = make([]string, len(values))
		}
		err := org.SendRows(t.Context(), ingestJob, fields, []sf.Write{{Values: values}})
		if err == nil || !strings.Contains(err.Error(), "row 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.calls("batches") != 0 {
		t.Errorf("calls %v", f.seen)
	}
}

func TestBeginIsSettledByAsking(t *testing.T) {
	f := ingestOrg(t, "InProgress", 0, 0)
	f.on("PUT "+v+"jobs/ingest/"+ingestJob+"/batches", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) })
	f.on("PATCH "+v+"jobs/ingest/"+ingestJob, failFirst(answer(400, `[{"errorCode":"INVALIDJOBSTATE","message":"already"}]`), answer(502, "")))
	if err := f.connect().SendRows(t.Context(), ingestJob, []string{"Name"}, []sf.Write{{Values: []sf.Value{sf.Text("x")}}}); err != nil {
		t.Error(err)
	}
}

func serveCSV(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.WriteString(w, body)
	}
}

func rowsCSV(rows ...[]string) string {
	var b []byte
	for _, r := range rows {
		b = csv.AppendRow(b, r)
	}
	return string(b)
}

func TestTrap20ResultsAreReadByName(t *testing.T) {
	f := ingestOrg(t, "Failed", 3, 1)
	path := v + "jobs/ingest/" + ingestJob
	good := rowsCSV([]string{"sf__Created", "Revenue", "sf__Id", "Name"},
		[]string{"true", "2", "001000000000002AAA", "b\r\n"}, []string{"true", "#N/A", "001000000000001AAA", "a"})
	f.on("GET "+path+"/successfulResults", failFirst(serveCSV(good), cutAfter("text/csv", good[:len(good)-20])))
	f.on("GET "+path+"/failedResults", serveCSV(rowsCSV([]string{"sf__Id", "sf__Error", "Name", "Revenue"},
		[]string{"", "REQUIRED_FIELD_MISSING:Required fields are missing: [Name, X]:Name X --", "c", ""})))
	f.on("GET "+path+"/unprocessedrecords", serveCSV(rowsCSV([]string{"Name", "Revenue"}, []string{"d", "4"})))
	var got []sf.JobResult
	for r, err := range f.connect().JobResults(t.Context(), ingestJob, []string{"Name", "Revenue"}, 4) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	want := []sf.JobResult{
		{Outcome: sf.Outcome{ID: idOf("001", 2), Success: true}, Echo: []string{"b\r\n", "2"}},
		{Outcome: sf.Outcome{ID: idOf("001", 1), Success: true}, Echo: []string{"a", "#N/A"}},
		{Outcome: sf.Outcome{Code: "REQUIRED_FIELD_MISSING", Message: "Required fields are missing: [Name, X]", Fields: []string{"Name", "X"}}, Echo: []string{"c", ""}},
		{Outcome: sf.Outcome{Code: salesforce.CodeUnprocessed, Message: "TooManyErrors"}, Echo: []string{"d", "4"}},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestResultsMustBeComplete(t *testing.T) {
	header := rowsCSV([]string{"sf__Id", "sf__Created", "Name"})
	for name, c := range map[string]struct {
		state, good string
		processed   int
	}{
		"still running":    {"InProgress", header, 0},
		"a success lost":   {"JobComplete", header, 1},
		"a column lost":    {"JobComplete", rowsCSV([]string{"sf__Id", "sf__Created"}), 0},
		"an Id is missing": {"JobComplete", header + rowsCSV([]string{"", "true", "x"}), 1},
		"HTML":             {"JobComplete", "<html>", 0},
	} {
		f := ingestOrg(t, c.state, c.processed, 0)
		path := v + "jobs/ingest/" + ingestJob
		f.on("GET "+path+"/successfulResults", serveCSV(c.good))
		f.on("GET "+path+"/failedResults", serveCSV(rowsCSV([]string{"sf__Id", "sf__Error", "Name"})))
		f.on("GET "+path+"/unprocessedrecords", serveCSV(""))
		failed := false
		for _, err := range f.connect().JobResults(t.Context(), ingestJob, []string{"Name"}, 1) {
			failed = failed || err != nil
		}
		if !failed {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestResultsOfAJobAbortedBeforeItsUpload: its files know no column of the job, and no row.
func TestResultsOfAJobAbortedBeforeItsUpload(t *testing.T) {
	for name, c := range map[string]struct {
		rest string
		good bool
	}{
		"empty":  {"", true},
		"blank":  {"\n", true},
		"a row?": {"\nx\n", false},
	} {
		f := ingestOrg(t, "Aborted", 0, 0)
		path := v + "jobs/ingest/" + ingestJob
		f.on("GET "+path+"/successfulResults", serveCSV(rowsCSV([]string{"sf__Id", "sf__Created"})))
		f.on("GET "+path+"/failedResults", serveCSV(rowsCSV([]string{"sf__Id", "sf__Error"})))
		f.on("GET "+path+"/unprocessedrecords", serveCSV(c.rest))
		rows, failed := 0, error(nil)
		for _, err := range f.connect().JobResults(t.Context(), ingestJob, []string{"Name"}, 1) {
			if failed = err; err == nil {
				rows++
			}
		}
		if rows != 0 || (failed == nil) != c.good {
			t.Errorf("%s: %d rows, %v", name, rows, failed)
		}
	}
}

func TestJobStateAndAbort(t *testing.T) {
	f := ingestOrg(t, "Aborted", 0, 0)
	f.on("PATCH "+v+"jobs/ingest/"+ingestJob, answer(400, `[{"errorCode":"INVALIDJOBSTATE","message":"already aborted"}]`))
	org := f.connect()
	if s, err := org.JobState(t.Context(), ingestJob); s != sf.JobAborted || err != nil {
		t.Error(s, err)
	}
	if err := org.AbortJob(t.Context(), ingestJob); err != nil {
		t.Error(err)
	}
	if _, err := org.JobState(t.Context(), "../../evil"); problem.KindOf(err) != problem.Usage {
		t.Error(err)
	}
}
