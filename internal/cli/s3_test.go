package cli_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/emulator"
)

// TestRepositoryInAnObjectStore runs the loop with the repository in a real S3 server.
func TestRepositoryInAnObjectStore(t *testing.T) {
	program := os.Getenv("HOLDFAST_VERSITYGW")
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("the real S3 server is missing: set HOLDFAST_VERSITYGW")
		}
		t.Skip("NOT TESTED: a repository in an object store needs a real S3 server: set HOLDFAST_VERSITYGW")
	}
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	h := newHouse(t, server)
	t.Setenv("HOLDFAST_REPO", "s3://backups/prod?endpoint="+startS3(t, program, "backups"))
	h.must("init", "--recovery-key-file", h.path("recovery.key"))
	first := h.backup()
	server.Clock().Advance(time.Hour)
	if second := h.backup(); second == first {
		t.Error("two backups have one id")
	}
	h.must("verify", "--quiet")
	h.must("diff", first, "latest")
	if code, _, said := h.run("init", "--recovery-key-file", h.path("other.key")); code == 0 {
		t.Errorf("a second init of one repository passed: %s", said)
	}
}

// startS3 serves one bucket on this machine and returns the address of the server.
func startS3(t *testing.T, program, bucket string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	const id, secret = "test-id", "test-secret"
	t.Setenv("AWS_ACCESS_KEY_ID", id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	cmd := exec.CommandContext(t.Context(), program, "--quiet", "--port", address, "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+id, "ROOT_SECRET_KEY="+secret)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.Close()
			return "http://" + address
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not listen at %s", program, address)
	return ""
}
