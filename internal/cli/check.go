package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/run"
)

func (a *app) checkCommand() *cobra.Command {
	return a.repoFlags(a.command(spec{
		use: "check ORG", group: groupVerbs,
		short: "ask whether backups and restores of an org can work here",
		long: `Asks the org and the repository whether a backup can work, and a restore after it: sign-in, what the user may
see and write, calls that are left today, whether the repository is intact in its structure and can be
written. What needs action is a finding, and the exit code is 22.`,
		example: "holdfast check prod",
		kinds: []problem.Kind{
			problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound, problem.Unreachable,
			problem.Unauthorized, problem.Findings, problem.Limits,
		},
		result: run.CheckResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		store, err := a.openStore(ctx)
		if err != nil {
			return err
		}
		manners, err := a.manners(args[0], config.Manners{})
		if err != nil {
			return err
		}
		org, err := a.connect(ctx, args[0], budgetOf(manners))
		if err != nil {
			return err
		}
		result, err := run.Check(ctx, run.CheckInput{Source: org, Store: store})
		if err != nil && problem.KindOf(err) != problem.Findings {
			return fmt.Errorf("check %s: %w", args[0], err)
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeCheck(w, result) }), err)
	}))
}

func writeCheck(w io.Writer, r run.CheckResult) {
	fmt.Fprintf(w, "org %s at %s, signed in as %s\n", r.OrgID, plain(r.Instance), plain(r.Username))
	fmt.Fprintf(w, "%s in sight, %s with %s can be held\n", plural(r.Objects, "object"), count(int64(r.Readable)), plural(r.Fields, "field"))
	fmt.Fprintf(w, "%s of %s daily calls used; a backup of an unchanged org takes %s or more\n",
		count(r.DailyUsed), count(r.DailyLimit), count(r.Forecast))
	fmt.Fprintf(w, "%s of this org in the repository, %s in all\n", plural(r.Snapshots, "snapshot"), size(r.Stored))
	if len(r.Findings) == 0 {
		fmt.Fprintln(w, "nothing stands in the way")
		return
	}
	rows := make([][]string, 0, len(r.Findings))
	for _, f := range r.Findings {
		rows = append(rows, []string{f.Rule, f.Text, f.Hint})
	}
	writeTable(w, []string{"FINDING", "WHAT", "WHAT TO DO"}, rows)
}
