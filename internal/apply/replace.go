package apply

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// replaces returns the field of a file whose bytes the row gives to a record that is there, or nil.
func (a *application) replaces(step, row int) *sf.Field {
	s := a.ledger.plan.Steps[step]
	if s.Op != plan.Update {
		return nil
	}
	field := a.bodyField(s.Object)
	if field == nil || !valueOf(s.Rows[row].Fields, field.Name).IsText() {
		return nil
	}
	return field
}

// replaceFile gives a record that is there the bytes of its row, and its other values with them. No look at the record shows its
// bytes, so that they are read right before: those that the row wants are not sent again, which makes the call one that can be
// repeated, and others than the plan found are somebody's work.
func (a *application) replaceFile(ctx context.Context, s plan.Step, field *sf.Field, r sending) (entryRow, error) {
	to, ok := a.meter.Target.(FileTarget)
	if !ok || a.opts.Bodies == nil {
		return entryRow{}, problem.Newf(problem.Usage, "step %d brings files of %s, and nothing here sends files", s.Number, s.Object)
	}
	want, _, err := bodyOf(r.fields, field)
	if err != nil {
		return entryRow{}, problem.Wrap(problem.Damaged, err, "file in the plan")
	}
	i := slices.IndexFunc(r.fields, func(f state.FieldChange) bool { return f.Field == field.Name })
	before, err := snapshot.ParseBody(r.fields[i].Before.Text())
	if err != nil {
		return entryRow{}, problem.Wrap(problem.Damaged, err, "file in the plan")
	}
	sum := sha256.New()
	end := a.meter.during(KindFile)
	err = to.Body(ctx, s.Object, field.Name, r.id, sum)
	end()
	a.meter.carry(KindFile, 0, before.Size)
	switch {
	case problem.KindOf(err) == problem.NotFound:
		r.code, r.message = CodeAbsent, "the record is not there any more"
		return r.outcome(""), nil
	case err != nil:
		return entryRow{}, fmt.Errorf("read the file of %s %s: %w", s.Object, r.id, err)
	}
	is := [sha256.Size]byte(sum.Sum(nil))
	r.fields = withoutField(r.fields, field.Name)
	fields, writes := table([]sending{r})
	switch is {
	case want.Sum:
		if len(fields) == 0 {
			return r.outcome(r.id), nil
		}
		outcomes, err := a.target.Update(ctx, s.Object, fields, writes)
		if err != nil || len(outcomes) != 1 {
			return entryRow{}, fmt.Errorf("%d outcomes for %s %s: %w", len(outcomes), s.Object, r.id, err)
		}
		return r.concluded(outcomes[0]), nil
	case before.Sum:
	default:
		r.code, r.message = CodeMoved, movedMessage
		return r.outcome(""), nil
	}
	src := &sourceError{}
	end = a.meter.during(KindFile)
	o, err := to.UpdateFile(ctx, s.Object, fields, writes[0], *a.upload(ctx, field, want, nameOfFile(r.fields), src))
	end()
	a.meter.carry(KindFile, 1, writeBytes(writes)+want.Size)
	switch {
	case src.err != nil: // the org has got no whole file
		return entryRow{}, src.err
	case err != nil:
		return entryRow{}, fmt.Errorf("replace the file of %s %s: %w", s.Object, r.id, err)
	}
	return r.concluded(o), nil
}

// concluded is what the journal says of the row after its own call.
func (s sending) concluded(o sf.Outcome) entryRow {
	if o.Success {
		return s.outcome(s.id)
	}
	return s.refused(o)
}
