package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/run"
)

func (a *app) showCommand() *cobra.Command {
	var coverage, all, statement bool
	cmd := a.command(spec{
		use: "show SNAPSHOT [OBJECT [ID]]", group: groupVerbs,
		short: "show what a snapshot holds",
		long: `Shows the objects that a snapshot holds, one of them, or one record as it was. A snapshot is named by the
beginning of its Id, as long as it is the only one, or by latest. Of the objects without records only those are
listed that could not be read; the others with --all.

Metadata types are listed after the objects; components/TYPE in the place of an object lists the components of one.

With --coverage it shows what the snapshot holds of the org, in numbers that add up, and everything that it does not
hold, with the rule that left it out or why it is impossible.

With --statement it signs on a page what the snapshot holds, for somebody else to keep; the key that checks the signature
goes to standard error. ` + "`holdfast verify --statement FILE`" + ` holds the page against the repository.`,
		example: `holdfast show latest
holdfast show latest --coverage
holdfast show latest --statement > statement.txt
holdfast show 4f1c Contact
holdfast show 4f1c components/ApexClass
holdfast show 4f1c Contact 003000000000001AAA`,
		kinds:  readKinds,
		result: run.ShowResult{}, min: 1, max: 3,
	}, func(cmd *cobra.Command, args []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		in := run.ShowInput{Store: store, Snapshot: args[0], Statement: statement}
		if len(args) > 1 {
			in.Object = args[1]
		}
		if len(args) > 2 {
			in.Record = args[2]
		}
		result, err := run.Show(cmd.Context(), in)
		if err != nil {
			return err
		}
		if statement && !a.json {
			if !a.quiet {
				fmt.Fprintf(a.err, "holdfast: %s, checked by the key %s\n", whichText(result.Snapshot), plain(result.Verifier))
			}
			_, err := io.WriteString(a.out, result.Statement)
			return err
		}
		return a.print(result, func(w io.Writer) { writeShown(w, result, coverage, all || len(args) > 1) })
	})
	cmd.Flags().BoolVar(&coverage, "coverage", false, "show what is held and not held, and why")
	cmd.Flags().BoolVar(&statement, "statement", false, "sign what the snapshot holds, and print nothing else")
	cmd.Flags().BoolVar(&all, "all", false, "list the objects without records, too, and with --coverage each that is left out")
	return a.repoFlags(cmd)
}

// whichText says which snapshot is meant, where latest or the beginning of an Id was given.
func whichText(s run.SnapshotRow) string {
	return fmt.Sprintf("snapshot %s of %s (%s), %s of %s", s.Short, plain(s.OrgName), s.OrgID, s.Kind, stamp(s.To))
}

func writeWhich(w io.Writer, s run.SnapshotRow) { fmt.Fprintln(w, whichText(s)) }

func writeShown(w io.Writer, r run.ShowResult, coverage, all bool) {
	switch {
	case r.Record != nil:
		fmt.Fprintf(w, "%s %s in snapshot %s\n", r.Record.Object, r.Record.ID, r.Snapshot.Short)
		rows := make([][]string, 0, len(r.Record.Fields))
		for _, f := range r.Record.Fields {
			rows = append(rows, []string{f.Field, f.Value.String()})
		}
		writeTable(w, []string{"FIELD", "VALUE"}, rows)
		for _, f := range r.Record.Files {
			if f.Missing {
				fmt.Fprintf(w, "%s: its bytes could not be read\n", f.Field)
				continue
			}
			fmt.Fprintf(w, "%s: %s, sha256 %s\n", f.Field, size(f.Bytes), f.SHA256)
		}
	case r.Tombstone != nil:
		fmt.Fprintf(w, "%s %s is gone: deleted %s, known from the %s\n", r.Tombstone.Object, r.Tombstone.ID,
			stamp(r.Tombstone.At), plain(r.Tombstone.Evidence))
	case coverage:
		writeWhich(w, r.Snapshot)
		if r.Proof != nil {
			writeProof(w, r)
		}
		writeTable(w, []string{"OBJECT", "FIELD", "NOT HELD BECAUSE"}, coverageRows(r.Coverage, all))
	case len(r.Components) > 0:
		writeWhich(w, r.Snapshot)
		writeComponents(w, r.Components)
	default:
		writeParts(w, r, all)
		writeTypes(w, r.Types)
	}
}

// coverageRows are the lines of the coverage. Objects and types that are left out whole for one reason are one line when they are
// many: who asks for a few objects leaves a thousand out.
func coverageRows(gaps []run.GapRow, all bool) [][]string {
	many := map[string]int{}
	for _, g := range gaps {
		if g.Field == "" {
			many[g.Reason]++
		}
	}
	rows := make([][]string, 0, len(gaps))
	for _, g := range gaps {
		n := many[g.Reason]
		switch {
		case g.Field != "":
			rows = append(rows, []string{g.Object, g.Field, g.Reason})
		case n == 0: // said already
		case all || n <= shownLines:
			rows = append(rows, []string{g.Object, "(all)", g.Reason})
		default:
			rows = append(rows, []string{"(" + count(n) + ")", "(all)", g.Reason + "; --all lists them"})
			many[g.Reason] = 0
		}
	}
	return rows
}

// writeProof writes what is held, in numbers that add up, and the objects of which another number of
// records is held than the org counted.
func writeProof(w io.Writer, r run.ShowResult) {
	p := r.Proof
	held := func(what string, h run.HeldRow) {
		fmt.Fprintf(w, "%s: %s = %s held (%s stale) + %s left out by rules + %s impossible + %s missing\n", what,
			count(h.All), count(h.Held), count(h.Stale), count(h.Excluded), count(h.Impossible), count(h.Missing))
	}
	held("objects", p.Objects)
	held("fields", p.Fields)
	fmt.Fprintf(w, "records: the org counted %s, %s are held; %s more in objects that it does not count\n",
		count(p.Expected), count(p.Records), count(p.Uncounted))
	var rows [][]string
	for _, part := range r.Parts {
		if part.State == "whole" && part.Expected >= 0 && part.Expected != part.Records {
			rows = append(rows, []string{part.Object, count(part.Expected), count(part.Records)})
		}
	}
	if len(rows) > 0 {
		writeTable(w, []string{"OBJECT", "COUNTED", "HELD"}, rows)
	}
	if p.WidestObject != "" {
		fmt.Fprintf(w, "widest interval: %s, read within %s from %s on\n", p.WidestObject, p.WidestTo.Sub(p.WidestFrom), stamp(p.WidestFrom))
	}
	writeShownFiles(w, r.Files)
	fmt.Fprintf(w, "lookups to records that went: %s as first read, %s after they were read again; %s spent\n\n",
		count(p.Dangled), count(p.Dangling), plural(p.Calls, "call"))
}

// writeParts lists the objects of a snapshot. An org has hundreds, most of which are empty.
func writeParts(w io.Writer, r run.ShowResult, all bool) {
	writeWhich(w, r.Snapshot)
	fmt.Fprintf(w, "read as %s, API %s\n", plain(r.Snapshot.Username), plain(r.APIVersion))
	empty := 0
	rows := make([][]string, 0, len(r.Parts))
	for _, p := range r.Parts {
		if !all && p.Records == 0 && p.Reason == "" && !p.Stale {
			empty++
			continue
		}
		note := p.Reason
		if p.Stale {
			note = "stale: " + note
		}
		rows = append(rows, []string{
			p.Object, p.State, count(p.Records), count(int64(p.Fields)), size(p.Bytes), stamp(p.From), stamp(p.To), note,
		})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"OBJECT", "STATE", "RECORDS", "FIELDS", "STORED", "FROM", "TO", ""}, rows)
	}
	writeShownFiles(w, r.Files)
	if empty > 0 {
		fmt.Fprintf(w, "%s without records; --all lists them\n", plural(empty, "object"))
	}
}

// writeTypes lists the metadata types of a snapshot.
func writeTypes(w io.Writer, types []run.TypePartRow) {
	rows := make([][]string, 0, len(types))
	for _, t := range types {
		note := t.Reason
		if t.Stale {
			note = "stale: " + note
		} else if t.NotHeld > 0 {
			note = plural(t.NotHeld, "component") + " not held"
		}
		rows = append(rows, []string{t.Type, t.State, count(t.Components), size(t.Bytes), stamp(t.From), stamp(t.To), note})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"METADATA TYPE", "STATE", "COMPONENTS", "SIZE", "FROM", "TO", ""}, rows)
	}
}

// writeComponents lists the components of one metadata type.
func writeComponents(w io.Writer, components []run.ComponentRow) {
	rows := make([][]string, 0, len(components))
	for _, c := range components {
		note := c.Status
		switch {
		case !c.Held:
			note = "not held"
		case c.Installed:
			note = strings.TrimSpace(note + " of package " + c.Namespace)
		}
		rows = append(rows, []string{c.Name, c.ModifiedBy, stamp(c.Modified), note})
	}
	writeTable(w, []string{"COMPONENT", "CHANGED BY", "CHANGED", ""}, rows)
}
