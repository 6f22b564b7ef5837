package component_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// projectFiles reads the files of a public project below its package folders.
func projectFiles(t *testing.T, name string, folders ...string) []component.Entry {
	t.Helper()
	var files []component.Entry
	for path, body := range testkit.ProjectFiles(t, name, folders...) {
		files = append(files, component.Entry{Path: path, Body: body})
	}
	return files
}

// TestProjectsComeBack: what is converted into the format of the Metadata API and back says the same.
func TestProjectsComeBack(t *testing.T) {
	for name, folders := range map[string][]string{
		"npsp": {"force-app"}, "dreamhouse": {"force-app"}, "easy-spaces": {"es-base-code", "es-base-objects", "es-space-mgmt"},
	} {
		t.Run(name, func(t *testing.T) {
			files := projectFiles(t, name, folders...)
			table := component.Known()
			archive, foreign, err := table.FromSource(files)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range foreign {
				t.Errorf("foreign: %s", f)
			}
			back := map[string][]byte{}
			parts := map[string][]component.Entry{}
			n := 0
			for _, f := range archive {
				key, ok := table.Resolve(f.Path)
				if !ok {
					t.Errorf("%s is of no component", f.Path)
				}
				parts[key.Type+" "+key.Name] = append(parts[key.Type+" "+key.Name], f)
			}
			for _, files := range parts {
				key, _ := table.Resolve(files[0].Path)
				source, err := table.ToSource(key, files)
				if err != nil {
					t.Error(err)
				}
				n++
				for _, f := range source {
					back[f.Path] = f.Body
				}
			}
			same := 0
			for _, f := range files {
				_, path, _ := strings.Cut(f.Path, "main/default/")
				got, ok := back[path]
				if !ok {
					t.Errorf("no %s", path)
					continue
				}
				if bytes.Equal(got, f.Body) {
					same++
				}
				a, okA := component.Canonical("", got)
				b, okB := component.Canonical("", f.Body)
				if okA != okB || okA && !bytes.Equal(a, b) || !okA && !bytes.Equal(got, f.Body) {
					t.Errorf("%s differs", path)
				}
			}
			t.Logf("%d files, %d in the archive, %d components, %d came back, %d byte for byte, %d foreign", len(files), len(archive), n, len(back), same, len(foreign))
		})
	}
}

// TestStaticResourcesAreNamedByTheirContentType: a project has them under the names that the official client gives them,
// and they come back from it with the same bytes.
func TestStaticResourcesAreNamedByTheirContentType(t *testing.T) {
	table := component.Known()
	key := sf.ComponentKey{Type: "StaticResource", Name: "S"}
	for kind, want := range map[string]string{
		"text/javascript": "S.js", "application/x-javascript": "S.js", "image/jpeg": "S.jpeg", "audio/mpeg": "S.mpga", "text/markdown": "S.markdown",
		"application/octet-stream": "S.bin", "application/font-woff": "S.bin", "made/up": "S.bin",
		"application/zip": "S.bin", // of what is no archive
	} {
		meta := []byte(`<StaticResource xmlns="http://soap.sforce.com/2006/04/metadata"><contentType>` + kind + `</contentType></StaticResource>`)
		files := []component.Entry{{Path: "staticresources/S.resource", Body: []byte("no archive\r\n\x00")}, {Path: "staticresources/S.resource-meta.xml", Body: meta}}
		source, err := table.ToSource(key, files)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(source, func(f component.Entry) bool {
			return f.Path == "staticresources/"+want && bytes.Equal(f.Body, files[0].Body)
		}) {
			t.Errorf("%s: no %s", kind, want)
		}
		for i := range source {
			source[i].Path = "force-app/main/default/" + source[i].Path
		}
		back, foreign, err := table.FromSource(source)
		if err != nil || len(foreign) > 0 {
			t.Fatal(err, foreign)
		}
		slices.SortFunc(back, func(a, b component.Entry) int { return strings.Compare(a.Path, b.Path) })
		if !slices.EqualFunc(back, files, func(a, b component.Entry) bool { return a.Path == b.Path && bytes.Equal(a.Body, b.Body) }) {
			t.Errorf("%s: %v came back", kind, back)
		}
	}
}
