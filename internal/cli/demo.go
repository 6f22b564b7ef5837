package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
	"holdfast/internal/demo"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// demoResult is what `demo --json` prints.
type demoResult struct {
	demo.Result
	Kept string `json:"kept,omitempty" doc:"folder in which repository, keys and plan were left"`
}

func (a *app) demoCommand() *cobra.Command {
	var keep string
	var seed uint64
	cmd := a.command(spec{
		use: "demo", group: groupOther,
		short: "see an org backed up, wrecked, and brought back, in less than a minute",
		long: `Starts an org on this machine, fills it with a generated company, backs it up, lets an integration wreck it and
people work on, and then brings back what the incident took while keeping what people have done. A
witness who reads the org without Holdfast compares at the end.

It needs no network and no settings, and touches nothing outside a folder of its own.`,
		example: `holdfast demo
holdfast demo --seed 42 --keep ./demo`,
		kinds:  []problem.Kind{problem.Conflict, problem.NotVerified},
		result: demoResult{},
	}, func(cmd *cobra.Command, _ []string) error {
		return a.demo(cmd, seed, keep)
	})
	cmd.Flags().Uint64Var(&seed, "seed", 1, "`number` from which the company and its misfortune follow")
	cmd.Flags().StringVar(&keep, "keep", "", "new `folder` to leave repository, keys and plan in, to look around")
	return cmd
}

// demoDay is when the story begins, by the clock of the org.
var demoDay = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func (a *app) demo(cmd *cobra.Command, seed uint64, keep string) (err error) {
	ctx := cmd.Context()
	dir := keep
	if keep == "" {
		if dir, err = os.MkdirTemp("", "holdfast-demo-"); err != nil {
			return fmt.Errorf("folder for the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err := os.Mkdir(keep, 0o700); err != nil {
		return problem.Wrap(problem.Usage, err, "folder for the demo").Hint("name a folder that does not exist yet")
	}

	clock := org.NewClock(a.now)
	clock.Set(demoDay)
	server, err := emulator.Start(ctx, emulator.Options{Seed: seed, Clock: clock})
	if err != nil {
		return err
	}
	defer server.Close()

	// The same files and the same commands' code as an operator uses, with a home of its own.
	own := *a
	own.quiet, own.json = true, false
	own.repo, own.keyFile = filepath.Join(dir, "repository"), filepath.Join(dir, "daily.key")
	home := filepath.Join(dir, "home")
	own.getenv = func(name string) string {
		if name == config.Home.Env {
			return home
		}
		return ""
	}
	own.out = io.Discard
	if err := own.settleIn(cmd, server, dir); err != nil {
		return err
	}
	store, err := own.openStore(ctx)
	if err != nil {
		return err
	}
	connection, err := own.connect(ctx, "demo", salesforce.Budget{})
	if err != nil {
		return err
	}
	result, err := demo.Run(ctx, demo.Stage{
		URL: server.URL, Token: server.AccessToken, Org: connection, Store: store, Dir: dir, Seed: seed,
		Later: clock.Advance, Now: a.now, Say: a.narrate,
	})
	if err != nil {
		return err
	}
	return a.print(demoResult{Result: result, Kept: keep}, func(w io.Writer) {
		if keep != "" {
			fmt.Fprintf(w, "\nThe repository is in %s. Look around, for instance with\n", keep)
			fmt.Fprintf(w, "  holdfast snapshots --repo %s --key-file %s\n", own.repo, own.keyFile)
		}
	})
}

// settleIn does what an operator does first: keys, a repository, the org and its sign-in.
func (a *app) settleIn(cmd *cobra.Command, server *emulator.Server, dir string) error {
	if err := a.initRepository(cmd, nil, filepath.Join(dir, "recovery.key")); err != nil {
		return err
	}
	token := filepath.Join(dir, "access-token")
	if err := os.WriteFile(token, []byte(server.AccessToken+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the token: %w", err)
	}
	return a.addOrg(cmd.Context(), config.Org{Name: "demo", InstanceURL: server.URL, AccessTokenFile: token}, signInWay{})
}

// narrate tells the story as it happens: on standard output, or with --json on standard error.
func (a *app) narrate(line string) {
	w := a.out
	if a.json {
		if a.quiet {
			return
		}
		w = a.err
	}
	fmt.Fprintln(w, plain(line))
}
