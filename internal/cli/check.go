package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
)

func (a *app) checkCommand() *cobra.Command {
	var file string
	var restore bool
	cmd := a.command(spec{
		use: "check ORG", group: groupVerbs,
		short: "ask whether backups and restores of an org can work here",
		long: `Asks the org and the repository whether a backup can work, and a restore after it: sign-in, what the user may
see and write, permissions that it lacks, objects and fields that others may read and it does not see, calls that
are left today, the clock, the version of the API, whether the repository is intact in its structure and can be
written. What needs action is a finding, and the exit code is 22.

Where the user lacks something, a permission set that gives it is printed, ready to be deployed (or written to
--permission-set FILE). What only a restore needs is named, and with --restore it is a finding, too, and in the permission
set. Permissions are those of all permission sets that are assigned to the user, the profile among
them. Objects and fields are known to be hidden when any profile or permission set of the org lets somebody read
them; one that nobody was ever given is not found.`,
		example: `holdfast check prod
holdfast check prod --permission-set Holdfast_backup.permissionset-meta.xml
holdfast check prod --restore --permission-set Holdfast_restore.permissionset-meta.xml`,
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
		share := budgetOf(manners).Share
		if share == 0 {
			share = salesforce.DefaultShare
		}
		result, err := run.Check(ctx, run.CheckInput{
			Source: org, Store: store, Now: a.now(), Newest: org.NewestVersion, Share: share, Restore: restore,
		})
		if err != nil && problem.KindOf(err) != problem.Findings {
			return fmt.Errorf("check %s: %w", args[0], err)
		}
		if file != "" && result.Access.PermissionSet != "" {
			if err := os.WriteFile(file, []byte(result.Access.PermissionSet), 0o644); err != nil {
				return onDisk(fmt.Errorf("write the permission set: %w", err))
			}
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeCheck(w, result, file, restore) }), err)
	})
	cmd.Flags().StringVar(&file, "permission-set", "", "write the permission set that gives the user what it lacks to this `file`")
	cmd.Flags().BoolVar(&restore, "restore", false, "look for what only a restore needs, too")
	return a.repoFlags(cmd)
}

func writeCheck(w io.Writer, r run.CheckResult, file string, restore bool) {
	fmt.Fprintf(w, "org %s at %s, signed in as %s\n", r.OrgID, plain(r.Instance), plain(r.Username))
	fmt.Fprintf(w, "%s in sight, %s with %s can be held\n", plural(r.Objects, "object"), count(int64(r.Readable)), plural(r.Fields, "field"))
	fmt.Fprintf(w, "%s of %s daily calls used; a backup may go on until %s are, and takes %s or more of an unchanged org\n",
		count(r.DailyUsed), count(r.DailyLimit), count(r.Ceiling), count(r.Forecast))
	newest := r.Newest
	if newest == "" {
		newest = "not told"
	}
	fmt.Fprintf(w, "API %s, the newest of the org: %s; this machine's clock is %.0f s ahead of the org's\n",
		plain(r.APIVersion), plain(newest), r.ClockSkew)
	if r.Access.Unknown != "" {
		fmt.Fprintf(w, "not known: %s\n", plain(r.Access.Unknown))
	}
	if len(r.Access.Restore) > 0 && !restore {
		var labels []string
		for _, name := range r.Access.Restore {
			labels = append(labels, run.PermissionLabel(name))
		}
		fmt.Fprintf(w, "a restore would need, too: %s; --restore adds them to the permission set\n", strings.Join(labels, ", "))
	}
	if file != "" && r.Access.PermissionSet == "" {
		fmt.Fprintln(w, "no permission set is written: the user lacks nothing that one could give")
	}
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
	switch {
	case r.Access.PermissionSet == "":
	case file != "":
		fmt.Fprintf(w, "the permission set is in %s\n", plain(file))
	default:
		fmt.Fprintf(w, "\n%s", r.Access.PermissionSet)
	}
}
