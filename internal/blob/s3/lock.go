package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// Retention is the lock on the latest version of an object. The zero value is no lock.
type Retention struct {
	Mode  string    // COMPLIANCE, GOVERNANCE or empty
	Until time.Time // no deletion before; whole seconds, by the clock of the store
	Hold  bool      // a legal hold, without an end
}

// RetainedError is the error of a Delete that Object Lock refused: nothing was changed, the object is
// listed and can be read as before. It is an expected state, not a failure of the store.
type RetainedError struct {
	Key string
	Retention
}

// Error says until when the object stays.
func (e *RetainedError) Error() string {
	switch {
	case e.Hold:
		return "delete " + e.Key + ": retained by a legal hold"
	case e.Until.IsZero():
		return "delete " + e.Key + ": retained by Object Lock"
	}
	return fmt.Sprintf("delete %s: retained by Object Lock (%s) until %s", e.Key, e.Mode, e.Until.Format(time.RFC3339))
}

// Is reports that it is a blob.ErrRetained.
func (e *RetainedError) Is(target error) bool { return target == blob.ErrRetained }

// RetainedUntil returns when the object can be deleted; the zero time when that is not known. A
// caller that does not know this package finds a retained object by this method.
func (e *RetainedError) RetainedUntil() time.Time {
	if e.Hold {
		return time.Time{}
	}
	return e.Until
}

// maxVersions bounds the versions of one key that a Delete removes. Put makes one; more come from
// other programs.
const maxVersions = 1000

// Delete removes the object with all its versions; see blob.Bucket. The error is a *RetainedError
// when a lock refuses that.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.first {
		return readOnly("delete " + key)
	}
	err := b.remove(ctx, key)
	if err == nil || absent(err) {
		return nil
	}
	return b.explain("delete "+key, err)
}

func (b *Bucket) remove(ctx context.Context, key string) error {
	info, err := b.head(ctx, key, "")
	if err != nil {
		return err
	}
	if info.VersionID == "" {
		return b.removeVersion(ctx, key, "")
	}
	versions, err := b.versions(ctx, key, info.VersionID)
	if err != nil {
		return err
	}
	// The oldest first: whenever this ends, the object is what it was or is gone, and an older
	// version never comes to light.
	for _, version := range slices.Backward(versions) {
		if err := b.removeVersion(ctx, key, version); err != nil {
			return err
		}
	}
	return nil
}

// versions returns the ids of all versions of the key, the latest first.
func (b *Bucket) versions(ctx context.Context, key, latest string) ([]string, error) {
	var ids []string
	err := b.try(ctx, func() error {
		ids = ids[:0]
		options := minio.ListObjectsOptions{Prefix: b.prefix + key, Recursive: true, WithVersions: true, MaxKeys: b.pageKeys}
		for version := range b.core.ListObjectsIter(ctx, b.bucket, options) {
			switch {
			case version.Err != nil:
				return version.Err
			case version.Key != options.Prefix:
				return nil // the key itself sorts before all that continue it
			case len(ids) == maxVersions:
				return settledError{fmt.Errorf("more than %d versions, which other programs made", maxVersions)}
			}
			ids = append(ids, version.VersionID)
		}
		return ctx.Err()
	})
	if refused, ok := errors.AsType[minio.ErrorResponse](err); ok && refused.StatusCode == http.StatusNotImplemented {
		return []string{latest}, nil
	}
	return ids, err
}

// removeVersion removes one version, or the object of a bucket without versions.
func (b *Bucket) removeVersion(ctx context.Context, key, version string) error {
	err := b.try(ctx, func() error {
		return b.core.RemoveObject(ctx, b.bucket, b.prefix+key, minio.RemoveObjectOptions{VersionID: version})
	})
	if err == nil || absent(err) {
		return nil
	}
	refused, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok || refused.StatusCode < 400 || refused.StatusCode >= 500 {
		return err
	}
	// Refused: is it the lock, or may we not delete at all?
	info, lookErr := b.head(ctx, key, version)
	lock := retentionOf(info)
	switch {
	case lookErr == nil && (lock.Hold || lock.Until.After(b.pace.now())):
		return &RetainedError{Key: key, Retention: lock}
	case strings.Contains(strings.ToLower(refused.Message), "object lock"):
		return &RetainedError{Key: key}
	}
	return err
}

// retentionOf reads the lock from the answer to a HEAD request.
func retentionOf(info minio.ObjectInfo) Retention {
	until, err := time.Parse(time.RFC3339, info.Headers.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	if err != nil {
		until = time.Time{}
	}
	return Retention{
		Mode:  info.Headers.Get("X-Amz-Object-Lock-Mode"),
		Until: until,
		Hold:  info.Headers.Get("X-Amz-Object-Lock-Legal-Hold") == "ON",
	}
}

// Retained returns the lock on the object; the error wraps blob.ErrNotFound when there is none.
func (b *Bucket) Retained(ctx context.Context, key string) (Retention, error) {
	if err := ctx.Err(); err != nil {
		return Retention{}, err
	}
	info, err := b.head(ctx, key, "")
	if err != nil {
		return Retention{}, b.explain("look at the lock of "+key, err)
	}
	return retentionOf(info), nil
}

// LocksUntil returns until when an object is locked that is put at that time; see blob.Locker.
func (b *Bucket) LocksUntil(at time.Time) time.Time {
	if b.retention == 0 {
		return time.Time{}
	}
	return wholeSecond(blob.LockEnd(at, b.retention))
}

// LockedUntil returns until when nobody can delete the object; see blob.Locker. A lock in another mode than
// COMPLIANCE is none: who has the right can lift it.
func (b *Bucket) LockedUntil(ctx context.Context, key string) (time.Time, error) {
	lock, err := b.Retained(ctx, key)
	if err != nil || lock.Mode != minio.Compliance.String() {
		return time.Time{}, err
	}
	return lock.Until, nil
}

// Retain locks the object in COMPLIANCE mode until that time at least. A lock that lasts as long
// already stays as it is: nothing is ever shortened. The error wraps blob.ErrNotFound when there is
// no object.
func (b *Bucket) Retain(ctx context.Context, key string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.first {
		return readOnly("lock " + key)
	}
	if err := b.retain(ctx, key, wholeSecond(until)); err != nil {
		return b.explain("lock "+key, err)
	}
	return nil
}

func (b *Bucket) retain(ctx context.Context, key string, until time.Time) error {
	lasting := func(info minio.ObjectInfo) bool {
		lock := retentionOf(info)
		return lock.Mode == minio.Compliance.String() && !lock.Until.Before(until)
	}
	info, err := b.head(ctx, key, "")
	if err != nil || lasting(info) {
		return err
	}
	mode := minio.Compliance
	err = b.try(ctx, func() error {
		return b.core.PutObjectRetention(ctx, b.bucket, b.prefix+key, minio.PutObjectRetentionOptions{
			Mode: &mode, RetainUntilDate: &until, VersionID: info.VersionID,
		})
	})
	// Look, whatever the answer was: another process may have locked it for longer in between, and a
	// store that knows no locks may have said yes to a request that it did not understand.
	now, lookErr := b.head(ctx, key, info.VersionID)
	switch {
	case lookErr == nil && lasting(now):
		return nil
	case err != nil:
		return err
	case lookErr != nil:
		return lookErr
	}
	return settledError{errors.New("the store said yes and keeps no such lock")}
}

// bareBucket returns an error when the bucket has a default retention, which locks every object that is put,
// those too that must stay deletable. A store that does not tell is taken at its word that it has none.
func (b *Bucket) bareBucket(ctx context.Context) error {
	b.mu.Lock()
	known := b.bare
	b.mu.Unlock()
	if known {
		return nil
	}
	var mode *minio.RetentionMode
	err := b.try(ctx, func() (err error) {
		_, mode, _, _, err = b.core.GetObjectLockConfig(ctx, b.bucket)
		return err
	})
	_, answered := errors.AsType[minio.ErrorResponse](err)
	switch {
	case err != nil && !answered:
		return b.explain("look at the default retention of "+b.name, err)
	case err == nil && mode != nil && mode.IsValid():
		return problem.Newf(problem.Usage, "%s locks by itself whatever is put: keys could not be destroyed, so that nothing could be erased", b.name).
			Hint("take the default retention away from the bucket; retain-days in the location locks what is to be locked")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bare = true
	return nil
}

// absent reports whether there is no object, or no such version.
func absent(err error) bool {
	if errors.Is(err, blob.ErrNotFound) {
		return true
	}
	refused, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && (refused.Code == minio.NoSuchKey || refused.Code == minio.NoSuchVersion)
}
