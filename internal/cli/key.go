package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// keyResult is what the commands of `key` print.
type keyResult struct {
	Keys []keyRow `json:"keys" doc:"who can open the repository"`
}

type keyRow struct {
	Recipient string `json:"recipient" doc:"the public key"`
	Kind      string `json:"kind" doc:"how its secret half is kept: file, passphrase, or a key service"`
	InUse     bool   `json:"in_use,omitempty" doc:"the key that this command was given"`
}

func (a *app) keyCommand() *cobra.Command {
	return a.group("key", "who can open the repository",
		a.keyListCommand(), a.keyAddCommand(), a.keyRemoveCommand(), a.keyRotateCommand())
}

// onKeys makes a command that does something with the keys and lists them afterwards.
func (a *app) onKeys(s spec, do func(ctx context.Context, r *repo.Repository, args []string) error) *cobra.Command {
	s.kinds = append([]problem.Kind{problem.Conflict, problem.Locked}, readKinds...)
	s.result = keyResult{}
	return a.repoFlags(a.command(s, func(cmd *cobra.Command, args []string) error {
		r, identity, err := a.openRepository(cmd.Context())
		if err != nil {
			return err
		}
		if err := do(cmd.Context(), r, args); err != nil {
			return err
		}
		members, err := r.Members(cmd.Context())
		if err != nil {
			return err
		}
		var result keyResult
		for _, m := range members {
			result.Keys = append(result.Keys, keyRow{m.Recipient.String(), m.Kind, identity.Has(m.Recipient)})
		}
		return a.print(result, func(w io.Writer) {
			rows := make([][]string, 0, len(result.Keys))
			for _, k := range result.Keys {
				note := ""
				if k.InUse {
					note = "in use"
				}
				rows = append(rows, []string{k.Recipient, k.Kind, note})
			}
			writeTable(w, []string{"KEY", "KEPT IN", ""}, rows)
		})
	}))
}

func (a *app) keyListCommand() *cobra.Command {
	return a.onKeys(spec{
		use: "list", short: "list who can open the repository",
		long:    "Lists the public keys for which the repository can be opened.",
		example: "holdfast key list",
	}, func(context.Context, *repo.Repository, []string) error { return nil })
}

func (a *app) keyAddCommand() *cobra.Command {
	return a.onKeys(spec{
		use: "add KEY", short: "let one more key open the repository", min: 1, max: 1,
		long:    "Lets whoever has the secret half of the public key open the repository. What is stored is not touched.",
		example: "holdfast key add age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
	}, func(ctx context.Context, r *repo.Repository, args []string) error {
		to, err := seal.ParseRecipient(args[0])
		if err != nil {
			return err
		}
		return r.AddMember(ctx, seal.Member{Recipient: to, Kind: repo.MemberFile}, nil)
	})
}

func (a *app) keyRemoveCommand() *cobra.Command {
	return a.onKeys(spec{
		use: "remove KEY", short: "take a key away", min: 1, max: 1,
		long: `Makes a new master key that the public key, or the one that begins so, does not open, and destroys the old one. At
least two keys stay, and the one in use cannot remove itself. Whoever has copied the repository's keys with the removed
one can still read what was stored until then, and nothing that is stored later.`,
		example: "holdfast key remove age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
	}, func(ctx context.Context, r *repo.Repository, args []string) error {
		_, err := r.RemoveMember(ctx, args[0])
		return err
	})
}

func (a *app) keyRotateCommand() *cobra.Command {
	return a.onKeys(spec{
		use: "rotate", short: "make a new master key",
		long:    "Makes a new master key for the same public keys and destroys the old one. Only the table of keys is written anew; what is stored is not touched.",
		example: "holdfast key rotate",
	}, func(ctx context.Context, r *repo.Repository, _ []string) error { return r.Rotate(ctx) })
}
