package repo

import (
	"context"
	"fmt"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

const thirtyDays = 30 * 24 * time.Hour

// lockedPlace is a repository in a medium that locks what is put for thirty days, and its clock.
func lockedPlace(t *testing.T) (*Repository, *blobtest.Worm, *time.Time, *seal.Identity) {
	t.Helper()
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	worm := blobtest.NewWorm(&blob.Memory{}, func() time.Time { return now }, thirtyDays)
	worm.Unlocked = Deletable
	id := identity(t)
	if err := Init(t.Context(), worm, id.Recipient(), identity(t).Recipient()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), worm, id)
	if err != nil {
		t.Fatal(err)
	}
	r.clock = func() time.Time { return now }
	return r, worm, &now, id
}

// endsBefore returns the first of the objects whose lock ends before that time.
func endsBefore(t *testing.T, w *blobtest.Worm, until time.Time, refs ...Ref) string {
	t.Helper()
	for _, ref := range refs {
		if end, err := w.LockedUntil(t.Context(), ref.Key()); err != nil || end.Before(until) {
			return fmt.Sprintf("%s is locked until %v, %v", ref, end, err)
		}
	}
	return ""
}

// TestWhatARootReachesStaysLocked commits a root a day for four retentions, each of which takes over all that the one
// before reached. All that each one reaches is locked for the whole retention when it is acknowledged, and the store is
// asked for the locks of what was there once in a period, not each day.
func TestWhatARootReachesStaysLocked(t *testing.T) {
	_, worm, now, id := lockedPlace(t)
	const days, base = 120, 40
	var refs []Ref
	last := Base{Carried: make(map[Ref]bool)}
	calls, worst, quiet := 0, 0, 0
	for day := range days {
		*now = now.Add(24 * time.Hour)
		r, err := Open(t.Context(), worm, id)
		if err != nil {
			t.Fatal(err)
		}
		r.clock = func() time.Time { return *now }
		view, err := r.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		added := 1
		if day == 0 {
			added = base
		}
		for n := range added {
			stored, err := view.Put(t.Context(), leafClass, [][]byte{fmt.Append(nil, day, n)})
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, stored.Ref)
		}
		worm.Asked()
		root, err := view.Commit(t.Context(), rootClass, rootFrames(fmt.Sprint(day), refs), refs, last)
		if err != nil {
			t.Fatal(err)
		}
		asked := worm.Asked()
		calls, worst = calls+asked, max(worst, asked)
		if asked <= 1 {
			quiet++
		}
		last.Root = root.Ref
		for _, ref := range refs {
			last.Carried[ref] = true
		}
		if bad := endsBefore(t, worm, now.Add(thirtyDays), append(refs[:len(refs):len(refs)], root.Ref)...); bad != "" {
			t.Fatalf("day %d: %s", day, bad)
		}
	}
	if periods := days*4/30 + 1; quiet < days-periods {
		t.Errorf("%d of %d days ask for no more than one lock", quiet, days)
	}
	t.Logf("%d calls in %d days for %d objects, %d on one day", calls, days, len(refs), worst)
}

// TestALockIsNoEvidence: whoever may lock objects locks the last root for ever. What it reaches is renewed all the same,
// since the key table says when its session began.
func TestALockIsNoEvidence(t *testing.T) {
	r, worm, now, _ := lockedPlace(t)
	root, refs := commitLeaves(t, r, "first", "a", "b")
	*now = now.Add(20 * 24 * time.Hour)
	if err := worm.Retain(t.Context(), root.Key(), now.Add(1000*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	view, err := r.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	base := Base{Root: root, Carried: map[Ref]bool{refs[0]: true, refs[1]: true}}
	if _, err := view.Commit(t.Context(), rootClass, rootFrames("second", refs), refs, base); err != nil {
		t.Fatal(err)
	}
	if bad := endsBefore(t, worm, now.Add(thirtyDays), refs...); bad != "" {
		t.Error(bad)
	}
}

// TestABaseWithoutALockVouchesForNothing: the base was written in this period by somebody without a retention.
func TestABaseWithoutALockVouchesForNothing(t *testing.T) {
	r, worm, now, _ := lockedPlace(t)
	root, refs := commitLeaves(t, r, "first", "a")
	worm.Shorten(root.Key(), time.Time{})
	worm.Shorten(refs[0].Key(), time.Time{})
	view, err := r.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	base := Base{Root: root, Carried: map[Ref]bool{refs[0]: true}}
	if _, err := view.Commit(t.Context(), rootClass, rootFrames("second", refs), refs, base); err != nil {
		t.Fatal(err)
	}
	if bad := endsBefore(t, worm, now.Add(thirtyDays), refs...); bad != "" {
		t.Error(bad)
	}
}

// TestNothingIsCommittedOverWhatCannotBeLocked: what a root relies on is missing, or its lock is refused.
func TestNothingIsCommittedOverWhatCannotBeLocked(t *testing.T) {
	r, worm, now, _ := lockedPlace(t)
	_, refs := commitLeaves(t, r, "first", "a")
	*now = now.Add(50 * 24 * time.Hour)
	if err := worm.Delete(t.Context(), refs[0].Key()); err != nil {
		t.Fatal(err)
	}
	view, err := r.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = view.Commit(t.Context(), rootClass, rootFrames("second", refs), refs, Base{})
	kind(t, "a root over what is missing", err, problem.Damaged)
	if roots, err := r.Roots(t.Context(), rootClass); err != nil || len(roots) != 1 {
		t.Errorf("%v %v", roots, err)
	}
}

// TestACopyLocksWhatNewRootsReach copies to a medium that locks what is put: what was copied long ago is renewed
// when a root comes that reaches it, and asked for once in a period.
func TestACopyLocksWhatNewRootsReach(t *testing.T) {
	from, _, _ := opened(t)
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	from.clock = func() time.Time { return now }
	worm := blobtest.NewWorm(&blob.Memory{}, func() time.Time { return now }, thirtyDays)
	worm.Unlocked = Deletable
	in := CopyInput{Reach: reachOf(from), Named: func(Class) bool { return false }, Collect: []Class{rootClass, leafClass}}
	leaves := []string{"a", "b", "c", "d", "e", "f"}
	for day := range 90 {
		now = now.Add(24 * time.Hour)
		root, refs := commitLeaves(t, from, fmt.Sprint(day), leaves...)
		worm.Asked()
		if _, err := from.Copy(t.Context(), At(worm), in); err != nil {
			t.Fatal(err)
		}
		if asked := worm.Asked(); day%8 == 3 && asked > 8*4 {
			t.Errorf("day %d: %d calls", day, asked)
		}
		if bad := endsBefore(t, worm, now.Add(thirtyDays), append(refs, root)...); bad != "" {
			t.Fatalf("day %d: %s", day, bad)
		}
	}
}

// TestUnlockedTellsWhatWasPromised: a lock that ends before what its root was promised is told, and only that.
func TestUnlockedTellsWhatWasPromised(t *testing.T) {
	r, worm, now, _ := lockedPlace(t)
	root, refs := commitLeaves(t, r, "first", "a", "b")
	promised := func(ctx context.Context) map[Ref]time.Time {
		until, err := r.Promised(ctx, root)
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[Ref]time.Time)
		if !until.IsZero() {
			want[refs[0]], want[refs[1]] = until, until
		}
		return want
	}
	if early, err := r.Unlocked(t.Context(), promised(t.Context())); err != nil || len(early) != 0 || len(promised(t.Context())) != 2 {
		t.Errorf("%v %v", early, err)
	}
	worm.Shorten(refs[1].Key(), now.Add(time.Hour))
	if early, err := r.Unlocked(t.Context(), promised(t.Context())); err != nil || len(early) != 1 || early[0] != refs[1] {
		t.Errorf("%v %v", early, err)
	}
	*now = now.Add(2 * thirtyDays)
	if want := promised(t.Context()); len(want) != 0 {
		t.Errorf("long after: %v", want)
	}
}
