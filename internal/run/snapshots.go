package run

import (
	"context"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// SnapshotsInput says which snapshots to list.
type SnapshotsInput struct {
	Store *snapshot.Store
	OrgID sf.ID // empty: of every org
}

// SnapshotsResult lists snapshots, newest first.
type SnapshotsResult struct {
	Snapshots []SnapshotRow `json:"snapshots"` // newest first
}

// Snapshots lists what the repository holds. The error is of kind Partial when a snapshot is damaged; the
// result then lists it, with the others.
func Snapshots(ctx context.Context, in SnapshotsInput) (SnapshotsResult, error) {
	infos, err := in.Store.List(ctx, ofOrg(in.OrgID)...)
	if err != nil {
		return SnapshotsResult{}, err
	}
	out := SnapshotsResult{Snapshots: make([]SnapshotRow, len(infos))}
	damaged := 0
	for i, info := range infos {
		out.Snapshots[i] = snapshotRow(info)
		if info.Damage != nil {
			damaged++
		}
	}
	if damaged > 0 {
		return out, problem.Newf(problem.Partial, "%d of %d snapshots are damaged and could not be read", damaged, len(infos)).
			Hint("run `holdfast verify` to see what is affected")
	}
	return out, nil
}

// ofOrg restricts a choice of snapshots to one org, or not at all.
func ofOrg(id sf.ID) []snapshot.Filter {
	if id == "" {
		return nil
	}
	return []snapshot.Filter{snapshot.OfOrg(id)}
}
