package snapshot

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// SoFar returns the snapshot as it would be if it ended now, so that the parts that were written can
// be read and compared with those of other snapshots. It is not stored and has no ID. While a part is
// open there is none.
func (w *Writer) SoFar() (*Snapshot, error) {
	m, err := w.manifest()
	if err != nil {
		return nil, err
	}
	schema := w.draft.Schema
	if schema == nil && w.draft.Parent != nil {
		schema = w.draft.Parent.schema
	}
	return &Snapshot{store: w.store, manifest: m, schema: schema}, nil
}

// Amend opens a part that was closed in this snapshot once more: what is added lies on top of what it
// holds. It is closed again, or abandoned, which makes the part absent. The interval and the watermark
// stay what they were unless PartWriter.Observed sets them; changes are still counted relative to the
// parent.
func (w *Writer) Amend(object string) (*PartWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.parts[object]
	if m == nil || m.state != Whole || m.stale {
		return nil, fmt.Errorf("amend part %s: it is not closed", object)
	}
	shape := sf.NewShape(object, m.fields)
	p := newPartWriter(w, PartInfo{
		Object: object, Fields: m.fields, From: m.from, To: m.to, Watermark: m.watermark, Full: m.full,
	}, shape, m.layers, m.holders)
	p.fresh, p.replaced = m.fresh, m.replaced
	p.origin = nil
	if !m.full {
		if parent, err := w.parentPart(object); err == nil {
			p.origin = parent.layers
		}
	}
	p.out.changes, p.out.tally, p.out.origin = m.changes, m.tally, p.countFrom()
	w.begin(p)
	return p, nil
}

// countFrom returns what changes are counted against by a layer that lies on others of its snapshot.
func (p *PartWriter) countFrom() *lookup {
	return &lookup{stack(p.w.store.repository, p.info.Object, p.origin)}
}

// version is what a state says of one record.
type version struct {
	there bool
	hash  state.Hash
}

// count counts a record that was as before and is as after.
func (l *layerWriter) count(ctx context.Context, id key, before, after version) error {
	if l.origin == nil {
		l.changes.count(before, after, 1)
		return nil
	}
	at, err := l.origin.find(ctx, id)
	if err != nil {
		return err
	}
	var origin version
	if at != nil && !at.gone() {
		origin = version{true, at.hash(&l.hasher)}
	}
	l.changes.count(origin, before, -1) // it was counted in the layer below
	l.changes.count(origin, after, 1)
	return nil
}

func (c *Changes) count(from, to version, n int64) {
	switch {
	case !from.there && to.there:
		c.Created += n
	case from.there && !to.there:
		c.Deleted += n
	case from.there && from.hash != to.hash:
		c.Updated += n
	}
}

// Turn is a record that went, or came back.
type Turn struct {
	ID   sf.ID
	Back bool
}

// Turns yields, by ascending Id, the records that b knows to be gone and a does not, and those that a
// knows to be gone and b holds live. Records that are merely new are not among them. A nil a, and an
// object that either does not hold, is empty. The cost follows the change from a to b; where a knows
// no deletion, that of the segments of b that hold one.
func Turns(ctx context.Context, a, b *Snapshot, object string) iter.Seq2[Turn, error] {
	return func(yield func(Turn, error) bool) {
		var before, after []layer
		if a != nil {
			before = a.layers(object)
		}
		after = b.layers(object)
		shared := sharedLayers(before, after)
		old, fresh := before[shared:], after[shared:]
		if !slices.ContainsFunc(before, layer.buries) {
			fresh = burying(fresh)
		}
		was := lookup{stack(b.store.repository, object, before)}
		is := lookup{stack(b.store.repository, object, after)}
		for id, err := range candidates(ctx, b.store, object, old, fresh) {
			turn, turned, err := turnOf(ctx, id, was, is, err)
			if err != nil {
				yield(Turn{}, b.within(object, err))
				return
			}
			if turned && !yield(turn, nil) {
				return
			}
		}
	}
}

// turnOf compares what two states say of the record.
func turnOf(ctx context.Context, id key, was, is lookup, err error) (Turn, bool, error) {
	if err != nil {
		return Turn{}, false, err
	}
	before, err := was.find(ctx, id)
	if err != nil {
		return Turn{}, false, err
	}
	after, err := is.find(ctx, id)
	if err != nil || after == nil {
		return Turn{}, false, err
	}
	wasGone := before != nil && before.gone()
	return Turn{ID: id.id(), Back: wasGone}, wasGone != after.gone(), nil
}

// layers returns the layers of the object, none when it is not held.
func (sn *Snapshot) layers(object string) []layer {
	m, _ := sn.find(object) // the layers of a part that is absent or not there are none
	return m.layers
}

// sharedLayers returns how many layers at the bottom are the same.
func sharedLayers(a, b []layer) int {
	n := 0
	for n < len(a) && n < len(b) && sameRun(a[n], b[n]) {
		n++
	}
	return n
}

// buries reports whether the layer holds a tombstone.
func (l layer) buries() bool {
	return slices.ContainsFunc(l.segments, func(s segmentRef) bool { return s.tombstones > 0 })
}

// burying returns the layers with those of their segments that hold a tombstone.
func burying(layers []layer) []layer {
	var out []layer
	for _, l := range layers {
		if l.buries() {
			l.segments = slices.DeleteFunc(slices.Clone(l.segments), func(s segmentRef) bool { return s.tombstones == 0 })
			out = append(out, l)
		}
	}
	return out
}
