package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"holdfast/internal/problem"
)

// Recipient is someone who can open what is wrapped for them: the public half of an Identity.
type Recipient struct{ key *age.X25519Recipient }

// String returns the recipient as age writes it, "age1…".
func (r Recipient) String() string { return r.key.String() }

// ParseRecipient reads an age X25519 recipient, "age1…". The error is of kind Usage and never repeats
// what was read: it may be the secret half, given by mistake.
func ParseRecipient(s string) (Recipient, error) {
	key, err := age.ParseX25519Recipient(strings.TrimSpace(s))
	if err != nil {
		return Recipient{}, problem.New(problem.Usage, "recipient: not an age X25519 recipient").
			Hint("a recipient is a line such as age1ql3z7hjy…, printed when a key is made; a line that begins with AGE-SECRET-KEY-1 is no recipient but a secret")
	}
	return Recipient{key}, nil
}

// Identity is one or more age X25519 identities: what opens a repository.
type Identity struct{ keys []*age.X25519Identity }

// NewIdentity makes a new identity from the system's randomness.
func NewIdentity() (*Identity, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &Identity{keys: []*age.X25519Identity{key}}, nil
}

// maxIdentityFile bounds what is read as a key file; a real one has some two hundred bytes.
const maxIdentityFile = 64 << 10

// ReadIdentity reads a key file: one age X25519 identity a line, empty lines and lines that begin
// with # ignored. The error is of kind Usage and never repeats what was read.
func ReadIdentity(r io.Reader) (*Identity, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIdentityFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if len(text) > maxIdentityFile {
		return nil, problem.Newf(problem.Usage, "key file: more than %d bytes", maxIdentityFile)
	}
	id := &Identity{}
	for n, line := range bytes.Split(text, []byte("\n")) {
		s := strings.TrimSpace(string(line))
		if s == "" || s[0] == '#' {
			continue
		}
		key, err := age.ParseX25519Identity(s)
		if err != nil {
			// The error of age quotes what it read, and that may be most of a secret.
			return nil, problem.Newf(problem.Usage, "key file, line %d: not an age X25519 identity", n+1).
				Hint("a key file has a line that begins with AGE-SECRET-KEY-1")
		}
		id.keys = append(id.keys, key)
	}
	if len(id.keys) == 0 {
		return nil, problem.New(problem.Usage, "key file: no identity in it").
			Hint("a key file has a line that begins with AGE-SECRET-KEY-1")
	}
	return id, nil
}

// Recipient returns the public half of the first identity.
func (i *Identity) Recipient() Recipient { return Recipient{i.keys[0].Recipient()} }

// Has reports whether the recipient is the public half of one of the identities.
func (i *Identity) Has(r Recipient) bool {
	for _, key := range i.keys {
		if key.Recipient().String() == r.String() {
			return true
		}
	}
	return false
}

// Secret returns the identity as the text of a key file, with its recipient as a comment. It is a
// secret.
func (i *Identity) Secret() string {
	var b strings.Builder
	for _, key := range i.keys {
		fmt.Fprintf(&b, "# public key: %s\n%s\n", key.Recipient(), key)
	}
	return b.String()
}

// String says whose identity it is, without the secret.
func (i *Identity) String() string { return "identity of " + i.Recipient().String() }

// errNoMatch is the error of unwrap for a file that was wrapped for others.
var errNoMatch = errors.New("wrapped for other recipients")

func wrap(body []byte, to []Recipient) ([]byte, error) {
	recipients := make([]age.Recipient, len(to))
	for i, r := range to {
		recipients[i] = r.key
	}
	return wrapFor(body, recipients...)
}

func wrapFor(body []byte, recipients ...age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unwrap(sealed []byte, id *Identity) ([]byte, error) {
	keys := make([]age.Identity, len(id.keys))
	for i, key := range id.keys {
		keys[i] = key
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), keys...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, errNoMatch
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxKeyFile))
}
