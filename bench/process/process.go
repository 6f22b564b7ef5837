// Package process runs the programs that the benchmarks measure. It tells what each took as the operating system accounts
// for it, and runs them within a hard limit of memory where control groups can be made.
//
// Linux counts the peak memory of a process that starts another into the peak of the other: a program that measures
// must stay small, and do what needs memory in processes of its own.
package process

import (
	"context"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Command is a program to measure.
type Command struct {
	Name   string
	Args   []string
	Env    []string // empty: that of this process
	Dir    string   // empty: that of this process
	Within Group    // the zero value: without a limit
}

// Usage is what one process took, and said.
type Usage struct {
	Wall, CPU float64 // seconds
	RSS       int64   // bytes at the peak
	Said      string  // standard output, without the blanks around it
}

func (u Usage) String() string {
	return fmt.Sprintf("%.2f s, %.2f CPU s, peak RSS %.0f MiB", u.Wall, u.CPU, float64(u.RSS)/(1<<20))
}

// Run runs a command to its end. An error has what it said, and that the limit ended it if that is so.
func Run(ctx context.Context, c Command) (Usage, error) {
	name, args := c.Within.command(c.Name, c.Args)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	var said, trouble strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &trouble
	killed := c.Within.Killed()
	began := time.Now()
	err := cmd.Run()
	u := Usage{Wall: time.Since(began).Seconds(), Said: strings.TrimSpace(said.String())}
	if cmd.ProcessState != nil {
		u.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			u.RSS = r.Maxrss * 1024 // Linux counts kilobytes
		}
	}
	if err != nil && c.Within.Killed() > killed {
		err = fmt.Errorf("%w: it took more than its limit of memory", err)
	}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w\n%s%s", c.Name, strings.Join(c.Args, " "), err, said.String(), trouble.String())
	}
	return u, nil
}

// Size is the number of bytes in all files of a folder.
func Size(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
