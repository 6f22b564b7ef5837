package salesforce

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret is text that is never printed: every verb of fmt, encoding/json and slog shows "(secret)".
type Secret string

const hidden = "(secret)"

// Format prints the fixed word in place of the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalJSON writes the fixed word in place of the secret.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// LogValue is the fixed word in place of the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// Credentials say how to sign in. The first of these that is complete is used to renew a session:
// JWT bearer (ClientID, Username, PrivateKeyPEM), refresh token (ClientID, RefreshToken), client
// credentials (ClientID, ClientSecret). An AccessToken is used until the org refuses it; alone it
// cannot be renewed.
type Credentials struct {
	AccessToken Secret

	ClientID     string // consumer key of the connected app
	ClientSecret Secret // optional for a refresh token
	RefreshToken Secret

	Username      string // the user to act as, for JWT bearer
	PrivateKeyPEM Secret // RSA key, PKCS #1 or PKCS #8, for JWT bearer

	LoginURL string // where tokens are asked for; empty means the instance URL
	Audience string // aud of a JWT; empty means the login URL
}

// renewable reports whether a new access token can be asked for.
func (c Credentials) renewable() bool { return c.jwt() || c.refresh() || c.client() }

func (c Credentials) jwt() bool {
	return c.PrivateKeyPEM != "" && c.ClientID != "" && c.Username != ""
}

func (c Credentials) refresh() bool { return c.RefreshToken != "" && c.ClientID != "" }

// client reports the client credentials flow (RFC 6749, section 4.4): the app acts as the user that
// its settings name.
func (c Credentials) client() bool {
	return c.ClientSecret != "" && c.ClientID != "" && c.RefreshToken == ""
}
