package project_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/sf"
)

// gitIn runs git in a folder.
func gitIn(t *testing.T, dir string) func(args ...string) string {
	return func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
}

// A commit is reverted on a branch of its own; what is checked out stays, and what came later stays on the branch.
func TestRevertIsABranchForReview(t *testing.T) {
	class := func(name, body string) map[string]string {
		return map[string]string{"force-app/classes/" + name + ".cls": body, "force-app/classes/" + name + ".cls-meta.xml": meta}
	}
	dir := t.TempDir()
	git := gitIn(t, dir)
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

// TestARepositoryOfAStrangerStartsNoProgram reads a revision, and reverts a commit, in a repository whose settings name
// programs: for what a partial clone has left out, filters, merge drivers, hooks and signatures.
func TestARepositoryOfAStrangerStartsNoProgram(t *testing.T) {
	dir, marks := t.TempDir(), t.TempDir()
	git := gitIn(t, dir)
	program := func(name string) string {
		p := filepath.Join(marks, name+".sh")
		if err := os.WriteFile(p, []byte("#!/bin/sh\ntouch "+filepath.Join(marks, name+".ran")+"\ncat\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	class := func(body string) map[string]string {
		return map[string]string{
			"force-app/classes/Pay.cls": body, "force-app/classes/Pay.cls-meta.xml": meta,
			".gitattributes": "*.cls filter=evil merge=evil\n",
		}
	}
	git("init", "-q", "-b", "main")
	git("config", "user.name", "a")
	git("config", "user.email", "a@example.com")
	commit := func(body string) string {
		write(t, dir, class(body))
		git("add", "-A")
		git("commit", "-q", "-m", body)
		return git("rev-parse", "HEAD")
	}
	commit("one\n2\n3\n4\n5\n6\n7\n8\n")
	bad := commit("bad\n2\n3\n4\n5\n6\n7\n8\n")
	commit("bad\n2\n3\n4\n5\n6\n7\nlater\n")
	for name, value := range map[string]string{
		"core.hooksPath": marks, "core.fsmonitor": program("fsmonitor"), "core.sshCommand": program("ssh"), "core.editor": program("editor"),
		"filter.evil.smudge": program("smudge"), "filter.evil.clean": program("clean"), "filter.evil.required": "true",
		"merge.evil.driver": program("merge") + " %A", "merge.evil.name": "x", "commit.gpgSign": "true", "gpg.program": program("gpg"),
		"core.repositoryformatversion": "1", "extensions.partialClone": "origin", "remote.origin.url": "ssh://git@127.0.0.1/x",
		"remote.origin.promisor": "true", "core.gitProxy": program("proxy"), "core.pager": program("pager"), "core.askPass": program("ask"),
	} {
		git("config", name, value)
	}
	git("config", "hook.evil.sub.command", program("named")) // from Git 2.54 on, whatever core.hooksPath says
	git("config", "--add", "hook.evil.sub.event", "reference-transaction")
	git("config", "--add", "hook.evil.sub.event", "post-checkout")
	g, err := project.OpenGit(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if on, err := g.Run(t.Context(), nil, "config", "--get", "hook.evil.sub.enabled"); err != nil || on != "false" {
		t.Errorf("a hook that the settings name: %v %q", err, on)
	}
	for _, hook := range []string{"post-checkout", "pre-commit", "post-commit", "reference-transaction", "prepare-commit-msg"} {
		if err := os.Rename(program(hook), filepath.Join(marks, hook)); err != nil {
			t.Fatal(err)
		}
	}
	quiet := func(what string) {
		t.Helper()
		ran, err := filepath.Glob(filepath.Join(marks, "*.ran"))
		if err != nil || len(ran) > 0 {
			t.Fatalf("%s started %q, %v", what, ran, err)
		}
	}
	// The files that are merged differ in the parts that the drivers of the repository would have been asked for.
	_, err = project.Revert(t.Context(), dir+"/force-app", bad, "HEAD", "revert/bad")
	if problem.KindOf(err) != problem.Conflict {
		t.Errorf("what its own driver would have merged: %v", err)
	}
	quiet("a revert that is merged")
	if _, err := project.Revert(t.Context(), dir+"/force-app", "HEAD", "HEAD", "revert/last"); err != nil {
		t.Error(err)
	}
	quiet("a revert")
	pay := project.Wanted{Key: sf.ComponentKey{Type: "ApexClass", Name: "Pay"}, Files: []component.Entry{
		{Path: "classes/Pay.cls", Body: []byte("back")}, {Path: "classes/Pay.cls-meta.xml", Body: []byte(meta)},
	}}
	if p, err := project.Propose(t.Context(), dir+"/force-app", "HEAD", "proposed", "m", []project.Wanted{pay}); err != nil || len(p.Written) != 1 {
		t.Errorf("%v %+v", err, p)
	}
	quiet("a proposal")
	if _, err := project.Revision(t.Context(), dir+"/force-app", "HEAD"); err != nil {
		t.Fatal(err)
	}
	quiet("reading a revision")
	object := git("rev-parse", "HEAD:force-app/classes/Pay.cls")
	if err := os.Remove(filepath.Join(dir, ".git/objects", object[:2], object[2:])); err != nil {
		t.Fatal(err)
	}
	if _, err := project.Revision(t.Context(), dir+"/force-app", "HEAD"); err == nil {
		t.Error("a file that is not there was read")
	}
	quiet("a file that a partial clone has left out")
}
