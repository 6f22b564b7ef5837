package cli

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

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

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// syncDir makes the names of a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
