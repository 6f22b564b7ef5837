// Command emulator measures the emulated org: start-up, rows written and read, memory for a million
// rows, clone, save and load, and bytes of Bulk results served, beside a plain copy of the same bytes
// over net/http. It judges nothing; it prints a table.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
)

func main() {
	rows := flag.Int("rows", 1_000_000, "rows of 15 columns")
	runs := flag.Int("runs", 3, "counted runs of each download")
	flag.Parse()
	if err := run(context.Background(), *rows, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// columns are the custom fields of the object, beside Id, Name and the audit fields.
const columns = 8

func run(ctx context.Context, rows, runs int) error {
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	s, err := emulator.Start(ctx, emulator.Options{Folder: dir, DailyCalls: 1 << 30})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Printf("%-34s %s\n", "start-up", time.Since(began).Round(time.Millisecond))
	if err := fill(s.Org(), rows); err != nil {
		return err
	}
	began = time.Now()
	clone := s.Org().Clone()
	fmt.Printf("%-34s %s\n", fmt.Sprintf("clone of %d rows", rows), time.Since(began).Round(time.Millisecond))
	runtime.KeepAlive(clone)
	began = time.Now()
	if err := s.Save(); err != nil {
		return err
	}
	size, err := os.Stat(dir + "/org.state")
	if err != nil {
		return err
	}
	fmt.Printf("%-34s %s, %.0f MB\n", "save", time.Since(began).Round(time.Millisecond), float64(size.Size())/1e6)
	if err := serve(ctx, s, rows, runs); err != nil {
		return err
	}
	s.Close()
	began = time.Now()
	if s, err = emulator.Start(ctx, emulator.Options{Folder: dir}); err != nil {
		return err
	}
	fmt.Printf("%-34s %s\n", "start-up with the saved org", time.Since(began).Round(time.Millisecond))
	s.Close()
	return nil
}

// fill makes an object and writes its rows through the engine.
func fill(o *org.Org, rows int) error {
	err := o.Change(o.Admin(), func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{
			Name: "Row__c", Label: "Row", LabelPlural: "Rows", NameField: org.NameSpec{Label: "Name"},
		}); err != nil {
			return err
		}
		for i := range columns {
			spec := org.FieldSpec{Name: fmt.Sprintf("F%d__c", i), Label: fmt.Sprintf("F%d", i), Type: "Text", Length: 80}
			if i%4 == 3 {
				spec.Type, spec.Length, spec.Precision, spec.Scale = "Number", 0, 16, 2
			}
			if _, err := tx.PutField("Row__c", spec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	began := time.Now()
	batch := make([]org.Row, 0, 1000)
	for at := range rows {
		row := org.Row{Object: "Row__c", Fields: []org.Assignment{{Field: "Name", Text: "Row " + strconv.Itoa(at)}}}
		for i := range columns {
			text := "value " + strconv.Itoa(at*columns+i)
			if i%4 == 3 {
				text = strconv.Itoa(at) + ".25"
			}
			row.Fields = append(row.Fields, org.Assignment{Field: fmt.Sprintf("F%d__c", i), Text: text})
		}
		if batch = append(batch, row); len(batch) == cap(batch) || at == rows-1 {
			for _, r := range o.Write(o.Admin(), org.Insert, batch, org.Options{}) {
				if !r.Success {
					return &r.Errors[0]
				}
			}
			batch = batch[:0]
		}
	}
	took := time.Since(began)
	debug.FreeOSMemory()
	fmt.Printf("%-34s %.0f rows/s\n", fmt.Sprintf("write %d rows of %d columns", rows, columns+7), float64(rows)/took.Seconds())
	fmt.Printf("%-34s %.0f MB\n", "resident memory", resident())
	return nil
}

// resident is the memory of this process in megabytes, as Linux counts it; 0 elsewhere.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

// serve runs a Bulk query over all rows and downloads its results.
func serve(ctx context.Context, s *emulator.Server, rows, runs int) error {
	fields := []string{"Id", "Name", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"}
	for i := range columns {
		fields = append(fields, fmt.Sprintf("F%d__c", i))
	}
	root := s.URL + "/services/data/v66.0/jobs/query"
	body, err := json.Marshal(map[string]string{"operation": "query", "query": "SELECT " + strings.Join(fields, ",") + " FROM Row__c"})
	if err != nil {
		return err
	}
	var job struct{ ID, State string }
	began := time.Now()
	if err := ask(ctx, s, http.MethodPost, root, body, &job); err != nil {
		return err
	}
	for job.State != "JobComplete" {
		if err := ask(ctx, s, http.MethodGet, root+"/"+job.ID, nil, &job); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("%-34s %s\n", "Bulk query job", time.Since(began).Round(time.Millisecond))
	results := fmt.Sprintf("%s/%s/results?maxRecords=%d", root, job.ID, rows) // a page ends with its chunk all the same
	var bound, whole float64
	for _, packed := range []bool{false, true} {
		var best float64
		var size int64
		for range runs {
			began := time.Now()
			n, err := download(ctx, s.AccessToken, results, packed)
			if err != nil {
				return err
			}
			if size = n; !packed {
				whole = float64(n)
			}
			best = max(best, whole/1e6/time.Since(began).Seconds()) // of what is unpacked
		}
		if !packed {
			if bound, err = plain(ctx, s.AccessToken, results, runs); err != nil {
				return err
			}
			fmt.Printf("%-34s %.0f MB/s of %.0f MB, %.0f rows/s; a plain copy %.0f MB/s, ratio %.2f\n",
				"Bulk results", best, float64(size)/1e6, best*1e6/float64(size)*float64(rows), bound, best/bound)
			continue
		}
		fmt.Printf("%-34s %.0f MB/s unpacked, %.0f MB on the wire\n", "Bulk results, gzip", best, float64(size)/1e6)
	}
	return nil
}

func request(ctx context.Context, token, method, url string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Encoding", "identity")
	return http.DefaultClient.Do(r)
}

func ask(ctx context.Context, s *emulator.Server, method, url string, body []byte, v any) error {
	resp, err := request(ctx, s.AccessToken, method, url, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what it says beside its status
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, why)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// download reads results, page after page, and returns how many bytes came.
func download(ctx context.Context, token, url string, packed bool) (int64, error) {
	var all int64
	for page := url; ; {
		n, next, err := downloadPage(ctx, token, page, packed)
		if all += n; err != nil || next == "" || next == "null" {
			return all, err
		}
		page = url + "&locator=" + next
	}
}

// downloadPage reads one page and returns the locator of the next one.
func downloadPage(ctx context.Context, token, url string, packed bool) (n int64, next string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Encoding", "identity")
	if packed {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	n, err = io.Copy(io.Discard, resp.Body)
	return n, resp.Header.Get("Sforce-Locator"), err
}

// plain serves the same bytes from memory and returns how fast they come.
func plain(ctx context.Context, token, url string, runs int) (float64, error) {
	size, err := download(ctx, token, url, false)
	if err != nil {
		return 0, err
	}
	body := bytes.Repeat([]byte("\"value 1234567\","), int(size)/16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for at := 0; at < len(body); at += 64 << 10 {
			if _, err := w.Write(body[at:min(at+64<<10, len(body))]); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	var best float64
	for range runs {
		began := time.Now()
		n, err := download(ctx, token, server.URL, false)
		if err != nil {
			return 0, err
		}
		best = max(best, float64(n)/1e6/time.Since(began).Seconds())
	}
	return best, nil
}
