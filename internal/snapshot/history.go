package snapshot

import (
	"context"
	"iter"
	"slices"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// AsOf returns the newest snapshot that had ended at that time, server time, among those that all
// filters select: what was known of the org then. The error is of kind NotFound when there is none.
func (s *Store) AsOf(ctx context.Context, at time.Time, filters ...Filter) (*Snapshot, error) {
	infos, err := s.List(ctx, filters...)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(infos, func(i Info) bool { return i.Damage == nil && !i.To.After(at) })
	if i < 0 {
		return nil, problem.Newf(problem.NotFound, "no snapshot had ended at %s", at.UTC().Format(time.RFC3339)).
			Hint("`holdfast snapshots` lists what there is; a time is that of the org, in UTC")
	}
	return s.load(ctx, infos[i].ID)
}

// Version is what one snapshot knows of one record: a record version, or a tombstone, or neither.
type Version struct {
	Record    sf.Record // without a Shape when it is not live
	Tombstone Tombstone // without an ID when nothing is known of a deletion
}

// Live reports whether the record is there.
func (v Version) Live() bool { return v.Record.Shape != nil }

// Gone reports whether the record is known to have been deleted.
func (v Version) Gone() bool { return v.Tombstone.ID != "" }

// version returns what stands at the current row.
func (c *cursor) version() Version {
	if c.gone() {
		return Version{Tombstone: c.tombstone()}
	}
	return Version{Record: c.record()}
}

// Version reads what the snapshot knows of one record. Errors are those of Records.
func (sn *Snapshot) Version(ctx context.Context, object string, id sf.ID) (Version, error) {
	part, err := sn.whole(object)
	if err != nil {
		return Version{}, err
	}
	k, err := makeKey(id)
	if err != nil {
		return Version{}, err
	}
	at, err := lookup{stack(sn.store.repository, part.object, part.layers)}.find(ctx, k)
	if err != nil {
		return Version{}, sn.within(object, err)
	}
	if at == nil {
		return Version{}, nil
	}
	return at.version(), nil
}

// Sighting is one snapshot in the history of a record.
type Sighting struct {
	Snapshot Info
	Part     Part // as the snapshot states it: when it was read, and whether it is stale
	Version  Version
	Changed  bool // the version is another than in the sighting before, or there is none before

	Damage error // why nothing but the snapshot is known of it, of kind Damaged; else nil
}

// History yields what each of the snapshots that all filters select knows of one record, oldest
// first; those that do not hold the object are left out. Each segment in which the record may lie is
// looked into once, however many snapshots share it. Damage to one snapshot stands in the way of no
// other.
func (s *Store) History(ctx context.Context, object string, id sf.ID, filters ...Filter) iter.Seq2[Sighting, error] {
	return func(yield func(Sighting, error) bool) {
		k, err := makeKey(id)
		if err != nil {
			yield(Sighting{}, err)
			return
		}
		infos, err := s.List(ctx, filters...)
		if err != nil {
			yield(Sighting{}, err)
			return
		}
		seen := sightings{store: s, object: object, id: k, rows: make(map[segmentRef]*seenRow)}
		for _, info := range slices.Backward(infos) {
			sight, held, err := seen.in(ctx, info)
			if problem.KindOf(err) == problem.Damaged {
				sight, held, err = Sighting{Snapshot: info, Damage: err}, true, nil
			}
			if err != nil {
				yield(Sighting{}, err)
				return
			}
			if held && !yield(sight, nil) {
				return
			}
		}
	}
}

// seenRow is the row of a record in a segment.
type seenRow struct{ version Version }

// sightings remembers what was found of one record.
type sightings struct {
	store  *Store
	object string
	id     key
	rows   map[segmentRef]*seenRow // nil: the segment has no row of it
	last   *seenRow
	any    bool
}

// in returns what the snapshot knows of the record, and whether it holds the object.
func (h *sightings) in(ctx context.Context, info Info) (Sighting, bool, error) {
	if info.Damage != nil {
		return Sighting{}, false, info.Damage
	}
	m, err := h.store.loadManifest(ctx, info.ID)
	if err != nil {
		return Sighting{}, false, err
	}
	sn := &Snapshot{store: h.store, manifest: m}
	part, named := sn.find(h.object)
	if !named || part.state != Whole {
		return Sighting{}, false, nil
	}
	at, err := h.find(ctx, part)
	if err != nil {
		return Sighting{}, false, sn.within(h.object, err)
	}
	sight := Sighting{Snapshot: info, Part: part.part(), Changed: !h.any || !sameVersion(at, h.last)}
	if at != nil {
		sight.Version = at.version
	}
	h.last, h.any = at, true
	return sight, true, nil
}

// find returns the row that counts in the part, or nil.
func (h *sightings) find(ctx context.Context, part manifestPart) (*seenRow, error) {
	for _, l := range slices.Backward(part.layers) {
		n, _ := slices.BinarySearchFunc(l.segments, h.id, func(s segmentRef, id key) int { return s.last.compare(id) })
		if n == len(l.segments) || l.segments[n].first.compare(h.id) > 0 {
			continue
		}
		ref := l.segments[n]
		row, known := h.rows[ref]
		if !known {
			c := newCursor(h.store.repository, classSegment, h.object, []segmentRef{ref})
			there, err := c.seek(ctx, h.id)
			if err != nil {
				return nil, err
			}
			if there {
				row = &seenRow{c.version()}
			}
			h.rows[ref] = row
		}
		if row != nil {
			return row, nil
		}
	}
	return nil, nil
}

// sameVersion compares versions that may stand in different rows with the same contents.
func sameVersion(a, b *seenRow) bool {
	switch {
	case a == nil || b == nil:
		return a == b
	case a.version.Live() != b.version.Live():
		return false
	case a.version.Live():
		return state.Equal(a.version.Record, b.version.Record)
	}
	return a.version.Tombstone == b.version.Tombstone
}
