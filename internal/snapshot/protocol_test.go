package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/state"
)

// promise is a snapshot that was acknowledged, and what it has to hold for ever.
type promise struct {
	id      string
	step    int
	holds   *model
	digest  state.Digest
	records int64

	rest   state.Digest // of all records but the one that is erased
	others int64
	erased bool // it must not hold that one any more
}

// promises are all that was acknowledged to somebody. They only grow, so that a copy is a moment.
type promises struct {
	made  bool // the repository
	snaps []promise
	notes []Note

	copied   *promises // what the second copy holds; nil when none was promised
	erasing  bool      // somebody has begun to erase a record: snapshots may lack it, and have another ID
	approval string    // with which it was begun
	broken   bool      // the repository is damaged, until it is repaired
}

// process is one run of the program on a bucket.
type process struct {
	bucket blob.Bucket
	second blob.Bucket // where a copy is made
	seed   uint64
	kept   promises
}

// protocol is one thing that a process does to a repository; every one can be done again.
type protocol struct {
	name string
	do   func(ctx context.Context, p *process, step int) error
}

// protocols are what programs are made of.
var protocols = []protocol{
	{"init", initialize},
	{"full", write(true, inOrder)},
	{"increment", write(false, inOrder)},
	{"late", write(false, outOfOrder)},
	{"amend", write(false, amended)},
	{"carry", carry},
	{"files", write(false, withFiles)},
	{"note", note},
	{"gave up", giveUp},
	{"rotate", rotate},
	{"prune", prune},
	{"copy", copyOver},
	{"repair", repair},
	{"erase", erase},
}

func initialize(ctx context.Context, p *process, _ int) error {
	err := repo.Init(ctx, p.bucket, sharedIdentity.Recipient(), recoveryIdentity.Recipient())
	if problem.KindOf(err) == problem.Conflict { // whoever died before made it; that is no promise
		return nil
	}
	if err == nil {
		p.kept.made = true
	}
	return err
}

// store opens the repository.
func (p *process) store(ctx context.Context) (*Store, error) {
	r, err := repo.Open(ctx, p.bucket, sharedIdentity)
	if err != nil {
		return nil, err
	}
	s := Open(r)
	s.sizes = tinySizes
	return s, nil
}

// chance is what the step draws from: the same whenever it is done again.
func (p *process) chance(step int) *rand.Rand { return rand.New(rand.NewPCG(p.seed, uint64(step))) }

// last returns the snapshot that was acknowledged last before the step, and what it holds.
func (p *process) last(ctx context.Context, s *Store, step int) (*Snapshot, *model, error) {
	for _, kept := range slices.Backward(p.kept.snaps) {
		if kept.step >= step {
			continue
		}
		if !p.kept.erasing {
			sn, err := s.load(ctx, kept.id)
			return sn, kept.holds, err
		}
		found, err := atTime(ctx, s, kept)
		if err != nil {
			return nil, nil, err
		}
		return found[0], kept.holds, nil
	}
	return nil, newModel(), nil
}

// write returns the protocol that writes a snapshot of one part, which fill fills.
func write(full bool, fill func(ctx context.Context, w *Writer, p *PartWriter, m *model, r *rand.Rand) (*PartWriter, error)) func(context.Context, *process, int) error {
	return func(ctx context.Context, p *process, step int) error {
		s, err := p.store(ctx)
		if err != nil {
			return err
		}
		parent, holds, err := p.last(ctx, s, step)
		if err != nil {
			return err
		}
		m := holds.clone()
		full := full || parent == nil
		if full {
			m = newModel()
		}
		at := day.Add(time.Duration(step) * time.Hour)
		sn, err := s.Write(ctx, draft(parent, at), func(w *Writer) error {
			part, err := w.Part(PartInfo{
				Object: "Account", Fields: accountFields, From: at, To: at.Add(time.Minute), Watermark: at, Full: full,
			})
			if err != nil {
				return err
			}
			if part, err = fill(ctx, w, part, m, p.chance(step)); err != nil {
				return err
			}
			_, err = part.Close(ctx, -1)
			return err
		})
		if err != nil {
			return err
		}
		return p.keep(sn, m, step)
	}
}

// keep notes an acknowledged snapshot.
func (p *process) keep(sn *Snapshot, m *model, step int) error {
	digest, n, err := state.DigestOf(state.FromSlice(m.records()))
	if err != nil {
		return err
	}
	if _, found := sn.Part(filePart); !found {
		m = m.clone()
		m.files = nil
	}
	rest, others, _, err := sumOfOthers(state.FromSlice(m.records()))
	if err != nil {
		return err
	}
	kept := promise{id: sn.Info().ID, step: step, holds: m, digest: digest, records: n, rest: rest, others: others}
	p.kept.snaps = append(slices.Clip(p.kept.snaps), kept)
	return nil
}

// inOrder adds and removes records by ascending Id.
func inOrder(_ context.Context, _ *Writer, p *PartWriter, m *model, r *rand.Rand) (*PartWriter, error) {
	for i := range 12 {
		if err := changeOne(p, m, i, r); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func changeOne(p *PartWriter, m *model, i int, r *rand.Rand) error {
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		m.remove(accountID(i))
		return p.Remove(accountID(i), day, "census")
	default:
		rec := account(i, r.IntN(1000))
		m.add(rec)
		return p.Add(rec)
	}
}

// outOfOrder adds records in several sorted runs, which are stored for themselves and removed at the end.
func outOfOrder(_ context.Context, _ *Writer, p *PartWriter, m *model, r *rand.Rand) (*PartWriter, error) {
	for range 2 + r.IntN(2) {
		for range 4 {
			if err := changeOne(p, m, r.IntN(12), r); err != nil {
				return nil, err
			}
		}
		if err := p.flush(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// amended closes the part, opens it again and adds to it.
func amended(ctx context.Context, w *Writer, p *PartWriter, m *model, r *rand.Rand) (*PartWriter, error) {
	if _, err := inOrder(ctx, w, p, m, r); err != nil {
		return nil, err
	}
	if _, err := p.Close(ctx, -1); err != nil {
		return nil, err
	}
	again, err := w.Amend("Account")
	if err != nil {
		return nil, err
	}
	return outOfOrder(ctx, w, again, m, r)
}

// withFiles adds records, and files of every kind: small and large ones, such as are there already, one that is
// missing, one that goes.
func withFiles(ctx context.Context, w *Writer, p *PartWriter, m *model, r *rand.Rand) (*PartWriter, error) {
	if _, err := inOrder(ctx, w, p, m, r); err != nil {
		return nil, err
	}
	parent := w.draft.Parent
	if parent != nil {
		if _, found := parent.Part(filePart); !found {
			parent, m.files = nil, nil
		}
	}
	more := map[int][]byte{
		1: noise(r.Uint64(), 30), 2: prose(r.Uint64()%4, 90), 3: noise(r.Uint64()%4, 1200), 4: {}, 5: nil, 6: noise(r.Uint64(), 40),
	}
	gone := []int{7 + r.IntN(2)}
	more[15-gone[0]] = noise(r.Uint64(), 10)
	m.files = maps.Clone(m.files)
	if m.files == nil {
		m.files = make(map[int][]byte)
	}
	maps.Copy(m.files, more)
	delete(m.files, gone[0])
	return p, writeFiles(ctx, w, parent, more, gone)
}

// carry takes over the part of the parent, and names another that is not held.
func carry(ctx context.Context, p *process, step int) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	parent, holds, err := p.last(ctx, s, step)
	if err != nil || parent == nil {
		return err
	}
	sn, err := s.Write(ctx, draft(parent, day.Add(time.Duration(step)*time.Hour)), func(w *Writer) error {
		w.Gap("Contact", "Email", "hidden: the user may not read it")
		return firstError(w.Absent("Contact", "it broke"), w.CarryStale("Account", "it broke, too"))
	})
	if err != nil {
		return err
	}
	return p.keep(sn, holds, step)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func note(ctx context.Context, p *process, step int) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	n := Note{Kind: "identity", Name: fmt.Sprint("note of step ", step), Body: bytes.Repeat([]byte{byte(step)}, p.chance(step).IntN(2000))}
	if err := s.PutNote(ctx, n.Kind, n.Name, n.Body); err != nil {
		return err
	}
	p.kept.notes = append(slices.Clip(p.kept.notes), n)
	return nil
}

// giveUp begins a snapshot, stores some of it, and ends without one.
func giveUp(ctx context.Context, p *process, step int) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	enough := fmt.Errorf("step %d gives up", step)
	_, err = s.Write(ctx, draft(nil, day), func(w *Writer) error {
		part, err := w.Part(PartInfo{Object: "Account", Fields: accountFields, From: day, To: day, Watermark: day, Full: true})
		if err != nil {
			return err
		}
		if _, err := outOfOrder(ctx, w, part, newModel(), p.chance(step)); err != nil {
			return err
		}
		return enough
	})
	if err != enough { //nolint:errorlint // fn's own error comes back as it is
		return fmt.Errorf("a snapshot that was given up: %w", err)
	}
	return nil
}

// rotate makes a new master key.
func rotate(ctx context.Context, p *process, _ int) error {
	r, err := repo.Open(ctx, p.bucket, sharedIdentity)
	if err != nil {
		return err
	}
	return r.Rotate(ctx)
}

// prune gives up what no snapshot reaches, as soon as it may.
func prune(ctx context.Context, p *process, _ int) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	_, err = s.repository.Prune(ctx, repo.PruneInput{
		Collect: pruned,
		Reach:   s.reach, Grace: repo.MinGrace, Undo: repo.MinUndo,
	})
	return err
}

// holds returns what is wrong with a bucket for which all that was promised: it opens, every byte
// verifies, and every snapshot and note is what it was.
func holds(ctx context.Context, bucket blob.Bucket, kept promises) error {
	key := sharedIdentity
	if len(kept.snaps)%3 == 0 {
		key = recoveryIdentity // which must open it, too
	}
	r, err := repo.Open(ctx, bucket, key)
	if problem.KindOf(err) == problem.NoRepository && !kept.made && len(kept.snaps)+len(kept.notes) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	s := Open(r)
	if _, err := s.Verify(ctx, VerifyOptions{Parallel: 1}, nil); err != nil {
		return err
	}
	reads := reads
	if kept.erasing {
		reads = readsErased
	}
	for _, p := range kept.snaps {
		if err := reads(ctx, s, p); err != nil {
			return fmt.Errorf("snapshot of step %d: %w", p.step, err)
		}
	}
	return notesHold(ctx, s, kept.notes)
}

func reads(ctx context.Context, s *Store, p promise) error {
	sn, err := s.load(ctx, p.id)
	if err != nil {
		return err
	}
	digest, n, err := state.DigestOf(sn.Records(ctx, "Account"))
	if err != nil {
		return err
	}
	if digest != p.digest || n != p.records {
		return fmt.Errorf("%d records of digest %s, want %d of %s", n, digest, p.records, p.digest)
	}
	if p.holds.files == nil {
		return nil
	}
	got, err := readFiles(ctx, s, sn)
	if err != nil {
		return err
	}
	return sameFiles(got, p.holds.files)
}

func notesHold(ctx context.Context, s *Store, want []Note) error {
	got := make(map[string][]byte)
	for n, err := range s.Notes(ctx, "identity") {
		if err != nil {
			return err
		}
		got[n.Name] = n.Body
	}
	for _, n := range want {
		if body, found := got[n.Name]; !found || !bytes.Equal(body, n.Body) {
			return fmt.Errorf("note %q: %d bytes (%v), want %d", n.Name, len(body), found, len(n.Body))
		}
	}
	return nil
}
