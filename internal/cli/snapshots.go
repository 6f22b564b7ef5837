package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// readKinds are the kinds of error of commands that only read a repository.
var readKinds = []problem.Kind{problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound}

func (a *app) snapshotsCommand() *cobra.Command {
	return a.repoFlags(a.command(spec{
		use: "snapshots", group: groupVerbs,
		short:   "list the snapshots of the repository",
		long:    "Lists the snapshots that the repository holds, newest first. Times are the org's own, in UTC.",
		example: "holdfast snapshots\nholdfast snapshots --json",
		kinds:   append([]problem.Kind{problem.Partial}, readKinds...),
		result:  run.SnapshotsResult{},
	}, func(cmd *cobra.Command, _ []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		result, err := run.Snapshots(cmd.Context(), run.SnapshotsInput{Store: store})
		if err != nil && problem.KindOf(err) != problem.Partial {
			return err
		}
		return errors.Join(a.print(result, func(w io.Writer) {
			if len(result.Snapshots) == 0 {
				fmt.Fprintln(w, "the repository holds no snapshot yet")
				return
			}
			rows := make([][]string, 0, len(result.Snapshots))
			for _, s := range result.Snapshots {
				note := ""
				if s.Partial {
					note = "partial"
				}
				if s.Damage != "" {
					rows = append(rows, []string{s.Short, "", "", "", "", "", "", "damaged"})
					continue
				}
				rows = append(rows, []string{
					s.Short, s.OrgName, s.Kind, stamp(s.From), stamp(s.To), count(s.Records), size(s.NewBytes), note,
				})
			}
			writeTable(w, []string{"SNAPSHOT", "ORG", "KIND", "FROM", "TO", "RECORDS", "NEW", ""}, rows)
		}), err)
	}))
}
