package bulk

import (
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// The limits of an upload. Source: Bulk API 2.0 limits, "Prepare CSV Files".
const (
	maxUpload = 150 << 20 // bytes
	maxField  = 32_000    // characters
	maxFields = 5_000     // columns
	maxRecord = 400_000   // characters
)

// chunkRows is how many rows are written in one transaction.
const chunkRows = 200

// nullMark clears a field; an empty cell leaves it alone.
const nullMark = "#N/A"

// row is one row of an upload: where it begins in the file, and what became of it.
type row struct {
	offset  int
	id      sf.ID
	outcome outcome
	created bool
	err     string // sf__Error
}

type outcome uint8

const (
	unprocessed outcome = iota
	succeeded
	refused
)

// serveFiles answers what lies below an ingest job: the upload and the files of results.
func (j *Jobs) serveFiles(w http.ResponseWriter, c *wire.Call, b *job) error {
	switch {
	case len(c.Path) != 4:
		return wire.NotFound()
	case c.Path[3] == "batches":
		if c.Method != http.MethodPut {
			return wire.NotAllowed(c.Method, "PUT")
		}
		// Source: Bulk API 2.0 Developer Guide, "Upload Job Data": text/csv. That others are refused is unverified.
		if kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err == nil && kind != "text/csv" {
			return wire.BadRequest("UNSUPPORTED_MEDIA_TYPE", "Content-Type '"+kind+"' not supported.")
		}
		if err := j.putBatches(c.Body, b); err != nil {
			return err
		}
		w.WriteHeader(http.StatusCreated)
		return nil
	}
	// The last segment is matched in any case: one client writes unprocessedrecords.
	want, ok := map[string]outcome{"successfulresults": succeeded, "failedresults": refused, "unprocessedrecords": unprocessed}[strings.ToLower(c.Path[3])]
	switch {
	case !ok:
		return wire.NotFound()
	case c.Method != http.MethodGet:
		return wire.NotAllowed(c.Method, "GET")
	}
	return j.writeFile(w, b, want)
}

// ingestRequest is the body of a new job.
type ingestRequest struct {
	Object              string `json:"object"`
	Operation           string `json:"operation"`
	ExternalIDFieldName string `json:"externalIdFieldName"`
	ContentType         string `json:"contentType"`
	ColumnDelimiter     string `json:"columnDelimiter"`
	LineEnding          string `json:"lineEnding"`
	AssignmentRuleID    string `json:"assignmentRuleId"`
}

func (j *Jobs) createIngest(w http.ResponseWriter, c *wire.Call) error {
	kind, params, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		return j.createWithContent(w, c, params["boundary"])
	}
	var body ingestRequest
	if err := c.ReadOnly(&body); err != nil {
		return err
	}
	b, err := j.newIngest(c, body)
	if err != nil {
		return err
	}
	return wire.Reply(w, http.StatusOK, j.info(b, false))
}

// createWithContent makes a job and uploads its rows in one request: a part "job" and a part
// "content". Source: Bulk API 2.0, "Create a Job", multipart.
func (j *Jobs) createWithContent(w http.ResponseWriter, c *wire.Call, boundary string) error {
	parts := multipart.NewReader(c.Body, boundary)
	var b *job
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return wire.BadRequest("INVALID_MULTIPART_REQUEST", "The parts of the request cannot be read.")
		}
		switch part.FormName() {
		case "job":
			text, err := io.ReadAll(io.LimitReader(part, 1<<20))
			if err != nil {
				return wire.BadRequest("INVALID_MULTIPART_REQUEST", "The parts of the request cannot be read.")
			}
			var body ingestRequest
			if err := wire.DecodeOnly(text, &body); err != nil {
				return err
			}
			if b, err = j.newIngest(c, body); err != nil {
				return err
			}
		case "content":
			if b == nil {
				return wire.BadRequest("INVALID_MULTIPART_REQUEST", "the part job must come before the part content")
			}
			if err := j.putBatches(part, b); err != nil {
				return err
			}
		}
	}
	if b == nil {
		return wire.BadRequest("INVALID_MULTIPART_REQUEST", "there is no part job")
	}
	return wire.Reply(w, http.StatusOK, j.start(b))
}

var operations = map[string]org.Op{
	"insert": org.Insert, "update": org.Update, "upsert": org.Upsert, "delete": org.Delete, "hardDelete": org.HardDelete,
}

// noHardDelete is the refusal of a hard delete. The text is the one that the Data Loader looks for in the older API; the code
// of Bulk 2.0 is the one that the official command line looks for (its text is unverified).
const noHardDelete = "hardDelete operation requires special user profile permission, please contact your system administrator"

// mayRun reports whether the caller may make a job of that operation.
// Source: Bulk API 2.0 Developer Guide, "Create a Job": hardDelete needs Bulk API Hard Delete, which is off by default.
func (j *Jobs) mayRun(caller org.Caller, operation string) bool {
	return operation != "hardDelete" || j.cfg.Org.May(caller, "BulkApiHardDelete")
}

func (j *Jobs) newIngest(c *wire.Call, body ingestRequest) (*job, error) {
	if _, ok := operations[body.Operation]; !ok {
		return nil, wire.BadRequest("INVALIDJOB", "Unsupported operation: "+body.Operation)
	}
	if !j.mayRun(c.Caller, body.Operation) {
		return nil, wire.BadRequest("FEATURENOTENABLED", noHardDelete)
	}
	object, ok := j.cfg.Org.Describe(body.Object)
	if !ok {
		return nil, wire.BadRequest("INVALIDENTITY", "Unable to find object: "+body.Object)
	}
	if err := supports(object); err != nil {
		return nil, err
	}
	delimiter, ending, err := format(body.ColumnDelimiter, body.LineEnding, body.ContentType)
	if err != nil {
		return nil, err
	}
	external := ""
	if body.Operation == "upsert" {
		external = body.ExternalIDFieldName
		if f := object.Field(external); f == nil || !f.IDLookup {
			return nil, wire.BadRequest("INVALIDJOB", "InvalidJob : Field name provided, "+external+
				" does not match an External ID, Salesforce Id, or indexed field for "+object.Name)
		}
	}
	if !j.cfg.Org.Spend("DailyBulkApiBatches", 1) {
		return nil, wire.BadRequest("REQUEST_LIMIT_EXCEEDED", "DailyBulkApiBatches Limit exceeded.")
	}
	b := &job{
		ingest: true, operation: body.Operation, object: object.Name, version: c.Version, caller: c.Caller,
		delimiter: delimiter, ending: ending, external: external, state: open,
	}
	j.add(b)
	return b, nil
}

// putBatches keeps the rows of a job until its upload is declared complete.
func (j *Jobs) putBatches(body io.Reader, b *job) error {
	var text strings.Builder
	if _, err := io.Copy(&text, io.LimitReader(body, maxUpload+1)); err != nil {
		return wire.BadRequest("INVALID_INPUT", "The upload ended early.")
	}
	if text.Len() > maxUpload {
		return &wire.Error{Status: http.StatusRequestEntityTooLarge, Errors: []org.Error{{
			Code: "REQUEST_ENTITY_TOO_LARGE", Message: "The upload is larger than 150 MB.",
		}}}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case b.state != open:
		return wire.BadRequest("INVALIDJOBSTATE", "Job is not in Open state: "+b.state)
	case b.upload != "":
		return wire.BadRequest("INVALIDBATCH", "Found multiple contents for job: "+b.id+", please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job.")
	}
	b.upload = strings.TrimPrefix(text.String(), "\ufeff") // a byte order mark is not data
	return nil
}

// start declares the upload complete, processes it beside the requests, and returns the job as it is before that: the answer
// says UploadComplete even when the work is done at once. Source: Bulk API 2.0 Developer Guide, "Upload Job Data"; SFDMU
// 3.7.19 gives up at any other state.
func (j *Jobs) start(b *job) info {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b.state != open {
		return b.info(false)
	}
	b.state, b.modified = uploadComplete, j.cfg.Org.Clock().Now()
	reply := b.info(false)
	j.spawn(func() { j.runIngest(b) })
	return reply
}

// fileScanner reads the upload from an offset.
func (b *job) fileScanner(offset int) *scanner {
	return newScanner(b.upload[offset:], delimiters[b.delimiter], lineEndings[b.ending])
}

// writeFile writes the rows of one outcome, in an order that says nothing, with the input columns
// echoed as they were sent.
func (j *Jobs) writeFile(w http.ResponseWriter, b *job, want outcome) error {
	j.mu.Lock()
	settled, state, rows, header := b.settled(), b.state, b.rows, b.header
	if state == aborted { // a chunk may still be on its way
		rows = slices.Clone(rows)
	}
	j.mu.Unlock()
	if !settled {
		return wire.BadRequest("INVALIDJOBSTATE", "Results are not available: the job is "+state)
	}
	w.Header().Set("Content-Type", "text/csv")
	w.WriteHeader(http.StatusOK)
	delimiter, ending := delimiters[b.delimiter], lineEndings[b.ending]
	var extra []string
	switch want {
	case succeeded:
		extra = []string{"sf__Id", "sf__Created"}
	case refused:
		extra = []string{"sf__Id", "sf__Error"}
	}
	buf := appendRow(nil, append(extra, header...), delimiter, ending)
	random := rand.New(rand.NewPCG(j.cfg.Seed, uint64(b.number)))
	for _, i := range random.Perm(len(rows)) {
		r := rows[i]
		if r.outcome != want {
			continue
		}
		cells, err := b.fileScanner(r.offset).next()
		if err != nil {
			return err
		}
		switch want {
		case succeeded:
			created := "false"
			if r.created {
				created = "true"
			}
			cells = append([]string{string(r.id), created}, cells...)
		case refused:
			cells = append([]string{string(r.id), r.err}, cells...)
		}
		buf = appendRow(buf, cells, delimiter, ending)
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

func appendRow(b []byte, cells []string, delimiter byte, ending string) []byte {
	for i, cell := range cells {
		if i > 0 {
			b = append(b, delimiter)
		}
		b = appendCell(b, cell)
	}
	return append(b, ending...)
}

func characters(s string) int {
	if len(s) <= maxField {
		return len(s)
	}
	return utf8.RuneCountInString(s)
}
