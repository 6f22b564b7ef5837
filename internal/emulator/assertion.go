package emulator

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// farFuture tells seconds from milliseconds in a claim: as seconds it is the year 5138. The official
// command line sends exp in milliseconds and the platform takes it.
const farFuture = 100_000_000_000

// claims are those of a JWT bearer assertion. aud may be one text or a list.
type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Expires  json.Number     `json:"exp"`
}

// byAssertion verifies a JWT bearer assertion: RS256 by the key of the app that issued it, for a user
// who is active and for whom the app is approved. There is never a refresh token.
// Source: Salesforce Help, "OAuth 2.0 JWT Bearer Flow".
func (s *Server) byAssertion(r *http.Request) (grant, *oauthError) {
	invalid := &oauthError{"invalid_grant", "invalid assertion"}
	parts := strings.Split(r.PostForm.Get("assertion"), ".")
	if len(parts) != 3 {
		return grant{}, invalid
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var c claims
	signature, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil || decodePart(parts[0], &header) != nil || decodePart(parts[1], &c) != nil || header.Algorithm != "RS256" {
		return grant{}, invalid
	}
	a := s.apps[c.Issuer]
	if a == nil {
		return grant{}, errClientID
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&a.key().PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return grant{}, invalid
	}
	if s.expired(c.Expires) {
		return grant{}, errCode // the platform's words for an assertion, too
	}
	if !s.isAudience(r, c.Audience) {
		return grant{}, &oauthError{"invalid_grant", "audience is invalid"}
	}
	user, ok := s.org.UserByName(c.Subject)
	if !ok || !a.approves(user.Username) {
		return grant{}, errNotApproved
	}
	if !user.Active {
		return grant{}, errInactive
	}
	return grant{app: a, user: user.ID, scope: "web api"}, nil
}

// expired reports an exp that is over by the org's clock and by the machine's: clients sign with the
// machine's time, while an emulated org may live in another year.
func (s *Server) expired(exp json.Number) bool {
	at, err := exp.Float64()
	if err != nil {
		return true
	}
	if at >= farFuture {
		return false
	}
	end := time.Unix(int64(at), 0)
	return end.Before(s.Clock().Now()) && end.Before(time.Now())
}

func decodePart(part string, v any) error {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// isAudience accepts the login servers of the platform, and this org under any name that leads here.
// Clients differ in whether they name the server or its token endpoint.
func (s *Server) isAudience(r *http.Request, raw json.RawMessage) bool {
	var one string
	list := []string{}
	if json.Unmarshal(raw, &one) == nil {
		list = []string{one}
	} else if json.Unmarshal(raw, &list) != nil {
		return false
	}
	for _, aud := range list {
		aud = strings.TrimSuffix(strings.TrimSuffix(aud, "/"), "/services/oauth2/token")
		switch aud {
		case "https://login.salesforce.com", "https://test.salesforce.com", s.URL, s.SecureURL:
			return aud != ""
		}
		if u, err := url.Parse(aud); err == nil && u.Host == r.Host && u.Host != "" {
			return true
		}
		for _, own := range []string{s.URL, s.SecureURL} {
			if scheme, port, ok := schemePort(own); ok && (aud == scheme+"://localhost:"+port || aud == scheme+"://127.0.0.1:"+port) {
				return true
			}
		}
	}
	return false
}

// schemePort takes an address of this server apart.
func schemePort(address string) (scheme, port string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return "", "", false
	}
	return u.Scheme, u.Port(), true
}
