package blobtest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
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

// Model says what a crash does to what was not synced.
type Model int

// The models of a crash. In each, what was synced survives.
const (
	DropUnsynced Model = iota // unsynced bytes and directory entries are gone
	KeepAll                   // only the process died
	LostEntries               // bytes are on disk, unsynced directory entries are gone
	Torn                      // unsynced bytes end at a random sector; entries survive at random
	Garbage                   // unsynced sectors hold anything; entries survive at random
	Zeroed                    // unsynced bytes read as zeros in their full length; entries survive at random
	Models                    // number of models
)

const sector = 512

// Disk is a file.FS in memory that keeps apart what was written and what was synced.
type Disk struct {
	mu      sync.Mutex
	root    *node
	ops     int
	crashAt int // operation before which the machine crashes; -1 for never
	failAt  int // operation that fails with fail; -1 for never
	fail    error
	sticky  bool // every later write fails as well
	trace   []string
}

type node struct {
	dir      bool
	children map[string]*node // as programs see them
	durable  map[string]*node // as a crash leaves them
	data     []byte
	synced   []byte
	lost     bool // a sync failed: the pages were dropped, and no later sync brings them back
}

func newDir() *node {
	return &node{dir: true, children: make(map[string]*node), durable: make(map[string]*node)}
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{root: newDir(), crashAt: -1, failAt: -1} }

// CrashAt makes the machine crash before the n-th operation that changes something, from 0.
func (d *Disk) CrashAt(n int) { d.crashAt = n }

// FailAt makes the n-th operation that changes something fail with err; with sticky all later ones
// that need room fail too.
func (d *Disk) FailAt(n int, err error, sticky bool) { d.failAt, d.fail, d.sticky = n, err, sticky }

// Ops returns the number of operations so far that change something.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Trace returns the operations so far, one a line: the durability protocol, readable.
func (d *Disk) Trace() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.trace, "\n")
}

// step counts an operation that changes something, and returns the error that it meets.
func (d *Disk) step(verb, name string, room bool) error {
	n := d.ops
	d.ops++
	d.trace = append(d.trace, verb+" "+name)
	switch {
	case d.crashAt >= 0 && n >= d.crashAt:
		return ErrCrashed
	case n == d.failAt, d.failAt >= 0 && d.sticky && room && n > d.failAt:
		return &fs.PathError{Op: verb, Path: name, Err: d.fail}
	}
	return nil
}

func (d *Disk) crashed() bool { return d.crashAt >= 0 && d.ops > d.crashAt }

// Crash returns the disk as the crash leaves it.
func (d *Disk) Crash(m Model, seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := crash{model: m, rand: rand.New(rand.NewPCG(seed, uint64(m))), done: make(map[*node]*node)}
	after := NewDisk()
	after.root = c.node(d.root)
	return after
}

type crash struct {
	model Model
	rand  *rand.Rand
	done  map[*node]*node // hard links stay one file
}

func (c *crash) node(n *node) *node {
	if after, found := c.done[n]; found {
		return after
	}
	after := &node{}
	c.done[n] = after
	if !n.dir {
		after.data = c.bytes(n)
		after.synced = slices.Clone(after.data)
		return after
	}
	*after = *newDir()
	for _, name := range slices.Sorted(maps.Keys(union(n.children, n.durable))) {
		child := n.durable[name]
		if now := n.children[name]; now != child && c.keepsEntry() {
			child = now
		}
		if child != nil {
			after.children[name] = c.node(child)
		}
	}
	after.durable = maps.Clone(after.children)
	return after
}

func union(a, b map[string]*node) map[string]*node {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}

// keepsEntry decides about a change of a directory that was not synced.
func (c *crash) keepsEntry() bool {
	switch c.model {
	case DropUnsynced, LostEntries:
		return false
	case KeepAll:
		return true
	default:
		return c.rand.IntN(2) == 0
	}
}

// bytes returns what is left of a file.
func (c *crash) bytes(n *node) []byte {
	if slices.Equal(n.data, n.synced) {
		return slices.Clone(n.synced)
	}
	after := slices.Clone(n.data)
	from := len(n.synced) // files only grow
	switch c.model {
	case DropUnsynced:
		return slices.Clone(n.synced)
	case Torn:
		return after[:from+min(len(after)-from, c.rand.IntN((len(after)-from)/sector+1)*sector)]
	case Zeroed:
		clear(after[from:])
	case Garbage:
		for i := from; i < len(after); i++ {
			after[i] = byte(c.rand.Uint32())
		}
	}
	return after
}

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

// insert gives the node a name.
func (d *Disk) insert(name string, n *node) error {
	parent, err := d.find(path.Dir(name))
	if err != nil {
		return err
	}
	if _, taken := parent.children[path.Base(name)]; taken {
		return &fs.PathError{Op: "insert", Path: name, Err: fs.ErrExist}
	}
	parent.children[path.Base(name)] = n
	return nil
}

// Create implements file.FS.
func (d *Disk) Create(name string) (file.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("create", anonymous(name), true); err != nil {
		return nil, err
	}
	n := &node{}
	if err := d.insert(name, n); err != nil {
		return nil, err
	}
	return &writer{disk: d, node: n, name: anonymous(name)}, nil
}

// anonymous leaves the random names of temporary files out of the trace.
func anonymous(name string) string {
	if strings.HasPrefix(name, "tmp/") {
		return "tmp/*"
	}
	return name
}

// Open implements file.FS.
func (d *Disk) Open(name string) (file.Reader, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed() {
		return nil, ErrCrashed
	}
	n, err := d.find(name)
	if err != nil {
		return nil, err
	}
	return &opened{node: n, data: slices.Clone(n.data)}, nil
}

// Link implements file.FS.
func (d *Disk) Link(oldname, newname string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("link", anonymous(oldname)+" "+newname, true); err != nil {
		return err
	}
	n, err := d.find(oldname)
	if err != nil {
		return err
	}
	return d.insert(newname, n)
}

// Remove implements file.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("remove", anonymous(name), false); err != nil {
		return err
	}
	if _, err := d.find(name); err != nil {
		return err
	}
	parent, err := d.find(path.Dir(name))
	if err != nil {
		return err
	}
	delete(parent.children, path.Base(name))
	return nil
}

// Mkdir implements file.FS.
func (d *Disk) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("mkdir", name, true); err != nil {
		return err
	}
	return d.insert(name, newDir())
}

// SyncDir implements file.FS.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("syncdir", name, false); err != nil {
		return err
	}
	n, err := d.find(name)
	if err != nil {
		return err
	}
	n.durable = maps.Clone(n.children)
	return nil
}

// Stat implements file.FS.
func (d *Disk) Stat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed() {
		return nil, ErrCrashed
	}
	n, err := d.find(name)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n.dir, int64(len(n.data))}, nil
}

// ReadDir implements file.FS.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed() {
		return nil, ErrCrashed
	}
	n, err := d.find(name)
	if err != nil {
		return nil, err
	}
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
	if err := w.disk.step("write", w.name, true); err != nil {
		if !errors.Is(err, ErrCrashed) {
			w.node.data = append(w.node.data, b[:len(b)/2]...)
		}
		return len(b) / 2, err
	}
	w.node.data = append(w.node.data, b...)
	return len(b), nil
}

// Sync drops the unsynced pages when it fails, and pretends success when it is called again.
func (w *writer) Sync() error {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if err := w.disk.step("sync", w.name, true); err != nil {
		w.node.lost = true
		return err
	}
	if !w.node.lost {
		w.node.synced = slices.Clone(w.node.data)
	}
	return nil
}

func (w *writer) Close() error { return nil }

func (w *writer) Stat() (fs.FileInfo, error) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	return info{w.name, false, int64(len(w.node.data))}, nil
}

type opened struct {
	node *node
	data []byte
}

func (o *opened) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(o.data)) {
		return 0, io.EOF
	}
	n := copy(b, o.data[off:])
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
