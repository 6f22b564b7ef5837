package repo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// A root of these tests has one frame: the keys of the leaves that it refers to, a line each. A leaf has
// one frame, which says which leaf it is.

const (
	rootClass Class = "root"
	leafClass Class = "leaf"
)

func rootFrames(name string, refs []Ref) [][]byte {
	lines := []string{name}
	for _, ref := range refs {
		lines = append(lines, ref.Key())
	}
	return [][]byte{[]byte(strings.Join(lines, "\n"))}
}

func leavesOf(ctx context.Context, r *Repository, root Ref) ([]Ref, error) {
	o, err := r.Open(ctx, root)
	if err != nil {
		return nil, err
	}
	frame, err := o.Frame(ctx, 0)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for _, line := range strings.Split(string(frame), "\n")[1:] {
		ref, ok := parseKey(line)
		if !ok {
			return nil, fmt.Errorf("line %q", line)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func reachOf(r *Repository) Reach {
	return func(ctx context.Context, roots []Ref, seen func(Ref)) error {
		for _, root := range roots {
			refs, err := leavesOf(ctx, r, root)
			if err != nil {
				return err
			}
			for _, ref := range refs {
				seen(ref)
			}
		}
		return nil
	}
}

// crowd is writers and pruners on one repository, with clocks of their own.
type crowd struct {
	sky *blobtest.Sky
	id  *seal.Identity

	mu        sync.Mutex
	committed map[Ref][]string // leaves by root
	expired   map[Ref]bool     // roots that somebody wanted to expire
	conflicts int
	deleted   int
}

// open opens the repository for a process whose clock is off by up to a day.
func (c *crowd) open(ctx context.Context, r *rand.Rand) (*Repository, error) {
	opened, err := Open(ctx, c.sky.Under(blobtest.Weather{Paused: 10}, r.Uint64()), c.id)
	if err == nil {
		skew := time.Duration(r.IntN(48)-24) * time.Hour
		opened.clock = func() time.Time { return time.Now().Add(skew) }
	}
	return opened, err
}

func (c *crowd) write(ctx context.Context, n int, r *rand.Rand) error {
	repository, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	for step := range 6 {
		var parent Ref
		c.mu.Lock()
		for ref := range c.committed {
			if parent == (Ref{}) || compareRefs(ref, parent) < 0 == (r.IntN(2) == 0) {
				parent = ref
			}
		}
		c.mu.Unlock()
		if err := c.commit(ctx, repository, fmt.Sprintf("%d %d", n, step), parent, r); err != nil {
			return fmt.Errorf("writer %d: %w", n, err)
		}
	}
	return nil
}

// commit makes one root: what its parent has, and leaves that others may have put, too.
func (c *crowd) commit(ctx context.Context, repository *Repository, name string, parent Ref, r *rand.Rand) error {
	view, err := repository.Begin(ctx)
	if err != nil {
		return err
	}
	var refs []Ref
	var leaves []string
	if parent != (Ref{}) && r.IntN(3) > 0 {
		held, err := view.Rooted(ctx, parent)
		if err != nil {
			return err
		}
		if held {
			if refs, err = leavesOf(ctx, view, parent); err != nil {
				return err
			}
			c.mu.Lock()
			leaves = slices.Clone(c.committed[parent])
			c.mu.Unlock()
		}
	}
	for range 1 + r.IntN(3) {
		leaf := fmt.Sprint("leaf ", r.IntN(5))
		stored, err := view.Put(ctx, leafClass, [][]byte{[]byte(leaf)})
		if err != nil {
			return err
		}
		refs, leaves = append(refs, stored.Ref), append(leaves, leaf)
		if r.IntN(3) == 0 {
			if err := blobtest.Sleep(ctx, time.Duration(r.IntN(80))*time.Hour); err != nil {
				return err
			}
		}
	}
	stored, err := view.Commit(ctx, rootClass, rootFrames(name, refs), refs)
	c.mu.Lock()
	defer c.mu.Unlock()
	if problem.KindOf(err) == problem.Conflict {
		c.conflicts++
		return nil
	}
	if err == nil {
		c.committed[stored.Ref] = leaves
	}
	return err
}

func (c *crowd) prune(ctx context.Context, r *rand.Rand) error {
	repository, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	for range 8 {
		if err := blobtest.Sleep(ctx, time.Duration(r.IntN(60))*time.Hour); err != nil {
			return err
		}
		roots, err := repository.Roots(ctx, rootClass)
		if err != nil {
			return err
		}
		slices.SortFunc(roots, compareRefs)
		var expire []Ref
		c.mu.Lock()
		for _, root := range roots {
			if r.IntN(3) == 0 {
				expire = append(expire, root)
				c.expired[root] = true
			}
		}
		c.mu.Unlock()
		result, err := repository.Prune(ctx, PruneInput{
			Expire: expire, Collect: []Class{rootClass, leafClass}, Reach: reachOf(repository), Grace: MinGrace, Undo: MinUndo,
		})
		if err != nil && problem.KindOf(err) != problem.Locked {
			return fmt.Errorf("pruner: %w", err)
		}
		c.mu.Lock()
		c.deleted += result.Deleted.Objects
		c.mu.Unlock()
	}
	return nil
}

// whole returns an error unless every root that was acknowledged, and that nobody wanted to expire, is
// there with all its leaves.
func (c *crowd) whole(ctx context.Context, bucket blob.Bucket) error {
	repository, err := Open(ctx, bucket, c.id)
	if err != nil {
		return err
	}
	roots, err := repository.Roots(ctx, rootClass)
	if err != nil {
		return err
	}
	for root, leaves := range c.committed {
		if c.expired[root] {
			continue
		}
		if !slices.Contains(roots, root) {
			return fmt.Errorf("%s was acknowledged and is no root", root)
		}
		refs, err := leavesOf(ctx, repository, root)
		if err != nil {
			return err
		}
		for i, ref := range refs {
			frames, err := repository.Verify(ctx, ref, false)
			if err != nil {
				return fmt.Errorf("%s: %w", root, err)
			}
			if string(frames[0]) != leaves[i] {
				return fmt.Errorf("%s: %q, want %q", ref, frames[0], leaves[i])
			}
		}
	}
	return nil
}

// TestLawPruneKeepsWhatWasCommitted has writers, who stand still for days and take over what others
// have put, and pruners, whose clocks are days apart, work on one repository: no root that was
// acknowledged loses anything unless somebody wanted it to go.
func TestLawPruneKeepsWhatWasCommitted(t *testing.T) {
	var roots, conflicts, deleted int
	want := uint64(150)
	if testing.Short() {
		want = 40
	}
	for seed := range want {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			memory := &blob.Memory{}
			id := identity(t)
			if err := Init(t.Context(), memory, id.Recipient(), identity(t).Recipient()); err != nil {
				t.Fatal(err)
			}
			c := &crowd{sky: blobtest.NewSky(memory), id: id, committed: map[Ref][]string{}, expired: map[Ref]bool{}}
			g, ctx := errgroup.WithContext(t.Context())
			for n := range 2 + r.IntN(3) {
				own := rand.New(rand.NewPCG(seed, uint64(10+n)))
				g.Go(func() error { return c.write(ctx, n, own) })
			}
			for n := range 1 + r.IntN(2) {
				own := rand.New(rand.NewPCG(seed, uint64(100+n)))
				g.Go(func() error { return c.prune(ctx, own) })
			}
			if err := errors.Join(g.Wait(), c.whole(t.Context(), memory)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			roots, conflicts, deleted = roots+len(c.committed), conflicts+c.conflicts, deleted+c.deleted
		})
	}
	if deleted == 0 || roots < 100 {
		t.Errorf("%d roots, %d deletions: too few to show anything", roots, deleted)
	}
	t.Logf("%d roots committed, %d refused because something was given up, %d objects deleted", roots, conflicts, deleted)
}
