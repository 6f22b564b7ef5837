package salesforce

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"holdfast/internal/problem"
)

const (
	maxTokenReply = 64 << 10
	// tokenTime ends a request for a token: it is answered in a second, and every call may wait for it.
	tokenTime = time.Minute
	// jwtLife is how long an assertion is valid. The platform accepts 3 to 5 minutes (exact bound
	// unverified), counted by its own clock.
	jwtLife = 3 * time.Minute
)

// session holds the access token and gets a new one when the org refuses it.
type session struct {
	cred    Credentials
	obtain  func(context.Context) (Secret, error) // nil: the token endpoint is asked
	rotated func(Secret) error                    // may be nil
	key     *rsa.PrivateKey                       // for JWT bearer

	renewing chan struct{} // held by the one call that asks for a token

	mu       sync.Mutex
	token    string
	refresh  string // rotates where the org rotates refresh tokens
	instance string // scheme and host
	refused  error  // the org refused to renew: asking again would only lock the user out
	secrets  []string
}

func newSession(c Config, instance string) (*session, error) {
	cred := c.Credentials
	s := &session{
		cred: cred, obtain: c.Obtain, rotated: c.Rotated, token: string(cred.AccessToken), refresh: string(cred.RefreshToken),
		instance: instance, renewing: make(chan struct{}, 1),
	}
	if cred.jwt() {
		key, err := parseKey(string(cred.PrivateKeyPEM))
		if err != nil {
			return nil, err
		}
		s.key = key
	}
	if s.token == "" && !s.renewable() {
		return nil, problem.New(problem.Usage, "no complete credentials for the org").
			Hint("give an access token, or a client id with a refresh token or a secret, or a client id with a username and a private key")
	}
	s.keepSecret(string(cred.AccessToken), string(cred.RefreshToken), string(cred.ClientSecret))
	return s, nil
}

// renewable reports whether a new access token can be had.
func (s *session) renewable() bool { return s.obtain != nil || s.cred.renewable() }

// parseKey reads an RSA private key. Its errors say nothing of the key's text.
func parseKey(text string) (*rsa.PrivateKey, error) {
	bad := func(why string) error {
		return problem.New(problem.Usage, "private key of the connected app: "+why).
			Hint("give an RSA private key in PEM form, without a password")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, bad("not in PEM form")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad("neither PKCS #1 nor PKCS #8")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, bad("not an RSA key")
	}
	return key, nil
}

// current returns the access token and the instance it is for; the token is empty before the first
// sign-in.
func (s *session) current() (token, instance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.instance
}

func (s *session) keepSecret(secrets ...string) {
	for _, secret := range secrets {
		if secret != "" {
			s.secrets = append(s.secrets, secret, url.QueryEscape(secret))
		}
	}
	// Old access tokens have expired; a handful of the newest is enough to look for.
	if extra := len(s.secrets) - 32; extra > 0 {
		s.secrets = append(s.secrets[:6:6], s.secrets[6+extra:]...)
	}
}

// scrub removes every secret from text that came from outside: an org or proxy may echo one.
func (s *session) scrub(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}

// renew makes sure that the current token is another one than stale. However many calls find the
// token expired, one asks for a new one and the others wait for it.
func (o *Org) renew(ctx context.Context, stale string) error {
	s := o.session
	select {
	case s.renewing <- struct{}{}:
		defer func() { <-s.renewing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	token, refused := s.token, s.refused
	s.mu.Unlock()
	if token != stale {
		return nil
	}
	if refused != nil {
		return refused
	}
	if !s.renewable() {
		return problem.New(problem.Unauthorized, "the access token has expired or was revoked").
			Hint("sign in to the org again, or use a refresh token or a JWT key so that the session can be renewed")
	}
	err := o.requestToken(ctx)
	// A renewal that is broken off returns why: that may be another call's refusal, and says nothing of
	// these credentials.
	if ctx.Err() == nil && problem.KindOf(err) == problem.Unauthorized {
		s.mu.Lock()
		s.refused = err
		s.mu.Unlock()
	}
	return err
}

// requestToken asks the token endpoint for an access token. Asking twice is harmless, so every
// failure that may pass is tried again.
func (o *Org) requestToken(ctx context.Context) error {
	const what = "sign in"
	if o.session.obtain != nil {
		return o.obtain(ctx)
	}
	for n := 1; ; n++ {
		form, err := o.tokenForm()
		if err != nil {
			return err
		}
		v, after, err := o.askToken(ctx, form)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if v == final || n == signInAttempts {
			if f, ok := errors.AsType[*Fault](err); ok {
				return o.tokenProblem(f)
			}
			return o.unreachable(what, err)
		}
		if err := o.pace.wait(ctx, n, after); err != nil {
			return err
		}
	}
}

// obtain takes the access token of whoever keeps the login.
func (o *Org) obtain(ctx context.Context) error {
	token, err := o.session.obtain(ctx)
	if err != nil {
		return err
	}
	s := o.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if token == "" || string(token) == s.token {
		return problem.New(problem.Unauthorized, "the session has expired, and no other is to be had").
			Hint("sign in to the org again where the login is kept")
	}
	s.token = string(token)
	s.keepSecret(s.token)
	return nil
}

// tokenProblem explains a refusal of the token endpoint.
func (o *Org) tokenProblem(f *Fault) error {
	if f.Status >= 500 || f.Status == http.StatusTooManyRequests || f.Status == http.StatusNotFound {
		return asProblem("sign in", f)
	}
	hint := "check the credentials of the org"
	switch {
	case f.Code == "invalid_grant" && o.session.cred.jwt():
		hint = "check that the user may use the connected app (pre-authorised) and that the key, username and login address belong together"
	case f.Code == "invalid_grant":
		hint = "the refresh token has expired or was revoked: sign in to the org again"
	case f.Code == "invalid_client_id" || f.Code == "invalid_client":
		hint = "check the client id and secret of the connected app"
	}
	return problem.Wrap(problem.Unauthorized, f, "sign in").Hint("%s", hint)
}

// tokenForm is the request for a token, in the flow that the credentials allow.
func (o *Org) tokenForm() (url.Values, error) {
	c := o.session.cred
	if c.jwt() {
		assertion, err := o.assertion()
		if err != nil {
			return nil, err
		}
		o.session.mu.Lock()
		o.session.keepSecret(assertion) // whoever has it can sign in while it is valid
		o.session.mu.Unlock()
		return url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}, nil
	}
	form := url.Values{"client_id": {c.ClientID}}
	if c.refresh() {
		o.session.mu.Lock()
		form.Set("refresh_token", o.session.refresh)
		o.session.mu.Unlock()
		form.Set("grant_type", "refresh_token")
	} else {
		form.Set("grant_type", "client_credentials")
	}
	if c.ClientSecret != "" {
		form.Set("client_secret", string(c.ClientSecret))
	}
	return form, nil
}

// assertion is the signed JWT (RFC 7523, RS256) that stands for the user.
func (o *Org) assertion() (string, error) {
	c := o.session.cred
	claims, err := json.Marshal(map[string]any{
		"iss": c.ClientID, "sub": c.Username, "aud": firstOf(c.Audience, o.loginURL),
		"exp": o.pace.now().Add(jwtLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, o.session.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", problem.New(problem.Usage, "the private key of the connected app cannot sign").
			Hint("give an RSA key of at least 2048 bits")
	}
	return text + "." + enc.EncodeToString(signature), nil
}

// askToken sends one token request and keeps what it brings.
func (o *Org) askToken(ctx context.Context, form url.Values) (verdict, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.loginURL+"/services/oauth2/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		return final, 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	o.requests.Add(1)
	resp, err := o.http.Do(req)
	if err != nil {
		return judgeTransport(err), 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		f := o.scrubbed(readFault(resp))
		return judgeFault(f), retryAfter(resp.Header), f
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenReply))
	if err != nil {
		return unknown, 0, err
	}
	return final, 0, o.keepToken(raw)
}

// keepToken makes the token of the reply the current one. A refresh token that replaces the last is
// kept before anything else can fail: the org takes the old one no more.
func (o *Org) keepToken(raw []byte) error {
	t, err := readTokens(raw)
	if err != nil {
		return err
	}
	s := o.session
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = string(t.AccessToken)
	if t.InstanceURL != "" {
		s.instance = t.InstanceURL
	}
	s.keepSecret(string(t.AccessToken), string(t.RefreshToken))
	if t.RefreshToken == "" || string(t.RefreshToken) == s.refresh {
		return nil
	}
	s.refresh = string(t.RefreshToken)
	if s.rotated == nil {
		return nil
	}
	if err := s.rotated(t.RefreshToken); err != nil {
		o.notice("the org has rotated the refresh token, and the new one could not be kept: " + err.Error() +
			"; sign in to the org again before the next run")
	}
	return nil
}

// Tokens are what a sign-in brings.
type Tokens struct {
	AccessToken  Secret
	RefreshToken Secret // empty when the org gave none
	InstanceURL  string // scheme and host; empty when the org named none
}

// readTokens reads the reply of a token endpoint. Its errors say nothing of the reply.
func readTokens(raw []byte) (Tokens, error) {
	var reply struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		InstanceURL  string `json:"instance_url"`
	}
	if json.Unmarshal(bytes.TrimSpace(raw), &reply) != nil || reply.AccessToken == "" {
		return Tokens{}, &Fault{Status: http.StatusOK, Message: "the reply to the sign-in holds no access token"}
	}
	t := Tokens{AccessToken: Secret(reply.AccessToken), RefreshToken: Secret(reply.RefreshToken)}
	if reply.InstanceURL != "" {
		var err error
		if t.InstanceURL, err = checkURL(reply.InstanceURL); err != nil {
			return Tokens{}, &Fault{Status: http.StatusOK, Message: "the reply to the sign-in names an unusable instance address"}
		}
	}
	return t, nil
}
