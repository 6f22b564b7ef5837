// Package blob is the medium under a repository: a place where bytes are put once under a key and
// never changed. It knows nothing of what the bytes mean.
//
// Bucket is the contract; blobtest holds the conformance suite that every implementation passes.
// Memory is the implementation for tests, blob/file the one for a directory, blob/s3 the one for an
// object store. Around any bucket Retry repeats what fails, Rate bounds the bytes a second, Invariant
// watches what buckets and their users owe each other, and Fault makes chosen operations fail.
package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// MaxObject is the largest object in bytes that a bucket takes. Everything above is split by the
// caller, so that an object always fits in memory and a write can be repeated from its bytes.
const MaxObject = 64 << 20

// ErrExist is the error of a Put whose key is taken. The object under the key is as durable as if
// this Put had written it; whether it has the same bytes is for the caller to find out.
var ErrExist = errors.New("object exists already")

// ErrNotFound is the error for a key under which there is no object.
var ErrNotFound = errors.New("no such object")

// ErrRetained is the error of a Delete that the medium refuses for now, because a lock or a hold is on the
// object: nothing changed. It is an expected state and no failure; an error that wraps it may have a
// method RetainedUntil() time.Time that says for how long, the zero time when that is not known.
var ErrRetained = errors.New("object is retained")

// Info says what a listing knows of an object.
type Info struct {
	Key  string
	Size int64 // bytes
}

// Bucket keeps objects under keys. Every method may be called from several goroutines, and several
// processes may use the same bucket at once.
//
// A key is one to eight elements joined by "/"; see ValidKey. Where "a" is an object there is no
// "a/b", and the other way round: a Put of the second is an error. Errors wrap ErrExist, ErrNotFound
// or ErrRetained where they apply; a medium without room gives a problem of kind NoSpace, a medium that does not
// answer gives any other error.
type Bucket interface {
	// Put stores the object, whole or not at all, and only if there is none under the key. When it
	// returns nil or ErrExist the object survives a crash of the machine. When it returns another
	// error the object may be there, complete, or may be missing; it is never there in part.
	Put(ctx context.Context, key string, body []byte) error

	// Get returns length bytes of the object from offset, or fewer where the object ends before. A
	// negative length means up to the end. An offset at or past the end gives no bytes.
	Get(ctx context.Context, key string, offset, length int64) ([]byte, error)

	// Stat returns the size of the object.
	Stat(ctx context.Context, key string) (Info, error)

	// List yields every object whose key begins with prefix, in the order of keys. It yields an
	// error once, and stops, when the listing may be incomplete: an end without error means that
	// every object put before the call was yielded, unless it was deleted before the listing came to
	// its key. What is put during the call at a key that the listing has yet to come to is yielded, too.
	// An absent prefix is an empty listing.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes the object, durably. Deleting what is not there is success. The error wraps
	// ErrRetained when the object is locked: it stays, listed and readable.
	Delete(ctx context.Context, key string) error
}

// Sweeper is a Bucket in which writers that were cut short leave something that is no object.
type Sweeper interface {
	// Sweep removes what was left before the time, by the clock of the medium, and returns how much it was.
	// A writer that is so slow that its work is taken for a leftover gets an error from its Put; nothing
	// that was acknowledged is touched.
	Sweep(ctx context.Context, before time.Time) (files int, bytes int64, err error)
}

// Settler is a Bucket in which an object can be seen that would not survive a crash, because the Put of it
// has not returned, or has failed.
type Settler interface {
	// Settle returns when every object that could be seen when it was called survives a crash.
	Settle(ctx context.Context) error
}

// Reserver is a Bucket on a medium that others can fill up. It holds room back, so that a repository whose medium is full
// can still write what gives room back.
type Reserver interface {
	// Reserve holds back size bytes, or as many as there are; more that is held already stays.
	Reserve(ctx context.Context, size int64) error
	// Unreserve gives up what is held back, and reports whether there was any.
	Unreserve(ctx context.Context) (bool, error)
}

// Reserve is the Reserve of a bucket that is a Reserver, or that stands for one.
func Reserve(ctx context.Context, b Bucket, size int64) error {
	if s, ok := as[Reserver](b); ok {
		return s.Reserve(ctx, size)
	}
	return nil
}

// Unreserve is the Unreserve of a bucket that is a Reserver, or that stands for one.
func Unreserve(ctx context.Context, b Bucket) (bool, error) {
	if s, ok := as[Reserver](b); ok {
		return s.Unreserve(ctx)
	}
	return false, nil
}

// Sweep is the Sweep of a bucket that is a Sweeper, or that stands for one.
func Sweep(ctx context.Context, b Bucket, before time.Time) (files int, bytes int64, err error) {
	if s, ok := as[Sweeper](b); ok {
		return s.Sweep(ctx, before)
	}
	return 0, 0, nil
}

// Settle is the Settle of a bucket that is a Settler, or that stands for one.
func Settle(ctx context.Context, b Bucket) error {
	if s, ok := as[Settler](b); ok {
		return s.Settle(ctx)
	}
	return nil
}

// as returns the bucket, or the one that it stands for, as T.
func as[T any](b Bucket) (T, bool) {
	for {
		if s, ok := b.(T); ok {
			return s, true
		}
		u, ok := b.(interface{ Unwrap() Bucket })
		if !ok {
			var none T
			return none, false
		}
		b = u.Unwrap()
	}
}

// Limits of keys, so that they are names of files and of objects on every medium.
const (
	maxKey      = 255
	maxElements = 8
)

// ValidKey reports whether the key is one to eight non-empty elements of a-z, 0-9, "-", "_" and ".",
// joined by "/", none beginning with ".", at most 255 bytes in all.
func ValidKey(key string) bool {
	if key == "" || len(key) > maxKey || strings.Count(key, "/") >= maxElements {
		return false
	}
	for element := range strings.SplitSeq(key, "/") {
		if element == "" || element[0] == '.' {
			return false
		}
		for i := range len(element) {
			c := element[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
				return false
			}
		}
	}
	return true
}

// CheckPut returns the error of a Put that no bucket accepts: a bad key or too many bytes.
// Implementations call it first.
func CheckPut(key string, body []byte) error {
	if !ValidKey(key) {
		return fmt.Errorf("put %q: not a key", key)
	}
	if len(body) > MaxObject {
		return fmt.Errorf("put %s: %d bytes, at most %d", key, len(body), MaxObject)
	}
	return nil
}
