package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/problem"
)

// maxKeyFile bounds a key file before and after unwrapping.
const maxKeyFile = 64 << 10

// MinRecipients is how many different recipients a new master key needs: the one that works every
// day, and one kept elsewhere for the day when the first is lost.
const MinRecipients = 2

// keyFormat begins the text of an unwrapped key file; docs/format/repository.md, "Key file".
const keyFormat = "holdfast-key/1"

// NewKeyFile draws a master key and returns it wrapped for the recipients. At least MinRecipients
// different ones are asked for; fewer are an error of kind Usage.
func NewKeyFile(repository RepositoryID, to []Recipient) ([]byte, error) {
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
	var master [keySize]byte
	_, _ = rand.Read(master[:])
	return wrapKey(repository, master[:], to)
}

func wrapKey(repository RepositoryID, master []byte, to []Recipient) ([]byte, error) {
	text := fmt.Appendf(nil, "%s\nrepository %s\nmaster %x\n", keyFormat, repository, master)
	sealed, err := wrap(text, to)
	if err != nil {
		return nil, fmt.Errorf("wrap the master key: %w", err)
	}
	return sealed, nil
}

// ErrOtherRepository is the error for a key file of another repository.
var ErrOtherRepository = errors.New("key of another repository")

// OpenKeyFile unwraps a key file. The error is of kind WrongKey when it is wrapped for others, of
// kind Damaged when it is not intact, and wraps ErrOtherRepository when it is not of this
// repository.
func OpenKeyFile(repository RepositoryID, sealed []byte, id *Identity) (*Sealer, error) {
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
	master, err := parseKey(repository, text)
	if err != nil {
		return nil, err
	}
	return newSealer(repository, master)
}

// parseKey reads the text of a key file; every byte has to be in its place.
func parseKey(repository RepositoryID, text []byte) ([]byte, error) {
	lines := bytes.Split(text, []byte("\n"))
	if string(lines[0]) != keyFormat {
		return nil, damaged("key file: unknown format %.40q", lines[0])
	}
	if len(lines) != 4 || len(lines[3]) != 0 {
		return nil, damaged("key file: want three lines")
	}
	if name, found := bytes.CutPrefix(lines[1], []byte("repository ")); !found || string(name) != repository.String() {
		return nil, damaged("key file: %w", ErrOtherRepository)
	}
	digits, found := bytes.CutPrefix(lines[2], []byte("master "))
	master := make([]byte, keySize)
	if !found || len(digits) != hex.EncodedLen(keySize) {
		return nil, damaged("key file: no master key")
	}
	if _, err := hex.Decode(master, digits); err != nil || hex.EncodeToString(master) != string(digits) {
		return nil, damaged("key file: the master key is not lower-case hexadecimal")
	}
	return master, nil
}
