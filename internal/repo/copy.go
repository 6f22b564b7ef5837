package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// parallelCopies is how many objects are copied at once unless it is said: each is in memory whole, as it is
// verified before it is written.
const parallelCopies = 4

// CopyInput says what a copy holds.
type CopyInput struct {
	Reach Reach
	// Named reports whether the objects of a class are found by name: no root reaches them, and all
	// are copied.
	Named func(Class) bool
	// Collect are the classes whose objects are there only because a root reaches them.
	Collect []Class
	// Delete deletes from the copy what the repository has given up and let go of.
	Delete bool
	// Damage lets the copy have roots that are not whole, because the repository is damaged.
	Damage bool
	DryRun bool // write nothing
	// Parallel is how many objects are copied at once; 0 is a few. Each is in memory whole.
	Parallel int
	// Progress is told how many of the objects that the copy needs are done, never twice at once.
	Progress func(done, total int, bytes int64)
}

// CopyResult says what was copied.
type CopyResult struct {
	New        bool   // the place held no copy before
	Copied     Count  // objects that were written
	Present    Count  // objects that were there
	Deleted    Count  // objects of the copy that were given up
	Retained   Count  // objects that were given up and that the place does not let go of yet
	Generation uint64 // of the key table, as the copy has it now
	Behind     uint64 // generations of the key table that the copy stays behind, because something could not be copied
	Missing    []Flaw // what could not be copied, because it is missing or damaged here or there
}

// Flaw is an object that is not as it should be in one of two places.
type Flaw struct {
	Key    string
	InCopy bool // in the copy, not in the repository
	Err    error
}

// Copy brings the bucket to the state of the repository: the same repository, with the same bytes under
// the same keys, so that either place can repair the other (docs/format/repository.md, "Copies"). It
// can be cut short anywhere and run again, and copies what is not there yet. A place that holds another
// repository, or a state that does not precede this one, is left as it is. What is damaged here is not
// copied; the other objects are, but unless in.Damage says so the copy stays in its earlier state. The error
// is of kind Damaged then.
func (r *Repository) Copy(ctx context.Context, to Place, in CopyInput) (CopyResult, error) {
	for range maxAttempts {
		c := newCopying(r, to.bucket, in)
		err := c.run(ctx)
		if errors.Is(err, errMoved) {
			continue // the repository went on meanwhile, and let go of what was to be copied
		}
		if err != nil {
			return c.result, fmt.Errorf("copy to %v: %w", to.bucket, err)
		}
		if n := len(c.result.Missing); n > 0 {
			f := c.result.Missing[0]
			hint := "the copy stays what it was: run `holdfast repair` on the place that is damaged, from the other, and copy again"
			if c.result.Behind > 0 {
				hint += "; until then the copy keeps the keys that were destroyed here since, and what was erased can be read there"
			}
			if in.Damage {
				hint = "the copy lacks them: what relies on them is as damaged there as it is here"
			}
			return c.result, problem.Newf(problem.Damaged, "%d objects could not be copied; the first: %w", n, f.Err).Hint("%s", hint)
		}
		return c.result, nil
	}
	return CopyResult{}, contended()
}

// copying is one attempt.
type copying struct {
	*Repository
	in CopyInput
	to blob.Bucket

	keysThere *keyTable
	there     listing       // the keys of the copy
	objects   map[Ref]int64 // the objects of the copy
	fresh     bool          // the copy has no config yet

	// Where the copy locks what is put: docs/format/repository.md, "Locks".
	lockUntil time.Time    // the end of a lock that began with the attempt
	locks     map[Ref]bool // what roots reach that the copy did not have
	vouched   map[Ref]bool // what is known to be locked until then
	put       map[Ref]bool // what was put

	mu     sync.Mutex
	done   int
	result CopyResult
}

func newCopying(r *Repository, to blob.Bucket, in CopyInput) *copying {
	c := &copying{Repository: r, in: in, to: to, locks: make(map[Ref]bool), vouched: make(map[Ref]bool), put: make(map[Ref]bool)}
	if l, locks := blob.AsLocker(to); locks {
		c.lockUntil = l.LocksUntil(r.clock())
	}
	return c
}

// run looks at the copy before it looks at the repository: everything that others have copied was in
// the repository by then, so that what is not is older, not newer.
func (c *copying) run(ctx context.Context) error {
	seen, err := c.lookThere(ctx)
	if err != nil {
		return err
	}
	l, state, err := c.keys.whole(ctx)
	if err != nil {
		return err
	}
	if seen != nil {
		err := state.follows(seen.witness(c.id))
		if err == nil {
			err = state.accountsFor(seen)
		}
		if err != nil {
			return fmt.Errorf("what is there is no earlier state of the repository: %w", err)
		}
	}
	here, err := c.Contents(ctx)
	if err != nil {
		return err
	}
	c.result.Generation = state.table.Generation
	if !c.in.DryRun {
		if err := c.copyKeyFiles(ctx, l); err != nil {
			return err
		}
	}
	needed, unread, err := c.needed(ctx, state, seen, here)
	if err != nil {
		return err
	}
	if err := c.copyObjects(ctx, needed, here); err != nil {
		return err
	}
	c.lacking(unread)
	if len(c.result.Missing) > 0 {
		if now, err := c.keys.load(ctx); err != nil || now.table.Generation != state.table.Generation {
			return errors.Join(err, errMoved)
		}
	}
	if c.in.DryRun || len(c.result.Missing) > 0 && !c.in.Damage {
		if seen != nil {
			c.result.Behind = state.table.Generation - seen.table.Generation
		}
		return nil
	}
	// What was there may be of a copier that was cut short before it was durable.
	if err := blob.Settle(ctx, c.to); err != nil {
		return err
	}
	if err := c.lockThere(ctx); err != nil {
		return err
	}
	if err := c.publish(ctx, l, state); err != nil {
		return err
	}
	return c.clean(ctx, l, state, needed, here)
}

// lookThere lists the copy and reads its key table, which is nil where no copy is yet.
func (c *copying) lookThere(ctx context.Context) (*tableState, error) {
	ours, err := c.bucket.Get(ctx, configKey, 0, maxConfig)
	if err != nil {
		return nil, err
	}
	config, err := c.to.Get(ctx, configKey, 0, maxConfig)
	c.fresh = errors.Is(err, blob.ErrNotFound)
	if err != nil && !c.fresh {
		return nil, err
	}
	if !c.fresh && !bytes.Equal(config, ours) {
		return nil, problem.New(problem.Conflict, "the place holds another repository, or its config is damaged").
			Hint("choose an empty place, or run `holdfast repair` on the copy, from the repository")
	}
	c.result.New = c.fresh
	copied := Repository{bucket: c.to, id: c.id}
	contents, err := copied.Contents(ctx)
	if err != nil {
		return nil, err
	}
	c.objects = contents.Objects
	c.keysThere = c.keys.at(c.to)
	if c.there, err = c.keysThere.list(ctx); err != nil {
		return nil, err
	}
	if c.fresh {
		// The key files are the first that a copy puts: what is there without them is somebody else's.
		if len(c.objects)+len(contents.Foreign) > 0 && len(c.there.files) == 0 {
			return nil, problem.New(problem.Usage, "the place of the new copy is not empty").
				Hint("choose an empty or new directory")
		}
		return nil, nil
	}
	state, err := c.keysThere.loadFrom(ctx, c.there, false)
	if problem.KindOf(err) == problem.Damaged {
		return nil, problem.Wrap(problem.Damaged, err, "the keys of the copy").
			Hint("run `holdfast repair` on the copy, from the repository")
	}
	if err != nil {
		return nil, err
	}
	return state, nil
}

// accountsFor returns an error when a root of the earlier state is none any more and was not given up, as
// far as that is remembered: then the repository was put back to an older state, and went on from there.
func (s *tableState) accountsFor(earlier *tableState) error {
	switch {
	case s.table.Era < earlier.table.Era:
		return rolledBack("what was there before had given up more")
	case s.table.Generation > earlier.table.Generation && s.table.Generation-earlier.table.Generation > seal.MaxPast:
		return problem.Newf(problem.Conflict, "it is %d generations of the keys old, and the repository remembers %d",
			s.table.Generation-earlier.table.Generation, seal.MaxPast).
			Hint("nobody can tell any more whether it precedes the repository: copy to a new place, and remove the old copy when that is whole")
	case s.table.Era-earlier.table.Era >= keepEras:
		return nil
	}
	for _, ref := range slices.SortedFunc(maps.Keys(earlier.roots), compareRefs) {
		_, root := s.roots[ref]
		_, doomed := s.doomed[ref]
		_, gone := s.gone[ref]
		if !root && !doomed && !gone {
			return rolledBack("%s was there before, and nobody has given it up", ref)
		}
	}
	return nil
}

// needed returns what the copy must have: what the roots reach, expired ones too, and what is found by
// name; and the roots of which nobody can say here what they reach, because they are damaged.
func (c *copying) needed(ctx context.Context, state, seen *tableState, here Contents) (map[Ref]bool, []Flaw, error) {
	needed := make(map[Ref]bool)
	var unread []Flaw
	for _, root := range slices.SortedFunc(maps.Keys(state.roots), compareRefs) {
		isNew, vouches, err := c.sorts(ctx, state, seen, root)
		if err != nil {
			return nil, nil, err
		}
		reached := func(ref Ref) {
			needed[ref] = true
			if isNew {
				c.locks[ref] = true
			}
			if vouches {
				c.vouched[ref] = true
			}
		}
		reached(root)
		err = c.in.Reach(ctx, []Ref{root}, reached)
		if problem.KindOf(err) == problem.Damaged {
			unread = append(unread, Flaw{Key: root.Key(), Err: err})
			continue
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for ref := range here.Objects {
		if c.in.Named(ref.Class) {
			needed[ref] = true
		}
	}
	return needed, unread, nil
}

// lacking adds roots that could not be read to what could not be copied: the copy may have them, and what
// they reach is not known to be there.
func (c *copying) lacking(unread []Flaw) {
	for _, f := range unread {
		if !slices.ContainsFunc(c.result.Missing, func(m Flaw) bool { return m.Key == f.Key }) {
			c.result.Missing = append(c.result.Missing, f)
		}
	}
	slices.SortStableFunc(c.result.Missing, func(a, b Flaw) int { return strings.Compare(a.Key, b.Key) })
	c.result.Missing = slices.CompactFunc(c.result.Missing, func(a, b Flaw) bool { return a.Key == b.Key })
}

// copyObjects copies what the copy does not have.
func (c *copying) copyObjects(ctx context.Context, needed map[Ref]bool, here Contents) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(cmp.Or(max(c.in.Parallel, 0), parallelCopies))
	for _, ref := range slices.SortedFunc(maps.Keys(needed), compareRefs) {
		size, there := c.objects[ref]
		if there && size == here.Objects[ref] {
			c.mu.Lock() // those that are being copied take steps, too
			c.result.Present.add(size)
			c.step(len(needed))
			c.mu.Unlock()
			continue
		}
		if within.Err() != nil {
			break
		}
		g.Go(func() error {
			size, isPut, err := c.copyObject(within, ref)
			c.mu.Lock()
			defer c.mu.Unlock()
			if flaw := (*flawError)(nil); errors.As(err, &flaw) {
				c.result.Missing = append(c.result.Missing, Flaw(*flaw))
				err = nil
			} else if err == nil {
				c.result.Copied.add(size)
				if isPut {
					c.put[ref] = true
				}
			}
			c.step(len(needed))
			return err
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// step tells of one more object that is done. The caller holds the lock.
func (c *copying) step(total int) {
	c.done++
	if c.in.Progress != nil {
		c.in.Progress(c.done, total, c.result.Copied.Bytes)
	}
}

// flawError is a Flaw on its way up.
type flawError Flaw

func (f *flawError) Error() string { return f.Err.Error() }

// copyObject reads an object, verifies it, and puts it. One that is in its place already must be sound.
func (c *copying) copyObject(ctx context.Context, ref Ref) (size int64, isPut bool, err error) {
	body, err := c.get(ctx, ref, 0, -1)
	if err == nil {
		_, err = c.verify(ctx, ref, c.in.Named(ref.Class), body)
	}
	if problem.KindOf(err) == problem.Damaged {
		return 0, false, &flawError{Key: ref.Key(), Err: err}
	}
	if err != nil || c.in.DryRun {
		return int64(len(body)), false, err
	}
	err = c.to.Put(ctx, ref.Key(), body)
	if !errors.Is(err, blob.ErrExist) {
		return int64(len(body)), err == nil, err
	}
	there, err := c.to.Get(ctx, ref.Key(), 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		return 0, false, errMoved // another copy has deleted it
	}
	if err == nil && !bytes.Equal(there, body) {
		_, err = c.verify(ctx, ref, c.in.Named(ref.Class), there)
	}
	if problem.KindOf(err) == problem.Damaged {
		return 0, false, &flawError{Key: ref.Key(), InCopy: true, Err: fmt.Errorf("in the copy: %w", err)}
	}
	return int64(len(body)), false, err
}

// copyKeyFiles puts the key files and wrapped identities, which must be there before the generation that
// needs them. A new copy is not begun without a key file: nobody would know its objects for those of a copy.
func (c *copying) copyKeyFiles(ctx context.Context, l listing) error {
	begun := !c.fresh
	for _, key := range slices.Concat(l.files, l.identities) {
		file, err := readKey(ctx, c.bucket, key)
		if errors.Is(err, blob.ErrNotFound) {
			return errMoved // others replace them
		}
		if problem.KindOf(err) == problem.Damaged {
			c.result.Missing = append(c.result.Missing, Flaw{Key: key, Err: err})
			continue
		}
		if err != nil {
			return err
		}
		if err := putSame(ctx, c.to, key, file); err != nil {
			return err
		}
		begun = begun || slices.Contains(l.files, key)
	}
	if !begun && len(c.result.Missing) > 0 {
		return c.result.Missing[0].Err
	}
	return nil
}

// putSame puts an object under a key that may hold the same bytes already, and nothing else.
func putSame(ctx context.Context, to blob.Bucket, key string, body []byte) error {
	err := to.Put(ctx, key, body)
	if !errors.Is(err, blob.ErrExist) {
		return err
	}
	there, err := to.Get(ctx, key, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		return errMoved // others have gone on, and have taken it away
	}
	if err == nil && !bytes.Equal(there, body) {
		err = problem.Newf(problem.Damaged, "%s holds other bytes at %v", key, to).
			Hint("run `holdfast repair` there, from the other place")
	}
	return err
}

// publish puts the newest generation: what was added to it first, its base last, which makes it exist as
// a whole; in a new copy then the config, which makes that exist.
func (c *copying) publish(ctx context.Context, l listing, state *tableState) error {
	generation := state.table.Generation
	var secrets, roots []string // additions: what a root was sealed with comes before the root
	for _, key := range slices.Sorted(maps.Keys(l.tables)) {
		g, name, ok := parseTableKey(key)
		counts := strings.HasPrefix(l.tables[key][0], c.keys.dir()+tableDir)
		if !ok || g != generation || !strings.HasPrefix(name, addPrefix) || !counts {
			continue
		}
		add, _, err := c.keys.object(ctx, l, generation, name)
		if err != nil {
			return err
		}
		if len(add.Roots) == 0 {
			secrets = append(secrets, name)
		} else {
			roots = append(roots, name)
		}
	}
	for _, name := range slices.Concat(secrets, roots, []string{seal.TableBase}) {
		body, err := c.tableBytes(ctx, l, generation, name)
		if err != nil {
			return err
		}
		dirs := []string{mirrorDir, tableDir}
		if name == seal.TableBase {
			slices.Reverse(dirs)
		}
		for _, dir := range dirs {
			if err := putSame(ctx, c.to, c.keys.dir()+dir+tableKey(generation, name), body); err != nil {
				return err
			}
		}
	}
	if !c.fresh {
		return nil
	}
	config, err := c.bucket.Get(ctx, configKey, 0, maxConfig)
	if err != nil {
		return err
	}
	return putSame(ctx, c.to, configKey, config)
}

// tableBytes returns the bytes of an object of the key table, of whichever copy opens.
func (c *copying) tableBytes(ctx context.Context, l listing, generation uint64, name string) ([]byte, error) {
	var first error
	for _, place := range l.tables[tableKey(generation, name)] {
		body, err := c.checkCopy(ctx, l, place, generation, name)
		if errors.Is(err, blob.ErrNotFound) {
			return nil, errMoved
		}
		if err == nil {
			return body, nil
		}
		if problem.KindOf(err) != problem.Damaged {
			return nil, err
		}
		first = errors.Join(first, err)
	}
	return nil, first
}
