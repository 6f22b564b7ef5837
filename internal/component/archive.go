package component

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrArchive marks an archive that is refused.
var ErrArchive = errors.New("not a metadata archive")

// Limits bound what an archive may cost.
type Limits struct {
	Entries  int   // files and folders
	Unpacked int64 // bytes in all
	File     int64 // bytes of one file, which is held in memory
	Ratio    int64 // bytes unpacked for each packed one, of a file of more than a megabyte
}

// DefaultLimits are those of the platform for one archive, and for a single file a multiple of the
// largest that it takes (documents and static resources: 5 MB; profiles grow with the org).
// Source: Metadata API Developer Guide, "Deploying and Retrieving Metadata with the Zip File".
var DefaultLimits = Limits{Entries: 25_000, Unpacked: 629_145_600, File: 32 << 20, Ratio: 300}

// maxPath bounds the path of a file.
const maxPath = 1024

// Entry is one file of an archive.
type Entry struct {
	Path string // relative, with slashes
	Body []byte
}

// Archive is a zip whose directory was checked: its names are paths below it, each once, its files
// are plain files that do not overlap, and they keep the limits as far as it tells.
type Archive struct {
	limits Limits
	files  []*zip.File // by path
}

// OpenArchive checks the directory of a zip.
func OpenArchive(raw []byte, limits Limits) (*Archive, error) {
	if err := countEntries(raw, limits.Entries); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	a := &Archive{limits: limits}
	if err := a.take(r.File, int64(len(raw))); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	return a, nil
}

const (
	endSize, endMagic       = 22, 0x06054b50
	headerSize, headerMagic = 46, 0x02014b50
)

// countEntries walks the directory before anything of it is held: its own count may lie.
func countEntries(raw []byte, limit int) error {
	at := bytes.LastIndex(raw, []byte("PK\x05\x06"))
	if at < 0 || len(raw)-at < endSize {
		return errors.New("no zip")
	}
	size, offset := binary.LittleEndian.Uint32(raw[at+12:]), binary.LittleEndian.Uint32(raw[at+16:])
	if int64(offset)+int64(size) != int64(at) || at+endSize+int(binary.LittleEndian.Uint16(raw[at+20:])) != len(raw) {
		return errors.New("its directory is not at its end")
	}
	n := 0
	for p := int64(offset); p+headerSize <= int64(at); n++ {
		h := raw[p:]
		if binary.LittleEndian.Uint32(h) != headerMagic {
			return errors.New("its directory is damaged")
		}
		if n >= limit {
			return fmt.Errorf("more than %d entries", limit)
		}
		p += headerSize + int64(binary.LittleEndian.Uint16(h[28:])) + int64(binary.LittleEndian.Uint16(h[30:])) +
			int64(binary.LittleEndian.Uint16(h[32:]))
	}
	if n != int(binary.LittleEndian.Uint16(raw[at+10:])) {
		return errors.New("its directory does not have the number of entries that it states")
	}
	return nil
}

// take checks the entries against one another and against the limits.
func (a *Archive) take(entries []*zip.File, size int64) error {
	total := int64(0)
	seen := make(map[string]bool, len(entries))
	for _, f := range entries {
		folder := strings.HasSuffix(f.Name, "/")
		name := strings.TrimSuffix(f.Name, "/")
		if err := CheckPath(name); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("%.80q occurs twice", name)
		}
		seen[name] = true
		unpacked := int64(min(f.UncompressedSize64, 1<<62))
		switch {
		case f.Flags&1 != 0:
			return fmt.Errorf("%.80q is encrypted", name)
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return fmt.Errorf("%.80q is packed in an unknown way", name)
		case folder && (!f.Mode().IsDir() || unpacked > 0):
			return fmt.Errorf("%.80q is a folder with content", name)
		case folder:
			continue
		case !f.Mode().IsRegular():
			return fmt.Errorf("%.80q is no plain file", name)
		case unpacked > a.limits.File:
			return fmt.Errorf("%.80q has %d bytes, at most %d", name, unpacked, a.limits.File)
		case unpacked > 1<<20 && unpacked/max(1, int64(min(f.CompressedSize64, 1<<62))) > a.limits.Ratio:
			return fmt.Errorf("%.80q unpacks to more than %d times its size", name, a.limits.Ratio)
		}
		if total += unpacked; total > a.limits.Unpacked {
			return fmt.Errorf("more than %d bytes unpacked", a.limits.Unpacked)
		}
		a.files = append(a.files, f)
	}
	if err := apart(a.files, size); err != nil {
		return err
	}
	slices.SortFunc(a.files, func(x, y *zip.File) int { return strings.Compare(x.Name, y.Name) })
	return a.noFileAsFolder()
}

// noFileAsFolder refuses a file below another file.
func (a *Archive) noFileAsFolder() error {
	files := make(map[string]bool, len(a.files))
	for _, f := range a.files {
		files[f.Name] = true
	}
	for _, f := range a.files {
		for i, c := range f.Name {
			if c == '/' && files[f.Name[:i]] {
				return fmt.Errorf("%.80q lies in a file", f.Name)
			}
		}
	}
	return nil
}

// apart refuses files that share bytes, with which a small archive unpacks to a large one.
func apart(files []*zip.File, size int64) error {
	type extent struct{ from, to int64 }
	extents := make([]extent, 0, len(files))
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil {
			return err
		}
		to := from + int64(min(f.CompressedSize64, 1<<62))
		if to < from || to > size {
			return fmt.Errorf("%.80q is outside of it", f.Name)
		}
		extents = append(extents, extent{from, to})
	}
	slices.SortFunc(extents, func(x, y extent) int { return int(min(1, max(-1, x.from-y.from))) })
	for i := 1; i < len(extents); i++ {
		if extents[i].from < extents[i-1].to {
			return errors.New("its files overlap")
		}
	}
	return nil
}

// CheckPath returns an error unless the path is one below the folder that it is relative to, on every
// operating system.
func CheckPath(path string) error {
	bad := path == "" || len(path) > maxPath || !utf8.ValidString(path) || strings.ContainsAny(path, "\\:\x00")
	for part := range strings.SplitSeq(path, "/") {
		bad = bad || part == "" || part == "." || part == ".." || strings.HasSuffix(part, " ") || strings.HasSuffix(part, ".") && len(strings.Trim(part, ".")) == 0
	}
	bad = bad || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f })
	if bad {
		return fmt.Errorf("the path %.80q is none below it", path)
	}
	return nil
}

// Len returns the number of files.
func (a *Archive) Len() int { return len(a.files) }

// Paths returns the paths of the files, sorted.
func (a *Archive) Paths() []string {
	paths := make([]string, len(a.files))
	for i, f := range a.files {
		paths[i] = f.Name
	}
	return paths
}

// Entries yields the files in the order of their paths, one in memory at a time.
func (a *Archive) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, f := range a.files {
			body, err := unpack(f)
			if err != nil {
				yield(Entry{}, fmt.Errorf("%w: %.80q: %w", ErrArchive, f.Name, err))
				return
			}
			if !yield(Entry{f.Name, body}, nil) {
				return
			}
		}
	}
}

// unpack reads a file, which must be as long as the directory says.
func unpack(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	body := make([]byte, f.UncompressedSize64) // at most Limits.File
	_, err = io.ReadFull(r, body)
	if err == nil {
		var one [1]byte
		if n, more := r.Read(one[:]); n > 0 || !errors.Is(more, io.EOF) {
			err = errors.Join(errors.New("longer than it says"), more)
		}
	}
	return body, errors.Join(err, r.Close())
}
