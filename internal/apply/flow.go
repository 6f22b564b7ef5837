package apply

import (
	"context"
	"errors"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// Rows are inserted by several jobs at one time, since an org works at several batches at one time, and how many that are
// nobody says. So their number follows from what became of the earlier ones: one more for each job without a sign of
// contention, half as many after one with it, and after the first such sign one more for as many jobs as there are at one
// time. Rows of a job follow in the same way from whether the org reached them all in time. docs/adr/0036 has the reasons.
const (
	jobsFirst = 10 // at one time to begin with
	jobsMost  = 32 // at one time; more only wait in the org's queue
	// lockedShare is the share of a job's rows that may be locked without being a sign: one in so many. Somebody else in
	// the org may hold them.
	lockedShare = 100
	// nearlyFull is how full a job is left, all but one part in so many, rather than to part the children of one parent: those
	// that are left would have to wait for it.
	nearlyFull = 20
	sizeSteps  = 10 // steps between no rows in a job and as many as are allowed
)

// flow is how many jobs of one object are under way at one time, and how many rows they have. It changes only with
// outcomes in the journal, so that an application that is taken up again goes on with what it had learned.
type flow struct {
	jobs int  // at one time
	size int  // of sizeSteps
	met  bool // contention has been met
	good int  // jobs without a sign since the number last grew
	cut  int  // batches up to this one were begun before the number was last cut, and cut it no more
}

func newFlow() *flow { return &flow{jobs: jobsFirst, size: sizeSteps} }

// take learns from a job: of its rows so many met a lock, and so many were not reached. begun is how many batches were begun by now.
func (f *flow) take(batch, rows, locked, missed, begun int) {
	switch {
	case locked*lockedShare > rows || missed > 0:
		f.good = 0
		if batch <= f.cut {
			return
		}
		f.cut, f.met = begun, true
		f.jobs = max(1, f.jobs/2)
		if missed > 0 {
			f.size = max(1, f.size/2)
		}
	default:
		f.size = min(f.size+1, sizeSteps)
		if f.good++; !f.met || f.good >= f.jobs {
			f.jobs, f.good = min(f.jobs+1, jobsMost), 0
		}
	}
}

// rows is how many rows a job has at most where most are allowed.
func (f *flow) rows(most int) int { return max(1, most*f.size/sizeSteps) }

// flowOf returns the flow of the object of a step.
func (l *ledger) flowOf(step int) *flow {
	object := l.plan.Steps[step].Object
	if l.flows[object] == nil {
		if l.flows == nil {
			l.flows = map[string]*flow{}
		}
		l.flows[object] = newFlow()
	}
	return l.flows[object]
}

// learn takes the outcome of a job into the flow of its object. A job that never got its rows, or that was aborted,
// tells nothing.
func (l *ledger) learn(b *batch, out []entryRow) {
	if b.op != plan.Insert.String() || b.job == "" || b.stopped {
		return
	}
	locked, missed := 0, len(b.rows)-len(out)
	for _, o := range out {
		switch o.Code {
		case codeUnprocessed:
			missed++
		case codeLocked:
			locked++
		}
	}
	l.flowOf(b.step).take(b.number, len(b.rows), locked, missed, l.batches)
}

// insertStep sends what is pending of a step that inserts by jobs: as many at one time as the flow says, no two of which
// write rows below one parent. It reports whether anything was sent.
func (a *application) insertStep(ctx context.Context, i int) (sent bool, err error) {
	failures := 0
	for {
		more, err := a.fillJobs(ctx, i)
		sent = sent || more
		if err == nil {
			if len(a.ledger.open) == 0 {
				return sent, nil
			}
			err = a.settleJob(ctx, a.ledger.open[0])
		}
		if err == nil {
			failures = 0
		}
		for err != nil {
			if failures++; failures >= callTries || final(ctx, err) || a.journal.broken != nil {
				return sent, err
			}
			if errWait := a.opts.wait(ctx, pollFirst<<(4*failures)); errWait != nil {
				return sent, errors.Join(err, errWait)
			}
			err = a.settle(ctx)
		}
		a.report(i)
	}
}

// fillJobs sends jobs until there are as many under way as may be, or no row is left that may go beside them.
func (a *application) fillJobs(ctx context.Context, i int) (sent bool, err error) {
	for len(a.ledger.open) < min(a.ledger.flowOf(i).jobs, a.opts.jobs()) {
		rows, attempts, err := a.chooseInsert(i)
		if err != nil || len(rows) == 0 {
			return sent, err
		}
		if attempts > 0 {
			if err := a.opts.wait(ctx, lockWait<<attempts); err != nil {
				return sent, err
			}
		}
		in, err := a.lay(i, rows)
		if err != nil {
			return sent, err
		}
		e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: i, Op: plan.Insert.String(), Rows: rowRanges(rows), Sum: in.sum}
		if err := a.record(e); err != nil {
			return sent, err
		}
		sent = true
		b := a.ledger.last()
		a.holdParents(b)
		if len(in.rows) == 0 {
			err = a.settleJob(ctx, b)
		} else {
			err = a.sendJob(ctx, b, in)
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// lockFields are the fields whose target is locked while a record of the object is inserted: masters, and other records
// that take theirs with them or forbid to be deleted.
// Source: Salesforce Help, "Record Locking Cheat Sheet".
func (a *application) lockFields(object string) []string {
	names, known := a.locking[object]
	if !known {
		for _, f := range plan.Holding(a.schema, object) {
			names = append(names, f.Name)
		}
		a.locking[object] = names
	}
	return names
}

// parents yields the records that a row locks, by their Ids in the plan.
func (a *application) parents(step, row int) func(yield func(sf.ID) bool) {
	s := a.ledger.plan.Steps[step]
	return func(yield func(sf.ID) bool) {
		for _, name := range a.lockFields(s.Object) {
			if v := valueOf(s.Rows[row].Fields, name); v.IsText() && !yield(sf.ID(v.Text())) {
				return
			}
		}
	}
}

// parent is the first record that a row locks, by which rows are sorted, or "".
func (a *application) parent(step, row int) sf.ID {
	for id := range a.parents(step, row) {
		return id
	}
	return ""
}

// contends reports a row that locks a parent of a job under way.
func (a *application) contends(step, row int) bool {
	if len(a.parentsOf) == 0 {
		return false
	}
	for id := range a.parents(step, row) {
		if a.parentsOf[id] > 0 {
			return true
		}
	}
	return false
}

// holdParents notes that the parents of a job's rows are locked until it ends.
func (a *application) holdParents(b *batch) {
	for _, n := range b.rows {
		for id := range a.parents(b.step, n) {
			a.parentsOf[id] = b.number
		}
	}
}

// freeParents ends that.
func (a *application) freeParents(b *batch) {
	for _, n := range b.rows {
		for id := range a.parents(b.step, n) {
			if a.parentsOf[id] == b.number {
				delete(a.parentsOf, id)
			}
		}
	}
}
