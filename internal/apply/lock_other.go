//go:build !unix

package apply

import (
	"errors"
	"os"
	"time"
)

// lockFile refuses: without a lock that ends with its process, two could apply one plan.
func lockFile(*os.File, time.Duration) error { return errors.New("no file locks on this system") }
