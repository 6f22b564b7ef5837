package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce/csv"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// loadResult is what `load --json` prints.
type loadResult struct {
	run.RestoreResult
	PlanFile string           `json:"plan_file,omitempty" doc:"where the plan was written"`
	Applied  *run.ApplyResult `json:"applied,omitempty" doc:"with an approval: what was done"`
	Success  int              `json:"success" doc:"rows in success.csv"`
	Errors   int              `json:"errors" doc:"rows in error.csv"`
}

// loadFlags are the flags of load.
type loadFlags struct {
	object, op, key, plan, approve, results string
	automationOff, unwatched                bool
	maxRows, hardDelete                     int
}

func (a *app) loadCommand() *cobra.Command {
	var given loadFlags
	cmd := a.command(spec{
		use: "load ORG FILE", group: groupVerbs,
		short: "plan how rows of a CSV file come into an org, and load them once that is approved",
		long: `Reads a CSV file, observes the org, and makes a plan of what the rows do to it: how many records are inserted, updated or
deleted, in which order, what the org would refuse, and what acts on them. Without --plan that is only shown. Nothing is
written to the org until the same command is given the approval of the plan.

The header names fields by their API names. An update or a deletion finds records by the column Id, an upsert by --key. A row that
finds none is refused, except by an upsert, which inserts it. An empty cell leaves its field as it is; #N/A makes it null. Cells that
are in the org already are not sent. Deleted records go to the Recycle Bin, but for those of --op hard-delete: they are gone
for good. It needs the permission "Bulk API Hard Delete", and its plan is applied only with --hard-delete and how many records it
deletes; taking it back inserts them again, with new Ids.

With --approve the plan is applied under a journal, PLAN.journal: after a crash run the command again. The org is observed again and
what is not as planned is listed. --results is a new folder for success.csv and error.csv, which have every row of the file with
its number and its Id, or the reason of the refusal. ` + "`holdfast restore ORG --undo-applied PLAN`" + ` plans how it is taken back.`,
		example: `holdfast load prod contacts.csv --object Contact --op update
holdfast load prod contacts.csv --object Contact --op upsert --key Email --plan contacts.plan
holdfast load prod contacts.csv --object Contact --op upsert --key Email --plan contacts.plan --approve 9f2c… --results out
holdfast load prod gone.csv --object Contact --op hard-delete --plan gone.plan
holdfast load prod gone.csv --object Contact --op hard-delete --plan gone.plan --approve 9f2c… --hard-delete 120`,
		kinds: []problem.Kind{
			problem.Partial, problem.NoRepository, problem.Locked, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.NotVerified, problem.Limits,
		},
		result: loadResult{}, min: 2, max: 2, org: true,
	}, func(cmd *cobra.Command, args []string) error { return a.load(cmd, args[0], args[1], given) })
	shareFlag(cmd)
	bypassFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&given.object, "object", "", "`object` of the rows (API name)")
	flags.StringVar(&given.op, "op", "", "`operation`: insert, update, upsert, delete or hard-delete")
	flags.StringVar(&given.key, "key", "", "with upsert: the `field` by which records are found; default Id")
	flags.StringVar(&given.plan, "plan", "", "`file` to write the plan to, or with --approve that of the plan")
	flags.StringVar(&given.approve, "approve", "", "`digest` of the plan that was reviewed: it is applied")
	flags.StringVar(&given.results, "results", "", "with --approve: new `folder` for success.csv and error.csv")
	flags.BoolVar(&given.unwatched, "no-watchdog", false, noWatchdogUsage)
	flags.BoolVar(&given.automationOff, "automation-off", false, "switch off the triggers, flows and rules that act on the rows while the plan is applied, and put them back")
	flags.IntVar(&given.hardDelete, "hard-delete", 0, "with --approve: "+hardDeleteUsage)
	flags.IntVar(&given.maxRows, "max-rows", 0, "`number` of records that the plan may touch at most; 0 is 100,000")
	return a.repoFlags(cmd)
}

func (a *app) load(cmd *cobra.Command, name, path string, given loadFlags) error {
	switch {
	case given.object == "" || given.op == "":
		return problem.New(problem.Usage, "load: what the rows are and what is done with them is not said").Hint("give --object and --op")
	case given.approve != "" && given.plan == "":
		return problem.New(problem.Usage, "load: which plan is approved is not said").Hint("give --plan")
	case given.results != "" && given.approve == "":
		return problem.New(problem.Usage, "load: --results goes with --approve alone").Hint("without an approval nothing is loaded")
	case given.hardDelete != 0 && given.approve == "":
		return problem.New(problem.Usage, "load: --hard-delete goes with --approve alone").Hint("make the plan with --op hard-delete and review it first")
	case given.key != "" && given.op != string(run.LoadUpsert):
		return problem.New(problem.Usage, "load: --key goes with --op upsert alone").Hint("others find records by the column Id")
	}
	in := run.LoadInput{Object: given.object, Op: run.LoadOp(given.op), Key: given.key}
	var err error
	if in.Columns, in.Rows, err = readLoad(path); err != nil {
		return err
	}
	if given.approve != "" {
		return a.applyLoad(cmd, name, in, given)
	}
	if err := freePlan(given.plan); err != nil {
		return err
	}
	store, err := a.openStore(cmd.Context())
	if err != nil {
		return err
	}
	manners, err := a.mannersWithShare(cmd, name)
	if err != nil {
		return err
	}
	bypass, err := bypassOf(cmd, name, manners)
	if err != nil {
		return err
	}
	org, err := a.connect(cmd.Context(), name, budgetOf(manners))
	if err != nil {
		return err
	}
	shown := a.newProgress("load " + name)
	in.Restore = run.RestoreInput{
		Source: org, Store: store, Metadata: org, AutomationOff: given.automationOff, Bypass: bypass, MaxRows: given.maxRows,
		Journals: journalsBeside(given.plan),
		Capture:  capture.Options{OrgName: name, Rules: rulesOf(manners), Progress: shown.captured},
	}
	result, err := run.Load(cmd.Context(), in)
	shown.end()
	if err != nil && result.Plan == nil {
		return fmt.Errorf("load %s into %s: %w", path, name, err)
	}
	out := loadResult{RestoreResult: result.RestoreResult}
	var failed error
	if out.PlanFile, failed = keepPlan(given.plan, result.File, len(result.Steps) == 0); failed != nil {
		return failed
	}
	return errors.Join(a.print(out, func(w io.Writer) { writeLoad(w, out, len(in.Rows)) }), err)
}

func writeLoad(w io.Writer, r loadResult, rows int) {
	fmt.Fprintf(w, "%s, on the org as of %s\n", plural(rows, "row"), stamp(r.Live.To))
	writeSummary(w, r.Plan)
	writeForecastOf(w, r.Forecast)
	switch {
	case len(r.Steps) == 0:
		fmt.Fprintln(w, "nothing is to be done, so that there is no plan")
	case r.PlanFile == "":
		fmt.Fprintln(w, "this was a dry run; write the plan with --plan FILE")
	default:
		fmt.Fprintf(w, "plan %s\ndigest %s\nreview it, then run the same command with --approve\n", plain(r.PlanFile), r.Digest)
	}
}

// maxLoadRow is how long a row may be, in bytes. Source: Bulk API 2.0 and Bulk API Developer Guide, "Limits": a record has
// 400,000 characters at most, of which each takes four bytes at most.
const maxLoadRow = 4 << 20

// readLoad reads a CSV file: its header, and its rows.
func readLoad(path string) (columns []string, rows [][]string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, onDisk(fmt.Errorf("rows to load: %w", err))
	}
	defer func() { _ = f.Close() }()
	reader := csv.NewReader(f, maxLoadRow)
	for {
		fields, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, problem.Wrap(problem.Usage, err, "rows of "+path)
		}
		row := make([]string, len(fields))
		for i, field := range fields {
			row[i] = string(field)
		}
		switch {
		case columns == nil:
			row[0] = strings.TrimPrefix(row[0], "\ufeff") // of a file that a spreadsheet wrote
			columns = row
		case len(rows) == plan.MaxRows:
			return nil, nil, problem.Newf(problem.Limits, "%s has more than %d rows", path, plan.MaxRows).Hint("divide it")
		default:
			rows = append(rows, row)
		}
	}
	if columns == nil {
		return nil, nil, problem.Newf(problem.Usage, "%s is empty", path).Hint("its first line names fields")
	}
	return columns, rows, nil
}

// applyLoad applies the plan of a load, and writes what became of each row.
func (a *app) applyLoad(cmd *cobra.Command, name string, in run.LoadInput, given loadFlags) error {
	ctx := cmd.Context()
	file, err := readPlanFile(given.plan)
	if err != nil {
		return err
	}
	p, err := readPlan(given.plan, file)
	if err != nil {
		return err
	}
	at, err := a.applyAt(cmd, p.Org, name)
	if err != nil {
		return err
	}
	in.Restore = run.RestoreInput{Source: at.org, Store: at.store}
	ids, err := run.LoadedRows(ctx, in, p)
	if err != nil {
		return fmt.Errorf("load: the rows are not those of plan %s: %w", given.plan, err)
	}
	if err := planHas(p, ids); err != nil {
		return err
	}
	watched, err := a.watch(ctx, p.Switches(), at, given.plan, given.plan+".journal", given.unwatched)
	if err != nil {
		return err
	}
	defer watched.release()
	var root *os.Root
	if given.results != "" {
		if root, err = newFolder(given.results); err != nil {
			return err
		}
		defer func() { _ = root.Close() }()
	}
	shown := a.newProgress("load " + name)
	applied, err := run.Apply(ctx, run.ApplyInput{
		Org: at.org, Store: at.store, File: file, Digest: strings.TrimPrefix(given.approve, "sha256:"), Journal: given.plan + ".journal",
		Journals: journalsBeside(given.plan), Deployer: at.org, HardDelete: given.hardDelete, Options: apply.Options{Progress: shown.applied},
		Capture: capture.Options{OrgName: at.name, Rules: at.rules, Progress: shown.captured},
	})
	shown.end()
	if !applied.Ended {
		if root != nil {
			_ = os.Remove(given.results) // what became of the rows is not known before the end
		}
		return errors.Join(fmt.Errorf("load: %w", err))
	}
	out := loadResult{PlanFile: given.plan, Applied: &applied}
	out.OrgID, out.Digest = applied.OrgID, applied.Digest
	if root != nil {
		rows := loadedRows{in: in, ids: ids, applied: applied, conflicts: p.Conflicts}
		if out.Success, out.Errors, err = rows.write(ctx, root, err); out.Success+out.Errors == 0 {
			return err
		}
	}
	return errors.Join(a.print(out, func(w io.Writer) {
		writeApplied(w, applied)
		if root != nil {
			fmt.Fprintf(w, "%s in %s, %s in %s\n", plural(out.Success, "row"), filepath.Join(given.results, "success.csv"),
				plural(out.Errors, "row"), filepath.Join(given.results, "error.csv"))
		}
	}), err)
}

// planHas refuses rows of another file than the plan was made of: every record of the plan is of a row.
func planHas(p *plan.Plan, ids []sf.ID) error {
	of := make(map[sf.ID]bool, len(ids))
	for _, id := range ids {
		of[id] = true
	}
	for _, s := range p.Steps {
		for _, r := range s.Rows {
			if !of[r.ID] && !s.Op.Deletes() {
				return problem.Newf(problem.Conflict, "load: %s %s of the plan is of no row of the file", s.Object, r.ID).
					Hint("give the file, the object and the operation that the plan was made of")
			}
		}
	}
	return nil
}

// loadedRows is what became of the rows of a file.
type loadedRows struct {
	in        run.LoadInput
	ids       []sf.ID
	applied   run.ApplyResult
	conflicts []state.Conflict
}

// write writes success.csv and error.csv; err is that of the application, and comes back.
func (l loadedRows) write(_ context.Context, root *os.Root, err error) (success, failed int, _ error) {
	refused, now, created := map[sf.ID]string{}, map[sf.ID]sf.ID{}, map[sf.ID]bool{}
	for _, c := range l.conflicts {
		refused[c.ID] = "HOLDFAST_CONFLICT: " + c.Reason
	}
	for _, e := range l.applied.Errors {
		if refused[e.ID] == "" {
			refused[e.ID] = e.Code + ": " + e.Message
		}
	}
	for _, p := range l.applied.NewIDs {
		now[p.Old], created[p.Old] = p.New, true
	}
	header := append([]string{"sf__Row", "sf__Id", "sf__Created"}, l.in.Columns...)
	good := csv.AppendRow(nil, header)
	header[2] = "sf__Error"
	bad := csv.AppendRow(nil, header)
	for i, id := range l.ids {
		live := id
		switch {
		case created[id]:
			live = now[id]
		case l.in.Op == run.LoadInsert:
			live = ""
		}
		head := []string{strconv.Itoa(i + 1), string(live)}
		if why := refused[id]; why != "" {
			failed++
			bad = append(bad, csv.AppendRow(nil, append(append(head, why), l.in.Rows[i]...))...)
			continue
		}
		success++
		good = append(good, csv.AppendRow(nil, append(append(head, strconv.FormatBool(created[id])), l.in.Rows[i]...))...)
	}
	for name, body := range map[string][]byte{"success.csv": good, "error.csv": bad} {
		f, failure := createIn(root, name)
		if failure == nil {
			_, failure = io.Copy(f, bytes.NewReader(body))
			failure = errors.Join(failure, f.Close())
		}
		err = errors.Join(err, failure)
	}
	return success, failed, err
}
