package salesforce_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

func TestConnectTellsWhoAndWhere(t *testing.T) {
	f := newFake(t)
	org := f.connect()
	id, err := org.Identity(t.Context())
	if err != nil || id.OrgID != orgID || id.UserID != userID || id.Username != "ada@example.com" || id.InstanceURL != f.URL {
		t.Errorf("identity %+v, %v", id, err)
	}
	if u := org.Usage(); u.Calls != 2 || u.DailyLimit != 1_000_000 || u.DailyUsed != 2 {
		t.Errorf("usage %+v", u)
	}
}

func TestConnectWithoutTheRightToReadLimits(t *testing.T) {
	for body, kind := range map[string]problem.Kind{
		`[{"errorCode":"FUNCTIONALITY_NOT_ENABLED","message":"x"}]`: -1,
		`[{"errorCode":"API_DISABLED_FOR_ORG","message":"x"}]`:      problem.Unauthorized,
	} {
		f := newFake(t)
		f.forbid = body
		_, err := salesforce.Connect(t.Context(), f.config())
		if (err == nil) != (kind == -1) || err != nil && problem.KindOf(err) != kind {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestConnectRefusesWhatCannotWork(t *testing.T) {
	token := salesforce.Credentials{AccessToken: "tok"}
	for name, c := range map[string]salesforce.Config{
		"no address":       {Credentials: token},
		"no TLS":           {InstanceURL: "http://example.com", Credentials: token},
		"user in address":  {InstanceURL: "https://me:pw@example.com", Credentials: token},
		"path":             {InstanceURL: "https://example.com/lightning", Credentials: token},
		"scheme":           {InstanceURL: "ftp://example.com", Credentials: token},
		"login address":    {InstanceURL: "https://example.com", Credentials: salesforce.Credentials{AccessToken: "x", LoginURL: "http://evil.example"}},
		"nothing to show":  {InstanceURL: "https://example.com"},
		"refresh alone":    {InstanceURL: "https://example.com", Credentials: salesforce.Credentials{RefreshToken: "r"}},
		"bad key":          {InstanceURL: "https://example.com", Credentials: salesforce.Credentials{ClientID: "c", Username: "u", PrivateKeyPEM: "KEYTEXT"}},
		"version":          {InstanceURL: "https://example.com", Credentials: token, APIVersion: "v66"},
		"share above one":  {InstanceURL: "https://example.com", Credentials: token, Budget: salesforce.Budget{Share: 1.5}},
		"share below zero": {InstanceURL: "https://example.com", Credentials: token, Budget: salesforce.Budget{Share: -1}},
	} {
		_, err := salesforce.Connect(t.Context(), c)
		if problem.KindOf(err) != problem.Usage || strings.Contains(err.Error(), "KEYTEXT") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnreachableOrgIsOneLine(t *testing.T) {
	f := newFake(t)
	c := f.config()
	f.Close()
	_, err := salesforce.Connect(t.Context(), c)
	if problem.KindOf(err) != problem.Unreachable || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), f.URL) || problem.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestExpiredTokenIsOneLine(t *testing.T) {
	f := newFake(t)
	c := f.config()
	c.Credentials.AccessToken = "stale-secret"
	_, err := salesforce.Connect(t.Context(), c)
	if problem.KindOf(err) != problem.Unauthorized || strings.Contains(err.Error(), "\n") ||
		strings.Contains(err.Error(), "stale-secret") || problem.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

// onToken makes the fake hand out the tokens tok1, tok2, … and returns how many it has.
func onToken(f *fakeOrg, check func(*http.Request) string) *atomic.Int64 {
	var n atomic.Int64
	f.on("POST /services/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if refusal := check(r); refusal != "" {
			writeJSON(w, 400, refusal)
			return
		}
		token := fmt.Sprintf("tok%d", n.Add(1))
		f.mu.Lock()
		f.valid = map[string]bool{token: true}
		f.mu.Unlock()
		writeJSON(w, 200, fmt.Sprintf(`{"access_token":%q,"instance_url":%q,"id":"x","token_type":"Bearer"}`, token, f.URL))
	})
	return &n
}

func refreshConfig(f *fakeOrg) salesforce.Config {
	c := f.config()
	c.Credentials = salesforce.Credentials{ClientID: "app", ClientSecret: "hush-secret", RefreshToken: "refresh-secret"}
	return c
}

func TestSignInByRefreshToken(t *testing.T) {
	f := newFake(t)
	onToken(f, func(r *http.Request) string {
		if r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("refresh_token") != "refresh-secret" ||
			r.Form.Get("client_id") != "app" || r.Form.Get("client_secret") != "hush-secret" {
			return `{"error":"invalid_request","error_description":"bad form"}`
		}
		return ""
	})
	if _, err := salesforce.Connect(t.Context(), refreshConfig(f)); err != nil {
		t.Fatal(err)
	}
}

func TestSignInByJWT(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, block := range map[string]*pem.Block{
		"PKCS1": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		"PKCS8": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			onToken(f, func(r *http.Request) string {
				if got := verifyJWT(t, &key.PublicKey, r.Form.Get("assertion")); got["iss"] != "app" || got["sub"] != "ada@example.com" || got["aud"] != "https://login.salesforce.com" ||
					got["exp"] != float64(now.Add(3*time.Minute).Unix()) {
					return fmt.Sprintf(`{"error":"invalid_grant","error_description":"%v"}`, got)
				}
				return ""
			})
			c := f.config()
			c.Now = func() time.Time { return now }
			c.Credentials = salesforce.Credentials{
				ClientID: "app", Username: "ada@example.com",
				PrivateKeyPEM: salesforce.Secret(pem.EncodeToMemory(block)), Audience: "https://login.salesforce.com",
			}
			if _, err := salesforce.Connect(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func verifyJWT(t *testing.T, key *rsa.PublicKey, token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Errorf("assertion of %d parts", len(parts))
		return nil
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	claims := map[string]any{}
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Error(err)
	}
	return claims
}

func TestTrap15TokenDiesOften(t *testing.T) {
	f := newFake(t)
	var asking, together atomic.Int64
	tokens := onToken(f, func(*http.Request) string {
		if asking.Add(1) > 1 {
			together.Add(1)
		}
		time.Sleep(2 * time.Millisecond)
		asking.Add(-1)
		return ""
	})
	var mu sync.Mutex
	lived := 0
	f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		lived++
		if lived%200 == 0 {
			f.mu.Lock()
			f.valid = map[string]bool{}
			f.mu.Unlock()
		}
		mu.Unlock()
		writeJSON(w, 200, `{"totalSize":7,"done":true,"records":[]}`)
	})
	org, err := salesforce.Connect(t.Context(), refreshConfig(f))
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	for range 16 {
		group.Go(func() error {
			for range 100 {
				if n, err := org.Count(t.Context(), "Account", false); err != nil || n != 7 {
					return fmt.Errorf("count %d: %w", n, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if together.Load() > 0 {
		t.Errorf("%d renewals at the same time", together.Load())
	}
	if n := tokens.Load(); n < 8 || n > 9 {
		t.Errorf("%d tokens for 1600 calls with 200 calls each", n)
	}
}

func TestRefusedRenewalIsAskedOnce(t *testing.T) {
	f := newFake(t)
	var asked atomic.Int64
	f.on("POST /services/oauth2/token", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		writeJSON(w, 400, `{"error":"invalid_grant","error_description":"expired access/refresh token refresh-secret"}`)
	})
	c := refreshConfig(f)
	c.Credentials.AccessToken = "tok"
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.valid = nil
	f.mu.Unlock()
	for range 3 {
		_, err := org.Count(t.Context(), "Account", false)
		if problem.KindOf(err) != problem.Unauthorized || strings.Contains(err.Error(), "refresh-secret") {
			t.Errorf("%v", err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	c := salesforce.Config{Credentials: salesforce.Credentials{
		AccessToken: "hunter2", ClientSecret: "hunter2",
		RefreshToken: "hunter2", PrivateKeyPEM: "hunter2", ClientID: "app",
	}}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x", c, c, c, c.Credentials, c.Credentials, c.Credentials)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "token", c.Credentials.AccessToken)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "cred", c.Credentials)
	raw, err := json.Marshal(c.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	for _, secret := range []string{"hunter2", fmt.Sprintf("%x", "hunter2")} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q in %s", secret, out.String())
		}
	}
}

// TestErrorsHoldNoSecret lets a hostile or careless org echo the session in every kind of refusal.
func TestErrorsHoldNoSecret(t *testing.T) {
	bodies := []http.HandlerFunc{
		answer(400, `[{"errorCode":"X_tok-secret","message":"Bearer tok-secret"}]`),
		answer(500, `<html><title>tok-secret</title></html>`),
		answer(403, `tok-secret`),
		answer(200, `"tok-secret"`),
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>tok-secret")) },
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://x/tok-secret", http.StatusFound)
		},
	}
	for i, h := range bodies {
		f := newFake(t)
		f.valid["tok-secret"] = true
		c := f.config()
		c.Credentials.AccessToken = "tok-secret"
		var told strings.Builder
		c.Progress = func(text string) { told.WriteString(text) }
		org, err := salesforce.Connect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		f.on("GET "+v+"query", h)
		_, err = org.Count(t.Context(), "Account", false)
		if err == nil || strings.Contains(err.Error()+problem.HintOf(err)+told.String(), "tok-secret") {
			t.Errorf("case %d: %v; told %s", i, err, told.String())
		}
	}
}
