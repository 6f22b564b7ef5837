package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errWire is the error for bytes that are not what the specification says.
var errWire = errors.New("bad encoding")

// reader takes apart a byte string. The first thing that does not fit sets err, and everything after
// it reads as zero, so that callers check once.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errWire, fmt.Sprintf(format, args...))
	}
	r.b = nil
}

// uvarint reads an unsigned LEB128 number in its shortest form, at most limit.
func (r *reader) uvarint(limit uint64, what string) uint64 {
	// One byte is by far the most common form.
	if len(r.b) > 0 && r.b[0] < 0x80 && uint64(r.b[0]) <= limit {
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail("%s is cut off", what)
		return 0
	case n > 1 && r.b[n-1] == 0:
		r.fail("%s is not in its shortest form", what)
		return 0
	case v > limit:
		r.fail("%s is %d, at most %d", what, v, limit)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// varint reads a signed number in zigzag form.
func (r *reader) varint(what string) int64 {
	u := r.uvarint(1<<64-1, what)
	return int64(u>>1) ^ -int64(u&1)
}

// bytes reads n bytes, which alias the input.
func (r *reader) bytes(n int, what string) []byte {
	if n > len(r.b) {
		r.fail("%s is cut off", what)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// text reads a length of at most limit and as many bytes.
func (r *reader) text(limit int, what string) string {
	return string(r.bytes(int(r.uvarint(uint64(limit), what)), what))
}

// end fails unless everything was read, and returns the error.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	return r.err
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
