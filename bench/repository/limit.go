package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// cgroup is a control group with a hard limit of memory, of version 2 or 1.
type cgroup struct {
	dir   string // "" when there is none
	file  string
	about string
}

// newCgroup makes a control group, or says why it cannot.
func newCgroup() cgroup {
	for _, v := range []struct{ root, file, about string }{
		{"/sys/fs/cgroup", "memory.max", "cgroup v2"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "cgroup v1"},
	} {
		dir := filepath.Join(v.root, fmt.Sprintf("holdfast-bench-%d", os.Getpid()))
		if _, err := os.Stat(filepath.Join(v.root, "cgroup.procs")); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, v.file)); err != nil {
			_ = os.Remove(dir)
			continue
		}
		return cgroup{dir, v.file, v.about}
	}
	return cgroup{about: "NOT LIMITED: no control group can be made here; peak RSS alone is measured"}
}

// limit sets the hard limit. Memory that files are cached in counts, and is given back when it is
// reached.
func (c cgroup) limit(mib int) error {
	if c.dir == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(c.dir, c.file), []byte(strconv.Itoa(mib<<20)), 0o644)
}

// command returns a command that runs within the group.
func (c cgroup) command(name string, args []string) (string, []string) {
	if c.dir == "" {
		return name, args
	}
	script := `echo $$ > "$0" && exec "$@"`
	return "/bin/sh", append([]string{"-c", script, filepath.Join(c.dir, "cgroup.procs"), name}, args...)
}

func (c cgroup) close() error {
	if c.dir == "" {
		return nil
	}
	return os.Remove(c.dir)
}
