package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/internal/blob/file"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/repo"
	"holdfast/internal/salesforce"
	"holdfast/internal/seal"
	"holdfast/internal/snapshot"
)

// playground is where something is rehearsed: an empty org, a repository for what is observed of it, and a folder.
type playground struct {
	server *emulator.Server
	org    *salesforce.Org
	store  *snapshot.Store
	dir    string

	packages map[string]string // the folder of each, by namespace
}

// stageCalls is a day's calls of an org that is nobody's.
const stageCalls = 10_000_000

// stage makes what a rehearsal needs. The caller closes it. The org can install packages of these namespaces, each from a
// folder that is still to be made.
func (a *app) stage(ctx context.Context, what string, namespaces ...string) (on *playground, err error) {
	on = &playground{}
	defer func() {
		if err != nil {
			err = errors.Join(err, on.close())
		}
	}()
	if on.dir, err = os.MkdirTemp("", "holdfast-"+what+"-"); err != nil {
		return on, fmt.Errorf("folder for the %s: %w", what, err)
	}
	if on.store, err = scratch(ctx, filepath.Join(on.dir, "repository")); err != nil {
		return on, fmt.Errorf("repository for the %s: %w", what, err)
	}
	key := make([]byte, 32) // whoever is on this machine can call the org, which is about to have somebody's records
	if _, err := rand.Read(key); err != nil {
		return on, err
	}
	on.packages = map[string]string{}
	for _, ns := range namespaces {
		on.packages[ns] = filepath.Join(on.dir, "packages", ns)
	}
	options := emulator.Options{Name: what, Clock: org.NewClock(a.now), DailyCalls: stageCalls, Key: key, Packages: on.packages}
	if on.server, err = emulator.Start(ctx, options); err != nil {
		return on, err
	}
	on.org, err = salesforce.Connect(ctx, salesforce.Config{
		InstanceURL: on.server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(on.server.AccessToken)},
	})
	return on, err
}

// close ends the org, and removes what was observed of it.
func (p *playground) close() error {
	if p.server != nil {
		p.server.Close()
	}
	return os.RemoveAll(p.dir)
}

// scratch is a repository whose keys are in memory alone: whatever is left of it is unreadable.
func scratch(ctx context.Context, dir string) (*snapshot.Store, error) {
	bucket, err := file.Create(dir)
	if err != nil {
		return nil, err
	}
	operator, err := seal.NewIdentity()
	if err != nil {
		return nil, err
	}
	recovery, err := seal.NewIdentity()
	if err != nil {
		return nil, err
	}
	if err := repo.Init(ctx, bucket, operator.Recipient(), recovery.Recipient()); err != nil {
		return nil, err
	}
	opened, err := repo.Open(ctx, bucket, operator)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(opened), nil
}
