package capture

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// newest returns the newest snapshot of the org that ended by that time, or nil when there is none. A
// later one was taken while the org told a wrong time: nothing of what happens until then would be
// after its watermarks.
func newest(ctx context.Context, store *snapshot.Store, org sf.ID, by time.Time) (*snapshot.Snapshot, error) {
	past := func(i snapshot.Info) bool { return !i.Started.After(by) && !i.To.After(by) }
	parent, err := store.Load(ctx, "latest", snapshot.OfOrg(org), past)
	switch {
	case err == nil:
		return parent, nil
	case problem.KindOf(err) == problem.NotFound:
		return nil, nil
	}
	return nil, fmt.Errorf("open the last snapshot: %w", err)
}

// heldParts returns the whole parts of the snapshot with the objects as they were described when the
// parts were read. A part that was carried over was read under the schema of an ancestor.
func heldParts(ctx context.Context, store *snapshot.Store, parent *snapshot.Snapshot) (map[string]held, error) {
	earlier := map[string]held{}
	if parent == nil {
		return earlier, nil
	}
	carried := map[string][]string{} // objects by the snapshot in which they were read
	var lineage map[string]snapshot.Info
	for _, p := range parent.Parts() {
		if p.State != snapshot.Whole {
			continue
		}
		if readIn(p, parent.Info()) {
			earlier[p.Object] = held{
				part: p, object: parent.Schema().Object(p.Object), beside: parent, formulas: formulasRead(parent.Coverage(), p),
			}
			continue
		}
		earlier[p.Object] = held{part: p, formulas: formulasRead(parent.Coverage(), p)}
		if lineage == nil {
			var err error
			if lineage, err = infos(ctx, store, parent.Info().OrgID); err != nil {
				return nil, err
			}
		}
		at, ok := lineage[parent.Info().Parent]
		for ok && !readIn(p, at) {
			at, ok = lineage[at.Parent]
		}
		if ok {
			carried[at.ID] = append(carried[at.ID], p.Object)
		}
	}
	for id, objects := range carried {
		at, err := store.Load(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("open an earlier snapshot: %w", err)
		}
		for _, name := range objects {
			earlier[name] = held{
				part: earlier[name].part, object: at.Schema().Object(name), beside: at, formulas: earlier[name].formulas,
			}
		}
	}
	return earlier, nil
}

// readIn reports that the part was read for that snapshot, and not carried over by it. Times are
// kept in milliseconds.
func readIn(p snapshot.Part, in snapshot.Info) bool {
	return !p.To.Before(in.Started.Truncate(time.Millisecond))
}

// infos returns the snapshots of the org by ID.
func infos(ctx context.Context, store *snapshot.Store, org sf.ID) (map[string]snapshot.Info, error) {
	list, err := store.List(ctx, snapshot.OfOrg(org))
	if err != nil {
		return nil, fmt.Errorf("list the snapshots: %w", err)
	}
	byID := make(map[string]snapshot.Info, len(list))
	for _, info := range list {
		byID[info.ID] = info
	}
	return byID, nil
}
