package project

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"holdfast/internal/component"
	"holdfast/internal/problem"
)

// Git is a folder of a Git repository.
type Git struct {
	Top    string // the folder of the repository
	Prefix string // the folder within it, with a slash at its end; "" is all of it

	settings []string // that count before those of the repository: name, value, name, value
	env      []string // as NAME=value
}

// OpenGit finds the repository in which a folder lies, or lay.
func OpenGit(ctx context.Context, folder string) (Git, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return Git{}, err
	}
	there := existing(abs) // a folder that was deleted since has no place to start git in
	top, err := Git{Top: there}.top(ctx, folder)
	if err != nil {
		return Git{}, err
	}
	if err := within(top, there); err != nil {
		return Git{}, err
	}
	inside, err := filepath.EvalSymlinks(there)
	if err != nil {
		return Git{}, err
	}
	prefix := ""
	for _, way := range [][2]string{{top, inside}, {there, abs}} { // what is not there any more has no links
		rest, err := filepath.Rel(way[0], way[1])
		if err != nil {
			return Git{}, err
		}
		if rest != "." {
			prefix += filepath.ToSlash(rest) + "/"
		}
	}
	return Git{Top: top, Prefix: prefix}.inert(ctx)
}

// top is the folder of the repository in which g lies: where its files are checked out, or the repository itself where
// they are nowhere, as on a server.
func (g Git) top(ctx context.Context, folder string) (string, error) {
	one := func(what string) (string, error) {
		out, err := g.run(ctx, nil, "rev-parse", what)
		return strings.TrimSuffix(string(out), "\n"), err // a name may end with white space
	}
	top, err := one("--show-toplevel")
	if problem.KindOf(err) == problem.Usage {
		return "", err
	}
	if err == nil {
		return filepath.EvalSymlinks(top)
	}
	bare, none := one("--is-bare-repository")
	switch {
	case none != nil:
		return "", problem.Wrap(problem.NotFound, err, "there is no Git repository at "+folder)
	case bare != "true":
		return "", problem.Newf(problem.Usage, "%s lies within .git, where no files are checked out", folder).
			Hint("name the folder in which .git lies, or a folder of it")
	}
	if top, err = one("--absolute-git-dir"); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(top)
}

// within refuses a repository whose settings (core.worktree) say that its files lie elsewhere: git would be started
// there, and read and write another repository.
func within(top, folder string) error {
	a, err := filepath.EvalSymlinks(top)
	if err != nil {
		return err
	}
	b, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(b+string(filepath.Separator), strings.TrimSuffix(a, string(filepath.Separator))+string(filepath.Separator)) {
		return problem.Newf(problem.Usage, "the settings of the repository of %s say that its files are at %s", folder, top).
			Hint("name a folder there, or see core.worktree in its settings")
	}
	return nil
}

// existing is the nearest folder above that is there.
func existing(dir string) string {
	for dir != filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// maxGitOutput bounds what a command of git may print, but for the contents of files.
const maxGitOutput = 64 << 20

// Run starts git in the folder, with input where it reads some, and returns what it prints without white space around
// it. No hook and no setting of the repository starts a program or reaches another machine, but for the filters and
// merge drivers where files are checked out.
func (g Git) Run(ctx context.Context, input io.Reader, args ...string) (string, error) {
	out, err := g.run(ctx, input, args...)
	return strings.TrimSpace(string(out)), err
}

// CheckBranch refuses what cannot be the name of a branch everywhere, and what git would take for an option.
func CheckBranch(name string) error {
	if !branchForm.MatchString(name) || strings.Contains(name, "..") || strings.HasSuffix(name, ".lock") {
		return problem.Newf(problem.Usage, "%q cannot be a branch", name).Hint("give a name such as main or revert/pay")
	}
	return nil
}

var branchForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

// harmless replaces the settings of a repository that would start a program, or talk to another machine, whatever is asked of git.
// What is asked here needs none of them: all that is read is there, or is missing.
var harmless = []string{
	"core.hooksPath", os.DevNull,
	"core.fsmonitor", "false",
	"core.sshCommand", "false",
	"protocol.allow", "never", // git fetches what a partial clone has left out, by the program that its settings name
	"commit.gpgSign", "false",
	"gpg.program", "false",
	"submodule.recurse", "false",
}

// command is git in a folder of the repository, which must not be trusted: an archive that somebody unpacked has
// settings, too. Nor does it go by what an environment says of another repository, as that of a hook does, or by objects that
// stand for others, which nobody gets who fetches what is made here.
// Source: git-config(1), "GIT_CONFIG_COUNT"; git(1), "GIT_ALLOW_PROTOCOL", "GIT_NO_LAZY_FETCH"; git-replace(1).
func (g Git) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", g.Top}, args...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(ofOneRepository, name)
	})
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_GRAFT_FILE="+filepath.Join(os.DevNull, "none"), "LC_ALL=C")
	all := slices.Concat(harmless, g.settings)
	for i := 0; i < len(all); i += 2 {
		n := strconv.Itoa(i / 2)
		cmd.Env = append(cmd.Env, "GIT_CONFIG_KEY_"+n+"="+all[i], "GIT_CONFIG_VALUE_"+n+"="+all[i+1])
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(all)/2))
	cmd.Env = append(cmd.Env, g.env...)
	return cmd
}

// ofOneRepository are the variables that say which repository git works on, and on what of it. Source: git-rev-parse(1),
// "--local-env-vars".
var ofOneRepository = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_OBJECT_DIRECTORY", "GIT_DIR", "GIT_WORK_TREE",
	"GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR",
	"GIT_NAMESPACE",
}

// inert is the repository without the filters and merge drivers that its own settings name: they would run when
// files are checked out and merged. Those of the user's settings stay. Hooks that settings name do not, wherever these are:
// core.hooksPath does not count for them. Source: git-hook(1) of Git 2.54, "hook.<friendly-name>.enabled".
func (g Git) inert(ctx context.Context) (Git, error) {
	out, err := g.run(ctx, nil, "config", "--list", "--show-scope", "--name-only", "-z")
	if err != nil {
		return Git{}, err
	}
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	g.settings = slices.Clone(g.settings)
	for i := 0; i+1 < len(fields); i += 2 {
		scope, name := fields[i], fields[i+1]
		if last := strings.LastIndexByte(name, '.'); strings.HasPrefix(name, "hook.") && last > len("hook") {
			g.settings = append(g.settings, name[:last]+".enabled", "false")
			continue
		}
		if scope != "local" && scope != "worktree" {
			continue
		}
		switch section, last := name[:strings.IndexByte(name+".", '.')], name[strings.LastIndexByte(name, '.')+1:]; {
		case section == "filter" && last == "required":
			g.settings = append(g.settings, name, "false")
		case section == "filter":
			g.settings = append(g.settings, name, "") // what is empty changes nothing
		case section == "merge" && last == "driver":
			g.settings = append(g.settings, name, "false") // which ends in a conflict
		}
	}
	return g, nil
}

// run starts git and returns what it prints.
func (g Git) run(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := g.command(ctx, args...)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = stdin, &errs
	var out bytes.Buffer
	cmd.Stdout = &limited{w: &out, left: maxGitOutput}
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, problem.New(problem.Usage, "the program git is not there").Hint("install git")
	}
	if err != nil {
		return nil, fmt.Errorf("git %s in %s: %w: %.300s", args[0], g.Top, err, printable(errs.String()))
	}
	return out.Bytes(), nil
}

// printable is what git says of a hostile repository, for a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.TrimSpace(text))
}

// limited refuses more than a number of bytes.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errors.New("more output than expected")
	}
	return l.w.Write(b)
}

// Commit returns the full name of the commit that a revision means.
func (g Git) Commit(ctx context.Context, revision string) (string, error) {
	if revision == "" || strings.HasPrefix(revision, "-") || strings.ContainsAny(revision, "\x00\n") {
		return "", problem.Newf(problem.Usage, "%.80q cannot be a revision", revision)
	}
	out, err := g.Run(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return "", problem.Newf(problem.NotFound, "the repository %s has no revision %.80q", g.Top, revision).
			Hint("`git log --oneline` lists what it has")
	}
	return out, nil
}

// blob is one file of a commit.
type blob struct {
	name, path string
	size       int64
}

// files reads the files of the folder at a commit, with paths relative to it.
func (g Git) files(ctx context.Context, commit string) ([]component.Entry, error) {
	args := []string{"ls-tree", "-r", "-z", "-l", "--full-tree", commit}
	if g.Prefix != "" {
		args = append(args, "--", g.Prefix)
	}
	out, err := g.run(ctx, nil, args...)
	if err != nil {
		return nil, err
	}
	var blobs []blob
	var spent budget
	for line := range strings.SplitSeq(string(out), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 4 || fields[1] != "blob" || !strings.HasPrefix(fields[0], "100") {
			continue // links and modules of others
		}
		name = strings.TrimPrefix(name, g.Prefix)
		if base := path.Base(name); passes(name) || strings.HasPrefix(base, ".") && base != ignoreFile {
			continue
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("git ls-tree: size %q", fields[3])
		}
		if err := spent.spend(name, size); err != nil {
			return nil, err
		}
		blobs = append(blobs, blob{fields[2], name, size})
	}
	if len(blobs) == 0 {
		return nil, problem.Newf(problem.NotFound, "commit %.10s has nothing at %s", commit, path.Join(filepath.ToSlash(g.Top), g.Prefix))
	}
	return g.contents(ctx, blobs)
}

// contents reads the contents of files from one process.
func (g Git) contents(ctx context.Context, blobs []blob) (files []component.Entry, err error) {
	var names bytes.Buffer
	for _, b := range blobs {
		fmt.Fprintln(&names, b.name)
	}
	cmd := g.command(ctx, "cat-file", "--batch")
	cmd.Stdin = &names
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = cmd.Process.Kill() // it may wait for a reader
		}
		if ended := cmd.Wait(); err == nil {
			err = ended
		}
	}()
	r := bufio.NewReader(out)
	for _, b := range blobs {
		head, err := r.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("git cat-file: %w", err)
		}
		if want := fmt.Sprintf("%s blob %d\n", b.name, b.size); head != want {
			return nil, fmt.Errorf("git cat-file: %s: %.80q", b.path, head)
		}
		body := make([]byte, b.size)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, fmt.Errorf("git cat-file: %s: %w", b.path, err)
		}
		if _, err := r.Discard(1); err != nil {
			return nil, fmt.Errorf("git cat-file: %w", err)
		}
		files = append(files, component.Entry{Path: b.path, Body: body})
	}
	slices.SortFunc(files, func(x, y component.Entry) int { return strings.Compare(x.Path, y.Path) })
	return files, nil
}
