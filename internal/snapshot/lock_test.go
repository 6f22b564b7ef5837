package snapshot

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/repo"
)

// TestTheBaseStaysLocked writes a snapshot a day on one base of records and files, in a medium that locks for ten days.
// On each day all that the newest snapshot relies on is locked for ten days more; most days ask for little. A lock
// that is too short is told by Check.
func TestTheBaseStaysLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const retention = 10 * 24 * time.Hour
		worm := blobtest.NewWorm(&blob.Memory{}, time.Now, retention)
		worm.Unlocked = repo.Deletable
		initRepository(t, worm)
		var parent *Snapshot
		quiet := 0
		var reached []repo.Ref
		for n := range 25 {
			time.Sleep(24 * time.Hour)
			s := openBucket(t, worm)
			worm.Asked()
			files := map[int][]byte{100 + n: noise(uint64(n), 50_000)}
			if parent == nil {
				for at := range 8 {
					files[at] = noise(uint64(1000+at), 200_000)
				}
			}
			sn, err := putFiles(t.Context(), s, parent, files)
			if err != nil {
				t.Fatal(err)
			}
			if worm.Asked() <= 3 {
				quiet++
			}
			parent = sn
			reached = reachedBy(t, s, sn)
			for _, ref := range reached {
				if end, err := worm.LockedUntil(t.Context(), ref.Key()); err != nil || end.Before(time.Now().Add(retention)) {
					t.Fatalf("day %d: %s is locked until %v, %v", n, ref, end, err)
				}
			}
			report, err := s.Check(t.Context())
			if err != nil || len(report.Unlocked) > 0 {
				t.Fatalf("day %d: %v %v", n, report.Unlocked, err)
			}
		}
		if quiet < 12 {
			t.Errorf("%d of 25 days ask for few locks", quiet)
		}
		of := reached[slices.IndexFunc(reached, func(ref repo.Ref) bool { return ref.Class == classBody })].Key()
		worm.Shorten(of, time.Now())
		report, err := openBucket(t, worm).Check(t.Context())
		if err != nil || len(report.Unlocked) != 1 || report.Unlocked[0] != of {
			t.Errorf("a lock that is too short: %q, want %q: %v", report.Unlocked, of, err)
		}
	})
}

// reachedBy returns the snapshot's own object and all that it relies on.
func reachedBy(t *testing.T, s *Store, sn *Snapshot) []repo.Ref {
	t.Helper()
	root := snapshotRef(sn.Info().ID)
	refs := []repo.Ref{root}
	if err := s.reach(t.Context(), refs, func(ref repo.Ref) { refs = append(refs, ref) }); err != nil {
		t.Fatal(err)
	}
	return refs
}
