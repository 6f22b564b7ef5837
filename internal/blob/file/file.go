// Package file is a blob.Bucket in a directory of a local file system.
//
// It promises what blob.Bucket promises, given a file system that keeps what fsync acknowledged and
// links atomically (ext4, XFS, btrfs, ZFS, APFS; NFS when exported sync). An object is written to a
// name of its own under tmp/, its length is checked, it is fsynced and closed, then linked to its
// key, which fails if the key is taken, and the directory is fsynced. A reader therefore never sees
// part of an object under its key. An error of fsync is final for that file: it is never tried again
// on the same file, because the kernel may have dropped the pages it could not write.
//
// Where the medium cannot make links (FAT, some network shares) a bucket cannot be created.
//
// docs/format/repository.md, "Directory", is the specification.
package file

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// tmpDir holds files that are being written. A crash may leave some there; they are never read.
const tmpDir = "tmp"

// Bucket is a blob.Bucket in a directory.
type Bucket struct {
	fs   FS
	name string // where it is, for messages

	mu      sync.Mutex
	durable map[string]bool // directories whose own entry is known to be on disk
}

// Open returns the bucket in an existing directory. The error is a problem of kind NoRepository when
// there is no such directory.
func Open(dir string) (*Bucket, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, problem.Newf(problem.NoRepository, "there is no directory %s: %w", dir, err).
			Hint("check the path, and that the disk is mounted")
	}
	if err != nil {
		return nil, unreadable(fmt.Errorf("open directory %s: %w", dir, err))
	}
	return New(disk{root}, dir), nil
}

// Create makes the directory, with its parents, when it does not exist, and returns its bucket.
func Create(dir string) (*Bucket, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, classify(fmt.Errorf("create directory %s: %w", dir, err))
	}
	return Open(dir)
}

// New returns a bucket on any FS; name says in messages where it is.
func New(fsys FS, name string) *Bucket {
	return &Bucket{fs: fsys, name: name, durable: make(map[string]bool)}
}

// String returns where the bucket is.
func (b *Bucket) String() string { return b.name }

// Put stores the object; see blob.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := blob.CheckPut(key, body); err != nil {
		return err
	}
	if strings.HasPrefix(key, tmpDir+"/") {
		return fmt.Errorf("put %s: %s/ is reserved", key, tmpDir)
	}
	if err := b.put(key, body); err != nil {
		return classify(fmt.Errorf("put %s: %w", key, err))
	}
	return nil
}

func (b *Bucket) put(key string, body []byte) error {
	dir := path.Dir(key)
	for _, d := range []string{tmpDir, dir} {
		if err := b.makeDir(d); err != nil {
			return err
		}
	}
	// Looking first spares the writing of bytes that are there already; Link decides.
	if info, err := b.fs.Stat(key); err == nil {
		if !info.Mode().IsRegular() {
			return errors.New("the name is taken by something that is no object")
		}
		return b.existing(dir)
	}
	tmp := path.Join(tmpDir, nonce())
	if err := b.writeTemp(tmp, body); err != nil {
		_ = b.fs.Remove(tmp) // best effort: what stays behind is never read
		return err
	}
	err := b.fs.Link(tmp, key)
	_ = b.fs.Remove(tmp)
	if errors.Is(err, fs.ErrExist) {
		return b.existing(dir)
	}
	if err != nil {
		return err
	}
	return b.fs.SyncDir(dir)
}

// existing returns ErrExist once the entry of the object that is there is durable: whoever wrote it
// may not have come to that yet.
func (b *Bucket) existing(dir string) error {
	if err := b.fs.SyncDir(dir); err != nil {
		return err
	}
	return blob.ErrExist
}

// writeTemp writes the bytes to a new file, and returns nil only when they are on disk.
func (b *Bucket) writeTemp(name string, body []byte) error {
	f, err := b.fs.Create(name)
	if err != nil {
		return err
	}
	if err := fill(f, body); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func fill(f File, body []byte) error {
	n, err := f.Write(body)
	if err != nil {
		return err
	}
	if n != len(body) {
		return io.ErrShortWrite
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != int64(len(body)) {
		return fmt.Errorf("%d bytes on disk after writing %d", info.Size(), len(body))
	}
	return f.Sync()
}

// makeDir makes the directory and its parents below the root, and returns when their entries are on
// disk. One that exists may have been made a moment ago by a process that crashed before syncing,
// so each is synced once by this process too.
func (b *Bucket) makeDir(dir string) error {
	if dir == "." {
		return nil
	}
	b.mu.Lock()
	known := b.durable[dir]
	b.mu.Unlock()
	if known {
		return nil
	}
	parent := path.Dir(dir)
	if err := b.makeDir(parent); err != nil {
		return err
	}
	if err := b.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := b.fs.SyncDir(parent); err != nil {
		return err
	}
	b.mu.Lock()
	b.durable[dir] = true
	b.mu.Unlock()
	return nil
}

// Get returns a range of the object; see blob.Bucket.
func (b *Bucket) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	body, err := b.get(key, offset, length)
	if err != nil {
		return nil, classifyRead(fmt.Errorf("get %s: %w", key, notFound(err)))
	}
	return body, nil
}

func (b *Bucket) get(key string, offset, length int64) ([]byte, error) {
	if !blob.ValidKey(key) {
		return nil, fs.ErrNotExist
	}
	// Looking first: to open a pipe is to wait for whoever writes to it.
	info, err := b.fs.Stat(key)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	f, err := b.fs.Open(key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	from, to, err := blob.Range(info.Size(), offset, length)
	if err != nil {
		return nil, err
	}
	if to-from > blob.MaxObject {
		return nil, problem.Newf(problem.Damaged, "%d bytes, at most %d", to-from, blob.MaxObject)
	}
	body := make([]byte, to-from)
	n, err := f.ReadAt(body, from)
	if n == len(body) {
		return body, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// Stat returns the size of the object; see blob.Bucket.
func (b *Bucket) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := ctx.Err(); err != nil {
		return blob.Info{}, err
	}
	if !blob.ValidKey(key) {
		return blob.Info{}, fmt.Errorf("stat %s: %w", key, blob.ErrNotFound)
	}
	info, err := b.fs.Stat(key)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return blob.Info{}, classifyRead(fmt.Errorf("stat %s: %w", key, notFound(err)))
	}
	return blob.Info{Key: key, Size: info.Size()}, nil
}

// List yields the objects in the order of keys; see blob.Bucket. Files whose names are not keys, and
// everything under tmp/, are no objects.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		start := "."
		if i := strings.LastIndexByte(prefix, '/'); i > 0 {
			start = prefix[:i]
		}
		if start != "." && !blob.ValidKey(start) {
			return
		}
		b.walk(ctx, start, prefix, yield)
	}
}

// walk yields what is below dir and begins with prefix; it returns false when the listing is over. A
// directory with directories below is read again at its end, until there is nothing after what was
// visited: whatever is replaced meanwhile by something with a later key, one of the two is yielded.
func (b *Bucket) walk(ctx context.Context, dir, prefix string, yield func(blob.Info, error) bool) bool {
	for last, more := "", true; more; {
		entries, err := b.fs.ReadDir(dir)
		if errors.Is(notFound(err), blob.ErrNotFound) && dir != "." {
			return true
		}
		if err != nil {
			yield(blob.Info{}, classifyRead(fmt.Errorf("list %s: %w", dir, err)))
			return false
		}
		more = false
		for _, entry := range inKeyOrder(entries) {
			if sortKey(entry) <= last {
				continue
			}
			last = sortKey(entry)
			name := path.Join(dir, entry.Name())
			if !b.visit(ctx, name, entry.IsDir(), prefix, yield) {
				return false
			}
			more = more || entry.IsDir()
		}
	}
	return true
}

// visit yields the object of that name, or what is below it.
func (b *Bucket) visit(ctx context.Context, name string, isDir bool, prefix string, yield func(blob.Info, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(blob.Info{}, err)
		return false
	}
	switch {
	case name == tmpDir && isDir, !blob.ValidKey(name):
	case isDir && (strings.HasPrefix(name+"/", prefix) || strings.HasPrefix(prefix, name+"/")):
		return b.walk(ctx, name, prefix, yield)
	case !isDir && strings.HasPrefix(name, prefix):
		info, err := b.fs.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return true // deleted since the directory was read
		}
		if err != nil {
			yield(blob.Info{}, classifyRead(fmt.Errorf("list %s: %w", name, err)))
			return false
		}
		return !info.Mode().IsRegular() || yield(blob.Info{Key: name, Size: info.Size()}, nil)
	}
	return true
}

// Delete removes the object; see blob.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !blob.ValidKey(key) {
		return nil
	}
	err := b.fs.Remove(key)
	if errors.Is(notFound(err), blob.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = b.fs.SyncDir(path.Dir(key))
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// Sweep removes files that writers have left in tmp/ before the time; see blob.Sweeper. Whose file goes
// while it is at work finds nothing to link, and its Put fails.
func (b *Bucket) Sweep(ctx context.Context, before time.Time) (files int, bytes int64, err error) {
	entries, err := b.fs.ReadDir(tmpDir)
	if errors.Is(notFound(err), blob.ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("sweep %s: %w", tmpDir, err)
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return files, bytes, err
		}
		name := path.Join(tmpDir, entry.Name())
		if name == reserveName {
			continue
		}
		info, err := b.fs.Stat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || !info.ModTime().Before(before)) {
			continue
		}
		if err == nil {
			err = b.fs.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return files, bytes, fmt.Errorf("sweep %s: %w", name, err)
		}
		files, bytes = files+1, bytes+info.Size()
	}
	return files, bytes, nil
}

// Settle makes the entries of every directory durable; see blob.Settler. The contents of a file are before
// it has a name.
func (b *Bucket) Settle(ctx context.Context) error {
	dirs := []string{"."}
	for len(dirs) > 0 {
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := b.fs.ReadDir(dir)
		if err == nil {
			err = b.fs.SyncDir(dir)
		}
		if errors.Is(err, fs.ErrNotExist) && dir != "." {
			continue
		}
		if err != nil {
			return classify(fmt.Errorf("settle %s: %w", dir, err))
		}
		for _, entry := range entries {
			if name := path.Join(dir, entry.Name()); entry.IsDir() && name != tmpDir && blob.ValidKey(name) {
				dirs = append(dirs, name)
			}
		}
	}
	return nil
}

// nonce returns a name that no other writer uses.
func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program rather than return bad randomness
	return hex.EncodeToString(b[:])
}

func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return blob.ErrNotFound
	}
	return err
}

// classify gives the errors that an operator can act on their kind.
func classify(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return problem.Newf(problem.NoSpace, "%w", err).
			Hint("free space on the disk of the repository and run the command again; " +
				"what is stored already stays readable")
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return problem.Newf(problem.NoRepository, "%w", err).
			Hint("the directory of the repository must be writable by this user")
	}
	return err
}

// classifyRead does for reading what classify does for writing.
func classifyRead(err error) error {
	switch {
	case errors.Is(err, syscall.EIO):
		return problem.Newf(problem.Damaged, "%w", err).
			Hint("the disk does not give the bytes back: save the repository to another disk before anything else")
	case errors.Is(err, fs.ErrPermission):
		return unreadable(err)
	}
	return err
}

func unreadable(err error) error {
	return problem.Newf(problem.NoRepository, "%w", err).
		Hint("the directory of the repository and all in it must be readable by this user")
}

// inKeyOrder sorts entries so that walking them yields keys in byte order: a directory sorts as its
// name with the slash that its keys continue with.
func inKeyOrder(entries []fs.DirEntry) []fs.DirEntry {
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(sortKey(a), sortKey(b)) })
	return entries
}

func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
