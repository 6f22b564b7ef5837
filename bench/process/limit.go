package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Group is a control group with a hard limit of memory, of version 2 or 1. The zero value has none.
type Group struct {
	dir           string // "" when there is none
	limit, swap   string // files of the limits of memory, and of memory or swap
	none          string // of swap: no more than the memory
	events, about string
}

// NewGroup makes a control group, or says in About why there is none.
func NewGroup() Group {
	for _, g := range []struct {
		root string
		Group
	}{
		{"/sys/fs/cgroup", Group{limit: "memory.max", swap: "memory.swap.max", none: "0", events: "memory.events", about: "cgroup v2"}},
		{"/sys/fs/cgroup/memory", Group{limit: "memory.limit_in_bytes", swap: "memory.memsw.limit_in_bytes", events: "memory.oom_control", about: "cgroup v1"}},
	} {
		g.dir = filepath.Join(g.root, fmt.Sprintf("holdfast-bench-%d", os.Getpid()))
		if _, err := os.Stat(filepath.Join(g.root, "cgroup.procs")); err != nil || os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(g.dir, g.limit)); err != nil {
			_ = os.Remove(g.dir)
			continue
		}
		return g.Group
	}
	return Group{about: "NOT LIMITED: no control group can be made here; peak RSS alone is measured"}
}

// About says which kind of group it is, or that there is no limit.
func (g Group) About() string { return g.about }

// Limited reports whether there is a group. Prove says whether it limits.
func (g Group) Limited() bool { return g.dir != "" }

// Limit sets the hard limit, in MiB, with no swap beyond it. Memory that files are cached in counts, and is given
// back when it is reached.
func (g Group) Limit(mib int) error {
	if g.dir == "" {
		return nil
	}
	bytes := strconv.Itoa(mib << 20)
	// Where the limit of memory and swap together is one of its own it is never lower than that of memory.
	if _, err := os.Stat(filepath.Join(g.dir, g.swap)); err != nil {
		return g.write(g.limit, bytes) // no swap that is accounted for
	}
	if g.none != "" {
		if err := g.write(g.swap, g.none); err != nil {
			return err
		}
		return g.write(g.limit, bytes)
	}
	for _, w := range [][2]string{{g.swap, "-1"}, {g.limit, bytes}, {g.swap, bytes}} {
		if err := g.write(w[0], w[1]); err != nil {
			return err
		}
	}
	return nil
}

func (g Group) write(file, text string) error {
	return os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0o644)
}

// Killed is how many processes of the group were ended for want of memory; 0 where the system does not count them.
func (g Group) Killed() int {
	if g.dir == "" {
		return 0
	}
	raw, err := os.ReadFile(filepath.Join(g.dir, g.events))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			killed, _ := strconv.Atoi(n) // what is no number counts as none
			return killed
		}
	}
	return 0
}

// Prove runs a command that takes more than the limit, and demands that the system ends it. An error means that there
// is no limit.
func (g Group) Prove(ctx context.Context, greedy Command) error {
	if g.dir == "" {
		return fmt.Errorf("%s", g.about)
	}
	greedy.Within = g
	u, err := Run(ctx, greedy)
	if err == nil {
		return fmt.Errorf("NOT LIMITED: a process in the control group took %d MiB and was not ended", u.RSS>>20)
	}
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		if how, ok := ended.Sys().(syscall.WaitStatus); ok && how.Signaled() && how.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	return fmt.Errorf("NOT LIMITED, as far as can be told: %w", err)
}

// Take takes so many MiB of memory, neither more nor less under the race detector, and writes to all of it.
//
//go:norace
func Take(mib int) error {
	taken, err := syscall.Mmap(-1, 0, mib<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	for i := 0; i < len(taken); i += 1 << 10 {
		taken[i] = 1
	}
	return nil
}

// command returns a command that runs within the group.
func (g Group) command(name string, args []string) (string, []string) {
	if g.dir == "" {
		return name, args
	}
	script := `echo $$ > "$0" && exec "$@"`
	return "/bin/sh", append([]string{"-c", script, filepath.Join(g.dir, "cgroup.procs"), name}, args...)
}

// Close removes the group.
func (g Group) Close() error {
	if g.dir == "" {
		return nil
	}
	return os.Remove(g.dir)
}
