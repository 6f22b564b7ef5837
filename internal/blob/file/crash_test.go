package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
	"holdfast/internal/problem"
)

func body(n int) []byte { return bytes.Repeat([]byte{byte(n + 1)}, 700*(n+1)) }

var crashKeys = []string{"config", "seg/aa/one", "seg/aa/two", "seg/bb/three", "snap/aa/four", "seg/aa/one"}

// putAll puts the objects until the first error, and returns which were acknowledged.
func putAll(ctx context.Context, b blob.Bucket) map[string][]byte {
	acked := make(map[string][]byte)
	for n, key := range crashKeys {
		switch err := b.Put(ctx, key, body(n)); {
		case err == nil:
			acked[key] = body(n)
		case !errors.Is(err, blob.ErrExist):
			return acked
		}
	}
	return acked
}

// survives returns what is wrong on the disk after a crash.
func survives(ctx context.Context, disk *blobtest.Disk, acked map[string][]byte) error {
	b := file.New(disk, "disk")
	for n, key := range crashKeys[:5] {
		got, err := b.Get(ctx, key, 0, -1)
		switch {
		case errors.Is(err, blob.ErrNotFound) && acked[key] == nil:
		case err != nil:
			return fmt.Errorf("%s: %w", key, err)
		case !bytes.Equal(got, body(n)):
			return fmt.Errorf("%s: %d bytes that were not put", key, len(got))
		}
	}
	for info, err := range b.List(ctx, "") {
		if err != nil {
			return err
		}
		if strings.HasPrefix(info.Key, "tmp/") {
			return fmt.Errorf("%s is listed", info.Key)
		}
	}
	return nil
}

// schedules crashes the machine before every operation and after the last, in every model, and calls
// report with what is wrong then. wrap may weaken the protocol.
func schedules(ctx context.Context, wrap func(file.FS) file.FS, seeds uint64, report func(where string, err error)) int {
	disk := blobtest.NewDisk()
	var images []*blobtest.Disk
	var promises []map[string][]byte
	acked := make(map[string][]byte)
	record := func(fork func() *blobtest.Disk) {
		images, promises = append(images, fork()), append(promises, maps.Clone(acked))
	}
	disk.Record(record)
	b := file.New(wrap(disk), "disk")
	for n, key := range crashKeys {
		if err := b.Put(ctx, key, body(n)); err == nil {
			acked[key] = body(n)
		}
	}
	record(disk.Fork)
	schedules := 0
	for at, image := range images {
		for model := range blobtest.Models {
			for seed := range seeds {
				if err := survives(ctx, image.Crash(model, seed), promises[at]); err != nil {
					report(fmt.Sprintf("crash before operation %d, %v, seed %d", at, model, seed), err)
				}
				schedules++
			}
		}
	}
	return schedules
}

func unchanged(f file.FS) file.FS { return f }

func TestWhatIsAcknowledgedSurvivesEveryCrash(t *testing.T) {
	n := schedules(t.Context(), unchanged, 32, func(where string, err error) { t.Errorf("%s: %v", where, err) })
	t.Logf("%d crash schedules", n)
}

// TestPutIsDoneAgainAfterEveryCrash lets the machine or the process die, puts everything again, and lets
// the machine die once more: what somebody else wrote and never synced is as durable as the rest.
func TestPutIsDoneAgainAfterEveryCrash(t *testing.T) {
	whole := blobtest.NewDisk()
	putAll(t.Context(), file.New(whole, "disk"))
	for at := range whole.Ops() {
		for model := range blobtest.Models {
			disk := blobtest.NewDisk()
			disk.CrashAt(at)
			putAll(t.Context(), file.New(disk, "disk"))
			after := disk.Crash(model, 1)
			acked := putAll(t.Context(), file.New(after, "disk"))
			for n, key := range crashKeys[:5] {
				acked[key] = body(n) // put now, or there already
			}
			if err := survives(t.Context(), after.Crash(blobtest.DropUnsynced, 2), acked); err != nil {
				t.Fatalf("crash before %d, %v, again: %v", at, model, err)
			}
		}
	}
}

// TestDeletionIsDurable deletes everything, and lets the machine die: nothing of it comes back, and what
// was not yet deleted is whole.
func TestDeletionIsDurable(t *testing.T) {
	disk := blobtest.NewDisk()
	left := putAll(t.Context(), file.New(disk, "disk"))
	b := file.New(disk, "disk")
	for _, key := range slices.Sorted(maps.Keys(left)) {
		var images []*blobtest.Disk
		disk.Record(func(fork func() *blobtest.Disk) { images = append(images, fork()) })
		if err := b.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		delete(left, key)
		for _, image := range append(images, disk.Fork()) {
			for model := range blobtest.Models {
				if err := survives(t.Context(), image.Crash(model, 3), left); err != nil {
					t.Fatalf("%v while %s is deleted: %v", model, key, err)
				}
			}
		}
		after := file.New(disk.Crash(blobtest.DropUnsynced, 0), "disk")
		if _, err := after.Get(t.Context(), key, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Fatalf("%s is back after its deletion: %v", key, err)
		}
	}
}

// weak leaves one step of the protocol out.
type weak struct {
	file.FS
	noSync    bool
	noDirSync func(dir string) bool
}

func (w weak) SyncDir(name string) error {
	if w.noDirSync != nil && w.noDirSync(name) {
		return nil
	}
	return w.FS.SyncDir(name)
}

func (w weak) Create(name string) (file.File, error) {
	f, err := w.FS.Create(name)
	if err != nil || !w.noSync {
		return f, err
	}
	return weakFile{f}, nil
}

type weakFile struct{ file.File }

func (weakFile) Sync() error { return nil }

func TestCrashSchedulesFindEveryMissingSync(t *testing.T) {
	for name, mutant := range map[string]weak{
		"file":           {noSync: true},
		"directory":      {noDirSync: func(d string) bool { return d == "seg/aa" }},
		"root directory": {noDirSync: func(d string) bool { return d == "." }},
		"class":          {noDirSync: func(d string) bool { return d == "seg" }},
	} {
		found := 0
		schedules(t.Context(), func(f file.FS) file.FS { m := mutant; m.FS = f; return m }, 4, func(string, error) { found++ })
		if found == 0 {
			t.Errorf("no crash schedule notices that the sync of the %s is missing", name)
		}
	}
}

func TestEveryFailureIsReportedAndHarmless(t *testing.T) {
	whole := blobtest.NewDisk()
	putAll(t.Context(), file.New(whole, "disk"))
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EMFILE, fs.ErrPermission} {
		for _, sticky := range []bool{false, true} {
			for at := range whole.Ops() {
				disk := blobtest.NewDisk()
				disk.FailAt(at, fault, sticky)
				b := file.New(disk, "disk")
				acked := make(map[string][]byte)
				for n, key := range crashKeys[:5] {
					err := b.Put(t.Context(), key, body(n))
					if err == nil {
						acked[key] = body(n)
					}
					full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
					if full && (problem.KindOf(err) != problem.NoSpace || problem.HintOf(err) == "") {
						t.Fatalf("a full disk is reported as %v: %v", problem.KindOf(err), err)
					}
				}
				for model := range blobtest.Models {
					if err := survives(t.Context(), disk.Crash(model, 9), acked); err != nil {
						t.Fatalf("%v at operation %d, sticky %v, %v: %v", fault, at, sticky, model, err)
					}
				}
			}
		}
	}
}

// TestEveryLookThatFailsIsReported makes each call that only looks fail in its turn: no answer is made of
// half of what is there.
func TestEveryLookThatFailsIsReported(t *testing.T) {
	disk := blobtest.NewDisk()
	acked := putAll(t.Context(), file.New(disk, "disk"))
	b := file.New(disk, "disk")
	for what, ask := range map[string]func() error{
		"get": func() error {
			got, err := b.Get(t.Context(), "seg/aa/one", 0, -1)
			if err == nil && !bytes.Equal(got, acked["seg/aa/one"]) {
				t.Errorf("%d wrong bytes", len(got))
			}
			return err
		},
		"stat": func() error { _, err := b.Stat(t.Context(), "seg/aa/one"); return err },
		"list": func() error {
			for _, err := range b.List(t.Context(), "") {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		from := disk.Looks()
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		for _, fault := range []blobtest.Fault{{Err: syscall.EIO}, {Err: syscall.EMFILE}, {Half: true}} {
			for n := range disk.Looks() - from {
				met := false
				base := disk.Looks()
				disk.Interfere(func(c blobtest.Call) blobtest.Fault {
					if c.Changes() || c.N != base+n || fault.Half && c.Verb != "read" {
						return blobtest.Fault{}
					}
					met = true
					return fault
				})
				err := ask()
				disk.Interfere(nil)
				if met && (err == nil || errors.Is(err, blob.ErrNotFound)) {
					t.Errorf("%s, look %d, %+v: %v", what, n, fault, err)
				}
			}
			from = disk.Looks()
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestADeletionThatFailsIsReported makes each call of a deletion fail.
func TestADeletionThatFailsIsReported(t *testing.T) {
	whole := blobtest.NewDisk()
	putAll(t.Context(), file.New(whole, "disk"))
	for n := range 2 {
		disk := whole.Fork()
		disk.FailAt(n, syscall.EIO, false)
		if err := file.New(disk, "disk").Delete(t.Context(), "config"); !errors.Is(err, syscall.EIO) {
			t.Errorf("call %d: %v", n, err)
		}
	}
}

func TestProtocolOfOnePut(t *testing.T) {
	disk := blobtest.NewDisk()
	if err := file.New(disk, "disk").Put(t.Context(), "segment/ab/x", []byte("x")); err != nil {
		t.Fatal(err)
	}
	const want = `mkdir tmp
syncdir .
mkdir segment
syncdir .
mkdir segment/ab
syncdir segment
create tmp/*
write tmp/*
sync tmp/*
link tmp/* segment/ab/x
remove tmp/*
syncdir segment/ab`
	if got := disk.Trace(); got != want {
		t.Errorf("a put does\n%s\nwant\n%s", got, want)
	}
}

func TestOpenOfNothing(t *testing.T) {
	if _, err := file.Open(t.TempDir() + "/none"); problem.KindOf(err) != problem.NoRepository {
		t.Errorf("%v, want no repository", err)
	}
}
