package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/problem"
)

// maxKeyFile bounds a key file before and after unwrapping.
const maxKeyFile = 64 << 10

// MinRecipients is how many different recipients a repository needs: the one that works every day, and
// one kept elsewhere for the day when the first is lost.
const MinRecipients = 2

// keyFormat begins the text of an unwrapped key file; docs/format/repository.md, "Keys".
const keyFormat = "holdfast-key/1"

// MasterID names a master key without telling it.
type MasterID [16]byte

// Master is the key under which the key table of one repository is sealed.
type Master struct {
	repository RepositoryID
	key        Key
	id         MasterID
	table      cipher.AEAD
}

// NewMaster draws a master key.
func NewMaster(repository RepositoryID) *Master { return masterOf(repository, NewKey()) }

func masterOf(repository RepositoryID, key Key) *Master {
	return &Master{
		repository: repository, key: key,
		id:    MasterID(derive(key, repository, labelMaster, len(MasterID{}))),
		table: newGCM(derive(key, repository, labelTable, keySize)),
	}
}

// ID returns the name of the master key.
func (m *Master) ID() MasterID { return m.id }

// Repository returns the id of the repository.
func (m *Master) Repository() RepositoryID { return m.repository }

// Wrap returns a key file: the master key, wrapped for the recipients. At least MinRecipients
// different ones are asked for; fewer are an error of kind Usage.
func (m *Master) Wrap(to []Recipient) ([]byte, error) {
	var names []string
	for _, r := range to {
		names = append(names, r.String())
	}
	slices.Sort(names)
	if n := len(slices.Compact(names)); n < MinRecipients {
		return nil, problem.Newf(problem.Usage, "a repository needs %d different recipients, got %d", MinRecipients, n).
			Hint("give the operational recipient and a recovery recipient whose key is kept offline: " +
				"without either key nothing can ever be read")
	}
	text := fmt.Appendf(nil, "%s\nrepository %s\nmaster %x\n", keyFormat, m.repository, m.key[:])
	sealed, err := wrap(text, to)
	if err != nil {
		return nil, fmt.Errorf("wrap the master key: %w", err)
	}
	if len(sealed) > maxKeyFile {
		return nil, problem.Newf(problem.Usage, "%d recipients are too many for a key file", len(to))
	}
	return sealed, nil
}

// ErrOtherRepository is the error for a key file of another repository.
var ErrOtherRepository = errors.New("key of another repository")

// OpenKeyFile unwraps a key file. The error is of kind WrongKey when it is wrapped for others, of
// kind Damaged when it is not intact, and wraps ErrOtherRepository when it is not of this
// repository.
func OpenKeyFile(repository RepositoryID, sealed []byte, id *Identity) (*Master, error) {
	if len(sealed) > maxKeyFile {
		return nil, damaged("key file of %d bytes, at most %d", len(sealed), maxKeyFile)
	}
	text, err := unwrap(sealed, id)
	if errors.Is(err, errNoMatch) {
		return nil, problem.Newf(problem.WrongKey, "the key does not open this repository: %w", err).
			Hint("use the key file that was made with the repository, or the recovery key")
	}
	if err != nil {
		return nil, damaged("key file: %w", err)
	}
	key, err := parseKey(repository, text)
	if err != nil {
		return nil, err
	}
	return masterOf(repository, key), nil
}

// parseKey reads the text of a key file; every byte has to be in its place.
func parseKey(repository RepositoryID, text []byte) (Key, error) {
	lines := bytes.Split(text, []byte("\n"))
	if string(lines[0]) != keyFormat {
		return Key{}, damaged("key file: unknown format %.40q", lines[0])
	}
	if len(lines) != 4 || len(lines[3]) != 0 {
		return Key{}, damaged("key file: want three lines")
	}
	if name, found := bytes.CutPrefix(lines[1], []byte("repository ")); !found || string(name) != repository.String() {
		return Key{}, damaged("key file: %w", ErrOtherRepository)
	}
	digits, found := bytes.CutPrefix(lines[2], []byte("master "))
	var key Key
	if !found || len(digits) != hex.EncodedLen(keySize) {
		return Key{}, damaged("key file: no master key")
	}
	if _, err := hex.Decode(key[:], digits); err != nil || hex.EncodeToString(key[:]) != string(digits) {
		return Key{}, damaged("key file: the master key is not lower-case hexadecimal")
	}
	return key, nil
}

// The layout of an object of the key table; docs/format/repository.md, "Key table".
const (
	tableMagic  = "HFT"
	tableHeader = 4 + len(MasterID{}) + nonceSize
)

// SealTable returns the object of the key table with that name that holds t.
func (m *Master) SealTable(name string, t *Table) ([]byte, error) {
	text, err := t.encode(m.repository)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, tableHeader+len(text)+tagSize)
	out = append(out, tableMagic...)
	out = append(out, version)
	out = append(out, m.id[:]...)
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:])
	out = append(out, nonce[:]...)
	return m.table.Seal(out, nonce[:], text, m.bindTable(t.Generation, name)), nil
}

// MasterOf returns which master key an object of the key table needs.
func MasterOf(sealed []byte) (MasterID, error) {
	if len(sealed) < tableHeader+tagSize || string(sealed[:len(tableMagic)]) != tableMagic {
		return MasterID{}, damaged("no object of a key table")
	}
	if sealed[len(tableMagic)] != version {
		return MasterID{}, problem.Newf(problem.Damaged, "key table of format %d, this program knows %d", sealed[len(tableMagic)], version).
			Hint("a newer version of holdfast may have written it; upgrade this one")
	}
	return MasterID(sealed[4:]), nil
}

// OpenTable opens the object of the key table with that generation and name.
func (m *Master) OpenTable(generation uint64, name string, sealed []byte) (*Table, error) {
	id, err := MasterOf(sealed)
	if err != nil {
		return nil, err
	}
	if id != m.id {
		return nil, damaged("it is sealed under another master key")
	}
	nonce := sealed[tableHeader-nonceSize : tableHeader]
	text, err := m.table.Open(nil, nonce, sealed[tableHeader:], m.bindTable(generation, name))
	if err != nil {
		return nil, damaged("it is altered, or it is another object")
	}
	return parseTable(m.repository, generation, name == TableBase, text)
}

func (m *Master) bindTable(generation uint64, name string) []byte {
	b := append([]byte("holdfast table 1 "), m.repository[:]...)
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(generation>>shift))
	}
	return append(b, name...)
}
