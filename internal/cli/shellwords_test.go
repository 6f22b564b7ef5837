package cli

import (
	"bytes"
	"html"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/run"
)

// awkward are names of files that a shell reads otherwise than they are written.
var awkward = []string{
	"plain/force-app", "with space", `it's`, `say "hi"`, "$HOME", "`id`", "a;b", "a|b", "back\\slash", "star*", "~", "#x", "", "new\nline", "tab\tbed",
	"a&&b", "<x>", "!!", "Größe", "\u202egnp.exe", "bad\xffbyte", "{a,b}", "a``b`", "&lt;", "_u_", "git:v1..main:force-app", "=x",
}

// TestCommandsReadAsTheyWereMeant gives each command that is shown to a shell.
func TestCommandsReadAsTheyWereMeant(t *testing.T) {
	t.Parallel()
	shells := 0
	for _, name := range []string{"bash", "zsh", "ksh", "sh"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		shells++
		words := slices.Clone(awkward)
		if name == "sh" { // $'…' is of POSIX only since 2024
			words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(shellWord(w), "$") })
		}
		got, err := exec.Command(path, "-c", "printf '%s\\0' "+commandLine(words...)).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(words, "\x00") + "\x00"; string(got) != want {
			t.Errorf("%s reads %q, not %q", name, got, want)
		}
	}
	if shells == 0 {
		t.Fatal("there is no shell")
	}
	for name, want := range map[string]string{"-rf": "./-rf", "--to": "./--to", "a": "a", "./-b": "./-b", "": ""} {
		if got := operand(name); got != want {
			t.Errorf("%q as an operand is %q, not %q", name, got, want)
		}
	}
}

// TestTheRunbookHasCommandsToCopy reads the commands out of both pages of a runbook, as a reader of them gets them.
func TestTheRunbookHasCommandsToCopy(t *testing.T) {
	t.Parallel()
	for _, name := range append(slices.Clone(awkward), "-dash") {
		if name == "" {
			continue
		}
		book := runbookOf("prod", name, guardResult{GuardResult: run.GuardResult{}, Folder: name})
		var text, page bytes.Buffer
		if err := writeRunbook(&text, book); err != nil {
			t.Fatal(err)
		}
		if err := writeRunbookPage(&page, book); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			commandLine("holdfast", "guard", "deploy", "prod", operand(name), "--to", operand(name)),
			commandLine("holdfast", "guard", "after", "prod", operand(name), "--to", operand(name)),
			commandLine("holdfast", "apply", operand(name+"/rollback.plan")),
		} {
			if !slices.Contains(codesOf(text.String()), want) {
				t.Errorf("the commands for %q are %q, without %q", name, codesOf(text.String()), want)
			}
			if !slices.Contains(codesOfPage(page.String()), want) {
				t.Errorf("the page has %q, without %q", codesOfPage(page.String()), want)
			}
		}
	}
}

// codesOf reads the code spans of the tables of a page of Markdown.
// Source: GitHub Flavored Markdown, "Code spans" and "Tables (extension)".
func codesOf(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		line = strings.ReplaceAll(line, "\\|", "|")
		for rest := line; ; {
			from := strings.IndexByte(rest, '`')
			if from < 0 {
				break
			}
			rest = rest[from:]
			fence := rest[:len(rest)-len(strings.TrimLeft(rest, "`"))]
			rest = rest[len(fence):]
			to := 0
			for {
				i := strings.Index(rest[to:], fence)
				if i < 0 {
					return append(out, "unclosed: "+rest)
				}
				to += i
				run := len(rest[to:]) - len(strings.TrimLeft(rest[to:], "`"))
				if run == len(fence) {
					break
				}
				to += run
			}
			code := rest[:to]
			if strings.HasPrefix(code, " ") && strings.HasSuffix(code, " ") {
				code = code[1 : len(code)-1]
			}
			out, rest = append(out, code), rest[to+len(fence):]
		}
	}
	return out
}

func codesOfPage(page string) []string {
	var out []string
	for _, part := range strings.Split(page, "<code>")[1:] {
		code, _, _ := strings.Cut(part, "</code>")
		out = append(out, html.UnescapeString(code))
	}
	return out
}

// TestAnEmptyWayBackIsCalledEmpty: nobody is sent to apply a plan of nothing, and nobody is told of 0 deployments.
func TestAnEmptyWayBackIsCalledEmpty(t *testing.T) {
	t.Parallel()
	for text, back := range map[string]run.RollbackResult{
		"; there is nothing to take back\n":                                             {},
		"; to take it back, in 1 deployment: holdfast apply './-g d/rollback.plan'\n":   {Deployments: []run.DeploymentRow{{Number: 1}}},
		"; to take it back, in 2 rows of records: holdfast apply ":                      {Records: []run.RecordsRow{{Steps: []run.StepRow{{Rows: 2}}}}},
		"; to take it back, in 1 deployment and 2 rows of records: holdfast apply './-": {Deployments: []run.DeploymentRow{{Number: 1}}, Records: []run.RecordsRow{{Steps: []run.StepRow{{Rows: 2}}}}},
	} {
		var out bytes.Buffer
		writeGuarded(&out, guardResult{GuardResult: run.GuardResult{Rollback: &back}, Folder: "-g d"})
		if got := out.String(); !strings.Contains(got, text) || strings.Contains(got, "in 0 ") {
			t.Errorf("%q is missing in:\n%s", text, got)
		}
	}
}
