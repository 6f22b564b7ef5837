package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

func (a *app) findCommand() *cobra.Command {
	in := run.FindInput{}
	cmd := a.repoFlags(a.command(spec{
		use: "find QUERY", group: groupVerbs,
		short: "query the records of a snapshot with SOQL",
		long: `Evaluates a SOQL query over one object of an org as a snapshot holds it: SELECT of fields, FIELDS(ALL) or COUNT(),
with WHERE, ORDER BY, LIMIT and OFFSET. It prints CSV, in which null is nothing between two commas and every other value is
in quotes, by Id unless ORDER BY says otherwise. Any number of records passes through the same memory; ORDER BY without a
LIMIT puts 100,000 in order at most. TODAY and its like are as of now. Fields of parents (Account.Name) and semi-joins
(AccountId IN (SELECT …)) hold one value of each record they look at, a million at most. Sub-queries in SELECT and
aggregates cannot be asked.

With --json each record is a JSON object on a line of its own, and the last line is the result.`,
		example: `holdfast find "SELECT Id, Name FROM Account WHERE Industry = 'Energy'"
holdfast find "SELECT COUNT() FROM Contact" --at 2026-03-01
holdfast find "SELECT LastName, Account.Name FROM Contact WHERE Account.Industry = 'Energy'"
holdfast find "SELECT FIELDS(ALL) FROM Case WHERE Subject LIKE '%outage%' ORDER BY CreatedDate DESC LIMIT 20" --at 4f1c`,
		kinds:  append([]problem.Kind{problem.Limits}, readKinds...),
		result: run.FindResult{}, min: 1, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		in.Store, in.Query, in.Now = store, args[0], a.now()
		in.Begin, in.Each = a.writeFields, a.writeFound
		result, err := run.Find(cmd.Context(), in)
		if err != nil {
			return err
		}
		if a.json {
			return a.encode(a.out, result)
		}
		if len(result.Fields) == 0 {
			_, err = fmt.Fprintln(a.out, result.Found)
			return err
		}
		stale := ""
		if result.Stale {
			stale = ", stale"
		}
		a.notice(fmt.Sprintf("%s of snapshot %s, read %s to %s%s: %s", result.Object, result.Snapshot.Short, stamp(result.From),
			stamp(result.To), stale, plural(int(result.Found), "record")))
		return nil
	}))
	cmd.Flags().StringVar(&in.At, "at", "", strings.Replace(momentFlag, "up to", "as of", 1))
	cmd.Flags().StringVar(&in.Org, "org", "", orgFlag)
	return cmd
}

// writeFields writes the line of names of the CSV.
func (a *app) writeFields(fields []string) error {
	if a.json {
		return nil
	}
	_, err := fmt.Fprintln(a.out, strings.Join(fields, ","))
	return writing(err)
}

// writeFound writes one record as it comes, so that any number of them needs no memory.
func (a *app) writeFound(r run.FoundRow) error {
	var line bytes.Buffer
	for i, f := range r.Values {
		if i > 0 {
			line.WriteByte(',')
		}
		switch {
		case a.json:
			name, err := json.Marshal(f.Field)
			if err != nil {
				return err
			}
			line.Write(name)
			line.WriteByte(':')
			if err := a.encode(&line, f.Value); err != nil {
				return err
			}
			line.Truncate(line.Len() - 1) // the line feed
		case !f.Value.IsNull():
			line.WriteByte('"')
			line.WriteString(strings.ReplaceAll(f.Value.Text(), `"`, `""`))
			line.WriteByte('"')
		}
	}
	text := line.String()
	switch {
	case a.json:
		text = "{" + text + "}"
	case terminal(a.out):
		text = plain(text)
	}
	_, err := fmt.Fprintln(a.out, text)
	return writing(err)
}

func writing(err error) error {
	if err == nil {
		return nil
	}
	return problem.Wrap(problem.Failed, err, "write the records")
}
