package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
)

// TestSweepRemovesOnlyWhatIsOld leaves an old and a new file of a writer beside an object.
func TestSweepRemovesOnlyWhatIsOld(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if files, _, err := b.Sweep(t.Context(), time.Now()); files != 0 || err != nil {
		t.Fatalf("%d files, %v, before there was any", files, err)
	}
	if err := b.Put(t.Context(), "segment/aa/x", []byte("object")); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(dir, "tmp", "old"), filepath.Join(dir, "tmp", "young")
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	files, bytes, err := b.Sweep(t.Context(), time.Now().Add(-24*time.Hour))
	if files != 1 || bytes != 4 || err != nil {
		t.Fatalf("%d files of %d bytes, %v", files, bytes, err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the old file is there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
	if body, err := b.Get(t.Context(), "segment/aa/x", 0, -1); err != nil || string(body) != "object" {
		t.Error(err)
	}
}

// swept is a disk on which everybody's temporary files are swept away before each operation of one kind.
type swept struct {
	*blobtest.Disk
	before string
	t      *testing.T
}

func (s swept) sweep(verb string) {
	if verb != s.before {
		return
	}
	if _, _, err := file.New(s.Disk, "disk").Sweep(s.t.Context(), time.Now()); err != nil {
		s.t.Error(err)
	}
}

func (s swept) Create(name string) (file.File, error) { s.sweep("create"); return s.Disk.Create(name) }

func (s swept) Link(from, to string) error { s.sweep("link"); return s.Disk.Link(from, to) }

func (s swept) Remove(name string) error { s.sweep("remove"); return s.Disk.Remove(name) }

func (s swept) SyncDir(name string) error { s.sweep("syncdir"); return s.Disk.SyncDir(name) }

// TestSweepNeverMakesAPutLie sweeps in the middle of a Put: it succeeds with the object there, or fails.
func TestSweepNeverMakesAPutLie(t *testing.T) {
	failed := 0
	for _, before := range []string{"create", "link", "remove", "syncdir"} {
		disk := blobtest.NewDisk()
		b := file.New(swept{disk, before, t}, "disk")
		if err := b.Put(t.Context(), "segment/aa/x", []byte("object")); err != nil {
			failed++
			continue
		}
		after := file.New(disk.Crash(blobtest.DropUnsynced, 1), "disk")
		if body, err := after.Get(t.Context(), "segment/aa/x", 0, -1); err != nil || string(body) != "object" {
			t.Fatalf("swept before %s: %q, %v", before, body, err)
		}
	}
	if failed != 1 {
		t.Errorf("%d puts failed, want the one whose file went before it was linked", failed)
	}
}
