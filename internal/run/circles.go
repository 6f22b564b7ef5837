package run

import (
	"context"
	"maps"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// ReasonCircle is the reason of a conflict: the wanted link and one that somebody set since lead in a circle,
// which the platform refuses in a hierarchy.
const ReasonCircle = "it would close a circle with a link that was set since"

// circles takes out of the delta the links of a hierarchy that would close a circle with links which stay: what
// was moved since below a record cannot be above it again.
func (w *wanted) circles(ctx context.Context) error {
	for _, name := range w.delta.Objects() {
		object := w.eq.Schema.Object(name)
		if object == nil {
			continue
		}
		for _, f := range object.References() {
			if !plan.Hierarchy(name, f) {
				continue
			}
			if err := w.openCircles(ctx, name, f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// openCircles does so for one field.
func (w *wanted) openCircles(ctx context.Context, object, field string) error {
	above := map[sf.ID]sf.ID{} // of each record the one above it, once the plan is done
	set := map[sf.ID]int{}     // where the delta says so
	for i, c := range w.delta {
		if f, sets := c.Field(field); c.Object == object && c.Kind != state.Delete && sets {
			above[c.ID] = sf.ID(f.After.Text())
			if f.After.IsText() {
				set[c.ID] = i
			}
		}
	}
	if len(set) == 0 {
		return nil
	}
	if err := w.climb(ctx, object, field, above); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(set)) {
		seen := map[sf.ID]bool{}
		at := above[id]
		for ; at != "" && at != id && !seen[at]; at = above[at] {
			seen[at] = true
		}
		if at != id {
			continue
		}
		c := w.delta[set[id]]
		f, _ := c.Field(field)
		w.conflicts = append(w.conflicts, state.Conflict{Object: object, ID: id, Field: field, Wanted: f.After, Live: f.Before, Reason: ReasonCircle, Record: c.Before})
		c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool { return f.Field == field })
		w.delta[set[id]] = c
		above[id] = sf.ID(f.Before.Text())
	}
	w.delta = slices.DeleteFunc(w.delta, func(c state.Change) bool { return c.Kind == state.Update && len(c.Fields) == 0 })
	return nil
}

// climb reads the links of the live records to which those in above lead, level by level.
func (w *wanted) climb(ctx context.Context, object, field string, above map[sf.ID]sf.ID) error {
	for range parentRounds {
		next := map[sf.ID]bool{}
		for _, id := range above {
			if _, known := above[id]; id != "" && !known {
				next[id] = true
			}
		}
		if len(next) == 0 {
			return nil
		}
		for id := range next {
			above[id] = ""
		}
		for r, err := range w.live.Lookup(ctx, object, slices.Values(slices.Sorted(maps.Keys(next)))) {
			if err != nil {
				return err
			}
			above[r.ID] = sf.ID(r.Get(field).Text())
		}
	}
	return nil
}
