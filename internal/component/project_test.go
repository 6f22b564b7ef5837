package component_test

import (
	"bytes"
	"strings"
	"testing"

	"holdfast/internal/component"
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
				t.Logf("foreign: %s", f)
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
					t.Logf("no %s", path)
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
