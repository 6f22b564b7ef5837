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
	r, _, err := a.openRepository(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(r), nil
}

// openRepository opens the repository that the command line names, and returns the key that does. The
// error is of kind Damaged when this machine has seen a later state of it.
func (a *app) openRepository(ctx context.Context) (*repo.Repository, *seal.Identity, error) {
	dir, err := a.setting(config.Repo, a.repo)
	if err != nil {
		return nil, nil, err
	}
	keyFile, err := a.setting(config.KeyFile, a.keyFile)
	if err != nil {
		return nil, nil, err
	}
	identity, err := readIdentity(keyFile)
	if err != nil {
		return nil, nil, err
	}
	bucket, err := openBucket(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := repo.Open(ctx, bucket, identity)
	if err == nil {
		err = a.meet(ctx, dir, r)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("repository %s: %w", dir, err)
	}
	return r, identity, nil
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
	c.Unlocked = []string{repo.Deletable}
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

// connect signs in to the org of that name, to spend no more than the budget.
func (a *app) connect(ctx context.Context, name string, budget salesforce.Budget) (*salesforce.Org, error) {
	orgs, err := a.orgs()
	if err != nil {
		return nil, err
	}
	o, err := orgs.Get(name)
	if err != nil {
		return nil, err
	}
	c := salesforce.Config{InstanceURL: o.InstanceURL, Progress: a.notice, Budget: budget}
	if err := a.readCredentials(orgs, o, &c); err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	org, err := salesforce.Connect(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	return org, nil
}

// readCredentials reads the secrets of an org from where they are kept, into the configuration.
func (a *app) readCredentials(orgs config.Orgs, o config.Org, c *salesforce.Config) error {
	cred := &c.Credentials
	*cred = salesforce.Credentials{ClientID: o.ClientID, Username: o.Username, LoginURL: o.LoginURL}
	var token string
	var err error
	if o.ClientSecretFile != "" {
		if token, err = config.ReadToken(o.ClientSecretFile); err != nil {
			return err
		}
		cred.ClientSecret = salesforce.Secret(token)
	}
	switch o.Auth {
	case config.AuthAccessToken:
		token, err = config.ReadToken(o.AccessTokenFile)
		cred.AccessToken = salesforce.Secret(token)
	case config.AuthRefreshToken:
		token, err = config.ReadToken(o.RefreshTokenFile)
		cred.RefreshToken = salesforce.Secret(token)
	case config.AuthJWT:
		var pem []byte
		pem, err = config.ReadSecret(o.JWTKeyFile)
		cred.PrivateKeyPEM = salesforce.Secret(pem)
	case config.AuthSignInFile:
		var s signIn
		s, err = readSignIn(o.SignInFile)
		cred.AccessToken, cred.RefreshToken = salesforce.Secret(s.AccessToken), salesforce.Secret(s.RefreshToken)
		cred.ClientID, cred.Username = s.ClientID, s.Username
	case config.AuthSealedToken:
		err = a.unsealToken(orgs, o, c)
	case config.AuthSF:
		c.Obtain = func(ctx context.Context) (salesforce.Secret, error) {
			login, err := askSF(ctx, o.SFAlias)
			return salesforce.Secret(login.AccessToken), err
		}
	}
	return err
}

// unsealToken opens the sealed token of an org; one that the org rotates is sealed in its place.
func (a *app) unsealToken(orgs config.Orgs, o config.Org, c *salesforce.Config) error {
	keeper, err := a.tokenKeeper(orgs, o.Name)
	if err != nil {
		return err
	}
	token, err := keeper.get(o)
	if err != nil {
		return err
	}
	c.Credentials.RefreshToken = salesforce.Secret(token.RefreshToken)
	if token.ClientSecret != "" {
		c.Credentials.ClientSecret = salesforce.Secret(token.ClientSecret)
	}
	c.Rotated = func(refresh salesforce.Secret) error {
		token.RefreshToken = string(refresh)
		return keeper.put(&o, token)
	}
	return nil
}
