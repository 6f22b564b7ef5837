package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"holdfast/bench/process"
)

// ingest measures what a gigabyte of CSV costs, and what a change adds, beside the peers.
func (b *bench) ingest(ctx context.Context) error {
	if err := b.group.Limit(4096); err != nil {
		return err
	}
	dumps := map[int]string{}
	for day, share := range map[int]int{0: 1, 1: 1000, 2: 100} {
		dumps[day] = filepath.Join(b.dir, fmt.Sprintf("day%d.csv", day))
		if _, err := b.step(ctx, "csv", "-n", num(b.rows), "-day", num(min(day, 1)), "-share", num(share), "-file", dumps[day]); err != nil {
			return err
		}
	}
	info, err := os.Stat(dumps[0])
	if err != nil {
		return err
	}
	gb := float64(info.Size()) / 1e9
	fmt.Printf("\n%d records, %.0f MB as CSV; medians of %d runs\n", b.rows, gb*1e3, b.runs)
	fmt.Printf("%-38s %12s %9s %9s %11s %13s %13s\n", "", "CPU s/GB", "wall s", "RSS MiB", "stored MB", "0.1 % adds MB", "1 % adds MB")
	for _, s := range b.stores(ctx) {
		if err := b.compareIngest(ctx, s, dumps, gb); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// storer is a program that keeps dumps.
type storer struct {
	name  string
	begin func() error // a new repository, in a folder of the bench
	add   func(day int, dump string) (process.Usage, error)
	dir   string
	check func() (process.Usage, error)
}

func (b *bench) compareIngest(ctx context.Context, s storer, dumps map[int]string, gb float64) error {
	full, err := b.median(ctx, s.begin, func() (process.Usage, error) { return s.add(0, dumps[0]) })
	if err != nil {
		return err
	}
	stored, err := process.Size(s.dir)
	if err != nil {
		return err
	}
	last := stored
	var grown [2]int64
	var again process.Usage
	for i := range grown {
		if again, err = s.add(i+1, dumps[i+1]); err != nil {
			return err
		}
		now, err := process.Size(s.dir)
		if err != nil {
			return err
		}
		grown[i], last = now-last, now
	}
	fmt.Printf("%-38s %12.2f %9.1f %9.0f %11.1f %13.2f %13.2f\n", s.name, full.CPU/gb, full.Wall, mib(full.RSS), mb(stored), mb(grown[0]), mb(grown[1]))
	fmt.Printf("%-38s %12.2f %9.1f %9.0f\n", "  the dump with 1 % changed", again.CPU/gb, again.Wall, mib(again.RSS))
	if s.check != nil {
		u, err := s.check()
		if err != nil {
			return err
		}
		fmt.Printf("%-38s %12.2f %9.1f %9.0f   of all three\n", "  check of all data", u.CPU/gb, u.Wall, mib(u.RSS))
	}
	return nil
}

// stores returns Holdfast, and the peers that are installed.
func (b *bench) stores(ctx context.Context) []storer {
	dir := func(name string) string { return filepath.Join(b.dir, name) }
	ours := func(name string, flags ...string) storer {
		return storer{
			name: name, dir: filepath.Join(dir("ours"), "repo"),
			begin: func() error { return b.repository(ctx, "ours") },
			add: func(day int, dump string) (process.Usage, error) {
				return b.step(ctx, "ingest", append([]string{"-day", num(day), "-file", dump}, flags...)...)
			},
			check: func() (process.Usage, error) { return b.measure(ctx, b.holdfast, "verify", "--quiet") },
		}
	}
	all := []storer{ours("holdfast, verified before writing"), ours("holdfast, unverified", "-unverified")}
	for _, peer := range []struct {
		name, program string
		init, add     []string
		check         []string
	}{
		{
			"restic " + version(ctx, "restic", "version"), "restic",
			[]string{"init", "-q"},
			[]string{"backup", "-q"},
			[]string{"check", "-q", "--read-data"},
		},
		{
			version(ctx, "borg", "--version") + ", lz4 (its default)", "borg",
			[]string{"init", "-e", "repokey-blake2"},
			[]string{"create", "::{utcnow}"},
			[]string{"check", "--verify-data"},
		},
		{
			version(ctx, "borg", "--version") + ", zstd,1", "borg",
			[]string{"init", "-e", "repokey-blake2"},
			[]string{"create", "-C", "zstd,1", "::{utcnow}"},
			[]string{"check", "--verify-data"},
		},
	} {
		if _, err := exec.LookPath(peer.program); err != nil {
			fmt.Printf("NOT MEASURED: %s is not installed\n", peer.program)
			continue
		}
		repo, source := dir("peer"), filepath.Join(b.dir, "dump.csv")
		run := func(args []string) (process.Usage, error) {
			b.env = append(os.Environ(), "HOME="+dir("home"), "RESTIC_REPOSITORY="+repo, "RESTIC_PASSWORD=bench",
				"BORG_REPO="+repo, "BORG_PASSPHRASE=bench", "BORG_RELOCATED_REPO_ACCESS_IS_OK=yes")
			return b.measure(ctx, peer.program, args...)
		}
		all = append(all, storer{
			name: peer.name, dir: repo,
			begin: func() error {
				if err := os.RemoveAll(repo); err != nil {
					return err
				}
				_, err := run(peer.init)
				return err
			},
			add: func(_ int, dump string) (process.Usage, error) { // under one name, as a nightly dump is
				if err := os.Rename(dump, source); err != nil {
					return process.Usage{}, err
				}
				defer func() { _ = os.Rename(source, dump) }()
				return run(append(peer.add[:len(peer.add):len(peer.add)], source))
			},
			check: func() (process.Usage, error) { return run(peer.check) },
		})
	}
	return all
}

func version(ctx context.Context, name, arg string) string {
	out, err := exec.CommandContext(ctx, name, arg).Output()
	if err != nil {
		return name
	}
	words := strings.Fields(string(out))
	return strings.Join(words[:min(2, len(words))], " ")
}

// snapshots returns the Ids of the snapshots, oldest first.
func (b *bench) snapshots(ctx context.Context) ([]string, error) {
	u, err := b.measure(ctx, b.holdfast, "snapshots", "--json")
	if err != nil {
		return nil, err
	}
	var listed struct{ Snapshots []struct{ ID string } }
	if err := json.Unmarshal([]byte(u.Said), &listed); err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(listed.Snapshots))
	for i := len(listed.Snapshots) - 1; i >= 0; i-- {
		ids = append(ids, listed.Snapshots[i].ID)
	}
	return ids, nil
}

// diff compares two large states of which one record in a hundred differs: with a layer between them, and
// as two full backups that share nothing.
func (b *bench) diff(ctx context.Context) error {
	if err := b.group.Limit(b.limit); err != nil {
		return err
	}
	if err := b.repository(ctx, "diff"); err != nil {
		return err
	}
	fmt.Printf("\n%d x %d records, 1 %% changed, within %d MiB\n", b.large, b.large, b.limit)
	n := []string{"-n", num(b.large), "-share", "100"}
	for day, more := range [][]string{{"-day", "0"}, {"-day", "1"}, {"-day", "1", "-full"}} {
		u, err := b.step(ctx, "fill", append(n, more...)...)
		if err != nil {
			return err
		}
		fmt.Printf("%-38s %s\n", []string{"first snapshot, generated", "what changed, generated", "full backup of that, generated"}[day], u)
	}
	ids, err := b.snapshots(ctx)
	if err != nil {
		return err
	}
	for name, pair := range map[string][2]string{"diff, one layer between": {ids[0], ids[1]}, "diff, nothing shared": {ids[0], ids[2]}} {
		u, err := b.median(ctx, nil, func() (process.Usage, error) { return b.measure(ctx, b.holdfast, "diff", pair[0], pair[1]) })
		if err != nil {
			return err
		}
		fmt.Printf("%-38s %s\n   %s\n", name, u, u.Said[strings.LastIndexByte(u.Said, '\n')+1:])
	}
	u, err := b.step(ctx, "points", "-n", num(b.large))
	if err != nil {
		return err
	}
	fmt.Printf("%-38s %s\n   %s\n", "single records", u, strings.ReplaceAll(u.Said, "\n", "\n   "))
	return os.RemoveAll(filepath.Join(b.dir, "diff"))
}

// year reads single records after 365 daily snapshots of 0.1 %, and prunes these.
func (b *bench) year(ctx context.Context) error {
	if err := b.group.Limit(b.limit); err != nil {
		return err
	}
	if err := b.repository(ctx, "year"); err != nil {
		return err
	}
	repo := filepath.Join(b.dir, "year", "repo")
	n := []string{"-n", num(b.yearRows), "-share", "1000"}
	if _, err := b.step(ctx, "fill", n...); err != nil {
		return err
	}
	base, err := process.Size(repo)
	if err != nil {
		return err
	}
	u, err := b.step(ctx, "year", append(n, "-day", "365")...)
	if err != nil {
		return err
	}
	after, err := process.Size(repo)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d records and 365 daily snapshots of 0.1 %%, within %d MiB: %.1f MB and then %.1f MB stored\n", b.yearRows, b.limit, mb(base), mb(after))
	fmt.Printf("%-38s %s\n", "365 snapshots", u)
	if u, err = b.step(ctx, "points", "-n", num(b.yearRows)); err != nil {
		return err
	}
	fmt.Printf("%-38s %s\n   %s\n", "single records", u, strings.ReplaceAll(u.Said, "\n", "\n   "))
	ids, err := b.snapshots(ctx)
	if err != nil {
		return err
	}
	for name, args := range map[string][]string{
		"diff of two neighbours":         {"diff", ids[200], ids[201]},
		"diff of the first and the last": {"diff", ids[0], ids[365]},
	} {
		if u, err = b.median(ctx, nil, func() (process.Usage, error) { return b.measure(ctx, b.holdfast, args...) }); err != nil {
			return err
		}
		fmt.Printf("%-38s %s\n   %s\n", name, u, u.Said[strings.LastIndexByte(u.Said, '\n')+1:])
	}
	for _, p := range []struct {
		name string
		args []string
	}{
		{"prune, 30 of 366 expire", []string{"prune", "--keep-last", "336", "--quiet"}},
		{"prune again", []string{"prune", "--keep-last", "336", "--quiet"}},
		{"verify", []string{"verify", "--quiet"}},
	} {
		if u, err = b.measure(ctx, b.holdfast, p.args...); err != nil {
			return err
		}
		fmt.Printf("%-38s %s\n", p.name, u)
	}
	return os.RemoveAll(filepath.Join(b.dir, "year"))
}

// memory backs up, verifies, reads out and prunes many records within a hard limit.
func (b *bench) memory(ctx context.Context) error {
	if err := b.group.Limit(b.limit); err != nil {
		return err
	}
	if err := b.repository(ctx, "memory"); err != nil {
		return err
	}
	fmt.Printf("\n%d records within %d MiB\n", b.large, b.limit)
	started := time.Now()
	out := filepath.Join(b.dir, "out")
	for _, p := range []struct {
		name, program string
		args          []string
	}{
		{"first snapshot, generated", b.self, []string{"-do", "fill", "-n", num(b.large)}},
		{"0.1 % changed, generated", b.self, []string{"-do", "fill", "-n", num(b.large), "-day", "1", "-share", "1000"}},
		{"diff", b.holdfast, []string{"diff", "latest", "latest"}},
		{"single records", b.self, []string{"-do", "points", "-n", num(b.large)}},
		{"find, reading all", b.holdfast, []string{"find", "--quiet", "SELECT COUNT() FROM Account WHERE Field13__c = 'Energy'"}},
		{"rescue as CSV", b.holdfast, []string{"rescue", "latest", "--to", out, "--quiet"}},
		{"prune", b.holdfast, []string{"prune", "--keep-last", "1", "--quiet"}},
		{"verify", b.holdfast, []string{"verify", "--quiet"}},
	} {
		if p.name == "diff" {
			ids, err := b.snapshots(ctx)
			if err != nil {
				return err
			}
			p.args = []string{"diff", ids[0], ids[1]}
		}
		u, err := b.measure(ctx, p.program, p.args...)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Printf("%-38s %s\n", p.name, u)
		if p.name == "single records" {
			fmt.Printf("   %s\n", strings.ReplaceAll(u.Said, "\n", "\n   "))
		}
		if err := os.RemoveAll(out); err != nil {
			return err
		}
	}
	total, err := process.Size(filepath.Join(b.dir, "memory", "repo"))
	if err != nil {
		return err
	}
	fmt.Printf("%.0f s in all, %.2f GB stored\n", time.Since(started).Seconds(), float64(total)/1e9)
	return os.RemoveAll(filepath.Join(b.dir, "memory"))
}
