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
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
)

// Git is a folder of a Git repository.
type Git struct {
	Top    string // the folder of the repository
	Prefix string // the folder within it, with a slash at its end; "" is all of it
}

// OpenGit finds the repository in which a folder lies, or lay.
func OpenGit(ctx context.Context, folder string) (Git, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return Git{}, err
	}
	there := existing(abs) // a folder that was deleted since has no place to start git in
	out, err := runGit(ctx, there, nil, "rev-parse", "--show-toplevel", "--show-prefix")
	if err != nil {
		if problem.KindOf(err) == problem.Usage {
			return Git{}, err
		}
		return Git{}, problem.Wrap(problem.NotFound, err, "there is no Git repository at "+folder)
	}
	top, prefix, _ := strings.Cut(strings.TrimSuffix(string(out), "\n"), "\n")
	rest, err := filepath.Rel(there, abs)
	if err != nil {
		return Git{}, err
	}
	if rest != "." {
		prefix += filepath.ToSlash(rest) + "/"
	}
	return Git{top, prefix}, nil
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

// Run starts git in the repository and returns what it prints, without white space around it.
func (g Git) Run(ctx context.Context, args ...string) (string, error) {
	out, err := runGit(ctx, g.Top, nil, args...)
	return strings.TrimSpace(string(out)), err
}

// Write starts git in the repository with input, and returns what it prints, without white space around it.
func (g Git) Write(ctx context.Context, input []byte, args ...string) (string, error) {
	out, err := runGit(ctx, g.Top, bytes.NewReader(input), args...)
	return strings.TrimSpace(string(out)), err
}

// runGit starts git in a folder. No hook and no setting of the repository runs anything else.
func runGit(ctx context.Context, dir string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"}, args...)...)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = stdin, &errs
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout = &limited{w: &out, left: maxGitOutput}
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, problem.New(problem.Usage, "the program git is not there").Hint("install git")
	}
	if err != nil {
		return nil, fmt.Errorf("git %s in %s: %w: %.300s", args[0], dir, err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
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
	out, err := g.Run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
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
	out, err := runGit(ctx, g.Top, nil, args...)
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
		if err := component.CheckPath(name); err != nil {
			return nil, problem.Wrap(problem.Usage, err, "commit "+commit)
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
	cmd := exec.CommandContext(ctx, "git", "-C", g.Top, "cat-file", "--batch")
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
