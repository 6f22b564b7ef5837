package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// mutantEnv names the mutant that lives in a program which holds all of them.
const mutantEnv = "HOLDFAST_MUTANT"

// killers are the tests that have to notice a mutant of a package, in the order in which they are asked.
var killers = map[string][]killer{
	"blob/file": {{"blob/file", "."}, {"snapshot", "Settle|CrashAtEvery|FailureOfTheDisk"}},
	"blob/s3":   {{"blob/s3", "."}},
	"repo":      {{"repo", "."}, {"snapshot", "Copy|Repair|Erase|Notes|KeyFile|KeyTable|EveryByte|Damage|Another|Swapped|CrashAtEvery|FailureOfTheDisk"}},
	"seal":      {{"seal", "."}, {"repo", "."}, {"snapshot", "Newer|Damage|Another|Swapped"}},
	"snapshot":  {{"snapshot", "Lies|Copy|Repair|Erase|Notes|Verif|Shares|Contradict|Spellings|Failure|Damage|Amended|AFailed|Check|Diff|Eras|CrashAtEvery"}},
}

type killer struct{ pkg, run string }

// TestEveryMutantHasItsPlace demands that the text which each mutant changes stands in its file once: a change of
// the code that takes a mutant its place is noticed at once, and not by the long run that asks whether it is caught.
func TestEveryMutantHasItsPlace(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	sources := make(map[string]string)
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are named %q", m.name)
		}
		names[m.name] = true
		if killers[m.pkg()] == nil {
			t.Errorf("mutant %q: nobody has to notice what is wrong in %s", m.name, m.file)
		}
		if _, read := sources[m.file]; !read {
			source, err := os.ReadFile(filepath.Join("..", m.file))
			if err != nil {
				t.Fatal(err)
			}
			sources[m.file] = string(source)
		}
		if n := strings.Count(sources[m.file], m.old); n != 1 {
			t.Errorf("mutant %q: its text stands %d times in %s, not once", m.name, n, m.file)
		}
	}
}

// TestEveryMutantIsCaught weakens the storage path in one place after another, and demands that its
// tests notice each time. All mutants are compiled into one program; which of them lives is told to it.
func TestEveryMutantIsCaught(t *testing.T) {
	if os.Getenv(mutantEnv) != "" || os.Getenv("HOLDFAST_MUTANTS") == "" && scheduleCount(0, 0, 1) == 0 {
		t.Skipf("compiles the tests of the storage path anew and runs them %d times: run by `make mutants` and `make long`", len(mutants))
	}
	internal, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mutants := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool {
		return os.Getenv("HOLDFAST_MUTANTS") != "1" && !strings.Contains(m.file+" "+m.name, os.Getenv("HOLDFAST_MUTANTS"))
	})
	dir := t.TempDir()
	overlay, err := infect(internal, dir, mutants)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"test", "-c", "-overlay", overlay, "-o", dir + "/"}
	for _, pkg := range tested() {
		args = append(args, "holdfast/internal/"+pkg)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for pkg, asked := range killers { // without a mutant all is well
		if !slices.ContainsFunc(mutants, func(m mutant) bool { return m.pkg() == pkg }) {
			continue
		}
		for _, k := range asked {
			if out, err := k.ask(t, internal, dir, "none"); err != nil {
				t.Fatalf("%s, no mutant: %v\n%s", pkg, err, out)
			}
		}
	}
	var mu sync.Mutex
	caught := make(map[string]int)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, m := range mutants {
		g.Go(func() error {
			for _, k := range killers[m.pkg()] {
				out, err := k.ask(t, internal, dir, m.name)
				if err == nil {
					continue
				}
				if failed, ok := errors.AsType[*exec.ExitError](err); !ok || failed.ExitCode() < 1 || bytes.Contains(out, []byte("panic: test timed out")) ||
					!bytes.Contains(out, []byte("FAIL")) && !bytes.Contains(out, []byte("panic:")) {
					return fmt.Errorf("%s: %w\n%s", m.name, err, out)
				}
				mu.Lock()
				caught[k.pkg]++
				mu.Unlock()
				return nil
			}
			t.Errorf("nobody notices: %s (%s)", m.name, m.file)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d mutants, caught by the tests of: %v", len(mutants), caught)
}

// pkg returns the package of the mutant.
func (m mutant) pkg() string { return filepath.ToSlash(filepath.Dir(m.file)) }

// tested returns the packages whose tests are compiled.
func tested() []string {
	all := make(map[string]bool)
	for _, asked := range killers {
		for _, k := range asked {
			all[k.pkg] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// ask runs the killer with that mutant alive.
func (k killer) ask(t *testing.T, internal, dir, name string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, filepath.Base(k.pkg)+".test"),
		"-test.run", k.run, "-test.failfast", "-test.timeout", "30m")
	cmd.Dir = filepath.Join(internal, k.pkg)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "HOLDFAST_HARNESS=") || strings.HasPrefix(v, "HOLDFAST_LONG=") || strings.HasPrefix(v, "HOLDFAST_VERSITYGW=") ||
			strings.HasPrefix(v, "CI=")
	}), mutantEnv+"="+name)
	return cmd.CombinedOutput()
}

// infect writes the sources with all mutants in them, and returns the overlay that puts them in the
// place of the true ones.
func infect(internal, dir string, all []mutant) (string, error) {
	byFile := make(map[string][]mutant)
	for _, m := range all {
		byFile[m.file] = append(byFile[m.file], m)
	}
	replace := make(map[string]string)
	write := func(file, text string) error {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		replace[filepath.Join(internal, file)] = to
		return os.WriteFile(to, []byte(text), 0o600)
	}
	for file, ms := range byFile {
		source, err := os.ReadFile(filepath.Join(internal, file))
		if err != nil {
			return "", err
		}
		text, err := mutate(string(source), ms)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		choice := fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar chosenMutant = os.Getenv(%q)\n\nfunc isMutant(name string) bool { return chosenMutant == name }\n",
			filepath.Base(pkg), mutantEnv)
		if err := firstError(write(file, text), write(pkg+"/mutant.go", choice)); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// mutate puts the mutants of one file into its source. Those of one place are put into one another.
func mutate(source string, ms []mutant) (string, error) {
	ms = slices.Clone(ms)
	slices.SortStableFunc(ms, func(a, b mutant) int { // what takes the place of the text before what stands beside it
		return strings.Count(a.text, "$") - strings.Count(b.text, "$")
	})
	texts := make(map[string]string)
	for _, m := range ms {
		if n := strings.Count(source, m.old); n != 1 {
			return "", fmt.Errorf("mutant %q: its text stands there %d times, not once", m.name, n)
		}
		body := strings.ReplaceAll(m.text, "MUT", fmt.Sprintf("isMutant(%q)", m.name))
		before, found := texts[m.old]
		switch {
		case !found:
			before = m.old
		case !strings.Contains(body, "$"):
			return "", fmt.Errorf("mutant %q: another one takes the place of its text", m.name)
		}
		texts[m.old] = strings.ReplaceAll(body, "$", before)
	}
	var out strings.Builder
	at := 0
	for _, old := range slices.SortedFunc(maps.Keys(texts), func(a, b string) int { return strings.Index(source, a) - strings.Index(source, b) }) {
		from := strings.Index(source, old)
		if from < at {
			return "", fmt.Errorf("the mutants of %q overlap others", old)
		}
		out.WriteString(source[at:from] + texts[old])
		at = from + len(old)
	}
	return out.String() + source[at:], nil
}
