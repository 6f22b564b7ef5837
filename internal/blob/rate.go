package blob

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"
)

// Rate is a bucket through which no more than so many bytes a second go, up and down together: a backup
// leaves room on the line for others. Requests themselves are not counted.
type Rate struct {
	bucket    Bucket
	perSecond int64
	pace      Pace

	mu   sync.Mutex
	free time.Time // when all that was let through so far is through
}

// NewRate returns a bucket over bucket that moves at most perSecond bytes a second, which is at least 1.
func NewRate(bucket Bucket, perSecond int64, pace Pace) *Rate {
	return &Rate{bucket: bucket, perSecond: max(perSecond, 1), pace: pace}
}

// String returns where the bucket is.
func (r *Rate) String() string { return fmt.Sprint(r.bucket) }

// wait waits until so many bytes may go, after all that were let through before.
func (r *Rate) wait(ctx context.Context, bytes int) error {
	r.mu.Lock()
	now := r.pace.Now()
	if r.free.Before(now) {
		r.free = now
	}
	r.free = r.free.Add(time.Duration(float64(bytes) / float64(r.perSecond) * float64(time.Second)))
	until := r.free
	r.mu.Unlock()
	if d := until.Sub(now); d > 0 {
		return r.pace.Sleep(ctx, d)
	}
	return ctx.Err()
}

// Put stores the object when its bytes may go; see Bucket.
func (r *Rate) Put(ctx context.Context, key string, body []byte) error {
	if err := r.wait(ctx, len(body)); err != nil {
		return err
	}
	return r.bucket.Put(ctx, key, body)
}

// Get reads a range, and returns it when its bytes may have come; see Bucket.
func (r *Rate) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	body, err := r.bucket.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, len(body)); err != nil {
		return nil, err
	}
	return body, nil
}

// Stat returns the size of the object; see Bucket.
func (r *Rate) Stat(ctx context.Context, key string) (Info, error) { return r.bucket.Stat(ctx, key) }

// List yields the objects; see Bucket.
func (r *Rate) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return r.bucket.List(ctx, prefix)
}

// Delete removes the object; see Bucket.
func (r *Rate) Delete(ctx context.Context, key string) error { return r.bucket.Delete(ctx, key) }
