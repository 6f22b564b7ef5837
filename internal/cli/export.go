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
)

// exportResult is a project or a history, by what was asked for.
type exportResult struct {
	Project *run.ProjectResult `json:"project,omitempty"` // files of one snapshot
	Git     *run.GitResult     `json:"git,omitempty"`     // commits of many
}

// exportFlags are what the command line says of an export.
type exportFlags struct {
	format, branch string
	types          []string
	installed, git bool
}

func (a *app) exportCommand() *cobra.Command {
	var given exportFlags
	cmd := a.command(spec{
		use: "export FOLDER [SNAPSHOT]", group: groupVerbs,
		short: "write the metadata of a snapshot as an SFDX project, or all as a Git history",
		long: `Writes the metadata of a snapshot, or of the latest, into a new folder as an SFDX project: sfdx-project.json, the
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
holdfast export --git /srv/prod-history`,
		kinds:  append([]problem.Kind{problem.Partial, problem.NoSpace}, readKinds...),
		result: exportResult{}, min: 1, max: 2,
	}, func(cmd *cobra.Command, args []string) error {
		if given.format != "sfdx" {
			return problem.Newf(problem.Usage, "format %q is not known", given.format).Hint("give sfdx")
		}
		snapshot := "latest"
		if len(args) > 1 {
			snapshot = args[1]
		}
		if given.git {
			return a.exportGit(cmd.Context(), args[0], snapshot, given)
		}
		return a.exportProject(cmd.Context(), args[0], snapshot, given)
	})
	flags := cmd.Flags()
	flags.StringVar(&given.format, "format", "sfdx", "`form` of the files: sfdx")
	flags.StringArrayVar(&given.types, "type", nil, "metadata `type`, instead of all; may be repeated")
	flags.BoolVar(&given.installed, "managed", false, "write components of managed packages, too")
	flags.BoolVar(&given.git, "git", false, "write commits into a Git repository")
	flags.StringVar(&given.branch, "branch", "main", "`name` of the Git branch")
	return a.repoFlags(cmd)
}

func (a *app) exportProject(ctx context.Context, folder, snapshot string, given exportFlags) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	root, err := newFolder(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	result, err := run.Project(ctx, run.ProjectInput{
		Store: store, Snapshot: snapshot, Types: given.types, Installed: given.installed,
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
