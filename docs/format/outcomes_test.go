package format_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"filippo.io/age"

	"holdfast/internal/cli"
)

// outcome is the word of repository.md, "Outcomes", for an error.
func outcome(err error) string {
	for _, known := range []error{errVersion, errKey, errDamaged} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return err.Error()
	}
	return "valid"
}

// outcomes spoils copies of the repository and holds this reader, and the program, to the outcome.
func (m *maker) outcomes(segment string) {
	m.t.Helper()
	key := filepath.ToSlash(filepath.Join("keys", hex.EncodeToString(m.reader.id), "file"))
	xor := func(offset int, mask byte) func(string) error {
		return func(name string) error {
			raw, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			raw[(offset+len(raw))%len(raw)] ^= mask
			return os.WriteFile(name, raw, 0o600)
		}
	}
	config := func(format string) func(string) error {
		return func(name string) error {
			return os.WriteFile(name, fmt.Appendf(nil, format, m.reader.id), 0o600)
		}
	}
	cases := []struct {
		folder string
		spoil  func(file string) error
		want   string
	}{
		{"config", func(string) error { return nil }, "valid"},
		{"config", config("holdfast-repository/2\nid %x\n"), "version"},
		{"config", config("holdfast-repository/1\nid %X\n"), "damaged"},
		{"config", func(name string) error { return os.Truncate(name, 0) }, "damaged"},
		{"config", config("holdfast-repository/1\nid %x\n\n"), "damaged"},
		{key, xor(-1, 1), "damaged"},
		{key, os.Remove, "damaged"},
		{"segment", xor(3, 3), "version"},
		{"segment", xor(0, 1), "damaged"},
		{"segment", func(name string) error { return os.Truncate(name, 43) }, "damaged"},
		{"segment", os.Remove, "damaged"},
		{"schema", xor(-1, 0x80), "damaged"},
		{"schema", os.Remove, "damaged"},
		{"snapshot", xor(70, 1), "damaged"},
		{"note-identity", xor(40, 1), "damaged"},
	}
	codes := map[string]int{"valid": 0, "version": 13, "damaged": 13} // docs/reference/exit-codes.md
	for i, c := range cases {
		dir := m.path("spoiled-" + strconv.Itoa(i))
		m.check(os.CopyFS(dir, os.DirFS(m.path("repository"))))
		file := first(dir, c.folder)
		if c.folder == "segment" {
			file = filepath.Join(dir, "segment", segment[:2], segment) // one that a snapshot names
		}
		m.check(c.spoil(file))
		if got := outcome(m.everything(dir, m.path("daily.key"))); got != c.want {
			m.t.Errorf("case %d, %s: %s, want %s", i, c.folder, got, c.want)
		}
		var said bytes.Buffer
		code := cli.Main([]string{"verify", "--quiet", "--repo", dir}, strings.NewReader(""), &said, &said)
		if code != codes[c.want] {
			m.t.Errorf("case %d, %s: holdfast verify ends with %d on what is %s: %s", i, c.folder, code, c.want, &said)
		}
	}
	stranger, err := age.GenerateX25519Identity()
	m.check(err)
	m.check(os.WriteFile(m.path("stranger.key"), []byte(stranger.String()+"\n"), 0o600))
	if got := outcome(m.everything(m.path("repository"), m.path("stranger.key"))); got != "key" {
		m.t.Errorf("with a stranger's key: %s", got)
	}
	var said bytes.Buffer
	if code := cli.Main([]string{"verify", "--quiet", "--key-file", m.path("stranger.key")}, strings.NewReader(""), &said, &said); code != 12 {
		m.t.Errorf("with a stranger's key holdfast verify ends with %d: %s", code, &said)
	}
}

// first is a file in a folder, or the file itself.
func first(dir, name string) (file string) {
	_ = filepath.WalkDir(filepath.Join(dir, filepath.FromSlash(name)), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			file = path
			return fs.SkipAll
		}
		return err
	})
	return file
}

// everything reads all that a repository holds.
func (m *maker) everything(dir, identity string) error {
	r, err := openRepository(dir, identity)
	if err != nil {
		return err
	}
	objects, err := try(r.list)
	if err != nil {
		return err
	}
	for class, ids := range objects {
		for _, id := range ids {
			switch {
			case class == "snapshot":
				_, err = r.checked(id)
			case strings.HasPrefix(class, "note-"):
				_, _, err = r.note(class, id)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
