package salesforce_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
)

// TestComplaintsSlowAllCalls: while an org says that there are too many calls at once, fewer wait for it
// at once, and when it is content again there are more.
func TestComplaintsSlowAllCalls(t *testing.T) {
	f := newFake(t)
	var busy, most atomic.Int64
	var complain atomic.Bool
	complain.Store(true)
	f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) {
		n := busy.Add(1)
		defer busy.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		if complain.Load() {
			writeJSON(w, 503, `[{"errorCode":"SERVER_UNAVAILABLE","message":"too busy"}]`)
			return
		}
		writeJSON(w, 200, `{"totalSize":1,"done":true}`)
	})
	org := f.connect()
	ask := func(calls int) int64 {
		most.Store(0)
		var group sync.WaitGroup
		for range 24 {
			group.Go(func() {
				for range calls {
					_, _ = org.Count(t.Context(), "Account", false)
				}
			})
		}
		group.Wait()
		return most.Load()
	}
	if n := ask(1); n > 16 {
		t.Errorf("%d calls at once", n)
	}
	if n := ask(1); n > 2 {
		t.Errorf("%d calls at once at an org that complains", n)
	}
	complain.Store(false)
	if n := ask(10); n < 8 || n > 16 {
		t.Errorf("%d calls at once at an org that is content again", n)
	}
}

// TestBandwidthIsBounded: many connections together receive no faster than they may.
func TestBandwidthIsBounded(t *testing.T) {
	f := newFake(t)
	body := `{"totalSize":1,"done":true,"pad":"` + strings.Repeat("x", 100<<10) + `"}`
	f.on("GET "+v+"query", answer(200, body))
	c := f.config()
	c.Budget.Bandwidth = 1 << 20
	var mu sync.Mutex
	now := time.Now()
	var slept time.Duration
	c.HTTPClient = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	c.Sleep = sleepUntil(&mu, &slept)
	org := mustConnect(t, c)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5 {
				if _, err := org.Count(t.Context(), "Account", false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	// The clock stands still: what is owed at the end is the time that all bytes take.
	if low, high := 1900*time.Millisecond, 2300*time.Millisecond; slept < low || slept > high {
		t.Errorf("2,000 KiB at 1 MiB a second took %v", slept)
	}
	c.Budget.Bandwidth = 1000
	if _, err := salesforce.Connect(t.Context(), c); problem.KindOf(err) != problem.Usage {
		t.Errorf("1,000 bytes a second: %v", err)
	}
}

// limitedOrg serves Bulk jobs that end at once, and REST.
func limitedOrg(t *testing.T, jobs, used int) *fakeOrg {
	f := newFake(t)
	var mu sync.Mutex
	f.limits = func() string {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprintf(`,"DailyBulkV2QueryJobs":{"Max":%d,"Remaining":%d}`, jobs, jobs-used)
	}
	f.on("POST "+v+"jobs/query", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if used++; used > jobs {
			writeJSON(w, 400, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"DailyBulkV2QueryJobs Limit exceeded."}]`)
			return
		}
		writeJSON(w, 200, `{"id":"750000000000001AAA","state":"UploadComplete"}`)
	})
	f.on("GET "+v+"jobs/query/{id}", answer(200, `{"id":"750000000000001AAA","state":"JobComplete","numberRecordsProcessed":1}`))
	f.on("GET "+v+"jobs/query/{id}/results", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Sforce-Locator", "null")
		w.Header().Set("Sforce-NumberOfRecords", "1")
		_, _ = io.WriteString(w, "\"Id\",\"Name\"\n\""+accountID+"\",\"Acme\"\n")
	})
	f.on("GET "+v+"query", answer(200, `{"totalSize":1,"done":true,"records":[{"Id":"`+accountID+`","Name":"Acme"}]}`))
	return f
}

// TestTrap14BulkShareIsKeptAndRESTTakesOver: when the share of the org's Bulk jobs is used up, or all of
// them, every row still comes, by REST, and no job is begun.
func TestTrap14BulkShareIsKeptAndRESTTakesOver(t *testing.T) {
	for _, c := range []struct {
		jobs, used int
		share      float64
		begun      int // of 20
	}{{100, 0, 0.1, 10}, {100, 95, 1, 5}, {100, 60, 0.5, 0}, {10_000, 0, 0.5, 20}} {
		f := limitedOrg(t, c.jobs, c.used)
		config := f.config()
		config.Budget.Share = c.share
		org := mustConnect(t, config)
		for range 20 {
			rows, err := collect(t, org, sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 10_000})
			if err != nil || len(rows) != 1 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
		}
		if n := f.calls("POST " + v + "jobs/query"); n != c.begun {
			t.Errorf("%+v: %d jobs begun", c, n)
		}
	}
}

// TestTrap14OrgWithoutJobsIsReadByREST: somebody else has used up the jobs since the limits were read.
func TestTrap14OrgWithoutJobsIsReadByREST(t *testing.T) {
	f := limitedOrg(t, 0, 0) // a limit of 0 is none that is known
	rows, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 10_000})
	if err != nil || len(rows) != 1 || f.calls("GET "+v+"query?") != 1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// sleepUntil is a sleep of a clock that stands still: it keeps the longest that anybody was told to sleep.
func sleepUntil(mu *sync.Mutex, longest *time.Duration) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		*longest = max(*longest, d)
		return ctx.Err()
	}
}

// TestTrap09APageThatSaysItIsTheLast: the org counts more rows than its pages held.
func TestTrap09APageThatSaysItIsTheLast(t *testing.T) {
	b := newBulk(t, 30, 10)
	b.sabotage = func(page, _ int, w http.ResponseWriter, _ string) bool {
		if page == 1 {
			w.Header().Set("Sforce-Locator", "null")
		}
		return false
	}
	if rows, err := collect(t, b.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 30_000}); err == nil {
		t.Errorf("%d of 30 rows, and nobody complains", len(rows))
	}
}

// TestTrap10APageOfAnotherTypeIsNoData: what a proxy has made of an answer may look like rows.
func TestTrap10APageOfAnotherTypeIsNoData(t *testing.T) {
	b := newBulk(t, 3, 10)
	b.sabotage = func(_, _ int, w http.ResponseWriter, _ string) bool {
		w.Header().Set("Content-Type", "text/html")
		return false
	}
	if rows, err := collect(t, b.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 30_000}); err == nil || len(rows) > 0 {
		t.Errorf("%d rows of a page of HTML, %v", len(rows), err)
	}
}

// TestTrap13NulAndOddBytesArriveAsTheyAre: from the pages of a job to the values of records.
func TestTrap13NulAndOddBytesArriveAsTheyAre(t *testing.T) {
	b := newBulk(t, 1, 10)
	want := "\x00a\x00\ufeff\u2028\x01\x7f\r\n\r\n "
	b.text = func(int) string { return want }
	rows, err := collect(t, b.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 30_000})
	if err != nil || len(rows) != 1 {
		t.Fatal(len(rows), err)
	}
	if got := rows[0].Get("Name").Text(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
