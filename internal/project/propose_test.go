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

func wantedFile(kind, name, path, body string, parts ...component.PartChange) project.Wanted {
	return project.Wanted{Key: sf.ComponentKey{Type: kind, Name: name}, Files: []component.Entry{{Path: path, Body: []byte(body)}}, Parts: parts}
}

func grant(field, edit string) string {
	return "<fieldPermissions><editable>" + edit + "</editable><field>" + field + "</field><readable>true</readable></fieldPermissions>"
}

// A branch has of each component what is wanted, where the team has it: of a profile the permissions that are named and no
// others, of an object the files of the parts, of a class both files, and nothing of what the team does not keep.
func TestProposeWritesWhatIsWantedWhereItLies(t *testing.T) {
	dir := t.TempDir()
	git := gitIn(t, dir)
	object := func(inner string) string {
		return "<CustomObject" + space + ">" + inner + "<label>Thing</label></CustomObject>"
	}
	field := func(name, label string) string {
		return "<fields><fullName>" + name + "</fullName><label>" + label + "</label><type>Text</type></fields>"
	}
	const base = "pkg/force-app/main/default/"
	write(t, dir, map[string]string{
		base + "profiles/Admin.profile-meta.xml":                "<Profile" + space + ">" + grant("T.A", "true") + grant("T.B", "true") + "</Profile>",
		base + "objects/Thing__c/Thing__c.object-meta.xml":      object(""),
		base + "objects/Thing__c/fields/A__c.field-meta.xml":    "<CustomField" + space + "><fullName>A__c</fullName><label>bad</label><type>Text</type></CustomField>",
		base + "objects/Thing__c/fields/Team__c.field-meta.xml": "<CustomField" + space + "><fullName>Team__c</fullName><label>Team</label><type>Text</type></CustomField>",
		base + "classes/deep/Pay.cls":                           "bad",
		base + "classes/deep/Pay.cls-meta.xml":                  meta,
		base + "classes/Fresh.cls":                              "fresh",
		base + "classes/Fresh.cls-meta.xml":                     meta,
		"other/README.md":                                       "x",
	})
	git("init", "-q", "-b", "main")
	git("config", "user.name", "a")
	git("config", "user.email", "a@example.com")
	git("add", "-A")
	git("commit", "-q", "-m", "one")
	write(t, dir, map[string]string{base + "classes/deep/Pay.cls": "at work"})
	part := func(element, key string, how component.Difference) component.PartChange {
		return component.PartChange{Element: element, Key: key, How: how}
	}
	wanted := []project.Wanted{
		wantedFile("Profile", "Admin", "profiles/Admin.profile", "<Profile"+space+">"+grant("T.B", "false")+grant("T.Other", "true")+"</Profile>",
			part("fieldPermissions", "T.B", component.Changed), part("fieldPermissions", "T.A", component.Removed)),
		wantedFile("CustomObject", "Thing__c", "objects/Thing__c.object", object(field("A__c", "good")+field("B__c", "back")+field("Orgs__c", "not theirs")),
			part("fields", "A__c", component.Changed), part("fields", "B__c", component.Added)),
		{Key: sf.ComponentKey{Type: "ApexClass", Name: "Pay"}, Files: []component.Entry{
			{Path: "classes/Pay.cls", Body: []byte("good")}, {Path: "classes/Pay.cls-meta.xml", Body: []byte(meta)},
		}},
		{Key: sf.ComponentKey{Type: "ApexClass", Name: "Fresh"}},
		wantedFile("Layout", "Nobody-L", "layouts/Nobody-L.layout", "<Layout"+space+"/>"),
		{Key: sf.ComponentKey{Type: "ApexPage", Name: "Back"}, New: true, Files: []component.Entry{
			{Path: "pages/Back.page", Body: []byte("back")}, {Path: "pages/Back.page-meta.xml", Body: []byte("<ApexPage" + space + "/>")},
		}},
	}
	p, err := project.Propose(t.Context(), filepath.Join(dir, "pkg"), "main", "rollback/x", "message", wanted)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		base + "classes/deep/Pay.cls", base + "objects/Thing__c/fields/A__c.field-meta.xml", base + "objects/Thing__c/fields/B__c.field-meta.xml",
		base + "pages/Back.page", base + "pages/Back.page-meta.xml", base + "profiles/Admin.profile-meta.xml",
	}
	if !slices.Equal(p.Written, want) || !slices.Equal(p.Deleted, []string{base + "classes/Fresh.cls", base + "classes/Fresh.cls-meta.xml"}) ||
		!slices.Equal(p.Left, []string{"Layout Nobody-L"}) {
		t.Errorf("%+v", p)
	}
	show := func(path string) string { return git("show", "rollback/x:"+base+path) }
	if got := show("profiles/Admin.profile-meta.xml"); strings.Contains(got, "T.A") || strings.Contains(got, "T.Other") || !strings.Contains(got, "<editable>false") {
		t.Errorf("profile: %s", got)
	}
	if show("classes/deep/Pay.cls") != "good" || !strings.Contains(show("objects/Thing__c/fields/B__c.field-meta.xml"), "back") || git("log", "-1", "--format=%s", "rollback/x") != "message" {
		t.Error("the branch is not as it is wanted")
	}
	if now, err := os.ReadFile(filepath.Join(dir, base, "classes/deep/Pay.cls")); err != nil || string(now) != "at work" || git("status", "--porcelain") != "M "+base+"classes/deep/Pay.cls" {
		t.Errorf("what is checked out was touched: %v %s, %q", err, now, git("status", "--porcelain"))
	}
	again, err := project.Propose(t.Context(), filepath.Join(dir, "pkg"), "main", "rollback/x", "another message", wanted)
	if err != nil || again.Commit != p.Commit {
		t.Errorf("again: %v %+v", err, again)
	}
	if _, err := project.Propose(t.Context(), filepath.Join(dir, "pkg"), "main", "main", "m", wanted); problem.KindOf(err) != problem.Conflict {
		t.Errorf("somebody else's branch: %v", err)
	}
	none, err := project.Propose(t.Context(), filepath.Join(dir, "pkg"), "rollback/x", "rollback/y", "m", wanted)
	if err != nil || none.Commit != "" || git("branch", "--list", "rollback/y") != "" {
		t.Errorf("nothing to commit: %v %+v", err, none)
	}
}

// A folder in the other format is refused, and so is a repository that does not know who commits.
func TestProposeRefuses(t *testing.T) {
	dir := t.TempDir()
	git := gitIn(t, dir)
	write(t, dir, map[string]string{"src/package.xml": "<Package" + space + "/>", "src/classes/Pay.cls": "x", "src/classes/Pay.cls-meta.xml": meta, "sfdx/classes/Pay.cls": "x", "sfdx/classes/Pay.cls-meta.xml": meta})
	git("init", "-q", "-b", "main")
	git("add", "-A")
	git("commit", "-q", "-m", "one")
	gone := []project.Wanted{{Key: sf.ComponentKey{Type: "ApexClass", Name: "Pay"}}}
	if _, err := project.Propose(t.Context(), dir+"/src", "main", "b", "m", gone); problem.KindOf(err) != problem.Usage {
		t.Errorf("the other format: %v", err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	git("config", "user.useConfigOnly", "true")
	if _, err := project.Propose(t.Context(), dir+"/sfdx", "main", "b", "m", gone); problem.KindOf(err) != problem.Usage || git("branch", "--list", "b") != "" {
		t.Errorf("nobody commits: %v", err)
	}
}
