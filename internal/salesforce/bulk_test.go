package salesforce_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/salesforce/csv"
	"holdfast/internal/sf"
)

// bulkOrg serves one query job of n rows in pages of size rows.
type bulkOrg struct {
	*fakeOrg
	n, size int
	polls   int
	text    func(i int) string
	// sabotage may answer a page in its own way; it is told how often the page was asked for before.
	sabotage func(page, times int, w http.ResponseWriter, body string) bool
	asked    map[int]int
	created  map[string]string
}

var queryJob = string(idOf("750", 7))

func newBulk(t *testing.T, n, size int) *bulkOrg {
	b := &bulkOrg{
		fakeOrg: newFake(t), n: n, size: size, asked: map[int]int{},
		text: func(i int) string { return fmt.Sprintf("row \"%d\"\r\n", i) },
	}
	b.on("POST "+v+"jobs/query", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&b.created)
		writeJSON(w, 200, fmt.Sprintf(`{"id":%q,"state":"UploadComplete","apiVersion":66.0}`, queryJob))
	})
	b.on("GET "+v+"jobs/query/"+queryJob, func(w http.ResponseWriter, _ *http.Request) {
		b.polls++
		state := "InProgress"
		if b.polls > 3 {
			state = "JobComplete"
		}
		writeJSON(w, 200, fmt.Sprintf(`{"id":%q,"state":%q,"numberRecordsProcessed":%d}`, queryJob, state, b.n))
	})
	b.on("GET "+v+"jobs/query/"+queryJob+"/results", b.results)
	return b
}

func (b *bulkOrg) results(w http.ResponseWriter, r *http.Request) {
	page := 0
	if l := r.URL.Query().Get("locator"); l != "" {
		page, _ = strconv.Atoi(strings.TrimPrefix(l, "MTAw"))
	}
	b.mu.Lock()
	times := b.asked[page]
	b.asked[page]++
	b.mu.Unlock()
	from, to := page*b.size, min((page+1)*b.size, b.n)
	body := csv.AppendRow(nil, []string{"Id", "Name"})
	for i := from; i < to; i++ {
		body = csv.AppendRow(body, []string{string(idOf("001", i)), b.text(i)})
	}
	next := "null"
	if to < b.n {
		next = fmt.Sprintf("MTAw%d", page+1)
	}
	w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
	w.Header().Set("Sforce-Locator", next)
	w.Header().Set("Sforce-NumberOfRecords", strconv.Itoa(to-from))
	if b.sabotage == nil || !b.sabotage(page, times, w, string(body)) {
		_, _ = w.Write(body)
	}
}

func (b *bulkOrg) read(t *testing.T) ([]sf.Record, error) {
	t.Helper()
	return collect(t, b.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: int64(b.n + 1_000_000)})
}

func TestTrap11PagesAreGluedRight(t *testing.T) {
	for _, c := range []struct{ n, size int }{{2500, 1000}, {120_000, 50_000}, {0, 10}, {1, 1}, {4, 2}} {
		b := newBulk(t, c.n, c.size)
		got, err := b.read(t)
		if err != nil {
			t.Fatal(err)
		}
		checkRows(t, got, c.n)
		if b.created["operation"] != "query" || b.created["contentType"] != "CSV" || strings.Contains(b.created["query"], "ORDER") ||
			b.created["query"] != "SELECT Id, Name FROM Account" {
			t.Errorf("job %v", b.created)
		}
	}
}

func TestTrap12BulkKeepsText(t *testing.T) {
	values := []string{"a\r\nb", "a\rb", "a\nb", "\u2028", "\x00", "\"\"", "\r", "\n", "\xff", "x,y", strings.Repeat("é\r\n", 40_000)}
	b := newBulk(t, len(values), 3)
	b.text = func(i int) string { return values[i] }
	got, err := b.read(t)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if r.Get("Name") != sf.Text(values[i]) {
			t.Errorf("%.40q became %.40q", values[i], r.Get("Name").Text())
		}
	}
}

// TestTrap09BulkPages breaks the second of three pages once; every row still comes once.
func TestTrap09BulkPageIsReadAgain(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter, body string){
		"500":         func(w http.ResponseWriter, _ string) { writeJSON(w, 500, "") },
		"cut mid-row": func(w http.ResponseWriter, body string) { cutAfter("text/csv", body[:len(body)/2])(w, nil) },
		"soft cut":    func(w http.ResponseWriter, body string) { _, _ = io.WriteString(w, body[:len(body)/2]) },
		"row missing": func(w http.ResponseWriter, body string) {
			i := strings.LastIndex(body[:len(body)-1], "\n\"001")
			_, _ = io.WriteString(w, body[:i+1])
		},
		"no locator": func(w http.ResponseWriter, body string) {
			w.Header().Del("Sforce-Locator")
			_, _ = io.WriteString(w, body)
		},
		"no count": func(w http.ResponseWriter, body string) {
			w.Header().Del("Sforce-NumberOfRecords")
			_, _ = io.WriteString(w, body)
		},
		"no header row": func(w http.ResponseWriter, body string) {
			_, _ = io.WriteString(w, body[strings.Index(body, "\n")+1:])
		},
		"other columns": func(w http.ResponseWriter, body string) {
			_, _ = io.WriteString(w, strings.Replace(body, `"Name"`, `"Nam"`, 1))
		},
		"short row": func(w http.ResponseWriter, body string) {
			_, _ = io.WriteString(w, strings.Replace(body, `,"row`, `;"row`, 1))
		},
		"204":   func(w http.ResponseWriter, _ string) { w.WriteHeader(204) },
		"empty": func(http.ResponseWriter, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBulk(t, 2500, 1000)
			b.sabotage = func(page, times int, w http.ResponseWriter, body string) bool {
				if page == 1 && times == 0 {
					fault(w, body)
					return true
				}
				return false
			}
			got, err := b.read(t)
			if err != nil {
				t.Fatal(err)
			}
			checkRows(t, got, 2500)
			b = newBulk(t, 2500, 1000)
			b.sabotage = func(page, _ int, w http.ResponseWriter, body string) bool {
				if page == 1 {
					fault(w, body)
				}
				return page == 1
			}
			if got, err = b.read(t); err == nil {
				t.Errorf("%d rows were accepted as all", len(got))
			}
		})
	}
}

// TestTrap09RowCutAtAQuote cuts a page behind the first half of a doubled quote, where the row looks
// whole and its text is not.
func TestTrap09RowCutAtAQuote(t *testing.T) {
	b := newBulk(t, 10, 10)
	b.sabotage = func(_, times int, w http.ResponseWriter, body string) bool {
		if times == 0 {
			_, _ = io.WriteString(w, body[:strings.Index(body, `"row ""5`)+len(`"row "`)])
		}
		return times == 0
	}
	got, err := b.read(t)
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, got, 10)
}

func TestTrap09BulkPageThatComesBackOther(t *testing.T) {
	b := newBulk(t, 2500, 1000)
	b.sabotage = func(page, times int, w http.ResponseWriter, body string) bool {
		if page != 1 {
			return false
		}
		if times == 0 {
			cutAfter("text/csv", body[:len(body)/2])(w, nil)
		}
		_, _ = io.WriteString(w, strings.Replace(body, string(idOf("001", 1001)), string(idOf("001", 9999)), 1))
		return true
	}
	if got, err := b.read(t); err == nil {
		t.Errorf("%d rows were accepted", len(got))
	}
}

func TestBulkCountsOfTheJobMustAgree(t *testing.T) {
	for name, sabotage := range map[string]func(b *bulkOrg) func(int, int, http.ResponseWriter, string) bool{
		"last page is said to be last too early": func(*bulkOrg) func(int, int, http.ResponseWriter, string) bool {
			return func(page, _ int, w http.ResponseWriter, _ string) bool {
				w.Header().Set("Sforce-Locator", "null")
				return false
			}
		},
		"locator goes in a circle": func(*bulkOrg) func(int, int, http.ResponseWriter, string) bool {
			return func(page, _ int, w http.ResponseWriter, _ string) bool {
				w.Header().Set("Sforce-Locator", "MTAw1")
				return false
			}
		},
	} {
		b := newBulk(t, 2500, 1000)
		b.sabotage = sabotage(b)
		if got, err := b.read(t); err == nil {
			t.Errorf("%s: %d rows were accepted", name, len(got))
		}
	}
}

func TestTrap10ErrorBodiesAreNotData(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter){
		"401 JSON": func(w http.ResponseWriter) { writeJSON(w, 401, `[{"errorCode":"INVALID_SESSION_ID","message":"x"}]`) },
		"503 HTML": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(503)
			_, _ = io.WriteString(w, "<html>\n\"Id\",\"Name\"\n</html>")
		},
		"200 HTML": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "Id,Name\nlog in,here\n")
		},
		"200 JSON": func(w http.ResponseWriter) { writeJSON(w, 200, `[{"errorCode":"X","message":"x"}]`) },
		"409":      func(w http.ResponseWriter) { writeJSON(w, 409, `[{"errorCode":"X","message":"version"}]`) },
	} {
		b := newBulk(t, 10, 10)
		b.sabotage = func(_, _ int, w http.ResponseWriter, _ string) bool {
			fault(w)
			return true
		}
		got, err := b.read(t)
		if err == nil || len(got) != 0 {
			t.Errorf("%s: %d rows, %v", name, len(got), err)
		}
	}
}

func TestBulkResultsAreGunzipped(t *testing.T) {
	b := newBulk(t, 1000, 500)
	b.sabotage = func(_, times int, w http.ResponseWriter, body string) bool {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, body)
		if times == 0 {
			_ = z.Flush() // and no trailer: cut
			return true
		}
		_ = z.Close()
		return true
	}
	got, err := b.read(t)
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, got, 1000)
}

func TestBulkFallsBackToREST(t *testing.T) {
	for name, breakIt := range map[string]func(*fakeOrg){
		"refused": func(f *fakeOrg) {
			f.on("POST "+v+"jobs/query", answer(400, `[{"errorCode":"INVALIDENTITY","message":"Entity 'Account' is not supported by the Bulk API."}]`))
		},
		"failed": func(f *fakeOrg) {
			f.on("POST "+v+"jobs/query", answer(200, fmt.Sprintf(`{"id":%q,"state":"UploadComplete"}`, queryJob)))
			f.on("GET "+v+"jobs/query/"+queryJob, answer(200, fmt.Sprintf(
				`{"id":%q,"state":"Failed","errorMessage":"FeatureNotEnabled : Cannot serialize value for 'X' in CSV format"}`, queryJob)))
		},
	} {
		for _, expect := range []int64{0, 50_000} {
			f := newFake(t)
			breakIt(f)
			restRows(f, "Account", 20_000, 2000, nil)
			got, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: expect})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			checkRows(t, got, 20_000)
		}
	}
}

func TestBulkJobThatFails(t *testing.T) {
	f := newFake(t)
	f.on("POST "+v+"jobs/query", answer(200, fmt.Sprintf(`{"id":%q,"state":"UploadComplete"}`, queryJob)))
	f.on("GET "+v+"jobs/query/"+queryJob, answer(200, fmt.Sprintf(`{"id":%q,"state":"Failed","errorMessage":"INVALID_FIELD: no\nsuch"}`, queryJob)))
	_, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 1e6})
	if fault, ok := errors.AsType[*salesforce.Fault](err); !ok || fault.Error() != "INVALID_FIELD: no such" ||
		problem.KindOf(err) != problem.Failed || !strings.Contains(err.Error(), "is Failed: INVALID_FIELD: no such") {
		t.Errorf("%v", err)
	}
	f = newFake(t)
	f.on("POST "+v+"jobs/query", answer(400, `[{"errorCode":"ExceededQuota","message":"ApiBatchItems Limit exceeded."}]`))
	_, err = collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 1e6})
	if problem.KindOf(err) != problem.Limits {
		t.Errorf("%v", err)
	}
}

func TestAPIIsChosenBySize(t *testing.T) {
	for _, c := range []struct {
		expect, rows int
		bulk         bool
	}{{0, 300, false}, {1500, 300, false}, {0, 90_000, true}, {500, 90_000, true}, {5000, 300, true}, {0, 9_000, false}} {
		b := newBulk(t, c.rows, 100_000)
		restRows(b.fakeOrg, "Account", c.rows, 2000, nil)
		got, err := collect(t, b.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: int64(c.expect)})
		if err != nil {
			t.Fatal(err)
		}
		checkRows(t, got, c.rows)
		if (b.created != nil) != c.bulk {
			t.Errorf("%d expected, %d there: bulk %v; calls %d", c.expect, c.rows, b.created != nil, len(b.seen))
		}
	}
}

func TestLeavingABulkQueryAbortsIt(t *testing.T) {
	b := newBulk(t, 10, 10)
	aborted := false
	b.on("PATCH "+v+"jobs/query/"+queryJob, func(w http.ResponseWriter, _ *http.Request) {
		aborted = true
		writeJSON(w, 200, `{"state":"Aborted"}`)
	})
	c := b.config()
	ctx, cancel := context.WithCancel(t.Context())
	sleep := c.Sleep
	c.Sleep = func(ctx context.Context, d time.Duration) error {
		cancel()
		return sleep(ctx, d)
	}
	org := mustConnect(t, c)
	for _, err := range org.Records(ctx, sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: 1e6}) {
		if problem.KindOf(err) != problem.Interrupted {
			t.Errorf("%v", err)
		}
	}
	if !aborted {
		t.Error("the job goes on")
	}
}

// TestTrap18MemoryDoesNotGrowWithRows reads a page of 60 MB.
func TestTrap18MemoryDoesNotGrowWithRows(t *testing.T) {
	const rows = 60_000
	f := newFake(t)
	f.on("POST "+v+"jobs/query", answer(200, fmt.Sprintf(`{"id":%q,"state":"UploadComplete"}`, queryJob)))
	f.on("GET "+v+"jobs/query/"+queryJob, answer(200, fmt.Sprintf(`{"id":%q,"state":"JobComplete","numberRecordsProcessed":%d}`, queryJob, rows)))
	text := strings.Repeat("0123456789", 100)
	f.on("GET "+v+"jobs/query/"+queryJob+"/results", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Sforce-Locator", "null")
		w.Header().Set("Sforce-NumberOfRecords", strconv.Itoa(rows))
		line := csv.AppendRow(nil, []string{"Id", "Name"})
		for i := range rows {
			_, _ = w.Write(line)
			line = csv.AppendRow(line[:0], []string{string(idOf("001", i)), text})
		}
		_, _ = w.Write(line)
	})
	org := f.connect()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	n, peak := 0, uint64(0)
	for _, err := range org.Records(t.Context(), sf.Extract{Object: account(), Fields: []string{"Name"}, ExpectRows: rows}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%20_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
	}
	if n != rows || peak > before.HeapAlloc+8<<20 {
		t.Errorf("%d rows, %d bytes live, %d before", n, peak, before.HeapAlloc)
	}
}
