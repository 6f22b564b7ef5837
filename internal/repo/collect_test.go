package repo

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// commitLeaves puts the leaves and a root of them.
func commitLeaves(t *testing.T, r *Repository, name string, leaves ...string) (root Ref, refs []Ref) {
	t.Helper()
	view, err := r.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range leaves {
		stored, err := view.Put(t.Context(), leafClass, [][]byte{[]byte(leaf)})
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, stored.Ref)
	}
	stored, err := view.Commit(t.Context(), rootClass, rootFrames(name, refs), refs, Base{})
	if err != nil {
		t.Fatal(err)
	}
	return stored.Ref, refs
}

func pruneInput(r *Repository, expire ...Ref) PruneInput {
	return PruneInput{Expire: expire, Collect: []Class{rootClass, leafClass}, Reach: reachOf(r), Grace: MinGrace, Undo: MinUndo}
}

// TestPruneTakesItsTime follows one root from the day it expires to the day it is deleted.
func TestPruneTakesItsTime(t *testing.T) {
	r, bucket, _ := opened(t)
	now := time.Now()
	r.clock = func() time.Time { return now }
	old, refs := commitLeaves(t, r, "old", "shared", "alone")
	kept, _ := commitLeaves(t, r, "kept", "shared")
	there := func(ref Ref) bool { _, err := bucket.Stat(t.Context(), ref.Key()); return err == nil }
	prune := func(in PruneInput) PruneResult {
		t.Helper()
		result, err := r.Prune(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if got := prune(pruneInput(r, old)); !slices.Equal(got.Expired, []Ref{old}) || got.Deleted.Objects+got.Condemned.Objects != 0 {
		t.Fatalf("%+v", got)
	}
	if roots, err := r.Roots(t.Context(), rootClass); err != nil || !slices.Equal(roots, []Ref{kept}) {
		t.Fatal(roots, err)
	}
	if n, err := r.Unexpire(t.Context(), []Ref{old}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	prune(pruneInput(r, old))
	now = now.Add(MinUndo)
	if got := prune(pruneInput(r)); !slices.Equal(got.Dropped, []Ref{old}) || !there(old) {
		t.Fatalf("%+v", got)
	}
	if got := prune(pruneInput(r)); got.Condemned.Objects != 2 || !there(old) || !there(refs[1]) {
		t.Fatalf("%+v", got)
	}
	now = now.Add(MinGrace)
	dry := pruneInput(r)
	dry.DryRun = true
	if got := prune(dry); got.Deleted.Objects != 2 || got.Deleted.Bytes == 0 || !there(old) {
		t.Fatalf("%+v", got)
	}
	if got := prune(pruneInput(r)); got.Deleted.Objects != 2 || there(old) || there(refs[1]) || !there(refs[0]) || !there(kept) {
		t.Fatalf("%+v", got)
	}
	if again, _ := commitLeaves(t, r, "again", "alone"); !there(again) {
		t.Error("what is gone cannot be stored anew")
	}
}

// TestPruneGivesUpNothingOnAnIncompleteListing makes each operation fail in its turn.
func TestPruneGivesUpNothingOnAnIncompleteListing(t *testing.T) {
	for at := range 60 {
		r, bucket, id := opened(t)
		_, refs := commitLeaves(t, r, "kept", "a", "b")
		if _, err := r.Put(t.Context(), leafClass, [][]byte{[]byte("garbage")}); err != nil {
			t.Fatal(err)
		}
		for day := range 4 {
			n := 0
			fault := blob.NewFault(bucket, nil, func(op blob.Op) blob.Outcome {
				if n++; n == at && op.Verb == "list" {
					return blob.Lose
				} else if n == at {
					return blob.Fail
				}
				return blob.Pass
			})
			broken, err := Open(t.Context(), fault, id)
			if err == nil {
				broken.clock = func() time.Time { return time.Now().Add(time.Duration(day) * 30 * time.Hour) }
				_, _ = broken.Prune(t.Context(), pruneInput(broken))
			}
			for _, ref := range refs {
				if _, err := r.Verify(t.Context(), ref, false); err != nil {
					t.Fatalf("operation %d, day %d: %v", at, day, err)
				}
			}
		}
	}
}

// TestWhatIsErasedCannotBeRead erases a leaf on storage that lets nothing go but keys.
func TestWhatIsErasedCannotBeRead(t *testing.T) {
	r, bucket, id := opened(t)
	before, refs := commitLeaves(t, r, "before", "public", "private")
	if _, err := r.Put(t.Context(), leafClass, [][]byte{[]byte("private, spilled")}); err != nil { // by a writer that died
		t.Fatal(err)
	}
	working, err := r.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := bucket.Clone()
	result, err := r.Erase(t.Context(), EraseInput{
		Collect: []Class{rootClass, leafClass}, Reach: reachOf(r),
		Rewrite: func(ctx context.Context, view *Repository, roots []Ref) (map[Ref]Ref, error) {
			instead := map[Ref]Ref{}
			for _, root := range roots {
				stored, err := view.Put(ctx, rootClass, rootFrames("after", refs[:1]))
				if err != nil {
					return nil, err
				}
				instead[root] = stored.Ref
			}
			return instead, nil
		},
	})
	if err != nil || result.Rewritten != 1 || result.Deleted.Objects != 3 {
		t.Fatalf("%+v %v", result, err)
	}
	if _, err := working.Commit(t.Context(), rootClass, rootFrames("late", refs), refs, Base{}); problem.KindOf(err) != problem.Conflict {
		t.Errorf("a writer that worked meanwhile: %v", err)
	}
	// What the storage did not let go of is still there.
	for info, err := range old.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if body, err := old.Get(t.Context(), info.Key, 0, -1); err == nil && !strings.HasPrefix(info.Key, keysDir) {
			_ = bucket.Put(t.Context(), info.Key, body)
		}
	}
	again, err := Open(t.Context(), bucket, id)
	if err != nil {
		t.Fatal(err)
	}
	readable := 0
	for info, err := range bucket.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if ref, ok := ParseKey(info.Key); ok {
			frames, err := again.Verify(t.Context(), ref, false)
			if err == nil && bytes.Contains(frames[0], []byte("private")) {
				t.Errorf("%s is still read", ref)
			}
			if err == nil {
				readable++
			}
		}
	}
	if roots, err := again.Roots(t.Context(), rootClass); err != nil || len(roots) != 1 || roots[0] == before || readable != 2 {
		t.Errorf("roots %v, %d readable objects: %v", roots, readable, err)
	}
	if stored, err := again.Put(t.Context(), leafClass, [][]byte{[]byte("private")}); err != nil || stored.Ref == refs[1] {
		t.Errorf("the name of what was erased is used again: %v %v", stored, err)
	}
}

// TestKeysChangeAndDataDoesNot adds and removes recipients and rotates the master key.
func TestKeysChangeAndDataDoesNot(t *testing.T) {
	r, bucket, id := opened(t)
	_, refs := commitLeaves(t, r, "root", "leaf")
	named, err := r.PutNamed(t.Context(), "note-a", "n", [][]byte{[]byte("note")})
	if err != nil {
		t.Fatal(err)
	}
	data := func() map[string]string {
		out := map[string]string{}
		for info, err := range bucket.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := bucket.Get(t.Context(), info.Key, 0, -1); !strings.HasPrefix(info.Key, keysDir) {
				out[info.Key] = string(body)
			}
		}
		return out
	}
	before := data()
	reads := func(who string, id *seal.Identity, want problem.Kind) {
		t.Helper()
		again, err := Open(t.Context(), bucket, id)
		if err == nil {
			_, err = again.Verify(t.Context(), refs[0], false)
		}
		if err == nil {
			_, err = again.Verify(t.Context(), named.Ref, true)
		}
		if want == problem.Failed && err != nil || want != problem.Failed && problem.KindOf(err) != want {
			t.Errorf("%s: %v", who, err)
		}
	}
	third := identity(t)
	if err := r.AddMember(t.Context(), seal.Member{Recipient: third.Recipient(), Kind: MemberFile}, nil); err != nil {
		t.Fatal(err)
	}
	kind(t, "twice", r.AddMember(t.Context(), seal.Member{Recipient: third.Recipient(), Kind: MemberFile}, nil), problem.Conflict)
	reads("the one that was added", third, problem.Failed)
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	reads("the first after a rotation", id, problem.Failed)
	reads("the third after a rotation", third, problem.Failed)
	if _, err := r.RemoveMember(t.Context(), third.Recipient().String()); err != nil {
		t.Fatal(err)
	}
	reads("the one that was removed", third, problem.WrongKey)
	reads("the first after a removal", id, problem.Failed)
	_, err = r.RemoveMember(t.Context(), id.Recipient().String())
	kind(t, "itself", err, problem.Usage)
	members, err := r.Members(t.Context())
	if err != nil || len(members) != 2 {
		t.Fatal(members, err)
	}
	for _, m := range members {
		if !id.Has(m.Recipient) {
			_, err = r.RemoveMember(t.Context(), m.Recipient.String())
			kind(t, "the last but one", err, problem.Usage)
		}
	}
	if after := data(); len(after) != len(before) {
		t.Errorf("%d objects, were %d", len(after), len(before))
	} else {
		for key, body := range before {
			if after[key] != body {
				t.Errorf("%s was changed", key)
			}
		}
	}
	if troubles, err := r.CheckKeys(t.Context()); err != nil || len(troubles) > 0 {
		t.Errorf("%v %v", troubles, err)
	}
}

// TestARotationThatIsCutShortLocksNobodyOut dies before and after each operation of a rotation and of
// a removal.
func TestARotationThatIsCutShortLocksNobodyOut(t *testing.T) {
	start, whole, id := opened(t)
	third := identity(t)
	_, refs := commitLeaves(t, start, "root", "leaf")
	if err := start.AddMember(t.Context(), seal.Member{Recipient: third.Recipient(), Kind: MemberFile}, nil); err != nil {
		t.Fatal(err)
	}
	for _, outcome := range []blob.Outcome{blob.Halt, blob.HaltAfter} {
		for at := 0; ; at++ {
			bucket := whole.Clone()
			died := false
			fault := blob.NewFault(bucket, nil, func(op blob.Op) blob.Outcome {
				if op.N == at {
					died = true
					return outcome
				}
				return blob.Pass
			})
			if r, err := Open(t.Context(), fault, id); err == nil {
				_, _ = r.RemoveMember(t.Context(), third.Recipient().String())
			}
			r, err := Open(t.Context(), bucket, id)
			if err != nil {
				t.Fatalf("operation %d: %v", at, err)
			}
			if _, err := r.Verify(t.Context(), refs[0], false); err != nil {
				t.Fatalf("operation %d: %v", at, err)
			}
			if _, refs := commitLeaves(t, r, "more", "leaf", "other"); len(refs) != 2 {
				t.Fatal("cannot go on")
			}
			if !died {
				break
			}
		}
	}
}

// TestLockedObjectsAreRetained prunes storage that lets nothing go.
func TestLockedObjectsAreRetained(t *testing.T) {
	r, bucket, id := opened(t)
	if _, err := r.Put(t.Context(), leafClass, [][]byte{[]byte("garbage")}); err != nil {
		t.Fatal(err)
	}
	fault := blob.NewFault(bucket, blob.ErrRetained, func(op blob.Op) blob.Outcome {
		if op.Verb == "delete" && strings.HasPrefix(op.Key, string(leafClass)) {
			return blob.Fail
		}
		return blob.Pass
	})
	locked, err := Open(t.Context(), fault, id)
	if err != nil {
		t.Fatal(err)
	}
	for day := range 4 {
		locked.clock = func() time.Time { return time.Now().Add(time.Duration(30*(day+1)) * time.Hour) }
		result, err := locked.Prune(t.Context(), pruneInput(locked))
		if err != nil {
			t.Fatal(err)
		}
		if want := day >= 1; (result.Retained.Objects == 1) != want {
			t.Errorf("day %d: %+v", day, result)
		}
	}
}

// TestAnErasureLooksAtOnceAtWhatWasAlmostAdded: a root of which a writer that was cut short has put only the mirror is
// one in the next generation. It is rewritten with the others, not when writers wait.
func TestAnErasureLooksAtOnceAtWhatWasAlmostAdded(t *testing.T) {
	r, bucket, id := opened(t)
	whole, _ := commitLeaves(t, r, "whole", "leaf")
	before := bucket.Clone()
	almost, _ := commitLeaves(t, r, "almost", "leaf, too")
	for info, err := range bucket.List(t.Context(), r.keys.dir()+tableDir) {
		if err != nil {
			t.Fatal(err)
		}
		_, err := before.Stat(t.Context(), info.Key)
		if err == nil {
			continue
		}
		g, name, _ := parseTableKey(strings.TrimPrefix(info.Key, r.keys.dir()+tableDir))
		l, err := r.keys.list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if add, _, err := r.keys.object(t.Context(), l, g, name); err != nil || len(add.Roots) == 0 {
			continue // the secret
		}
		if err := bucket.Delete(t.Context(), info.Key); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(t.Context(), bucket, id)
	if err != nil {
		t.Fatal(err)
	}
	if roots, err := again.Roots(t.Context(), rootClass); err != nil || !slices.Equal(roots, []Ref{whole}) {
		t.Fatalf("roots %v, %v, want that which was added", roots, err)
	}
	var asked [][]Ref
	if _, err := again.Erase(t.Context(), EraseInput{
		Collect: []Class{rootClass, leafClass}, Reach: reachOf(again),
		Rewrite: func(_ context.Context, _ *Repository, roots []Ref) (map[Ref]Ref, error) {
			asked = append(asked, slices.Clone(roots))
			same := make(map[Ref]Ref)
			for _, root := range roots {
				same[root] = root
			}
			return same, nil
		},
	}); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || len(asked[0]) != 2 || !slices.Contains(asked[0], almost) {
		t.Errorf("it was asked to rewrite %v, want both roots at once", asked)
	}
}
