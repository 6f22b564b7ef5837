package transit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// engine speaks the documented part of the API of the Transit engine, for one key: what it encrypts
// it can decrypt, with the same associated data only.
type engine struct {
	t      *testing.T
	key    [32]byte
	token  string
	status int // answered to everything when it is not 0
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {text}})
	}
	var in struct {
		Plaintext  string `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
		Associated string `json:"associated_data"`
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(text, &in) != nil {
		e.t.Errorf("request %q: %v", text, err)
	}
	associated, err := base64.StdEncoding.DecodeString(in.Associated)
	block, _ := aes.NewCipher(e.key[:])
	gcm, _ := cipher.NewGCM(block)
	switch {
	case e.status != 0:
		refuse(e.status, "Vault is sealed")
	case r.Header.Get("X-Vault-Token") != e.token:
		refuse(403, "permission denied")
	case r.Method != http.MethodPost || err != nil:
		refuse(400, "failed to base64-decode associated_data")
	case r.URL.Path == "/v1/keys/encrypt/holdfast":
		plain, err := base64.StdEncoding.DecodeString(in.Plaintext)
		if err != nil {
			refuse(400, "failed to base64-decode plaintext")
			return
		}
		nonce := make([]byte, gcm.NonceSize())
		_, _ = rand.Read(nonce)
		sealed := "vault:v1:" + base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, plain, associated))
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"ciphertext": sealed, "key_version": 1}})
	case r.URL.Path == "/v1/keys/decrypt/holdfast":
		text, found := strings.CutPrefix(in.Ciphertext, "vault:v1:")
		sealed, err := base64.StdEncoding.DecodeString(text)
		if !found || err != nil || len(sealed) < gcm.NonceSize() {
			refuse(400, "invalid ciphertext: no prefix")
			return
		}
		plain, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], associated)
		if err != nil {
			refuse(400, "cipher: message authentication failed")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]string{"plaintext": base64.StdEncoding.EncodeToString(plain)}})
	default:
		refuse(404, "no handler for route")
	}
}

func started(t *testing.T) (*engine, *Service) {
	t.Helper()
	e := &engine{t: t, token: "s.token"}
	_, _ = rand.Read(e.key[:])
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	s, err := New(Config{Address: server.URL, Mount: "keys", Key: "holdfast", Token: "s.token"})
	if err != nil {
		t.Fatal(err)
	}
	return e, s
}

func TestAnIdentityIsKeptByTheService(t *testing.T) {
	_, s := started(t)
	id, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	repository := seal.NewRepositoryID()
	file, err := seal.WrapWithService(t.Context(), s, repository, id)
	if err != nil || strings.Contains(string(file), "SECRET") || strings.Contains(string(file), "s.token") {
		t.Fatalf("%q %v", file, err)
	}
	w, ok, err := seal.ParseWrapped(repository, file)
	if !ok || err != nil || w.Service != s.Name() {
		t.Fatal(w, ok, err)
	}
	again, err := w.Open(t.Context(), s, repository)
	if err != nil || again.Recipient().String() != id.Recipient().String() {
		t.Fatal(err)
	}
	if _, err := w.Open(t.Context(), s, seal.NewRepositoryID()); problem.KindOf(err) != problem.WrongKey {
		t.Errorf("for another repository: %v", err)
	}
	if _, _, err := seal.ParseWrapped(seal.NewRepositoryID(), file); problem.KindOf(err) != problem.Damaged {
		t.Errorf("read as of another repository: %v", err)
	}
}

func TestWhatTheServiceRefusesHasItsKind(t *testing.T) {
	e, s := started(t)
	sealed, err := s.Wrap(t.Context(), []byte("secret text"), []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, s *Service, sealed, associated string, want problem.Kind) {
		t.Helper()
		text, err := s.Unwrap(t.Context(), sealed, []byte(associated))
		if err == nil || problem.KindOf(err) != want || text != nil {
			t.Errorf("%s: %q, %v (%v), want %v", what, text, err, problem.KindOf(err), want)
		}
		for _, secret := range []string{"s.token", "s.other", "secret text", "c2VjcmV0IHRleHQ"} {
			if strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("%s: the error tells a secret: %v", what, err)
			}
		}
	}
	check("other associated data", s, sealed, "b", problem.WrongKey)
	check("no ciphertext", s, "vault:v1:", "a", problem.WrongKey)
	for _, c := range []struct {
		what string
		with func(*Config)
		want problem.Kind
	}{
		{"another token", func(c *Config) { c.Token = "s.other" }, problem.WrongKey},
		{"another key", func(c *Config) { c.Key = "other" }, problem.WrongKey},
		{"another mount", func(c *Config) { c.Mount = "transit" }, problem.WrongKey},
	} {
		config := s.config
		c.with(&config)
		other, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		check(c.what, other, sealed, "a", c.want)
	}
	for status, want := range map[int]problem.Kind{503: problem.Unreachable, 429: problem.Unreachable, 307: problem.Failed} {
		e.status = status
		check(http.StatusText(status), s, sealed, "a", want)
	}
	gone := httptest.NewServer(e)
	config := s.config
	config.Address = gone.URL
	gone.Close()
	other, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	check("nobody there", other, sealed, "a", problem.Unreachable)
}

func TestTheServiceIsNamedInFull(t *testing.T) {
	good := Config{Address: "https://vault.example:8200", Key: "k", Token: "t"}
	for _, change := range []func(*Config){
		func(c *Config) { c.Address = "http://vault.example:8200" },
		func(c *Config) { c.Address = "https://user:secret@vault.example" },
		func(c *Config) { c.Address = "https://vault.example/v1" },
		func(c *Config) { c.Address = "vault.example" },
		func(c *Config) { c.Key = "" },
		func(c *Config) { c.Key = "../sys" },
		func(c *Config) { c.Token = "" },
	} {
		c := good
		change(&c)
		if _, err := New(c); problem.KindOf(err) != problem.Usage || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	s, err := New(good)
	if err != nil || s.Name() != "transit https://vault.example:8200/transit/k" {
		t.Error(s, err)
	}
}
