package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/run"
)

// An application that has just begun has yet to write into its journal: what another command does meanwhile neither takes
// away what this machine would know of it, nor warns. An old reminder of nothing goes. One without a journal, which is made
// before the reminder is, is told at once.
func TestAReminderOutlivesTheCommandsBesideIt(t *testing.T) {
	home := t.TempDir()
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	idle := reminder{Org: "prod", Plan: filepath.Join(home, "idle.plan"), Journal: filepath.Join(home, "idle.plan.journal")}
	journal, err := apply.OpenJournal(idle.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	missing := reminder{Org: "prod", Plan: filepath.Join(home, "none.plan"), Journal: filepath.Join(home, "none.plan.journal")}
	for _, r := range []reminder{idle, missing} {
		if err := r.write(home); err != nil {
			t.Fatal(err)
		}
		path := reminderPath(home, r.Journal)
		if said := a.reminded(home, path); (said == "") != (r == idle) {
			t.Errorf("right after it was written: %q", said)
		}
		if got, _, err := readReminder(path); err != nil || got.Journal != r.Journal {
			t.Errorf("right after it was written: %+v %v", got, err)
		}
		old := time.Now().Add(-2 * reminderRest)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		said := a.reminded(home, path)
		_, err := os.Stat(path)
		if gone := os.IsNotExist(err); gone != (r == idle) || (said == "") != gone {
			t.Errorf("%s later: gone %v, %q", r.Plan, gone, said)
		}
	}
}

// The log of a watchdog does not call back what was left as somebody has made it.
func TestAWatchdogSaysWhatItLeft(t *testing.T) {
	off := run.SwitchedRow{Off: []string{"ApexTrigger Guard", "ApexTrigger Watch"}, Back: true}
	if got := broughtBack(off); got != "2 components put back, which was proved by reading them" {
		t.Errorf("all: %q", got)
	}
	off.Back, off.Left = false, []string{"ApexTrigger Guard"}
	if got := broughtBack(off); strings.Contains(got, "proved") || !strings.Contains(got, "all but ApexTrigger Guard") {
		t.Errorf("but for one: %q", got)
	}
}
