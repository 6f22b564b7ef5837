package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// firstBuffer is where the buffer starts: large enough that a read of the network fills it
	// rarely, small enough for many readers at once.
	firstBuffer = 256 << 10
	// DefaultMaxRow bounds one row in bytes. The platform allows an object some 1.6 million
	// characters of long text, at most three bytes each (unverified), so this is ample.
	DefaultMaxRow = 32 << 20
	// MaxFields bounds the fields of a row. Source: Bulk API 2.0 and Bulk API Developer Guide, "Limits": 5,000 in a
	// record; an object has fewer.
	MaxFields = 5000
)

// Errors that a Reader returns, wrapped with the number of the row.
var (
	// ErrSyntax is text that is not CSV: a quote where none may be, or text after a closing quote.
	ErrSyntax = errors.New("not CSV")
	// ErrTruncated is input that ends inside a quoted field.
	ErrTruncated = errors.New("input ends inside a quoted field")
	// ErrRowTooLong is a row longer than the Reader's bound, or of more fields than MaxFields.
	ErrRowTooLong = errors.New("row too long")
)

// Reader reads rows from a stream. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader
	maxRow int
	buf    []byte
	start  int // where the current row begins in buf
	end    int // end of the bytes read into buf
	next   int // where the next row begins, relative to start
	rows   int64
	srcErr error // why src gives no more
	err    error // why Next gives no more
	spans  []span
	fields [][]byte
	open   bool // the last row had no line end
}

// span is one field of the current row, relative to its start.
type span struct{ from, to int }

// NewReader returns a Reader of src that refuses rows of more than maxRow bytes; 0 means
// DefaultMaxRow.
func NewReader(src io.Reader, maxRow int) *Reader {
	if maxRow <= 0 {
		maxRow = DefaultMaxRow
	}
	return &Reader{src: src, maxRow: maxRow, buf: make([]byte, min(firstBuffer, maxRow+1))}
}

// Next returns the fields of the next row; they are valid until the next call. After the last row
// it returns io.EOF. An error of the source is returned as it is, every other error wraps
// ErrSyntax, ErrTruncated or ErrRowTooLong; all of them are final.
func (r *Reader) Next() ([][]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.start += r.next
	r.next = 0
	r.spans = r.spans[:0]
	if _, ok := r.at(0); !ok {
		r.err = r.stop(io.EOF)
		return nil, r.err
	}
	for p, more := 0, true; more; {
		var err error
		if len(r.spans) == MaxFields {
			err = fmt.Errorf("row %d: %w (more than %d fields)", r.rows+1, ErrRowTooLong, MaxFields)
		} else {
			p, more, err = r.field(p)
		}
		if err != nil {
			r.err = err
			return nil, err
		}
		r.next = p
	}
	r.rows++
	r.fields = r.fields[:0]
	for _, s := range r.spans {
		r.fields = append(r.fields, r.buf[r.start+s.from:r.start+s.to:r.start+s.to])
	}
	return r.fields, nil
}

// Rows returns how many rows have been read.
func (r *Reader) Rows() int64 { return r.rows }

// Ended reports whether the last row that was read had a line end. A stream whose transport does
// not guard its length may have been cut where it does not.
func (r *Reader) Ended() bool { return !r.open }

// field reads the field at p and returns where the next one begins and whether the row has one.
func (r *Reader) field(p int) (next int, more bool, err error) {
	if c, ok := r.at(p); ok && c == '"' {
		return r.quoted(p + 1)
	}
	return r.bare(p)
}

// quoted reads a quoted field whose text begins at from. Doubled quotes are undone in place.
func (r *Reader) quoted(from int) (next int, more bool, err error) {
	w, i := from, from // the text so far ends at w; the input continues at i
	for {
		rest := r.buf[r.start+i : r.end]
		j := bytes.IndexByte(rest, '"')
		if j < 0 {
			w += r.move(w, i, len(rest))
			i += len(rest)
			if !r.fill() {
				return 0, false, r.stop(ErrTruncated)
			}
			continue
		}
		w += r.move(w, i, j)
		i += j + 1
		if c, ok := r.at(i); ok && c == '"' {
			r.buf[r.start+w] = '"'
			w, i = w+1, i+1
			continue
		}
		r.spans = append(r.spans, span{from, w})
		return r.afterQuote(i)
	}
}

// move closes the gap between w and i by moving n bytes down, and returns n.
func (r *Reader) move(w, i, n int) int {
	if w != i {
		copy(r.buf[r.start+w:], r.buf[r.start+i:r.start+i+n])
	}
	return n
}

// afterQuote reads what must follow a closing quote: a comma, a line end or the end of the input.
func (r *Reader) afterQuote(i int) (next int, more bool, err error) {
	c, ok := r.at(i)
	switch {
	case !ok:
		return r.atEnd(i)
	case c == ',':
		return i + 1, true, nil
	case c == '\n':
		return i + 1, false, nil
	case c == '\r':
		if c, ok := r.at(i + 1); ok && c == '\n' {
			return i + 2, false, nil
		}
	}
	return 0, false, r.stop(fmt.Errorf("%w: text after a closing quote", ErrSyntax))
}

// bare reads a field without quotes that begins at from.
func (r *Reader) bare(from int) (next int, more bool, err error) {
	for i := from; ; i++ {
		c, ok := r.at(i)
		switch {
		case !ok:
			r.spans = append(r.spans, span{from, i})
			return r.atEnd(i)
		case c == ',':
			r.spans = append(r.spans, span{from, i})
			return i + 1, true, nil
		case c == '\n':
			to := i
			if to > from && r.buf[r.start+to-1] == '\r' {
				to--
			}
			r.spans = append(r.spans, span{from, to})
			return i + 1, false, nil
		case c == '"':
			return 0, false, r.stop(fmt.Errorf("%w: a quote inside a field without quotes", ErrSyntax))
		}
	}
}

// atEnd ends the last row, unless the source ended for another reason than its end.
func (r *Reader) atEnd(i int) (next int, more bool, err error) {
	if !errors.Is(r.srcErr, io.EOF) {
		return 0, false, r.stop(io.EOF)
	}
	r.open = true
	return i, false, nil
}

// at returns the byte at p of the current row; ok is false at the end of the input.
func (r *Reader) at(p int) (c byte, ok bool) {
	for r.start+p >= r.end {
		if !r.fill() {
			return 0, false
		}
	}
	return r.buf[r.start+p], true
}

// fill reads more input behind the current row, moving or growing the buffer where there is no
// room. It reports false when there is nothing more.
func (r *Reader) fill() bool {
	if r.srcErr != nil {
		return false
	}
	if r.start > 0 && r.end == len(r.buf) {
		copy(r.buf, r.buf[r.start:r.end])
		r.end -= r.start
		r.start = 0
	}
	if r.end == len(r.buf) {
		if r.end >= r.maxRow {
			r.srcErr = ErrRowTooLong
			return false
		}
		grown := make([]byte, min(2*len(r.buf), r.maxRow+1))
		copy(grown, r.buf[:r.end])
		r.buf = grown
	}
	for range 100 { // as bufio does: a source that keeps giving nothing is broken
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.srcErr = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	r.srcErr = io.ErrNoProgress
	return false
}

// stop is the error for a row that cannot be finished: why the source stopped, when that was not its
// end, and err otherwise.
func (r *Reader) stop(err error) error {
	switch {
	case errors.Is(err, ErrSyntax):
	case errors.Is(r.srcErr, ErrRowTooLong):
		err = fmt.Errorf("%w (more than %d bytes)", ErrRowTooLong, r.maxRow)
	case r.srcErr != nil && !errors.Is(r.srcErr, io.EOF):
		return r.srcErr
	case errors.Is(err, io.EOF):
		return err
	}
	return fmt.Errorf("row %d: %w", r.rows+1, err)
}
