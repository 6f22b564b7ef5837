package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
)

// reserveName is the file that holds room back. What it says is of no meaning.
const reserveName = tmpDir + "/reserve"

// reserveChunk is how much of a reserve is written at once.
const reserveChunk = 1 << 20

// Reserve holds room back in a file; see blob.Reserver. The bytes are random, so that no file system saves them.
func (b *Bucket) Reserve(ctx context.Context, size int64) error {
	if info, err := b.fs.Stat(reserveName); err == nil && info.Mode().IsRegular() {
		if info.Size() >= size {
			return nil
		}
		if _, err := b.Unreserve(ctx); err != nil {
			return err
		}
	}
	err := b.makeDir(tmpDir)
	if err == nil {
		err = b.fillReserve(ctx, size)
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrExist): // another process is at it
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT): // what could be written is held
	default:
		return fmt.Errorf("reserve room in %s: %w", path.Base(reserveName), err)
	}
	return nil
}

func (b *Bucket) fillReserve(ctx context.Context, size int64) error {
	f, err := b.fs.Create(reserveName)
	if err != nil {
		return err
	}
	for left := size; left > 0 && err == nil; left -= reserveChunk {
		if err = ctx.Err(); err != nil {
			break
		}
		chunk := make([]byte, min(left, reserveChunk))
		_, _ = rand.Read(chunk)
		_, err = f.Write(chunk)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// Unreserve gives the room up; see blob.Reserver. File systems with a log give it to others once the log is written,
// which the sync of the directory brings about.
func (b *Bucket) Unreserve(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err := b.fs.Remove(reserveName)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = b.fs.SyncDir(tmpDir)
	}
	if err != nil {
		return false, fmt.Errorf("give up the reserve: %w", err)
	}
	return true, nil
}
