package snapshot

import (
	"fmt"
	"testing"
)

// TestFilterTellsAbsentIds: a filter never denies a row that is there, and denies nearly all others, also
// those with Ids next to the ones that are.
func TestFilterTellsAbsentIds(t *testing.T) {
	for _, n := range []int{1, 7, 500, 20_000} {
		var hashes []uint64
		var absent []key
		for i := range n {
			there, err := makeKey(accountID(2 * i))
			if err != nil {
				t.Fatal(err)
			}
			not, err := makeKey(accountID(2*i + 1))
			if err != nil {
				t.Fatal(err)
			}
			hashes, absent = append(hashes, filterHash(there)), append(absent, not)
		}
		f := newFilter(hashes)
		for i, h := range hashes {
			if !f.may(h) {
				t.Fatalf("of %d: Id %d is denied", n, i)
			}
		}
		taken := 0
		for _, id := range absent {
			if f.may(filterHash(id)) {
				taken++
			}
		}
		if taken > n/50+1 {
			t.Errorf("of %d absent Ids %d are not told apart", n, taken)
		}
	}
}

// TestLayersWithoutTheIDAreNotRead reads records of a part with many layers, and counts the frames that are
// looked into beside the one that holds the record.
func TestLayersWithoutTheIDAreNotRead(t *testing.T) {
	s, bucket := newStore(t)
	snaps, models := chain(t, s, maxLayers-1)
	last, model := snaps[len(snaps)-1], models[len(models)-1]
	if p, _ := last.Part("Account"); p.Layers < maxLayers-1 {
		t.Fatalf("%d layers", p.Layers)
	}
	looked, reads := 0, 0
	for i := range 200 {
		k, err := makeKey(accountID(13 * i))
		if err != nil {
			t.Fatal(err)
		}
		part, err := last.whole("Account")
		if err != nil {
			t.Fatal(err)
		}
		cursors := stack(openStore(t, bucket).repository, "Account", part.layers)
		at, err := lookup{cursors}.find(t.Context(), k)
		if err != nil || at == nil || at.gone() == (model.live[k.id()].Shape != nil) {
			t.Fatalf("%s: %v, %v", k.id(), at, err)
		}
		reads++
		for _, c := range cursors {
			if c.frame >= 0 {
				looked++
			}
		}
	}
	if looked > reads+reads/5 {
		t.Errorf("%d frames for %d records", looked, reads)
	}
	fmt.Fprintln(t.Output(), looked, "frames for", reads, "records")
}
