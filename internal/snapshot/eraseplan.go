package snapshot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
)

// PlanErase says what an erasure of the records would rewrite: every snapshot that holds a version of one,
// expired ones too. It changes nothing. The error is of kind NotFound when there is none.
func (s *Store) PlanErase(ctx context.Context, ids []sf.ID) (Erasing, error) {
	e, err := newEraser(ids)
	if err != nil {
		return Erasing{}, err
	}
	roots, err := s.allRoots(ctx)
	if err != nil {
		return Erasing{}, err
	}
	out := Erasing{}
	for _, root := range roots {
		m, err := s.loadManifest(ctx, root.ID.String())
		if err != nil {
			return out, fmt.Errorf("erase: %w", err)
		}
		records, err := e.count(ctx, s.repository, m)
		if err != nil {
			return out, fmt.Errorf("erase from snapshot %s: %w", m.info.Short(), err)
		}
		if records >= 0 {
			out.Snapshots = append(out.Snapshots, ErasedSnapshot{Info: m.info, Records: records})
		}
	}
	if len(out.Snapshots) == 0 {
		return out, problem.New(problem.NotFound, "no snapshot holds a version of these records").
			Hint("give the 18 characters of their Ids; `holdfast show` finds them; when an erasure of them was cut short, " +
				"run it again with the same --approve: that ends it, and looks through what can still be read")
	}
	out.Versions = int64(len(e.versions))
	for _, size := range e.sizes {
		out.Bytes += size
	}
	slices.SortFunc(out.Snapshots, newestErased)
	out.Approval = e.approval(s.repository.ID(), out.Snapshots)
	return out, nil
}

// newestErased compares snapshots by the time at which they began, newest first.
func newestErased(a, b ErasedSnapshot) int {
	return cmp.Or(b.Info.Started.Compare(a.Info.Started), strings.Compare(a.Info.ID, b.Info.ID))
}

// allRoots returns every snapshot, expired ones too.
func (s *Store) allRoots(ctx context.Context) ([]repo.Ref, error) {
	roots, err := s.repository.Roots(ctx, classSnapshot)
	if err != nil {
		return nil, fmt.Errorf("erase: %w", err)
	}
	expired, err := s.repository.Expired(ctx, classSnapshot)
	if err != nil {
		return nil, fmt.Errorf("erase: %w", err)
	}
	for ref := range expired {
		roots = append(roots, ref)
	}
	return roots, nil
}

// approval returns the word by which somebody agrees to erase these records from these snapshots.
func (e *eraser) approval(repository string, snapshots []ErasedSnapshot) string {
	h := sha256.New()
	fmt.Fprintf(h, "holdfast erase 1 %s\n", repository)
	for _, id := range e.ids {
		fmt.Fprintf(h, "record %s\n", id.id())
	}
	var all []string
	for _, s := range snapshots {
		all = append(all, s.Info.ID)
	}
	slices.Sort(all)
	for _, id := range all {
		fmt.Fprintf(h, "snapshot %s\n", id)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// count notes where the snapshot holds versions of the records, and returns how many of these it holds at
// its end; -1 when there is no version in any of its layers.
func (e *eraser) count(ctx context.Context, r *repo.Repository, m *manifest) (int64, error) {
	records, found := int64(0), false
	for _, p := range m.parts {
		live := make(map[key]bool)
		for _, l := range p.layers {
			hit, err := e.look(ctx, r, p.object, l, func(c *cursor) { live[c.id()] = !c.gone() })
			if err != nil {
				return 0, err
			}
			found = found || len(hit) > 0
		}
		for _, there := range live {
			if there {
				records++
			}
		}
		for _, l := range p.replaced {
			hit, err := e.look(ctx, r, p.object, l, func(*cursor) {})
			if err != nil {
				return 0, err
			}
			found = found || len(hit) > 0
		}
	}
	if !found {
		return -1, nil
	}
	return records, nil
}

// look calls row on each row of the layer that is of one of the records, and returns the segments that hold
// a version of one.
func (e *eraser) look(ctx context.Context, r *repo.Repository, object string, l layer, row func(*cursor)) (map[seal.ID]bool, error) {
	in := newCursor(r, classSegment, object, l.segments)
	hit := make(map[seal.ID]bool)
	for _, id := range e.ids {
		there, err := in.seek(ctx, id)
		if err != nil {
			return nil, err
		}
		if !there {
			continue
		}
		row(in)
		ref := l.segments[in.seg]
		hit[ref.id], e.sizes[ref.id], e.versions[versionAt{ref.id, id}] = true, ref.size, true
	}
	return hit, nil
}
