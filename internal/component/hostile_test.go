package component_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	"holdfast/internal/component"
)

// What refusing one hostile input may cost.
const (
	hostileTime   = 2 * time.Second
	hostileMemory = 64 << 20 // bytes allocated in all, which is more than are held at once
)

// readAll reads an archive to its end, and every document in it.
func readAll(raw []byte) error {
	a, err := component.OpenArchive(raw, component.DefaultLimits)
	if err != nil {
		return err
	}
	for f, err := range a.Entries() {
		if err != nil {
			return err
		}
		if strings.HasSuffix(f.Path, ".xml") {
			if _, err := component.Parse(f.Body); err != nil {
				return err
			}
		}
	}
	return nil
}

// refused demands that an input is refused with an error of ours, in time and within memory.
func refused(t *testing.T, name string, raw []byte, read func([]byte) error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begun := time.Now()
	err := read(raw)
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, component.ErrArchive) && !errors.Is(err, component.ErrXML) {
		t.Errorf("%s: not refused: %v", name, err)
	}
	if cost := after.TotalAlloc - before.TotalAlloc; took > hostileTime || cost > hostileMemory {
		t.Errorf("%s: refused after %v and %d MiB", name, took, cost>>20)
	}
}

// zipOf makes an archive; later options change the header of each file.
func zipOf(t *testing.T, names []string, body string, change ...func(*zip.FileHeader)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		for _, c := range change {
			c(h)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, "/") {
			if _, err := io.WriteString(f, body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// deflated packs zeros without holding them.
func deflated(t *testing.T, size int64) (packed []byte, sum uint32) {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	h := crc32.NewIEEE()
	if _, err := io.CopyN(io.MultiWriter(w, h), zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), h.Sum32()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// rawZip makes an archive whose headers say what they are told to.
func rawZip(t *testing.T, names []string, packed []byte, sum uint32, unpacked uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.CreateRaw(&zip.FileHeader{
			Name: name, Method: zip.Deflate, CRC32: sum, CompressedSize64: uint64(len(packed)), UncompressedSize64: unpacked,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(packed); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("classes/A%d.cls", i)
	}
	return names
}

// entriesZip is a directory of n entries that share one file, and that states another number of them.
func entriesZip(n int, stated uint16) []byte {
	var b bytes.Buffer
	local := make([]byte, 30)
	binary.LittleEndian.PutUint32(local, 0x04034b50)
	binary.LittleEndian.PutUint16(local[26:], 1)
	b.Write(local)
	b.WriteString("a")
	from := b.Len()
	for i := range n {
		name := fmt.Sprintf("%07d", i)
		h := make([]byte, 46)
		binary.LittleEndian.PutUint32(h, 0x02014b50)
		binary.LittleEndian.PutUint16(h[28:], uint16(len(name)))
		b.Write(h)
		b.WriteString(name)
	}
	end := make([]byte, 22)
	binary.LittleEndian.PutUint32(end, 0x06054b50)
	binary.LittleEndian.PutUint16(end[8:], stated)
	binary.LittleEndian.PutUint16(end[10:], stated)
	binary.LittleEndian.PutUint32(end[12:], uint32(b.Len()-from))
	binary.LittleEndian.PutUint32(end[16:], uint32(from))
	b.Write(end)
	return b.Bytes()
}

// overlapping is an archive whose directory names one file n times, each under a name of its own.
func overlapping(t *testing.T, n int) []byte {
	t.Helper()
	packed, sum := deflated(t, 1<<20)
	var b bytes.Buffer
	header := func(magic uint32, size int, name string) []byte {
		h := make([]byte, size)
		binary.LittleEndian.PutUint32(h, magic)
		at := 4
		if size == 46 {
			at = 6
		}
		binary.LittleEndian.PutUint16(h[at+4:], zip.Deflate)
		binary.LittleEndian.PutUint32(h[at+10:], sum)
		binary.LittleEndian.PutUint32(h[at+14:], uint32(len(packed)))
		binary.LittleEndian.PutUint32(h[at+18:], 1<<20)
		binary.LittleEndian.PutUint16(h[at+22:], uint16(len(name)))
		return append(h, name...)
	}
	b.Write(header(0x04034b50, 30, "a"))
	b.Write(packed)
	from := b.Len()
	for i := range n {
		b.Write(header(0x02014b50, 46, fmt.Sprintf("f%d", i)))
	}
	end := make([]byte, 22)
	binary.LittleEndian.PutUint32(end, 0x06054b50)
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(b.Len()-from))
	binary.LittleEndian.PutUint32(end[16:], uint32(from))
	b.Write(end)
	return b.Bytes()
}

// TestHostileArchivesAreRefused is target S2 for archives.
func TestHostileArchivesAreRefused(t *testing.T) {
	for _, name := range []string{
		"../evil", "classes/../../evil", "/etc/passwd", "C:/evil", `classes\..\evil`, "classes//a", "./a", "classes/./a", "..",
		"...", "a\x00b", "a\nb", "a\x7fb", "\xff\xfe", strings.Repeat("a/", 600) + "a", "a ", "a /b", `\\server\share`, "c:evil", "classes/..",
	} {
		refused(t, "path "+name, zipOf(t, []string{name}, "x"), readAll)
	}
	link := func(h *zip.FileHeader) { h.SetMode(fs.ModeSymlink | 0o777) }
	device := func(h *zip.FileHeader) { h.SetMode(fs.ModeDevice | 0o666) }
	pipe := func(h *zip.FileHeader) { h.SetMode(fs.ModeNamedPipe | 0o666) }
	refused(t, "symbolic link", zipOf(t, []string{"classes/a"}, "/etc/passwd", link), readAll)
	refused(t, "device", zipOf(t, []string{"classes/a"}, "", device), readAll)
	refused(t, "pipe", zipOf(t, []string{"classes/a"}, "", pipe), readAll)
	refused(t, "name twice", zipOf(t, []string{"classes/a", "classes/a"}, "x"), readAll)
	refused(t, "file and folder", zipOf(t, []string{"classes/a", "classes/a/"}, "x"), readAll)
	refused(t, "file as folder", zipOf(t, []string{"classes/a", "classes/a/b"}, "x"), readAll)
	refused(t, "encrypted", zipOf(t, []string{"a"}, "x", func(h *zip.FileHeader) { h.Flags |= 1 }), readAll)

	packed, sum := deflated(t, 31<<20)
	refused(t, "bomb of one file", rawZip(t, []string{"a"}, packed, sum, 31<<20), readAll)
	refused(t, "bomb of many files", rawZip(t, numbered(25), packed, sum, 31<<20), readAll)
	refused(t, "file too large", rawZip(t, []string{"a"}, packed, sum, 33<<20), readAll)
	refused(t, "size that lies low", rawZip(t, []string{"a"}, packed, sum, 10), readAll)
	refused(t, "size that lies high", rawZip(t, []string{"a"}, packed[:2000], sum, 900<<10), readAll)
	refused(t, "size beyond all", rawZip(t, []string{"a"}, packed, sum, 1<<62), readAll)
	refused(t, "wrong sum", rawZip(t, []string{"a"}, []byte{0x03, 0x00}, 7, 0), readAll)
	refused(t, "not deflated", rawZip(t, []string{"a"}, []byte("garbage garbage garbage"), 0, 5), readAll)
	refused(t, "overlap", overlapping(t, 2), readAll)
	refused(t, "overlap of 20,000", overlapping(t, 20_000), readAll)
	refused(t, "a million entries", entriesZip(1_000_000, 16_960), readAll)
	refused(t, "65,536 entries that state none", entriesZip(65_536, 0), readAll)
	refused(t, "too many entries", zipOf(t, numbered(25_001), ""), readAll)
	refused(t, "entries that are missing", entriesZip(3, 4), readAll)

	good := zipOf(t, []string{"classes/A.cls", "package.xml"}, "<x/>")
	if err := readAll(good); err != nil {
		t.Fatalf("a good archive: %v", err)
	}
	refused(t, "nothing", nil, readAll)
	refused(t, "no zip", []byte(strings.Repeat("no zip ", 1000)), readAll)
	refused(t, "cut off", good[:len(good)-10], readAll)
	refused(t, "directory alone", good[len(good)-60:], readAll)
	refused(t, "bytes before", append([]byte("#!/bin/sh\n"), good...), readAll)
	refused(t, "bytes after", append(bytes.Clone(good), "more"...), readAll)
	two := append(bytes.Clone(good), good...)
	refused(t, "two archives in one", two, readAll)
	for i := range good { // any one bit may be flipped: nothing may break
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if err := readAll(bad); err != nil && !errors.Is(err, component.ErrArchive) && !errors.Is(err, component.ErrXML) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
}

// TestHostileDocumentsAreRefused is target S2 for documents.
func TestHostileDocumentsAreRefused(t *testing.T) {
	read := func(raw []byte) error { _, err := component.Parse(raw); return err }
	const laughs = `<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>`
	for name, text := range map[string]string{
		"billion laughs":        laughs,
		"external entity":       `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`,
		"external DTD":          `<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://example.org/x.dtd"><x/>`,
		"empty DTD":             `<!DOCTYPE x><x/>`,
		"undeclared entity":     `<x>&evil;</x>`,
		"half a reference":      `<x>&amp</x>`,
		"forbidden character":   `<x>&#0;</x>`,
		"surrogate":             `<x>&#xD800;</x>`,
		"character beyond all":  `<x>&#x110000;</x>`,
		"a million levels":      strings.Repeat("<a>", 1_000_000),
		"a million levels, all": strings.Repeat("<a>", 1_000_000) + strings.Repeat("</a>", 1_000_000),
		"101 levels":            strings.Repeat("<a>", 101) + strings.Repeat("</a>", 101),
		"two million elements":  "<x>" + strings.Repeat("<a/>", 2_000_000) + "</x>",
		"many attributes":       "<x" + manyAttributes(100_000) + "/>",
		"attribute twice":       `<x a="1" a="2"/>`,
		"17 MB of text":         "<x>" + strings.Repeat("a", 17<<20) + "</x>",
		"UTF-16":                "\xff\xfe<\x00x\x00/\x00>\x00",
		"Latin-1 declared":      `<?xml version="1.0" encoding="ISO-8859-1"?><x/>`,
		"not UTF-8":             "<x>\xe9</x>",
		"control character":     "<x>\x01</x>",
		"no end":                "<x>",
		"wrong end":             "<x></y>",
		"two roots":             "<x/><x/>",
		"no root":               "<!-- -->",
		"nothing":               "",
		"text before":           "x<x/>",
		"text after":            "<x/>x",
		"comment without end":   "<x><!-- </x>",
		"CDATA without end":     "<x><![CDATA[ </x>",
		"prefix undeclared":     "<a:x/>",
		"attribute unquoted":    "<x a=1/>",
		"attribute open":        `<x a="1/>`,
		"tag open":              `<x`,
		"a < in an attribute":   `<x a="<"/>`,
		"two namespaces":        `<x xmlns="http://soap.sforce.com/2006/04/metadata"><y xmlns=""/></x>`,
	} {
		refused(t, name, []byte(text), read)
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String()
}
