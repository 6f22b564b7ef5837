package emulator

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// keyBits is the size of the key of the connected app.
const keyBits = 2048

// app is the one connected app of the org.
type app struct {
	id, secret, password string
	key                  func() *rsa.PrivateKey
}

func newApp(seed uint64, id sf.ID) *app {
	return &app{
		id:       "3MVG9" + secret(seed, "app "+string(id), 0),
		secret:   strings.ToUpper(secret(seed, "secret "+string(id), 0)),
		password: secret(seed, "password "+string(id), 0)[:16],
		key: sync.OnceValue(func() *rsa.PrivateKey {
			key, err := rsa.GenerateKey(rand.Reader, keyBits)
			if err != nil { // the size is valid, and the source of randomness does not fail
				panic(err)
			}
			return key
		}),
	}
}

func (a *app) keyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(a.key())
	if err != nil { // an RSA key always marshals
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// oauthError is an error of the OAuth endpoints, which have a shape of their own.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func refuse(w http.ResponseWriter, code, description string) error {
	return wire.Reply(w, http.StatusBadRequest, oauthError{code, description})
}

// oauth serves /services/oauth2/….
func (s *Server) oauth(w http.ResponseWriter, r *http.Request, name string) error {
	switch name {
	case "token":
		if r.Method != http.MethodPost {
			return refuse(w, "invalid_request", "must use HTTP POST")
		}
		return s.token(w, r)
	case "revoke":
		if !s.sessions.close(r.FormValue("token")) {
			return refuse(w, "invalid_token", "the token is not known")
		}
		w.WriteHeader(http.StatusOK)
		return nil
	case "userinfo":
		return s.userinfo(w, r)
	case "introspect":
		return s.introspect(w, r)
	case "singleaccess":
		if _, err := s.authenticate(r); err != nil {
			return err
		}
		return wire.Reply(w, http.StatusOK, map[string]string{"frontdoor_uri": s.URL + "/secur/frontdoor.jsp"})
	}
	return wire.NotFound()
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return refuse(w, "invalid_request", err.Error())
	}
	clientID, clientSecret, basic := r.BasicAuth()
	if !basic {
		clientID, clientSecret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	isApp := clientID == s.ClientID && clientSecret == s.ClientSecret
	switch r.PostForm.Get("grant_type") {
	case "refresh_token":
		user, ok := s.sessions.refreshed(r.PostForm.Get("refresh_token"))
		if !ok {
			return refuse(w, "invalid_grant", "expired access/refresh token")
		}
		return s.issue(w, user)
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		user, err := s.checkAssertion(r.PostForm.Get("assertion"))
		if err != nil {
			return refuse(w, "invalid_grant", err.Error())
		}
		return s.issue(w, user)
	case "client_credentials":
		if !isApp {
			return refuse(w, "invalid_client", "invalid client credentials")
		}
		return s.issue(w, s.org.Admin().User)
	case "password":
		token, user, ok := s.login(r.PostForm.Get("username"), r.PostForm.Get("password"))
		if !ok || !isApp {
			return refuse(w, "invalid_grant", "authentication failure")
		}
		return s.issued(w, token, user.ID)
	}
	return refuse(w, "unsupported_grant_type", "grant type not supported")
}

func (s *Server) issue(w http.ResponseWriter, user sf.ID) error {
	return s.issued(w, s.sessions.open(user), user)
}

func (s *Server) issued(w http.ResponseWriter, token string, user sf.ID) error {
	id := s.identityURL(user)
	at := strconv.FormatInt(s.Clock().Now().UnixMilli(), 10)
	signature := sha256.Sum256([]byte(s.ClientSecret + id + at))
	return wire.Reply(w, http.StatusOK, map[string]string{
		"access_token": token, "instance_url": s.URL, "id": id, "token_type": "Bearer", "issued_at": at,
		"signature": base64.StdEncoding.EncodeToString(signature[:]), "scope": "refresh_token web api",
	})
}

func (s *Server) identityURL(user sf.ID) string {
	return s.URL + "/id/" + s.OrgID + "/" + string(user)
}

// farFuture tells seconds from milliseconds in a claim: as seconds it is the year 5138. The official
// command line sends exp in milliseconds and the platform takes it.
const farFuture = 100_000_000_000

// checkAssertion verifies a JWT bearer assertion: RS256 by the app's key, issued by the app, for a
// user who is active. It is expired only when it is by the org's clock and by the machine's, because
// clients sign with the machine's time while an emulated org may live in another year.
func (s *Server) checkAssertion(assertion string) (sf.ID, error) {
	invalid := errors.New("invalid assertion")
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "", invalid
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		Issuer   string      `json:"iss"`
		Subject  string      `json:"sub"`
		Audience string      `json:"aud"`
		Expires  json.Number `json:"exp"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil || decodePart(parts[0], &header) != nil || decodePart(parts[1], &claims) != nil || header.Algorithm != "RS256" {
		return "", invalid
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&s.app.key().PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return "", invalid
	}
	expires, err := claims.Expires.Float64()
	if err != nil {
		return "", errors.New("expired authorization code")
	}
	if expires < farFuture {
		at := time.Unix(int64(expires), 0)
		if at.Before(s.Clock().Now()) && at.Before(time.Now()) {
			return "", errors.New("expired authorization code")
		}
	}
	if claims.Issuer != s.ClientID {
		return "", errors.New("client identifier invalid")
	}
	if !s.isAudience(claims.Audience) {
		return "", errors.New("audience is invalid")
	}
	user, ok := s.org.UserByName(claims.Subject)
	if !ok || !user.Active {
		return "", errors.New("user hasn't approved this consumer")
	}
	return user.ID, nil
}

func decodePart(part string, v any) error {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// isAudience accepts the login servers of the platform, and this org under any name that leads here.
func (s *Server) isAudience(aud string) bool {
	aud = strings.TrimSuffix(strings.TrimSuffix(aud, "/"), "/services/oauth2/token")
	switch aud {
	case "https://login.salesforce.com", "https://test.salesforce.com", s.URL:
		return true
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	return aud == "http://localhost:"+port || aud == "http://127.0.0.1:"+port
}
