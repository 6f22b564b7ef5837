package file

import (
	"io"
	"io/fs"
	"os"
)

// FS is what a Bucket asks of a file system, one method per effect, so that tests can crash between
// any two of them. Names are slash-separated paths below the root of the bucket. Errors satisfy
// errors.Is for fs.ErrExist and fs.ErrNotExist.
type FS interface {
	// Create makes a new file for writing; it fails if the name is taken.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (Reader, error)
	// Link gives the file a second name; it fails if that name is taken.
	Link(oldname, newname string) error
	// Remove removes a name.
	Remove(name string) error
	// Mkdir makes one directory; it fails if the name is taken.
	Mkdir(name string) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(name string) error
	// Stat describes what the name stands for.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir returns the entries of a directory in the order of their names.
	ReadDir(name string) ([]fs.DirEntry, error)
}

// File is a file that is being written.
type File interface {
	io.WriteCloser
	Sync() error
	Stat() (fs.FileInfo, error)
}

// Reader is a file that is being read.
type Reader interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// Permissions: a repository holds sealed data, but who may list or delete it is the operator's
// business, not the world's.
const (
	dirMode  = 0o700
	fileMode = 0o400
)

// disk is the FS of the operating system. Names cannot leave the root, not even over symbolic links.
type disk struct{ root *os.Root }

func (d disk) Create(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d disk) Open(name string) (Reader, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d disk) Link(oldname, newname string) error    { return d.root.Link(oldname, newname) }
func (d disk) Remove(name string) error              { return d.root.Remove(name) }
func (d disk) Mkdir(name string) error               { return d.root.Mkdir(name, dirMode) }
func (d disk) Stat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }

func (d disk) ReadDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(d.root.FS(), name)
}

func (d disk) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
