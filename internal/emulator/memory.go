package emulator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"holdfast/internal/emulator/image"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
)

// memory is what an org remembers: everything that is saved, cloned and reset. Sessions and jobs are
// not part of it; they end as they do when the platform moves an org.
type memory struct {
	Org      *org.Org
	Metadata *metadata.Store
}

// still runs f while nothing in the memory changes.
func (m *memory) still(f func()) {
	m.Metadata.Still(func() { m.Org.Still(f) })
}

// copy returns a copy that goes its own way. It takes milliseconds: records are shared.
func (m *memory) copy() *memory {
	var c *memory
	m.still(func() { c = image.Copy(m) })
	c.Org.RunLike(m.Org)
	return c
}

// become makes the memory a copy of another one. Who refers to its org or its metadata goes on to.
func (m *memory) become(from *memory) {
	m.still(func() {
		image.Overwrite(m, from, [2]any{m.Org, from.Org}, [2]any{m.Metadata, from.Metadata}, [2]any{m.Org.Clock(), from.Org.Clock()})
	})
	m.Org.RunLike(from.Org)
}

// stateFile is the name of the saved memory in a folder; the lock keeps others out of it.
const (
	stateFile = "org.state"
	lockFile  = "lock"
)

// ErrInUse is the error for a folder that another emulator has open.
var ErrInUse = errors.New("another emulator uses the folder")

// ErrKind is the error for a kind of org that there is not.
var ErrKind = errors.New("an org is of the kind developer, sandbox or production")

// folder is where a memory is kept.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder if need be and locks it. The lock ends with the process, however it
// ends.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the emulated org: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("folder of the emulated org: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrInUse), lock.Close())
	}
	return &folder{path: path, lock: lock}, nil
}

func (f *folder) close() error { return f.lock.Close() }

// load reads what was saved in a folder; nil when nothing was.
func load(path string) (*memory, error) {
	file, err := os.Open(filepath.Join(path, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the emulated org: %w", err)
	}
	defer file.Close()
	m := &memory{}
	if err := image.Read(file, m); err != nil {
		return nil, fmt.Errorf("read the emulated org, %s: %w; start it in another folder, or with the program that wrote it",
			file.Name(), err)
	}
	return m, nil
}

// save writes the memory beside the old one and then puts it in its place, so that whatever happens
// one of the two is there whole.
func (f *folder) save(m *memory) error {
	if err := f.replace(m.copy()); err != nil {
		return fmt.Errorf("save the emulated org: %w", err)
	}
	return nil
}

func (f *folder) replace(m *memory) error {
	name := filepath.Join(f.path, stateFile)
	file, err := os.OpenFile(name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = image.Write(file, m)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name+".new"))
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	dir, err := os.Open(f.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// remember returns the memory with which a server starts: that of Options, what the folder holds, a
// sandbox of another folder's, or a new org. known is false for a new org.
func remember(o Options) (m *memory, f *folder, known bool, err error) {
	if o.memory != nil {
		return o.memory, nil, true, nil
	}
	if o.Folder != "" {
		if f, err = openFolder(o.Folder); err != nil {
			return nil, nil, false, err
		}
		m, err = load(o.Folder)
	}
	if err == nil && m == nil && o.SandboxOf != "" {
		if m, err = load(o.SandboxOf); err == nil && m == nil {
			err = fmt.Errorf("there is no org in %s to make a sandbox of", o.SandboxOf)
		} else if err == nil {
			m.Org.BecomeSandbox(o.Sandbox, m.Org.Admin())
		}
	}
	if err != nil {
		if f != nil {
			err = errors.Join(err, f.close())
		}
		return nil, nil, false, err
	}
	if m != nil {
		m.Metadata.Adopt(registry(o.Packages))
		clock := o.Clock
		if clock == nil {
			clock = org.FixedClock(org.Began)
		}
		m.Org.RunLikeClock(clock)
		return m, f, true, nil
	}
	if !slices.Contains([]metadata.OrgKind{"", metadata.Developer, metadata.SandboxOrg, metadata.Production}, o.Kind) {
		err := fmt.Errorf("kind %q: %w", o.Kind, ErrKind)
		if f != nil {
			err = errors.Join(err, f.close())
		}
		return nil, nil, false, err
	}
	engine := org.New(org.Config{
		Seed: o.Seed, Clock: o.Clock, Name: o.Name, Username: o.Username, DailyCalls: o.DailyCalls, Features: o.Features,
		Permissions: o.Permissions, StrictFieldAccess: o.StrictFieldAccess, Edition: o.Kind.Edition(), Sandbox: o.Kind == metadata.SandboxOrg,
	})
	sets, _ := engine.Describe("PermissionSet")
	for _, name := range o.Permissions {
		if sets.Field("Permissions"+name) != nil {
			continue
		}
		err := fmt.Errorf("permission %q of the first user: there is no such user permission", name)
		if f != nil {
			err = errors.Join(err, f.close())
		}
		return nil, nil, false, err
	}
	return &memory{Org: engine, Metadata: metadata.New(engine, registry(o.Packages))}, f, false, nil
}

// Save writes the org into its folder at once. Without a folder it does nothing.
func (s *Server) Save() error {
	if s.folder == nil {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	return s.folder.save(s.memory)
}

// keep saves the org whenever it has been asked something since the last time, until ctx ends, and
// then once more.
func (s *Server) keep(ctx context.Context) {
	saved := int64(0)
	for s.pause(ctx) {
		if total, _ := s.Calls(); total != saved && s.Save() == nil {
			saved = total
		}
	}
}

// saveEvery is how often an org that is in use is saved: what a kill can cost.
const saveEvery = 30 * time.Second

// pause waits until it is time to save; false when ctx ended first.
func (s *Server) pause(ctx context.Context) bool {
	timer := time.NewTimer(saveEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Snapshot keeps the org as it is now under a name, until the server is closed. It takes
// milliseconds.
func (s *Server) Snapshot(name string) {
	m := s.memory.copy()
	s.saving.Lock()
	defer s.saving.Unlock()
	if s.snapshots == nil {
		s.snapshots = map[string]*memory{}
	}
	s.snapshots[name] = m
}

// Reset takes the org back to a snapshot: records, schema, metadata, limits and clock. Sessions and
// bulk jobs stay. It reports whether there is such a snapshot.
func (s *Server) Reset(name string) bool {
	s.saving.Lock()
	defer s.saving.Unlock()
	m := s.snapshots[name]
	if m == nil {
		return false
	}
	s.memory.become(m)
	s.requests.storm.arrange(s.Hardness())
	return true
}

// Sandbox serves a copy of the org as it is now as another org, at an address of its own, until its
// Close or that of this server. See org.BecomeSandbox for what differs. addr is as in Options.
func (s *Server) Sandbox(ctx context.Context, name, addr string) (*Server, error) {
	m := s.memory.copy()
	m.Org.BecomeSandbox(name, s.org.Admin())
	m.Metadata.Adopt(registry(s.options.Packages))
	o := s.options
	o.Addr, o.TLSAddr, o.Folder, o.SandboxOf, o.memory, o.Hardness = addr, "", "", "", m, Hardness{}
	sandbox, err := Start(context.WithoutCancel(ctx), o)
	if err != nil {
		return nil, err
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	s.sandboxes = append(s.sandboxes, sandbox)
	return sandbox, nil
}

// forget ends what the memory of the server holds open.
func (s *Server) forget() {
	s.saving.Lock()
	sandboxes := s.sandboxes
	s.sandboxes = nil
	s.saving.Unlock()
	for _, sandbox := range sandboxes {
		sandbox.Close()
	}
	if s.folder != nil {
		s.failed = errors.Join(s.Save(), s.folder.close())
	}
}
