package emulator_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
)

func TestVersionsNeedNoSession(t *testing.T) {
	c := start(t, emulator.Options{})
	c.header.Set("Authorization", "")
	var list []struct{ Label, URL, Version string }
	c.do("GET", "/services/data/", "").ok(200).into(&list)
	last := list[len(list)-1]
	if len(list) != 38 || list[0].Label != "Summer '14" || last.Label != "Winter '27" || last.URL != "/services/data/v68.0" {
		t.Errorf("versions %v", list)
	}
}

func TestRecordsOneByOne(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"Sitwell-Bluth","NumberOfEmployees":3,"AnnualRevenue":350000000,"Description":null}`)
	got := c.do("GET", "sobjects/Account/"+id+"?fields=Name,NumberOfEmployees,AnnualRevenue,Description,CreatedDate,IsDeleted", "").ok(200)
	got.is(`{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + id + `"},
		"Name":"Sitwell-Bluth","NumberOfEmployees":3,"AnnualRevenue":3.5E8,"Description":null,
		"CreatedDate":"2026-01-05T08:00:00.000+0000","IsDeleted":false,"Id":"` + id + `"}`)
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"Bluth","NumberOfEmployees":null}`).ok(204)
	c.do("GET", "//services/data//v66.0/sobjects/Account/"+id+"/", "").ok(200)
	c.do("DELETE", "sobjects/Account/"+id, "").ok(204)
	c.do("GET", "sobjects/Account/"+id, "").refused(404, "ENTITY_IS_DELETED", "entity is deleted")
	c.do("DELETE", "sobjects/Account/"+id, "").refused(404, "ENTITY_IS_DELETED", "entity is deleted")
	c.do("GET", "sobjects/Account/001000000000000AAA", "").refused(404, "NOT_FOUND", "The requested resource does not exist")
	c.do("PATCH", "sobjects/Account/001000000000000AAA", `{"Name":"x"}`).refused(404, "NOT_FOUND", "The requested resource does not exist")
	c.do("DELETE", "sobjects/Account/001000000000000AAA", "").refused(404, "NOT_FOUND", "The requested resource does not exist")
	c.do("GET", "sobjects/Foo/001000000000000AAA", "").refused(404, "NOT_FOUND", "The requested resource does not exist")
	c.do("POST", "sobjects/Contact", `{"FirstName":"GOB"}`).ok(400).
		is(`[{"message":"Required fields are missing: [LastName]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]}]`)
	c.do("POST", "sobjects/Account", `{"Name"`).ok(400)
	c.do("PUT", "sobjects/Account", `{}`).ok(405)
}

func TestBytesHaveAnAddress(t *testing.T) {
	c := start(t, emulator.Options{})
	parent := c.create("Account", `{"Name":"A"}`)
	id := c.create("Attachment", `{"ParentId":"`+parent+`","Name":"a.bin","Body":"AAH/"}`)
	path := "/services/data/v66.0/sobjects/Attachment/" + id + "/Body"
	if got := c.query("SELECT Body FROM Attachment").Records[0]["Body"]; got != path {
		t.Errorf("Body is %v, want %s", got, path)
	}
	if got := c.do("GET", path, "").ok(200).body; string(got) != "\x00\x01\xff" {
		t.Errorf("bytes %x", got)
	}
}

func TestRecordsByExternalID(t *testing.T) {
	c := start(t, emulator.Options{})
	field := `<fields><fullName>Key__c</fullName><label>Key</label><type>Text</type><length>20</length><externalId>true</externalId></fields></CustomObject>`
	c.deploy("ZipFile", "id", packed(t, "package.xml", manifest, "objects/House__c.object", strings.Replace(house, "</CustomObject>", field, 1))).
		has("<success>true</success>")
	var first, second struct {
		ID      string
		Created bool
	}
	c.do("PATCH", "sobjects/House__c/Key__c/K%201", `{"Name":"Red"}`).ok(201).into(&first)
	c.do("PATCH", "sobjects/House__c/Key__c/K%201", `{"Rooms__c":3}`).ok(200).into(&second)
	if first.ID != second.ID || !first.Created || second.Created {
		t.Errorf("%+v then %+v", first, second)
	}
	c.do("GET", "sobjects/House__c/Key__c/K%201?fields=Name,Rooms__c", "").ok(200).is(`{"attributes":{"type":"House__c",
		"url":"/services/data/v66.0/sobjects/House__c/` + first.ID + `"},"Name":"Red","Rooms__c":3.0,"Id":"` + first.ID + `"}`)
	other := c.create("House__c", `{"Name":"Blue","Key__c":"K 1"}`)
	c.do("GET", "sobjects/House__c/Key__c/K%201", "").ok(300).
		is(`["/services/data/v66.0/sobjects/House__c/` + first.ID + `","/services/data/v66.0/sobjects/House__c/` + other + `"]`)
	c.do("DELETE", "sobjects/House__c/"+other, "").ok(204)
	c.do("DELETE", "sobjects/House__c/Key__c/K%201", "").ok(204)
	c.do("GET", "sobjects/House__c/Key__c/K%201", "").refused(404, "NOT_FOUND", "")
	c.do("GET", "sobjects/House__c/Rooms__c/3", "").refused(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: Rooms__c")
}

func TestQueryShapes(t *testing.T) {
	c := start(t, emulator.Options{})
	acme := c.create("Account", `{"Name":"Acme"}`)
	john := c.create("Contact", `{"LastName":"Doe","AccountId":"`+acme+`"}`)
	c.do("GET", "query/?q="+url.QueryEscape("select Id, Name, Account.Name from Contact"), "").ok(200).is(`{"totalSize":1,"done":true,"records":[
		{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/` + john + `"},"Id":"` + john + `","Name":"Doe",
		"Account":{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + acme + `"},"Name":"Acme"}}]}`)
	c.do("GET", "query?q=SELECT+COUNT()+FROM+Account", "").ok(200).is(`{"totalSize":1,"done":true,"records":[]}`)
	c.do("GET", "query?q=SELECT+COUNT(Id)+CNT+FROM+Account", "").ok(200).
		is(`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"CNT":1}]}`)
	c.do("GET", "query?q="+url.QueryEscape("SELECT Name, (SELECT LastName FROM Contacts), (SELECT Name FROM Opportunities) FROM Account"), "").ok(200).
		is(`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + acme + `"},
		"Name":"Acme","Contacts":{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Contact",
		"url":"/services/data/v66.0/sobjects/Contact/` + john + `"},"LastName":"Doe"}]},"Opportunities":null}]}`)
	c.do("GET", "query?columns=true&q="+url.QueryEscape("SELECT Id, Account.Name FROM Contact"), "").ok(200).is(`{"columnMetadata":[
		{"aggregate":false,"apexType":"id","booleanType":false,"columnName":"Id","custom":false,"displayName":"Id","foreignKeyName":null,
		 "insertable":false,"joinColumns":[],"numberType":false,"textType":true,"updatable":false},
		{"aggregate":false,"apexType":"complexvalue","booleanType":false,"columnName":"Account","custom":false,"displayName":"Account","foreignKeyName":"Account",
		 "insertable":false,"numberType":false,"textType":false,"updatable":false,"joinColumns":[
		{"aggregate":false,"apexType":"string","booleanType":false,"columnName":"Name","custom":false,"displayName":"Name","foreignKeyName":null,
		 "insertable":true,"joinColumns":[],"numberType":false,"textType":true,"updatable":true}]}],
		"entityName":"Contact","groupBy":false,"idSelected":true,"keyPrefix":"003"}`)
}

func TestQueryErrors(t *testing.T) {
	c := start(t, emulator.Options{})
	for text, want := range map[string][2]string{
		"SELECT Id FORM Account":                        {"MALFORMED_QUERY", "unexpected token: 'Account'"},
		"SELECT Nme FROM Account":                       {"INVALID_FIELD", "No such column 'Nme' on entity 'Account'"},
		"SELECT Id FROM Account WHERE IsDeleted='t'":    {"INVALID_FIELD", "should not be enclosed in quotes"},
		"SELECT Id FROM ScratchOrgInfo limit 1":         {"INVALID_TYPE", "sObject type 'ScratchOrgInfo' is not supported."},
		"SELECT Id FROM Account WHERE Id = 'x'":         {"INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"},
		"SELECT Id, Owner.Nme FROM Account":             {"INVALID_FIELD", "No such column 'Nme' on entity"},
		"SELECT Id, (SELECT Id FROM Foos) FROM Account": {"INVALID_TYPE", "Didn't understand relationship 'Foos'"},
	} {
		c.do("GET", "query?q="+url.QueryEscape(text), "").refused(400, want[0], want[1])
	}
	c.do("GET", "query", "").refused(400, "MALFORMED_QUERY", "")
	c.do("GET", "query/0r8000000000001AAA-2000", "").refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
}

func TestQueryPages(t *testing.T) {
	c := start(t, emulator.Options{})
	for from := 0; from < 450; from += 150 {
		var records []string
		for i := range 150 {
			records = append(records, fmt.Sprintf(`{"attributes":{"type":"Account"},"Name":"A%03d"}`, from+i))
		}
		c.do("POST", "composite/sobjects", `{"records":[`+strings.Join(records, ",")+`]}`).ok(200)
	}
	c.header.Set("Sforce-Query-Options", "batchSize=200")
	p := c.query("SELECT Name FROM Account ORDER BY Name")
	var names []any
	pages := 0
	for {
		pages++
		for _, r := range p.Records {
			names = append(names, r["Name"])
		}
		if p.TotalSize != 450 || p.Done != (p.NextRecordsURL == "") {
			t.Fatalf("page %d: total %d, done %v, next %q", pages, p.TotalSize, p.Done, p.NextRecordsURL)
		}
		if p.Done {
			break
		}
		next := p.NextRecordsURL
		p = page{}
		c.do("GET", next, "").ok(200).into(&p)
	}
	if pages != 3 || len(names) != 450 || names[449] != "A449" {
		t.Errorf("%d pages with %d names", pages, len(names))
	}
}

func TestCollections(t *testing.T) {
	c := start(t, emulator.Options{})
	var made []struct {
		ID      string
		Success bool
		Errors  []any
	}
	c.do("POST", "composite/sobjects", `{"allOrNone":false,"records":[
		{"attributes":{"type":"Account"},"Name":"A"},{"attributes":{"type":"Contact"}},{"attributes":{"type":"Account"},"Name":"B"}]}`).ok(200).into(&made)
	if !made[0].Success || made[1].Success || !made[2].Success || made[1].ID != "" {
		t.Fatalf("made %v", made)
	}
	a, b := made[0].ID, made[2].ID
	c.do("PATCH", "composite/sobjects/", `{"allOrNone":true,"records":[
		{"attributes":{"type":"Account"},"id":"`+a+`","Name":"A2"},{"attributes":{"type":"Account"},"Id":"`+b+`","Name":null}]}`).ok(200).
		is(`[{"success":false,"errors":[{"statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK","message":"Record rolled back because not all records were valid and the request was using AllOrNone header","fields":[]}]},
		{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [Name]","fields":["Name"]}]}]`)
	c.do("POST", "composite/sobjects/Account", `{"ids":["`+b+`","001000000000000AAA","`+a+`"],"fields":["Name"]}`).ok(200).is(`[
		{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + b + `"},"Name":"B","Id":"` + b + `"},null,
		{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + a + `"},"Name":"A","Id":"` + a + `"}]`)
	c.do("PATCH", "composite/sobjects/Account/Id", `{"records":[{"attributes":{"type":"Account"},"Id":null,"Name":"C"}]}`).ok(200).into(&made)
	if got := c.query("SELECT Id FROM Account").TotalSize; got != 3 {
		t.Errorf("%d accounts, want 3", got)
	}
	c.do("DELETE", "composite/sobjects?ids="+a+","+b+"&allOrNone=true", "").ok(200).
		is(`[{"id":"` + a + `","success":true,"errors":[]},{"id":"` + b + `","success":true,"errors":[]}]`)
	many := strings.TrimSuffix(strings.Repeat(`{"attributes":{"type":"Account"},"Name":"x"},`, 201), ",")
	c.do("POST", "composite/sobjects", `{"records":[`+many+`]}`).ok(400)
}

func TestComposite(t *testing.T) {
	c := start(t, emulator.Options{})
	var reply struct {
		CompositeResponse []struct {
			Body           any
			HTTPStatusCode int
			ReferenceID    string
		}
	}
	c.do("POST", "composite", `{"compositeRequest":[
		{"method":"POST","url":"/services/data/v66.0/sobjects/Account","referenceId":"acc","body":{"Name":"Acme \"x\""}},
		{"method":"POST","url":"/services/data/v66.0/sobjects/Contact","referenceId":"con","body":{"LastName":"Doe","AccountId":"@{acc.id}"}},
		{"method":"GET","url":"/services/data/v66.0/query/?q=select Account.Name from Contact where Id='@{con.id}'","referenceId":"q"},
		{"method":"GET","url":"/services/data/v66.0/sobjects/Foo","referenceId":"foo"}]}`).ok(200).into(&reply)
	var statuses []int
	for _, r := range reply.CompositeResponse {
		statuses = append(statuses, r.HTTPStatusCode)
	}
	if fmt.Sprint(statuses) != "[201 201 200 404]" || !strings.Contains(fmt.Sprint(reply.CompositeResponse[2].Body), `Acme "x"`) {
		t.Errorf("reply %v", reply)
	}
	// A recorded reply of a real org.
	c.do("POST", "composite", `{"compositeRequest":[{"referenceId":"CCI__RefId__0__","method":"GET","url":"/services/data/v52.0/sobjects/Foo"}]}`).ok(200).
		is(`{"compositeResponse":[{"body":[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}],
			"httpHeaders":{},"httpStatusCode":404,"referenceId":"CCI__RefId__0__"}]}`)
	c.do("POST", "composite/batch", `{"batchRequests":[{"method":"GET","url":"v66.0/limits/recordCount?sObjects=Account"},
		{"method":"GET","url":"v66.0/nothing"}]}`).ok(200).is(`{"hasErrors":true,"results":[
		{"statusCode":200,"result":{"sObjects":[{"count":1,"name":"Account"}]}},
		{"statusCode":404,"result":[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]}]}`)
	c.do("POST", "composite", `{"allOrNone":true,"compositeRequest":[
		{"method":"POST","url":"/services/data/v66.0/sobjects/Account","referenceId":"a","body":{"Name":"gone"}},
		{"method":"POST","url":"/services/data/v66.0/sobjects/Contact","referenceId":"b","body":{}}]}`).ok(200).into(&reply)
	if n := c.query("SELECT Id FROM Account WHERE Name='gone'").TotalSize; n != 0 {
		t.Errorf("%d records remain of a composite that failed", n)
	}
}

func TestTree(t *testing.T) {
	c := start(t, emulator.Options{})
	c.do("POST", "composite/tree/Account/", `{"records":[{"attributes":{"type":"Account","referenceId":"a1"},"Name":"Acme","Contacts":{"records":[
		{"attributes":{"type":"Contact","referenceId":"c1"},"LastName":"Doe"},{"attributes":{"type":"Contact","referenceId":"c2"},"LastName":"Roe"}]}}]}`).ok(201)
	if n := c.query("SELECT Id FROM Contact WHERE Account.Name='Acme'").TotalSize; n != 2 {
		t.Errorf("%d contacts of Acme, want 2", n)
	}
	c.do("POST", "composite/tree/Account", `{"records":[{"attributes":{"type":"Account","referenceId":"a1"},"Name":"Bell","Contacts":{"records":[
		{"attributes":{"type":"Contact","referenceId":"c1"}}]}}]}`).ok(400).
		is(`{"hasErrors":true,"results":[{"referenceId":"c1","errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]}]}`)
	if n := c.query("SELECT Id FROM Account WHERE Name='Bell'").TotalSize; n != 0 {
		t.Error("the parent of a tree that failed remains")
	}
}

// The shapes of a recorded reply; objects without records are not listed.
func TestRecordCount(t *testing.T) {
	c := start(t, emulator.Options{})
	c.create("Account", `{"Name":"A"}`)
	c.do("GET", "limits/recordCount?sObjects=Account", "").ok(200).is(`{"sObjects":[{"count":1,"name":"Account"}]}`)
	c.do("GET", "limits/recordCount?sObjects=Opportunity", "").ok(200).is(`{"sObjects":[]}`)
}

func TestChangesAndDeletions(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A"}`)
	window := "?start=2026-01-05T07:00:00%2B00:00&end=2026-01-05T09:00:00%2B00:00"
	c.s.Clock().Advance(2 * 3600e9)
	var updated struct {
		IDs               []string
		LatestDateCovered string
	}
	c.do("GET", "sobjects/Account/updated/"+window, "").ok(200).into(&updated)
	if len(updated.IDs) != 1 || updated.IDs[0] != id {
		t.Errorf("updated %v", updated)
	}
	c.do("DELETE", "sobjects/Account/"+id, "").ok(204)
	c.s.Clock().Advance(3600e9)
	var deleted struct {
		DeletedRecords        []struct{ ID, DeletedDate string }
		EarliestDateAvailable string
		LatestDateCovered     string
	}
	c.do("GET", "sobjects/Account/deleted?start=2026-01-05T07:00:00Z&end=2026-01-05T11:00:00Z", "").ok(200).into(&deleted)
	if len(deleted.DeletedRecords) != 1 || deleted.DeletedRecords[0].ID != id || deleted.DeletedRecords[0].DeletedDate != "2026-01-05T10:00:00.000+0000" {
		t.Errorf("deleted %+v", deleted)
	}
	c.do("GET", "sobjects/Account/deleted?start=nonsense&end=2026-01-05T11:00:00Z", "").ok(400)
}

// What a failed composite did leaves no trace, in whichever order it did it.
func TestCompositeRollsBackWithoutATrace(t *testing.T) {
	c := start(t, emulator.Options{})
	kept := c.create("Account", `{"Name":"kept"}`)
	const root = "/services/data/v66.0/sobjects/"
	const halted = `[{"errorCode":"PROCESSING_HALTED","message":"The transaction was rolled back since another operation in the same transaction failed."}]`
	c.do("POST", "composite", `{"allOrNone":true,"compositeRequest":[
		{"method":"POST","url":"`+root+`Account","referenceId":"a","body":{"Name":"made"}},
		{"method":"PATCH","url":"`+root+`Account/`+kept+`","referenceId":"b","body":{"Name":"changed"}},
		{"method":"GET","url":"`+root+`Account/@{a.id}?fields=Name","referenceId":"c"},
		{"method":"DELETE","url":"`+root+`Account/`+kept+`","referenceId":"d"},
		{"method":"POST","url":"`+root+`Contact","referenceId":"e","body":{"AccountId":"@{a.id}"}}]}`).ok(200).
		is(`{"compositeResponse":[
		{"body":` + halted + `,"httpHeaders":{},"httpStatusCode":400,"referenceId":"a"},
		{"body":` + halted + `,"httpHeaders":{},"httpStatusCode":400,"referenceId":"b"},
		{"body":` + halted + `,"httpHeaders":{},"httpStatusCode":400,"referenceId":"c"},
		{"body":` + halted + `,"httpHeaders":{},"httpStatusCode":400,"referenceId":"d"},
		{"body":[{"message":"Required fields are missing: [LastName]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]}],
			"httpHeaders":{},"httpStatusCode":400,"referenceId":"e"}]}`)
	if p := c.query("SELECT Name FROM Account"); p.TotalSize != 1 || p.Records[0]["Name"] != "kept" {
		t.Errorf("accounts %v", p.Records)
	}
	c.do("GET", "sobjects/Account/deleted?start=2026-01-05T07:00:00Z&end=2026-01-05T11:00:00Z", "").ok(200).has(`"deletedRecords":[]`)

	c.do("POST", "composite/tree/Account", `{"records":[{"attributes":{"type":"Account","referenceId":"r1"},"Name":"top",
		"Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"r2"}}]}}]}`).ok(400).
		has(`"hasErrors":true`, `"referenceId":"r2"`, "REQUIRED_FIELD_MISSING")
	if p := c.query("SELECT Name FROM Account"); p.TotalSize != 1 {
		t.Errorf("accounts %v", p.Records)
	}
	c.do("GET", "sobjects/Account/deleted?start=2026-01-05T07:00:00Z&end=2026-01-05T11:00:00Z", "").ok(200).has(`"deletedRecords":[]`)
}

// Each graph is a transaction of its own.
func TestCompositeGraph(t *testing.T) {
	c := start(t, emulator.Options{})
	const root = "/services/data/v66.0/sobjects/"
	var reply struct {
		Graphs []struct {
			GraphID       string
			IsSuccessful  bool
			GraphResponse struct {
				CompositeResponse []struct {
					HTTPStatusCode int
					ReferenceID    string
				}
			}
		}
	}
	c.do("POST", "composite/graph", `{"graphs":[
		{"graphId":"1","compositeRequest":[{"method":"POST","url":"`+root+`Account","referenceId":"a","body":{"Name":"one"}},
			{"method":"POST","url":"`+root+`Contact","referenceId":"b","body":{"LastName":"x","AccountId":"@{a.id}"}}]},
		{"graphId":"2","compositeRequest":[{"method":"POST","url":"`+root+`Account","referenceId":"a","body":{"Name":"two"}},
			{"method":"POST","url":"`+root+`Contact","referenceId":"b","body":{}}]}]}`).ok(200).into(&reply)
	if got := fmt.Sprint(reply.Graphs); got != "[{1 true {[{201 a} {201 b}]}} {2 false {[{400 a} {400 b}]}}]" {
		t.Errorf("graphs %s", got)
	}
	if p := c.query("SELECT Name FROM Account"); p.TotalSize != 1 || p.Records[0]["Name"] != "one" {
		t.Errorf("accounts %v", p.Records)
	}
	c.do("POST", "composite/graph", `{"graphs":[]}`).refused(400, "INVALID_INPUT", "between 1 and 75")
	deep := ""
	for i := range 16 {
		deep += fmt.Sprintf(`,{"method":"GET","url":"`+root+`Account/@{r%d.id}","referenceId":"r%d"}`, i-1, i)
	}
	c.do("POST", "composite/graph", `{"graphs":[{"graphId":"1","compositeRequest":[`+deep[1:]+`]}]}`).refused(400, "INVALID_INPUT", "depth")
}

// The Tooling API tells of the schema; some of it the data API tells, too.
func TestTooling(t *testing.T) {
	c := start(t, emulator.Options{})
	ask := func(api, soql string) answer { return c.do("GET", api+"query?q="+url.QueryEscape(soql), "") }
	for _, api := range []string{"", "tooling/"} {
		var p page
		ask(api, "SELECT QualifiedApiName, Label FROM EntityDefinition WHERE IsDeprecatedAndHidden = false AND QualifiedApiName IN ('Lead','Account') ORDER BY QualifiedApiName").
			ok(200).into(&p)
		if p.TotalSize != 2 || p.Records[0]["QualifiedApiName"] != "Account" || p.Records[1]["Label"] != "Lead" {
			t.Errorf("%s: %v", api, p.Records)
		}
	}
	ask("tooling/", "SELECT QualifiedApiName, DataType, EntityDefinition.QualifiedApiName FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Account' AND QualifiedApiName = 'Name'").
		ok(200).has(`"QualifiedApiName":"Name","DataType":"Text(255)","EntityDefinition":{"attributes":{"type":"EntityDefinition"},"QualifiedApiName":"Account"}`)
	ask("", "SELECT QualifiedApiName FROM FieldDefinition").refused(400, "MALFORMED_QUERY", "a filter on a reified column is required")
	ask("tooling/", "SELECT Id, MasterLabel, Metadata FROM StandardValueSet WHERE MasterLabel = 'LeadSource'").ok(200).
		has(`"MasterLabel":"LeadSource"`, `"standardValue":[{"label":"Web","valueName":"Web"`)
	ask("tooling/", "SELECT Id FROM StandardValueSet WHERE MasterLabel = 'Nothing'").ok(200).has(`"totalSize":0`)
	ask("", "SELECT Id FROM StandardValueSet").refused(400, "INVALID_TYPE", "StandardValueSet")
	ask("tooling/", "SELECT COUNT() FROM ApexLog").ok(200).has(`"totalSize":0`)
	ask("tooling/", "SELECT Nme FROM ApexClass").refused(400, "INVALID_FIELD", "No such column 'Nme'")
	ask("tooling/", "SELECT Id FROM ScratchOrgInfo").refused(400, "INVALID_TYPE", "ScratchOrgInfo")
	ask("tooling/", "SELECT Id, Name FROM User").ok(200)
	c.do("GET", "tooling/sobjects", "").ok(200).has(`"name":"EntityDefinition"`)
	c.do("GET", "tooling/sobjects/ApexClass/describe", "").ok(200).has(`"keyPrefix":"01p"`)
	c.do("GET", "tooling/sobjects/SourceMember/describe", "").refused(404, "NOT_FOUND", "")
	c.do("GET", "tooling/sobjects/EntityDefinition/Account", "").ok(200).has(`"KeyPrefix":"001"`)
}

// Bytes come beside the fields, before or after them.
func TestMultipart(t *testing.T) {
	c := start(t, emulator.Options{})
	c.header.Set("Content-Type", "multipart/form-data; boundary=xx")
	const blob = "--xx\r\nContent-Disposition: form-data; name=\"VersionData\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\r\n\r\n"
	const entity = "--xx\r\nContent-Disposition: form-data; name=\"entity_content\"\r\nContent-Type: application/json\r\n\r\n{\"PathOnClient\":\"a.bin\",\"Title\":\"a\"}\r\n"
	for _, body := range []string{blob + entity + "--xx--\r\n", entity + blob + "--xx--\r\n"} {
		id := c.create("ContentVersion", body)
		if got := c.do("GET", "sobjects/ContentVersion/"+id+"/VersionData", "").ok(200); string(got.body) != "\x00\xff\r\n" {
			t.Errorf("%q came back", got.body)
		}
	}
	c.do("POST", "sobjects/ContentVersion", blob+"--xx--\r\n").refused(400, "INVALID_MULTIPART_REQUEST", "fields")
	c.do("POST", "sobjects/ContentVersion", strings.Replace(blob, "VersionData", "Title", 1)+entity+"--xx--\r\n").refused(400, "INVALID_MULTIPART_REQUEST", "Title")
	c.do("POST", "sobjects/ContentVersion", entity[:40]).refused(400, "INVALID_MULTIPART_REQUEST", "")
	c.header.Set("Content-Type", "text/plain")
	c.do("POST", "sobjects/Account", `{"Name":"x"}`).refused(415, "UNSUPPORTED_MEDIA_TYPE", "text/plain")
}

func TestRelationshipsByPath(t *testing.T) {
	c := start(t, emulator.Options{})
	parent := c.create("Account", `{"Name":"A"}`)
	child := c.create("Contact", `{"LastName":"x","AccountId":"`+parent+`"}`)
	c.do("GET", "sobjects/Contact/"+child+"/Account?fields=Name", "").ok(200).has(`"Name":"A"`, `"type":"Account"`)
	c.do("GET", "sobjects/Account/"+parent+"/Contacts?fields=LastName", "").ok(200).has(`"totalSize":1,"done":true`, `"LastName":"x"`)
	c.do("GET", "sobjects/Account/"+parent+"/Nothing", "").refused(404, "NOT_FOUND", "")
	c.do("GET", "sobjects/Account/"+parent+"/Parent", "").refused(404, "NOT_FOUND", "")
	c.do("GET", "sobjects/Account/001000000000000AAA/Contacts", "").refused(404, "NOT_FOUND", "")
}

func TestConditionalRequests(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A"}`)
	c.header.Set("If-Modified-Since", "Mon, 05 Jan 2026 08:00:00 GMT")
	c.do("GET", "sobjects/Account/"+id, "").ok(304)
	c.header.Set("If-Modified-Since", "Mon, 05 Jan 2026 07:59:59 GMT")
	c.do("GET", "sobjects/Account/"+id, "").ok(200)
	c.header.Del("If-Modified-Since")
	c.header.Set("If-Unmodified-Since", "Mon, 05 Jan 2026 07:00:00 GMT")
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"B"}`).ok(412)
	c.header.Set("If-Unmodified-Since", "Mon, 05 Jan 2026 01:00:00 MST")
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"B"}`).ok(204)
	c.header.Set("If-Unmodified-Since", "yesterday")
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"B"}`).refused(400, "INVALID_INPUT", "If-Unmodified-Since")
	c.header.Set("If-Unmodified-Since", "Mon, 05 Jan 2026 07:00:00 GMT")
	c.do("DELETE", "sobjects/Account/"+id, "").ok(204) // which takes no conditions
}

// Source: REST API, "Conditional Request Headers": entity tags, of accounts alone.
func TestEntityTags(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A"}`)
	tag := c.do("GET", "sobjects/Account/"+id+"?fields=Name", "").ok(200).header.Get("ETag")
	if len(tag) != 30 || tag != c.do("GET", "sobjects/Account/"+id, "").ok(200).header.Get("ETag") {
		t.Fatalf("the tag is %q", tag)
	}
	c.header.Set("If-None-Match", strings.Replace(tag, `=`, `=-gzip`, 1))
	c.do("GET", "sobjects/Account/"+id, "").ok(304)
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"B"}`).ok(412)
	c.header.Del("If-None-Match")
	c.header.Set("If-Match", `"other", `+tag)
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"B"}`).ok(204)
	c.do("PATCH", "sobjects/Account/"+id, `{"Name":"C"}`).ok(412)
	c.header.Del("If-Match")
	if a := c.do("GET", "sobjects/Contact/"+c.create("Contact", `{"LastName":"L"}`), "").ok(200); a.header.Get("ETag") != "" {
		t.Errorf("a contact has the tag %s", a.header.Get("ETag"))
	}
}

func TestDescribeIfModified(t *testing.T) {
	c := start(t, emulator.Options{})
	stamp := c.do("GET", "sobjects/Account/describe", "").ok(200).header.Get("Last-Modified")
	c.header.Set("If-Modified-Since", stamp)
	c.do("GET", "sobjects/Account/describe", "").ok(304)
	c.do("GET", "sobjects", "").ok(304)
	c.s.Clock().Advance(time.Hour)
	if err := c.s.Org().Change(c.s.Org().Admin(), func(*org.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	stamp = c.do("GET", "sobjects/Account/describe", "").ok(200).header.Get("Last-Modified")
	c.header.Set("If-Modified-Since", stamp)
	c.do("GET", "sobjects", "").ok(304)
	c.s.Clock().Advance(time.Hour)
	set := c.create("PermissionSet", `{"Name":"Some","Label":"Some"}`)
	stamp = c.do("GET", "sobjects", "").ok(200).header.Get("Last-Modified")
	c.header.Set("If-Modified-Since", stamp)
	c.do("GET", "sobjects/Account/describe", "").ok(304)
	c.s.Clock().Advance(time.Hour)
	c.create("FieldPermissions", `{"ParentId":"`+set+`","SobjectType":"Account","Field":"Account.Phone","PermissionsRead":true}`)
	c.do("GET", "sobjects/Account/describe", "").ok(200)
}

func TestColumnsOfAQuery(t *testing.T) {
	c := start(t, emulator.Options{})
	c.create("Account", `{"Name":"A"}`)
	columns := func(soql string) string {
		var m struct {
			ColumnMetadata []struct {
				ColumnName, DisplayName string
				Aggregate               bool
				JoinColumns             []struct{ ColumnName string }
			}
			GroupBy, IDSelected bool
		}
		c.do("GET", "query?columns=true&q="+url.QueryEscape(soql), "").ok(200).into(&m)
		return fmt.Sprint(m)
	}
	for soql, want := range map[string]string{
		"SELECT Id, Name, Owner.Name FROM Account":                                 "{[{Id Id false []} {Name Name false []} {Owner Owner false [{Name}]}] false true}",
		"SELECT Name, (SELECT LastName, FirstName FROM Contacts) FROM Account":     "{[{Name Name false []} {Contacts Contacts true [{LastName} {FirstName}]}] false false}",
		"SELECT Type, COUNT(Id), MAX(CreatedDate) last FROM Account GROUP BY Type": "{[{Type Type false []} {expr0 count(Id) true []} {last max(CreatedDate) true []}] true false}",
	} {
		if got := columns(soql); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", soql, got, want)
		}
	}
}

func TestExplain(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A"}`)
	c.do("GET", "query?explain="+url.QueryEscape("SELECT Id FROM Account WHERE Id = '"+id+"'"), "").ok(200).has(`"leadingOperationType":"Index"`, `"cardinality":1`)
	c.do("GET", "query?explain="+url.QueryEscape("SELECT Id FROM Account"), "").ok(200).has(`"leadingOperationType":"TableScan"`)
	c.do("GET", "query?explain="+url.QueryEscape("SELECT Id FROM Foo"), "").refused(400, "INVALID_TYPE", "Foo")
}
