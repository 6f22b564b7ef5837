package run

import (
	"context"
	"time"

	"holdfast/internal/policy"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/snapshot"
)

// PruneInput says which snapshots are kept.
type PruneInput struct {
	Store  *snapshot.Store
	Rules  policy.Rules
	Keep   []string // beginnings of IDs of snapshots that are kept whatever the rules say
	Grace  time.Duration
	Undo   time.Duration
	DryRun bool
	Now    time.Time
}

// PruneResult says what was kept, and what was given up or would be.
type PruneResult struct {
	DryRun    bool       `json:"dry_run"`   // nothing was changed
	Kept      []PruneRow `json:"kept"`      // snapshots that stay, newest first
	Expired   []PruneRow `json:"expired"`   // snapshots that expire now; they can be taken back within the undo window
	Dropped   []string   `json:"dropped"`   // IDs of snapshots whose undo window is over
	Stored    CountRow   `json:"stored"`    // stored objects that stay
	Condemned CountRow   `json:"condemned"` // stored objects that no snapshot reaches, and that wait for the grace period
	Deleted   CountRow   `json:"deleted"`   // stored objects that are deleted
	Retained  CountRow   `json:"retained"`  // stored objects that the storage has locked, and does not let go of yet
	Swept     CountRow   `json:"swept"`     // files in the storage that are no objects, left by writers that were cut short
}

// PruneRow is one snapshot and why it is kept.
type PruneRow struct {
	Snapshot SnapshotRow `json:"snapshot"`        // what it is
	Rules    []string    `json:"rules,omitempty"` // what keeps it
}

// CountRow is a number of stored objects and their size.
type CountRow struct {
	Objects int   `json:"objects"` // how many
	Bytes   int64 `json:"bytes"`   // their size
}

func countRow(c repo.Count) CountRow { return CountRow{Objects: c.Objects, Bytes: c.Bytes} }

// Prune lets snapshots expire by the rules, and frees the space of what no snapshot reaches. A damaged
// snapshot ends it before anything is given up.
func Prune(ctx context.Context, in PruneInput) (PruneResult, error) {
	infos, err := in.Store.List(ctx)
	if err != nil {
		return PruneResult{}, err
	}
	var of []policy.Snapshot
	byID := make(map[string]snapshot.Info, len(infos))
	for _, i := range infos {
		if i.Damage != nil {
			return PruneResult{}, i.Damage
		}
		byID[i.ID] = i
		of = append(of, policy.Snapshot{ID: i.ID, Group: string(i.OrgID) + " " + i.Kind, Started: i.Started, Partial: i.Partial})
	}
	var holds []policy.Hold
	for _, prefix := range in.Keep {
		sn, err := held(ctx, in.Store, prefix)
		if err != nil {
			return PruneResult{}, err
		}
		holds = append(holds, policy.Hold{ID: sn.Info().ID})
	}
	keep, expire := policy.Keep(of, in.Rules, holds, in.Now)
	out := PruneResult{DryRun: in.DryRun, Kept: []PruneRow{}, Expired: []PruneRow{}, Dropped: []string{}}
	for _, k := range keep {
		out.Kept = append(out.Kept, PruneRow{Snapshot: snapshotRow(byID[k.Snapshot.ID]), Rules: k.Rules})
	}
	o := snapshot.PruneOptions{Grace: in.Grace, Undo: in.Undo, DryRun: in.DryRun}
	for _, s := range expire {
		out.Expired = append(out.Expired, PruneRow{Snapshot: snapshotRow(byID[s.ID])})
		o.Expire = append(o.Expire, s.ID)
	}
	got, err := in.Store.Prune(ctx, o)
	out.Dropped = append(out.Dropped, got.Dropped...)
	out.Stored, out.Condemned = countRow(got.Kept), countRow(got.Condemned)
	out.Deleted, out.Retained, out.Swept = countRow(got.Deleted), countRow(got.Retained), countRow(got.Swept)
	return out, err
}

// UnexpireResult says what was taken back.
type UnexpireResult struct {
	Snapshots int `json:"snapshots"` // how many are listed again
}

// Unexpire takes back expired snapshots whose IDs begin with prefix, all for "".
func Unexpire(ctx context.Context, store *snapshot.Store, prefix string) (UnexpireResult, error) {
	n, err := store.Unexpire(ctx, prefix)
	if err == nil && n == 0 {
		err = problem.New(problem.NotFound, "no such snapshot has expired").
			Hint("what expired can be taken back until its undo window is over")
	}
	return UnexpireResult{Snapshots: n}, err
}
