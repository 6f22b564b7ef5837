package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
)

// rollbackResult is what `rollback --json` prints.
type rollbackResult struct {
	run.RollbackResult
	PlanFile string            `json:"plan_file,omitempty" doc:"where the plan was written"`
	Proposal *project.Proposal `json:"proposal,omitempty" doc:"the branch for review"`
}

func (a *app) rollbackCommand() *cobra.Command {
	var in run.RollbackInput
	var undo, planFile, tests string
	var into proposing
	cmd := a.command(spec{
		use: "rollback ORG", group: groupVerbs,
		short: "plan how to take a deployment back; nothing is deployed",
		long: `Compares the metadata of two snapshots around a deployment, observes what the org has now, and decides what takes
the change back: components that it deleted are put back, those that it changed become what they were, part by part, those
that it made are deleted, and the version of a flow that was active is active again. What somebody has changed since
stays, and is shown as a conflict.

Nothing is deployed: that is what ` + "`holdfast apply`" + ` does with the plan, once someone has approved it. The plan holds every
file that is deployed, and everything that is deleted. What one of the snapshots does not tell for certain is never deleted.

Where the change deleted fields or objects, or gave fields another type, their values come back in the same plan, from the
snapshot before it, where nobody has entered others since. Records that were part of the change go back with it, too, when
their objects are named with --config-data: what it updated becomes what it was, what it inserted is deleted, and what it
deleted comes back.

Where the team deploys from Git, a rollback that is not in Git comes undone with the next deployment. --branch makes a branch
for review on which the components are as the org has them once the plan is carried out, in source format, each where the
folder of --folder has it: what the change touched of them, and nothing else. It can be asked for before the plan is applied
and after. What is checked out is not touched.`,
		example: `holdfast rollback prod --undo 4f1c..9ab2
holdfast rollback prod --undo 4f1c..latest --plan release.plan
holdfast rollback prod --undo 4f1c..9ab2 --config-data Price_Rule__c --config-data Price_Action__c --plan prices.plan
holdfast rollback prod --undo 4f1c..9ab2 --plan release.plan --branch rollback/release --folder force-app
holdfast rollback prod --undo 4f1c..9ab2 --component ApexClass:Pay --component CustomObject:Invoice__c --plan pay.plan`,
		kinds: []problem.Kind{
			problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.Limits,
		},
		result: rollbackResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error {
		before, after, ok := strings.Cut(undo, "..")
		if !ok || before == "" || after == "" || strings.Contains(after, ".") {
			return problem.Newf(problem.Usage, "rollback: --undo %q does not name two snapshots", undo).
				Hint("name those around the deployment: --undo BEFORE..AFTER")
		}
		in.Before, in.After = before, after
		var err error
		if in.Tests, err = testLevel(tests); err != nil {
			return err
		}
		if into.branch == "" && (cmd.Flags().Changed("folder") || cmd.Flags().Changed("base")) {
			return problem.New(problem.Usage, "rollback: --folder and --base say where a branch is made, and none is named").Hint("name a new one with --branch")
		}
		if into.branch != "" { // found out before the org is read
			if err := project.CheckBranch(into.branch); err != nil {
				return err
			}
		}
		return a.rollback(cmd, args[0], in, planFile, into)
	})
	shareFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&undo, "undo", "", "the two `snapshots` around the deployment, as BEFORE..AFTER; latest is the newest backup")
	flags.StringArrayVar(&in.Only, "component", nil, "take the change of this `component` back alone, as TYPE:NAME; may be repeated")
	flags.StringArrayVar(&in.ConfigData, "config-data", nil, "`object` whose records were part of the deployment, and go back with it; may be repeated")
	flags.BoolVar(&in.AutomationOff, "automation-off", false, automationOffUsage)
	bypassFlag(cmd)
	flags.StringVar(&tests, "tests", "", "`level` of the Apex tests that the deployments run; default is what the org does by itself")
	flags.StringVar(&planFile, "plan", "", "`file` to write the plan to; it must not exist")
	flags.StringVar(&into.branch, "branch", "", "new `branch` of the team's Git repository with the rollback, for review")
	flags.StringVar(&into.folder, "folder", ".", "`folder` of the Git repository that holds the components, in source format")
	flags.StringVar(&into.base, "base", "HEAD", "`revision` at which the branch begins")
	return a.repoFlags(cmd)
}

// automationOffUsage is the usage of the flag of rollbacks, whose deployments come before.
const automationOffUsage = "switch off the triggers, flows and rules that act on the records of the rollback while these are written, and put them back"

// proposing says where a rollback is proposed for review; no branch: nowhere.
type proposing struct{ branch, folder, base string }

// propose makes the branch.
func (p proposing) propose(ctx context.Context, org string, r run.RollbackResult) (*project.Proposal, error) {
	if p.branch == "" {
		return nil, nil
	}
	wanted := make([]project.Wanted, len(r.Outcomes))
	for i, o := range r.Outcomes {
		wanted[i] = project.Wanted{Key: o.Key, Files: o.Files, Parts: o.Parts, New: o.Back}
	}
	message := fmt.Sprintf("Roll back what changed in %s from %.10s to %.10s\n\nThe components are as org %s has them once that is taken back.\n\nHoldfast-Undo: %s..%s\n",
		org, r.Before, r.After, r.OrgID, r.Before, r.After)
	out, err := project.Propose(ctx, p.folder, p.base, p.branch, message, wanted)
	return &out, err
}

// writeProposal writes what a branch for review has.
func writeProposal(w io.Writer, p *project.Proposal) {
	if p == nil {
		return
	}
	for _, name := range p.Left {
		fmt.Fprintf(w, "not in the folder, and not on the branch: %s\n", plain(name))
	}
	for _, name := range p.Ambiguous {
		fmt.Fprintf(w, "twice in the folder, or in parts as sourceBehaviorOptions have them, and left as it is there: %s\n", plain(name))
	}
	if p.Commit == "" && len(p.Ambiguous) > 0 {
		fmt.Fprintf(w, "the folder at %.10s has all of the rest already, so that there is no branch\n", p.Base)
		return
	}
	if p.Commit == "" {
		fmt.Fprintf(w, "the folder at %.10s has all of it already, so that there is no branch\n", p.Base)
		return
	}
	fmt.Fprintf(w, "branch %s at %.10s: %s written, %s deleted; push it for review\n",
		plain(p.Branch), p.Commit, plural(len(p.Written), "file"), count(int64(len(p.Deleted))))
}

func testLevel(text string) (sf.TestLevel, error) {
	level := sf.TestLevel(text)
	if !slices.Contains([]sf.TestLevel{"", sf.NoTestRun, sf.RunLocalTests, sf.RunAllTestsInOrg, sf.RunRelevantTests}, level) {
		return "", problem.Newf(problem.Usage, "--tests %q is no test level", text).
			Hint("NoTestRun, RunLocalTests, RunAllTestsInOrg or RunRelevantTests")
	}
	return level, nil
}

// planRollback reads the org and makes the plan, and writes it to the file if one is named.
func (a *app) planRollback(cmd *cobra.Command, name string, in run.RollbackInput, planFile string) (result run.RollbackResult, kept string, err error) {
	ctx := cmd.Context()
	if err := freePlan(planFile); err != nil { // found out before the org is read
		return result, "", err
	}
	store, err := a.openStore(ctx)
	if err != nil {
		return result, "", err
	}
	manners, err := a.mannersWithShare(cmd, name)
	if err != nil {
		return result, "", err
	}
	if cmd.Flags().Lookup("bypass") != nil {
		if in.Bypass, err = bypassOf(cmd, name, manners); err != nil {
			return result, "", err
		}
	}
	org, err := a.connect(ctx, name, budgetOf(manners))
	if err != nil {
		return result, "", err
	}
	watch := a.newProgress(below(cmd) + " " + name)
	in.Org, in.Store, in.APIVersion = org, store, salesforce.DefaultAPIVersion
	in.Capture = capture.Options{OrgName: name, Rules: rulesOf(manners), Progress: watch.captured}
	result, err = run.Rollback(ctx, in)
	watch.end()
	if err != nil {
		return result, "", fmt.Errorf("%s %s: %w", below(cmd), name, err)
	}
	kept, err = keepPlan(planFile, result.File, result.Empty())
	return result, kept, err
}

func (a *app) rollback(cmd *cobra.Command, name string, in run.RollbackInput, planFile string, into proposing) error {
	result, kept, err := a.planRollback(cmd, name, in, planFile)
	if err != nil {
		return err
	}
	made, failed := into.propose(cmd.Context(), name, result)
	if failed != nil {
		made, failed = nil, fmt.Errorf("branch %s: %w", into.branch, failed)
	}
	return errors.Join(a.print(rollbackResult{result, kept, made}, func(w io.Writer) {
		writePlanned(w, result, kept)
		writeProposal(w, made)
	}), failed)
}

// writePlanned writes a plan, and what to do with it.
func writePlanned(w io.Writer, result run.RollbackResult, planFile string) {
	writeRollback(w, result)
	switch {
	case result.Empty():
		fmt.Fprintln(w, "nothing is to be deployed, so that there is no plan")
	case planFile == "":
		fmt.Fprintln(w, "this was a dry run; write the plan with --plan FILE")
	default:
		fmt.Fprintf(w, "plan %s\ndigest %s\nreview it, then run `%s`\n", plain(planFile), result.Digest, commandLine("holdfast", "apply", operand(planFile)))
	}
}

// restoreComponents plans how components become as a snapshot holds them.
func (a *app) restoreComponents(cmd *cobra.Command, name, snapshot string, components []string, tests, planFile string) error {
	var other []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"to", "component", "tests", "plan", "api-share", "repo", "key-file", "json", "quiet"}, f.Name) {
			other = append(other, "--"+f.Name)
		}
	})
	if len(other) > 0 || snapshot == "" {
		return problem.Newf(problem.Usage, "restore: --component goes with --to alone, not with %s", strings.Join(append(other, "--undo"), " or ")).
			Hint("restore records with a command of its own; `holdfast rollback --undo` takes a change of components back")
	}
	level, err := testLevel(tests)
	if err != nil {
		return err
	}
	result, kept, err := a.planRollback(cmd, name, run.RollbackInput{Before: snapshot, Only: components, Tests: level}, planFile)
	if err != nil {
		return err
	}
	return a.print(restoreResult{RestoreResult: run.NoRestore(result), Components: &result, PlanFile: kept}, func(w io.Writer) {
		writePlanned(w, result, kept)
	})
}

// writeRollback writes what a rollback plan would do, as rollback and apply show it.
func writeRollback(w io.Writer, r run.RollbackResult) {
	if r.After == "" {
		fmt.Fprintf(w, "restore components as %.10s holds them, on the org as of %s\n", r.Before, stamp(r.Made))
	} else {
		fmt.Fprintf(w, "take back what changed from %.10s to %.10s, on the org as of %s\n", r.Before, r.After, stamp(r.Made))
	}
	for _, a := range r.Actions {
		fmt.Fprintf(w, "%s %s %s", a.Action, a.Type, plain(a.Name))
		if a.Why != "" {
			fmt.Fprintf(w, ": %s", plain(a.Why))
		}
		fmt.Fprintln(w)
		writeSome(w, "all of them are in the plan", a.Parts, func(p run.PartDiff) string {
			return fmt.Sprintf("  %s %s %s", p.How, p.Element, plain(p.Key))
		})
		writeSome(w, "all of them are in the plan", a.Conflicts, func(p run.PartDiff) string {
			return fmt.Sprintf("  stays, because somebody has changed it since: %s %s", p.Element, plain(p.Key))
		})
	}
	for _, name := range r.Except {
		fmt.Fprintf(w, "left alone, because it changed beside the deployment: %s\n", plain(name))
	}
	for _, d := range r.Deployments {
		fmt.Fprintf(w, "deployment %d: %s, %s\n", d.Number, plural(len(d.Deploy), "component"), plural(len(d.Delete), "deletion"))
		for _, k := range d.Delete {
			fmt.Fprintf(w, "  deletes %s\n", plain(k))
		}
	}
	if r.Tests != "" {
		fmt.Fprintf(w, "tests: %s\n", r.Tests)
	}
	for _, name := range r.Destroyed {
		fmt.Fprintf(w, "lost: what people have entered into %s\n", plain(name))
	}
	fmt.Fprintf(w, "%s: later work stays; %s cannot go back\n", plural(r.Conflicts, "conflict"), plural(r.Impossible, "component"))
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", plain(note))
	}
	for _, records := range r.Records {
		writeRecords(w, records)
	}
}

// writeRecords writes what goes back of records once the deployments are done.
func writeRecords(w io.Writer, r run.RecordsRow) {
	for _, s := range r.Steps {
		fmt.Fprintf(w, "then %s %s of %s", s.Op, plural(s.Rows, "record"), s.Object)
		if len(s.Fields) > 0 && s.Op != "insert" {
			fmt.Fprintf(w, ": %s", strings.Join(s.Fields, ", "))
		}
		fmt.Fprintln(w)
	}
	writeSome(w, "all of them are in the plan", r.Conflicts, func(c run.ConflictRow) string {
		return fmt.Sprintf("  stays, because somebody has changed it since: %s %s %s", c.Object, c.ID, c.Field)
	})
	writeSome(w, "all of them are in the plan", r.Automation, func(a run.AutomationRow) string { return actsText(a) })
	for _, b := range r.Bypass {
		fmt.Fprintf(w, "the org's bypass %s is set for the user, and put back\n", plain(b.Name))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", plain(note))
	}
}

// valuesOf says what comes back of an object or a field.
func valuesOf(v run.ValuesRow) string {
	if v.Field == "" {
		return fmt.Sprintf("%s of %s", plural(int(v.Records), "record"), v.Object)
	}
	return fmt.Sprintf("the values of %s.%s", v.Object, v.Field)
}

// applyRollback carries out a rollback plan, or shows it when there is no approval.
func (a *app) applyRollback(cmd *cobra.Command, path string, file []byte, shown run.RollbackResult, in applyFlags) error {
	switch {
	case in.report != "":
		return problem.New(problem.Usage, "apply: --report is about plans of restores").Hint("--json tells what a rollback did")
	}
	approve, err := in.approval()
	if err != nil {
		return err
	}
	if approve == "" && !in.putBack {
		if approve, err = a.askRollback(path, shown); approve == "" {
			return err
		}
	}
	if approve != shown.Digest && !in.putBack {
		return problem.Newf(problem.Conflict, "plan %s is not the approved one: its digest is %s", path, shown.Digest).
			Hint("review the plan again and approve it as it is")
	}
	ctx := cmd.Context()
	at, err := a.applyAt(cmd, shown.OrgID, in.org)
	if err != nil {
		return err
	}
	if err := in.known(); err != nil {
		return err
	}
	watched, err := a.watch(ctx, shown.Switches(), at, path, in.journal, in.unwatched)
	if err != nil {
		return err
	}
	defer watched.release()
	if in.putBack {
		return a.putBack(ctx, at.org, in.journal)
	}
	watch := a.newProgress("apply " + path)
	result, err := run.ApplyRollback(ctx, run.ApplyRollbackInput{
		Org: at.org, Store: at.store, File: file, Digest: approve, Journal: in.journal,
		Capture:  capture.Options{OrgName: at.name, Rules: at.rules, Progress: watch.captured},
		Progress: func(d apply.Deploying) { watch.deploying(d, len(shown.Deployments)) },
		Options:  apply.Options{Progress: watch.applied}, GiveUp: in.gaveUp(),
	})
	watch.end()
	if err != nil && result.Plan == nil {
		return fmt.Errorf("apply %s: %w", path, err)
	}
	out := applyResult{ApplyResult: run.NoRecords(result.OrgID, result.Digest, in.journal), Approved: true, Rollback: &result}
	return errors.Join(a.print(out, func(w io.Writer) { writeRolledBack(w, at.name, result) }), err)
}

// askRollback shows the plan and, on a terminal, asks for the approval.
func (a *app) askRollback(path string, shown run.RollbackResult) (string, error) {
	ask := terminal(a.in) && terminal(a.err) && !a.json
	out := applyResult{ApplyResult: run.NoRecords(shown.OrgID, shown.Digest, ""), Rollback: &run.RolledBackResult{RollbackResult: shown, Sent: []run.SentRow{}}}
	err := a.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "plan %s for org %s, made %s\n", plain(path), shown.OrgID, stamp(shown.Made))
		writeRollback(w, shown)
		fmt.Fprintf(w, "digest %s\n", shown.Digest)
		if !ask {
			fmt.Fprintf(w, "nothing was done; to approve these bytes run `%s`\n", commandLine("holdfast", "apply", operand(path), "--approve", shown.Digest))
		}
	})
	if err != nil || !ask {
		return "", err
	}
	return a.askYes(shown.Digest)
}

// deploying is told what is deployed.
func (p *progress) deploying(d apply.Deploying, of int) {
	text := d.How + " " + d.ID
	if d.Ended && !d.Success {
		text += " was refused"
	}
	p.step(d.Step, of, "deploy", text)
}

func writeRolledBack(w io.Writer, org string, r run.RolledBackResult) {
	switch {
	case r.DoneBefore:
		fmt.Fprintln(w, "an earlier run carried this plan out; nothing was deployed, and this is its report again")
	case r.Resumed:
		fmt.Fprintln(w, "an earlier run of this plan was taken up again")
	}
	rows := make([][]string, 0, len(r.Sent))
	for _, s := range r.Sent {
		state := "not known"
		if s.Ended && s.Success {
			state = "done"
		} else if s.Ended {
			state = "refused"
		}
		rows = append(rows, []string{count(int64(s.Deployment)), s.How, s.ID, state, count(int64(s.Tests))})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"DEPLOYMENT", "SENT TO", "ID", "ENDED", "TESTS"}, rows)
	}
	for _, s := range r.Sent {
		writeSome(w, "--json lists them", s.Problems, func(p run.ProblemRow) string {
			return fmt.Sprintf("refused: %s %s: %s", p.Type, plain(p.Name), plain(p.Problem))
		})
	}
	for _, applied := range r.Applied {
		applied.Observed, applied.Before, applied.Resumed = nil, false, false // said of the whole
		applied.Verified = false
		writeApplied(w, applied)
	}
	if r.Observed == "" {
		return
	}
	if r.Left > 0 {
		fmt.Fprintf(w, "observed again as %.10s: %s or values are not as planned\n", r.Observed, plural(r.Left, "component"))
		return
	}
	fmt.Fprintf(w, "observed again as %.10s: nothing remains to be deployed", r.Observed)
	if len(r.Records) > 0 {
		fmt.Fprint(w, " or to be written")
	}
	fmt.Fprintf(w, "; %s left alone as planned\n", plural(r.Conflicts, "conflict"))
	fmt.Fprintf(w, "to take this back: holdfast rollback %s --undo %.10s..%.10s", org, r.Live, r.Observed)
	for _, o := range configData(r) {
		fmt.Fprintf(w, " --config-data %s", o)
	}
	fmt.Fprintln(w)
}

// configData are the objects of which a plan writes records beside the values that went with components.
func configData(r run.RolledBackResult) []string {
	var out []string
	for _, records := range r.Records {
		for _, s := range records.Steps {
			refill := slices.ContainsFunc(r.Values, func(v run.ValuesRow) bool { return v.Object == s.Object })
			if !refill && !slices.Contains(out, s.Object) {
				out = append(out, s.Object)
			}
		}
	}
	return out
}
