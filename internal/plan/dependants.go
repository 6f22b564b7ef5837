package plan

import (
	"slices"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// ReasonDependants is the reason of a conflict: a deletion would take along, or is forbidden by, a
// record that is to stay.
const ReasonDependants = "a record that stays depends on it"

// Dependants reads the live records of one object and returns the references by which those that
// stay hold on to records that the delta deletes: where the deletion would delete the referring
// record too, or is forbidden by it. References that the delta itself points elsewhere do not count.
//
// Without them a rollback that deletes what an incident created would delete with it what people
// have attached since. Collected over all objects they are Input.Dependants. The delta is sorted.
func Dependants(delta state.Delta, schema *sf.Schema, live state.Records) ([]Link, error) {
	changed := make(map[sf.ID]state.Change, len(delta))
	deletes := false
	for _, c := range delta {
		changed[c.ID] = c
		deletes = deletes || c.Kind == state.Delete
	}
	if !deletes || schema == nil {
		return nil, nil
	}
	var links []Link
	var object string
	var refs []*sf.Field
	for r, err := range state.Ordered(live) {
		if err != nil {
			return nil, err
		}
		if object == "" {
			object = r.Object()
			if o := schema.Object(object); o != nil {
				refs = tiesOf(schema, o).holding(o)
			}
		}
		if len(refs) == 0 {
			return nil, nil
		}
		own := changed[r.ID]
		if own.Kind == state.Delete {
			continue
		}
		for _, f := range refs {
			target := sf.ID(r.Get(f.Name).Text())
			if changed[target].Kind != state.Delete {
				continue
			}
			if _, leaves := own.Field(f.Name); !leaves {
				links = append(links, Link{Object: object, ID: r.ID, Field: f.Name, Target: target})
			}
		}
	}
	return links, nil
}

// keepDependedOn takes out of the deletions what records that stay depend on, and in turn what those
// depend on. Each is a conflict.
func (o *ordering) keepDependedOn() {
	deletes := make(map[sf.ID]state.Change, len(o.deletes))
	for _, c := range o.deletes {
		deletes[c.ID] = c
	}
	queue := slices.Clone(o.in.Dependants)
	for len(queue) > 0 {
		l := queue[0]
		queue = queue[1:]
		c, found := deletes[l.Target]
		if _, goes := deletes[l.ID]; !found || goes {
			continue
		}
		delete(deletes, l.Target)
		delete(o.deleted, l.Target)
		o.plan.Conflicts = append(o.plan.Conflicts, state.Conflict{
			Object: c.Object, ID: c.ID, Live: sf.Text(string(l.ID)), Reason: ReasonDependants,
		})
		for _, f := range o.of(c.Object).holding {
			v, _ := c.Field(f.Name)
			queue = append(queue, Link{Object: c.Object, ID: c.ID, Field: f.Name, Target: sf.ID(v.Before.Text())})
		}
	}
	o.deletes = slices.DeleteFunc(o.deletes, func(c state.Change) bool {
		_, goes := deletes[c.ID]
		return !goes
	})
}
