package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// along says in the plan which records the org brings back from the Recycle Bin beside those of the plan: what was deleted with
// a record is undeleted with it, whether somebody selected it or not. They count against the cap. Source: SOAP API Developer
// Guide, undelete(): "Since a delete call cascade-deletes child records, an undelete call undeletes the cascade-deleted records".
// What was deleted before its parent, by itself, stays in the Recycle Bin and is counted all the same: nothing tells them apart.
func (in RestoreInput) along(ctx context.Context, w *wanted, p *plan.Plan) error {
	known := map[sf.ID]bool{}
	level := map[string][]sf.ID{}
	for _, s := range p.Steps {
		for _, r := range s.Rows {
			known[r.ID] = true
			if s.Op == plan.Undelete {
				level[s.Object] = append(level[s.Object], r.ID)
			}
		}
	}
	touched, counts, total := len(known), map[string]int{}, 0
	for len(level) > 0 {
		next := map[string][]sf.ID{}
		for _, o := range w.eq.Schema.Objects {
			if !o.Queryable || !o.Undeletable || o.Field("IsDeleted") == nil {
				continue
			}
			for _, f := range plan.Owners(w.eq.Schema, o.Name) {
				for _, parent := range f.ReferenceTo {
					found, err := in.binnedBelow(ctx, o, f, level[parent], known)
					if err != nil {
						return err
					}
					next[o.Name] = append(next[o.Name], found...)
					counts[o.Name], total = counts[o.Name]+len(found), total+len(found)
				}
			}
			if len(next[o.Name]) == 0 {
				delete(next, o.Name)
			}
		}
		level = next
		if touched+total > w.limit {
			return problem.Newf(problem.Limits, "plan: it would touch %d records or more, %d of them because the org undeletes what was deleted with a record, and %d are allowed",
				touched+total, total, w.limit).
				Hint("--max-rows %d allows it; or choose other records", touched+total)
		}
	}
	if total == 0 {
		return nil
	}
	var of []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			of = append(of, fmt.Sprintf("%d of %s", counts[name], name))
		}
	}
	p.Notes = append(p.Notes, numbered(total, "%d {record comes|records come} back from the Recycle Bin beside those of the plan, since the org undeletes what was deleted with a record: ")+strings.Join(of, ", "))
	return nil
}

// binnedBelow returns the records in the Recycle Bin that refer to these by a field, but for those that are known, and knows them then.
func (in RestoreInput) binnedBelow(ctx context.Context, o *sf.Object, f *sf.Field, ids []sf.ID, known map[sf.ID]bool) ([]sf.ID, error) {
	var out []sf.ID
	for chunk := range slices.Chunk(ids, binRows) {
		x := sf.Extract{Object: o, Fields: []string{"IsDeleted"}, IDs: chunk, Field: f.Name, IncludeDeleted: true}
		for r, err := range in.Source.Records(ctx, x) {
			if err != nil {
				return nil, fmt.Errorf("look for %s that comes back with its %s: %w", o.Name, f.Name, err)
			}
			if r.Get("IsDeleted") == sf.Bool(true) && !known[r.ID] && !in.Purged[r.ID] {
				known[r.ID] = true
				out = append(out, r.ID)
			}
		}
	}
	return out, nil
}
