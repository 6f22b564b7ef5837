package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
)

func (a *app) pruneCommand() *cobra.Command {
	in := run.PruneInput{}
	var withinDays, undoDays, graceHours int
	cmd := a.repoFlags(a.command(spec{
		use: "prune", group: groupVerbs,
		short: "let old snapshots expire and free their space",
		long: `Keeps the snapshots that at least one rule keeps, and lets the others expire; each org and kind of snapshot is
counted by itself, and the newest whole snapshot is always kept. Without a rule no snapshot expires. An
expired snapshot can be taken back with unexpire until its undo window is over. What no snapshot
relies on is deleted after the grace period, at a later prune; what the storage has locked is counted as
retained. Backups may go on meanwhile.`,
		example: "holdfast prune --keep-daily 14 --keep-weekly 8 --keep-monthly 24 --dry-run\nholdfast prune --keep-within-days 90",
		kinds:   append([]problem.Kind{problem.Locked, problem.Conflict}, readKinds...),
		result:  run.PruneResult{},
	}, func(cmd *cobra.Command, _ []string) error {
		for _, n := range []int{in.Rules.Last, in.Rules.Hourly, in.Rules.Daily, in.Rules.Weekly, in.Rules.Monthly, in.Rules.Yearly, withinDays} {
			if n < 0 {
				return problem.New(problem.Usage, "a number of snapshots to keep is negative")
			}
		}
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		in.Store, in.Now = store, a.now()
		in.Rules.Within = time.Duration(withinDays) * 24 * time.Hour
		in.Undo, in.Grace = time.Duration(undoDays)*24*time.Hour, time.Duration(graceHours)*time.Hour
		result, err := run.Prune(cmd.Context(), in)
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) { writePruned(w, result) })
	}))
	f := cmd.Flags()
	f.IntVar(&in.Rules.Last, "keep-last", 0, "keep the newest `n` snapshots")
	f.IntVar(&in.Rules.Hourly, "keep-hourly", 0, "keep the newest snapshot of each of `n` hours")
	f.IntVar(&in.Rules.Daily, "keep-daily", 0, "keep the newest snapshot of each of `n` days")
	f.IntVar(&in.Rules.Weekly, "keep-weekly", 0, "keep the newest snapshot of each of `n` weeks")
	f.IntVar(&in.Rules.Monthly, "keep-monthly", 0, "keep the newest snapshot of each of `n` months")
	f.IntVar(&in.Rules.Yearly, "keep-yearly", 0, "keep the newest snapshot of each of `n` years")
	f.IntVar(&withinDays, "keep-within-days", 0, "keep every snapshot of the last `n` days")
	f.StringArrayVar(&in.Keep, "keep", nil, "keep this `snapshot`, whatever the rules say; may be repeated")
	f.IntVar(&undoDays, "undo-days", int(snapshot.MinUndo/(24*time.Hour)), "`n` days in which an expired snapshot can be taken back")
	f.IntVar(&graceHours, "grace-hours", int(snapshot.MinGrace/time.Hour), "`n` hours for which what no snapshot relies on stays")
	f.BoolVar(&in.DryRun, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

func writePruned(w io.Writer, r run.PruneResult) {
	rows := make([][]string, 0, len(r.Kept)+len(r.Expired))
	for _, k := range r.Kept {
		rows = append(rows, []string{k.Snapshot.Short, k.Snapshot.OrgName, k.Snapshot.Kind, stamp(k.Snapshot.From), "kept: " + strings.Join(k.Rules, ", ")})
	}
	expires := "expires"
	if r.DryRun {
		expires = "would expire"
	}
	for _, e := range r.Expired {
		rows = append(rows, []string{e.Snapshot.Short, e.Snapshot.OrgName, e.Snapshot.Kind, stamp(e.Snapshot.From), expires})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"SNAPSHOT", "ORG", "KIND", "FROM", ""}, rows)
	}
	said := func(c run.CountRow, text string) {
		if c.Objects > 0 {
			fmt.Fprintf(w, "%s, %s, %s\n", plural(c.Objects, "stored object"), size(c.Bytes), text)
		}
	}
	if r.DryRun {
		said(r.Stored, "would stay")
		said(r.Condemned, "would be deleted after the grace period")
		said(r.Deleted, "would be deleted")
		said(r.Retained, "are locked by the storage and would be retained")
		fmt.Fprintln(w, "this was a dry run; nothing was done")
		return
	}
	said(r.Stored, "stay")
	said(r.Condemned, "are deleted after the grace period, by a later prune")
	said(r.Deleted, "deleted")
	said(r.Retained, "are locked by the storage and retained")
	if r.Swept.Objects > 0 {
		fmt.Fprintf(w, "%s, %s, of writers that were cut short: removed\n", plural(r.Swept.Objects, "temporary file"), size(r.Swept.Bytes))
	}
}

func (a *app) unexpireCommand() *cobra.Command {
	return a.repoFlags(a.command(spec{
		use: "unexpire [SNAPSHOT]", group: groupVerbs,
		short:   "take back snapshots that expired",
		long:    "Takes back the expired snapshot, or all of them, as long as the undo window of the prune that let them expire is not over.",
		example: "holdfast unexpire 3f9c2a81d0\nholdfast unexpire",
		kinds:   append([]problem.Kind{problem.Locked}, readKinds...),
		result:  run.UnexpireResult{}, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		prefix := strings.Join(args, "")
		result, err := run.Unexpire(cmd.Context(), store, prefix)
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) {
			fmt.Fprintf(w, "%s taken back\n", plural(result.Snapshots, "snapshot"))
		})
	}))
}
