package bulk

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// queryPlan is what a query job will run.
type queryPlan struct {
	query *soql.Query
	all   bool
}

// flushBytes is how much of a page is written at once.
const flushBytes = 64 << 10

// pagesPerReply is how many pages the resultPages resource names at a time.
// Source: Bulk API 2.0, "Get Parallel Results for a Query Job".
const pagesPerReply = 5

// servePages answers what lies below a query job: its results, and where they are.
func (j *Jobs) servePages(w http.ResponseWriter, c *wire.Call, b *job) error {
	serve := j.results
	switch {
	case c.Is("jobs", "query", "*", "results"):
	case c.Is("jobs", "query", "*", "resultPages") && c.Major() >= 58:
		serve = j.resultPages
	default:
		return wire.NotFound()
	}
	if c.Method != http.MethodGet {
		return wire.NotAllowed(c.Method, "GET")
	}
	return serve(w, c, b)
}

func (j *Jobs) createQuery(w http.ResponseWriter, c *wire.Call) error {
	var body struct {
		Operation       string `json:"operation"`
		Query           string `json:"query"`
		ContentType     string `json:"contentType"`
		ColumnDelimiter string `json:"columnDelimiter"`
		LineEnding      string `json:"lineEnding"`
	}
	if err := c.ReadOnly(&body); err != nil {
		return err
	}
	if body.Operation != "query" && body.Operation != "queryAll" {
		return wire.BadRequest("INVALIDJOB", "Unsupported operation: "+body.Operation)
	}
	delimiter, ending, err := format(body.ColumnDelimiter, body.LineEnding, body.ContentType)
	if err != nil {
		return err
	}
	q, err := soql.Parse(body.Query)
	if err != nil {
		return err
	}
	plan := queryPlan{query: q, all: body.Operation == "queryAll"}
	object, chunked, err := j.check(c, plan)
	if err != nil {
		return err
	}
	if !j.cfg.Org.Spend("DailyBulkV2QueryJobs", 1) {
		return wire.BadRequest("REQUEST_LIMIT_EXCEEDED", "DailyBulkV2QueryJobs Limit exceeded.")
	}
	b := &job{
		operation: body.Operation, object: object, version: c.Version, caller: c.Caller,
		delimiter: delimiter, ending: ending, query: plan, chunked: chunked, state: uploadComplete,
	}
	j.add(b)
	reply := j.info(b, false)
	j.mu.Lock()
	j.spawn(func() { j.runQuery(b) })
	j.mu.Unlock()
	return wire.Reply(w, http.StatusOK, reply)
}

// check refuses what Bulk API 2.0 does not run, and returns the name of the object and whether it is chunked. The query is
// tried with a limit of no rows, so that names are checked at once.
// Source: Bulk API 2.0, "SOQL Considerations", and messages seen by public clients.
func (j *Jobs) check(c *wire.Call, plan queryPlan) (name string, chunked bool, err error) {
	q := plan.query
	if q.IsAggregate() || q.IsCount() {
		return "", false, wire.BadRequest("FUNCTIONALITY_NOT_ENABLED", "Aggregate Relationships not supported in Bulk V2 Query with CSV content type")
	}
	if q.Offset != nil {
		return "", false, wire.BadRequest("FUNCTIONALITY_NOT_ENABLED", "OFFSET is not supported in Bulk V2 Query")
	}
	for _, item := range q.Select {
		switch item.(type) {
		case *soql.Child:
			return "", false, wire.BadRequest("FUNCTIONALITY_NOT_ENABLED", "Nested queries are not supported in Bulk V2 Query with CSV content type")
		case *soql.TypeOf:
			return "", false, wire.BadRequest("FUNCTIONALITY_NOT_ENABLED", "TYPEOF is not supported in Bulk V2 Query")
		}
	}
	probe, none := *q, int64(0)
	probe.Limit = &none
	answer, err := j.cfg.Org.Query(c.Caller, &probe, plan.all)
	if err != nil {
		return "", false, err
	}
	if err := supports(answer.Object); err != nil {
		return "", false, err
	}
	for _, col := range answer.Columns {
		if col.Type.IsCompound() || col.Type == sf.TypeBase64 {
			return "", false, wire.BadRequest("FeatureNotEnabled", "FeatureNotEnabled : Cannot serialize value for '"+
				strings.Join(col.Path, ".")+"' in CSV format")
		}
	}
	return answer.Object.Name, chunks(answer.Object), nil
}

func (j *Jobs) runQuery(b *job) {
	if err := j.rule(b, 0); err != nil {
		j.settle(b, failed, err.Error())
		return
	}
	if !j.begin(b) {
		return
	}
	if j.draw(hard.JobFailure, b.operation+" "+b.object) {
		j.settle(b, failed, errMidway.Error())
		return
	}
	answer, err := j.cfg.Org.Query(b.caller, b.query.query, b.query.all)
	if err != nil {
		j.settle(b, failed, wire.ErrorOf(err).Error())
		return
	}
	j.mu.Lock()
	b.answer, b.processed, b.spans = answer, answer.Len(), j.divide(b, b.query.query, answer.Len())
	j.mu.Unlock()
	j.settle(b, jobComplete, "")
}

// answerOf returns the rows of a completed job, asked for by the version that made it.
func (j *Jobs) answerOf(c *wire.Call, b *job) (*org.Answer, error) {
	if c.Version != b.version {
		// The status is documented; the words are unverified.
		return nil, &wire.Error{Status: http.StatusConflict, Errors: []org.Error{{
			Code:    "INVALIDVERSION",
			Message: "Results must be requested with the API version of the job, " + b.version,
		}}}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if b.state != jobComplete {
		return nil, wire.BadRequest("INVALIDJOBSTATE", "Results are not available: the job is "+b.state)
	}
	return b.answer, nil
}

// page is a range of rows of a result: from and to as it is served, row is the first of them in the answer.
type page struct{ from, to, row int }

// pageOf reads the locator and maxRecords of a request.
func (j *Jobs) pageOf(c *wire.Call, b *job, rows int) (page, error) {
	form := c.URL.Query()
	p, size := page{}, j.cfg.PageRows
	if s := form.Get("maxRecords"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n <= 0 {
			return page{}, wire.BadRequest("INVALID_INPUT", "maxRecords must be a positive number: "+s)
		}
		size = n
	}
	if s := form.Get("locator"); s != "" {
		n, ok := readLocator(s)
		if !ok || n >= rows {
			return page{}, wire.BadRequest("INVALID_QUERY_LOCATOR", "Invalid query locator: "+s)
		}
		p.from = n
	}
	p.to = rows
	for _, s := range b.spans {
		if end := s.at + s.to - s.from; s.at <= p.from && (p.from < end || rows == 0) {
			p.to, p.row = min(p.from+size, end), s.from+p.from-s.at
		}
	}
	return p, nil
}

// locator names the page that begins at row n; "null" when there is none. It is opaque to clients;
// the platform's looks like this, too.
func locator(n, rows int) string {
	if n >= rows {
		return "null"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(n)))
}

func readLocator(s string) (int, bool) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(string(text))
	return n, err == nil && n > 0
}

func (j *Jobs) results(w http.ResponseWriter, c *wire.Call, b *job) error {
	answer, err := j.answerOf(c, b)
	if err != nil {
		return err
	}
	p, err := j.pageOf(c, b, answer.Len())
	if err != nil {
		return err
	}
	w.Header().Set("Sforce-NumberOfRecords", strconv.Itoa(p.to-p.from))
	w.Header().Set("Sforce-Locator", locator(p.to, answer.Len()))
	w.Header().Set("Content-Type", "text/csv")
	w.WriteHeader(http.StatusOK)
	count := &counter{ResponseWriter: w}
	err = writePage(count, answer, p, delimiters[b.delimiter], lineEndings[b.ending])
	j.store(b, p, count.n)
	return err
}

// storage is what the pages of a job take of the day's allocation for results.
type storage struct {
	pages map[int]int64 // bytes by where a page begins; a page that is read again is stored once
	bytes int64
}

// counter counts the bytes of a reply.
type counter struct {
	http.ResponseWriter
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += int64(n)
	return n, err
}

// store spends whole megabytes of the allocation of results. Source: REST API Developer Guide, Limits:
// DailyBulkV2QueryFileStorageMB. That a result counts when its page is made, and not when the job ends, is unverified: pages
// are made when they are read here.
func (j *Jobs) store(b *job, p page, n int64) {
	j.mu.Lock()
	s := &b.stored
	if s.pages == nil {
		s.pages = map[int]int64{}
	}
	before := s.bytes >> 20
	if known := s.pages[p.from]; n > known {
		s.bytes, s.pages[p.from] = s.bytes+n-known, n
	}
	spent := int(s.bytes>>20 - before)
	j.mu.Unlock()
	if spent > 0 {
		j.cfg.Org.Spend("DailyBulkV2QueryFileStorageMB", spent)
	}
}

// writePage streams rows with the header row, which every page repeats.
func writePage(w http.ResponseWriter, a *org.Answer, p page, delimiter byte, ending string) error {
	buf := make([]byte, 0, flushBytes+flushBytes/4)
	for i, col := range a.Columns {
		if i > 0 {
			buf = append(buf, delimiter)
		}
		buf = appendCell(buf, strings.Join(col.Path, "."))
	}
	buf = append(buf, ending...)
	for i := p.row; i < p.row+p.to-p.from; i++ {
		for k := range a.Columns {
			if k > 0 {
				buf = append(buf, delimiter)
			}
			buf = appendCell(buf, cellText(a.Columns[k].Type, a.Text(i, k)))
		}
		buf = append(buf, ending...)
		if len(buf) >= flushBytes {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(buf)
	return err
}

// cellText spells canonical text in a result. Datetimes end in Z, which is canonical already; that
// numbers are spelled as in JSON is unverified.
func cellText(t sf.FieldType, text string) string {
	switch t {
	case sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		if text != "" {
			return wire.Double(text)
		}
	}
	return text
}

// resultPages names the next pages, so that a client can fetch them in parallel.
func (j *Jobs) resultPages(w http.ResponseWriter, c *wire.Call, b *job) error {
	answer, err := j.answerOf(c, b)
	if err != nil {
		return err
	}
	p, err := j.pageOf(c, b, answer.Len())
	if err != nil {
		return err
	}
	type resultPage struct {
		ResultURL string `json:"resultUrl"`
	}
	reply := struct {
		ResultPages   []resultPage `json:"resultPages"`
		NextRecordURL *string      `json:"nextRecordUrl"`
		Done          bool         `json:"done"`
	}{ResultPages: []resultPage{}, Done: true}
	base := fmt.Sprintf("%s/jobs/query/%s/", c.Root(), b.id)
	for _, at := range b.pages(p.from, j.cfg.PageRows, pagesPerReply+1) {
		if len(reply.ResultPages) == pagesPerReply {
			next := base + "resultPages?locator=" + locator(at, answer.Len())
			reply.NextRecordURL, reply.Done = &next, false
			break
		}
		url := base + "results"
		if at > 0 {
			url += "?locator=" + locator(at, answer.Len())
		}
		reply.ResultPages = append(reply.ResultPages, resultPage{ResultURL: url})
	}
	return wire.Reply(w, http.StatusOK, reply)
}
