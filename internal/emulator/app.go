package emulator

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/internal/sf"
)

// keyBits is the size of the key of a connected app.
const keyBits = 2048

// platformCLI is the client id of the official command line, an app that every org knows and that
// has no secret. Source: sfdx auth urls and recorded requests of sf.
const platformCLI = "PlatformCLI"

// App is a connected app: who may sign in through it, and for how long. The zero values are the
// defaults of a new app on the platform where it has one.
type App struct {
	ClientID     string // consumer key
	ClientSecret string // consumer secret; empty: the app is public and has none
	// Callbacks are the redirect URIs, compared as they are. Empty means any address of this machine.
	Callbacks []string
	// WebSecret and RefreshSecret are "Require Secret for Web Server Flow" and "… for Refresh Token
	// Flow": without them a code with its verifier, or a refresh token, is enough.
	WebSecret, RefreshSecret bool
	// RequirePKCE refuses an authorization without a code challenge.
	RequirePKCE bool
	// RotateRefresh gives a new refresh token with each use and ends the old one.
	RotateRefresh bool
	// RefreshLife is how long a refresh token is good for, by the org's clock; 0 means until revoked.
	RefreshLife time.Duration
	// RunAs is the user of the client credentials flow, by username; empty means the first user.
	RunAs string
	// Approved are the users, by username, for whom an administrator has approved the app, as a JWT
	// bearer assertion needs it; empty means everyone.
	Approved []string
	// NoPassword refuses the username-password flow, as orgs made since Summer '23 do.
	NoPassword bool
}

// app is a connected app with its key.
type app struct {
	App
	key func() *rsa.PrivateKey
}

// apps are the connected apps of an org by client id. The map does not change.
type apps map[string]*app

// newApps returns the apps of an org: its own first one, the official command line, and the given.
func newApps(key []byte, id sf.ID, more []App) (own *app, all apps) {
	own = newApp(App{
		ClientID:     "3MVG9" + secret(key, "app "+string(id), 0),
		ClientSecret: strings.ToUpper(secret(key, "secret "+string(id), 0)),
	})
	all = apps{own.ClientID: own, platformCLI: newApp(App{ClientID: platformCLI})}
	for _, a := range more {
		all[a.ClientID] = newApp(a)
	}
	return own, all
}

func newApp(a App) *app {
	return &app{App: a, key: sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil { // the size is valid, and the source of randomness does not fail
			panic(err)
		}
		return key
	})}
}

func (a *app) keyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(a.key())
	if err != nil { // an RSA key always marshals
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// is reports the secret of the app. A public app takes none.
func (a *app) is(clientSecret string) bool {
	return subtle.ConstantTimeCompare([]byte(a.ClientSecret), []byte(clientSecret)) == 1
}

// takes reports a redirect URI of the app.
func (a *app) takes(redirect string) bool {
	if len(a.Callbacks) > 0 {
		return slices.Contains(a.Callbacks, redirect)
	}
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// approves reports a user who may use the app without being asked.
func (a *app) approves(username string) bool {
	return len(a.Approved) == 0 || slices.ContainsFunc(a.Approved, func(s string) bool { return strings.EqualFold(s, username) })
}

// runAs is the username of the client credentials flow.
func (a *app) runAs(first string) string { return cmp.Or(a.RunAs, first) }
