package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// application is one run of Run.
type application struct {
	target  Target
	meter   *meter // the target, counted
	journal *Journal
	ledger  *ledger
	schema  *sf.Schema
	fields  map[string]map[string]*sf.Field // by object; the names that records carry
	opts    Options

	approved plan.Approved // zero: who only puts back

	user      sf.ID                   // as whom it is applied
	fresh     fresh                   // rows that need not be looked at again before they are sent
	arrived   bool                    // this is the org that the plan is for
	early     bool                    // objects and fields of the plan may still have to come
	sentFiles map[birthplace]entryRow // what the org has answered for rows of a batch of files that is open
	looked    map[birthplace]bool     // rows that were expected to come back with another, and did not
	locking   map[string][]string     // by object; see lockFields
	byCall    map[birthplace]bool     // rows that no job carries
	parentsOf map[sf.ID]int           // of jobs under way: the number of the batch, by the parent that it locks
	since     meanwhile               // what somebody switched while rows were written
}

// Run applies the plan, or goes on where the journal says that an earlier run stopped. A journal
// that ends is not applied again: Run then only tells what was done.
//
// It returns what was done even beside an error. The error is Conflict when the plan is for another
// org or records have moved since it was made (Result.Moved lists them, and nothing was written by
// this run), Damaged when journal and plan or job and results do not fit each other, NotVerified
// when the fate of a job cannot be learned, and otherwise what the Target said; running again goes
// on. Rows that the org refuses are no error: they are in Result.Failed.
func Run(ctx context.Context, target Target, approved plan.Approved, journal *Journal, opts Options) (Result, error) {
	if approved.Plan() == nil {
		return Result{}, errors.New("apply without an approved plan")
	}
	a := newApplication(target, approved, journal, opts)
	resumed, err := a.replay()
	if err != nil {
		return Result{}, err
	}
	ended := a.ledger.ended
	moved, err := a.run(ctx)
	if err != nil && a.arrived {
		err = a.putBackAfter(ctx, err)
	}
	if spent := a.meter.total(); a.ledger.begun && !ended && len(spent) > 0 && a.journal.broken == nil {
		if failed := a.record(entry{T: entrySpent, Spent: spentEntries(spent)}); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	result := a.ledger.result()
	result.Resumed, result.Moved = resumed, moved
	return result, err
}

func newApplication(target Target, approved plan.Approved, journal *Journal, opts Options) *application {
	meter := newMeter(target, opts)
	return &application{
		target: meter, meter: meter, journal: journal, ledger: newLedger(approved), approved: approved, opts: opts,
		fields: map[string]map[string]*sf.Field{}, looked: map[birthplace]bool{}, sentFiles: map[birthplace]entryRow{},
		locking: map[string][]string{}, parentsOf: map[sf.ID]int{}, byCall: map[birthplace]bool{},
	}
}

// replay folds what the journal held when it was opened.
func (a *application) replay() (resumed bool, err error) {
	entries := a.journal.entries
	a.journal.entries = nil
	for i, e := range entries {
		if i == 0 && e.T == entryBegin && (e.Plan != a.ledger.digest || e.Org != string(a.ledger.plan.Org)) {
			return false, problem.Newf(problem.Usage, "journal %s belongs to another plan", a.journal.path).
				Hint("each plan has its own journal; give this plan another one with --journal")
		}
		if err := a.ledger.fold(e); err != nil {
			return false, err
		}
	}
	return len(entries) > 0, nil
}

func (a *application) run(ctx context.Context) ([]Moved, error) {
	p := a.ledger.plan
	who, err := a.target.Identity(ctx)
	if err != nil {
		return nil, err
	}
	if who.OrgID != p.Org {
		return nil, problem.Newf(problem.Conflict, "the plan is for org %s and this is org %s", p.Org, who.OrgID).
			Hint("name the org that the plan was made for with --org")
	}
	a.arrived, a.user = true, who.UserID
	if a.ledger.ended {
		return nil, a.putBack(ctx)
	}
	if a.schema, err = a.describe(ctx); err != nil {
		return nil, err
	}
	if err := a.settle(ctx); err != nil {
		return nil, err
	}
	moved, err := a.stale(ctx)
	if err != nil {
		return nil, err
	}
	if len(moved) > 0 {
		return moved, staleError(moved, a.ledger.count(rowPending))
	}
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	if a.opts.Began != nil && a.ledger.makes() {
		if err := a.opts.Began(ctx, Beginning{Plan: a.approved, At: a.ledger.at, Batches: a.ledger.batches}); err != nil {
			return nil, err
		}
	}
	if err := a.carryOut(ctx); err != nil {
		return nil, err
	}
	return nil, a.end(ctx)
}

// carryOut does the steps, with the automation off that the plan says.
func (a *application) carryOut(ctx context.Context) error {
	wrote := a.ledger.count(rowPending) > 0
	if err := a.metered(KindMetadata, len(a.ledger.plan.SwitchedOff()) > 0, func() error { return a.switchOff(ctx) }); err != nil {
		return err
	}
	if err := a.metered(KindBypass, len(a.ledger.plan.Bypass) > 0, func() error { return a.bypassOn(ctx) }); err != nil {
		return err
	}
	for i := range a.ledger.plan.Steps {
		if err := a.step(ctx, i); err != nil {
			return err
		}
	}
	if err := a.throughout(ctx, wrote); err != nil {
		return err
	}
	return a.putBack(ctx)
}

// metered counts what f spends under the kind, where it has anything to do. Who only puts back counts nothing.
func (a *application) metered(kind string, does bool, f func() error) error {
	if !does || a.meter == nil {
		return f()
	}
	defer a.meter.during(kind)()
	return f()
}

func (a *application) begin(ctx context.Context) error {
	if a.ledger.begun {
		return nil
	}
	at, err := a.target.ServerTime(ctx)
	if err != nil {
		return err
	}
	return a.record(entry{T: entryBegin, Plan: a.ledger.digest, Org: string(a.ledger.plan.Org), At: entryTime(at)})
}

func (a *application) end(ctx context.Context) error {
	at, err := a.target.ServerTime(ctx)
	if err != nil {
		return err
	}
	state := "done"
	if a.ledger.count(rowFailed) > 0 {
		state = "partial"
	}
	return a.record(entry{T: entryEnd, At: entryTime(at), State: state})
}

// record makes the entry durable, and only then takes it for true.
func (a *application) record(e entry) error {
	if err := a.journal.append(e); err != nil {
		return err
	}
	return a.ledger.fold(e)
}

// step sends what is pending of one step, batch by batch.
func (a *application) step(ctx context.Context, i int) error {
	failures := 0
	sent := false
	if err := a.takeReturned(ctx, i); err != nil {
		return err
	}
	if err := a.takeCompanions(ctx, i); err != nil {
		return err
	}
	if err := a.takeMade(ctx, i); err != nil {
		return err
	}
	if s := a.ledger.plan.Steps[i]; s.Op == plan.Insert && a.bodyField(s.Object) == nil {
		sent, err := a.insertStep(ctx, i)
		if err != nil || !sent {
			return err
		}
		return a.record(entry{T: entryStep, Step: i})
	}
	for {
		rows, attempts, err := a.choose(i)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		sent = true
		if attempts > 0 {
			if err := a.opts.wait(ctx, lockWait<<attempts); err != nil {
				return err
			}
		}
		if err = a.batch(ctx, i, rows); err == nil {
			failures = 0
		}
		for err != nil {
			if failures++; failures >= callTries || final(ctx, err) || a.journal.broken != nil {
				return err
			}
			if errWait := a.opts.wait(ctx, pollFirst<<(4*failures)); errWait != nil {
				return errors.Join(err, errWait)
			}
			err = a.settle(ctx)
		}
		a.report(i)
	}
	if !sent {
		return nil
	}
	return a.record(entry{T: entryStep, Step: i})
}

// final reports an error after which trying again in this run is no use.
func final(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}
	switch problem.KindOf(err) {
	case problem.Unauthorized, problem.Limits, problem.Interrupted, problem.Damaged,
		problem.NotVerified, problem.Conflict, problem.NoSpace:
		return true
	}
	return false
}

// choose picks the rows of the next batch of the step, and says how often they were sent before.
// Rows that come back with another record come last: by then they have, or are sent after all.
func (a *application) choose(i int) ([]int, int, error) {
	s := a.ledger.plan.Steps[i]
	if s.Op == plan.Insert {
		return a.chooseInsert(i)
	}
	pending, attempts := a.ledger.pending(i)
	if rows := a.chooseUpdates(i, pending, attempts); rows != nil {
		return rows, attempts, nil
	}
	most := a.opts.callRows()
	if s.Op == plan.HardDelete { // what is deleted for good was looked at right before
		most = min(a.opts.jobRows(), aheadRows)
	}
	limit := max(1, most>>(2*attempts))
	var rows, carried []int
	files := 0
	for n := range pending {
		if a.replaces(i, n) != nil || a.pictured(i, n) { // sent one by one: fewer have to be looked at again when an answer is lost
			if files++; files > fileRows {
				continue
			}
		}
		if s.Rows[n].With != "" && !a.looked[birthplace{i, n}] {
			if len(carried) < a.opts.callRows() {
				carried = append(carried, n)
			}
			continue
		}
		if rows = append(rows, n); len(rows) == limit {
			break
		}
	}
	if len(rows) == 0 {
		return carried, attempts, nil
	}
	return rows, attempts, nil
}

// batch journals the intent, sends the rows and records the outcome.
func (a *application) batch(ctx context.Context, i int, rows []int) error {
	s := a.ledger.plan.Steps[i]
	byJob := s.Op == plan.Second && len(rows) > a.opts.callRows()
	rows, err := a.spare(ctx, i, rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: i, Op: sentAs(s.Op), Rows: rowRanges(rows)}
	var in *insertion
	switch {
	case s.Op == plan.Insert:
		e.Op = opFile
	case s.Op == plan.HardDelete || byJob:
		if in, err = a.lay(i, rows); err != nil {
			return err
		}
		if e.Sum = in.sum; byJob {
			e.Op = opUpdateJob
		}
	}
	if err := a.record(e); err != nil {
		return err
	}
	switch first := (birthplace{i, rows[0]}); {
	case s.Op == plan.Insert:
		return a.insertFiles(ctx)
	case in != nil:
		if len(in.rows) > 0 {
			if err := a.sendJob(ctx, a.ledger.last(), in); err != nil && !(byJob && a.noJob(i, err)) {
				return err
			}
		}
		return a.settleJob(ctx, a.ledger.last())
	case s.Rows[rows[0]].With != "" && !a.looked[first]:
		for _, n := range rows {
			a.looked[birthplace{i, n}] = true
		}
		return a.settleByLooking(ctx)
	default:
		return a.load(ctx)
	}
}

// settle closes the open batches, whose outcome is not known, by asking or by looking.
func (a *application) settle(ctx context.Context) error {
	for len(a.ledger.open) > 0 {
		if err := a.settleBatch(ctx, a.ledger.open[0]); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) settleBatch(ctx context.Context, b *batch) error {
	switch b.op {
	case plan.Insert.String(), plan.HardDelete.String(), opUpdateJob:
		return a.settleJob(ctx, b)
	case opReturn:
		return a.settleReturned(ctx)
	case opFile:
		return a.settleFiles(ctx)
	case opCompanion:
		if _, made := madeAlong[a.ledger.plan.Steps[b.step].Object]; made {
			return a.settleMade(ctx)
		}
		return a.settleCompanions(ctx)
	}
	return a.settleByLooking(ctx)
}

func (a *application) report(i int) {
	if a.opts.Progress == nil {
		return
	}
	s := a.ledger.plan.Steps[i]
	p := Progress{Step: i + 1, Steps: len(a.ledger.plan.Steps), Op: s.Op.String(), Object: s.Object}
	for _, step := range a.ledger.rows {
		p.Of += len(step)
	}
	p.Failed = a.ledger.count(rowFailed)
	p.Rows = p.Failed + a.ledger.count(rowDone)
	a.opts.Progress(p)
}

// shownMoved bounds how many records the message of a stale plan names; Result.Moved has all.
const shownMoved = 5

func staleError(moved []Moved, of int) error {
	beside := ""
	if slices.ContainsFunc(moved, func(m Moved) bool { return m.held }) {
		// What holds it may be of an object that was not observed, so that a new plan would be just as stale.
		beside = "; if that one does the same, leave out what others depend on with --exclude ID, or delete what depends on it in the org first"
	}
	var names []string
	for _, m := range moved[:min(len(moved), shownMoved)] {
		name := fmt.Sprintf("%s %s", m.Object, m.ID)
		if m.Field != "" {
			name += " " + m.Field
		}
		names = append(names, name+" "+m.Reason)
	}
	if len(moved) > shownMoved {
		names = append(names, fmt.Sprintf("%d more", len(moved)-shownMoved))
	}
	return problem.Newf(problem.Conflict, "plan is stale: %d of %d records changed since it was made (%s)",
		len(moved), of, strings.Join(names, "; ")).
		Hint("make a new plan with `holdfast restore`, review it and apply that one%s", beside)
}
