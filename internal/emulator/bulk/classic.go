package bulk

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// The limits of Bulk API. Source: Bulk API Developer Guide, "Bulk API Limits".
const (
	classicRows  = 10_000   // of a batch
	classicBytes = 10 << 20 // of a batch
)

// classic is one job of the older Bulk API, which the client divides into batches itself. Guarded by
// Jobs.mu but for what never changes.
type classic struct {
	id          string
	operation   string
	object      string
	external    string
	contentType string // CSV, XML or JSON
	concurrency string
	version     string
	caller      org.Caller
	created     time.Time
	chunks      chunking

	state    string
	modified time.Time
	batches  []*classicBatch
}

// classicBatch is one batch. Its work is that of a job of Bulk API 2.0 that no list shows.
type classicBatch struct {
	id      string
	state   string // Queued, InProgress, Completed, Failed or NotProcessed
	message string
	created time.Time
	ended   time.Time
	work    *job
	text    string // as sent
	from    int    // rows of the answer of a query that are this batch's
	to      int
}

// The states of a batch of the older API.
const (
	queued       = "Queued"
	completed    = "Completed"
	notProcessed = "NotProcessed"
	closedState  = "Closed"
)

// invalidJob is the error of the older API for what a job cannot do.
func invalidJob(message string) error { return wire.BadRequest("InvalidJob", message) }

// ServeClassic answers a call below /services/async/XX.0. An error is one for ReplyClassicError.
// Source: Bulk API Developer Guide, "Requests". The words of most refusals are unverified.
func (j *Jobs) ServeClassic(w http.ResponseWriter, c *wire.Call) error {
	if len(c.Path) == 0 || c.Path[0] != "job" {
		return wire.BadRequest("InvalidUrl", "Destination URL not found")
	}
	if len(c.Path) == 1 {
		if c.Method != http.MethodPost {
			return wire.BadRequest("InvalidUrl", "Jobs are made by POST")
		}
		return j.createClassic(w, c)
	}
	full, bad := sf.ParseID(c.Path[1])
	j.mu.Lock()
	b := j.classics[string(full)]
	j.mu.Unlock()
	if bad != nil || b == nil {
		return invalidJob("Unable to find job for id: " + c.Path[1])
	}
	switch {
	case c.Is("job", "*") && c.Method == http.MethodGet:
		return j.replyClassic(w, c, http.StatusOK, "jobInfo", func() facts { return b.facts() })
	case c.Is("job", "*") && c.Method == http.MethodPost:
		return j.patchClassic(w, c, b)
	case c.Is("job", "*", "batch") && c.Method == http.MethodPost:
		return j.addBatch(w, c, b)
	case c.Is("job", "*", "batch") && c.Method == http.MethodGet:
		return j.listBatches(w, c, b)
	case len(c.Path) >= 4 && c.Path[2] == "batch" && c.Method == http.MethodGet:
		return j.serveBatch(w, c, b)
	}
	return wire.BadRequest("InvalidUrl", "Destination URL not found")
}

// classicRequest is the body of a new job, or of a change of its state, in XML or JSON.
type classicRequest struct {
	Operation   string `json:"operation" xml:"operation"`
	Object      string `json:"object" xml:"object"`
	ContentType string `json:"contentType" xml:"contentType"`
	External    string `json:"externalIdFieldName" xml:"externalIdFieldName"`
	Concurrency string `json:"concurrencyMode" xml:"concurrencyMode"`
	State       string `json:"state" xml:"state"`
}

func (j *Jobs) createClassic(w http.ResponseWriter, c *wire.Call) error {
	r, err := readClassic(c)
	if err != nil {
		return err
	}
	object, ok := j.cfg.Org.Describe(r.Object)
	isQuery := r.Operation == "query" || r.Operation == "queryAll"
	_, known := operations[r.Operation]
	switch {
	case !known && !isQuery:
		return invalidJob("Unsupported operation: " + r.Operation)
	case !j.mayRun(c.Caller, r.Operation):
		return wire.BadRequest("FeatureNotEnabled", noHardDelete)
	case !ok:
		return invalidJob("Unable to find object: " + r.Object)
	case supports(object) != nil:
		return invalidJob("Entity '" + object.Name + "' is not supported by the Bulk API.")
	case r.Operation == "upsert":
		if f := object.Field(r.External); f == nil || !f.IDLookup {
			return invalidJob("Field name provided, " + r.External + " does not match an External ID, Salesforce Id, or indexed field for " + object.Name)
		}
	}
	switch r.ContentType {
	case "":
		r.ContentType = "XML" // the default of the older API
	case "CSV", "XML", "JSON":
	default:
		return wire.BadRequest("FeatureNotEnabled", "Unsupported content type: "+r.ContentType)
	}
	if r.Concurrency == "" {
		r.Concurrency = "Parallel"
	}
	b := &classic{
		operation: r.Operation, object: object.Name, external: r.External, contentType: r.ContentType, concurrency: r.Concurrency,
		version: c.Version, caller: c.Caller, created: j.cfg.Org.Clock().Now(), state: open,
	}
	b.modified = b.created
	if b.chunks, err = readChunking(c.Header.Get("Sforce-Enable-PKChunking"), object, isQuery); err != nil {
		return err
	}
	j.mu.Lock()
	b.id = j.newID("750")
	j.classics[b.id] = b
	j.mu.Unlock()
	return j.replyClassic(w, c, http.StatusCreated, "jobInfo", func() facts { return b.facts() })
}

func (j *Jobs) patchClassic(w http.ResponseWriter, c *wire.Call, b *classic) error {
	r, err := readClassic(c)
	if err != nil {
		return err
	}
	j.mu.Lock()
	switch {
	case r.State != closedState && r.State != aborted:
		err = invalidJob("Unsupported state: " + r.State)
	case b.state != open:
		err = wire.BadRequest("InvalidJobState", "The job is not open: "+b.state)
	default:
		b.state, b.modified = r.State, j.cfg.Org.Clock().Now()
	}
	if err == nil && r.State == aborted {
		for _, p := range b.batches {
			if p.state == queued {
				p.state, p.work.state = notProcessed, aborted
			}
		}
	}
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return j.replyClassic(w, c, http.StatusOK, "jobInfo", func() facts { return b.facts() })
}

// addBatch takes a batch and lets it run beside the requests.
func (j *Jobs) addBatch(w http.ResponseWriter, c *wire.Call, b *classic) error {
	text, err := io.ReadAll(io.LimitReader(c.Body, classicBytes+1))
	if err != nil {
		return wire.BadRequest("InvalidBatch", "The batch ended early.")
	}
	if len(text) > classicBytes {
		return wire.BadRequest("ClientInputError", "The batch is larger than 10 MB.")
	}
	if !j.cfg.Org.Spend("DailyBulkApiBatches", 1) {
		return wire.BadRequest("ExceededQuota", "ApiBatchItems Limit exceeded.")
	}
	now := j.cfg.Org.Clock().Now()
	p := &classicBatch{state: queued, created: now, ended: now, text: string(text), work: &job{
		ingest: true, operation: b.operation, object: b.object, version: b.version, caller: b.caller, created: now, modified: now,
		delimiter: "COMMA", ending: "LF", external: b.external, state: uploadComplete,
	}}
	j.mu.Lock()
	if b.state != open {
		j.mu.Unlock()
		return wire.BadRequest("InvalidJobState", "The job is not open: "+b.state)
	}
	p.id = j.newID("751")
	j.next++
	p.work.id, p.work.number = p.id, j.next
	b.batches = append(b.batches, p)
	reply := []facts{p.facts(b)} // as it is before the work begins
	j.spawn(func() { j.runClassic(b, p) })
	j.mu.Unlock()
	return replyFacts(w, c, http.StatusCreated, "", "batchInfo", reply)
}

// runClassic runs one batch to its end.
func (j *Jobs) runClassic(b *classic, p *classicBatch) {
	var err error
	if b.operation == "query" || b.operation == "queryAll" {
		err = j.queryClassic(b, p)
	} else {
		err = j.loadClassic(b, p)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	p.ended = j.cfg.Org.Clock().Now()
	switch {
	case err != nil:
		p.state, p.message = failed, err.Error()
		p.work.state = failed
	case p.state == queued || p.state == inProgress:
		p.state, p.work.state = completed, jobComplete
	}
}

// start moves a batch out of the queue, unless the job has been aborted.
func (j *Jobs) startClassic(p *classicBatch) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p.state != queued {
		return false
	}
	p.state, p.work.state = inProgress, inProgress
	return true
}

func (j *Jobs) loadClassic(b *classic, p *classicBatch) error {
	if err := j.rule(p.work, 0); err != nil || !j.startClassic(p) {
		return err
	}
	upload, err := uploadOf(b.contentType, p.text)
	if err != nil {
		return fmt.Errorf("InvalidBatch : %w", err)
	}
	p.work.upload = strings.TrimPrefix(upload, "\ufeff")
	if endingOf(p.work.upload) == "\r\n" {
		p.work.ending = "CRLF"
	}
	columns, rows, err := j.readUpload(p.work)
	if err != nil {
		return err
	}
	if len(rows) > classicRows {
		return fmt.Errorf("InvalidBatch : The batch has %d records, the maximum is %d", len(rows), classicRows)
	}
	j.mu.Lock()
	p.work.rows = rows
	j.mu.Unlock()
	return j.runBatches(p.work, columns, rows)
}

// queryClassic runs the query of a batch. With PK chunking the batch itself is not processed, and
// each range of Ids becomes a batch of its own.
func (j *Jobs) queryClassic(b *classic, p *classicBatch) error {
	if err := j.rule(p.work, 0); err != nil || !j.startClassic(p) {
		return err
	}
	q, err := soql.Parse(p.text)
	if err != nil {
		return fmt.Errorf("InvalidBatch : Failed to process query: %w", err)
	}
	answer, err := j.cfg.Org.Query(b.caller, q, b.operation == "queryAll")
	if err != nil {
		return fmt.Errorf("InvalidBatch : Failed to process query: %s", wire.ErrorOf(err).Error())
	}
	if answer.Object == nil || answer.CountOnly {
		return fmt.Errorf("InvalidBatch : Failed to process query: FUNCTIONALITY_NOT_ENABLED: Aggregates are not supported by the Bulk API")
	}
	if !strings.EqualFold(answer.Object.Name, b.object) {
		return fmt.Errorf("InvalidBatch : The query is of %s, the job of %s", answer.Object.Name, b.object)
	}
	chunked := b.chunks.rows > 0 && len(q.OrderBy) == 0 && q.Limit == nil // an order or a limit switches it off
	first := 0
	if chunked {
		first = b.chunks.from(answer)
		// Each chunk counts as a batch: that bounds them. The words are those of any batch beyond the allocation.
		if n := (answer.Len() - first + b.chunks.rows - 1) / b.chunks.rows; n > 0 && !j.cfg.Org.Spend("DailyBulkApiBatches", n) {
			return fmt.Errorf("ExceededQuota : ApiBatchItems Limit exceeded")
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	p.work.answer, p.work.processed, p.to = answer, answer.Len(), answer.Len()
	if !chunked {
		return nil
	}
	p.state, p.work.state, p.work.processed = notProcessed, jobComplete, 0
	for from := first; from < answer.Len() || from == first; from += b.chunks.rows {
		part := &classicBatch{
			id: j.newID("751"), state: completed, created: p.created, ended: j.cfg.Org.Clock().Now(), work: &job{answer: answer, state: jobComplete},
			from: from, to: min(from+b.chunks.rows, answer.Len()), text: p.text,
		}
		part.work.processed = part.to - part.from
		b.batches = append(b.batches, part)
	}
	return nil
}

// newID gives out an Id of the prefix. The caller holds mu.
func (j *Jobs) newID(prefix string) string {
	j.next++
	id, err := sf.ParseID(fmt.Sprintf("%s%s%09d", prefix, instance(j.cfg.Org.ID()), j.next))
	if err != nil { // the parts are letters and digits
		panic(err)
	}
	return string(id)
}

func (j *Jobs) listBatches(w http.ResponseWriter, c *wire.Call, b *classic) error {
	j.mu.Lock()
	list := make([]facts, 0, len(b.batches))
	for _, p := range b.batches {
		list = append(list, p.facts(b))
	}
	j.mu.Unlock()
	return replyFacts(w, c, http.StatusOK, "batchInfoList", "batchInfo", list)
}

// serveBatch answers what concerns one batch: itself, what was sent, and its results.
func (j *Jobs) serveBatch(w http.ResponseWriter, c *wire.Call, b *classic) error {
	full, _ := sf.ParseID(c.Path[3])
	j.mu.Lock()
	var p *classicBatch
	if i := slices.IndexFunc(b.batches, func(p *classicBatch) bool { return p.id == string(full) }); i >= 0 {
		p = b.batches[i]
	}
	j.mu.Unlock()
	if p == nil {
		return wire.BadRequest("InvalidBatch", "Unable to find batch for id: "+c.Path[3])
	}
	if len(c.Path) == 4 {
		return j.replyClassic(w, c, http.StatusOK, "batchInfo", func() facts { return p.facts(b) })
	}
	j.mu.Lock()
	state := p.state
	j.mu.Unlock()
	switch {
	case c.Path[4] == "request" && len(c.Path) == 5:
		w.Header().Set("Content-Type", mediaTypes[b.contentType])
		_, err := io.WriteString(w, p.text)
		return err
	case c.Path[4] != "result":
		return wire.BadRequest("InvalidUrl", "Destination URL not found")
	case state != completed:
		return wire.BadRequest("InvalidBatch", "Batch not completed")
	case p.work.answer != nil:
		return serveClassicQuery(w, c, b, p)
	}
	return writeClassicResults(w, b, p)
}
