package snapshot

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Snapshot is a stored snapshot. It is safe for concurrent use.
type Snapshot struct {
	store    *Store
	manifest *manifest
	schema   *sf.Schema
}

// Info returns what a listing says of the snapshot.
func (sn *Snapshot) Info() Info { return sn.manifest.info }

// Schema returns the schema that was observed. The caller does not change it.
func (sn *Snapshot) Schema() *sf.Schema { return sn.schema }

// Parts returns the parts that hold records, sorted by object.
func (sn *Snapshot) Parts() []Part { return sn.PartsOf(Records) }

// PartsOf returns the parts of one kind, sorted by object. Every method that takes an object takes the
// name of such a part, too.
func (sn *Snapshot) PartsOf(kind PartKind) []Part {
	parts := make([]Part, 0, len(sn.manifest.parts))
	for _, m := range sn.manifest.parts {
		if kindOf(m.object) == kind {
			parts = append(parts, m.part())
		}
	}
	return parts
}

// Part returns the part of the object, and whether the snapshot names it.
func (sn *Snapshot) Part(object string) (Part, bool) {
	m, found := sn.find(object)
	if !found {
		return Part{}, false
	}
	return m.part(), true
}

// Coverage returns what the snapshot does not hold, and why, sorted by object and field. Absent
// parts are not repeated here.
func (sn *Snapshot) Coverage() []Gap { return slices.Clone(sn.manifest.gaps) }

func (sn *Snapshot) find(object string) (manifestPart, bool) {
	i, found := slices.BinarySearchFunc(sn.manifest.parts, object, func(m manifestPart, object string) int {
		return strings.Compare(m.object, object)
	})
	if !found {
		return manifestPart{}, false
	}
	return sn.manifest.parts[i], true
}

// whole returns the part of the object if it is held.
func (sn *Snapshot) whole(object string) (manifestPart, error) {
	m, found := sn.find(object)
	switch {
	case !found:
		return m, problem.Newf(problem.NotFound, "snapshot %s has no part %s", sn.Info().Short(), object)
	case m.state != Whole:
		return m, problem.Newf(problem.NotFound, "snapshot %s does not hold %s: %s", sn.Info().Short(), object, m.reason)
	}
	return m, nil
}

// Records yields the live records of the object by ascending Id. Each record has memory of its own.
// Its fields are those of the schema generation in which it was last seen. A sequence that is read
// to its end without error had the number of records and the digest that the manifest states.
//
// The error is of kind NotFound when the snapshot does not hold the object, and Damaged when what is
// stored is not what was written.
func (sn *Snapshot) Records(ctx context.Context, object string) state.Records {
	return func(yield func(sf.Record, error) bool) {
		part, err := sn.whole(object)
		if err != nil {
			yield(sf.Record{}, err)
			return
		}
		if err := sn.records(ctx, part, yield); err != nil {
			yield(sf.Record{}, sn.within(object, err))
		}
	}
}

// within says where in the snapshot an error came up.
func (sn *Snapshot) within(object string, err error) error {
	return fmt.Errorf("snapshot %s, %s: %w", sn.Info().Short(), object, err)
}

// records calls yield with the live records, and checks their digest at the end. It returns nil when
// yield asked to stop.
func (sn *Snapshot) records(ctx context.Context, part manifestPart, yield func(sf.Record, error) bool) error {
	m := newMerged(stack(sn.store.repository, part.object, part.layers)...).readAhead()
	defer m.end()
	var hasher state.Hasher
	var digest state.Digest
	var n int64
	for {
		more, err := m.next(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if m.at.gone() {
			continue
		}
		digest = digest.Add(m.at.hash(&hasher))
		n++
		if !yield(m.at.record(), nil) {
			return nil
		}
	}
	if digest != part.digest() || n != part.records() {
		return wrongDigest(part.object, digest, n, layer{after: part.digest(), records: part.records()})
	}
	return nil
}

// Record reads one record, and reports whether it is there.
func (sn *Snapshot) Record(ctx context.Context, object string, id sf.ID) (sf.Record, bool, error) {
	for r, err := range sn.Lookup(ctx, object, slices.Values([]sf.ID{id})) {
		return r, err == nil, err
	}
	return sf.Record{}, false, nil
}

// Lookup yields those of the records that are there, in the order of ids, which ascend strictly. It
// reads only the frames that can hold them. Errors are those of Records.
func (sn *Snapshot) Lookup(ctx context.Context, object string, ids iter.Seq[sf.ID]) state.Records {
	return func(yield func(sf.Record, error) bool) {
		part, err := sn.whole(object)
		if err != nil {
			yield(sf.Record{}, err)
			return
		}
		keys := func(yield func(key, error) bool) {
			for id := range ids {
				k, err := makeKey(id)
				if !yield(k, err) || err != nil {
					return
				}
			}
		}
		if err := sn.lookup(ctx, part, keys, yield); err != nil {
			yield(sf.Record{}, sn.within(object, err))
		}
	}
}

// lookup calls yield with the live records of the Ids. It returns nil when yield asked to stop.
func (sn *Snapshot) lookup(ctx context.Context, part manifestPart, ids iter.Seq2[key, error], yield func(sf.Record, error) bool) error {
	below := lookup{stack(sn.store.repository, part.object, part.layers)}
	var last key
	first := true
	for id, err := range ids {
		if err != nil {
			return err
		}
		if !first && id.compare(last) <= 0 {
			return fmt.Errorf("look up %s after %s: ids do not ascend", id.id(), last.id())
		}
		last, first = id, false
		at, err := below.find(ctx, id)
		if err != nil {
			return err
		}
		if at != nil && !at.gone() && !yield(at.record(), nil) {
			return nil
		}
	}
	return nil
}

// Tombstones yields the deletions that the layers of the part know, by ascending Id. Records that
// came back are not among them. Errors are those of Records.
func (sn *Snapshot) Tombstones(ctx context.Context, object string) iter.Seq2[Tombstone, error] {
	return func(yield func(Tombstone, error) bool) {
		part, err := sn.whole(object)
		if err != nil {
			yield(Tombstone{}, err)
			return
		}
		m := newMerged(stack(sn.store.repository, object, part.layers)...)
		for {
			more, err := m.next(ctx)
			if err != nil {
				yield(Tombstone{}, sn.within(object, err))
				return
			}
			if !more {
				return
			}
			if m.at.gone() && !yield(m.at.tombstone(), nil) {
				return
			}
		}
	}
}
