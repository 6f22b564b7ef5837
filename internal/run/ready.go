package run

import (
	"context"

	"holdfast/internal/apply"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/snapshot"
)

// PlanStands returns nil when the repository still holds the snapshots that a plan was made from. An erasure writes
// them again without what was erased, and a plan that was made before would bring it back: it is dead, which
// is an error of kind Conflict.
func PlanStands(ctx context.Context, store *snapshot.Store, p *plan.Plan) error {
	for _, id := range []string{p.Source.Wanted, p.Source.Base} {
		if id == "" {
			continue
		}
		_, err := store.Load(ctx, id)
		if problem.KindOf(err) == problem.NotFound {
			return problem.Newf(problem.Conflict, "the plan is dead: snapshot %s, from which it was made, is not held any more; it has expired, or something was erased from it", id[:min(len(id), shortID)]).
				Hint("make a new plan, and remove the file of this one: it may hold what was erased")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shortID is how much of the Id of a snapshot is told of one that is not held.
const shortID = 10

// rowsPerCall is how many rows of an update, a deletion or an undeletion one call takes. Source: REST API
// Developer Guide, "sObject Collections".
const rowsPerCall = 200

// ready finds out before the first row is written whether the application can come to its end: the snapshots of
// the plan are there, and the calls that are left will do for the rows and for observing the org again. One
// that was begun is not held up: it has to come to its end.
func (in ApplyInput) ready(ctx context.Context, p *plan.Plan) error {
	if _, err := apply.Begun(in.Journal); problem.KindOf(err) != problem.NotFound {
		return err
	}
	if err := PlanStands(ctx, in.Store, p); err != nil {
		return err
	}
	if in.Share <= 0 {
		return nil
	}
	if _, err := in.Org.ServerTime(ctx); err != nil { // the answer tells what was used up
		return err
	}
	usage := in.Org.Usage()
	left := int64(in.Share*float64(usage.DailyLimit)) - usage.DailyUsed
	if need := in.calls(ctx, p); usage.DailyLimit > 0 && left < need {
		return problem.Newf(problem.Limits, "about %d calls are needed to write the rows and to observe the org again, and %d of the share are left; nothing was written", need, max(0, left)).
			Hint("allow a larger share with --api-share, or apply when the org's 24-hour window has freed calls")
	}
	return nil
}

// calls is how many calls an application takes, about: those of the rows, and for the observation at its end
// as many as that before the plan took, where that is still held.
func (in ApplyInput) calls(ctx context.Context, p *plan.Plan) int64 {
	n := int64(callsAtLeast)
	if live, err := in.Store.Load(ctx, p.Source.Live); err == nil {
		n = max(n, live.Info().Calls)
	}
	for _, s := range p.Steps {
		n += int64((len(s.Rows) + rowsPerCall - 1) / rowsPerCall)
	}
	return n
}
