package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// ErrInvariant is the error of an operation that breaks what buckets and their users owe each other.
var ErrInvariant = errors.New("invariant broken")

// Rules are what an Invariant cannot know by itself. Nil functions allow nothing and refer to nothing.
type Rules struct {
	// MayDelete reports whether the object may be deleted.
	MayDelete func(key string) bool
	// Refers returns the keys of what an object that was just put refers to. It must not use the
	// Invariant.
	Refers func(ctx context.Context, key string) ([]string, error)
	// Fixed reports whether all that is ever put under the key is the same, so that it can be put again when
	// somebody else has deleted it. Nil is no key.
	Fixed func(key string) bool
}

// Invariant is a bucket that watches another and its user; docs/format/repository.md, "Invariants, and
// the order they ask for". It demands that
//
//   - no key that was acknowledged is given away a second time, unless it was deleted in between
//   - what was put is what is there
//   - what an object refers to was acknowledged before the object was put
//   - nothing is deleted but what may be
//
// What breaks it ends with an error that wraps ErrInvariant; deletions that may not be do not happen.
type Invariant struct {
	Bucket
	rules Rules

	mu    sync.Mutex
	n     int            // puts and deletions so far
	acked map[string]int // by key: after how many of them it was acknowledged
}

// NewInvariant watches the bucket.
func NewInvariant(bucket Bucket, rules Rules) *Invariant {
	return &Invariant{Bucket: bucket, rules: rules, acked: make(map[string]int)}
}

// String returns where the bucket is.
func (v *Invariant) String() string { return fmt.Sprint(v.Bucket) }

// tick counts an operation and returns its number.
func (v *Invariant) tick() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n++
	return v.n
}

// Put stores the object; see Bucket.
func (v *Invariant) Put(ctx context.Context, key string, body []byte) error {
	began := v.tick()
	v.mu.Lock()
	_, known := v.acked[key]
	v.mu.Unlock()
	err := v.Bucket.Put(ctx, key, body)
	if err != nil && !errors.Is(err, ErrExist) {
		return err
	}
	if err == nil {
		if known && (v.rules.Fixed == nil || !v.rules.Fixed(key)) {
			return fmt.Errorf("put %s: %w: it was there, and was overwritten", key, ErrInvariant)
		}
		if err := v.same(ctx, key, body); err != nil {
			return err
		}
	}
	if broken := v.referents(ctx, key, began); broken != nil {
		return broken
	}
	ended := v.tick()
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, known := v.acked[key]; !known {
		v.acked[key] = ended
	}
	return err
}

// same reads back what was put.
func (v *Invariant) same(ctx context.Context, key string, body []byte) error {
	got, err := v.Get(ctx, key, 0, -1)
	if err != nil {
		if errors.Is(err, ErrNotFound) && (v.rules.MayDelete == nil || !v.rules.MayDelete(key)) {
			return fmt.Errorf("put %s: %w: it is not there", key, ErrInvariant)
		}
		return nil // another may have deleted it since, or the medium does not answer: nothing is known, and the put was acknowledged
	}
	if !bytes.Equal(got, body) {
		return fmt.Errorf("put %s: %w: %d other bytes are there", key, ErrInvariant, len(got))
	}
	return nil
}

// referents returns an error unless everything that the object refers to was acknowledged before its put
// began, to this process or to another.
func (v *Invariant) referents(ctx context.Context, key string, began int) error {
	if v.rules.Refers == nil {
		return nil
	}
	keys, err := v.rules.Refers(ctx, key)
	if err != nil {
		return nil //nolint:nilerr // it cannot be read now; whoever reads it later finds out
	}
	for _, to := range keys {
		v.mu.Lock()
		at, known := v.acked[to]
		v.mu.Unlock()
		if known && at > began {
			return fmt.Errorf("put %s: %w: it refers to %s, which was put later", key, ErrInvariant, to)
		}
		if known {
			continue
		}
		if _, err := v.Stat(ctx, to); errors.Is(err, ErrNotFound) {
			return fmt.Errorf("put %s: %w: it refers to %s, which is not there", key, ErrInvariant, to)
		}
	}
	return nil
}

// List yields the objects; see Bucket.
func (v *Invariant) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		last := ""
		for info, err := range v.Bucket.List(ctx, prefix) {
			if err == nil && info.Key <= last {
				yield(Info{}, fmt.Errorf("list %q: %w: %s after %s", prefix, ErrInvariant, info.Key, last))
				return
			}
			last = info.Key
			if !yield(info, err) {
				return
			}
		}
	}
}

// Delete removes the object, if it may be; see Bucket.
func (v *Invariant) Delete(ctx context.Context, key string) error {
	if v.rules.MayDelete == nil || !v.rules.MayDelete(key) {
		return fmt.Errorf("delete %s: %w: it may not be deleted", key, ErrInvariant)
	}
	v.tick()
	err := v.Bucket.Delete(ctx, key)
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.acked, key) // deleted, or not known any more
	return err
}

// Unwrap returns the bucket that is watched.
func (v *Invariant) Unwrap() Bucket { return v.Bucket }
