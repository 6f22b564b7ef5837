package formula_test

import (
	"flag"
	"os"
	"testing"

	"holdfast/internal/emulator/formula"
)

var update = flag.Bool("update", false, "write the generated reference anew")

const page = "../../../docs/reference/emulator-formulas.md"

// TestReferenceIsWhatTheCodeDoes holds the generated page to the table of functions.
func TestReferenceIsWhatTheCodeDoes(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(formula.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil || string(have) != formula.Reference() {
		t.Errorf("%s is stale (%v): run go test ./internal/emulator/formula -update", page, err)
	}
}
