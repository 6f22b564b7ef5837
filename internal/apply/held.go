package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// attachedBefore is how long before the end of the live observation a record may have been attached that the
// observation does not show, because its object was read first; those of objects that it does not hold at all, and
// that are older, were there when the plan was reviewed.
const attachedBefore = 15 * time.Minute

// held says which of the records that a step deletes a record depends on that stays: one that people have attached
// since the plan was made, or whose own deletion was refused. It would be deleted with them, without a word.
func (a *application) held(ctx context.Context, object string, ids []sf.ID) (map[sf.ID]string, error) {
	out := map[sf.ID]string{}
	for _, h := range plan.Holders(a.schema, object) {
		if !h.Object.Queryable || kept(h.Object.Name) {
			continue
		}
		x := sf.Extract{Object: h.Object, Fields: []string{h.Field.Name}, IDs: ids, Field: h.Field.Name}
		deletes := a.ledger.deletes(h.Object.Name)
		if !deletes && h.Object.Field("SystemModstamp") != nil {
			x.StampField, x.From = "SystemModstamp", a.ledger.plan.Made.Add(-attachedBefore)
		}
		hanging := map[sf.ID]sf.ID{}
		for r, err := range a.target.Records(ctx, x) {
			if err != nil && !deletes && turnedAway(err) {
				break // an object that cannot be asked so is no such child as people attach
			}
			if err != nil {
				return nil, fmt.Errorf("what depends on %d records of %s: %w", len(ids), object, err)
			}
			if !a.ledger.goes(r.ID) {
				hanging[r.ID] = sf.ID(r.Get(h.Field.Name).Text())
			}
		}
		a.ledger.leaving(h, hanging)
		for id, target := range hanging {
			if name := h.Object.Name + " " + string(id); out[target] == "" || name < out[target] {
				out[target] = name
			}
		}
	}
	return out, nil
}

// kept reports the objects whose records the platform keeps about another record. Source: Object Reference,
// "Associated Objects".
func kept(object string) bool {
	for _, suffix := range []string{"Share", "History", "Feed", "ChangeEvent"} {
		if strings.HasSuffix(object, suffix) {
			return true
		}
	}
	return false
}

// deletes reports that the plan deletes records of the object.
func (l *ledger) deletes(object string) bool {
	return slices.ContainsFunc(l.plan.Steps, func(s plan.Step) bool { return s.Op.Deletes() && s.Object == object })
}

// goes reports a record that the plan deletes, and whose deletion was not refused.
func (l *ledger) goes(id sf.ID) bool {
	if l.doomed == nil {
		l.doomed = map[sf.ID]birthplace{}
		for i, s := range l.plan.Steps {
			for n, r := range s.Rows {
				if s.Op.Deletes() {
					l.doomed[r.ID] = birthplace{i, n}
				}
			}
		}
	}
	b, found := l.doomed[id]
	return found && l.rows[b.step][b.row].state != rowFailed
}

// leaving takes the records out that the plan points elsewhere before it deletes anything.
func (l *ledger) leaving(h plan.Holder, hanging map[sf.ID]sf.ID) {
	for i, s := range l.plan.Steps {
		if len(hanging) == 0 || !s.Op.Updates() || s.Object != h.Object.Name {
			continue
		}
		for n, r := range s.Rows {
			target, hangs := hanging[r.ID]
			if !hangs || l.rows[i][n].state == rowFailed || l.rows[i][n].state == rowDone {
				continue
			}
			for _, f := range r.Fields {
				if f.Field == h.Field.Name && f.After.Text() != string(target) {
					delete(hanging, r.ID)
				}
			}
		}
	}
}
