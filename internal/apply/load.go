package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// load sends the open batch of an update, a deletion or an undeletion, and records its outcome. On
// an error the outcome is unknown and the batch stays open.
func (a *application) load(ctx context.Context) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	var out []entryRow
	var rows []sending
	for _, n := range b.rows {
		r, err := a.resolve(b.step, n)
		if err != nil {
			return err
		}
		if r.code != "" {
			out = append(out, r.outcome(""))
			continue
		}
		if field := a.replaces(b.step, n); field != nil {
			row, err := a.replaceFile(ctx, s, field, r)
			if err != nil {
				return err
			}
			out = append(out, row)
			continue
		}
		if a.pictured(b.step, n) {
			row, err := a.putImages(ctx, s, r)
			if err != nil {
				return err
			}
			out = append(out, row)
			continue
		}
		rows = append(rows, r)
	}
	outcomes, err := a.call(ctx, s, rows)
	if err != nil {
		return err
	}
	if len(outcomes) != len(rows) {
		return fmt.Errorf("%s %s: %d outcomes for %d records", s.Op, s.Object, len(outcomes), len(rows))
	}
	var refused []sf.ID
	for i, r := range rows {
		if o := outcomes[i]; o.ID != "" && o.ID != r.id {
			return fmt.Errorf("%s %s: the outcome for %s is of %s", s.Op, s.Object, r.id, o.ID)
		} else if !o.Success && !s.Op.Updates() && !passing(o.Code) {
			refused = append(refused, r.id)
		}
	}
	anyway, err := a.arrivedAnyway(ctx, s, refused)
	if err != nil {
		return err
	}
	for i, r := range rows {
		switch o := outcomes[i]; {
		case o.Success || anyway[r.id]:
			out = append(out, r.outcome(r.id))
		default:
			out = append(out, r.refused(o))
		}
	}
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

func (a *application) call(ctx context.Context, s plan.Step, rows []sending) ([]sf.Outcome, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]sf.ID, len(rows))
	for i, r := range rows {
		ids[i] = r.id
	}
	var outcomes []sf.Outcome
	var err error
	switch s.Op {
	case plan.Undelete:
		outcomes, err = a.target.Undelete(ctx, ids)
	case plan.Delete:
		outcomes, err = a.target.Delete(ctx, ids)
	default:
		fields, writes := table(rows)
		outcomes, err = a.target.Update(ctx, s.Object, fields, writes)
	}
	if err != nil {
		return nil, fmt.Errorf("step %d, %s %d records of %s: %w", s.Number, s.Op, len(rows), s.Object, err)
	}
	return outcomes, nil
}

// arrivedAnyway looks at records whose deletion or undeletion was refused: a record that is gone
// already, or that came back with another, is where the plan wants it.
func (a *application) arrivedAnyway(ctx context.Context, s plan.Step, ids []sf.ID) (map[sf.ID]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := a.look(ctx, s.Object, ids, nil)
	if err != nil {
		return nil, err
	}
	back := make(map[sf.ID]bool, len(ids))
	for _, id := range ids {
		back[id] = arrived(s, sending{}, found[id])
	}
	return back, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
