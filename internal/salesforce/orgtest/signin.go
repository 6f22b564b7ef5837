package orgtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// token asks the token endpoint.
func (o *Org) token(form url.Values) Reply {
	o.t.Helper()
	return o.Do("POST", "/services/oauth2/token", "application/x-www-form-urlencoded", form.Encode())
}

// works fails unless the reply holds an access token that opens the API.
func (r Reply) works(o *Org) string {
	r.t.Helper()
	var grant struct {
		AccessToken string `json:"access_token"`
	}
	r.OK(200).Into(&grant)
	signed := *o
	signed.target.Token = grant.AccessToken
	(&signed).Get("limits").OK(200)
	return grant.AccessToken
}

// denied fails unless the reply is an OAuth error of that code.
func (r Reply) denied(code string) {
	r.t.Helper()
	var e struct{ Error string }
	r.Into(&e)
	if r.Status != 400 || e.Error != code {
		r.t.Errorf("status %d %q, want 400 %s", r.Status, e.Error, code)
	}
}

// assertion is a JWT of the app for its user.
func (o *Org) assertion(audience string, expires int64) string {
	o.t.Helper()
	block, _ := pem.Decode(o.target.App.KeyPEM)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		o.t.Fatal(err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		o.t.Fatalf("the key of the app is a %T", key)
	}
	part := base64.RawURLEncoding.EncodeToString
	text := part([]byte(`{"alg":"RS256"}`)) + "." + part(fmt.Appendf(nil, `{"iss":%q,"sub":%q,"aud":%q,"exp":%d}`, o.target.App.ClientID, o.target.App.Username, audience, expires))
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
	if err != nil {
		o.t.Fatal(err)
	}
	return text + "." + part(signature)
}

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// soon is when an assertion ends, by the org's clock.
func (o *Org) soon() time.Time {
	o.t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000Z", o.Partner("getServerTimestamp", "").OK(200).Element("timestamp"))
	if err != nil {
		o.t.Fatal(err)
	}
	return at.Add(3 * time.Minute)
}

var signInRules = []law{
	{
		"oauth/refresh", "A refresh token gives a new access token",
		document("Salesforce Help, OAuth 2.0 Refresh Token Flow"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {o.target.App.RefreshToken}, "client_id": {o.target.App.ClientID}}).works(o)
			o.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {o.target.App.ClientID}}).denied("invalid_grant")
		},
	},
	{
		"oauth/client", "A client that nobody knows is invalid_client_id",
		document("Salesforce Help, OAuth 2.0 Authorization Errors"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {"nobody"}}).denied("invalid_client_id")
		},
	},
	{
		"oauth/grant-type", "A grant type that does not exist is unsupported_grant_type",
		document("Salesforce Help, OAuth 2.0 Authorization Errors"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {"magic"}}).denied("unsupported_grant_type")
		},
	},
	{
		"oauth/client-credentials", "An app signs in as its own user with its secret",
		document("Salesforce Help, OAuth 2.0 Client Credentials Flow"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {o.target.App.ClientID}, "client_secret": {o.target.App.ClientSecret}}).works(o)
			o.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {o.target.App.ClientID}, "client_secret": {"x"}}).denied("invalid_client")
		},
	},
	{
		"oauth/jwt", "An assertion signed by the key of the app signs its user in",
		document("Salesforce Help, OAuth 2.0 JWT Bearer Flow"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {jwtBearer}, "assertion": {o.assertion("https://login.salesforce.com", o.soon().Unix())}}).works(o)
		},
	},
	{
		"oauth/jwt-in-milliseconds", "An assertion may tell its end in milliseconds",
		client("sf 2.150.6 signs exp so, and it works"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {jwtBearer}, "assertion": {o.assertion("https://login.salesforce.com", o.soon().UnixMilli())}}).works(o)
		},
	},
	{
		"oauth/jwt-audience", "An assertion for another server is refused",
		document("Salesforce Help, OAuth 2.0 JWT Bearer Flow: aud"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {jwtBearer}, "assertion": {o.assertion("https://elsewhere.example", o.soon().Unix())}}).denied("invalid_grant")
		},
	},
	{
		"oauth/jwt-expired", "An assertion whose end is past is refused",
		document("Salesforce Help, OAuth 2.0 JWT Bearer Flow: exp"),
		func(_ *testing.T, o *Org) {
			o.token(url.Values{"grant_type": {jwtBearer}, "assertion": {o.assertion("https://login.salesforce.com", 1000)}}).denied("invalid_grant")
		},
	},
	{
		"oauth/jwt-forged", "An assertion with another signature is refused",
		document("Salesforce Help, OAuth 2.0 JWT Bearer Flow"),
		func(_ *testing.T, o *Org) {
			text := o.assertion("https://login.salesforce.com", o.soon().Unix())
			o.token(url.Values{"grant_type": {jwtBearer}, "assertion": {text[:len(text)-12] + "AAAAAAAAAAAA"}}).denied("invalid_grant")
		},
	},
	{
		"oauth/introspect", "An app is told whether a token is good",
		document("Salesforce Help, OpenID Connect Token Introspection; RFC 7662"),
		func(_ *testing.T, o *Org) {
			ask := func(token string) Reply {
				return o.Do("POST", "/services/oauth2/introspect", "application/x-www-form-urlencoded",
					url.Values{"token": {token}, "client_id": {o.target.App.ClientID}, "client_secret": {o.target.App.ClientSecret}}.Encode()).OK(200)
			}
			ask(o.target.Token).has(`"active":true`)
			ask("x").has(`"active":false`)
		},
	},
	{
		"oauth/revoke", "A revoked access token opens nothing",
		document("Salesforce Help, Revoke OAuth Tokens"),
		func(_ *testing.T, o *Org) {
			signed := *o
			signed.target.Token = o.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {o.target.App.RefreshToken}, "client_id": {o.target.App.ClientID}}).works(o)
			o.Do("POST", "/services/oauth2/revoke", "application/x-www-form-urlencoded", url.Values{"token": {signed.target.Token}}.Encode()).OK(200)
			(&signed).Get("limits").Refused(401, "INVALID_SESSION_ID", "")
		},
	},
	{
		"oauth/pkce", "A code is given for its verifier alone, and once",
		document("Salesforce Help, OAuth 2.0 Web Server Flow; RFC 7636"),
		func(t *testing.T, o *Org) {
			const verifier = "a-verifier-of-at-least-forty-three-characters-0123"
			sum := sha256.Sum256([]byte(verifier))
			const home = "http://localhost:1717/OauthRedirect"
			code := func() string {
				form := url.Values{
					"response_type": {"code"}, "client_id": {o.target.App.ClientID}, "redirect_uri": {home}, "code_challenge_method": {"S256"},
					"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "decision": {"allow"},
					"username": {o.target.App.Username}, "password": {o.target.App.Password},
				}
				at, err := url.Parse(o.redirected("/services/oauth2/authorize", form))
				if err != nil || !strings.HasPrefix(at.String(), home) {
					t.Fatalf("%v %v", at, err)
				}
				return at.Query().Get("code")
			}
			trade := func(code, verifier string) Reply {
				return o.token(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {o.target.App.ClientID}, "redirect_uri": {home}, "code_verifier": {verifier}})
			}
			trade(code(), "another").denied("invalid_grant")
			good := code()
			trade(good, verifier).works(o)
			trade(good, verifier).denied("invalid_grant")
		},
	},
}
