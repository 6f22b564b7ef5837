package salesforce_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
)

const (
	v         = "/services/data/v66.0/"
	orgID     = "00D000000000001EAA"
	userID    = "005000000000001AAA"
	accountID = "001000000000001AAA"
)

// fakeOrg answers as the documents say an org does. A test adds the resources it needs.
type fakeOrg struct {
	*httptest.Server
	t   *testing.T
	mux *http.ServeMux

	mu     sync.Mutex
	valid  map[string]bool // access tokens
	used   int
	limit  int
	forbid string   // body with which the limits resource is refused
	seen   []string // method and path of each call but those of connecting
	sleeps []time.Duration
	limits func() string // more members of the limits resource
}

func newFake(t *testing.T) *fakeOrg {
	f := &fakeOrg{t: t, mux: http.NewServeMux(), valid: map[string]bool{"tok": true}, limit: 1_000_000}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	f.mux.HandleFunc("GET /services/oauth2/userinfo", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, fmt.Sprintf(`{"user_id":%q,"organization_id":%q,"preferred_username":"ada@example.com"}`, userID, orgID))
	})
	f.mux.HandleFunc("GET "+v+"limits", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.forbid != "" {
			writeJSON(w, 403, f.forbid)
			return
		}
		more := ""
		if f.limits != nil {
			more = f.limits()
		}
		writeJSON(w, 200, fmt.Sprintf(`{"DailyApiRequests":{"Max":%d,"Remaining":%d}%s}`, f.limit, f.limit-f.used, more))
	})
	return f
}

func (f *fakeOrg) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/services/oauth2/token" {
		f.mux.ServeHTTP(w, r)
		return
	}
	f.mu.Lock()
	if !strings.HasSuffix(r.URL.Path, "/userinfo") && !strings.HasSuffix(r.URL.Path, "/limits") {
		f.seen = append(f.seen, r.Method+" "+r.URL.RequestURI())
	}
	ok := f.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	f.used++
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", f.used, f.limit))
	f.mu.Unlock()
	if !ok {
		writeJSON(w, 401, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`)
		return
	}
	f.mux.ServeHTTP(w, r)
}

func (f *fakeOrg) on(pattern string, h http.HandlerFunc) { f.mux.HandleFunc(pattern, h) }

func (f *fakeOrg) calls(part string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.seen {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

func (f *fakeOrg) config() salesforce.Config {
	return salesforce.Config{
		InstanceURL: f.URL,
		Credentials: salesforce.Credentials{AccessToken: "tok"},
		Budget:      salesforce.Budget{Share: 1},
		Sleep: func(ctx context.Context, d time.Duration) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.sleeps = append(f.sleeps, d)
			return ctx.Err()
		},
		Chance: func() float64 { return 0.5 },
	}
}

func (f *fakeOrg) connect() *salesforce.Org {
	f.t.Helper()
	org, err := salesforce.Connect(f.t.Context(), f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	return org
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// failFirst answers the first calls with the given answers, in turn, and then as h does.
func failFirst(h http.HandlerFunc, answers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		i := n
		n++
		mu.Unlock()
		if i < len(answers) {
			answers[i](w, r)
			return
		}
		h(w, r)
	}
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, status, body) }
}

// cutAfter writes some of a 200 answer and then breaks the connection.
func cutAfter(contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hangUp breaks the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// account is a small object with a field of each kind of value.
func account() *sf.Object {
	return &sf.Object{Name: "Account", KeyPrefix: "001", Queryable: true, Fields: []*sf.Field{
		{Name: "Id", Type: sf.TypeID},
		{Name: "Name", Type: sf.TypeString},
		{Name: "Active__c", Type: sf.TypeBoolean},
		{Name: "Revenue", Type: sf.TypeCurrency},
		{Name: "Founded", Type: sf.TypeDate},
		{Name: "Call", Type: sf.TypeTime},
		{Name: "SystemModstamp", Type: sf.TypeDatetime},
		{Name: "ParentId", Type: sf.TypeReference},
		{Name: "BillingAddress", Type: sf.TypeAddress},
		{Name: "Body", Type: sf.TypeBase64},
	}}
}

// idOf returns the n-th Id of the object with that key prefix.
func idOf(prefix string, n int) sf.ID {
	id, err := sf.ParseID(fmt.Sprintf("%s%012d", prefix, n))
	if err != nil {
		panic(err)
	}
	return id
}

func collect(t *testing.T, org *salesforce.Org, x sf.Extract) ([]sf.Record, error) {
	t.Helper()
	var out []sf.Record
	for r, err := range org.Records(t.Context(), x) {
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

func mustConnect(t *testing.T, c salesforce.Config) *salesforce.Org {
	t.Helper()
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return org
}
