package emulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/bulk"
	"holdfast/internal/emulator/rest"
	"holdfast/internal/emulator/soap"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// maxRequestLine bounds the URI, and the URI with all headers.
// Source: Salesforce Help 000386264 (16,384 bytes; 414 and 431).
const maxRequestLine = 16_384

// ServeHTTP answers one request: it counts it, lets Intercept interfere, unpacks the body, routes,
// and packs the reply.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := wire.Segments(r.URL.Path)
	if isControl(segments) { // no request to the org: it is not counted, and nothing befalls it
		if err := s.control(w, r, segments); err != nil {
			wire.ReplyError(w, err)
		}
		return
	}
	if soap.Is(segments) {
		r = soap.Peek(r)
	}
	defer s.requests.settle()
	fault := s.requests.arrive(Request{
		Op: opOf(r, segments), Method: r.Method, Path: "/" + strings.Join(segments, "/"), Query: r.URL.RawQuery, Header: r.Header,
	})
	defer fault.ended()
	if !s.before(w, r, fault) {
		return
	}
	reply := newReply(w, r, fault)
	if wantsXML(r, segments) {
		reply.spell = func(status int, body []byte) ([]byte, error) {
			root, item := rootOf(r.Method, segments, status)
			return inXML(root, item, body)
		}
	}
	reply.Header().Set("Date", s.requests.storm.date())
	if err := s.answer(reply, r, segments); err != nil {
		reply.fail(err)
	}
	reply.finish()
}

// before does what a fault does before the request is handled, and reports whether to handle it.
func (s *Server) before(w http.ResponseWriter, r *http.Request, f Fault) bool {
	if f.Delay > 0 {
		wait(r.Context(), f.Delay)
	}
	if f.Before != nil {
		f.Before()
	}
	if f.ExpireToken {
		if token, err := bearer(r); err == nil {
			s.sessions.close(token)
		}
	}
	if f.Cut {
		panic(http.ErrAbortHandler)
	}
	if f.Status == 0 {
		return true
	}
	w.Header().Set("Date", s.requests.storm.date())
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body) // a client that is gone does not matter here
	return false
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// answer unpacks the request and routes it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, segments []string) error {
	if err := checkSize(r); err != nil {
		return err
	}
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		body, err := gzip.NewReader(r.Body)
		if err != nil { // the words are unverified
			return s.unpackable(w, r, segments)
		}
		r.Body = io.NopCloser(body)
	}
	switch {
	case soap.Is(segments):
		s.limitInfo(w)
		s.soap.Serve(w, r, segments[2], segments[3], s.base(r))
		return nil
	case len(segments) == 3 && segments[0] == "services" && segments[1] == "oauth2":
		return s.oauth(w, r, segments[2])
	case len(segments) == 3 && segments[0] == "id":
		return s.identity(w, r, segments[1], segments[2])
	case len(segments) > 3 && segments[0] == "services" && segments[1] == "async":
		s.async(w, r, segments)
		return nil
	case len(segments) == 2 && segments[0] == "services" && segments[1] == "data":
		return rest.Versions(w)
	}
	return s.data(w, r)
}

// unpackable answers a body that says that it is packed, and is not, in the form of the API that was asked.
func (s *Server) unpackable(w http.ResponseWriter, r *http.Request, segments []string) error {
	err := wire.BadRequest("INVALID_INPUT", "The body of the request is not in the format gzip.")
	if len(segments) > 3 && segments[1] == "async" {
		bulk.ReplyClassicError(w, &wire.Call{Request: r}, wire.BadRequest("InvalidBatch", err.Errors[0].Message))
		return nil
	}
	return err
}

// data serves /services/data/vXX.X/….
func (s *Server) data(w http.ResponseWriter, r *http.Request) error {
	version, path, ok := wire.SplitDataPath(r.URL.Path)
	if !ok {
		return wire.NotFound()
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	caller, err := s.authenticate(r)
	if err != nil {
		return err
	}
	if !s.org.May(caller, apiEnabled) { // as public replies have it
		return wire.BadRequest("API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
	}
	enough := s.org.Spend("DailyApiRequests", 1)
	s.limitInfo(w)
	if !enough {
		return wire.BadRequest("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	c := &wire.Call{Request: r, Caller: caller, Version: version, BaseURL: s.base(r), Path: path}
	c.Caller.Version = c.Major()
	if len(path) > 0 && path[0] == "jobs" {
		return s.bulk.Serve(w, c)
	}
	if len(path) > 0 && path[0] == "metadata" {
		return s.metadata.Serve(w, c)
	}
	return s.rest.Serve(w, c)
}

// base is the address under which the client reached the org.
func (s *Server) base(r *http.Request) string {
	if r.TLS != nil {
		return s.SecureURL
	}
	return s.URL
}

func (s *Server) limitInfo(w http.ResponseWriter) {
	used, allowed := s.org.Calls()
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", used, allowed))
}

// checkVersion refuses versions that are retired (410) and those that never were (404).
func checkVersion(version string) error {
	major, ok := soap.Major(version)
	switch {
	case !ok || major > wire.LastVersion || major < 7:
		return wire.NotFound()
	case major < wire.FirstVersion:
		return wire.BadRequest("UNSUPPORTED_API_VERSION", "API version "+version+" is retired")
	}
	return nil
}

func checkSize(r *http.Request) error {
	uri := len(r.RequestURI)
	if uri > maxRequestLine {
		return &wire.Error{Status: http.StatusRequestURITooLong}
	}
	total := uri
	for name, values := range r.Header {
		for _, v := range values {
			total += len(name) + len(v) + 4
		}
	}
	if total > maxRequestLine {
		return &wire.Error{Status: http.StatusRequestHeaderFieldsTooLarge}
	}
	return nil
}

// opOf names what a request asks for.
func opOf(r *http.Request, segments []string) string {
	if soap.Is(segments) {
		return "SOAP " + soap.Op(r)
	}
	if len(segments) > 0 && segments[0] == "services" {
		segments = segments[1:]
	}
	if len(segments) > 1 && segments[0] == "data" {
		segments = segments[2:]
	}
	named := make([]string, len(segments))
	for i, segment := range segments {
		id, _, _ := strings.Cut(segment, "-")
		if _, err := sf.ParseID(id); err == nil && strings.ContainsAny(id, "0123456789") {
			segment = "*"
		}
		named[i] = segment
	}
	return strings.TrimSpace(r.Method + " " + strings.Join(named, "/"))
}

// reply packs a reply and lets a fault have its way with it. Without a fault it streams.
type reply struct {
	w       http.ResponseWriter
	fault   Fault
	gzip    bool
	packer  *gzip.Writer
	started bool
	status  int
	sent    int64
	held    *bytes.Buffer                                 // the body, when the fault or its spelling needs it whole
	spell   func(status int, body []byte) ([]byte, error) // turns JSON into what the client asked for; nil: JSON it is
}

func newReply(w http.ResponseWriter, r *http.Request, f Fault) *reply {
	p := &reply{w: w, fault: f, gzip: strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")}
	if f.whole() {
		p.held = &bytes.Buffer{}
	}
	return p
}

// Header returns the headers of the reply.
func (p *reply) Header() http.Header { return p.w.Header() }

// WriteHeader notes the status; it is sent with the first byte, or at the end.
func (p *reply) WriteHeader(status int) {
	if p.status != 0 {
		return
	}
	p.status = status
	if !strings.HasPrefix(p.Header().Get("Content-Type"), "application/json") {
		p.spell = nil
	} else if p.spell != nil && p.held == nil {
		p.held = &bytes.Buffer{}
	}
}

// Write takes bytes of the body before compression.
func (p *reply) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.held != nil {
		return p.held.Write(b)
	}
	return p.pack(b)
}

// fail answers an error, unless the reply has begun.
func (p *reply) fail(err error) {
	if p.status != 0 {
		panic(http.ErrAbortHandler) // what was sent is not the whole: the client must see that
	}
	wire.ReplyError(p, err)
}

// finish sends what is left.
func (p *reply) finish() {
	p.WriteHeader(http.StatusOK)
	if p.held != nil {
		if p.fault.After != nil {
			p.fault.After()
		}
		if p.fault.DropReply {
			panic(http.ErrAbortHandler)
		}
		body := p.held.Bytes()
		if p.fault.Rewrite != nil {
			p.status, body = p.fault.Rewrite(p.status, p.Header(), body)
		}
		if p.spell != nil && len(body) > 0 {
			text, err := p.spell(p.status, body)
			if err != nil { // every reply is JSON
				panic(err)
			}
			p.Header().Set("Content-Type", "application/xml;charset=UTF-8")
			body = text
		}
		if p.fault.CutAt != nil {
			p.gzip = false
			if p.fault.CutAfter = p.fault.CutAt(int64(len(body))); len(body) == 0 {
				panic(http.ErrAbortHandler)
			}
		}
		if len(body) > 0 {
			_, _ = p.pack(body) // a client that is gone does not matter here
		}
	}
	if p.packer != nil {
		_ = p.packer.Close()
		packers.Put(p.packer)
	}
	p.start(0)
}

// packFrom is the size of a body from which on it is compressed.
const packFrom = 1 << 10

// start sends the status and the headers once; body is the size of its first bytes.
func (p *reply) start(body int) {
	if p.started {
		return
	}
	p.started = true
	p.Header().Add("Vary", "Accept-Encoding")
	if p.gzip && body >= packFrom {
		p.Header().Set("Content-Encoding", "gzip")
		p.packer = packers.Get().(*gzip.Writer)
		p.packer.Reset(sender{p})
	}
	for name := range p.Header() {
		if stripped(name, p.fault.StripHeaders) {
			p.Header()[name] = nil // also keeps the server from adding its own
		}
	}
	p.w.WriteHeader(p.status)
}

func stripped(name string, patterns []string) bool {
	for _, pattern := range patterns {
		prefix, wild := strings.CutSuffix(pattern, "*")
		if strings.EqualFold(name, pattern) || wild && len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

func (p *reply) pack(b []byte) (int, error) {
	p.start(len(b))
	if p.packer != nil {
		return p.packer.Write(b)
	}
	return p.send(b)
}

// send writes to the connection, and cuts it where the fault says.
func (p *reply) send(b []byte) (int, error) {
	if limit := p.fault.CutAfter; limit > 0 && p.sent+int64(len(b)) >= limit {
		_, _ = p.w.Write(b[:limit-p.sent])
		_ = http.NewResponseController(p.w).Flush()
		panic(http.ErrAbortHandler)
	}
	p.sent += int64(len(b))
	return p.w.Write(b)
}

// packers holds packers for reuse: each has large tables.
var packers = sync.Pool{New: func() any {
	packer, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil { // the level is valid
		panic(err)
	}
	return packer
}}

// sender is the way of a packer to the connection.
type sender struct{ p *reply }

func (s sender) Write(b []byte) (int, error) { return s.p.send(b) }
