package run

import (
	"context"
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// ReasonTaken is the reason of a conflict: a record that stays has the unique value that another one had.
const ReasonTaken = "another record, which stays, has this unique value now"

// uniques takes out of the delta the values of unique fields that records have which stay as they are: an org takes no
// such value twice. A record that cannot be without the value is left to the org to refuse.
func (w *wanted) uniques(ctx context.Context) error {
	for _, name := range w.delta.Objects() {
		object := w.eq.Schema.Object(name)
		if object == nil {
			continue
		}
		for _, f := range object.Fields {
			if f.Unique && !f.Required() {
				if err := w.leaveTaken(ctx, name, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// leaveTaken does so for one field.
func (w *wanted) leaveTaken(ctx context.Context, object string, field *sf.Field) error {
	key := func(v sf.Value) string {
		if field.CaseSensitive {
			return v.Text()
		}
		return strings.ToLower(v.Text())
	}
	set := map[string]int{}     // changes that set the value
	freed := map[sf.ID]string{} // records that do not keep what they have; the value that they get
	for i, c := range w.delta {
		if c.Object != object {
			continue
		}
		f, sets := c.Field(field.Name)
		switch {
		case c.Kind == state.Delete:
			freed[c.ID] = ""
		case sets && !f.After.IsAbsent():
			freed[c.ID] = key(f.After)
			if f.After.IsText() {
				set[key(f.After)] = i
			}
		}
	}
	if part, held := w.live.Part(object); len(set) == 0 || !held || !w.fresh(part) {
		return nil
	}
	for r, err := range w.live.Records(ctx, object) {
		if err != nil {
			return err
		}
		v := r.Get(field.Name)
		i, wanted := set[key(v)]
		if !v.IsText() || !wanted || w.delta[i].ID == r.ID {
			continue
		}
		if now, changes := freed[r.ID]; changes && now != key(v) {
			continue
		}
		c := w.delta[i]
		f, _ := c.Field(field.Name)
		w.conflicts = append(w.conflicts, state.Conflict{Object: object, ID: c.ID, Field: field.Name, Wanted: f.After, Live: f.Before, Reason: ReasonTaken})
		c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool { return f.Field == field.Name })
		w.delta[i] = c
		delete(set, key(v))
	}
	w.delta = slices.DeleteFunc(w.delta, func(c state.Change) bool { return c.Kind == state.Update && len(c.Fields) == 0 })
	return nil
}
