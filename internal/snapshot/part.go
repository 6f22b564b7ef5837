package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// errClosed is the error of a PartWriter that has ended.
var errClosed = errors.New("the part has ended")

// PartWriter writes one part. It is for one goroutine at a time.
type PartWriter struct {
	w     *Writer
	info  PartInfo
	shape *sf.Shape
	base  []layer // what the part is written on: the parent's part, or nothing, or what is amended

	fresh    []layer // of base: what was written for this snapshot
	replaced []layer // layers of this snapshot that were merged into others
	settled  bool    // base is origin, and above it layers that were written for this snapshot
	holders  bodyFields

	origin []layer // what its changes are counted against: the parent's part, or nothing

	hasher state.Hasher
	shapes map[*sf.Shape][]int // for records of other shapes: where their fields are in the part's
	values []sf.Value
	body   []byte

	rows   rows
	out    *layerWriter // takes what comes in order
	spills spills       // takes the rest
	err    error        // the first that Add, Remove or Close gave: the part can only be abandoned
	ended  bool
}

func newPartWriter(w *Writer, info PartInfo, shape *sf.Shape, base []layer, holders bodyFields) *PartWriter {
	p := &PartWriter{
		holders: holders,
		w:       w, info: info, shape: shape, base: base, origin: base, values: make([]sf.Value, shape.Len()),
		out:    newLayerWriter(w.store.repository, shape, base, holders),
		spills: spills{repository: w.store.repository, shape: shape},
	}
	p.out.segments.verify = !w.draft.Unverified
	return p
}

// maxShapes bounds how many shapes a PartWriter remembers.
const maxShapes = 64

// Add adds a version of a record, in any order; a later one of the same Id wins. The fields of the
// record must be among those of the part; those that it lacks are absent. Nothing of r is kept.
//
// After an error the part cannot become whole any more: Close gives the same error, Abandon works.
func (p *PartWriter) Add(r sf.Record) error {
	if err := p.ready(); err != nil {
		return err
	}
	p.err = p.add(r)
	return p.err
}

// ready returns why nothing can be added.
func (p *PartWriter) ready() error {
	if p.ended {
		return errClosed
	}
	return p.err
}

func (p *PartWriter) add(r sf.Record) error {
	id, err := makeKey(r.ID)
	if err != nil {
		return fmt.Errorf("add to %s: %w", p.info.Object, err)
	}
	values, err := p.align(r)
	if err != nil {
		return err
	}
	p.body = appendRow(p.body[:0], values)
	if len(p.body) > maxRow {
		return fmt.Errorf("add %s %s: %d bytes, at most %d", p.info.Object, r.ID, len(p.body), maxRow)
	}
	p.rows.add(id, false, p.hasher.Hash(r), p.body)
	return p.flushIfFull()
}

// align returns the values of the record in the order of the part's fields.
func (p *PartWriter) align(r sf.Record) ([]sf.Value, error) {
	if r.Shape == nil || len(r.Values) != r.Shape.Len() {
		return nil, fmt.Errorf("add %s %s: values do not fit the fields", p.info.Object, r.ID)
	}
	if r.Shape == p.shape {
		return r.Values, nil
	}
	places, known := p.shapes[r.Shape]
	if !known {
		if r.Shape.Object() != p.info.Object {
			return nil, fmt.Errorf("add %s %s to %s", r.Shape.Object(), r.ID, p.info.Object)
		}
		for _, f := range r.Shape.Fields() {
			i := p.shape.Index(f)
			if i < 0 {
				return nil, fmt.Errorf("add %s %s: the part has no field %s", p.info.Object, r.ID, f)
			}
			places = append(places, i)
		}
		if p.shapes == nil || len(p.shapes) >= maxShapes {
			p.shapes = make(map[*sf.Shape][]int)
		}
		p.shapes[r.Shape] = places
	}
	clear(p.values)
	for i, place := range places {
		p.values[place] = r.Values[i]
	}
	return p.values, nil
}

// Remove adds a tombstone; like Add, the last word on an Id wins. A tombstone for a record that the
// parent knows to be gone is not stored again. Errors are as those of Add.
func (p *PartWriter) Remove(id sf.ID, at time.Time, evidence string) error {
	if err := p.ready(); err != nil {
		return err
	}
	p.err = p.remove(id, at, evidence)
	return p.err
}

func (p *PartWriter) remove(id sf.ID, at time.Time, evidence string) error {
	k, err := makeKey(id)
	if err != nil {
		return fmt.Errorf("remove from %s: %w", p.info.Object, err)
	}
	evidence = strings.ToValidUTF8(evidence[:min(len(evidence), maxEvidence)], "")
	p.body = appendTombstone(p.body[:0], at, evidence)
	p.rows.add(k, true, state.Hash{}, p.body)
	return p.flushIfFull()
}

// Observed sets the interval and the watermark, which are often known only at the end.
func (p *PartWriter) Observed(from, to, watermark time.Time) {
	p.info.From, p.info.To, p.info.Watermark = from, to, watermark
}

func (p *PartWriter) flushIfFull() error {
	if !p.rows.full() {
		return nil
	}
	return p.flush()
}

// flush writes the collected rows: to the layer that is being written while they continue it, else
// to a sorted run of their own that is merged when the part ends.
func (p *PartWriter) flush() error {
	ctx := p.w.ctx
	p.rows.sort()
	defer p.rows.reset()
	if len(p.rows.list) == 0 {
		return nil
	}
	if p.spills.empty() && p.out.follows(p.rows.list[0].id) {
		for i := range p.rows.list {
			r := &p.rows.list[i]
			if err := p.out.put(ctx, r.id, r.gone, r.hash, p.rows.body(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return p.spills.add(ctx, &p.rows)
}

// Close ends the part as whole, and returns it. expected is what the org counted, or -1 when it was
// not asked; whether it agrees is for the caller to judge. After an error the part can be abandoned.
func (p *PartWriter) Close(ctx context.Context, expected int64) (Part, error) {
	if err := p.ready(); err != nil {
		return Part{}, err
	}
	part, err := p.close(ctx, expected)
	if err != nil {
		p.err = err
		return Part{}, err
	}
	p.ended = true
	p.spills.remove(context.WithoutCancel(ctx))
	return part, nil
}

func (p *PartWriter) close(ctx context.Context, expected int64) (Part, error) {
	layers, err := p.layersSoFar(ctx)
	if err != nil {
		return Part{}, err
	}
	written := slices.Concat(p.fresh, layers[len(p.base):])
	if p.settled {
		layers = joinLayers(layers, len(p.origin))
		written = slices.Clone(layers[len(p.origin):])
	}
	if layers, err = p.compact(ctx, layers); err != nil {
		return Part{}, err
	}
	p.fresh = nil
	for _, l := range written {
		if slices.ContainsFunc(layers, func(o layer) bool { return sameRun(o, l) }) {
			p.fresh = append(p.fresh, l)
		} else {
			p.replaced = append(p.replaced, l)
		}
	}
	return p.publish(layers, expected)
}

// layersSoFar stores what was added, and returns all layers.
func (p *PartWriter) layersSoFar(ctx context.Context) ([]layer, error) {
	if err := p.flush(); err != nil {
		return nil, err
	}
	added, err := p.out.finish(ctx)
	if err != nil {
		return nil, err
	}
	layers := append(slices.Clone(p.base), added...)
	if !p.spills.empty() {
		// What came late goes into a layer of its own: what came in order stays as it is stored.
		late := newLayerWriter(p.w.store.repository, p.shape, layers, p.holders)
		late.changes, late.tally = p.out.changes, p.out.tally
		late.origin = p.countFrom()
		late.segments.newBytes = p.out.segments.newBytes
		if err := p.spills.merge(ctx, late); err != nil {
			return nil, err
		}
		if added, err = late.finish(ctx); err != nil {
			return nil, err
		}
		layers = append(layers, added...)
		p.out = late
	}
	return layers, nil
}

// publish hands the finished part to the writer of the snapshot.
func (p *PartWriter) publish(layers []layer, expected int64) (Part, error) {
	m := manifestPart{
		object: p.info.Object, state: Whole,
		fields: p.shape.Fields(), from: p.info.From, to: p.info.To, watermark: p.info.Watermark,
		expected: expected, changes: p.out.changes, layers: layers, replaced: p.replaced, fresh: p.fresh, full: p.info.Full,
		holders: p.holders, tally: p.out.tally,
	}
	if p.info.Full {
		m.changes = Changes{Created: m.records(), Unchanged: m.changes.Unchanged}
	}
	if m.to.Before(m.from) {
		return Part{}, fmt.Errorf("part %s: it was read from %v to %v", m.object, m.from, m.to)
	}
	if err := p.w.end(m, p.out.segments.newBytes); err != nil {
		return Part{}, err
	}
	return m.part(), nil
}

// Abandon ends the part as absent by name. Abandoning a part that has ended does nothing, so that it
// can be deferred.
func (p *PartWriter) Abandon(reason string) error {
	if p.ended {
		return nil
	}
	p.ended = true
	p.spills.remove(context.WithoutCancel(p.w.ctx))
	return p.w.end(absent(p.info.Object, reason), 0)
}

// layerWriter writes one layer on the layers below it, and computes its digest.
type layerWriter struct {
	below    lookup
	segments *segmentWriter
	hasher   state.Hasher

	before, digest state.Digest
	records        int64
	changes        Changes
	holders        bodyFields
	places         []int   // of the holders in the shape
	tally          Tally   // of the state with what was put
	origin         *lookup // what changes are counted against, where that is not what lies below
	last           key
	any            bool
}

func newLayerWriter(r *repo.Repository, shape *sf.Shape, below []layer, holders bodyFields) *layerWriter {
	l := &layerWriter{
		below:    lookup{stack(r, shape.Object(), below)},
		segments: newSegmentWriter(r, classSegment, shape),
		holders:  holders, places: holders.places(shape),
	}
	if n := len(below); n > 0 {
		l.segments.filtered = true
		l.before, l.records = below[n-1].after, below[n-1].records
	}
	l.digest = l.before
	return l
}

// follows reports whether a row with the Id can still be added.
func (l *layerWriter) follows(id key) bool { return !l.any || id.compare(l.last) > 0 }

// put adds a row unless the layers below say the same. Ids ascend strictly.
func (l *layerWriter) put(ctx context.Context, id key, gone bool, hash state.Hash, body []byte) error {
	l.last, l.any = id, true
	before, err := l.below.find(ctx, id)
	if err != nil {
		return err
	}
	was := before != nil && !before.gone()
	var old state.Hash
	var record sf.Record
	if was {
		old = before.hash(&l.hasher)
		if len(l.holders) > 0 {
			record = before.record()
		}
	}
	switch {
	case gone && before != nil && !was:
		return nil
	case was && !gone && old == hash:
		l.changes.Unchanged++
		return nil
	}
	if err := l.tallyUp(was, record, gone, body); err != nil {
		return fmt.Errorf("%s %s: %w", l.segments.shape.Object(), id.id(), err)
	}
	switch {
	case gone && was:
		l.digest = l.digest.Remove(old)
		l.records--
	case gone: // a record that came and went unseen: the tombstone is worth keeping
	case was:
		l.digest = l.digest.Remove(old).Add(hash)
	default:
		l.digest = l.digest.Add(hash)
		l.records++
	}
	if err := l.count(ctx, id, version{was, old}, version{!gone, hash}); err != nil {
		return err
	}
	return l.segments.add(ctx, id, gone, body)
}

// finish stores the layer; without rows there is none.
func (l *layerWriter) finish(ctx context.Context) ([]layer, error) {
	segments, err := l.segments.finish(ctx)
	if err != nil || len(segments) == 0 {
		return nil, err
	}
	return []layer{{before: l.before, after: l.digest, records: l.records, segments: segments}}, nil
}

// wrongDigest is the error for layers whose records do not have the digest that is stated.
func wrongDigest(object string, got state.Digest, n int64, want layer) error {
	return problem.Newf(problem.Damaged, "%s: %d records with digest %s, the manifest states %d with %s",
		object, n, got, want.records, want.after).
		Hint("run `holdfast verify` to find the damage")
}
