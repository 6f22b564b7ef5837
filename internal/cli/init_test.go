package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestInitsAtOnceKeepTheDailyKey runs several inits of one repository with one key file: whichever
// comes first, the key file opens what it made.
func TestInitsAtOnceKeepTheDailyKey(t *testing.T) {
	run := func(args ...string) int {
		return newApp(strings.NewReader(""), io.Discard, io.Discard).run(t.Context(), args)
	}
	for _, recovery := range []string{"each-%d", "one"} {
		for round := range 20 {
			dir := t.TempDir()
			place, key := filepath.Join(dir, "repository"), filepath.Join(dir, "daily.key")
			codes := make([]int, 4)
			var all sync.WaitGroup
			for i := range codes {
				all.Go(func() {
					name := recovery
					if strings.Contains(name, "%d") {
						name = fmt.Sprintf(name, i)
					}
					codes[i] = run("init", "--repo", place, "--key-file", key, "--recovery-key-file", filepath.Join(dir, name))
				})
			}
			all.Wait()
			made := 0
			for _, code := range codes {
				if code == 0 {
					made++
				}
			}
			if made > 1 {
				t.Fatalf("%s, round %d: %d inits made one repository: %v", recovery, round, made, codes)
			}
			if made == 1 && run("snapshots", "--repo", place, "--key-file", key) != 0 {
				t.Fatalf("%s, round %d: the key file does not open what was made: %v", recovery, round, codes)
			}
		}
	}
}
