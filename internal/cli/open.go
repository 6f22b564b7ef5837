package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"holdfast/internal/blob"
	"holdfast/internal/blob/file"
	"holdfast/internal/blob/s3"
	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/salesforce"
	"holdfast/internal/seal"
	"holdfast/internal/snapshot"
)

// setting returns the value of a shared setting, or problem.Usage when it is needed and missing.
func (a *app) setting(s config.Setting, flag string) (string, error) {
	value := s.Value(flag, a.getenv)
	if value == "" {
		return "", problem.Newf(problem.Usage, "neither --%s nor %s is given", s.Flag, s.Env).Hint("%s", s.Hint)
	}
	return value, nil
}

// openStore opens the snapshots of the repository that the command line names.
func (a *app) openStore(ctx context.Context) (*snapshot.Store, error) {
	dir, err := a.setting(config.Repo, a.repo)
	if err != nil {
		return nil, err
	}
	keyFile, err := a.setting(config.KeyFile, a.keyFile)
	if err != nil {
		return nil, err
	}
	identity, err := readIdentity(keyFile)
	if err != nil {
		return nil, err
	}
	bucket, err := openBucket(ctx, dir)
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(ctx, bucket, identity)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", dir, err)
	}
	return snapshot.Open(r), nil
}

// openBucket opens the bucket at a location: a folder, or s3://BUCKET/PREFIX?SETTING=VALUE.
func openBucket(ctx context.Context, location string) (blob.Bucket, error) {
	if !strings.HasPrefix(location, s3.Scheme) {
		return file.Open(location)
	}
	c, err := s3.Parse(location)
	if err != nil {
		return nil, err
	}
	return s3.Open(ctx, c)
}

// createBucket is openBucket of a place where no repository is yet. A folder is made; a bucket of an
// object store belongs to whoever runs the store, and must be there.
func createBucket(ctx context.Context, location string) (blob.Bucket, error) {
	if strings.HasPrefix(location, s3.Scheme) {
		return openBucket(ctx, location)
	}
	return file.Create(location)
}

func readIdentity(path string) (*seal.Identity, error) {
	body, err := config.ReadSecret(path)
	if err != nil {
		return nil, err
	}
	identity, err := seal.ReadIdentity(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return identity, nil
}

// connect signs in to the org of that name.
func (a *app) connect(ctx context.Context, name string) (*salesforce.Org, error) {
	orgs, err := a.orgs()
	if err != nil {
		return nil, err
	}
	o, err := orgs.Get(name)
	if err != nil {
		return nil, err
	}
	credentials, err := readCredentials(o)
	if err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	org, err := salesforce.Connect(ctx, salesforce.Config{
		InstanceURL: o.InstanceURL, Credentials: credentials, Progress: a.notice,
	})
	if err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	return org, nil
}

// readCredentials reads the secrets of an org from their files.
func readCredentials(o config.Org) (salesforce.Credentials, error) {
	c := salesforce.Credentials{ClientID: o.ClientID, Username: o.Username, LoginURL: o.LoginURL}
	var token string
	var err error
	switch o.Auth {
	case config.AuthAccessToken:
		token, err = config.ReadToken(o.AccessTokenFile)
		c.AccessToken = salesforce.Secret(token)
	case config.AuthRefreshToken:
		token, err = config.ReadToken(o.RefreshTokenFile)
		c.RefreshToken = salesforce.Secret(token)
	case config.AuthJWT:
		var pem []byte
		pem, err = config.ReadSecret(o.JWTKeyFile)
		c.PrivateKeyPEM = salesforce.Secret(pem)
	case config.AuthSignInFile:
		var s signIn
		s, err = readSignIn(o.SignInFile)
		c.AccessToken, c.RefreshToken = salesforce.Secret(s.AccessToken), salesforce.Secret(s.RefreshToken)
		c.ClientID, c.Username = s.ClientID, s.Username
	}
	if err == nil && o.ClientSecretFile != "" {
		token, err = config.ReadToken(o.ClientSecretFile)
		c.ClientSecret = salesforce.Secret(token)
	}
	return c, err
}
