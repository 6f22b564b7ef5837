// Command repository measures the repository of Holdfast by itself, and beside restic and borg where they
// are installed, on the same records: CPU seconds for a gigabyte, bytes that a change adds, comparison of
// two snapshots, single records as of any time, pruning, and all of it within a hard limit of memory.
// Each figure is of a whole process, as the operating system accounts for it; medians of several
// runs. It judges nothing. Run it with `make bench-repository`, and with BENCH='-parts memory -large 100000000 -limit 768' for hours.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"holdfast/bench/process"
)

func main() {
	var b bench
	var s step
	var parts string
	flag.StringVar(&b.holdfast, "holdfast", "bin/holdfast", "the program")
	flag.StringVar(&b.dir, "dir", "", "folder to work in; empty: a temporary one")
	flag.StringVar(&parts, "parts", "ingest,diff,year", "what to measure: ingest, diff, year, memory")
	flag.IntVar(&b.runs, "runs", 3, "runs of each command; the median counts")
	flag.IntVar(&b.limit, "limit", 384, "hard limit of memory for diff, year and memory, in MiB")
	flag.StringVar(&s.do, "do", "", "a step that the program runs as a process of its own")
	flag.IntVar(&b.rows, "rows", 2_000_000, "records of ingest")
	flag.IntVar(&b.large, "large", 10_000_000, "records of diff and memory")
	flag.IntVar(&b.yearRows, "year-rows", 1_000_000, "records of year")
	flag.IntVar(&s.rows, "n", 0, "records, of a step")
	flag.IntVar(&s.day, "day", 0, "day of a step")
	flag.IntVar(&s.share, "share", 100, "one record in so many changes, of a step")
	flag.StringVar(&s.file, "file", "", "file of a step")
	flag.BoolVar(&s.full, "full", false, "all records, of a step")
	flag.BoolVar(&s.unverified, "unverified", false, "do not verify before writing, of a step")
	flag.IntVar(&s.reads, "reads", 2000, "single records to read, of a step")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return b.run(ctx, strings.Split(parts, ",")) }
	if s.do != "" {
		run = func() error { return s.run(ctx) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/repository:", err)
		os.Exit(1)
	}
}

type bench struct {
	holdfast, dir         string
	rows, large, yearRows int
	runs, limit           int

	self  string
	group process.Group
	env   []string
}

func (b *bench) run(ctx context.Context, parts []string) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.holdfast, err = filepath.Abs(b.holdfast); err != nil {
		return err
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "holdfast-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	b.group = process.NewGroup()
	defer func() { err = errors.Join(err, b.group.Close()) }()
	fmt.Printf("%d processors; memory: %s; records of %d fields; seed %d\n", runtime.NumCPU(), b.group.About(), fields, seed)
	for _, part := range parts {
		do, known := map[string]func(context.Context) error{
			"ingest": b.ingest, "diff": b.diff, "year": b.year, "memory": b.memory,
		}[part]
		if !known {
			return fmt.Errorf("part %q", part)
		}
		if err := do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

// repository makes a new repository, and lets the processes that follow use it.
func (b *bench) repository(ctx context.Context, name string) error {
	dir := filepath.Join(b.dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b.env = append(os.Environ(), "HOLDFAST_HOME="+filepath.Join(dir, "home"), "HOLDFAST_REPO="+filepath.Join(dir, "repo"),
		"HOLDFAST_KEY_FILE="+filepath.Join(dir, "operator.key"))
	_, err := b.measure(ctx, b.holdfast, "init", "--recovery-key-file", filepath.Join(dir, "recovery.key"))
	return err
}

// step runs a step of this program as a process of its own.
func (b *bench) step(ctx context.Context, do string, args ...string) (process.Usage, error) {
	return b.measure(ctx, b.self, append([]string{"-do", do}, args...)...)
}

// measure runs a command within the group.
func (b *bench) measure(ctx context.Context, name string, args ...string) (process.Usage, error) {
	return process.Run(ctx, process.Command{Name: name, Args: args, Env: b.env, Within: b.group})
}

// median runs prepare and then a measured command several times, and returns the median by CPU.
func (b *bench) median(ctx context.Context, prepare func() error, do func() (process.Usage, error)) (process.Usage, error) {
	var all []process.Usage
	for range b.runs {
		if prepare != nil {
			if err := prepare(); err != nil {
				return process.Usage{}, err
			}
		}
		u, err := do()
		if err != nil {
			return process.Usage{}, err
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b process.Usage) int { return int(1e6 * (a.CPU - b.CPU)) })
	return all[len(all)/2], ctx.Err()
}

func num(n int) string { return strconv.Itoa(n) }

func mb(n int64) float64 { return float64(n) / 1e6 }

func mib(n int64) float64 { return float64(n) / (1 << 20) }
