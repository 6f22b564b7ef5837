package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

const (
	// bulkPageRows is the size of a page of results that is asked for: few calls for many rows, and
	// not too much to read again when the connection breaks.
	bulkPageRows = 200_000
	firstPoll    = 250 * time.Millisecond
	maxPoll      = 20 * time.Second
	// maxQueryPoll is reached after a minute or two, of which it then is no large part: a job of ten minutes
	// costs some twenty polls, and one of a second four.
	maxQueryPoll = time.Minute
	// maxPolls bounds the waiting for a job to some days; the platform gives up long before.
	maxPolls = 15_000
	// abortTime is what a job that nobody waits for any more may cost to abort.
	abortTime = 10 * time.Second
)

// errNoBulk marks a query that Bulk does not serve although REST may.
var errNoBulk = errors.New("not served by the Bulk API")

// jobForm is what the Id of a job looks like, so that it may go into a path as it is.
var jobForm = regexp.MustCompile(`^[0-9A-Za-z]{15,18}$`)

// codeForm is what a status code looks like before the colon of an error message.
var codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)

// job is the state of a Bulk API 2.0 job, query or ingest.
type job struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Processed *int64 `json:"numberRecordsProcessed"`
	Failed    *int64 `json:"numberRecordsFailed"` // ingest only
	Error     string `json:"errorMessage"`
}

// bulkQuery runs the query as a Bulk API 2.0 job and gives each record once to fn until that
// returns false. A job that is left before its end is aborted.
func (o *Org) bulkQuery(ctx context.Context, e *extraction, fn func(sf.Record) bool) error {
	what := "bulk query " + e.Object.Name
	reserved, err := o.reserveJob(ctx, what, e)
	if err != nil {
		return err
	}
	d := &delivery{e: e, fn: fn, locators: map[string]bool{}}
	id, err := o.startQuery(ctx, what, e)
	defer func() { o.bulk.settle(id != "", reserved, d.bytes) }()
	if err != nil {
		return err
	}
	path := o.data("jobs/query/" + id)
	j, err := o.awaitQuery(ctx, what, path)
	if err != nil {
		if j.State != string(sf.JobFailed) && j.State != string(sf.JobAborted) {
			o.abandon(ctx, path)
		}
		return err
	}
	if *j.Processed == 0 {
		return nil
	}
	err = o.queryResults(ctx, what, path, d)
	switch {
	case errors.Is(err, errStopped):
		return nil
	case err != nil:
		return err
	case d.rows != *j.Processed:
		return o.giveUp(what, damaged("the org counts %d rows and sent %d", *j.Processed, d.rows))
	}
	return nil
}

// startQuery creates the job. Creating it twice is harmless: the first one ends unread.
func (o *Org) startQuery(ctx context.Context, what string, e *extraction) (string, error) {
	operation := "query"
	if e.IncludeDeleted {
		operation = "queryAll"
	}
	body, err := json.Marshal(map[string]string{
		"operation": operation, "query": e.query(nil),
		"contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
	})
	if err != nil {
		return "", err
	}
	var j job
	err = o.json(ctx, call{
		what: what, method: http.MethodPost, path: o.data("jobs/query"), repeat: true,
		header: map[string]string{"Content-Type": mediaJSON}, body: fixedBody(body),
	}, &j)
	if f, ok := errors.AsType[*Fault](err); ok && (unservedByBulk(f.Code+": "+f.Message) || f.noMoreJobs()) {
		return "", fmt.Errorf("%s: %w: %w", what, errNoBulk, f)
	}
	if err != nil {
		return "", err
	}
	if !jobForm.MatchString(j.ID) {
		return "", fmt.Errorf("%s: %w: job %q", what, errDamaged, oneLine(j.ID))
	}
	return j.ID, nil
}

// unservedByBulk reads from an error that the object or a field cannot go through Bulk. The texts
// are those that tap-salesforce's list of exceptions records.
func unservedByBulk(text string) bool {
	return strings.Contains(text, "is not supported by the Bulk API") ||
		strings.Contains(text, "FeatureNotEnabled") || strings.Contains(text, "FEATURENOTENABLED") ||
		strings.Contains(text, "Cannot serialize value for")
}

// noMoreJobs reports that the org takes no more Bulk jobs today, whatever calls are left. The words of
// the message are unverified.
func (f *Fault) noMoreJobs() bool {
	return f.spent() && strings.Contains(f.Message, "Bulk")
}

// awaitQuery polls the job until it is complete.
func (o *Org) awaitQuery(ctx context.Context, what, path string) (job, error) {
	wait := firstPoll
	for range maxPolls {
		var j job
		if err := o.json(ctx, call{what: what, method: http.MethodGet, path: path, repeat: true}, &j); err != nil {
			return j, err
		}
		j.Error = o.line(j.Error)
		switch sf.JobState(j.State) {
		case sf.JobComplete:
			if j.Processed == nil {
				return j, fmt.Errorf("%s: %w: the job does not say how many rows it has", what, errDamaged)
			}
			return j, nil
		case sf.JobFailed, sf.JobAborted:
			if unservedByBulk(j.Error) {
				return j, fmt.Errorf("%s: %w: %s", what, errNoBulk, oneLine(j.Error))
			}
			return j, problem.Wrap(problem.Failed, reasonOf(j), fmt.Sprintf("%s: job %s is %s", what, j.ID, j.State)).
				Hint("look at the job under Setup, Bulk Data Load Jobs")
		}
		if err := o.pace.sleep(ctx, wait/2+time.Duration(o.pace.chance()*float64(wait/2))); err != nil {
			return j, fmt.Errorf("%s: %w", what, err)
		}
		wait = min(wait*2, maxQueryPoll)
	}
	return job{}, problem.New(problem.Unreachable, what+": the job does not end")
}

// reasonOf returns why a job failed: as a Fault where the org gives a code, which callers look for.
func reasonOf(j job) error {
	text := oneLine(j.Error)
	if text == "" {
		return errors.New("the org gives no reason")
	}
	code, message, found := strings.Cut(text, ":")
	if code = strings.TrimSpace(code); found && codeForm.MatchString(code) {
		return &Fault{Code: code, Message: strings.TrimSpace(message)}
	}
	return errors.New(text)
}

// abandon aborts a job that nobody waits for any more. It may fail without consequence: the org then
// finishes the job for nothing.
func (o *Org) abandon(ctx context.Context, path string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	var j job
	_ = o.json(ctx, abortCall("abort the job", path), &j)
}

func abortCall(what, path string) call {
	return call{
		what: what, method: http.MethodPatch, path: path, repeat: true, attempts: 1,
		header: map[string]string{"Content-Type": mediaJSON}, body: fixedBody([]byte(`{"state":"Aborted"}`)),
	}
}

// queryResults reads the pages of a complete job. They must be asked for with the API version that
// created the job, which is the connection's.
func (o *Org) queryResults(ctx context.Context, what, path string, d *delivery) error {
	for locator := ""; ; locator = d.next {
		q := url.Values{"maxRecords": {strconv.Itoa(bulkPageRows)}}
		if locator != "" {
			q.Set("locator", locator)
		}
		_, err := o.fetch(ctx, &csvPage{
			call:   call{what: what, path: path + "/results?" + q.Encode()},
			counts: true, header: d.header, row: d.row, answer: d.answer,
		})
		if err != nil {
			return err
		}
		if d.next == "" {
			return nil
		}
		if d.locators[d.next] {
			return o.giveUp(what, damaged("the locator %q came twice", oneLine(d.next)))
		}
		d.locators[d.next] = true
	}
}

// delivery turns the rows of all pages of a job into records.
type delivery struct {
	e        *extraction
	fn       func(sf.Record) bool
	names    []string // header row of the first page
	column   []int    // for each column, the position in the shape; -1 is Id
	next     string   // locator of the next page; empty after the last
	locators map[string]bool
	rows     int64
	bytes    int64 // of their fields
}

// answer takes the locator from the headers. The literal text null says that there is no more; a
// missing header says nothing, so it is damage (a proxy has removed it).
func (d *delivery) answer(h http.Header) error {
	switch locator := h.Get("Sforce-Locator"); locator {
	case "":
		return damaged("no header Sforce-Locator, without which the next page cannot be known")
	case "null":
		d.next = ""
	default:
		d.next = locator
	}
	return nil
}

// header matches the columns with the fields, once each and no other. Every page repeats the header
// row, so it must be the same on all.
func (d *delivery) header(names []string) error {
	if d.names != nil {
		if !slices.Equal(names, d.names) {
			return damaged("a page with the columns %.200q, the first had %.200q", names, d.names)
		}
		return nil
	}
	fields := d.e.shape.Fields()
	seen := make(map[string]bool, len(names))
	column := make([]int, len(names))
	for i, name := range names {
		column[i] = -1
		if name != "Id" {
			if column[i] = d.e.shape.Index(name); column[i] < 0 {
				return damaged("a column %.40q that was not asked for", name)
			}
		}
		seen[name] = true
	}
	if !seen["Id"] || len(seen) != len(fields)+1 || len(names) != len(seen) {
		return damaged("the columns are not the %d fields that were asked for: %.200q", len(fields)+1, names)
	}
	d.names, d.column = names, column
	return nil
}

func (d *delivery) row(fields [][]byte) error {
	r, err := d.record(fields)
	if err != nil {
		return err
	}
	d.rows++
	if !d.fn(r) {
		return errStopped
	}
	return nil
}

// record makes one text of the whole row and cuts the values from it: one allocation instead of one
// for each field.
func (d *delivery) record(fields [][]byte) (sf.Record, error) {
	size := 0
	for _, f := range fields {
		size += len(f)
	}
	d.bytes += int64(size + len(fields))
	var b strings.Builder
	b.Grow(size)
	for _, f := range fields {
		b.Write(f)
	}
	rest := b.String()
	r := sf.Record{Shape: d.e.shape, Values: make([]sf.Value, d.e.shape.Len())}
	for i, f := range fields {
		text := rest[:len(f)]
		rest = rest[len(f):]
		var err error
		at := d.column[i]
		if at < 0 {
			r.ID, err = parseID(text)
		} else {
			r.Values[at], err = canonical(d.e.types[at], text)
		}
		if err != nil {
			return sf.Record{}, fmt.Errorf("record %s, field %s: %w", r.ID, d.names[i], err)
		}
	}
	return r, nil
}
