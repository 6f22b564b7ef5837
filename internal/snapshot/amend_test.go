package snapshot

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// TestAmendedPartsHoldAndCountWhatCameLast writes a chain of snapshots whose parts are amended after
// they were closed, long enough for layers to be merged, and compares each with a model: its records,
// what it counts as changed since its parent, and what went and came back since every one before.
func TestAmendedPartsHoldAndCountWhatCameLast(t *testing.T) {
	s, _ := newStore(t)
	r := rand.New(rand.NewPCG(3, 5))
	var snaps []*Snapshot
	models := []*model{newModel()}
	for step := range 2*maxLayers + 4 {
		m := models[len(models)-1].clone()
		var parent *Snapshot
		if step > 0 {
			parent = snaps[step-1]
		}
		at := day.Add(time.Duration(step) * time.Hour)
		sn, err := s.Write(t.Context(), draft(parent, at), func(w *Writer) error {
			p, err := w.Part(PartInfo{Object: "Account", Fields: accountFields, From: at, To: at, Watermark: at, Full: step == 0})
			if err != nil {
				return err
			}
			if err := changeSome(p, m, r, 1+r.IntN(8)); err != nil {
				return err
			}
			if _, err := w.SoFar(); err == nil {
				t.Error("a snapshot so far with a part that is open")
			}
			if _, err := p.Close(t.Context(), -1); err != nil {
				return err
			}
			for range r.IntN(3) {
				soFar, err := w.SoFar()
				if err != nil {
					return err
				}
				m.expect(t, soFar)
				if p, err = w.Amend("Account"); err != nil {
					return err
				}
				if err := changeSome(p, m, r, r.IntN(8)); err != nil {
					return err
				}
				p.Observed(at, at.Add(time.Minute), at)
				if _, err := p.Close(t.Context(), -1); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		m.expect(t, sn)
		before := models[len(models)-1]
		snaps, models = append(snaps, sn), append(models, m)
		checkCounts(t, fmt.Sprint("step ", step), sn, before, m)
		checkTurns(t, nil, sn, models[0], m)
		for i, earlier := range snaps {
			checkTurns(t, earlier, sn, models[i+1], m)
		}
	}
	if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
}

// changeSome adds and removes n records of a few, in any order and by way of spilled runs too.
func changeSome(p *PartWriter, m *model, r *rand.Rand, n int) error {
	for range n {
		var err error
		if id := r.IntN(60); r.IntN(3) == 0 {
			m.remove(accountID(id))
			err = p.Remove(accountID(id), day, "census")
		} else {
			rec := account(id, r.IntN(3))
			m.add(rec)
			err = p.Add(rec)
		}
		if err == nil && r.IntN(4) == 0 {
			err = p.flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func checkCounts(t *testing.T, what string, sn *Snapshot, before, after *model) {
	t.Helper()
	want := Changes{}
	for _, id := range union(before, after) {
		a, was := before.live[id]
		b, is := after.live[id]
		want.count(version{was, hashOf(a, was)}, version{is, hashOf(b, is)}, 1)
	}
	part, _ := sn.Part("Account")
	got := part.Changes
	got.Unchanged = 0 // how often an equal version came is not a difference of states
	if part.Layers > 0 && got != want {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func hashOf(r sf.Record, there bool) state.Hash {
	if !there {
		return state.Hash{}
	}
	return state.HashRecord(r)
}

// checkTurns compares what went and came back with what the models say.
func checkTurns(t *testing.T, a, b *Snapshot, before, after *model) {
	t.Helper()
	var want []Turn
	for _, id := range union(before, after) {
		if _, live := after.live[id]; live && before.gone[id] {
			want = append(want, Turn{ID: id, Back: true})
		} else if after.gone[id] && !before.gone[id] {
			want = append(want, Turn{ID: id})
		}
	}
	if got := collect(t, Turns(t.Context(), a, b, "Account")); !slices.Equal(got, want) {
		t.Errorf("turns: %v, want %v", got, want)
	}
}

func union(models ...*model) []sf.ID {
	all := map[sf.ID]bool{}
	for _, m := range models {
		for id := range m.live {
			all[id] = true
		}
		for id := range m.gone {
			all[id] = true
		}
	}
	var ids []sf.ID
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func TestAmendRefusesMistakes(t *testing.T) {
	s, _ := newStore(t)
	add := func(p *PartWriter) error { return p.Add(account(1, 0)) }
	first, err := writePart(t.Context(), s, nil, day, true, add)
	if err != nil {
		t.Fatal(err)
	}
	sn, err := s.Write(t.Context(), draft(first, day.Add(time.Hour)), func(w *Writer) error {
		if _, err := w.Amend("Account"); err == nil {
			t.Error("a part that nobody wrote was amended")
		}
		p, err := w.Part(PartInfo{Object: "Account", Fields: accountFields})
		if err != nil {
			return err
		}
		if _, err := w.Amend("Account"); err == nil || !strings.Contains(err.Error(), "not closed") {
			t.Errorf("an open part was amended: %v", err)
		}
		if _, err := p.Close(t.Context(), -1); err != nil {
			return err
		}
		if p, err = w.Amend("Account"); err != nil {
			return err
		}
		if err := p.Add(account(2, 0)); err != nil {
			return err
		}
		if err := p.Abandon("it broke"); err != nil {
			return err
		}
		return w.CarryStale("Account", "it broke") // what was held before stands
	})
	if err != nil {
		t.Fatal(err)
	}
	if part, _ := sn.Part("Account"); !part.Stale || part.Records != 1 {
		t.Errorf("%+v", part)
	}
}
