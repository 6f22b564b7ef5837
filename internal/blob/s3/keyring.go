package s3

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"holdfast/internal/problem"
)

// maxKeyFile bounds a file of credentials.
const maxKeyFile = 1 << 20

// keyring reads the credentials: from the file of the settings, else from AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else from AWS_SHARED_CREDENTIALS_FILE or
// ~/.aws/credentials. It starts no programs and asks no servers, and its errors repeat nothing of
// what it read. It is a credentials.Provider.
type keyring struct {
	file    string
	profile string

	mu    sync.Mutex
	value credentials.Value
}

// Retrieve reads the credentials. The error is a problem of kind Unauthorized.
func (k *keyring) Retrieve() (credentials.Value, error) {
	value, err := k.read()
	if err != nil {
		return credentials.Value{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.value = value
	return value, nil
}

// RetrieveWithCredContext reads the credentials.
func (k *keyring) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return k.Retrieve()
}

// IsExpired reports false: only the store knows, and says so.
func (k *keyring) IsExpired() bool { return false }

// redact removes the credentials from a text of the store.
func (k *keyring) redact(text string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, secret := range []string{k.value.SecretAccessKey, k.value.SessionToken, k.value.AccessKeyID} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

func (k *keyring) read() (credentials.Value, error) {
	if k.file != "" {
		return k.readFile(k.file)
	}
	id, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if id != "" && secret != "" {
		return signed(id, secret, os.Getenv("AWS_SESSION_TOKEN")), nil
	}
	if id != "" || secret != "" {
		return credentials.Value{}, problem.New(problem.Unauthorized,
			"only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set").Hint("set both, or neither")
	}
	if file := os.Getenv("AWS_SHARED_CREDENTIALS_FILE"); file != "" {
		return k.readFile(file)
	}
	if home, err := os.UserHomeDir(); err == nil {
		value, err := k.readFile(filepath.Join(home, ".aws", "credentials"))
		if !errors.Is(err, fs.ErrNotExist) {
			return value, err
		}
	}
	return credentials.Value{}, problem.New(problem.Unauthorized, "there are no credentials for the object store").
		Hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a credentials file")
}

func signed(id, secret, token string) credentials.Value {
	return credentials.Value{
		AccessKeyID: id, SecretAccessKey: secret, SessionToken: token, SignerType: credentials.SignatureV4,
	}
}

// readFile reads the profile from a file in the form of AWS's shared credentials file: sections
// [profile] of lines name = value, comments beginning with # or ;.
func (k *keyring) readFile(name string) (credentials.Value, error) {
	profile := k.profile
	if profile == "" {
		profile = os.Getenv("AWS_PROFILE")
	}
	if profile == "" {
		profile = "default"
	}
	body, err := readBounded(name)
	if err != nil {
		return credentials.Value{}, problem.Newf(problem.Unauthorized, "read the credentials of the object store: %w", err).
			Hint("check the path, and that this user may read the file")
	}
	values := make(map[string]string)
	section := ""
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if inner, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSpace(strings.TrimSuffix(inner, "]"))
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if ok && section == profile && line[0] != '#' && line[0] != ';' {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	id, secret := values["aws_access_key_id"], values["aws_secret_access_key"]
	if id == "" || secret == "" {
		return credentials.Value{}, problem.Newf(problem.Unauthorized,
			"%s has no aws_access_key_id and aws_secret_access_key under [%s]", name, profile).
			Hint("name the right profile, or write both below its heading")
	}
	return signed(id, secret, values["aws_session_token"]), nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(body) > maxKeyFile {
		err = errors.New(name + " is too large for a file of credentials")
	}
	return body, err
}
