package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

func (a *app) fileCommand() *cobra.Command {
	var to string
	var in run.FileInput
	cmd := a.repoFlags(a.command(spec{
		use: "file SNAPSHOT ID", group: groupVerbs,
		short: "write one file of a snapshot out",
		long: `Writes the bytes of one file as a snapshot holds them: of a version of a document, an attachment, a document, a static
resource, or of another record with a base64 field. They are compared with the SHA-256 under which they were stored. The
file that is written is not encrypted, and nothing is overwritten. ` + "`holdfast rescue`" + ` writes all of them.`,
		example: "holdfast file latest 068000000000001AAA --to contract.pdf",
		kinds:   readKinds,
		result:  run.FileResult{}, min: 2, max: 2,
	}, func(cmd *cobra.Command, args []string) error {
		if to == "" {
			return problem.New(problem.Usage, "no file is given").Hint("name a file that does not exist with --to")
		}
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		in.Store, in.Snapshot, in.Record = store, args[0], args[1]
		in.Create = func() (io.WriteCloser, error) {
			f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return nil, problem.Newf(problem.Usage, "file %s is already there", to).
					Hint("nothing is overwritten: give another name, or remove it")
			}
			if err != nil {
				return nil, onDisk(fmt.Errorf("file %s: %w", to, err))
			}
			return f, nil
		}
		result, err := run.File(cmd.Context(), in)
		if err != nil {
			return err
		}
		return a.print(result, func(w io.Writer) {
			fmt.Fprintf(w, "%s of %s %s, %s, written to %s\n", result.File.Field, result.Object, result.ID, size(result.File.Bytes), plain(to))
			if result.Name != "" {
				fmt.Fprintf(w, "the org calls it %s\n", plain(result.Name))
			}
			fmt.Fprintf(w, "sha256 %s\n", result.File.SHA256)
		})
	}))
	cmd.Flags().StringVar(&to, "to", "", "new `file` to write to")
	cmd.Flags().StringVar(&in.Object, "object", "", "`name` of the object of the record, where its Id does not tell")
	cmd.Flags().StringVar(&in.Field, "field", "", "`name` of the field, of a record with several files")
	return cmd
}

// writeBackupFiles lists the objects of whose files something was read or lost.
func writeBackupFiles(w io.Writer, files []run.BackupFilesRow) {
	var rows [][]string
	for _, f := range files {
		if f.Read+f.Missing == 0 && f.Why == "" {
			continue
		}
		why := f.Why
		if f.Hint != "" {
			why += " (" + f.Hint + ")"
		}
		rows = append(rows, []string{f.Object, f.Mode, count(f.Held), count(f.Missing), size(f.Bytes), count(f.Read), why})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"FILES OF", "READ", "HELD", "MISSING", "SIZE", "NEW", "WHY"}, rows)
	}
}

// writeShownFiles lists the files of objects.
func writeShownFiles(w io.Writer, files []run.FilesRow) {
	var rows [][]string
	for _, f := range files {
		if f.Held+f.Missing == 0 && f.Reason == "" {
			continue
		}
		note := f.Reason
		if f.Stale {
			note = "stale: " + note
		}
		rows = append(rows, []string{f.Object, f.State, count(f.Held), count(f.Missing), size(f.Bytes), note})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"FILES OF", "STATE", "HELD", "MISSING", "SIZE", ""}, rows)
	}
}
