package snapshot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// MaxErased bounds how many records one erasure takes: each is looked for in every layer of every snapshot.
const MaxErased = 10_000

// Erasing says what an erasure would rewrite, or has rewritten.
type Erasing struct {
	Approval  string           // what Erase is to be given to do just this
	Snapshots []ErasedSnapshot // those that hold a version of a record, newest first
	Versions  int64            // stored record versions, each counted once
	Bytes     int64            // of the segments that are written again
}

// ErasedSnapshot is a snapshot that is rewritten.
type ErasedSnapshot struct {
	Info    Info
	Records int64  // that it holds of those to be erased
	Now     string // ID of what has taken its place, once that is so
}

// Erased says what an erasure did, and that it did.
type Erased struct {
	Erasing
	Deleted    repo.Count // objects
	Retained   repo.Count // objects that the store does not let go of, and that no key opens
	Read       int        // objects that were opened afterwards, and looked at for the records
	Unreadable int        // objects that no key opens
}

// eraser looks for records, and writes snapshots without them.
type eraser struct {
	ids []key // sorted

	bodies   bodyErasing
	done     map[string]string        // ID of the rewritten snapshot by that of the old one
	segments map[seal.ID][]segmentRef // what took the place of a segment
	touched  map[string]bool          // objects of which a part was rewritten
	versions map[versionAt]bool       // versions to be erased
	sizes    map[seal.ID]int64        // of the segments that hold them
}

// versionAt is one stored record version.
type versionAt struct {
	segment seal.ID
	record  key
}

func newEraser(ids []sf.ID) (*eraser, error) {
	if len(ids) == 0 || len(ids) > MaxErased {
		return nil, problem.Newf(problem.Usage, "erase: %d records, want 1 to %d", len(ids), MaxErased)
	}
	e := &eraser{
		bodies: bodyErasing{
			tainted: make(map[seal.ID]map[int]bool), needed: make(map[seal.ID]map[int]bool),
			carriers: make(map[seal.ID]bool), moved: make(map[seal.ID]seal.ID),
		},
		done: make(map[string]string), segments: make(map[seal.ID][]segmentRef), touched: make(map[string]bool),
		versions: make(map[versionAt]bool), sizes: make(map[seal.ID]int64),
	}
	for _, id := range ids {
		k, err := makeKey(id)
		if err != nil {
			return nil, problem.Wrap(problem.Usage, err, "erase")
		}
		e.ids = append(e.ids, k)
	}
	slices.SortFunc(e.ids, key.compare)
	e.ids = slices.Compact(e.ids)
	return e, nil
}

// Erase writes every snapshot that holds a version of one of the records again, without it, and destroys
// the keys of all that the new ones do not need: docs/format/repository.md, "Erasure". The snapshots get
// other IDs. Then it reads what can still be read and looks for the records. approval is that of PlanErase; the
// error is of kind Conflict when it is not, because something has changed since, and Damaged when a version
// can still be read. An erasure that was cut short is ended, and proven, with the same records and approval; with
// any other approval it is ended, and the error is of kind NotFound.
func (s *Store) Erase(ctx context.Context, ids []sf.ID, approval string) (Erased, error) {
	plan, err := s.PlanErase(ctx, ids)
	if problem.KindOf(err) == problem.NotFound && approval != "" {
		return s.resumeErase(ctx, ids, approval, err)
	}
	if err != nil {
		return Erased{}, err
	}
	out := Erased{Erasing: plan}
	if approval != plan.Approval {
		return out, problem.Newf(problem.Conflict, "what would be erased is not what was approved: its approval is %s", plan.Approval).
			Hint("look at it again with --dry-run, and approve it as it is")
	}
	e, err := newEraser(ids)
	if err != nil {
		return out, err
	}
	if err := s.erase(ctx, e, &out); err != nil {
		return out, err
	}
	for i := range out.Snapshots {
		out.Snapshots[i].Now = e.done[out.Snapshots[i].Info.ID]
	}
	return out, s.prove(ctx, e, e.bodies.unwanted(), &out)
}

// erase puts snapshots without the records in the place of all that have one, and destroys every key that is not
// needed then.
func (s *Store) erase(ctx context.Context, e *eraser, out *Erased) error {
	got, err := s.repository.Erase(ctx, repo.EraseInput{
		Collect: pruned, Reach: s.reach,
		Rewrite: func(ctx context.Context, view *repo.Repository, roots []repo.Ref) (map[repo.Ref]repo.Ref, error) {
			within := Open(view)
			within.sizes = s.sizes
			instead, err := e.rewrite(ctx, within, roots)
			if err != nil {
				return nil, err
			}
			return instead, within.keepErasure(ctx, e, out.Erasing) // before anything takes the place of a snapshot
		},
	})
	out.Deleted, out.Retained = got.Deleted, got.Retained
	return err
}

// rewrite writes snapshots without the records, parents first, so that each names what its parent has become.
func (e *eraser) rewrite(ctx context.Context, s *Store, roots []repo.Ref) (map[repo.Ref]repo.Ref, error) {
	var infos []Info
	for _, root := range roots {
		info, err := s.readInfo(ctx, root)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	depth := depths(infos)
	slices.SortFunc(infos, func(a, b Info) int {
		if d := depth[a.ID] - depth[b.ID]; d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	if err := e.settle(ctx, s, infos); err != nil {
		return nil, fmt.Errorf("erase: %w", err)
	}
	instead := make(map[repo.Ref]repo.Ref, len(roots))
	for _, info := range infos {
		ref := snapshotRef(info.ID)
		now, err := e.snapshot(ctx, s, info.ID)
		if err != nil {
			return nil, fmt.Errorf("erase from snapshot %s: %w", info.Short(), err)
		}
		e.done[info.ID] = now.ID.String()
		instead[ref] = now
	}
	return instead, nil
}

// snapshot writes one snapshot without the records, and returns it: the same one when it has none, and
// neither has its parent.
func (e *eraser) snapshot(ctx context.Context, s *Store, id string) (repo.Ref, error) {
	m, err := s.loadManifest(ctx, id)
	if err != nil {
		return repo.Ref{}, err
	}
	changed := false
	if now, found := e.done[m.info.Parent]; found && now != m.info.Parent {
		m.info.Parent, changed = now, true
	}
	for i := range m.parts {
		p := &m.parts[i]
		erased, rewritten, err := e.part(ctx, s.repository, p)
		if err != nil {
			return repo.Ref{}, fmt.Errorf("%s: %w", p.object, err)
		}
		if erased && len(p.holders) > 0 {
			if p.tally, err = tallyOf(ctx, s.repository, *p); err != nil {
				return repo.Ref{}, fmt.Errorf("%s: %w", p.object, err)
			}
		}
		if erased {
			m.gaps = withErased(m.gaps, p.object)
		}
		if rewritten {
			e.touched[p.object], changed = true, true
		}
		if e.touched[p.object] && len(p.replaced) > 0 {
			p.replaced, changed = nil, true // the way from a state that is no more
		}
	}
	if !changed {
		return snapshotRef(id), nil
	}
	fit := summarize(m.parts, m.info.Started)
	m.info.Records, m.info.Bodies = fit.Records, fit.Bodies
	frames, err := m.encode()
	if err != nil {
		return repo.Ref{}, err
	}
	stored, err := s.repository.Put(ctx, classSnapshot, frames)
	return stored.Ref, err
}

// erasedReason is what the coverage says of an object from which records were erased.
const erasedReason = "erased: records were erased from this snapshot, for good"

// withErased adds to the coverage that records of the object were erased, after what it says of the object already.
func withErased(gaps []Gap, object string) []Gap {
	g := Gap{Object: object, Reason: erasedReason}
	at, found := slices.BinarySearchFunc(gaps, g, compareGaps)
	if !found {
		return slices.Insert(slices.Clone(gaps), at, g)
	}
	if before := gaps[at].Reason; !strings.HasSuffix(before, erasedReason) {
		const and = "; "
		before = before[:min(len(before), maxReason-len(and)-len(erasedReason))]
		g.Reason = strings.ToValidUTF8(before, "") + and + erasedReason
		gaps = slices.Clone(gaps)
		gaps[at] = g
	}
	return gaps
}

// part takes the records out of the layers of a part, their tombstones too, and has the other rows refer to where
// their bodies are now. It reports whether any of the records was there, and whether anything was written again:
// afterwards the part has never seen them.
func (e *eraser) part(ctx context.Context, r *repo.Repository, p *manifestPart) (erased, rewritten bool, err error) {
	carried := make(map[key]carriedRow)
	seen := make(map[key]state.Hash) // what the layers so far say of the records
	var hasher state.Hasher
	layers := make([]layer, 0, len(p.layers))
	var last state.Digest
	for _, l := range p.layers {
		hit, err := e.look(ctx, r, p.object, l, func(c *cursor) {
			if delete(seen, c.id()); !c.gone() {
				seen[c.id()] = hasher.Hash(c.record())
			}
		})
		if err != nil {
			return false, false, err
		}
		erased = erased || len(hit) > 0
		moved, err := e.carry(ctx, r, p, l, carried)
		if err != nil {
			return false, false, err
		}
		maps.Copy(hit, moved)
		rewritten = rewritten || len(hit) > 0
		now := layer{before: last, after: l.after, records: l.records}
		for _, hash := range seen {
			now.after = now.after.Remove(hash)
			now.records--
		}
		for _, row := range carried {
			now.after = now.after.Remove(row.before).Add(row.after)
		}
		for _, ref := range l.segments {
			if !hit[ref.id] {
				now.segments = append(now.segments, ref)
				continue
			}
			instead, err := e.segment(ctx, r, p, ref)
			if err != nil {
				return false, false, err
			}
			now.segments = append(now.segments, instead...)
		}
		last = now.after
		if len(now.segments) > 0 {
			layers = append(layers, now)
		} else if now.before != now.after {
			return false, false, problem.Newf(problem.Damaged, "%s: a layer changes what none of its rows is about", p.object)
		}
	}
	p.layers = layers
	for _, l := range p.replaced {
		hit, err := e.look(ctx, r, p.object, l, func(*cursor) {})
		if err != nil {
			return false, false, err
		}
		erased = erased || len(hit) > 0
	}
	if err := chainError(layers); err != nil {
		return false, false, err
	}
	return erased, erased || rewritten, nil
}

// segment writes a segment without the records.
func (e *eraser) segment(ctx context.Context, r *repo.Repository, p *manifestPart, ref segmentRef) ([]segmentRef, error) {
	if done, known := e.segments[ref.id]; known {
		return done, nil
	}
	open, err := openSegment(ctx, r, classSegment, p.object, ref)
	if err != nil {
		return nil, err
	}
	w := newSegmentWriter(r, classSegment, open.shape)
	w.filtered = len(open.filter) > 0
	rows := newMerged(newCursor(r, classSegment, p.object, []segmentRef{ref}))
	err = eachRow(ctx, rows, open.shape, func(c *cursor, body []byte) error {
		if e.has(c.id()) {
			return nil
		}
		if !c.gone() && e.bodies.carriers[ref.id] {
			now, changed, err := e.redirected(p.holders, c.record())
			if err != nil {
				return damaged(ref.ref(classSegment), err)
			}
			if changed {
				body = appendRow(nil, now.Values)
			}
		}
		return w.add(ctx, c.id(), c.gone(), body)
	})
	if err != nil {
		return nil, err
	}
	done, err := w.finish(ctx)
	if err == nil {
		e.segments[ref.id] = done
	}
	return done, err
}

func (e *eraser) has(id key) bool {
	_, found := slices.BinarySearchFunc(e.ids, id, key.compare)
	return found
}
