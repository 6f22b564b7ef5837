package run

import (
	"context"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/snapshot"
)

const kindBackup = "backup" // of the snapshots that backups make

// held returns the snapshot that an operator names, among those that all filters select: by the beginning of
// its ID, or as "latest", which is the newest backup. What a comparison, a plan or a verification saw of the
// org is held, too, and is only meant when it is named: nobody who asks for the latest thinks of it.
func held(ctx context.Context, store *snapshot.Store, name string, filters ...snapshot.Filter) (*snapshot.Snapshot, error) {
	if name == snapshot.Latest {
		filters = append(slices.Clip(filters), snapshot.OfKind(kindBackup))
	}
	return store.Load(ctx, name, filters...)
}

// around loads the snapshots around what is to be undone, the earlier one first. Latest is of the org that the
// filters select.
func around(ctx context.Context, store *snapshot.Store, before, after string, ofThisOrg snapshot.Filter) (a, b *snapshot.Snapshot, err error) {
	load := func(name string) (*snapshot.Snapshot, error) {
		if name == snapshot.Latest {
			return held(ctx, store, name, ofThisOrg)
		}
		return held(ctx, store, name)
	}
	if a, err = load(before); err != nil {
		return nil, nil, err
	}
	if b, err = load(after); err != nil {
		return nil, nil, err
	}
	first, second := a.Info(), b.Info()
	switch {
	case first.OrgID != second.OrgID:
		return nil, nil, problem.Newf(problem.Usage, "snapshot %s is of org %s, snapshot %s of org %s", first.Short(), first.OrgID, second.Short(), second.OrgID)
	case first.ID == second.ID:
		return nil, nil, emptyRange(ctx, store, first)
	case second.Started.Before(first.Started):
		return nil, nil, problem.Newf(problem.Usage, "snapshot %s was taken before %s", second.Short(), first.Short()).
			Hint("name the earlier one first: %s..%s", second.Short(), first.Short())
	}
	return a, b, nil
}

// emptyRange says what to do about a range from a snapshot to itself: take a later one, which may be there.
func emptyRange(ctx context.Context, store *snapshot.Store, of snapshot.Info) error {
	const what = "the range is empty: it begins and ends with snapshot %s, between which and itself nothing changed"
	infos, err := store.List(ctx, snapshot.OfOrg(of.OrgID))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(infos, func(i snapshot.Info) bool { return i.Damage == nil && i.ID != of.ID && i.Started.Before(of.Started) })
	earlier := ""
	if i >= 0 {
		earlier = ", or name an earlier one, such as " + infos[i].Short() + ".." + of.Short() + ","
	}
	if newest := infos[0]; newest.ID != of.ID && newest.Damage == nil {
		return problem.Newf(problem.Usage, what, of.Short()).
			Hint("snapshot %s (%s) is later: name it as the second%s", newest.Short(), newest.Kind, earlier)
	}
	return problem.Newf(problem.Usage, what, of.Short()).
		Hint("take a snapshot of what is to be undone with `holdfast backup` and name it as the second%s to undo what came before", earlier)
}
