// Command bench measures Holdfast beside a peer, in one run against the same emulated org: rows
// extracted, CPU seconds for a gigabyte backed up, and bytes stored when little changed. Each
// figure is of a whole child process, as the operating system accounts for it. Run it with
// `make bench`; it judges nothing, it prints a table and the seeds. Within a limit of memory alone it demands, too, that
// what is backed up is whole.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"holdfast/bench/process"
	"holdfast/internal/testkit"
)

func main() {
	b := bench{}
	flag.StringVar(&b.holdfast, "holdfast", "bin/holdfast", "the program")
	flag.StringVar(&b.extract, "extract", "bin/bench-extract", "extraction by Holdfast's client alone")
	flag.StringVar(&b.peer, "peer", "bin/bench-peer", "extraction by go-salesforce")
	flag.IntVar(&b.rows, "rows", 100_000, "rows of 40 columns")
	flag.IntVar(&b.runs, "runs", 5, "counted runs of each command, after one that does not count")
	flag.StringVar(&b.sf, "sf", os.Getenv("HOLDFAST_SF"), "the official command line, for -scale, -components, -npsp and -restore; empty: without it")
	flag.StringVar(&b.sfdmu, "sfdmu", os.Getenv("HOLDFAST_SFDMU"), "the folder of npm sfdmu, for -restore; empty: without it")
	sizes := flag.String("scale", "", "numbers of rows, such as 120000,1000000: measure first backups of large objects instead")
	flag.IntVar(&b.limit, "limit", 0, "with -scale: measure Holdfast alone, within so many MiB of memory")
	flag.StringVar(&b.file, "file", "", "with -limit: a file of this size, such as 2G, beside the rows")
	components := flag.Int("components", 0, "measure a first backup of an org with so many components beside `sf project retrieve` instead")
	npsp := flag.Bool("npsp", false, "measure the metadata of the Nonprofit Success Pack, of the real test data, beside `sf project retrieve` instead")
	oops := flag.Bool("oops", false, "with -components or -npsp: measure a comparison, and how a deployment is taken back, instead")
	restored := flag.Bool("restore", false, "measure a restore of a tree and a ring beside SFDMU instead")
	places := flag.Int("places", 0, "measure the rate of a restore of -rows rows by an org that works at so many batches at one time instead")
	chunk := flag.Duration("chunk", 500*time.Millisecond, "how long 200 rows of a batch take, for -places")
	do := flag.String("do", "", "a step that the program runs as a process of its own: fill, change, classes, npsp, plant, clear, judge, stock, unstock or take")
	instance := flag.String("instance", "", "address of the org, for -do")
	share := flag.Int("n", 0, "change one row in so many, or deploy so many classes, for -do")
	flag.Parse()
	if _, err := os.Stat(b.sf); b.sf != "" && err != nil {
		fmt.Printf("sf: NOT MEASURED: %v\n", err)
		b.sf = ""
	}
	run := b.run
	switch {
	case *do != "":
		if run = b.steps(*share)[*do]; run == nil {
			run = func(context.Context) error { return fmt.Errorf("-do %q is no step", *do) }
		}
	case *sizes != "" && b.limit > 0:
		run = func(ctx context.Context) error { return b.limited(ctx, *sizes) }
	case *sizes != "":
		run = func(ctx context.Context) error { return b.scale(ctx, *sizes) }
	case *oops && (*components > 0 || *npsp):
		run = func(ctx context.Context) error { return b.oops(ctx, *components) }
	case *components > 0:
		run = func(ctx context.Context) error { return b.components(ctx, *components) }
	case *npsp:
		run = b.npsp
	case *restored:
		run = func(ctx context.Context) error { return b.withOrg(ctx, nil, b.restore) }
	case *places > 0:
		run = func(ctx context.Context) error {
			return b.withOrg(ctx, []string{"--permission", "BulkApiHardDelete"}, func(ctx context.Context) error { return b.rate(ctx, model{*places, *chunk}) })
		}
	}
	for _, path := range []*string{&b.holdfast, &b.extract, &b.peer} {
		if absolute, err := filepath.Abs(*path); err == nil {
			*path = absolute
		}
	}
	if *do != "" {
		b.loader = newLoader(*instance, os.Getenv(tokenEnv))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// steps are what the program runs as a process of its own, by name.
func (b *bench) steps(n int) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"fill":    b.fill,
		"change":  func(ctx context.Context) error { return b.change(ctx, n) },
		"classes": func(ctx context.Context) error { return b.deployMany(ctx, n) },
		"npsp":    b.deployNPSP,
		"plant":   b.plant,
		"clear":   b.clear,
		"judge":   b.judge,
		"stock":   b.stock,
		"unstock": b.unstock,
		"take":    func(context.Context) error { return process.Take(b.limit) },
	}
}

type bench struct {
	holdfast, extract, peer, sf, sfdmu string
	rows, runs, limit                  int
	file                               string

	dir    string // of this measurement alone
	in     string // folder of the measured processes; empty: that of this one
	within process.Group
	env    []string
	loader *testkit.Loader

	control string // token of the control endpoint
}

func (b *bench) run(ctx context.Context) error { return b.withOrg(ctx, nil, b.extraction) }

// extraction measures rows extracted beside a peer, and a full backup of them.
func (b *bench) extraction(ctx context.Context) error {
	if err := b.step(ctx, "fill", 0); err != nil {
		return err
	}
	query := "SELECT Id, Name, " + strings.Join(columnNames(), ", ") + " FROM " + object
	ours, theirs := filepath.Join(b.dir, "ours.csv"), filepath.Join(b.dir, "theirs.csv")
	var extract, peer, backup []process.Usage
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
func (b *bench) fullBackup(ctx context.Context) (process.Usage, error) {
	repo := filepath.Join(b.dir, "repo")
	if err := os.RemoveAll(repo); err != nil {
		return process.Usage{}, err
	}
	for _, key := range []string{"operator.key", "recovery.key"} {
		if err := os.RemoveAll(filepath.Join(b.dir, key)); err != nil {
			return process.Usage{}, err
		}
	}
	if err := b.init(ctx); err != nil {
		return process.Usage{}, err
	}
	return b.measure(ctx, b.holdfast, "backup", "bench", "--quiet", "--object", object)
}

// incremental changes 0.1 % and 1 % of the rows and shows what the repository grows by.
func (b *bench) incremental(ctx context.Context) error {
	full, err := process.Size(filepath.Join(b.dir, "repo"))
	if err != nil {
		return err
	}
	fmt.Printf("repository after the full backup: %.2f MB\n", float64(full)/1e6)
	for _, share := range []int{1000, 100} {
		if err := b.step(ctx, "change", share); err != nil {
			return err
		}
		rows := (b.rows + share - 1) / share
		before, err := process.Size(filepath.Join(b.dir, "repo"))
		if err != nil {
			return err
		}
		u, err := b.measure(ctx, b.holdfast, "backup", "bench", "--quiet", "--object", object)
		if err != nil {
			return err
		}
		after, err := process.Size(filepath.Join(b.dir, "repo"))
		if err != nil {
			return err
		}
		fmt.Printf("incremental after %d of %d rows changed: %d bytes stored (%.2f %% of the full backup), %.2f s, %.2f CPU s\n",
			rows, b.rows, after-before, 100*float64(after-before)/float64(full), u.Wall, u.CPU)
	}
	return nil
}

func wall(u process.Usage) float64 { return u.Wall }
func cpu(u process.Usage) float64  { return u.CPU }
func rss(u process.Usage) float64  { return float64(u.RSS) / 1e6 }

func report(name string, runs []process.Usage) {
	show := func(of func(process.Usage) float64) string {
		all := sorted(runs, of)
		return fmt.Sprintf("%.2f [%.2f..%.2f]", median(runs, of), all[0], all[len(all)-1])
	}
	fmt.Printf("%-34s %-26s %-26s %s\n", name, show(wall), show(cpu), show(rss))
}

func sorted(runs []process.Usage, of func(process.Usage) float64) []float64 {
	all := make([]float64, len(runs))
	for i, u := range runs {
		all[i] = of(u)
	}
	slices.Sort(all)
	return all
}

func median(runs []process.Usage, of func(process.Usage) float64) float64 {
	return sorted(runs, of)[len(runs)/2]
}

// tokenEnv is how the access token reaches the measured processes.
const tokenEnv = "HOLDFAST_BENCH_TOKEN"

func newLoader(instance, token string) *testkit.Loader {
	return &testkit.Loader{InstanceURL: instance, AccessToken: token, Version: "v66.0"}
}

// step runs a step that needs much memory as a process of its own: see package process.
func (b *bench) step(ctx context.Context, do string, n int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = b.measure(ctx, self, "-do", do, "-instance", b.loader.InstanceURL, "-rows", strconv.Itoa(b.rows), "-n", strconv.Itoa(n))
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
