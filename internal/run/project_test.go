package run_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// sourceFiles reads the files of a public project below its package folders.
func sourceFiles(t *testing.T, name string, folders ...string) []component.Entry {
	t.Helper()
	var files []component.Entry
	for path, body := range testkit.ProjectFiles(t, name, folders...) {
		files = append(files, component.Entry{Path: path, Body: body})
	}
	return files
}

// deploySource deploys files in source format.
func deploySource(t *testing.T, org *salesforce.Org, files []component.Entry) {
	t.Helper()
	archive, foreign, err := component.Known().FromSource(files)
	if err != nil || len(foreign) > 0 {
		t.Fatalf("%v; foreign %q", err, foreign)
	}
	var keys []sf.ComponentKey
	for _, f := range archive {
		key, _ := component.Known().Resolve(f.Path)
		keys = append(keys, component.InManifest(key))
	}
	raw, err := component.Pack(append(archive, component.Entry{Path: "package.xml", Body: component.PrintManifest(sf.ManifestOf("66.0", keys))}))
	if err != nil {
		t.Fatal(err)
	}
	d, err := org.Deploy(t.Context(), raw, sf.DeployOptions{RollbackOnError: true})
	if err != nil || !d.Success {
		t.Fatalf("deploy: %v %s %+v", err, d.Error, d.Results[:min(3, len(d.Results))])
	}
}

// TestExportIsTheProjectThatWasDeployed: what comes out of a snapshot says the same as what went into the org,
// file by file; an org that deploys what came out does not change.
func TestExportIsTheProjectThatWasDeployed(t *testing.T) {
	o := observeOrg(t, emulator.Options{Seed: 1, Packages: testkit.NPSPRegistry(t)})
	server, org, store := o.server, o.client, o.store
	testkit.InstallPackages(t, t.Context(), &testkit.Loader{InstanceURL: server.URL, AccessToken: server.AccessToken, Version: "v66.0"})
	var deployed []component.Entry
	for _, p := range []struct {
		name    string
		folders []string
	}{
		{"npsp", []string{"force-app"}}, {"dreamhouse", []string{"force-app"}}, {"easy-spaces", []string{"es-base-objects", "es-base-code", "es-space-mgmt"}},
	} {
		files := sourceFiles(t, p.name, p.folders...)
		deploySource(t, org, files)
		deployed = append(deployed, files...)
	}
	backup := func() run.BackupResult {
		server.Clock().Advance(time.Second)
		r, err := run.Backup(t.Context(), run.BackupInput{
			Source: org, Store: store, Options: capture.Options{Include: []string{"components/*"}, Metadata: org},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := backup()
	exported := map[string][]byte{}
	result, err := run.Project(t.Context(), run.ProjectInput{Store: store, Snapshot: "latest", Create: into(exported)})
	if err != nil {
		t.Fatal(err)
	}
	compared := map[string]bool{}
	differ := 0
	for i := len(deployed) - 1; i >= 0; i-- { // where projects share a file, the later one stands
		_, path, _ := strings.Cut(deployed[i].Path, "/main/default/")
		// The public copy of the package lacks the folder of this report, so that no listing finds it.
		if compared[path] || strings.HasPrefix(path, "reports/npe01__Nonprofit_Edition_Reports/") {
			continue
		}
		compared[path] = true
		if !sameDocument(exported["force-app/main/default/"+path], deployed[i].Body) {
			if differ++; differ < 20 {
				t.Errorf("%s: exported %.600s\ndeployed %.600s", path, exported["force-app/main/default/"+path], deployed[i].Body)
			}
		}
	}
	components := 0
	for _, row := range result.Types {
		components += row.Components
	}
	t.Logf("%d components of %d types exported in %d files, %d of managed packages left out; %d files of the projects compared, %d differ",
		components, len(result.Types), result.Files, result.Installed, len(compared), differ)

	second := backup()
	diff, err := run.Diff(t.Context(), run.DiffInput{Store: store, Before: first.Snapshot.ID, After: second.Snapshot.ID})
	if err != nil || len(diff.Components) > 0 || len(diff.Objects) > 0 {
		t.Errorf("an unchanged org differs: %+v %+v %v", diff.Components, diff.Objects, err)
	}
}

// sameDocument reports files that say the same. The order of repeated elements counts.
func sameDocument(a, b []byte) bool {
	x, okX := component.Canonical(rootOf(a), a)
	y, okY := component.Canonical(rootOf(b), b)
	return a != nil && okX == okY && (okX && bytes.Equal(x, y) || !okX && bytes.Equal(a, b))
}

func rootOf(raw []byte) string {
	root, err := component.Parse(raw)
	if err != nil {
		return ""
	}
	return root.Name
}

// into makes files in a map.
func into(files map[string][]byte) func(string) (io.WriteCloser, error) {
	return func(path string) (io.WriteCloser, error) { return &memoryFile{files: files, path: path}, nil }
}

type memoryFile struct {
	bytes.Buffer
	files map[string][]byte
	path  string
}

func (f *memoryFile) Close() error { f.files[f.path] = f.Bytes(); return nil }
