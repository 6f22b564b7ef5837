package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/problem"
)

// patient is a pace that notes the waits instead of waiting.
func patient(waits *[]time.Duration) blob.Pace {
	return blob.Pace{
		Sleep: func(ctx context.Context, d time.Duration) error {
			*waits = append(*waits, d)
			return ctx.Err()
		},
		Chance: func() float64 { return 0.5 },
	}
}

func TestRetryIsABucket(t *testing.T) {
	blobtest.Bucket(t, func(*testing.T) blob.Bucket {
		n := 0
		fault := blob.NewFault(&blob.Memory{}, nil, func(blob.Op) blob.Outcome {
			if n++; n%3 == 0 {
				return blob.Fail
			}
			return blob.Pass
		})
		return blob.NewRetry(fault, patient(new([]time.Duration)))
	})
}

// TestRetryRepeatsWhatMayPass has each verb fail with and without effect.
func TestRetryRepeatsWhatMayPass(t *testing.T) {
	for _, outcome := range []blob.Outcome{blob.Fail, blob.Lose} {
		memory := &blob.Memory{}
		left := 0
		fault := blob.NewFault(memory, nil, func(blob.Op) blob.Outcome {
			if left--; left >= 0 {
				return outcome
			}
			return blob.Pass
		})
		var waits []time.Duration
		b := blob.NewRetry(fault, patient(&waits))
		ctx := t.Context()
		left = 3
		if err := b.Put(ctx, "a", []byte("x")); err != nil && !errors.Is(err, blob.ErrExist) {
			t.Errorf("put: %v", err)
		}
		if outcome == blob.Fail && !slices.IsSorted(waits) || len(waits) == 0 || waits[0] <= 0 {
			t.Errorf("the waits do not grow: %v", waits)
		}
		for i := range 5 {
			if err := memory.Put(ctx, fmt.Sprint("b", i), nil); err != nil {
				t.Fatal(err)
			}
		}
		left = 3
		if got, err := b.Get(ctx, "a", 0, -1); err != nil || !bytes.Equal(got, []byte("x")) {
			t.Errorf("get: %q, %v", got, err)
		}
		left = 3
		if info, err := b.Stat(ctx, "a"); err != nil || info.Size != 1 {
			t.Errorf("stat: %+v, %v", info, err)
		}
		left = 4 // a listing that moves has all its attempts again
		var keys []string
		for info, err := range b.List(ctx, "") {
			if err != nil {
				t.Errorf("list: %v", err)
			}
			keys = append(keys, info.Key)
		}
		if want := []string{"a", "b0", "b1", "b2", "b3", "b4"}; !slices.Equal(keys, want) {
			t.Errorf("list: %q", keys)
		}
		left = 3
		if err := b.Delete(ctx, "a"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
}

func TestRetryEnds(t *testing.T) {
	never := func(blob.Op) blob.Outcome { return blob.Fail }
	full := problem.New(problem.NoSpace, "full")
	for _, c := range []struct {
		err   error
		waits int
	}{{nil, 5}, {full, 0}, {blob.ErrExist, 0}, {blob.ErrNotFound, 0}} {
		var waits []time.Duration
		b := blob.NewRetry(blob.NewFault(&blob.Memory{}, c.err, never), patient(&waits))
		var listed error
		for _, err := range b.List(t.Context(), "") {
			listed = err
		}
		if len(waits) != c.waits || listed == nil {
			t.Errorf("list, %v: %d waits, %v", c.err, len(waits), listed)
		}
		waits = nil
		if err := b.Put(t.Context(), "a", nil); err == nil || len(waits) != c.waits {
			t.Errorf("put, %v: %d waits, %v", c.err, len(waits), err)
		}
	}
}
