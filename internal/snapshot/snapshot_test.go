package snapshot

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// chain writes a base and n deltas of random changes, and returns the snapshots with their models.
func chain(t testing.TB, s *Store, n int) ([]*Snapshot, []*model) {
	t.Helper()
	var snaps []*Snapshot
	var models []*model
	m := newModel()
	var parent *Snapshot
	for v := range n + 1 {
		m = m.clone()
		sn, err := writePart(t.Context(), s, parent, day.Add(time.Duration(v)*time.Hour), v == 0, func(p *PartWriter) error {
			for i := range 3000 {
				if v > 0 && (i*7919+v*31)%17 != 0 {
					continue
				}
				if v > 0 && i%5 == v%5 {
					m.remove(accountID(i))
					if err := p.Remove(accountID(i), day, "recycle bin"); err != nil {
						return err
					}
					continue
				}
				r := account(i, v/2) // every second version repeats the one before
				m.add(r)
				if err := p.Add(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		snaps, models, parent = append(snaps, sn), append(models, m), sn
	}
	return snaps, models
}

func TestSnapshotsKeepEveryState(t *testing.T) {
	s, _ := newStore(t)
	snaps, models := chain(t, s, 20)
	for i, sn := range snaps {
		models[i].expect(t, sn)
		if p, _ := sn.Part("Account"); p.Layers > maxLayers {
			t.Fatalf("%d layers, at most %d", p.Layers, maxLayers)
		}
	}
	infos, err := s.List(t.Context())
	if err != nil || len(infos) != len(snaps) || infos[0].ID != snaps[20].Info().ID {
		t.Fatalf("list: %d snapshots, %v", len(infos), err)
	}
	for i, a := range []int{0, 3, 7, 20} {
		b := []int{1, 20, 5, 0}[i]
		got := collect(t, Diff(t.Context(), snaps[a], snaps[b], "Account"))
		want := collect(t, state.Diff(state.FromSlice(models[a].records()), state.FromSlice(models[b].records())))
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b sf.Value) bool { return a == b })); d != "" {
			t.Fatalf("diff of %d and %d: %s", a, b, d)
		}
	}
	last, m := snaps[20], models[20]
	for i := 0; i < 3000; i += 11 {
		r, found, err := last.Record(t.Context(), "Account", accountID(i))
		want, there := m.live[accountID(i)]
		if err != nil || found != there || found && !state.Equal(r, want) {
			t.Fatalf("record %d: %v %v, want %v %v: %v", i, r, found, want, there, err)
		}
	}
}

// Server time has whole seconds, so that several snapshots can begin at the same moment.
func TestLatestOfOneSecondStandsOnTheOthers(t *testing.T) {
	store, _ := newStore(t)
	var parent *Snapshot
	var order []string
	started := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for version := range 8 {
		sn, err := writePart(t.Context(), store, parent, started, parent == nil, func(p *PartWriter) error {
			return p.Add(account(1, version))
		})
		if err != nil {
			t.Fatal(err)
		}
		parent, order = sn, append([]string{sn.Info().ID}, order...)
	}
	infos, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, info := range infos {
		if info.ID != order[i] {
			t.Fatalf("place %d is %s, want %s", i, info.Short(), order[i][:10])
		}
	}
	latest, err := store.Load(t.Context(), Latest)
	if err != nil || latest.Info().ID != order[0] {
		t.Fatalf("latest is %v, %v", latest, err)
	}
}

func TestLoadByPrefixAndLatest(t *testing.T) {
	s, bucket := newStore(t)
	if _, err := s.Load(t.Context(), Latest); problem.KindOf(err) != problem.NotFound {
		t.Fatalf("latest of none: %v", err)
	}
	snaps, _ := chain(t, s, 1)
	s = openStore(t, bucket)
	for _, id := range []string{Latest, snaps[1].Info().ID, snaps[1].Info().Short()} {
		sn, err := s.Load(t.Context(), id, OfOrg(orgID))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(snaps[1].Info(), sn.Info()); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(testSchema(), sn.Schema()); d != "" {
			t.Fatal(d)
		}
	}
	for id, kind := range map[string]problem.Kind{"0": problem.Usage, "zzzzzz": problem.NotFound} {
		if _, err := s.Load(t.Context(), id); problem.KindOf(err) != kind {
			t.Errorf("load %q: %v, want kind %v", id, err, kind)
		}
	}
	if _, err := s.Load(t.Context(), Latest, OfOrg("00D000000000002EAA")); problem.KindOf(err) != problem.NotFound {
		t.Errorf("latest of another org: %v", err)
	}
}
