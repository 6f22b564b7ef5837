package emulator

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// defaultScope is what a session may do when the flow does not ask for anything.
const defaultScope = "refresh_token web api"

// oauthError is an error of the OAuth endpoints, which have a shape of their own.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error spells the code and the description.
func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

// The refusals of the token endpoint. Source: Salesforce Help, "OAuth 2.0 Authorization Errors", and
// replies that public clients report.
var (
	errClientID    = &oauthError{"invalid_client_id", "client identifier invalid"}
	errSecret      = &oauthError{"invalid_client", "invalid client credentials"}
	errRedirect    = &oauthError{"redirect_uri_mismatch", "redirect_uri must match configuration"}
	errCode        = &oauthError{"invalid_grant", "expired authorization code"}
	errVerifier    = &oauthError{"invalid_grant", "invalid code verifier"}
	errRefresh     = &oauthError{"invalid_grant", "expired access/refresh token"}
	errAuth        = &oauthError{"invalid_grant", "authentication failure"}
	errInactive    = &oauthError{"inactive_user", "user is inactive"}
	errNotApproved = &oauthError{"invalid_grant", "user hasn't approved this consumer"}
	errGrantType   = &oauthError{"unsupported_grant_type", "grant type not supported"}
)

// refuse answers an error of the OAuth endpoints.
func refuse(w http.ResponseWriter, e *oauthError) error {
	return wire.Reply(w, http.StatusBadRequest, e)
}

// oauth serves /services/oauth2/….
func (s *Server) oauth(w http.ResponseWriter, r *http.Request, name string) error {
	if err := r.ParseForm(); err != nil {
		return refuse(w, &oauthError{"invalid_request", "the form cannot be read"})
	}
	switch name {
	case "authorize":
		return s.authorize(w, r)
	case "token":
		if r.Method != http.MethodPost {
			return refuse(w, &oauthError{"invalid_request", "must use HTTP POST"})
		}
		g, refusal := s.token(r)
		if refusal != nil {
			return refuse(w, refusal)
		}
		return s.issue(w, r, g)
	case "revoke":
		if !s.sessions.close(r.Form.Get("token")) {
			return refuse(w, &oauthError{"unsupported_token_type", "this token type is not supported"})
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
		otp := secret(s.sessions.key, "frontdoor", s.sessions.count())
		return wire.Reply(w, http.StatusOK, map[string]string{"frontdoor_uri": s.base(r) + "/secur/frontdoor.jsp?otp=" + otp})
	}
	return wire.NotFound()
}

// grant is a sign-in that the token endpoint accepts.
type grant struct {
	app     *app
	user    sf.ID
	scope   string
	refresh string // the refresh token to hand out; empty: none
	from    string // the refresh token whose end ends the session; empty: none
}

// client finds the app of a request and checks its secret, which comes in the form or as basic
// authentication. secretless says whether the flow of that app goes without one.
func (s *Server) client(r *http.Request, secretless func(*app) bool) (*app, *oauthError) {
	id, clientSecret, basic := r.BasicAuth()
	if !basic {
		id, clientSecret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	a := s.apps[id]
	switch {
	case a == nil:
		return nil, errClientID
	case clientSecret == "" && secretless(a), a.is(clientSecret):
		return a, nil
	}
	return nil, errSecret
}

// never is for flows that rest on the secret.
func never(*app) bool { return false }

func (s *Server) token(r *http.Request) (grant, *oauthError) {
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		return s.byCode(r)
	case "refresh_token":
		return s.byRefresh(r)
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return s.byAssertion(r)
	case "client_credentials":
		a, refusal := s.client(r, never)
		if refusal != nil {
			return grant{}, refusal
		}
		user, ok := s.org.UserByName(a.runAs(s.Username))
		if !ok || !user.Active || a.ClientSecret == "" {
			// Source: replies of orgs whose app has no run-as user.
			return grant{}, &oauthError{"invalid_grant", "no client credentials user enabled"}
		}
		return grant{app: a, user: user.ID, scope: "api"}, nil
	case "password":
		return s.byPassword(r)
	}
	return grant{}, errGrantType
}

// byRefresh trades a refresh token, which is good only for the app that it was given to.
func (s *Server) byRefresh(r *http.Request) (grant, *oauthError) {
	a, refusal := s.client(r, func(a *app) bool { return !a.RefreshSecret })
	if refusal != nil {
		return grant{}, refusal
	}
	held, ok := s.sessions.refreshed(r.PostForm.Get("refresh_token"))
	if !ok || held.app != a {
		return grant{}, errRefresh
	}
	user, ok := s.org.UserByID(held.user)
	if !ok || !user.Active {
		return grant{}, errInactive
	}
	g := grant{app: a, user: held.user, scope: held.scope, from: r.PostForm.Get("refresh_token")}
	if a.RotateRefresh {
		s.sessions.close(r.PostForm.Get("refresh_token"))
		g.refresh = s.sessions.grant(held)
		g.from = g.refresh
	}
	return g, nil
}

func (s *Server) byPassword(r *http.Request) (grant, *oauthError) {
	a, refusal := s.client(r, never)
	if refusal != nil {
		return grant{}, refusal
	}
	user, ok := s.knows(r.PostForm.Get("username"), r.PostForm.Get("password"))
	if !ok || a.NoPassword {
		return grant{}, errAuth
	}
	return grant{app: a, user: user.ID, scope: "web api"}, nil
}

// issue opens a session for a grant and answers its token.
func (s *Server) issue(w http.ResponseWriter, r *http.Request, g grant) error {
	id := s.identityURL(r, g.user)
	at := strconv.FormatInt(s.Clock().Now().UnixMilli(), 10)
	signature := sha256.Sum256([]byte(g.app.ClientSecret + id + at))
	reply := map[string]string{
		"access_token": s.sessions.open(session{user: g.user, app: g.app, scope: g.scope, refresh: g.from}),
		"instance_url": s.base(r), "id": id, "token_type": "Bearer", "issued_at": at,
		"signature": base64.StdEncoding.EncodeToString(signature[:]), "scope": g.scope,
	}
	if g.refresh != "" {
		reply["refresh_token"] = g.refresh
	}
	w.Header().Set("Cache-Control", "no-cache, no-store")
	return wire.Reply(w, http.StatusOK, reply)
}

func (s *Server) identityURL(r *http.Request, user sf.ID) string {
	return s.base(r) + "/id/" + s.OrgID + "/" + string(user)
}

// knows checks a username and a password. There is no security token to append to it: the network is
// a trusted one.
func (s *Server) knows(username, password string) (org.User, bool) {
	user, found := s.org.UserByName(username)
	if !found || !user.Active || password != s.sessions.password(user.ID) {
		return org.User{}, false
	}
	return user, true
}

// login checks a username and a password and opens a session.
func (s *Server) login(username, password string) (token string, user org.User, ok bool) {
	if user, ok = s.knows(username, password); !ok {
		return "", org.User{}, false
	}
	return s.sessions.open(session{user: user.ID, app: s.app, scope: "full"}), user, true
}
