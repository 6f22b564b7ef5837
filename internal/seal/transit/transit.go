// Package transit is a key service: the Transit secrets engine of HashiCorp Vault, and of what speaks
// its HTTP API, such as OpenBao. The key never leaves the service.
//
// Source: "Transit secrets engine (API)", developer.hashicorp.com/vault/api-docs/secret/transit:
// POST /v1/MOUNT/encrypt/NAME with plaintext and associated_data in base64 answers data.ciphertext;
// POST /v1/MOUNT/decrypt/NAME with ciphertext and associated_data answers data.plaintext in base64.
// "HTTP API", developer.hashicorp.com/vault/api-docs: the token is in the header X-Vault-Token, the
// namespace in X-Vault-Namespace; errors are {"errors":[…]}; 400 invalid request, 403 forbidden,
// 404 invalid path, 429 too many requests, 500 internal, 503 sealed or down for maintenance.
package transit

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"holdfast/internal/problem"
)

const (
	// timeout bounds one request: a service that does not answer must not hold up a backup for ever.
	timeout = 30 * time.Second
	// maxAnswer bounds what is read of an answer; a wrapped identity has some three hundred bytes.
	maxAnswer = 64 << 10
)

// Config says where the service is and which of its keys to use.
type Config struct {
	Address   string // such as https://vault.example.com:8200
	Mount     string // where the engine is enabled; "" is "transit"
	Key       string // name of the key; of a type that authenticates associated data, such as aes256-gcm96
	Namespace string // "" is none
	Token     string // secret
}

// Service is a key of the engine.
type Service struct {
	config Config
	base   *url.URL
	client *http.Client
}

// New returns the service. The error is of kind Usage when the address is not one of TLS, or of this
// machine, or a name is missing.
func New(c Config) (*Service, error) {
	if c.Mount == "" {
		c.Mount = "transit"
	}
	u, err := url.Parse(c.Address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, problem.New(problem.Usage, "the address of the key service is not https://HOST:PORT")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())) {
		return nil, problem.New(problem.Usage, "the key service is not spoken to without TLS").
			Hint("give an address that begins with https://")
	}
	for _, name := range []string{c.Mount, c.Key} {
		if strings.Trim(name, "/") == "" || strings.ContainsAny(name, " \r\n?#%") || strings.Contains(name, "..") {
			return nil, problem.New(problem.Usage, "the key service needs the name of a mount and of a key")
		}
	}
	if c.Token == "" {
		return nil, problem.New(problem.Usage, "the key service needs a token")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: timeout,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	return &Service{config: c, base: u, client: &http.Client{
		Timeout: timeout, Transport: transport,
		// A redirect would take the token to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// local reports whether the host is this machine, where there is no network to listen on.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Kind is "transit".
func (*Service) Kind() string { return "transit" }

// Name says where the key is, without the token.
func (s *Service) Name() string {
	name := "transit " + s.base.Scheme + "://" + s.base.Host + "/" + s.config.Mount + "/" + s.config.Key
	if s.config.Namespace != "" {
		name += " " + s.config.Namespace
	}
	return name
}

// Wrap has the service encrypt the text.
func (s *Service) Wrap(ctx context.Context, text, associated []byte) (string, error) {
	var answer struct {
		Ciphertext string `json:"ciphertext"`
	}
	err := s.call(ctx, "encrypt", map[string]string{
		"plaintext":       base64.StdEncoding.EncodeToString(text),
		"associated_data": base64.StdEncoding.EncodeToString(associated),
	}, &answer)
	if err == nil && !strings.HasPrefix(answer.Ciphertext, "vault:v") {
		err = errors.New("the key service answers with no ciphertext")
	}
	return answer.Ciphertext, err
}

// Unwrap has the service decrypt what Wrap returned. The error is of kind WrongKey when it refuses.
func (s *Service) Unwrap(ctx context.Context, sealed string, associated []byte) ([]byte, error) {
	var answer struct {
		Plaintext string `json:"plaintext"`
	}
	err := s.call(ctx, "decrypt", map[string]string{
		"ciphertext":      sealed,
		"associated_data": base64.StdEncoding.EncodeToString(associated),
	}, &answer)
	if err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.DecodeString(answer.Plaintext)
	if err != nil {
		return nil, errors.New("the key service answers with no plaintext")
	}
	return text, nil
}

// call makes one request. What was sent and what came back is in no error: both are secrets.
func (s *Service) call(ctx context.Context, verb string, in map[string]string, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	u := s.base.JoinPath("v1", s.config.Mount, verb, s.config.Key)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Vault-Token", s.config.Token)
	r.Header.Set("X-Vault-Request", "true") // asked for by agents that guard against forged requests
	if s.config.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", s.config.Namespace)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return problem.Newf(problem.Unreachable, "the key service at %s does not answer: %w", s.base.Host, err).
			Hint("check the address and the network; the recovery key opens the repository without the service")
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil || len(text) > maxAnswer {
		return problem.Newf(problem.Unreachable, "the answer of the key service at %s is cut off", s.base.Host)
	}
	if answer.StatusCode != http.StatusOK {
		return s.refused(verb, answer.StatusCode, text)
	}
	var data struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(text, &data) != nil || json.Unmarshal(data.Data, out) != nil {
		return errors.New("the answer of the key service cannot be read")
	}
	return nil
}

// refused is the error of an answer that is not 200.
func (s *Service) refused(verb string, status int, text []byte) error {
	var said struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(text, &said) // a proxy may have answered
	what := strings.Join(said.Errors, "; ")
	if what == "" {
		what = http.StatusText(status)
	}
	what = fmt.Sprintf("the key service at %s refuses to %s (%d): %.200s", s.base.Host, verb, status, what)
	switch {
	case status == http.StatusForbidden:
		return problem.New(problem.WrongKey, what).
			Hint("the token may have ended, or its policy lacks update on %s/%s/%s", s.config.Mount, verb, s.config.Key)
	case status == http.StatusBadRequest || status == http.StatusNotFound:
		return problem.New(problem.WrongKey, what).
			Hint("check the mount and the name of the key, and that this repository's key was wrapped by it")
	case status == http.StatusTooManyRequests || status >= 500:
		return problem.New(problem.Unreachable, what).Hint("it may be sealed or down for maintenance; run the command again later")
	}
	return problem.New(problem.Failed, what)
}
