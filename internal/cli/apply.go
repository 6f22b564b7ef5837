package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// applyResult is what `apply --json` prints.
type applyResult struct {
	run.ApplyResult
	Approved bool                  `json:"approved" doc:"false when the plan was only shown: there was no approval"`
	Rollback *run.RolledBackResult `json:"rollback,omitempty" doc:"of a rollback plan, which has no steps"`
}

func (a *app) applyCommand() *cobra.Command {
	var in applyFlags
	cmd := a.command(spec{
		use: "apply PLAN", group: groupVerbs,
		short: "carry out a plan that was approved, and observe the org again",
		long: `Carries out exactly the plan in the file. The approval names its digest, so that other bytes than those that
were reviewed are refused. Without --approve the plan is shown; on a terminal the approval is then asked
for, elsewhere nothing more happens.

A plan of ` + "`holdfast rollback`" + ` is deployed: the org checks each deployment first, without doing it; then the org is
observed, and nothing is deployed unless exactly what is left of the plan would take the change back.

Nothing is written when a record has moved since the plan was made. Every call is in the journal before
it is sent: after a crash run the same command again, and it goes on where it stopped. At the end the org
is observed again, and what is not as planned is listed.`,
		example: `holdfast apply incident.plan
holdfast apply incident.plan --approve 9f2c… --json`,
		kinds: []problem.Kind{
			problem.Partial, problem.NoRepository, problem.Locked, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.NotVerified, problem.Limits,
		},
		result: applyResult{}, min: 1, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		return a.apply(cmd, args[0], in)
	})
	shareFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&in.approve, "approve", "", "`digest` of the plan that was reviewed")
	flags.StringVar(&in.journal, "journal", "", "`file` of the journal; default PLAN.journal")
	flags.StringVar(&in.org, "org", "", "`name` of the org, when the one that the repository remembers is not right")
	flags.StringVar(&in.report, "report", "", "new `file` for the report, .html or .json")
	flags.IntVar(&in.hardDelete, "hard-delete", 0, hardDeleteUsage)
	flags.StringVar(&in.giveUp, "give-up", "", giveUpUsage)
	flags.BoolVar(&in.resume, "resume", false, "go on with a plan that was approved and begun; its journal has the approval")
	flags.BoolVar(&in.unwatched, "no-watchdog", false, noWatchdogUsage)
	flags.BoolVar(&in.putBack, "put-back", false, "put back automation that an application of this plan switched off, and do nothing else")
	return a.repoFlags(cmd)
}

// maxPlanFile bounds what is read as a plan. A plan of a million rows of a kilobyte fits.
const maxPlanFile = 2 << 30

// hardDeleteUsage is the usage of the flag without which no record is deleted for good.
const hardDeleteUsage = "`number` of records that the plan deletes for good: a plan that does so is applied only when it is told how many"

// giveUpUsage is the usage of the flag that takes an application for ended.
const giveUpUsage = "`digest` of a plan whose application has not ended and whose journal is lost: what it made and nobody knows of may be made once more"

// noWatchdogUsage is the usage of the flag that goes without a watchdog.
const noWatchdogUsage = "start no process that puts automation back when this one is killed"

// applyFlags are the flags of apply.
type applyFlags struct {
	approve, journal, org, report string
	giveUp                        string
	resume, putBack, unwatched    bool
	hardDelete                    int
}

func (f applyFlags) gaveUp() string { return strings.TrimPrefix(f.giveUp, "sha256:") }

// approval returns the digest that was approved: as given, or as the journal of an application that was
// begun has it.
func (f applyFlags) approval() (string, error) {
	if !f.resume {
		return strings.TrimPrefix(f.approve, "sha256:"), nil
	}
	if f.approve != "" {
		return "", problem.New(problem.Usage, "apply: --resume takes the approval from the journal").Hint("leave --approve out")
	}
	return apply.Begun(f.journal)
}

// known refuses to put back without a journal, of which a new one would say that nothing is off.
func (f applyFlags) known() error {
	if !f.putBack {
		return nil
	}
	if err := apply.HasJournal(f.journal); err != nil {
		return fmt.Errorf("put automation back: %w", err)
	}
	return nil
}

// planGarbage is how much garbage may lie beside what is held of a plan, in percent, before it is collected. A plan of a
// million rows is gigabytes, of which Go would let as much again go to waste.
const planGarbage = 40

// sparing makes the rest of the process go easy on memory, until the returned function is called.
func sparing() func() {
	before := debug.SetGCPercent(planGarbage)
	return func() { debug.SetGCPercent(before) }
}

func (a *app) apply(cmd *cobra.Command, path string, in applyFlags) error {
	ctx := cmd.Context()
	defer sparing()()
	if in.journal == "" {
		in.journal = path + ".journal"
	}
	file, err := readPlanFile(path)
	if err != nil {
		return err
	}
	if run.IsRollback(file) {
		shown, err := run.ReadRollback(file)
		if err != nil {
			return fmt.Errorf("plan file %s: %w", path, err)
		}
		return a.applyRollback(cmd, path, file, shown, in)
	}
	approve, err := in.approval()
	if err != nil {
		return err
	}
	p, err := readPlan(path, file)
	if err != nil {
		return err
	}
	digest := plan.Digest(file)
	if approve == "" && !in.putBack {
		if approve, err = a.askApproval(ctx, in.journal, path, digest, p); approve == "" {
			return err
		}
	}
	if approve != digest && !in.putBack {
		return problem.Newf(problem.Conflict, "plan %s is not the approved one: its digest is %s", path, digest).
			Hint("review the plan again and approve it as it is")
	}
	at, err := a.applyAt(cmd, p.Org, in.org)
	if err != nil {
		return err
	}
	if err := in.known(); err != nil {
		return err
	}
	watched, err := a.watch(ctx, p.Switches(), at, path, in.journal, in.unwatched)
	if err != nil {
		return err
	}
	defer watched.release()
	if in.putBack {
		return a.putBack(ctx, at.org, in.journal)
	}
	if in.resume { // what is gone on with was agreed to
		in.hardDelete = p.Count(plan.HardDelete)
	}
	report, err := openReport(in.report)
	if err != nil {
		return err
	}
	shown := a.newProgress("apply " + path)
	result, err := run.Apply(ctx, run.ApplyInput{
		Org: at.org, Store: at.store, File: file, Digest: approve, Journal: in.journal, Journals: journalsBeside(path), Deployer: at.org, Share: at.share,
		GiveUp: in.gaveUp(), HardDelete: in.hardDelete, Options: apply.Options{Progress: shown.applied},
		Capture: capture.Options{OrgName: at.name, Rules: at.rules, Progress: shown.captured},
	})
	shown.end()
	if failed := writeReport(report, applyResult{ApplyResult: result, Approved: true}, err); failed != nil {
		err = errors.Join(err, failed)
	}
	if err != nil && len(result.Steps) == 0 && len(result.Moved) == 0 {
		return fmt.Errorf("apply %s: %w", path, err)
	}
	out := applyResult{ApplyResult: result, Approved: true}
	return errors.Join(a.print(out, func(w io.Writer) { writeApplied(w, result) }), err)
}

// place is where a plan is applied.
type place struct {
	store *snapshot.Store
	name  string // of the org
	rules capture.Rules
	share float64 // of the daily calls
	org   *salesforce.Org
}

// applyAt opens the repository and signs in to the org that a plan is for, under that name or else the one
// that the repository remembers.
func (a *app) applyAt(cmd *cobra.Command, id sf.ID, name string) (place, error) {
	ctx := cmd.Context()
	at := place{name: name}
	var err error
	if at.store, err = a.openStore(ctx); err != nil {
		return at, err
	}
	if at.name == "" {
		if at.name, err = orgOf(ctx, at.store, id); err != nil {
			return at, err
		}
	}
	manners, err := a.mannersWithShare(cmd, at.name)
	if err != nil {
		return at, err
	}
	at.rules, at.share = rulesOf(manners), cmp.Or(budgetOf(manners).Share, salesforce.DefaultShare)
	at.org, err = a.connect(ctx, at.name, budgetOf(manners))
	return at, err
}

// putBack puts automation back.
func (a *app) putBack(ctx context.Context, org *salesforce.Org, journal string) error {
	out, err := run.PutBack(ctx, run.PutBackInput{Org: org, Deployer: org, Journal: journal})
	if err != nil {
		err = fmt.Errorf("put automation back: %w", err)
	}
	if err != nil && len(out.Left) == 0 {
		return err
	}
	result := applyResult{ApplyResult: run.ApplyResult{
		Journal: journal, Switched: &out, Steps: []run.ApplyStepRow{}, Errors: []run.RowErrorRow{}, NewIDs: []run.NewIDRow{}, Spent: []run.SpentRow{},
		Fidelity: []run.FidelityRow{}, Classes: map[string]int64{},
	}}
	return errors.Join(a.print(result, func(w io.Writer) {
		switch {
		case len(out.Left) > 0:
			writeLeft(w, out)
		case len(out.Off)+len(out.Bypass) == 0:
			fmt.Fprintln(w, "no automation was switched off")
		default:
			fmt.Fprintf(w, "%s as before, which was proved by reading them\n", switched(out))
		}
	}), err)
}

// writeLeft names the components that were not put back because somebody changed them.
func writeLeft(w io.Writer, s run.SwitchedRow) {
	for _, name := range s.Left {
		fmt.Fprintf(w, "%s was changed or deleted while it was switched off, and left as it is\n", name)
	}
}

// readPlanFile reads a plan file, whole.
func readPlanFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // to open a pipe is to wait for whoever writes to it
		err = fmt.Errorf("%s is not a file", path)
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "plan file").
			Hint("make a plan with `holdfast restore … --plan FILE` or `holdfast rollback … --plan FILE`")
	}
	defer f.Close()
	if info.Size() > maxPlanFile {
		return nil, problem.Newf(problem.Usage, "plan file %s is longer than %s", path, size(maxPlanFile))
	}
	file := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // it may be large, and is not held twice
	if _, err := file.ReadFrom(io.LimitReader(f, info.Size()+1)); err != nil {
		return nil, fmt.Errorf("plan file: %w", err)
	}
	return file.Bytes(), nil
}

// readPlan reads a plan of records.
func readPlan(path string, file []byte) (*plan.Plan, error) {
	p, err := plan.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "plan file "+path).
			Hint("a plan file must not be changed; make a new one with `holdfast restore`")
	}
	return p, nil
}

// askApproval shows the plan and, on a terminal, asks for the approval. It returns the digest when
// it was given, and nothing when it was not: then there is nothing more to do.
func (a *app) askApproval(ctx context.Context, journal, path, digest string, p *plan.Plan) (string, error) {
	state, store, err := a.stateOf(ctx, journal, p)
	if err != nil {
		return "", fmt.Errorf("plan %s: %w", path, err)
	}
	ask := terminal(a.in) && terminal(a.err) && !a.json && state == ""
	shown := applyResult{ApplyResult: run.ShownPlan(p, digest)}
	shown.Forecast = run.ForecastPlan(ctx, store, p, journalsBeside(path))
	err = a.print(shown, func(w io.Writer) {
		fmt.Fprintf(w, "plan %s for org %s, made %s\n", plain(path), p.Org, stamp(p.Made))
		if p.Source.Base != "" && p.Source.Base != p.Source.Live { // rows of a file are a change of the org as it is
			fmt.Fprintf(w, "undo what changed from %.10s to %.10s\n", p.Source.Wanted, p.Source.Base)
		} else {
			fmt.Fprintf(w, "as snapshot %.10s has it\n", p.Source.Wanted)
		}
		writeSummary(w, p)
		writeForecastOf(w, shown.Forecast)
		fmt.Fprintf(w, "digest %s\n", digest)
		switch {
		case state != "":
			fmt.Fprintln(w, state)
		case !ask:
			fmt.Fprintf(w, "nothing was done; to approve these bytes run `%s`\n", commandLine("holdfast", "apply", operand(path), "--approve", digest))
		}
	})
	if err != nil || !ask {
		return "", err
	}
	return a.askYes(digest)
}

// stateOf says what became of a plan that was applied before, or nothing of a new one. A plan whose snapshots are
// not held any more is an error; without a repository nobody can tell, and apply will. The repository is returned
// where it was opened.
func (a *app) stateOf(ctx context.Context, journal string, p *plan.Plan) (string, *snapshot.Store, error) {
	_, err := apply.Begun(journal)
	switch {
	case err == nil:
		if _, err := apply.Applied(journal); err == nil {
			return fmt.Sprintf("it was carried out: journal %s; `holdfast apply --resume` reports on it again", plain(journal)), nil, nil
		}
		return fmt.Sprintf("its application was begun: journal %s; `holdfast apply --resume` goes on with it", plain(journal)), nil, nil
	case problem.KindOf(err) != problem.NotFound:
		return "", nil, err
	}
	store, err := a.openStore(ctx)
	if err != nil {
		return "", nil, nil //nolint:nilerr // to look at a plan takes no repository
	}
	return "", store, run.PlanStands(ctx, store, p)
}

// askYes asks on the terminal whether the plan of that digest is approved, and returns the digest if so.
func (a *app) askYes(digest string) (string, error) {
	fmt.Fprint(a.err, "Approve and apply this plan? Type yes: ")
	answer, err := bufio.NewReader(io.LimitReader(a.in, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(answer) != "yes" {
		fmt.Fprintln(a.err, "holdfast: nothing was done")
		return "", nil
	}
	return digest, nil
}

// orgOf returns the name under which an org was last captured into this repository.
func orgOf(ctx context.Context, store *snapshot.Store, id sf.ID) (string, error) {
	infos, err := store.List(ctx, snapshot.OfOrg(id))
	if err != nil {
		return "", err
	}
	for _, i := range infos {
		if i.OrgName != "" {
			return i.OrgName, nil
		}
	}
	return "", problem.Newf(problem.NotFound, "this repository holds no snapshot of org %s, for which the plan is", id).
		Hint("give the repository that the plan was made with, and name the org with --org")
}

// applied is told what happens in an application.
func (p *progress) applied(e apply.Progress) {
	p.step(e.Rows, e.Of, e.Op+" "+e.Object, fmt.Sprintf("%s of %s settled, %s refused",
		count(int64(e.Rows)), plural(e.Of, "row"), count(int64(e.Failed))))
}

func writeApplied(w io.Writer, r run.ApplyResult) {
	switch {
	case r.Before:
		fmt.Fprintln(w, "an earlier run carried this plan out; nothing was written, and this is its report again")
	case r.Resumed:
		fmt.Fprintln(w, "an earlier run of this plan was taken up again")
	}
	if len(r.Steps) > 0 {
		rows := make([][]string, 0, len(r.Steps))
		for _, s := range r.Steps {
			rows = append(rows, []string{
				count(int64(s.Number)), s.Op, s.Object, count(int64(s.Done)), count(int64(s.Failed)), count(int64(s.Pending)),
			})
		}
		writeTable(w, []string{"STEP", "DO", "OBJECT", "DONE", "REFUSED", "PENDING"}, rows)
	}
	writeSome(w, "--json lists them", r.Moved, func(m run.MovedRow) string {
		if m.Field == "" {
			return fmt.Sprintf("moved: %s %s: %s", m.Object, m.ID, m.Reason)
		}
		return fmt.Sprintf("moved: %s %s %s: %s", m.Object, m.ID, m.Field, m.Reason)
	})
	writeSome(w, "--json lists them", r.Errors, func(e run.RowErrorRow) string {
		return fmt.Sprintf("refused: step %d %s %s %s: %s %s", e.Step, e.Op, e.Object, e.ID, e.Code, e.Message)
	})
	if len(r.Dropped) > 0 {
		fmt.Fprintf(w, "%s left empty because their record did not come back\n", plural(len(r.Dropped), "link"))
	}
	writeSwitchedBack(w, r.Switched)
	writeSpent(w, r)
	if n := len(r.NewIDs); n > 0 {
		fmt.Fprintf(w, "new Ids: %s, and links to them are mapped\n", plural(n, "record"))
	}
	for _, m := range r.Mentions {
		fmt.Fprintf(w, "  %s.%s of %s names an old Id, and is left as it is\n", m.Object, m.Field, plural(int(m.Count), "record"))
	}
	var back []string
	if n := r.Files.Files; n > 0 {
		back = append(back, plural(int(n), "file"))
	}
	if n := r.Files.Images; n > 0 {
		back = append(back, plural(int(n), "image")+" in rich text")
	}
	if len(back) > 0 {
		fmt.Fprintf(w, "%s came back, %d bytes, and were read again: each has its SHA-256\n", strings.Join(back, " and "), r.Files.Bytes)
	}
	writeObserved(w, r)
}

// writeSwitchedBack says whether what was switched for the rows is as it was.
func writeSwitchedBack(w io.Writer, s *run.SwitchedRow) {
	switch {
	case s == nil:
	case s.Back && len(s.Bypass) == 0:
		fmt.Fprintf(w, "%s switched off and put back, which was proved by retrieving them\n", plural(len(s.Off), "component"))
	case s.Back:
		fmt.Fprintf(w, "%s switched and put back, which was proved by reading them\n", switched(*s))
	case len(s.Left) > 0:
		writeLeft(w, *s)
	default:
		fmt.Fprintf(w, "%s still switched; `holdfast apply PLAN --put-back` puts them back\n", switched(*s))
	}
}

// writeObserved says what the observation after an application found.
func writeObserved(w io.Writer, r run.ApplyResult) {
	if !r.Verified && r.Observed == nil {
		return
	}
	if r.Observed != nil {
		fmt.Fprintf(w, "observed again as %s: ", r.Observed.Short)
	} else {
		fmt.Fprint(w, "observed again by an earlier run, whose snapshot cannot be read: ")
	}
	if r.Unexplained == 0 {
		fmt.Fprintf(w, "nothing remains to be done; %s left alone as planned\n", plural(r.Conflicts, "conflict"))
		return
	}
	fmt.Fprintf(w, "%s without an explanation\n", plural(r.Unexplained, "difference"))
	writeSome(w, "--json lists them", r.Differences, func(d run.DifferenceRow) string {
		if d.Kind == run.Unseen {
			return fmt.Sprintf("  %s: could not be observed", d.Object)
		}
		return fmt.Sprintf("  %s %s %s: %s is missing", d.Object, d.ID, d.Field, d.Kind)
	})
}

// writeSome writes the first of the rows, a line for each, and how many others are found elsewhere.
func writeSome[R any](w io.Writer, elsewhere string, rows []R, line func(R) string) {
	for _, r := range rows[:min(len(rows), shownLines)] {
		fmt.Fprintln(w, line(r))
	}
	if more := len(rows) - shownLines; more > 0 {
		fmt.Fprintf(w, "  and %s more; %s\n", count(more), elsewhere)
	}
}
