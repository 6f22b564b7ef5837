package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// restoreResult is what `restore --json` prints.
type restoreResult struct {
	run.RestoreResult
	Components *run.RollbackResult `json:"components,omitempty" doc:"the plan of a restore of metadata; then the fields of records are empty"`
	PlanFile   string              `json:"plan_file,omitempty" doc:"where the plan was written"`
}

// restoreText is the help of restore.
const restoreText = `Observes the org, decides what would bring it back, and writes that down as a plan. Nothing is written to the
org: that is what ` + "`holdfast apply`" + ` does with the plan, once someone has approved it.

  --undo BEFORE..AFTER  takes back what changed between two snapshots, field by field, and only where nobody
                        has changed it since: later work stays, and each conflict is in the plan
  --to SNAPSHOT         makes records as they were in one snapshot, whatever has happened since
  --undo-applied PLAN   takes back what the application of a plan did, in the same way

With --component, components of metadata are restored instead of records: --to names the snapshot. With them comes what they
name and the org no longer has, and the plan says why. What has been added since stays: fields of an object, and what a
profile grants beside. A flow goes back to the version that was active. Nothing is deleted.

Without --plan the plan is only summed up.`

func (a *app) restoreCommand() *cobra.Command {
	var in run.RestoreInput
	var undo, planFile, since, until, applied, tests string
	var components []string
	cmd := a.command(spec{
		use: "restore ORG", group: groupVerbs,
		short: "plan how to bring records or metadata back; nothing is written to the org",
		long:  restoreText,
		example: `holdfast restore prod --undo 4f1c..9ab2 --plan incident.plan
holdfast restore prod --to 4f1c --object Account --plan accounts.plan
holdfast restore prod --to latest --record 003000000000001AAA
holdfast restore prod --undo 4f1c..latest --by loader@example.com --since 2026-03-01T12:00:00Z --plan loader.plan
holdfast restore prod --to 4f1c --query "SELECT Id FROM Account WHERE Industry = 'Energy'" --children 2 --exclude Task
holdfast restore prod --to 4f1c --component ApexClass:Pay --component CustomField:Invoice__c.Number__c --plan pay.plan`,
		kinds: []problem.Kind{
			problem.Partial, problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.Limits,
		},
		result: restoreResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error {
		if applied != "" {
			if undo != "" || in.Snapshot != "" || len(in.Records) > 0 {
				return problem.New(problem.Usage, "restore: --undo-applied says by itself what is taken back").
					Hint("leave out --to, --undo and --record")
			}
			var err error
			if undo, err = undoOfApplied(applied, &in); err != nil {
				return err
			}
		}
		if err := readRestoreFlags(&in, undo, since, until); err != nil {
			return err
		}
		if len(components) > 0 {
			return a.restoreComponents(cmd, args[0], in.Snapshot, components, tests, planFile)
		}
		if tests != "" {
			return problem.New(problem.Usage, "restore: --tests goes with --component alone").Hint("records are not deployed")
		}
		return a.restore(cmd, args[0], in, planFile)
	})
	shareFlag(cmd)
	bypassFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&in.Snapshot, "to", "", "`snapshot` to come back to; latest is the newest backup")
	flags.StringVar(&undo, "undo", "", "the two `snapshots` around what is to be undone, as BEFORE..AFTER; latest is the newest backup")
	flags.StringVar(&planFile, "plan", "", "`file` to write the plan to; it must not exist")
	flags.StringArrayVar(&in.Objects, "object", nil, "bring back this `object` alone, and what it refers to; may be repeated")
	flags.StringArrayVar(&in.Records, "record", nil, "bring back the record with this `Id` alone, and what it refers to; may be repeated")
	flags.StringVar(&in.Query, "query", "", "`SOQL` with FROM and WHERE that selects records in the snapshot")
	flags.IntVar(&in.Children, "children", 0, "`steps` in which records that refer to selected ones are taken in")
	flags.StringArrayVar(&in.Follow, "follow", nil, "with --children: only records of this `object` are taken in; may be repeated")
	flags.StringArrayVar(&in.Exclude, "exclude", nil, "`object` or Id of a record that stays out; may be repeated")
	flags.StringArrayVar(&in.Fields, "field", nil, "bring back this `field` alone, as Object.Field or Field, of records that are there; may be repeated")
	flags.StringArrayVar(&in.Take, "take", nil, "with --undo: decide these `conflicts` for the value before the change: all, Object, Object.Field or an Id; may be repeated")
	flags.StringVar(&applied, "undo-applied", "", "take back what the application of this `plan` did, and keep later work")
	flags.StringVar(&in.By, "by", "", "with --undo: only what this `user` changed")
	flags.StringVar(&since, "since", "", "with --undo: only what was changed at this `time` or later, such as 2026-03-01T12:00:00Z")
	flags.StringVar(&until, "until", "", "with --undo: only what was changed before this `time`")
	flags.BoolVar(&in.AutomationOff, "automation-off", false, "switch off the triggers, flows and rules that act on the rows while the plan is applied, and put them back")
	flags.StringVar(&in.Owner, "owner", "", "`user` or queue that owns what comes back when its own owner is inactive or gone; default: who restores")
	flags.BoolVar(&in.DeleteExtra, "delete-extra", false, "with --to: also delete records that the snapshot does not have")
	flags.BoolVar(&in.KeepCreated, "keep-created", false, "with --undo: keep the records that were created between the two")
	flags.StringArrayVar(&components, "component", nil, "with --to: bring back this `component` of metadata, as TYPE:NAME; * stands for any text; may be repeated")
	flags.StringVar(&tests, "tests", "", "with --component: `level` of the Apex tests that the deployments run; default is what the org does by itself")
	flags.IntVar(&in.MaxRows, "max-rows", 0, "`number` of records that the plan may touch at most; 0 is 100,000")
	return a.repoFlags(cmd)
}

// undoOfApplied returns the states around the application of a plan, as --undo has them, and says in the input which
// records it wrote and which of them it deleted for good.
func undoOfApplied(path string, in *run.RestoreInput) (undo string, err error) {
	file, err := readPlanFile(path)
	if err != nil {
		return "", err
	}
	p, err := readPlan(path, file)
	if err != nil {
		return "", err
	}
	found, err := apply.Applied(path + ".journal")
	if err != nil {
		return "", err
	}
	seen := map[sf.ID]bool{}
	in.Purged = map[sf.ID]bool{}
	for _, s := range p.Steps {
		for _, r := range s.Rows {
			if !seen[r.ID] {
				seen[r.ID] = true
				in.Records = append(in.Records, string(r.ID))
			}
			if s.Op == plan.HardDelete {
				in.Purged[r.ID] = true
			}
		}
	}
	return p.Source.Live + ".." + found.Snapshot, nil
}

// readRestoreFlags takes in the flags that need reading, and refuses those that do not go together.
func readRestoreFlags(in *run.RestoreInput, undo, since, until string) error {
	if (undo == "") == (in.Snapshot == "") {
		return problem.New(problem.Usage, "restore: one way to come back is to be given, and only one").
			Hint("--undo BEFORE..AFTER or --to SNAPSHOT")
	}
	if undo != "" {
		before, after, ok := strings.Cut(undo, "..")
		if !ok || before == "" || after == "" || strings.Contains(after, ".") {
			return problem.Newf(problem.Usage, "restore: --undo %q does not name two snapshots", undo).
				Hint("write it as --undo BEFORE..AFTER")
		}
		in.Before, in.After = before, after
	}
	var err error
	if in.Since, err = timeFlag("--since", since); err != nil {
		return err
	}
	if in.Until, err = timeFlag("--until", until); err != nil {
		return err
	}
	switch {
	case in.MaxRows < 0:
		return problem.Newf(problem.Usage, "restore: --max-rows %d is less than none", in.MaxRows).
			Hint("give how many records the plan may touch, or leave it out")
	case in.DeleteExtra && in.Snapshot == "":
		return problem.New(problem.Usage, "restore: --delete-extra goes with --to alone").
			Hint("--undo deletes what was created between the two, unless --keep-created is given")
	case in.KeepCreated && undo == "":
		return problem.New(problem.Usage, "restore: --keep-created goes with --undo alone").
			Hint("--to deletes nothing, unless --delete-extra is given")
	}
	return nil
}

// timeFlag reads a time as RFC 3339 writes it.
func timeFlag(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, problem.Newf(problem.Usage, "restore: %s %q is not a time", flag, text).
			Hint("write it as 2026-03-01T12:00:00Z, or with an offset such as +02:00")
	}
	return at, nil
}

func (a *app) restore(cmd *cobra.Command, name string, in run.RestoreInput, planFile string) error {
	ctx := cmd.Context()
	defer sparing()()
	if err := freePlan(planFile); err != nil {
		return err
	}
	store, manners, org, err := a.openWithOrg(cmd, name)
	if err != nil {
		return err
	}
	if in.Bypass, err = bypassOf(cmd, name, manners); err != nil {
		return err
	}
	shown := a.newProgress("restore " + name)
	in.Source, in.Store, in.Metadata = org, store, org
	in.Journals = journalsBeside(planFile)
	in.Capture = capture.Options{OrgName: name, Rules: rulesOf(manners), Progress: shown.captured}
	result, err := run.Restore(ctx, in)
	shown.end()
	if err != nil && result.Plan == nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	out := restoreResult{RestoreResult: result}
	var failed error
	if out.PlanFile, failed = keepPlan(planFile, result.File, len(result.Steps) == 0); failed != nil {
		return failed
	}
	return errors.Join(a.print(out, func(w io.Writer) { writeRestore(w, out) }), err)
}

// freePlan finds out that a plan can be written before the org is read and calls are spent.
func freePlan(path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return planExists(path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return onDisk(fmt.Errorf("plan file %s: %w", path, err))
	}
	return nil
}

func planExists(path string) error {
	return problem.Newf(problem.Usage, "plan file %s is already there", path).
		Hint("plans are never overwritten: give another name, or remove it")
}

// keepPlan writes a plan where a file is named for it, and returns which; an empty one is not worth a review.
func keepPlan(path string, file []byte, empty bool) (string, error) {
	if path == "" || empty {
		return "", nil
	}
	return path, writePlan(path, file)
}

// writePlan writes a new file that its owner alone may read: a plan holds values of records.
func writePlan(path string, body []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return planExists(path)
	}
	if err != nil {
		return onDisk(fmt.Errorf("plan file: %w", err))
	}
	_, err = f.Write(body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		// Half a plan would be refused by its own digest, but nobody should find one.
		return onDisk(errors.Join(fmt.Errorf("plan file: %w", err), os.Remove(path)))
	}
	return nil
}

func writeRestore(w io.Writer, r restoreResult) {
	if r.Base != nil {
		fmt.Fprintf(w, "undo what changed from %s to %s, on the org as of %s\n", r.Wanted.Short, r.Base.Short, stamp(r.Live.To))
	} else {
		fmt.Fprintf(w, "back to %s, on the org as of %s\n", r.Wanted.Short, stamp(r.Live.To))
	}
	writeSummary(w, r.Plan)
	writeForecastOf(w, r.Forecast)
	if extra := r.Totals.Extra; extra > 0 {
		fmt.Fprintf(w, "%s stay that are not in the wanted state\n", plural(extra, "record"))
	}
	switch {
	case len(r.Steps) == 0:
		fmt.Fprintln(w, "nothing is to be done, so that there is no plan")
	case r.PlanFile == "":
		fmt.Fprintln(w, "this was a dry run; write the plan with --plan FILE")
	default:
		fmt.Fprintf(w, "plan %s\ndigest %s\nreview it, then run `%s`\n", plain(r.PlanFile), r.Digest, commandLine("holdfast", "apply", operand(r.PlanFile)))
	}
}

// shownLines is how many lines of one sort are shown before the rest is only counted: a plan can
// hold a million of each.
const shownLines = 20

// writeSummary writes what a plan would do, as restore and apply show it.
func writeSummary(w io.Writer, p *plan.Plan) {
	rows := make([][]string, 0, len(p.Steps))
	updated := map[sf.ID]bool{}
	for _, s := range p.Steps {
		rows = append(rows, []string{count(int64(s.Number)), s.Op.String(), s.Object, count(int64(len(s.Rows))), fieldList(s.Fields)})
		if s.Op.Updates() {
			for _, r := range s.Rows {
				updated[r.ID] = true
			}
		}
	}
	if len(rows) > 0 {
		writeTable(w, []string{"STEP", "DO", "OBJECT", "RECORDS", "FIELDS"}, rows)
	}
	fmt.Fprintf(w, "%s undeleted, %s inserted (with new Ids), %s updated, %s deleted\n",
		count(p.Count(plan.Undelete)), count(p.Count(plan.Insert)), count(len(updated)), count(p.Count(plan.Delete)))
	if n := p.Count(plan.HardDelete); n > 0 {
		fmt.Fprintf(w, "%s deleted for good, which nothing brings back under their Ids\n", plural(n, "record"))
	}
	fmt.Fprintf(w, "values: %s exact, %s remapped to new Ids, %s lost\n",
		count(p.Fidelity.Total(state.Exact)), count(p.Fidelity.Total(state.Remapped)), count(p.Fidelity.Total(state.Lost)))
	for _, d := range p.Deferred {
		fmt.Fprintf(w, "second pass: %s of %s (%s): %s\n", d.Field, d.Object, plural(d.Rows, "row"), plain(d.Reason))
	}
	if n := len(p.Conflicts); n > 0 {
		fmt.Fprintf(w, "%s: later work stays\n", plural(n, "conflict"))
		writeSome(w, "all of them are in the plan", p.Conflicts, func(c state.Conflict) string {
			return fmt.Sprintf("  %s %s %s: %s", c.Object, c.ID, c.Field, c.Reason)
		})
	}
	var lost [][]string
	for _, f := range p.Fidelity.Lines() {
		if f.Class == state.Lost {
			lost = append(lost, []string{f.Object, f.Field, count(f.Count), f.Reason})
		}
	}
	if len(lost) > 0 {
		writeTable(w, []string{"LOST", "FIELD", "VALUES", "WHY"}, lost)
	}
	writeAutomation(w, p)
	writeBypass(w, p)
	for _, note := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", plain(note))
	}
}

// writeAutomation writes what acts on the rows of the plan.
func writeAutomation(w io.Writer, p *plan.Plan) {
	writeSome(w, "all of them are in the plan", p.Automation, func(a plan.Automation) string {
		return actsText(run.AutomationRow{Type: a.Type, Name: a.Name, Object: a.Object, Rows: a.Rows, Off: a.Off, Reason: a.Reason})
	})
}

// actsText says what acts on rows.
func actsText(a run.AutomationRow) string {
	does := "acts"
	if a.Off {
		does = "is switched off, and put back"
	}
	line := fmt.Sprintf("%s %s %s on %s of %s", a.Type, plain(a.Name), does, plural(a.Rows, "row"), a.Object)
	if a.Reason != "" {
		line += ": " + plain(a.Reason)
	}
	return line
}

// fieldList names a few fields and counts the others.
func fieldList(fields []string) string {
	const shown = 4
	if len(fields) <= shown {
		return strings.Join(fields, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(fields[:shown], " "), len(fields)-shown)
}
