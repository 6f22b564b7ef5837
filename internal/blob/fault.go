package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// ErrInjected is the error of an operation that a Fault made fail.
var ErrInjected = errors.New("injected fault")

// Op is one operation as a Fault sees it, before the bucket does.
type Op struct {
	N    int    // position in the sequence of all operations, from 0
	Verb string // put, get, stat, list or delete
	Key  string // key or prefix
}

// Outcome says what becomes of an operation.
type Outcome int

const (
	// Pass lets the operation through.
	Pass Outcome = iota
	// Fail makes it fail without effect.
	Fail
	// Lose lets it take effect and then reports failure: the answer was lost.
	Lose
	// Halt makes it and every later operation fail: the process died before it.
	Halt
	// HaltAfter lets it take effect, then makes every later operation fail.
	HaltAfter
)

// Fault is a bucket that makes chosen operations of another bucket fail.
type Fault struct {
	bucket Bucket
	decide func(Op) Outcome
	err    error

	mu     sync.Mutex
	n      int
	halted bool
}

// NewFault returns a bucket over bucket that asks decide before each operation; failing operations
// return err, or ErrInjected when err is nil. Calls of decide do not overlap.
func NewFault(bucket Bucket, err error, decide func(Op) Outcome) *Fault {
	if err == nil {
		err = ErrInjected
	}
	return &Fault{bucket: bucket, decide: decide, err: err}
}

// String returns where the bucket is.
func (f *Fault) String() string { return fmt.Sprint(f.bucket) }

// Ops returns how many operations were asked for.
func (f *Fault) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// step returns whether the operation takes effect, and the error that it then reports.
func (f *Fault) step(verb, key string) (effect bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	op := Op{N: f.n, Verb: verb, Key: key}
	f.n++
	if f.halted {
		return false, f.err
	}
	switch f.decide(op) {
	case Fail:
		return false, f.err
	case Lose:
		return true, f.err
	case Halt:
		f.halted = true
		return false, f.err
	case HaltAfter:
		f.halted = true
	}
	return true, nil
}

// Put stores the object, or fails as decided.
func (f *Fault) Put(ctx context.Context, key string, body []byte) error {
	effect, lost := f.step("put", key)
	if !effect {
		return lost
	}
	err := f.bucket.Put(ctx, key, body)
	if lost != nil {
		return lost
	}
	return err
}

// Get reads a range, or fails as decided.
func (f *Fault) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if _, err := f.step("get", key); err != nil {
		return nil, err
	}
	return f.bucket.Get(ctx, key, offset, length)
}

// Stat returns the size of the object, or fails as decided.
func (f *Fault) Stat(ctx context.Context, key string) (Info, error) {
	if _, err := f.step("stat", key); err != nil {
		return Info{}, err
	}
	return f.bucket.Stat(ctx, key)
}

// List yields the objects, or fails as decided: Lose makes the listing end early with an error.
func (f *Fault) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		effect, lost := f.step("list", prefix)
		if effect {
			for info, err := range f.bucket.List(ctx, prefix) {
				if !yield(info, err) || err != nil {
					return
				}
				if lost != nil {
					break
				}
			}
		}
		if lost != nil {
			yield(Info{}, lost)
		}
	}
}

// Delete removes the object, or fails as decided.
func (f *Fault) Delete(ctx context.Context, key string) error {
	effect, lost := f.step("delete", key)
	if !effect {
		return lost
	}
	err := f.bucket.Delete(ctx, key)
	if lost != nil {
		return lost
	}
	return err
}
