package emulator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"holdfast/internal/testkit/wsdl"
)

// notSOAP are codes that the WSDLs do not have: they are of REST and Bulk API 2.0 and come from their
// guides, recorded replies or clients.
var notSOAP = map[string]string{
	"REQUEST_ENTITY_TOO_LARGE": "REST: status 413", "INVALID_QUERY_OPTIONS": "REST: Sforce-Query-Options",
	"INVALIDJOB": "Bulk API 2.0", "INVALIDJOBSTATE": "Bulk API 2.0", "INVALIDBATCH": "Bulk API 2.0", "INVALIDENTITY": "Bulk API 2.0",
	"INVALIDVERSION": "Bulk API 2.0", "FEATURENOTENABLED": "Bulk API 2.0",
}

// code is what a status code looks like.
var code = regexp.MustCompile(`^[A-Z]{2,}(_[A-Z0-9]+)*$`)

// Every code that the emulator says exists: in the WSDLs as StatusCode or ExceptionCode, or in the
// list above with the API that has it. The codes are found in the source, so that none is forgotten.
func TestEveryCodeExists(t *testing.T) {
	t.Parallel()
	partner, meta := wsdl.Open(t, wsdl.Partner), wsdl.Open(t, wsdl.Metadata)
	known := partner.Values(t, "StatusCode")
	for _, list := range []map[string]bool{partner.Values(t, "ExceptionCode"), meta.Values(t, "StatusCode")} {
		for name := range list {
			known[name] = true
		}
	}
	said := codesIn(t, ".")
	if len(said) < 50 {
		t.Fatalf("only %d codes were found in the source", len(said))
	}
	for name, where := range said {
		if !known[name] && notSOAP[name] == "" {
			t.Errorf("%s: %s is no code of any API", where, name)
		}
	}
	for name := range notSOAP {
		if _, used := said[name]; known[name] || !used {
			t.Errorf("%s is in the WSDLs, or nothing says it: it needs no row", name)
		}
	}
}

// codesIn finds the codes in calls of what makes errors, and in the fields that hold them.
func codesIn(t *testing.T, root string) map[string]token.Position {
	t.Helper()
	said, files := map[string]token.Position{}, token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			for _, e := range codeArguments(n) {
				if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil && code.MatchString(text) {
						said[text] = files.Position(lit.Pos())
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// codeArguments are the expressions of a node that may be codes.
func codeArguments(n ast.Node) []ast.Expr {
	switch x := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := x.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		switch name {
		case "fault", "BadRequest":
			return x.Args[:1]
		case "ErrorAt":
			return x.Args[1:2]
		}
	case *ast.KeyValueExpr:
		if key, ok := x.Key.(*ast.Ident); ok && (key.Name == "Code" || key.Name == "ErrorCode" || key.Name == "StatusCode") {
			return []ast.Expr{x.Value}
		}
	}
	return nil
}
