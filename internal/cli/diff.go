package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// compareFlags choose what of the metadata is compared.
type compareFlags struct {
	types, components, except, how []string
	html                           string
}

func (f *compareFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.types, "type", nil, "compare components of this `type` alone; * stands for any text; may be repeated")
	flags.StringArrayVar(&f.components, "component", nil, "compare this `component` alone, as TYPE:NAME; * stands for any text; may be repeated")
	flags.StringArrayVar(&f.except, "except", nil, "leave this `component` out, as TYPE:NAME; * stands for any text; may be repeated")
	flags.StringArrayVar(&f.how, "how", nil, "show this `difference` alone: added, removed or changed; may be repeated")
	flags.StringVar(&f.html, "html", "", "new `file` to write a page to that shows the components side by side")
}

func (f *compareFlags) any() bool {
	return len(f.types)+len(f.components)+len(f.except)+len(f.how) > 0 || f.html != ""
}

// run compares components, and writes the page.
func (f *compareFlags) run(ctx context.Context, s *sides, before, after run.Side,
	compare func(context.Context, run.CompareInput) (run.DiffResult, error),
) (run.DiffResult, error) {
	page, err := openSideBySide(f.html)
	if err != nil {
		return run.DiffResult{}, err
	}
	in := run.CompareInput{
		Store: s.store, Before: before, After: after, Types: f.types, Components: f.components, Except: f.except, How: f.how,
	}
	if page != nil {
		in.Each = page.add
	}
	result, err := compare(ctx, in)
	s.end()
	ended := err
	if kind := problem.KindOf(err); kind == problem.Findings || kind == problem.Partial {
		ended = nil
	}
	if closed := page.close(result, ended); closed != nil {
		return result, closed
	}
	return result, err
}

// diffText is the help of diff.
const diffText = `Shows what changed between two snapshots of one org: the numbers for each object, and with --changes every
change, field by field. Only what the snapshots do not share is read, and the records of objects whose fields changed.
Components of metadata are named one by one, with who changed them last; with --changes also what differs inside: one field
of an object, one permission of a profile, one element of a flow, with its values. They differ when they say something else,
not when their order or their date does. Where fields are removed or changed, the records and values under them are counted.

Each of the two may be something else than a snapshot; then their metadata alone is compared, as it is with --type,
--component, --except, --how or --html:

` + sidesText + `

Of a project, types of which it has nothing are left out and named, unless they are asked for: what is in no project was not
removed from it. ` + "`--how changed --how removed`" + ` shows what an org says otherwise than a project, and not what it has besides.

With --json and --changes, each change of a record is a JSON object on a line of its own, and the last line is the
result.`

func (a *app) diffCommand() *cobra.Command {
	var objects []string
	var changes bool
	var chosen compareFlags
	cmd := a.command(spec{
		use: "diff BEFORE AFTER", group: groupVerbs,
		short: "show what differs between two snapshots, orgs, projects or Git revisions",
		long:  diffText,
		example: `holdfast diff 4f1c latest
holdfast diff 4f1c 9ab2 --object Contact --changes
holdfast diff 4f1c 9ab2 --object components/Profile --changes
holdfast diff ./force-app org:prod --how changed --how removed
holdfast diff git:v1.4:force-app git:main:force-app --html release.html
holdfast diff latest org:prod --type Profile --component PermissionSet:Sales* --changes`,
		kinds:  append([]problem.Kind{problem.Unreachable, problem.Unauthorized, problem.Limits}, readKinds...),
		result: run.DiffResult{}, min: 2, max: 2,
	}, func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if isSnapshot(args[0]) && isSnapshot(args[1]) && !chosen.any() {
			store, err := a.openStore(ctx)
			if err != nil {
				return err
			}
			in := run.DiffInput{Store: store, Before: args[0], After: args[1], Objects: objects}
			if changes {
				in.Each = a.writeChange
			}
			result, err := run.Diff(ctx, in)
			if err != nil {
				return err
			}
			return a.print(result, func(w io.Writer) { writeDiff(w, result, changes) })
		}
		if len(objects) > 0 {
			return problem.New(problem.Usage, "diff: --object is about two snapshots").Hint("name types of metadata with --type")
		}
		s := &sides{app: a, cmd: cmd}
		before, err := s.read(ctx, args[0])
		if err != nil {
			return err
		}
		after, err := s.read(ctx, args[1])
		if err != nil {
			return err
		}
		result, err := chosen.run(ctx, s, before, after, run.Compare)
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) {
			writeCompared(w, result, changes)
			if chosen.html != "" {
				fmt.Fprintf(w, "side by side in %s\n", plain(chosen.html))
			}
		})
	})
	shareFlag(cmd)
	chosen.add(cmd)
	cmd.Flags().StringArrayVar(&objects, "object", nil, "compare this `object` alone (API name); may be repeated")
	cmd.Flags().BoolVar(&changes, "changes", false, "show every change, field by field")
	return a.repoFlags(cmd)
}

// writeCompared shows a comparison of metadata.
func writeCompared(w io.Writer, r run.DiffResult, parts bool) {
	for _, o := range r.Objects {
		fmt.Fprintf(w, "%s: %s\n", o.Object, o.Note)
	}
	writeComponentDiffs(w, r.Components, parts)
	writeData(w, r.Data)
	fmt.Fprintf(w, "%s: %s\n%s: %s\n%s without a difference\n", sideName(r, 0), plural(r.Sides[0].Components, "component"),
		sideName(r, 1), plural(r.Sides[1].Components, "component"), plural(r.Same, "type"))
}

// writeData shows the data that changes of the schema touch.
func writeData(w io.Writer, rows []run.DataRow) {
	for _, d := range rows {
		name := d.Object
		if d.Field != "" {
			name += "." + d.Field
		}
		if !d.Held {
			fmt.Fprintf(w, "data under %s, which is %s: not held by the snapshot\n", name, d.How)
			continue
		}
		fmt.Fprintf(w, "data under %s, which is %s: %s of %s\n", name, d.How, plural(d.Values, "value"), plural(d.Records, "record"))
	}
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

// changedValue shows a value inside a part to a person.
func changedValue(v run.ValueDiff) string {
	text := fmt.Sprintf("%s: %q -> %q", v.Path, v.Before, v.After)
	return strings.TrimPrefix(text, ": ")
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
	writeData(w, r.Data)
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
			for _, v := range p.Values {
				fmt.Fprintln(w, "    "+plain(changedValue(v)))
			}
		}
	}
	if len(diffs) > 0 {
		fmt.Fprintf(w, "%s\n", plural(len(diffs), "component"))
	}
}
