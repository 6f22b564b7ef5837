package repo

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
	"holdfast/internal/problem"
)

// TestFullDiskCanBeReadAndPruned fills disks of many sizes with backups, so that each meets the end of the room in
// another call, and then with a stranger's bytes to the last one. Everything that was promised can be read; the roots can
// be given up, taken back and pruned; and then there is room again.
func TestFullDiskCanBeReadAndPruned(t *testing.T) {
	operator, recovery := identity(t), identity(t)
	for room := range 24 {
		disk := blobtest.NewDisk()
		disk.Limit(reserveBytes + 200_000 + room*1_237)
		if err := Init(t.Context(), file.New(disk, "disk"), operator.Recipient(), recovery.Recipient()); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		open := func() *Repository {
			r, err := Open(t.Context(), file.New(disk, "disk"), operator)
			if err != nil {
				t.Fatalf("room %d: %v", room, err)
			}
			r.clock = func() time.Time { return now }
			return r
		}
		roots, err := fillUp(t.Context(), open())
		if problem.KindOf(err) != problem.NoSpace || len(roots) < 2 {
			t.Fatalf("room %d: %d roots, %v", room, len(roots), err)
		}
		disk.Limit(disk.Used()) // others take what is left
		r := open()
		if there, err := r.Roots(t.Context(), rootClass); err != nil || len(there) < len(roots) {
			t.Fatalf("room %d: %d of %d roots, %v", room, len(there), len(roots), err)
		}
		for ref := range roots {
			if _, err := r.Verify(t.Context(), ref, false); err != nil {
				t.Fatalf("room %d: %v", room, err)
			}
		}
		give := pruneInput(r)
		for ref := range roots {
			give.Expire = append(give.Expire, ref)
		}
		steps := []func() error{
			func() error { _, err := r.Prune(t.Context(), give); return err },
			func() error { n, err := r.Unexpire(t.Context(), give.Expire[:1]); return wrongUnless(n == 1, err) },
			func() error { now = now.Add(MinUndo); _, err := r.Prune(t.Context(), pruneInput(r)); return err },
			func() error { _, err := r.Prune(t.Context(), pruneInput(r)); return err },
			func() error {
				now = now.Add(MinGrace)
				out, err := r.Prune(t.Context(), pruneInput(r))
				return wrongUnless(out.Deleted.Objects > 0, err)
			},
		}
		for n, step := range steps {
			if err := step(); err != nil {
				t.Fatalf("room %d, step %d: %v", room, n, err)
			}
			r = open()
			disk.Limit(disk.Used())
		}
		if _, err := r.Verify(t.Context(), give.Expire[0], false); err != nil {
			t.Errorf("room %d: what was taken back: %v", room, err)
		}
		disk.Limit(reserveBytes + 200_000 + room*1_237)
		if again, err := fillUp(t.Context(), open()); problem.KindOf(err) != problem.NoSpace || len(again) == 0 {
			t.Errorf("room %d: %d roots, %v", room, len(again), err)
		}
	}
}

// TestUnexpireCountsOnceOnAFullDisk lets the room end at every call of taking roots back, so also between the two copies
// of the generation that did it: what is told is what was done.
func TestUnexpireCountsOnceOnAFullDisk(t *testing.T) {
	operator, recovery := identity(t), identity(t)
	disk := blobtest.NewDisk()
	if err := Init(t.Context(), file.New(disk, "disk"), operator.Recipient(), recovery.Recipient()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), file.New(disk, "disk"), operator)
	if err != nil {
		t.Fatal(err)
	}
	disk.Limit(disk.Used() + reserveBytes + 20_000)
	roots, err := fillUp(t.Context(), r)
	if problem.KindOf(err) != problem.NoSpace {
		t.Fatal(err)
	}
	give := pruneInput(r)
	give.Expire = slices.Collect(maps.Keys(roots))
	for spare := 0; spare < 60_000; spare += 4_000 {
		disk.Limit(disk.Used() + 2*reserveBytes)
		if _, err := r.Prune(t.Context(), give); err != nil {
			t.Fatalf("%d bytes to spare: %v", spare, err)
		}
		disk.Limit(disk.Used() + spare)
		n, err := r.Unexpire(t.Context(), give.Expire)
		if err := wrongUnless(n == len(give.Expire), err); err != nil {
			t.Fatalf("%d bytes to spare: %d of %d taken back: %v", spare, n, len(give.Expire), err)
		}
	}
}

func wrongUnless(ok bool, err error) error {
	if err == nil && !ok {
		return fmt.Errorf("nothing was done")
	}
	return err
}

// fillUp commits roots of a leaf each until there is no room.
func fillUp(ctx context.Context, r *Repository) (map[Ref]bool, error) {
	done := make(map[Ref]bool)
	for n := rand.Uint64(); ; n++ {
		view, err := r.Begin(ctx)
		if err != nil {
			return done, err
		}
		leaf, err := view.Put(ctx, leafClass, [][]byte{bytes.Repeat(fmt.Appendf(nil, "%016x", n), 1_000)})
		if err != nil {
			return done, err
		}
		refs := []Ref{leaf.Ref}
		root, err := view.Commit(ctx, rootClass, rootFrames(fmt.Sprint("full ", n), refs), refs, Base{})
		if err != nil {
			return done, err
		}
		done[root.Ref] = true
	}
}
