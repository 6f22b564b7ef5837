package orgtest

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Target is an org that can be reached, with a session that may do everything.
type Target struct {
	URL     string // scheme and host, no trailing slash
	Token   string
	Version string // of the API, "65.0"
	Has     []Need // the needs that the org meets

	App     App                   // with ConnectedApp
	Advance func(d time.Duration) // with Clock
}

// App is a connected app of the org and the user of the session, who has approved it.
type App struct {
	ClientID, ClientSecret string
	Username, Password     string
	RefreshToken           string
	KeyPEM                 []byte // PKCS 8, of the certificate of the app
}

// Org is a target in one test.
type Org struct {
	t      *testing.T
	target Target
	made   int
	run    *run
}

// Reply is what came back.
type Reply struct {
	t      *testing.T
	Status int
	Header http.Header
	Body   []byte
}

// replyMax bounds a reply: no rule asks for more.
const replyMax = 64 << 20

// Do sends a request; a path without a leading slash is below the root of the version.
func (o *Org) Do(method, path, contentType, body string, header ...string) Reply {
	o.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/services/data/v" + o.target.Version + "/" + path
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(o.t.Context()), method, o.target.URL+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+o.target.Token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, replyMax))
	if err != nil {
		o.t.Fatal(err)
	}
	return Reply{t: o.t, Status: res.StatusCode, Header: res.Header, Body: text}
}

// Get asks for JSON.
func (o *Org) Get(path string) Reply { o.t.Helper(); return o.Do("GET", path, "", "") }

// Post sends v as JSON.
func (o *Org) Post(path string, v any) Reply { o.t.Helper(); return o.send("POST", path, v) }

// Patch sends v as JSON.
func (o *Org) Patch(path string, v any) Reply { o.t.Helper(); return o.send("PATCH", path, v) }

// Delete deletes.
func (o *Org) Delete(path string) Reply { o.t.Helper(); return o.Do("DELETE", path, "", "") }

func (o *Org) send(method, path string, v any) Reply {
	o.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.Do(method, path, "application/json", string(text))
}

// OK fails unless the status is as wanted.
func (r Reply) OK(status int) Reply {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("status %d, want %d: %.500s", r.Status, status, r.Body)
	}
	return r
}

// Refused fails unless the reply is an error of that status and code whose message holds the text.
func (r Reply) Refused(status int, code, text string) {
	r.t.Helper()
	var all []struct{ ErrorCode, Message string }
	if err := json.Unmarshal(r.Body, &all); err != nil || len(all) == 0 {
		r.t.Fatalf("status %d, not an error in JSON: %.500s", r.Status, r.Body)
	}
	if r.Status != status || all[0].ErrorCode != code || !strings.Contains(all[0].Message, text) {
		r.t.Errorf("status %d %s %q, want %d %s …%s…", r.Status, all[0].ErrorCode, all[0].Message, status, code, text)
	}
}

// Into decodes the reply.
func (r Reply) Into(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		r.t.Fatalf("%v in %.500s", err, r.Body)
	}
}

// Values are the fields of a record.
type Values map[string]any

// Name returns a name that no other record of this test run has, short enough for every object.
func (o *Org) Name() string {
	o.made++
	return fmt.Sprintf("orgtest %d %d", time.Now().UnixNano(), o.made)
}

// Create makes a record, removed when the test ends, and returns its Id.
func (o *Org) Create(object string, v Values) string {
	o.t.Helper()
	var made struct{ ID string }
	o.Post("sobjects/"+object, v).OK(http.StatusCreated).Into(&made)
	o.t.Cleanup(func() { o.discard(object, made.ID) })
	return made.ID
}

// Account makes an account of a name of its own.
func (o *Org) Account() string { o.t.Helper(); return o.Create("Account", Values{"Name": o.Name()}) }

// Contact makes a contact of an account, which may be empty.
func (o *Org) Contact(account string) string {
	o.t.Helper()
	v := Values{"LastName": o.Name()}
	if account != "" {
		v["AccountId"] = account
	}
	return o.Create("Contact", v)
}

// discard removes a record that a test has made; it may be gone already.
func (o *Org) discard(object, id string) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(o.t.Context()), http.MethodDelete, o.target.URL+"/services/data/v"+o.target.Version+"/sobjects/"+object+"/"+id, http.NoBody)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+o.target.Token)
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

// Page is a reply to a query.
type Page struct {
	TotalSize      int
	Done           bool
	NextRecordsURL string
	Records        []Values
}

// Query returns the first page.
func (o *Org) Query(soql string) Page { o.t.Helper(); return o.page("query", soql) }

// QueryAll does so with what is deleted and archived.
func (o *Org) QueryAll(soql string) Page { o.t.Helper(); return o.page("queryAll", soql) }

func (o *Org) page(resource, soql string) Page {
	o.t.Helper()
	var p Page
	o.Get(resource + "?q=" + url.QueryEscape(soql)).OK(http.StatusOK).Into(&p)
	return p
}

// Field returns one field of one record as text; null is "<nil>".
func (o *Org) Field(object, id, field string) string {
	o.t.Helper()
	records := o.QueryAll("SELECT " + field + " FROM " + object + " WHERE Id = '" + id + "'").Records
	if len(records) != 1 {
		o.t.Fatalf("%d records of %s %s, want 1", len(records), object, id)
	}
	return fmt.Sprint(records[0][field])
}

// Has fails unless the field reads as wanted.
func (o *Org) Has(object, id, field, want string) {
	o.t.Helper()
	if got := o.Field(object, id, field); got != want {
		o.t.Errorf("%s.%s is %q, want %q", object, field, got, want)
	}
}

// Partner calls an operation of the partner API; body is what stands in the operation's element.
func (o *Org) Partner(operation, body string) Reply {
	o.t.Helper()
	return o.Do("POST", "/services/Soap/u/"+o.target.Version, "text/xml; charset=UTF-8",
		`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">`+
			`<soapenv:Header><SessionHeader><sessionId>`+o.target.Token+`</sessionId></SessionHeader></soapenv:Header>`+
			`<soapenv:Body><`+operation+`>`+body+`</`+operation+`></soapenv:Body></soapenv:Envelope>`, "SOAPAction", `""`)
}

// Element returns the text of the first element of that local name; empty when there is none.
func (r Reply) Element(name string) string {
	d := xml.NewDecoder(bytes.NewReader(r.Body))
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			var text string
			if err := d.DecodeElement(&text, &start); err != nil {
				return ""
			}
			return text
		}
	}
}

// Undelete returns "" or the status code of the refusal.
func (o *Org) Undelete(id string) string {
	o.t.Helper()
	r := o.Partner("undelete", "<ids>"+id+"</ids>").OK(http.StatusOK)
	if r.Element("success") == "true" {
		return ""
	}
	return r.Element("statusCode")
}

// Purge empties the record from the Recycle Bin.
func (o *Org) Purge(id string) {
	o.t.Helper()
	if r := o.Partner("emptyRecycleBin", "<ids>"+id+"</ids>").OK(http.StatusOK); r.Element("success") != "true" {
		o.t.Fatalf("emptyRecycleBin: %s", r.Body)
	}
}
