package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// rescueText is the help of rescue.
const rescueText = `Writes every object of a snapshot as a file, the schema as JSON, the files of records (attachments, versions of
documents and the like) under their Ids, with a list of them, and metadata as an SFDX project in the folder metadata, into a
new folder. It needs the repository
and a key, and nothing else: no org, no network, nothing that this machine remembers. In CSV, null is nothing between two
commas and every other value is in quotes. Parquet has a typed column for each field, for warehouses and DuckDB; numbers
are doubles there, and those with more digits are counted. SQLite is one file, records.sqlite, with a table for each object;
numbers that a double does not hold are text there. The files are not encrypted. With --mask, values are pseudonyms
under a key; fields that the org computes of others and the files of records are left out.`

func (a *app) rescueCommand() *cobra.Command {
	var to, format string
	var masks maskFlags
	in := run.RescueInput{}
	cmd := a.repoFlags(a.command(spec{
		use: "rescue SNAPSHOT", group: groupVerbs,
		short:   "write a snapshot out as plain files",
		long:    rescueText,
		example: "holdfast rescue latest --to /secure/out\nholdfast rescue 3f9c2a81d0 --object Account --object Contact --format parquet --to out",
		kinds:   append([]problem.Kind{problem.Partial}, readKinds...),
		result:  run.RescueResult{}, min: 1, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		if to == "" {
			return problem.New(problem.Usage, "no folder is given").Hint("name a folder that does not exist with --to")
		}
		var err error
		if in.MaskRules, in.MaskKey, err = masks.read(); err != nil {
			return err
		}
		a.rescuing = true
		if in.Store, err = a.openStore(cmd.Context()); err != nil {
			return err
		}
		in.Snapshot = args[0]
		result, err := writeOut(cmd.Context(), in, to, format)
		if err != nil && problem.KindOf(err) != problem.Partial {
			return err
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeRescued(w, result) }), err)
	}))
	cmd.Flags().StringVar(&to, "to", "", "new `folder` to write to")
	cmd.Flags().StringVar(&format, "format", "csv", "`form` of the files: csv, parquet or sqlite")
	cmd.Flags().StringArrayVar(&in.Objects, "object", nil, "`name` of an object, instead of all; may be repeated")
	masks.add(cmd)
	return cmd
}

// writeOut writes records in a form that is csv, parquet or sqlite into a new folder, which does not stay when nothing
// comes into it.
func writeOut(ctx context.Context, in run.RescueInput, to, format string) (run.RescueResult, error) {
	if in.Parquet = format == "parquet"; !in.Parquet && format != "csv" && format != "sqlite" {
		return run.RescueResult{}, problem.Newf(problem.Usage, "format %q is not known", format).Hint("give csv, parquet or sqlite")
	}
	root, err := newFolder(to)
	if err != nil {
		return run.RescueResult{}, err
	}
	defer func() { _ = root.Close() }()
	in.Create = func(name string) (io.WriteCloser, error) { return createIn(root, name) }
	if format == "sqlite" {
		in.Database = func(name string) (string, error) {
			f, err := createIn(root, name)
			if err != nil {
				return "", err
			}
			return filepath.Join(to, name), f.Close()
		}
	}
	result, err := run.Rescue(ctx, in)
	if err != nil && problem.KindOf(err) != problem.Partial {
		_ = os.Remove(to) // it goes only while nothing is in it
	}
	return result, err
}

func writeRescued(w io.Writer, result run.RescueResult) {
	writeWhich(w, result.Snapshot)
	rows := make([][]string, 0, len(result.Files))
	for _, f := range result.Files {
		if f.Rounded > 0 {
			f.Reason = strings.TrimSpace(f.Reason + " " + count(f.Rounded) + " numbers rounded to a double; CSV has them all")
		}
		rows = append(rows, []string{f.Object, f.File, count(f.Records), f.Reason})
	}
	writeTable(w, []string{"OBJECT", "FILE", "RECORDS", ""}, rows)
	writeBlanked(w, result.Blanked)
	writeRescuedFiles(w, result.FilesOfRecords)
	if result.Metadata != nil {
		writeProject(w, *result.Metadata)
	}
}

// createIn makes a new file in a folder, and the folders that its name has.
func createIn(root *os.Root, name string) (io.WriteCloser, error) {
	if folder, _ := path.Split(name); folder != "" {
		if err := root.MkdirAll(path.Clean(folder), 0o700); err != nil {
			return nil, onDisk(fmt.Errorf("folder %s: %w", folder, err))
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, onDisk(fmt.Errorf("file %s: %w", name, err))
	}
	return f, nil
}

func writeRescuedFiles(w io.Writer, files []run.RescuedFilesRow) {
	var rows [][]string
	for _, f := range files {
		if f.Files+f.Lost > 0 || f.Reason != "" {
			rows = append(rows, []string{f.Object, f.Folder, count(f.Files), count(f.Lost), size(f.Bytes), f.Reason})
		}
	}
	if len(rows) > 0 {
		writeTable(w, []string{"FILES OF", "FOLDER", "WRITTEN", "LOST", "SIZE", ""}, rows)
	}
}
