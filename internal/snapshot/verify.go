package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/state"
)

// VerifyOptions says what Verify reads.
type VerifyOptions struct {
	// Snapshot restricts it to what one snapshot relies on: the beginning of its ID, or Latest. Empty
	// is everything in the repository, also what no snapshot relies on.
	Snapshot string
	// Parallel is how many objects are read at once; 0 is one per processor. Each takes some tens of
	// MiB at most.
	Parallel int
	// Part and Parts restrict it to one share of the objects and layers, from 1, so that all shares together
	// are everything, each once. Zero Parts is no restriction. The structure is checked as a whole.
	Part, Parts int
}

// inPart reports whether what has that name is in the share that is verified.
func (o VerifyOptions) inPart(name [sha256.Size]byte) bool {
	return o.Parts == 0 || int(binary.BigEndian.Uint32(name[:])%uint32(o.Parts)) == o.Part-1
}

// maxParts bounds the shares of a verification: a year of days, and more than enough.
const maxParts = 1000

// Progress says how far Verify has come.
type Progress struct {
	Done, Total int   // objects and layers
	Read        int64 // bytes
}

// Verify reads every stored byte again, decrypts and decodes it, recomputes the Id of every object
// and the digest of every layer of every part. It does not stop at damage: the report lists all of
// it. The error is that of Report.Err, or that of a bucket that does not answer.
//
// progress, when not nil, is called now and then, never twice at once.
func (s *Store) Verify(ctx context.Context, opts VerifyOptions, progress func(Progress)) (Report, error) {
	if opts.Parts != 0 && (opts.Parts < 1 || opts.Parts > maxParts || opts.Part < 1 || opts.Part > opts.Parts) {
		return Report{}, problem.Newf(problem.Usage, "verify: part %d of %d; at most %d parts, from 1", opts.Part, opts.Parts, maxParts)
	}
	only := ""
	if opts.Snapshot != "" {
		info, err := s.find(ctx, opts.Snapshot, nil)
		if err != nil {
			return Report{}, err
		}
		only = info.ID
	}
	c, err := s.check(ctx)
	if err != nil {
		return Report{}, err
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	v := &verifier{checker: c, opts: opts, progress: progress, sums: make(map[repo.Ref]sum), frames: make(map[repo.Ref][]frameSum)}
	refs := slices.DeleteFunc(c.selected(only), func(ref repo.Ref) bool { return !opts.inPart(ref.ID) })
	v.at.Total = len(refs)
	if opts.Parallel < 1 {
		opts.Parallel = runtime.GOMAXPROCS(0)
	}
	if err := v.largeBodies(ctx, only, opts.Parallel); err != nil {
		return Report{}, err
	}
	if err := v.objects(ctx, refs, opts.Parallel); err != nil {
		return Report{}, err
	}
	if err := v.layers(ctx, only); err != nil {
		return Report{}, err
	}
	if err := v.smallBodies(ctx, only); err != nil {
		return Report{}, err
	}
	if err := v.tallies(ctx, only); err != nil {
		return Report{}, err
	}
	slices.Sort(c.report.Keyless)
	if only != "" {
		c.report.Findings = slices.DeleteFunc(c.report.Findings, func(f Finding) bool {
			return !slices.Contains(f.Snapshots, only)
		})
	}
	c.sort()
	return c.report, c.report.Err()
}

// sum is what the records of one segment add up to.
type sum struct {
	digest  state.Digest
	records int64
}

type verifier struct {
	*checker
	opts     VerifyOptions
	progress func(Progress)

	mu   sync.Mutex
	at   Progress
	sums map[repo.Ref]sum

	frames map[repo.Ref][]frameSum // of the objects of bodies that have one piece
}

// objects verifies each object by itself.
func (v *verifier) objects(ctx context.Context, refs []repo.Ref, parallel int) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, ref := range refs {
		if within.Err() != nil {
			break
		}
		if v.isRead(ref) {
			continue // as a piece of a body that was read whole
		}
		g.Go(func() error {
			got, read, err := v.object(within, ref)
			v.mu.Lock()
			defer v.mu.Unlock()
			v.sums[ref] = got
			v.report.Read += read
			v.report.Records += got.records
			if !v.broken(ref) {
				err = v.note(err, ref, v.refs[ref].object)
			} else if problem.KindOf(err) == problem.Damaged {
				err = nil
			}
			v.step()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// step counts one thing done; v.mu is held, or no other goroutine works.
func (v *verifier) step() {
	v.at.Done++
	v.at.Read = v.report.Read
	v.progress(v.at)
}

// object reads one object whole and decodes it.
func (v *verifier) object(ctx context.Context, ref repo.Ref) (sum, int64, error) {
	named := ref.Class == classSpill || strings.HasPrefix(string(ref.Class), notePrefix)
	frames, err := v.store.repository.Verify(ctx, ref, named)
	if errors.Is(err, repo.ErrMissing) && !v.reliedOn(ref) && !strings.HasPrefix(string(ref.Class), notePrefix) {
		return sum{}, 0, nil // nobody relies on it, and its writer has removed it since it was listed
	}
	if errors.Is(err, repo.ErrNoKey) && !v.reliedOn(ref) {
		given, askErr := v.store.repository.GivenUp(ctx, ref)
		if askErr != nil || given {
			return sum{}, 0, askErr // erased or pruned, and not let go of by the store
		}
		if !isNote(ref.Class) { // a copy that was cut short leaves such: the keys come last
			v.mu.Lock()
			defer v.mu.Unlock()
			v.report.Keyless = append(v.report.Keyless, ref.Key())
			return sum{}, 0, nil
		}
	}
	if err != nil {
		return sum{}, 0, err
	}
	size := v.contents.Objects[ref]
	var got sum
	switch ref.Class {
	case classSegment, classSpill:
		if got, err = sumSegment(frames); err != nil {
			return sum{}, size, damaged(ref, err)
		}
	case classSnapshot, classSchema: // check has decoded them
	case classBody:
		return sum{}, size, v.body(ref, frames)
	default:
		n, err := v.store.openNote(ctx, ref)
		if err == nil {
			_, err = v.store.noteBody(ctx, n)
		}
		return sum{}, size, err
	}
	return got, size, nil
}

// sumOf returns what a segment adds up to; one that is in another share is read for it.
func (v *verifier) sumOf(ctx context.Context, ref repo.Ref) (sum, error) {
	if one, known := v.sums[ref]; known {
		return one, nil
	}
	one, read, err := v.object(ctx, ref)
	v.report.Read += read
	return one, err
}

// sumSegment decodes a segment from its frames and adds up its records.
func sumSegment(frames [][]byte) (sum, error) {
	shape, index, stated, err := decodeIndex(frames[0])
	if err != nil {
		return sum{}, err
	}
	if len(index) != len(frames)-1 {
		return sum{}, fmt.Errorf("%w: %d frames, its index has %d", errWire, len(frames)-1, len(index))
	}
	s := &segment{shape: shape, index: index}
	var hasher state.Hasher
	var f frame
	var got sum
	var hashes []uint64
	for i, packed := range frames[1:] {
		if err := s.unpack(packed, i, &f); err != nil {
			return sum{}, err
		}
		for row, id := range f.ids {
			if len(stated) > 0 {
				hashes = append(hashes, filterHash(id))
			}
			if !f.gone(row) {
				got.digest = got.digest.Add(f.hash(&hasher, row))
				got.records++
			}
		}
	}
	if !bytes.Equal(stated, newFilter(hashes)) {
		return sum{}, fmt.Errorf("%w: its filter is not that of its rows", errWire)
	}
	return got, nil
}

// layers verifies the digests of every layer. Layers that several snapshots share are verified once.
func (v *verifier) layers(ctx context.Context, only string) error {
	seen := make(map[[sha256.Size]byte]bool)
	return v.eachManifest(ctx, only, func(m *manifest) error {
		for _, p := range m.parts {
			if err := v.part(ctx, m, p, seen); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *verifier) part(ctx context.Context, m *manifest, p manifestPart, seen map[[sha256.Size]byte]bool) error {
	place := sha256.Sum256([]byte(p.object))
	for i, l := range p.layers {
		h := sha256.New()
		h.Write(place[:])
		fmt.Fprintf(h, "%s %s %d\n", l.before, l.after, l.records)
		for _, s := range l.segments {
			if v.broken(s.ref(classSegment)) {
				return nil // reported, with the snapshots that rely on it
			}
			h.Write(s.id[:])
		}
		place = [sha256.Size]byte(h.Sum(nil))
		if seen[place] || !v.opts.inPart(place) {
			continue
		}
		seen[place] = true
		v.at.Total++
		err := v.layer(ctx, p, i)
		if err != nil && problem.KindOf(err) != problem.Damaged {
			return err
		}
		if err != nil {
			ref := l.segments[0].ref(classSegment)
			v.report.Findings = append(v.report.Findings, Finding{
				Key: ref.Key(), Object: p.object, Snapshots: []string{m.info.ID},
				Text: fmt.Sprintf("%s, layer %d: %v", p.object, i, err),
			})
			return nil
		}
		v.step()
	}
	if err := v.replaced(ctx, p); problem.KindOf(err) == problem.Damaged {
		v.report.Findings = append(v.report.Findings, Finding{
			Key: p.replaced[0].segments[0].ref(classSegment).Key(), Object: p.object, Snapshots: []string{m.info.ID},
			Text: fmt.Sprintf("%s, a layer that was merged: %v", p.object, err),
		})
	} else if err != nil {
		return err
	}
	return nil
}

// replaced holds the layers that were merged to what they were merged into: every row of theirs is that of
// the state to which they lead.
func (v *verifier) replaced(ctx context.Context, p manifestPart) error {
	if len(p.replaced) == 0 {
		return nil
	}
	for _, l := range p.replaced {
		for _, s := range l.segments {
			if v.broken(s.ref(classSegment)) {
				return nil
			}
		}
	}
	last := p.replaced[len(p.replaced)-1].after
	to := slices.IndexFunc(p.layers, func(l layer) bool { return l.after == last })
	merged := lookup{stack(v.store.repository, p.object, p.layers[:to+1])}
	rows := newMerged(stack(v.store.repository, p.object, p.replaced)...)
	for {
		more, err := rows.next(ctx)
		if err != nil || !more {
			return err
		}
		at, err := merged.find(ctx, rows.at.id())
		if err != nil {
			return err
		}
		if at == nil || at.gone() != rows.at.gone() || !at.gone() && !at.same(rows.at) && !sameRecord(at, rows.at) {
			return problem.Newf(problem.Damaged, "%s is otherwise there than where it was merged", rows.at.id().id())
		}
	}
}

// sameRecord compares records whose shapes differ by fields that neither has.
func sameRecord(a, b *cursor) bool { return state.Equal(a.record(), b.record()) }

// layer recomputes the digest of the state with the i-th layer from that without it.
func (v *verifier) layer(ctx context.Context, p manifestPart, i int) error {
	l := p.layers[i]
	if i == 0 {
		var got sum
		for _, s := range l.segments {
			one, err := v.sumOf(ctx, s.ref(classSegment))
			if err != nil {
				return err
			}
			got.records += one.records
			got.digest = addDigests(got.digest, one.digest)
		}
		if got.digest != l.after || got.records != l.records {
			return wrongDigest(p.object, got.digest, got.records, l)
		}
		return nil
	}
	below := lookup{stack(v.store.repository, p.object, p.layers[:i])}
	rows := newMerged(stack(v.store.repository, p.object, p.layers[i:i+1])...)
	var hasher state.Hasher
	digest, records := l.before, p.layers[i-1].records
	for {
		more, err := rows.next(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		old, err := below.find(ctx, rows.at.id())
		if err != nil {
			return err
		}
		if old != nil && !old.gone() {
			digest = digest.Remove(old.hash(&hasher))
			records--
		}
		if !rows.at.gone() {
			digest = digest.Add(rows.at.hash(&hasher))
			records++
		}
	}
	if digest != l.after || records != l.records {
		return wrongDigest(p.object, digest, records, l)
	}
	return nil
}

// addDigests adds two digests: a digest is a sum, as is a hash of one record.
func addDigests(a, b state.Digest) state.Digest { return a.Add(state.Hash(b)) }
