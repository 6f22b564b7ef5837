package repo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
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
		ref, ok := ParseKey(line)
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

// crowd is writers, pruners, erasers and those who change keys on one repository, with clocks of their
// own. Roots are known by the name in their first line, which an erasure leaves as it is.
type crowd struct {
	sky    *blobtest.Sky
	memory *blob.Memory
	id     *seal.Identity

	mu                                    sync.Mutex
	committed                             map[string][]string       // leaves by root
	expired                               map[string]bool           // roots that somebody wanted to expire
	unwanted                              map[string]bool           // leaves that somebody wants to erase: nobody puts them any more
	erased                                map[string][]string       // by leaf, the roots that were there when its erasure began and ended well
	members                               map[string]*seal.Identity // who was added, and nobody wanted to remove
	conflicts, deleted, erasures, changes int
}

func newCrowd(memory *blob.Memory, id *seal.Identity) *crowd {
	return &crowd{
		sky: blobtest.NewSky(memory), memory: memory, id: id, committed: map[string][]string{}, expired: map[string]bool{},
		unwanted: map[string]bool{}, erased: map[string][]string{}, members: map[string]*seal.Identity{},
	}
}

// refused reports whether an error is one that a process must live with: others were faster.
func refused(err error) bool {
	return problem.KindOf(err) == problem.Conflict || problem.KindOf(err) == problem.Locked
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
		roots, err := repository.Roots(ctx, rootClass)
		if err != nil {
			return fmt.Errorf("writer %d: %w", n, err)
		}
		var parent Ref
		if len(roots) > 0 {
			slices.SortFunc(roots, compareRefs)
			parent = roots[r.IntN(len(roots))]
		}
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
	leaves, err := c.gather(ctx, view, name, parent, r)
	err = view.Settled(ctx, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if refused(err) {
		c.conflicts++
		return nil
	}
	if err == nil {
		c.committed[name] = leaves
	}
	return err
}

func (c *crowd) gather(ctx context.Context, view *Repository, name string, parent Ref, r *rand.Rand) ([]string, error) {
	var refs []Ref
	var leaves []string
	if parent != (Ref{}) && r.IntN(3) > 0 {
		held, err := view.Rooted(ctx, parent)
		if err != nil {
			return nil, err
		}
		if held {
			if refs, err = leavesOf(ctx, view, parent); err != nil {
				return nil, err
			}
			for _, ref := range refs {
				frames, err := view.Verify(ctx, ref, false)
				if err != nil {
					return nil, err
				}
				leaves = append(leaves, string(frames[0]))
			}
		}
	}
	for range 1 + r.IntN(3) {
		leaf := fmt.Sprint("leaf ", r.IntN(5))
		c.mu.Lock()
		unwanted := c.unwanted[leaf]
		c.mu.Unlock()
		if unwanted {
			continue
		}
		stored, err := view.Put(ctx, leafClass, [][]byte{[]byte(leaf)})
		if err != nil {
			return nil, err
		}
		refs, leaves = append(refs, stored.Ref), append(leaves, leaf)
		if r.IntN(3) == 0 {
			if err := blobtest.Sleep(ctx, time.Duration(r.IntN(80))*time.Hour); err != nil {
				return nil, err
			}
		}
	}
	_, err := view.Commit(ctx, rootClass, rootFrames(name, refs), refs, Base{})
	return leaves, err
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
		for _, root := range roots {
			if r.IntN(3) > 0 {
				continue
			}
			name, err := nameOf(ctx, repository, root)
			if errors.Is(err, ErrMissing) || errors.Is(err, ErrNoKey) {
				continue // another root has taken its place
			}
			if err != nil {
				return err
			}
			expire = append(expire, root)
			c.mu.Lock()
			c.expired[name] = true
			c.mu.Unlock()
		}
		result, err := repository.Prune(ctx, PruneInput{
			Expire: expire, Collect: []Class{rootClass, leafClass}, Reach: reachOf(repository), Grace: MinGrace, Undo: MinUndo,
		})
		if err != nil && !refused(err) {
			return fmt.Errorf("pruner: %w", err)
		}
		c.mu.Lock()
		c.deleted += result.Deleted.Objects
		c.mu.Unlock()
	}
	return nil
}

func nameOf(ctx context.Context, r *Repository, root Ref) (string, error) {
	frames, err := r.Verify(ctx, root, false)
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(string(frames[0]), "\n")
	return name, nil
}

// erase erases one leaf from every root.
func (c *crowd) erase(ctx context.Context, r *rand.Rand) error {
	repository, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	if err := blobtest.Sleep(ctx, time.Duration(r.IntN(300))*time.Hour); err != nil {
		return err
	}
	unwanted := fmt.Sprint("leaf ", r.IntN(5))
	var before []string
	c.mu.Lock()
	c.unwanted[unwanted] = true
	for name := range c.committed {
		before = append(before, name)
	}
	c.mu.Unlock()
	_, err = repository.Erase(ctx, EraseInput{
		Collect: []Class{rootClass, leafClass}, Reach: reachOf(repository),
		Rewrite: func(ctx context.Context, view *Repository, roots []Ref) (map[Ref]Ref, error) {
			instead := make(map[Ref]Ref)
			for _, root := range roots {
				if instead[root], err = without(ctx, view, root, unwanted); err != nil {
					return nil, err
				}
			}
			return instead, nil
		},
	})
	if refused(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("eraser: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erasures++
	c.erased[unwanted] = append(c.erased[unwanted], before...)
	return nil
}

// without puts the root without the leaf, and returns the new one.
func without(ctx context.Context, view *Repository, root Ref, leaf string) (Ref, error) {
	name, err := nameOf(ctx, view, root)
	if err != nil {
		return Ref{}, err
	}
	refs, err := leavesOf(ctx, view, root)
	if err != nil {
		return Ref{}, err
	}
	var kept []Ref
	for _, ref := range refs {
		frames, err := view.Verify(ctx, ref, false)
		if err != nil {
			return Ref{}, err
		}
		if string(frames[0]) != leaf {
			kept = append(kept, ref)
		}
	}
	if len(kept) == len(refs) {
		return root, nil
	}
	stored, err := view.Put(ctx, rootClass, rootFrames(name, kept))
	return stored.Ref, err
}

// rekey rotates the master key, and lets others in and out.
func (c *crowd) rekey(ctx context.Context, r *rand.Rand) error {
	repository, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	var own []string
	for range 4 {
		if err := blobtest.Sleep(ctx, time.Duration(r.IntN(100))*time.Hour); err != nil {
			return err
		}
		switch n := r.IntN(3); {
		case n == 0:
			err = repository.Rotate(ctx)
		case n == 1 || len(own) == 0:
			var id *seal.Identity
			if id, err = seal.NewIdentity(); err != nil {
				return err
			}
			m := seal.Member{Recipient: id.Recipient(), Kind: MemberPassphrase}
			if err = repository.AddMember(ctx, m, []byte(m.Recipient.String())); err == nil {
				own = append(own, m.Recipient.String())
				c.mu.Lock()
				c.members[m.Recipient.String()] = id
				c.mu.Unlock()
			}
		default:
			c.mu.Lock()
			delete(c.members, own[0])
			c.mu.Unlock()
			_, err = repository.RemoveMember(ctx, own[0])
			own = own[1:]
		}
		if err != nil && !refused(err) {
			return fmt.Errorf("keys: %w", err)
		}
		c.mu.Lock()
		c.changes++
		c.mu.Unlock()
	}
	return nil
}

// whole returns an error unless every root that was acknowledged, and that nobody wanted to expire, is
// there with all its leaves but those that are erased, and everybody who was let in can read it.
func (c *crowd) whole(ctx context.Context) error {
	if err := c.lets(ctx); err != nil {
		return err
	}
	repository, err := Open(ctx, c.memory, c.id)
	if err != nil {
		return err
	}
	if troubles, err := repository.CheckKeys(ctx); err != nil || len(troubles) > 0 {
		return fmt.Errorf("%v: %w", troubles, err)
	}
	roots, err := repository.Roots(ctx, rootClass)
	if err != nil {
		return err
	}
	there := make(map[string][]string)
	for _, root := range roots {
		name, err := nameOf(ctx, repository, root)
		if err != nil {
			return err
		}
		refs, err := leavesOf(ctx, repository, root)
		if err != nil {
			return err
		}
		leaves := []string{}
		for _, ref := range refs {
			frames, err := repository.Verify(ctx, ref, false)
			if err != nil {
				return fmt.Errorf("root %s: %w", name, err)
			}
			leaves = append(leaves, string(frames[0]))
		}
		there[name] = leaves
	}
	for name, leaves := range c.committed {
		if c.expired[name] {
			continue
		}
		got, found := there[name]
		if !found {
			return fmt.Errorf("root %s was acknowledged and is none", name)
		}
		optional := func(leaf string) bool { return c.unwanted[leaf] }
		if want := slices.DeleteFunc(slices.Clone(leaves), optional); !slices.Equal(slices.DeleteFunc(slices.Clone(got), optional), want) {
			return fmt.Errorf("root %s has %q, want %q", name, got, want)
		}
		for _, leaf := range got {
			if slices.Contains(c.erased[leaf], name) {
				return fmt.Errorf("root %s has %s, which is erased", name, leaf)
			}
		}
	}
	return nil
}

// lets returns an error unless everybody who was let in can open the repository, with their own identity
// and with the wrapped one.
func (c *crowd) lets(ctx context.Context) error {
	_, wrapped, err := Identities(ctx, c.memory)
	if err != nil {
		return err
	}
	for recipient, id := range c.members {
		if _, err := Open(ctx, c.memory, id); err != nil {
			return fmt.Errorf("a member: %w", err)
		}
		if !slices.ContainsFunc(wrapped, func(w []byte) bool { return string(w) == recipient }) {
			return fmt.Errorf("the wrapped identity of %s is lost", recipient)
		}
	}
	return nil
}

// run has the crowd of a seed at work, and returns what is wrong then.
func (c *crowd) run(ctx context.Context, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1))
	g, within := errgroup.WithContext(ctx)
	next := uint64(10)
	start := func(n int, do func(context.Context, *rand.Rand) error) {
		for range n {
			next++
			own := rand.New(rand.NewPCG(seed, next))
			g.Go(func() error { return do(within, own) })
		}
	}
	writers := 0
	start(2+r.IntN(3), func(ctx context.Context, r *rand.Rand) error {
		c.mu.Lock()
		writers++
		n := writers
		c.mu.Unlock()
		return c.write(ctx, n, r)
	})
	start(1+r.IntN(2), c.prune)
	start(r.IntN(3), c.erase)
	start(r.IntN(3), c.rekey)
	return errors.Join(g.Wait(), c.whole(ctx))
}

// lawSeeds is how many seeds the law is held to: HOLDFAST_LONG is for a long run.
func lawSeeds() uint64 {
	switch {
	case os.Getenv("HOLDFAST_LONG") != "":
		return 20_000
	case testing.Short():
		return 40
	}
	return 250
}

// TestLawNothingAcknowledgedIsLost has writers, who stand still for days and take over what others have
// put, pruners, erasers and those who change keys, whose clocks are days apart, work on one repository: no
// root that was acknowledged loses anything unless somebody wanted it to go, and nobody is locked out.
func TestLawNothingAcknowledgedIsLost(t *testing.T) {
	var mu sync.Mutex
	var roots, conflicts, deleted, erasures, changes int
	t.Run("seeds", func(t *testing.T) {
		workers := uint64(runtime.GOMAXPROCS(0))
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for seed := w; seed < lawSeeds() && !t.Failed(); seed += workers {
					synctest.Test(t, func(t *testing.T) {
						memory, id := &blob.Memory{}, identity(t)
						if err := Init(t.Context(), memory, id.Recipient(), identity(t).Recipient()); err != nil {
							t.Fatal(err)
						}
						c := newCrowd(memory, id)
						if err := c.run(t.Context(), seed); err != nil {
							t.Fatalf("seed %d: %v", seed, err)
						}
						mu.Lock()
						defer mu.Unlock()
						roots, conflicts, deleted = roots+len(c.committed), conflicts+c.conflicts, deleted+c.deleted
						erasures, changes = erasures+c.erasures, changes+c.changes
					})
				}
			})
		}
	})
	if deleted == 0 || roots < 100 || erasures == 0 || changes == 0 {
		t.Errorf("%d roots, %d deletions, %d erasures, %d changes of keys: too few to show anything", roots, deleted, erasures, changes)
	}
	t.Logf("%d seeds: %d roots committed, %d refused because something was given up, %d objects deleted, %d erasures, %d changes of keys",
		lawSeeds(), roots, conflicts, deleted, erasures, changes)
}
