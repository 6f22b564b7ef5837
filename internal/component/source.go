package component

import (
	"archive/zip"
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// ToSource converts the files of one component from the format of the Metadata API into source format.
// Paths stay relative to the folder that holds the folders of types. A document that cannot be taken
// apart stays whole, with the ending of source format.
// Source for the layouts: source-deploy-retrieve 13.7.0, its registry and its snapshot tests.
func (t *Table) ToSource(key sf.ComponentKey, files []Entry) ([]Entry, error) {
	k := t.byName[key.Type]
	switch {
	case k == nil, k.Bundle, k.Content, k.Mixed && k.Suffix == "":
		return files, nil
	case k.Name == "StaticResource":
		return resourceToSource(k, files)
	case k.Name == "Document":
		return documentToSource(k, files), nil
	case k.folder:
		return rename(files, func(p string) string { return strings.TrimSuffix(p, metaSuffix) + "." + k.Suffix + metaSuffix }), nil
	case k.Decomposed() && len(files) == 1:
		return k.decompose(key.Name, files[0])
	}
	return rename(files, func(p string) string { return p + metaSuffix }), nil
}

func rename(files []Entry, to func(string) string) []Entry {
	out := make([]Entry, len(files))
	for i, f := range files {
		out[i] = Entry{to(f.Path), f.Body}
	}
	return out
}

// documentToSource gives the -meta.xml of a document the suffix of its type.
func documentToSource(k *Kind, files []Entry) []Entry {
	return rename(files, func(p string) string {
		stem, meta := strings.CutSuffix(p, metaSuffix)
		if !meta {
			return p
		}
		return strings.TrimSuffix(stem, path.Ext(stem)) + "." + k.Suffix + metaSuffix
	})
}

// decompose takes a document apart.
func (k *Kind) decompose(name string, file Entry) ([]Entry, error) {
	folder := k.Directory + "/" + name + "/"
	own := folder + name + "." + k.Suffix + metaSuffix
	root, err := Parse(file.Body)
	if err != nil || root.Name != k.Name {
		return []Entry{{own, file.Body}}, nil //nolint:nilerr // what cannot be read is handed on as it is
	}
	var out []Entry
	rest := &Node{Name: root.Name, Attrs: root.Attrs}
	for _, n := range root.Nodes {
		child, ok := k.Child(n.Name)
		id := n.Value(child.Key)
		if !ok || CheckPath(id) != nil || strings.Contains(id, "/") {
			rest.Nodes = append(rest.Nodes, n)
			continue
		}
		dir := folder
		if k.each {
			dir += child.Dir + "/"
		}
		body := Print(&Node{Name: child.Name, Nodes: n.Nodes})
		out = append(out, Entry{dir + id + "." + child.Suffix + metaSuffix, body})
	}
	if len(rest.Nodes) > 0 || len(out) == 0 {
		out = append(out, Entry{own, Print(rest)})
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	for i := 1; i < len(out); i++ {
		if out[i].Path == out[i-1].Path {
			return nil, fmt.Errorf("%s %s has two parts of the name %s", k.Name, name, out[i].Path)
		}
	}
	return out, nil
}

// Child returns the type of component that an element of the file is, if it is one.
func (k *Kind) Child(element string) (Child, bool) {
	for _, c := range k.Children {
		if c.Element == element {
			return c, true
		}
	}
	return Child{}, false
}

// Suffixes of static resources by their content type, as the official client names them; it calls all others .bin.
var resourceSuffixes = map[string]string{
	"application/javascript": "js", "application/x-javascript": "js", "text/javascript": "js", "application/json": "json",
	"application/ld+json": "jsonld", "application/manifest+json": "webmanifest", "application/pdf": "pdf", "application/rtf": "rtf",
	"application/xml": "xml", "application/xhtml+xml": "xhtml", "application/wasm": "wasm", "application/gzip": "gz",
	"application/msword": "doc", "application/vnd.ms-excel": "xls", "application/vnd.ms-powerpoint": "ppt",
	"application/vnd.ms-fontobject": "eot", "application/x-shockwave-flash": "swf",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         "xlsx",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   "docx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
	"text/xml": "xml", "text/css": "css", "text/html": "html", "text/plain": "txt", "text/csv": "csv", "text/markdown": "markdown",
	"text/rtf": "rtf", "text/calendar": "ics", "text/x-vcard": "vcf", "text/vcard": "vcard", "text/x-haml": "haml",
	"image/png": "png", "image/x-png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/svg+xml": "svg", "image/webp": "webp",
	"image/bmp": "bmp", "image/tiff": "tif", "image/x-icon": "ico", "image/vnd.microsoft.icon": "ico",
	"font/woff": "woff", "font/woff2": "woff2", "font/ttf": "ttf", "font/otf": "otf",
	"audio/mpeg": "mpga", "audio/mp4": "m4a", "audio/ogg": "oga", "audio/wav": "wav", "audio/x-wav": "wav",
	"video/mp4": "mp4", "video/webm": "webm", "video/ogg": "ogv", "video/quicktime": "qt", "video/x-msvideo": "avi",
}

// otherResource is the suffix of a static resource of any other type. Source: source-deploy-retrieve 13.7.0,
// getExtensionFromType.
const otherResource = "bin"

// Content types of static resources that are folders in source format.
var resourceFolders = []string{"application/zip", "application/x-zip-compressed", "application/jar"}

// resourceToSource unpacks a static resource that is an archive, and gives another the suffix of its type. An
// archive that is hostile stays one.
func resourceToSource(k *Kind, files []Entry) ([]Entry, error) {
	var content *Entry
	kind := ""
	out := make([]Entry, 0, len(files))
	for _, f := range files {
		if !strings.HasSuffix(f.Path, metaSuffix) {
			content = &f
			continue
		}
		out = append(out, f)
		if root, err := Parse(f.Body); err == nil {
			kind = root.Value("contentType")
		}
	}
	if content == nil {
		return out, nil
	}
	stem := strings.TrimSuffix(content.Path, "."+k.Suffix)
	if slices.Contains(resourceFolders, kind) {
		if inner, ok := unpackAll(content.Body); ok {
			for _, f := range inner {
				out = append(out, Entry{stem + "/" + f.Path, f.Body})
			}
			return out, nil
		}
	}
	suffix := resourceSuffixes[kind]
	if suffix == "" {
		suffix = otherResource
	}
	return append(out, Entry{stem + "." + suffix, content.Body}), nil
}

// unpackAll returns every file of an archive, or false when it cannot stand as a folder.
func unpackAll(raw []byte) ([]Entry, bool) {
	limits := DefaultLimits
	limits.Unpacked = limits.File // a static resource has 5 MB
	a, err := OpenArchive(raw, limits)
	if err != nil || a.Len() == 0 {
		return nil, false
	}
	var out []Entry
	for f, err := range a.Entries() {
		if err != nil {
			return nil, false
		}
		out = append(out, f)
	}
	return out, true
}

// Pack makes an archive of files, in the order of their paths. The same files give the same bytes.
func Pack(files []Entry) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	sorted := slices.SortedStableFunc(slices.Values(files), func(x, y Entry) int { return strings.Compare(x.Path, y.Path) })
	for i, f := range sorted {
		if err := CheckPath(f.Path); err != nil {
			return nil, err
		}
		if i > 0 && sorted[i-1].Path == f.Path {
			return nil, fmt.Errorf("two files %s", f.Path)
		}
		out, err := w.Create(f.Path)
		if err != nil {
			return nil, err
		}
		if _, err := out.Write(f.Body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
