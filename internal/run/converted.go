package run

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// converted leaves converted leads alone: nothing turns one back, and the platform refuses to change it. What
// the conversion made is undone all the same.
// Source: status code CANNOT_UPDATE_CONVERTED_LEAD; Salesforce Help, "Considerations for Converting Leads".
func (w *wanted) converted(ctx context.Context) error {
	const lead = "Lead"
	var ids []sf.ID
	for _, c := range w.delta {
		if c.Object == lead && c.Kind == state.Update {
			ids = append(ids, c.ID)
		}
	}
	if part, held := w.live.Part(lead); len(ids) == 0 || !held || part.State != snapshot.Whole {
		return nil
	}
	slices.Sort(ids)
	stay := map[sf.ID]bool{}
	for r, err := range w.live.Lookup(ctx, lead, slices.Values(ids)) {
		if err != nil {
			return err
		}
		stay[r.ID] = r.Get("IsConverted").Text() == "true"
	}
	before := len(w.delta)
	w.delta = slices.DeleteFunc(w.delta, func(c state.Change) bool { return c.Object == lead && c.Kind == state.Update && stay[c.ID] })
	if n := before - len(w.delta); n > 0 {
		w.notes = append(w.notes, fmt.Sprintf("%d leads stay converted: nothing turns a converted lead back", n))
	}
	return nil
}
