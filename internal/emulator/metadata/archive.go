package metadata

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// The bounds of an archive. Source: Metadata API Developer Guide, "File-Based Calls" (10,000 files,
// 600 MB uncompressed).
const (
	maxFiles = 10_000
	maxBytes = 629_145_600
)

// archive is the files of a deploy by their path below the folder that holds package.xml.
type archive struct {
	files map[string][]byte
}

func (a *archive) paths() []string {
	var out []string
	for p := range a.files {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// openArchive reads a deploy archive. package.xml stands at the top, or, unless single is set, in the
// one folder at the top.
func openArchive(raw []byte, single bool) (*archive, error) {
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("INVALID_ZIP: %w", err)
	}
	if len(r.File) > maxFiles {
		return nil, fmt.Errorf("LIMIT_EXCEEDED: %d files, maximum is %d", len(r.File), maxFiles)
	}
	a, total := &archive{files: map[string][]byte{}}, int64(0)
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		name := path.Clean(strings.ReplaceAll(f.Name, `\`, "/"))
		if !fs.ValidPath(name) {
			return nil, fmt.Errorf("INVALID_ZIP: path %q", f.Name)
		}
		body, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("INVALID_ZIP: %s: %w", name, err)
		}
		content, err := io.ReadAll(io.LimitReader(body, maxBytes-total+1))
		_ = body.Close() // read in full, or refused
		if err != nil {
			return nil, fmt.Errorf("INVALID_ZIP: %s: %w", name, err)
		}
		if total += int64(len(content)); total > maxBytes {
			return nil, fmt.Errorf("LIMIT_EXCEEDED: uncompressed size, maximum is %d bytes", int64(maxBytes))
		}
		a.files[name] = content
	}
	return a, a.rebase(single)
}

// readFolder reads a package of the registry.
func readFolder(folder fs.FS) (*archive, error) {
	a := &archive{files: map[string][]byte{}}
	err := fs.WalkDir(folder, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if len(a.files) >= maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		content, err := fs.ReadFile(folder, p)
		a.files[p] = content
		return err
	})
	return a, err
}

// rebase makes the paths relative to the folder of package.xml.
func (a *archive) rebase(single bool) error {
	if _, ok := a.files["package.xml"]; ok {
		return nil
	}
	root := ""
	for p := range a.files {
		if dir, ok := strings.CutSuffix(p, "/package.xml"); ok && !strings.Contains(dir, "/") {
			root = dir + "/"
		}
	}
	if root == "" || single {
		// The wording is unverified.
		return fmt.Errorf("INVALID_PACKAGE: No package.xml found")
	}
	moved := map[string][]byte{}
	for p, content := range a.files {
		if rest, ok := strings.CutPrefix(p, root); ok {
			moved[rest] = content
		}
	}
	a.files = moved
	return nil
}
