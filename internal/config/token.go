package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/internal/problem"
)

// SealedTokenPath is where the sealed token of an org belongs.
func (s Orgs) SealedTokenPath(name string) string { return filepath.Join(s.dir, name+".token") }

// PutSealedToken writes the sealed token of an org, in place of the one that is there: all of it or
// nothing of it. The name must be that of a valid Org.
func (s Orgs) PutSealedToken(name string, sealed []byte) error {
	if !orgName.MatchString(name) {
		return problem.Newf(problem.Usage, "%q is not a name for an org", name)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("keep the token of org %s: %w", name, err)
	}
	tmp, err := os.CreateTemp(s.dir, ".new-*")
	if err != nil {
		return fmt.Errorf("keep the token of org %s: %w", name, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(sealed)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), s.SealedTokenPath(name))
	}
	if err != nil {
		return fmt.Errorf("keep the token of org %s: %w", name, err)
	}
	return nil
}
