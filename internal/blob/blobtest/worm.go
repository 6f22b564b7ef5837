package blobtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"holdfast/internal/blob"
)

// Worm is a bucket over another whose objects are locked for some time from when they are put (blob.LockEnd): until
// then they are retained.
type Worm struct {
	blob.Bucket
	now  func() time.Time
	lock time.Duration

	// Unlocked is what keys begin with whose objects are not locked.
	Unlocked string

	mu    sync.Mutex
	until map[string]time.Time
	asked int
}

// NewWorm returns a bucket over bucket that retains each object for that long at least.
func NewWorm(bucket blob.Bucket, now func() time.Time, lock time.Duration) *Worm {
	return &Worm{Bucket: bucket, now: now, lock: lock, until: make(map[string]time.Time)}
}

// Put stores and locks the object.
func (w *Worm) Put(ctx context.Context, key string, body []byte) error {
	err := w.Bucket.Put(ctx, key, body)
	if err == nil && (w.Unlocked == "" || !strings.HasPrefix(key, w.Unlocked)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.until[key] = w.LocksUntil(w.now())
	}
	return err
}

// LocksUntil returns until when an object is locked that is put at that time.
func (w *Worm) LocksUntil(at time.Time) time.Time { return blob.LockEnd(at, w.lock) }

// LockedUntil returns until when the object is locked.
func (w *Worm) LockedUntil(ctx context.Context, key string) (time.Time, error) {
	if _, err := w.Stat(ctx, key); err != nil {
		return time.Time{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.until[key], nil
}

// Retain locks the object until that time at least.
func (w *Worm) Retain(ctx context.Context, key string, until time.Time) error {
	if _, err := w.Stat(ctx, key); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.until[key].Before(until) {
		w.until[key] = until
	}
	return nil
}

// Shorten gives the object a lock that ends then, as no medium that keeps its word does.
func (w *Worm) Shorten(key string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until[key] = until
}

// Asked returns how often a lock was asked for or about since it was called before.
func (w *Worm) Asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.asked
	w.asked = 0
	return n
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
