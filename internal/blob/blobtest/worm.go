package blobtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast/internal/blob"
)

// Worm is a bucket over another whose objects are locked for some time from when they are put: until then
// they are retained.
type Worm struct {
	blob.Bucket
	now  func() time.Time
	lock time.Duration

	mu    sync.Mutex
	until map[string]time.Time
}

// NewWorm returns a bucket over bucket that retains each object for that long.
func NewWorm(bucket blob.Bucket, now func() time.Time, lock time.Duration) *Worm {
	return &Worm{Bucket: bucket, now: now, lock: lock, until: make(map[string]time.Time)}
}

// Put stores and locks the object.
func (w *Worm) Put(ctx context.Context, key string, body []byte) error {
	err := w.Bucket.Put(ctx, key, body)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.until[key] = w.now().Add(w.lock)
	}
	return err
}

// Delete refuses what is locked.
func (w *Worm) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	until, locked := w.until[key]
	w.mu.Unlock()
	if locked && w.now().Before(until) {
		return fmt.Errorf("delete %s: %w", key, retained{until})
	}
	err := w.Bucket.Delete(ctx, key)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.until, key)
	}
	return err
}

// retained is a blob.ErrRetained with its end.
type retained struct{ until time.Time }

func (r retained) Error() string            { return "retained until " + r.until.Format(time.RFC3339) }
func (r retained) Is(target error) bool     { return target == blob.ErrRetained }
func (r retained) RetainedUntil() time.Time { return r.until }
