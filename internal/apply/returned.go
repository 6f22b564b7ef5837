package apply

import (
	"context"
	"encoding/hex"
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
	for numbers := range slices.Chunk(pending, freshRows) {
		back, err := a.lookReturned(ctx, step, numbers)
		if err != nil {
			return err
		}
		for batch := range slices.Chunk(back, a.opts.callRows()) {
			e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: step, Op: opReturn}
			var rows []int
			for _, r := range batch {
				rows, e.Found = append(rows, r.row), append(e.Found, r.found)
			}
			e.Rows = rowRanges(rows)
			if err := a.record(e); err != nil {
				return err
			}
			if err := a.sendReturned(ctx, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// returned is a record that is back by itself.
type returned struct {
	sending        // what differs from what its row would have inserted
	found   string // check of all that its row would write, as it was found
	edited  bool   // by somebody, since the application brought it back
}

// lookReturned returns those of the rows, in their order, whose records are back.
func (a *application) lookReturned(ctx context.Context, step int, numbers []int) ([]returned, error) {
	s := a.ledger.plan.Steps[step]
	o := a.schema.Object(s.Object)
	fields := map[string]int{}
	for _, name := range []string{"LastModifiedById", "LastModifiedDate"} {
		if o != nil && a.field(o, name) != nil {
			fields[name] = 0
		}
	}
	ids := make([]sf.ID, len(numbers))
	for i, n := range numbers {
		ids[i] = s.Rows[n].ID
		for _, f := range a.updateable(s.Object, s.Rows[n].Fields) {
			fields[f.Field] = 0
		}
	}
	found, err := a.look(ctx, s.Object, ids, fields)
	if err != nil {
		return nil, err
	}
	var out []returned
	for i, n := range numbers {
		now := found[ids[i]]
		if !now.live() { // gone again: it is still to be inserted
			continue
		}
		r := returned{}
		if r.sending, err = a.resolve(step, n); err != nil {
			return nil, err
		}
		r.fields = a.updateable(s.Object, r.fields)
		var cells []string
		for _, f := range r.fields {
			cells = append(cells, now.record.Get(f.Field).String())
		}
		key := keyOf(cells)
		r.found = hex.EncodeToString(key[:])
		before, known := a.ledger.returned[birthplace{step, n}]
		r.edited = known && before != r.found || a.byAnother(now)
		r.fields = slices.DeleteFunc(r.fields, func(f state.FieldChange) bool { return now.record.Get(f.Field) == f.After })
		out = append(out, r)
	}
	return out, nil
}

// byAnother reports a record that somebody else has written since the application began.
func (a *application) byAnother(now seen) bool {
	by, at := now.record.Get("LastModifiedById"), now.record.Get("LastModifiedDate")
	if !by.IsText() || !at.IsText() || a.user == "" || by.Text() == string(a.user) {
		return false
	}
	written, err := sf.ParseDatetime(at.Text())
	begun, errBegun := sf.ParseDatetime(a.ledger.at)
	return err == nil && errBegun == nil && written.After(begun)
}

// sendReturned updates the records of the open batch to what their rows would have inserted, and records the
// outcome.
func (a *application) sendReturned(ctx context.Context, rows []returned) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	var out []entryRow
	var other []sending
	for _, r := range rows {
		switch {
		case r.code != "" || len(r.fields) == 0:
			out = append(out, r.outcome(r.id))
		case r.edited:
			r.code, r.message = CodeMoved, movedMessage
			out = append(out, r.outcome(""))
		default:
			other = append(other, r.sending)
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

// settleReturned closes the open batch by looking. Records that are not as their rows want them are pending again,
// with what they were when they were found.
func (a *application) settleReturned(ctx context.Context) error {
	b := a.ledger.last()
	rows, err := a.lookReturned(ctx, b.step, b.rows)
	if err != nil {
		return err
	}
	var out []entryRow
	for _, r := range rows {
		if r.code != "" || len(r.fields) == 0 {
			out = append(out, r.outcome(r.id))
		}
	}
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

// updateable keeps the fields that an update may set.
func (a *application) updateable(object string, fields []state.FieldChange) []state.FieldChange {
	o := a.schema.Object(object)
	return slices.DeleteFunc(slices.Clone(fields), func(f state.FieldChange) bool {
		field := a.field(o, f.Field)
		return field == nil || !field.Updateable || field.Type == sf.TypeBase64 // bytes come back with their record
	})
}
