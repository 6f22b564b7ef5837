//go:build unix

package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/file"
	"holdfast/internal/problem"
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

// TestTooLargeIsDamage makes a file larger than any object: that is damage, which one copy of a key table survives, and a
// verification goes on after.
func TestTooLargeIsDamage(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "key", []byte("bytes")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key")
	if err := errors.Join(os.Chmod(path, 0o600), os.Truncate(path, blob.MaxObject+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "key", 0, -1); problem.KindOf(err) != problem.Damaged {
		t.Error(err)
	}
	if part, err := b.Get(t.Context(), "key", 0, 5); err != nil || string(part) != "bytes" {
		t.Errorf("part: %q, %v", part, err)
	}
}

// TestReadingThatTheSystemRefusesSaysWhatToDo lets the system refuse every way of reading.
func TestReadingThatTheSystemRefusesSaysWhatToDo(t *testing.T) {
	for refusal, want := range map[error]problem.Kind{
		fs.ErrPermission: problem.NoRepository, syscall.EACCES: problem.NoRepository, syscall.EIO: problem.Damaged,
	} {
		b := file.New(refusing{err: &fs.PathError{Op: "open", Path: "key", Err: refusal}}, "place")
		_, get := b.Get(t.Context(), "key", 0, -1)
		_, stat := b.Stat(t.Context(), "key")
		var list error
		for _, err := range b.List(t.Context(), "") {
			list = err
		}
		for what, err := range map[string]error{"get": get, "stat": stat, "list": list} {
			if problem.KindOf(err) != want || problem.HintOf(err) == "" {
				t.Errorf("%s, %v: %v, %v (%s)", what, refusal, err, problem.KindOf(err), problem.HintOf(err))
			}
		}
	}
}

// refusing is a file system that lets nobody read.
type refusing struct {
	file.FS
	err error
}

func (r refusing) Open(string) (file.Reader, error)      { return nil, r.err }
func (r refusing) Stat(string) (fs.FileInfo, error)      { return nil, r.err }
func (r refusing) ReadDir(string) ([]fs.DirEntry, error) { return nil, r.err }
