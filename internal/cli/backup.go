package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/run"
)

func (a *app) backupCommand() *cobra.Command {
	var options capture.Options
	cmd := a.command(spec{
		use: "backup ORG", group: groupVerbs,
		short: "observe an org into a new snapshot",
		long: `Observes an org into a new snapshot. The first snapshot of an org reads every record; later ones read what
changed since, and look for deletions in the Recycle Bin, in the org's log of deletions and, where the numbers
of records disagree, by comparing Ids.

An object that cannot be read keeps its earlier content or is absent by name; the command then ends as
partial. ` + "`holdfast show SNAPSHOT --coverage`" + ` says what a snapshot does not hold, and why.`,
		example: `holdfast backup prod
holdfast backup prod --object Account --object Contact
holdfast backup prod --full --json`,
		kinds: []problem.Kind{
			problem.Partial, problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.NoSpace, problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.Limits,
		},
		result: run.BackupResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error {
		if options.Parallel < 1 {
			return problem.Newf(problem.Usage, "backup: --parallel %d reads nothing", options.Parallel).
				Hint("give 1 or more, or leave it out")
		}
		ctx := cmd.Context()
		store, err := a.openStore(ctx)
		if err != nil {
			return err
		}
		org, err := a.connect(ctx, args[0])
		if err != nil {
			return err
		}
		shown := a.newProgress("backup " + args[0])
		options.OrgName, options.Progress = args[0], shown.captured
		result, err := run.Backup(ctx, run.BackupInput{Source: org, Store: store, Options: options})
		shown.end()
		if err != nil && result.Snapshot.ID == "" {
			return fmt.Errorf("back up %s: %w", args[0], err)
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeBackup(w, result) }), err)
	})
	flags := cmd.Flags()
	flags.StringArrayVar(&options.Include, "object", nil, "read this `object` alone (API name); may be repeated")
	flags.StringArrayVar(&options.Exclude, "exclude", nil, "do not hold this `object`; may be repeated")
	flags.BoolVar(&options.Full, "full", false, "read every record again, which also refreshes formulas")
	flags.BoolVar(&options.Census, "census", false, "compare the Ids of every object, even where the counts agree")
	flags.StringArrayVar(&options.AcceptDeletions, "accept-deletions", nil,
		"records of this `object` were deleted in numbers, and that was meant; may be repeated")
	flags.IntVar(&options.Parallel, "parallel", capture.DefaultParallel, "`number` of objects that are read at once")
	return a.repoFlags(cmd)
}

func writeBackup(w io.Writer, r run.BackupResult) {
	fmt.Fprintf(w, "snapshot %s of org %s, read as %s\n", r.Snapshot.Short, r.OrgID, plain(r.Username))
	var rows [][]string
	for _, o := range r.Objects {
		failed := o.Mode == string(capture.ModeStale) || o.Mode == string(capture.ModeAbsent)
		if o.Created+o.Updated+o.Deleted == 0 && !failed {
			continue
		}
		why := o.Why
		if o.Hint != "" {
			why += " (" + o.Hint + ")"
		}
		rows = append(rows, []string{
			o.Object, o.Mode, count(o.Records), count(o.Created), count(o.Updated), count(o.Deleted), why,
		})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"OBJECT", "READ", "RECORDS", "CREATED", "UPDATED", "DELETED", "WHY"}, rows)
	}
	for _, g := range r.Coverage {
		if g.Field == "" && g.Rule == string(capture.RuleVanished) {
			fmt.Fprintf(w, "no longer held: %s (%s)\n", plain(g.Object), plain(g.Reason))
		}
	}
	fmt.Fprintf(w, "%s in %s; %s created, %s updated, %s deleted since the last snapshot\n",
		plural(r.Totals.Records, "record"), plural(r.Totals.Objects-r.Totals.Failed, "object"),
		count(r.Totals.Created), count(r.Totals.Updated), count(r.Totals.Deleted))
	fmt.Fprintf(w, "%s stored, %s, observed within %s; %s in the coverage\n", size(r.Totals.Stored),
		plural(r.Limits.Calls, "call"), r.Window.Round(time.Second), plural(len(r.Coverage), "gap"))
}
