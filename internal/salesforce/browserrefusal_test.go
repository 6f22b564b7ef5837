package salesforce_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// A server that answers with what it was sent gets none of the secrets into an error, nor lines without end.
func TestRefusedBrowserSignInShowsNoSecret(t *testing.T) {
	var secrets []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"code", "code_verifier", "client_secret"} {
			secrets = append(secrets, r.PostForm.Get(name), url.QueryEscape(r.PostForm.Get(name)))
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "what is this?\n%s\n%v\x1b[31m%s", r.PostForm.Encode(), r.PostForm, strings.Repeat("x", 5000))
	}))
	defer server.Close()
	b := salesforce.Browser{LoginURL: server.URL, ClientID: "app", ClientSecret: "very/secret", Port: freePort(t), Show: func(address string) {
		u, err := url.Parse(address)
		if err != nil {
			t.Error(err)
			return
		}
		q := u.Query()
		resp, err := http.Get(q.Get("redirect_uri") + "?" + url.Values{"state": {q.Get("state")}, "code": {"c/ode=="}}.Encode())
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
	}}
	_, err := b.SignIn(t.Context())
	if problem.KindOf(err) != problem.Unauthorized || len(secrets) != 6 {
		t.Fatalf("%v, %d", err, len(secrets))
	}
	for _, s := range secrets {
		if s == "" || strings.Contains(err.Error(), s) {
			t.Errorf("%q is in %.300s", s, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 1000 {
		t.Errorf("%d bytes: %.100q", len(err.Error()), err)
	}
}
