package bulk

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// kept is how long a job and its results can be asked for.
// Source: Bulk API 2.0 limits (results kept for 7 days).
const kept = 7 * 24 * time.Hour

// listPage is the number of jobs on one page of a list.
const listPage = 1000

// defaultPage is the number of rows on a page of results when the client does not ask for one. The
// platform chooses by size; its rule is unverified.
const defaultPage = 50_000

// The states of a job.
const (
	open           = "Open"
	uploadComplete = "UploadComplete"
	inProgress     = "InProgress"
	jobComplete    = "JobComplete"
	failed         = "Failed"
	aborted        = "Aborted"
)

// Batch is a moment in the life of a job, as a rule sees it: before the job begins (Done is 0) and
// after each 200 rows of an ingest job.
type Batch struct {
	JobID     string
	Operation string // query, queryAll, insert, update …
	Object    string
	Done      int // rows processed so far
}

// Config of the jobs of an org.
type Config struct {
	Org  *org.Org
	Seed uint64 // chooses the order of rows in result files
	// PageRows is the number of rows on a page of query results; 0 means 50,000.
	PageRows int
	// ChunkRows is the largest number of rows of a chunk of a query job; 0 means 100,000.
	ChunkRows int
	// Rule is called at every Batch; an error makes the job fail with that message and leaves the
	// rest unprocessed. It may wait, to slow a job down. It may be nil.
	Rule func(Batch) error
	// Weather decides what befalls the batches of ingest jobs; nil is fine weather.
	Weather *hard.Weather
}

// Jobs holds the jobs of one org and serves them below /services/data/vXX.X/jobs.
type Jobs struct {
	cfg  Config
	mu   sync.Mutex // guards next, byID and every job's mutable part
	next int
	byID map[string]*job
	// classics are the jobs of the older API by Id; guarded by mu.
	classics map[string]*classic
	ctx      context.Context
	cancel   context.CancelFunc
	work     sync.WaitGroup
	closed   bool // guarded by mu
	floor    floor
}

// New returns the jobs of an org: none yet. Close ends those that run.
func New(cfg Config) *Jobs {
	cfg.PageRows = cmp.Or(cfg.PageRows, defaultPage)
	cfg.ChunkRows = cmp.Or(cfg.ChunkRows, defaultChunk)
	ctx, cancel := context.WithCancel(context.Background())
	return &Jobs{cfg: cfg, byID: map[string]*job{}, classics: map[string]*classic{}, ctx: ctx, cancel: cancel}
}

// Close stops the jobs that run and waits for them. It may be called twice.
func (j *Jobs) Close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.cancel()
	j.work.Wait()
}

// spawn runs the work of a job beside the requests, unless the jobs are closed. The caller holds mu.
func (j *Jobs) spawn(f func()) {
	if !j.closed {
		j.work.Go(f)
	}
}

// job is one job of either kind. The fields up to external never change; the others are guarded by
// Jobs.mu.
type job struct {
	id        string
	number    int
	ingest    bool
	operation string
	object    string
	version   string
	caller    org.Caller
	created   time.Time
	delimiter string
	ending    string
	external  string
	query     queryPlan // of a query job
	chunked   bool      // its object is one whose queries are chunked

	state     string
	modified  time.Time
	processed int
	failures  int
	message   string // errorMessage

	answer *org.Answer // of a completed query job
	spans  []span      // its chunks, in the order in which they are served
	stored storage     // what its pages take
	upload string      // of an ingest job
	rows   []row
	header []string
}

// add registers a job under a new Id of the prefix of bulk jobs.
func (j *Jobs) add(b *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b.id = j.newID("750")
	b.number = j.next
	b.created = j.cfg.Org.Clock().Now()
	b.modified = b.created
	j.byID[b.id] = b
	for id, old := range j.byID {
		if b.created.Sub(old.created) > kept {
			delete(j.byID, id)
		}
	}
	maps.DeleteFunc(j.classics, func(_ string, old *classic) bool { return b.created.Sub(old.created) > kept })
}

// supports refuses an object that the Bulk API does not take.
func supports(object *org.Object) error {
	if !object.BulkQueryable {
		return wire.BadRequest("INVALIDENTITY", "Entity '"+object.Name+"' is not supported by the Bulk API.")
	}
	return nil
}

// instance is the part of an Id that names the server, taken from the Id of the org.
func instance(id sf.ID) string {
	if len(id) < 6 {
		return "000"
	}
	return string(id[3:6])
}

// find returns the job of that Id and kind, unless its time is over.
func (j *Jobs) find(id string, ingest bool) (*job, error) {
	full, err := sf.ParseID(id)
	if err != nil {
		return nil, wire.NotFound()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	b, ok := j.byID[string(full)]
	if !ok || b.ingest != ingest || j.cfg.Org.Clock().Now().Sub(b.created) > kept {
		return nil, wire.NotFound()
	}
	return b, nil
}

// Serve answers a call below jobs/. An error is one for wire.ReplyError.
func (j *Jobs) Serve(w http.ResponseWriter, c *wire.Call) error {
	if len(c.Path) < 2 {
		return wire.NotFound()
	}
	ingest := c.Path[1] == "ingest"
	if !ingest && c.Path[1] != "query" {
		return wire.NotFound()
	}
	if len(c.Path) == 2 {
		switch {
		case c.Method == http.MethodGet:
			return j.list(w, c, ingest)
		case c.Method != http.MethodPost:
			return wire.NotAllowed(c.Method, "GET,POST")
		case ingest:
			return j.createIngest(w, c)
		}
		return j.createQuery(w, c)
	}
	b, err := j.find(c.Path[2], ingest)
	if err != nil {
		return err
	}
	if len(c.Path) > 3 {
		if ingest {
			return j.serveFiles(w, c, b)
		}
		return j.servePages(w, c, b)
	}
	switch c.Method {
	case http.MethodGet:
		return wire.Reply(w, http.StatusOK, j.info(b, true))
	case http.MethodPatch:
		return j.patch(w, c, b)
	case http.MethodDelete:
		return j.remove(w, b)
	}
	return wire.NotAllowed(c.Method, "DELETE,GET,PATCH")
}

// patch changes the state of a job: to Aborted, and that of an upload to UploadComplete.
func (j *Jobs) patch(w http.ResponseWriter, c *wire.Call, b *job) error {
	var body struct {
		State string `json:"state"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	switch {
	case body.State == aborted:
		return j.abort(w, b)
	case body.State != uploadComplete || !b.ingest:
		return wire.BadRequest("INVALIDJOB", "Unsupported state: "+body.State)
	}
	j.mu.Lock()
	state := b.state
	j.mu.Unlock()
	if state != open {
		return wire.BadRequest("INVALIDJOBSTATE", "Job is not in Open state: "+state)
	}
	return wire.Reply(w, http.StatusOK, j.start(b))
}

// settle moves the job to a state from which it does not move again, unless it is there already.
func (j *Jobs) settle(b *job, state, message string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b.settled() {
		return
	}
	b.state, b.message, b.modified = state, message, j.cfg.Org.Clock().Now()
}

func (b *job) settled() bool {
	return b.state == jobComplete || b.state == failed || b.state == aborted
}

// begin moves a job from UploadComplete to InProgress; false means that it was aborted meanwhile.
func (j *Jobs) begin(b *job) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b.state != uploadComplete {
		return false
	}
	b.state, b.modified = inProgress, j.cfg.Org.Clock().Now()
	return true
}

// stopped reports a job that was aborted, or an emulator that closes.
func (j *Jobs) stopped(b *job) bool {
	if j.ctx.Err() != nil {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return b.settled()
}

// rule asks the configured rule whether the job goes on.
func (j *Jobs) rule(b *job, done int) error {
	if j.cfg.Rule == nil {
		return nil
	}
	return j.cfg.Rule(Batch{JobID: b.id, Operation: b.operation, Object: b.object, Done: done})
}

// abort answers PATCH {"state":"Aborted"}.
func (j *Jobs) abort(w http.ResponseWriter, b *job) error {
	j.mu.Lock()
	if b.state == jobComplete || b.state == failed {
		j.mu.Unlock()
		return wire.BadRequest("INVALIDJOBSTATE", "Aborting already Completed Job not allowed")
	}
	j.mu.Unlock()
	j.settle(b, aborted, "")
	return wire.Reply(w, http.StatusOK, j.info(b, false))
}

// remove answers DELETE.
func (j *Jobs) remove(w http.ResponseWriter, b *job) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !b.settled() && (!b.ingest || b.state != uploadComplete) {
		return wire.BadRequest("INVALIDJOBSTATE", "Job must be in a terminal state to be deleted, not "+b.state)
	}
	delete(j.byID, b.id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// jobList is one page of a list of jobs.
type jobList struct {
	Done           bool    `json:"done"`
	Records        []info  `json:"records"`
	NextRecordsURL *string `json:"nextRecordsUrl"`
}

// listed reports filters that jobs of a kind can pass: all run in parallel, and chunk by key when they
// are queries. Source: Bulk API 2.0, "Get Information About All Jobs", parameters.
func listed(form url.Values, ingest bool) bool {
	kind := "V2Query"
	if ingest {
		kind = "V2Ingest"
	}
	mode, chunking, want := form.Get("concurrencyMode"), form.Get("isPkChunkingEnabled"), form.Get("jobType")
	return (mode == "" || strings.EqualFold(mode, "parallel")) && (want == "" || want == kind) && (chunking == "" || chunking == strconv.FormatBool(!ingest))
}

// list answers GET of all jobs of one kind, oldest first.
func (j *Jobs) list(w http.ResponseWriter, c *wire.Call, ingest bool) error {
	form := c.URL.Query()
	from, _ := strconv.Atoi(form.Get("queryLocator"))
	if !listed(form, ingest) {
		return wire.Reply(w, http.StatusOK, jobList{Done: true, Records: []info{}})
	}
	j.mu.Lock()
	var jobs []*job
	for _, b := range j.byID {
		if b.ingest == ingest && b.number > from {
			jobs = append(jobs, b)
		}
	}
	j.mu.Unlock()
	slices.SortFunc(jobs, func(a, b *job) int { return cmp.Compare(a.number, b.number) })
	reply := jobList{Done: true, Records: []info{}}
	for _, b := range jobs {
		if len(reply.Records) == listPage {
			next := fmt.Sprintf("%s/jobs/%s?queryLocator=%d", c.Root(), c.Path[1], b.number-1)
			reply.Done, reply.NextRecordsURL = false, &next
			break
		}
		reply.Records = append(reply.Records, j.info(b, false))
	}
	return wire.Reply(w, http.StatusOK, reply)
}

// info is a job as the API describes it. The order of the keys is that of the documentation.
type info struct {
	ID                      string  `json:"id"`
	Operation               string  `json:"operation"`
	Object                  string  `json:"object"`
	CreatedByID             string  `json:"createdById"`
	CreatedDate             string  `json:"createdDate"`
	SystemModstamp          string  `json:"systemModstamp"`
	State                   string  `json:"state"`
	ExternalIDFieldName     string  `json:"externalIdFieldName,omitempty"`
	ConcurrencyMode         string  `json:"concurrencyMode"`
	ContentType             string  `json:"contentType"`
	APIVersion              float64 `json:"apiVersion"`
	ContentURL              string  `json:"contentUrl,omitempty"`
	JobType                 string  `json:"jobType,omitempty"`
	LineEnding              string  `json:"lineEnding"`
	ColumnDelimiter         string  `json:"columnDelimiter"`
	NumberRecordsProcessed  *int    `json:"numberRecordsProcessed,omitempty"`
	NumberRecordsFailed     *int    `json:"numberRecordsFailed,omitempty"`
	Retries                 *int    `json:"retries,omitempty"`
	TotalProcessingTime     *int    `json:"totalProcessingTime,omitempty"`
	APIActiveProcessingTime *int    `json:"apiActiveProcessingTime,omitempty"`
	ApexProcessingTime      *int    `json:"apexProcessingTime,omitempty"`
	IsPkChunkingSupported   *bool   `json:"isPkChunkingSupported,omitempty"`
	ErrorMessage            string  `json:"errorMessage,omitempty"`
}

// info describes the job; full adds what only a GET of one job tells.
func (j *Jobs) info(b *job, full bool) info {
	j.mu.Lock()
	defer j.mu.Unlock()
	return b.info(full)
}

// info describes the job. The caller holds Jobs.mu.
func (b *job) info(full bool) info {
	const stamp = "2006-01-02T15:04:05.000+0000"
	version, _ := strconv.ParseFloat(b.version, 64)
	i := info{
		ID: b.id, Operation: b.operation, Object: b.object,
		CreatedByID: string(b.caller.User), CreatedDate: b.created.Format(stamp), SystemModstamp: b.modified.Format(stamp),
		State: b.state, ExternalIDFieldName: b.external, ConcurrencyMode: "Parallel", ContentType: "CSV",
		APIVersion: version, LineEnding: b.ending, ColumnDelimiter: b.delimiter,
	}
	if b.ingest {
		i.ContentURL = "services/data/v" + b.version + "/jobs/ingest/" + b.id + "/batches"
	}
	if !full {
		return i
	}
	zero, processed, failures, pk := 0, b.processed, b.failures, b.chunked
	i.JobType = "V2Query"
	i.NumberRecordsProcessed, i.Retries, i.TotalProcessingTime = &processed, &zero, &zero
	if b.ingest {
		i.JobType = "V2Ingest"
		i.NumberRecordsFailed, i.APIActiveProcessingTime, i.ApexProcessingTime = &failures, &zero, &zero
	} else {
		i.IsPkChunkingSupported = &pk
	}
	i.ErrorMessage = b.message
	return i
}

// format checks the delimiter and line ending that a new job asks for and fills in the defaults.
func format(delimiter, ending, contentType string) (string, string, error) {
	delimiter, ending = cmp.Or(delimiter, "COMMA"), cmp.Or(ending, "LF")
	if _, ok := delimiters[delimiter]; !ok {
		return "", "", wire.BadRequest("INVALID_INPUT", "Unable to parse columnDelimiter: "+delimiter)
	}
	if _, ok := lineEndings[ending]; !ok {
		return "", "", wire.BadRequest("INVALID_INPUT", "Unable to parse lineEnding: "+ending)
	}
	if contentType != "" && contentType != "CSV" {
		return "", "", wire.BadRequest("INVALIDJOB", "Unsupported content type: "+contentType)
	}
	return delimiter, ending, nil
}
