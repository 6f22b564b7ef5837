package repo

import (
	"context"
	"errors"
	"strings"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// TestWhatWasAddedTooLateIsTakenBack: a writer stands still before it adds to a generation, and others destroy keys
// meanwhile. Its addition does not count, and stays no more than the keys that were destroyed.
func TestWhatWasAddedTooLateIsTakenBack(t *testing.T) {
	for _, dir := range []string{mirrorDir, tableDir} {
		other, bucket, id := opened(t)
		commitLeaves(t, other, "root", "leaf")
		armed := false
		r := meanwhile(t, bucket, id, func(op blob.Op) bool {
			return armed && op.Verb == "put" && strings.Contains(op.Key, dir) && strings.Contains(op.Key, "/"+addPrefix)
		}, func() {
			if err := other.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		armed = true
		if _, err := r.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, err := other.keys.list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newest, _ := l.newest()
		for key, places := range l.tables {
			if g, _, _ := parseTableKey(key); g != newest {
				t.Errorf("%s: %q is there in generation %d", dir, places, newest)
			}
		}
	}
}

// undeleted is a bucket that says that it deletes, and does not.
type undeleted struct{ blob.Bucket }

func (undeleted) Delete(context.Context, string) error { return nil }

// TestEarlierKeysAreFound: what a writer has put that was cut short before it took it back is destroyed by the proof of an
// erasure, and told where that does not succeed.
func TestEarlierKeysAreFound(t *testing.T) {
	r, bucket, id := opened(t)
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := r.keys.dir() + mirrorDir + tableKey(1, addPrefix+strings.Repeat("0", 32))
	if err := bucket.Put(t.Context(), key, []byte("an addition")); err != nil {
		t.Fatal(err)
	}
	stubborn, err := Open(t.Context(), undeleted{bucket}, id)
	if err != nil {
		t.Fatal(err)
	}
	kind(t, "keys of an earlier generation", stubborn.NoEarlierKeys(t.Context()), problem.Damaged)
	if err := r.NoEarlierKeys(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := bucket.Stat(t.Context(), key); err == nil {
		t.Error("it is there")
	}
}

// TestALowerEraIsNoLaterState: a repository that was put back to an older state, and that went on for so long that nothing
// remembers the generation of the copy, has a lower era than the copy. It is not copied over it.
func TestALowerEraIsNoLaterState(t *testing.T) {
	r, _, _ := opened(t)
	state, err := r.keys.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	earlier, later := *state.table, *state.table
	earlier.Era, later.Era = 3, 2
	root := Ref{rootClass, [32]byte{1}}
	before, after := newState(&earlier, state.master, false, 0), newState(&later, state.master, false, 0)
	before.roots[root] = seal.Root{}
	kind(t, "a lower era", after.accountsFor(before), problem.Damaged)
}

// TestACopyOfLongAgoIsLeft: the copy is of so long ago that the repository does not remember its generation, so that
// nobody can tell whether it precedes.
func TestACopyOfLongAgoIsLeft(t *testing.T) {
	r, bucket, id := opened(t)
	commitLeaves(t, r, "first", "leaf")
	old := bucket.Clone()
	second := &blob.Memory{}
	copied := func(from *Repository) error {
		_, err := from.Copy(t.Context(), At(second), CopyInput{Reach: reachOf(from), Named: func(Class) bool { return false }})
		return err
	}
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	root, _ := commitLeaves(t, r, "second", "another leaf")
	if err := copied(r); err != nil {
		t.Fatal(err)
	}
	astray, err := Open(t.Context(), old, id)
	if err != nil {
		t.Fatal(err)
	}
	for range 260 {
		if _, err := astray.keys.succeed(t.Context(), succession{change: unchanged}); err != nil {
			t.Fatal(err)
		}
	}
	kind(t, "a repository that went another way, long ago", copied(astray), problem.Conflict)
	kept, err := Open(t.Context(), second, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Verify(t.Context(), root, false); err != nil {
		t.Error(err)
	}
}

// replaced is a bucket in which another repair puts the sound object in the place of the damaged one, right after the
// damaged bytes were put in quarantine.
type replaced struct {
	blob.Bucket
	do func(ctx context.Context) error
}

func (r *replaced) Put(ctx context.Context, key string, body []byte) error {
	err := r.Bucket.Put(ctx, key, body)
	if err == nil && strings.HasPrefix(key, quarantineDir) {
		return r.do(ctx)
	}
	return err
}

// TestASoundObjectIsNotSetAside: two repairs at once, of which the other was faster.
func TestASoundObjectIsNotSetAside(t *testing.T) {
	r, bucket, _ := opened(t)
	_, refs := commitLeaves(t, r, "root", "leaf")
	key := refs[0].Key()
	sound := content(t, bucket, key)
	bucket.Corrupt(key, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	deleted := 0
	watched := blob.NewFault(&replaced{bucket, func(ctx context.Context) error {
		if err := bucket.Delete(ctx, key); err != nil {
			return err
		}
		return bucket.Put(ctx, key, sound)
	}}, nil, func(op blob.Op) blob.Outcome {
		if op.Verb == "delete" {
			deleted++
		}
		return blob.Pass
	})
	in := &Repository{bucket: watched, id: r.id, namer: r.namer, keys: r.keys, clock: r.clock}
	m, err := in.SetAside(t.Context(), refs[0], false, false)
	if err != nil || deleted != 0 {
		t.Errorf("%+v, %d deletions, %v", m, deleted, err)
	}
	if string(content(t, bucket, key)) != string(sound) {
		t.Error("the sound object was taken away")
	}
}

// TestWhatCannotBeKeptIsNotReplaced: the medium does not give the damaged bytes back, so that they cannot be kept. They
// are left, and it is told.
func TestWhatCannotBeKeptIsNotReplaced(t *testing.T) {
	r, bucket, _ := opened(t)
	_, refs := commitLeaves(t, r, "root", "leaf")
	key := refs[0].Key()
	from := &Repository{bucket: bucket.Clone(), id: r.id, namer: r.namer, keys: r.keys, clock: r.clock}
	in := &Repository{bucket: unread{bucket, key}, id: r.id, namer: r.namer, keys: r.keys, clock: r.clock}
	m, err := in.Mend(t.Context(), refs[0], false, from, false)
	if err != nil || problem.KindOf(m.Err) != problem.Damaged || problem.HintOf(m.Err) == "" {
		t.Errorf("%+v %v", m, err)
	}
	if len(content(t, bucket, key)) == 0 {
		t.Error("it was taken away")
	}
}

// TestACopyThatStaysBehindIsTold: keys were destroyed since the last copy, and damage keeps the next one from bringing that to
// the copy.
func TestACopyThatStaysBehindIsTold(t *testing.T) {
	r, bucket, _ := opened(t)
	_, refs := commitLeaves(t, r, "root", "leaf")
	second := &blob.Memory{}
	copied := func() (CopyResult, error) {
		return r.Copy(t.Context(), At(second), CopyInput{Reach: reachOf(r), Named: func(Class) bool { return false }})
	}
	if _, err := copied(); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*blob.Memory{bucket, second} {
		b.Corrupt(refs[0].Key(), func([]byte) []byte { return nil })
	}
	got, err := copied()
	kind(t, "damage, and nothing was destroyed", err, problem.Damaged)
	if got.Behind != 0 || strings.Contains(problem.HintOf(err), "erased") {
		t.Errorf("%d behind: %s", got.Behind, problem.HintOf(err))
	}
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err = copied()
	kind(t, "damage, and keys were destroyed", err, problem.Damaged)
	if got.Behind != 1 || !strings.Contains(problem.HintOf(err), "erased") {
		t.Errorf("%d behind: %s", got.Behind, problem.HintOf(err))
	}
}

// TestARepairBringsNoOlderKeysBack: the place has lost its key table, the copy is of before keys were destroyed, and the machine
// has seen what came after. Nothing is brought back unless it is told to forget that.
func TestARepairBringsNoOlderKeysBack(t *testing.T) {
	r, bucket, id := opened(t)
	commitLeaves(t, r, "root", "leaf")
	copied := bucket.Clone()
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen, err := r.Witness(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for info, err := range bucket.List(t.Context(), r.keys.dir()) {
		if err != nil {
			t.Fatal(err)
		}
		bucket.Corrupt(info.Key, func([]byte) []byte { return nil })
	}
	from, err := Open(t.Context(), copied, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		_, err = from.MendKeys(t.Context(), At(bucket), seen, dry)
		if kind(t, "a copy of before what was seen", err, problem.Damaged); !errors.Is(err, ErrOlder) {
			t.Errorf("%v", err)
		}
		l, err := from.keys.at(bucket).list(t.Context())
		if err != nil || len(l.tables)+len(l.files) > 0 {
			t.Errorf("%d and %d keys were brought back, %v", len(l.tables), len(l.files), err)
		}
	}
	if _, err := from.MendKeys(t.Context(), At(bucket), Witness{}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), bucket, id); err != nil {
		t.Error(err)
	}
}

// TestARepairNoticesThatThePlaceWasSetBack: the place is of before what the machine has seen, and the copy is older still.
func TestARepairNoticesThatThePlaceWasSetBack(t *testing.T) {
	r, bucket, id := opened(t)
	commitLeaves(t, r, "root", "leaf")
	copied := bucket.Clone()
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	earlier := bucket.Clone()
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen, err := r.Witness(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from, err := Open(t.Context(), copied, id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = from.MendKeys(t.Context(), At(earlier), seen, false)
	if kind(t, "a place that was set back", err, problem.Damaged); !errors.Is(err, ErrOlder) {
		t.Errorf("%v", err)
	}
	if done, err := from.MendKeys(t.Context(), At(bucket), seen, false); err != nil || len(done) > 0 {
		t.Errorf("the place as it was seen: %+v, %v", done, err)
	}
}

// TestAWriterThatMayNotDeleteGoesOn: others make a generation while it adds, and it cannot take back what came too late.
func TestAWriterThatMayNotDeleteGoesOn(t *testing.T) {
	other, bucket, id := opened(t)
	done := false
	denied := problem.New(problem.Unauthorized, "access denied")
	r, err := Open(t.Context(), blob.NewFault(bucket, denied, func(op blob.Op) blob.Outcome {
		if !done && op.Verb == "put" && strings.Contains(op.Key, "/"+addPrefix) {
			done = true
			if err := other.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if op.Verb == "delete" {
			return blob.Fail
		}
		return blob.Pass
	}), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, refs := commitLeaves(t, r, "root", "leaf"); len(refs) != 1 || !done {
		t.Error("it did not go on")
	}
	if err := other.NoEarlierKeys(t.Context()); err != nil {
		t.Error(err)
	}
}
