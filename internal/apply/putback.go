package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"holdfast/internal/automation"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// putBack deploys what was there before and proves that it is there, component by component. No job may be
// at work any more by then, and no deployment that switches off. What somebody changed while it was off is left as it is, and written down.
func (a *application) putBack(ctx context.Context) error {
	off := a.ledger.off()
	defer func() { a.since = meanwhile{} }() // who tries again finds on what this has put back
	if !off && !a.ledger.bypassed() {
		return nil
	}
	if off && a.opts.Deployer == nil {
		return problem.New(problem.Usage, "automation is switched off, and nothing was given to put it back with")
	}
	for _, b := range a.ledger.open {
		if err := a.stopJob(ctx, b); err != nil {
			return err
		}
	}
	var failed error
	if off {
		failed = a.metered(KindMetadata, true, func() error { return a.putBackOff(ctx) })
	}
	if !a.ledger.bypassed() {
		return failed
	}
	if err := a.metered(KindBypass, true, func() error { return a.bypassOff(ctx) }); err != nil && failed == nil {
		return err
	} else if err != nil {
		return errors.Join(failed, err)
	}
	return failed
}

// off reports that automation is switched off, or about to be.
func (l *ledger) off() bool { return l.prior != nil && !l.back }

// putBackOff is putBack of what was switched off by deployments.
func (a *application) putBackOff(ctx context.Context) error {
	if err := a.settleDeploy(ctx, true); err != nil {
		return err
	}
	files, keys, err := a.priorFiles()
	if err != nil {
		return err
	}
	s, err := a.standing(ctx, files, keys)
	if err != nil {
		return err
	}
	id := ""
	if len(s.off) > 0 {
		if id, err = a.deployBack(ctx, files, s.off); err != nil {
			return err
		}
	}
	left := keyNames(s.left)
	if a.since.told {
		left = slices.Concat(left, keyNames(s.on), a.since.woken)
	}
	return a.record(entry{T: entryBack, Job: id, Sum: a.priorSum(), Names: left})
}

// standing says how the org has the components that were to be switched off.
type standing struct {
	on   []sf.ComponentKey // as they were
	off  []sf.ComponentKey // as they were, but off
	left []sf.ComponentKey // neither so nor as they were: somebody changed or deleted them
}

func (a *application) standing(ctx context.Context, prior []component.Entry, keys []sf.ComponentKey) (standing, error) {
	var s standing
	if len(keys) == 0 {
		return s, nil
	}
	now, err := a.retrieve(ctx, keys)
	if err != nil {
		return s, err
	}
	for _, k := range keys {
		switch automation.Compare(prior, now, k) {
		case automation.Unchanged:
			s.on = append(s.on, k)
		case automation.SwitchedOff:
			s.off = append(s.off, k)
		default:
			s.left = append(s.left, k)
		}
	}
	return s, nil
}

// deployBack deploys these components as they were, and proves it.
func (a *application) deployBack(ctx context.Context, prior []component.Entry, keys []sf.ComponentKey) (string, error) {
	files, err := automation.Only(prior, keys)
	if err != nil {
		return "", problem.Wrap(problem.Damaged, err, "journal: prior automation")
	}
	id, err := a.deploy(ctx, switchBack, files, keys)
	if err != nil {
		return "", err
	}
	now, err := a.retrieve(ctx, keys)
	if err != nil {
		return "", err
	}
	want, is := automation.States(prior, keys), automation.States(now, keys)
	for _, k := range keys {
		if is[k] != want[k] {
			return "", problem.Newf(problem.NotVerified, "%s %s is not as it was before it was switched off", k.Type, k.Name).
				Hint("its prior state is in the journal; run the same command again, or put it back by hand")
		}
	}
	return id, nil
}

// stopJob sees to it that the job of an open batch does no more, so that no row of it is written with
// automation on. The batch stays open: a run that goes on learns from the results which rows it did, and
// sends the rest again. A job that the org does not know has ended: one that is open or at work cannot be
// deleted. Source: Bulk API 2.0 Developer Guide, "Delete a Job".
func (a *application) stopJob(ctx context.Context, b *batch) error {
	if b.job == "" {
		return nil
	}
	delay := pollFirst
	var last error
	failures := 0
	for range stopPolls {
		state, err := a.target.JobState(ctx, b.job)
		switch {
		case problem.KindOf(err) == problem.NotFound, err == nil && ended(state):
			return nil
		case err != nil:
			return mayRun(b.job, err)
		case state == sf.JobOpen && !b.unsent: // no row of it was done, which its results may not tell
			if err := a.record(entry{T: entryAbort, Batch: b.number}); err != nil {
				return err
			}
		case !b.stopped:
			if err := a.record(entry{T: entryAbort, Batch: b.number, State: abortRunning}); err != nil {
				return err
			}
		}
		// It may end of itself before this arrives; the next look tells.
		if last = a.target.AbortJob(ctx, b.job); last == nil {
			failures = 0
		} else if failures++; failures >= callTries || ctx.Err() != nil {
			break
		}
		if err := a.opts.wait(ctx, delay); err != nil {
			last = errors.Join(last, err)
			break
		}
		delay = min(2*delay, pollMost)
	}
	return mayRun(b.job, last)
}

func ended(state sf.JobState) bool {
	return state == sf.JobComplete || state == sf.JobFailed || state == sf.JobAborted
}

// mayRun is the error of a job of which it is not known that it has ended.
func mayRun(job string, err error) error {
	kind := problem.NotVerified
	if err == nil {
		err = errors.New("it was told to abort and does not end")
	} else if k := problem.KindOf(err); k != problem.Failed && k != problem.Interrupted {
		kind = k
	}
	return problem.Newf(kind, "bulk job %s may still write rows, so that automation was not put back: %w", job, err).
		Hint("see that job %s has ended, or abort it, under Setup, Bulk Data Load Jobs; then run `holdfast apply PLAN --put-back`, or --resume to go on", job)
}

// putBackAfter puts automation back when a run ends with an error, so that an org is not left without it
// for as long as nobody looks. It goes on when the run was interrupted, for a bounded time.
func (a *application) putBackAfter(ctx context.Context, err error) error {
	if !a.ledger.off() && !a.ledger.bypassed() {
		return err
	}
	if a.journal.broken != nil { // what cannot be written down is not done
		return errors.Join(err, problem.New(problem.Failed, "automation is still switched off, and the journal takes no more entries").
			Hint("make room for the journal, and run `holdfast apply` with --put-back"))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackTime)
	defer cancel()
	if back := a.putBack(ctx); back != nil {
		return errors.Join(err, fmt.Errorf("automation is still switched off: %w", back))
	}
	return errors.Join(err, a.ledger.switchResult().Err())
}

// PutBack puts automation back that an application of this plan switched off, and does nothing else.
func PutBack(ctx context.Context, target Target, journal *Journal, opts Options) (Switched, error) {
	a := &application{target: target, journal: journal, ledger: &ledger{}, opts: opts}
	a.ledger.switchesOnly = true
	for _, e := range journal.entries {
		if err := a.ledger.fold(e); err != nil {
			return Switched{}, err
		}
	}
	who, err := target.Identity(ctx)
	if err != nil {
		return Switched{}, err
	}
	if a.ledger.org != "" && who.OrgID != a.ledger.org {
		return Switched{}, problem.Newf(problem.Conflict, "the journal is of org %s and this is org %s", a.ledger.org, who.OrgID)
	}
	err = a.putBack(ctx)
	return a.ledger.switchResult(), err
}

// Switched says what became of the automation of an application.
type Switched struct {
	Off    []string // components that were switched off, as "Type Name"
	Bypass []string // bypasses of the org that were set, as "permission NAME" or "setting OBJECT.FIELD"
	Back   bool     // all are as they were before, which was proved by reading them
	Left   []string // of both, those that somebody changed meanwhile, and that were left as they are
}

// Err is the error of components that were left as they are, or nil.
func (s Switched) Err() error {
	if len(s.Left) == 0 {
		return nil
	}
	return problem.Newf(problem.Conflict, "%d parts of the org's automation were changed or deleted while they were switched and were left as they are: %s",
		len(s.Left), strings.Join(s.Left, ", ")).
		Hint("see whether they are as they should be, and switch them on by hand where they are off; rows that were written meanwhile may have met what was on")
}

func (l *ledger) switchResult() Switched {
	var s Switched
	if l.prior != nil {
		s.Off = l.prior.Names
	}
	if l.bypass != nil {
		s.Bypass = keysOf(l.bypass.set)
	}
	s.Back, s.Left = (l.prior != nil || l.bypass != nil) && !l.off() && !l.bypassed() && len(l.left) == 0, l.left
	return s
}

// foldSwitch takes in the entries about automation and reports whether this was one.
func (l *ledger) foldSwitch(e entry) (bool, error) {
	switch e.T {
	case entryPrior:
		l.prior, l.back = &entry{Prior: e.Prior, Names: e.Names}, false
		l.left = slices.DeleteFunc(l.left, func(name string) bool { return slices.Contains(e.Names, name) })
	case entryOff:
	case entryBack:
		l.back = true
		l.left = append(l.left, e.Names...)
	default:
		if taken, err := l.foldBypass(e); taken {
			return true, err
		}
		return l.foldDeploy(e)
	}
	return true, nil
}

// foldAlone takes in what matters for putting back without the plan: the automation, and the job at work.
func (l *ledger) foldAlone(e entry) error {
	taken, err := l.foldSwitch(e)
	switch {
	case taken:
		return err
	case e.T == entryBegin:
		l.org = sf.ID(e.Org)
	case e.T == entryIntent:
		l.open = append(l.open, &batch{number: e.Batch})
	case e.T == entryOutcome:
		l.open = slices.DeleteFunc(l.open, func(b *batch) bool { return b.number == e.Batch })
	case l.numbered(e.Batch) == nil:
	case e.T == entryJob:
		l.numbered(e.Batch).job = e.Job
	case e.T == entryAbort:
		l.numbered(e.Batch).abort(e)
	}
	return nil
}

// StillOff returns the components, as "Type Name", that by the journal at path an application switched off, or was
// about to, and did not put back, and bypasses of the org that it set; none where there are none. The error is that of HasJournal where there is no such journal, and
// otherwise that of OpenJournal, which waits for nobody here: Locked while an application, or whoever puts automation back, is
// at work.
func StillOff(path string) ([]string, error) {
	if err := HasJournal(path); err != nil {
		return nil, err
	}
	j, err := openJournal(path, 0)
	if err != nil {
		return nil, err
	}
	if err := j.Close(); err != nil {
		return nil, err
	}
	return j.stillOff()
}

// OffMeanwhile is StillOff of a journal that somebody else has open, as far as it is written, and says when that was last. It
// takes no lock and changes nothing.
func OffMeanwhile(path string) (names []string, written time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, written, onDisk(fmt.Errorf("journal %s: %w", path, err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, written, err
	}
	j := &Journal{path: path, limit: journalBytes}
	if _, _, err := j.read(f); err != nil {
		return nil, written, fmt.Errorf("journal %s: %w", path, err)
	}
	names, err = j.stillOff()
	return names, info.ModTime(), err
}

func (j *Journal) stillOff() ([]string, error) {
	l := &ledger{switchesOnly: true}
	for _, e := range j.entries {
		if err := l.fold(e); err != nil {
			return nil, err
		}
	}
	var names []string
	if l.off() {
		names = append(names, l.prior.Names...)
	}
	if l.bypassed() {
		names = append(names, keysOf(l.bypass.set)...)
	}
	return names, nil
}
