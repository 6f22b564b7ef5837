package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// aheadRows is how many rows are looked at again at a time: the Ids of one query, and few enough calls later that what
// was seen still holds for the last of them.
const aheadRows = 1_000

// fresh are rows of a step that were compared with the org a moment ago and not sent since.
type fresh struct {
	step int
	rows map[int]bool
}

// spare takes out of a batch, right before it is sent, the rows that somebody has worked on since the plan was
// checked as a whole: an application may take hours. It looks at the rows of the next batches along with it, and
// settles what it takes out.
func (a *application) spare(ctx context.Context, step int, rows []int) ([]int, error) {
	s := a.ledger.plan.Steps[step]
	if !s.Op.Updates() && !s.Op.Deletes() {
		return rows, nil
	}
	known := func(n int) bool { return a.fresh.step == step && a.fresh.rows[n] }
	if slices.ContainsFunc(rows, func(n int) bool { return !known(n) }) {
		if err := a.lookAhead(ctx, step, rows); err != nil {
			return nil, err
		}
	}
	rows = slices.DeleteFunc(rows, func(n int) bool { return !known(n) })
	for _, n := range rows {
		delete(a.fresh.rows, n)
	}
	return rows, nil
}

// lookAhead compares the rows, and those that are sent after them, with the org.
func (a *application) lookAhead(ctx context.Context, step int, rows []int) error {
	window := make(map[int]bool, aheadRows)
	for _, n := range rows {
		window[n] = true
	}
	pending, _ := a.ledger.pending(step)
	for n := range pending {
		if len(window) >= aheadRows {
			break
		}
		window[n] = true
	}
	a.fresh = fresh{}
	moved, err := a.straying(ctx, step, slices.Sorted(maps.Keys(window)))
	if err != nil {
		return err
	}
	if len(moved) > 0 {
		e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: step, Op: sentAs(a.ledger.plan.Steps[step].Op)}
		out := entry{T: entryOutcome, Batch: e.Batch}
		var numbers []int
		for _, r := range moved {
			delete(window, r.row)
			numbers, out.Out = append(numbers, r.row), append(out.Out, r.outcome(""))
		}
		e.Rows = rowRanges(numbers)
		if err := a.record(e); err != nil {
			return err
		}
		if err := a.record(out); err != nil {
			return err
		}
	}
	a.fresh = fresh{step: step, rows: window}
	return nil
}

// straying returns those of the rows, in their order, whose record is neither where the plan found it nor where
// the plan wants it, or may not be deleted any more.
func (a *application) straying(ctx context.Context, step int, numbers []int) ([]sending, error) {
	s := a.ledger.plan.Steps[step]
	var rows []sending
	var ids []sf.ID
	fields := map[string]int{}
	for _, n := range numbers {
		r, err := a.resolve(step, n)
		if err != nil {
			return nil, err
		}
		if r.code != "" || !a.compare(s, n, r.fields, fields) {
			continue
		}
		rows, ids = append(rows, r), append(ids, r.id)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	found, holders, err := a.lookFor(ctx, s, ids, fields)
	if err != nil {
		return nil, err
	}
	var out []sending
	for _, r := range rows {
		switch now := found[r.id]; {
		case !now.live(): // what the org says of it is the outcome
		case a.strayed(step, r, now):
			r.code, r.message = CodeMoved, movedMessage
			out = append(out, r)
		case holders[r.id] != "":
			r.code, r.message = CodeHeld, fmt.Sprintf("%s depends on it and stays; it was left alone", holders[r.id])
			out = append(out, r)
		}
	}
	return out, nil
}

// movedMessage is what the journal says of a record that was left alone for somebody's work.
const movedMessage = "someone changed the record while the plan was applied; it was left alone"

// compare adds the fields in which the record of a row is compared with what the plan found, and reports whether
// there is anything to compare. sent is what the row writes.
func (a *application) compare(s plan.Step, row int, sent []state.FieldChange, into map[string]int) bool {
	if !s.Op.Deletes() {
		some := false
		for _, f := range sent {
			into[f.Field] = 0
			some = some || !f.Before.IsAbsent()
		}
		return some
	}
	for _, f := range s.Rows[row].Fields {
		if !a.weighs(s.Object, f.Field) {
			continue
		}
		into[f.Field] = 0
		if o := a.schema.Object(s.Object); f.Field == "LastModifiedDate" && o != nil && a.field(o, "LastModifiedById") != nil {
			into["LastModifiedById"] = 0
		}
	}
	return true
}

// ownTouch reports a stamp that the application itself may have moved: writing a record moves those of the ones it
// belongs to. An edit by the same user to a field that the plan has seen still shows in that field.
func (a *application) ownTouch(field string, now seen) bool {
	return field == "LastModifiedDate" && a.ledger.begun && a.user != "" && now.record.Get("LastModifiedById").Text() == string(a.user)
}
