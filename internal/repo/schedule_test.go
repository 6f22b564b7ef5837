package repo

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// These tests have one process stand still before one operation, and let another do its work there.

// meanwhile opens the repository for a process that stands still before the first operation that at
// selects, while do happens.
func meanwhile(t *testing.T, bucket blob.Bucket, id *seal.Identity, at func(blob.Op) bool, do func()) *Repository {
	t.Helper()
	done := false
	slow := blob.NewFault(bucket, nil, func(op blob.Op) blob.Outcome {
		if !done && at(op) {
			done = true
			do()
		}
		return blob.Pass
	})
	r, err := Open(t.Context(), slow, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !done {
			t.Error("the moment never came")
		}
	})
	return r
}

func onKey(verb, part string) func(blob.Op) bool {
	return func(op blob.Op) bool { return op.Verb == verb && strings.Contains(op.Key, part) }
}

func member(t *testing.T) seal.Member {
	t.Helper()
	return seal.Member{Recipient: identity(t).Recipient(), Kind: MemberPassphrase}
}

// TestRotationLeavesTheIdentityOfANewMember has somebody become a member while a rotation is at any of
// its operations.
func TestRotationLeavesTheIdentityOfANewMember(t *testing.T) {
	_, whole, id := opened(t)
	for n := 1; ; n++ {
		bucket := whole.Clone()
		other, err := Open(t.Context(), bucket, id)
		if err != nil {
			t.Fatal(err)
		}
		// The wrapped identity is kept first. What follows comes when the rotation has looked.
		wrapped := fmt.Appendf(nil, "wrapped %d", n)
		at, put := 0, false
		slow := blob.NewFault(bucket, nil, func(op blob.Op) blob.Outcome {
			if at++; at == n && !put {
				put = true
				if err := bucket.Put(t.Context(), other.keys.dir()+identityDir+sum(wrapped), wrapped); err != nil {
					t.Fatal(err)
				}
			} else if put && op.Verb == "delete" && !strings.Contains(op.Key, "table") && !strings.Contains(op.Key, "mirror") {
				if members, err := other.Members(t.Context()); err == nil && len(members) == 2 {
					if err := other.AddMember(t.Context(), member(t), wrapped); err != nil {
						t.Fatal(err)
					}
				}
			}
			return blob.Pass
		})
		r, err := Open(t.Context(), slow, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		members, err := r.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			if m.Identity == "" {
				continue
			}
			if _, err := bucket.Stat(t.Context(), r.keys.dir()+identityDir+m.Identity); err != nil {
				t.Fatalf("operation %d: the identity of a member: %v", n, err)
			}
		}
		if !put {
			if n == 1 {
				t.Error("a rotation without operations")
			}
			break
		}
	}
}

// TestAChangeThatOthersWentOnFromIsDone has another process make the next generation right after the base
// of a new member, before whoever added it has looked.
func TestAChangeThatOthersWentOnFromIsDone(t *testing.T) {
	other, bucket, id := opened(t)
	based := false
	r := meanwhile(t, bucket, id, func(op blob.Op) bool {
		based = based || op.Verb == "put" && strings.HasSuffix(op.Key, mirrorDir+tableKey(2, seal.TableBase))
		return based && op.Verb == "list"
	}, func() {
		if _, err := other.keys.succeed(t.Context(), succession{change: unchanged}); err != nil {
			t.Fatal(err)
		}
	})
	if err := r.AddMember(t.Context(), member(t), nil); err != nil {
		t.Errorf("the member was added, and the answer is %v", err)
	}
	if members, err := other.Members(t.Context()); err != nil || len(members) != 3 {
		t.Errorf("%v %v", members, err)
	}
}

func unchanged(context.Context, *tableState, *seal.Table) error { return nil }

// TestWhatCameTooLateIsTakenBack has others destroy keys and go on while one process is about to put a
// generation that holds them.
func TestWhatCameTooLateIsTakenBack(t *testing.T) {
	other, bucket, id := opened(t)
	commitLeaves(t, other, "root", "leaf")
	r := meanwhile(t, bucket, id, onKey("put", tableDir+tableKey(2, seal.TableBase)), func() {
		for range 2 {
			if err := other.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	if _, err := r.keys.succeed(t.Context(), succession{change: func(context.Context, *tableState, *seal.Table) error {
		if state, err := other.keys.load(t.Context()); err != nil || state.table.Generation > 1 {
			return problem.New(problem.Conflict, "enough")
		}
		return nil
	}}); problem.KindOf(err) != problem.Conflict {
		t.Fatal(err)
	}
	l, err := other.keys.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for key := range l.tables {
		if g, _, _ := parseTableKey(key); g != 3 {
			t.Errorf("%s is there", key)
		}
	}
}

// TestPruneSweepsTheKeyTable leaves what a process leaves that died too late.
func TestPruneSweepsTheKeyTable(t *testing.T) {
	r, bucket, _ := opened(t)
	old := bucket.Clone()
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for info, err := range old.List(t.Context(), keysDir) {
		body, getErr := old.Get(t.Context(), info.Key, 0, -1)
		if err != nil || getErr != nil {
			t.Fatal(err, getErr)
		}
		if strings.Contains(info.Key, "/"+tableDir) || strings.Contains(info.Key, "/"+mirrorDir) {
			_ = bucket.Put(t.Context(), info.Key, body)
		}
	}
	if _, err := r.Prune(t.Context(), pruneInput(r)); err != nil {
		t.Fatal(err)
	}
	l, err := r.keys.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for key := range l.tables {
		if g, _, _ := parseTableKey(key); g != 2 {
			t.Errorf("%s is there", key)
		}
	}
}

// TestARootThatWasGivenUpIsNotAcknowledgedAgain commits the same root twice, with a prune of another process
// in between that gives it up for good.
func TestARootThatWasGivenUpIsNotAcknowledgedAgain(t *testing.T) {
	r, bucket, id := opened(t)
	view, err := r.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := view.Commit(t.Context(), rootClass, rootFrames("root", nil), nil, Base{})
	if err != nil {
		t.Fatal(err)
	}
	pruner, err := Open(t.Context(), bucket, id)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	pruner.clock = func() time.Time { return now }
	in := pruneInput(pruner, first.Ref)
	for range 5 {
		if _, err := pruner.Prune(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		in.Expire, now = nil, now.Add(MinUndo)
	}
	again, err := view.Commit(t.Context(), rootClass, rootFrames("root", nil), nil, Base{})
	if err != nil {
		kind(t, "given up", err, problem.Conflict)
		return
	}
	roots, err := pruner.Roots(t.Context(), rootClass)
	if err != nil || len(roots) != 1 || roots[0] != again.Ref {
		t.Errorf("acknowledged %s, the roots are %v, %v", again.Ref, roots, err)
	}
}

// TestManyKeyFilesLockNobodyOut leaves what changes of keys leave that were cut short.
func TestManyKeyFilesLockNobodyOut(t *testing.T) {
	r, bucket, id := opened(t)
	for n := range 200 {
		junk := fmt.Appendf(nil, "junk %d", n)
		if err := bucket.Put(t.Context(), r.keys.dir()+fileDir+sum(junk), junk); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), bucket, id); err != nil {
		t.Fatal(err)
	}
}

// TestAnErasureKeepsARootWhoseTwinExpired makes two roots the same by an erasure, one of which expired.
func TestAnErasureKeepsARootWhoseTwinExpired(t *testing.T) {
	for n := range 8 { // whichever comes first in the table
		r, _, _ := opened(t)
		kept, refs := commitLeaves(t, r, fmt.Sprint("kept ", n), "leaf")
		expired, _ := commitLeaves(t, r, fmt.Sprint("expired ", n), "leaf")
		if _, err := r.Prune(t.Context(), pruneInput(r, expired)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Erase(t.Context(), EraseInput{
			Collect: []Class{rootClass, leafClass}, Reach: reachOf(r),
			Rewrite: func(ctx context.Context, view *Repository, _ []Ref) (map[Ref]Ref, error) {
				stored, err := view.Put(ctx, rootClass, rootFrames("one", refs))
				return map[Ref]Ref{kept: stored.Ref, expired: stored.Ref}, err
			},
		}); err != nil {
			t.Fatal(err)
		}
		if roots, err := r.Roots(t.Context(), rootClass); err != nil || len(roots) != 1 {
			t.Errorf("%d: roots %v, %v", n, roots, err)
		}
	}
}

// TestANameThatGoesWhileItIsTakenIsPassedOver has a prune delete an object between the put that finds its
// name taken and the look at it.
func TestANameThatGoesWhileItIsTakenIsPassedOver(t *testing.T) {
	other, bucket, id := opened(t)
	stored, err := other.Put(t.Context(), leafClass, [][]byte{[]byte("leaf")})
	if err != nil {
		t.Fatal(err)
	}
	r := meanwhile(t, bucket, id, onKey("get", stored.Ref.Key()), func() {
		if err := bucket.Delete(t.Context(), stored.Ref.Key()); err != nil {
			t.Fatal(err)
		}
	})
	again, err := r.Put(t.Context(), leafClass, [][]byte{[]byte("leaf")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), again.Ref, false); err != nil {
		t.Error(err)
	}
}
