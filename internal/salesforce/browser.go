package salesforce

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/problem"
)

const (
	// DefaultCallbackPort and callbackPath make the redirect address that connected apps for command
	// lines have, as the official one does: http://localhost:1717/OauthRedirect.
	DefaultCallbackPort = 1717
	callbackPath        = "/OauthRedirect"

	// browserTime is how long the user has; the platform's code lasts 15 minutes.
	browserTime = 10 * time.Minute
	// browserScope asks for the APIs and for a refresh token.
	browserScope = "refresh_token api"
)

// Browser is a sign-in in the user's browser: the web server flow with PKCE (RFC 7636) and a redirect
// to this machine (RFC 8252, section 7.3). No password passes through the program.
type Browser struct {
	LoginURL     string // the org's My Domain, https://login.salesforce.com or https://test.salesforce.com
	ClientID     string // consumer key of a connected app that has the redirect address as a callback URL
	ClientSecret Secret // only where the app asks for it
	Port         int    // of the redirect address; 0 means DefaultCallbackPort

	// Show gets the address that the user is to open, once the answer can be heard.
	Show func(address string)

	HTTPClient *http.Client // nil means one with sensible bounds
}

// SignIn waits until the user has allowed access, and returns the tokens. Errors are problems: Usage,
// Unauthorized when the user or the org refuses, Unreachable.
func (b Browser) SignIn(ctx context.Context) (Tokens, error) {
	login, err := checkURL(b.LoginURL)
	if err != nil {
		return Tokens{}, err
	}
	if b.ClientID == "" {
		return Tokens{}, problem.New(problem.Usage, "sign in by browser: no client id").
			Hint("give the consumer key of a connected app")
	}
	port := b.Port
	if port == 0 {
		port = DefaultCallbackPort
	}
	ctx, cancel := context.WithTimeoutCause(ctx, browserTime, problem.Newf(problem.Unauthorized, "nobody allowed access within %v", browserTime).
		Hint("run the command again"))
	defer cancel()
	redirect := "http://localhost:" + strconv.Itoa(port) + callbackPath
	state, verifier := randomText(), randomText()
	sum := sha256.Sum256([]byte(verifier))
	code, err := b.await(ctx, port, state, login+"/services/oauth2/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {b.ClientID}, "redirect_uri": {redirect}, "scope": {browserScope}, "state": {state},
		"prompt": {"login"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		return Tokens{}, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {b.ClientID}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}
	if b.ClientSecret != "" {
		form.Set("client_secret", string(b.ClientSecret))
	}
	return b.trade(ctx, login, form)
}

// randomText is 43 characters that nobody can guess.
func randomText() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program rather than return bad randomness
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// await shows the address and returns the code that the browser brings back.
func (b Browser) await(ctx context.Context, port int, state, address string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", problem.Wrap(problem.Usage, err, "wait for the browser").
			Hint("end what uses port %d, or give another that the connected app has as a callback URL", port)
	}
	answers := make(chan answer, 1)
	server := &http.Server{
		Handler: callback(state, answers), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10,
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	defer func() {
		// The page that thanks is let through to the browser before the listener goes.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
		<-served
	}()
	if b.Show != nil {
		b.Show(address)
	}
	select {
	case a := <-answers:
		return a.code, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// answer is what the browser brought.
type answer struct {
	code string
	err  error
}

// callback takes the one answer that knows the state. Others, from pages that guess the address, are
// refused and change nothing.
func callback(state string, answers chan<- answer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This is not the answer to a sign-in that was asked for.", http.StatusBadRequest)
			return
		}
		a := answer{code: q.Get("code")}
		text := "Holdfast is signed in. You can close this page."
		if a.code == "" {
			why := oneLine(firstOf(q.Get("error_description"), q.Get("error"), "no reason given"))
			a.err = problem.Newf(problem.Unauthorized, "the org refused the sign-in: %s", why).
				Hint("run the command again, and allow access as a user who may use the connected app")
			text = "Holdfast is not signed in. The command line tells why."
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text+"\n")
		select {
		case answers <- a:
		default: // the first answer counts
		}
	})
	return mux
}

// trade gives the code for tokens. It is good once, so it is not tried again.
func (b Browser) trade(ctx context.Context, login string, form url.Values) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, login+"/services/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return Tokens{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	resp, err := httpClient(b.HTTPClient).Do(req)
	if err != nil {
		var refused *url.Error
		if errors.As(err, &refused) {
			err = refused.Err // without the address, which says nothing new
		}
		return Tokens{}, problem.Wrap(problem.Unreachable, err, "sign in at "+login).Hint("run the command again")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		f := readFault(resp)
		return Tokens{}, problem.Newf(problem.Unauthorized, "the org refused the sign-in: %s", oneLine(withoutSecrets(f.Code+" "+f.Message, form))).
			Hint("check the client id of the connected app, and its secret if it asks for one")
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenReply))
	if err != nil {
		return Tokens{}, problem.Wrap(problem.Unreachable, err, "sign in at "+login).Hint("run the command again")
	}
	t, err := readTokens(raw)
	if err != nil {
		return Tokens{}, fmt.Errorf("sign in at %s: %w", login, err)
	}
	return t, nil
}

// withoutSecrets takes out of an answer what it repeats of the form that was sent.
func withoutSecrets(text string, form url.Values) string {
	for _, name := range []string{"code", "code_verifier", "client_secret"} {
		if secret := form.Get(name); secret != "" {
			text = strings.NewReplacer(secret, "…", url.QueryEscape(secret), "…").Replace(text)
		}
	}
	return text
}
