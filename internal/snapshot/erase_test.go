package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/sf"
)

// TestEraseTakesARecordOutOfEverySnapshot erases a record that was added, changed, deleted and added again
// in many layers, merged ones too: every snapshot is as it was but for that, and verifies.
func TestEraseTakesARecordOutOfEverySnapshot(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openBucket(t, memory)
	var kept []*model
	var parent *Snapshot
	m := newModel()
	for v := range maxLayers + 6 {
		full := v == 0
		sn, err := writePart(t.Context(), s, parent, day.Add(time.Duration(v)*time.Hour), full, func(p *PartWriter) error {
			for i := range 30 {
				id := accountID(i)
				switch {
				case i == 7 && v%5 == 3:
					m.remove(id)
					if err := p.Remove(id, day, "census"); err != nil {
						return err
					}
				case full || i%7 == v%7 || i == 7 && v%2 == 0:
					rec := account(i, v)
					m.add(rec)
					if err := p.Add(rec); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		kept, parent = append(kept, m.clone()), sn
	}
	second := &blob.Memory{}
	if _, err := s.Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	ids := []sf.ID{accountID(7), accountID(500)}
	if _, err := s.PlanErase(t.Context(), ids[1:]); problem.KindOf(err) != problem.NotFound {
		t.Fatalf("nothing to erase: %v", err)
	}
	before := keysOf(t, memory)
	plan, err := s.PlanErase(t.Context(), ids)
	if err != nil || len(plan.Snapshots) != len(kept) || plan.Versions < 5 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if _, err := s.Erase(t.Context(), ids, "0123"); problem.KindOf(err) != problem.Conflict {
		t.Fatalf("without approval: %v", err)
	}
	if after := keysOf(t, memory); len(after) != len(before) {
		t.Fatal("a plan wrote something")
	}
	got, err := s.Erase(t.Context(), ids, plan.Approval)
	if err != nil {
		t.Fatal(err)
	}
	s = openBucket(t, memory)
	infos, err := s.List(t.Context())
	if err != nil || len(infos) != len(kept) {
		t.Fatalf("%d snapshots, %v", len(infos), err)
	}
	for n, info := range infos {
		want := kept[len(kept)-1-n]
		delete(want.live, accountID(7))
		delete(want.gone, accountID(7))
		sn, err := s.load(t.Context(), info.ID)
		if err != nil {
			t.Fatal(err)
		}
		want.expect(t, sn)
		if n+1 < len(infos) && info.Parent != infos[n+1].ID {
			t.Errorf("the parent of snapshot %d is not the one before", n)
		}
		if got.Snapshots[n].Now != info.ID {
			t.Errorf("snapshot %d is not told", n)
		}
	}
	if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PlanErase(t.Context(), ids); problem.KindOf(err) != problem.NotFound {
		t.Fatalf("afterwards: %v", err)
	}
	// The copy still has it, until it is brought up to date.
	if plan, err := openBucket(t, second).PlanErase(t.Context(), ids); err != nil || plan.Versions == 0 {
		t.Fatal(err)
	}
	if _, err := Repair(t.Context(), repo.At(memory), repo.At(second), sharedIdentity, RepairOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PlanErase(t.Context(), ids); problem.KindOf(err) != problem.NotFound {
		t.Fatalf("repair brought it back: %v", err)
	}
	if _, err := s.Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	nothingReadable(t, second, ids[0])
	for _, b := range []*blob.Memory{memory, second} { // the keys of earlier generations are nowhere
		generations := make(map[string]bool)
		for _, key := range keysOf(t, b) {
			if parts := strings.Split(key, "/"); len(parts) == 5 && (parts[2] == "table" || parts[2] == "mirror") {
				generations[parts[3]] = true
			}
		}
		if len(generations) != 1 {
			t.Fatalf("generations %v", generations)
		}
	}
}

// nothingReadable opens every object with every key that the repository has, and looks for the record.
func nothingReadable(t *testing.T, b blob.Bucket, id sf.ID) {
	t.Helper()
	s := openBucket(t, b)
	for _, key := range keysOf(t, b) {
		ref, ok := repo.ParseKey(key)
		if !ok {
			continue
		}
		frames, err := s.repository.Verify(t.Context(), ref, ref.Class != classSegment && ref.Class != classSnapshot && ref.Class != classSchema)
		if errors.Is(err, repo.ErrNoKey) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if ref.Class != classSegment {
			continue
		}
		if sum, err := versionsOf(frames, id); err != nil || sum > 0 {
			t.Fatalf("%s: %d versions of %s can be read, %v", key, sum, id, err)
		}
	}
}

// versionsOf counts the versions of a record in a segment, by its frames.
func versionsOf(frames [][]byte, id sf.ID) (int, error) {
	shape, index, _, err := decodeIndex(frames[0])
	if err != nil {
		return 0, err
	}
	s := &segment{shape: shape, index: index}
	n := 0
	var f frame
	for i, packed := range frames[1:] {
		if err := s.unpack(packed, i, &f); err != nil {
			return 0, err
		}
		for _, k := range f.ids {
			if k.id() == id {
				n++
			}
		}
	}
	return n, nil
}

// clinging is a bucket that lets nothing go but keys.
type clinging struct{ *blob.Memory }

func (c clinging) Delete(ctx context.Context, key string) error {
	if class(key) != "keys" {
		return blob.ErrRetained
	}
	return c.Memory.Delete(ctx, key)
}

// TestWhatIsErasedIsInNoByteThatOpens erases on storage that lets nothing go but keys: the old bytes are
// there, and no key that is left opens them.
func TestWhatIsErasedIsInNoByteThatOpens(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	locked := clinging{memory}
	s := openBucket(t, locked)
	secret := "a name that nobody else has"
	_, err := writePart(t.Context(), s, nil, day, true, func(p *PartWriter) error {
		for i := range 3 {
			rec := account(i, 1)
			rec.Values[0] = sf.Text(fmt.Sprint(secret, i))
			if err := p.Add(rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	old := openBucket(t, memory.Clone()) // somebody who has the old keys reads it: the test can see it
	if plan, err := old.PlanErase(t.Context(), []sf.ID{accountID(1)}); err != nil || plan.Versions != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	plan, err := s.PlanErase(t.Context(), []sf.ID{accountID(1)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Erase(t.Context(), []sf.ID{accountID(1)}, plan.Approval)
	if err != nil || got.Retained.Objects == 0 || got.Unreadable == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	nothingReadable(t, memory, accountID(1))
	for _, key := range keysOf(t, memory) {
		if bytes.Contains(must(memory.Get(t.Context(), key, 0, -1)), []byte(secret)) {
			t.Fatalf("%s holds it as plain text", key)
		}
	}
	if _, err := openBucket(t, memory).Verify(t.Context(), VerifyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestEraseTakesFilesOutOfTheirObjects erases a record whose file lies in one object with those of others: they
// are as they were, and what is erased is in no frame that opens.
func TestEraseTakesFilesOutOfTheirObjects(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openBucket(t, clinging{memory})
	secret, both := []byte("a letter of the person who wants to be forgotten"), []byte("what two of them have")
	files := map[int][]byte{1: []byte("one"), 2: prose(2, 90), 3: both, 7: secret, 8: both, 9: {}}
	first, err := putFiles(t.Context(), s, nil, files)
	if err != nil {
		t.Fatal(err)
	}
	second, err := putFiles(t.Context(), s, first, map[int][]byte{1: []byte("one, later"), 2: files[2]}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := putFiles(t.Context(), s, second, map[int][]byte{7: both, 10: []byte("ten")}); err != nil {
		t.Fatal(err)
	}
	if !readable(t, memory, secret) {
		t.Fatal("the test does not find what is there")
	}
	for _, erased := range []int{7, 8} {
		ids := []sf.ID{accountID(erased)}
		plan, err := s.PlanErase(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Erase(t.Context(), ids, plan.Approval); err != nil {
			t.Fatal(err)
		}
		s = openBucket(t, clinging{memory})
		if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if readable(t, memory, secret) {
		t.Fatal("what is erased can be read")
	}
	if !readable(t, memory, []byte("ten")) || !readable(t, memory, both) {
		t.Fatal("what is not erased cannot be read")
	}
	want := []map[int][]byte{
		{1: []byte("one, later"), 2: files[2], 9: {}, 10: []byte("ten")},
		{1: []byte("one, later"), 2: files[2], 9: {}},
		{1: files[1], 2: files[2], 3: both, 9: {}},
	}
	infos, err := s.List(t.Context())
	if err != nil || len(infos) != len(want) {
		t.Fatalf("%d snapshots, %v", len(infos), err)
	}
	for n, info := range infos {
		sn, err := s.load(t.Context(), info.ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readFiles(t.Context(), s, sn)
		if err == nil {
			err = sameFiles(got, want[n])
		}
		if err != nil {
			t.Fatalf("snapshot %d: %v", n, err)
		}
	}
}

// readable reports whether any frame of any object of bodies that opens has the contents.
func readable(t *testing.T, b blob.Bucket, contents []byte) bool {
	t.Helper()
	s := openBucket(t, b)
	found := false
	for _, key := range keysOf(t, b) {
		ref, ok := repo.ParseKey(key)
		if !ok || ref.Class != classBody {
			continue
		}
		frames, err := s.repository.Verify(t.Context(), ref, false)
		if errors.Is(err, repo.ErrNoKey) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, frame := range frames {
			piece, err := unpackPiece(frame)
			if err != nil {
				t.Fatal(err)
			}
			found = found || bytes.Equal(piece, contents)
		}
	}
	return found
}

// TestAPlanToEraseLeavesKeysAlone: after an erasure that was cut short before it destroyed the old keys, a plan
// says that there is nothing to erase and changes nothing; an erasure with an approval destroys them.
func TestAPlanToEraseLeavesKeysAlone(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openBucket(t, memory)
	_, err := writePart(t.Context(), s, nil, day, true, func(p *PartWriter) error {
		return errors.Join(p.Add(account(1, 1)), p.Add(account(2, 1)))
	})
	if err != nil {
		t.Fatal(err)
	}
	ids := []sf.ID{accountID(1)}
	plan, err := s.PlanErase(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	before := memory.Clone()
	if _, err := s.Erase(t.Context(), ids, plan.Approval); err != nil {
		t.Fatal(err)
	}
	done := keysOf(t, memory)
	for _, key := range keysOf(t, before) {
		if class(key) == "keys" && !slices.Contains(done, key) {
			if err := memory.Put(t.Context(), key, must(before.Get(t.Context(), key, 0, -1))); err != nil {
				t.Fatal(err)
			}
		}
	}
	short := keysOf(t, memory)
	if slices.Equal(short, done) {
		t.Fatal("the erasure destroyed no key")
	}
	for what, do := range map[string]func(*Store) error{
		"a plan":                         func(s *Store) error { _, err := s.PlanErase(t.Context(), ids); return err },
		"an erasure without an approval": func(s *Store) error { _, err := s.Erase(t.Context(), ids, ""); return err },
	} {
		if err := do(openBucket(t, memory)); problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s: %v", what, err)
		}
		if now := keysOf(t, memory); !slices.Equal(now, short) {
			t.Errorf("%s left %d objects of %d", what, len(now), len(short))
		}
	}
	got, err := openBucket(t, memory).Erase(t.Context(), ids, plan.Approval)
	if err != nil || got.Read == 0 || got.Versions != 1 || len(got.Snapshots) != 1 || got.Snapshots[0].Now == "" {
		t.Fatalf("the same erasure once more: %+v, %v", got, err)
	}
	for _, key := range keysOf(t, memory) {
		if slices.Contains(short, key) && !slices.Contains(done, key) {
			t.Errorf("the same erasure once more leaves %s", key)
		}
	}
}
