package run

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// wanted computes what is to be changed on a live state: for two states the difference to the wanted
// one, for three the inverse of what an incident did, moved onto what is there now. It is computed
// once to plan and once more to verify, and is then empty but for what can be explained.
type wanted struct {
	want *snapshot.Snapshot // the state to come back to, or the one before an incident
	base *snapshot.Snapshot // the state after the incident; nil for two states
	live liveState
	eq   *state.Equivalence

	journals []string // of earlier applications, for the forecast

	chosen   map[string]bool // objects, empty: all
	records  map[sf.ID]bool  // present Ids, nil: all
	excluded excluded
	vacant   bool     // only values where there is none now, and records of objects whose fields are not chosen
	fields   fieldSet // of records that are there; nil: all, and records that come and go, too
	party    party    // whose changes are undone
	taken    []string // conflicts that are decided for the wanted value, as Selection.Take has them

	closure     bool // missing records that the slice refers to come along
	deleteExtra bool // two states: also delete what the wanted state does not have
	keepCreated bool // three states: do not delete what the incident created

	people     people
	companions map[sf.ID]sf.ID // contacts of person accounts that come back: the account of each
	needs      []plan.Link     // records that need another one first, which no reference tells

	files []RestoreFilesRow // that come with records which are made anew

	org        capture.ImageSource // gives images of rich text; nil: none is asked for
	imagesNow  *pictures           // what texts of the live state show
	imagesHeld *pictures           // what any state holds
	oversize   bool                // a record shows more than is sent with it

	prefixes map[string]bool // of the chosen records; made when it is asked for

	foreseen   []plan.Foreseen
	unread     bool // what acts on the rows is not known
	restorable []plan.Restorable

	limit     int // changes at most
	delta     state.Delta
	conflicts []state.Conflict
	notes     []string
	skipped   []string // objects that could not be compared
	extra     int64    // records that two states would delete and that were left
	kept      int64    // records that the incident created and that were left
}

// compute fills delta, conflicts and notes.
func (w *wanted) compute(ctx context.Context) error {
	for _, object := range w.objects() {
		if !w.comparable(object) {
			continue
		}
		if err := w.object(ctx, object, w.in, false); err != nil {
			return fmt.Errorf("compare %s: %w", object, err)
		}
	}
	if w.closure && w.narrowed() {
		if err := w.parents(ctx); err != nil {
			return err
		}
	}
	for _, decide := range []func(context.Context) error{w.replaced, w.vanished, w.withTheirVersions, w.persons, w.converted, w.books, w.campaigns, w.owners} {
		if err := decide(ctx); err != nil {
			return err
		}
	}
	slices.SortFunc(w.delta, state.Compare)
	if err := w.dangling(ctx); err != nil {
		return err
	}
	if err := w.circles(ctx); err != nil {
		return err
	}
	if err := w.uniques(ctx); err != nil {
		return err
	}
	if n := w.party.unknown; n > 0 {
		w.notes = append(w.notes, numbered(n, "%d {deletion is|deletions are} not undone: the Recycle Bin does not say that {it is|they are} of that user or time"))
	}
	if w.fields != nil {
		w.notes = append(w.notes, "only chosen fields of records that are there are compared")
	}
	if w.extra > 0 {
		w.notes = append(w.notes, numbered(w.extra, "%d {record is|records are} in the org and not in the snapshot; {it stays|they stay}"))
	}
	if w.kept > 0 {
		w.notes = append(w.notes, numbered(w.kept, "%d {record|records} that the change created {stays|stay}, as asked"))
	}
	return nil
}

// narrowed reports that not everything is selected.
func (w *wanted) narrowed() bool {
	return len(w.chosen) > 0 || w.records != nil || w.fields != nil || !w.party.none()
}

// objects returns the objects of the slice that the wanted state names, sorted.
func (w *wanted) objects() []string {
	var names []string
	for _, p := range w.want.Parts() {
		if w.choice(p.Object) {
			names = append(names, p.Object)
		}
	}
	if w.base != nil {
		for _, p := range w.base.Parts() {
			if _, both := w.want.Part(p.Object); !both && w.choice(p.Object) {
				names = append(names, p.Object)
			}
		}
	}
	slices.Sort(names)
	return names
}

// choice reports an object of the slice. Where records are chosen, others than theirs have none.
func (w *wanted) choice(object string) bool {
	switch {
	case w.excluded.objects[object], len(w.chosen) > 0 && !w.chosen[object]:
		return false
	case w.records == nil:
		return true
	}
	o := w.eq.Schema.Object(object)
	if o == nil || o.KeyPrefix == "" {
		return true
	}
	if w.prefixes == nil {
		w.prefixes = map[string]bool{}
		for id := range w.records {
			w.prefixes[id.KeyPrefix()] = true
		}
	}
	return w.prefixes[o.KeyPrefix]
}

// comparable reports that every state holds the object as it was then; otherwise it says why not.
func (w *wanted) comparable(object string) bool {
	type sideOf struct {
		sn   liveState
		name string
		now  bool
	}
	sides := []sideOf{{w.want, "the wanted snapshot", false}, {w.live, "the live org", true}}
	if w.base != nil {
		sides = append(sides, sideOf{w.base, "the snapshot after the change", false})
	}
	for _, side := range sides {
		p, named := side.sn.Part(object)
		why := ""
		switch {
		case !named:
			why = "does not hold it"
		case p.State != snapshot.Whole:
			why = "does not hold it: " + p.Reason
		case p.Stale, side.now && !w.fresh(p):
			why = strings.TrimSuffix("holds it as of "+p.To.Format(time.DateTime)+" only: "+p.Reason, ": ")
		}
		if why != "" && slices.Contains(w.skipped, object) {
			return false
		}
		if why != "" {
			w.skipped = append(w.skipped, object)
			w.notes = append(w.notes, fmt.Sprintf("%s is not compared: %s %s", object, side.name, why))
			return false
		}
	}
	return true
}

// fresh reports a part of the live state that was read for it rather than taken over.
func (w *wanted) fresh(p snapshot.Part) bool {
	return p.State == snapshot.Whole && !p.Stale && !p.To.Before(w.live.Info().Started)
}

// in reports a record of the slice.
func (w *wanted) in(id sf.ID) bool { return w.records == nil || w.records[id] }

// object adds the changes of one object for the records that keep selects; with createsOnly only
// records that are missing.
func (w *wanted) object(ctx context.Context, object string, keep func(sf.ID) bool, createsOnly bool) error {
	live := w.live.Records(ctx, object)
	changes := state.Diff(live, w.eq.Records(w.want.Records(ctx, object)))
	if w.base != nil {
		changes = w.incident(ctx, object)
	}
	var own []state.Change
	for c, err := range changes {
		if err != nil {
			return err
		}
		if w.base != nil {
			c = c.Invert()
		}
		unlike := w.unlikeNow
		if w.base != nil {
			unlike = w.heldImages().unlike
		}
		c, left, err := unlike(ctx, c)
		if err != nil {
			return err
		}
		if !left {
			continue
		}
		if !keep(c.ID) || w.excluded.records[c.ID] || (createsOnly && c.Kind != state.Create) {
			continue
		}
		selected := true
		if !createsOnly { // who comes along comes whole
			c, selected = w.fields.of(c)
		}
		if selected && w.vacant && c.Kind == state.Update {
			c, selected = w.onlyVacant(c)
		}
		if !selected || !w.matters(c) {
			continue
		}
		if c.Kind == state.Delete && w.stays() {
			continue
		}
		if own = append(own, c); len(w.delta)+len(own) > w.limit {
			return problem.Newf(problem.Limits, "more than %d records would change", w.limit).
				Hint("--max-rows allows more, up to %d; or choose objects or records, and restore in parts", plan.MaxRows)
		}
	}
	if w.base == nil {
		w.delta = append(w.delta, own...)
		return nil
	}
	rebased, conflicts, err := w.eq.Rebase(own, live)
	if err != nil {
		return err
	}
	for _, c := range rebased {
		c, left, err := w.unlikeNow(ctx, c)
		if err != nil {
			return err
		}
		if left && w.matters(c) {
			w.delta = append(w.delta, c)
		}
	}
	if conflicts, err = w.agreed(ctx, conflicts); err != nil {
		return err
	}
	for _, c := range conflicts {
		if w.settles(c) {
			w.conflicts = append(w.conflicts, c)
		}
	}
	return nil
}

// stays counts a record that a deletion would take, and reports that it is left.
func (w *wanted) stays() bool {
	switch {
	case w.base == nil && !w.deleteExtra:
		w.extra++
	case w.base != nil && w.keepCreated:
		w.kept++
	default:
		return false
	}
	return true
}

// matters reports a change with something to write, or with something lost that must be told.
func (w *wanted) matters(c state.Change) bool {
	_, dropped, something := w.eq.Reduce(c)
	return something || slices.ContainsFunc(dropped, func(d state.Dropped) bool { return d.Class == state.Lost && d.Reason != state.ReasonNotHeld })
}

// settles reports a conflict over something that could be written at all.
func (w *wanted) settles(c state.Conflict) bool {
	if c.Field == "" || c.Wanted.IsAbsent() {
		return true
	}
	_, _, something := w.eq.Reduce(state.Change{
		Object: c.Object, ID: c.ID, Kind: state.Update,
		Fields: []state.FieldChange{{Field: c.Field, Before: c.Live, After: c.Wanted}},
	})
	return something
}

// parentRounds bounds how far up the parents of a slice are followed; a hierarchy in an org is
// rarely ten deep, and what lies further up is told as dangling.
const parentRounds = 64

// parents adds the missing records that those of the slice refer to, and the ones that these refer
// to, as far as the wanted state has them.
func (w *wanted) parents(ctx context.Context) error {
	asked := map[sf.ID]bool{}
	for range parentRounds {
		missing, err := w.missing(ctx, w.delta)
		if err != nil {
			return err
		}
		found := false
		for _, object := range slices.Sorted(maps.Keys(missing)) {
			ids := map[sf.ID]bool{}
			for id := range missing[object] {
				if !asked[id] {
					asked[id], ids[id], found = true, true, true
				}
			}
			if len(ids) == 0 || w.excluded.objects[object] || !w.comparable(object) {
				continue
			}
			before := len(w.delta)
			if err := w.object(ctx, object, func(id sf.ID) bool { return ids[id] }, true); err != nil {
				return err
			}
			if n := len(w.delta) - before; n > 0 {
				w.notes = append(w.notes, numbered(n, "%d {record|records} of "+object+" {comes|come} along because chosen ones refer to {it|them}"))
			}
		}
		if !found {
			return nil
		}
	}
	return nil
}

// missing returns, by object, the records that these changes refer to and that are neither live nor
// among the records to come.
func (w *wanted) missing(ctx context.Context, changes []state.Change) (map[string]map[sf.ID]bool, error) {
	coming, leaving := map[sf.ID]bool{}, map[sf.ID]bool{}
	for _, c := range w.delta {
		coming[c.ID] = c.Kind == state.Create
		leaving[c.ID] = c.Kind == state.Delete
	}
	targets := map[string]map[sf.ID]bool{}
	for _, c := range changes {
		for f := range w.links(c) {
			id := sf.ID(f.After.Text())
			object := w.objectOf(id)
			if object == "" || coming[id] {
				continue
			}
			if targets[object] == nil {
				targets[object] = map[sf.ID]bool{}
			}
			targets[object][id] = true
		}
	}
	for object, ids := range targets {
		for r, err := range w.live.Lookup(ctx, object, slices.Values(slices.Sorted(maps.Keys(ids)))) {
			if err != nil {
				return nil, err
			}
			if !leaving[r.ID] {
				delete(ids, r.ID)
			}
		}
	}
	return targets, nil
}

// links yields the references that the change sets.
func (w *wanted) links(c state.Change) iter.Seq[state.FieldChange] {
	return func(yield func(state.FieldChange) bool) {
		object := w.eq.Schema.Object(c.Object)
		if object == nil || c.Kind == state.Delete {
			return
		}
		for _, f := range c.Fields {
			if !f.After.IsText() {
				continue
			}
			if class, _ := w.eq.Class(c.Object, f.Field, c.Kind); class == state.Remapped && !yield(f) {
				return
			}
		}
	}
}

// objectOf returns the object of the record if the live state holds it, so that the absence of a
// record can be told; otherwise "".
func (w *wanted) objectOf(id sf.ID) string {
	prefix := id.KeyPrefix()
	for _, o := range w.eq.Schema.Objects {
		if o.KeyPrefix == prefix {
			if p, named := w.live.Part(o.Name); named && w.fresh(p) {
				return o.Name
			}
		}
	}
	return ""
}

// dangling takes links to records that will not be there out of the delta, and with them the
// records that cannot live without.
func (w *wanted) dangling(ctx context.Context) error {
	contested := make([]state.Change, len(w.conflicts))
	for i, c := range w.conflicts {
		contested[i] = state.Change{Object: c.Object, ID: c.ID, Kind: state.Update, Fields: []state.FieldChange{{Field: c.Field, After: c.Wanted}}}
	}
	missing, err := w.missing(ctx, slices.Concat(w.delta, contested))
	if err != nil {
		return err
	}
	gone := map[sf.ID]bool{}
	for _, ids := range missing {
		maps.Copy(gone, ids)
	}
	if len(gone) == 0 {
		return nil
	}
	counts := map[string]int{}
	var kept state.Delta
	for again := true; again; {
		again, kept = false, w.delta[:0]
		for _, c := range w.delta {
			reduced, needed := w.without(c, gone, counts)
			if needed {
				gone[c.ID], again = true, true // what refers to it dangles now too
				continue
			}
			if reduced.Kind == state.Create || len(reduced.Fields) > 0 {
				kept = append(kept, reduced)
			}
		}
		w.delta = kept
	}
	// Nor is a link in question that leads to a record which is gone: nobody has to decide about it.
	open := w.conflicts[:0]
	for i, c := range w.conflicts {
		if left, _ := w.without(contested[i], gone, counts); len(left.Fields) > 0 {
			open = append(open, c)
		}
	}
	w.conflicts = open
	w.count(counts)
	return nil
}

// without returns the change without links to what is gone; needed says that the record of a create
// cannot be without one of them.
func (w *wanted) without(c state.Change, gone map[sf.ID]bool, counts map[string]int) (out state.Change, needed bool) {
	object := w.eq.Schema.Object(c.Object)
	drop := map[string]bool{}
	for f := range w.links(c) {
		if !gone[sf.ID(f.After.Text())] {
			continue
		}
		if field := object.Field(f.Field); c.Kind == state.Create && (field.RelationshipOrder > 0 || field.Required()) {
			counts[fmt.Sprintf("%%d {record|records} of %s cannot come back: %s refers to a record that is gone", c.Object, f.Field)]++
			return c, true
		}
		counts[fmt.Sprintf("%%d {link|links} %s.%s {is|are} not restored: {it refers to a record that is|they refer to records that are} gone", c.Object, f.Field)]++
		drop[f.Field] = true
	}
	if len(drop) > 0 {
		c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool { return drop[f.Field] })
	}
	return c, false
}
