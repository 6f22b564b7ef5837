package emulator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
)

// classic sends a request of the older Bulk API, with the session in its own header.
func (c *client) classic(method, path, kind, body string) answer {
	c.t.Helper()
	c.header.Set("Authorization", "")
	c.header.Set("X-Sfdc-Session", c.s.AccessToken)
	c.header.Set("Content-Type", kind)
	defer func() { c.header.Del("Authorization"); c.header.Del("X-Sfdc-Session"); c.header.Del("Content-Type") }()
	return c.do(method, "/services/async/66.0/"+path, body)
}

const (
	asXML  = "application/xml; charset=UTF-8"
	asCSV  = "text/csv"
	asJSON = "application/json"
)

func jobXML(operation, object, kind string) string {
	return `<?xml version="1.0"?><jobInfo xmlns="http://www.force.com/2009/06/asyncapi/dataload"><operation>` + operation + "</operation><object>" +
		object + "</object><externalIdFieldName>Id</externalIdFieldName><contentType>" + kind + "</contentType></jobInfo>"
}

// batch adds a batch to a job and waits for its end.
func (c *client) batch(job, kind, body string) (id string) {
	c.t.Helper()
	id = c.classic("POST", "job/"+job+"/batch", kind, body).ok(201).first(idPattern)
	for !strings.Contains(string(c.classic("GET", "job/"+job+"/batch/"+id, asXML, "").ok(200).body), "<state>Completed") {
		a := c.classic("GET", "job/"+job+"/batch/"+id, asXML, "").ok(200)
		if strings.Contains(string(a.body), "<state>Failed") || strings.Contains(string(a.body), "<state>NotProcessed") {
			return id
		}
		time.Sleep(time.Millisecond)
	}
	return id
}

// idPattern finds the Id of a job or a batch in XML and in JSON.
const idPattern = `[<"]id[>"]:?"?([0-9A-Za-z]{18})`

func TestClassicBulkLoads(t *testing.T) {
	c := start(t, emulator.Options{})
	for kind, content := range map[string][2]string{
		"CSV": {asCSV, "LastName,Email\n\"Doe, J\",a@x.example\n,b@x.example\n"},
		"XML": {asXML, `<sObjects xmlns="http://www.force.com/2009/06/asyncapi/dataload" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
			`<sObject><LastName>Doe, J</LastName><Email>a@x.example</Email><Phone xsi:nil="true"/></sObject><sObject><Email>b@x.example</Email></sObject></sObjects>`},
		"JSON": {asJSON, `[{"LastName":"Doe, J","Email":"a@x.example","Phone":null},{"Email":"b@x.example"}]`},
	} {
		job := c.classic("POST", "job", asXML, jobXML("insert", "Contact", kind)).ok(201).first(idPattern)
		batch := c.batch(job, content[0], content[1])
		got := c.classic("GET", "job/"+job+"/batch/"+batch+"/result", asXML, "").ok(200)
		switch kind {
		case "CSV":
			got.has("\"Id\",\"Success\",\"Created\",\"Error\"\n\"003", `"true","true",""`,
				`"","false","false","REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"`)
		case "XML":
			got.has("<success>true</success><created>true</created></result><result><success>false</success>",
				"<errors><fields>LastName</fields><message>Required fields are missing: [LastName]</message><statusCode>REQUIRED_FIELD_MISSING</statusCode></errors>")
		case "JSON":
			got.has(`"success":true`, `"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]`, `"id":null`)
		}
		c.classic("POST", "job/"+job, asXML, "<jobInfo><state>Closed</state></jobInfo>").ok(200).
			has("<state>Closed</state>", "<numberBatchesCompleted>1</numberBatchesCompleted>", "<numberRecordsProcessed>2<", "<numberRecordsFailed>1<")
		c.classic("POST", "job/"+job+"/batch", content[0], content[1]).ok(400).has("InvalidJobState")
		c.classic("GET", "job/"+job+"/batch", asXML, "").ok(200).has("<batchInfoList", "<id>"+batch+"</id><jobId>"+job+"</jobId>")
		c.classic("GET", "job/"+job+"/batch/"+batch+"/request", asXML, "").ok(200).has(content[1])
	}
	if p := c.query("SELECT Id FROM Contact WHERE LastName = 'Doe, J'"); p.TotalSize != 3 {
		t.Errorf("%d contacts", p.TotalSize)
	}
}

func TestClassicBulkQueries(t *testing.T) {
	c := start(t, emulator.Options{})
	for i := range 25 {
		c.create("Account", fmt.Sprintf(`{"Name":"A%02d"}`, i))
	}
	for kind, want := range map[string]string{
		"CSV": "\"Name\",\"Phone\"\n\"A00\",\"\"\n", "XML": `<records xsi:type="sObject"><type>Account</type><Name>A00</Name><Phone xsi:nil="true"/></records>`,
		"JSON": `"Name":"A00","Phone":null}`,
	} {
		job := c.classic("POST", "job", asXML, jobXML("query", "Account", kind)).ok(201).first(idPattern)
		batch := c.batch(job, asCSV, "SELECT Name, Phone FROM Account ORDER BY Name")
		list := c.classic("GET", "job/"+job+"/batch/"+batch+"/result", asXML, "").ok(200)
		id := list.first("(752[0-9A-Za-z]{12})")
		c.classic("GET", "job/"+job+"/batch/"+batch+"/result/"+id, asXML, "").ok(200).has(want)
	}
	// PK chunking: the first batch is not processed, others take its place.
	c.header.Set("Sforce-Enable-Pkchunking", "chunkSize=10")
	job := c.classic("POST", "job", asXML, jobXML("query", "Account", "CSV")).ok(201).first(idPattern)
	c.header.Del("Sforce-Enable-Pkchunking")
	c.batch(job, asCSV, "SELECT Id FROM Account")
	c.classic("GET", "job/"+job, asXML, "").ok(200).has("<numberBatchesTotal>4<", "<numberBatchesCompleted>3<", "<numberRecordsProcessed>25<")
	bad := c.batch(job, asCSV, "SELECT Nme FROM Account")
	c.classic("GET", "job/"+job+"/batch/"+bad, asXML, "").ok(200).has("<state>Failed</state>", "InvalidBatch : Failed to process query: INVALID_FIELD")
}

func TestClassicBulkRefuses(t *testing.T) {
	c := start(t, emulator.Options{})
	refused := func(a answer, code string) { t.Helper(); a.ok(400).has("<exceptionCode>" + code + "</exceptionCode>") }
	refused(c.classic("POST", "job", asXML, jobXML("eat", "Account", "CSV")), "InvalidJob")
	refused(c.classic("POST", "job", asXML, jobXML("insert", "Foo", "CSV")), "InvalidJob")
	refused(c.classic("POST", "job", asXML, jobXML("insert", "Account", "ZIP_CSV")), "FeatureNotEnabled")
	refused(c.classic("POST", "job", asXML, "<jobInfo"), "InvalidJob")
	refused(c.classic("GET", "job/750000000000001AAA", asXML, ""), "InvalidJob")
	refused(c.classic("GET", "cake", asXML, ""), "InvalidUrl")
	c.classic("GET", "cake", asJSON, "").ok(400).is(`{"exceptionCode":"InvalidUrl","exceptionMessage":"Destination URL not found"}`)
	c.do("GET", "/services/async/20.0/job/x", "").ok(400).has("InvalidVersion")
	c.s.ExpireSessions()
	refused(c.classic("GET", "job/x", asXML, ""), "InvalidSessionId")
}

// Jobs of Bulk API 2.0 are listed by what their clients ask for.
func TestBulkListsAreFiltered(t *testing.T) {
	c := start(t, emulator.Options{})
	c.load(`{"object":"Account","operation":"insert"}`, "Name\nx\n")
	c.export(`{"operation":"query","query":"SELECT Id FROM Account"}`)
	for path, want := range map[string]int{
		"jobs/ingest": 1, "jobs/ingest?jobType=V2Ingest": 1, "jobs/ingest?jobType=Classic": 0, "jobs/ingest?isPkChunkingEnabled=true": 0,
		"jobs/query?jobType=V2Query": 1, "jobs/query?isPkChunkingEnabled=true": 1, "jobs/query?concurrencyMode=serial": 0,
	} {
		var list struct{ Records []job }
		if c.do("GET", path, "").ok(200).into(&list); len(list.Records) != want {
			t.Errorf("%s lists %d jobs, want %d", path, len(list.Records), want)
		}
	}
	c.do("PUT", "jobs/ingest", "").refused(405, "METHOD_NOT_ALLOWED", "GET,POST")
}
