package emulator

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// codeLife is how long an authorization code is good for, by the org's clock. It is good once.
// Source: Salesforce Help, "OAuth 2.0 Web Server Flow" (15 minutes).
const codeLife = 15 * time.Minute

// authorization is an authorization code and what was asked for with it.
type authorization struct {
	app       *app
	user      sf.ID
	redirect  string
	scope     string
	challenge string // base64url of the SHA-256 of the verifier; empty: none
	made      time.Time
}

// authorizePage asks the user. What the client asked for comes back with the form. A script answers
// by posting username, password and decision to the same address.
var authorizePage = template.Must(template.New("authorize").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Emulated org: allow access?</title></head><body>
<h1>Allow access?</h1>
<p>{{.App}} asks to use the emulated org {{.Org}} ({{.Scope}}).</p>{{if .Problem}}
<p role="alert">{{.Problem}}</p>{{end}}
<form method="post" action="authorize">{{range .Fields}}
<input type="hidden" name="{{.Name}}" value="{{.Value}}">{{end}}
<p><label>Username <input name="username" autocomplete="username" value="{{.Username}}"></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password"></label></p>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></p>
</form></body></html>
`))

// authorize serves the first half of the web server flow: GET shows the page, POST takes the answer.
// What is wrong with the client is said on the page; everything else goes to the redirect URI.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	a, redirect := s.apps[r.Form.Get("client_id")], r.Form.Get("redirect_uri")
	switch {
	case a == nil:
		return errorPage(w, errClientID)
	case !a.takes(redirect):
		return errorPage(w, errRedirect)
	}
	challenge, method := strings.TrimRight(r.Form.Get("code_challenge"), "="), r.Form.Get("code_challenge_method")
	switch {
	case r.Form.Get("response_type") != "code":
		return back(w, r, redirect, &oauthError{"unsupported_response_type", "response type must be code"})
	case challenge == "" && a.RequirePKCE:
		return back(w, r, redirect, &oauthError{"invalid_request", "missing required code challenge"})
	case challenge != "" && method != "" && method != "S256":
		// The platform knows no other method; its words for this are unverified.
		return back(w, r, redirect, &oauthError{"invalid_request", "invalid code challenge method"})
	}
	if r.Method != http.MethodPost {
		return s.askUser(w, r, "")
	}
	if r.PostForm.Get("decision") == "deny" {
		return back(w, r, redirect, &oauthError{"access_denied", "end-user denied authorization"})
	}
	user, ok := s.knows(r.PostForm.Get("username"), r.PostForm.Get("password"))
	if !ok {
		return s.askUser(w, r, "Please check your username and password. If you still can't log in, contact your administrator.")
	}
	scope := strings.TrimSpace(r.Form.Get("scope"))
	if scope == "" {
		scope = defaultScope
	}
	code := s.sessions.authorized(authorization{
		app: a, user: user.ID, redirect: redirect, scope: scope, challenge: challenge, made: s.Clock().Now(),
	})
	return redirectTo(w, r, redirect, url.Values{"code": {code}})
}

// askUser shows the page with what was asked for in hidden fields.
func (s *Server) askUser(w http.ResponseWriter, r *http.Request, problem string) error {
	type field struct{ Name, Value string }
	page := struct {
		App, Org, Scope, Problem, Username string
		Fields                             []field
	}{
		App: r.Form.Get("client_id"), Org: s.org.Name(), Scope: r.Form.Get("scope"), Problem: problem, Username: r.Form.Get("login_hint"),
	}
	for _, name := range []string{"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"} {
		if value := r.Form.Get(name); value != "" {
			page.Fields = append(page.Fields, field{name, value})
		}
	}
	w.Header().Set("Content-Type", "text/html;charset=UTF-8")
	w.WriteHeader(http.StatusOK)
	return authorizePage.Execute(w, page)
}

// errorPage tells the user what the client must not be told: that the client itself is not known.
func errorPage(w http.ResponseWriter, e *oauthError) error {
	w.Header().Set("Content-Type", "text/html;charset=UTF-8")
	w.WriteHeader(http.StatusBadRequest)
	_, err := w.Write([]byte("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>OAuth Error</title></head><body><p>error=" +
		e.Code + "&amp;error_description=" + url.QueryEscape(e.Description) + "</p></body></html>"))
	return err
}

// back sends the browser to the client with an error.
func back(w http.ResponseWriter, r *http.Request, redirect string, e *oauthError) error {
	return redirectTo(w, r, redirect, url.Values{"error": {e.Code}, "error_description": {e.Description}})
}

// redirectTo sends the browser to the client with parameters and the state that the client gave.
func redirectTo(w http.ResponseWriter, r *http.Request, redirect string, values url.Values) error {
	if state := r.Form.Get("state"); state != "" {
		values.Set("state", state)
	}
	separator := "?"
	if strings.Contains(redirect, "?") {
		separator = "&"
	}
	w.Header().Set("Location", redirect+separator+values.Encode())
	w.WriteHeader(http.StatusFound)
	return nil
}

// byCode trades an authorization code: the second half of the web server flow. A code that was made
// with a challenge needs its verifier, and then the secret may be left out.
func (s *Server) byCode(r *http.Request) (grant, *oauthError) {
	verifier := r.PostForm.Get("code_verifier")
	a, refusal := s.client(r, func(a *app) bool { return verifier != "" && !a.WebSecret })
	if refusal != nil {
		return grant{}, refusal
	}
	held, ok := s.sessions.redeem(r.PostForm.Get("code"))
	switch {
	case !ok || held.app != a || s.Clock().Now().Sub(held.made) > codeLife:
		return grant{}, errCode
	case held.redirect != r.PostForm.Get("redirect_uri"):
		return grant{}, errRedirect
	case held.challenge == "" && verifier != "" && !a.is(r.PostForm.Get("client_secret")):
		return grant{}, errSecret // a verifier that nothing was promised for proves nothing
	case held.challenge != "" && held.challenge != challengeOf(verifier):
		return grant{}, errVerifier
	}
	user, ok := s.org.UserByID(held.user)
	if !ok || !user.Active {
		return grant{}, errInactive
	}
	g := grant{app: a, user: held.user, scope: held.scope}
	for _, scope := range strings.Fields(held.scope) {
		if scope == "refresh_token" || scope == "offline_access" {
			g.refresh = s.sessions.grant(refreshToken{app: a, user: held.user, scope: held.scope})
			g.from = g.refresh
			break
		}
	}
	return g, nil
}

// challengeOf is the S256 challenge of a verifier. Source: RFC 7636, section 4.2.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
