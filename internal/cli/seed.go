package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/capture"
	"holdfast/internal/mask"
	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// seedResult is what `seed --json` prints.
type seedResult struct {
	Seed    run.SeedResult `json:"seed" doc:"what was prepared"`
	Restore restoreResult  `json:"restore" doc:"the plan that brings it into the org"`
}

// maskFlags say how values are masked.
type maskFlags struct{ rules, key string }

func (m *maskFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.rules, "mask", "", "`file` of rules: OBJECT.FIELD and, if need be, a method, one a line")
	cmd.Flags().StringVar(&m.key, "mask-key-file", "", "`file` with the key of the pseudonyms, 16 bytes or more; the same key gives the same ones")
}

// read returns the rules and the key, or nothing when there is no mask.
func (m *maskFlags) read() (rules string, key []byte, err error) {
	if (m.rules == "") != (m.key == "") {
		return "", nil, problem.New(problem.Usage, "rules and the key of a mask are given together").
			Hint("give both --mask and --mask-key-file; `head -c 32 /dev/urandom > mask.key` makes a key")
	}
	if m.rules == "" {
		return "", nil, nil
	}
	text, err := os.ReadFile(m.rules)
	if err == nil {
		key, err = os.ReadFile(m.key)
	}
	if err != nil {
		return "", nil, problem.Wrap(problem.Usage, err, "mask")
	}
	if key = bytes.TrimRight(key, "\r\n"); len(key) < mask.KeyBytes {
		return "", nil, problem.Newf(problem.Usage, "the key of the mask has %d bytes, at least %d are needed", len(key), mask.KeyBytes).
			Hint("`head -c 32 /dev/urandom > mask.key` makes one")
	}
	return string(text), key, nil
}

func (a *app) seedCommand() *cobra.Command {
	var in run.SeedInput
	var restore run.RestoreInput
	var masks maskFlags
	var planFile string
	var makeOwn bool
	cmd := a.command(spec{
		use: "seed ORG", group: groupVerbs,
		short: "plan how to fill another org from a snapshot, with pseudonyms if asked",
		long: `Prepares records of a snapshot for another org, such as a sandbox, and writes the plan that brings them there,
which ` + "`holdfast apply`" + ` carries out. The records get new Ids and every relation follows. Users, record types,
profiles, roles, queues, business hours and the standard price book are found under their names and never made.

Records that the other org has already, by an external Id that is unique in both or by a field that --match
names and that is proved to be unique, are brought up to date instead of made. What a seed has made is recognised
by every later one from the same repository. With --own-id its records keep the Id of the record that they are of in a field of their
own, by which a seed from any repository recognises them; --make-own-ids makes that field, which is all that is ever
written to the other org before the plan is applied.`,
		example: `holdfast seed sandbox --from prod --object Account --object Contact --plan seed.plan
holdfast seed sandbox --from prod --object Account --own-id Account --make-own-ids --plan seed.plan
holdfast seed sandbox --from prod --object Contact --mask rules.txt --mask-key-file mask.key --plan seed.plan
holdfast seed sandbox --snapshot 4f1c --object Account --match Account.AccountNumber`,
		kinds: []problem.Kind{
			problem.Partial, problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.Limits,
		},
		result: seedResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error {
		if (in.Snapshot == "") == (in.From == "") {
			return problem.New(problem.Usage, "seed: where the records come from is to be given, and once").
				Hint("--from ORG takes the newest backup of that org, --snapshot names any")
		}
		var err error
		if in.MaskRules, in.MaskKey, err = masks.read(); err != nil {
			return err
		}
		if makeOwn && len(in.OwnIDs) == 0 {
			return problem.New(problem.Usage, "seed: --make-own-ids is about the objects of --own-id").Hint("name objects with --own-id")
		}
		return a.seed(cmd, args[0], in, restore, planFile, makeOwn)
	})
	shareFlag(cmd)
	bypassFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&in.Snapshot, "snapshot", "", "`snapshot` of the first org")
	flags.StringVar(&in.From, "from", "", "first `org`, of which the newest backup is taken")
	flags.StringArrayVar(&in.Objects, "object", nil, "bring records of this `object`, and what they refer to; may be repeated")
	flags.StringArrayVar(&in.Match, "match", nil, "`field`, as Object.Field, by which records of both orgs are the same; may be repeated")
	flags.StringArrayVar(&in.OwnIDs, "own-id", nil, "`object` whose records keep, in the other org, the Id of the record that they are of, in the field Holdfast_Id__c or as Object.Field; may be repeated")
	flags.BoolVar(&makeOwn, "make-own-ids", false, "with --own-id: make these fields where the other org lacks them, by a deployment, before the plan is made")
	flags.StringArrayVar(&restore.Records, "record", nil, "bring the record with this `Id` of the first org alone, and what it refers to; may be repeated")
	flags.StringVar(&restore.Query, "query", "", "`SOQL` with FROM and WHERE that selects among the prepared records, whose values are masked")
	flags.IntVar(&restore.Children, "children", 0, "`steps` in which records that refer to selected ones are taken in")
	flags.BoolVar(&restore.AutomationOff, "automation-off", false, "switch off the triggers, flows and rules that act on the rows while the plan is applied, and put them back")
	flags.StringVar(&restore.Owner, "owner", "", "`user` or queue of the other org that owns what has no owner there; default: who seeds")
	flags.IntVar(&restore.MaxRows, "max-rows", 0, "`number` of records that the plan may touch at most; 0 is 100,000")
	flags.StringVar(&planFile, "plan", "", "`file` to write the plan to; it must not exist")
	masks.add(cmd)
	return a.repoFlags(cmd)
}

func (a *app) seed(cmd *cobra.Command, name string, in run.SeedInput, restore run.RestoreInput, planFile string, makeOwn bool) error {
	ctx := cmd.Context()
	if err := freePlan(planFile); err != nil {
		return err
	}
	store, manners, org, err := a.openWithOrg(cmd, name)
	if err != nil {
		return err
	}
	if restore.Bypass, err = bypassOf(cmd, name, manners); err != nil {
		return err
	}
	if in.Snapshot == "" {
		in.Snapshot = "latest"
	}
	in.Target, in.Store, in.OrgName = org, store, name
	if makeOwn {
		in.MakeOwnIDs = org
	}
	prepared, err := run.Seed(ctx, in)
	if err != nil {
		return fmt.Errorf("seed %s: %w", name, err)
	}
	shown := a.newProgress("seed " + name)
	restore.Snapshot, restore.Source, restore.Store, restore.Metadata = prepared.Snapshot.ID, org, store, org
	restore.Journals = journalsBeside(planFile)
	restore.Capture = capture.Options{OrgName: name, Rules: rulesOf(manners), Progress: shown.captured}
	if restore.Records, err = run.SeededIDs(ctx, store, prepared, restore.Records); err != nil {
		return err
	}
	result, err := run.Restore(ctx, restore)
	shown.end()
	if err != nil && result.Plan == nil {
		return fmt.Errorf("seed %s: %w", name, err)
	}
	out := seedResult{Seed: prepared, Restore: restoreResult{RestoreResult: result}}
	var failed error
	if out.Restore.PlanFile, failed = keepPlan(planFile, result.File, len(result.Steps) == 0); failed != nil {
		return failed
	}
	return errors.Join(a.print(out, func(w io.Writer) {
		writeSeed(w, prepared)
		writeRestore(w, out.Restore)
	}), err)
}

func writeSeed(w io.Writer, r run.SeedResult) {
	fmt.Fprintf(w, "prepared %s from %s\n", r.Snapshot.Short, r.From.Short)
	if len(r.MadeOwnIDs) > 0 {
		fmt.Fprintf(w, "made in the other org, and shown to the user: %s\n", strings.Join(r.MadeOwnIDs, " "))
	}
	var rows [][]string
	for _, o := range r.Objects {
		if o.Records == 0 {
			continue
		}
		rows = append(rows, []string{o.Object, count(o.Records), count(o.Matched), strings.Join(slices.DeleteFunc([]string{o.OwnID, o.Key}, func(s string) bool { return s == "" }), " "), fieldList(o.Without)})
	}
	writeTable(w, []string{"OBJECT", "RECORDS", "THERE", "BY", "WITHOUT"}, rows)
	for _, n := range r.Names {
		if n.Missing > 0 {
			fmt.Fprintf(w, "%s of %s found under their names, %s not\n", count(n.Found), n.Object, count(n.Missing))
		}
	}
	if len(r.Masked) > 0 {
		fmt.Fprintf(w, "masked: %s\n", strings.Join(r.Masked, " "))
	}
	writeBlanked(w, r.Blanked)
}

// writeBlanked tells the fields that a mask could only empty.
func writeBlanked(w io.Writer, fields []string) {
	if len(fields) > 0 {
		fmt.Fprintf(w, "emptied, as no pseudonym fits: %s\n", strings.Join(fields, " "))
	}
}
