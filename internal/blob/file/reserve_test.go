package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
)

// TestReserveIsHeldUntilItIsGivenUp: a reserve grows to what is asked for, is no object and no leftover, and goes once.
func TestReserveIsHeldUntilItIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(dir, "tmp", "reserve")
	for _, step := range []struct{ ask, has int64 }{{1_000, 1_000}, {500, 1_000}, {3 << 20, 3 << 20}, {1 << 20, 3 << 20}} {
		if err := b.Reserve(t.Context(), step.ask); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(held); err != nil || info.Size() != step.has {
			t.Fatalf("%d asked for: %v, %v", step.ask, info, err)
		}
	}
	for info, err := range b.List(t.Context(), "") {
		t.Errorf("%s is listed, %v", info.Key, err)
	}
	if n, _, err := b.Sweep(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d swept, %v", n, err)
	}
	for _, want := range []bool{true, false} {
		if had, err := b.Unreserve(t.Context()); had != want || err != nil {
			t.Errorf("given up %v, %v; want %v", had, err, want)
		}
	}
}

// TestReserveTakesWhatThereIs: on a disk that is nearly full the reserve is smaller, and nothing of it is an error.
func TestReserveTakesWhatThereIs(t *testing.T) {
	disk := blobtest.NewDisk()
	disk.Limit(5_000)
	b := file.New(disk, "disk")
	if err := b.Put(t.Context(), "config", make([]byte, 1_000)); err != nil {
		t.Fatal(err)
	}
	if err := b.Reserve(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	if info, err := disk.Stat("tmp/reserve"); err != nil || info.Size() < 2_000 || disk.Used() != 5_000 {
		t.Errorf("%v %v, %d used", info, err, disk.Used())
	}
	if err := b.Put(t.Context(), "more", nil); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if had, err := b.Unreserve(t.Context()); !had || err != nil {
		t.Error(had, err)
	}
	if err := b.Put(t.Context(), "more", make([]byte, 1_000)); err != nil {
		t.Error(err)
	}
}

// TestReserveSaysWhatFails: other faults of the disk than the end of its room are told.
func TestReserveSaysWhatFails(t *testing.T) {
	whole := blobtest.NewDisk()
	if err := file.New(whole, "disk").Reserve(t.Context(), 1_000); err != nil {
		t.Fatal(err)
	}
	for at := range whole.Ops() {
		disk := blobtest.NewDisk()
		disk.FailAt(at, syscall.EIO, false)
		if err := file.New(disk, "disk").Reserve(t.Context(), 1_000); !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: %v", at, err)
		}
	}
}
