package run

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// verify observes the org again and computes what is still to be done to the records of the plan, by
// the same code that made the plan. What rows that failed, links that were dropped and conflicts
// that were kept do not explain is unexplained.
func (in ApplyInput) verify(ctx context.Context, p *plan.Plan, applied apply.Result, journal *apply.Journal, out *ApplyResult) error {
	if done := applied.Verified; done != nil {
		// What people did since is not the plan's; the observation of then stands.
		out.Verified, out.Unexplained = true, done.Unexplained
		if sn, err := in.Store.Load(ctx, done.Snapshot); err == nil {
			row := snapshotRow(sn.Info())
			out.Observed = &row
			out.Mentions, err = mentions(ctx, sn, applied.Pairs)
			return err
		}
		return nil
	}
	w, err := in.states(ctx, p, nil)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := in.prove(ctx, w, p, applied, out); err != nil || !out.Verified { // what was not seen is looked at by whoever runs again
		return err
	}
	return journal.Verified(apply.Verification{Snapshot: w.live.Info().ID, Unexplained: out.Unexplained})
}

// prove computes what is still to be done.
func (in ApplyInput) prove(ctx context.Context, w *wanted, p *plan.Plan, applied apply.Result, out *ApplyResult) error {
	row := snapshotRow(w.live.Info())
	out.Observed, out.Took = &row, w.live.Info().To.Sub(p.Made)
	excuses := excusesOf(p, applied, w.eq.Identity)
	w.records, w.chosen = excuses.planned, excuses.objects
	if len(w.records) > 0 {
		if err := w.compute(ctx); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	read, err := in.proveFiles(ctx, p, w, applied, out)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	out.judge(w, excuses, read)
	if err := out.proveImages(p, w, applied); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if out.Mentions, err = mentions(ctx, w.live, applied.Pairs); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	out.Notes = w.notes
	out.Verified = true
	for _, object := range w.skipped {
		if excuses.objects[object] {
			out.differ(DifferenceRow{Object: object, Kind: Unseen})
			out.Verified = false
		}
	}
	return nil
}

// states loads what the plan was made from and observes the org, unless that is done.
func (in ApplyInput) states(ctx context.Context, p *plan.Plan, live *snapshot.Snapshot) (*wanted, error) {
	w := &wanted{deleteExtra: true, limit: plan.MaxRows}
	var err error
	if w.want, err = in.Store.Load(ctx, p.Source.Wanted); err != nil {
		return nil, err
	}
	if p.Source.Base != "" {
		if w.base, err = in.Store.Load(ctx, p.Source.Base); err != nil {
			return nil, err
		}
	}
	observer := RestoreInput{Source: in.Org, Store: in.Store, Capture: in.Capture}
	for _, step := range p.Steps {
		// The journal is the witness that these are gone. The platform takes a record out of the
		// Recycle Bin when its parent is deleted after it, and the log of deletions is minutes behind.
		if step.Op.Deletes() {
			observer.Capture.AcceptDeletions = append(slices.Clone(observer.Capture.AcceptDeletions), step.Object)
		}
	}
	if live == nil {
		if live, err = observer.observe(ctx, kindVerify, w.want); err != nil {
			return nil, err
		}
	}
	w.live = live
	identity, err := loadIdentity(ctx, in.Store, p.Org)
	if err != nil {
		return nil, err
	}
	w.eq = &state.Equivalence{Schema: w.live.Schema(), Identity: identity}
	w.org, _ = in.Org.(capture.ImageSource)
	who, err := in.Org.Identity(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.know(ctx, who); err != nil {
		return nil, err
	}
	return w, in.asked(ctx, w, p)
}

// asked takes in what of its states the plan is about. Whoever deleted what the plan brought back cannot be
// asked for again: the plan says that it was the party.
func (in ApplyInput) asked(ctx context.Context, w *wanted, p *plan.Plan) error {
	if err := w.readOnly(p.Source.Only); err != nil || w.party.none() {
		return err
	}
	w.party.deleted = map[sf.ID]bool{}
	for _, s := range p.Steps {
		for _, r := range s.Rows {
			if s.Op == plan.Undelete || s.Op == plan.Insert {
				w.party.deleted[r.ID] = true
				w.party.deleted[w.eq.Identity.Map(r.ID)] = true
			}
		}
	}
	return w.loadChain(ctx, in.Store)
}

// excuses are the differences that are known, under the Ids that records have now.
type excuses struct {
	planned  map[sf.ID]bool            // records that the plan writes
	objects  map[string]bool           // and their objects
	deleted  map[sf.ID]bool            // of these, those that it deletes
	failed   map[sf.ID]map[string]bool // fields of refused rows; "" is the whole record
	conflict map[sf.ID]map[string]bool // fields that were left alone; "" is the whole record
}

func excusesOf(p *plan.Plan, applied apply.Result, identity *state.IdentityMap) excuses {
	e := excuses{
		planned: map[sf.ID]bool{}, objects: map[string]bool{}, deleted: map[sf.ID]bool{},
		failed: map[sf.ID]map[string]bool{}, conflict: map[sf.ID]map[string]bool{},
	}
	type failure struct {
		step int
		id   sf.ID
	}
	rows := map[failure]plan.Row{} // those that failed, of a plan that may have millions
	for _, f := range applied.Failed {
		rows[failure{f.Step, f.ID}] = plan.Row{}
	}
	for _, s := range p.Steps {
		e.objects[s.Object] = true
		for _, r := range s.Rows {
			id := identity.Map(r.ID)
			if e.planned[id] = true; s.Op.Deletes() {
				e.deleted[id] = true
			}
			if _, failed := rows[failure{s.Number, r.ID}]; failed {
				rows[failure{s.Number, r.ID}] = r
			}
		}
	}
	add := func(to map[sf.ID]map[string]bool, id sf.ID, field string) {
		if id = identity.Map(id); to[id] == nil {
			to[id] = map[string]bool{}
		}
		to[id][field] = true
	}
	for _, f := range applied.Failed {
		switch f.Op {
		case plan.Release.String(), plan.Update.String(), plan.Second.String():
			for _, c := range rows[failure{f.Step, f.ID}].Fields {
				add(e.failed, f.ID, c.Field)
			}
		default:
			add(e.failed, f.ID, "")
		}
	}
	for _, d := range applied.Dropped {
		add(e.failed, d.ID, d.Field)
	}
	for _, c := range p.Conflicts {
		add(e.conflict, c.ID, c.Field)
	}
	return e
}

func (e excuses) known(id sf.ID, field string) bool {
	return e.failed[id][field] || e.failed[id][""] || e.conflict[id][field] || e.conflict[id][""]
}

// judge sorts what is still different into what is known and what is not. Bytes of files that were read are judged by what
// was read.
func (out *ApplyResult) judge(w *wanted, e excuses, read map[sf.ID]bool) {
	for _, c := range w.delta {
		object := w.eq.Schema.Object(c.Object)
		body := apply.BodyField(object)
		reduced, _, something := w.eq.Reduce(c)
		switch {
		case !something, c.Kind == state.Delete && !e.deleted[c.ID]:
		case c.Kind != state.Update:
			if !e.known(c.ID, "") {
				out.differ(DifferenceRow{Object: c.Object, ID: c.ID, Kind: c.Kind.String()})
			}
		default:
			for _, f := range reduced.Fields {
				if e.known(c.ID, f.Field) || body != nil && f.Field == body.Name && read[c.ID] {
					continue
				}
				var field *sf.Field
				if object != nil {
					field = object.Field(f.Field)
				}
				out.differ(DifferenceRow{
					Object: c.Object, ID: c.ID, Field: f.Field, Kind: c.Kind.String(),
					Wanted: shownValue(field, f.After), Live: shownValue(field, f.Before),
				})
			}
		}
	}
	for _, c := range w.conflicts {
		if !e.known(c.ID, c.Field) {
			out.differ(DifferenceRow{
				Object: c.Object, ID: c.ID, Field: c.Field, Kind: state.Update.String(), Wanted: Value{c.Wanted}, Live: Value{c.Live},
			})
		}
	}
}

func (out *ApplyResult) differ(d DifferenceRow) {
	if out.Unexplained++; len(out.Differences) < shownDifferences {
		out.Differences = append(out.Differences, d)
	}
}
