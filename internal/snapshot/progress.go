package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// What a writer has stored of its parts can be noted while it goes on, so that the next run does not
// read it again when this one does not come to its end; docs/format/snapshot.md, "Progress".

// noteProgress is the kind of the notes.
const noteProgress = "progress"

// progressLine is what a note says of one part.
type progressLine struct {
	Full    bool      `json:"full"`
	Reread  bool      `json:"reread"`
	Whole   bool      `json:"whole"`
	Through string    `json:"through"`
	Base    int       `json:"base"`
	Types   []string  `json:"types"`
	Part    *partLine `json:"part"`
}

// Extent says how far a part is written.
type Extent struct {
	Reread  bool           // every record is read, not only changes
	Whole   bool           // nothing is left to be read
	Through sf.ID          // unless Whole: all records of Ids up to here are read, and others may be
	Types   []sf.FieldType // of the fields, in their order: values of another type are others
}

// Begun is a part that was noted by a writer which did not come to its end.
type Begun struct {
	Extent
	Part Part // its From and Watermark are those of the writer; of a part that is not whole To is zero
	Full bool

	base int // layers that it was written on
	m    manifestPart
	note repo.Ref
}

// Settle stores what the part holds so far in a form in which Save can note it. It goes on as before.
func (p *PartWriter) Settle(ctx context.Context) error {
	if err := p.ready(); err != nil {
		return err
	}
	p.err = p.settle(ctx)
	return p.err
}

func (p *PartWriter) settle(ctx context.Context) error {
	layers, err := p.layersSoFar(ctx)
	if err != nil {
		return err
	}
	p.base, p.settled = joinLayers(layers, len(p.origin)), true
	p.fresh = slices.Clone(p.base[len(p.origin):])
	p.spills.remove(context.WithoutCancel(ctx))
	p.spills = spills{repository: p.w.store.repository, shape: p.shape}
	next := newLayerWriter(p.w.store.repository, p.shape, p.base, p.holders)
	next.tally = p.out.tally
	next.changes, next.origin, next.segments.newBytes = p.out.changes, p.countFrom(), p.out.segments.newBytes
	p.out = next
	return nil
}

// joinLayers makes one layer of two that follow one another by their Ids, above the first n: to read them
// costs the same, and there are fewer.
func joinLayers(layers []layer, n int) []layer {
	out := slices.Clone(layers[:min(n, len(layers))])
	for _, l := range layers[len(out):] {
		if len(out) > n {
			below := &out[len(out)-1]
			if l.segments[0].first.compare(below.segments[len(below.segments)-1].last) > 0 {
				below.after, below.records = l.after, l.records
				below.segments = append(slices.Clip(below.segments), l.segments...)
				continue
			}
		}
		out = append(out, l)
	}
	return out
}

// Save notes how far the part is: what was added before the last Settle.
func (p *PartWriter) Save(ctx context.Context, at Extent) error {
	if err := p.ready(); err != nil {
		return err
	}
	m := manifestPart{
		object: p.info.Object, state: Whole, fields: p.shape.Fields(), from: floor(p.info.From), watermark: floor(p.info.Watermark),
		expected: -1, changes: p.out.changes, layers: p.base, holders: p.holders, tally: p.out.tally,
	}
	return p.w.saveLine(ctx, m, p.info.Full, len(p.origin), at)
}

// saveLine puts the note. Its name is no other's.
func (w *Writer) saveLine(ctx context.Context, m manifestPart, full bool, base int, at Extent) error {
	line := progressLine{
		Full: full, Reread: at.Reread, Whole: at.Whole, Through: string(at.Through), Base: base,
		Types: []string{}, Part: m.line().Part,
	}
	for _, t := range at.Types {
		line.Types = append(line.Types, string(t))
	}
	body, err := encodeLine(line)
	if err != nil {
		return err
	}
	random := seal.ID(seal.NewKey()).String()[:16]
	name := fmt.Sprintf("%s %s %s %s", w.draft.OrgID, m.object, writeTime(m.from), random)
	if err := w.store.PutNote(ctx, noteProgress, name, body); err != nil {
		return fmt.Errorf("note how far %s is: %w", m.object, err)
	}
	return nil
}

// SaveClosed notes a part that was closed in this snapshot.
func (w *Writer) SaveClosed(ctx context.Context, object string, at Extent) error {
	w.mu.Lock()
	m := w.parts[object]
	w.mu.Unlock()
	if m == nil || m.state != Whole || m.stale {
		return fmt.Errorf("note part %s: it is not closed", object)
	}
	at.Whole = true
	base := 0
	if !m.full {
		if parent, err := w.parentPart(object); err == nil {
			base = sharedLayers(parent.layers, m.layers)
			if base != len(parent.layers) {
				return nil // its layers were merged with those of the parent: it does not lie on them any more
			}
		}
	}
	return w.saveLine(ctx, *m, m.full, base, at)
}

// Begun returns the parts of the org that writers noted and did not publish, the furthest of each object.
// Notes that cannot be read are left out: they would only have saved work.
func (s *Store) Begun(ctx context.Context, org sf.ID) ([]Begun, error) {
	heads, err := s.noteHeads(ctx, noteProgress)
	if err != nil {
		return nil, err
	}
	best := map[string]Begun{}
	for _, h := range heads {
		if !strings.HasPrefix(h.head.Name, string(org)+" ") {
			continue
		}
		b, err := s.readBegun(ctx, h)
		if problem.KindOf(err) == problem.Damaged || errors.Is(err, errWire) || errors.Is(err, repo.ErrMissing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if old, found := best[b.Part.Object]; !found || b.further(old) {
			best[b.Part.Object] = b
		}
	}
	out := make([]Begun, 0, len(best))
	for _, b := range best {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b Begun) int { return strings.Compare(a.Part.Object, b.Part.Object) })
	return out, nil
}

func (b Begun) further(other Begun) bool {
	if b.Whole != other.Whole {
		return b.Whole
	}
	if b.Part.Records != other.Part.Records {
		return b.Part.Records > other.Part.Records
	}
	return b.Part.From.After(other.Part.From)
}

func (s *Store) readBegun(ctx context.Context, h openNote) (Begun, error) {
	body, err := s.noteBody(ctx, h)
	if err != nil {
		return Begun{}, err
	}
	var line progressLine
	if err := decodeLine(body, &line); err != nil {
		return Begun{}, err
	}
	if line.Part == nil {
		return Begun{}, fmt.Errorf("%w: progress without a part", errWire)
	}
	m, err := parsePart(line.Part)
	if err != nil {
		return Begun{}, err
	}
	if line.Base < 0 || line.Base > len(m.layers) || len(line.Types) != len(m.fields) || m.state != Whole {
		return Begun{}, fmt.Errorf("%w: progress of %s makes no sense", errWire, m.object)
	}
	b := Begun{
		Extent: Extent{Reread: line.Reread, Whole: line.Whole, Through: sf.ID(line.Through)},
		Part:   m.part(), Full: line.Full, base: line.Base, m: m, note: h.object.Ref(),
	}
	for _, t := range line.Types {
		b.Types = append(b.Types, sf.FieldType(t))
	}
	return b, nil
}

// Resume begins a part where another writer left it. The error is of kind NotFound when it does not lie on
// what the parent holds now: then it must be read anew.
func (w *Writer) Resume(b Begun) (*PartWriter, error) {
	var origin []layer
	if !b.Full {
		parent, err := w.parentPart(b.Part.Object)
		if err != nil {
			return nil, err
		}
		origin = parent.layers
	}
	if b.base != len(origin) || sharedLayers(origin, b.m.layers) != len(origin) {
		return nil, problem.Newf(problem.NotFound, "part %s: what was begun lies on another snapshot", b.Part.Object)
	}
	shape := sf.NewShape(b.Part.Object, b.m.fields)
	p := newPartWriter(w, PartInfo{Object: b.Part.Object, Fields: b.m.fields, From: b.m.from, Full: b.Full}, shape, b.m.layers, b.m.holders)
	p.out.tally = b.m.tally
	p.origin, p.settled = origin, true
	p.fresh, p.replaced = slices.Clone(b.m.layers[b.base:]), b.m.replaced
	p.out.changes, p.out.origin = b.m.changes, p.countFrom()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, taken := w.parts[b.Part.Object]; taken {
		return nil, fmt.Errorf("part %s: there is one already", b.Part.Object)
	}
	w.begin(p)
	return p, nil
}

// BegunRow is a record version, or a tombstone, of a part that was begun.
type BegunRow struct {
	Record sf.Record // its Id is always there
	Gone   bool
}

// Rows yields, by ascending Id, what the writer had stored above what it was written on. Every row is read
// and authenticated: an error means that it cannot be relied on.
func (s *Store) Rows(ctx context.Context, b Begun) iter.Seq2[BegunRow, error] {
	return func(yield func(BegunRow, error) bool) {
		m := newMerged(stack(s.repository, b.Part.Object, b.m.layers[b.base:])...)
		var hasher state.Hasher
		var digest state.Digest
		var records int64
		for {
			more, err := m.next(ctx)
			if err != nil {
				yield(BegunRow{}, err)
				return
			}
			if !more {
				break
			}
			row := BegunRow{Gone: m.at.gone(), Record: sf.Record{ID: m.at.id().id()}}
			if !row.Gone {
				row.Record = m.at.record()
				digest, records = digest.Add(hasher.Hash(row.Record)), records+1
			}
			if !yield(row, nil) {
				return
			}
		}
		if last := b.m.layers; b.base == 0 && len(last) > 0 && (digest != last[len(last)-1].after || records != b.m.records()) {
			yield(BegunRow{}, wrongDigest(b.Part.Object, digest, records, last[len(last)-1]))
		}
	}
}

// ForgetBegun takes away the notes of parts that done names, and those that are older than that. Errors
// are of no consequence: a note that stays behind saves work or is passed over.
func (s *Store) ForgetBegun(ctx context.Context, org sf.ID, done func(object string) bool, before time.Time) {
	heads, err := s.noteHeads(ctx, noteProgress)
	if err != nil {
		return
	}
	for _, h := range heads {
		words := bytes.Fields([]byte(h.head.Name))
		if len(words) != 4 || string(words[0]) != string(org) {
			continue
		}
		from, err := readTime(string(words[2]))
		if err != nil || done(string(words[1])) || from.Before(before) {
			_ = s.repository.Remove(ctx, h.object.Ref())
		}
	}
}
