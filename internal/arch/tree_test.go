package arch

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxFile bounds what the tree holds: nothing in it is data.
const maxFile = 1 << 20

// tracked returns the files of the checkout: those that git knows, or in an export all of them.
func tracked(t *testing.T) []string {
	t.Helper()
	git := exec.Command("git", "ls-files", "-z")
	git.Dir = root
	out, err := git.Output()
	if err == nil && len(out) > 0 {
		names := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
		return slices.DeleteFunc(names, func(name string) bool {
			_, err := os.Lstat(filepath.Join(root, name))
			return err != nil // removed and not yet committed
		})
	}
	var names []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// machinePath matches absolute paths that exist on one machine alone. Examples in documents use
// /etc, /var, /backups or a relative path.
var machinePath = regexp.MustCompile(`(^|[\s"'` + "`" + `(=:])/(home|Users|root|work|tmp|private/var)/[A-Za-z0-9._-]+`)

// report matches documents that tell what was done instead of what is.
var report = regexp.MustCompile(`(?i)(^|/)(status|progress|summary|complete|notes|todo|roadmap)[^/]*\.md$`)

// unfinished matches marks of work that was left for later.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

func TestTheTreeIsClean(t *testing.T) {
	for _, name := range tracked(t) {
		if name != strings.ToLower(name) && strings.Contains(name, "/") && !strings.Contains(name, "testdata/") {
			t.Errorf("%s: file names below the root are in lower case", name)
		}
		if strings.ContainsAny(name, " ()") {
			t.Errorf("%s: a file name without blanks and brackets, please", name)
		}
		if report.MatchString(name) {
			t.Errorf("%s: progress reports are not documentation; git tells what was done", name)
		}
		body, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > maxFile {
			t.Errorf("%s has %d bytes: data is generated or lives outside the tree", name, len(body))
		}
		if bytes.IndexByte(body, 0) >= 0 || strings.Contains(name, "testdata/") {
			continue
		}
		checkText(t, name, string(body))
	}
}

func checkText(t *testing.T, name, body string) {
	t.Helper()
	if body != "" && !strings.HasSuffix(body, "\n") {
		t.Errorf("%s: the last line has no end", name)
	}
	if strings.Contains(body, "\r\n") && strings.HasSuffix(name, ".md") {
		t.Errorf("%s: lines end with LF", name)
	}
	if name == "internal/arch/tree_test.go" {
		return // it holds the patterns
	}
	number := 0
	for line := range strings.Lines(body) {
		number++
		if m := machinePath.FindString(line); m != "" {
			t.Errorf("%s:%d: %q is a path of one machine", name, number, strings.TrimSpace(m))
		}
		if m := unfinished.FindString(line); m != "" {
			t.Errorf("%s:%d: %s: finish it, or leave it out", name, number, m)
		}
	}
}

// TestTheMapNamesEveryPackage holds ARCHITECTURE.md to the tree: every package is in its map, and
// the map names no other.
func TestTheMapNamesEveryPackage(t *testing.T) {
	text := readFile(t, "ARCHITECTURE.md")
	_, rest, ok := strings.Cut(text, "<!-- map -->")
	drawing, _, closed := strings.Cut(rest, "<!-- /map -->")
	if !ok || !closed {
		t.Fatal("ARCHITECTURE.md has no map between <!-- map --> and <!-- /map -->")
	}
	named := map[string]bool{}
	line := regexp.MustCompile(`^([a-z][a-z0-9/]*)/ {2,}\S`)
	for l := range strings.Lines(drawing) {
		if m := line.FindStringSubmatch(strings.TrimPrefix(l, "internal/")); m != nil {
			named[m[1]] = true
		}
	}
	exists := map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasPrefix(s.path, "internal/") {
			exists[s.pkg] = true
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(exists)) {
		if !named[pkg] {
			t.Errorf("ARCHITECTURE.md does not name package %s", pkg)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(named)) {
		if !exists[pkg] {
			t.Errorf("ARCHITECTURE.md names package %s, which does not exist", pkg)
		}
	}
}

// link matches a relative link in Markdown.
var link = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(readFile(t, name), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

// changelogForm is the first line of a note in changelog/unreleased.
var changelogForm = regexp.MustCompile(`^(Fix|Add|Change|Security): [A-Z].*[^.]\n`)

func TestChangelogNotesHaveTheirForm(t *testing.T) {
	notes := 0
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, "changelog/unreleased/") || !strings.HasSuffix(name, ".md") {
			continue
		}
		notes++
		first, rest, _ := strings.Cut(readFile(t, name), "\n\n")
		if !changelogForm.MatchString(first + "\n") {
			t.Errorf("%s begins with %q: begin with Fix:, Add:, Change: or Security: in the imperative, without a full stop", name, first)
		}
		if strings.TrimSpace(rest) == "" {
			t.Errorf("%s says nothing below its first line: tell the user what was wrong or missing and what holds now", name)
		}
	}
	if notes == 0 {
		t.Error("changelog/unreleased holds no note")
	}
}

// adrParts are the headings that every decision has.
var adrParts = []string{"## Context", "## Decision", "## Consequences", "## What would change our mind"}

func TestDecisionsHaveTheirForm(t *testing.T) {
	form := regexp.MustCompile(`^docs/adr/(\d{4})-[a-z0-9-]+\.md$`)
	numbers := map[string]string{}
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, "docs/adr/") {
			continue
		}
		m := form.FindStringSubmatch(name)
		if m == nil {
			t.Errorf("%s is not named NNNN-title.md", name)
			continue
		}
		if other, taken := numbers[m[1]]; taken {
			t.Errorf("%s and %s have one number", name, other)
		}
		numbers[m[1]] = name
		body := readFile(t, name)
		for _, part := range adrParts {
			if !strings.Contains(body, "\n"+part+"\n") {
				t.Errorf("%s has no section %q", name, part)
			}
		}
	}
	if len(numbers) == 0 {
		t.Error("there are no decisions in docs/adr")
	}
}
