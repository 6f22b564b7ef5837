package apply

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// opReturn is the batch of records that an insert step wants and that are back by themselves.
const opReturn = "return"

// takeReturned settles the rows of an insert step whose records have come back under their old Ids,
// which no plan can foresee: records that no Recycle Bin shows may return with the parent that was
// undeleted. To insert them again would make them twice.
func (a *application) takeReturned(ctx context.Context, step int) error {
	s := a.ledger.plan.Steps[step]
	undeletes := func(s plan.Step) bool { return s.Op == plan.Undelete }
	if s.Op != plan.Insert || !slices.ContainsFunc(a.ledger.plan.Steps, undeletes) {
		return nil
	}
	var pending []int
	for n := range s.Rows {
		if s.Rows[n].With == "" && a.ledger.rows[step][n].state == rowPending {
			pending = append(pending, n)
		}
	}
	for rows := range slices.Chunk(pending, lookRows) {
		ids := make([]sf.ID, len(rows))
		for i, n := range rows {
			ids[i] = s.Rows[n].ID
		}
		found, err := a.look(ctx, s.Object, ids, nil)
		if err != nil {
			return err
		}
		back := slices.DeleteFunc(rows, func(n int) bool { return !found[s.Rows[n].ID].live() })
		for batch := range slices.Chunk(back, a.opts.callRows()) {
			e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: step, Op: opReturn, Rows: rowRanges(batch)}
			if err := a.record(e); err != nil {
				return err
			}
			if err := a.settleReturned(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// settleReturned updates the records of the open batch to what their rows would have inserted, and
// records the outcome. It looks first, so that it can be repeated after any interruption.
func (a *application) settleReturned(ctx context.Context) error {
	b := a.ledger.open
	s := a.ledger.plan.Steps[b.step]
	rows := make([]sending, 0, len(b.rows))
	fields := map[string]int{}
	ids := make([]sf.ID, 0, len(b.rows))
	for _, n := range b.rows {
		r, err := a.resolve(b.step, n)
		if err != nil {
			return err
		}
		r.fields = a.updateable(s.Object, r.fields)
		for _, f := range r.fields {
			fields[f.Field] = 0
		}
		rows, ids = append(rows, r), append(ids, r.id)
	}
	found, err := a.look(ctx, s.Object, ids, fields)
	if err != nil {
		return err
	}
	var out []entryRow
	var other []sending
	for _, r := range rows {
		now := found[r.id]
		r.fields = slices.DeleteFunc(r.fields, func(f state.FieldChange) bool { return now.record.Shape != nil && now.record.Get(f.Field) == f.After })
		switch {
		case !now.live(): // gone again: it is still to be inserted
		case r.code != "" || len(r.fields) == 0:
			out = append(out, r.outcome(r.id))
		default:
			other = append(other, r)
		}
	}
	if len(other) > 0 {
		columns, writes := table(other)
		outcomes, err := a.target.Update(ctx, s.Object, columns, writes)
		if err != nil {
			return fmt.Errorf("step %d, update %d records of %s that came back by themselves: %w", s.Number, len(other), s.Object, err)
		}
		if len(outcomes) != len(other) {
			return fmt.Errorf("update %s: %d outcomes for %d records", s.Object, len(outcomes), len(other))
		}
		for i, r := range other {
			if outcomes[i].Success {
				out = append(out, r.outcome(r.id))
			} else {
				out = append(out, r.refused(outcomes[i]))
			}
		}
	}
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

// updateable keeps the fields that an update may set.
func (a *application) updateable(object string, fields []state.FieldChange) []state.FieldChange {
	o := a.schema.Object(object)
	return slices.DeleteFunc(slices.Clone(fields), func(f state.FieldChange) bool {
		field := a.field(o, f.Field)
		return field == nil || !field.Updateable
	})
}
