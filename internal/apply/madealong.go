package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// along says how a record that the platform makes along with another one is recognised: by the record that it belongs to and by a
// value that no two of that one's share, in whatever letters.
type along struct {
	of, by string // fields
	// live: also beside a record that the plan did not make. Otherwise what is there is somebody's, and is not touched.
	live bool
}

// madeAlong are the objects of which the platform makes records by itself that a plan may want to insert.
var madeAlong = map[string]along{
	// A new file is linked with its owner and with the place where it is first published, and a file with a record once.
	// Source: Object Reference, ContentDocumentLink and ContentVersion.FirstPublishLocationId.
	"ContentDocumentLink": {of: "ContentDocumentId", by: "LinkedEntityId", live: true},
	// A campaign begins with Sent and Responded. Source: Object Reference, CampaignMemberStatus.
	"CampaignMemberStatus": {of: "CampaignId", by: "Label"},
}

// takeMade settles the rows of an insert step whose records the platform has made already, and gives those the values that
// their rows want. The others are sent.
func (a *application) takeMade(ctx context.Context, step int) error {
	s := a.ledger.plan.Steps[step]
	m, known := madeAlong[s.Object]
	if s.Op != plan.Insert || !known {
		return nil
	}
	var pending []int
	for n := range s.Rows {
		if a.ledger.rows[step][n].state == rowPending && a.ledger.rows[step][n].attempts == 0 && (m.live || a.makes(s.Rows[n], m.of)) {
			pending = append(pending, n)
		}
	}
	for rows := range slices.Chunk(pending, a.opts.callRows()) {
		e := entry{T: entryIntent, Batch: a.ledger.batches + 1, Step: step, Op: opCompanion, Rows: rowRanges(rows)}
		if err := a.record(e); err != nil {
			return err
		}
		if err := a.settleMade(ctx); err != nil {
			return err
		}
	}
	return nil
}

// makes reports that the plan has made the record that a field of the row names.
func (a *application) makes(r plan.Row, field string) bool {
	_, state := a.ledger.now(sf.ID(valueOf(r.Fields, field).Text()))
	return state == rowDone
}

// settleMade looks for what the platform has made of the open batch. What it writes makes no difference the second time.
func (a *application) settleMade(ctx context.Context) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	along := madeAlong[s.Object]
	var out []entryRow
	type place struct{ of, by string }
	at := func(of, by sf.Value) place { return place{of.Text(), strings.ToLower(by.Text())} }
	wants := map[place]sending{}
	var owners []sf.ID
	for _, n := range b.rows {
		r, err := a.resolve(b.step, n)
		if err != nil {
			return err
		}
		if r.code != "" {
			out = append(out, r.outcome(""))
			continue
		}
		of := valueOf(r.fields, along.of)
		wants[at(of, valueOf(r.fields, along.by))] = r
		if id := sf.ID(of.Text()); !slices.Contains(owners, id) {
			owners = append(owners, id)
		}
	}
	o := a.schema.Object(s.Object)
	x := sf.Extract{Object: o, Fields: []string{along.of, along.by}, IDs: owners, Field: along.of}
	for _, f := range s.Fields {
		if o.Field(f) != nil && !slices.Contains(x.Fields, f) {
			x.Fields = append(x.Fields, f)
		}
	}
	var other []sending
	for m, err := range a.target.Records(ctx, x) {
		if err != nil {
			return fmt.Errorf("step %d, look for %s that the org has made: %w", s.Number, s.Object, err)
		}
		r, wanted := wants[at(m.Get(along.of), m.Get(along.by))]
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
	refused, err := a.setMade(ctx, s.Object, other)
	if err != nil {
		return fmt.Errorf("step %d, set %s that the org has made: %w", s.Number, s.Object, err)
	}
	for i := range out {
		if r, found := refused[out[i].Row]; found {
			out[i] = r
		}
	}
	slices.SortFunc(out, func(x, y entryRow) int { return x.Row - y.Row })
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

// setMade updates records, and returns the rows that the org refused.
func (a *application) setMade(ctx context.Context, object string, rows []sending) (map[int]entryRow, error) {
	refused := map[int]entryRow{}
	for part := range slices.Chunk(rows, a.opts.callRows()) {
		fields, writes := table(part)
		outcomes, err := a.target.Update(ctx, object, fields, writes)
		if err != nil {
			return nil, err
		}
		if len(outcomes) != len(part) {
			return nil, fmt.Errorf("%d outcomes for %d of them", len(outcomes), len(part))
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
