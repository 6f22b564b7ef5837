package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/repo"
)

// pruned are the classes whose objects are there only because a snapshot reaches them.
var pruned = []repo.Class{classSegment, classSchema, classSnapshot, classSpill, classBody}

// Least periods of Prune.
const (
	MinGrace = repo.MinGrace
	MinUndo  = repo.MinUndo
)

// PruneOptions says what to give up, and how slowly.
type PruneOptions struct {
	Expire []string      // IDs of snapshots that are no longer wanted
	Grace  time.Duration // how long an object that no snapshot reaches stays; at least MinGrace
	Undo   time.Duration // how long an expired snapshot can be taken back; at least MinUndo
	DryRun bool          // change nothing
}

// Pruned says what was given up, or would be.
type Pruned struct {
	Expired   []string   // IDs of snapshots that expired now
	Dropped   []string   // IDs of snapshots that can no longer be taken back
	Condemned repo.Count // objects that no snapshot reaches, and that wait for the grace period
	Deleted   repo.Count
	Retained  repo.Count // objects that the store does not let go of yet
	Kept      repo.Count
	Swept     repo.Count // files beside the objects, left by writers that were cut short
}

// Prune gives up snapshots, and the space of what no snapshot reaches. An expired snapshot is not
// listed any more; Unexpire takes it back within the undo window. A snapshot that is damaged or missing
// ends Prune before anything is given up, because what it reaches is not known: the error is of kind
// Damaged.
func (s *Store) Prune(ctx context.Context, o PruneOptions) (Pruned, error) {
	in := repo.PruneInput{Collect: pruned, Reach: s.reach, Grace: o.Grace, Undo: o.Undo, DryRun: o.DryRun}
	for _, id := range o.Expire {
		in.Expire = append(in.Expire, snapshotRef(id))
	}
	got, err := s.repository.Prune(ctx, in)
	return Pruned{
		Expired: idsOf(got.Expired), Dropped: idsOf(got.Dropped),
		Condemned: got.Condemned, Deleted: got.Deleted, Retained: got.Retained, Kept: got.Kept, Swept: got.Swept,
	}, err
}

func idsOf(refs []repo.Ref) []string {
	ids := make([]string, 0, len(refs))
	for _, ref := range refs {
		ids = append(ids, ref.ID.String())
	}
	slices.Sort(ids)
	return ids
}

// reach calls seen with everything that the snapshots reach. It holds one manifest at a time.
func (s *Store) reach(ctx context.Context, roots []repo.Ref, seen func(repo.Ref)) error {
	r := newReach(s.repository)
	for _, root := range roots {
		m, err := s.loadManifest(ctx, root.ID.String())
		if err != nil {
			return fmt.Errorf("what snapshot %.*s reaches: %w", shortID, root.ID, err)
		}
		if err := r.follow(ctx, m, seen); err != nil {
			return fmt.Errorf("snapshot %.*s: %w", shortID, root.ID, err)
		}
	}
	return nil
}

// Expired returns the snapshots that expired and can be taken back, with the time of that, by ID.
func (s *Store) Expired(ctx context.Context) (map[string]time.Time, error) {
	refs, err := s.repository.Expired(ctx, classSnapshot)
	out := make(map[string]time.Time, len(refs))
	for ref, at := range refs {
		out[ref.ID.String()] = at
	}
	return out, err
}

// Unexpire takes back the expired snapshots whose IDs begin with prefix, and returns how many there were.
func (s *Store) Unexpire(ctx context.Context, prefix string) (int, error) {
	expired, err := s.repository.Expired(ctx, classSnapshot)
	if err != nil {
		return 0, err
	}
	var refs []repo.Ref
	for ref := range expired {
		if strings.HasPrefix(ref.ID.String(), prefix) {
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return 0, nil
	}
	return s.repository.Unexpire(ctx, refs)
}
