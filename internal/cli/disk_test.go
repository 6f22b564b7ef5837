package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/problem"
)

// TestFullDiskHasItsCode writes what commands print to a device that is always full.
func TestFullDiskHasItsCode(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("NOT TESTED: output to a full disk: this system has no device that is always full")
	}
	defer func() { _ = full.Close() }()
	t.Setenv("HOLDFAST_HOME", filepath.Join(t.TempDir(), "home"))
	for _, args := range [][]string{{"version"}, {"org", "list", "--json"}} {
		var said bytes.Buffer
		code := newApp(strings.NewReader(""), full, &said).run(t.Context(), args)
		if code != problem.NoSpace.ExitCode() || !strings.Contains(said.String(), "free space") {
			t.Errorf("%v: code %d, %s", args, code, said.String())
		}
	}
}
