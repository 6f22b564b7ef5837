package blobtest

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"holdfast/internal/blob/file"
)

// ErrCrashed is the error of every operation on a Disk from its crash on.
var ErrCrashed = errors.New("the machine has crashed")

// Call is one operation as the one who interferes sees it, before the disk does.
type Call struct {
	N    int    // position among the operations that change something, or among the others; from 0
	Verb string // create, write, sync, link, remove, mkdir, syncdir; open, read, stat, size, list
	Name string // temporary files are "tmp/*", but for the reserve
}

// Changes reports whether the operation changes something.
func (c Call) Changes() bool {
	switch c.Verb {
	case "open", "read", "stat", "size", "list":
		return false
	}
	return true
}

// Fault is what becomes of an operation; the zero value lets it be.
type Fault struct {
	Err    error // what it reports
	Effect bool  // it happens although it reports an error
	Half   bool  // a write stores half of its bytes and says so, without an error
	Lie    bool  // a write stores half of its bytes and claims all
}

// Disk is a file.FS in memory that keeps apart what was written and what was synced.
type Disk struct {
	mu        sync.Mutex
	root      *node
	seq       int // of changes, for the order in which they may reach the medium
	ops       int // that change something
	looks     int // that do not
	crashAt   int // operation before which the machine crashes; -1 for never
	limit     int // bytes that there is room for; 0 for any number
	interfere func(Call) Fault
	record    func(fork func() *Disk)
	trace     []string
}

type node struct {
	dir      bool
	children map[string]*node // as programs see them
	durable  map[string]*node // as a crash leaves them
	pending  []change         // to durable, by syncing; oldest first
	data     []byte
	synced   int     // bytes that a crash keeps
	writes   []write // since the last sync
	lost     bool    // a sync failed: the pages were dropped, and no later sync brings them back
}

// change is one of a directory; a nil node is a removal.
type change struct {
	seq  int
	name string
	to   *node
}

func (c change) apply(entries map[string]*node) {
	if c.to == nil {
		delete(entries, c.name)
		return
	}
	entries[c.name] = c.to
}

type write struct{ seq, end int }

func newDir() *node {
	return &node{dir: true, children: make(map[string]*node), durable: make(map[string]*node)}
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{root: newDir(), crashAt: -1} }

// CrashAt makes the machine crash before the n-th operation that changes something, from 0.
func (d *Disk) CrashAt(n int) { d.crashAt = n }

// Interfere has every operation decided by fn first; calls of fn do not overlap.
func (d *Disk) Interfere(fn func(Call) Fault) { d.interfere = fn }

// FailAt makes the n-th operation that changes something fail with err; with sticky all later ones
// that need room fail too.
func (d *Disk) FailAt(n int, err error, sticky bool) {
	d.Interfere(func(c Call) Fault {
		room := c.Verb != "remove" && c.Verb != "syncdir"
		if c.Changes() && (c.N == n || sticky && room && c.N > n) {
			return Fault{Err: err}
		}
		return Fault{}
	})
}

// entryRoom is what the name and the description of a file or directory take of the room.
const entryRoom = 256

// Limit gives the disk room for so many bytes, entries included; calls that need more fail as on a full disk.
func (d *Disk) Limit(bytes int) { d.limit = bytes }

// Used returns how many bytes of the room are taken.
func (d *Disk) Used() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.root.room(make(map[*node]bool))
}

func (n *node) room(seen map[*node]bool) int {
	sum := 0
	if !seen[n] {
		sum, seen[n] = len(n.data), true
	}
	for _, c := range n.children {
		sum += entryRoom + c.room(seen)
	}
	return sum
}

// left is how many bytes there is room for.
func (d *Disk) left() int { return max(0, d.limit-d.root.room(make(map[*node]bool))) }

// Record calls fn before every operation that changes something. Within fn, fork gives the disk as it is
// then: a crash there is a crash of that image, so that one run has every point of itself.
func (d *Disk) Record(fn func(fork func() *Disk)) { d.record = fn }

// Ops returns the number of operations so far that change something.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Looks returns the number of operations so far that change nothing.
func (d *Disk) Looks() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.looks
}

// Trace returns the operations so far that change something, one a line: the durability protocol,
// readable.
func (d *Disk) Trace() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.trace, "\n")
}

// Fork returns a disk in the same state, unsynced changes included, that shares nothing which can
// change.
func (d *Disk) Fork() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fork()
}

func (d *Disk) fork() *Disk {
	after := NewDisk()
	after.seq, after.limit = d.seq, d.limit
	after.root = copyNode(d.root, make(map[*node]*node))
	return after
}

func copyNode(n *node, done map[*node]*node) *node {
	if n == nil {
		return nil
	}
	if after, found := done[n]; found {
		return after
	}
	after := &node{
		dir: n.dir, data: n.data[:len(n.data):len(n.data)], synced: n.synced,
		writes: n.writes[:len(n.writes):len(n.writes)], lost: n.lost,
	}
	done[n] = after
	if n.dir {
		after.children, after.durable = copyEntries(n.children, done), copyEntries(n.durable, done)
		for _, c := range n.pending {
			after.pending = append(after.pending, change{c.seq, c.name, copyNode(c.to, done)})
		}
	}
	return after
}

func copyEntries(entries map[string]*node, done map[*node]*node) map[string]*node {
	after := make(map[string]*node, len(entries))
	for name, n := range entries {
		after[name] = copyNode(n, done)
	}
	return after
}

// Fingerprint returns a number that is the same, within this process, for disks that programs cannot
// tell apart.
func (d *Disk) Fingerprint() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var h maphash.Hash
	h.SetSeed(printSeed)
	return d.root.print(&h, "")
}

var printSeed = maphash.MakeSeed()

// print adds up, in any order, what each name below the node stands for.
func (n *node) print(h *maphash.Hash, name string) uint64 {
	if !n.dir {
		h.Reset()
		_, _ = h.WriteString(name)
		_ = h.WriteByte(0)
		_, _ = h.Write(n.data)
		return h.Sum64()
	}
	h.Reset()
	_, _ = h.WriteString(name)
	_ = h.WriteByte('/')
	sum := h.Sum64()
	for child, c := range n.children {
		sum += c.print(h, name+"/"+child)
	}
	return sum
}

// step counts an operation and returns what becomes of it.
func (d *Disk) step(verb, name string) Fault {
	if d.crashed() {
		return Fault{Err: ErrCrashed}
	}
	c := Call{N: d.looks, Verb: verb, Name: name}
	if c.Changes() {
		if d.record != nil {
			d.record(d.fork)
		}
		c.N = d.ops
		d.ops++
		d.seq++
		d.trace = append(d.trace, verb+" "+name)
		if d.crashAt >= 0 && c.N >= d.crashAt {
			return Fault{Err: ErrCrashed}
		}
	} else {
		d.looks++
	}
	if d.limit > 0 && (verb == "create" || verb == "mkdir" || verb == "link") && d.left() < entryRoom {
		return Fault{Err: &fs.PathError{Op: verb, Path: name, Err: syscall.ENOSPC}}
	}
	if d.interfere == nil {
		return Fault{}
	}
	f := d.interfere(c)
	if f.Err != nil {
		f.Err = &fs.PathError{Op: verb, Path: name, Err: f.Err}
	}
	return f
}

func (d *Disk) crashed() bool { return d.crashAt >= 0 && d.ops > d.crashAt }

func (d *Disk) find(name string) (*node, error) {
	n := d.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.dir {
			return nil, &fs.PathError{Op: "find", Path: name, Err: syscall.ENOTDIR}
		}
		child, found := n.children[part]
		if !found {
			return nil, &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
		}
		n = child
	}
	return n, nil
}

// insert gives the node a name, which must be free.
func (d *Disk) insert(name string, n *node) error {
	parent, err := d.find(path.Dir(name))
	if err != nil {
		return err
	}
	if _, taken := parent.children[path.Base(name)]; taken {
		return &fs.PathError{Op: "insert", Path: name, Err: fs.ErrExist}
	}
	d.enter(parent, path.Base(name), n)
	return nil
}

// enter changes an entry of a directory.
func (d *Disk) enter(parent *node, name string, n *node) {
	c := change{d.seq, name, n}
	c.apply(parent.children)
	parent.pending = append(parent.pending, c)
}

// Create implements file.FS.
func (d *Disk) Create(name string) (file.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.step("create", anonymous(name))
	if f.Err != nil && !f.Effect {
		return nil, f.Err
	}
	n := &node{}
	if err := d.insert(name, n); err != nil {
		return nil, err
	}
	if f.Err != nil {
		return nil, f.Err
	}
	return &writer{disk: d, node: n, name: anonymous(name)}, nil
}

// anonymous leaves the random names of temporary files out of the trace.
func anonymous(name string) string {
	if strings.HasPrefix(name, "tmp/") && name != "tmp/reserve" {
		return "tmp/*"
	}
	return name
}

// Open implements file.FS.
func (d *Disk) Open(name string) (file.Reader, error) {
	n, err := d.look("open", name)
	if err != nil {
		return nil, err
	}
	return &opened{disk: d, node: n, name: name, data: n.data[:len(n.data):len(n.data)]}, nil
}

// look finds a node for an operation that changes nothing.
func (d *Disk) look(verb, name string) (*node, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.step(verb, anonymous(name)); f.Err != nil {
		return nil, f.Err
	}
	return d.find(name)
}

// change makes an operation on names: it happens unless a fault says no.
func (d *Disk) change(verb, what string, effect func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.step(verb, what)
	if f.Err != nil && !f.Effect {
		return f.Err
	}
	if err := effect(); err != nil {
		return err
	}
	return f.Err
}

// Link implements file.FS.
func (d *Disk) Link(oldname, newname string) error {
	return d.change("link", anonymous(oldname)+" "+newname, func() error {
		n, err := d.find(oldname)
		if err != nil {
			return err
		}
		return d.insert(newname, n)
	})
}

// Remove implements file.FS.
func (d *Disk) Remove(name string) error {
	return d.change("remove", anonymous(name), func() error {
		n, err := d.find(name)
		if err != nil {
			return err
		}
		if len(n.children) > 0 {
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
		parent, err := d.find(path.Dir(name))
		if err == nil {
			d.enter(parent, path.Base(name), nil)
		}
		return err
	})
}

// Mkdir implements file.FS.
func (d *Disk) Mkdir(name string) error {
	return d.change("mkdir", name, func() error { return d.insert(name, newDir()) })
}

// SyncDir implements file.FS.
func (d *Disk) SyncDir(name string) error {
	return d.change("syncdir", name, func() error {
		n, err := d.find(name)
		if err == nil {
			n.durable, n.pending = maps.Clone(n.children), nil
		}
		return err
	})
}

// Stat implements file.FS.
func (d *Disk) Stat(name string) (fs.FileInfo, error) {
	n, err := d.look("stat", name)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n.dir, int64(len(n.data))}, nil
}

// ReadDir implements file.FS.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := d.look("list", name)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &fs.PathError{Op: "list", Path: name, Err: syscall.ENOTDIR}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var entries []fs.DirEntry
	for _, child := range slices.Sorted(maps.Keys(n.children)) {
		c := n.children[child]
		entries = append(entries, fs.FileInfoToDirEntry(info{child, c.dir, int64(len(c.data))}))
	}
	return entries, nil
}

type writer struct {
	disk *Disk
	node *node
	name string
}

// Write stores half of the bytes when it fails, as a full disk does.
func (w *writer) Write(b []byte) (int, error) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	f := w.disk.step("write", w.name)
	if errors.Is(f.Err, ErrCrashed) {
		return 0, f.Err
	}
	stored := b
	if f.Err != nil && !f.Effect || f.Half || f.Lie {
		stored = b[:len(b)/2]
	}
	if w.disk.limit > 0 && w.disk.left() < len(stored) {
		stored, f.Err = stored[:w.disk.left()], &fs.PathError{Op: "write", Path: w.name, Err: syscall.ENOSPC}
	}
	w.node.data = append(w.node.data, stored...)
	w.node.writes = append(w.node.writes, write{w.disk.seq, len(w.node.data)})
	if f.Lie {
		return len(b), nil
	}
	return len(stored), f.Err
}

// Sync drops the unsynced pages when it fails, and pretends success when it is called again.
func (w *writer) Sync() error {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if f := w.disk.step("sync", w.name); f.Err != nil {
		w.node.lost = true
		return f.Err
	}
	if !w.node.lost {
		w.node.synced, w.node.writes = len(w.node.data), nil
	}
	return nil
}

func (w *writer) Close() error { return nil }

func (w *writer) Stat() (fs.FileInfo, error) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if f := w.disk.step("size", w.name); f.Err != nil {
		return nil, f.Err
	}
	return info{w.name, false, int64(len(w.node.data))}, nil
}

type opened struct {
	disk *Disk
	node *node
	name string
	data []byte
}

func (o *opened) ReadAt(b []byte, off int64) (int, error) {
	o.disk.mu.Lock()
	f := o.disk.step("read", o.name)
	o.disk.mu.Unlock()
	if f.Err != nil {
		return 0, f.Err
	}
	if off >= int64(len(o.data)) {
		return 0, io.EOF
	}
	n := copy(b, o.data[off:])
	if f.Half {
		return n / 2, nil
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (o *opened) Close() error { return nil }

func (o *opened) Stat() (fs.FileInfo, error) {
	return info{"", o.node.dir, int64(len(o.data))}, nil
}

type info struct {
	name string
	dir  bool
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o700
	}
	return 0o400
}
func (i info) String() string { return fmt.Sprintf("%s %d", i.name, i.size) }
