package apply

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Words of an entry's "t" member; docs/format/journal.md, "Entries".
const (
	entryBegin   = "begin"
	entryIntent  = "intent"
	entryJob     = "job"
	entryAbort   = "abort"
	entryOutcome = "outcome"
	entryStep    = "step"
	entryVerify  = "verify"
	entryEnd     = "end"
	entryPrior   = "prior"
	entryOff     = "off"
	entryBack    = "back"
	entrySend    = "send"
	entrySent    = "sent"
	entryEnded   = "ended"
	entrySpent   = "spent"
	entryBypass  = "bypass"
	entryOn      = "bypassed"
	entryUnset   = "unbypassed"
)

// abortRunning is the state of a job that is aborted later than while it waits for its upload.
const abortRunning = "running"

// messageClip bounds the text of an org's error in the journal, in bytes.
const messageClip = 400

// entry is one entry of the journal as it stands in the file: a single form for all words, of which
// each uses the members that docs/format/journal.md gives it.
type entry struct {
	T     string     `json:"t"`
	Plan  string     `json:"plan,omitempty"`        // begin: digest of the approved bytes, hex
	Org   string     `json:"org,omitempty"`         // begin
	At    string     `json:"at,omitempty"`          // begin, end: server time
	Batch int        `json:"batch,omitempty"`       // intent, job, abort, outcome: from 1
	Step  int        `json:"step,omitempty"`        // intent, step, send, sent, ended: index in the plan, from 0
	Op    string     `json:"op,omitempty"`          // intent, send, sent, ended
	Rows  [][2]int   `json:"rows,omitempty"`        // intent: closed ranges of row indexes, ascending
	Sum   string     `json:"sum,omitempty"`         // intent of an insert: check of the rows as sent
	Found []string   `json:"found,omitempty"`       // intent to return: check of each record as it was found, hex, aligned with rows
	Job   string     `json:"job,omitempty"`         // job, sent, ended
	Out   []entryRow `json:"out,omitempty"`         // outcome
	Snap  string     `json:"snapshot,omitempty"`    // verify; begin of a guarded deployment
	Diff  int64      `json:"unexplained,omitempty"` // verify
	State string     `json:"state,omitempty"`       // end, ended, abort
	Prior string     `json:"prior,omitempty"`       // prior: an archive, base64
	Names []string   `json:"names,omitempty"`       // prior: the components in it, "Type Name"; back and unbypassed: those left as they are
	User  string     `json:"user,omitempty"`        // bypass: for whom

	Set []entrySet `json:"set,omitempty"` // bypass: what is about to be set; bypassed: what was

	Spent []entrySpend `json:"spent,omitempty"` // spent: by kind of calls
}

// entryRow is what happened to one row: an Id and no code, or a code.
type entryRow struct {
	Row     int      `json:"row"`
	ID      string   `json:"id,omitempty"`
	Code    string   `json:"code,omitempty"`
	Message string   `json:"message,omitempty"`
	Fields  []string `json:"fields,omitempty"`
	Dropped []string `json:"dropped,omitempty"` // links left out because their target did not come back
}

// entrySet is one bypass: how it was before, or the record that sets it.
type entrySet struct {
	Kind string `json:"kind"`           // plan.BypassPermission or plan.BypassSetting
	Name string `json:"name"`           // as in the plan
	With string `json:"with,omitempty"` // of a permission: Id of the permission set
	Row  string `json:"row,omitempty"`  // the user's record of the setting, or the assignment; none: there was none
	Was  string `json:"was,omitempty"`  // of a setting whose record was there: the value
}

func encodeEntry(e entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(body) > frameBody {
		return nil, fmt.Errorf("journal entry of %d bytes is over %d", len(body), frameBody)
	}
	return body, nil
}

// decodeEntry reads one body and refuses members and words that version 1 does not have.
func decodeEntry(body []byte) (entry, error) {
	var e entry
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return entry{}, fmt.Errorf("journal entry: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return entry{}, fmt.Errorf("journal entry: more than one value")
	}
	switch e.T {
	case entryBegin:
		if sum, err := hex.DecodeString(e.Plan); err != nil || len(sum) == 0 {
			return entry{}, fmt.Errorf("journal entry: begin without a plan digest")
		}
	case entryIntent, entryJob, entryAbort, entryOutcome:
		if e.Batch < 1 {
			return entry{}, fmt.Errorf("journal entry: %s without a batch", e.T)
		}
		if e.T == entryAbort && e.State != "" && e.State != abortRunning {
			return entry{}, fmt.Errorf("journal entry: abort of a job that is %q", e.State)
		}
	case entryStep, entryVerify, entryEnd, entryPrior, entryOff, entryBack, entrySend, entrySent, entryEnded, entrySpent,
		entryBypass, entryOn, entryUnset:
	default:
		return entry{}, problem.Newf(problem.Usage, "journal entry %q is of a later version", e.T)
	}
	return e, nil
}

// rowRanges writes ascending row indexes as closed ranges.
func rowRanges(rows []int) [][2]int {
	var out [][2]int
	for _, r := range rows {
		if n := len(out); n > 0 && out[n-1][1]+1 == r {
			out[n-1][1] = r
			continue
		}
		out = append(out, [2]int{r, r})
	}
	return out
}

// expandRanges is the inverse of rowRanges; it refuses ranges that are not ascending or reach limit.
func expandRanges(ranges [][2]int, limit int) ([]int, error) {
	var rows []int
	last := -1
	for _, r := range ranges {
		if r[0] <= last || r[1] < r[0] || r[1] >= limit {
			return nil, fmt.Errorf("rows %d-%d do not fit a step of %d rows", r[0], r[1], limit)
		}
		for i := r[0]; i <= r[1]; i++ {
			rows = append(rows, i)
		}
		last = r[1]
	}
	return rows, nil
}

func entryTime(t time.Time) string { return t.UTC().Format(sf.DatetimeLayout) }

// clipMessage cuts a text to what an entry keeps of it: whole characters of UTF-8, so that what is
// read back is what was written.
func clipMessage(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), messageClip)], "")
}
