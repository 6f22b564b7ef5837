package cli

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/arch"
	"holdfast/internal/config"
	"holdfast/internal/problem"
)

var update = flag.Bool("update", false, "write the generated references anew")

// golden compares a generated page with the one in the tree, or writes it with -update.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "reference", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(body), text); diff != "" {
		t.Errorf("docs/reference/%s is not what the program says (run `make docs`):\n%s", name, diff)
	}
}

func TestReferenceOfExitCodes(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Exit codes\n\nGenerated from the program; `make docs` writes it anew.\n\n" +
		"Every command ends with one of these. The name is what `--json` prints as the kind of an error.\n\n" +
		"| Code | Name | Meaning |\n|---:|---|---|\n| 0 | done | everything that was asked for is done |\n")
	for _, l := range problem.Table() {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", l.Code, l.Name, l.Text)
	}
	golden(t, "exit-codes.md", b.String())
}

func TestReferenceOfTheCommandLine(t *testing.T) {
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	root := a.root()
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the program; `make docs` writes it anew.\n\n" +
		"Results go to standard output, everything else to standard error. With `--json` a result is one JSON object on\n" +
		"one line, and so is an error, on standard error. Fields are added in later releases, and none changes its meaning.\n\n" +
		"## Settings\n\n| Flag | Environment | Meaning |\n|---|---|---|\n")
	for _, s := range config.Settings() {
		flag := ""
		if s.Flag != "" {
			flag = "`--" + s.Flag + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", flag, s.Env, s.Text)
	}
	b.WriteString("\n## Flags of every command\n\n")
	writeFlags(t, &b, root.PersistentFlags())
	b.WriteString("\n## Errors\n\n")
	writeFields(t, &b, reflect.TypeFor[failure](), "")
	for _, cmd := range leaves(root) {
		writeCommand(t, &b, a, cmd)
	}
	golden(t, "cli.md", b.String())
}

// leaves returns the commands that do something, in the order of the tree.
func leaves(cmd *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		if sub.Hidden { // of no use to anybody who reads
			continue
		}
		if sub.HasSubCommands() {
			all = append(all, leaves(sub)...)
		} else {
			all = append(all, sub)
		}
	}
	return all
}

func writeCommand(t *testing.T, b *strings.Builder, a *app, cmd *cobra.Command) {
	t.Helper()
	s, ok := a.specs[cmd]
	if !ok {
		t.Errorf("%s has no spec", cmd.CommandPath())
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\n```\n%s\n```\n\n%s\n\n", cmd.CommandPath(), capital(s.short), cmd.UseLine(), strings.TrimSpace(s.long))
	fmt.Fprintf(b, "```\n%s\n```\n", strings.TrimSpace(s.example))
	if cmd.Flags().HasAvailableFlags() {
		b.WriteString("\n")
		writeFlags(t, b, cmd.Flags())
	}
	b.WriteString("\nExit codes: 0")
	for _, l := range s.kindsOf() {
		fmt.Fprintf(b, ", %d %s", l.Code, l.Name)
	}
	b.WriteString("\n")
	if s.result == nil {
		t.Errorf("%s has no result", cmd.CommandPath())
		return
	}
	b.WriteString("\n")
	writeFields(t, b, reflect.TypeOf(s.result), "")
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func writeFlags(t *testing.T, b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| Flag | Meaning |\n|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		name := "`--" + f.Name
		value, usage := pflag.UnquoteUsage(f)
		if f.Value.Type() == "bool" && value != "" || strings.Contains(usage, "`") {
			t.Errorf("--%s: backquotes are for the one word that stands for its value: %q", f.Name, f.Usage)
		}
		if value != "" {
			name += " " + strings.ToUpper(value)
		}
		switch f.DefValue {
		case "", "0", "false", "[]":
		default:
			usage += "; default " + f.DefValue
		}
		fmt.Fprintf(b, "| %s` | %s |\n", name, strings.ReplaceAll(usage, "|", "\\|"))
	})
}

// embedded ends the prefix of fields that belong to the object which embeds them.
const embedded = "\x00"

// writeFields lists the JSON of a type, each field with what its doc tag or its comment says.
func writeFields(t *testing.T, b *strings.Builder, typ reflect.Type, prefix string) {
	t.Helper()
	prefix, inside := strings.CutSuffix(prefix, embedded)
	if prefix == "" && !inside {
		b.WriteString("| JSON | Type | Meaning |\n|---|---|---|\n")
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			writeFields(t, b, f.Type, prefix+embedded)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() { // which is in no JSON
			continue
		}
		doc := f.Tag.Get("doc")
		if doc == "" {
			doc = comments(t, typ)[f.Name]
		}
		if name == "" || doc == "" {
			t.Errorf("%s.%s needs a name in JSON and a meaning: a doc tag, or a comment beside the field", typ, f.Name)
		}
		if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
			doc = strings.TrimPrefix(doc+"; left out when empty", "; ")
		}
		inner := f.Type
		kind, path := kindOf(inner), prefix+name
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Map {
			if inner.Kind() == reflect.Slice {
				path += "[]"
			}
			if inner.Kind() == reflect.Map {
				path += ".*"
			}
			inner = inner.Elem()
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", prefix+name, kind, doc)
		if inner.Kind() == reflect.Struct && inner.NumField() > 0 && inner.Field(0).Tag.Get("json") != "" {
			writeFields(t, b, inner, path+".")
		}
	}
}

// said holds what the source says of the fields of types: package, type, field.
var said = map[string]map[string]map[string]string{}

// comments returns what the source says of the fields of a type, by field.
func comments(t *testing.T, typ reflect.Type) map[string]string {
	t.Helper()
	dir, ours := strings.CutPrefix(typ.PkgPath(), "holdfast/internal/")
	if !ours {
		return nil
	}
	if said[dir] == nil {
		said[dir] = readComments(t, filepath.Join("..", filepath.FromSlash(dir)))
	}
	return said[dir][typ.Name()]
}

// readComments reads the comments beside the fields of every struct type of a package.
func readComments(t *testing.T, dir string) map[string]map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]map[string]string{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				types[spec.Name.Name] = map[string]string{}
				for _, f := range structure.Fields.List {
					for _, name := range f.Names {
						types[spec.Name.Name][name.Name] = strings.Join(strings.Fields(f.Comment.Text()), " ")
					}
				}
			}
			return false
		})
	}
	return types
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "list of " + kindOf(t.Elem())
	case reflect.Map:
		return "object of " + kindOf(t.Elem())
	case reflect.Pointer:
		return kindOf(t.Elem()) + " or null"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "text"
	case reflect.Struct:
		switch t.String() {
		case "time.Time":
			return "time, RFC 3339"
		case "run.Value":
			return "text or null"
		}
		return "object"
	default:
		return "number"
	}
}

// TestEveryCommandExplainsItself wants of every command what an operator looks for first.
func TestEveryCommandExplainsItself(t *testing.T) {
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	terms, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "terms.md"))
	if err != nil {
		t.Fatal(err)
	}
	refused := arch.RefusedWords(string(terms))
	for _, cmd := range leaves(a.root()) {
		s, path := a.specs[cmd], cmd.CommandPath()
		if s.long == "" || s.example == "" || s.result == nil || !strings.Contains(cmd.Long, "Exit codes:") {
			t.Errorf("%s lacks a description, an example, a result or its exit codes", path)
		}
		if !strings.Contains(s.example, path) {
			t.Errorf("the example of %s does not use it", path)
		}
		if strings.HasSuffix(s.short, ".") || s.short != strings.ToLower(s.short[:1])+s.short[1:] {
			t.Errorf("%s: %q begins small and has no full stop", path, s.short)
		}
		texts := s.short + " " + s.long
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			texts += " " + f.Name + " " + f.Usage
			for _, secret := range []string{"password", "secret", "token"} {
				if strings.HasSuffix(f.Name, secret) {
					t.Errorf("%s --%s: secrets come from files, never from flags", path, f.Name)
				}
			}
		})
		for _, word := range strings.FieldsFunc(strings.ToLower(texts), func(r rune) bool { return r < 'a' || r > 'z' }) {
			if term, no := refused[word]; no {
				t.Errorf("%s: say %s, not %q (docs/reference/terms.md)", path, term, word)
			}
		}
	}
}
