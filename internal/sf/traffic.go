package sf

import (
	"io"
	"time"
)

// Identity says which org a connection reaches and as whom.
type Identity struct {
	OrgID       ID
	UserID      ID
	Username    string
	InstanceURL string // scheme and host, no trailing slash
}

// Extract asks an org for records of one object.
type Extract struct {
	Object *Object
	Fields []string // API names; Id is always read. Compound and base64 fields are refused.

	// StampField is the field that From and To compare, usually SystemModstamp. A record is read
	// when From <= stamp < To; a zero time leaves that side open.
	StampField string
	From, To   time.Time

	IDs            []ID   // when not nil: only these records
	Field          string // with IDs: only records whose reference field of this name holds one of them; "" is Id
	After, Through ID     // only records of an Id above the one and up to the other; "" is no bound
	IncludeDeleted bool   // also records in the Recycle Bin (queryAll); ask for IsDeleted to tell them apart
	ExpectRows     int64  // estimate that helps to choose the API; 0 when unknown
}

// Usage is what a connection has spent and what the org allows.
type Usage struct {
	Calls      int64 // HTTP requests that this connection has made
	DailyUsed  int64 // of Sforce-Limit-Info api-usage, as last seen; 0 when never seen
	DailyLimit int64
}

// DeletedRecord is one entry of the org's log of deletions (getDeleted).
type DeletedRecord struct {
	ID ID
	At time.Time // server time, whole seconds
}

// DeletedLog is the answer of getDeleted: what it holds and how far it can be believed.
type DeletedLog struct {
	Records  []DeletedRecord
	Earliest time.Time // the log reaches back to here
	Covered  time.Time // deletions are complete up to here; later ones may be missing
}

// Write is one row of a load: the record it changes (empty for an insert) and the values to set.
// Null clears a field; an absent value leaves it alone.
type Write struct {
	ID     ID
	Values []Value // aligned with the fields that are named beside the rows
}

// Outcome is what the org said about one row of a load.
type Outcome struct {
	ID      ID
	Success bool
	Code    string // status code of the partner WSDL, such as UNABLE_TO_LOCK_ROW; empty on success
	Message string
	Fields  []string // fields that the org blames
}

// JobState is the state of an asynchronous load (Bulk API 2.0).
type JobState string

// States of a Bulk API 2.0 ingest job.
const (
	JobOpen           JobState = "Open"
	JobUploadComplete JobState = "UploadComplete"
	JobInProgress     JobState = "InProgress"
	JobComplete       JobState = "JobComplete"
	JobFailed         JobState = "Failed"
	JobAborted        JobState = "Aborted"
)

// JobResult is one row of the results of an asynchronous load: the outcome, and the row that was
// sent, as the org echoes it. The order of results says nothing.
type JobResult struct {
	Outcome Outcome
	Echo    []string // text as sent, aligned with the fields of the job
}

// Upload is a file on its way to a record that is made with it.
type Upload struct {
	Field string // the base64 field that takes the bytes
	Name  string // of the file, as the request names it
	Size  int64

	// Open returns the bytes, from the beginning each time.
	Open func() io.Reader
}
