package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

func (a *app) diffCommand() *cobra.Command {
	var objects []string
	var changes bool
	cmd := a.command(spec{
		use: "diff BEFORE AFTER", group: groupVerbs,
		short: "show what changed between two snapshots",
		long: `Shows what changed between two snapshots of one org: the numbers for each object, and with --changes every
change, field by field. Only what the snapshots do not share is read. Components of metadata are named one by one, with
who changed them last; with --changes also what differs inside: one field of an object, one permission of a profile. They
differ when they say something else, not when their order or their date does.

With --json and --changes, each change is a JSON object on a line of its own, and the last line is the
result.`,
		example: `holdfast diff 4f1c latest
holdfast diff 4f1c 9ab2 --object Contact --changes
holdfast diff 4f1c 9ab2 --object components/Profile --changes`,
		kinds:  readKinds,
		result: run.DiffResult{}, min: 2, max: 2,
	}, func(cmd *cobra.Command, args []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		in := run.DiffInput{Store: store, Before: args[0], After: args[1], Objects: objects}
		if changes {
			in.Each = a.writeChange
		}
		result, err := run.Diff(cmd.Context(), in)
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) { writeDiff(w, result, changes) })
	})
	cmd.Flags().StringArrayVar(&objects, "object", nil, "compare this `object` alone (API name); may be repeated")
	cmd.Flags().BoolVar(&changes, "changes", false, "show every change, field by field")
	return a.repoFlags(cmd)
}

// writeChange writes one change as it comes, so that any number of them needs no memory.
func (a *app) writeChange(c run.ChangeRow) error {
	if a.json {
		return a.encode(a.out, c)
	}
	if _, err := fmt.Fprintf(a.out, "%s %s %s\n", c.Kind, c.Object, c.ID); err != nil {
		return problem.Wrap(problem.Failed, err, "write the change")
	}
	for _, f := range c.Fields {
		if _, err := fmt.Fprintln(a.out, plain(changedField(f))); err != nil {
			return problem.Wrap(problem.Failed, err, "write the change")
		}
	}
	return nil
}

// changedField shows a changed value to a person.
func changedField(f run.FieldChangeRow) string {
	switch {
	case f.Before.IsZero():
		return fmt.Sprintf("  %s: %s", f.Field, f.After)
	case f.After.IsZero():
		return fmt.Sprintf("  %s: was %s", f.Field, f.Before)
	}
	return fmt.Sprintf("  %s: %s -> %s", f.Field, f.Before, f.After)
}

func writeDiff(w io.Writer, r run.DiffResult, parts bool) {
	if len(r.Objects) > 0 {
		rows := make([][]string, 0, len(r.Objects))
		for _, o := range r.Objects {
			rows = append(rows, []string{o.Object, count(o.Created), count(o.Updated), count(o.Deleted), count(o.Fields), o.Note})
		}
		writeTable(w, []string{"OBJECT", "CREATED", "UPDATED", "DELETED", "FIELDS", ""}, rows)
	}
	writeComponentDiffs(w, r.Components, parts)
	fmt.Fprintf(w, "from %s to %s: %s created, %s updated, %s deleted; %s without a difference\n", r.Before.Short, r.After.Short,
		count(r.Totals.Created), count(r.Totals.Updated), count(r.Totals.Deleted), plural(r.Same, "object"))
}

// writeComponentDiffs lists components that differ, and what differs inside them.
func writeComponentDiffs(w io.Writer, diffs []run.ComponentDiff, parts bool) {
	for _, d := range diffs {
		line := fmt.Sprintf("%s %s %s", d.How, d.Type, d.Name)
		if d.Status != "" {
			line += ", now " + d.Status
		}
		if d.ModifiedBy != "" {
			line += " (" + d.ModifiedBy + ", " + stamp(d.Modified) + ")"
		}
		fmt.Fprintln(w, plain(line))
		if !parts {
			continue
		}
		for _, p := range d.Parts {
			fmt.Fprintln(w, "  "+plain(strings.Join(strings.Fields(p.How+" "+p.File+" "+p.Element+" "+p.Key), " ")))
		}
	}
	if len(diffs) > 0 {
		fmt.Fprintf(w, "%s\n", plural(len(diffs), "component"))
	}
}
