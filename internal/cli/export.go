package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
)

// exportResult is a project, a history or records, by what was asked for.
type exportResult struct {
	Project *run.ProjectResult `json:"project,omitempty"` // files of one snapshot
	Git     *run.GitResult     `json:"git,omitempty"`     // commits of many
	Records *run.RescueResult  `json:"records,omitempty"` // records of one snapshot
}

// exportFlags are what the command line says of an export.
type exportFlags struct {
	format, branch, org string
	types, objects      []string
	installed, git      bool
	masks               maskFlags
}

// formSFDX is the form of metadata; the others are of records.
const formSFDX = "sfdx"

func (a *app) exportCommand() *cobra.Command {
	var given exportFlags
	cmd := a.command(spec{
		use: "export FOLDER [MOMENT]", group: groupVerbs,
		short: "write records as CSV, Parquet or SQLite, metadata as an SFDX project, or all as a Git history",
		long: `Writes what a snapshot holds into a new folder, for other tools. MOMENT is the beginning of a snapshot's Id, latest, or a
time such as 2026-03-01T12:00 (UTC) or a day, which means the snapshot that shows the org as of then.

With --format csv, parquet or sqlite it writes records: a file for each object, or a table in records.sqlite, with the schema
as JSON and the files of records under their Ids; without --object, those of all objects, and the metadata in the folder metadata.
What each form says about null, numbers and times is in the help of rescue, which writes the same.
With --mask, values are pseudonyms.

With --format sfdx, the default, it writes the metadata of a snapshot, or of the latest, into a new folder as an SFDX project: sfdx-project.json, the
components in source format below force-app, and manifest/package.xml, which names them. Of components of managed packages
only what the org has added is written, such as fields of its own, unless --managed is given. Earlier versions of flows are
not written.

With --git, FOLDER is a Git repository, which is made when it is not there, and each snapshot up to the one that is named
becomes commits on a branch: one by everyone who changed something since the snapshot before, as the org says who changed
each component last. The addresses of authors are those of the users in the snapshot. Run again it goes on where the branch
ends. A branch that is checked out must have no uncommitted changes. It needs the program git.

The files are not encrypted.`,
		example: `holdfast export out
holdfast export out 4f1c --type Flow --type ApexClass
holdfast export out 2026-03-01T12:00 --format csv --object Account --object Contact
holdfast export warehouse --format parquet
holdfast export --git /srv/prod-history`,
		kinds:  append([]problem.Kind{problem.Partial}, readKinds...),
		result: exportResult{}, min: 1, max: 2,
	}, func(cmd *cobra.Command, args []string) error {
		if err := given.fit(cmd); err != nil {
			return err
		}
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		at := run.Moment{Store: store, Org: given.org}
		if len(args) > 1 {
			at.At = args[1]
		}
		id, err := at.Snapshot(cmd.Context())
		if err != nil {
			return err
		}
		switch {
		case given.git:
			return a.exportGit(cmd.Context(), store, args[0], id, given)
		case given.format != formSFDX:
			return a.exportRecords(cmd.Context(), store, args[0], id, given)
		}
		return a.exportProject(cmd.Context(), store, args[0], id, given)
	})
	flags := cmd.Flags()
	flags.StringVar(&given.format, "format", formSFDX, "`form` of the files: sfdx for metadata; csv, parquet or sqlite for records")
	flags.StringVar(&given.org, "org", "", orgFlag)
	flags.StringArrayVar(&given.types, "type", nil, "metadata `type`, instead of all; may be repeated")
	flags.BoolVar(&given.installed, "managed", false, "write components of managed packages, too")
	flags.BoolVar(&given.git, "git", false, "write commits into a Git repository")
	flags.StringVar(&given.branch, "branch", "main", "`name` of the Git branch")
	flags.StringArrayVar(&given.objects, "object", nil, "`name` of an object, instead of all; may be repeated")
	given.masks.add(cmd)
	return a.repoFlags(cmd)
}

// fit refuses flags that mean nothing beside the form that is asked for: what somebody meant by them would not be done.
func (given exportFlags) fit(cmd *cobra.Command) error {
	ofMetadata, ofRecords := []string{"type", "managed", "git", "branch"}, []string{"object", "mask", "mask-key-file"}
	metadata := given.format == formSFDX
	switch {
	case given.git && (!metadata || given.installed || len(given.types) > 0):
		return problem.New(problem.Usage, "a Git history holds all types of metadata in the form sfdx, and nothing of managed packages").
			Hint("leave --format, --type and --managed out")
	case !metadata && given.format != "csv" && given.format != "parquet" && given.format != "sqlite":
		return problem.Newf(problem.Usage, "format %q is not known", given.format).Hint("give sfdx, csv, parquet or sqlite")
	case metadata:
		for _, name := range ofRecords {
			if cmd.Flags().Changed(name) {
				return problem.Newf(problem.Usage, "--%s is for records, and the form sfdx has none", name).
					Hint("give --format csv, parquet or sqlite")
			}
		}
		return nil
	}
	for _, name := range ofMetadata {
		if cmd.Flags().Changed(name) {
			return problem.Newf(problem.Usage, "--%s is for metadata, and the form %s has records", name, given.format).
				Hint("leave --format out, or give --format sfdx")
		}
	}
	return nil
}

func (a *app) exportRecords(ctx context.Context, store *snapshot.Store, folder, id string, given exportFlags) error {
	in := run.RescueInput{Store: store, Snapshot: id, Objects: given.objects}
	var err error
	if in.MaskRules, in.MaskKey, err = given.masks.read(); err != nil {
		return err
	}
	result, err := writeOut(ctx, in, folder, given.format)
	if err != nil && problem.KindOf(err) != problem.Partial {
		return err
	}
	return errors.Join(a.print(exportResult{Records: &result}, func(w io.Writer) { writeRescued(w, result) }), err)
}

func (a *app) exportProject(ctx context.Context, store *snapshot.Store, folder, id string, given exportFlags) error {
	root, err := newFolder(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	result, err := run.Project(ctx, run.ProjectInput{
		Store: store, Snapshot: id, Types: given.types, Installed: given.installed,
		Create: func(name string) (io.WriteCloser, error) { return createIn(root, name) },
	})
	if err != nil && problem.KindOf(err) != problem.Partial {
		_ = os.Remove(folder) // it goes only while nothing is in it
		return err
	}
	return errors.Join(a.print(exportResult{Project: &result}, func(w io.Writer) { writeProject(w, result) }), err)
}

// newFolder makes a folder that is not there yet.
func newFolder(name string) (*os.Root, error) {
	if err := os.Mkdir(name, 0o700); errors.Is(err, fs.ErrExist) {
		return nil, problem.Newf(problem.Usage, "folder %s is already there", name).
			Hint("nothing is overwritten: give another name, or remove it")
	} else if err != nil {
		return nil, onDisk(fmt.Errorf("folder %s: %w", name, err))
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, onDisk(fmt.Errorf("folder %s: %w", name, err))
	}
	return root, nil
}

func writeProject(w io.Writer, r run.ProjectResult) {
	rows := make([][]string, 0, len(r.Types))
	all := 0
	for _, t := range r.Types {
		if all += t.Components; t.Components > 0 {
			rows = append(rows, []string{t.Type, count(int64(t.Components)), count(int64(t.Files))})
		}
	}
	writeTable(w, []string{"METADATA TYPE", "COMPONENTS", "FILES"}, rows)
	fmt.Fprintf(w, "%s in %s from %s; %s of managed packages left out\n", plural(all, "component"), plural(r.Files, "file"),
		whichText(r.Snapshot), plural(r.Installed, "component"))
	for _, m := range r.Missing {
		fmt.Fprintf(w, "missing: %s\n", plain(m))
	}
}
