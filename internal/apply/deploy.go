package apply

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/automation"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Words for the deployments that switch automation; docs/format/journal.md.
const (
	switchOff  = "off"
	switchBack = "back"
)

var switching = map[string]string{switchOff: "switch automation off", switchBack: "put automation back"}

// deploying is a deployment that switches automation and of which it is not known how it ended.
type deploying struct {
	op string // switchOff or switchBack
	id string // "" until the org has said it
}

// deploy deploys these files and insists that all of it succeeded. In a production org a change of Apex
// runs the tests of the org; without Apex none run. What it sends is in the journal before it is sent, and its
// Id before it is waited for: an org goes on with a deployment when nobody waits for it any more.
func (a *application) deploy(ctx context.Context, op string, files []component.Entry, keys []sf.ComponentKey) (string, error) {
	body, err := component.Pack(files)
	if err != nil {
		return "", err
	}
	if err := a.record(entry{T: entrySend, Op: op}); err != nil {
		return "", err
	}
	id, err := a.opts.Deployer.StartDeploy(ctx, body, sf.DeployOptions{RollbackOnError: true, TestLevel: a.testLevel(keys)})
	if err != nil {
		err = fmt.Errorf("%s: %w", switching[op], err)
		if turnedAway(err) { // there is nothing to wait for
			return "", errors.Join(err, a.record(entry{T: entryEnded, Op: op, State: "failed"}))
		}
		return "", err
	}
	if err := a.record(entry{T: entrySent, Op: op, Job: id}); err != nil {
		return "", err
	}
	d, err := a.awaitDeploy(ctx)
	if err != nil {
		return "", err
	}
	if d.Success {
		return d.ID, nil
	}
	return "", problem.Newf(problem.Conflict, "%s: deployment %s failed: %s", switching[op], d.ID, whyRefused(d)).
		Hint("make a plan without --automation-off, or mend what the org says")
}

// awaitDeploy waits for the end of the open deployment, of which the org has said the Id, and writes it down.
// One that the org does not know any more ended long ago.
func (a *application) awaitDeploy(ctx context.Context) (sf.Deployment, error) {
	open := a.ledger.deploying
	d, err := a.opts.Deployer.AwaitDeploy(ctx, open.id)
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return d, fmt.Errorf("%s: %w", switching[open.op], err)
	}
	state := "failed"
	if d.Success {
		state = "done"
	}
	return d, a.record(entry{T: entryEnded, Op: open.op, Job: open.id, State: state})
}

// settleDeploy sees to it that no deployment of an earlier attempt to switch automation is under way any more:
// what is there could not be told before, and would not stay so. With cancel one that switches off is stopped
// where that is still possible.
func (a *application) settleDeploy(ctx context.Context, cancel bool) error {
	open := a.ledger.deploying
	if open == nil {
		return nil
	}
	if open.id == "" {
		if err := a.outwait(ctx); err != nil {
			return mayDeploy(*open, err)
		}
		return a.record(entry{T: entryEnded, Op: open.op, State: "failed"}) // or done: it is looked at next
	}
	if cancel && open.op == switchOff {
		// It may have ended meanwhile, or be past stopping: its end tells.
		if err := a.opts.Deployer.CancelDeploy(ctx, open.id); err != nil && ctx.Err() != nil {
			return mayDeploy(*open, err)
		}
	}
	if _, err := a.awaitDeploy(ctx); err != nil {
		return mayDeploy(*open, err)
	}
	return nil
}

// outwait waits for whatever the org took before: it carries out one deployment at a time, in the order in which
// they came, so that all of them have ended once a check-only deployment of nothing has, however that ended. Source:
// Metadata API Developer Guide, "Deploying and Retrieving Metadata" (queued). It holds no Apex, so that no
// org runs tests for it.
func (a *application) outwait(ctx context.Context) error {
	files, _, err := a.priorFiles()
	if err != nil {
		return err
	}
	if files, err = automation.Only(files, nil); err != nil {
		return problem.Wrap(problem.Damaged, err, "journal: prior automation")
	}
	body, err := component.Pack(files)
	if err != nil {
		return err
	}
	id, err := a.opts.Deployer.StartDeploy(ctx, body, sf.DeployOptions{CheckOnly: true, RollbackOnError: true})
	if err != nil {
		return fmt.Errorf("ask what became of a deployment: %w", err)
	}
	if _, err := a.opts.Deployer.AwaitDeploy(ctx, id); err != nil {
		return fmt.Errorf("ask what became of a deployment: %w", err)
	}
	return nil
}

// turnedAway reports that the org answered that it did not take what was asked.
func turnedAway(err error) bool {
	var refused interface{ Refused() bool }
	return problem.KindOf(err) != problem.Unreachable && errors.As(err, &refused) && refused.Refused()
}

// mayDeploy is the error of a deployment of which it is not known that it has ended.
func mayDeploy(d deploying, err error) error {
	name := "a deployment of which the org gave no Id"
	if d.id != "" {
		name = "deployment " + d.id
	}
	kind := problem.NotVerified
	if k := problem.KindOf(err); k != problem.Failed && k != problem.Interrupted {
		kind = k
	}
	return problem.Newf(kind, "%s may still switch automation (%s): %w", name, d.op, err).
		Hint("see that it has ended, or cancel it, under Setup, Deployment Status; then run `holdfast apply PLAN --put-back`, or --resume to go on")
}

// foldDeploy takes in the entries about deployments that switch automation, and reports whether this was one.
func (l *ledger) foldDeploy(e entry) (bool, error) {
	if e.Op != switchOff && e.Op != switchBack {
		return false, nil
	}
	open := l.deploying
	switch {
	case e.T == entrySend && open == nil:
		l.deploying = &deploying{op: e.Op}
	case e.T == entrySent && open != nil && open.op == e.Op && open.id == "" && e.Job != "":
		open.id = e.Job
	case e.T == entryEnded && open != nil && open.op == e.Op:
		l.deploying = nil
	case e.T == entrySend, e.T == entrySent, e.T == entryEnded:
		return true, fmt.Errorf("%s of a deployment to switch automation %s out of place", e.T, e.Op)
	default:
		return false, nil
	}
	return true, nil
}
