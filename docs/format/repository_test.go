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

// unhex is for digits that were matched before.
func unhex(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return b
}

// repository is an open directory: its key table, and the Ids that it lists by class.
type repository struct {
	dir                string
	id, content, name  []byte
	secrets, keys      map[string][]byte   // by name of the secret, by key id
	objects, snapshots map[string][]string // by class; roots by class
}

func (r *repository) derive(key []byte, label string, size int) []byte {
	out, err := hkdf.Key(sha256.New, key, r.id, label, size)
	if err != nil {
		panic(err)
	}
	return out
}

// unseal opens what AES-256-GCM sealed.
func unseal(key, nonce, sealed, associated []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if sealed, err = gcm.Open(nil, nonce, sealed, associated); err != nil {
		return nil, damaged("%.20q does not open", associated)
	}
	return sealed, nil
}

func (r *repository) idByContent(class string, era []byte, frames [][]byte) []byte {
	mac := hmac.New(sha256.New, r.content)
	mac.Write(slices.Concat(u32(len(class)), []byte(class), era, u32(len(frames))))
	for _, f := range frames {
		mac.Write(slices.Concat(u32(len(f)), f))
	}
	return mac.Sum(nil)
}

func (r *repository) idByName(class, name string) []byte {
	mac := hmac.New(sha256.New, r.name)
	mac.Write(slices.Concat(u32(len(class)), []byte(class), []byte(name)))
	return mac.Sum(nil)
}

// open returns the era and the frames of an object: repository.md, "Object".
func (r *repository) open(class string, id, raw []byte) (era []byte, frames [][]byte, err error) {
	if len(raw) < 4 || string(raw[:3]) != "HFO" {
		return nil, nil, damaged("no object")
	}
	if raw[3] != 1 {
		return nil, nil, errVersion
	}
	if len(raw) < 44 {
		return nil, nil, damaged("%d bytes", len(raw))
	}
	n := int(binary.BigEndian.Uint32(raw[4:]))
	if n < 1 || n > 65536 || len(raw) < 44+4*n {
		return nil, nil, damaged("%d frames", n)
	}
	era = raw[8:12]
	key := r.keys[string(raw[12:28])]
	if secret := r.secrets[string(raw[12:20])]; key == nil && secret != nil {
		key = r.derive(secret, string(slices.Concat([]byte("holdfast data key 1 "), raw[12:28], id, era, []byte(class))), 32)
	}
	if key == nil {
		return nil, nil, damaged("no key of %s %x", class, id)
	}
	associated := func(part string, more ...byte) []byte {
		return slices.Concat([]byte("holdfast object 1 "+part+"\x00"), r.id, id, era, []byte(class), more)
	}
	nonce := func(i uint32) []byte { return binary.BigEndian.AppendUint32(make([]byte, 8), i) }
	header, rest := raw[:28+4*n], raw[44+4*n:]
	if _, err := unseal(key, nonce(0xffffffff), raw[28+4*n:44+4*n], associated("header", header...)); err != nil {
		return nil, nil, err
	}
	frames = make([][]byte, n)
	for i := range frames {
		size := int(binary.BigEndian.Uint32(header[28+4*i:])) + 16
		if size > 32<<20+16 || size > len(rest) {
			return nil, nil, damaged("frame %d has %d bytes", i, size)
		}
		if frames[i], err = unseal(key, nonce(uint32(i)), rest[:size], associated("frame")); err != nil {
			return nil, nil, err
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return nil, nil, damaged("%d bytes after the frames", len(rest))
	}
	return era, frames, nil
}

var (
	configForm = regexp.MustCompile(`\Aholdfast-repository/1\nid ([0-9a-f]{32})\n\z`)
	masterForm = regexp.MustCompile(`\Aholdfast-key/1\nrepository ([0-9a-f]{32})\nmaster ([0-9a-f]{64})\n\z`)
	objectForm = regexp.MustCompile(`\A([a-z][a-z0-9-]{0,31})/([0-9a-f]{2})/([0-9a-f]{64})\z`)
	tableLine  = regexp.MustCompile(`\A(?:(ids) ([0-9a-f]{64})|(secret) ([0-9a-f]{16}) ([0-9a-f]{64}) (?:session|lasting) \S{20}|` +
		`(key) ([0-9a-f]{32}) ([0-9a-f]{64})|(root) (\S+) ([0-9a-f]{64}) ([0-9a-f]{32}) ([0-9a-f]{64})|(?:base|past|era|recipient|expired|condemned|gone) .*)\n\z`)
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
	r := &repository{
		dir: dir, id: unhex(string(m[1])), secrets: map[string][]byte{}, keys: map[string][]byte{},
		objects: map[string][]string{}, snapshots: map[string][]string{},
	}
	masters, err := r.masters(identities)
	if err != nil {
		return nil, err
	}
	if err := r.table(masters); err != nil {
		return nil, err
	}
	return r, r.list()
}

// masters returns the master keys that the identities open, by their ids: repository.md, "Keys".
func (r *repository) masters(identities []age.Identity) (map[string][]byte, error) {
	names, err := filepath.Glob(filepath.Join(r.dir, "keys", hex.EncodeToString(r.id), "file", "*"))
	if err != nil || len(names) == 0 {
		return nil, damaged("no key file (%v)", err)
	}
	outcome, masters := errKey, map[string][]byte{}
	for _, name := range names {
		sealed, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		plain, err := age.Decrypt(bytes.NewReader(sealed), identities...)
		if fmt.Sprintf("%x", sha256.Sum256(sealed)) != filepath.Base(name) {
			outcome = damaged("key file %s", name)
		} else if err == nil {
			text, err := io.ReadAll(plain)
			m := masterForm.FindSubmatch(text)
			if err != nil || m == nil || string(m[1]) != hex.EncodeToString(r.id) {
				outcome = damaged("the text of a key file")
				continue
			}
			master := unhex(string(m[2]))
			masters[string(r.derive(master, "holdfast master id 1", 16))] = master
		}
	}
	if len(masters) == 0 {
		return nil, outcome
	}
	return masters, nil
}

// table reads the newest generation: repository.md, "Key table".
func (r *repository) table(masters map[string][]byte) error {
	keys := filepath.Join(r.dir, "keys", hex.EncodeToString(r.id))
	bases, err := filepath.Glob(filepath.Join(keys, "*", "*", "base"))
	if err != nil || len(bases) == 0 {
		return damaged("no key table (%v)", err)
	}
	newest := ""
	for _, base := range bases {
		newest = max(newest, filepath.Base(filepath.Dir(base)))
	}
	names := map[string]bool{}
	for _, pattern := range []string{"base", "add-*"} {
		found, err := filepath.Glob(filepath.Join(keys, map[string]string{"base": "*", "add-*": "table"}[pattern], newest, pattern))
		if err != nil {
			return err
		}
		for _, name := range found {
			names[filepath.Base(name)] = true
		}
	}
	for name := range names {
		text, err := r.tableText(filepath.Join(keys, "table", newest, name), newest, masters)
		if err != nil {
			text, err = r.tableText(filepath.Join(keys, "mirror", newest, name), newest, masters)
		}
		if err != nil {
			return err
		}
		if err := r.tableLines(text); err != nil {
			return err
		}
	}
	return nil
}

func (r *repository) tableText(file, generation string, masters map[string][]byte) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) < 48 || string(raw[:4]) != "HFT\x01" || masters[string(raw[4:20])] == nil {
		return "", damaged("key table %s (%v)", file, err)
	}
	key := r.derive(masters[string(raw[4:20])], "holdfast key table 1", 32)
	associated := slices.Concat([]byte("holdfast table 1 "), r.id, unhex(generation), []byte(filepath.Base(file)))
	text, err := unseal(key, raw[20:32], raw[32:], associated)
	if err != nil {
		return "", err
	}
	head := fmt.Sprintf("holdfast-table/1\nrepository %x\ngeneration %d\n", r.id, binary.BigEndian.Uint64(unhex(generation)))
	lines, found := strings.CutPrefix(string(text), head)
	if !found {
		return "", damaged("key table %s begins otherwise", file)
	}
	return lines, nil
}

func (r *repository) tableLines(text string) error {
	for line := range strings.Lines(text) {
		m := tableLine.FindStringSubmatch(line)
		switch {
		case m == nil:
			return damaged("a line of the key table")
		case m[1] != "":
			r.content = r.derive(unhex(m[2]), "holdfast content id 1", 32)
			r.name = r.derive(unhex(m[2]), "holdfast name id 1", 32)
		case m[3] != "":
			r.secrets[string(unhex(m[4]))] = unhex(m[5])
		case m[6] != "":
			r.keys[string(unhex(m[7]))] = unhex(m[8])
		case m[9] != "":
			r.snapshots[m[10]] = append(r.snapshots[m[10]], m[11])
			r.keys[string(unhex(m[12]))] = unhex(m[13])
		}
	}
	return nil
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
		case m[1] != "snapshot": // which are roots: one that the key table does not name is none
			r.objects[m[1]] = append(r.objects[m[1]], m[3])
		}
		r.objects["snapshot"] = r.snapshots["snapshot"]
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
	era, frames, err := r.open(class, key, raw)
	if err == nil && slices.Contains([]string{"segment", "schema", "snapshot"}, class) && !bytes.Equal(r.idByContent(class, era, frames), key) {
		err = damaged("%s %s has other contents", class, id)
	}
	return frames, len(raw), err
}
