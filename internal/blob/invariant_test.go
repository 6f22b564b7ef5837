package blob_test

import (
	"context"
	"errors"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
)

func TestInvariantPassesThrough(t *testing.T) {
	blobtest.Bucket(t, func(*testing.T) blob.Bucket {
		return blob.NewInvariant(&blob.Memory{}, blob.Rules{MayDelete: func(string) bool { return true }})
	})
}

// forgetful is a bucket that breaks its promises in one way.
type forgetful struct {
	blob.Memory
	overwrite, drop, alter bool
}

func (f *forgetful) Put(ctx context.Context, key string, body []byte) error {
	if f.overwrite {
		f.Corrupt(key, func([]byte) []byte { return nil })
	}
	err := f.Memory.Put(ctx, key, body)
	if f.drop {
		f.Corrupt(key, func([]byte) []byte { return nil })
	}
	if f.alter {
		f.Corrupt(key, func(b []byte) []byte { return append(b, 0) })
	}
	return err
}

func TestInvariantsAreWatched(t *testing.T) {
	ctx := t.Context()
	broken := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, blob.ErrInvariant) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b := blob.NewInvariant(&forgetful{overwrite: true}, blob.Rules{})
	if err := b.Put(ctx, "k", nil); err != nil {
		t.Fatal(err)
	}
	broken("overwritten", b.Put(ctx, "k", []byte("x")))
	broken("deleted", b.Delete(ctx, "k"))
	if _, err := b.Stat(ctx, "k"); err != nil {
		t.Errorf("it was deleted all the same: %v", err)
	}
	broken("not there", blob.NewInvariant(&forgetful{drop: true}, blob.Rules{}).Put(ctx, "k", nil))
	broken("altered", blob.NewInvariant(&forgetful{alter: true}, blob.Rules{}).Put(ctx, "k", nil))

	inner := &blob.Memory{}
	b = blob.NewInvariant(inner, blob.Rules{Refers: func(_ context.Context, key string) ([]string, error) {
		return map[string][]string{"whole": {"part"}}[key], nil
	}})
	broken("refers to nothing", b.Put(ctx, "whole", nil))
	if err := inner.Put(ctx, "part", nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "whole", nil); !errors.Is(err, blob.ErrExist) {
		t.Errorf("what it refers to is there, put by another: %v", err)
	}
}
