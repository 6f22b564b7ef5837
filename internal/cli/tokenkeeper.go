package cli

import (
	"encoding/json"
	"fmt"

	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// tokenKeeper keeps the token of one org sealed for the daily key.
type tokenKeeper struct {
	orgs     config.Orgs
	name     string
	identity *seal.Identity
}

// tokenKeeper returns the keeper, or says that there is no key to seal for.
func (a *app) tokenKeeper(orgs config.Orgs, name string) (tokenKeeper, error) {
	path, err := a.setting(config.KeyFile, a.keyFile)
	if err != nil {
		return tokenKeeper{}, fmt.Errorf("seal the token of org %s: %w", name, err)
	}
	identity, err := readIdentity(path)
	if err != nil {
		return tokenKeeper{}, err
	}
	return tokenKeeper{orgs, name, identity}, nil
}

// put seals the token and names its file in the org.
func (k tokenKeeper) put(o *config.Org, t sealedToken) error {
	t.Version = sealedTokenVersion
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	sealed, err := seal.Enclose(body, k.identity.Recipient())
	if err != nil {
		return fmt.Errorf("seal the token of org %s: %w", k.name, err)
	}
	o.SealedTokenFile = k.orgs.SealedTokenPath(k.name)
	return k.orgs.PutSealedToken(k.name, sealed)
}

// get opens the token.
func (k tokenKeeper) get(o config.Org) (sealedToken, error) {
	sealed, err := config.ReadSecret(o.SealedTokenFile)
	if err != nil {
		return sealedToken{}, err
	}
	body, err := k.identity.Disclose(sealed)
	if err != nil {
		return sealedToken{}, fmt.Errorf("%s: %w", o.SealedTokenFile, err)
	}
	var t sealedToken
	// The decoder's error could quote the token.
	if json.Unmarshal(body, &t) != nil || t.Version != sealedTokenVersion || t.RefreshToken == "" {
		return sealedToken{}, problem.Newf(problem.Damaged, "%s is not a sealed token of this version", o.SealedTokenFile).
			Hint("remove the org with `holdfast org remove %s` and sign in again", k.name)
	}
	return t, nil
}
