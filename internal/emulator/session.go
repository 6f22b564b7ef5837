package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// secret derives a token from the seed, so that the same emulation can be run again, and from the key, where there is one, so that
// nobody else can.
func secret(key []byte, purpose string, n int) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s %d", purpose, n)
	return hex.EncodeToString(mac.Sum(nil))[:40]
}

// sessions holds the access and refresh tokens, the authorization codes and the passwords of an org.
type sessions struct {
	org  *org.Org
	key  []byte // from which secrets follow
	life time.Duration

	mu        sync.Mutex
	next      int
	access    map[string]session
	refresh   map[string]refreshToken
	codes     map[string]authorization
	passwords map[sf.ID]string // of users who do not have the first one
	first     string           // password of everyone else
}

// session is what an access token stands for.
type session struct {
	user    sf.ID
	app     *app
	scope   string
	refresh string // the refresh token that it came with; empty: none
	opened  time.Time
}

// refreshToken is what a refresh token stands for.
type refreshToken struct {
	user  sf.ID
	app   *app
	scope string
	made  time.Time
}

func newSessions(o *org.Org, key []byte, life time.Duration) *sessions {
	return &sessions{
		org: o, key: key, life: life, access: map[string]session{}, refresh: map[string]refreshToken{},
		codes: map[string]authorization{}, passwords: map[sf.ID]string{},
		first: secret(key, "password "+string(o.ID()), 0)[:16],
	}
}

// open returns a new access token. Its form, Id of the org and a token, is checked by clients.
func (s *sessions) open(held session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	token := s.org.ID().Short() + "!" + secret(s.key, "access", s.next)
	held.opened = s.org.Clock().Now()
	s.access[token] = held
	return token
}

// grant returns a new refresh token.
func (s *sessions) grant(held refreshToken) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	token := "5Aep861" + secret(s.key, "refresh", s.next)
	held.made = s.org.Clock().Now()
	s.refresh[token] = held
	return token
}

// authorized returns a new authorization code.
func (s *sessions) authorized(held authorization) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	code := "aPrx" + secret(s.key, "code", s.next)
	s.codes[code] = held
	return code
}

// redeem takes an authorization code out: it is good once, right or wrong.
func (s *sessions) redeem(code string) (authorization, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.codes[code]
	delete(s.codes, code)
	return held, ok
}

// count says how many tokens were given out.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// password returns the password of a user.
func (s *sessions) password(user sf.ID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, ok := s.passwords[user]; ok {
		return own
	}
	return s.first
}

// newPassword makes a password up.
func (s *sessions) newPassword() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return secret(s.key, "new password", s.next)[:16]
}

// setPassword gives a user a password of their own.
func (s *sessions) setPassword(user sf.ID, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passwords[user] = password
}

// held returns what an access token stands for, while it is good.
func (s *sessions) held(token string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.access[token]
	if !ok || s.life > 0 && s.org.Clock().Now().Sub(held.opened) > s.life {
		delete(s.access, token)
		return session{}, false
	}
	return held, true
}

// caller returns the user of an access token that is still good.
func (s *sessions) caller(token string) (org.Caller, bool) {
	held, ok := s.held(token)
	return org.Caller{User: held.user}, ok
}

// refreshed returns what a refresh token stands for, while it is good.
func (s *sessions) refreshed(token string) (refreshToken, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.refresh[token]
	if ok && held.app.RefreshLife > 0 && s.org.Clock().Now().Sub(held.made) > held.app.RefreshLife {
		delete(s.refresh, token)
		return refreshToken{}, false
	}
	return held, ok
}

// close ends one session or revokes one refresh token with the sessions that came with it, and
// reports whether there was one. Source: Salesforce Help, "Revoke OAuth Tokens".
func (s *sessions) close(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, isAccess := s.access[token]
	_, isRefresh := s.refresh[token]
	delete(s.access, token)
	delete(s.refresh, token)
	if isRefresh {
		maps.DeleteFunc(s.access, func(_ string, held session) bool { return held.refresh == token })
	}
	return isAccess || isRefresh
}

func (s *sessions) expireAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// bearer returns the access token of a request: in the Authorization header under either name, or in
// the header that the Bulk API also takes.
func bearer(r *http.Request) (string, error) {
	if token := r.Header.Get("X-SFDC-Session"); token != "" && r.Header.Get("Authorization") == "" {
		return token, nil
	}
	kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case r.Header.Get("Authorization") == "":
		return "", nil
	case !ok, !strings.EqualFold(kind, "Bearer") && !strings.EqualFold(kind, "OAuth"):
		return "", wire.BadRequest("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
	}
	return strings.TrimSpace(token), nil
}

// apiEnabled is the user permission without which no API answers. OAuth gives tokens without it.
// Source: Salesforce Help, "API Enabled"; replies that operators report.
const apiEnabled = "ApiEnabled"

// authenticate returns the caller of a request.
func (s *Server) authenticate(r *http.Request) (org.Caller, error) {
	token, err := bearer(r)
	if err != nil {
		return org.Caller{}, err
	}
	caller, ok := s.sessions.caller(token)
	if !ok {
		return org.Caller{}, wire.BadRequest("INVALID_SESSION_ID", "Session expired or invalid")
	}
	return caller, nil
}
