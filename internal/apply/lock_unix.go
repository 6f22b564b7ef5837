//go:build unix

package apply

import (
	"errors"
	"os"
	"syscall"
	"time"

	"holdfast/internal/problem"
)

// lockPause is the time between two tries to lock a journal.
const lockPause = 20 * time.Millisecond

// lockFile takes the exclusive lock of the file, and waits that long for whoever has it. The kernel drops it when the
// process ends, however it ends.
func lockFile(f *os.File, patience time.Duration) error {
	for begun := time.Now(); ; time.Sleep(lockPause) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Since(begun) >= patience {
			return problem.New(problem.Locked, "another process is applying this plan, or putting automation back").
				Hint("wait for it to end, then run the same command again: it goes on from the journal")
		}
	}
}
