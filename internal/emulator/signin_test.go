package emulator_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
)

func (c *client) form(values url.Values) answer {
	c.t.Helper()
	c.header.Set("Content-Type", "application/x-www-form-urlencoded")
	defer c.header.Del("Content-Type")
	// The body goes in chunks, as the official command line sends it.
	a, err := c.try("POST", "/services/oauth2/token", struct{ *strings.Reader }{strings.NewReader(values.Encode())})
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

type grant struct {
	AccessToken string `json:"access_token"`
	InstanceURL string `json:"instance_url"`
	ID          string `json:"id"`
}

func (c *client) granted(values url.Values) {
	c.t.Helper()
	var g grant
	c.form(values).ok(200).into(&g)
	if g.InstanceURL != c.s.URL || g.ID != c.s.URL+"/id/"+c.s.OrgID+"/"+c.s.UserID || !strings.HasPrefix(g.AccessToken, c.s.OrgID[:15]+"!") {
		c.t.Errorf("grant %+v", g)
	}
	old := c.s.AccessToken
	c.s.AccessToken = g.AccessToken
	c.do("GET", "limits", "").ok(200)
	c.s.AccessToken = old
}

func TestTokens(t *testing.T) {
	c := start(t, emulator.Options{})
	c.granted(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.s.RefreshToken}, "client_id": {c.s.ClientID}})
	c.granted(url.Values{"grant_type": {"client_credentials"}, "client_id": {c.s.ClientID}, "client_secret": {c.s.ClientSecret}})
	c.granted(url.Values{
		"grant_type": {"password"}, "client_id": {c.s.ClientID}, "client_secret": {c.s.ClientSecret},
		"username": {c.s.Username}, "password": {c.s.Password},
	})
	c.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.s.RefreshToken}, "client_id": {"PlatformCLI"}}).ok(400).
		is(`{"error":"invalid_grant","error_description":"expired access/refresh token"}`)
	c.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}).ok(400).
		is(`{"error":"invalid_client_id","error_description":"client identifier invalid"}`)
	c.form(url.Values{"grant_type": {"client_credentials"}, "client_id": {c.s.ClientID}, "client_secret": {"x"}}).ok(400).
		is(`{"error":"invalid_client","error_description":"invalid client credentials"}`)
	c.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {c.s.ClientID}}).ok(400).
		is(`{"error":"invalid_grant","error_description":"expired access/refresh token"}`)
	c.form(url.Values{"grant_type": {"magic"}}).ok(400).is(`{"error":"unsupported_grant_type","error_description":"grant type not supported"}`)

	c.s.ExpireSessions()
	c.do("GET", "limits", "").ok(401).is(`[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`)
	c.granted(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.s.RefreshToken}, "client_id": {c.s.ClientID}})
	c.do("GET", "/services/oauth2/revoke?token="+c.s.RefreshToken, "").ok(200)
	c.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.s.RefreshToken}}).ok(400)
}

func TestSessionsEndWithTheClock(t *testing.T) {
	c := start(t, emulator.Options{SessionLife: time.Hour})
	c.do("GET", "limits", "").ok(200)
	c.s.Clock().Advance(61 * time.Minute)
	c.do("GET", "limits", "").refused(401, "INVALID_SESSION_ID", "")
}

// sign makes a JWT by the key of the connected app.
func sign(t *testing.T, s *emulator.Server, claims string) string {
	t.Helper()
	block, _ := pem.Decode(s.PrivateKeyPEM())
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestJWTBearer(t *testing.T) {
	c := start(t, emulator.Options{})
	const kind = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	claims := func(iss, sub, aud string, exp int64) string {
		return fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"exp":%d}`, iss, sub, aud, exp)
	}
	soon := began.Add(3 * time.Minute).Unix()
	for _, good := range []string{
		claims(c.s.ClientID, c.s.Username, "https://login.salesforce.com", soon),
		claims(c.s.ClientID, c.s.Username, c.s.URL+"/", soon),
		claims(c.s.ClientID, c.s.Username, c.s.URL+"/services/oauth2/token", soon),
		claims(c.s.ClientID, c.s.Username, c.s.URL+"/", time.Now().UnixMilli()+300), // as sf signs
	} {
		c.granted(url.Values{"grant_type": {kind}, "assertion": {sign(t, c.s, good)}})
	}
	c.form(url.Values{"grant_type": {kind}, "assertion": {sign(t, c.s, claims("other", c.s.Username, c.s.URL, soon))}}).ok(400).
		is(`{"error":"invalid_client_id","error_description":"client identifier invalid"}`)
	for claims, want := range map[string]string{
		claims(c.s.ClientID, "nobody@example.com", c.s.URL, soon):     "user hasn't approved this consumer",
		claims(c.s.ClientID, c.s.Username, "https://elsewhere", soon): "audience is invalid",
		claims(c.s.ClientID, c.s.Username, c.s.URL, 1000):             "expired authorization code",
	} {
		c.form(url.Values{"grant_type": {kind}, "assertion": {sign(t, c.s, claims)}}).ok(400).
			is(`{"error":"invalid_grant","error_description":"` + want + `"}`)
	}
	forged := sign(t, c.s, claims(c.s.ClientID, c.s.Username, c.s.URL, soon))
	forged = forged[:len(forged)-8] + "AAAAAAAA"
	c.form(url.Values{"grant_type": {kind}, "assertion": {forged}}).ok(400)
}

func TestIdentity(t *testing.T) {
	c := start(t, emulator.Options{Username: "sam@one.example"})
	var user map[string]any
	c.do("GET", "/services/oauth2/userinfo", "").ok(200).into(&user)
	if user["preferred_username"] != "sam@one.example" || user["organization_id"] != c.s.OrgID || user["user_id"] != c.s.UserID {
		t.Errorf("userinfo %v", user)
	}
	c.do("GET", "/id/"+c.s.OrgID+"/"+c.s.UserID, "").ok(200).into(&user)
	if user["username"] != "sam@one.example" {
		t.Errorf("identity %v", user)
	}
	c.s.AccessToken = "wrong"
	if a := c.do("GET", "/services/oauth2/userinfo", "").ok(403); string(a.body) != "Bad_OAuth_Token" {
		t.Errorf("%s", a.body)
	}
}

func (c *client) post(path string, values url.Values) answer {
	c.t.Helper()
	c.header.Set("Content-Type", "application/x-www-form-urlencoded")
	defer c.header.Del("Content-Type")
	return c.do("POST", path, values.Encode())
}

func TestWebServerFlow(t *testing.T) {
	c := start(t, emulator.Options{Apps: []emulator.App{
		{ClientID: "strict", ClientSecret: "s", Callbacks: []string{"https://app.example/cb"}, RequirePKCE: true, WebSecret: true},
		{ClientID: "turning", RotateRefresh: true, RefreshLife: time.Hour},
	}})
	const verifier = "a-verifier-of-at-least-forty-three-characters-0123"
	sum := sha256.Sum256([]byte(verifier))
	ask := url.Values{
		"response_type": {"code"}, "client_id": {"turning"}, "redirect_uri": {"http://localhost:1717/OauthRedirect"}, "state": {"xyz"},
		"scope": {"refresh_token api web"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	c.do("GET", "/services/oauth2/authorize?"+ask.Encode(), "").ok(200).has(`name="code_challenge"`, `name="password"`)
	approve := func(change url.Values) url.Values {
		form := url.Values{"username": {c.s.Username}, "password": {c.s.Password}, "decision": {"allow"}}
		for k, v := range ask {
			form[k] = v
		}
		for k, v := range change {
			form[k] = v
		}
		location, err := url.Parse(c.post("/services/oauth2/authorize", form).ok(302).header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		got := location.Query()
		if got.Get("state") != "xyz" {
			t.Errorf("the state is lost: %s", location)
		}
		return got
	}
	code := func() string { return approve(nil).Get("code") }
	trade := func(code string, change url.Values) answer {
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"turning"}, "code_verifier": {verifier},
			"redirect_uri": {"http://localhost:1717/OauthRedirect"},
		}
		for k, v := range change {
			form[k] = v
		}
		return c.form(form)
	}
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Scope   string
	}
	first := code()
	trade(first, nil).ok(200).into(&tokens)
	if tokens.Refresh == "" || tokens.Scope != "refresh_token api web" {
		t.Fatalf("tokens %+v", tokens)
	}
	const late = `{"error":"invalid_grant","error_description":"expired authorization code"}`
	trade(first, nil).ok(400).is(late) // a code is good once
	old := code()
	c.s.Clock().Advance(15*time.Minute + time.Second)
	trade(old, nil).ok(400).is(late)
	trade(code(), url.Values{"code_verifier": {"other"}}).ok(400).is(`{"error":"invalid_grant","error_description":"invalid code verifier"}`)
	trade(code(), url.Values{"redirect_uri": {"http://localhost/"}}).ok(400).
		is(`{"error":"redirect_uri_mismatch","error_description":"redirect_uri must match configuration"}`)
	if got := approve(url.Values{"decision": {"deny"}}); got.Get("error") != "access_denied" || got.Get("error_description") != "end-user denied authorization" {
		t.Errorf("denied: %v", got)
	}
	if got := approve(url.Values{"code_challenge_method": {"plain"}}); got.Get("error") != "invalid_request" {
		t.Errorf("plain challenge: %v", got)
	}
	strict := url.Values{"client_id": {"strict"}, "redirect_uri": {"https://app.example/cb"}}
	if got := approve(url.Values{"client_id": {"strict"}, "redirect_uri": {"https://app.example/cb"}, "code_challenge": nil}); got.Get("error_description") != "missing required code challenge" {
		t.Errorf("no challenge: %v", got)
	}
	for _, nothing := range []string{"", "=", "=="} { // padding alone promises nothing
		change := url.Values{"client_id": {"strict"}, "redirect_uri": {"https://app.example/cb"}, "code_challenge": {nothing}}
		if got := approve(change); got.Get("error_description") != "missing required code challenge" {
			t.Errorf("challenge %q: %v", nothing, got)
		}
	}
	trade(approve(strict).Get("code"), strict).ok(400).is(`{"error":"invalid_client","error_description":"invalid client credentials"}`)
	wrong := url.Values{}
	for k, v := range ask {
		wrong[k] = v
	}
	wrong["username"], wrong["password"] = []string{c.s.Username}, []string{"x"}
	c.post("/services/oauth2/authorize", wrong).ok(200).has("check your username and password")
	wrong.Set("redirect_uri", "https://evil.example/")
	c.post("/services/oauth2/authorize", wrong).ok(400).has("redirect_uri_mismatch")
	wrong.Set("client_id", "x")
	c.post("/services/oauth2/authorize", wrong).ok(400).has("invalid_client_id")

	// A refresh token that turns is good once, and for its time.
	turn := func(token string) answer {
		return c.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"turning"}})
	}
	before := tokens.Refresh
	turn(before).ok(200).into(&tokens)
	if tokens.Refresh == before || tokens.Refresh == "" {
		t.Errorf("the refresh token did not turn: %+v", tokens)
	}
	turn(before).ok(400)
	c.s.Clock().Advance(61 * time.Minute)
	turn(tokens.Refresh).ok(400).is(`{"error":"invalid_grant","error_description":"expired access/refresh token"}`)
}

func TestRevokingARefreshTokenEndsItsSessions(t *testing.T) {
	c := start(t, emulator.Options{})
	var tokens struct {
		Access string `json:"access_token"`
	}
	c.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.s.RefreshToken}, "client_id": {c.s.ClientID}}).ok(200).into(&tokens)
	introspect := func(token string) answer {
		return c.post("/services/oauth2/introspect", url.Values{"token": {token}, "client_id": {c.s.ClientID}, "client_secret": {c.s.ClientSecret}}).ok(200)
	}
	introspect(tokens.Access).has(`"active":true`, `"client_id":"`+c.s.ClientID, `"token_type":"access_token"`)
	introspect(c.s.RefreshToken).has(`"token_type":"refresh_token"`)
	c.post("/services/oauth2/revoke", url.Values{"token": {c.s.RefreshToken}}).ok(200)
	introspect(tokens.Access).is(`{"active":false}`)
	c.post("/services/oauth2/revoke", url.Values{"token": {"x"}}).ok(400).is(`{"error":"unsupported_token_type","error_description":"this token type is not supported"}`)
	c.header.Set("Authorization", "Bearer x")
	c.post("/services/oauth2/introspect", url.Values{"token": {tokens.Access}}).ok(400)
}

func TestAppsHaveTheirOwnUsers(t *testing.T) {
	c := start(t, emulator.Options{Apps: []emulator.App{{
		ClientID: "robot", ClientSecret: "s", RunAs: "robot@emulated.example", Approved: []string{"robot@emulated.example"}, NoPassword: true,
	}}})
	credentials := url.Values{"grant_type": {"client_credentials"}, "client_id": {"robot"}, "client_secret": {"s"}}
	c.form(credentials).ok(400).is(`{"error":"invalid_grant","error_description":"no client credentials user enabled"}`)
	profile := c.query("SELECT Id FROM Profile LIMIT 1").Records[0]["Id"].(string)
	id := c.create("User", `{"Username":"robot@emulated.example","LastName":"Robot","IsActive":true,"Email":"r@x.example","Alias":"robot","ProfileId":"`+profile+`",
		"TimeZoneSidKey":"GMT","LocaleSidKey":"en_US","EmailEncodingKey":"UTF-8","LanguageLocaleKey":"en_US"}`)
	var g grant
	c.form(credentials).ok(200).into(&g)
	if !strings.HasSuffix(g.ID, "/"+id) {
		t.Errorf("runs as %s, want %s", g.ID, id)
	}
	c.form(url.Values{
		"grant_type": {"password"}, "client_id": {"robot"}, "client_secret": {"s"}, "username": {"robot@emulated.example"}, "password": {c.s.Password},
	}).ok(400).is(`{"error":"invalid_grant","error_description":"authentication failure"}`)
}

func TestHTTPS(t *testing.T) {
	c := start(t, emulator.Options{TLSAddr: "127.0.0.1:0"})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.s.AuthorityPEM()) {
		t.Fatal("no certificate of the authority")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	for _, base := range []string{c.s.SecureURL, strings.Replace(c.s.SecureURL, "127.0.0.1", "localhost", 1)} {
		resp, err := client.PostForm(base+"/services/oauth2/token", url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {c.s.RefreshToken}, "client_id": {c.s.ClientID},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var g grant
		if err := json.NewDecoder(resp.Body).Decode(&g); err != nil || g.InstanceURL != c.s.SecureURL || !strings.HasPrefix(g.ID, "https://") {
			t.Errorf("%v: the grant leads away from https: %+v", err, g)
		}
	}
	if _, err := http.Get(c.s.SecureURL); err == nil {
		t.Error("a client that does not know the authority was let in")
	}
}

func TestTwoOrgsHaveDifferentTokens(t *testing.T) {
	a, b := start(t, emulator.Options{Seed: 1}), start(t, emulator.Options{Seed: 2})
	if a.s.AccessToken == b.s.AccessToken || a.s.OrgID == b.s.OrgID {
		t.Error("two orgs are one")
	}
}
