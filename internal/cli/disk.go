package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"holdfast/internal/apply"
	"holdfast/internal/problem"
)

// onDisk gives an error of writing a file beside the repository its kind, and says what to do.
func onDisk(err error) error {
	switch {
	case noRoom(err):
		return onFullDisk(err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return problem.Newf(problem.Usage, "%w", err).Hint("name a place that this user may write to")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return problem.Newf(problem.Usage, "%w", err).Hint("name a file in a folder that is there")
	}
	return err
}

// onFullDisk gives the error of a command that found no room the kind of that, unless it has one: wherever it wrote, and
// be it what it prints.
func onFullDisk(err error) error {
	if problem.KindOf(err) != problem.Failed || !noRoom(err) {
		return err
	}
	return problem.Newf(problem.NoSpace, "%w", err).Hint("free space on that disk and run the command again")
}

// noRoom reports a full disk, a quota that is used up, or a file that may not grow (RLIMIT_FSIZE, or a file system with small files).
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// replaceFile writes a file whole, or not at all, and durably.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return onDisk(err)
	}
	err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says why
		return onDisk(fmt.Errorf("write %s: %w", path, err))
	}
	if err := apply.SyncDir(filepath.Dir(path)); err != nil {
		return onDisk(fmt.Errorf("write %s: %w", path, err))
	}
	return nil
}
