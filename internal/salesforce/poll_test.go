package salesforce_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"holdfast/internal/sf"
)

// TestJobsAreAskedForSparingly: a short job is found soon after it ended, and one that takes long costs few calls.
func TestJobsAreAskedForSparingly(t *testing.T) {
	for _, c := range []struct {
		takes, late time.Duration
		polls       int
	}{
		{time.Second, time.Second, 5},
		{time.Minute, time.Minute, 10},
		{10 * time.Minute, time.Minute, 22},
		{time.Hour, time.Minute, 90},
	} {
		t.Run(c.takes.String(), func(t *testing.T) {
			f := newFake(t)
			f.on("POST "+v+"jobs/query", func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, 200, fmt.Sprintf(`{"id":%q,"state":"UploadComplete"}`, queryJob))
			})
			slept := func() (sum time.Duration) {
				f.mu.Lock()
				defer f.mu.Unlock()
				for _, d := range f.sleeps {
					sum += d
				}
				return sum
			}
			f.on("GET "+v+"jobs/query/"+queryJob, func(w http.ResponseWriter, _ *http.Request) {
				state := "InProgress"
				if slept() >= c.takes {
					state = "JobComplete"
				}
				writeJSON(w, 200, fmt.Sprintf(`{"id":%q,"state":%q,"numberRecordsProcessed":0}`, queryJob, state))
			})
			for _, err := range f.connect().Records(t.Context(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 1_000_000}) {
				t.Fatal(err)
			}
			if n := f.calls("GET " + v + "jobs/query/"); n > c.polls || slept() > c.takes+c.late {
				t.Errorf("%d polls, and found %v late", n, slept()-c.takes)
			}
		})
	}
}
