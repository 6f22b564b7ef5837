// Package testkit holds what tests of several packages need: the real data sets, generated orgs,
// stories and fault schedules. Only tests import it.
package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// SharedEnv names the folder with the real describes, WSDLs and data sets. Without it the folder
// "shared" beside the checkout is used.
const SharedEnv = "HOLDFAST_SHARED"

// SharedPath returns the path of a file or folder of the real test data, or an error where it is absent.
func SharedPath(elem ...string) (string, error) {
	root := os.Getenv(SharedEnv)
	if root == "" {
		_, file, _, _ := runtime.Caller(0)
		root = filepath.Join(filepath.Dir(file), "..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{root, "data"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w (set %s)", err, SharedEnv)
	}
	return path, nil
}

// Shared is SharedPath for tests. Where the data is absent the test is skipped with a loud line that
// says so; in CI (CI=true) its absence is a failure.
func Shared(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := SharedPath(elem...)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("the real test data is missing: %v", err)
	}
	t.Skipf("NOT TESTED: %s needs the real test data: %v", t.Name(), err)
	return ""
}
