package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/project"
	"holdfast/internal/testkit"
)

const guideSpace = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

// guideProject is the project that the guides are about, in its first and its second version.
var guideProject = []map[string]string{{
	"sfdx-project.json":                               `{"packageDirectories":[{"path":"force-app","default":true}],"sourceApiVersion":"66.0"}`,
	"force-app/main/default/classes/Pay.cls":          "public class Pay { Integer a = 1; }\n",
	"force-app/main/default/classes/Pay.cls-meta.xml": `<ApexClass` + guideSpace + `><apiVersion>66.0</apiVersion><status>Active</status></ApexClass>`,
}, {
	"force-app/main/default/classes/Pay.cls": "public class Pay { Integer a = 2; }\n",
	"force-app/main/default/objects/Invoice__c/Invoice__c.object-meta.xml": `<CustomObject` + guideSpace + `><deploymentStatus>Deployed</deploymentStatus>` +
		`<label>Invoice</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Invoices</pluralLabel><sharingModel>ReadWrite</sharingModel></CustomObject>`,
	"force-app/main/default/objects/Invoice__c/fields/Number__c.field-meta.xml": `<CustomField` + guideSpace + `><fullName>Number__c</fullName><label>Number</label><length>20</length><type>Text</type></CustomField>`,
}}

// guideFolder is an empty folder with a repository, an org prod, and the project in Git: v1 and main.
func guideFolder(t *testing.T) (dir string, env []string, loader *testkit.Loader) {
	t.Helper()
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: 1, Clock: org.NewClock(time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	dir = t.TempDir()
	body, err := json.Marshal(signIn{InstanceURL: server.URL, AccessToken: server.AccessToken, Username: server.Username, OrgID: server.OrgID})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"prod.json": string(body)}
	env = append(os.Environ(), "HOLDFAST_HOME="+filepath.Join(dir, "home"), "HOLDFAST_REPO="+filepath.Join(dir, "repository"),
		"HOLDFAST_KEY_FILE="+filepath.Join(dir, "daily.key"), "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com", "GIT_CONFIG_GLOBAL=/dev/null")
	writeFiles(t, dir, files)
	writeFiles(t, dir, guideProject[0])
	shell(t, dir, env, "git init -q -b main . && git add force-app sfdx-project.json && git commit -q -m one && git tag v1")
	writeFiles(t, dir, guideProject[1])
	// Only what the guides are about is backed up, so that it takes seconds.
	shell(t, dir, env, `git add force-app && git commit -q -m two
holdfast org add prod --sign-in-file prod.json
holdfast org set prod --only Account --only components/ApexClass --only components/CustomObject
holdfast init --recovery-key-file recovery.key`)
	return dir, env, &testkit.Loader{InstanceURL: server.URL, AccessToken: server.AccessToken, Version: "v66.0"}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
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
}

// shell runs a script and returns what it prints.
func shell(t *testing.T, dir string, env []string, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", "set -eu\n"+script)
	cmd.Dir, cmd.Env = dir, env
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), said.String())
	}
	return out.String()
}

// runGuide runs a page of the guide in an empty folder, after those blocks of the practice page that it starts from:
// all of them, or those without the project in Git.
func runGuide(t *testing.T, page string, project bool) (dir string) {
	t.Helper()
	for _, tool := range []string{"curl", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("the guides need " + tool)
			}
			t.Skip("NOT TESTED: the guides need " + tool)
		}
	}
	practice := document(t, "guide/practice.md")
	start, _, found := strings.Cut(practice, "## A project in Git")
	if !found {
		t.Fatal("practice.md has no section about a project")
	}
	if project {
		start = practice
	}
	dir = t.TempDir()
	runText(t, page, start+document(t, "guide/"+page), dir, append(os.Environ(), "HOME="+dir, "GIT_CONFIG_GLOBAL=/dev/null"))
	return dir
}

// document returns a page below docs.
func document(t *testing.T, page string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// runText runs the sh blocks of a text in one shell. A text block says what the commands before it print: each of its
// lines is the beginning or a part of one line. The orgs that the text serves are stopped at the end. Every block
// without a language has to show that it is an example, which nobody can type as it is.
func runText(t *testing.T, name, text, dir string, env []string) {
	t.Helper()
	const mark = "---- block ----"
	script := "trap 'kill ${emulator:-} ${sandbox:-} 2>/dev/null || true' EXIT\n"
	var wants [][]string
	for _, b := range blocks(text) {
		switch b.language {
		case "sh":
			script += b.text + "echo '" + mark + "'\n"
			wants = append(wants, nil)
		case "text":
			wants[len(wants)-1] = strings.Split(strings.TrimRight(b.text, "\n"), "\n")
		default:
			if !strings.Contains(b.text, "…") && !strings.Contains(b.text, "example.com") {
				t.Errorf("%s has a block that nobody runs and that does not look like an example:\n%s", name, b.text)
			}
		}
	}
	got := strings.Split(shell(t, dir, env, script), mark+"\n")
	for i, want := range wants {
		for _, line := range want {
			if !strings.Contains(got[i], strings.TrimSpace(line)) {
				t.Errorf("%s: block %d does not print %q:\n%s", name, i+1, line, got[i])
			}
		}
	}
}

// deployGuide deploys the project as it is in the folder.
func deployGuide(t *testing.T, loader *testkit.Loader, folder string) {
	t.Helper()
	p, err := project.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"package.xml": `<Package` + guideSpace + `><types><members>*</members><name>ApexClass</name></types>` +
		`<types><members>*</members><name>CustomObject</name></types><version>66.0</version></Package>`}
	for _, f := range p.Files {
		files[f.Path] = string(f.Body)
	}
	if err := loader.DeployFiles(t.Context(), files); err != nil {
		t.Fatal(err)
	}
}

// TestGuideCompare runs the commands of docs/guide/compare.md.
func TestGuideCompare(t *testing.T) {
	t.Parallel()
	dir := runGuide(t, "compare.md", true)
	page, err := os.ReadFile(filepath.Join(dir, "project", "release.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<summary class=\"changed\">changed ApexClass Pay", `<td class="new">// mended</td>`, "Content-Security-Policy"} {
		if !bytes.Contains(page, []byte(part)) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if bytes.Contains(page, []byte("<script")) || bytes.Contains(page, []byte(" src=")) || bytes.Contains(page, []byte(" href=")) {
		t.Error("the page needs something else")
	}
}

// TestGuides runs the commands of the guides that leave nothing else to look at.
func TestGuides(t *testing.T) {
	t.Parallel()
	for page, project := range map[string]bool{
		"backup.md": false, "find.md": false, "restore.md": false, "seed.md": false, "load.md": false, "drill.md": false, "rollback.md": true,
	} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			runGuide(t, page, project)
		})
	}
	t.Run("prepare.md", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		runText(t, "prepare.md", document(t, "guide/prepare.md"), dir, append(os.Environ(), "HOME="+dir))
	})
}
