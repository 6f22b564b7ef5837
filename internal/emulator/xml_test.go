package emulator_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// A client that asks for XML gets what JSON says in XML, errors too.
func TestRepliesInXML(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A & <B>"}`)
	c.create("Contact", `{"LastName":"C","AccountId":"`+id+`"}`)
	c.header.Set("Accept", "application/xml")
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	for _, x := range []struct {
		method, path, body string
		status             int
		want               []string
	}{
		{"GET", "/services/data", "", 200, []string{head + "<Versions", "<Version><label>Winter &#39;15</label><url>/services/data/v32.0</url><version>32.0</version></Version>"}},
		{"GET", "limits", "", 200, []string{"<LimitsSnapshot", "<DailyApiRequests><Max>15000</Max><Remaining>"}},
		{"GET", "query?q=SELECT+Name,Phone,(SELECT+LastName+FROM+Contacts)+FROM+Account", "", 200, []string{
			"<QueryResult", "<totalSize>1</totalSize><done>true</done>", `<records type="Account" url="/services/data/v66.0/sobjects/Account/` + id + `">`,
			"<Name>A &amp; &lt;B&gt;</Name>", `<Phone xsi:nil="true"/>`, `<Contacts><totalSize>1</totalSize>`, "<LastName>C</LastName>",
		}},
		{"GET", "sobjects/Account/" + id + "?fields=Name", "", 200, []string{`<Account xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" type="Account"`}},
		{"POST", "sobjects/Account", `{"Name":"made"}`, 201, []string{"<Result", "<success>true</success>"}},
		{"GET", "query?q=SELECT+Nope+FROM+Account", "", 400, []string{"<Errors", "<Error><message>", "<errorCode>INVALID_FIELD</errorCode></Error></Errors>"}},
		{"DELETE", "sobjects/Account/" + id, "", 204, nil},
	} {
		a := c.do(x.method, x.path, x.body).ok(x.status)
		a.has(x.want...)
		if kind := a.header.Get("Content-Type"); x.want != nil && kind != "application/xml;charset=UTF-8" {
			t.Errorf("%s: %s", x.path, kind)
		}
	}
	for _, accept := range []string{"application/json, application/xml", "*/*", "text/csv"} {
		c.header.Set("Accept", accept)
		if a := c.do("GET", "limits", "").ok(200); !strings.HasPrefix(string(a.body), "{") {
			t.Errorf("%s: %s", accept, a.body)
		}
	}
}
