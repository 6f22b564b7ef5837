package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
)

// Deployments is the door through which components go back.
type Deployments interface {
	Identity(ctx context.Context) (sf.Identity, error)
	ServerTime(ctx context.Context) (time.Time, error)
	// StartDeploy sends an archive and returns the Id of the deployment.
	StartDeploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (string, error)
	// QuickDeploy deploys what a validation has checked, and returns the Id of the deployment.
	QuickDeploy(ctx context.Context, validation string) (string, error)
	// AwaitDeploy waits for the end of a deployment. One that failed is no error.
	AwaitDeploy(ctx context.Context, id string) (sf.Deployment, error)
}

// Observation is what a rollback finds when it observes the org.
type Observation struct {
	Snapshot string                // that it made
	Rest     []rollback.Deployment // what would have to be deployed now
}

// RollbackOptions are the surroundings of a rollback.
type RollbackOptions struct {
	// Observe observes the org, and decides anew what would have to be deployed. At the end it observes the records of the
	// plan, too.
	Observe func(ctx context.Context, end bool) (Observation, error)
	// Target is where the records of the plan go back, tuned by Options. Keep is told what became of each plan of
	// records, and the Ids that they got, also when a run stops. Left says, after the last observation, how many differences to the plan of records nothing explains.
	Target  Target
	Options Options
	Keep    func(ctx context.Context, approved plan.Approved, done Result) error
	Left    func(ctx context.Context, done []Result) (int64, error)

	Progress func(Deploying) // told what is sent and how it ended; nil is nobody
}

// Words for how a deployment is sent; docs/format/journal.md.
const (
	SendValidate = "validate" // check-only
	SendDeploy   = "deploy"
	SendQuick    = "quick" // what a validation has checked, without its tests
)

// Deploying is one request to deploy, and what the org said of it.
type Deploying struct {
	Step    int    // index of the deployment in the plan
	How     string // SendValidate, SendDeploy or SendQuick
	ID      string // of the deployment; "" until the org has said it
	Ended   bool
	Outcome sf.Deployment // what the org said, when this run asked
	Success bool
}

// RolledBack says what a rollback came to.
type RolledBack struct {
	Resumed  bool        // an earlier run had begun
	Before   bool        // an earlier run had ended it
	Sent     []Deploying // in order, those of earlier runs, too
	Done     int         // deployments of the plan that are carried out
	Records  []Result    // of the plans of records that were begun, in order
	Verified *Observation
	Left     int // components that would still be deployed or deleted, and differences of records, when it was verified
}

// undoing is one run of Rollback.
type undoing struct {
	org     Deployments
	plan    *rollback.Plan
	records []plan.Approved
	digest  string
	journal *Journal
	opts    RollbackOptions
	out     RolledBack
	earlier [][]entry // of the journal, by plan of records

	begun, ended bool
	open         *Deploying // sent, and not ended
	idle         bool       // what was done has brought about what is left of the plan, too: the org says that nothing is
	uncertain    bool       // a deployment was sent of which the org gave no Id
}

// Rollback carries a rollback plan out, or goes on where the journal says that an earlier run stopped.
// Each deployment is validated first; right before it is sent, the org is observed, and what would be
// deployed now must be exactly what is left of the plan. Records go back after the deployments, under the same journal;
// those that have moved stop the plan before anything is deployed.
//
// It returns what was done even beside an error. The error is Conflict when the plan is for another org, when
// the org has moved or when it refuses a deployment (nothing of that deployment was done then), NotVerified
// when something is left to be done at the end, and otherwise what the org said; running again goes on.
func Rollback(ctx context.Context, org Deployments, approved rollback.Approved, journal *Journal, opts RollbackOptions) (RolledBack, error) {
	if approved.Plan() == nil {
		return RolledBack{}, errors.New("rollback without an approved plan")
	}
	u := &undoing{
		org: org, plan: approved.Plan(), records: approved.Records(), digest: approved.Digest(), journal: journal, opts: opts,
		earlier: make([][]entry, len(approved.Records())),
	}
	if err := u.replay(); err != nil {
		return u.out, err
	}
	return u.out, u.run(ctx)
}

func (u *undoing) replay() error {
	u.out.Resumed = len(u.journal.entries) > 0
	entries := u.split(u.journal.entries)
	u.journal.entries = nil
	for _, e := range entries {
		if e.T == entryBegin && (e.Plan != u.digest || e.Org != string(u.plan.Org)) {
			return problem.Newf(problem.Usage, "journal %s belongs to another plan", u.journal.path).
				Hint("each plan has its own journal; give this plan another one with --journal")
		}
		if err := u.fold(e); err != nil {
			return problem.Wrap(problem.Damaged, err, "journal").
				Hint("keep the file and the plan; make a new plan with `holdfast rollback`, which looks at the org as it is")
		}
	}
	u.out.Before = u.ended
	return nil
}

// fold takes one entry in.
func (u *undoing) fold(e entry) error {
	switch e.T {
	case entryBegin:
		u.begun = true
	case entrySend:
		if u.open != nil || e.Step != u.out.Done || e.Step >= len(u.plan.Deployments) || !u.begun {
			return fmt.Errorf("deployment %d is out of place", e.Step)
		}
		u.out.Sent = append(u.out.Sent, Deploying{Step: e.Step, How: e.Op})
		u.open = &u.out.Sent[len(u.out.Sent)-1]
	case entrySent:
		if u.open == nil || u.open.Step != e.Step || u.open.How != e.Op {
			return fmt.Errorf("deployment %s was not about to be sent", e.Job)
		}
		u.open.ID = e.Job
	case entryEnded:
		if u.open == nil || u.open.Step != e.Step || u.open.How != e.Op {
			return fmt.Errorf("deployment %s was not sent", e.Job)
		}
		u.open.Ended, u.open.Success = true, e.State == "done"
		if u.open.Success && e.Op != SendValidate {
			u.out.Done++
		}
		u.open, u.uncertain = nil, false
	case entryVerify:
		u.out.Verified, u.out.Left = &Observation{Snapshot: e.Snap}, int(e.Diff)
	case entryEnd:
		u.ended = true
	default:
		return fmt.Errorf("entry %q is of no rollback", e.T)
	}
	return nil
}

func (u *undoing) record(e entry) error {
	if err := u.journal.append(e); err != nil {
		return err
	}
	return u.fold(e)
}

func (u *undoing) run(ctx context.Context) error {
	who, err := u.org.Identity(ctx)
	if err != nil {
		return err
	}
	if who.OrgID != u.plan.Org {
		return problem.Newf(problem.Conflict, "the plan is for org %s and this is org %s", u.plan.Org, who.OrgID).
			Hint("name the org that the plan was made for with --org")
	}
	if u.ended {
		return u.carryRecords(ctx) // which tells what was done
	}
	if err := u.foresee(ctx); err != nil {
		return err
	}
	if err := u.begin(ctx); err != nil {
		return err
	}
	if err := u.settle(ctx); err != nil {
		return err
	}
	for u.out.Done < len(u.plan.Deployments) && !u.idle {
		if err := u.carryOut(ctx, u.out.Done); err != nil {
			return err
		}
	}
	if err := u.carryRecords(ctx); err != nil {
		return err
	}
	return u.verify(ctx)
}

func (u *undoing) begin(ctx context.Context) error {
	if u.begun {
		return nil
	}
	at, err := u.org.ServerTime(ctx)
	if err != nil {
		return err
	}
	return u.record(entry{T: entryBegin, Plan: u.digest, Org: string(u.plan.Org), At: entryTime(at)})
}

// settle learns what became of what an earlier run had sent.
func (u *undoing) settle(ctx context.Context) error {
	switch {
	case u.open == nil:
		return nil
	case u.open.ID == "" && u.open.How == SendValidate: // it changed nothing
		return u.record(entry{T: entryEnded, Step: u.open.Step, Op: u.open.How, State: "failed"})
	case u.open.ID == "":
		u.uncertain = true
		return nil
	}
	return u.await(ctx)
}

// carryOut does one deployment of the plan.
func (u *undoing) carryOut(ctx context.Context, i int) error {
	if u.uncertain {
		return u.find(ctx, i)
	}
	validated, err := u.validate(ctx, i)
	if err != nil {
		return u.orStale(ctx, i, err)
	}
	seen, err := u.opts.Observe(ctx, false)
	if err != nil {
		return err
	}
	if u.idle = i > 0 && len(seen.Rest) == 0; u.idle {
		return nil
	}
	if !equal(seen.Rest, u.plan.Deployments[i:]) {
		return u.stale()
	}
	if validated.Tests == 0 || u.tried(i) {
		return u.send(ctx, i, SendDeploy, "")
	}
	err = u.send(ctx, i, SendQuick, validated.ID)
	if err != nil && u.open != nil && u.open.ID == "" && ctx.Err() == nil && u.journal.broken == nil {
		// An org may refuse what it validated as a quick deployment, such as for its coverage: then it is deployed in
		// full, once it is known that nothing was.
		u.uncertain = true
		return nil
	}
	return err
}

// tried reports that a quick deployment was sent for that deployment of the plan.
func (u *undoing) tried(i int) bool {
	return slices.ContainsFunc(u.out.Sent, func(d Deploying) bool { return d.Step == i && d.How == SendQuick })
}

// validate has the org check a deployment, without doing anything.
func (u *undoing) validate(ctx context.Context, i int) (sf.Deployment, error) {
	if err := u.send(ctx, i, SendValidate, ""); err != nil {
		return sf.Deployment{}, err
	}
	return u.out.Sent[len(u.out.Sent)-1].Outcome, nil
}

// find learns what became of a deployment of which the org gave no Id. An org carries out one deployment
// at a time, so that it has ended once a validation has: source: Metadata API Developer Guide, "Deploying and
// Retrieving Metadata" (queued).
func (u *undoing) find(ctx context.Context, i int) error {
	body, err := u.plan.Deployments[i].Archive()
	if err != nil {
		return err
	}
	id, err := u.org.StartDeploy(ctx, body, sf.DeployOptions{CheckOnly: true, RollbackOnError: true, TestLevel: u.plan.Tests})
	if err != nil {
		return fmt.Errorf("ask what became of deployment %d: %w", i+1, err)
	}
	// Whether it can be carried out now says nothing of whether it was: only its end matters.
	if _, err := u.org.AwaitDeploy(ctx, id); err != nil {
		return fmt.Errorf("ask what became of deployment %d: %w", i+1, err)
	}
	seen, err := u.opts.Observe(ctx, false)
	if err != nil {
		return err
	}
	var state string
	switch {
	case equal(seen.Rest, u.plan.Deployments[i:]):
		state = "failed" // it never arrived, and is sent now
	case equal(seen.Rest, u.plan.Deployments[i+1:]):
		state = "done"
	default:
		return u.stale()
	}
	return u.record(entry{T: entryEnded, Step: i, Op: u.open.How, State: state})
}

// send sends one deployment under the journal and waits for its end.
func (u *undoing) send(ctx context.Context, i int, how, validation string) error {
	body, err := u.plan.Deployments[i].Archive()
	if err != nil {
		return err
	}
	if err := u.record(entry{T: entrySend, Step: i, Op: how}); err != nil {
		return err
	}
	u.tell()
	var id string
	if how == SendQuick {
		id, err = u.org.QuickDeploy(ctx, validation)
	} else {
		id, err = u.org.StartDeploy(ctx, body, sf.DeployOptions{CheckOnly: how == SendValidate, RollbackOnError: true, TestLevel: u.plan.Tests})
	}
	if err != nil {
		return fmt.Errorf("%s deployment %d: %w", how, i+1, err)
	}
	if err := u.record(entry{T: entrySent, Step: i, Op: how, Job: id}); err != nil {
		return err
	}
	return u.await(ctx)
}

// await waits for the end of what was sent, and insists that all of it succeeded.
func (u *undoing) await(ctx context.Context) error {
	open := *u.open
	d, err := u.org.AwaitDeploy(ctx, open.ID)
	if err != nil {
		return fmt.Errorf("%s deployment %d: %w", open.How, open.Step+1, err)
	}
	u.open.Outcome = d
	state := "done"
	if !d.Success {
		state = "failed"
	}
	if err := u.record(entry{T: entryEnded, Step: open.Step, Op: open.How, Job: open.ID, State: state}); err != nil {
		return err
	}
	u.tell()
	if d.Success {
		return nil
	}
	return problem.Newf(problem.Conflict, "%s deployment %d (%s): the org refuses it: %s", open.How, open.Step+1, open.ID, whyRefused(d)).
		Hint("nothing of it was done; mend what the org says, and make a new plan with `holdfast rollback`")
}

// whyRefused is why a deployment failed, in the org's words.
func whyRefused(d sf.Deployment) string {
	for _, r := range d.Results {
		if !r.Success {
			return fmt.Sprintf("%s %s: %s", r.Type, r.Name, r.Problem)
		}
	}
	if len(d.TestFailures) > 0 {
		f := d.TestFailures[0]
		return fmt.Sprintf("test %s.%s: %s", f.Class, f.Method, f.Message)
	}
	if d.Error == "" && len(d.Uncovered) > 0 {
		return d.Uncovered[0]
	}
	return d.Error
}

// orStale says that the org has moved, where that explains a refusal better than the org's words.
func (u *undoing) orStale(ctx context.Context, i int, refused error) error {
	if problem.KindOf(refused) != problem.Conflict || ctx.Err() != nil {
		return refused
	}
	seen, err := u.opts.Observe(ctx, false)
	if err != nil || equal(seen.Rest, u.plan.Deployments[i:]) {
		return errors.Join(refused, err)
	}
	return u.stale()
}

func (u *undoing) stale() error {
	text := "the plan is stale: the org has moved, and what would be deployed now is not what was approved"
	if u.out.Done > 0 {
		text += fmt.Sprintf("; %d of %d deployments are done", u.out.Done, len(u.plan.Deployments))
	}
	return problem.New(problem.Conflict, text).Hint("make a new plan with `holdfast rollback` and approve that")
}

// verify observes the org once more: nothing may be left to be done.
func (u *undoing) verify(ctx context.Context) error {
	seen, err := u.opts.Observe(ctx, true)
	if err != nil {
		return err
	}
	left, differ := 0, int64(0)
	for _, d := range seen.Rest {
		left += d.Count()
	}
	if len(u.records) > 0 {
		if differ, err = u.opts.Left(ctx, u.out.Records); err != nil {
			return err
		}
		left += int(differ)
	}
	if err := u.record(entry{T: entryVerify, Snap: seen.Snapshot, Diff: int64(left)}); err != nil {
		return err
	}
	u.out.Verified = &seen
	if differ > 0 {
		return problem.Newf(problem.NotVerified, "%d differences of records to the plan without an explanation", differ).
			Hint("`holdfast rollback` of the same snapshots shows what is still different")
	}
	if left > 0 {
		return problem.Newf(problem.NotVerified, "%d components would still have to be deployed or deleted", left).
			Hint("`holdfast rollback` of the same snapshots shows which")
	}
	at, err := u.org.ServerTime(ctx)
	if err != nil {
		return err
	}
	state := "done"
	if u.refused() > 0 {
		state = "partial"
	}
	return u.record(entry{T: entryEnd, At: entryTime(at), State: state})
}

func (u *undoing) tell() {
	if u.opts.Progress != nil {
		u.opts.Progress(u.out.Sent[len(u.out.Sent)-1])
	}
}

func equal(a, b []rollback.Deployment) bool { return slices.EqualFunc(a, b, rollback.Deployment.Equal) }
