package emulator_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit/wsdl"
)

func TestSOAP(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A"}`)
	c.do("DELETE", "sobjects/Account/"+id, "").ok(204)
	c.soap("u/66.0", "undelete", "<n:ids>"+id+"</n:ids><n:ids>001000000000000AAA</n:ids>").ok(200).
		has("<undeleteResponse><result><id>"+id+"</id><success>true</success></result><result><errors>", `<id xsi:nil="true"/><success>false</success>`)
	c.do("GET", "sobjects/Account/"+id, "").ok(200)
	c.soap("c/66.0/"+c.s.OrgID, "delete", "<ids>"+id+"</ids>").ok(200).has("<success>true</success>")
	c.soap("u/66.0", "emptyRecycleBin", "<ids>"+id+"</ids>").ok(200).has("<success>true</success>")
	c.soap("u/66.0", "undelete", "<ids>"+id+"</ids>").ok(200).has("<success>false</success>", "<statusCode>")
	c.soap("u/66.0", "getServerTimestamp", "").ok(200).has("<timestamp>2026-01-05T08:00:00.000Z</timestamp>", "<type>API REQUESTS</type>")
	c.soap("u/66.0", "getUserInfo", "").ok(200).has("<userName>" + c.s.Username + "</userName>")
	c.soap("u/66.0", "eatCake", "").ok(500).has("<faultcode>soapenv:Client</faultcode>",
		"<faultstring>No operation available for request {urn:partner.soap.sforce.com}eatCake, please check the WSDL for the service.</faultstring>")
	c.do("POST", "/services/Soap/u/66.0", "<a>&Cl</a>").ok(500).has("<faultcode>UNKNOWN_EXCEPTION</faultcode>", "<sf:exceptionCode>UNKNOWN_EXCEPTION<")
	c.soap("u/20.0", "getUserInfo", "").ok(500).has("<faultcode>sf:UNSUPPORTED_API_VERSION</faultcode>")
	login := "<username>" + c.s.Username + "</username><password>" + c.s.Password + "</password>"
	c.soap("u/65.0", "login", login).ok(500).has("sf:INVALID_OPERATION")
	c.soap("u/64.0", "login", login).ok(200).has("<sessionId>"+c.s.OrgID[:15]+"!", "/services/Soap/u/64.0/")
	c.soap("u/64.0", "login", "<username>x</username>").ok(500).has("sf:INVALID_LOGIN")
	c.soap("u/66.0", "undelete", strings.Repeat("<ids>"+id+"</ids>", 201)).ok(500).has("sf:EXCEEDED_ID_LIMIT")
	c.s.AccessToken = "gone"
	c.soap("u/66.0", "getUserInfo", "").ok(500).
		has("<faultstring>INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session</faultstring>")
}

// soap sends a call with prefixes of its own, as clients do.
func (c *client) soap(path, op, inside string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/services/Soap/"+path, `<?xml version="1.0"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="urn:partner.soap.sforce.com">`+
		`<env:Header><n:SessionHeader><n:sessionId>`+c.s.AccessToken+`</n:sessionId></n:SessionHeader></env:Header>`+
		`<env:Body><n:`+op+`>`+inside+`</n:`+op+`></env:Body></env:Envelope>`)
}

func (a answer) has(parts ...string) {
	a.t.Helper()
	for _, part := range parts {
		if !strings.Contains(string(a.body), part) {
			a.t.Errorf("%s\nlacks %s", a.body, part)
		}
	}
}

// first returns what a pattern with one group finds in a reply.
func (a answer) first(pattern string) string {
	a.t.Helper()
	m := regexp.MustCompile(pattern).FindSubmatch(a.body)
	if m == nil {
		a.t.Fatalf("%s\nlacks %s", a.body, pattern)
	}
	return string(m[1])
}

const idElement = "<id>([^<]*)</id>"

func sObject(kind, fields string) string {
	return "<sObjects><n:type>" + kind + "</n:type>" + fields + "</sObjects>"
}

// A record goes through its life by SOAP alone.
func TestSOAPRecords(t *testing.T) {
	c := start(t, emulator.Options{})
	a := c.soap("u/66.0", "create", sObject("Account", "<Name>A &amp; B</Name><NumberOfEmployees>3</NumberOfEmployees><Phone>1</Phone>")+
		sObject("Contact", "<FirstName>x</FirstName>")).ok(200)
	id := a.first(idElement)
	a.has("<success>true</success>", `<errors><fields>LastName</fields><message>Required fields are missing: [LastName]</message>`+
		`<statusCode>REQUIRED_FIELD_MISSING</statusCode></errors><id xsi:nil="true"/><success>false</success>`)
	c.soap("u/66.0", "update", "<sObjects><type>Account</type><fieldsToNull>Phone</fieldsToNull><Id>"+id+"</Id><Fax>2</Fax></sObjects>").ok(200).
		has("<success>true</success>")
	c.soap("u/66.0", "retrieve", "<fieldList>Id, Name, Phone, Fax, NumberOfEmployees, BillingAddress</fieldList><sObjectType>Account</sObjectType><ids>"+
		id+"</ids><ids>001000000000000AAA</ids>").ok(200).
		has(`<result xsi:type="sf:sObject"><sf:type>Account</sf:type><sf:Id>`+id+`</sf:Id><sf:Id>`+id+`</sf:Id><sf:Name>A &amp; B</sf:Name>`+
			`<sf:Phone xsi:nil="true"/><sf:Fax>2</sf:Fax><sf:NumberOfEmployees>3</sf:NumberOfEmployees><sf:BillingAddress xsi:nil="true"/></result>`,
			`<result xsi:nil="true"/>`)
	// A parent by an external id or another key, and all or none.
	c.soap("u/66.0", "create", sObject("Contact", "<LastName>y</LastName><Account><n:type>Account</n:type><Id>"+id+"</Id></Account>")).ok(200).
		has("<success>true</success>")
	c.soapHeader("<n:AllOrNoneHeader><n:allOrNone>true</n:allOrNone></n:AllOrNoneHeader>", "create",
		sObject("Account", "<Name>gone</Name>")+sObject("Contact", "")).ok(200).
		has("<statusCode>ALL_OR_NONE_OPERATION_ROLLED_BACK</statusCode>", "<statusCode>REQUIRED_FIELD_MISSING</statusCode>")
	c.soap("u/66.0", "upsert", "<externalIDFieldName>Id</externalIDFieldName>"+sObject("Account", "<Id>"+id+"</Id><Site>s</Site>")+
		sObject("Account", "<Name>new</Name>")).ok(200).has("<result><created>false</created><id>"+id+"</id>", "<result><created>true</created>")
	c.soap("u/66.0", "query", "<queryString>SELECT Id, Name, Owner.Name, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '"+id+"'</queryString>").ok(200).
		has(`<done>true</done><queryLocator xsi:nil="true"/><records xsi:type="sf:sObject">`, `<sf:Owner xsi:type="sf:sObject"><sf:type>User</sf:type><sf:Id xsi:nil="true"/>`,
			`<sf:Contacts xsi:type="QueryResult"><done>true</done>`, "<sf:LastName>y</sf:LastName>", "<size>1</size></result>")
	c.soap("u/66.0", "query", "<queryString>SELECT COUNT(Id) n FROM Account</queryString>").ok(200).
		has("<sf:type>AggregateResult</sf:type>", `<sf:n xsi:type="xsd:int">2</sf:n>`)
	c.soap("c/66.0", "query", "<queryString>SELECT Name FROM Contact</queryString>").ok(200).has(`<records xsi:type="sf:Contact"><sf:Name>y</sf:Name></records>`)
	c.soap("u/66.0", "create", strings.Repeat(sObject("Account", "<Name>x</Name>"), 201)).ok(500).has("sf:EXCEEDED_ID_LIMIT")
	c.soap("u/66.0", "query", "<queryString>SELECT Nme FROM Account</queryString>").ok(500).
		has("<faultcode>sf:INVALID_FIELD</faultcode>", "<sf:InvalidFieldFault", "<sf:row>-1</sf:row>")
}

// The emulated org runs no Apex and says so.
func TestSOAPRefusesApex(t *testing.T) {
	c := start(t, emulator.Options{})
	c.soap("s/66.0/"+c.s.OrgID[:15], "executeAnonymous", "<String>System.debug(1);</String>").ok(200).
		has("<compiled>false</compiled>", "<compileProblem>Apex cannot be run in an emulated org.</compileProblem>", "<success>false</success>")
	c.soap("x/66.0", "query", "").ok(500).has("sf:INVALID_OPERATION")
	c.do("POST", "/services/Soap/s/66.0", `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="http://soap.sforce.com/2006/08/apex"><e:Header>`+
		`<SessionHeader><sessionId>`+c.s.AccessToken+`</sessionId></SessionHeader><DebuggingHeader/></e:Header><e:Body><executeAnonymous>`+
		`<apexcode>x</apexcode></executeAnonymous></e:Body></e:Envelope>`).ok(200).has("<soapenv:Header><DebuggingInfo><debugLog></debugLog></DebuggingInfo></soapenv:Header>")
}

// soapHeader sends a partner call with a header of its own.
func (c *client) soapHeader(header, op, inside string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/services/Soap/u/66.0", `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="urn:partner.soap.sforce.com">`+
		`<s:Header><n:SessionHeader><n:sessionId>`+c.s.AccessToken+`</n:sessionId></n:SessionHeader>`+header+`</s:Header>`+
		`<s:Body><n:`+op+`>`+inside+`</n:`+op+`></s:Body></s:Envelope>`)
}

func TestSOAPQueryPages(t *testing.T) {
	c := start(t, emulator.Options{})
	var rows strings.Builder
	rows.WriteString("Name\n")
	for i := range 450 {
		fmt.Fprintf(&rows, "A%03d\n", i)
	}
	c.load(`{"object":"Account","operation":"insert"}`, rows.String())
	a := c.soapHeader("<n:QueryOptions><n:batchSize>200</n:batchSize></n:QueryOptions>", "query", "<queryString>SELECT Id FROM Account</queryString>").ok(200)
	seen := 0
	for {
		seen += strings.Count(string(a.body), "<records ")
		if strings.Contains(string(a.body), "<done>true</done>") {
			break
		}
		a.has("<size>450</size>")
		a = c.soap("u/66.0", "queryMore", "<queryLocator>"+a.first("<queryLocator>([^<]*)<")+"</queryLocator>").ok(200)
	}
	if seen != 450 {
		t.Errorf("%d rows came", seen)
	}
	c.soap("u/66.0", "queryMore", "<queryLocator>0r8000000000999AAA-200</queryLocator>").ok(500).has("<sf:InvalidQueryLocatorFault")
}

func TestSOAPMergeAndConvert(t *testing.T) {
	c := start(t, emulator.Options{})
	master, other := c.create("Account", `{"Name":"A"}`), c.create("Account", `{"Name":"B"}`)
	contact := c.create("Contact", `{"LastName":"x","AccountId":"`+other+`"}`)
	c.soap("u/66.0", "merge", "<request><masterRecord><n:type>Account</n:type><Id>"+master+"</Id><Phone>9</Phone></masterRecord><recordToMergeIds>"+
		other+"</recordToMergeIds></request>").ok(200).
		has("<id>"+master+"</id><mergedRecordIds>"+other+"</mergedRecordIds><success>true</success>", "<updatedRelatedIds>"+contact+"</updatedRelatedIds>")
	lead := c.create("Lead", `{"LastName":"L","Company":"C"}`)
	status := c.query("SELECT ApiName FROM LeadStatus WHERE IsConverted = true").Records[0]["ApiName"].(string)
	c.soap("u/66.0", "convertLead", "<leadConverts><convertedStatus>"+status+"</convertedStatus><doNotCreateOpportunity>true</doNotCreateOpportunity><leadId>"+
		lead+"</leadId></leadConverts>").ok(200).has("<leadId>"+lead+"</leadId>", `<opportunityId xsi:nil="true"/><success>true</success>`)
	c.soap("u/66.0", "convertLead", "<leadConverts><convertedStatus>x</convertedStatus><leadId>"+lead+"</leadId></leadConverts>").ok(200).
		has("<errors>", "<success>false</success>")
}

func TestSearch(t *testing.T) {
	c := start(t, emulator.Options{})
	c.create("Account", `{"Name":"Blue Harbour","Description":"sells boats"}`)
	c.create("Account", `{"Name":"Red Harbour"}`)
	c.create("Contact", `{"LastName":"Harbourmaster","Email":"hm@boats.example"}`)
	find := func(sosl string) string {
		var reply struct{ SearchRecords []struct{ Name string } }
		c.do("GET", "search?q="+url.QueryEscape(sosl), "").ok(200).into(&reply)
		var names []string
		for _, r := range reply.SearchRecords {
			names = append(names, r.Name)
		}
		return strings.Join(names, "|")
	}
	for sosl, want := range map[string]string{
		"FIND {harbour} RETURNING Account(Name), Contact(Name)":                             "Blue Harbour|Red Harbour",
		"FIND {harbour*} RETURNING Account(Name WHERE Name LIKE 'R%'), Contact(Name)":       "Red Harbour|Harbourmaster",
		"FIND {boats} IN NAME FIELDS RETURNING Account(Name), Contact(Name)":                "",
		"FIND {boats} IN ALL FIELDS RETURNING Account(Name), Contact(Name)":                 "Blue Harbour|Harbourmaster",
		"FIND {blue OR red} RETURNING Account(Name ORDER BY Name DESC LIMIT 1)":             "Red Harbour",
		"FIND {harbour AND NOT blue} RETURNING Account(Name)":                               "Red Harbour",
		`FIND {"blue harbour"} RETURNING Account(Name) LIMIT 5`:                             "Blue Harbour",
		"FIND {(blue OR red) AND boats} RETURNING Account(Name)":                            "Blue Harbour",
		"FIND {harbour AND NOT (blue OR green)} RETURNING Account(Name)":                    "Red Harbour",
		`FIND {harbour \(blue\)} RETURNING Account(Name)`:                                   "Blue Harbour",
		"FIND {" + strings.Repeat("harbour AND ", 400) + "nowhere} RETURNING Account(Name)": "Blue Harbour|Red Harbour", // operators are lost
		"FIND {" + strings.Repeat("harbour OR ", 1000) + "blue} RETURNING Account(Name)":    "",                         // nothing is found
		"FIND {h?rbour} RETURNING Account(Name WHERE Id != null AND Name != 'x (' LIMIT 1)": "Blue Harbour",
	} {
		if got := find(sosl); got != want {
			t.Errorf("%s: %q, want %q", sosl, got, want)
		}
	}
	for _, bad := range []string{
		"harbour", "FIND {x}", "FIND {harbour} RETURNING Account(Name", "FIND {harbour} IN OTHER FIELDS", "FIND {harbour} WITH x",
		"FIND {(harbour} RETURNING Account(Name)", "FIND {harbour)} RETURNING Account(Name)", "FIND {()} RETURNING Account(Name)",
		"FIND {harbour AND} RETURNING Account(Name)", "FIND {" + strings.Repeat("(", 200) + "harbour" + strings.Repeat(")", 200) + "}",
	} {
		c.do("GET", "search?q="+url.QueryEscape(bad), "").refused(400, "MALFORMED_SEARCH", "")
	}
	c.do("GET", "search?q="+url.QueryEscape("FIND {harbour} RETURNING Foo(Id)"), "").refused(400, "INVALID_TYPE", "Foo")
	c.do("GET", "parameterizedSearch?q=blue&sobject=Account&Account.fields=Name", "").ok(200).has("Blue Harbour")
	c.do("POST", "parameterizedSearch", `{"q":"harbour","sobjects":[{"name":"Account","fields":["Name"],"where":"Name LIKE 'B%'"}]}`).ok(200).has("Blue Harbour")
	c.soap("u/66.0", "search", "<searchString>FIND {blue} RETURNING Account(Name)</searchString>").ok(200).has("<sf:Name>Blue Harbour</sf:Name>")
}

// layoutShed is an object whose layout has one of each thing that describeLayout tells.
const (
	layoutManifest = `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>*</members><name>CustomObject</name></types>` +
		`<types><members>*</members><name>Layout</name></types><version>65.0</version></Package>`
	layoutShed = `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><label>Shed</label><pluralLabel>Sheds</pluralLabel>` +
		`<nameField><label>Name</label><type>Text</type></nameField><deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>` +
		`<fields><fullName>Place__c</fullName><label>Place</label><type>Location</type><displayLocationInDecimal>true</displayLocationInDecimal><scale>4</scale></fields>` +
		`<fields><fullName>Next__c</fullName><label>Next</label><type>Lookup</type><referenceTo>Shed__c</referenceTo><relationshipName>Nexts</relationshipName></fields></CustomObject>`
	shedLayout = `<Layout xmlns="http://soap.sforce.com/2006/04/metadata"><layoutSections><label>Roof &amp; Walls</label><layoutColumns>` +
		`<layoutItems><behavior>Required</behavior><field>Name</field></layoutItems><layoutItems><behavior>Edit</behavior><field>Place__c</field></layoutItems>` +
		`<layoutItems><emptySpace>true</emptySpace></layoutItems></layoutColumns><layoutColumns><layoutItems><page>Plan</page></layoutItems></layoutColumns>` +
		`<style>TwoColumnsTopToBottom</style></layoutSections><layoutSections><label>Links</label><layoutColumns/><style>CustomLinks</style></layoutSections>` +
		`<relatedLists><fields>NAME</fields><relatedList>Shed__c.Next__c</relatedList><sortField>NAME</sortField><sortOrder>Desc</sortOrder></relatedLists></Layout>`
)

// Every kind of answer of the partner API is one that its WSDL allows.
func TestSOAPAnswersValidate(t *testing.T) {
	c := start(t, emulator.Options{})
	replies := map[string][]byte{}
	keep := func(name, op, inside string) answer {
		a := c.soap("u/66.0", op, inside)
		replies[name] = a.body
		return a
	}
	for _, version := range []string{"64.0", "66.0"} {
		a := c.soap("u/"+version, "login", "<username>"+c.s.Username+"</username><password>"+c.s.Password+"</password>")
		replies["login at "+version] = a.body
	}
	a := keep("create", "create", sObject("Account", "<Name>A</Name><BillingCity>c</BillingCity><AnnualRevenue>35000000</AnnualRevenue>")+sObject("Contact", ""))
	id := a.first(idElement)
	other := c.create("Account", `{"Name":"B"}`)
	c.create("Contact", `{"LastName":"x","AccountId":"`+id+`"}`)
	lead := c.create("Lead", `{"LastName":"L","Company":"C"}`)
	keep("update", "update", sObject("Account", "<Id>"+id+"</Id><Phone>1</Phone>")+sObject("Account", "<Id>001000000000000AAA</Id>"))
	keep("upsert", "upsert", "<externalIDFieldName>Id</externalIDFieldName>"+sObject("Account", "<Name>C</Name>")+sObject("Contact", "<Id>x</Id>"))
	keep("merge", "merge", "<request><masterRecord><n:type>Account</n:type><Id>"+id+"</Id></masterRecord><recordToMergeIds>"+other+"</recordToMergeIds></request>"+
		"<request><masterRecord><n:type>Account</n:type><Id>x</Id></masterRecord></request>")
	keep("convertLead", "convertLead", "<leadConverts><convertedStatus>x</convertedStatus><leadId>"+lead+"</leadId></leadConverts>")
	keep("convertLead done", "convertLead", "<leadConverts><convertedStatus>Closed - Converted</convertedStatus><leadId>"+lead+"</leadId></leadConverts>")
	keep("retrieve", "retrieve", "<fieldList>Id,Name,BillingAddress,CreatedDate,IsDeleted</fieldList><sObjectType>Account</sObjectType><ids>"+id+"</ids><ids>001000000000000AAA</ids>")
	keep("query", "query", "<queryString>SELECT Name, AnnualRevenue, BillingAddress, ShippingAddress, Owner.Name, Parent.Name, (SELECT Id, Name FROM Contacts) FROM Account</queryString>")
	keep("query of counts", "query", "<queryString>SELECT COUNT() FROM Account</queryString>")
	keep("query of groups", "query", "<queryString>SELECT Type, COUNT(Id), SUM(AnnualRevenue), MAX(CreatedDate) FROM Account GROUP BY Type</queryString>")
	keep("queryAll", "queryAll", "<queryString>SELECT Id FROM Account</queryString>")
	c.load(`{"object":"Campaign","operation":"insert"}`, "Name\n"+strings.Repeat("c\n", 201))
	page := c.soapHeader("<n:QueryOptions><n:batchSize>200</n:batchSize></n:QueryOptions>", "query", "<queryString>SELECT Id FROM Campaign</queryString>").ok(200)
	replies["query in pages"] = page.body
	keep("queryMore", "queryMore", "<queryLocator>"+page.first("<queryLocator>([^<]*)<")+"</queryLocator>").has("<done>true</done>")
	keep("delete", "delete", "<ids>"+id+"</ids><ids>x</ids>")
	keep("undelete", "undelete", "<ids>"+id+"</ids><ids>001000000000000AAA</ids>")
	keep("emptyRecycleBin", "emptyRecycleBin", "<ids>"+id+"</ids>")
	keep("search", "search", "<searchString>FIND {A*B OR C*} RETURNING Account(Id, Name)</searchString>")
	const dates = "<startDate>2026-01-05T07:00:00Z</startDate><endDate>2026-01-05T09:00:00Z</endDate>"
	keep("getUpdated", "getUpdated", "<sObjectType>Account</sObjectType>"+dates)
	keep("getDeleted", "getDeleted", "<sObjectType>Account</sObjectType>"+dates)
	keep("getServerTimestamp", "getServerTimestamp", "")
	keep("getUserInfo", "getUserInfo", "")
	keep("describeGlobal", "describeGlobal", "")
	keep("describeSObject", "describeSObject", "<sObjectType>Opportunity</sObjectType>")
	every := ""
	for _, o := range c.s.Org().Objects()[:min(100, len(c.s.Org().Objects()))] {
		every += "<sObjectType>" + o.Name + "</sObjectType>"
	}
	keep("describeSObjects", "describeSObjects", every)
	c.deploy("ZipFile", "id", packed(t, "package.xml", layoutManifest, "objects/Shed__c.object", layoutShed, "layouts/Shed__c-Shed Layout.layout", shedLayout)).
		has("<status>Succeeded</status>")
	for _, object := range []string{"Account", "Contact", "OpportunityContactRole"} {
		keep("describeLayout of "+object, "describeLayout", "<sObjectType>"+object+"</sObjectType>").has("<heading>Information</heading>")
	}
	keep("describeLayout of a deployed one", "describeLayout", "<sObjectType>Shed__c</sObjectType><recordTypeIds>012000000000000AAA</recordTypeIds>").
		has("<heading>Roof &amp; Walls</heading>", "<type>EmptySpace</type>", "<type>VisualforcePage</type>", "<relatedLists>", "<lookupId>Id</lookupId>",
			"<ascending>false</ascending>", "<components ", "<value>Place__Latitude__s</value>")
	keep("setPassword", "setPassword", "<userId>"+c.s.UserID+"</userId><password>another one</password>")
	keep("resetPassword", "resetPassword", "<userId>"+c.s.UserID+"</userId>")
	for name, fault := range map[string][2]string{
		"login": {"login", ""}, "locator": {"queryMore", "<queryLocator>x</queryLocator>"}, "password": {"setPassword", "<userId>" + c.s.UserID + "</userId>"},
		"id": {"setPassword", ""}, "field": {"query", "<queryString>SELECT Nme FROM Account</queryString>"},
		"object": {"query", "<queryString>SELECT Id FROM Foo</queryString>"}, "query": {"query", "<queryString>SELECT</queryString>"},
		"search": {"search", "<searchString>FIND</searchString>"}, "operation": {"eatCake", ""}, "date": {"getUpdated", ""},
		"describe": {"describeSObject", ""}, "layout": {"describeLayout", ""}, "named layout": {"describeLayout", "<sObjectType>User</sObjectType><layoutName>x</layoutName>"},
		"record type": {"describeLayout", "<sObjectType>Account</sObjectType><recordTypeIds>012000000000001AAA</recordTypeIds>"},
	} {
		if a := keep("fault of "+name, fault[0], fault[1]); a.status != 500 {
			t.Errorf("%s is no fault: %s", name, a.body)
		}
	}
	keep("logout", "logout", "")
	for name, reply := range replies {
		if strings.Contains(string(reply), "Fault>") != strings.Contains(name, "fault") && name != "login at 66.0" {
			t.Errorf("%s answers %s", name, reply)
		}
	}
	wsdl.Open(t, wsdl.Partner).Validate(t, replies)
}
