package apply

import (
	"fmt"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// sending is a row as it goes to the org now: its present Id, and its fields with references that
// name present Ids. A row with a code is not sent.
type sending struct {
	row     int
	id      sf.ID
	fields  []state.FieldChange // only those that are written; After is what goes to the org
	dropped []string
	code    string
	message string
}

// outcome is what the journal says of the row once the org has taken it.
func (s sending) outcome(id sf.ID) entryRow {
	return entryRow{Row: s.row, ID: string(id), Code: s.code, Message: s.message, Dropped: s.dropped}
}

// refused is what the journal says of the row when the org has not taken it.
func (s sending) refused(o sf.Outcome) entryRow {
	if o.Code == "" {
		o.Code = "UNKNOWN_EXCEPTION" // an entry without a code would be a success
	}
	return entryRow{Row: s.row, Code: o.Code, Message: clipMessage(o.Message), Fields: o.Fields}
}

// resolve puts present Ids into a row. A link to a record that did not come back is left out, or
// stops the row where it cannot live without it.
func (a *application) resolve(step, row int) (sending, error) {
	s := a.ledger.plan.Steps[step]
	r := s.Rows[row]
	out := sending{row: row}
	id, there := a.ledger.now(r.ID)
	out.id = id
	if s.Op == plan.Undelete || s.Op.Deletes() {
		return out, nil
	}
	if s.Op != plan.Insert {
		switch there {
		case rowFailed:
			out.code, out.message = CodeAbsent, "the record did not come back"
			return out, nil
		case rowPending, rowOpen:
			return sending{}, fmt.Errorf("step %d changes %s %s before the plan brings it", s.Number, s.Object, r.ID)
		}
	}
	object := a.schema.Object(s.Object)
	if object == nil {
		return sending{}, problem.Newf(problem.Conflict, "the org has no object %s any more", s.Object)
	}
	for _, f := range r.Fields {
		if f.After.IsAbsent() {
			continue
		}
		field := a.field(object, f.Field)
		if field == nil {
			return sending{}, problem.Newf(problem.Conflict, "the org has no field %s.%s any more", s.Object, f.Field)
		}
		if field.Type == sf.TypeReference && f.After.IsText() {
			target, state := a.ledger.now(sf.ID(f.After.Text()))
			switch state {
			case rowDone:
				f.After = sf.Text(string(target))
			case rowFailed:
				if field.RelationshipOrder > 0 || !field.Nillable {
					out.code = CodeParent
					out.message = fmt.Sprintf("%s refers to %s, which did not come back", f.Field, target)
					return out, nil
				}
				out.dropped = append(out.dropped, f.Field)
				continue
			default:
				return sending{}, fmt.Errorf("step %d refers from %s %s to %s before the plan brings it", s.Number, s.Object, r.ID, target)
			}
		}
		out.fields = append(out.fields, f)
	}
	if s.Op != plan.Insert && len(out.fields) == 0 {
		out.code, out.message = CodeParent, "what it refers to did not come back"
	}
	return out, nil
}

// field finds a field by the exact name that records carry.
func (a *application) field(object *sf.Object, name string) *sf.Field {
	fields, known := a.fields[object.Name]
	if !known {
		fields = make(map[string]*sf.Field, len(object.Fields))
		for _, f := range object.Fields {
			fields[f.Name] = f
		}
		a.fields[object.Name] = fields
	}
	return fields[name]
}

// table lays rows out under the union of their fields; a field that a row does not write is absent
// in it.
func table(rows []sending) (fields []string, writes []sf.Write) {
	index := map[string]int{}
	for _, r := range rows {
		for _, f := range r.fields {
			index[f.Field] = 0
		}
	}
	fields = sortedKeys(index)
	for i, f := range fields {
		index[f] = i
	}
	writes = make([]sf.Write, len(rows))
	for i, r := range rows {
		writes[i] = sf.Write{ID: r.id, Values: make([]sf.Value, len(fields))}
		for _, f := range r.fields {
			writes[i].Values[index[f.Field]] = f.After
		}
	}
	return fields, writes
}
