package emulator_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// TestBodiesAreReadStrictly: what is no JSON, or names what is not there, is refused in the platform's words, without those of
// the reader.
func TestBodiesAreReadStrictly(t *testing.T) {
	c := start(t, emulator.Options{})
	for _, r := range []struct{ method, path, body, code, says string }{
		{"POST", "sobjects/Account", "{\"Name\":\"\xff\"}", "JSON_PARSER_ERROR", "Invalid UTF-8 byte 0xff at [line:1, column:10]"},
		{"POST", "sobjects/Account", `{"Name":"a\u0000b"}`, "JSON_PARSER_ERROR", "NUL"},
		{"POST", "sobjects/Account", `{"Name":`, "JSON_PARSER_ERROR", "Unexpected end-of-input"},
		{"POST", "sobjects/Account", "{\n\"Name\":x}", "JSON_PARSER_ERROR", "Unexpected character at [line:2, column:9]"},
		{"POST", "sobjects/Account", `[]`, "JSON_PARSER_ERROR", "from START_ARRAY"},
		{"POST", "sobjects/Account", "", "JSON_PARSER_ERROR", "No content to map to Object due to end of input"},
		{"POST", "sobjects/Account", `{"attributes":{"type":"Contact"},"Name":"x"}`, "INVALID_TYPE", "Contact"},
		{"POST", "sobjects/Account", `{"Name":"x","NumberOfEmployees":123456789}`, "NUMBER_OUTSIDE_VALID_RANGE", "123456789"},
		{"POST", "sobjects/Contact", `{"LastName":"x","Birthdate":"1699-12-31"}`, "FIELD_INTEGRITY_EXCEPTION", "invalid date: Thu Dec 31 00:00:00 GMT 1699"},
		{"POST", "sobjects/Event", `{"DurationInMinutes":1,"ActivityDateTime":"4001-01-01T00:00:00Z"}`, "FIELD_INTEGRITY_EXCEPTION", "invalid date"},
		{"POST", "sobjects/Account", `{"Id":"001000000000001AAA","Name":"x"}`, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call"},
		{"POST", "jobs/ingest", `{"object":"Account","operation":"insert","speed":"fast"}`, "JSON_PARSER_ERROR", `Unrecognized field "speed"`},
		{"POST", "jobs/query", `{"operation":"query","query":"SELECT Id FROM Account","pageSize":1}`, "JSON_PARSER_ERROR", `Unrecognized field "pageSize"`},
	} {
		a := c.do(r.method, r.path, r.body)
		a.refused(400, r.code, r.says)
		if text := string(a.body); strings.Contains(text, "json:") || strings.Contains(text, "EOF") {
			t.Errorf("%s %s: %s", r.path, r.body, text)
		}
	}
	c.create("Account", `{"attributes":{"type":"account"},"Name":"x","NumberOfEmployees":99999999}`)
	c.create("Contact", `{"LastName":"x","Birthdate":"1700-01-01"}`)
}

func TestRequestsThatAreNotPackedAreRefusedInTheirForm(t *testing.T) {
	c := start(t, emulator.Options{})
	c.header.Set("Content-Encoding", "gzip")
	c.do("POST", "sobjects/Account", "{}").refused(400, "INVALID_INPUT", "gzip")
	c.classic("POST", "job", asXML, jobXML("insert", "Account", "CSV")).ok(400).has("<exceptionCode>InvalidBatch</exceptionCode>")
	c.header.Del("Content-Encoding")
	if a := c.do("GET", "query?q="+strings.Repeat("x", 20_000), ""); a.status != 414 || len(a.body) != 0 {
		t.Errorf("status %d: %.100s", a.status, a.body)
	}
}

func TestBulkFilesAreReadStrictly(t *testing.T) {
	c := start(t, emulator.Options{})
	if j := c.load(`{"object":"Account","operation":"insert"}`, "Name,name\nx,y\n"); j.State != "Failed" || !strings.Contains(j.ErrorMessage, "name") {
		t.Errorf("a field named twice: %+v", j)
	}
	j := c.load(`{"object":"Account","operation":"insert"}`, "Id,Name\n001000000000001AAA,x\n,y\n")
	if j.NumberRecordsProcessed != 2 || j.NumberRecordsFailed != 1 {
		t.Errorf("an insert with an Id: %+v", j)
	}
	c.header.Set("Content-Type", "application/json")
	var open job
	c.do("POST", "jobs/ingest", `{"object":"Account","operation":"insert"}`).ok(200).into(&open)
	c.do("PUT", "jobs/ingest/"+open.ID+"/batches", "Name\nx\n").refused(415, "UNSUPPORTED_MEDIA_TYPE", "application/json")
}

// TestPKChunkingIsAskedForStrictly: a header that says nothing that is known is refused, and each chunk is a batch of the day.
func TestPKChunkingIsAskedForStrictly(t *testing.T) {
	c := start(t, emulator.Options{})
	job := func(header, operation, object string) answer {
		c.header.Set("Sforce-Enable-Pkchunking", header)
		defer c.header.Del("Sforce-Enable-Pkchunking")
		return c.classic("POST", "job", asXML, jobXML(operation, object, "CSV"))
	}
	for _, bad := range [][3]string{
		{"maybe", "query", "Account"},
		{"chunkSize=0", "query", "Account"},
		{"chunkSize=250001", "query", "Account"},
		{"chunkSize=5; parent=Nope", "query", "Account"},
		{"startRow=x", "query", "Account"},
		{"TRUE", "insert", "Account"},
		{"TRUE", "query", "Profile"},
	} {
		job(bad[0], bad[1], bad[2]).ok(400).has("<exceptionCode>InvalidJob</exceptionCode>")
	}
	job("chunkSize=5; parent=Case", "query", "CaseHistory").ok(201)
	var ids []string
	for range 10 {
		ids = append(ids, c.create("Account", `{"Name":"x"}`))
	}
	left := func() int {
		var limits struct{ DailyBulkAPIBatches struct{ Remaining int } }
		c.do("GET", "limits", "").ok(200).into(&limits)
		return limits.DailyBulkAPIBatches.Remaining
	}
	before := left()
	id := job("chunkSize=2; startRow="+ids[4], "query", "Account").ok(201).first(idPattern)
	c.batch(id, asCSV, "SELECT Id FROM Account")
	c.classic("GET", "job/"+id, asXML, "").ok(200).has("<numberBatchesTotal>4<", "<numberRecordsProcessed>6<")
	if spent := before - left(); spent != 4 {
		t.Errorf("%d batches were spent, want 4", spent)
	}
	c.s.Org().Spend("DailyBulkApiBatches", left()-3)
	id = job("chunkSize=1", "query", "Account").ok(201).first(idPattern)
	batch := c.batch(id, asCSV, "SELECT Id FROM Account")
	c.classic("GET", "job/"+id+"/batch/"+batch, asXML, "").ok(200).has("<state>Failed</state>", "ExceededQuota")
}

// TestMethodsAreThoseOfTheClosestResource: list views are no records whose Id is "listviews".
func TestMethodsAreThoseOfTheClosestResource(t *testing.T) {
	c := start(t, emulator.Options{})
	for path, allowed := range map[string]string{
		"sobjects/Account/listviews": "GET", "sobjects/Account/describe": "GET", "sobjects/Account/updated": "GET",
		"sobjects/Account/001000000000001AAA": "GET,PATCH,DELETE", "composite/sobjects": "POST,PATCH,DELETE",
	} {
		a := c.do("PUT", path, "{}")
		a.refused(405, "METHOD_NOT_ALLOWED", "Allowed are "+allowed)
		if got := a.header.Get("Allow"); got != allowed {
			t.Errorf("%s: %s, want %s", path, got, allowed)
		}
	}
	c.do("PATCH", "sobjects/Account/listviews", "{}").refused(405, "METHOD_NOT_ALLOWED", "GET")
}

func TestVersionsThatNeverWereAreRefused(t *testing.T) {
	c := start(t, emulator.Options{})
	for _, version := range []string{"999.0", "-1", "6.0", "66.5", "x"} {
		c.soap("m/66.0", "describeMetadata", "<asOfVersion>"+version+"</asOfVersion>").ok(500).has("UNSUPPORTED_API_VERSION")
		c.soap("m/66.0", "retrieve", "<retrieveRequest><apiVersion>"+version+"</apiVersion></retrieveRequest>").ok(500).has("UNSUPPORTED_API_VERSION")
		manifest := strings.Replace(keyManifest, "66.0", version, 1)
		c.deploy("ZipFile", "id", packed(t, "package.xml", manifest, "objects/Account.object", keyObject, "profiles/Admin.profile", keyAccess)).
			has("<status>Failed</status>", "the version "+version+" of the package is not supported")
	}
	c.soap("m/66.0", "describeMetadata", "<asOfVersion>35.0</asOfVersion>").ok(200)
}

func TestComputedRowsStayWithinTime(t *testing.T) {
	c := start(t, emulator.Options{ControlToken: "steer"})
	for _, bad := range []string{
		`{"object":"Lead","rows":1000000000,"step":"2562047h"}`, `{"object":"Lead","rows":10,"step":"-1s"}`,
		`{"object":"Lead","rows":10,"from":"0001-01-01T00:00:00Z"}`, `{"object":"Lead","rows":100000,"step":"8760h"}`,
	} {
		c.control("POST", "generate", bad).ok(400)
	}
	c.control("POST", "generate", `{"object":"Lead","rows":1000000,"from":"2000-01-01T00:00:00Z","step":"1s"}`).ok(200)
}
