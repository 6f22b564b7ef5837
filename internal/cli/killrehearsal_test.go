package cli_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/emulator"
)

// TestKilledInTheRehearsalTheWayBackIsThere kills the real program with SIGKILL while it rehearses. The plan that takes the
// deployment back and the runbook are there by then, the real org is not called any more, and nothing that is left of the
// rehearsal can be read. Run again, the command comes to its end.
func TestKilledInTheRehearsalTheWayBackIsThere(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "holdfast/cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	k := newKill(t, program, prepareDeployment(t), killSeed, 1_000)
	defer k.server.Close()
	scratch := t.TempDir()
	begun := func() bool {
		found, err := filepath.Glob(filepath.Join(scratch, "holdfast-rehearsal-*"))
		return err == nil && len(found) > 0
	}
	var late atomic.Int64
	k.server.Intercept(func(r emulator.Request) emulator.Fault {
		if begun() {
			late.Add(1)
		}
		return killSees(r)
	})
	args := []string{"guard", "deploy", "wrecked", killedPackage(t), "--to", k.path("guard"), "--quiet", "--object", "Thing__c"}
	cmd := k.command(t.Context(), args...)
	cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); !begun(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatalf("no rehearsal begins: %s", said.String())
		}
	}
	for _, name := range []string{"rollback.plan", "runbook.md", "runbook.html"} {
		if _, err := os.Stat(k.path("guard/" + name)); err != nil {
			t.Errorf("the rehearsal has begun: %v", err)
		}
	}
	for deadline := time.Now().Add(time.Minute); len(journals(scratch)) == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	_ = cmd.Process.Kill()
	err := cmd.Wait()
	if page, read := os.ReadFile(k.path("guard/runbook.md")); read != nil || err != nil && !strings.Contains(string(page), "Not rehearsed: it was cut short") {
		t.Errorf("the runbook does not say that nothing was rehearsed: %v", read)
	}
	err = filepath.WalkDir(scratch, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, secret := range []string{"size 1", "public class Pay", killSeedToken(k.server)} {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("%s has %q", path, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := late.Load(); n > 0 {
		t.Errorf("%d requests to the real org while the way back is rehearsed", n)
	}
	k.must(args...)
	if page, err := os.ReadFile(k.path("guard/runbook.md")); err != nil || !strings.Contains(string(page), "Rehearsed on an emulated copy") {
		t.Errorf("run again nothing is rehearsed: %v\n%s", err, page)
	}
}

// killSeedToken is the secret that signs in to the real org.
func killSeedToken(server *emulator.Server) string {
	_, secret, _ := strings.Cut(server.AccessToken, "!")
	return secret
}

// journals are those of a rehearsal that is under way.
func journals(dir string) []string {
	found, err := filepath.Glob(filepath.Join(dir, "holdfast-rehearsal-*", "*.journal"))
	if err != nil {
		return nil
	}
	return found
}
