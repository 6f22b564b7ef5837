package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// signInWay is what `org add` was told beside what is remembered.
type signInWay struct {
	web, noBrowser, client bool
	port                   int
	authURLFile            string
}

// choose finds the one way to sign in that was given, checks its files and makes their paths whole.
func (way *signInWay) choose(o *config.Org) error {
	var ways []string
	take := func(auth, flag string) {
		o.Auth = auth
		ways = append(ways, "--"+flag)
	}
	for _, secret := range []struct {
		auth, flag string // empty when the file only goes along
		path       *string
	}{
		{config.AuthAccessToken, "access-token-file", &o.AccessTokenFile},
		{config.AuthRefreshToken, "refresh-token-file", &o.RefreshTokenFile},
		{config.AuthJWT, "jwt-key-file", &o.JWTKeyFile},
		{config.AuthSignInFile, "sign-in-file", &o.SignInFile},
		{config.AuthSealedToken, "sfdx-auth-url-file", &way.authURLFile},
		{"", "", &o.ClientSecretFile},
	} {
		if *secret.path == "" {
			continue
		}
		full, err := filepath.Abs(*secret.path)
		if err != nil {
			return fmt.Errorf("org %s: %w", o.Name, err)
		}
		if err := config.CheckSecret(full); err != nil {
			return err
		}
		*secret.path = full
		if secret.auth != "" {
			take(secret.auth, secret.flag)
		}
	}
	if way.web {
		take(config.AuthSealedToken, "web")
	}
	if way.client {
		take(config.AuthClientCredentials, "client-credentials")
	}
	if o.SFAlias != "" {
		take(config.AuthSF, "from-sf")
	}
	if len(ways) > 1 {
		return problem.Newf(problem.Usage, "org %s: %d ways to sign in are given: %s", o.Name, len(ways), strings.Join(ways, ", ")).
			Hint("give one of them")
	}
	return nil
}

// signInByBrowser gets tokens from the user's browser and keeps them sealed.
func (a *app) signInByBrowser(ctx context.Context, orgs config.Orgs, o *config.Org, way signInWay) error {
	login := o.LoginURL
	if login == "" {
		login = o.InstanceURL
	}
	if login == "" || o.ClientID == "" {
		return problem.Newf(problem.Usage, "org %s: sign-in by browser needs --client-id, and --instance-url or --login-url", o.Name).
			Hint("see `holdfast org add --help`")
	}
	keeper, err := a.tokenKeeper(orgs, o.Name)
	if err != nil {
		return err // before the user is troubled
	}
	secret := ""
	if o.ClientSecretFile != "" {
		if secret, err = config.ReadToken(o.ClientSecretFile); err != nil {
			return err
		}
	}
	tokens, err := salesforce.Browser{
		LoginURL: login, ClientID: o.ClientID, ClientSecret: salesforce.Secret(secret), Port: way.port,
		Show: func(address string) { a.showAddress(ctx, address, way.noBrowser) },
	}.SignIn(ctx)
	if err != nil {
		return fmt.Errorf("org %s: %w", o.Name, err)
	}
	if tokens.RefreshToken == "" {
		return problem.Newf(problem.Unauthorized, "org %s: the org gave no refresh token", o.Name).
			Hint("give the connected app the scope refresh_token (perform requests at any time)")
	}
	if tokens.InstanceURL != "" {
		o.InstanceURL = tokens.InstanceURL
	}
	return keeper.put(o, sealedToken{RefreshToken: string(tokens.RefreshToken)})
}

// showAddress opens the address in the browser, and says it in any case.
func (a *app) showAddress(ctx context.Context, address string, only bool) {
	fmt.Fprintln(a.err, "open this address and allow access:\n\n  "+address+"\n")
	if only {
		return
	}
	command := []string{"xdg-open", address}
	switch runtime.GOOS {
	case "darwin":
		command[0] = "open"
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", address}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	if cmd.Start() != nil {
		return // the address was said
	}
	go func() { _ = cmd.Wait() }() // the browser outlives the command; this only takes its exit status
}

// takeAuthURL keeps the refresh token of an SFDX authorization URL sealed, once it has proved good.
func (a *app) takeAuthURL(ctx context.Context, orgs config.Orgs, o *config.Org, way signInWay) error {
	text, err := config.ReadToken(way.authURLFile)
	if err != nil {
		return err
	}
	c, err := salesforce.ParseAuthURL(salesforce.Secret(strings.TrimSpace(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", way.authURLFile, err)
	}
	keeper, err := a.tokenKeeper(orgs, o.Name)
	if err != nil {
		return err
	}
	token := sealedToken{RefreshToken: string(c.RefreshToken), ClientSecret: string(c.ClientSecret)}
	if o.InstanceURL == "" {
		o.InstanceURL = c.LoginURL
	}
	org, err := salesforce.Connect(ctx, salesforce.Config{
		InstanceURL: o.InstanceURL, Credentials: c, Progress: a.notice,
		Rotated: func(refresh salesforce.Secret) error {
			token.RefreshToken = string(refresh)
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("org %s: %w", o.Name, err)
	}
	who, err := org.Identity(ctx)
	if err != nil {
		return fmt.Errorf("org %s: %w", o.Name, err)
	}
	o.InstanceURL, o.LoginURL, o.ClientID, o.Username = who.InstanceURL, c.LoginURL, c.ClientID, who.Username
	return keeper.put(o, token)
}

// sealedToken is what a sealed token file holds; docs/format/orgs.md.
type sealedToken struct {
	Version      string `json:"version"`
	RefreshToken string `json:"refresh_token"`
	ClientSecret string `json:"client_secret,omitempty"`
}

const sealedTokenVersion = "holdfast-token/1"

// sfTime is how long the sf command line may take; it starts in two seconds and may renew a session.
const sfTime = 2 * time.Minute

// sfLogin is what the sf command line knows of a login.
type sfLogin struct {
	InstanceURL string `json:"instanceUrl"`
	Username    string `json:"username"`
	AccessToken string `json:"accessToken"`
}

// askSF asks the sf command line, which renews the session when it has to. Source: sf 2.150.6, `org
// display` for the address and `org auth show-access-token` for the token.
func askSF(ctx context.Context, alias string) (sfLogin, error) {
	var login, token sfLogin
	if err := runSF(ctx, &login, "org", "display", "--target-org", alias); err != nil {
		return sfLogin{}, err
	}
	if err := runSF(ctx, &token, "org", "auth", "show-access-token", "--target-org", alias); err != nil {
		return sfLogin{}, err
	}
	login.AccessToken = token.AccessToken
	login.InstanceURL = strings.TrimRight(login.InstanceURL, "/")
	if login.AccessToken == "" || login.InstanceURL == "" {
		return sfLogin{}, problem.Newf(problem.Unauthorized, "the sf command line has no session of %s", alias).
			Hint("sign in with `sf org login web --alias %s`", alias)
	}
	return login, nil
}

// runSF runs one command of sf with --json and decodes its result. Its errors hold the message of sf
// and nothing else that it printed, which may be a token.
func runSF(ctx context.Context, result any, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, sfTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sf", append(args, "--json")...)
	cmd.Env = append(os.Environ(), "SF_SKIP_NEW_VERSION_CHECK=true", "SF_AUTOUPDATE_DISABLE=true")
	cmd.Stderr = io.Discard
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return problem.New(problem.Usage, "the sf command line is not there").
			Hint("install it (npm @salesforce/cli), or sign in another way")
	}
	var reply struct {
		Status  int             `json:"status"`
		Message string          `json:"message"`
		Result  json.RawMessage `json:"result"`
	}
	if json.NewDecoder(bytes.NewReader(out)).Decode(&reply) != nil || reply.Result != nil && json.Unmarshal(reply.Result, result) != nil {
		return problem.Newf(problem.Failed, "the answer of `sf %s` was not understood", strings.Join(args[:2], " ")).
			Hint("check that `sf --version` is 2.130 or newer")
	}
	if err != nil || reply.Status != 0 {
		message, _, _ := strings.Cut(reply.Message, "\n")
		return problem.Newf(problem.Unauthorized, "the sf command line: %s", plain(message)).
			Hint("see which logins it has with `sf org list`")
	}
	return nil
}
