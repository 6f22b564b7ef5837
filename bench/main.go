// Command bench measures Holdfast beside a peer, in one run against the same emulated org: rows
// extracted, CPU seconds for a gigabyte backed up, and bytes stored when little changed. Each
// figure is of a whole child process, as the operating system accounts for it. Run it with
// `make bench`; it judges nothing, it prints a table and the seeds.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"holdfast/internal/testkit"
)

func main() {
	b := bench{}
	flag.StringVar(&b.holdfast, "holdfast", "bin/holdfast", "the program")
	flag.StringVar(&b.extract, "extract", "bin/bench-extract", "extraction by Holdfast's client alone")
	flag.StringVar(&b.peer, "peer", "bin/bench-peer", "extraction by go-salesforce")
	flag.IntVar(&b.rows, "rows", 100_000, "rows of 40 columns")
	flag.IntVar(&b.runs, "runs", 5, "counted runs of each command, after one that does not count")
	flag.StringVar(&b.sf, "sf", os.Getenv("HOLDFAST_SF"), "the official command line, for -scale and -components; empty: without it")
	sizes := flag.String("scale", "", "numbers of rows, such as 120000,1000000: measure first backups of large objects instead")
	components := flag.Int("components", 0, "measure a first backup of an org with so many components beside `sf project retrieve` instead")
	do := flag.String("do", "", "a step that the program runs as a process of its own: fill or change")
	instance := flag.String("instance", "", "address of the org, for -do")
	share := flag.Int("share", 0, "change one row in so many, for -do change")
	flag.Parse()
	if _, err := os.Stat(b.sf); b.sf != "" && err != nil {
		fmt.Printf("sf: NOT MEASURED: %v\n", err)
		b.sf = ""
	}
	run := b.run
	if *sizes != "" {
		run = func(ctx context.Context) error { return b.scale(ctx, *sizes) }
	}
	if *components > 0 {
		run = func(ctx context.Context) error { return b.components(ctx, *components) }
	}
	if *do != "" {
		b.loader = newLoader(*instance, os.Getenv(tokenEnv))
		run = func(ctx context.Context) error { return b.fill(ctx) }
		if *do == "change" {
			run = func(ctx context.Context) error { return b.change(ctx, *share) }
		}
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	holdfast, extract, peer, sf string
	rows, runs                  int

	dir    string
	in     string // folder of the measured processes; empty: that of this one
	env    []string
	loader *testkit.Loader

	control string // token of the control endpoint
}

func (b *bench) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	stop, err := b.startOrg(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := b.step(ctx, "fill", 0); err != nil {
		return err
	}
	query := "SELECT Id, Name, " + strings.Join(columnNames(), ", ") + " FROM " + object
	ours, theirs := filepath.Join(dir, "ours.csv"), filepath.Join(dir, "theirs.csv")
	var extract, peer, backup []usage
	for run := range b.runs + 1 {
		e, err := b.measure(ctx, b.extract, b.loader.InstanceURL, query, ours)
		if err != nil {
			return err
		}
		p, err := b.measure(ctx, b.peer, b.loader.InstanceURL, query, theirs)
		if err != nil {
			return err
		}
		u, err := b.fullBackup(ctx)
		if err != nil {
			return err
		}
		if run > 0 {
			extract, peer, backup = append(extract, e), append(peer, p), append(backup, u)
		}
	}
	raw, err := os.Stat(ours)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d rows x 40 columns, %.1f MB as CSV, %d runs, medians [min..max]\n", b.rows, float64(raw.Size())/1e6, b.runs)
	fmt.Printf("%-34s %-26s %-26s %s\n", "", "wall s", "CPU s", "peak RSS MB")
	report("extract, Holdfast's client", extract)
	report("extract, go-salesforce v3.1.0", peer)
	report("full backup, sealed", backup)
	fmt.Printf("ratio of extraction, Holdfast/go-salesforce: wall %.2f, CPU %.2f, RSS %.2f\n",
		median(extract, wall)/median(peer, wall), median(extract, cpu)/median(peer, cpu), median(extract, rss)/median(peer, rss))
	fmt.Printf("full backup: %.2f CPU s per GB of CSV\n", median(backup, cpu)/(float64(raw.Size())/1e9))
	return b.incremental(ctx)
}

// fullBackup backs the org up into a new repository.
func (b *bench) fullBackup(ctx context.Context) (usage, error) {
	repo := filepath.Join(b.dir, "repo")
	if err := os.RemoveAll(repo); err != nil {
		return usage{}, err
	}
	for _, key := range []string{"operator.key", "recovery.key"} {
		if err := os.RemoveAll(filepath.Join(b.dir, key)); err != nil {
			return usage{}, err
		}
	}
	if _, err := b.measure(ctx, b.holdfast, "init", "--recovery-key-file", filepath.Join(b.dir, "recovery.key")); err != nil {
		return usage{}, err
	}
	return b.measure(ctx, b.holdfast, "backup", "bench", "--quiet", "--object", object)
}

// incremental changes 0.1 % and 1 % of the rows and shows what the repository grows by.
func (b *bench) incremental(ctx context.Context) error {
	full, err := size(filepath.Join(b.dir, "repo"))
	if err != nil {
		return err
	}
	fmt.Printf("repository after the full backup: %.2f MB\n", float64(full)/1e6)
	for _, share := range []int{1000, 100} {
		if err := b.step(ctx, "change", share); err != nil {
			return err
		}
		rows := (b.rows + share - 1) / share
		before, err := size(filepath.Join(b.dir, "repo"))
		if err != nil {
			return err
		}
		u, err := b.measure(ctx, b.holdfast, "backup", "bench", "--quiet", "--object", object)
		if err != nil {
			return err
		}
		after, err := size(filepath.Join(b.dir, "repo"))
		if err != nil {
			return err
		}
		fmt.Printf("incremental after %d of %d rows changed: %d bytes stored (%.2f %% of the full backup), %.2f s, %.2f CPU s\n",
			rows, b.rows, after-before, 100*float64(after-before)/float64(full), u.wall, u.cpu)
	}
	return nil
}

// startOrg starts `holdfast emulate` and signs in to it.
func (b *bench) startOrg(ctx context.Context) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, b.holdfast, "emulate", "--listen", "127.0.0.1:0", "--control")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("emulate printed no line: %w", err)
	}
	s, err := testkit.ReadSignIn(line)
	if err != nil {
		stop()
		return nil, err
	}
	var steered struct {
		Token string `json:"control_token"`
	}
	if err := json.Unmarshal(line, &steered); err != nil {
		stop()
		return nil, err
	}
	b.control = steered.Token
	b.loader = newLoader(s.InstanceURL, s.AccessToken)
	b.env = append(os.Environ(), tokenEnv+"="+s.AccessToken, "HOLDFAST_HOME="+filepath.Join(b.dir, "home"),
		"HOLDFAST_REPO="+filepath.Join(b.dir, "repo"), "HOLDFAST_KEY_FILE="+filepath.Join(b.dir, "operator.key"))
	signIn := filepath.Join(b.dir, "sign-in.json")
	if err := os.WriteFile(signIn, line, 0o600); err != nil {
		stop()
		return nil, err
	}
	if _, err := b.measure(ctx, b.holdfast, "org", "add", "bench", "--sign-in-file", signIn); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// usage is what one process took.
type usage struct{ wall, cpu, rss float64 } // seconds, seconds, megabytes

func wall(u usage) float64 { return u.wall }
func cpu(u usage) float64  { return u.cpu }
func rss(u usage) float64  { return u.rss }

func (b *bench) measure(ctx context.Context, name string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = b.env, b.in
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return usage{}, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, said.String())
	}
	state := cmd.ProcessState
	u := usage{wall: took.Seconds(), cpu: (state.UserTime() + state.SystemTime()).Seconds()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.rss = float64(r.Maxrss) * 1024 / 1e6 // Linux counts kilobytes
	}
	return u, nil
}

func report(name string, runs []usage) {
	show := func(of func(usage) float64) string {
		all := sorted(runs, of)
		return fmt.Sprintf("%.2f [%.2f..%.2f]", median(runs, of), all[0], all[len(all)-1])
	}
	fmt.Printf("%-34s %-26s %-26s %s\n", name, show(wall), show(cpu), show(rss))
}

func sorted(runs []usage, of func(usage) float64) []float64 {
	all := make([]float64, len(runs))
	for i, u := range runs {
		all[i] = of(u)
	}
	slices.Sort(all)
	return all
}

func median(runs []usage, of func(usage) float64) float64 {
	return sorted(runs, of)[len(runs)/2]
}

// size is the number of bytes in all files of a folder.
func size(dir string) (int64, error) {
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

// tokenEnv is how the access token reaches the measured processes.
const tokenEnv = "HOLDFAST_BENCH_TOKEN"

func newLoader(instance, token string) *testkit.Loader {
	return &testkit.Loader{InstanceURL: instance, AccessToken: token, Version: "v66.0"}
}

// step runs a step that needs much memory as a process of its own: Linux counts the peak memory of
// the process that starts another one into the peak of the other.
func (b *bench) step(ctx context.Context, do string, share int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = b.measure(ctx, self, "-do", do, "-instance", b.loader.InstanceURL, "-rows", strconv.Itoa(b.rows), "-share", strconv.Itoa(share))
	return err
}

// change updates one row in every share through the data API.
func (b *bench) change(ctx context.Context, share int) error {
	records, err := b.loader.Query(ctx, "SELECT Id FROM "+object)
	if err != nil {
		return err
	}
	var rows []testkit.Row
	for i := 0; i < len(records); i += share {
		rows = append(rows, testkit.Row{"Id": fmt.Sprint(records[i]["Id"]), "T00__c": fmt.Sprintf("changed, one in %d", share)})
	}
	return b.loader.Update(ctx, object, rows)
}
