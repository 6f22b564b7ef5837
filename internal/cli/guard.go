package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
)

// guardResult is what the commands of guard print with --json.
type guardResult struct {
	run.GuardResult
	Rehearsal run.RehearsalResult `json:"rehearsal" doc:"of the way back, on an emulated copy of the org"`

	Folder  string   `json:"folder" doc:"where the journal, the runbook and the rollback plan are"`
	Foreign []string `json:"foreign,omitempty" doc:"files of the package that belong to no component that is known, and are not deployed"`
}

// The files of a guarded deployment.
const (
	guardJournal  = "guard.journal"
	guardRunbook  = "runbook.md"
	guardPage     = "runbook.html"
	guardRollback = "rollback.plan"
)

// guardFlags say how a deployment is guarded.
type guardFlags struct {
	folder, minGrade, tests string
	objects, config         []string
	rehearse                time.Duration
	automationOff           bool
}

const packagesText = `PACKAGE is what is deployed:

  ./force-app, ../rel.zip   a folder or zip with components, in source format or that of the Metadata API, there with
                            its destructive changes
  git:FROM..TO:FOLDER       what makes a folder of a Git repository at one revision that at another, deletions included`

func (a *app) guardCommand() *cobra.Command {
	cmd := a.group("guard", "know the way back of a deployment before it is made", a.guardBefore(), a.guardDeploy(), a.guardAfter(), a.guardRevert())
	cmd.GroupID = groupVerbs
	return cmd
}

var guardKinds = []problem.Kind{
	problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound, problem.Locked,
	problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.Findings, problem.Limits, problem.Partial,
}

func (a *app) guardBefore() *cobra.Command {
	return a.guarding(spec{
		use:   "before ORG PACKAGE",
		short: "take a snapshot of what a deployment touches, and grade how far it can be taken back",
		long: `Takes a snapshot of every type of component that the package touches and of the records whose values it may destroy, and
gives each component a grade:

  A  it comes back as it was
  B  it comes back, and something is not as before: a new Id, a flow version that stays, what people enter meanwhile
  C  values of records go, and come back from the snapshot
  D  something goes that the snapshot does not hold, or that no deployment takes back

The rollback is worked out ahead, and the org validates (check-only) the package and as much of the rollback as can be
validated by now. With --min-grade the exit code is 22 when the deployment is worse, and so it is when the org refuses the
package: let the pipeline stop there. The folder of --to gets a runbook, as Markdown and as a page.

` + rehearsalText + `

` + packagesText,
		example: `holdfast guard before prod ./force-app --to guard
holdfast guard before prod git:v1.4..main:force-app --min-grade B --to guard`,
	}, run.GuardBefore)
}

func (a *app) guardDeploy() *cobra.Command {
	return a.guarding(spec{
		use:   "deploy ORG PACKAGE",
		short: "deploy under guard: snapshot, grade, validation, deployment, and the plan that takes it back",
		long: `Does what ` + "`guard before`" + ` does, deploys the package when the grade and the org allow it, and does what ` + "`guard after`" + ` does.
All of the package is deployed, or nothing. After a crash run the same command again: the journal in the folder has what was
sent, and the org is asked what became of it.

` + packagesText,
		example: `holdfast guard deploy prod ./force-app --to guard
holdfast guard deploy prod release.zip --min-grade B --tests RunLocalTests --to guard`,
	}, run.GuardDeploy)
}

func (a *app) guardAfter() *cobra.Command {
	return a.guarding(spec{
		use:   "after ORG PACKAGE",
		short: "say what a deployment really changed, and write the plan that takes it back",
		long: `Goes on after a deployment that something else has made, with the package and the folder of ` + "`guard before`" + `. Takes a second
snapshot, lists what changed beyond the package and what is not as the package has it, and writes the plan that takes the deployment
back to rollback.plan in the folder. The org validates it (check-only). ` + "`holdfast apply`" + ` carries it out once it is approved.`,
		example: `holdfast guard after prod ./force-app --to guard
holdfast apply guard/rollback.plan`,
	}, run.GuardAfter)
}

func (a *app) guardRevert() *cobra.Command {
	var branch, folder, base string
	return a.guarded(spec{
		use:   "revert ORG COMMIT",
		short: "revert a commit on a branch for review, and deploy that under guard",
		long: `Makes a branch on which the commit is reverted (of a merge, what it brought), and deploys the difference under guard, as
` + "`guard deploy`" + ` does: what the commit had added is deleted, what it had deleted comes back, and what was committed later stays. What
is checked out is not touched. The branch is ready to be pushed and reviewed, so that the next deployment from Git does not bring the
commit back. When the same lines were changed since, nothing is done.`,
		example: `holdfast guard revert prod 3f2c1ab --branch revert/pay --folder force-app --to reverted
git push origin revert/pay`,
	}, func(ctx context.Context, commit string) (project.Change, error) {
		if branch == "" {
			return project.Change{}, problem.New(problem.Usage, "guard revert: no branch is given").Hint("name a new one with --branch")
		}
		return project.Revert(ctx, folder, commit, base, branch)
	}, run.GuardDeploy, func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&branch, "branch", "", "new `branch` on which the commit is reverted")
		cmd.Flags().StringVar(&folder, "folder", ".", "`folder` of the Git repository that holds the components")
		cmd.Flags().StringVar(&base, "base", "HEAD", "`revision` at which the branch begins: what the org has")
	})
}

func (a *app) guarding(s spec, verb guardVerb) *cobra.Command {
	return a.guarded(s, readChange, verb, func(*cobra.Command) {})
}

// guardVerb is what is done under guard.
type guardVerb func(context.Context, run.GuardInput) (run.GuardResult, error)

func (a *app) guarded(s spec, read func(context.Context, string) (project.Change, error), verb guardVerb, more func(*cobra.Command)) *cobra.Command {
	var f guardFlags
	s.kinds, s.result, s.min, s.max, s.org = guardKinds, guardResult{}, 2, 2, true
	cmd := a.command(s, func(cmd *cobra.Command, args []string) error { return a.guard(cmd, args[0], args[1], f, read, verb) })
	shareFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.folder, "to", "", "`folder` of this deployment: its journal, runbook and rollback plan; it is made when it is not there")
	flags.StringVar(&f.minGrade, "min-grade", "", "worst `grade` that may be deployed, A to D")
	flags.StringVar(&f.tests, "tests", "", "`level` of the Apex tests that the deployment runs; default is what the org does by itself")
	flags.StringArrayVar(&f.objects, "object", nil, "hold the records of this `object`, too; may be repeated")
	flags.StringArrayVar(&f.config, "config-data", nil, "`object` whose records are part of the deployment: they are held before and after, and go back with it; may be repeated")
	flags.BoolVar(&f.automationOff, "automation-off", false, "let the rollback plan switch off what acts on its records while they are written, and put it back")
	flags.DurationVar(&f.rehearse, "rehearse", rehearsalTime, "rehearse the way back on an emulated copy of the org for this `time` at most; 0 does not")
	more(cmd)
	return a.repoFlags(cmd)
}

func (a *app) guard(cmd *cobra.Command, name, what string, f guardFlags,
	read func(context.Context, string) (project.Change, error), verb guardVerb,
) error {
	ctx := cmd.Context()
	if f.folder == "" {
		return problem.Newf(problem.Usage, "%s: no folder is given", below(cmd)).Hint("name one for this deployment with --to")
	}
	if f.minGrade != "" && !slices.Contains([]string{"A", "B", "C", "D"}, f.minGrade) {
		return problem.Newf(problem.Usage, "--min-grade %q is no grade", f.minGrade).Hint("A, B, C or D")
	}
	tests, err := testLevel(f.tests)
	if err != nil {
		return err
	}
	change, err := read(ctx, what)
	if err != nil {
		return err
	}
	store, manners, org, err := a.openWithOrg(cmd, name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return onDisk(fmt.Errorf("folder %s: %w", f.folder, err))
	}
	watch := a.newProgress(below(cmd) + " " + name)
	in := run.GuardInput{
		Org: org, Store: store, Source: change.Source, Package: change.Package, First: change.First,
		Version: cmp.Or(change.Version, salesforce.DefaultAPIVersion), Journal: filepath.Join(f.folder, guardJournal),
		Objects: f.objects, Config: f.config, MinGrade: f.minGrade, Tests: tests, AutomationOff: f.automationOff,
		Capture: capture.Options{OrgName: name, Rules: rulesOf(manners), Progress: watch.captured}, Now: a.now,
	}
	result, err := verb(ctx, in)
	watch.end()
	if err != nil && result.Before == "" {
		return fmt.Errorf("%s %s: %w", below(cmd), name, err)
	}
	out := guardResult{GuardResult: result, Folder: f.folder, Foreign: change.Foreign, Rehearsal: run.NotRehearsed("it was cut short")}
	// The way back is there before it is rehearsed: a rehearsal takes time and memory, and may be the end of this program.
	if failed := writeGuard(name, cmp.Or(change.Range, what), out); failed != nil {
		return errors.Join(failed, a.print(out, func(w io.Writer) { writeGuarded(w, out) }), err)
	}
	out.Rehearsal = a.rehearse(ctx, in, result, f.rehearse, err)
	return errors.Join(writeGuard(name, cmp.Or(change.Range, what), out), a.print(out, func(w io.Writer) { writeGuarded(w, out) }), err)
}

// readChange reads what is deployed.
func readChange(ctx context.Context, text string) (project.Change, error) {
	rest, isGit := strings.CutPrefix(text, "git:")
	if !isGit {
		p, err := project.Open(text)
		return p.Change(), err
	}
	revisions, folder, _ := strings.Cut(rest, ":")
	from, to, ok := strings.Cut(revisions, "..")
	if !ok || from == "" || to == "" || strings.HasPrefix(to, ".") {
		return project.Change{}, problem.Newf(problem.Usage, "%q names no two revisions", text).Hint("write it as git:FROM..TO:FOLDER")
	}
	return project.Range(ctx, cmp.Or(folder, "."), from, to)
}

// writeGuard writes the files of the folder. A rollback plan that was begun to be applied stays as it is.
func writeGuard(org, what string, out guardResult) error {
	book := runbookOf(org, what, out)
	if len(out.Components) > 0 {
		for name, write := range map[string]func(io.Writer, runbook) error{guardRunbook: writeRunbook, guardPage: writeRunbookPage} {
			if err := replaceFile(filepath.Join(out.Folder, name), func(w io.Writer) error { return write(w, book) }); err != nil {
				return err
			}
		}
	}
	plan := filepath.Join(out.Folder, guardRollback)
	if out.Rollback == nil || out.Rollback.File == nil {
		return nil
	}
	switch _, err := apply.Begun(plan + ".journal"); problem.KindOf(err) {
	case problem.NotFound: // nothing was, though a plan that was refused as stale may have left a journal without an entry
	case problem.Locked:
		return nil
	default:
		return err
	}
	return replaceFile(plan, func(w io.Writer) error { _, err := w.Write(out.Rollback.File); return err })
}

func writeGuarded(w io.Writer, r guardResult) {
	rows := make([][]string, 0, len(r.Components))
	for _, c := range r.Components {
		rows = append(rows, []string{c.Grade, c.Do, c.Type, c.Name, strings.Join(c.Reasons, "; ")})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"GRADE", "DO", "TYPE", "NAME", "WHY"}, rows)
	}
	for _, v := range r.Validated {
		state := "the org would take it"
		if !v.Success {
			state = "the org refuses it"
		}
		fmt.Fprintf(w, "validation of the %s: %s\n", v.What, state)
		if v.Note != "" {
			fmt.Fprintf(w, "  %s\n", plain(v.Note))
		}
		writeSome(w, "--json lists them", v.Problems, func(p run.ProblemRow) string {
			return fmt.Sprintf("  %s %s: %s", p.Type, plain(p.Name), plain(p.Problem))
		})
	}
	for _, text := range r.Cannot {
		fmt.Fprintf(w, "cannot be taken back: %s\n", plain(text))
	}
	for _, f := range r.Foreign {
		fmt.Fprintf(w, "not deployed, because it belongs to no component that is known: %s\n", plain(f))
	}
	fmt.Fprintf(w, "grade %s for %s of %s; before is snapshot %.10s\n", r.Grade, plural(len(r.Components), "component"), plain(r.Source), r.Before)
	if r.Deployed {
		fmt.Fprintln(w, "deployed")
	}
	if r.Rollback != nil {
		writeGuardedAfter(w, r)
	}
	writeRehearsed(w, r.Rehearsal)
	fmt.Fprintf(w, "runbook %s\n", plain(filepath.Join(r.Folder, guardRunbook)))
}

// writeGuardedAfter writes what a deployment came to, and how it is taken back.
func writeGuardedAfter(w io.Writer, r guardResult) {
	for _, d := range r.Beyond {
		fmt.Fprintf(w, "beyond the package: %s %s %s\n", d.How, d.Type, plain(d.Name))
	}
	for _, name := range r.Rollback.Except {
		fmt.Fprintf(w, "not taken back, because somebody else did it: %s\n", plain(name))
	}
	for _, text := range r.Unread {
		fmt.Fprintf(w, "not compared, because it could not be read after the deployment: %s\n", plain(text))
	}
	for _, a := range r.Rollback.Actions {
		if a.Action == "cannot" {
			fmt.Fprintf(w, "cannot be taken back: %s %s: %s\n", a.Type, plain(a.Name), plain(a.Why))
		}
	}
	for _, d := range r.Otherwise {
		fmt.Fprintf(w, "not as the package has it: %s %s\n", d.Type, plain(d.Name))
	}
	records := 0
	for _, part := range r.Rollback.Records {
		for _, s := range part.Steps {
			records += s.Rows
		}
	}
	var parts []string
	if n := len(r.Rollback.Deployments); n > 0 {
		parts = append(parts, plural(n, "deployment"))
	}
	if records > 0 {
		parts = append(parts, plural(records, "row")+" of records")
	}
	if r.Rollback.Empty() && r.Rollback.Impossible+r.Rollback.Conflicts+len(r.Unread) > 0 {
		fmt.Fprintf(w, "after is snapshot %.10s; nothing that is known of can be taken back\n", r.After)
	} else if r.Rollback.Empty() {
		fmt.Fprintf(w, "after is snapshot %.10s; there is nothing to take back\n", r.After)
	} else {
		fmt.Fprintf(w, "after is snapshot %.10s; to take it back, in %s: %s\n", r.After, strings.Join(parts, " and "),
			commandLine("holdfast", "apply", operand(filepath.Join(r.Folder, guardRollback))))
	}
}
