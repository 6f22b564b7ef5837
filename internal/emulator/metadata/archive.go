package metadata

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// The bounds of an archive. Source: Metadata API Developer Guide, "Deploying and Retrieving Metadata
// with the Zip File" (10,000 files, 39 MB as sent or given back by SOAP, 629,145,600 bytes unpacked).
const (
	maxFiles    = 10_000
	maxZip      = 39 << 20
	maxUnpacked = 629_145_600
)

// refusal is why an archive cannot be deployed at all, or a retrieve not be answered: a StatusCode
// and its text.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

// archive is the files of a deploy by their path below the folder that holds package.xml.
type archive struct {
	files map[string][]byte
	size  int64 // unpacked
}

func (a *archive) paths() []string { return slices.Sorted(maps.Keys(a.files)) }

// openArchive reads a deploy archive. package.xml stands at the top, or, unless single is set, in the
// one folder at the top. Directory entries, which the official client sends, hold nothing.
func openArchive(raw []byte, single bool) (*archive, error) {
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil { // the wording is unverified
		return nil, &refusal{"INVALID_OPERATION", "Unable to read zip file"}
	}
	entries := slices.DeleteFunc(slices.Clone(r.File), func(f *zip.File) bool { return strings.HasSuffix(f.Name, "/") })
	if len(r.File) > maxFiles {
		// Folders count, too. Source: public issues of the official client (forcedotcom/cli 1674, 2910),
		// which counts them in its warning.
		return nil, &refusal{"INVALID_OPERATION", "Too many files in zip"}
	}
	declared := uint64(0)
	for _, f := range entries {
		if declared += min(f.UncompressedSize64, maxUnpacked+1); declared > maxUnpacked {
			return nil, tooLarge()
		}
	}
	a := &archive{files: map[string][]byte{}}
	for _, f := range entries {
		if err := a.unpack(f); err != nil {
			return nil, err
		}
	}
	return a, a.rebase(single)
}

func tooLarge() error { // the wording is unverified
	return &refusal{"LIMIT_EXCEEDED", fmt.Sprintf("Maximum size of uncompressed files exceeded: %d bytes", int64(maxUnpacked))}
}

// unpack takes one file, whose name must be a plain path below the archive that no other file has.
func (a *archive) unpack(f *zip.File) error {
	bad := func(why string) error { // the wording is unverified
		return &refusal{"INVALID_OPERATION", fmt.Sprintf("Invalid file %q in zip: %s", f.Name, why)}
	}
	name := f.Name
	switch {
	case strings.Contains(name, `\`) || path.Clean(name) != name || !fs.ValidPath(name):
		return bad("not a path below the package")
	case !f.Mode().IsRegular():
		return bad("not a regular file")
	case a.files[name] != nil:
		return bad("it occurs twice")
	}
	body, err := f.Open()
	if err != nil {
		return bad("it cannot be unpacked")
	}
	content, err := io.ReadAll(io.LimitReader(body, maxUnpacked-a.size+1))
	_ = body.Close() // read in full, or refused
	if err != nil {
		return bad("it cannot be unpacked")
	}
	if a.size += int64(len(content)); a.size > maxUnpacked {
		return tooLarge()
	}
	if content == nil {
		content = []byte{}
	}
	a.files[name] = content
	return nil
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
		return &refusal{"INVALID_PACKAGE", "No package.xml found"}
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

// pack makes a zip of files, in the order of their names.
func pack(files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	packer, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		packer.Reset(out) // one packer after the other: each has large tables
		return packer, nil
	})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
