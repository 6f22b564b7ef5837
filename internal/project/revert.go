package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast/internal/problem"
)

// Revert makes a branch on which a commit of a Git repository is reverted, and returns what that changes in the folder.
// The branch begins at base, and neither the folder nor what is checked out there is touched. A branch that an earlier
// Revert of the same commit made is taken as it is.
//
// Errors: NotFound for a revision that is not there, Conflict when the commit cannot be reverted by itself or when the
// branch is somebody else's.
func Revert(ctx context.Context, folder, commit, base, branch string) (Change, error) {
	if err := CheckBranch(branch); err != nil {
		return Change{}, err
	}
	g, err := OpenGit(ctx, folder)
	if err != nil {
		return Change{}, err
	}
	bad, err := g.Commit(ctx, commit)
	if err != nil {
		return Change{}, err
	}
	from, err := g.Commit(ctx, base)
	if err != nil {
		return Change{}, err
	}
	there, err := g.Run(ctx, nil, "for-each-ref", "--format=%(objectname)", "refs/heads/"+branch)
	if err != nil {
		return Change{}, err
	}
	if there == "" {
		if err := g.revert(ctx, bad, from, branch); err != nil {
			return Change{}, err
		}
		return reverting(ctx, folder, from, branch)
	}
	text, err := g.Run(ctx, nil, "log", "-1", "--format=%B", "refs/heads/"+branch)
	if err != nil {
		return Change{}, err
	}
	if !strings.Contains(text, "This reverts commit "+bad) {
		return Change{}, problem.Newf(problem.Conflict, "branch %s is there, and does not end with the reverting of %.10s", branch, bad).
			Hint("name another branch with --branch")
	}
	return reverting(ctx, folder, branch+"~1", branch)
}

func reverting(ctx context.Context, folder, from, branch string) (Change, error) {
	c, err := Range(ctx, folder, from, branch)
	c.Range = "git:" + from + ".." + branch + ":" + folder
	return c, err
}

// revert reverts a commit in a work tree of its own, and makes the branch of what comes out.
func (g Git) revert(ctx context.Context, commit, base, branch string) (err error) {
	dir, err := os.MkdirTemp("", "holdfast-revert-")
	if err != nil {
		return err
	}
	tree := Git{Top: filepath.Join(dir, "tree"), settings: g.settings}
	if _, err := g.Run(ctx, nil, "worktree", "add", "-q", "--detach", tree.Top, base); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		_, removed := g.Run(context.WithoutCancel(ctx), nil, "worktree", "remove", "--force", tree.Top)
		err = errors.Join(err, removed, os.RemoveAll(dir))
	}()
	args := []string{"revert", "--no-edit"}
	parents, err := g.Run(ctx, nil, "rev-list", "--parents", "-n", "1", commit)
	if err != nil {
		return err
	}
	if len(strings.Fields(parents)) > 2 { // a merge is reverted to what the branch was before it
		args = append(args, "-m", "1")
	}
	if _, err := tree.Run(ctx, nil, append(args, commit)...); err != nil {
		return problem.Wrap(problem.Conflict, err, fmt.Sprintf("revert %.10s", commit)).
			Hint("somebody has changed the same since: revert it by hand, and deploy git:FROM..TO:FOLDER under guard")
	}
	made, err := tree.Run(ctx, nil, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	_, err = g.Run(ctx, nil, "branch", "--no-track", branch, made)
	return err
}
