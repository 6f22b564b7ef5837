package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "holdfast"

// root is the folder of the checkout, seen from this package.
var root = filepath.Join("..", "..")

// source is one parsed file of the product.
type source struct {
	path string // from the root of the checkout
	pkg  string // folder below internal/, or the folder itself outside it
	test bool
	file *ast.File
}

var fset = token.NewFileSet()

// sources parses every Go file of this module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, top := range []string{"cmd", "internal", "docs"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go"):
				return nil
			}
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			rel = filepath.ToSlash(rel)
			pkg := strings.TrimPrefix(rel[:strings.LastIndexByte(rel, '/')], "internal/")
			all = append(all, source{path: rel, pkg: pkg, test: strings.HasSuffix(rel, "_test.go"), file: file})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// imports returns the paths that the file imports.
func (s source) imports(t *testing.T) []string {
	t.Helper()
	paths := make([]string, 0, len(s.file.Imports))
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && first != module
}

func ruleOf(pkg string) *Rule {
	for i := range Rules {
		if Rules[i].Package == pkg {
			return &Rules[i]
		}
	}
	return nil
}

func TestImportsGoOneWay(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !strings.HasPrefix(s.path, "internal/") {
			continue
		}
		rule := ruleOf(s.pkg)
		if rule == nil {
			t.Errorf("%s: package %s has no row in arch.Rules; give it one, with a reason", s.path, s.pkg)
			continue
		}
		for _, path := range s.imports(t) {
			inner, ok := strings.CutPrefix(path, module+"/internal/")
			if ok && !slices.Contains(rule.May, inner) {
				t.Errorf("%s imports %s: %s", s.path, inner, rule.Why)
			}
		}
	}
}

func TestEveryRuleHasAPackage(t *testing.T) {
	packages := map[string]bool{}
	for _, s := range sources(t) {
		packages[s.pkg] = true
	}
	for _, r := range Rules {
		if !packages[r.Package] {
			t.Errorf("arch.Rules has a row for %s, which does not exist", r.Package)
		}
		if r.Why == "" {
			t.Errorf("the rule for %s has no reason", r.Package)
		}
		for _, may := range r.May {
			if ruleOf(may) == nil {
				t.Errorf("the rule for %s allows %s, which does not exist", r.Package, may)
			}
		}
	}
}

func TestMainOnlyStarts(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !strings.HasPrefix(s.path, "cmd/") {
			continue
		}
		for _, path := range s.imports(t) {
			if strings.HasPrefix(path, module+"/") && path != module+"/internal/cli" {
				t.Errorf("%s imports %s: main starts the command line, which alone wires packages together", s.path, path)
			}
		}
		if lines := fset.Position(s.file.End()).Line; lines > 20 {
			t.Errorf("%s has %d lines: main is a dozen lines; everything else can be tested in internal/cli", s.path, lines)
		}
	}
}

func TestTestPackagesStayInTests(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || slices.Contains(TestOnly, s.pkg) {
			continue
		}
		for _, path := range s.imports(t) {
			if slices.Contains(TestOnly, strings.TrimPrefix(path, module+"/internal/")) {
				t.Errorf("%s imports %s: what exists for tests does not ship", s.path, path)
			}
		}
	}
}

func TestCoreIsPure(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !slices.Contains(Core, s.pkg) {
			continue
		}
		for _, path := range s.imports(t) {
			if instead, refused := Impure[path]; refused {
				t.Errorf("%s imports %s, and %s is part of the pure core: %s", s.path, path, s.pkg, instead)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a go statement in the pure core: the caller decides what runs beside what",
					fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
					if instead, refused := ImpureCalls[n.Sel.Name]; refused {
						t.Errorf("%s: time.%s in the pure core: %s", fset.Position(n.Pos()), n.Sel.Name, instead)
					}
				}
			}
			return true
		})
	}
}

func TestEveryModuleHasAReason(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		for _, path := range s.imports(t) {
			if isStandard(path) || strings.HasPrefix(path, module+"/") {
				continue
			}
			m := moduleOf(path)
			if m == nil {
				t.Errorf("%s imports %s, which has no row in arch.Modules; a dependency needs a reason", s.path, path)
				continue
			}
			used[m.Path] = true
			if !s.test && !slices.Contains(m.Used, s.pkg) {
				t.Errorf("%s imports %s, which is there for %s (%s)", s.path, path,
					strings.Join(append(m.Used, "tests"), ", "), m.Why)
			}
		}
	}
	for _, m := range Modules {
		if !used[m.Path] {
			t.Errorf("arch.Modules has a row for %s, which nothing imports", m.Path)
		}
		if m.Why == "" {
			t.Errorf("the row for %s has no reason", m.Path)
		}
	}
}

func moduleOf(path string) *Module {
	for i, m := range Modules {
		if path == m.Path || strings.HasPrefix(path, m.Path+"/") {
			return &Modules[i]
		}
	}
	return nil
}

// TestPackagesSayWhatTheyAre wants a package comment that says what the package promises.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	documented, seen := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		seen[s.pkg] = true
		if s.file.Doc != nil && len(s.file.Doc.Text()) > 40 {
			documented[s.pkg] = true
		}
	}
	for pkg := range seen {
		if !documented[pkg] {
			t.Errorf("package %s has no comment: say what it promises and what it does not do", pkg)
		}
	}
}

func TestNamesSaySomething(t *testing.T) {
	for _, s := range sources(t) {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(s.path), ".go"), "_test")
		for _, part := range append(strings.Split(s.pkg, "/"), name) {
			if slices.Contains(Refused, part) {
				t.Errorf("%s: %q says nothing about what is inside", s.path, part)
			}
		}
	}
}

// TestInitDoesNotRegister keeps registration by side effect out: what the program can do is written
// where it is wired.
func TestInitDoesNotRegister(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: func init: wire it in internal/cli, where it can be seen", fset.Position(f.Pos()))
			}
		}
	}
}

// TestOnlyMainEndsTheProcess keeps every function usable by another: none may end the process.
func TestOnlyMainEndsTheProcess(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.path, "cmd/") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && (x.Name == "os" && sel.Sel.Name == "Exit" || x.Name == "log" && strings.HasPrefix(sel.Sel.Name, "Fatal")) {
				t.Errorf("%s: %s.%s: return an error; only main ends the process", fset.Position(n.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

func readFile(t *testing.T, elem ...string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(append([]string{root}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
