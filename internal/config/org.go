package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"

	"holdfast/internal/problem"
)

// orgVersion is the first line of every org file; other versions are refused.
const orgVersion = "holdfast-org/1"

// maxOrgFile bounds an org file: it is a dozen short lines.
const maxOrgFile = 64 << 10

// The ways to sign in to an org.
const (
	AuthAccessToken       = "access-token"
	AuthRefreshToken      = "refresh-token"
	AuthJWT               = "jwt"
	AuthSignInFile        = "sign-in-file"
	AuthClientCredentials = "client-credentials"
	AuthSealedToken       = "sealed-token"
	AuthSF                = "sf"
)

// Org is what the machine remembers of one org: how to reach it and where its secrets are. Paths
// are absolute. Exactly the fields of its Auth are set.
type Org struct {
	Name        string `yaml:"-"`
	InstanceURL string `yaml:"instance_url"` // where the org's APIs are: scheme and host
	LoginURL    string `yaml:"login_url,omitempty"`
	Auth        string `yaml:"auth"` // one of the Auth constants

	AccessTokenFile  string `yaml:"access_token_file,omitempty"`
	RefreshTokenFile string `yaml:"refresh_token_file,omitempty"`
	ClientSecretFile string `yaml:"client_secret_file,omitempty"`
	JWTKeyFile       string `yaml:"jwt_key_file,omitempty"`
	SignInFile       string `yaml:"sign_in_file,omitempty"`
	ClientID         string `yaml:"client_id,omitempty"`
	Username         string `yaml:"username,omitempty"`

	// SealedTokenFile holds what a sign-in brought, sealed for the daily key; see docs/format/orgs.md.
	SealedTokenFile string `yaml:"sealed_token_file,omitempty"`
	SFAlias         string `yaml:"sf_alias,omitempty"` // alias or username of a login of the sf command line

	Manners Manners `yaml:"manners,omitempty"` // how it is read
}

// orgFile is the form of docs/format/orgs.md.
type orgFile struct {
	Version string `yaml:"version"`
	Org     `yaml:",inline"`
}

// orgName is what an org may be called: it becomes the name of a file.
var orgName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// SecretFiles returns the files that hold secrets of the org.
func (o Org) SecretFiles() []string {
	all := []string{o.AccessTokenFile, o.RefreshTokenFile, o.ClientSecretFile, o.JWTKeyFile, o.SignInFile, o.SealedTokenFile}
	return slices.DeleteFunc(all, func(p string) bool { return p == "" })
}

// Validate says what is wrong with the org, as problem.Usage, or nil. It reads no file.
func (o Org) Validate() error {
	if !orgName.MatchString(o.Name) {
		return problem.Newf(problem.Usage, "%q is not a name for an org", o.Name).
			Hint("use letters, digits, dots, dashes and underscores, at most 64")
	}
	urls := []string{o.InstanceURL}
	if o.LoginURL != "" {
		urls = append(urls, o.LoginURL)
	}
	for _, u := range urls {
		if err := validURL(u); err != nil {
			return problem.Newf(problem.Usage, "org %s: %w", o.Name, err).
				Hint("give scheme and host alone, such as https://example.my.salesforce.com")
		}
	}
	var missing string
	switch o.Auth {
	case AuthAccessToken:
		missing = firstMissing("access_token_file", o.AccessTokenFile)
	case AuthRefreshToken:
		missing = firstMissing("refresh_token_file", o.RefreshTokenFile, "client_id", o.ClientID)
	case AuthJWT:
		missing = firstMissing("jwt_key_file", o.JWTKeyFile, "client_id", o.ClientID, "username", o.Username)
	case AuthSignInFile:
		missing = firstMissing("sign_in_file", o.SignInFile)
	case AuthClientCredentials:
		missing = firstMissing("client_secret_file", o.ClientSecretFile, "client_id", o.ClientID)
	case AuthSealedToken:
		missing = firstMissing("sealed_token_file", o.SealedTokenFile, "client_id", o.ClientID)
	case AuthSF:
		missing = firstMissing("sf_alias", o.SFAlias)
	default:
		return problem.Newf(problem.Usage, "org %s: no way to sign in", o.Name).
			Hint("give --web, --from-sf or one of the files, see `holdfast org add --help`")
	}
	if err := o.Manners.Validate(); err != nil {
		return fmt.Errorf("org %s: %w", o.Name, err)
	}
	if missing != "" {
		return problem.Newf(problem.Usage, "org %s: sign-in by %s needs %s", o.Name, o.Auth, missing).
			Hint("see `holdfast org add --help`")
	}
	return nil
}

// firstMissing returns the first name of (name, value) pairs whose value is empty, or "".
func firstMissing(pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return pairs[i]
		}
	}
	return ""
}

// validURL accepts https anywhere and http on a loopback address alone: a token never travels in
// the clear over a network.
func validURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || (u.Path != "" && u.Path != "/") || u.User != nil || u.RawQuery != "":
		return fmt.Errorf("%q is not the URL of an org", s)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("%q would send the token in the clear", s)
	}
	return fmt.Errorf("%q is not the URL of an org", s)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}

// Orgs is the folder of org files, one file an org, so that two commands never overwrite each
// other's entry.
type Orgs struct{ dir string }

// OpenOrgs returns the org files below that home folder, which need not exist.
func OpenOrgs(home string) Orgs { return Orgs{dir: filepath.Join(home, "orgs")} }

func (s Orgs) path(name string) string { return filepath.Join(s.dir, name+".yaml") }

// Add remembers a new org. An org of that name already there is problem.Usage.
func (s Orgs) Add(o Org) error {
	if err := o.Validate(); err != nil {
		return err
	}
	body, err := yaml.Marshal(orgFile{Version: orgVersion, Org: o})
	if err != nil {
		return fmt.Errorf("write org %s: %w", o.Name, err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return problem.Wrap(problem.Failed, err, "write org "+o.Name).
			Hint("name a folder that this user may write to with %s", Home.Env)
	}
	if err := writeNew(s.path(o.Name), body); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return problem.Newf(problem.Usage, "org %s is already there", o.Name).
				Hint("remove it with `holdfast org remove %s` or choose another name", o.Name)
		}
		return fmt.Errorf("write org %s: %w", o.Name, err)
	}
	return nil
}

// writeNew publishes a file under its name whole or not at all, and only when there is none.
func writeNew(path string, body []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(body)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// Get returns the org of that name, or problem.NotFound.
func (s Orgs) Get(name string) (Org, error) {
	if !orgName.MatchString(name) {
		return Org{}, problem.Newf(problem.NotFound, "%q is not the name of an org", name).
			Hint("list the known ones with `holdfast org list`")
	}
	body, err := readBounded(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Org{}, problem.Newf(problem.NotFound, "org %s is not known here", name).
			Hint("add it with `holdfast org add %s`, or list the known ones with `holdfast org list`", name)
	}
	if err != nil {
		return Org{}, fmt.Errorf("read org %s: %w", name, err)
	}
	var f orgFile
	if err := yaml.UnmarshalWithOptions(body, &f, yaml.Strict()); err != nil {
		return Org{}, problem.Newf(problem.Usage, "org file %s: %s", s.path(name), oneLine(err)).
			Hint("mend the file, or remove it and add the org again")
	}
	if f.Version != orgVersion {
		return Org{}, problem.Newf(problem.Usage, "org file %s: version %q is not %q", s.path(name), f.Version, orgVersion).
			Hint("use the release that wrote it, or remove the file and add the org again")
	}
	f.Name = name
	if err := f.Validate(); err != nil {
		return Org{}, err
	}
	return f.Org, nil
}

// oneLine returns the first line of an error of the YAML parser, which goes on with an excerpt.
func oneLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxOrgFile+1))
	if err == nil && len(body) > maxOrgFile {
		err = fmt.Errorf("longer than %d bytes", maxOrgFile)
	}
	return body, err
}

// List returns the known orgs by name.
func (s Orgs) List() ([]Org, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.Wrap(problem.Failed, err, "list orgs").
			Hint("name the folder in which orgs are kept with %s", Home.Env)
	}
	var orgs []Org
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".yaml")
		if !ok || !orgName.MatchString(name) {
			continue
		}
		o, err := s.Get(name)
		if err != nil {
			return nil, err
		}
		orgs = append(orgs, o)
	}
	return orgs, nil
}

// Remove forgets the org, and the token that was sealed for it here. Snapshots of it and its secret
// files stay.
func (s Orgs) Remove(name string) error {
	if _, err := os.Stat(s.path(name)); !orgName.MatchString(name) || errors.Is(err, fs.ErrNotExist) {
		return problem.Newf(problem.NotFound, "org %s is not known here", name).
			Hint("list the known ones with `holdfast org list`")
	}
	if err := os.Remove(s.path(name)); err != nil {
		return fmt.Errorf("remove org %s: %w", name, err)
	}
	if err := os.Remove(s.SealedTokenPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the token of org %s: %w", name, err)
	}
	return nil
}

// unusable is the error for a secret file that cannot be read as one.
func unusable(path, what string) error {
	if isSecret(path) {
		return problem.New(problem.Usage, "what stands where the name of a secret file belongs is a secret itself").
			Hint("write it into a file that only its owner may read, and name that; take it out of the history of the shell")
	}
	return problem.Newf(problem.Usage, "secret file %s %s", path, what).
		Hint("name the file that holds the secret alone, readable by its owner")
}

// isSecret recognises what people give in place of the name of a file: an age identity, a private key, an authorization
// URL, an access token. None of it may be repeated in an error.
func isSecret(text string) bool {
	upper := strings.ToUpper(text)
	return strings.Contains(upper, "AGE-SECRET-KEY-") || strings.Contains(upper, "PRIVATE KEY-----") || strings.HasPrefix(upper, "FORCE://") ||
		strings.HasPrefix(text, "00D") && strings.Contains(text, "!")
}

// ReadSecret reads a file that only its owner may read. It is problem.Usage when others may read
// it, too, or when it is not there, empty or not to be read.
func ReadSecret(path string) ([]byte, error) {
	if err := CheckSecret(path); err != nil {
		return nil, err
	}
	body, err := readBounded(path)
	if err != nil {
		return nil, unusable(path, "cannot be read: "+cause(err))
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, unusable(path, "is empty")
	}
	return body, nil
}

// cause is what the system said, without the path, which stands in the error already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// ReadToken reads a secret of one line, without the line end that editors add.
func ReadToken(path string) (string, error) {
	body, err := ReadSecret(path)
	if err != nil {
		return "", err
	}
	token := string(bytes.TrimRight(body, "\r\n"))
	if strings.ContainsAny(token, "\r\n") {
		return "", problem.Newf(problem.Usage, "secret file %s holds more than one line", path).
			Hint("write the token alone into the file")
	}
	if strings.ContainsFunc(token, unicode.IsControl) {
		return "", problem.Newf(problem.Usage, "secret file %s holds control characters, which no token has", path).
			Hint("write the token alone into the file, as text")
	}
	return token, nil
}

// CheckSecret says whether the file exists and only its owner may read it, without reading it.
func CheckSecret(path string) error {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return unusable(path, "does not exist")
	}
	if err != nil {
		return unusable(path, "cannot be read: "+cause(err))
	}
	if !fi.Mode().IsRegular() {
		return unusable(path, "is not a file")
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return problem.Newf(problem.Usage, "secret file %s may be read by others (mode %04o)", path, fi.Mode().Perm()).
			Hint("run `chmod 600 %s`", path)
	}
	return nil
}
