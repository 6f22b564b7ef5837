package apply

import (
	"context"
	"fmt"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// lookRows is how many records are read and compared at a time: what one composite call of the client asks for. It bounds memory.
const lookRows = 5_000

// freshRows is how many rows are sent after one look at most: few enough calls that what was seen still holds for the last of them.
const freshRows = 2_000

// seen is a record as the org has it now.
type seen struct {
	record sf.Record
	there  bool // live or in the Recycle Bin
	binned bool
}

func (s seen) live() bool { return s.there && !s.binned }

// look reads these records of one object, with these fields and with those in the Recycle Bin.
func (a *application) look(ctx context.Context, object string, ids []sf.ID, fields map[string]int) (map[sf.ID]seen, error) {
	x, err := a.lookAt(object, fields)
	if x.Object == nil || err != nil {
		return nil, err
	}
	x.IDs, x.ExpectRows = ids, int64(len(ids))
	found := make(map[sf.ID]seen, len(ids))
	for r, err := range a.target.Records(ctx, x) {
		if err != nil {
			return nil, fmt.Errorf("read %d records of %s: %w", len(ids), object, err)
		}
		if found[r.ID].there {
			return nil, problem.Newf(problem.Damaged, "the org returned %s %s twice", object, r.ID)
		}
		found[r.ID] = seen{record: r, there: true, binned: r.Get("IsDeleted").Text() == "true"}
	}
	return found, nil
}

// lookAt is how records of the object are read with these fields, which the org must have. It has no object where that may
// still have to come.
func (a *application) lookAt(object string, fields map[string]int) (x sf.Extract, err error) {
	o := a.schema.Object(object)
	if o == nil && a.early {
		return x, nil
	}
	if o == nil {
		return x, problem.Newf(problem.Conflict, "the org has no object %s any more", object)
	}
	x.Object = o
	if a.field(o, "IsDeleted") != nil {
		x.Fields, x.IncludeDeleted = append(x.Fields, "IsDeleted"), true
	}
	for _, name := range sortedKeys(fields) {
		f := a.field(o, name)
		if f == nil && a.early {
			continue
		}
		if f == nil {
			return x, problem.Newf(problem.Conflict, "the org has no field %s.%s any more", object, name)
		}
		if name != "IsDeleted" && name != "Id" && !f.Type.IsCompound() && f.Type != sf.TypeBase64 {
			x.Fields = append(x.Fields, name)
		}
	}
	return x, nil
}

// Moved is a record that is no longer as the plan found it.
type Moved struct {
	Step   int // number in the plan
	Object string
	ID     sf.ID
	Field  string // empty: the whole record
	Reason string

	held bool // something that stays depends on it
}

// stale compares every row that is still to be sent with the org. It returns those that moved. Where one look
// was enough, its rows need not be looked at again before they are sent.
func (a *application) stale(ctx context.Context) ([]Moved, error) {
	var moved []Moved
	looks := 0
	var rows []birthplace
	check := func() error {
		if len(rows) == 0 {
			return nil
		}
		m, err := a.staleRows(ctx, rows)
		if looks++; looks == 1 && len(rows) <= freshRows {
			a.fresh = fresh{step: rows[0].step, rows: map[int]bool{}}
			for _, r := range rows {
				a.fresh.rows[r.row] = true
			}
		}
		moved, rows = append(moved, m...), rows[:0]
		return err
	}
	for i, s := range a.ledger.plan.Steps {
		if len(rows) > 0 && !together(a.ledger.plan.Steps[rows[0].step], s) {
			if err := check(); err != nil {
				return nil, err
			}
		}
		comes := map[string]int{}
		for n, r := range s.Rows {
			if a.ledger.rows[i][n].state != rowPending {
				continue
			}
			if now, again := a.madeAgain(s, r); again {
				moved = append(moved, Moved{Step: s.Number, Object: s.Object, ID: r.ID, Reason: "was made again as " + string(now)})
				continue
			}
			if birth, ours := a.ledger.birth[r.ID]; ours && s.Op != plan.Insert && a.ledger.plan.Steps[birth.step].Op == plan.Insert {
				a.compare(s, n, r.Fields, comes) // there is no record yet that somebody could have changed
				continue
			}
			if rows = append(rows, birthplace{i, n}); len(rows) == lookRows {
				if err := check(); err != nil {
					return nil, err
				}
			}
		}
		if _, err := a.lookAt(s.Object, comes); err != nil {
			return nil, err
		}
	}
	if err := check(); err != nil {
		return nil, err
	}
	if looks > 1 || len(a.ledger.plan.SwitchedOff()) > 0 {
		a.fresh = fresh{}
	}
	return moved, nil
}

// madeAgain reports a record to be made that was made already, by the application of another plan, or of this one under another
// journal: nothing in the org tells, since it has another Id there.
func (a *application) madeAgain(s plan.Step, r plan.Row) (now sf.ID, again bool) {
	if s.Op != plan.Insert || a.opts.Successor == nil {
		return "", false
	}
	now = a.opts.Successor(r.ID)
	return now, now != r.ID
}

// together reports steps whose rows can be looked at in one query: those that insert records of one object, of which
// only whether they are there is asked.
func together(one, other plan.Step) bool {
	return one.Op == plan.Insert && other.Op == plan.Insert && one.Object == other.Object
}

// lookFor reads the records that a step is about, and, where it deletes them, what holds them.
func (a *application) lookFor(ctx context.Context, s plan.Step, ids []sf.ID, fields map[string]int) (
	found map[sf.ID]seen, holders map[sf.ID]string, err error,
) {
	if found, err = a.look(ctx, s.Object, ids, fields); err == nil && s.Op.Deletes() {
		holders, err = a.held(ctx, s.Object, ids)
	}
	return found, holders, err
}

// staleRows looks at rows of one step, or of several that are looked at together.
func (a *application) staleRows(ctx context.Context, rows []birthplace) ([]Moved, error) {
	s := a.ledger.plan.Steps[rows[0].step]
	fields := map[string]int{}
	ids := make([]sf.ID, 0, len(rows))
	for _, r := range rows {
		row := a.ledger.plan.Steps[r.step].Rows[r.row]
		id, _ := a.ledger.now(row.ID)
		ids = append(ids, id)
		if s.Op != plan.Insert && s.Op != plan.Undelete {
			a.compare(s, r.row, row.Fields, fields)
		}
	}
	found, holders, err := a.lookFor(ctx, s, ids, fields)
	if err != nil {
		return nil, err
	}
	var moved []Moved
	for i, r := range rows {
		m := Moved{Step: a.ledger.plan.Steps[r.step].Number, Object: s.Object, ID: ids[i]}
		if by := holders[ids[i]]; by != "" && found[ids[i]].live() {
			m.Reason, m.held = "is what "+by+" depends on, which stays", true
			moved = append(moved, m)
			continue
		}
		if m.Field, m.Reason = a.movedRow(r.step, r.row, found[ids[i]]); m.Reason != "" {
			moved = append(moved, m)
		}
	}
	return moved, nil
}

// movedRow says in which field, and how, the record is not what the plan expects, or "".
func (a *application) movedRow(step, row int, now seen) (field, reason string) {
	s := a.ledger.plan.Steps[step]
	r := s.Rows[row]
	switch s.Op {
	case plan.Undelete:
		switch {
		case !now.there:
			return "", "is not in the Recycle Bin any more"
		case now.live() && !a.ledger.begun:
			return "", "is back already"
		}
		return "", ""
	case plan.Insert:
		if now.live() && !a.ledger.begun {
			return "", "is back already"
		}
		return "", ""
	case plan.Delete, plan.HardDelete:
		switch {
		case s.Op == plan.HardDelete && now.binned && !a.ledger.begun:
			return "", "is in the Recycle Bin, where a job does not find it"
		case !now.live():
			return "", "" // gone already, which is what the plan wants
		}
		for _, f := range r.Fields {
			if is := now.record.Get(f.Field); a.weighs(s.Object, f.Field) && differs(f.Before, is) &&
				!a.ledger.released(r.ID, f.Field, is) && !a.ledger.followed(f.Before, is) && !a.ownTouch(f.Field, now) {
				return f.Field, "changed"
			}
		}
		return "", ""
	}
	birth, ours := a.ledger.birth[r.ID]
	switch {
	case !ours && !now.live():
		return "", "is deleted"
	case ours && a.ledger.plan.Steps[birth.step].Op == plan.Insert, ours && !now.there:
		return "", "" // it comes, or its own row tells
	}
	for _, f := range r.Fields {
		is := now.record.Get(f.Field)
		if is == f.After || !differs(f.Before, is) || (ours && is.IsNull() && f.After.IsText()) ||
			a.ledger.released(r.ID, f.Field, is) || a.ledger.followed(f.Before, is) {
			continue // a link that came back empty with its record is what the row is there for
		}
		return f.Field, "changed"
	}
	return "", ""
}

// differs compares what the plan found with what is there; what the plan did not see, it cannot miss.
func differs(before, is sf.Value) bool {
	return !before.IsAbsent() && !is.IsAbsent() && before != is
}

// weighs reports a field whose change forbids the deletion of its record: everything but what the
// platform recomputes, and LastModifiedDate, which tells of edits to fields that the plan did not see.
func (a *application) weighs(object, field string) bool {
	if field == "LastModifiedDate" {
		return true
	}
	o := a.schema.Object(object)
	if o == nil {
		return false
	}
	return weighsOf(a.field(o, field), field)
}

// weighsIn is weighs by the schema that a forecast has.
func weighsIn(o *sf.Object, field string) bool {
	return field == "LastModifiedDate" || o == nil || weighsOf(o.Field(field), field)
}

func weighsOf(f *sf.Field, field string) bool {
	return f != nil && !f.Calculated && !f.Type.IsCompound() && f.Type != sf.TypeBase64 && !sf.IsSystemField(field)
}

// settleByLooking finds out what became of the open batch of an update, a deletion or an
// undeletion. Rows that it leaves out of the outcome were not reached.
func (a *application) settleByLooking(ctx context.Context) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	rows := make([]sending, 0, len(b.rows))
	fields := map[string]int{}
	ids := make([]sf.ID, 0, len(b.rows))
	for _, n := range b.rows {
		r, err := a.resolve(b.step, n)
		if err != nil {
			return err
		}
		rows, ids = append(rows, r), append(ids, r.id)
		a.compare(s, n, r.fields, fields)
	}
	found, err := a.look(ctx, s.Object, ids, fields)
	if err != nil {
		return err
	}
	var out []entryRow
	for _, r := range rows {
		now := found[r.id]
		there := r.code == "" && arrived(s, r, now)
		if r.code == "" && a.pictured(b.step, r.row) {
			if there, err = a.arrivedPictured(ctx, s, r, now); err != nil {
				return fmt.Errorf("step %d, read images of %s %s: %w", s.Number, s.Object, r.id, err)
			}
		}
		switch {
		case r.code != "":
			out = append(out, r.outcome(""))
		case there:
			out = append(out, r.outcome(r.id))
		case now.live() && a.strayed(b.step, r, now):
			r.code, r.message = CodeMoved, movedMessage
			out = append(out, r.outcome(""))
		}
	}
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

// arrived reports a record that is as the row wants it.
func arrived(s plan.Step, r sending, now seen) bool {
	switch s.Op {
	case plan.Undelete:
		return now.live()
	case plan.Delete:
		return !now.live()
	case plan.HardDelete:
		return !now.there
	}
	if !now.live() {
		return false
	}
	for _, f := range r.fields {
		if now.record.Get(f.Field) != f.After {
			return false
		}
	}
	return true
}

// strayed reports a record that has not arrived and is not where the plan found it either.
func (a *application) strayed(step int, r sending, now seen) bool {
	s := a.ledger.plan.Steps[step]
	switch s.Op {
	case plan.Undelete:
		return false
	case plan.Delete, plan.HardDelete:
		_, reason := a.movedRow(step, r.row, now)
		return reason != ""
	}
	_, ours := a.ledger.birth[s.Rows[r.row].ID]
	for _, f := range r.fields {
		is := now.record.Get(f.Field)
		if is != f.After && differs(f.Before, is) && (!ours || !is.IsNull()) && !a.ledger.released(r.id, f.Field, is) && !a.ledger.followed(f.Before, is) &&
			!(s.Op == plan.Second && a.given(s.Object, r.id, f.Field, is)) {
			return true
		}
	}
	return false
}

// given reports a value that the platform gives a new record where an insert has none: a default, or for the name
// of a custom object the Id of the record. That it is the Id is what public orgs show.
func (a *application) given(object string, id sf.ID, name string, is sf.Value) bool {
	o := a.schema.Object(object)
	if o == nil {
		return false
	}
	f := a.field(o, name)
	return f != nil && (f.DefaultedOnCreate || f.NameField && is.Text() == string(id))
}
