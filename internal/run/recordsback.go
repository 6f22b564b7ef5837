package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/apply"
	"holdfast/internal/rollback"
)

// recordsBack are the plans of records of a rollback that is applied.
type recordsBack struct {
	in       ApplyInput
	plan     *rollback.Plan
	reversal *reversal
	proved   []ApplyResult // what was found of each when the org was observed at the end
}

// withRecordsOf has the next observation take in the records of the plan, and what they refer to, so that one snapshot
// tells that all of the plan is done, and what it takes to take it back.
func (r *reversal) withRecordsOf(p *rollback.Plan) {
	if len(p.Records) == 0 {
		return
	}
	schema := r.before.Schema()
	own := map[string]bool{}
	for _, records := range p.Records {
		for _, s := range records.Steps {
			own[s.Object] = true
			if s.Op.Deletes() {
				r.in.Capture.AcceptDeletions = append(slices.Clone(r.in.Capture.AcceptDeletions), s.Object)
			}
			if o := schema.Object(s.Object); o != nil {
				for _, f := range o.References() {
					for _, target := range f.ReferenceTo {
						if _, held := wholePart(r.before, target); held {
							own[target] = true
						}
					}
				}
			}
		}
	}
	r.objects = slices.Sorted(maps.Keys(own))
}

// left compares the observation at the end with what the plans of records promise.
func (b *recordsBack) left(ctx context.Context, done []apply.Result) (int64, error) {
	b.proved = nil
	var left int64
	for i, applied := range done {
		p := b.plan.Records[i]
		out := b.row(i, applied)
		w, err := b.in.states(ctx, p, b.reversal.live)
		if err != nil {
			return 0, fmt.Errorf("verify the records: %w", err)
		}
		if err := b.in.prove(ctx, w, p, applied, &out); err != nil {
			return 0, err
		}
		left += out.Unexplained
		b.proved = append(b.proved, out)
	}
	return left, nil
}

func (b *recordsBack) row(i int, applied apply.Result) ApplyResult {
	out := applyRows(applied)
	out.of(b.plan.Records[i], "")
	out.Journal = b.in.Journal
	return out
}

// rows are what was done, with what was found where that was looked for.
func (b *recordsBack) rows(done apply.RolledBack) []ApplyResult {
	if len(b.proved) > 0 {
		return b.proved
	}
	var out []ApplyResult
	for i, applied := range done.Records {
		row := b.row(i, applied)
		row.Before, row.Verified = done.Before, done.Before
		out = append(out, row)
	}
	return out
}
