package emulator_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
)

func TestLimitsAndHeaders(t *testing.T) {
	c := start(t, emulator.Options{DailyCalls: 3})
	a := c.do("GET", "limits", "").ok(200)
	if got := a.header.Get("Sforce-Limit-Info"); got != "api-usage=1/3" {
		t.Errorf("Sforce-Limit-Info: %s", got)
	}
	if got := a.header.Get("Date"); got != "Mon, 05 Jan 2026 08:00:00 GMT" {
		t.Errorf("Date: %s", got)
	}
	var limits map[string]struct{ Max, Remaining int }
	a.into(&limits)
	if l := limits["DailyApiRequests"]; l.Max != 3 || l.Remaining != 2 {
		t.Errorf("limits %v", l)
	}
	c.do("GET", "limits", "").ok(200)
	c.do("GET", "limits", "").ok(200)
	c.do("GET", "limits", "").refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
}

func TestVersionsAndSizes(t *testing.T) {
	c := start(t, emulator.Options{})
	c.do("GET", "/services/data/v20.0/limits", "").refused(410, "UNSUPPORTED_API_VERSION", "20.0")
	c.do("GET", "/services/data/v99.0/limits", "").refused(404, "NOT_FOUND", "")
	c.do("GET", "/services/data/v31.0/limits/", "").ok(200)
	c.do("GET", "/services/nonsense", "").ok(404)
	c.do("GET", "query?q="+strings.Repeat("x", 17_000), "").ok(414)
	c.header.Set("X-Long", strings.Repeat("x", 17_000))
	c.do("GET", "limits", "").ok(431)
}

func TestBodiesMayBeCompressed(t *testing.T) {
	c := start(t, emulator.Options{})
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, `{"Name":"packed"}`); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	c.header.Set("Content-Encoding", "gzip")
	c.do("POST", "sobjects/Account", packed.String()).ok(201)
	c.header.Del("Content-Encoding")
	c.header.Set("Accept-Encoding", "gzip")
	a := c.do("GET", "sobjects", "").ok(200)
	if a.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v", a.header)
	}
	r, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || !strings.Contains(string(text), `"maxBatchSize":200`) {
		t.Errorf("%v: %.80s", err, text)
	}
}

// on makes one kind of request go wrong.
func (c *client) on(op string, f emulator.Fault) {
	c.s.Intercept(func(r emulator.Request) emulator.Fault {
		if r.Op == op {
			return f
		}
		return emulator.Fault{}
	})
}

func TestFaultsBeforeARequest(t *testing.T) {
	c := start(t, emulator.Options{})
	const op = "POST sobjects/Account"
	none := func() {
		t.Helper()
		c.s.Intercept(nil)
		if n := c.query("SELECT Id FROM Account").TotalSize; n != 0 {
			t.Errorf("%d records were written by a request that never was handled", n)
		}
	}
	c.on(op, emulator.Fault{Status: 503, Body: "<html>busy</html>", Header: http.Header{"Retry-After": {"1"}}})
	if a := c.do("POST", "sobjects/Account", `{"Name":"A"}`).ok(503); string(a.body) != "<html>busy</html>" || a.header.Get("Retry-After") != "1" {
		t.Errorf("%v %s", a.header, a.body)
	}
	none()
	c.on(op, emulator.Fault{Cut: true})
	if _, err := c.try("POST", "sobjects/Account", strings.NewReader(`{"Name":"A"}`)); err == nil {
		t.Error("the connection was not cut")
	}
	none()
	c.on(op, emulator.Fault{ExpireToken: true})
	c.do("POST", "sobjects/Account", `{"Name":"A"}`).refused(401, "INVALID_SESSION_ID", "")
}

func TestFaultsAfterACommit(t *testing.T) {
	c := start(t, emulator.Options{})
	const op = "POST sobjects/Account"
	called := 0
	c.on(op, emulator.Fault{DropReply: true, After: func() { called++ }})
	if _, err := c.try("POST", "sobjects/Account", strings.NewReader(`{"Name":"A"}`)); err == nil {
		t.Error("the reply was not dropped")
	}
	c.s.Intercept(nil)
	if n := c.query("SELECT Id FROM Account").TotalSize; n != 1 || called != 1 {
		t.Errorf("%d records, %d calls; want the write committed and the hook called", n, called)
	}
	c.on("GET query", emulator.Fault{CutAfter: 40})
	c.header.Set("Accept-Encoding", "identity")
	if a, err := c.try("GET", "query?q=SELECT+Id+FROM+Account", nil); err == nil || len(a.body) != 40 {
		t.Errorf("error %v after %d bytes, want a cut after 40", err, len(a.body))
	}
	c.on("GET query", emulator.Fault{StripHeaders: []string{"Sforce-*", "Date"}, Rewrite: func(_ int, _ http.Header, body []byte) (int, []byte) {
		return 200, bytes.ReplaceAll(body, []byte(`"totalSize":1`), []byte(`"totalSize":7`))
	}})
	a := c.do("GET", "query?q=SELECT+Id+FROM+Account", "").ok(200)
	if a.header.Get("Sforce-Limit-Info") != "" || a.header.Get("Date") != "" || !strings.Contains(string(a.body), `"totalSize":7`) {
		t.Errorf("%v %s", a.header, a.body)
	}
}

func TestCallsAreCounted(t *testing.T) {
	c := start(t, emulator.Options{})
	id := c.create("Account", `{"Name":"A"}`)
	c.do("GET", "//services/data/v66.0/sobjects/Account/"+id+"/", "")
	c.do("GET", "sobjects/Account/describe", "")
	c.soap("u/66.0", "undelete", "")
	c.do("GET", "query/0r8000000000001AAA-2000", "")
	total, by := c.s.Calls()
	for _, op := range []string{"POST sobjects/Account", "GET sobjects/Account/*", "GET sobjects/Account/describe", "SOAP undelete", "GET query/*"} {
		if by[op] != 1 {
			t.Errorf("%s counted %d times: %v", op, by[op], by)
		}
	}
	if total != 5 {
		t.Errorf("%d calls", total)
	}
}

func TestCloseMayBeCalledTwiceAndFollowsTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := emulator.Start(ctx, emulator.Options{Clock: org.FixedClock(began)})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	deadline := time.Now().Add(5 * time.Second)
	for {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/services/data", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			break
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the server goes on after its context ended")
		}
	}
	s.Close()
	s.Close()
}
