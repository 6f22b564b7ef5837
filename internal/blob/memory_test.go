package blob_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
)

func TestMemoryIsABucket(t *testing.T) {
	blobtest.Bucket(t, func(*testing.T) blob.Bucket { return &blob.Memory{} })
}

func TestFaultPassesThrough(t *testing.T) {
	blobtest.Bucket(t, func(*testing.T) blob.Bucket {
		return blob.NewFault(&blob.Memory{}, nil, func(blob.Op) blob.Outcome { return blob.Pass })
	})
}

func TestWormRetains(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	w := blobtest.NewWorm(&blob.Memory{}, func() time.Time { return now }, time.Hour)
	if err := w.Put(t.Context(), "k", nil); err != nil {
		t.Fatal(err)
	}
	err := w.Delete(t.Context(), "k")
	until, ok := errors.AsType[interface {
		error
		RetainedUntil() time.Time
	}](err)
	if !errors.Is(err, blob.ErrRetained) || !ok || !until.RetainedUntil().Equal(blob.LockEnd(now, time.Hour)) {
		t.Errorf("%v", err)
	}
	now = now.Add(time.Hour + 15*time.Minute)
	if err := w.Delete(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	blobtest.Bucket(t, func(*testing.T) blob.Bucket {
		return blobtest.NewWorm(&blob.Memory{}, func() time.Time { return now }, 0)
	})
}
