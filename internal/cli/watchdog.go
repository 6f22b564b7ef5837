package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/apply"
	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
)

// What an application and its watchdog say to each other. The watchdog learns that the application has died from the
// end of its standard input, which the system closes however a process ends.
const (
	watching = "watching\n" // by the watchdog, once it watches
	allDone  = "done\n"     // by the application, once automation is back: there is nothing left to do
)

// Bounds of a watchdog.
const (
	watchdogStart = 20 * time.Second       // in which it has to say that it watches
	watchdogEnd   = 3 * time.Second        // for which an application that is done waits for its watchdog to end
	watchdogTime  = 24 * time.Hour         // for which it tries, after an application has died
	watchdogFirst = 5 * time.Second        // between its first attempts
	watchdogMost  = 5 * time.Minute        // between later ones
	watchdogLock  = 200 * time.Millisecond // between looks at a journal that somebody else has open
)

// watchdogLog is added to the path of a journal: what its watchdog did.
const watchdogLog = ".watchdog"

// watched is what stands by while an application has automation off.
type watched struct {
	home     string // empty: there is none
	reminder reminder
	cmd      *exec.Cmd // nil: no watchdog
	tell     *os.File  // its standard input
}

// watch remembers that the application of a plan is about to switch automation off, if it does, where it is, and starts a
// watchdog. What it returns has to be released.
func (a *app) watch(ctx context.Context, switches bool, at place, path, journal string, unwatched bool) (*watched, error) {
	w := &watched{}
	if !switches {
		return w, nil
	}
	var err error
	r := reminder{Org: at.name}
	if r.Plan, err = filepath.Abs(path); err == nil {
		r.Journal, err = filepath.Abs(journal)
	}
	if err != nil {
		return w, err
	}
	if err := a.lostJournal(r); err != nil {
		return w, err
	}
	if err := apply.MakeJournal(r.Journal); err != nil { // from here on one that is not there has been taken away
		return w, err
	}
	if home, err := config.HomeDir(a.getenv); err == nil {
		if err := r.write(home); err != nil {
			return w, problem.Wrap(problem.Failed, err, "remember that automation is about to be switched off").
				Hint("name a folder that this user may write to with %s", config.Home.Env)
		}
		w.home = home
	}
	w.reminder = r
	if unwatched || !a.alone {
		return w, nil
	}
	if err := w.start(ctx, a.keyFile); err != nil {
		w.release()
		return w, problem.Wrap(problem.Failed, err, "start the watchdog that puts automation back if this process is killed").
			Hint("nothing was done; --no-watchdog goes without one")
	}
	return w, nil
}

// lostJournal is an error where this machine remembers an application under a journal that is gone: a new one would have what
// that left off for how it was.
func (a *app) lostJournal(r reminder) error {
	home, err := config.HomeDir(a.getenv)
	if err != nil {
		return nil //nolint:nilerr // nothing is remembered
	}
	path := reminderPath(home, r.Journal)
	if _, err := os.Stat(path); err != nil {
		return nil //nolint:nilerr // of this one nothing is remembered
	}
	if err := apply.HasJournal(r.Journal); err != nil {
		return problem.Wrap(problem.NotFound, err, "an application under this journal did not end").
			Hint("bring the journal back; or see in the org what is off, and remove %s", path)
	}
	return nil
}

// start starts the watchdog, and waits until it watches. It does not die with this process, its terminal or its session.
func (w *watched) start(ctx context.Context, keyFile string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"watchdog", w.reminder.Journal, "--org", w.reminder.Org, "--plan", w.reminder.Plan}
	if keyFile != "" {
		args = append(args, "--"+config.KeyFile.Flag, keyFile)
	}
	in, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	hear, out, err := os.Pipe()
	if err != nil {
		return errors.Join(err, tell.Close())
	}
	defer hear.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...) // it is there for when this one was told to stop
	cmd.Stdin, cmd.Stdout, cmd.SysProcAttr = in, out, detached()
	err = errors.Join(cmd.Start(), out.Close())
	if err != nil {
		return errors.Join(err, tell.Close())
	}
	w.cmd, w.tell = cmd, tell
	said := make([]byte, len(watching))
	if err := hear.SetReadDeadline(time.Now().Add(watchdogStart)); err != nil {
		return err
	}
	if _, err := io.ReadFull(hear, said); err != nil || string(said) != watching {
		_ = cmd.Process.Kill()
		return errors.Join(errors.New("it does not watch"), err)
	}
	return nil
}

// release ends the watch of an application that has ended. Where automation is back there is nothing left to do;
// where it is not, the watchdog goes on trying.
func (w *watched) release() {
	back := false
	if w.reminder.Journal != "" {
		off, err := apply.StillOff(w.reminder.Journal)
		back = err == nil && len(off) == 0
	}
	if back && w.home != "" {
		w.reminder.forget(w.home)
	}
	if w.tell == nil {
		return
	}
	if back {
		_, _ = io.WriteString(w.tell, allDone) // when it is not there any more, it is not needed, either
	}
	_ = w.tell.Close()
	if !back {
		_ = w.cmd.Process.Release()
		return
	}
	ended := make(chan struct{})
	go func() {
		_ = w.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(watchdogEnd): // somebody has stopped it; it ends when it is let go on, and has nothing to do then
	}
}

// watchdogCommand is started by an application, and by nobody else.
func (a *app) watchdogCommand() *cobra.Command {
	var org, planFile string
	cmd := a.command(spec{
		use: "watchdog JOURNAL", group: groupOther,
		short: "put automation back when an application dies (started by apply)",
		long: `Started by ` + "`holdfast apply`" + ` and ` + "`holdfast load`" + ` before they switch automation off, and of no use to anybody else. It waits
for the end of its standard input, which ends with the application, however that ends. When the journal then has automation as off, it
puts it back, and tries for a day where it cannot; it writes what it does into JOURNAL.watchdog. Where another application has
taken the journal up, it waits for the end of that.`,
		example: `holdfast watchdog incident.plan.journal --org prod --plan incident.plan`,
		kinds: []problem.Kind{
			problem.Locked, problem.WrongKey, problem.Damaged, problem.NotFound,
			problem.Unreachable, problem.Unauthorized, problem.Conflict, problem.NotVerified, problem.Limits,
		},
		min: 1, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		return a.watchdog(cmd.Context(), reminder{Org: org, Plan: planFile, Journal: args[0]})
	})
	cmd.Hidden = true
	cmd.Flags().StringVar(&org, "org", "", "`name` of the org")
	cmd.Flags().StringVar(&planFile, "plan", "", "`file` of the plan")
	cmd.Flags().StringVar(&a.keyFile, config.KeyFile.Flag, "", flagText(config.KeyFile))
	return cmd
}

func (a *app) watchdog(ctx context.Context, r reminder) error {
	a.watches = true
	if _, err := io.WriteString(a.out, watching); err != nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(a.in, int64(len(allDone))))
	if err == nil && string(said) == allDone {
		return nil
	}
	log := &lateFile{path: r.Journal + watchdogLog}
	a.err = log
	say := func(format string, args ...any) {
		fmt.Fprintf(log, "%s %s\n", a.now().UTC().Format(time.RFC3339), plain(fmt.Sprintf(format, args...)))
	}
	return errors.Join(a.standBy(ctx, r, say), log.failed())
}

// standBy puts back what the journal has as off, as soon as that can be done.
func (a *app) standBy(ctx context.Context, r reminder, say func(string, ...any)) error {
	ctx, stop := context.WithTimeout(ctx, watchdogTime)
	defer stop()
	delay, waits := watchdogFirst, false
	for {
		off, err := apply.StillOff(r.Journal)
		if err == nil && len(off) == 0 {
			a.back(r)
			return nil
		}
		var done run.SwitchedRow
		if err == nil {
			say("the application has ended with automation off: putting back %s", some(off))
			if done, err = a.putBackNow(ctx, r); err == nil || len(done.Left) > 0 {
				say("%s", broughtBack(done))
				a.back(r)
				return err
			}
		}
		pause := watchdogLock
		if problem.KindOf(err) != problem.Locked {
			if !passes(problem.KindOf(err)) {
				return err // which is said in the log, too
			}
			say("%v (%s)", err, problem.HintOf(err))
			pause, delay = delay, min(2*delay, watchdogMost)
			say("trying again in %s", pause)
		} else if !waits {
			waits = true
			say("somebody else has the journal open: waiting for their end")
		}
		select {
		case <-ctx.Done():
			say("given up: automation is still off; run `%s`", r.command())
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// broughtBack says what was put back, and what was not.
func broughtBack(done run.SwitchedRow) string {
	if len(done.Left) > 0 {
		return fmt.Sprintf("of %s put back all but %s, which somebody changed or deleted meanwhile and which were left as they are", switched(done), some(done.Left))
	}
	return switched(done) + " put back, which was proved by reading them"
}

// passes reports a kind of error that may be gone at another time.
func passes(k problem.Kind) bool {
	switch k {
	case problem.Unreachable, problem.Limits, problem.NotVerified, problem.Failed, problem.NoSpace, problem.Interrupted:
		return true
	}
	return false
}

// back forgets the reminder of an application whose automation is back.
func (a *app) back(r reminder) {
	if home, err := config.HomeDir(a.getenv); err == nil {
		r.forget(home)
	}
}

// putBackNow signs in anew, since the tokens of the application may have been rotated, and puts automation back.
func (a *app) putBackNow(ctx context.Context, r reminder) (run.SwitchedRow, error) {
	org, err := a.connect(ctx, r.Org, salesforce.Budget{})
	if err != nil {
		return run.SwitchedRow{}, err
	}
	return run.PutBack(ctx, run.PutBackInput{Org: org, Deployer: org, Journal: r.Journal})
}

// lateFile is a file that is made when something is written to it. It keeps its first error: who writes a line of a log looks at none.
type lateFile struct {
	path string
	f    *os.File
	err  error
}

func (l *lateFile) Write(p []byte) (int, error) {
	if l.f == nil {
		f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			l.err = cmp.Or(l.err, err)
			return 0, err
		}
		l.f = f
	}
	n, err := l.f.Write(p)
	l.err = cmp.Or(l.err, err)
	return n, err
}

// failed is the error of what was not written. The file stays open: the error with which the watchdog ends is written there, too.
func (l *lateFile) failed() error {
	if l.err == nil {
		return nil
	}
	return onDisk(fmt.Errorf("what the watchdog did is not written down whole: %w", l.err))
}
