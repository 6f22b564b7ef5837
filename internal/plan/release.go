package plan

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// unique is a field of which no two records have the same value.
type unique struct{ object, field string }

// holder is a record that has a unique value and is changed or deleted by the plan.
type holder struct {
	change state.Change
	value  sf.Value
}

// release plans to take unique values from records that lose them anyway, where another record of the plan is
// to have them: somebody made a record again that was deleted, or values went round. The platform refuses the
// second record of a value, whatever becomes of the first one later in the plan. Links are taken from records that
// are deleted and forbid each other's deletion.
func (o *ordering) release() {
	rows := map[string]map[sf.ID]Row{}
	take := func(c state.Change, f state.FieldChange) {
		if rows[c.Object] == nil {
			rows[c.Object] = map[sf.ID]Row{}
		}
		row := rows[c.Object][c.ID]
		row.ID, row.Before = c.ID, c.Before
		if !slices.ContainsFunc(row.Fields, func(other state.FieldChange) bool { return other.Field == f.Field }) {
			row.Fields = append(row.Fields, f)
		}
		rows[c.Object][c.ID] = row
	}
	for _, c := range o.deletes {
		for _, name := range o.loosened[c.ID] {
			f, _ := c.Field(name)
			take(c, state.FieldChange{Field: name, Before: f.Before, After: sf.Null()})
		}
	}
	holders := o.holders()
	need := func(object, field string, id sf.ID, v sf.Value) {
		if h, held := holders[unique{object, field}][folded(v)]; held && v.IsText() && h.change.ID != id {
			take(h.change, state.FieldChange{Field: field, Before: h.value, After: o.vacant(object, field, h.change.ID)})
		}
	}
	for _, c := range o.in.Delta {
		for _, f := range c.Fields {
			if c.Kind != state.Delete && holders[unique{c.Object, f.Field}] != nil {
				need(c.Object, f.Field, c.ID, f.After)
			}
		}
	}
	for _, it := range o.items {
		for _, f := range o.of(it.change.Object).uniques {
			if it.fate == byUndelete && it.bin.Shape != nil { // with this value it comes out of the Recycle Bin
				need(it.change.Object, f.Name, it.change.ID, it.bin.Get(f.Name))
			}
		}
	}
	steps := map[string][]Row{}
	for object, byID := range rows {
		for _, row := range byID {
			slices.SortFunc(row.Fields, func(a, b state.FieldChange) int { return strings.Compare(a.Field, b.Field) })
			steps[object] = append(steps[object], row)
		}
	}
	o.rowSteps(Release, steps)
}

// holders returns the unique values that records of the plan have now and lose by it.
func (o *ordering) holders() map[unique]map[string]holder {
	holders := map[unique]map[string]holder{}
	for _, c := range o.in.Delta {
		if c.Kind == state.Create || c.Kind == state.Delete && !o.deleted[c.ID] {
			continue
		}
		for _, f := range o.of(c.Object).uniques {
			change, changes := c.Field(f.Name)
			if !changes || !change.Before.IsText() || change.Before == change.After {
				continue
			}
			at := unique{c.Object, f.Name}
			if holders[at] == nil {
				holders[at] = map[string]holder{}
			}
			holders[at][folded(change.Before)] = holder{change: c, value: change.Before}
		}
	}
	return holders
}

// folded is a value as uniqueness compares it unless a field says otherwise; then more is released than must be.
func folded(v sf.Value) string { return strings.ToLower(v.Text()) }

// vacant is what a record has in the meantime: nothing, or where the field is required its own Id.
func (o *ordering) vacant(object, name string, id sf.ID) sf.Value {
	field := o.of(object).fields[name]
	if !field.Required() {
		return sf.Null()
	}
	return standInOf(field, id)
}

// standInOf is a text for a required field that no other record has: the Id of the record, or the end of it,
// which tells records apart.
func standInOf(field *sf.Field, id sf.ID) sf.Value {
	text := id.Short()
	if field.Length > 0 && field.Length < len(text) {
		text = text[len(text)-field.Length:]
	}
	return sf.Text(text)
}
