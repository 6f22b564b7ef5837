package project_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/sf"
)

// A commit is reverted on a branch of its own; what is checked out stays, and what came later stays on the branch.
func TestRevertIsABranchForReview(t *testing.T) {
	class := func(name, body string) map[string]string {
		return map[string]string{"force-app/classes/" + name + ".cls": body, "force-app/classes/" + name + ".cls-meta.xml": meta}
	}
	dir := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	commit := func(message string, sets ...map[string]string) string {
		for _, files := range sets {
			write(t, dir, files)
		}
		git("add", "-A")
		git("commit", "-q", "-m", message)
		return git("rev-parse", "HEAD")
	}
	git("init", "-q", "-b", "main")
	git("config", "user.name", "a")
	git("config", "user.email", "a@example.com")
	commit("one", class("Pay", "one"), class("Other", "one"))
	bad := commit("bad", class("Pay", "bad"), class("New", "new"))
	commit("later", class("Other", "later"))

	for range 2 { // run again it finds its branch
		c, err := project.Revert(t.Context(), dir+"/force-app", bad, "HEAD", "revert/bad")
		if err != nil || len(c.Package.Files) != 2 || string(c.Package.Files[0].Body) != "one" ||
			!slices.Equal(c.Package.Deleted, []sf.ComponentKey{{Type: "ApexClass", Name: "New"}}) {
			t.Fatalf("%v %+v", err, c.Package)
		}
	}
	if git("show", "revert/bad:force-app/classes/Other.cls") != "later" || git("status", "--porcelain") != "" || git("rev-parse", "--abbrev-ref", "HEAD") != "main" {
		t.Error("later work is gone, or what is checked out was touched")
	}
	if _, err := project.Revert(t.Context(), dir, bad, "HEAD", "main"); problem.KindOf(err) != problem.Conflict {
		t.Errorf("somebody else's branch: %v", err)
	}
	commit("again", class("Pay", "again"))
	if _, err := project.Revert(t.Context(), dir, bad, "HEAD", "revert/again"); problem.KindOf(err) != problem.Conflict {
		t.Errorf("changed since: %v", err)
	}
	if _, err := project.Revert(t.Context(), dir, bad, "HEAD", "--all"); problem.KindOf(err) != problem.Usage {
		t.Errorf("no branch: %v", err)
	}
	if trees := git("worktree", "list"); strings.Count(trees, "\n") != 0 {
		t.Errorf("work trees are left:\n%s", trees)
	}
}
