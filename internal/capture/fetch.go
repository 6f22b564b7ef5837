package capture

import (
	"context"
	"crypto/md5" //nolint:gosec // the platform's checksum of a file is an MD5; the SHA-256 of the repository protects it
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// begunFile is a row that a run which was cut short had stored.
type begunFile struct {
	mark  string
	whole bool // all its bytes are there
}

// fetch reads the files of one record, and writes its row. It returns an error only when the part cannot go on;
// a file that cannot be read is missing by name.
func (f *files) fetch(ctx context.Context, r sf.Record) error {
	row := sf.Record{ID: r.ID, Shape: sf.NewShape(f.name(), f.rowFields())}
	row.Values = make([]sf.Value, row.Shape.Len())
	row.Values[row.Shape.Index(stampOfFile)] = sf.Text(f.mark(r))
	left := len(f.fields)
	// settled is called under the turn of the writer of bodies, which may be in another goroutine.
	settled := func(field string, v sf.Value) error {
		row.Values[row.Shape.Index(field)] = v
		if left--; left > 0 {
			return nil
		}
		return f.out.Add(row)
	}
	for _, field := range f.fields {
		if f.link != "" && r.Get(f.link).IsText() {
			if err := f.snap.Bodies().Alone(ctx, func() error { return settled(field, sf.Value{}) }); err != nil {
				return err
			}
			continue
		}
		cause := f.fetchField(ctx, r, field, func(b snapshot.Body) error { return settled(field, sf.Text(b.Text())) })
		if cause == nil {
			continue
		}
		if ctx.Err() != nil || errors.Is(cause, errStore) {
			return cause
		}
		if err := f.lose(ctx, r, field, cause, settled); err != nil {
			return err
		}
	}
	return nil
}

// lose records that a file is not held.
func (f *files) lose(ctx context.Context, r sf.Record, field string, cause error, settled func(string, sf.Value) error) error {
	f.missed.Add(1)
	if code, _ := answer(cause); code != "" {
		f.refusals.Add(1)
	}
	f.noteFailure(ctx, cause)
	return f.snap.Bodies().Alone(ctx, func() error {
		if len(f.lost) < namedFiles {
			f.lost = append(f.lost, fmt.Sprintf("%s of %s: %v", field, r.ID, cause))
		}
		return settled(field, sf.Null())
	})
}

// fetchField reads one file, again when it is not what the org says of it.
func (f *files) fetchField(ctx context.Context, r sf.Record, field string, kept func(snapshot.Body) error) error {
	size := f.bytesOf(r)
	if size == 0 {
		return f.put(ctx, strings.NewReader(""), kept)
	}
	if halt := f.halted(); halt != nil {
		return fmt.Errorf("not asked for: %w", halt)
	}
	if f.read.Load() == 0 && f.refusals.Load() >= refusedAtMost {
		return problem.New(problem.Failed, "not asked for: the org refused all before it")
	}
	if err := f.mayGoOn(); err != nil {
		return fmt.Errorf("not asked for: %w", err)
	}
	var err error
	for range fileTries {
		if err = f.fetchOnce(ctx, r, field, size, kept); err == nil {
			f.read.Add(1)
			f.answered()
			f.tell(Event{Object: f.object.Name, Stage: ReadingFiles, Rows: f.read.Load(), Bytes: f.bytes.Load()})
			return nil
		}
		if code, _ := answer(err); code != "" || fatal(ctx, err) || errors.Is(err, errStore) || problem.KindOf(err) == problem.Unreachable {
			return err
		}
	}
	return err
}

// errOther says that the bytes that came are not those of which the org speaks.
var errOther = errors.New("not what the org says of it")

func (f *files) fetchOnce(ctx context.Context, r sf.Record, field string, size int64, kept func(snapshot.Body) error) error {
	pipe, in := io.Pipe()
	ended := make(chan struct{})
	reading, stop := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		in.CloseWithError(f.src.Body(reading, f.object.Name, field, r.ID, in))
	}()
	checked := &checkedFile{src: pipe, size: size, sum: f.checksum(r), md5: md5.New()} //nolint:gosec // see the import
	err := f.put(ctx, checked, kept)
	stop()
	_ = pipe.Close()
	<-ended
	f.bytes.Add(checked.n)
	if checked.err != nil {
		return checked.err
	}
	return err
}

// put stores the bytes. An error that is not of the reader is one of the repository.
func (f *files) put(ctx context.Context, r io.Reader, kept func(snapshot.Body) error) error {
	if err := f.snap.Bodies().Put(ctx, r, kept); err != nil {
		return fmt.Errorf("%w: store a file of %s: %w", errStore, f.object.Name, err)
	}
	return nil
}

// checksum returns the MD5 that the org states, or "".
func (f *files) checksum(r sf.Record) string {
	if f.sum == "" {
		return ""
	}
	sum := strings.ToLower(r.Get(f.sum).Text())
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != md5.Size {
		return ""
	}
	return sum
}

// checkedFile passes bytes on, and ends in an error when they are not those of which the org speaks.
type checkedFile struct {
	src  io.Reader
	size int64  // -1 is any
	sum  string // "" is any
	md5  hash.Hash
	n    int64
	err  error // but io.EOF
}

// Read is that of io.Reader.
func (c *checkedFile) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += int64(n)
	if c.sum != "" {
		c.md5.Write(p[:n])
	}
	if c.size >= 0 && c.n > c.size {
		c.err = fmt.Errorf("%w: more than the %d bytes that it states", errOther, c.size)
		return 0, c.err
	}
	if err == io.EOF {
		if c.err = c.wrong(); c.err != nil {
			return n, c.err
		}
		return n, io.EOF
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

// wrong says what is wrong with the whole.
func (c *checkedFile) wrong() error {
	if c.size >= 0 && c.n != c.size {
		return fmt.Errorf("%w: %d bytes came, it states %d", errOther, c.n, c.size)
	}
	if got := hex.EncodeToString(c.md5.Sum(nil)); c.sum != "" && got != c.sum {
		return fmt.Errorf("%w: the MD5 of what came is %s, it states %s", errOther, got, c.sum)
	}
	return nil
}

// begunRows returns the rows of a part that was begun. All are read: what does not open must not be built on.
func (f *files) begunRows(ctx context.Context, b snapshot.Begun) (map[sf.ID]begunFile, error) {
	begun := make(map[sf.ID]begunFile)
	for row, err := range f.store.Rows(ctx, b) {
		if err != nil {
			return nil, err
		}
		if row.Gone {
			continue
		}
		whole, err := f.whole(ctx, row.Record, true)
		if err != nil {
			return nil, err
		}
		begun[row.Record.ID] = begunFile{row.Record.Get(stampOfFile).Text(), whole}
	}
	return begun, nil
}

// whole reports that no file of the row is missing; with look also that what it refers to is there.
func (f *files) whole(ctx context.Context, row sf.Record, look bool) (bool, error) {
	for _, name := range f.fields {
		v := row.Get(name)
		if v.IsNull() {
			return false, nil
		}
		if !v.IsText() || !look {
			continue
		}
		body, err := snapshot.ParseBody(v.Text())
		if err != nil {
			return false, err
		}
		if there, err := f.store.HasBody(ctx, body); !there || err != nil {
			return false, err
		}
	}
	return true, nil
}
