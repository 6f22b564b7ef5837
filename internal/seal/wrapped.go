package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"holdfast/internal/problem"
)

// Service is a key service: a machine that keeps a key and encrypts and decrypts with it. What it
// answers is text of one line.
type Service interface {
	// Kind names the sort of service, of a-z, 0-9 and "-", beginning with a letter.
	Kind() string
	// Name says which service and key it is, in one line without a secret.
	Name() string
	// Wrap encrypts the text and authenticates the associated data with it.
	Wrap(ctx context.Context, text, associated []byte) (string, error)
	// Unwrap is the inverse of Wrap. The error is of kind WrongKey when the service refuses.
	Unwrap(ctx context.Context, sealed string, associated []byte) ([]byte, error)
}

// Work factors of a passphrase: scrypt with 2^N rounds.
const (
	passphraseWork = 18 // about a second, and 256 MiB, as age itself takes
	// maxPassphraseWork bounds what a file may ask for: whoever can write the storage chooses it.
	maxPassphraseWork = 20
	// minPassphrase is in bytes: whoever reads the storage may try passphrases for years.
	minPassphrase = 16
)

// WrapWithPassphrase returns the identity wrapped for whoever knows the passphrase. The error is of
// kind Usage when it is too short.
func WrapWithPassphrase(id *Identity, passphrase string) ([]byte, error) {
	return wrapWithPassphrase(id, passphrase, passphraseWork)
}

func wrapWithPassphrase(id *Identity, passphrase string, work int) ([]byte, error) {
	if len(passphrase) < minPassphrase {
		return nil, problem.Newf(problem.Usage, "a passphrase of %d bytes is too short, %d are the least", len(passphrase), minPassphrase).
			Hint("take six or more random words: whoever can read the storage can try passphrases without anybody noticing")
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(work)
	return wrapFor([]byte(id.keys[0].String()+"\n"), to)
}

// OpenWithPassphrase unwraps an identity. The error is of kind WrongKey when the passphrase is not
// the one, and Damaged when the file is not intact.
func OpenWithPassphrase(sealed []byte, passphrase string) (*Identity, error) {
	key, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, problem.New(problem.Usage, "the passphrase is empty")
	}
	key.SetMaxWorkFactor(maxPassphraseWork)
	if len(sealed) > maxKeyFile {
		return nil, damaged("wrapped identity of %d bytes, at most %d", len(sealed), maxKeyFile)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), key)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, problem.New(problem.WrongKey, "the passphrase does not open this repository").
			Hint("give the passphrase that was set with `holdfast key add --passphrase-file`, or another key")
	}
	if err != nil {
		return nil, damaged("wrapped identity: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxIdentityFile))
	if err != nil {
		return nil, damaged("wrapped identity: %w", err)
	}
	return parseWrapped(text)
}

// parseWrapped reads the text of a wrapped identity.
func parseWrapped(text []byte) (*Identity, error) {
	key, err := age.ParseX25519Identity(strings.TrimSuffix(string(text), "\n"))
	if err != nil {
		return nil, damaged("wrapped identity: what it holds is no identity")
	}
	return &Identity{keys: []*age.X25519Identity{key}}, nil
}

// wrappedFormat begins an identity that a service has wrapped; docs/format/repository.md, "Keys".
const wrappedFormat = "holdfast-wrapped/1"

// WrapWithService returns the identity wrapped by the service, for that repository alone.
func WrapWithService(ctx context.Context, s Service, repository RepositoryID, id *Identity) ([]byte, error) {
	recipient := id.Recipient()
	sealed, err := s.Wrap(ctx, []byte(id.keys[0].String()+"\n"), bindIdentity(repository, recipient))
	if err != nil {
		return nil, fmt.Errorf("wrap a key: %w", err)
	}
	for _, word := range []string{s.Name(), sealed} {
		if word == "" || strings.ContainsAny(word, "\n\r") {
			return nil, fmt.Errorf("wrap a key: the service %s answers with what is not one line", s.Kind())
		}
	}
	out := fmt.Appendf(nil, "%s\nrepository %s\nrecipient %s\nservice %s\nsealed %s\n",
		wrappedFormat, repository, recipient, s.Name(), sealed)
	if len(out) > maxKeyFile {
		return nil, fmt.Errorf("wrap a key: the service %s answers with %d bytes", s.Kind(), len(sealed))
	}
	return out, nil
}

func bindIdentity(repository RepositoryID, r Recipient) []byte {
	return fmt.Appendf(nil, "holdfast identity 1 %s %s", repository, r)
}

// Wrapped is an identity that a service has wrapped, unopened.
type Wrapped struct {
	Recipient Recipient
	Service   string // name of the service and key
	sealed    string
}

// ParseWrapped reads an identity that a service has wrapped. ok is false when the file is of another
// form, such as one for a passphrase; the error is of kind Damaged.
func ParseWrapped(repository RepositoryID, file []byte) (w Wrapped, ok bool, err error) {
	if !bytes.HasPrefix(file, []byte(wrappedFormat+"\n")) {
		return Wrapped{}, false, nil
	}
	var values []string
	rest := string(file[len(wrappedFormat)+1:])
	for _, name := range []string{"repository ", "recipient ", "service ", "sealed "} {
		line, after, ended := strings.Cut(rest, "\n")
		value, found := strings.CutPrefix(line, name)
		if !ended || !found || value == "" || strings.ContainsRune(value, '\r') {
			return Wrapped{}, true, damaged("wrapped identity: no line of its %s", strings.TrimSpace(name))
		}
		values, rest = append(values, value), after
	}
	if rest != "" || values[0] != repository.String() {
		return Wrapped{}, true, damaged("wrapped identity: %w", ErrOtherRepository)
	}
	r, err := ParseRecipient(values[1])
	if err != nil || r.String() != values[1] {
		return Wrapped{}, true, damaged("wrapped identity: no recipient")
	}
	return Wrapped{Recipient: r, Service: values[2], sealed: values[3]}, true, nil
}

// Open has the service unwrap the identity.
func (w Wrapped) Open(ctx context.Context, s Service, repository RepositoryID) (*Identity, error) {
	text, err := s.Unwrap(ctx, w.sealed, bindIdentity(repository, w.Recipient))
	if err != nil {
		return nil, fmt.Errorf("unwrap a key: %w", err)
	}
	id, err := parseWrapped(text)
	if err != nil {
		return nil, err
	}
	if id.Recipient().String() != w.Recipient.String() {
		return nil, damaged("wrapped identity: it is that of another recipient")
	}
	return id, nil
}
