package cli

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
)

// sidesText says how the states that are compared are named, for the help.
const sidesText = `  4f1c, latest              a snapshot
  org:NAME                  a known org, as it is now: its metadata is observed into the repository first
  ./force-app, ../rel.zip   a folder or zip with components, in source format or that of the Metadata API; a name
                            without a slash or .zip is a snapshot
  git:REVISION:FOLDER       a folder of a Git repository as it was at a commit, tag or branch; without FOLDER, the
                            folder in which one is`

// sides reads what is compared. The repository is opened when the first side needs it.
type sides struct {
	app   *app
	cmd   *cobra.Command
	store *snapshot.Store
	watch *progress
}

// isSnapshot reports that the text names a snapshot.
func isSnapshot(text string) bool {
	return !strings.HasPrefix(text, "org:") && !strings.HasPrefix(text, "git:") && !isPath(text)
}

func isPath(text string) bool {
	return strings.ContainsAny(text, `/\`) || strings.HasPrefix(text, ".") || strings.HasSuffix(strings.ToLower(text), ".zip")
}

// open opens the repository once.
func (s *sides) open(ctx context.Context) error {
	if s.store != nil {
		return nil
	}
	var err error
	s.store, err = s.app.openStore(ctx)
	return err
}

// read reads one side.
func (s *sides) read(ctx context.Context, text string) (run.Side, error) {
	if p, ok, err := readProject(ctx, text); ok || err != nil {
		return run.Side{Label: p.Source, Commit: p.Commit, Files: p.Files}, err
	}
	if err := s.open(ctx); err != nil {
		return run.Side{}, err
	}
	name, isOrg := strings.CutPrefix(text, "org:")
	if !isOrg {
		return run.Side{Snapshot: text}, nil
	}
	return s.live(ctx, name)
}

// live signs in to an org, to be observed.
func (s *sides) live(ctx context.Context, name string) (run.Side, error) {
	manners, err := s.app.mannersWithShare(s.cmd, name)
	if err != nil {
		return run.Side{}, err
	}
	org, err := s.app.connect(ctx, name, budgetOf(manners))
	if err != nil {
		return run.Side{}, err
	}
	s.watch = s.app.newProgress("observe " + name)
	return run.Side{Live: org, Capture: capture.Options{OrgName: name, Rules: rulesOf(manners), Progress: s.watch.captured}}, nil
}

// end ends the progress of what was observed.
func (s *sides) end() {
	if s.watch != nil {
		s.watch.end()
	}
}

// readProject reads a folder, a zip or a revision; ok is false for what names none.
func readProject(ctx context.Context, text string) (p project.Project, ok bool, err error) {
	if rest, isGit := strings.CutPrefix(text, "git:"); isGit {
		revision, folder, named := strings.Cut(rest, ":")
		if !named {
			if folder, err = os.Getwd(); err != nil {
				return p, true, err
			}
		}
		if revision == "" || folder == "" {
			return p, true, problem.Newf(problem.Usage, "%q names no revision", text).Hint("write it as git:REVISION:FOLDER")
		}
		p, err = project.Revision(ctx, folder, revision)
		return p, true, err
	}
	if !isPath(text) {
		return p, false, nil
	}
	p, err = project.Open(text)
	return p, true, err
}
