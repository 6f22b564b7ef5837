package project_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/project"
	"holdfast/internal/sf"
)

// repository makes a repository with one commit, and of what is there beside the files that are given.
func repository(t *testing.T, files map[string]string) (dir string, git func(args ...string) string) {
	t.Helper()
	dir = t.TempDir()
	git = gitIn(t, dir)
	write(t, dir, files)
	git("init", "-q", "-b", "main")
	git("config", "user.name", "a")
	git("config", "user.email", "a@example.com")
	git("add", "-A")
	git("commit", "-q", "-m", "one")
	return dir, git
}

func wantedClass(name, body string) project.Wanted {
	w := wantedFile("ApexClass", name, "classes/"+name+".cls", body)
	w.Files = append(w.Files, component.Entry{Path: "classes/" + name + ".cls-meta.xml", Body: []byte(meta)})
	return w
}

const twoPackages = `{"packageDirectories":[{"path":"a"},{"path":"b"}]}`

// What lies in the folder more than once, or in parts that are not known here, is named and left as it is: which of the
// files is meant is not known. What is no part of the project is not looked at.
func TestProposeLeavesWhatIsAmbiguous(t *testing.T) {
	field := func(name, label string) string {
		return "<CustomField" + space + "><fullName>" + name + "</fullName><label>" + label + "</label><type>Text</type></CustomField>"
	}
	label := func(name, value string) string {
		return "<CustomLabels" + space + "><labels><fullName>" + name + "</fullName><value>" + value + "</value></labels></CustomLabels>"
	}
	dir, git := repository(t, map[string]string{
		"sfdx-project.json":   twoPackages,
		".forceignore":        "**/legacy/**\n",
		"a/classes/Twice.cls": "bad", "a/classes/Twice.cls-meta.xml": meta,
		"b/classes/Twice.cls": "theirs", "b/classes/Twice.cls-meta.xml": meta,
		"a/classes/Once.cls": "bad", "a/classes/Once.cls-meta.xml": meta,
		"outside/classes/Once.cls": "old", "outside/classes/Once.cls-meta.xml": meta,
		"b/legacy/classes/Once.cls": "older", "b/legacy/classes/Once.cls-meta.xml": meta,
		"a/labels/CustomLabels.labels-meta.xml":       label("A", "a"),
		"b/labels/CustomLabels.labels-meta.xml":       label("B", "bad"),
		"a/objects/T__c/fields/A__c.field-meta.xml":   field("A__c", "a"),
		"b/objects/T__c/fields/A__c.field-meta.xml":   field("A__c", "b"),
		"a/permissionsets/P/P.permissionset-meta.xml": "<PermissionSet" + space + "><label>P</label></PermissionSet>",
		"a/permissionsets/P/P.classAccess-meta.xml":   "<PermissionSet" + space + "><classAccesses><apexClass>Bad</apexClass><enabled>true</enabled></classAccesses></PermissionSet>",
		"a/documents/F/x.png":                         "bad",
		"a/documents/F/x.document-meta.xml":           "<Document" + space + "/>",
		"a/documents/F/xx.document-meta.xml":          "<Document" + space + "/>",
	})
	git("update-index", "--chmod=+x", "a/classes/Once.cls")
	git("commit", "-q", "-m", "two")
	p, err := project.Propose(t.Context(), dir, "main", "x", "m", []project.Wanted{
		wantedClass("Twice", "good"), wantedClass("Once", "good"),
		wantedFile("CustomLabels", "CustomLabels", "labels/CustomLabels.labels", label("B", "good"), component.PartChange{Element: "labels", Key: "B", How: component.Changed}),
		wantedFile("CustomObject", "T__c", "objects/T__c.object", "<CustomObject"+space+"><fields><fullName>A__c</fullName><label>good</label><type>Text</type></fields></CustomObject>",
			component.PartChange{Element: "fields", Key: "A__c", How: component.Changed}),
		wantedFile("PermissionSet", "P", "permissionsets/P.permissionset", "<PermissionSet"+space+"><label>P</label></PermissionSet>",
			component.PartChange{Element: "classAccesses", Key: "Bad", How: component.Removed}),
		{Key: sf.ComponentKey{Type: "Document", Name: "F/x.png"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ApexClass Twice", "CustomLabels CustomLabels", "CustomObject T__c", "PermissionSet P"}; !slices.Equal(p.Ambiguous, want) {
		t.Errorf("ambiguous: %q", p.Ambiguous)
	}
	if want := "D\ta/documents/F/x.document-meta.xml\nD\ta/documents/F/x.png\nM\ta/classes/Once.cls"; sortedLines(git("diff", "--name-status", "--no-renames", "main", "x")) != want {
		t.Errorf("the branch has\n%s", git("diff", "--name-status", "main", "x"))
	}
	if mode := git("ls-tree", "x", "a/classes/Once.cls"); !strings.HasPrefix(mode, "100755 ") {
		t.Errorf("a program is none any more: %s", mode)
	}
	p, err = project.Propose(t.Context(), dir, "main", "y", "m", []project.Wanted{{Key: sf.ComponentKey{Type: "ApexClass", Name: "Twice"}}})
	if err != nil || len(p.Deleted) != 4 {
		t.Errorf("what is to be gone is gone wherever it is: %v %+v", err, p)
	}
	if _, err := project.Revision(t.Context(), dir, "main"); problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), "P.classAccess-meta.xml") {
		t.Errorf("a permission set without its parts was read: %v", err)
	}
	if _, err := project.Open(dir); problem.KindOf(err) != problem.Usage {
		t.Errorf("a permission set without its parts was read: %v", err)
	}
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Git would put a file in the place of a link or of another file, without a word.
func TestProposeReplacesNeitherLinkNorModule(t *testing.T) {
	dir, git := repository(t, map[string]string{"main/default/classes/Pay.cls": "bad", "main/default/classes/Pay.cls-meta.xml": meta, "shared/x": "1"})
	if err := os.Symlink("../../shared", filepath.Join(dir, "main/default/pages")); err != nil {
		t.Fatal(err)
	}
	git("add", "-A")
	git("update-index", "--add", "--cacheinfo", "160000,"+git("rev-parse", "HEAD")+",main/default/triggers")
	git("commit", "-q", "-m", "two")
	for kind, path := range map[string]string{"ApexPage": "pages/Back.page", "ApexTrigger": "triggers/Back.trigger"} {
		w := project.Wanted{Key: sf.ComponentKey{Type: kind, Name: "Back"}, New: true, Files: []component.Entry{
			{Path: path, Body: []byte("back")}, {Path: path + "-meta.xml", Body: []byte("<" + kind + space + "/>")},
		}}
		if p, err := project.Propose(t.Context(), dir, "main", "x", "m", []project.Wanted{w}); problem.KindOf(err) != problem.Conflict || p.Commit != "" {
			t.Errorf("%s: %v %+v", kind, err, p)
		}
	}
	w := wantedClass("Pay", "good")
	w.Files[0].Path = "../classes/Pay.cls"
	if _, err := project.Propose(t.Context(), dir, "main", "x", "m", []project.Wanted{w}); err == nil {
		t.Error("a path that leads out was taken")
	}
	if git("branch", "--list", "x") != "" {
		t.Error("there is a branch")
	}
}

// What stands for another commit in this clone alone is not what the others have, and neither settings nor the
// environment of a hook lead to another repository.
func TestGitReadsTheRepositoryThatIsNamed(t *testing.T) {
	files := func(body string) map[string]string {
		return map[string]string{"classes/Pay.cls": "bad", "classes/Pay.cls-meta.xml": meta, "classes/Other.cls": body, "classes/Other.cls-meta.xml": meta}
	}
	dir, git := repository(t, files("fine"))
	one := git("rev-parse", "main")
	write(t, dir, files("evil"))
	git("commit", "-q", "-a", "-m", "evil")
	git("replace", one, "HEAD")
	p, err := project.Propose(t.Context(), dir, one, "x", "m", []project.Wanted{wantedClass("Pay", "good")})
	if err != nil || git("--no-replace-objects", "diff", "--name-only", one, p.Commit) != "classes/Pay.cls" {
		t.Errorf("%v %+v", err, p)
	}

	other, theirs := repository(t, files("other"))
	t.Setenv("GIT_DIR", filepath.Join(dir, ".git"))
	r, err := project.Revision(t.Context(), other, "main")
	if err != nil || r.Commit == one || !slices.ContainsFunc(r.Files, func(f component.Entry) bool { return string(f.Body) == "other" }) {
		t.Errorf("%v %+v", err, r)
	}
	if err := os.Unsetenv("GIT_DIR"); err != nil {
		t.Fatal(err)
	}
	theirs("config", "core.worktree", dir)
	if _, err := project.Propose(t.Context(), other, "main", "y", "m", []project.Wanted{wantedClass("Pay", "good")}); problem.KindOf(err) != problem.Usage {
		t.Errorf("files elsewhere: %v", err)
	}
	if git("branch", "--list", "y") != "" {
		t.Error("a branch was made in another repository")
	}
}

// A bare repository, as servers and mirrors have it, is read, reverted in and proposed to like any other.
func TestABareRepositoryIsARepository(t *testing.T) {
	files := func(body string) map[string]string {
		return map[string]string{"force-app/classes/Pay.cls": body, "force-app/classes/Pay.cls-meta.xml": meta}
	}
	dir, git := repository(t, files("good"))
	write(t, dir, files("bad"))
	git("commit", "-q", "-a", "-m", "bad")
	bare := filepath.Join(t.TempDir(), "team.git")
	git("clone", "-q", "--bare", dir, bare)
	for _, folder := range []string{bare, filepath.Join(bare, "force-app")} {
		p, err := project.Revision(t.Context(), folder, "main~1")
		if err != nil || len(p.Files) != 2 || string(p.Files[0].Body) != "good" {
			t.Errorf("%s: %v %+v", folder, err, p)
		}
	}
	c, err := project.Revert(t.Context(), filepath.Join(bare, "force-app"), "main", "main", "revert/pay")
	if err != nil || len(c.Package.Files) != 2 || string(c.Package.Files[0].Body) != "good" {
		t.Errorf("revert: %v %+v", err, c)
	}
	if p, err := project.Propose(t.Context(), bare, "main", "x", "m", []project.Wanted{wantedClass("Pay", "better")}); err != nil || p.Commit == "" {
		t.Errorf("propose: %v %+v", err, p)
	}
	if _, err := project.Revision(t.Context(), filepath.Join(bare, "refs"), "main"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a folder that the repository does not have: %v", err)
	}
	if _, err := project.Revision(t.Context(), filepath.Join(dir, ".git"), "main"); problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), ".git") {
		t.Errorf("within .git: %v", err)
	}
}

// A path that no org takes is named, with what to do; what is no part of the project stands in nobody's way.
func TestAPathThatNoOrgTakesIsNamed(t *testing.T) {
	for _, name := range []string{"classes/Pa\ny.cls", "lwc/pay/pay\n.js", "classes/Pa:y.cls"} {
		files := map[string]string{
			"sfdx-project.json": `{"packageDirectories":[{"path":"force-app"}]}`, "force-app/classes/A.cls": "x", "force-app/classes/A.cls-meta.xml": meta,
			"notes/a\nb: c.txt": "no part of it", "force-app/" + name: "x",
		}
		dir, _ := repository(t, files)
		spelt := strings.ReplaceAll(name, "\n", `\n`)
		read := map[string]func(string) (project.Project, error){
			"folder": project.Open, "revision": func(dir string) (project.Project, error) { return project.Revision(t.Context(), dir, "main") },
		}
		for how, open := range read {
			_, err := open(dir)
			if problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), spelt) || !strings.Contains(problem.HintOf(err), ".forceignore") {
				t.Errorf("%s of %q: %v (%s)", how, name, err, problem.HintOf(err))
			}
		}
		delete(files, "force-app/"+name)
		dir, _ = repository(t, files)
		for how, open := range read {
			if p, err := open(dir); err != nil || len(p.Files) != 2 {
				t.Errorf("%s without %q: %v %v", how, name, err, p.Files)
			}
		}
		files["force-app/"+name], files[".forceignore"] = "x", "**/Pa*y.cls\n**/pay*.js\n"
		dir, _ = repository(t, files)
		for how, open := range read {
			if p, err := open(dir); err != nil || len(p.Files) != 2 {
				t.Errorf("%s with %q ignored: %v %v", how, name, err, p.Files)
			}
		}
	}
}
