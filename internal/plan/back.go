package plan

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// What a Bulk API 2.0 job cannot carry.
const (
	// bulkField is the longest text of one field, in characters, and bulkRecord of all of a record.
	// Source: Bulk API 2.0 guide, "Limits" and "Prepare CSV files".
	bulkField  = 32_000
	bulkRecord = 400_000
	// bulkNull is the text that means null in a job, so that no field can be set to this text.
	bulkNull = "#N/A"
)

const (
	reasonLong     = "longer than the 32,000 characters that a Bulk job carries"
	reasonRecord   = "the record is longer than the 400,000 characters that a Bulk job carries"
	reasonBulkNull = `the text "#N/A" means null in a Bulk job`
	reasonBroken   = "half a character, which no Bulk job carries"
	reasonNoWay    = "no Bulk job carries it and no update can set it"
	reasonLater    = "can only be set by an update"
	reasonImages   = "shows images, which are made anew with it"
	standIn        = ", a stand-in goes first"

	reasonCompanion = "made by the org with the record that it belongs to"
)

// undelete plans the records that the Recycle Bin gives back, parents first, and what then still
// differs from the wanted state.
func (o *ordering) undelete() {
	var nodes []*node
	byItem := make(map[*item]*node)
	for _, it := range o.items {
		if it.fate == byUndelete {
			n := &node{object: it.change.Object, id: it.change.ID}
			byItem[it], nodes = n, append(nodes, n)
		}
	}
	for it, n := range byItem {
		for _, f := range o.of(it.change.Object).refs {
			if to := byItem[o.index[o.target(it, f)]]; to != nil && to != n {
				n.refs = append(n.refs, ref{field: f.Name, to: to, cascade: o.of(it.change.Object).owned[f.Name]})
			}
		}
	}
	o.needFirst(byItem)
	layers, _, _ := arrange(nodes) // no reference is hard here
	placed := make(map[*node]bool)
	for _, l := range layers {
		rows := make([]Row, 0, len(l.nodes))
		for _, n := range l.nodes {
			row := Row{ID: n.id}
			for _, r := range n.refs {
				if r.cascade && placed[r.to] {
					row.With = r.to.id
					break
				}
			}
			rows = append(rows, row)
			o.afterUndelete(o.index[n.id])
		}
		for _, n := range l.nodes {
			placed[n] = true
		}
		o.step(Undelete, l.object, rows)
		o.touched += len(rows)
	}
}

// needFirst puts what a record cannot be without before everything with which the record comes back: what an undeleted
// record had owned comes out of the Recycle Bin with it, or then not at all. That a record which cannot come back then
// is lost is unverified.
func (o *ordering) needFirst(byItem map[*item]*node) {
	owners := func(n *node) []*node {
		var up []*node
		for at := []*node{n}; len(at) > 0; at = at[1:] {
			for _, r := range at[0].refs {
				if r.cascade && !slices.Contains(up, r.to) {
					up, at = append(up, r.to), append(at, r.to)
				}
			}
		}
		return up
	}
	type need struct {
		node *node
		ref  ref
	}
	var needs []need
	for _, it := range o.items {
		n := byItem[it]
		if n == nil {
			continue
		}
		above := owners(n)
		for _, f := range o.of(it.change.Object).refs {
			to := byItem[o.index[o.target(it, f)]]
			if to == nil || to == n || !essential(f) {
				continue
			}
			besides := owners(to)
			for _, a := range above {
				if a != to && !slices.Contains(besides, a) {
					needs = append(needs, need{a, ref{field: f.Name, to: to}})
				}
			}
		}
	}
	for _, n := range needs {
		n.node.refs = append(n.node.refs, n.ref)
	}
}

// afterUndelete plans the update of an undeleted record to its wanted values. A reference to a
// record that the plan brings back, too, is written even where the Recycle Bin holds it: the target
// may get a new Id, or may still be in the bin at the moment when the record comes out of it.
func (o *ordering) afterUndelete(it *item) {
	c := it.change
	wanted := state.Change{Object: c.Object, ID: c.ID, Kind: state.Update}
	for _, f := range c.Fields {
		if it.bin.Shape != nil {
			f.Before = it.bin.Get(f.Field)
		}
		if field := o.of(c.Object).fields[f.Field]; field != nil && field.Type == sf.TypeBase64 {
			o.countKept(c.Object, f) // the Recycle Bin keeps the bytes
			continue
		}
		if f.Before == f.After && !o.moves(c.Object, f) {
			o.countKept(c.Object, f)
			continue
		}
		if f.Before.IsAbsent() {
			f.Before = sf.Null() // not known; whatever it is, the wanted value is written
		}
		wanted.Fields = append(wanted.Fields, f)
	}
	if len(wanted.Fields) > 0 {
		if reduced, something := o.reduce(wanted); something {
			o.updates[c.Object] = append(o.updates[c.Object], o.pictured(Row{ID: c.ID, Fields: reduced.Fields}))
		}
	}
	o.remember(c)
}

// moves reports a reference that undelete alone may not bring back: to a record that comes back
// under a new Id, or to one that comes back by itself, before or after. What a record belongs to is
// always there first. Whether the platform empties the others is unverified; to write the value
// that is there already does no harm.
func (o *ordering) moves(object string, f state.FieldChange) bool {
	to := o.index[o.refersTo(object, f)]
	switch {
	case to == nil || to.fate == lost:
		return false
	case to.fate == byInsert:
		return true
	}
	field := o.of(object).fields[f.Field]
	return field.Updateable && !o.of(object).owned[field.Name]
}

// refersTo returns the record that the field refers to after the change, or "".
func (o *ordering) refersTo(object string, f state.FieldChange) sf.ID {
	if field := o.of(object).fields[f.Field]; field == nil || field.Type != sf.TypeReference {
		return ""
	}
	return sf.ID(f.After.Text())
}

// countKept counts a value that undelete brings back as it was. Undelete keeps who created a record
// and when; it sets the modification stamps anew.
func (o *ordering) countKept(object string, f state.FieldChange) {
	class, reason := state.Exact, ""
	switch target := o.refersTo(object, f); {
	case target != "" && o.gone(target):
		class, reason = state.Lost, reasonTargetLost
	case sf.IsSystemField(f.Field) && f.Field != "CreatedById" && f.Field != "CreatedDate":
		class, reason = state.Recomputed, state.ReasonBookkeeping
	}
	o.plan.Fidelity.Add(object, f.Field, class, reason, 1)
}

// remember notes what the plan does to a record, without what only the platform sets: that differs
// after the plan, and must not look like someone's work to whoever undoes it.
func (o *ordering) remember(c state.Change) {
	if c.Kind == state.Create {
		c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool {
			class, _ := o.rules.Class(c.Object, f.Field, state.Update)
			field := o.of(c.Object).fields[f.Field]
			return class == state.Recomputed || field != nil && field.Type == sf.TypeBase64 // bytes go with their record
		})
	}
	o.done = append(o.done, c)
}

// reduce is Reduce with what the whole plan knows: references to records that will not be there are
// lost. It counts the fidelity of what is written and of what is not.
func (o *ordering) reduce(c state.Change) (state.Change, bool) {
	reduced, dropped, something := o.rules.Reduce(c)
	o.plan.Fidelity.Dropped(c.Object, dropped)
	if !something {
		return reduced, false
	}
	reduced.Fields = slices.DeleteFunc(reduced.Fields, func(f state.FieldChange) bool {
		if target := o.refersTo(c.Object, f); target == "" || !o.gone(target) {
			return false
		}
		o.plan.Fidelity.Add(c.Object, f.Field, state.Lost, reasonTargetLost, 1)
		return true
	})
	o.rules.CountWritten(&o.plan.Fidelity, reduced)
	return reduced, c.Kind == state.Create || len(reduced.Fields) > 0
}

// insert plans the records that come back under new Ids, targets of references first.
func (o *ordering) insert() error {
	var nodes []*node
	byItem := make(map[*item]*node)
	for _, it := range o.items {
		switch it.fate {
		case lost:
			o.plan.Fidelity.Add(it.change.Object, "", state.Lost, it.reason, 1)
		case byInsert:
			if o.companion(it) != "" {
				o.accompany(it)
				n := &node{object: it.change.Object, id: it.change.ID}
				byItem[it], nodes = n, append(nodes, n)
				continue
			}
			reduced, _ := o.reduce(it.change)
			it.first = o.withoutNulls(it, reduced.Fields)
			// What the record has then is what its rows set: to hold it once more would make the plan twice as large.
			o.done = append(o.done, state.Change{Object: reduced.Object, ID: reduced.ID, Kind: state.Create, After: reduced.After})
			o.carry(it)
			n := &node{object: it.change.Object, id: it.change.ID}
			byItem[it], nodes = n, append(nodes, n)
		}
	}
	for it, n := range byItem {
		known := o.of(it.change.Object)
		for _, f := range it.first {
			if to := byItem[o.index[o.refersTo(it.change.Object, f)]]; to != nil {
				field := known.fields[f.Field]
				n.refs = append(n.refs, ref{field: f.Field, to: to, hard: atOnce(field), cascade: known.owned[f.Field]})
			}
		}
	}
	for _, l := range o.in.Needs {
		from, to := byItem[o.index[l.ID]], byItem[o.index[l.Target]]
		if from != nil && to != nil {
			from.refs = append(from.refs, ref{field: l.Field, to: to, hard: true})
		}
	}
	for it, n := range byItem {
		if to := byItem[o.index[o.companion(it)]]; to != nil {
			n.refs = append(n.refs, ref{field: "Id", to: to, hard: true})
		}
	}
	layers, broken, ring := arrange(nodes)
	if ring != nil {
		return &CycleError{Op: Insert, Links: ring}
	}
	for _, b := range broken {
		o.postpone(o.index[b.from.id], b.field, b.reason)
	}
	for _, l := range layers {
		o.insertLayer(l)
	}
	return nil
}

// withoutNulls leaves out what a new record has anyway: a field that is null where nothing gives it a value. Fields that
// are defaulted are kept, and so are picklists, whose default a record type may have of its own. A record that comes
// back by itself, with one that is undeleted, is not new, so that beside undeletions every null is kept.
// Source: SOAP API Developer Guide, DescribeSObjectResult, "defaultedOnCreate".
func (o *ordering) withoutNulls(it *item, fields []state.FieldChange) []state.FieldChange {
	known := o.of(it.change.Object).fields
	unset := func(f state.FieldChange) bool {
		field := known[f.Field]
		return !o.undeletes && f.After.IsNull() && field != nil && field.Nillable && !field.DefaultedOnCreate && !field.NameField &&
			field.Type != sf.TypePicklist && field.Type != sf.TypeMultipicklist && field.Type != sf.TypeCombobox
	}
	n := 0
	for _, f := range fields {
		if !unset(f) {
			n++
		}
	}
	out := make([]state.FieldChange, 0, n)
	for _, f := range fields {
		if !unset(f) {
			out = append(out, f)
		}
	}
	return out
}

// companion returns the record of the plan together with which the org makes this one, or "".
func (o *ordering) companion(it *item) sf.ID {
	with := o.in.Companions[it.change.ID]
	if to := o.index[with]; it.fate != byInsert || to == nil || to.fate != byInsert {
		return ""
	}
	return with
}

// accompany counts what a companion is: its values are those of the record that it comes with.
func (o *ordering) accompany(it *item) {
	for _, f := range it.change.Fields {
		if class, _ := o.rules.Class(it.change.Object, f.Field, state.Create); class <= state.Remapped && f.After.IsText() {
			o.plan.Fidelity.Add(it.change.Object, f.Field, state.Recomputed, reasonCompanion, 1)
		}
	}
	o.remember(state.Change{Object: it.change.Object, ID: it.change.ID, Kind: state.Create, After: it.change.After, Fields: it.change.Fields})
}

func (o *ordering) insertLayer(l layer) {
	rows := make([]Row, 0, len(l.nodes))
	without := make(map[string]bool)
	for _, n := range l.nodes {
		it := o.index[n.id]
		rows = append(rows, Row{ID: n.id, Fields: it.first, With: o.companion(it)})
		for _, f := range it.later {
			without[f.Field] = true
		}
	}
	parents := o.lockOrder(l.object)
	slices.SortStableFunc(rows, func(a, b Row) int {
		for _, p := range parents {
			if c := strings.Compare(valueOf(a, p), valueOf(b, p)); c != 0 {
				return c
			}
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	s := o.step(Insert, l.object, rows)
	for f := range without {
		s.Without = append(s.Without, f)
	}
	slices.Sort(s.Without)
	o.touched += len(rows)
}

// lockOrder returns the references by which rows of the object are sorted, so that rows which lock
// the same parent travel together: masters first, then parents that own the record, then the rest
// of what is required. An insert locks the parent of a master-detail, and of a lookup unless it is
// cleared on deletion. Source: "Record-Level Locking" of the large data volumes guide; unverified
// for each standard lookup.
func (o *ordering) lockOrder(object string) []string {
	known := o.of(object)
	refs := slices.DeleteFunc(slices.Clone(known.refs), func(f *sf.Field) bool {
		return !known.owned[f.Name] && !f.Required() && !known.bound[f.Name]
	})
	rank := func(f *sf.Field) int {
		switch {
		case f.RelationshipOrder > 0:
			return f.RelationshipOrder
		case known.owned[f.Name]:
			return 10
		default:
			return 11
		}
	}
	slices.SortFunc(refs, func(a, b *sf.Field) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Name, b.Name))
	})
	names := make([]string, len(refs))
	for i, f := range refs {
		names[i] = f.Name
	}
	return names
}

func valueOf(r Row, field string) string {
	i, found := slices.BinarySearchFunc(r.Fields, field, func(f state.FieldChange, n string) int {
		return strings.Compare(f.Field, n)
	})
	if !found {
		return ""
	}
	return r.Fields[i].After.Text()
}

// carry leaves to the second pass what an insert through a Bulk job cannot carry.
func (o *ordering) carry(it *item) {
	known := o.of(it.change.Object)
	total := 0
	for _, f := range slices.Clone(it.first) {
		field := known.fields[f.Field]
		if field != nil && field.Updateable && len(o.in.Images[it.change.ID][f.Field]) > 0 {
			o.postpone(it, f.Field, reasonImages)
			continue
		}
		if known.body && (field == nil || field.Createable) {
			continue // what has a file is no row of a job
		}
		length := textLength(f.After.Text())
		// What was cut within a character has half of a surrogate pair, which JSON has an escape for and CSV has not.
		broken := !utf8.ValidString(f.After.Text())
		switch {
		case field != nil && !field.Createable:
			o.settable(it, f, field)
			continue
		case field != nil && !field.Updateable && (length > bulkField || broken || f.After.Text() == bulkNull):
			class, _ := o.rules.Class(it.change.Object, f.Field, state.Create)
			o.drop(it, f.Field)
			o.plan.Fidelity.Add(it.change.Object, f.Field, class, "", -1) // counted as written
			o.plan.Fidelity.Add(it.change.Object, f.Field, state.Lost, reasonNoWay, 1)
			continue
		case length > bulkField:
			o.postpone(it, f.Field, reasonLong)
			continue
		case f.After.Text() == bulkNull:
			o.postpone(it, f.Field, reasonBulkNull)
			continue
		case broken:
			o.postpone(it, f.Field, reasonBroken)
			continue
		}
		total += length
	}
	for total > bulkRecord {
		longest := slices.MaxFunc(it.first, func(a, b state.FieldChange) int {
			return cmp.Compare(textLength(a.After.Text()), textLength(b.After.Text()))
		})
		total -= textLength(longest.After.Text())
		o.postpone(it, longest.Field, reasonRecord)
	}
}

// settable postpones a field that only an update can set, unless its value is the one that a new
// record has anyway.
func (o *ordering) settable(it *item, f state.FieldChange, field *sf.Field) {
	if f.After.IsNull() || (field.Type == sf.TypeBoolean && f.After.Text() == "false") {
		o.drop(it, f.Field)
		return
	}
	o.postpone(it, f.Field, reasonLater)
}

// drop takes a field out of an insert.
func (o *ordering) drop(it *item, field string) {
	it.first = slices.DeleteFunc(slices.Clone(it.first), func(f state.FieldChange) bool { return f.Field == field })
}

// postpone moves a field of an insert to the second pass. A required text leaves a stand-in behind,
// which no other record has: the Id of the record.
func (o *ordering) postpone(it *item, name, reason string) {
	first := make([]state.FieldChange, 0, len(it.first))
	for _, f := range it.first {
		if f.Field != name {
			first = append(first, f)
			continue
		}
		later := state.FieldChange{Field: name, Before: sf.Null(), After: f.After}
		if field := o.of(it.change.Object).fields[name]; field != nil && field.Required() && field.Type != sf.TypeReference {
			later.Before = standInOf(field, it.change.ID)
			first = append(first, state.FieldChange{Field: name, After: later.Before})
			reason += standIn
		}
		it.later = append(it.later, later)
		o.deferred[Deferred{Object: it.change.Object, Field: name, Reason: reason}]++
	}
	it.first = first
	slices.SortFunc(it.later, func(a, b state.FieldChange) int { return strings.Compare(a.Field, b.Field) })
}

// textLength counts characters as the platform does, in UTF-16 units.
func textLength(s string) int {
	if len(s) <= bulkField {
		return len(s) // an upper bound, good enough where nothing is long
	}
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}
