//go:build unix

package apply

import (
	"errors"
	"os"
	"syscall"

	"holdfast/internal/problem"
)

// lockFile takes the exclusive lock of the file without waiting. The kernel drops it when the
// process ends, however it ends.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return problem.New(problem.Locked, "another process is applying this plan").
			Hint("wait for it to end, then run the same command again: it goes on from the journal")
	}
	return err
}
