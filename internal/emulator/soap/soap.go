package soap

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// maxMessage bounds a request. Source: Metadata API Developer Guide (50 MB for a SOAP message).
const maxMessage = 50 << 20

// lastLogin is the last version with a login call.
// Source: Salesforce Help 005132110 (login is gone from version 65 on).
const lastLogin = 64

// Config of the SOAP API of an org.
type Config struct {
	Org      *org.Org
	Metadata *metadata.Store
	// Session returns the user of an access token.
	Session func(token string) (org.Caller, bool)
	// Login opens a session for a user name and password.
	Login func(username, password string) (token string, user org.User, ok bool)
	// Logout ends a session.
	Logout func(token string) bool
	// SetPassword gives a user a password.
	SetPassword func(user sf.ID, password string)
	// NewPassword makes one up.
	NewPassword func() string
	// SessionLife is how long a session lasts; 0 is for ever.
	SessionLife time.Duration
	// Cursors are those of the org's queries.
	Cursors *wire.Cursors
}

// API serves SOAP for one org. It is safe for concurrent use.
type API struct {
	cfg Config
}

// New returns the SOAP API of an org.
func New(cfg Config) *API { return &API{cfg: cfg} }

// Is reports a path of the SOAP APIs: /services/Soap/u/66.0, with or without the Id of the org.
func Is(segments []string) bool {
	return (len(segments) == 4 || len(segments) == 5) && segments[0] == "services" && strings.EqualFold(segments[1], "soap")
}

// message is the body of a request that has been read already.
type message struct {
	*bytes.Reader
	text []byte
	op   string
	err  error
}

func (m *message) Close() error { return nil }

// Peek reads the request so that Op can tell what it asks. The request may be compressed.
func Peek(r *http.Request) *http.Request {
	body, m := io.Reader(r.Body), &message{}
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		if unpacked, err := gzip.NewReader(r.Body); err == nil {
			body = unpacked
		} else {
			m.err = err
		}
		r.Header.Del("Content-Encoding")
	}
	if m.err == nil {
		m.text, m.err = io.ReadAll(io.LimitReader(body, maxMessage+1))
	}
	m.Reader = bytes.NewReader(m.text)
	m.op = opIn(m.text)
	r.Body = m
	return r
}

// Op returns the name of the call of a request that Peek has read.
func Op(r *http.Request) string {
	if m, ok := r.Body.(*message); ok {
		return m.op
	}
	return ""
}

// opIn finds the first element within the body of an envelope.
func opIn(text []byte) string {
	d := xml.NewDecoder(bytes.NewReader(text))
	inBody := false
	for {
		token, err := d.RawToken()
		if err != nil {
			return ""
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if inBody {
			return start.Name.Local
		}
		inBody = start.Name.Local == "Body"
	}
}

// Major reads the number of a version such as 66.0.
func Major(version string) (int, bool) {
	major, minor, ok := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return n, err == nil && (!ok || minor == "0")
}

// call is one request of a signed-in user (or of nobody, for login).
type call struct {
	*http.Request
	caller  org.Caller
	token   string
	version int
	baseURL string
	kind    string // u, c, m or s
	op      *node
	header  *node
}

// Serve answers a request that Peek has read.
func (a *API) Serve(w http.ResponseWriter, r *http.Request, kind, version, baseURL string) {
	reply, err := a.serve(r, strings.ToLower(kind), version, baseURL)
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		reply = faultEnvelope(strings.ToLower(kind), err)
	}
	_, _ = w.Write(reply) // a client that is gone does not matter here
}

func (a *API) serve(r *http.Request, kind, version, baseURL string) ([]byte, error) {
	m, ok := r.Body.(*message)
	switch {
	case r.Method != http.MethodPost || !ok:
		return nil, unreadable("SOAP requests are sent by POST")
	case m.err != nil:
		return nil, unreadable("the request ended early")
	case len(m.text) > maxMessage:
		return nil, wire.BadRequest("EXCEEDED_MAX_SIZE_REQUEST", "Maximum size of request exceeded: 52428800")
	}
	major, ok := Major(version)
	if !ok || major < wire.FirstVersion || major > wire.LastVersion {
		return nil, wire.BadRequest("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
	}
	envelope, err := parse(m.text)
	if err != nil {
		return nil, unreadable(err.Error())
	}
	body := envelope.child("Body")
	if envelope.name != "Envelope" || body == nil || len(body.children) == 0 {
		return nil, unreadable("No operation in the body of the envelope")
	}
	c := &call{Request: r, version: major, baseURL: baseURL, kind: kind, op: body.children[0], header: envelope.child("Header")}
	return a.dispatch(c)
}

// operation is one call: its reply is the inside of <opResponse>.
type operation func(a *API, c *call) (string, error)

// partner lists the calls of the partner and enterprise APIs by name.
var partner = map[string]operation{
	"login": login, "logout": logout, "getUserInfo": getUserInfo, "getServerTimestamp": getServerTimestamp,
	"setPassword": setPassword, "resetPassword": resetPassword,
	"create": create, "update": update, "upsert": upsert, "delete": remove, "undelete": undelete, "emptyRecycleBin": emptyRecycleBin,
	"merge": merge, "convertLead": convertLead,
	"retrieve": retrieve, "query": query, "queryAll": queryAll, "queryMore": queryMore, "search": search,
	"getUpdated": getUpdated, "getDeleted": getDeleted,
	"describeGlobal": describeGlobal, "describeSObject": describeSObject, "describeSObjects": describeSObjects,
	"describeLayout": describeLayout,
}

func (a *API) dispatch(c *call) ([]byte, error) {
	operations, namespace := partner, "urn:partner.soap.sforce.com"
	switch c.kind {
	case "c":
		namespace = "urn:enterprise.soap.sforce.com"
	case "m":
		operations, namespace = meta, "http://soap.sforce.com/2006/04/metadata"
	case "s":
		operations, namespace = apex, "http://soap.sforce.com/2006/08/apex"
	case "u":
	default:
		return nil, wire.BadRequest("INVALID_OPERATION", "There is no such API: "+c.kind)
	}
	serve, ok := operations[c.op.name]
	if !ok {
		return nil, noOperationError{namespace, c.op.name}
	}
	if c.op.name != "login" {
		c.token = c.header.child("SessionHeader").value("sessionId")
		if c.caller, ok = a.cfg.Session(c.token); !ok {
			return nil, wire.BadRequest("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
		}
		c.caller.Version = c.version
		if err := a.mayCall(c.caller); err != nil && c.op.name != "logout" {
			return nil, err
		}
		if !a.cfg.Org.Spend("DailyApiRequests", 1) {
			return nil, wire.BadRequest("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
		}
	}
	inside, err := serve(a, c)
	if err != nil {
		return nil, err
	}
	return a.envelope(c, namespace, inside), nil
}

// mayCall refuses a user without the permission API Enabled, in the words that operators report of login and of calls.
func (a *API) mayCall(caller org.Caller) error {
	if a.cfg.Org.May(caller, "ApiEnabled") {
		return nil
	}
	return wire.BadRequest("API_CURRENTLY_DISABLED", "API is disabled for this User")
}

func (a *API) envelope(c *call, namespace, inside string) []byte {
	header, records := "", "urn:sobject."+strings.TrimPrefix(namespace, "urn:")
	switch c.kind {
	case "m":
	case "s": // source: Apex Developer Guide, DebuggingHeader: its answer is DebuggingInfo; where nothing runs nothing is logged
		if c.header.child("DebuggingHeader") != nil {
			header = "<soapenv:Header><DebuggingInfo><debugLog></debugLog></DebuggingInfo></soapenv:Header>"
		}
	default:
		used, limit := a.cfg.Org.Calls()
		header = fmt.Sprintf("<soapenv:Header><LimitInfoHeader><limitInfo><current>%d</current><limit>%d</limit><type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header>", used, limit)
	}
	return []byte(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="` +
		namespace + `" xmlns:sf="` + records + `" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + header + "<soapenv:Body><" + c.op.name + "Response>" +
		inside + "</" + c.op.name + "Response></soapenv:Body></soapenv:Envelope>")
}

// escape spells text within an element.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// element spells one element with text.
func element(name string, value any) string {
	return "<" + name + ">" + escape(fmt.Sprint(value)) + "</" + name + ">"
}
