package snapshot

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/state"
)

// smallChanges writes snapshots that change five of 60 records each, so many that the base is merged several
// times; the one at full is a full backup of what was there.
func smallChanges(t *testing.T, s *Store, n, full int) ([]*Snapshot, []*model) {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 13))
	var snaps []*Snapshot
	var models []*model
	m := newModel()
	var parent *Snapshot
	for v := range n {
		m = m.clone()
		sn, err := writePart(t.Context(), s, parent, day.Add(time.Duration(v)*time.Hour), v == 0 || v == full, func(p *PartWriter) error {
			if v == 0 {
				for i := range 60 {
					m.add(account(i, 0))
					if err := p.Add(account(i, 0)); err != nil {
						return err
					}
				}
				return nil
			}
			if v == full {
				for _, rec := range m.records() {
					if err := p.Add(rec); err != nil {
						return err
					}
				}
			}
			return changeSome(p, m, r, 5)
		})
		if err != nil {
			t.Fatal(err)
		}
		snaps, models, parent = append(snaps, sn), append(models, m), sn
	}
	return snaps, models
}

// wayOf returns the layers that Diff reads, and how many rows they have.
func wayOf(t *testing.T, a, b *Snapshot, cost int64) int64 {
	t.Helper()
	before, err := a.named("Account")
	if err != nil {
		t.Fatal(err)
	}
	after, err := b.named("Account")
	if err != nil {
		t.Fatal(err)
	}
	way, err := wayBetween(t.Context(), a, b, before, after, cost)
	if err != nil {
		t.Fatal(err)
	}
	if way == nil {
		return unreached
	}
	return rowsOf(way)
}

// TestDiffFollowsTheChange compares every two of a story's snapshots, the base merged between them or
// not, with what their models differ by, and holds the rows that are read to the changes between them.
func TestDiffFollowsTheChange(t *testing.T) {
	const n = 2*maxLayers + 8
	s, _ := newStore(t)
	snaps, models := smallChanges(t, s, n, -1)
	merged := 0
	for i, a := range snaps {
		if part, _ := a.find("Account"); len(part.replaced) > 0 {
			merged++
		}
		for j, b := range snaps {
			apart := max(i-j, j-i)
			if i == j || apart > 1 && (7*i+j)%11 != 0 {
				continue
			}
			expectDiff(t, a, b, models[i], models[j])
			if rows := wayOf(t, a, b, 1); rows > int64(5*apart) && apart < 12 {
				t.Errorf("from %d to %d %d rows are read", i, j, rows)
			}
			if rows := wayOf(t, a, b, manifestCost); apart == 1 && rows > 5 {
				t.Errorf("from %d to %d %d rows are read where no other manifest is", i, j, rows)
			}
		}
	}
	if merged < 2 {
		t.Errorf("layers were merged in %d snapshots only", merged)
	}
	if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
}

func expectDiff(t *testing.T, a, b *Snapshot, before, after *model) {
	t.Helper()
	got := collect(t, Diff(t.Context(), a, b, "Account"))
	want := collect(t, state.Diff(state.FromSlice(before.records()), state.FromSlice(after.records())))
	same := func(a, b state.Change) bool { return a.ID == b.ID && a.Before == b.Before && a.After == b.After }
	if !slices.EqualFunc(got, want, same) {
		t.Fatalf("diff of %s and %s: %d changes, want %d", a.Info().Short(), b.Info().Short(), len(got), len(want))
	}
}

// TestDiffAcrossAFullBackup has no layers from one side to the other, and reads both.
func TestDiffAcrossAFullBackup(t *testing.T) {
	s, _ := newStore(t)
	snaps, models := smallChanges(t, s, 12, 6)
	for i, a := range snaps {
		for j, b := range snaps {
			expectDiff(t, a, b, models[i], models[j])
		}
	}
	if rows := wayOf(t, snaps[5], snaps[6], 1); rows != unreached {
		t.Errorf("a way of %d rows leads to a full backup of other records", rows)
	}
}

// TestDiffProvesItself: a manifest that states another digest than its rows have is found by whoever
// compares, whichever way is taken.
func TestDiffProvesItself(t *testing.T) {
	s, _ := newStore(t)
	snaps, _ := smallChanges(t, s, 3, -1)
	lie := *snaps[2].manifest
	lie.parts = slices.Clone(lie.parts)
	layers := slices.Clone(lie.parts[0].layers)
	last := &layers[len(layers)-1]
	last.after = last.after.Add(state.Hash{31: 1})
	lie.parts[0].layers = layers
	for i, a := range snaps[:2] {
		var err error
		for _, err = range Diff(t.Context(), a, &Snapshot{s, &lie, snaps[2].schema}, "Account") {
			if err != nil {
				break
			}
		}
		if problem.KindOf(err) != problem.Damaged {
			t.Errorf("diff of %d and a lie: %v", i, err)
		}
	}
}
