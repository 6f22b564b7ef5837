package salesforce_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
)

func TestRetryByClassOfError(t *testing.T) {
	good := answer(200, `{"totalSize":3,"done":true,"records":[]}`)
	concurrent := `[{"message":"ConcurrentPerOrgLongTxn Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`
	daily := `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`
	for _, c := range []struct {
		name  string
		fault http.HandlerFunc
		again bool
		kind  problem.Kind // when it goes on for ever
	}{
		{"500 HTML", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html><title>oops</title>", 500) }, true, problem.Unreachable},
		{"500 UNKNOWN_EXCEPTION", answer(500, `[{"message":"x","errorCode":"UNKNOWN_EXCEPTION"}]`), true, problem.Unreachable},
		{"502", answer(502, ""), true, problem.Unreachable},
		{"503", answer(503, `[{"message":"down","errorCode":"SERVER_UNAVAILABLE"}]`), true, problem.Unreachable},
		{"504", answer(504, ""), true, problem.Unreachable},
		{"429", answer(429, ""), true, problem.Limits},
		{"too many at once", answer(403, concurrent), true, problem.Limits},
		{"query timeout", answer(400, `[{"message":"slow","errorCode":"QUERY_TIMEOUT"}]`), true, problem.Failed},
		{"cut in the body", cutAfter("application/json", `{"totalSize":3,`), true, problem.Unreachable},
		{"HTML with 200", cutAfterHTML, true, problem.Failed},
		{"half JSON", answer(200, `{"totalSize":3`), true, problem.Failed},
		{"daily limit", answer(403, daily), false, problem.Limits},
		{"no such object", answer(400, `[{"message":"sObject type 'X' is not supported.","errorCode":"INVALID_TYPE"}]`), false, problem.NotFound},
		{"bad query", answer(400, `[{"message":"unexpected token","errorCode":"MALFORMED_QUERY"}]`), false, problem.Failed},
		{"row lock", answer(400, `[{"message":"busy","errorCode":"UNABLE_TO_LOCK_ROW"}]`), false, problem.Failed},
		{"API off", answer(403, `[{"message":"off","errorCode":"API_DISABLED_FOR_ORG"}]`), false, problem.Unauthorized},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		}, false, problem.Unreachable},
		{"retired version", answer(410, `[{"message":"gone","errorCode":"UNSUPPORTED_API_VERSION"}]`), false, problem.Usage},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.on("GET "+v+"query", failFirst(good, c.fault, c.fault))
			n, err := f.connect().Count(t.Context(), "Account", false)
			if c.again && (err != nil || n != 3 || f.calls("query") != 3 || len(f.sleeps) != 2) {
				t.Errorf("two failures: %d, %v after %d calls and %v", n, err, f.calls("query"), f.sleeps)
			}
			f = newFake(t)
			f.on("GET "+v+"query", c.fault)
			_, err = f.connect().Count(t.Context(), "Account", false)
			want := 1
			if c.again {
				want = 6
			}
			if problem.KindOf(err) != c.kind || f.calls("query") != want || strings.Contains(err.Error(), "\n") {
				t.Errorf("for ever: %v (%v) after %d calls", err, problem.KindOf(err), f.calls("query"))
			}
		})
	}
}

func TestHangingUpIsTriedAgain(t *testing.T) {
	// net/http itself repeats a GET once when a connection that it kept has died, so calls are not
	// counted here.
	f := newFake(t)
	f.on("GET "+v+"query", failFirst(answer(200, `{"totalSize":3,"done":true}`), hangUp, hangUp, hangUp))
	if n, err := f.connect().Count(t.Context(), "Account", false); err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
	f = newFake(t)
	f.on("GET "+v+"query", hangUp)
	_, err := f.connect().Count(t.Context(), "Account", false)
	if problem.KindOf(err) != problem.Unreachable || len(f.sleeps) != 5 {
		t.Errorf("%v after %v", err, f.sleeps)
	}
}

func cutAfterHTML(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<html>log in</html>"))
}

func TestWaitsGrowAreBoundedAndObeyRetryAfter(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"query", answer(503, ""))
	_, _ = f.connect().Count(t.Context(), "Account", false)
	want := []time.Duration{375, 750, 1500, 3000, 6000} // ms: three quarters of 500 ms doubling
	if len(f.sleeps) != len(want) {
		t.Fatalf("waits %v", f.sleeps)
	}
	for i, d := range f.sleeps {
		if d != want[i]*time.Millisecond {
			t.Errorf("wait %d is %v", i+1, d)
		}
	}
	f = newFake(t)
	f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", []string{"7", "9999", "soon"}[min(f.calls("query")-1, 2)])
		w.WriteHeader(429)
	})
	_, _ = f.connect().Count(t.Context(), "Account", false)
	if f.sleeps[0] != 7*time.Second || f.sleeps[1] != 30*time.Second || f.sleeps[2] != 1500*time.Millisecond {
		t.Errorf("waits %v", f.sleeps)
	}
}

// silent is an org that takes every request and never answers.
type silent struct{ asked int }

func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestSignInAtASilentOrgEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := &silent{}
		_, err := salesforce.Connect(t.Context(), salesforce.Config{
			InstanceURL: "https://example.my.salesforce.com", HTTPClient: &http.Client{Transport: org},
			Credentials: salesforce.Credentials{ClientID: "app", RefreshToken: "r"},
		})
		if problem.KindOf(err) != problem.Unreachable || org.asked != 3 {
			t.Errorf("%v after %d requests", err, org.asked)
		}
	})
}

// trickle is an org that sends a byte whenever one is about to give up.
type trickle struct{ asked int }

func (s *trickle) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	body, org := io.Pipe()
	go func() {
		for r.Context().Err() == nil {
			time.Sleep(2 * time.Minute)
			_, _ = org.Write([]byte(" "))
		}
		org.CloseWithError(r.Context().Err())
	}()
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

func TestAnswersThatTrickleInEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := &trickle{}
		_, err := salesforce.Connect(t.Context(), salesforce.Config{
			InstanceURL: "https://example.my.salesforce.com", HTTPClient: &http.Client{Transport: org},
			Credentials: salesforce.Credentials{AccessToken: "tok"},
		})
		if problem.KindOf(err) != problem.Unreachable || org.asked != 3 {
			t.Errorf("%v after %d requests", err, org.asked)
		}
		time.Sleep(time.Hour) // the org goes away
	})
}

func TestCancelledCallIsInterrupted(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.on("GET "+v+"query", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := f.connect().Count(ctx, "Account", false)
	if problem.KindOf(err) != problem.Interrupted || f.calls("query") != 1 {
		t.Errorf("%v after %d calls", err, f.calls("query"))
	}
}

// TestTrap25UnknownOutcomeIsNotRepeated takes the upload of an insert job, the one call that adds
// something each time it is sent.
func TestTrap25UnknownOutcomeIsNotRepeated(t *testing.T) {
	job := string(idOf("750", 1))
	rows := []sf.Write{{Values: []sf.Value{sf.Text("Acme")}}}
	for name, fault := range map[string]http.HandlerFunc{"hung up": hangUp, "500": answer(500, ""), "502": answer(502, "<html>")} {
		f := newFake(t)
		f.on("PUT "+v+"jobs/ingest/{id}/batches", fault)
		err := f.connect().SendRows(t.Context(), job, []string{"Name"}, rows)
		if !errors.Is(err, salesforce.ErrOutcomeUnknown) || f.calls("batches") != 1 || f.calls("PATCH") != 0 {
			t.Errorf("%s: %v after %d uploads", name, err, f.calls("batches"))
		}
	}
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.on("PUT "+v+"jobs/ingest/{id}/batches", func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		hangUp(w, nil)
	})
	if err := f.connect().SendRows(ctx, job, []string{"Name"}, rows); !errors.Is(err, salesforce.ErrOutcomeUnknown) ||
		problem.KindOf(err) != problem.Interrupted {
		t.Errorf("interrupted: %v", err)
	}
	for name, fault := range map[string]http.HandlerFunc{
		"429": answer(429, ""), "busy": answer(503, `[{"message":"x","errorCode":"SERVER_UNAVAILABLE"}]`),
		"session": answer(401, `[{"message":"x","errorCode":"INVALID_SESSION_ID"}]`),
	} {
		f := newFake(t)
		onToken(f, func(*http.Request) string { return "" })
		f.on("PUT "+v+"jobs/ingest/{id}/batches", failFirst(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }, fault))
		f.on("PATCH "+v+"jobs/ingest/{id}", answer(200, `{"id":"x","state":"UploadComplete"}`))
		org, err := salesforce.Connect(t.Context(), refreshConfig(f))
		if err != nil {
			t.Fatal(err)
		}
		if err := org.SendRows(t.Context(), job, []string{"Name"}, rows); err != nil || f.calls("batches") != 2 {
			t.Errorf("%s, surely not carried out: %v after %d uploads", name, err, f.calls("batches"))
		}
	}
}
