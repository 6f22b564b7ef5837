package project_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/sf"
)

const space = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

// write makes files below a folder.
func write(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, body := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const meta = `<ApexClass` + space + `><apiVersion>66.0</apiVersion></ApexClass>`

// source is a small project in source format, with what is no part of it.
var source = map[string]string{
	"sfdx-project.json":                                              `{"packageDirectories":[{"path":"force-app","default":true}],"sourceApiVersion":"65.0"}`,
	".forceignore":                                                   "# comment\n**/Ignored.cls*\n/force-app/main/old/\n",
	"force-app/main/default/classes/A.cls":                           "public class A {}",
	"force-app/main/default/classes/A.cls-meta.xml":                  meta,
	"force-app/main/default/classes/Ignored.cls":                     "x",
	"force-app/main/default/classes/Ignored.cls-meta.xml":            meta,
	"force-app/main/old/classes/Old.cls":                             "x",
	"force-app/main/old/classes/Old.cls-meta.xml":                    meta,
	"force-app/main/default/objects/T__c/fields/A__c.field-meta.xml": `<CustomField` + space + `><fullName>A__c</fullName><type>Text</type></CustomField>`,
	"force-app/main/default/objects/T__c/T__c.object-meta.xml":       `<CustomObject` + space + `><label>T</label></CustomObject>`,
	"force-app/main/default/lwc/c/c.js":                              "export default 1",
	"force-app/main/default/lwc/c/__tests__/c.test.js":               "no",
	"force-app/main/default/notes.md":                                "foreign",
	"manifest/package.xml":                                           `<Package` + space + `><version>60.0</version></Package>`,
	"node_modules/x/classes/N.cls":                                   "no",
	"scripts/apex/hello.apex":                                        "no",
}

func names(p project.Project) []string {
	var out []string
	for k := range p.Components() {
		out = append(out, k.Type+" "+k.Name)
	}
	slices.Sort(out)
	return out
}

var wanted = []string{"ApexClass A", "CustomObject T__c", "LightningComponentBundle c"}

func TestAProjectIsItsPackages(t *testing.T) {
	dir := write(t, t.TempDir(), source)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "force-app/main/default/classes/Evil.cls")); err != nil {
		t.Fatal(err)
	}
	p, err := project.Open(dir)
	if err != nil || !slices.Equal(names(p), wanted) || p.Version != "65.0" || !slices.Equal(p.Foreign, []string{"force-app/main/default/notes.md"}) {
		t.Errorf("%v %v %q %q", names(p), err, p.Version, p.Foreign)
	}
}

func TestAFolderAndAZipOfTheMetadataAPI(t *testing.T) {
	files := map[string]string{
		"unpackaged/package.xml":               `<Package` + space + `><types><members>A</members><name>ApexClass</name></types><version>64.0</version></Package>`,
		"unpackaged/destructiveChangesPre.xml": `<Package` + space + `><types><members>F-1</members><name>Flow</name></types></Package>`,
		"unpackaged/destructiveChanges.xml":    `<Package` + space + `><types><members>T__c.B__c</members><name>CustomField</name></types></Package>`,
		"unpackaged/classes/A.cls":             "public class A {}",
		"unpackaged/classes/A.cls-meta.xml":    meta,
	}
	dir := write(t, t.TempDir(), files)
	var entries []component.Entry
	for name, body := range files {
		entries = append(entries, component.Entry{Path: name, Body: []byte(body)})
	}
	raw, err := component.Pack(entries)
	if err != nil {
		t.Fatal(err)
	}
	zip := filepath.Join(t.TempDir(), "p.zip")
	if err := os.WriteFile(zip, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{dir, zip} {
		p, err := project.Open(at)
		if err != nil || !slices.Equal(names(p), []string{"ApexClass A"}) || p.Version != "64.0" ||
			!slices.Equal(p.DeletedFirst, []sf.ComponentKey{{Type: "Flow", Name: "F-1"}}) || !slices.Equal(p.Deleted, []sf.ComponentKey{{Type: "CustomField", Name: "T__c.B__c"}}) {
			t.Errorf("%s: %+v %v", at, p, err)
		}
	}
}

func TestWhatIsNoProjectIsRefused(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"a.txt": "x", "bad.zip": "PK", "twice/main/classes/A.cls": "1", "twice/other/classes/A.cls": "2"})
	for at, kind := range map[string]problem.Kind{"": problem.Usage, "bad.zip": problem.Usage, "twice": problem.Usage, "nowhere": problem.NotFound} {
		if _, err := project.Open(filepath.Join(dir, at)); problem.KindOf(err) != kind {
			t.Errorf("%q: %v", at, err)
		}
	}
}

// A folder of a Git repository is read as it was at a revision, whatever lies there now.
func TestARevisionIsReadAsItWas(t *testing.T) {
	dir := write(t, t.TempDir(), source)
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "force-app/main/default/classes/Evil.cls")); err != nil {
		t.Fatal(err)
	}
	git("add", "-A", "-f")
	git("commit", "-q", "-m", "one")
	first := git("rev-parse", "HEAD")
	git("rm", "-q", "-r", "force-app")
	git("commit", "-q", "-m", "two")
	p, err := project.Revision(t.Context(), dir, "HEAD~1")
	if err != nil || p.Commit != first || !slices.Equal(names(p), wanted) {
		t.Fatalf("%v %v %s", names(p), err, p.Commit)
	}
	p, err = project.Revision(t.Context(), filepath.Join(dir, "force-app/main/default"), first)
	if err != nil || !slices.Contains(names(p), "ApexClass A") {
		t.Errorf("a folder that is gone: %v %v", names(p), err)
	}
	for _, revision := range []string{"nowhere", "", "--all"} {
		if _, err := project.Revision(t.Context(), dir, revision); err == nil {
			t.Errorf("%q is a revision", revision)
		}
	}
	if _, err := project.Revision(t.Context(), t.TempDir(), "main"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("no repository: %v", err)
	}
}

// A project has more files than an archive may have: in source format each field has one of its own.
func TestAProjectOfManyFilesIsRead(t *testing.T) {
	files := map[string]string{"objects/Thing__c/Thing__c.object-meta.xml": `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><label>T</label></CustomObject>`}
	for i := range 25_001 {
		name := fmt.Sprintf("F%05d__c", i)
		files["objects/Thing__c/fields/"+name+".field-meta.xml"] = `<CustomField xmlns="http://soap.sforce.com/2006/04/metadata"><fullName>` + name + `</fullName></CustomField>`
	}
	p, err := project.Open(write(t, t.TempDir(), files))
	if err != nil || len(p.Files) != 1 || len(p.Foreign) > 0 {
		t.Fatalf("%v, %d files", err, len(p.Files))
	}
}
