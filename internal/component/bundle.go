package component

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxBundle bounds the files of one component, which are held in memory: the largest bundles, sites of
// Experience Cloud, have some tens of megabytes.
const maxBundle = 128 << 20

// ErrBundle marks bytes that are no files of a component.
var ErrBundle = errors.New("not the files of a component")

// Bundle writes the files of one component, sorted by path, as one sequence of bytes: for each file its
// path and its contents, each after its length. docs/format/snapshot.md, "Components".
func Bundle(files []Entry) ([]byte, error) {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	size := 0
	for i, f := range sorted {
		if err := CheckPath(f.Path); err != nil {
			return nil, err
		}
		if i > 0 && sorted[i-1].Path == f.Path {
			return nil, fmt.Errorf("two files %s", f.Path)
		}
		size += len(f.Path) + len(f.Body) + 2*binary.MaxVarintLen32
	}
	if size > maxBundle {
		return nil, fmt.Errorf("%d bytes of files, at most %d", size, maxBundle)
	}
	out := make([]byte, 0, size)
	for _, f := range sorted {
		out = append(binary.AppendUvarint(out, uint64(len(f.Path))), f.Path...)
		out = append(binary.AppendUvarint(out, uint64(len(f.Body))), f.Body...)
	}
	return out, nil
}

// Unbundle reads what Bundle wrote, and nothing else. The bodies alias raw.
func Unbundle(raw []byte) ([]Entry, error) {
	var files []Entry
	text := func() ([]byte, error) {
		n, width := binary.Uvarint(raw)
		if width <= 0 || n > uint64(len(raw)-width) || width > 1 && raw[width-1] == 0 {
			return nil, fmt.Errorf("%w: cut off", ErrBundle)
		}
		out := raw[width : width+int(n)]
		raw = raw[width+int(n):]
		return out, nil
	}
	for len(raw) > 0 {
		path, err := text()
		if err != nil {
			return nil, err
		}
		body, err := text()
		if err != nil {
			return nil, err
		}
		f := Entry{string(path), body[:len(body):len(body)]}
		if err := CheckPath(f.Path); err != nil || len(files) > 0 && files[len(files)-1].Path >= f.Path {
			return nil, fmt.Errorf("%w: the path %.80q", ErrBundle, f.Path)
		}
		files = append(files, f)
	}
	return files, nil
}

// Sum is the SHA-256, in hexadecimal digits, over the canonical form of the files of a component: the same
// for all that means the same.
func Sum(kind string, files []Entry) string {
	h := sha256.New()
	var n [8]byte
	put := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b Entry) int { return strings.Compare(a.Path, b.Path) }) {
		put([]byte(f.Path))
		body := f.Body
		if c, ok := Canonical(kind, body); ok {
			body = c
		}
		put(body)
	}
	return hex.EncodeToString(h.Sum(nil))
}
