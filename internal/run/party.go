package run

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// party is who, and when, made the changes that are undone. The zero value is everybody, at any time.
type party struct {
	user         sf.ID
	since, until time.Time

	chain   []*snapshot.Snapshot // the states from the one before to the one after, both included
	deleted map[sf.ID]bool       // records whose deletion is known to be the party's
	unknown int                  // deletions that nobody can be told to have made
}

func (p party) none() bool { return p.user == "" && p.since.IsZero() && p.until.IsZero() }

// chooseParty finds the user, the states between the two, and who deleted what is in the Recycle Bin.
func (in RestoreInput) chooseParty(ctx context.Context, w *wanted) error {
	w.party.since, w.party.until = in.Since, in.Until
	if in.By != "" {
		id, err := w.userOf(ctx, in.By)
		if err != nil {
			return err
		}
		w.party.user = id
	}
	if w.party.none() {
		return nil
	}
	if err := w.loadChain(ctx, in.Store); err != nil {
		return err
	}
	return in.deletions(ctx, w)
}

// userOf finds a user by Id or by name in the live state.
func (w *wanted) userOf(ctx context.Context, name string) (sf.ID, error) {
	if id, err := sf.ParseID(name); err == nil && id.KeyPrefix() == userPrefix {
		return id, nil
	}
	if part, held := w.live.Part("User"); held && part.State == snapshot.Whole {
		for r, err := range w.live.Records(ctx, "User") {
			if err != nil {
				return "", err
			}
			if strings.EqualFold(r.Get("Username").Text(), name) {
				return r.ID, nil
			}
		}
	}
	return "", problem.Newf(problem.NotFound, "the org has no user %q", name).
		Hint("give a username, or the Id of a user")
}

// loadChain loads every state between the two that lie around the change: the more there are, the better
// it can be told who did what, because a record keeps only its last change.
func (w *wanted) loadChain(ctx context.Context, store *snapshot.Store) error {
	from, to := w.want.Info(), w.base.Info()
	infos, err := store.List(ctx, snapshot.OfOrg(from.OrgID))
	if err != nil {
		return err
	}
	slices.SortFunc(infos, func(a, b snapshot.Info) int { return a.Started.Compare(b.Started) })
	w.party.chain = []*snapshot.Snapshot{w.want}
	for _, i := range infos {
		if i.Damage != nil || i.ID == from.ID || i.ID == to.ID || !i.Started.After(from.Started) || !i.Started.Before(to.Started) {
			continue
		}
		sn, err := store.Load(ctx, i.ID)
		if err != nil {
			return err
		}
		w.party.chain = append(w.party.chain, sn)
	}
	w.party.chain = append(w.party.chain, w.base)
	return nil
}

// deletions asks the Recycle Bin who deleted what is gone. A deletion moves the stamps of the record and
// names who deleted it. Source: public answers on queryAll and LastModifiedById; unverified for what
// went with a parent.
func (in RestoreInput) deletions(ctx context.Context, w *wanted) error {
	w.party.deleted = map[sf.ID]bool{}
	for _, name := range w.objects() {
		object := w.eq.Schema.Object(name)
		if object == nil || object.Field("IsDeleted") == nil || !w.comparable(name) {
			continue
		}
		var ids []sf.ID
		for c, err := range w.incidentBetween(ctx, w.want, w.base, name) {
			if err != nil {
				return err
			}
			if c.Kind == state.Delete {
				ids = append(ids, c.ID)
			}
		}
		stamps := stampsOf(object)
		for chunk := range slices.Chunk(ids, binRows) {
			x := sf.Extract{Object: object, Fields: append(stamps, "IsDeleted"), IDs: chunk, IncludeDeleted: true, ExpectRows: int64(len(chunk))}
			for r, err := range in.Source.Records(ctx, x) {
				if err != nil {
					return fmt.Errorf("who deleted records of %s: %w", name, err)
				}
				if r.Get("IsDeleted").Text() == "true" && w.party.made(r) {
					w.party.deleted[r.ID] = true
				}
			}
		}
	}
	return nil
}

// stampsOf returns the fields of the object that say who changed a record last, and when.
func stampsOf(object *sf.Object) []string {
	var out []string
	for _, name := range []string{"CreatedById", "CreatedDate", "LastModifiedById", "LastModifiedDate", "SystemModstamp"} {
		if object.Field(name) != nil {
			out = append(out, name)
		}
	}
	return out
}

// made reports that the last change of the record is the party's. Records that are never modified only
// say who created them.
func (p party) made(r sf.Record) bool {
	by, at := r.Get("LastModifiedById"), r.Get("LastModifiedDate")
	if !by.IsText() {
		by = r.Get("CreatedById")
	}
	if !at.IsText() {
		at = r.Get("SystemModstamp")
	}
	if p.user != "" && by.Text() != string(p.user) {
		return false
	}
	if p.since.IsZero() && p.until.IsZero() {
		return true
	}
	t, err := sf.ParseDatetime(at.Text())
	return err == nil && !t.Before(p.since) && (p.until.IsZero() || t.Before(p.until))
}

// incident yields what changed from the wanted state to the one after it, on present Ids: all of it, or
// what the party changed.
func (w *wanted) incident(ctx context.Context, object string) iter.Seq2[state.Change, error] {
	if w.party.none() {
		return w.incidentBetween(ctx, w.want, w.base, object)
	}
	return func(yield func(state.Change, error) bool) {
		changes, err := w.attributed(ctx, object)
		if err != nil {
			yield(state.Change{}, err)
			return
		}
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (w *wanted) incidentBetween(ctx context.Context, before, after *snapshot.Snapshot, object string) iter.Seq2[state.Change, error] {
	if w.eq.Identity.Len() == 0 {
		return snapshot.Diff(ctx, before, after, object)
	}
	return state.Diff(w.eq.Records(before.Records(ctx, object)), w.eq.Records(after.Records(ctx, object)))
}

// attributed walks the deltas between the states and puts together what the party did to one object.
func (w *wanted) attributed(ctx context.Context, object string) ([]state.Change, error) {
	var a state.Attribution
	before := w.party.chain[0]
	for _, after := range w.party.chain[1:] {
		if part, held := after.Part(object); !held || part.State != snapshot.Whole || part.Stale {
			continue // seen as one step with the next state that holds it
		}
		var changes []state.Change
		for c, err := range w.incidentBetween(ctx, before, after, object) {
			if err != nil {
				return nil, err
			}
			if changes = append(changes, c); len(changes) > w.limit {
				return nil, w.tooMany()
			}
		}
		made, err := w.madeIn(ctx, after, object, changes)
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			mine := made[c.ID]
			if c.Kind == state.Delete {
				if mine = w.party.deleted[c.ID]; !mine && w.in(c.ID) {
					w.party.unknown++
				}
			}
			a.Add(c, mine)
		}
		before = after
	}
	return a.Changes(), nil
}

// madeIn returns which of the changed records the party changed last in that state.
func (w *wanted) madeIn(ctx context.Context, sn *snapshot.Snapshot, object string, changes []state.Change) (map[sf.ID]bool, error) {
	asked := map[sf.ID]bool{}
	var ids []sf.ID
	for _, c := range changes {
		if c.Kind != state.Delete {
			asked[c.ID] = true
			ids = append(ids, c.ID)
		}
	}
	records := sn.Lookup(ctx, object, slices.Values(ids))
	if w.eq.Identity.Len() > 0 {
		records = w.eq.Records(sn.Records(ctx, object))
	}
	made := map[sf.ID]bool{}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		if asked[r.ID] && w.party.made(r) {
			made[r.ID] = true
		}
	}
	return made, nil
}
