package plan

import (
	"fmt"
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
		o.updates[c.Object] = append(o.updates[c.Object], o.pictured(Row{ID: c.ID, Fields: reduced.Fields, Before: c.Before}))
		o.remember(reduced)
		o.touched++
	}
	o.holdEmpty()
	o.rowSteps(Update, o.updates)
}

// holdEmpty plans that links which people have emptied stay so. Undelete fills a link that the deletion of its record
// had emptied, if it is empty when the record comes back, and knows nothing of what people did in between. Source: SOAP
// API Developer Guide, undelete(); what it does where the link was filled and emptied again is unverified, and to empty
// what is empty does no harm.
func (o *ordering) holdEmpty() {
	held := int64(0)
	rowOf := map[sf.ID]int{}
	for _, rows := range o.updates {
		for i, r := range rows {
			rowOf[r.ID] = i
		}
	}
	for _, c := range o.in.Conflicts {
		to, field := o.index[sf.ID(c.Wanted.Text())], o.of(c.Object).fields[c.Field]
		if !c.Live.IsNull() || !c.Wanted.IsText() || to == nil || to.fate != byUndelete || c.Record.IsZero() ||
			field == nil || field.Type != sf.TypeReference || !field.Updateable || essential(field) {
			continue
		}
		rows := o.updates[c.Object]
		at, there := rowOf[c.ID]
		if !there {
			at, rows = len(rows), append(rows, Row{ID: c.ID, Before: c.Record})
			rowOf[c.ID] = at
			o.touched++
		}
		rows[at].Fields = append(slices.Clone(rows[at].Fields), state.FieldChange{Field: c.Field, Before: sf.Null(), After: sf.Null()})
		slices.SortFunc(rows[at].Fields, func(a, b state.FieldChange) int { return strings.Compare(a.Field, b.Field) })
		o.updates[c.Object] = rows
		held++
	}
	if held > 0 {
		o.plan.Notes = append(o.plan.Notes, noteHeld(held))
	}
}

func noteHeld(n int64) string {
	if n == 1 {
		return "1 link that is empty now is written empty again, after the record to which it led has come out of the Recycle Bin, which would fill it"
	}
	return fmt.Sprintf("%d links that are empty now are written empty again, after the records to which they led have come out of the Recycle Bin, which would fill them", n)
}

// secondPass plans what the inserts left out.
func (o *ordering) secondPass() {
	for _, it := range o.items {
		if it.fate == byInsert && len(it.later) > 0 {
			o.second[it.change.Object] = append(o.second[it.change.Object], o.pictured(Row{ID: it.change.ID, Fields: it.later}))
		}
	}
	o.rowSteps(Second, o.second)
}

// NewImages returns the images that the text of the change shows and that the text before it does not: those have to be made anew.
// Where both texts are the same their images are gone, and it is written for them.
func NewImages(f state.FieldChange) []sf.ID {
	shown := sf.RichImages(f.After.Text())
	if f.Before == f.After {
		return shown
	}
	before := sf.RichImages(f.Before.Text())
	return slices.DeleteFunc(shown, func(id sf.ID) bool { return slices.Contains(before, id) })
}

// pictured adds to a row the images that its texts show and that are to be made anew.
func (o *ordering) pictured(r Row) Row {
	of := o.in.Images[r.ID]
	if len(of) == 0 {
		return r
	}
	for _, f := range r.Fields {
		anew := NewImages(f)
		for _, i := range of[f.Field] {
			if slices.Contains(anew, i.Ref) {
				r.Images = append(r.Images, i)
			}
		}
	}
	slices.SortFunc(r.Images, func(a, b Image) int { return strings.Compare(string(a.Ref), string(b.Ref)) })
	r.Images = slices.CompactFunc(r.Images, func(a, b Image) bool { return a.Ref == b.Ref })
	return r
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

// arrangeDeletes puts the deletions in order, those who refer before those they refer to. A reference that forbids the
// deletion of its target is broken only where records forbid each other's and it may be empty: then it is emptied first.
func (o *ordering) arrangeDeletes() error {
	layers, _, ring := arrange(o.deletionNodes(false))
	if ring != nil {
		var broken []breach
		if layers, broken, ring = arrange(o.deletionNodes(true)); ring != nil {
			return &CycleError{Op: Delete, Links: ring}
		}
		for _, b := range broken {
			if o.of(b.from.object).bound[b.field] {
				o.loosened[b.from.id] = append(o.loosened[b.from.id], b.field)
			}
		}
	}
	slices.Reverse(layers)
	o.deletions = layers
	return nil
}

// deletionNodes are the deletions with what they refer to. What forbids a deletion may be broken where breakable is true
// and an update can empty it.
func (o *ordering) deletionNodes(breakable bool) []*node {
	var nodes []*node
	byID := make(map[string]*node)
	for _, c := range o.deletes {
		n := &node{object: c.Object, id: c.ID}
		byID[string(c.ID)], nodes = n, append(nodes, n)
	}
	for i, c := range o.deletes {
		n := nodes[i]
		for _, f := range o.of(c.Object).refs {
			v, _ := c.Field(f.Name)
			if to := byID[v.Before.Text()]; to != nil && to != n {
				hard := o.of(c.Object).bound[f.Name] && (!breakable || !f.Nillable || !f.Updateable || essential(f))
				n.refs = append(n.refs, ref{field: f.Name, to: to, hard: hard, cascade: o.of(c.Object).owned[f.Name]})
			}
		}
	}
	for _, l := range o.in.Needs {
		if from, to := byID[string(l.ID)], byID[string(l.Target)]; from != nil && to != nil {
			from.refs = append(from.refs, ref{field: l.Field, to: to, hard: true})
		}
	}
	return nodes
}

// delete plans the deletions in their order.
func (o *ordering) delete() {
	changes := make(map[sf.ID]state.Change, len(o.deletes))
	for _, c := range o.deletes {
		changes[c.ID] = c
	}
	op := Delete
	if o.in.HardDelete {
		op = HardDelete
	}
	for _, l := range o.deletions {
		rows := make([]Row, 0, len(l.nodes))
		for _, n := range l.nodes {
			c := changes[n.id]
			rows = append(rows, Row{ID: c.ID, Fields: c.Fields, Before: c.Before})
			o.remember(c)
		}
		o.step(op, l.object, rows)
		o.touched += len(rows)
	}
}
