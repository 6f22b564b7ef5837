package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStart runs the commands of docs/start.md in one shell, in an empty folder. A text block says
// what the commands before it print: each of its lines is the beginning or a part of one line.
func TestStart(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("docs/start.md needs curl")
		}
		t.Skip("NOT TESTED: docs/start.md needs curl")
	}
	runText(t, "start.md", document(t, "start.md"), t.TempDir(), nil)
}

// block is one fenced block of a page.
type block struct{ language, text string }

func blocks(page string) []block {
	var all []block
	inside := false
	for line := range strings.Lines(page) {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !inside:
			all, inside = append(all, block{language: strings.TrimSpace(language)}), true
		case fence:
			inside = false
		case inside:
			all[len(all)-1].text += line
		}
	}
	return all
}

// TestReadmeNamesTheTwoCommands holds the README to what a newcomer types first.
func TestReadmeNamesTheTwoCommands(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"go run ./cmd/holdfast demo", "make test"} {
		if !strings.Contains(blocks(string(page))[0].text, command) {
			t.Errorf("the first block of the README does not name %q", command)
		}
	}
}
