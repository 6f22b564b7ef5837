package apply

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// The platform links a new file with its owner and with the place where it is first published, and links a file with
// a record once. Source: Object Reference, ContentDocumentLink and ContentVersion.FirstPublishLocationId.
const (
	fileLinks    = "ContentDocumentLink"
	linkedFile   = "ContentDocumentId"
	linkedRecord = "LinkedEntityId"
)

// takeLinks settles the rows of an insert step whose links the platform has made already, and gives those the sharing that
// their rows want. The others are sent.
func (a *application) takeLinks(ctx context.Context, step int) error {
	s := a.ledger.plan.Steps[step]
	var pending []int
	for n := range s.Rows {
		if a.ledger.rows[step][n].state == rowPending && a.ledger.rows[step][n].attempts == 0 {
			pending = append(pending, n)
		}
	}
	for rows := range slices.Chunk(pending, a.opts.callRows()) {
		e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: step, Op: opCompanion, Rows: rowRanges(rows)}
		if err := a.record(e); err != nil {
			return err
		}
		if err := a.settleLinks(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settleLinks looks for the links of the open batch. What it writes makes no difference the second time.
func (a *application) settleLinks(ctx context.Context) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	var out []entryRow
	type place struct{ file, record string }
	wants := map[place]sending{}
	var files []sf.ID
	for _, n := range b.rows {
		r, err := a.resolve(b.step, n)
		if err != nil {
			return err
		}
		if r.code != "" {
			out = append(out, r.outcome(""))
			continue
		}
		file := valueOf(r.fields, linkedFile).Text()
		wants[place{file, valueOf(r.fields, linkedRecord).Text()}] = r
		if id := sf.ID(file); !slices.Contains(files, id) {
			files = append(files, id)
		}
	}
	o := a.schema.Object(fileLinks)
	x := sf.Extract{Object: o, Fields: []string{linkedFile, linkedRecord, "ShareType", "Visibility"}, IDs: files, Field: linkedFile}
	var other []sending
	for m, err := range a.target.Records(ctx, x) {
		if err != nil {
			return fmt.Errorf("step %d, look for links of files: %w", s.Number, err)
		}
		r, wanted := wants[place{m.Get(linkedFile).Text(), m.Get(linkedRecord).Text()}]
		if !wanted {
			continue
		}
		r.id = m.ID
		out = append(out, r.outcome(m.ID))
		r.fields = slices.DeleteFunc(slices.Clone(r.fields), func(f state.FieldChange) bool {
			field := a.field(o, f.Field)
			return field == nil || !field.Updateable || m.Get(f.Field) == f.After
		})
		if len(r.fields) > 0 {
			other = append(other, r)
		}
	}
	refused, err := a.shareLinks(ctx, other)
	if err != nil {
		return fmt.Errorf("step %d, share files: %w", s.Number, err)
	}
	for i := range out {
		if r, found := refused[out[i].Row]; found {
			out[i] = r
		}
	}
	slices.SortFunc(out, func(x, y entryRow) int { return x.Row - y.Row })
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

// shareLinks updates links, and returns the rows that the org refused.
func (a *application) shareLinks(ctx context.Context, rows []sending) (map[int]entryRow, error) {
	refused := map[int]entryRow{}
	for part := range slices.Chunk(rows, a.opts.callRows()) {
		fields, writes := table(part)
		outcomes, err := a.target.Update(ctx, fileLinks, fields, writes)
		if err != nil {
			return nil, err
		}
		if len(outcomes) != len(part) {
			return nil, fmt.Errorf("%d outcomes for %d links", len(outcomes), len(part))
		}
		for i, r := range part {
			if !outcomes[i].Success {
				refused[r.row] = r.refused(outcomes[i])
			}
		}
	}
	return refused, nil
}

func valueOf(fields []state.FieldChange, name string) sf.Value {
	for _, f := range fields {
		if f.Field == name {
			return f.After
		}
	}
	return sf.Value{}
}
