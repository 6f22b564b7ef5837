package snapshot

import (
	"fmt"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// TestHistoryIsWhatEverySnapshotHolds compares the history of every record of a story with its models, and
// each version with what the snapshot itself says.
func TestHistoryIsWhatEverySnapshotHolds(t *testing.T) {
	s, _ := newStore(t)
	snaps, models := smallChanges(t, s, maxLayers+6, 9)
	for n := range 60 {
		id := accountID(n)
		at := 0
		var last Version
		for sight, err := range s.History(t.Context(), "Account", id, OfOrg(orgID)) {
			if err != nil {
				t.Fatal(err)
			}
			m, v := models[at], sight.Version
			want, live := m.live[id]
			if v.Live() != live || live && !state.Equal(v.Record, want) || v.Gone() && !m.gone[id] {
				t.Fatalf("%s in snapshot %d: %+v, want %+v", id, at, v, want)
			}
			alone, err := snaps[at].Version(t.Context(), "Account", id)
			if err != nil || fmt.Sprint(alone) != fmt.Sprint(v) && !state.Equal(alone.Record, v.Record) {
				t.Fatalf("%s in snapshot %d: %+v, and in its history %+v (%v)", id, at, alone, v, err)
			}
			same := at > 0 && v.Live() == last.Live() && v.Tombstone == last.Tombstone && (!v.Live() || state.Equal(v.Record, last.Record))
			if sight.Changed == same {
				t.Fatalf("%s in snapshot %d: changed is %v", id, at, sight.Changed)
			}
			last = v
			at++
		}
		if at != len(snaps) {
			t.Fatalf("%s: %d sightings in %d snapshots", id, at, len(snaps))
		}
	}
}

// TestHistoryPassesByDamage names the snapshot that cannot be read, and goes on.
func TestHistoryPassesByDamage(t *testing.T) {
	s, bucket := newStore(t)
	snaps, _ := smallChanges(t, s, 4, -1)
	if err := bucket.Delete(t.Context(), snapshotRef(snaps[2].Info().ID).Key()); err != nil {
		t.Fatal(err)
	}
	damaged, n := 0, 0
	for sight, err := range openStore(t, bucket).History(t.Context(), "Account", accountID(1)) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; sight.Damage != nil {
			damaged++
		}
	}
	if n != 4 || damaged != 1 {
		t.Errorf("%d of %d snapshots are damaged", damaged, n)
	}
}

// TestAsOf resolves a time to the newest snapshot that had ended by then.
func TestAsOf(t *testing.T) {
	s, _ := newStore(t)
	snaps, _ := smallChanges(t, s, 3, -1)
	for minutes, want := range map[int]int{1: 0, 60: 0, 61: 1, 120: 1, 121: 2, 10000: 2} {
		sn, err := s.AsOf(t.Context(), day.Add(time.Duration(minutes)*time.Minute))
		if err != nil || sn.Info().ID != snaps[want].Info().ID {
			t.Errorf("after %d minutes: %v, want snapshot %d", minutes, err, want)
		}
	}
	if _, err := s.AsOf(t.Context(), day); problem.KindOf(err) != problem.NotFound {
		t.Errorf("before any snapshot had ended: %v", err)
	}
	if _, err := s.AsOf(t.Context(), day.AddDate(1, 0, 0), OfOrg(sf.ID("00D000000000002EAA"))); problem.KindOf(err) != problem.NotFound {
		t.Errorf("of another org: %v", err)
	}
}
