package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Guarded is one deployment of somebody else's package, under a journal of its own: the snapshot that was taken
// before it, what was sent, and the snapshot that was taken after it.
type Guarded struct {
	journal *Journal

	Digest string // of the package, hexadecimal
	Org    sf.ID
	Before string // ID of the snapshot
	After  string // ID of the snapshot; "" until it is taken
	Sent   []Deploying
	Done   bool // the org has carried the deployment out
}

// OpenGuarded reads what the journal says of a guarded deployment.
func OpenGuarded(journal *Journal) (*Guarded, error) {
	g := &Guarded{journal: journal}
	entries := journal.entries
	journal.entries = nil
	for _, e := range entries {
		if err := g.fold(e); err != nil {
			return nil, problem.Wrap(problem.Damaged, err, "journal "+journal.path).
				Hint("keep the folder, and guard the deployment anew in another one")
		}
	}
	return g, nil
}

// Begun reports that the snapshot before the deployment is taken.
func (g *Guarded) Begun() bool { return g.Before != "" }

func (g *Guarded) fold(e entry) error {
	open := g.open()
	switch e.T {
	case entryBegin:
		g.Digest, g.Org, g.Before = e.Plan, sf.ID(e.Org), e.Snap
		if g.Before == "" {
			return fmt.Errorf("it is of no guarded deployment")
		}
	case entrySend:
		if open != nil || !g.Begun() {
			return fmt.Errorf("%s is out of place", e.Op)
		}
		g.Sent = append(g.Sent, Deploying{How: e.Op})
	case entrySent:
		if open == nil || open.How != e.Op {
			return fmt.Errorf("deployment %s was not about to be sent", e.Job)
		}
		open.ID = e.Job
	case entryEnded:
		if open == nil || open.How != e.Op {
			return fmt.Errorf("deployment %s was not sent", e.Job)
		}
		open.Ended, open.Success = true, e.State == "done"
		g.Done = g.Done || open.Success && e.Op != SendValidate
	case entryVerify:
		g.After = e.Snap
	default:
		return fmt.Errorf("entry %q is of no guarded deployment", e.T)
	}
	return nil
}

// open is what was sent and has not ended, or nil.
func (g *Guarded) open() *Deploying {
	if n := len(g.Sent); n > 0 && !g.Sent[n-1].Ended {
		return &g.Sent[n-1]
	}
	return nil
}

func (g *Guarded) record(e entry) error {
	if err := g.journal.append(e); err != nil {
		return err
	}
	return g.fold(e)
}

// Begin writes down which package is about to be deployed, and the snapshot that was taken before.
func (g *Guarded) Begin(digest string, org sf.ID, before string, at time.Time) error {
	return g.record(entry{T: entryBegin, Plan: digest, Org: string(org), Snap: before, At: entryTime(at)})
}

// Finish writes down the snapshot that was taken after the deployment.
func (g *Guarded) Finish(after string) error { return g.record(entry{T: entryVerify, Snap: after}) }

// Deploy has the org validate the package and then deploys it, or goes on where an earlier run stopped. It is all
// deployed, or nothing of it. What was validated a moment ago with tests is deployed as a quick deployment, without running
// them again. What was sent and got no Id is looked for with arrived, which says whether the org has carried it out, or
// is an error where nobody can tell; it is asked only once no deployment is running.
//
// The error is Conflict when the org refuses it, and otherwise what the org said; running again goes on.
func (g *Guarded) Deploy(ctx context.Context, org Deployments, archive []byte, tests sf.TestLevel, validated sf.Deployment, arrived func(context.Context) (bool, error)) error {
	if err := g.settle(ctx, org, archive, tests, arrived); err != nil || g.Done {
		return err
	}
	send := func(how string, start func() (string, error)) error {
		if err := g.record(entry{T: entrySend, Op: how}); err != nil {
			return err
		}
		id, err := start()
		if err != nil {
			return fmt.Errorf("%s: %w", how, err)
		}
		if err := g.record(entry{T: entrySent, Op: how, Job: id}); err != nil {
			return err
		}
		return g.await(ctx, org)
	}
	opts := sf.DeployOptions{CheckOnly: true, RollbackOnError: true, TestLevel: tests}
	if validated.Success && validated.Tests > 0 && !g.tried(SendQuick) {
		err := send(SendQuick, func() (string, error) { return org.QuickDeploy(ctx, validated.ID) })
		if open := g.open(); err == nil || open == nil || open.ID != "" || ctx.Err() != nil || g.journal.broken != nil {
			return err
		}
		// An org may refuse what it validated as a quick deployment, such as for its coverage: then it is deployed in
		// full, once it is known that nothing was.
		if err := g.settle(ctx, org, archive, tests, arrived); err != nil || g.Done {
			return err
		}
	}
	if err := send(SendValidate, func() (string, error) { return org.StartDeploy(ctx, archive, opts) }); err != nil {
		return err
	}
	opts.CheckOnly = false
	return send(SendDeploy, func() (string, error) { return org.StartDeploy(ctx, archive, opts) })
}

// tried reports that it was sent so before.
func (g *Guarded) tried(how string) bool {
	return slices.ContainsFunc(g.Sent, func(d Deploying) bool { return d.How == how })
}

// settle learns what became of what an earlier run had sent.
func (g *Guarded) settle(ctx context.Context, org Deployments, archive []byte, tests sf.TestLevel, arrived func(context.Context) (bool, error)) error {
	open := g.open()
	switch {
	case open == nil || g.Done:
		return nil
	case open.ID != "":
		return g.await(ctx, org)
	case open.How == SendValidate: // it changed nothing
		return g.record(entry{T: entryEnded, Op: open.How, State: "failed"})
	}
	// An org carries out one deployment at a time: once a validation has ended, so has what was sent before it.
	// Source: Metadata API Developer Guide, "Deploying and Retrieving Metadata" (queued).
	id, err := org.StartDeploy(ctx, archive, sf.DeployOptions{CheckOnly: true, RollbackOnError: true, TestLevel: tests})
	if err != nil {
		return fmt.Errorf("ask what became of the deployment: %w", err)
	}
	if _, err := org.AwaitDeploy(ctx, id); err != nil {
		return fmt.Errorf("ask what became of the deployment: %w", err)
	}
	there, err := arrived(ctx)
	if err != nil {
		return err
	}
	state := "failed" // it never arrived, and is sent now
	if there {
		state = "done"
	}
	return g.record(entry{T: entryEnded, Op: open.How, State: state})
}

// await waits for the end of what was sent, and insists that all of it succeeded.
func (g *Guarded) await(ctx context.Context, org Deployments) error {
	open := g.open()
	d, err := org.AwaitDeploy(ctx, open.ID)
	if err != nil {
		return fmt.Errorf("%s: %w", open.How, err)
	}
	open.Outcome = d
	state := "done"
	if !d.Success {
		state = "failed"
	}
	how, id := open.How, open.ID
	if err := g.record(entry{T: entryEnded, Op: how, Job: id, State: state}); err != nil {
		return err
	}
	if d.Success {
		return nil
	}
	return problem.Newf(problem.Conflict, "%s %s: the org refuses it: %s", how, id, whyRefused(d)).
		Hint("nothing of it was done; mend what the org says, and run the command again")
}
