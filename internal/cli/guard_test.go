package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestGuideGuard runs the commands of docs/guide/guard.md.
func TestGuideGuard(t *testing.T) {
	t.Parallel()
	dir := runGuide(t, "guard.md", true)
	for name, parts := range map[string][]string{
		"runbook.md": {
			"| B | deploy | CustomObject | Invoice__c |", "holdfast apply guard/rollback.plan", "- deletes CustomObject Invoice__c", "## Messages",
			"Rehearsed on an emulated copy of the org", "| validation 1 | ", "| deployment 1 | ", "| verification | ", ": what the org took to deploy the package |",
		},
		"runbook.html": {"<td class=\"g\">B</td>", "deletes CustomObject Invoice__c", "Content-Security-Policy", "<td>deployment 1</td><td>"},
	} {
		page, err := os.ReadFile(filepath.Join(dir, "project", "guard", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if !bytes.Contains(page, []byte(part)) {
				t.Errorf("%s lacks %q:\n%s", name, part, page)
			}
		}
	}
}

// commandsOf returns the shell commands of a pipeline: what stands under run and script, wherever.
func commandsOf(t *testing.T, raw []byte) []string {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(v any, inside bool)
	walk = func(v any, inside bool) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range []string{"run", "script"} {
				walk(v[key], true)
			}
			for key, child := range v {
				if key != "run" && key != "script" {
					walk(child, false)
				}
			}
		case []any:
			for _, child := range v {
				walk(child, inside)
			}
		case string:
			for line := range strings.Lines(v) {
				if line = strings.TrimSpace(line); inside && line != "" {
					out = append(out, line)
				}
			}
		}
	}
	walk(doc, false)
	return out
}

// TestPipelines reads the pipelines of docs/ci, finds the same commands in each, and runs them.
func TestPipelines(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob(filepath.Join("..", "..", "docs", "ci", "*"))
	if err != nil || len(all) != 5 {
		t.Fatalf("%v %v", all, err)
	}
	inSteps := regexp.MustCompile(`(?s)sh '''(.*?)'''`)
	script := ""
	for _, path := range all {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var commands []string
		if filepath.Base(path) == "jenkins.groovy" {
			for _, m := range inSteps.FindAllStringSubmatch(string(raw), -1) {
				for line := range strings.Lines(m[1]) {
					if line = strings.TrimSpace(line); line != "" {
						commands = append(commands, line)
					}
				}
			}
		} else {
			commands = commandsOf(t, raw)
		}
		text := strings.Join(commands, "\n")
		if script == "" {
			script = text
		}
		if text != script {
			t.Errorf("%s has other commands:\n%s\nnot\n%s", filepath.Base(path), text, script)
		}
	}
	dir, env, loader := guideFolder(t)
	shell(t, dir, env, "git checkout -q v1")
	deployGuide(t, loader, filepath.Join(dir, "force-app"))
	shell(t, dir, env, "git checkout -q main")
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	env = append(env, "HOLDFAST_HOME="+filepath.Join(dir, "runner"), "HOLDFAST_KEY_FILE=holdfast.key", "FROM=v1",
		"HOLDFAST_KEY="+read("daily.key"), "HOLDFAST_SIGN_IN="+read("prod.json"))
	if out := shell(t, dir, env, script); !strings.Contains(out, "deployed\n") {
		t.Error(out)
	}
}
