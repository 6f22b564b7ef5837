package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
)

// gitFolder is a Git repository that commits go to.
type gitFolder struct{ project.Git }

// exportGit commits what the branch does not have yet.
func (a *app) exportGit(ctx context.Context, store *snapshot.Store, folder, last string, given exportFlags) error {
	if err := project.CheckBranch(given.branch); err != nil {
		return err
	}
	g := gitFolder{project.Git{Top: folder}}
	if err := os.Mkdir(folder, 0o700); err == nil {
		if _, err := g.Run(ctx, nil, "init", "-q", "-b", given.branch); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return onDisk(fmt.Errorf("folder %s: %w", folder, err))
	}
	since, shown, err := g.state(ctx, given.branch)
	if err != nil {
		return err
	}
	result, err := g.fill(ctx, run.GitInput{Store: store, Snapshot: last, Since: since, Branch: given.branch})
	if err != nil {
		return err
	}
	if shown && len(result.Commits) > 0 {
		if _, err := g.Run(ctx, nil, "reset", "-q", "--hard"); err != nil {
			return err
		}
	}
	return a.print(exportResult{Git: &result}, func(w io.Writer) { writeCommits(w, result) })
}

// state returns the snapshot that the branch holds, or "" for a new one, and whether the branch is checked
// out.
func (g gitFolder) state(ctx context.Context, branch string) (since string, shown bool, err error) {
	head, err := g.Run(ctx, nil, "symbolic-ref", "-q", "HEAD")
	bare, bareErr := g.Run(ctx, nil, "rev-parse", "--is-bare-repository")
	if bareErr != nil {
		return "", false, bareErr
	}
	shown = err == nil && head == "refs/heads/"+branch && bare == "false"
	if shown {
		dirty, err := g.Run(ctx, nil, "status", "--porcelain")
		if err != nil {
			return "", false, err
		}
		if dirty != "" {
			return "", false, problem.Newf(problem.Conflict, "branch %s is checked out in %s, with changes that are not committed", branch, g.Top).
				Hint("commit or remove them, or name another branch with --branch")
		}
	}
	if there, err := g.Run(ctx, nil, "for-each-ref", "refs/heads/"+branch); err != nil || there == "" {
		return "", shown, err
	}
	since, err = g.Run(ctx, nil, "log", "-1", "--grep=^"+run.SnapshotTrailer+": ", "--format=%(trailers:key="+run.SnapshotTrailer+",valueonly)", "refs/heads/"+branch)
	if err != nil {
		return "", false, err
	}
	if since == "" {
		return "", false, problem.Newf(problem.Conflict, "branch %s in %s has commits, and none of them names a snapshot", branch, g.Top).
			Hint("name a new branch with --branch")
	}
	return since, shown, nil
}

// fill has git take the stream in.
func (g gitFolder) fill(ctx context.Context, in run.GitInput) (run.GitResult, error) {
	r, w := io.Pipe()
	in.Out = w
	done := make(chan error, 1)
	go func() {
		_, err := g.Run(ctx, r, "fast-import", "--quiet", "--done")
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		done <- err
	}()
	result, err := run.GitStream(ctx, in)
	if err == nil {
		_, err = io.WriteString(w, "done\n")
	}
	_ = w.CloseWithError(err) // nil is the end of the stream; without "done" git takes nothing
	if gitErr := <-done; gitErr != nil && (err == nil || errors.Is(err, io.ErrClosedPipe)) {
		err = gitErr
	}
	return result, err
}

func writeCommits(w io.Writer, r run.GitResult) {
	rows := make([][]string, 0, len(r.Commits))
	for _, c := range r.Commits {
		rows = append(rows, []string{
			c.Snapshot[:min(len(c.Snapshot), 10)], c.Author, stamp(c.When), count(int64(c.Added)), count(int64(c.Changed)), count(int64(c.Removed)),
		})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"SNAPSHOT", "AUTHOR", "LAST CHANGE", "ADDED", "CHANGED", "REMOVED"}, rows)
	}
	fmt.Fprintf(w, "%s on branch %s from %s\n", plural(len(r.Commits), "commit"), r.Branch, plural(r.Snapshots, "snapshot"))
}
