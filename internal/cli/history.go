package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

const (
	momentFlag = "up to this `moment`: a time such as 2026-03-01T12:00 (UTC), a day, the beginning of a snapshot's Id, or latest"
	orgFlag    = "`name` or Id of the org, where the repository holds snapshots of several"
)

func (a *app) historyCommand() *cobra.Command {
	in := run.HistoryInput{}
	cmd := a.repoFlags(a.command(spec{
		use: "history [OBJECT] ID", group: groupVerbs,
		short: "show every version of one record",
		long: `Shows what all snapshots of an org know of one record, oldest first: each version with the values that differ
from the one before, the window in which it was first seen, and, of a deletion, how it is known: recycle bin, deletion log
or census. What happened between two snapshots is not known.`,
		example: `holdfast history 003000000000001AAA
holdfast history Contact 003000000000001AAA --at 2026-03-01 --json`,
		kinds:  append([]problem.Kind{problem.Partial}, readKinds...),
		result: run.HistoryResult{}, min: 1, max: 2,
	}, func(cmd *cobra.Command, args []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		in.Store, in.Record = store, args[len(args)-1]
		if len(args) > 1 {
			in.Object = args[0]
		}
		result, err := run.History(cmd.Context(), in)
		if err != nil && problem.KindOf(err) != problem.Partial {
			return err
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeHistory(w, result) }), err)
	}))
	cmd.Flags().StringVar(&in.At, "at", "", momentFlag)
	cmd.Flags().StringVar(&in.Org, "org", "", orgFlag)
	return cmd
}

func writeHistory(w io.Writer, r run.HistoryResult) {
	fmt.Fprintf(w, "%s %s: %s in %s\n", r.Object, r.ID, plural(len(r.Versions), "version"), plural(r.Snapshots, "snapshot"))
	for _, v := range r.Versions {
		fmt.Fprintf(w, "\n%s  %-6s  seen %s to %s\n", v.Short, v.Kind, stamp(v.From), stamp(v.To))
		if v.Kind == "delete" {
			how := "it is not there any more, and nobody told"
			if v.Evidence != "" {
				how = fmt.Sprintf("deleted %s, known from the %s", stamp(v.At), v.Evidence)
			}
			fmt.Fprintf(w, "  %s\n", how)
		}
		for _, f := range v.Fields {
			fmt.Fprintln(w, changedField(f))
		}
	}
}
