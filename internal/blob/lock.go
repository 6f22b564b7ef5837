package blob

import (
	"context"
	"time"
)

// Locker is a Bucket whose objects nobody can delete for some time after they were put.
type Locker interface {
	// LocksUntil returns until when an object is locked that is put at that time, the zero time when it is
	// not. See LockEnd.
	LocksUntil(at time.Time) time.Time

	// LockedUntil returns until when the object is locked, so that nobody can lift the lock; the zero time when it
	// is not. The error wraps ErrNotFound when there is no object.
	LockedUntil(ctx context.Context, key string) (time.Time, error)

	// Retain locks the object until that time at least. A lock that lasts as long already stays as it is:
	// nothing is ever shortened. The error wraps ErrNotFound when there is no object.
	Retain(ctx context.Context, key string, until time.Time) error
}

// AsLocker returns the bucket, or the one that it stands for, when that locks what is put now.
func AsLocker(b Bucket) (Locker, bool) {
	l, ok := as[Locker](b)
	return l, ok && !l.LocksUntil(time.Unix(0, 0)).IsZero()
}

// A lock lasts as long as it is wanted and up to a quarter more, 30 days at most, so that all that is put or
// renewed within one such period ends at once: docs/adr/0034-locks-are-renewed-in-periods.md.
const (
	lockPeriods   = 4
	maxLockPeriod = 30 * 24 * time.Hour
)

// LockEnd returns the end of a lock that begins at that time and has to last for the retention: the end of the
// period in which it begins, and the retention. It is the same for every time of one period, and the zero time for no
// retention.
func LockEnd(at time.Time, retention time.Duration) time.Time {
	if retention <= 0 {
		return time.Time{}
	}
	period := max(min(retention/lockPeriods, maxLockPeriod), 1)
	since := at.Sub(time.Unix(0, 0))
	over := since % period
	if over < 0 {
		over += period
	}
	return at.Add(period - over + retention).UTC()
}
