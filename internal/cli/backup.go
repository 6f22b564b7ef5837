package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/capture"
	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/snapshot"
)

// backupFlags are what the command line says of a backup.
type backupFlags struct {
	objects, accept []string
	full, census    bool
	parallel        int
	dryRun          bool
	noFiles         bool
	noMetadata      bool
	manners         config.Manners
}

func (a *app) backupCommand() *cobra.Command {
	var given backupFlags
	cmd := a.command(spec{
		use: "backup ORG", group: groupVerbs,
		short: "observe an org into a new snapshot",
		long: `Observes an org into a new snapshot. The first snapshot of an org reads every record; later ones read what
changed since, and look for deletions in the Recycle Bin, in the org's log of deletions and, where the numbers
of records disagree, by comparing Ids.

The bytes of files come with their records: versions of documents, attachments, documents, static resources and every other
base64 field. They are held to the size and checksum that the org states, stored once however often they occur, and
read again only when they may have changed. One that cannot be read is missing by name.

An object that cannot be read keeps its earlier content or is absent by name; the command then ends as
partial. ` + "`holdfast show SNAPSHOT --coverage`" + ` says what a snapshot does not hold, and why. What a backup read
before it was cut short is not read again by the next.

Metadata is read with the records: every type that the org describes, in requests that give profiles whole. A type
is named components/TYPE: with --object it is read alone, with --exclude it is not held.

What is held, and what may be spent, is what ` + "`holdfast org set`" + ` says and the flags say besides: lists are joined,
other settings replaced. With --dry-run it tells what it would read and what that would cost, and reads no record.`,
		example: `holdfast backup prod
holdfast backup prod --dry-run
holdfast backup prod --object Account --object Contact
holdfast backup prod --object components/Flow --object components/Profile
holdfast backup prod --full --json
holdfast backup prod --exclude-field 'Contact.SSN__c' --api-share 30 --window 22:00-06:00`,
		kinds: []problem.Kind{
			problem.Partial, problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.Limits,
		},
		result: run.BackupResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), args[0], given) })
	flags := cmd.Flags()
	flags.StringArrayVar(&given.objects, "object", nil, "read this `object` alone (API name); may be repeated")
	flags.BoolVar(&given.full, "full", false, "read every record again, which also refreshes formulas")
	flags.BoolVar(&given.census, "census", false, "compare the Ids of every object, even where the counts agree")
	flags.StringArrayVar(&given.accept, "accept-deletions", nil,
		"records of this `object` were deleted in numbers, and that was meant; may be repeated")
	flags.IntVar(&given.parallel, "parallel", capture.DefaultParallel, "`number` of objects, and then of files, that are read at once")
	flags.BoolVar(&given.noFiles, "no-files", false, "read no bytes of files; those that are held stay held")
	flags.BoolVar(&given.noMetadata, "no-metadata", false, "read no metadata; what the last snapshot holds of it is taken over")
	flags.BoolVar(&given.dryRun, "dry-run", false, "tell what would be read and what it would cost, and read no record")
	mannersFlags(cmd, &given.manners)
	return a.repoFlags(cmd)
}

func (a *app) backup(ctx context.Context, name string, given backupFlags) error {
	if given.parallel < 1 {
		return problem.Newf(problem.Usage, "backup: --parallel %d reads nothing", given.parallel).
			Hint("give 1 or more, or leave it out")
	}
	manners, err := a.manners(name, given.manners)
	if err != nil {
		return err
	}
	shown := a.newProgress("backup " + name)
	options, err := a.options(name, manners, shown.captured)
	if err != nil {
		return err
	}
	options.Include, options.AcceptDeletions = given.objects, given.accept
	options.Full, options.Census, options.Parallel = given.full, given.census, given.parallel
	options.Files = !given.noFiles
	if options.MayGoOn != nil && !given.dryRun {
		if err := options.MayGoOn(); err != nil {
			return fmt.Errorf("back up %s: %w", name, err)
		}
	}
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	org, err := a.connect(ctx, name, budgetOf(manners))
	if err != nil {
		return err
	}
	if !given.noMetadata {
		options.Metadata = org
	}
	if given.dryRun {
		return a.forecast(ctx, name, org, store, options, manners)
	}
	result, err := run.Backup(ctx, run.BackupInput{Source: org, Store: store, Options: options})
	shown.end()
	if err != nil && result.Snapshot.ID == "" {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	return errors.Join(a.print(result, func(w io.Writer) { writeBackup(w, result) }), err)
}

// forecast tells what a backup would cost.
func (a *app) forecast(
	ctx context.Context, name string, org *salesforce.Org, store *snapshot.Store, options capture.Options, manners config.Manners,
) error {
	share := budgetOf(manners).Share
	if share == 0 {
		share = salesforce.DefaultShare
	}
	result, err := run.Forecast(ctx, run.BackupInput{Source: org, Store: store, Options: options}, share)
	if err != nil && result.OrgID == "" {
		return fmt.Errorf("forecast the backup of %s: %w", name, err)
	}
	return errors.Join(a.print(run.BackupResult{
		OrgID: result.OrgID, Username: result.Username, Instance: result.Instance,
		Objects: []run.BackupRow{}, Files: []run.BackupFilesRow{}, Coverage: result.Coverage, Forecast: &result,
	}, func(w io.Writer) { writeForecast(w, result) }), err)
}

// shownForecast is how many objects a forecast lists, those that cost most.
const shownForecast = 20

func writeForecast(w io.Writer, r run.ForecastResult) {
	fmt.Fprintf(w, "a backup of org %s, read as %s, would read:\n", r.OrgID, plain(r.Username))
	var rows [][]string
	for _, p := range r.Objects {
		if p.Rows == 0 || len(rows) == shownForecast {
			continue
		}
		rows = append(rows, []string{p.Object, p.Mode, count(p.Rows), size(p.Bytes), count(p.Calls), p.Why})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"OBJECT", "READ", "ROWS", "SIZE", "CALLS", "WHY"}, rows)
	}
	if m := r.Metadata; m.Types > 0 {
		fmt.Fprintf(w, "metadata: about %s of %s in %s, %s\n", plural(m.Components, "component"), plural(m.Types, "type"),
			plural(m.Retrieves, "retrieve"), plural(m.Calls, "call"))
	}
	fmt.Fprintf(w, "%s of %s in about %s, %s: %s\n", plural(r.Rows, "row"), plural(len(r.Objects), "object"),
		size(r.Bytes), plural(r.Calls, "call"), (time.Duration(r.Seconds) * time.Second).String())
	fmt.Fprintf(w, "%s of %s daily calls are used; this backup may go on until %s are\n",
		count(r.DailyUsed), count(r.DailyLimit), count(r.Ceiling))
	fmt.Fprintln(w, "rows of a first or full reading are counted; what changed since the last snapshot, sizes and times are guesses")
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
	writeBackupFiles(w, r.Files)
	writeComponentParts(w, r.Types)
	for _, g := range r.Coverage {
		if g.Field == "" && g.Rule == string(capture.RuleVanished) {
			fmt.Fprintf(w, "no longer held: %s (%s)\n", plain(g.Object), plain(g.Reason))
		}
	}
	fmt.Fprintf(w, "%s in %s; %s created, %s updated, %s deleted since the last snapshot\n",
		plural(r.Totals.Records, "record"), plural(r.Totals.Objects-r.Totals.Failed, "object"),
		count(r.Totals.Created), count(r.Totals.Updated), count(r.Totals.Deleted))
	fmt.Fprintf(w, "%s stored, %s, observed within %s\n", size(r.Totals.Stored), plural(r.Limits.Calls, "call"), r.Window.Round(time.Second))
	writeGaps(w, r)
}

// writeGaps counts what the coverage lists, by why, and says how to see it: most of it is what no backup holds, such
// as fields that are made of others.
func writeGaps(w io.Writer, r run.BackupResult) {
	if len(r.Coverage) == 0 {
		return
	}
	rules := map[string]int{}
	for _, g := range r.Coverage {
		rules[g.Rule]++
	}
	names := slices.SortedFunc(maps.Keys(rules), func(a, b string) int { return cmp.Or(rules[b]-rules[a], strings.Compare(a, b)) })
	var told []string
	for _, name := range names[:min(len(names), shownRules)] {
		told = append(told, count(int64(rules[name]))+" "+plain(name))
	}
	if more := len(names) - shownRules; more > 0 {
		told = append(told, "and more")
	}
	fmt.Fprintf(w, "the coverage has %s: objects and fields that are not held, or not in every respect (%s); see them with `holdfast show %s --coverage`\n",
		plural(len(r.Coverage), "entry"), strings.Join(told, ", "), r.Snapshot.Short)
}

// shownRules is how many reasons of the coverage are told, those that occur most often.
const shownRules = 4

// writeComponentParts writes the metadata types that changed or failed, and a line about all.
func writeComponentParts(w io.Writer, types []run.ComponentPart) {
	var rows [][]string
	all := int64(0)
	for _, t := range types {
		all += t.Components
		if t.Added+t.Changed+t.Removed == 0 && t.Why == "" {
			continue
		}
		why := t.Why
		if t.Hint != "" {
			why += " (" + t.Hint + ")"
		}
		rows = append(rows, []string{t.Type, t.Mode, count(t.Components), count(t.Added), count(t.Changed), count(t.Removed), why})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"METADATA TYPE", "READ", "COMPONENTS", "ADDED", "CHANGED", "REMOVED", "WHY"}, rows)
	}
	if len(types) > 0 {
		fmt.Fprintf(w, "%s of %s\n", plural(all, "component"), plural(len(types), "metadata type"))
	}
}
