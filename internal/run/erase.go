package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// EraseInput says which records are erased from every snapshot.
type EraseInput struct {
	Store    *snapshot.Store
	Records  []string // their Ids, of 15 or 18 characters
	Approval string   // that of the result without one; "" changes nothing
}

// EraseResult says what is erased, or would be.
type EraseResult struct {
	Erased     bool       `json:"erased"`     // false: nothing was changed, because there was no approval
	Approval   string     `json:"approval"`   // agreement to erase just this
	Versions   int64      `json:"versions"`   // stored record versions, tombstones too
	Rewritten  int64      `json:"rewritten"`  // bytes of the segments that hold them, and are written again
	Snapshots  []EraseRow `json:"snapshots"`  // that hold such versions, newest first
	Deleted    CountRow   `json:"deleted"`    // stored objects that were deleted
	Retained   CountRow   `json:"retained"`   // stored objects that the storage has locked, and that no key opens any more
	Read       int        `json:"read"`       // stored objects that can be read, and were looked through afterwards
	Unreadable int        `json:"unreadable"` // stored objects that no key opens
}

// EraseRow is one snapshot that is written again.
type EraseRow struct {
	Snapshot SnapshotRow `json:"snapshot"`      // as it was
	Records  int64       `json:"records"`       // live records of those to be erased that it holds
	Now      string      `json:"now,omitempty"` // ID of the snapshot that has taken its place
}

// Erase erases every version of the records from every snapshot. Without an approval it says what it would
// do. The error is of kind NotFound when there is nothing to erase, of kind Conflict when the approval is of
// something else, and Damaged when a version can still be read.
func Erase(ctx context.Context, in EraseInput) (EraseResult, error) {
	var ids []sf.ID
	for _, text := range in.Records {
		id, err := sf.ParseID(text)
		if err != nil {
			return EraseResult{}, problem.Wrap(problem.Usage, err, "erase").Hint("give Ids of records, of 15 or 18 characters")
		}
		ids = append(ids, id)
	}
	images, err := imagesOf(ctx, in.Store, ids)
	if err != nil {
		return EraseResult{}, err
	}
	ids = append(ids, images...)
	if in.Approval == "" {
		plan, err := in.Store.PlanErase(ctx, ids)
		return eraseResult(plan), err
	}
	got, err := in.Store.Erase(ctx, ids, in.Approval)
	out := eraseResult(got.Erasing)
	out.Erased = err == nil
	out.Deleted, out.Retained = countRow(got.Deleted), countRow(got.Retained)
	out.Read, out.Unreadable = got.Read, got.Unreadable
	return out, err
}

// imagesOf returns the images of the rich text of these records that any snapshot holds.
func imagesOf(ctx context.Context, store *snapshot.Store, ids []sf.ID) ([]sf.ID, error) {
	infos, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	found := map[sf.ID]bool{}
	read := map[string]bool{}
	for _, info := range infos {
		sn, err := store.Load(ctx, info.ID)
		if err != nil {
			return nil, err
		}
		part, holds := sn.Part(snapshot.Files.Name(capture.Images))
		digest := fmt.Sprint(part.Digest)
		if !holds || part.State != snapshot.Whole || read[digest] {
			continue
		}
		read[digest] = true
		for r, err := range sn.Records(ctx, part.Object) {
			if err != nil {
				return nil, err
			}
			if slices.Contains(ids, sf.ID(r.Get(capture.ImageRecord).Text())) {
				found[r.ID] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func eraseResult(p snapshot.Erasing) EraseResult {
	out := EraseResult{Approval: p.Approval, Versions: p.Versions, Rewritten: p.Bytes, Snapshots: []EraseRow{}}
	for _, s := range p.Snapshots {
		out.Snapshots = append(out.Snapshots, EraseRow{Snapshot: snapshotRow(s.Info), Records: s.Records, Now: s.Now})
	}
	return out
}
