package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// timedOrg gives the requests of a maze's org times by its clock: each call has one of its kind, rows that are
// written add to it, and jobs end when their rows have had theirs. No clock of the machine has a part in it.
type timedOrg struct {
	*mazeOrg
	call, describe, row, queue, jobRow time.Duration

	mu    sync.Mutex
	noise *rand.Rand
	began map[string]time.Time // jobs
	ends  map[string]time.Time
	asked int64 // by the test itself
}

// witnessed marks requests of the test.
const witnessed = "X-Witness"

func newTimedOrg(t testing.TB, seed uint64, size int) *timedOrg {
	o := &timedOrg{mazeOrg: newMazeOrg(t, seed, size), began: map[string]time.Time{}, ends: map[string]time.Time{}}
	o.noise = rand.New(rand.NewPCG(seed, 77))
	between := func(low, high time.Duration) time.Duration {
		return low + time.Duration(o.noise.Int64N(int64(high-low)))
	}
	o.call, o.describe = between(80*time.Millisecond, 900*time.Millisecond), between(300*time.Millisecond, 2*time.Second)
	o.row, o.jobRow = between(2*time.Millisecond, 40*time.Millisecond), between(time.Millisecond, 30*time.Millisecond)
	o.queue = between(500*time.Millisecond, 20*time.Second)
	narrowed := testkit.Narrow(mazeSees...)
	o.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Header.Get(witnessed) != "" {
			return emulator.Fault{}
		}
		o.pass(q)
		var f emulator.Fault
		switch {
		case q.Op == "GET sobjects":
			f.Rewrite = narrowed
		case q.Op == "PATCH jobs/ingest/*":
			f.Before = func() { o.begin(q.Path) }
		case q.Op == "GET jobs/ingest/*":
			f.Before = func() { o.await(q.Path) }
			f.Rewrite = func(status int, h http.Header, body []byte) (int, []byte) { return status, o.stateNow(q.Path, body) }
		case strings.Contains(q.Path, "composite/sobjects"), strings.Contains(q.Path, "/services/Soap/u"):
			f.Rewrite = func(status int, h http.Header, body []byte) (int, []byte) {
				rows := bytes.Count(body, []byte(`"success"`)) + bytes.Count(body, []byte("<success>"))
				o.server.Clock().Advance(time.Duration(rows) * o.row)
				return status, body
			}
		}
		return f
	})
	return o
}

// pass lets the time of a call go by, three fifths to seven fifths of what is usual.
func (o *timedOrg) pass(q emulator.Request) {
	d := o.call
	if strings.HasSuffix(q.Path, "/composite/batch") || q.Op == "GET sobjects" {
		d = o.describe
	}
	o.mu.Lock()
	share := 0.6 + 0.8*o.noise.Float64()
	o.mu.Unlock()
	o.server.Clock().Advance(time.Duration(float64(d) * share))
}

func (o *timedOrg) begin(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.began[path].IsZero() {
		o.began[path] = o.server.Clock().Now()
	}
}

// await waits until the emulator has really done the job, and says when it ends by the clock.
func (o *timedOrg) await(path string) {
	for {
		o.mu.Lock()
		o.asked++
		o.mu.Unlock()
		q, err := http.NewRequestWithContext(o.Context(), http.MethodGet, o.server.URL+path, nil)
		if err != nil {
			o.Error(err)
			return
		}
		q.Header.Set("Authorization", "Bearer "+o.server.AccessToken)
		q.Header.Set(witnessed, "yes")
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			return // the test is over
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		var job struct {
			State     string `json:"state"`
			Processed int    `json:"numberRecordsProcessed"`
		}
		if err != nil || json.Unmarshal(body, &job) != nil {
			o.Errorf("job %s: %s", path, body)
			return
		}
		if job.State != "UploadComplete" && job.State != "InProgress" {
			o.mu.Lock()
			if begun := o.began[path]; o.ends[path].IsZero() && !begun.IsZero() {
				o.ends[path] = begun.Add(o.queue + time.Duration(job.Processed)*o.jobRow)
			}
			o.mu.Unlock()
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// stateNow is the answer with the state that the job has by the clock.
func (o *timedOrg) stateNow(path string, body []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.server.Clock().Now().Before(o.ends[path]) {
		return body
	}
	return bytes.Replace(body, []byte(`"JobComplete"`), []byte(`"InProgress"`), 1)
}

func (o *timedOrg) requests() int64 {
	total, _ := o.server.Calls()
	o.mu.Lock()
	defer o.mu.Unlock()
	return total - o.asked
}

// restoreTimed wrecks the org, restores it and returns the report.
func (o *timedOrg) restoreTimed(snapshot, journal string, journals []string) run.ApplyResult {
	o.Helper()
	o.wreck()
	r := o.restore(run.RestoreInput{Snapshot: snapshot, DeleteExtra: o.chance(50), Journals: journals})
	if r.Plan.Empty() {
		return run.ApplyResult{}
	}
	in := o.input(r, journal)
	in.Journals = journals
	in.Options.Now = o.server.Clock().Now
	in.Options.Wait = func(_ context.Context, d time.Duration) error { o.server.Clock().Advance(d); return nil }
	before := o.requests()
	out, err := run.Apply(o.Context(), in)
	if err != nil && problem.KindOf(err) != problem.Partial { // a record that stays may hold a unique value
		o.Fatal(err)
	}
	calls := int64(0)
	for _, s := range out.Spent {
		calls += s.Calls
	}
	if made := o.requests() - before; made != calls {
		o.Errorf("the report counts %d calls and the org %d", calls, made)
	}
	if r.Forecast == nil || out.Forecast == nil || r.Forecast.Calls != out.Forecast.Calls {
		o.Errorf("the plan forecast %+v and its application %+v", r.Forecast, out.Forecast)
	}
	o.server.Clock().Advance(time.Hour)
	return out
}

// A plan says beforehand how many calls and bytes and how much time its application takes, and is not far off once
// an application to the same org was measured, whatever sizes, operations and APIs are in it.
func TestForecastOfPlans(t *testing.T) {
	from, to := seeds(t, 5, 100)
	var mu sync.Mutex
	var calls, size, took []float64
	inside, unmeasured := 0, 0
	t.Run("orgs", func(t *testing.T) {
		for seed := from; seed < to; seed++ {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				o := newTimedOrg(t, seed, []int{8, 40, 150}[seed%3])
				first := o.backup()
				var journals []string
				for n := range 3 {
					journal := filepath.Join(t.TempDir(), fmt.Sprint(n, ".journal"))
					out := o.restoreTimed(first.Snapshot.ID, journal, slices.Clone(journals))
					journals = append(journals, journal)
					if out.Forecast == nil {
						continue
					}
					var was run.SpentRow
					for _, s := range out.Spent {
						was.Calls, was.Bytes, was.Millis = was.Calls+s.Calls, was.Bytes+s.Bytes, was.Millis+s.Millis
					}
					off := func(f run.RangeRow, was int64) float64 { return math.Abs(float64(f.Likely-was)) / float64(max(was, 1)) }
					f := out.Forecast
					if n == 0 {
						mu.Lock()
						unmeasured++
						if was.Millis >= f.Millis.Low && was.Millis <= f.Millis.High {
							inside++
						}
						mu.Unlock()
						continue
					}
					mu.Lock()
					calls, size, took = append(calls, off(f.Calls, was.Calls)), append(size, off(f.Bytes, was.Bytes)), append(took, off(f.Millis, was.Millis))
					mu.Unlock()
					if testing.Verbose() {
						for _, k := range f.Kinds {
							for _, s := range out.Spent {
								if s.Kind == k.Kind {
									t.Logf("%s: rows %d/%d calls %d/%d bytes %d/%d ms %d/%d", k.Kind, k.Rows, s.Rows, k.Calls.Likely, s.Calls, k.Bytes.Likely, s.Bytes, k.Millis.Likely, s.Millis)
								}
							}
						}
						t.Logf("all: calls %+v/%d bytes %+v/%d ms %+v/%d", f.Calls, was.Calls, f.Bytes, was.Bytes, f.Millis, was.Millis)
					}
				}
			})
		}
	})
	if len(took) == 0 {
		t.Fatal("no restore had anything to do")
	}
	p90 := func(all []float64) float64 {
		slices.Sort(all)
		return all[int(math.Ceil(0.9*float64(len(all))))-1]
	}
	c, b, d := p90(calls), p90(size), p90(took)
	t.Logf("%d restores, error at p90: calls %.1f %%, bytes %.1f %%, time %.1f %%; by defaults %d of %d times in range",
		len(took), 100*c, 100*b, 100*d, inside, unmeasured)
	const most = 0.25
	if c > most || b > most || d > most {
		t.Errorf("a forecast is further off than %.0f %%", 100*most)
	}
}
