package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// secret derives a token from the seed, so that the same emulation can be run again.
func secret(seed uint64, purpose string, n int) string {
	mac := hmac.New(sha256.New, binary.BigEndian.AppendUint64(nil, seed))
	fmt.Fprintf(mac, "%s %d", purpose, n)
	return hex.EncodeToString(mac.Sum(nil))[:40]
}

// sessions holds the access and refresh tokens of an org.
type sessions struct {
	org  *org.Org
	seed uint64
	life time.Duration

	mu      sync.Mutex
	next    int
	access  map[string]session
	refresh map[string]sf.ID
}

type session struct {
	user   sf.ID
	opened time.Time
}

func newSessions(o *org.Org, seed uint64, life time.Duration) *sessions {
	return &sessions{org: o, seed: seed, life: life, access: map[string]session{}, refresh: map[string]sf.ID{}}
}

// open returns a new access token. Its form, Id of the org and a token, is checked by clients.
func (s *sessions) open(user sf.ID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	token := s.org.ID().Short() + "!" + secret(s.seed, "access", s.next)
	s.access[token] = session{user: user, opened: s.org.Clock().Now()}
	return token
}

// grant returns a new refresh token.
func (s *sessions) grant(user sf.ID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	token := "5Aep861" + secret(s.seed, "refresh", s.next)
	s.refresh[token] = user
	return token
}

// caller returns the user of an access token that is still good.
func (s *sessions) caller(token string) (org.Caller, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.access[token]
	if !ok || s.life > 0 && s.org.Clock().Now().Sub(held.opened) > s.life {
		delete(s.access, token)
		return org.Caller{}, false
	}
	return org.Caller{User: held.user}, true
}

func (s *sessions) refreshed(token string) (sf.ID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.refresh[token]
	return user, ok
}

// close ends one session or revokes one refresh token, and reports whether there was one.
func (s *sessions) close(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, isAccess := s.access[token]
	_, isRefresh := s.refresh[token]
	delete(s.access, token)
	delete(s.refresh, token)
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
