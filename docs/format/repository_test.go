package format_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"
)

// The outcomes of reading, besides that it is valid: repository.md, "Outcomes". There are no others.
var (
	errVersion = errors.New("version")
	errKey     = errors.New("key")
	errDamaged = errors.New("damaged")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

func u32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// keyring is what opens the objects of one repository: repository.md, "Keys".
type keyring struct{ id, content, name, wrap []byte }

func newKeyring(id, master []byte) (k keyring, err error) {
	k.id = id
	for label, key := range map[string]*[]byte{
		"holdfast content id 1": &k.content, "holdfast name id 1": &k.name, "holdfast key wrap 1": &k.wrap,
	} {
		if *key, err = hkdf.Key(sha256.New, master, id, label, 32); err != nil {
			return k, err
		}
	}
	return k, nil
}

func (k keyring) idByContent(class string, frames [][]byte) []byte {
	mac := hmac.New(sha256.New, k.content)
	mac.Write(slices.Concat(u32(len(class)), []byte(class), u32(len(frames))))
	for _, f := range frames {
		mac.Write(slices.Concat(u32(len(f)), f))
	}
	return mac.Sum(nil)
}

func (k keyring) idByName(class, name string) []byte {
	mac := hmac.New(sha256.New, k.name)
	mac.Write(slices.Concat(u32(len(class)), []byte(class), []byte(name)))
	return mac.Sum(nil)
}

// open returns the frames of an object: repository.md, "Object".
func (k keyring) open(class string, id, raw []byte) ([][]byte, error) {
	if len(raw) < 4 || string(raw[:3]) != "HFO" {
		return nil, damaged("no object")
	}
	if raw[3] != 1 {
		return nil, errVersion
	}
	if len(raw) < 84 {
		return nil, damaged("%d bytes", len(raw))
	}
	n := int(binary.BigEndian.Uint32(raw[4:]))
	if n < 1 || n > 65536 || len(raw) < 84+4*n {
		return nil, damaged("%d frames", n)
	}
	unseal := func(key, nonce, sealed []byte, part string, more ...byte) ([]byte, error) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		data := slices.Concat([]byte("holdfast object 1 "+part+"\x00"), k.id, id, []byte(class), more)
		plain, err := gcm.Open(nil, nonce, sealed, data)
		if err != nil {
			return nil, damaged("%s does not open", part)
		}
		return plain, nil
	}
	key, err := unseal(k.wrap, raw[8:20], raw[20:68], "key")
	if err != nil {
		return nil, err
	}
	header, rest := raw[:68+4*n], raw[84+4*n:]
	nonce := func(i uint32) []byte { return binary.BigEndian.AppendUint32(make([]byte, 8), i) }
	if _, err := unseal(key, nonce(0xffffffff), raw[68+4*n:84+4*n], "header", header...); err != nil {
		return nil, err
	}
	frames := make([][]byte, n)
	for i := range frames {
		size := int(binary.BigEndian.Uint32(header[68+4*i:])) + 16
		if size > 32<<20+16 || size > len(rest) {
			return nil, damaged("frame %d has %d bytes", i, size)
		}
		if frames[i], err = unseal(key, nonce(uint32(i)), rest[:size], "frame"); err != nil {
			return nil, err
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return nil, damaged("%d bytes after the frames", len(rest))
	}
	return frames, nil
}

// repository is an open directory: its keys, and the Ids that it lists by class.
type repository struct {
	keyring
	dir     string
	objects map[string][]string
}

var (
	configForm = regexp.MustCompile(`\Aholdfast-repository/1\nid ([0-9a-f]{32})\n\z`)
	masterForm = regexp.MustCompile(`\Aholdfast-key/1\nrepository ([0-9a-f]{32})\nmaster ([0-9a-f]{64})\n\z`)
	objectForm = regexp.MustCompile(`\A([a-z][a-z0-9-]{0,31})/([0-9a-f]{2})/([0-9a-f]{64})\z`)
)

// openRepository opens a directory with the age identity in a file: repository.md, "Layout".
func openRepository(dir, identityFile string) (*repository, error) {
	config, err := os.ReadFile(filepath.Join(dir, "config"))
	if err != nil {
		return nil, err
	}
	m := configForm.FindSubmatch(config)
	if m == nil {
		format, _, _ := bytes.Cut(config, []byte("\n"))
		if bytes.HasPrefix(format, []byte("holdfast-repository/")) && !bytes.HasSuffix(format, []byte("/1")) {
			return nil, errVersion
		}
		return nil, damaged("config")
	}
	text, err := os.ReadFile(identityFile)
	if err != nil {
		return nil, err
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r := &repository{dir: dir, objects: map[string][]string{}}
	names, err := filepath.Glob(filepath.Join(dir, "keys", string(m[1]), "*"))
	if err != nil || len(names) == 0 {
		return nil, damaged("no key file (%v)", err)
	}
	outcome := errKey
	for _, name := range names {
		sealed, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if fmt.Sprintf("%x", sha256.Sum256(sealed)) != filepath.Base(name) {
			outcome = damaged("key file %s", name)
			continue
		}
		if r.keyring, err = openKeyFile(sealed, m[1], identities); err == nil {
			return r, r.list()
		}
		if errors.Is(err, errDamaged) {
			outcome = err
		}
	}
	return nil, outcome
}

// openKeyFile opens a key file of the repository with the hexadecimal id: repository.md, "Keys".
func openKeyFile(sealed, id []byte, identities []age.Identity) (keyring, error) {
	plain, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		return keyring{}, fmt.Errorf("%w: %w", errKey, err)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		return keyring{}, damaged("%v", err)
	}
	m := masterForm.FindSubmatch(text)
	if m == nil || !bytes.Equal(m[1], id) {
		return keyring{}, damaged("the text of a key file")
	}
	return newKeyring(unhex(string(id)), unhex(string(m[2])))
}

// unhex is for digits that were matched before.
func unhex(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return b
}

// list finds the objects. What stands in tmp is none.
func (r *repository) list() error {
	return filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		key, err := filepath.Rel(r.dir, path)
		if err != nil {
			return err
		}
		m := objectForm.FindStringSubmatch(filepath.ToSlash(key))
		switch {
		case key == "config" || strings.HasPrefix(key, "keys/") || strings.HasPrefix(key, "tmp/"):
		case m == nil || m[3][:2] != m[2]:
			return damaged("%s is no key of an object", key)
		default:
			r.objects[m[1]] = append(r.objects[m[1]], m[3])
		}
		return nil
	})
}

// read returns the frames of an object and its size, and compares the Id of one named by content.
func (r *repository) read(class, id string) (frames [][]byte, size int, err error) {
	raw, err := os.ReadFile(filepath.Join(r.dir, class, id[:2], id))
	if err != nil {
		return nil, 0, damaged("%v", err)
	}
	key := unhex(id)
	frames, err = r.open(class, key, raw)
	if err == nil && slices.Contains([]string{"segment", "schema", "snapshot"}, class) && !bytes.Equal(r.idByContent(class, frames), key) {
		err = damaged("%s %s has other contents", class, id)
	}
	return frames, len(raw), err
}
