package arch

import (
	"go/ast"
	"strings"
	"testing"
	"unicode"
)

// words splits an identifier at its capitals and underscores: "newOrgID" is new, org, id.
func words(name string) []string {
	var all []string
	start, runes := 0, []rune(name)
	cut := func(end int) {
		if end > start {
			all = append(all, strings.ToLower(string(runes[start:end])))
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case r == '_':
			cut(i)
			start = i + 1
		case unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			cut(i)
		}
	}
	cut(len(runes))
	return all
}

func TestOneWordForOneThing(t *testing.T) {
	refused := RefusedWords(readFile(t, "docs", "reference", "terms.md"))
	if len(refused) < 5 {
		t.Fatalf("docs/reference/terms.md refuses %d words: has its form changed?", len(refused))
	}
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			var names []*ast.Ident
			switch n := n.(type) {
			case *ast.FuncDecl:
				names = append(names, n.Name)
			case *ast.TypeSpec:
				names = append(names, n.Name)
			case *ast.ValueSpec:
				names = append(names, n.Names...)
			case *ast.Field:
				names = append(names, n.Names...)
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if id, ok := left.(*ast.Ident); ok {
						names = append(names, id)
					}
				}
			}
			for _, name := range names {
				for _, word := range words(name.Name) {
					if term, no := refused[word]; no {
						t.Errorf("%s: %s: say %s, not %q (docs/reference/terms.md)", fset.Position(name.Pos()), name.Name, term, word)
					}
				}
			}
			return true
		})
	}
}
