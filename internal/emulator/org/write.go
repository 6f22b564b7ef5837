package org

import (
	"time"

	"holdfast/internal/sf"
)

// Op is one operation of DML.
type Op uint8

// The operations of Write. Delete moves records into the Recycle Bin and HardDelete removes them for
// good; EmptyBin removes records that are already in the bin.
const (
	Insert Op = iota
	Update
	Upsert
	Delete
	HardDelete
	Undelete
	EmptyBin
)

// Row is one record of a load. Delete, HardDelete, Undelete and EmptyBin use only ID.
type Row struct {
	Object string // API name; may be empty where ID names it
	ID     string // as sent: 15 or 18 characters, or wrong
	Fields []Assignment
}

// Assignment sets one field. Text is the value in any spelling of the platform's APIs; empty text
// is null. Field may name a relationship when Parent is set: the parent is then looked up by its
// external id ("Account" with Parent {Key__c, "A-1"}).
type Assignment struct {
	Field  string
	Text   string
	Parent *ParentKey
	Body   *Body // of a base64 field, instead of Text
}

// ParentKey names a parent by an external id or another field with IDLookup.
type ParentKey struct {
	Object string // needed only where the relationship is polymorphic
	Field  string
	Text   string
}

// Options of a load.
type Options struct {
	AllOrNone  bool
	ExternalID string // the key of an Upsert; empty or "Id" means the Id
	Truncate   bool   // AllowFieldTruncationHeader: cut text that is too long instead of refusing it
	// AllowDuplicates saves what a duplicate rule only warns of (allowSave of DuplicateRuleHeader).
	AllowDuplicates bool
	// Assign runs the active assignment rule (AssignmentRuleHeader; the default of REST).
	Assign bool
	// Quiet leaves SystemModstamp and LastModified* alone, as the platform's own maintenance does.
	Quiet bool
}

// Result is what the org says about one row.
type Result struct {
	ID      sf.ID
	Success bool
	Created bool // by Insert or Upsert
	Errors  []Error
}

// Attempt is one row about to be written, as a rule sees it.
type Attempt struct {
	Op     Op
	Object string
	ID     sf.ID // empty for an insert
	// Value returns the canonical text that the field will have; empty for null.
	Value func(field string) string
}

// Reject installs a rule that may refuse rows, as validation rules, triggers and row locks do; nil
// removes it. It is called under the org's lock and must not call the org.
func (o *Org) Reject(rule func(Attempt) *Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusals[0] = rule
	o.arm()
}

// Contend installs a second rule beside that of Reject, asked before it: locks that others hold.
func (o *Org) Contend(rule func(Attempt) *Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusals[1] = rule
	o.arm()
}

// arm makes one rule of those that are installed.
func (o *Org) arm() {
	rule, locks := o.refusals[0], o.refusals[1]
	switch {
	case locks == nil:
		o.reject = rule
	case rule == nil:
		o.reject = locks
	default:
		o.reject = func(a Attempt) *Error {
			if err := locks(a); err != nil {
				return err
			}
			return rule(a)
		}
	}
}

// Write performs one load and returns one result for each row, in order. Rows that name different
// objects are allowed. A caller that must bound a load (200 rows of a Collections call, 10,000 of a
// batch) bounds it before calling.
func (o *Org) Write(caller Caller, op Op, rows []Row, opts Options) []Result {
	results, slow := o.writeOnce(caller, op, rows, opts)
	time.Sleep(slow)
	return results
}

func (o *Org) writeOnce(caller Caller, op Op, rows []Row, opts Options) ([]Result, time.Duration) {
	defer o.writing(caller)()
	o.slow = 0 // of reactions, while the org is ours
	results := o.load(caller, o.clock.Now(), op, rows, opts)
	return results, min(o.slow, maxSlow)
}

// load performs a load at a moment of the org's clock.
func (o *Org) load(caller Caller, now time.Time, op Op, rows []Row, opts Options) []Result {
	w := o.begin(caller, now, opts)
	results := make([]Result, len(rows))
	failed := false
	var twins map[int]*Error
	for i := range rows {
		if i%chunkRows == 0 {
			twins = w.twins(op, rows[i:min(i+chunkRows, len(rows))])
		}
		mark := len(w.undo)
		res, err := Result{}, twins[i%chunkRows]
		if err == nil {
			res, err = w.perform(op, &rows[i])
		}
		if err != nil {
			w.rollback(mark)
			failed = true
			res.Success, res.Created = false, false
			res.Errors = []Error{*err}
		}
		results[i] = res
	}
	if failed && opts.AllOrNone {
		w.rollback(0)
		for i := range results {
			if results[i].Success {
				// Source: public replies of Collections with allOrNone.
				id := results[i].ID
				if results[i].Created {
					id = "" // what was made is gone; what was changed keeps its Id in the reply
				}
				results[i] = Result{ID: id, Errors: []Error{{
					Code:    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
					Message: "Record rolled back because not all records were valid and the request was using AllOrNone header",
				}}}
			}
		}
		return results
	}
	w.commit()
	return results
}

// lateWrite is a load whose commit has not been seen yet.
type lateWrite struct {
	at     time.Time // when it becomes visible
	stamp  time.Time // what its records carry
	caller Caller
	op     Op
	rows   []Row
	opts   Options
	done   func([]Result) `image:"-"`
}

// WriteLate performs a load whose commit nobody sees before delay has passed on the org's clock,
// though its records carry the stamps of now: how a long transaction looks to others. done, which
// may be nil, is called with the results when they become visible; it must not call the org.
func (o *Org) WriteLate(caller Caller, delay time.Duration, op Op, rows []Row, opts Options, done func([]Result)) {
	defer o.write()()
	now := o.clock.Now()
	o.late = append(o.late, lateWrite{
		at: now.Add(delay), stamp: now, caller: caller, op: op, rows: rows, opts: opts, done: done,
	})
	o.dueBy(now.Add(delay))
}

// dueBy makes settle look at the org at t at the latest. Looking too early does no harm.
func (o *Org) dueBy(t time.Time) { o.due.Store(min(o.due.Load(), t.UnixNano())) }

// never is a due time that no clock reaches.
const never = int64(1<<63 - 1)

// settle does what has fallen due by the org's clock: late commits, and the end of the 15 days of
// records in the Recycle Bin.
func (o *Org) settle() {
	now := o.clock.Now()
	if now.UnixNano() < o.due.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.running != nil {
		return // what is due waits for the end of the transaction
	}
	waiting := o.late[:0:0]
	for _, l := range o.late {
		if l.at.After(now) {
			waiting = append(waiting, l)
			continue
		}
		results := o.load(l.caller, l.stamp, l.op, l.rows, l.opts)
		if l.done != nil {
			l.done(results)
		}
	}
	o.late = waiting
	o.expire(now)
	o.archive(now)
	o.schedule()
}

// schedule works out when settle next has something to do.
func (o *Org) schedule() {
	due := never
	o.binFrom = time.Time{}
	for _, l := range o.late {
		due = min(due, l.at.UnixNano())
	}
	for _, d := range o.bin {
		due = min(due, d.ends().UnixNano())
		o.binFrom = earliest(o.binFrom, d.at)
	}
	if o.overfull() {
		due = min(due, o.binFrom.Add(binGrace).UnixNano())
	}
	if !o.archiving.IsZero() {
		due = min(due, o.archiving.UnixNano())
	}
	o.due.Store(due)
}

// earliest is the earlier of two times, of which the zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
