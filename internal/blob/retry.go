package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"holdfast/internal/problem"
)

// Pace is time and chance for a bucket that waits, given from outside so that tests own them.
type Pace struct {
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Chance func() float64 // in [0, 1)
}

// Retry bounds how often an operation is made, and how long is waited in between.
const (
	retryAttempts  = 6
	retryFirstWait = 200 * time.Millisecond
	retryMaxWait   = 10 * time.Second
)

// Retry is a bucket over a medium that fails now and then and has no retries of its own, such as a share
// of a network: an operation that failed is made again, a few times, with growing waits. Errors that
// another attempt cannot change are returned at once: ErrExist, ErrNotFound, ErrRetained, and every
// problem with a kind. A put whose answer was lost and that is made again may give ErrExist, which is as good.
type Retry struct {
	bucket Bucket
	pace   Pace
}

// NewRetry returns a bucket over bucket that repeats what fails.
func NewRetry(bucket Bucket, pace Pace) *Retry { return &Retry{bucket: bucket, pace: pace} }

// String returns where the bucket is.
func (r *Retry) String() string { return fmt.Sprint(r.bucket) }

// final reports an error that another attempt cannot change.
func final(err error) bool {
	return errors.Is(err, ErrExist) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrRetained) ||
		errors.Is(err, ErrInvariant) ||
		problem.KindOf(err) != problem.Failed
}

// again waits after the n-th attempt failed, from 1; it returns nil when another is to be made, else the
// error to return.
func (r *Retry) again(ctx context.Context, n int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if n >= retryAttempts || final(err) {
		return err
	}
	d := min(retryFirstWait<<(n-1), retryMaxWait)
	return r.pace.Sleep(ctx, d/2+time.Duration(r.pace.Chance()*float64(d/2)))
}

func (r *Retry) try(ctx context.Context, op func() error) error {
	for n := 1; ; n++ {
		err := op()
		if err == nil {
			return nil
		}
		if err := r.again(ctx, n, err); err != nil {
			return err
		}
	}
}

// Put stores the object; see Bucket.
func (r *Retry) Put(ctx context.Context, key string, body []byte) error {
	return r.try(ctx, func() error { return r.bucket.Put(ctx, key, body) })
}

// Get reads a range; see Bucket.
func (r *Retry) Get(ctx context.Context, key string, offset, length int64) (body []byte, err error) {
	err = r.try(ctx, func() error {
		body, err = r.bucket.Get(ctx, key, offset, length)
		return err
	})
	return body, err
}

// Stat returns the size of the object; see Bucket.
func (r *Retry) Stat(ctx context.Context, key string) (info Info, err error) {
	err = r.try(ctx, func() error {
		info, err = r.bucket.Stat(ctx, key)
		return err
	})
	return info, err
}

// List yields the objects; see Bucket. A listing that breaks off goes on after the last key that it gave.
func (r *Retry) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		last := ""
		for n := 1; ; n++ {
			var failed error
			for info, err := range r.bucket.List(ctx, prefix) {
				if err != nil {
					failed = err
					break
				}
				if info.Key <= last {
					continue
				}
				last, n = info.Key, 1 // it moves
				if !yield(info, nil) {
					return
				}
			}
			if failed == nil {
				return
			}
			if err := r.again(ctx, n, failed); err != nil {
				yield(Info{}, err)
				return
			}
		}
	}
}

// Delete removes the object; see Bucket.
func (r *Retry) Delete(ctx context.Context, key string) error {
	return r.try(ctx, func() error { return r.bucket.Delete(ctx, key) })
}
