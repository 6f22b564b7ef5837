// Package project reads components from where developers keep them: a folder in source format or in that of the
// Metadata API, a zip, and a folder of a Git repository at one of its revisions.
//
// It promises that
//   - nothing outside of the folder is read, links are not followed, and everything has a limit;
//   - whatever the format, the components come in that of the Metadata API, so that they can be compared and
//     deployed;
//   - what belongs to no component that is known is named, not dropped in silence.
//
// It writes nothing but branches of their own (Revert, Propose), and knows neither repository of snapshots nor org.
package project

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Project is the components of one folder, zip or revision.
type Project struct {
	Source  string            // where it was read, for people
	Commit  string            // of a revision: its full name
	Files   []component.Entry // in the format of the Metadata API, by path, without manifests
	Foreign []string          // paths of files that belong to no component that is known, sorted
	Version string            // of the API, such as 66.0; "" where nothing says it

	DeletedFirst []sf.ComponentKey // by destructiveChangesPre.xml, sorted
	Deleted      []sf.ComponentKey // by the other destructive changes, sorted

	members []sf.ComponentKey // that package.xml names
}

// Folders that hold no components, whatever lies in them.
var passed = []string{".git", ".sf", ".sfdx", ".vscode", "node_modules", "__tests__", "__mocks__"}

// Open reads a folder or a zip. The error is NotFound where there is nothing, Usage for what is no project.
func Open(location string) (Project, error) {
	info, err := os.Stat(location)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Project{}, problem.Newf(problem.NotFound, "there is no folder or zip %s", location)
	case err != nil:
		return Project{}, err
	case info.IsDir():
		files, err := readFolder(location)
		if err != nil {
			return Project{}, err
		}
		return assemble(location, files)
	case !info.Mode().IsRegular():
		return Project{}, problem.Newf(problem.Usage, "%s is neither a folder nor a file", location)
	}
	return openZip(location)
}

// maxZip is the largest archive that the platform takes, and some more: 39 MB of zip are 52 MB in base64.
// Source: Metadata API Developer Guide, "Deploying and Retrieving Metadata with the Zip File".
const maxZip = 64 << 20

func openZip(location string) (Project, error) {
	f, err := os.Open(location)
	if err != nil {
		return Project{}, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxZip+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return Project{}, err
	}
	if len(raw) > maxZip {
		return Project{}, problem.Newf(problem.Usage, "zip %s has more than %d bytes", location, maxZip).
			Hint("an org takes none that large: divide it")
	}
	files, err := FromZip(raw)
	if err != nil {
		return Project{}, problem.Wrap(problem.Usage, err, "zip "+location)
	}
	return assemble(location, files)
}

// FromZip returns the files of an archive.
func FromZip(raw []byte) ([]component.Entry, error) {
	archive, err := component.OpenArchive(raw, component.DefaultLimits)
	if err != nil {
		return nil, err
	}
	var files []component.Entry
	for f, err := range archive.Entries() {
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// maxProjectFiles bounds the files of a project. An archive has 25,000 at most; in source format each field, rule and list
// view has a file of its own, and each class two.
const maxProjectFiles = 250_000

// budget counts what is read against the limits of an archive, but for the number of files.
type budget struct {
	files int
	bytes int64
}

func (b *budget) spend(name string, size int64) error {
	limits := component.DefaultLimits
	b.files++
	b.bytes += size
	switch {
	case size > limits.File:
		return problem.Newf(problem.Usage, "%s has %d bytes, at most %d", name, size, limits.File)
	case b.files > maxProjectFiles:
		return problem.Newf(problem.Usage, "more than %d files", maxProjectFiles).Hint("name a folder that holds components alone")
	case b.bytes > limits.Unpacked:
		return problem.Newf(problem.Usage, "more than %d bytes of files", limits.Unpacked).Hint("name a folder that holds components alone")
	}
	return nil
}

// readFolder reads the files below a folder. Links are not followed: where they lead is not part of it.
func readFolder(dir string) ([]component.Entry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // it was only read
	var files []component.Entry
	var spent budget
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (slices.Contains(passed, d.Name()) || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") && d.Name() != ignoreFile:
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if err := spent.spend(filepath.Join(dir, name), info.Size()); err != nil {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(f, info.Size()+1))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if int64(len(body)) != info.Size() {
			return problem.Newf(problem.Failed, "%s changed while it was read", filepath.Join(dir, name)).Hint("run the command again")
		}
		files = append(files, component.Entry{Path: name, Body: body})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	return files, nil
}

// Revision reads a folder of a Git repository as it was at a revision: a commit, a tag or a branch.
func Revision(ctx context.Context, folder, revision string) (Project, error) {
	r, err := OpenGit(ctx, folder)
	if err != nil {
		return Project{}, err
	}
	commit, err := r.Commit(ctx, revision)
	if err != nil {
		return Project{}, err
	}
	files, err := r.files(ctx, commit)
	if err != nil {
		return Project{}, err
	}
	p, err := assemble(folder+" at "+revision, files)
	p.Commit = commit
	return p, err
}

// manifests are the files that say something of the components and are none.
var manifests = []string{"package.xml", "destructiveChanges.xml", "destructiveChangesPre.xml", "destructiveChangesPost.xml"}

// assemble makes a project of files, whichever format they are in.
func assemble(source string, files []component.Entry) (Project, error) {
	p := Project{Source: source}
	if base, ok := packageFolder(files); ok {
		return p, p.metadataFormat(files, base)
	}
	files, err := selected(files, &p)
	if err != nil {
		return p, problem.Wrap(problem.Usage, err, source)
	}
	if err := whole(files); err != nil {
		return p, problem.Wrap(problem.Usage, err, source)
	}
	if p.Files, p.Foreign, err = component.Known().FromSource(files); err != nil {
		return p, problem.Wrap(problem.Usage, err, source)
	}
	if len(p.Files) == 0 {
		return p, problem.Newf(problem.Usage, "%s holds no component", source).
			Hint("name a project with sfdx-project.json, a folder of it, or a folder or zip with a package.xml")
	}
	return p, nil
}

// packageFolder returns the folder of the only package.xml of files in the format of the Metadata API. A project
// in source format may keep manifests, too, beside its packages.
func packageFolder(files []component.Entry) (string, bool) {
	found, base := 0, ""
	for _, f := range files {
		switch path.Base(f.Path) {
		case "package.xml":
			found++
			base = path.Dir(f.Path)
		case "sfdx-project.json":
			return "", false
		}
	}
	return base, found == 1
}

// metadataFormat takes files that lie around a package.xml.
func (p *Project) metadataFormat(files []component.Entry, base string) error {
	for _, f := range files {
		name, inside := f.Path, true
		if base != "." {
			name, inside = strings.CutPrefix(f.Path, base+"/")
		}
		switch {
		case !inside:
		case slices.Contains(manifests, name):
			if err := p.manifest(name, f.Body); err != nil {
				return problem.Wrap(problem.Usage, err, p.Source+": "+name)
			}
		default:
			if component.CheckPath(name) != nil {
				return problem.Newf(problem.Usage, "%s: %q is no path of a component: no org takes it", p.Source, name).Hint("rename the file, or remove it")
			}
			if _, known := component.Known().Resolve(name); known {
				p.Files = append(p.Files, component.Entry{Path: name, Body: f.Body})
			} else {
				p.Foreign = append(p.Foreign, name)
			}
		}
	}
	slices.SortFunc(p.Files, func(a, b component.Entry) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(p.Foreign)
	for _, list := range []*[]sf.ComponentKey{&p.Deleted, &p.DeletedFirst} {
		slices.SortFunc(*list, sf.ComponentKey.Compare)
		*list = slices.Compact(*list)
	}
	return nil
}

func (p *Project) manifest(name string, raw []byte) error {
	m, err := component.ReadManifest(raw)
	if err != nil {
		return err
	}
	var keys []sf.ComponentKey
	for _, t := range m.Types {
		for _, member := range t.Members {
			keys = append(keys, sf.ComponentKey{Type: t.Name, Name: member})
		}
	}
	switch name {
	case "package.xml":
		p.Version, p.members = m.Version, keys
	case "destructiveChangesPre.xml":
		p.DeletedFirst = append(p.DeletedFirst, keys...)
	default:
		p.Deleted = append(p.Deleted, keys...)
	}
	return nil
}

// Components returns the files by component.
func (p Project) Components() map[sf.ComponentKey][]component.Entry { return component.ByKey(p.Files) }
