package plan

import (
	"maps"
	"slices"
	"strings"

	"holdfast/internal/state"
)

// update plans the changes of records that are there, together with those of undeleted ones.
func (o *ordering) update() {
	for _, c := range o.in.Delta {
		if c.Kind != state.Update {
			continue
		}
		reduced, something := o.reduce(c)
		if !something {
			continue
		}
		o.updates[c.Object] = append(o.updates[c.Object], Row{ID: c.ID, Fields: reduced.Fields, Before: c.Before})
		o.remember(reduced)
		o.touched++
	}
	o.rowSteps(Update, o.updates)
}

// secondPass plans what the inserts left out.
func (o *ordering) secondPass() {
	for _, it := range o.items {
		if it.fate == byInsert && len(it.later) > 0 {
			o.second[it.change.Object] = append(o.second[it.change.Object], Row{ID: it.change.ID, Fields: it.later})
		}
	}
	o.rowSteps(Second, o.second)
}

// rowSteps adds one step per object, in the order of names and Ids.
func (o *ordering) rowSteps(op Op, rows map[string][]Row) {
	for _, object := range slices.Sorted(maps.Keys(rows)) {
		slices.SortFunc(rows[object], func(a, b Row) int {
			return strings.Compare(string(a.ID), string(b.ID))
		})
		o.step(op, object, rows[object])
	}
}

// delete plans the deletions, those who refer before those they refer to. A reference that forbids
// the deletion of its target is never broken.
func (o *ordering) delete() error {
	var nodes []*node
	byID := make(map[string]*node)
	for _, c := range o.deletes {
		n := &node{object: c.Object, id: c.ID}
		byID[string(c.ID)], nodes = n, append(nodes, n)
	}
	changes := make(map[*node]state.Change, len(nodes))
	for i, c := range o.deletes {
		n := nodes[i]
		changes[n] = c
		for _, f := range o.of(c.Object).refs {
			v, _ := c.Field(f.Name)
			if to := byID[v.Before.Text()]; to != nil && to != n {
				n.refs = append(n.refs, ref{field: f.Name, to: to, hard: f.RestrictedDelete, cascade: owned(f)})
			}
		}
	}
	for _, l := range o.in.Needs {
		if from, to := byID[string(l.ID)], byID[string(l.Target)]; from != nil && to != nil {
			from.refs = append(from.refs, ref{field: l.Field, to: to, hard: true})
		}
	}
	layers, _, ring := arrange(nodes)
	if ring != nil {
		return &CycleError{Op: Delete, Links: ring}
	}
	slices.Reverse(layers)
	for _, l := range layers {
		rows := make([]Row, 0, len(l.nodes))
		for _, n := range l.nodes {
			c := changes[n]
			rows = append(rows, Row{ID: c.ID, Fields: c.Fields, Before: c.Before})
			o.remember(c)
		}
		o.step(Delete, l.object, rows)
		o.touched += len(rows)
	}
	return nil
}
