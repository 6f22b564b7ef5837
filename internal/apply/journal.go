package apply

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"holdfast/internal/problem"
)

// journalBytes bounds a journal: the largest plan, every row of it refused, needs less.
const journalBytes = 4 << 30

// Journal is the write-ahead journal of one application of one plan: a file that only grows, held
// under a lock while it is open. It is for one goroutine.
type Journal struct {
	path    string
	medium  medium
	limit   int64 // bytes at most
	size    int64
	chain   chain
	entries []entry // what the file held when it was opened, until replay takes them
	broken  error   // the first error of writing; nothing is written after it
}

// medium is the file below a journal; tests put a disk that fails and forgets in its place.
type medium interface {
	io.Reader
	Append(p []byte) error
	Sync() error
	Truncate(size int64) error
	Close() error
}

// OpenJournal opens the journal at path, or creates it (mode 0600: the org's error texts may quote
// records) when it is not there. A tail that was not wholly written is cut off. The error is Locked
// when another process has it open, and Damaged when its bytes are not those that were written.
//
// Commands look into a journal for a moment, and a watchdog has it until automation is back: that much is waited for.
func OpenJournal(path string) (*Journal, error) { return openJournal(path, lockPatience) }

// lockPatience is how long whoever wants to apply a plan waits for the lock of its journal.
const lockPatience = 3 * time.Second

func openJournal(path string, patience time.Duration) (*Journal, error) {
	m, err := openFile(path, patience)
	if err != nil {
		return nil, onDisk(fmt.Errorf("journal %s: %w", path, err))
	}
	j, err := newJournal(path, m, journalBytes)
	if err != nil {
		return nil, onDisk(fmt.Errorf("journal %s: %w", path, errors.Join(err, m.Close())))
	}
	return j, nil
}

// onDisk gives an error of the journal's disk its kind.
func onDisk(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return problem.Newf(problem.NoSpace, "%w", err).
			Hint("free space on that disk and run the same command again: it goes on where it stopped")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrNotExist),
		errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return problem.Newf(problem.Usage, "%w", err).
			Hint("without a journal nothing is written to the org: name a place for it with --journal")
	}
	return err
}

// Applied returns what was found when the org was observed again after the application of the journal at
// path, and the Ids that records got. The error is NotFound where it did not come so far.
func Applied(path string) (Verification, error) {
	if _, err := os.Stat(path); err != nil {
		return Verification{}, problem.Newf(problem.NotFound, "there is no journal %s, so that nothing was applied", path).
			Hint("name the journal of the application with --journal")
	}
	j, err := OpenJournal(path)
	if err != nil {
		return Verification{}, err
	}
	if err := j.Close(); err != nil {
		return Verification{}, err
	}
	for _, e := range slices.Backward(j.entries) {
		if e.T == entryVerify {
			return Verification{Snapshot: e.Snap, Unexplained: e.Diff}, nil
		}
	}
	return Verification{}, problem.Newf(problem.NotFound, "the application of journal %s did not come to its end", path).
		Hint("finish it with `holdfast apply PLAN --resume`, or take it back with --undo and two snapshots")
}

// Begun returns the digest of the plan whose application the journal at path began. The error is NotFound
// where none was begun, and otherwise that of OpenJournal.
func Begun(path string) (digest string, err error) {
	if _, err := os.Stat(path); err != nil {
		return "", problem.Newf(problem.NotFound, "there is no journal %s, so that no application was begun", path).
			Hint("approve the plan with --approve, or name its journal with --journal")
	}
	j, err := OpenJournal(path)
	if err != nil {
		return "", err
	}
	if err := j.Close(); err != nil {
		return "", err
	}
	for _, e := range j.entries {
		if e.T == entryBegin {
			return e.Plan, nil
		}
	}
	return "", problem.Newf(problem.NotFound, "journal %s began no application", path).
		Hint("approve the plan with --approve")
}

// MakeJournal makes the journal at path durable where there is none. The errors are those of OpenJournal.
func MakeJournal(path string) error {
	j, err := OpenJournal(path)
	if err != nil {
		return err
	}
	return j.Close()
}

// HasJournal is the error NotFound where there is no journal at path, and Damaged where there is an empty file: one that was made durable
// has more, and of what is gone nobody knows what it held.
func HasJournal(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return problem.Newf(problem.NotFound, "there is no journal %s, so that it is not known what was switched off", path).
			Hint("name the journal of the application with --journal; where it is lost, see in the org what is off")
	}
	if err == nil && info.Mode().IsRegular() && info.Size() < int64(len(journalMagic)) {
		return problem.Newf(problem.Damaged, "journal %s is empty, so that it is not known what was switched off", path).
			Hint("bring the journal of the application back; where it is lost, see in the org what is off")
	}
	return nil
}

// newJournal reads what the medium holds and leaves it ready to append.
func newJournal(path string, m medium, limit int64) (*Journal, error) {
	j := &Journal{path: path, medium: m, limit: limit}
	fr, torn, err := j.read(m)
	if err != nil {
		return nil, err
	}
	j.chain, j.size = fr.chain, max(fr.good, int64(len(journalMagic)))
	if !torn && fr.good > 0 {
		return j, nil
	}
	return j, j.restart(fr.good)
}

// read reads the entries, and reports a tail that was not wholly written.
func (j *Journal) read(r io.Reader) (fr *frameReader, torn bool, err error) {
	read := &io.LimitedReader{R: r, N: j.limit + 1}
	fr, err = newFrameReader(read)
	torn = errors.Is(err, errTorn)
	if err != nil && !torn {
		return nil, false, err
	}
	for !torn {
		body, err := fr.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errTorn) {
			torn = true
			break
		}
		if err != nil {
			return nil, false, err
		}
		e, err := decodeEntry(body)
		if err != nil {
			return nil, false, problem.Wrap(problem.Damaged, err, "journal")
		}
		j.entries = append(j.entries, e)
	}
	if read.N == 0 { // what is beyond may be whole: it is no tail to cut off
		return nil, false, problem.Newf(problem.Damaged, "a journal of more than %d bytes", j.limit)
	}
	return fr, torn, nil
}

// restart cuts the file to its good bytes and writes the magic where even that is missing.
func (j *Journal) restart(good int64) error {
	if err := j.medium.Truncate(good); err != nil {
		return err
	}
	if good == 0 {
		if err := j.medium.Append([]byte(journalMagic)); err != nil {
			return err
		}
	}
	return j.medium.Sync()
}

// Close releases the lock. The file stays.
func (j *Journal) Close() error { return j.medium.Close() }

// append writes one entry and makes it durable. After an error nothing more is written: what a
// failed write left in the file is unknown until it is read again.
func (j *Journal) append(e entry) error {
	if j.broken != nil {
		return j.broken
	}
	body, err := encodeEntry(e)
	if err != nil {
		return err
	}
	frame, next := encodeFrame(j.chain, body)
	if j.size += int64(len(frame)); j.size > j.limit {
		j.broken = problem.Newf(problem.Limits, "journal %s would have more than %d bytes", j.path, j.limit).
			Hint("make a new plan with `holdfast restore`: it holds what is left")
		return j.broken
	}
	if err := j.medium.Append(frame); err != nil {
		j.broken = onDisk(fmt.Errorf("write journal %s: %w", j.path, err))
		return j.broken
	}
	if err := j.medium.Sync(); err != nil {
		j.broken = onDisk(fmt.Errorf("sync journal %s: %w", j.path, err))
		return j.broken
	}
	j.chain = next
	return nil
}

// diskFile is a journal on a disk.
type diskFile struct {
	f *os.File
}

func openFile(path string, patience time.Duration) (*diskFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(problem.New(problem.Usage, "not a file").
			Hint("name another place for the journal with --journal"), err, f.Close())
	}
	// The name is made durable also when the file was there: the run that made it may have died before.
	if err := errors.Join(lockFile(f, patience), SyncDir(filepath.Dir(path))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &diskFile{f: f}, nil
}

// SyncDir makes the names in a folder durable, such as that of a new file.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (d *diskFile) Read(p []byte) (int, error) { return d.f.Read(p) }

func (d *diskFile) Append(p []byte) error {
	_, err := d.f.Write(p)
	return err
}

func (d *diskFile) Sync() error { return d.f.Sync() }

func (d *diskFile) Truncate(size int64) error { return d.f.Truncate(size) }

func (d *diskFile) Close() error { return d.f.Close() }
