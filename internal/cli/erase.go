package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
)

// maxRecordFile bounds the file of Ids that is read: many times what one erasure takes.
const maxRecordFile = 4 << 20

func (a *app) eraseCommand() *cobra.Command {
	in := run.EraseInput{}
	var file string
	var dry bool
	cmd := a.repoFlags(a.command(spec{
		use: "erase [RECORD]...", group: groupVerbs,
		short: "erase records from every snapshot, for good",
		long: `Takes every version of the records out of every snapshot, also out of such as have expired: what holds one is written
again without it, and the keys of what it was in are destroyed, so that nobody can read it, also where the storage lets nothing be
deleted. Without --approve it says what would be written again, and the approval that stands for just that. Afterwards
everything that can still be read is looked through. The snapshots get other Ids, so plans on them have to be made anew; a backup that runs
meanwhile has to be repeated. Delete the records in the org first, or the next backup reads them again. Plans, files
that were written out, and copies are not reached: run copy again, and destroy the rest. It cannot be undone. One that was cut short is ended, and what can still be read
is looked through, by the same command with the same approval.`,
		example: `holdfast erase 003A0000012bXyzIAE
holdfast erase 003A0000012bXyzIAE --approve 5f0c9a7be2134d68
holdfast find "SELECT Id FROM Contact WHERE Email = 'ann@example.com'" | holdfast erase --records -`,
		kinds:  append([]problem.Kind{problem.Locked, problem.Conflict}, readKinds...),
		result: run.EraseResult{}, max: snapshot.MaxErased,
	}, func(cmd *cobra.Command, args []string) error {
		var err error
		if in.Records, err = a.recordIDs(args, file); err != nil {
			return err
		}
		if dry && in.Approval != "" {
			return problem.New(problem.Usage, "both --dry-run and --approve are given").Hint("give one of them")
		}
		if in.Store, err = a.openStore(cmd.Context()); err != nil {
			return err
		}
		result, err := run.Erase(cmd.Context(), in)
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) { writeErased(w, result) })
	}))
	cmd.Flags().StringVar(&file, "records", "", "`file` with the Id of a record on each line, or - for standard input")
	cmd.Flags().StringVar(&in.Approval, "approve", "", "the `approval` that the same command gave without it")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing, as without --approve")
	return cmd
}

// recordIDs returns the arguments and the lines of the file: one column of CSV, with or without a header.
func (a *app) recordIDs(args []string, file string) ([]string, error) {
	ids := args
	if file != "" {
		in := a.in
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return nil, problem.Wrap(problem.Usage, err, "file of records")
			}
			defer func() { _ = f.Close() }()
			in = f
		}
		lines := bufio.NewScanner(io.LimitReader(in, maxRecordFile))
		for n := 0; lines.Scan(); n++ {
			id := strings.Trim(strings.TrimSpace(lines.Text()), `"`)
			if id != "" && (n > 0 || id != "Id") {
				ids = append(ids, id)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, problem.Wrap(problem.Usage, err, "file of records")
		}
	}
	if len(ids) == 0 {
		return nil, problem.New(problem.Usage, "no record is given").Hint("give Ids of records, or a file of them with --records")
	}
	return ids, nil
}

func writeErased(w io.Writer, r run.EraseResult) {
	rows := make([][]string, 0, len(r.Snapshots))
	for _, s := range r.Snapshots {
		now := s.Now
		if now != "" {
			now = "now " + now[:min(len(now), len(s.Snapshot.Short))]
		}
		rows = append(rows, []string{s.Snapshot.Short, s.Snapshot.OrgName, s.Snapshot.Kind, stamp(s.Snapshot.From), count(s.Records), now})
	}
	writeTable(w, []string{"SNAPSHOT", "ORG", "KIND", "FROM", "RECORDS", ""}, rows)
	if !r.Erased {
		fmt.Fprintf(w, "%s in %s would be erased, %s written again; nothing is done without the approval\n",
			plural(r.Versions, "record version"), plural(len(r.Snapshots), "snapshot"), size(r.Rewritten))
		fmt.Fprintf(w, "to erase them for good run the same command with --approve %s\n", r.Approval)
		return
	}
	fmt.Fprintf(w, "%s erased from %s\n", plural(r.Versions, "record version"), plural(len(r.Snapshots), "snapshot"))
	fmt.Fprintf(w, "%s can be read and hold none of them; %s deleted, %s retained by the storage, %s that no key opens\n",
		plural(r.Read, "stored object"), count(int64(r.Deleted.Objects)), count(int64(r.Retained.Objects)), plural(r.Unreadable, "stored object"))
	fmt.Fprintln(w, "bring every copy up to date with `holdfast copy`; until then it holds them")
}
