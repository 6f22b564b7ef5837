package s3

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// lockedRepository makes a repository in a bucket that locks all but keys.
func lockedRepository(t *testing.T, g *gateway) (*repo.Repository, *Bucket, Config, *seal.Identity) {
	t.Helper()
	c := g.bucket(t, true, true)
	c.Retention, c.Unlocked = 100*time.Hour, []string{repo.Deletable}
	b := g.open(t, c)
	id, err := seal.NewIdentity()
	must(t, err)
	recovery, err := seal.NewIdentity()
	must(t, err)
	must(t, repo.Init(t.Context(), b, id.Recipient(), recovery.Recipient()))
	r, err := repo.Open(t.Context(), b, id)
	must(t, err)
	return r, b, c, id
}

// keysBelow returns the keys of all objects below the prefix.
func keysBelow(t *testing.T, b *Bucket, prefix string) (keys []string) {
	t.Helper()
	for info, err := range b.List(t.Context(), prefix) {
		must(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

// TestKeysAreDestroyedWhereDataIsLocked rotates the master key and erases a record in a store that lets
// nothing go: what is erased lies there, locked, and nothing opens it.
func TestKeysAreDestroyedWhereDataIsLocked(t *testing.T) {
	g := startGateway(t)
	r, b, c, id := lockedRepository(t, g)
	ctx := t.Context()
	const leaf, root repo.Class = "leaf", "root"
	public, err := r.Put(ctx, leaf, [][]byte{[]byte("public")})
	must(t, err)
	private, err := r.Put(ctx, leaf, [][]byte{[]byte("private")})
	must(t, err)
	_, err = r.Commit(ctx, root, [][]byte{[]byte("both")}, []repo.Ref{public.Ref, private.Ref}, repo.Base{})
	must(t, err)

	before := keysBelow(t, b, repo.Deletable)
	must(t, r.Rotate(ctx))
	for _, key := range before {
		if _, ids := g.versionsOf(t, c, key); len(ids) > 0 {
			t.Errorf("%s outlived the rotation: %v", key, ids)
		}
	}
	before = keysBelow(t, b, repo.Deletable)
	result, err := r.Erase(ctx, repo.EraseInput{
		Collect: []repo.Class{root, leaf},
		Reach: func(_ context.Context, _ []repo.Ref, seen func(repo.Ref)) error {
			seen(public.Ref)
			return nil
		},
		Rewrite: func(ctx context.Context, view *repo.Repository, roots []repo.Ref) (map[repo.Ref]repo.Ref, error) {
			instead := map[repo.Ref]repo.Ref{}
			for _, old := range roots {
				stored, err := view.Put(ctx, root, [][]byte{[]byte("one")})
				if err != nil {
					return nil, err
				}
				instead[old] = stored.Ref
			}
			return instead, nil
		},
	})
	must(t, err)
	if result.Rewritten != 1 || result.Retained.Objects != 2 || result.Deleted.Objects != 0 {
		t.Errorf("%+v", result)
	}
	for _, key := range before {
		if _, ids := g.versionsOf(t, c, key); len(ids) > 0 && strings.Contains(key, "/table/") {
			t.Errorf("%s outlived the erasure: %v", key, ids)
		}
	}
	again, err := repo.Open(ctx, b, id)
	must(t, err)
	if _, err := b.Stat(ctx, private.Ref.Key()); err != nil {
		t.Errorf("the locked object: %v", err)
	}
	if err := b.Delete(ctx, private.Ref.Key()); !errors.Is(err, blob.ErrRetained) {
		t.Errorf("the locked object was deleted: %v", err)
	}
	if _, err := again.Verify(ctx, private.Ref, false); !errors.Is(err, repo.ErrNoKey) {
		t.Errorf("what is erased: %v", err)
	}
	if frames, err := again.Verify(ctx, public.Ref, false); err != nil || string(frames[0]) != "public" {
		t.Errorf("what is not erased: %q %v", frames, err)
	}
}

// TestABucketThatLocksKeysIsRefused makes a repository in a bucket that locks by itself whatever is put.
func TestABucketThatLocksKeysIsRefused(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, true, true)
	mode, validity, unit := minio.Compliance, uint(30), minio.Days
	must(t, g.raw.SetObjectLockConfig(t.Context(), c.Bucket, &mode, &validity, &unit))
	c.Unlocked = []string{repo.Deletable}
	b := g.open(t, c)
	err := b.Put(t.Context(), repo.Deletable+"key", []byte("key"))
	if problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
		t.Errorf("a key in a bucket that locks it: %v", err)
	}
	if keys := keysBelow(t, b, ""); len(keys) > 0 {
		t.Errorf("there is %q", keys)
	}
	must(t, b.Put(t.Context(), "data", []byte("data")))
}

// TestACommitLocksAgainWhatItTakesOver commits a root over an object whose lock is shorter than the one that is asked for now.
func TestACommitLocksAgainWhatItTakesOver(t *testing.T) {
	g := startGateway(t)
	r, _, c, id := lockedRepository(t, g)
	ctx := t.Context()
	const leaf, root repo.Class = "leaf", "root"
	old, err := r.Put(ctx, leaf, [][]byte{[]byte("old")})
	must(t, err)
	_, err = r.Commit(ctx, root, [][]byte{[]byte("first")}, []repo.Ref{old.Ref}, repo.Base{})
	must(t, err)
	c.Retention = 400 * time.Hour
	b := g.open(t, c)
	later, err := repo.Open(ctx, b, id)
	must(t, err)
	now := time.Now()
	second, err := later.Commit(ctx, root, [][]byte{[]byte("second")}, []repo.Ref{old.Ref}, repo.Base{})
	must(t, err)
	for _, ref := range []repo.Ref{old.Ref, second.Ref} {
		if end, err := b.LockedUntil(ctx, ref.Key()); err != nil || end.Before(now.Add(c.Retention)) {
			t.Errorf("%s is locked until %v, %v", ref, end, err)
		}
	}
}
