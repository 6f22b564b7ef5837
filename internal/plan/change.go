package plan

import (
	"maps"
	"slices"
	"strings"

	"holdfast/internal/sf"
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
		levels := [][]Row{rows[object]}
		if op == Update {
			levels = o.topDown(object, rows[object])
		}
		for _, rows := range levels {
			o.step(op, object, rows)
		}
	}
}

// topDown parts the rows of an update that move records within a hierarchy of their object: those of the upper
// levels go first. The platform refuses a circle, also one that the next row would open, and from the top down
// there never is one.
func (o *ordering) topDown(object string, rows []Row) [][]Row {
	at := make(map[sf.ID]int, len(rows))
	for i, r := range rows {
		at[r.ID] = i
	}
	var links []link
	for i, r := range rows {
		for _, f := range r.Fields {
			field := o.of(object).fields[f.Field]
			to, moves := at[sf.ID(f.After.Text())]
			if moves && to != i && field != nil && Hierarchy(object, field) {
				links = append(links, link{from: i, to: to})
			}
		}
	}
	levels, _ := levelsOf(len(rows), links)
	parts := make([][]Row, 1+min(slices.Max(append(levels, 0)), maxLevels))
	for i, r := range rows {
		level := min(levels[i], len(parts)-1)
		parts[level] = append(parts[level], r)
	}
	return slices.DeleteFunc(parts, func(part []Row) bool { return len(part) == 0 })
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
				n.refs = append(n.refs, ref{field: f.Name, to: to, hard: o.of(c.Object).bound[f.Name], cascade: o.of(c.Object).owned[f.Name]})
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
	op := Delete
	if o.in.HardDelete {
		op = HardDelete
	}
	for _, l := range layers {
		rows := make([]Row, 0, len(l.nodes))
		for _, n := range l.nodes {
			c := changes[n]
			rows = append(rows, Row{ID: c.ID, Fields: c.Fields, Before: c.Before})
			o.remember(c)
		}
		o.step(op, l.object, rows)
		o.touched += len(rows)
	}
	return nil
}
