package run

import (
	"context"
	"maps"
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
	set := map[string]int{} // changes that set the value
	for i, c := range w.delta {
		if f, sets := c.Field(field.Name); c.Object == object && c.Kind != state.Delete && sets && f.After.IsText() {
			set[uniqueKey(field, f.After)] = i
		}
	}
	if len(set) == 0 {
		return nil
	}
	keepers, err := w.keepers(ctx, object, field, func(key string) bool { _, wanted := set[key]; return wanted })
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(keepers)) {
		i := set[key]
		c := w.delta[i]
		if c.ID == keepers[key] {
			continue
		}
		f, _ := c.Field(field.Name)
		w.conflicts = append(w.conflicts, state.Conflict{Object: object, ID: c.ID, Field: field.Name, Wanted: f.After, Live: f.Before, Reason: ReasonTaken})
		c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool { return f.Field == field.Name })
		w.delta[i] = c
	}
	w.delta = slices.DeleteFunc(w.delta, func(c state.Change) bool { return c.Kind == state.Update && len(c.Fields) == 0 })
	return nil
}

// stuck takes out of bin the records that cannot leave the Recycle Bin, because a record that stays has one of the unique
// values with which they would come out of it, or another one comes out with it, and returns how many there are. They are
// inserted.
func (w *wanted) stuck(ctx context.Context, bin map[sf.ID]sf.Record) (int, error) {
	before := len(bin)
	for _, name := range w.delta.Objects() {
		object := w.eq.Schema.Object(name)
		if object == nil {
			continue
		}
		for _, f := range object.Fields {
			if !f.Unique {
				continue
			}
			held := w.binned(name, f, bin)
			if len(held) == 0 {
				continue
			}
			keepers, err := w.keepers(ctx, name, f, func(key string) bool { return len(held[key]) > 0 })
			if err != nil {
				return 0, err
			}
			for key, ids := range held {
				if keepers[key] == "" {
					ids = ids[1:]
				}
				for _, id := range ids {
					delete(bin, id)
				}
			}
		}
	}
	return before - len(bin), nil
}

// binned returns the records of an object that are to come out of the Recycle Bin, by the value that a unique field has there.
// Several have one value where each was deleted before the next one got it; one that is to have it comes first.
func (w *wanted) binned(object string, field *sf.Field, bin map[sf.ID]sf.Record) map[string][]sf.ID {
	held := map[string][]sf.ID{}
	for _, c := range w.delta.Object(object) {
		r, binned := bin[c.ID]
		if !binned || c.Kind != state.Create || !r.Get(field.Name).IsText() {
			continue
		}
		key, at := uniqueKey(field, r.Get(field.Name)), 0
		if f, sets := c.Field(field.Name); !sets || uniqueKey(field, f.After) != key {
			at = len(held[key])
		}
		held[key] = slices.Insert(held[key], at, c.ID)
	}
	return held
}

func stuckNote(records int) string {
	return numbered(records, "%d {record|records} cannot come out of the Recycle Bin, because another record has a unique value of {its own|theirs}: {it gets a new Id|they get new Ids}")
}

// keepers returns, of the values of a unique field that are asked for, the live records that have them and keep them.
func (w *wanted) keepers(ctx context.Context, object string, field *sf.Field, asked func(key string) bool) (map[string]sf.ID, error) {
	freed := map[sf.ID]string{} // records that do not keep what they have; the value that they get
	for _, c := range w.delta {
		if c.Object != object {
			continue
		}
		switch f, sets := c.Field(field.Name); {
		case c.Kind == state.Delete:
			freed[c.ID] = ""
		case sets && !f.After.IsAbsent():
			freed[c.ID] = uniqueKey(field, f.After)
		}
	}
	if part, held := w.live.Part(object); !held || !w.fresh(part) {
		return nil, nil
	}
	keepers := map[string]sf.ID{}
	for r, err := range w.live.Records(ctx, object) {
		if err != nil {
			return nil, err
		}
		v := r.Get(field.Name)
		key := uniqueKey(field, v)
		if !v.IsText() || !asked(key) {
			continue
		}
		if now, changes := freed[r.ID]; !changes || now == key {
			keepers[key] = r.ID
		}
	}
	return keepers, nil
}

// uniqueKey is a value as the uniqueness of the field compares it.
func uniqueKey(field *sf.Field, v sf.Value) string {
	if field.CaseSensitive {
		return v.Text()
	}
	return strings.ToLower(v.Text())
}
