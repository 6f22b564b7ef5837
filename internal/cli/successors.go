package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/run"
)

func (a *app) successorsCommand() *cobra.Command {
	return a.repoFlags(a.command(spec{
		use: "successors ORG", group: groupVerbs,
		short: "list the records that came back under new Ids",
		long: `Lists the records of an org that restores could not bring back under their old Ids, with the Ids that they
have now. Links between records of the org follow by themselves; the list is for everything else that
remembers Ids: integrations, spreadsheets, bookmarks. ORG is the name that the org has in
` + "`holdfast snapshots`" + `, or its Id.`,
		example: "holdfast successors prod\nholdfast successors prod --json",
		kinds:   readKinds,
		result:  run.SuccessorsResult{}, min: 1, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		result, err := run.Successors(cmd.Context(), run.SuccessorsInput{Store: store, Org: args[0]})
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) {
			if len(result.Successors) == 0 {
				fmt.Fprintln(w, "no record has come back under a new Id")
				return
			}
			rows := make([][]string, 0, len(result.Successors))
			for _, s := range result.Successors {
				rows = append(rows, []string{plain(s.Object), string(s.Old), string(s.New)})
			}
			writeTable(w, []string{"OBJECT", "OLD ID", "NEW ID"}, rows)
		})
	}))
}
