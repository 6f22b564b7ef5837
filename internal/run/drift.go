package run

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Drift observes the components of the org that is the side After, and compares them with the side Before: what it
// should be. Without one that is the newest backup of the org that holds metadata.
//
// The error is Findings beside a result when they differ; otherwise those of Compare, and NotFound when no backup
// holds metadata.
func Drift(ctx context.Context, in CompareInput) (DiffResult, error) {
	who, err := in.After.Live.Identity(ctx)
	if err != nil {
		return DiffResult{}, err
	}
	if in.Before.Snapshot == "" && in.Before.Label == "" {
		if in.Before.Snapshot, err = newestWithMetadata(ctx, in.Store, who.OrgID); err != nil {
			return DiffResult{}, err
		}
	}
	out, err := Compare(ctx, in)
	if err != nil {
		return out, err
	}
	if n := len(out.Components); n > 0 {
		return out, problem.Newf(problem.Findings, "%d components differ from %s %s", n, out.Sides[0].Kind, out.Sides[0].Name).
			Hint("deploy what is missing, or take a backup when the org is right")
	}
	return out, nil
}

// newestWithMetadata returns the ID of the newest backup of an org that holds components.
func newestWithMetadata(ctx context.Context, store *snapshot.Store, org sf.ID) (string, error) {
	all, err := store.List(ctx, snapshot.OfOrg(org), snapshot.OfKind(kindBackup))
	if err != nil {
		return "", err
	}
	slices.SortStableFunc(all, func(a, b snapshot.Info) int { return b.Started.Compare(a.Started) })
	for _, info := range all {
		if info.Damage != nil {
			continue
		}
		sn, err := store.Load(ctx, info.ID)
		if err != nil {
			return "", err
		}
		if len(componentKinds(sn)) > 0 {
			return info.ID, nil
		}
	}
	return "", problem.New(problem.NotFound, fmt.Sprintf("no backup of org %s holds metadata", org)).
		Hint("`holdfast backup` without --no-metadata captures it")
}
