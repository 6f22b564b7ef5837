package repo

import (
	"context"
	"errors"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// What is held back for a prune: two copies of the next generation of the key table must have room in it while those
// of the last are there. docs/format/repository.md, "Reserve".
const (
	reserveBytes     = 1 << 20
	reserveForObject = 160 // bytes: an object that waits for its deletion is named in the key table
)

// reserve holds room back for a prune of so many objects, as far as there is any. That it cannot be had is no failure
// of what was done before.
func (r *Repository) reserve(ctx context.Context, objects int) {
	_ = blob.Reserve(ctx, r.bucket, reserveBytes+reserveForObject*int64(objects))
}

// inReserve does what gives room back, and once more, in the room that is held back for it, when there is no other.
func (r *Repository) inReserve(ctx context.Context, f func() error) error {
	err := f()
	if problem.KindOf(err) != problem.NoSpace {
		return err
	}
	gained, failed := blob.Unreserve(ctx, r.bucket)
	if failed != nil {
		return errors.Join(err, failed)
	}
	if !gained {
		return err
	}
	defer r.reserve(ctx, 0)
	return f()
}
