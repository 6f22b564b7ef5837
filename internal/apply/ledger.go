package apply

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Codes of outcomes that no org sends; docs/format/journal.md, "Entries".
const (
	// CodeMoved is a record that is neither as the plan found it nor as the plan wants it.
	CodeMoved = "HOLDFAST_MOVED"
	// CodeParent is a row that refers to a record which did not come back and which it needs.
	CodeParent = "HOLDFAST_PARENT"
	// CodeAbsent is a row whose own record did not come back or is not there.
	CodeAbsent = "HOLDFAST_ABSENT"
	// CodeHeld is a record that would be deleted, and on which one depends that stays.
	CodeHeld = "HOLDFAST_HELD"
)

const (
	// codeUnprocessed is what the client says of rows that a job did not reach.
	codeUnprocessed = "UNPROCESSED"
	// codeLocked is a row that somebody else holds, or whose parent somebody else holds.
	codeLocked = "UNABLE_TO_LOCK_ROW"
)

// passing reports the codes of refusals that another attempt may not meet: what is locked, what was not reached, and what
// took the org too long. A circle in a hierarchy is opened when the rows that close it have moved.
// Source: SOAP API Developer Guide, "API Faults" on UNABLE_TO_LOCK_ROW, QUERY_TIMEOUT, REQUEST_RUNNING_TOO_LONG and
// SERVER_UNAVAILABLE; Bulk API 2.0 Developer Guide, "Get Job Unprocessed Record Results".
func passing(code string) bool {
	switch code {
	case codeLocked, codeUnprocessed, "CIRCULAR_DEPENDENCY", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "SERVER_UNAVAILABLE":
		return true
	}
	return false
}

// rowState is where one row of the plan stands.
type rowState uint8

const (
	rowPending rowState = iota // not sent, or to be sent again
	rowOpen                    // in a batch without outcome
	rowDone
	rowFailed
)

// progress is what is known of one row.
type progress struct {
	state    rowState
	attempts uint8
	newID    sf.ID // of an insert that is done
	code     string
	message  string
	fields   []string
	dropped  []string
}

// batch is an intent without an outcome.
type batch struct {
	number, step int
	op           string
	rows         []int
	sum          string
	job          string
	stopped      bool // the application itself has aborted the job, or was about to
	unsent       bool // when the job was still waiting for its upload
}

// abort takes in that the application is about to abort the job.
func (b *batch) abort(e entry) {
	b.stopped = true
	b.unsent = b.unsent || e.State != abortRunning
}

// ledger is the state of one application: the fold of the journal's entries over the plan. It
// changes only through fold, so that a restart sees what the run saw.
type ledger struct {
	plan    *plan.Plan
	digest  string
	rows    [][]progress
	birth   map[sf.ID]birthplace // every record that the plan brings, by its old Id
	death   map[sf.ID]birthplace // every record that it deletes
	release map[sf.ID]birthplace // every record from which it takes unique values before it changes it
	// returned are checks of records that were back by themselves, as they were found first.
	returned map[birthplace]string

	doomed  map[sf.ID]birthplace // every record that it deletes, once somebody asks
	at      string               // server time of the beginning
	begun   bool
	ended   bool
	batches int
	open    []*batch         // in the order in which they were begun; more than one only while they are insertions by job
	flows   map[string]*flow // by object
	seen    *Verification
	spent   []Spent // by earlier runs, and by this one once it ends

	prior        *entry     // what was there before automation was switched off
	back         bool       // and is there again
	left         []string   // but for these, which somebody changed meanwhile
	bypass       *bypassing // what was set of the org's own bypass; nil: nothing
	deploying    *deploying // what was sent to switch it, and has not ended as far as is known
	org          sf.ID
	switchesOnly bool // the rows of the plan are not looked at
}

// birthplace is the row that brings a record.
type birthplace struct{ step, row int }

func newLedger(approved plan.Approved) *ledger {
	p := approved.Plan()
	l := &ledger{
		plan: p, digest: approved.Digest(), rows: make([][]progress, len(p.Steps)),
		birth: map[sf.ID]birthplace{}, release: map[sf.ID]birthplace{}, death: map[sf.ID]birthplace{}, returned: map[birthplace]string{},
	}
	for i, s := range p.Steps {
		l.rows[i] = make([]progress, len(s.Rows))
		for n, r := range s.Rows {
			switch s.Op {
			case plan.Insert, plan.Undelete:
				l.birth[r.ID] = birthplace{step: i, row: n}
			case plan.Delete, plan.HardDelete:
				l.death[r.ID] = birthplace{step: i, row: n}
			case plan.Release:
				l.release[r.ID] = birthplace{step: i, row: n}
			}
		}
	}
	return l
}

// fold takes one entry into the state; an entry that cannot follow those before it is damage.
func (l *ledger) fold(e entry) error {
	if err := l.foldEntry(e); err != nil {
		return problem.Wrap(problem.Damaged, err, "journal does not fit the plan")
	}
	return nil
}

func (l *ledger) foldEntry(e entry) error {
	if l.switchesOnly {
		return l.foldAlone(e)
	}
	if l.begun == (e.T == entryBegin) {
		return fmt.Errorf("entry %q out of place", e.T)
	}
	if taken, err := l.foldSwitch(e); taken {
		return err
	}
	switch e.T {
	case entryBegin:
		l.begun, l.at = true, e.At
	case entryIntent:
		return l.foldIntent(e)
	case entryJob:
		b := l.numbered(e.Batch)
		if b == nil || b.job != "" || e.Job == "" {
			return fmt.Errorf("job of batch %d out of place", e.Batch)
		}
		b.job = e.Job
	case entryAbort:
		b := l.numbered(e.Batch)
		if b == nil || b.job == "" {
			return fmt.Errorf("abort of batch %d out of place", e.Batch)
		}
		b.abort(e)
	case entryOutcome:
		return l.foldOutcome(e)
	case entrySpent:
		l.spent = addSpent(l.spent, e.spent())
	case entryEnd:
		l.ended = true
	case entryVerify:
		l.seen = &Verification{Snapshot: e.Snap, Unexplained: e.Diff}
	}
	return nil
}

// makes reports records that have yet to be made.
func (l *ledger) makes() bool {
	for i, s := range l.plan.Steps {
		if s.Op == plan.Insert && slices.ContainsFunc(l.rows[i], func(p progress) bool { return p.state == rowPending }) {
			return true
		}
	}
	return false
}

// numbered returns the open batch of that number, or nil.
func (l *ledger) numbered(number int) *batch {
	for _, b := range l.open {
		if b.number == number {
			return b
		}
	}
	return nil
}

// last returns the open batch that was begun last, or nil.
func (l *ledger) last() *batch {
	if len(l.open) == 0 {
		return nil
	}
	return l.open[len(l.open)-1]
}

// beside reports that the batch of an intent may be open beside those that are: all are insertions of one step, and
// those before have their jobs.
func (l *ledger) beside(e entry) bool {
	for _, b := range l.open {
		if e.Op != plan.Insert.String() || b.op != e.Op || b.step != e.Step || b.job == "" {
			return false
		}
	}
	return true
}

func (l *ledger) foldIntent(e entry) error {
	switch {
	case e.Batch != l.batches+1 || !l.beside(e):
		return fmt.Errorf("intent of batch %d out of place", e.Batch)
	case e.Step < 0 || e.Step >= len(l.rows):
		return fmt.Errorf("intent for step %d of %d", e.Step, len(l.rows))
	case (e.Op == opReturn || e.Op == opCompanion || e.Op == opFile) && l.plan.Steps[e.Step].Op == plan.Insert:
	case e.Op == opUpdateJob && l.plan.Steps[e.Step].Op == plan.Second:
	case e.Op != sentAs(l.plan.Steps[e.Step].Op):
		return fmt.Errorf("intent to %q in a step that does %q", e.Op, l.plan.Steps[e.Step].Op)
	}
	rows, err := expandRanges(e.Rows, len(l.rows[e.Step]))
	if err != nil {
		return err
	}
	for _, r := range rows {
		if l.rows[e.Step][r].state != rowPending {
			return fmt.Errorf("intent for row %d of step %d, which is settled", r, e.Step)
		}
	}
	if len(e.Found) > 0 && len(e.Found) != len(rows) {
		return fmt.Errorf("%d records were found for %d rows", len(e.Found), len(rows))
	}
	for i, r := range rows {
		l.rows[e.Step][r].state = rowOpen
		if _, known := l.returned[birthplace{e.Step, r}]; !known && len(e.Found) > 0 {
			l.returned[birthplace{e.Step, r}] = e.Found[i]
		}
	}
	l.batches++
	l.open = append(l.open, &batch{number: e.Batch, step: e.Step, op: e.Op, rows: rows, sum: e.Sum})
	return nil
}

func (l *ledger) foldOutcome(e entry) error {
	b := l.numbered(e.Batch)
	if b == nil {
		return fmt.Errorf("outcome of batch %d out of place", e.Batch)
	}
	step := l.rows[b.step]
	of := make(map[int]bool, len(b.rows))
	for _, r := range b.rows {
		of[r] = true
	}
	for _, o := range e.Out {
		if !of[o.Row] || step[o.Row].state != rowOpen {
			return fmt.Errorf("outcome of row %d, which batch %d does not have", o.Row, e.Batch)
		}
		p := &step[o.Row]
		p.dropped = o.Dropped
		switch o.Code {
		case "":
			p.state, p.code, p.message, p.fields = rowDone, "", "", nil
			if b.op == plan.Insert.String() || b.op == opCompanion || b.op == opFile {
				if o.ID == "" {
					return fmt.Errorf("row %d is inserted without an Id", o.Row)
				}
				p.newID = sf.ID(o.ID)
			}
		default:
			p.attempts++
			p.state, p.code, p.message, p.fields = rowFailed, o.Code, o.Message, o.Fields
			if passing(o.Code) && p.attempts < Attempts {
				p.state = rowPending
			}
		}
	}
	for _, r := range b.rows {
		if step[r].state == rowOpen {
			step[r].state = rowPending
		}
	}
	l.learn(b, e.Out)
	l.open = slices.DeleteFunc(l.open, func(o *batch) bool { return o == b })
	return nil
}

// sentAs returns the word for what a step does to the org: a release and a second pass are updates.
func sentAs(op plan.Op) string {
	if op.Updates() {
		return plan.Update.String()
	}
	return op.String()
}

// pending yields the rows of the step that are to be sent next, and how often they were sent: those
// with the fewest attempts.
func (l *ledger) pending(step int) (rows iter.Seq[int], attempts int) {
	fewest := uint8(Attempts)
	for _, p := range l.rows[step] {
		if p.state == rowPending {
			fewest = min(fewest, p.attempts)
		}
	}
	return func(yield func(int) bool) {
		for n, p := range l.rows[step] {
			if p.state == rowPending && p.attempts == fewest && !yield(n) {
				return
			}
		}
	}, int(fewest)
}

// now returns the Id that the record has in the org, and whether it is there: a record that the plan
// inserts has none before it is inserted.
func (l *ledger) now(id sf.ID) (sf.ID, rowState) {
	b, found := l.birth[id]
	if !found {
		return id, rowDone
	}
	p := l.rows[b.step][b.row]
	if p.newID != "" {
		return p.newID, rowDone
	}
	return id, p.state
}

// released reports that the value is the one which the plan has left in the field of a record when it took a
// unique value from it; with the field LastModifiedDate, that it has changed the record so.
func (l *ledger) released(id sf.ID, field string, is sf.Value) bool {
	b, found := l.release[id]
	if !found || l.rows[b.step][b.row].state == rowFailed {
		return false
	}
	if field == "LastModifiedDate" {
		return l.rows[b.step][b.row].state == rowDone
	}
	for _, f := range l.plan.Steps[b.step].Rows[b.row].Fields {
		if f.Field == field {
			return f.After == is
		}
	}
	return false
}

// followed reports a link that the platform has set or emptied because of the plan: undelete brings back the links
// to its record that deletion had emptied and nobody has set since, and deletion empties those to its own.
// Sources: SOAP API Developer Guide, undelete(); Salesforce Help, "Considerations for Object Relationships".
func (l *ledger) followed(before, is sf.Value) bool {
	switch {
	case before.IsNull() && is.IsText():
		b, brought := l.birth[sf.ID(is.Text())]
		return brought && l.plan.Steps[b.step].Op == plan.Undelete && l.rows[b.step][b.row].state != rowPending
	case before.IsText() && is.IsNull():
		b, deleted := l.death[sf.ID(before.Text())]
		return deleted && l.rows[b.step][b.row].state != rowPending
	}
	return false
}

// count returns the number of rows in that state.
func (l *ledger) count(state rowState) int {
	n := 0
	for _, step := range l.rows {
		for _, p := range step {
			if p.state == state {
				n++
			}
		}
	}
	return n
}

// Pair says that an insert gave the record a new Id.
type Pair struct {
	Object   string
	Old, New sf.ID
}

func (l *ledger) pairs() []Pair {
	var out []Pair
	for i, step := range l.rows {
		for n, p := range step {
			if p.newID != "" {
				out = append(out, Pair{Object: l.plan.Steps[i].Object, Old: l.plan.Steps[i].Rows[n].ID, New: p.newID})
			}
		}
	}
	slices.SortFunc(out, func(a, b Pair) int { return strings.Compare(string(a.Old), string(b.Old)) })
	return out
}
