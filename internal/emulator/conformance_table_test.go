package emulator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// said are the string literals of each function of the tests of this package, and their words.
func said(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			words := map[string]bool{}
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					words[text] = true
					for _, word := range strings.Fields(text) {
						words[word] = true
					}
				}
				return true
			})
			out[f.Name.Name] = words
		}
	}
	return out
}

// tableRow is a row of the table of clients: what it does, and the test.
var tableRow = regexp.MustCompile("(?m)^\\| (.+?) \\| `([^`]+)` \\|$")

// quotedWords are the parts of a row in backquotes.
var quotedWords = regexp.MustCompile("`([^`]+)`")

// The page that says which client does what is true: each test runs the words of its command.
func TestEveryCommandIsRun(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "emulator-clients.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string]string{}
	for client, file := range map[string]string{"jsforce": "jsforce.cjs", "go-salesforce": "gosalesforce/main.go"} {
		text, err := os.ReadFile(filepath.Join("testdata", "clients", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		steps[client] = string(text)
	}
	functions := said(t)
	rows := tableRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) < 70 {
		t.Errorf("only %d rows", len(rows))
	}
	for _, row := range rows {
		if client, step, found := strings.Cut(row[2], ": "); found {
			if text := steps[client]; !strings.Contains(text, `"`+step+`"`) && !strings.Contains(text, "async "+step+"()") {
				t.Errorf("%s has no step %q", client, step)
			}
			continue
		}
		words, ok := functions[row[2]]
		if !ok {
			t.Errorf("there is no %s", row[2])
			continue
		}
		for _, quoted := range quotedWords.FindAllStringSubmatch(row[1], -1) {
			for _, word := range strings.Fields(quoted[1]) {
				if word != "sf" && !words[word] && !words[word+"="] {
					t.Errorf("%s does not say %s: %s", row[2], word, row[1])
				}
			}
		}
	}
}
