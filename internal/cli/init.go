package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// initResult is what `init --json` prints.
type initResult struct {
	Repository      string   `json:"repository" doc:"folder of the new repository"`
	KeyFile         string   `json:"key_file" doc:"file of the key that opens it every day"`
	RecoveryKeyFile string   `json:"recovery_key_file,omitempty" doc:"file of the recovery key, if it was made here: to be moved off this machine"`
	Recipients      []string `json:"recipients" doc:"who can open it: public keys, the daily one first"`
}

func (a *app) initCommand() *cobra.Command {
	var recovery []string
	var recoveryFile string
	cmd := a.command(spec{
		use: "init", group: groupVerbs,
		short: "make a new repository",
		long: `Makes a new, empty repository. Everything in it is encrypted and authenticated.

Two keys can open it. The daily key is the key file: it is made when it is not there yet. The recovery
key is for the day when the daily one is lost, and belongs somewhere else: give the public half of
one that you keep elsewhere with --recovery-recipient, or let --recovery-key-file make one, and move
that file away. Without one of the two keys nobody can read the repository, its makers included.`,
		example: `holdfast init --repo /backups/prod --key-file ~/.config/holdfast/prod.key \
    --recovery-key-file /media/usb/prod-recovery.key
holdfast init --recovery-recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`,
		kinds:  []problem.Kind{problem.Conflict, problem.NoRepository},
		result: initResult{},
	}, func(cmd *cobra.Command, _ []string) error {
		return a.initRepository(cmd, recovery, recoveryFile)
	})
	cmd.Flags().StringArrayVar(&recovery, "recovery-recipient", nil, "public `key` (age1…) of someone who can recover the repository; may be repeated")
	cmd.Flags().StringVar(&recoveryFile, "recovery-key-file", "", "`file` to write a new recovery key to; it must not exist")
	return a.repoFlags(cmd)
}

func (a *app) initRepository(cmd *cobra.Command, recovery []string, recoveryFile string) error {
	dir, err := a.setting(config.Repo, a.repo)
	if err != nil {
		return err
	}
	keyFile, err := a.setting(config.KeyFile, a.keyFile)
	if err != nil {
		return err
	}
	if len(recovery) == 0 && recoveryFile == "" {
		return problem.New(problem.Usage, "no recovery key is given").
			Hint("make one with --recovery-key-file FILE, or name one with --recovery-recipient age1…")
	}
	var recipients []seal.Recipient
	for _, text := range recovery {
		r, err := seal.ParseRecipient(text)
		if err != nil {
			return err
		}
		recipients = append(recipients, r)
	}
	bucket, err := createBucket(cmd.Context(), dir)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(recoveryFile); recoveryFile != "" && err == nil {
		return keyExists(recoveryFile)
	}
	daily, made, err := dailyKey(keyFile, dir)
	if err != nil {
		return err
	}
	if recoveryFile != "" {
		identity, err := newKeyFile(recoveryFile, "recovery key of the repository "+dir+": move this file off the machine")
		if err != nil {
			return err // the daily key stays: the next attempt takes it, and one beside this may have
		}
		made = append(made, recoveryFile)
		recipients = append(recipients, identity.Recipient())
	}
	recipients = append([]seal.Recipient{daily.Recipient()}, recipients...)
	if err := repo.Init(cmd.Context(), bucket, recipients...); err != nil {
		err = fmt.Errorf("repository %s: %w", dir, err)
		if k := problem.KindOf(err); k == problem.Conflict || k == problem.Usage || k == problem.NoSpace {
			// No repository was made, so nothing needs the new keys. After any other error something
			// may have been, and a key is never thrown away on a guess.
			// Except the daily key, when another init that ran beside this one took it from the file
			// and was first.
			if _, shut := repo.Open(cmd.Context(), bucket, daily); shut == nil {
				made = slices.DeleteFunc(made, func(path string) bool { return path == keyFile })
			}
			err = errors.Join(err, discard(made))
		}
		return err
	}
	result := initResult{Repository: dir, KeyFile: keyFile, RecoveryKeyFile: recoveryFile}
	for _, r := range recipients {
		result.Recipients = append(result.Recipients, r.String())
	}
	return a.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "repository   %s\ndaily key    %s\n", dir, keyFile)
		if recoveryFile != "" {
			fmt.Fprintf(w, "recovery key %s (move it off this machine)\n", recoveryFile)
		}
		fmt.Fprintf(w, "%s can open it; without one of them nobody can\n", plural(len(recipients), "key"))
	})
}

// dailyKey reads the key file, or makes it when it is not there; made names the file it made.
func dailyKey(path, dir string) (identity *seal.Identity, made []string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		identity, err := newKeyFile(path, "daily key of the repository "+dir)
		if err != nil {
			return nil, nil, err
		}
		return identity, []string{path}, nil
	}
	identity, err = readIdentity(path)
	return identity, nil, err
}

// discard removes key files that open nothing.
func discard(paths []string) error {
	var err error
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func keyExists(path string) error {
	return problem.Newf(problem.Usage, "key file %s is already there", path).
		Hint("give the name of a file that does not exist")
}

// newKeyFile makes a key and writes it to a new file that its owner alone may read.
func newKeyFile(path, title string) (*seal.Identity, error) {
	identity, err := seal.NewIdentity()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, onDisk(fmt.Errorf("key file: %w", err))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, keyExists(path)
	}
	if err != nil {
		return nil, onDisk(fmt.Errorf("key file: %w", err))
	}
	_, err = fmt.Fprintf(f, "# holdfast: %s\n%s", plain(title), identity.Secret())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		// Half a key opens nothing, and would stand in the way of the next attempt.
		return nil, onDisk(errors.Join(fmt.Errorf("key file: %w", err), os.Remove(path)))
	}
	return identity, nil
}
