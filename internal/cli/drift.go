package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

func (a *app) driftCommand() *cobra.Command {
	var against string
	var changes bool
	var chosen compareFlags
	cmd := a.command(spec{
		use: "drift ORG", group: groupVerbs,
		short: "find what was changed in an org since its last backup, or beside Git",
		long: `Observes the metadata of an org and compares it with the newest backup that holds metadata, or with what --against names.
Everything that differs is a finding, with who changed it last and when, as the org says; of what was removed the org no
longer says it. The exit code is 22 when there are findings, and 3 when there are none and something could not be read.

--against names what the org should be:

` + sidesText + `

Beside a project, what the org has and the project has not is a finding, too; ` + "`--how changed --how removed`" + ` leaves it out.`,
		example: `holdfast drift prod
holdfast drift prod --type ApexClass --type Flow --changes
holdfast drift prod --against git:main:force-app --how changed --how removed --html drift.html`,
		kinds: append([]problem.Kind{
			problem.Unreachable, problem.Unauthorized, problem.Findings, problem.Limits, problem.Partial,
		}, readKinds...),
		result: run.DiffResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		s := &sides{app: a, cmd: cmd}
		if err := s.open(ctx); err != nil {
			return err
		}
		var before run.Side
		var err error
		if against != "" {
			if before, err = s.read(ctx, against); err != nil {
				return err
			}
		}
		after, err := s.live(ctx, args[0])
		if err != nil {
			return err
		}
		result, err := chosen.run(ctx, s, before, after, run.Drift)
		if err != nil && problem.KindOf(err) != problem.Findings && problem.KindOf(err) != problem.Partial {
			return fmt.Errorf("drift of %s: %w", args[0], err)
		}
		if shown := a.print(result, func(w io.Writer) { writeCompared(w, result, changes) }); shown != nil {
			return shown
		}
		return err
	})
	shareFlag(cmd)
	chosen.add(cmd)
	cmd.Flags().StringVar(&against, "against", "", "what the org should be: a `state`; default is the newest backup")
	cmd.Flags().BoolVar(&changes, "changes", false, "show what differs inside each component")
	return a.repoFlags(cmd)
}
