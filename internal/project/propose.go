package project

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Wanted is a component as a branch is to have it.
type Wanted struct {
	Key   sf.ComponentKey
	Files []component.Entry      // in the format of the Metadata API; none: it is not to be there
	Parts []component.PartChange // of which the branch is to have them so, and the others as it has them; none: all of it
	New   bool                   // it is written where the folder does not have it, too
}

// Proposal is a branch for review.
type Proposal struct {
	Branch  string   `json:"branch"`           // its name
	Base    string   `json:"base"`             // commit at which it begins
	Commit  string   `json:"commit,omitempty"` // its only commit; empty: there was nothing to commit, and there is no branch
	Written []string `json:"written"`          // paths within the repository, sorted
	Deleted []string `json:"deleted"`          // paths within the repository, sorted
	Left    []string `json:"left,omitempty"`   // components that the folder does not have, and did not get

	Ambiguous []string `json:"ambiguous,omitempty"` // components of which the folder has a file twice, or parts that are not known: left as they are
}

// Propose makes a branch of a Git repository on which components are as they are wanted, in source format, each where the
// folder has it. The branch begins at base and has one commit. What is checked out, staged or not yet committed is not
// touched. A branch that an earlier Propose of the same made is taken as it is.
//
// Errors: NotFound for a revision that is not there, Usage for a folder that is not in source format, Conflict for a branch
// that is somebody else's, and where a link or a module lies in the way of a file.
func Propose(ctx context.Context, folder, base, branch, message string, wanted []Wanted) (out Proposal, err error) {
	out = Proposal{Branch: branch, Written: []string{}, Deleted: []string{}}
	if err := CheckBranch(branch); err != nil {
		return out, err
	}
	g, err := OpenGit(ctx, folder)
	if err != nil {
		return out, err
	}
	if out.Base, err = g.Commit(ctx, base); err != nil {
		return out, err
	}
	files, err := g.files(ctx, out.Base)
	if err != nil {
		return out, err
	}
	if _, other := packageFolder(files); other {
		return out, problem.Newf(problem.Usage, "%s is in the format of the Metadata API", folder).Hint("name a folder in source format")
	}
	if files, err = selected(files, &Project{}); err != nil { // what is no part of the project may look like it
		return out, problem.Wrap(problem.Usage, err, folder)
	}
	t := newTree(files)
	for _, w := range wanted {
		if err := t.have(w); err != nil {
			return out, problem.Wrap(problem.Usage, err, w.Key.Type+" "+w.Key.Name)
		}
	}
	out.Left, out.Ambiguous = t.left, t.ambiguous
	for path, body := range t.changed {
		if body == nil {
			out.Deleted = append(out.Deleted, g.Prefix+path)
		} else {
			out.Written = append(out.Written, g.Prefix+path)
		}
	}
	slices.Sort(out.Written)
	slices.Sort(out.Deleted)
	if len(t.changed) == 0 {
		return out, nil
	}
	out.Commit, err = g.commitOf(ctx, out.Base, branch, message, t.changed)
	return out, err
}

// commitOf makes a branch with one commit, without a work tree: the files go into an index of their own.
func (g Git) commitOf(ctx context.Context, base, branch, message string, changed map[string][]byte) (commit string, err error) {
	dir, err := os.MkdirTemp("", "holdfast-branch-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	g.env = append(slices.Clone(g.env), "GIT_INDEX_FILE="+filepath.Join(dir, "index"))
	if _, err := g.Run(ctx, nil, "read-tree", base); err != nil {
		return "", err
	}
	modes, err := g.modes(ctx, base)
	if err != nil {
		return "", err
	}
	var lines bytes.Buffer
	for path, body := range changed {
		if body == nil {
			fmt.Fprintf(&lines, "0 %s\t%s\x00", strings.Repeat("0", len(base)), g.Prefix+path)
			continue
		}
		name, err := g.Run(ctx, bytes.NewReader(body), "hash-object", "-w", "--no-filters", "--stdin")
		if err != nil {
			return "", err
		}
		mode, err := modeOf(modes, g.Prefix+path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&lines, "%s %s\t%s\x00", mode, name, g.Prefix+path)
	}
	if _, err := g.Run(ctx, &lines, "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	tree, err := g.Run(ctx, nil, "write-tree")
	if err != nil {
		return "", err
	}
	there, err := g.Run(ctx, nil, "for-each-ref", "--format=%(objectname) %(tree) %(parent)", "refs/heads/"+branch)
	if err != nil {
		return "", err
	}
	if there != "" {
		fields := strings.Fields(there)
		if len(fields) == 3 && fields[1] == tree && fields[2] == base {
			return fields[0], nil
		}
		return "", problem.Newf(problem.Conflict, "branch %s is there, and is another one", branch).Hint("name another branch with --branch")
	}
	commit, err = g.Run(ctx, strings.NewReader(message), "commit-tree", tree, "-p", base, "-F", "-")
	if err != nil {
		return "", problem.Wrap(problem.Usage, err, "commit").Hint("tell git who you are: git config user.name and user.email")
	}
	_, err = g.Run(ctx, nil, "branch", "--no-track", branch, commit)
	return commit, err
}

// modes are those of everything that a commit has, folders as well, by path.
func (g Git) modes(ctx context.Context, commit string) (map[string]string, error) {
	out, err := g.run(ctx, nil, "ls-tree", "-r", "-t", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	modes := map[string]string{}
	for line := range strings.SplitSeq(string(out), "\x00") {
		if meta, path, ok := strings.Cut(line, "\t"); ok {
			modes[path], _, _ = strings.Cut(meta, " ")
		}
	}
	return modes, nil
}

// The modes of Git. Source: git-fast-import(1), "filemodify".
const (
	modeFile, modeProgram, modeFolder = "100644", "100755", "040000"
)

// modeOf returns the mode of a file that is to be written. Git would put it in the place of a link, of a module, or of a
// file that has the name of one of its folders, with all that lies there.
func modeOf(modes map[string]string, path string) (string, error) {
	mode := modes[path]
	way := mode == "" || mode == modeFile || mode == modeProgram
	for i, c := range path {
		if above := modes[path[:i]]; c == '/' && above != "" && above != modeFolder {
			way = false
		}
	}
	switch {
	case !way:
		return "", problem.Newf(problem.Conflict, "%q cannot be written: a link, a module of others or something else lies in its way", path).
			Hint("leave the component out, or name another folder with --folder")
	case mode == "":
		return modeFile, nil
	}
	return mode, nil
}

// tree is a folder of a project in source format, and what is to change in it.
type tree struct {
	files   []component.Entry
	bodies  map[string][]byte
	owners  map[string]sf.ComponentKey // of the files that were asked about; no type: of none that is known
	changed map[string][]byte          // nil: it goes
	left    []string

	apart     map[string]string // types whose components are in parts that are not known
	ambiguous []string
}

func newTree(files []component.Entry) *tree {
	t := &tree{files: files, apart: takenApart(files), bodies: map[string][]byte{}, owners: map[string]sf.ComponentKey{}, changed: map[string][]byte{}}
	for _, f := range files {
		t.bodies[f.Path] = f.Body
	}
	return t
}

// of returns the files of a component.
func (t *tree) of(key sf.ComponentKey) []component.Entry {
	word := key.Name // which is in the paths of its files, up to what these may spell otherwise
	if end := strings.IndexFunc(word, func(c rune) bool { return c != '_' && (c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z') }); end >= 0 {
		word = word[:end]
	}
	var out []component.Entry
	for _, f := range t.files {
		if !strings.Contains(f.Path, word) {
			continue
		}
		owner, known := t.owners[f.Path]
		if !known {
			if archive, _, err := component.Known().FromSource([]component.Entry{f}); err == nil {
				for k := range component.ByKey(archive) {
					owner = k
				}
			}
			t.owners[f.Path] = owner
		}
		if owner == key || documentMeta(key, f.Path) {
			out = append(out, f)
		}
	}
	return out
}

// documentMeta reports the -meta.xml of a document, whose path does not have what the name of the document ends in.
func documentMeta(key sf.ComponentKey, path string) bool {
	stem, ok := strings.CutSuffix("/"+path, ".document-meta.xml")
	return ok && key.Type == "Document" && strings.HasSuffix(stem, "/documents/"+strings.TrimSuffix(key.Name, filepath.Ext(key.Name)))
}

// have changes the folder so that it has a component as it is wanted.
func (t *tree) have(w Wanted) error {
	own := t.of(w.Key)
	_, parts := t.apart[w.Key.Type]
	switch {
	case parts || len(w.Files) > 0 && twice(own):
		t.ambiguous = append(t.ambiguous, w.Key.Type+" "+w.Key.Name)
		return nil
	case len(w.Files) == 0:
		for _, f := range own {
			t.changed[f.Path] = nil
		}
		return nil
	case len(own) == 0 && !w.New:
		t.left = append(t.left, w.Key.Type+" "+w.Key.Name)
		return nil
	}
	files, err := merged(w, own)
	if err != nil {
		return err
	}
	source, err := component.Known().ToSource(w.Key, files)
	if err != nil {
		return err
	}
	stays := map[string]bool{}
	for _, f := range source {
		if err := component.CheckPath(f.Path); err != nil {
			return err
		}
		path, there := t.place(f.Path, own)
		stays[path] = true
		if !there || !sameDocument(t.bodies[path], f.Body) {
			t.changed[path] = f.Body
		}
	}
	for _, f := range own {
		if !stays[f.Path] {
			t.changed[f.Path] = nil
		}
	}
	return nil
}

// twice reports that files of one component lie in the folder more than once, as where two packages have it: which of them
// is meant is not known here.
func twice(own []component.Entry) bool {
	if _, _, err := component.Known().FromSource(own); err != nil {
		return true
	}
	seen := map[string]bool{}
	for _, f := range own {
		at := f.Path
		for _, dir := range []string{"objects/", "objectTranslations/", "staticresources/"} { // whose parts are put together
			if i := strings.LastIndex("/"+f.Path, "/"+dir); i >= 0 {
				at = f.Path[i:]
			}
		}
		if seen[at] {
			return true
		}
		seen[at] = true
	}
	return false
}

// merged puts the parts that are wanted into what the folder has of a component.
func merged(w Wanted, own []component.Entry) ([]component.Entry, error) {
	if len(own) == 0 || len(w.Parts) == 0 || len(w.Files) != 1 {
		return w.Files, nil
	}
	has, _, err := component.Known().FromSource(own)
	if err != nil {
		return nil, err
	}
	if len(has) != 1 {
		return w.Files, nil
	}
	now, err := component.Parse(has[0].Body)
	if err != nil {
		return nil, err
	}
	from, err := component.Parse(w.Files[0].Body)
	if err != nil {
		return nil, err
	}
	doc := component.Adopt(w.Key.Type, now, from, w.Parts)
	return []component.Entry{{Path: has[0].Path, Body: component.Print(doc)}}, nil
}

// sameDocument reports that two files say the same: one that says it in another order is left as the team has it.
func sameDocument(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errA := component.Parse(a)
	y, errB := component.Parse(b)
	if errA != nil || errB != nil || x.Name != y.Name {
		return false
	}
	return bytes.Equal(component.Print(component.Order(x.Name, x)), component.Print(component.Order(y.Name, y)))
}

// place returns where a file of a component lies in the folder, or is to lie: beside the others of the component, or else
// of its type.
func (t *tree) place(path string, own []component.Entry) (at string, there bool) {
	base := path[strings.LastIndexByte(path, '/')+1:]
	for _, f := range own {
		if f.Path == path || strings.HasSuffix(f.Path, "/"+path) {
			return f.Path, true
		}
	}
	for _, f := range own { // classes may lie in folders of the team's own
		if strings.HasSuffix(f.Path, "/"+base) {
			return f.Path, true
		}
	}
	dir, _, _ := strings.Cut(path, "/")
	for _, list := range [][]component.Entry{own, t.files} {
		for _, f := range list {
			if i := strings.Index("/"+f.Path, "/"+dir+"/"); i >= 0 {
				return f.Path[:i] + path, false
			}
		}
	}
	for _, f := range t.files {
		if i := strings.Index("/"+f.Path, "/main/default/"); i >= 0 {
			return f.Path[:i] + "main/default/" + path, false
		}
	}
	return path, false
}
