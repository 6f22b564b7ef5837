package apply

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// opCompanion is the batch of records that the org made together with others of the plan.
const opCompanion = "companion"

// companionOf says in which field of which object the org names a record that it made along with one of
// that object. Source: Object Reference, Account.PersonContactId, ContentVersion.ContentDocumentId.
var companionOf = map[string]struct{ object, field string }{
	"Contact":         {"Account", "PersonContactId"},
	"ContentDocument": {"ContentVersion", "ContentDocumentId"},
}

// takeCompanions settles the rows of an insert step that are not sent: they take the Ids that the org
// gave to the records which it made.
func (a *application) takeCompanions(ctx context.Context, step int) error {
	s := a.ledger.plan.Steps[step]
	if s.Op != plan.Insert {
		return nil
	}
	var pending []int
	for n := range s.Rows {
		if s.Rows[n].With != "" && a.ledger.rows[step][n].state == rowPending {
			pending = append(pending, n)
		}
	}
	for rows := range slices.Chunk(pending, freshRows) {
		e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: step, Op: opCompanion, Rows: rowRanges(rows)}
		if err := a.record(e); err != nil {
			return err
		}
		if err := a.settleCompanions(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settleCompanions asks for the Ids of the open batch. It only looks, so that it can be repeated.
func (a *application) settleCompanions(ctx context.Context) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	by, known := companionOf[s.Object]
	if !known {
		return fmt.Errorf("step %d: nothing tells which %s the org made", s.Number, s.Object)
	}
	makers := make(map[sf.ID]sf.ID, len(b.rows))
	var ids []sf.ID
	for _, n := range b.rows {
		if id, there := a.ledger.now(s.Rows[n].With); there == rowDone {
			makers[s.Rows[n].With] = id
			ids = append(ids, id)
		}
	}
	found, err := a.look(ctx, by.object, ids, map[string]int{by.field: 0})
	if err != nil {
		return err
	}
	var out []entryRow
	for _, n := range b.rows {
		id, made := makers[s.Rows[n].With]
		r := sending{row: n}
		switch now := found[id]; {
		case !made:
			r.code, r.message = CodeParent, fmt.Sprintf("comes with %s, which did not come back", s.Rows[n].With)
			out = append(out, r.outcome(""))
		case !now.live() || !now.record.Get(by.field).IsText():
			r.code, r.message = CodeAbsent, fmt.Sprintf("the org made none with %s %s", by.object, id)
			out = append(out, r.outcome(""))
		default:
			out = append(out, r.outcome(sf.ID(now.record.Get(by.field).Text())))
		}
	}
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}
