package salesforce

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// archiveFilter passes an answer of checkRetrieveStatus on without the text of its zipFile element,
// which it decodes on the way. A decoder of XML would hold that text whole, several times over.
type archiveFilter struct {
	src  io.Reader
	to   io.Writer
	room int // bytes that may be written

	in      *bufio.Reader
	pending []byte // to be passed on
	base64  bool   // inside the element
	quad    []byte // base64 characters that do not make a group of four yet
	err     error
}

// longestTag bounds a start tag in an answer.
const longestTag = 64 << 10

// Read passes on the bytes around the archive.
func (f *archiveFilter) Read(p []byte) (int, error) {
	if f.in == nil {
		f.in = bufio.NewReaderSize(f.src, longestTag)
	}
	for len(f.pending) == 0 && f.err == nil {
		f.err = f.next()
	}
	if len(f.pending) > 0 {
		n := copy(p, f.pending)
		f.pending = f.pending[n:]
		return n, nil
	}
	return 0, f.err
}

// next takes one piece of text, up to and with the tag that ends it.
func (f *archiveFilter) next() error {
	piece, err := f.in.ReadSlice('<')
	whole := err == nil
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	text := piece
	if whole {
		text = piece[:len(piece)-1]
	}
	if f.base64 {
		if e := f.decode(text); e != nil {
			return e
		}
		f.pending = f.pending[:0]
	} else {
		f.pending = append(f.pending[:0], text...)
	}
	if err != nil || !whole {
		return err
	}
	tag, err := f.in.ReadSlice('>')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			err = fmt.Errorf("a tag of more than %d bytes", longestTag)
		}
		f.pending = append(append(f.pending, '<'), tag...)
		return err
	}
	if f.base64 && len(f.quad) > 0 {
		return damaged("the archive is cut off")
	}
	f.base64 = isArchiveTag(tag)
	f.pending = append(append(f.pending, '<'), tag...)
	return nil
}

// isArchiveTag reports the start tag of zipFile, whatever its prefix.
func isArchiveTag(tag []byte) bool {
	name := tag[:len(tag)-1]
	if len(name) == 0 || name[0] == '/' || name[len(name)-1] == '/' {
		return false
	}
	if i := bytes.IndexAny(name, " \t\r\n"); i >= 0 {
		name = name[:i]
	}
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return string(name) == "zipFile"
}

// decode writes what the text stands for.
func (f *archiveFilter) decode(text []byte) error {
	for _, c := range text {
		if c != '\n' && c != '\r' && c != ' ' && c != '\t' {
			f.quad = append(f.quad, c)
		}
	}
	n := len(f.quad) / 4 * 4
	raw := make([]byte, base64.StdEncoding.DecodedLen(n))
	size, err := base64.StdEncoding.Decode(raw, f.quad[:n])
	if err != nil {
		return damaged("the archive is no base64: %w", err)
	}
	f.quad = append(f.quad[:0], f.quad[n:]...)
	if f.room -= size; f.room < 0 {
		return fmt.Errorf("the archive is larger than %d bytes", maxArchive)
	}
	_, err = f.to.Write(raw[:size])
	return err
}
