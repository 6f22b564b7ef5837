//go:build unix

package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/file"
)

// TestWhatIsNoFileIsNoObject puts other things under the key of an object: reading it neither waits
// nor leaves the directory.
func TestWhatIsNoFileIsNoObject(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"link out":  func(path string) error { return os.Symlink(secret, path) },
	} {
		dir := t.TempDir()
		b, err := file.Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(filepath.Join(dir, "key")); err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			_, err := b.Get(t.Context(), "key", 0, -1)
			got <- err
		}()
		select {
		case err := <-got:
			if !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: still reading", name)
		}
	}
}
