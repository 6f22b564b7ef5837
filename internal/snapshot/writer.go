package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
)

// defaultKind is the kind of a Draft without one.
const defaultKind = "backup"

// Write makes a snapshot: fn writes its parts, and when fn returns nil the manifest is stored, which
// makes the snapshot exist. When fn or anything else fails, nothing is published: what was stored
// for it is harmless, and a later run that stores the same reuses it.
//
// Parts that the parent has and fn does not mention are not in the snapshot: fn carries what it wants
// to keep. A part that fn began must be closed or abandoned.
func (s *Store) Write(ctx context.Context, d Draft, fn func(*Writer) error) (*Snapshot, error) {
	if d.Parent != nil && d.Parent.store.repository.ID() != s.repository.ID() {
		return nil, errors.New("write snapshot: the parent is in another repository")
	}
	schema := d.Schema
	if schema == nil && d.Parent != nil {
		schema = d.Parent.schema
	}
	if schema == nil {
		return nil, errors.New("write snapshot: neither a schema nor a parent")
	}
	view, err := s.repository.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	within := *s
	within.repository = view
	m, err := within.write(ctx, d, schema, fn)
	if err != nil {
		return nil, view.Settled(ctx, err)
	}
	return s.load(ctx, m.info.ID)
}

// write is Write in a view of its own.
func (s *Store) write(ctx context.Context, d Draft, schema *sf.Schema, fn func(*Writer) error) (*manifest, error) {
	if d.Parent != nil {
		// What it reaches stays from now on until the end of this: it is a root while this begins.
		held, err := s.repository.Rooted(ctx, snapshotRef(d.Parent.manifest.info.ID))
		if err == nil && !held {
			err = problem.Newf(problem.Conflict, "snapshot %s, on which this was to stand, is gone", d.Parent.Info().Short()).
				Hint("run the same command again")
		}
		if err != nil {
			return nil, fmt.Errorf("write snapshot: %w", err)
		}
	}
	w := &Writer{store: s, ctx: ctx, draft: d, parts: make(map[string]*manifestPart), gaps: make(map[Gap]string)}
	defer w.abort()
	if err := fn(w); err != nil {
		return nil, err
	}
	m, err := w.manifest()
	if err != nil {
		return nil, err
	}
	schemaID, schemaBytes, err := putSchema(ctx, s.repository, schema, d.Parent)
	if err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	m.schema = schemaID
	m.info.NewBytes += schemaBytes
	if err := s.publish(ctx, m, d.Parent); err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	return m, nil
}

// snapshotRef names the manifest of a snapshot, whose ID was checked before.
func snapshotRef(id string) repo.Ref {
	parsed, err := seal.ParseID(id)
	if err != nil {
		return repo.Ref{}
	}
	return repo.Ref{Class: classSnapshot, ID: parsed}
}

// publish stores the manifest and makes it a root. That is the last write: everything that the
// manifest names is durable.
func (s *Store) publish(ctx context.Context, m *manifest, parent *Snapshot) error {
	frames, err := m.encode()
	if err != nil {
		return err
	}
	refs := make(map[repo.Ref]bool)
	reached := newReach(s.repository)
	base := repo.Base{Carried: make(map[repo.Ref]bool)}
	if parent != nil {
		base.Root = snapshotRef(parent.manifest.info.ID)
		reached.carry(parent.manifest, m, func(ref repo.Ref) { base.Carried[ref] = true })
	}
	if err := reached.follow(ctx, m, func(ref repo.Ref) { refs[ref] = true }); err != nil {
		return err
	}
	stored, err := s.repository.Commit(ctx, classSnapshot, frames, slices.Collect(maps.Keys(refs)), base)
	if err != nil {
		return err
	}
	m.info.ID = stored.Ref.ID.String()
	return nil
}

// encode returns the frames of the manifest.
func (m *manifest) encode() ([][]byte, error) {
	var d documentWriter
	if err := d.add(m.head()); err != nil {
		return nil, err
	}
	for _, p := range m.parts {
		if err := d.add(p.line()); err != nil {
			return nil, err
		}
	}
	for _, g := range m.gaps {
		if err := d.add(bodyLine{Gap: &gapLine{Object: g.Object, Field: g.Field, Reason: g.Reason}}); err != nil {
			return nil, err
		}
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return d.frames, nil
}

// Writer writes the parts of one snapshot, within Store.Write. Its methods may be called from
// several goroutines, which end before fn returns.
type Writer struct {
	store *Store
	ctx   context.Context // of Write, whose scope a Writer does not outlive: Add is called per record
	draft Draft

	mu       sync.Mutex
	parts    map[string]*manifestPart // nil while it is being written
	open     map[string]*PartWriter
	gaps     map[Gap]string // reason by object and field
	newBytes int64
	spent    Spent
	bodies   *BodyWriter
}

// Spent is what the reading of a snapshot cost, and what it found of lookups that lead nowhere.
type Spent struct {
	Calls    int64 // API calls
	Dangled  int64 // lookups to records that went since the parent, as they were first read
	Dangling int64 // of these, those that stayed when they were read again
}

// Spent says what the reading cost. The last word counts.
func (w *Writer) Spent(s Spent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spent = s
}

// Part begins a part. An object has one part; beginning a second is an error.
func (w *Writer) Part(info PartInfo) (*PartWriter, error) {
	shape := sf.NewShape(info.Object, info.Fields)
	if err := checkShape(shape); err != nil {
		return nil, err
	}
	var parent manifestPart
	if !info.Full {
		var err error
		if parent, err = w.parentPart(info.Object); err != nil {
			return nil, err
		}
	}
	holders := parent.holders.join(info.Bodies)
	for _, f := range info.Bodies {
		if shape.Index(f) < 0 {
			return nil, fmt.Errorf("part %s: no field %s for bodies", info.Object, f)
		}
	}
	p := newPartWriter(w, info, shape, parent.layers, holders)
	p.out.tally = parent.tally
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, taken := w.parts[info.Object]; taken {
		return nil, fmt.Errorf("part %s: there is one already", info.Object)
	}
	w.begin(p)
	return p, nil
}

// begin notes a part that is being written. The caller holds the lock.
func (w *Writer) begin(p *PartWriter) {
	w.parts[p.info.Object] = nil
	if w.open == nil {
		w.open = make(map[string]*PartWriter)
	}
	w.open[p.info.Object] = p
}

func checkShape(shape *sf.Shape) error {
	if shape.Len() > maxFields {
		return fmt.Errorf("part %s: %d fields, at most %d", shape.Object(), shape.Len(), maxFields)
	}
	if !validPart(shape.Object()) {
		return fmt.Errorf("part %q: not the name of one", shape.Object())
	}
	for _, name := range shape.Fields() {
		if !validName(name) {
			return fmt.Errorf("part %s: %q is not an API name", shape.Object(), name)
		}
	}
	return nil
}

// parentPart returns the parent's whole part of the object.
func (w *Writer) parentPart(object string) (manifestPart, error) {
	if w.draft.Parent != nil {
		if m, found := w.draft.Parent.find(object); found && m.state == Whole {
			return m, nil
		}
	}
	return manifestPart{}, problem.Newf(problem.NotFound, "part %s: the parent does not hold it", object).
		Hint("capture it in full")
}

// Carry takes over the parent's part, unchanged, with its interval and watermark.
func (w *Writer) Carry(object string) error {
	m, err := w.parentPart(object)
	if err != nil {
		return err
	}
	m.changes = Changes{}
	return w.set(m)
}

// CarryStale is Carry for a part whose reading failed: it is marked stale, and the snapshot is
// partial. It may follow PartWriter.Abandon of the same object.
func (w *Writer) CarryStale(object, reason string) error {
	m, err := w.parentPart(object)
	if err != nil {
		return err
	}
	m.changes, m.stale, m.reason = Changes{}, true, reasonText(reason)
	return w.set(m)
}

// Absent names an object that is not held although it should be: the snapshot is partial.
func (w *Writer) Absent(object, reason string) error {
	if !validPart(object) {
		return fmt.Errorf("part %q: not the name of one", object)
	}
	return w.set(absent(object, reasonText(reason)))
}

// Gap adds to the coverage something that is not held; field "" is the whole object.
func (w *Writer) Gap(object, field, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gaps[Gap{Object: strings.ToValidUTF8(object, ""), Field: strings.ToValidUTF8(field, "")}] = reasonText(reason)
}

// maxReason bounds a reason in a manifest, in bytes.
const maxReason = 1 << 10

func reasonText(s string) string {
	if s == "" {
		return "no reason given"
	}
	return strings.ToValidUTF8(s[:min(len(s), maxReason)], "")
}

// set settles a part that is not being written. An absent one may be replaced.
func (w *Writer) set(m manifestPart) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, taken := w.parts[m.object]; taken && (old == nil || old.state != Absent) {
		return fmt.Errorf("part %s: there is one already", m.object)
	}
	w.parts[m.object] = &m
	return nil
}

// end settles a part that was being written.
func (w *Writer) end(m manifestPart, newBytes int64) error {
	m.reason = strings.ToValidUTF8(m.reason, "")
	if m.state == Absent {
		m.reason = reasonText(m.reason)
	}
	m.from, m.to, m.watermark = floor(m.from), floor(m.to), floor(m.watermark)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, m.object)
	w.parts[m.object] = &m
	w.newBytes += newBytes
	return nil
}

// manifest returns the manifest of what was written.
func (w *Writer) manifest() (*manifest, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := &manifest{}
	for object, p := range w.parts {
		if p == nil {
			return nil, fmt.Errorf("write snapshot: part %s was neither closed nor abandoned", object)
		}
		m.parts = append(m.parts, *p)
	}
	slices.SortFunc(m.parts, func(a, b manifestPart) int { return strings.Compare(a.object, b.object) })
	for g, reason := range w.gaps {
		g.Reason = reason
		m.gaps = append(m.gaps, g)
	}
	slices.SortFunc(m.gaps, compareGaps)
	d := w.draft
	started := floor(d.Started)
	m.info = summarize(m.parts, started)
	m.info.Kind, m.info.OrgID, m.info.Started = d.Kind, d.OrgID, started
	m.info.OrgName = strings.ToValidUTF8(d.OrgName, "")
	m.info.Username = strings.ToValidUTF8(d.Username, "")
	m.info.NewBytes = w.newBytes
	m.info.Calls, m.info.Dangled, m.info.Dangling = w.spent.Calls, w.spent.Dangled, w.spent.Dangling
	if d.Kind == "" {
		m.info.Kind = defaultKind
	}
	if d.Parent != nil {
		m.info.Parent = d.Parent.Info().ID
	}
	return m, nil
}

// abort ends what fn left open, so that its spilled runs go away.
func (w *Writer) abort() {
	w.mu.Lock()
	left := make([]*PartWriter, 0, len(w.open))
	for _, p := range w.open {
		left = append(left, p)
	}
	w.mu.Unlock()
	for _, p := range left {
		_ = p.Abandon("the snapshot was not written")
	}
}
