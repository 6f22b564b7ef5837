package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/cli"
	"holdfast/internal/emulator"
)

// house is an operator's machine: a home folder, a repository, its keys, and one org named
// "wrecked". Commands run through cli.Main, as from a shell, or as processes of their own.
type house struct {
	t       testing.TB
	dir     string
	program string // the built program; empty: cli.Main in this process
	repo    string // folder of the repository, of a house with a program
}

func newHouse(t *testing.T, server *emulator.Server) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir()}
	t.Setenv("HOLDFAST_HOME", h.path("home"))
	t.Setenv("HOLDFAST_REPO", h.path("repo"))
	t.Setenv("HOLDFAST_KEY_FILE", h.path("operator.key"))
	h.moveIn(server)
	return h
}

// newHouseOf is a house in which commands are processes of this program. It has an environment of its own,
// so that there may be several at a time.
func newHouseOf(t *testing.T, server *emulator.Server, program string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), program: program}
	h.repo = h.path("repo")
	h.moveIn(server)
	return h
}

func (h *house) moveIn(server *emulator.Server) {
	h.t.Helper()
	h.signIn(server)
	h.must("org", "add", "wrecked", "--sign-in-file", h.path("sign-in.json"))
}

// command is a process of the program, of this house.
func (h *house) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.program, args...)
	cmd.Env = append(os.Environ(), "HOLDFAST_HOME="+h.path("home"), "HOLDFAST_REPO="+h.repo, "HOLDFAST_KEY_FILE="+h.path("operator.key"))
	return cmd
}

// signIn writes the file that tells the org's address and token.
func (h *house) signIn(server *emulator.Server) {
	h.t.Helper()
	body, err := json.Marshal(map[string]string{
		"instance_url": server.URL, "access_token": server.AccessToken, "username": server.Username,
		"org_id": server.OrgID, "refresh_token": server.RefreshToken, "client_id": server.ClientID,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path("sign-in.json"), body, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

// run runs one command line and returns its exit code and what it printed.
func (h *house) run(args ...string) (code int, out, err string) {
	h.t.Helper()
	var stdout, stderr bytes.Buffer
	if h.program != "" {
		cmd := h.command(h.t.Context(), args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			h.t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	}
	code = cli.Main(args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// must runs a command that has to succeed and returns its standard output.
func (h *house) must(args ...string) string {
	h.t.Helper()
	code, out, err := h.run(args...)
	if code != 0 {
		h.t.Fatalf("holdfast %s: exit code %d\n%s%s", strings.Join(args, " "), code, out[:min(len(out), 1000)], err)
	}
	return out
}

// json runs a command that has to succeed with --json and decodes its result.
func (h *house) json(result any, args ...string) {
	h.t.Helper()
	out := h.must(append(args, "--json", "--quiet")...)
	if err := json.Unmarshal([]byte(out), result); err != nil {
		h.t.Fatalf("holdfast %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

// backup takes a snapshot of the org and returns its id.
func (h *house) backup() string {
	h.t.Helper()
	var result struct {
		Snapshot struct {
			ID string `json:"id"`
		} `json:"snapshot"`
	}
	h.json(&result, "backup", "wrecked")
	if result.Snapshot.ID == "" {
		h.t.Fatal("backup named no snapshot")
	}
	return result.Snapshot.ID
}

// successors returns the new Ids of records that came back under one, by the old.
func (h *house) successors() map[string]string {
	h.t.Helper()
	var result struct {
		Successors []struct {
			Old string `json:"old"`
			New string `json:"new"`
		} `json:"successors"`
	}
	h.json(&result, "successors", "wrecked")
	ids := map[string]string{}
	for _, s := range result.Successors {
		ids[s.Old] = s.New
	}
	return ids
}
