package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// A watchdog that somebody has stopped does not hold up the application that is done.
func TestAStoppedWatchdogDoesNotHoldUpTheEnd(t *testing.T) {
	in, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.CommandContext(t.Context(), "sleep", "20") // which does not hear, as what is stopped does not
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(t.TempDir(), "j")
	if err := apply.MakeJournal(journal); err != nil {
		t.Fatal(err)
	}
	w := &watched{reminder: reminder{Journal: journal}, cmd: cmd, tell: tell}
	begun := time.Now()
	w.release()
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
}

// A journal that is gone tells nothing: the machine goes on remembering that an org may have automation off.
func TestAJournalThatIsGoneIsNotTakenForAllDone(t *testing.T) {
	home := t.TempDir()
	r := reminder{Org: "prod", Plan: filepath.Join(home, "p"), Journal: filepath.Join(home, "p.journal")}
	if err := r.write(home); err != nil {
		t.Fatal(err)
	}
	kept := func(after string) {
		if _, err := os.Stat(reminderPath(home, r.Journal)); err != nil {
			t.Errorf("after %s: %v", after, err)
		}
	}
	(&watched{home: home, reminder: r}).release()
	kept("the application")
	var out bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: io.Discard, now: time.Now, getenv: func(name string) string {
		if name == config.Home.Env {
			return home
		}
		return ""
	}}
	if err := a.watchdog(t.Context(), r); problem.KindOf(err) != problem.NotFound {
		t.Errorf("the watchdog: %v", err)
	}
	kept("the watchdog")
	if _, err := run.PutBack(t.Context(), run.PutBackInput{Journal: r.Journal}); problem.KindOf(err) != problem.NotFound {
		t.Errorf("putting back: %v", err)
	}
	if _, err := a.watch(t.Context(), true, place{name: r.Org}, r.Plan, r.Journal, true); problem.KindOf(err) != problem.NotFound {
		t.Errorf("applying it anew: %v", err)
	}
	kept("applying it anew")
	if err := os.WriteFile(r.Journal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * reminderRest)
	if err := os.Chtimes(reminderPath(home, r.Journal), old, old); err != nil {
		t.Fatal(err)
	}
	if err := a.watchdog(t.Context(), r); problem.KindOf(err) != problem.Damaged {
		t.Errorf("the watchdog of an empty journal: %v", err)
	}
	if _, err := a.watch(t.Context(), true, place{name: r.Org}, r.Plan, r.Journal, true); err == nil {
		t.Error("an empty journal is begun anew")
	}
	if err := (applyFlags{putBack: true, journal: r.Journal}).known(); problem.KindOf(err) != problem.Damaged {
		t.Errorf("putting back by an empty journal: %v", err)
	}
	(&watched{home: home, reminder: r}).release()
	kept("all that was tried with an empty one")
	if text := a.reminded(home, reminderPath(home, r.Journal)); !strings.Contains(text, "may have automation off") {
		t.Errorf("the next command says %q of an empty one", text)
	}
	kept("it was told")
	if err := os.Remove(r.Journal); err != nil {
		t.Fatal(err)
	}
	if text := a.reminded(home, reminderPath(home, r.Journal)); !strings.Contains(text, "may have automation off") {
		t.Errorf("the next command says %q", text)
	}
}

// A log that cannot be written is no reason not to put automation back, and is told.
func TestAWatchdogWithoutALogSaysSo(t *testing.T) {
	home := t.TempDir()
	t.Setenv(config.Home.Env, home)
	r := reminder{Org: "prod", Plan: filepath.Join(home, "p"), Journal: filepath.Join(home, "p.journal")}
	journal, err := apply.OpenJournal(r.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(r.Journal+watchdogLog, 0o700); err != nil { // no file can be made there
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	if err := a.watchdog(ctx, r); err == nil || !strings.Contains(err.Error(), "not written down") || problem.KindOf(err) == problem.Failed {
		t.Errorf("%v", err)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.watchdog(t.Context(), r); err != nil {
		t.Errorf("with nothing to say: %v", err)
	}
}
