package orgtest

import (
	"net/http"
	"strings"
	"testing"
)

var errorRules = []law{
	{
		"errors/unknown-resource", "A resource that does not exist is 404 NOT_FOUND, an array of one error",
		document("REST API Developer Guide, Status Codes and Error Responses"),
		func(_ *testing.T, o *Org) {
			o.Get("nosuch").Refused(404, "NOT_FOUND", "requested resource does not exist")
		},
	},
	{
		"errors/unknown-object", "An object that does not exist is 404 NOT_FOUND",
		document("REST API Developer Guide, Status Codes and Error Responses"),
		func(_ *testing.T, o *Org) { o.Get("sobjects/Nosuch__c/describe").Refused(404, "NOT_FOUND", "") },
	},
	{
		"errors/session", "A session that is no more is 401 INVALID_SESSION_ID",
		client("jsforce 3.12 refreshes its token on it; clients.md of the recordings"),
		func(t *testing.T, o *Org) {
			stranger := *o
			stranger.target.Token = "00D000000000000!nobody"
			(&stranger).Get("limits").Refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
		},
	},
	{
		"errors/malformed-json", "A body that is no JSON is 400 JSON_PARSER_ERROR",
		document("REST API Developer Guide, Status Codes and Error Responses"),
		func(_ *testing.T, o *Org) {
			o.Do("POST", "sobjects/Account", "application/json", "{").Refused(400, "JSON_PARSER_ERROR", "")
		},
	},
	{
		"errors/utf-8", "A body that is not UTF-8 is 400 JSON_PARSER_ERROR",
		document("REST API Developer Guide, Using Headers: bodies are UTF-8"),
		func(_ *testing.T, o *Org) {
			o.Do("POST", "sobjects/Account", "application/json", "{\"Name\":\"\xff\"}").Refused(400, "JSON_PARSER_ERROR", "")
		},
	},
	{
		"errors/type-of-attributes", "A record whose attributes name another type than the address is refused",
		unverified,
		func(t *testing.T, o *Org) {
			r := o.Post("sobjects/Account", Values{"attributes": Values{"type": "Contact"}, "Name": o.Name()})
			if r.Status != 400 {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		},
	},
	{
		"errors/years", "A date before 1700 or after 4000 is refused",
		document("SOQL and SOSL Reference, Date Formats and Date Literals: valid range of dates"),
		func(t *testing.T, o *Org) {
			for _, day := range []string{"1699-12-31", "4001-01-01"} {
				if r := o.Post("sobjects/Contact", Values{"LastName": o.Name(), "Birthdate": day}); r.Status != 400 {
					t.Errorf("%s: status %d: %s", day, r.Status, r.Body)
				}
			}
		},
	},
	{
		"errors/digits", "A whole number has as many digits as its describe says",
		document("Object Reference, Account.NumberOfEmployees: maximum size is eight digits"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Name": o.Name(), "NumberOfEmployees": 123456789}).Refused(400, "NUMBER_OUTSIDE_VALID_RANGE", "")
		},
	},
	{
		"errors/content-type", "A body of an unknown kind is 415 UNSUPPORTED_MEDIA_TYPE",
		document("REST API Developer Guide, Status Codes and Error Responses: 415"),
		func(_ *testing.T, o *Org) {
			o.Do("POST", "sobjects/Account", "image/png", "x").Refused(415, "UNSUPPORTED_MEDIA_TYPE", "")
		},
	},
	{
		"errors/method", "A method that the resource does not have is 405 METHOD_NOT_ALLOWED",
		document("REST API Developer Guide, Status Codes and Error Responses: 405"),
		func(_ *testing.T, o *Org) { o.Delete("limits").Refused(405, "METHOD_NOT_ALLOWED", "") },
	},
	{
		"errors/slashes", "Doubled slashes and a slash at the end do not matter",
		client("sf 2.150.6 keeps the instance URL with its slash; go-salesforce 3.1 writes query/?q="),
		func(_ *testing.T, o *Org) {
			o.Get("//services/data/v" + o.target.Version + "//limits/").OK(http.StatusOK)
		},
	},
	{
		"errors/limit-header", "Each reply tells the calls of the day in Sforce-Limit-Info",
		client("jsforce 3.12 parses api-usage=N/M"),
		func(t *testing.T, o *Org) {
			if got := o.Get("limits").OK(200).Header.Get("Sforce-Limit-Info"); !strings.HasPrefix(got, "api-usage=") {
				t.Errorf("Sforce-Limit-Info: %q", got)
			}
		},
	},
	{
		"errors/retired-version", "A retired version of the API is 410 UNSUPPORTED_API_VERSION",
		document("Salesforce Platform API Versions 21.0 through 30.0 Retirement, help"),
		func(_ *testing.T, o *Org) {
			o.Get("/services/data/v25.0/limits").Refused(410, "UNSUPPORTED_API_VERSION", "")
		},
	},
	{
		"errors/uri-too-long", "An address of more than 16,384 bytes is 414",
		document("help 000386264, URI and header length"),
		func(_ *testing.T, o *Org) { o.Get("query?q=" + strings.Repeat("x", 17_000)).OK(414) },
	},
}
