package emulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
)

// began is when the orgs of the tests stand.
var began = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// client talks plain HTTP to an emulated org, as a stranger would.
type client struct {
	t       *testing.T
	s       *emulator.Server
	version string
	header  http.Header
}

func start(t *testing.T, o emulator.Options) *client {
	t.Helper()
	if o.Clock == nil {
		o.Clock = org.FixedClock(began)
	}
	s, err := emulator.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &client{t: t, s: s, version: "66.0", header: http.Header{}}
}

// answer is a reply with its body read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// do sends a request; a path that does not begin with a slash is below the root of the version.
func (c *client) do(method, path, body string) answer {
	c.t.Helper()
	a, err := c.try(method, path, strings.NewReader(body))
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// direct follows no redirect, so that a test sees it.
var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (c *client) try(method, path string, body io.Reader) (answer, error) {
	c.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/services/data/v" + c.version + "/" + path
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.s.URL+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.s.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPut && strings.HasSuffix(path, "/batches") {
		r.Header.Set("Content-Type", "text/csv")
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	resp, err := direct.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{t: c.t, status: resp.StatusCode, header: resp.Header, body: text}, err
}

// ok demands a status.
func (a answer) ok(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// is demands a body, as JSON without regard to the order of keys and to blanks.
func (a answer) is(want string) answer {
	a.t.Helper()
	if got, want := canonical(a.t, a.body), canonical(a.t, []byte(want)); got != want {
		a.t.Fatalf("got  %s\nwant %s", got, want)
	}
	return a
}

// refused demands one REST error.
func (a answer) refused(status int, code, message string) {
	a.t.Helper()
	a.ok(status)
	var list []struct{ Message, ErrorCode string }
	a.into(&list)
	if len(list) != 1 || list[0].ErrorCode != code || !strings.Contains(list[0].Message, message) {
		a.t.Fatalf("got %s, want %s %q", a.body, code, message)
	}
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
}

func canonical(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// create inserts one record and returns its Id.
func (c *client) create(object, body string) string {
	c.t.Helper()
	var saved struct {
		ID      string
		Success bool
	}
	c.do("POST", "sobjects/"+object, body).ok(201).into(&saved)
	if !saved.Success {
		c.t.Fatalf("create %s: not saved", object)
	}
	return saved.ID
}

// page is a page of a query.
type page struct {
	TotalSize      int
	Done           bool
	NextRecordsURL string
	Records        []map[string]any
}

func (c *client) query(soql string) page {
	c.t.Helper()
	var p page
	c.do("GET", "query?q="+url.QueryEscape(soql), "").ok(200).into(&p)
	return p
}
