package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// below is a folder of a disk as a disk of its own.
type below struct {
	file.FS
	dir string
}

func (b below) Create(name string) (file.File, error) { return b.FS.Create(path.Join(b.dir, name)) }
func (b below) Open(name string) (file.Reader, error) { return b.FS.Open(path.Join(b.dir, name)) }
func (b below) Link(from, to string) error {
	return b.FS.Link(path.Join(b.dir, from), path.Join(b.dir, to))
}
func (b below) Remove(name string) error              { return b.FS.Remove(path.Join(b.dir, name)) }
func (b below) Mkdir(name string) error               { return b.FS.Mkdir(path.Join(b.dir, name)) }
func (b below) SyncDir(name string) error             { return b.FS.SyncDir(path.Join(b.dir, name)) }
func (b below) Stat(name string) (fs.FileInfo, error) { return b.FS.Stat(path.Join(b.dir, name)) }
func (b below) ReadDir(name string) ([]fs.DirEntry, error) {
	return b.FS.ReadDir(path.Join(b.dir, name))
}

// secondDir is where a second copy lies on a disk, so that both meet the same crash: what is below tmp/ is
// nothing to the repository beside it.
const secondDir = "tmp/copy"

func newDisk(t *testing.T) *blobtest.Disk {
	t.Helper()
	d := blobtest.NewDisk()
	if err := firstError(d.Mkdir("tmp"), d.SyncDir("."), d.Mkdir(secondDir), d.SyncDir("tmp")); err != nil {
		t.Fatal(err)
	}
	return d
}

// secondOn returns the place of the second copy on a disk.
func secondOn(d *blobtest.Disk) blob.Bucket { return file.New(below{d, secondDir}, "copy") }

// diskHolds is holds of the repository on a disk, unless it is known to be damaged, and of its copy.
func diskHolds(ctx context.Context, d *blobtest.Disk, kept promises) error {
	if !kept.broken {
		if err := holds(ctx, file.New(d, "disk"), kept); err != nil {
			return err
		}
	}
	return copyHolds(ctx, secondOn(d), kept)
}

// copyHolds returns what is wrong with the second copy: once there is one it holds what it was promised to.
func copyHolds(ctx context.Context, second blob.Bucket, kept promises) error {
	want := promises{erasing: kept.erasing}
	if kept.copied != nil {
		want = *kept.copied
		want.made, want.erasing = true, kept.erasing
	}
	if err := holds(ctx, second, want); err != nil {
		return fmt.Errorf("the copy: %w", err)
	}
	return nil
}

// copyOver brings the second copy up to date.
func copyOver(ctx context.Context, p *process, step int) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	before := p.kept
	before.copied = nil
	if _, err := s.Copy(ctx, repo.At(p.second), CopyOptions{Delete: step%2 == 0, Parallel: 1}, nil); err != nil {
		return err
	}
	p.kept.copied = &before
	return nil
}

// repair repairs the repository from the copy, where there is one.
func repair(ctx context.Context, p *process, _ int) error {
	_, err := Repair(ctx, repo.At(p.bucket), repo.At(p.second), sharedIdentity, RepairOptions{}, nil)
	if problem.KindOf(err) == problem.NoRepository && !p.kept.broken {
		return nil // there is no copy, or no repository yet
	}
	if err == nil {
		p.kept.broken = false
	}
	return err
}

// erasedID is the record that the protocol erases.
var erasedID = accountID(7)

// erase erases a record from all snapshots.
func erase(ctx context.Context, p *process, _ int) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	p.kept.erasing = true
	plan, err := s.PlanErase(ctx, []sf.ID{erasedID})
	resumed := problem.KindOf(err) == problem.NotFound
	switch {
	case err == nil:
		p.kept.approval = plan.Approval
	case resumed:
		plan.Approval, err = cmp.Or(p.kept.approval, "that of another one"), nil
	}
	var got Erased
	if err == nil {
		got, err = s.Erase(ctx, []sf.ID{erasedID}, plan.Approval)
	}
	switch {
	case resumed && p.kept.approval == "" && problem.KindOf(err) == problem.NotFound: // there was none
	case err != nil:
		return err
	case got.Read == 0:
		return errors.New("an erasure without a proof")
	}
	p.kept.snaps = slices.Clone(p.kept.snaps)
	for i := range p.kept.snaps {
		p.kept.snaps[i].erased = true
	}
	return nil
}

// sumOfOthers returns the digest and number of the records that are not erased, and whether one is that is.
func sumOfOthers(seq func(func(sf.Record, error) bool)) (digest state.Digest, n int64, there bool, err error) {
	var hasher state.Hasher
	for r, err := range seq {
		if err != nil {
			return digest, n, there, err
		}
		if r.ID == erasedID {
			there = true
			continue
		}
		digest = digest.Add(hasher.Hash(r))
		n++
	}
	return digest, n, there, nil
}

// readsErased is reads where somebody may have erased the record: the snapshot may have another ID, and
// then it is known by its time.
func readsErased(ctx context.Context, s *Store, p promise) error {
	found, err := atTime(ctx, s, p)
	if err != nil {
		return err
	}
	var first error
	for _, sn := range found {
		digest, n, there, err := sumOfOthers(sn.Records(ctx, "Account"))
		switch {
		case err != nil:
			return err
		case digest != p.rest || n != p.others:
			err = fmt.Errorf("%d other records of digest %s, want %d of %s", n, digest, p.others, p.rest)
		case there && p.erased:
			err = errors.New("it holds what was erased")
		default:
			err = filesErased(ctx, s, sn, p)
		}
		if err == nil {
			return nil
		}
		first = errors.Join(first, err)
	}
	return first
}

// filesErased compares the files of a snapshot, but for that of the record that somebody may have erased.
func filesErased(ctx context.Context, s *Store, sn *Snapshot, p promise) error {
	if p.holds.files == nil {
		return nil
	}
	const erased = 7
	got, err := readFiles(ctx, s, sn)
	if err != nil {
		return err
	}
	if _, there := got[erased]; there && p.erased {
		return errors.New("it holds the file of what was erased")
	}
	want := maps.Clone(p.holds.files)
	delete(want, erased)
	delete(got, erased)
	return sameFiles(got, want)
}

// atTime returns the snapshots that may be the promised one.
func atTime(ctx context.Context, s *Store, p promise) ([]*Snapshot, error) {
	infos, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Snapshot
	var illegible error
	for _, info := range infos {
		illegible = errors.Join(illegible, info.Damage)
		if info.ID != p.id && !info.Started.Equal(p.started()) {
			continue
		}
		sn, err := s.load(ctx, info.ID)
		if err != nil {
			return nil, err
		}
		found = append(found, sn)
	}
	if len(found) == 0 {
		return nil, errors.Join(fmt.Errorf("there is no snapshot of %v", p.started()), illegible)
	}
	return found, nil
}

func (p promise) started() time.Time { return day.Add(time.Duration(p.step) * time.Hour) }

// breaks are ways in which the repository of a fixture is damaged, to be repaired from its copy.
var breaks = []struct {
	name   string
	picks  func(key string) bool
	remove bool
}{
	{"segments are cut", func(key string) bool { return class(key) == "segment" }, false},
	{"manifests are missing", func(key string) bool { return class(key) == "snapshot" || class(key) == "schema" }, true},
	{"keys and config are cut", func(key string) bool {
		return class(key) == "config" || class(key) == "keys" && !strings.HasSuffix(key, closedMark)
	}, false},
	{"one of two tables is cut", func(key string) bool { return strings.Contains(key, "/table/") && !strings.HasSuffix(key, closedMark) }, false},
	{"all but the names of the keys is missing", func(key string) bool { return !strings.Contains(key, "/table/") }, true},
}

const closedMark = "/closed"

// broken returns the moment with the repository damaged in that way.
func (m moment) broken(t *testing.T, n int) moment {
	t.Helper()
	disk := m.disk.Fork()
	b := file.New(disk, "disk")
	for _, key := range keysOf(t, b) {
		if !breaks[n].picks(key) {
			continue
		}
		body := must(b.Get(t.Context(), key, 0, -1))
		err := b.Delete(t.Context(), key)
		if err == nil && !breaks[n].remove {
			err = b.Put(t.Context(), key, body[:len(body)/2])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m.disk, m.kept.broken = disk, true
	return m
}
