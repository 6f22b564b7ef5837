package hard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Share is how often something happens: 0 never, 1 always.
type Share float64

// Duration is a time.Duration that is spelled as text, such as "4m", in JSON.
type Duration time.Duration

// MarshalText spells the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Hardness is everything that an emulated org does to its clients beyond answering them. The zero
// value is an org on a good day. Its JSON form has the same names in small camel case; zero values
// are left out.
//
// Sources of the codes and their words: REST API Developer Guide, "Status Codes and Error Responses";
// partner WSDL, StatusCode and ExceptionCode; Salesforce App Limits Cheatsheet; Bulk API 2.0 and Bulk
// API Developer Guide, "Limits" and "Understanding Bulk API 2.0 Ingest". How often a behaviour occurs
// is nobody's promise.
type Hardness struct {
	// Seed is what all draws follow from.
	Seed uint64 `json:"seed,omitempty"`

	// Refusals of requests that are handled in no way. What may be refused: every data request, but
	// QueryTimeout only queries, LocatorLost only later pages.
	TooMany          Share `json:"tooMany,omitempty"`          // 429 with Retry-After, as gateways before the org answer (unverified)
	LimitExceeded    Share `json:"limitExceeded,omitempty"`    // 403 REQUEST_LIMIT_EXCEEDED though calls are left
	ConcurrentLimit  Share `json:"concurrentLimit,omitempty"`  // 403 REQUEST_LIMIT_EXCEEDED, too many long calls at once
	UnknownException Share `json:"unknownException,omitempty"` // 500 UNKNOWN_EXCEPTION
	Unavailable      Share `json:"unavailable,omitempty"`      // 503 SERVER_UNAVAILABLE
	GatewayPage      Share `json:"gatewayPage,omitempty"`      // 503 with a page of HTML, as a proxy answers
	QueryTimeout     Share `json:"queryTimeout,omitempty"`     // 400 QUERY_TIMEOUT
	LocatorLost      Share `json:"locatorLost,omitempty"`      // 400 INVALID_QUERY_LOCATOR

	// Connections.
	CutBefore    Share    `json:"cutBefore,omitempty"`    // closes before anything happens
	CutBody      Share    `json:"cutBody,omitempty"`      // closes within the body of the reply
	LoseReply    Share    `json:"loseReply,omitempty"`    // closes after the commit, without a byte
	SlowPage     Share    `json:"slowPage,omitempty"`     // a page of rows takes SlowFor of the machine's time
	SlowFor      Duration `json:"slowFor,omitempty"`      // default 50ms
	StripHeaders Share    `json:"stripHeaders,omitempty"` // Sforce-* headers are lost, as behind some proxies

	// Answers that are not the whole, with status 200.
	CensusShort Share `json:"censusShort,omitempty"` // a query for Ids alone ends after 60 % of them, done
	PageShort   Share `json:"pageShort,omitempty"`   // a page of rows lacks its last one, and no count says so

	// Sessions and allocations.
	TokenCalls    int `json:"tokenCalls,omitempty"`    // every so many data requests the session has expired
	DailyCalls    int `json:"dailyCalls,omitempty"`    // DailyApiRequests
	Concurrent    int `json:"concurrent,omitempty"`    // data requests at the same time; more are refused with 403
	RetiredBelow  int `json:"retiredBelow,omitempty"`  // versions below this one are retired
	FirstFreeCall int `json:"firstFreeCall,omitempty"` // nothing befalls the first so many requests, such as a sign-in

	// The clock.
	Tick        Duration `json:"tick,omitempty"`        // the org's clock moves so far with each data request
	DateSkew    Duration `json:"dateSkew,omitempty"`    // the Date header is so far off the org's clock
	StampGrain  Duration `json:"stampGrain,omitempty"`  // stamps are cut to it: many rows share one
	Maintenance []Window `json:"maintenance,omitempty"` // 503 SERVER_UNAVAILABLE within, by the org's clock

	// Others work in the org at the same time.
	Others Others `json:"others,omitzero"`

	// Bulk jobs.
	Bulk Bulk `json:"bulk,omitzero"`

	// RowLocked refuses rows of any load with UNABLE_TO_LOCK_ROW: somebody else holds them.
	RowLocked Share `json:"rowLocked,omitempty"`

	// Script is a log of an earlier run. When it is not empty, nothing is drawn: what it says happens.
	// Counts, windows and the clock work as ever.
	Script []Injected `json:"script,omitempty"`
}

// Window is a span of the org's time, its end excluded.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Others are the org's other users. After every so many data requests one of them does something to
// one record of one of the objects, chosen by the seed.
type Others struct {
	Every   int      `json:"every,omitempty"`
	Objects []string `json:"objects,omitempty"`
	// LateCommit changes a record in a transaction that nobody sees before LateFor of the org's time
	// has passed, though the stamps are those of now.
	LateCommit Share    `json:"lateCommit,omitempty"`
	LateFor    Duration `json:"lateFor,omitempty"` // default 4m
	// HardDelete deletes a record without leaving it in the Recycle Bin.
	HardDelete Share `json:"hardDelete,omitempty"`
	// FormulaDrift changes a field of a parent that a formula or roll-up of another object reads: the
	// result changes and no stamp of the record that shows it moves.
	FormulaDrift Share `json:"formulaDrift,omitempty"`
	// EmptyBin purges the oldest deletion of the Recycle Bin.
	EmptyBin Share `json:"emptyBin,omitempty"`
}

// Bulk is what may befall bulk jobs.
type Bulk struct {
	// BatchRows is how many rows one internal batch has; 0 means 10,000.
	// Source: Bulk API 2.0, "Understanding Bulk API 2.0 Ingest".
	BatchRows int `json:"batchRows,omitempty"`
	// Parallel is how many batches run at the same time, of one job or of several; 0 means that each job runs
	// beside the others, its batches one after the other. Rows of such batches that lock the same parent at the same time
	// contend. How many an org runs is not documented.
	Parallel int `json:"parallel,omitempty"`
	// ChunkTime is how long a chunk of 200 rows takes, by the machine's time; 0 means as long as it takes. An org then
	// writes at most Parallel times 200 rows in that time.
	ChunkTime Duration `json:"chunkTime,omitempty"`
	// LockFailure is how often contention ends in UNABLE_TO_LOCK_ROW instead of a wait.
	LockFailure Share `json:"lockFailure,omitempty"`
	// ChunkTimeout lets a chunk of 200 rows take more than 5 minutes, and BatchTimeout a batch more
	// than 10: what was not done of the batch goes back into the queue.
	// Source: Bulk API Developer Guide, "Limits", Batch processing time.
	ChunkTimeout Share `json:"chunkTimeout,omitempty"`
	BatchTimeout Share `json:"batchTimeout,omitempty"`
	// Retries is how often a batch is put back before its job fails; 0 means 20.
	Retries int `json:"retries,omitempty"`
	// JobFailure makes a job fail at one of its batches; what is done stays done.
	JobFailure Share `json:"jobFailure,omitempty"`
	// QueryChunk is how many rows a chunk of a query job of Bulk API 2.0 has at most; 0 means 100,000. Chunks come in any
	// order, and a page of results ends with its chunk.
	QueryChunk int `json:"queryChunk,omitempty"`
}

// Parse reads the JSON form. A name that it does not know is an error.
func Parse(text []byte) (Hardness, error) {
	var h Hardness
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return Hardness{}, fmt.Errorf("hardness: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Hardness{}, fmt.Errorf("hardness: text after the end of the value")
	}
	return h, h.check()
}

// String is the JSON form.
func (h Hardness) String() string {
	text, err := json.Marshal(h)
	if err != nil { // numbers, texts and times always marshal
		panic(err)
	}
	return string(text)
}

func (h Hardness) check() error {
	for _, b := range h.behaviours() {
		if b.share < 0 || b.share > 1 {
			return fmt.Errorf("hardness: %s is %v; a share is from 0 to 1", b.name, b.share)
		}
	}
	for name, n := range map[string]int{
		"tokenCalls": h.TokenCalls, "dailyCalls": h.DailyCalls, "concurrent": h.Concurrent, "retiredBelow": h.RetiredBelow,
		"firstFreeCall": h.FirstFreeCall, "others.every": h.Others.Every, "bulk.batchRows": h.Bulk.BatchRows,
		"bulk.parallel": h.Bulk.Parallel, "bulk.retries": h.Bulk.Retries, "bulk.queryChunk": h.Bulk.QueryChunk,
	} {
		if n < 0 {
			return fmt.Errorf("hardness: %s is %d; a count is not negative", name, n)
		}
	}
	for name, d := range map[string]Duration{
		"slowFor": h.SlowFor, "bulk.chunkTime": h.Bulk.ChunkTime, "tick": h.Tick, "stampGrain": h.StampGrain, "others.lateFor": h.Others.LateFor,
	} {
		if d < 0 {
			return fmt.Errorf("hardness: %s is %s; a time is not negative", name, time.Duration(d))
		}
	}
	for _, w := range h.Maintenance {
		if !w.From.Before(w.To) {
			return fmt.Errorf("hardness: a maintenance window ends at %s, before it begins", w.To)
		}
	}
	return nil
}
