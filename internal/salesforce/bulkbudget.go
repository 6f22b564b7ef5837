package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
)

// What an org gives to Bulk API 2.0 queries in 24 hours, as the limits resource names it.
// Source: Bulk API 2.0 Developer Guide, "Limits".
const (
	bulkJobs    = "DailyBulkV2QueryJobs"
	bulkStorage = "DailyBulkV2QueryFileStorageMB"
)

// learnEvery is how many jobs are begun between two readings of the limits: no answer but theirs tells
// what others have spent of them.
const learnEvery = 10

// limitsReply is the answer of the limits resource.
type limitsReply map[string]json.RawMessage

// of returns an allocation and what is spent of it.
func (l limitsReply) of(name string) (used, most int64, ok bool) {
	var a struct{ Max, Remaining int64 }
	if json.Unmarshal(l[name], &a) != nil || a.Max <= 0 {
		return 0, 0, false
	}
	return a.Max - a.Remaining, a.Max, true
}

// bulkLedger counts jobs and the size of their results against the share of the org's allocations.
type bulkLedger struct {
	share float64

	mu         sync.Mutex
	jobs       allocation
	bytes      allocation
	sinceLearn int // jobs begun since the limits were read
}

// allocation is what the org gives in 24 hours; most is 0 when it did not say.
type allocation struct{ used, pending, most int64 }

func (a *allocation) room(share float64, n int64) bool {
	return a.most == 0 || a.used+a.pending+n <= int64(share*float64(a.most))
}

// learn sets the figures of the limits resource. What is under way is in them or is not; it stays
// counted, which can only be too much.
func (l *bulkLedger) learn(limits limitsReply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sinceLearn = 0
	if used, most, ok := limits.of(bulkJobs); ok {
		l.jobs.used, l.jobs.most = used, most
	}
	if used, most, ok := limits.of(bulkStorage); ok {
		l.bytes.used, l.bytes.most = max(used<<20, l.bytes.used), most<<20
	}
}

// take reserves a job with a result of about that size, and reports whether the share allows it.
func (l *bulkLedger) take(bytes int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.jobs.room(l.share, 1) || !l.bytes.room(l.share, bytes) {
		return false
	}
	l.sinceLearn++
	l.jobs.pending++
	l.bytes.pending += bytes
	return true
}

// settle ends the reservation: the job was begun or not, and its result had that size.
func (l *bulkLedger) settle(begun bool, reserved, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs.pending--
	l.bytes.pending -= reserved
	if begun {
		l.jobs.used++
		l.bytes.used += bytes
	}
}

func (l *bulkLedger) stale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sinceLearn >= learnEvery
}

// reserveJob reserves a job for the extraction. The error is errNoBulk when the share of the org's
// allocation is used up: REST may go on, as long as there are calls.
func (o *Org) reserveJob(ctx context.Context, what string, e *extraction) (int64, error) {
	if o.bulk.stale() {
		if err := o.learnLimits(ctx); err != nil {
			return 0, err
		}
	}
	bytes := e.ExpectRows * rowSize(e)
	if !o.bulk.take(bytes) {
		o.notice(what + ": the share of the org's Bulk jobs is used up; it is read by REST")
		return 0, fmt.Errorf("%s: %w: the share of the org's daily Bulk jobs, or of the size of their results, is used up", what, errNoBulk)
	}
	return bytes, nil
}

// rowSize guesses how many bytes of CSV a row of the extraction has.
func rowSize(e *extraction) int64 {
	size := int64(20)
	for _, t := range e.types {
		size += 3 + t.TypicalSize()
	}
	return size
}
