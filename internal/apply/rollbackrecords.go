package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
)

// split takes the entries of the plans of records out of a journal: each begins with the digest of its plan, and ends
// before anything else is written, but for what the application took. It returns the others.
func (u *undoing) split(entries []entry) []entry {
	var own []entry
	at, ended := -1, false
	for _, e := range entries {
		switch {
		case e.T == entryBegin:
			at, ended = slices.IndexFunc(u.records, func(r plan.Approved) bool { return r.Digest() == e.Plan }), false
		case ended && e.T != entrySpent:
			at = -1
		}
		if at < 0 {
			own = append(own, e)
			continue
		}
		u.earlier[at] = append(u.earlier[at], e)
		ended = ended || e.T == entryEnd
	}
	return own
}

// foresee refuses a plan whose records have moved before anything of it is done. What only comes with the deployments
// cannot have moved.
func (u *undoing) foresee(ctx context.Context) error {
	if u.begun {
		return nil
	}
	for _, r := range u.records {
		schema, err := u.opts.Target.Schema(ctx)
		if err != nil {
			return err
		}
		a := newApplication(u.opts.Target, r, u.journal, u.opts.Options)
		a.schema, a.early = schema, true
		moved, err := a.stale(ctx)
		if err != nil {
			return err
		}
		if len(moved) > 0 {
			return problem.Wrap(problem.Conflict, staleError(moved, a.ledger.count(rowPending)), "nothing was deployed").Hint(newRollback)
		}
	}
	return nil
}

const newRollback = "make a new plan with `holdfast rollback`, review it and approve that"

// carryRecords carries the plans of records out, or goes on where an earlier run stopped.
func (u *undoing) carryRecords(ctx context.Context) error {
	for i, r := range u.records {
		u.journal.entries, u.earlier[i] = u.earlier[i], nil
		done, err := Run(ctx, u.opts.Target, r, u.journal, u.opts.Options)
		u.out.Records = append(u.out.Records, done)
		// Even a run that stopped has made records whose new Ids must not be forgotten.
		if keep := u.opts.Keep(context.WithoutCancel(ctx), r, done); keep != nil {
			return errors.Join(err, keep)
		}
		if problem.KindOf(err) == problem.Conflict {
			return problem.Wrap(problem.Conflict, err, fmt.Sprintf("%d of %d deployments are done, and the records are not all back", u.out.Done, len(u.plan.Deployments))).
				Hint("make a new plan with `holdfast rollback` of the same snapshots: it holds what is left")
		}
		if err != nil {
			return fmt.Errorf("records: %w", err)
		}
	}
	return nil
}

// refused counts the rows that the org refused.
func (u *undoing) refused() int {
	n := 0
	for _, r := range u.out.Records {
		n += len(r.Failed)
	}
	return n
}
