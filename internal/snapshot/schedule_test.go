package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
)

// replayEnv names one schedule to be run alone: what a failure prints.
const replayEnv = "HOLDFAST_REPLAY"

// scheduleCount is how many schedules a test runs: few where somebody waits or the race detector makes
// each five times as long, as many as a change must pass with HOLDFAST_HARNESS (make harness), and those
// of a long run with HOLDFAST_LONG (make long).
func scheduleCount(few, change, long int) int {
	switch {
	case os.Getenv("HOLDFAST_LONG") != "":
		return long
	case os.Getenv("HOLDFAST_HARNESS") != "":
		return change
	}
	return few
}

// shardEnv names a share of the schedules, as 3/20, from 1: all shares together are all of them. So a long run
// can be done in pieces, or on several machines.
const shardEnv = "HOLDFAST_SHARD"

// inShard reports whether the program is in the share that is run, and shards how many shares there are.
func inShard(t *testing.T) (in func(program uint64) bool, shards int) {
	t.Helper()
	text := os.Getenv(shardEnv)
	if text == "" || os.Getenv(replayEnv) != "" {
		return func(uint64) bool { return true }, 1
	}
	var shard uint64
	if _, err := fmt.Sscanf(text, "%d/%d", &shard, &shards); err != nil || shards < 1 || shard < 1 || shard > uint64(shards) {
		t.Fatalf("%s is %q, want a share as 3/20", shardEnv, text)
	}
	return func(program uint64) bool { return program%uint64(shards) == shard-1 }, shards
}

// moment is the disk before one operation of a program.
type moment struct {
	disk *blobtest.Disk
	at   int // operation
	step int // the one that is in progress
	kept promises
}

// program is a sequence of protocols on the repository that earlier ones left.
type program struct {
	seed  uint64
	from  moment
	steps []protocol
}

// fixtures are states in which programs begin.
type fixtures []moment

// makeFixtures makes an empty disk, a repository with two snapshots and a note, one whose next
// increment makes the layers of its part be merged, one with a copy, and that damaged in several ways.
func makeFixtures(t *testing.T) fixtures {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 1<<40) // the names of no program
	small := []string{"init", "full", "increment", "note"}
	tall := append([]string{"init", "full"}, slices.Repeat([]string{"increment"}, maxLayers-1)...)
	copied := append(slices.Clip(small), "copy")
	all := fixtures{{disk: newDisk(t)}}
	for n, names := range [][]string{small, tall, copied} {
		disk := newDisk(t)
		p := &process{bucket: file.New(disk, "disk"), second: secondOn(disk), seed: uint64(n)}
		for step, name := range names {
			if err := protocolNamed(name).do(t.Context(), p, step); err != nil {
				t.Fatal(err)
			}
		}
		if n == 1 {
			p.kept.snaps = p.kept.snaps[len(p.kept.snaps)-2:] // of so many, two are looked at
		}
		all = append(all, moment{disk: disk, step: len(names), kept: p.kept})
	}
	for n := range breaks {
		all = append(all, all[3].broken(t, n))
	}
	return all
}

func protocolNamed(name string) protocol {
	return protocols[slices.IndexFunc(protocols, func(p protocol) bool { return p.name == name })]
}

// program draws one: most begin with a small repository, some with none, some with a tall one.
func (f fixtures) program(seed uint64) program {
	r := rand.New(rand.NewPCG(seed, 77))
	p := program{seed: seed, from: f[1]}
	switch seed % 8 {
	case 0:
		p.from = f[0]
		p.steps = []protocol{protocolNamed("init"), protocolNamed("full")}
		return p
	case 1:
		p.from = f[2]
		p.steps = []protocol{protocolNamed("increment")}
		return p
	}
	other := protocols[r.IntN(len(protocols))]
	switch {
	case seed%8 == 2:
		p.from = f[4:][seed/8%uint64(len(breaks))]
		p.steps = []protocol{protocolNamed("repair"), other}
		return p
	case seed%2 == 0:
		p.from = f[3]
	}
	first := seed % uint64(len(protocols)) // every protocol comes first in its turn
	p.steps = append(p.steps, protocols[first], other)
	return p
}

// watch has the invariants of the bucket watched, unless they are broken when the program begins.
func (p program) watch(bucket blob.Bucket) blob.Bucket {
	if p.from.kept.broken {
		return bucket
	}
	return watched(bucket)
}

// names returns the steps in words.
func (p program) names() string {
	var names []string
	for _, s := range p.steps {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// moments runs the program once, and returns the disk before each of its operations and at its end.
func (p program) moments(ctx context.Context) ([]moment, error) {
	var all []moment
	disk := p.from.disk.Fork()
	now := process{bucket: p.watch(file.New(disk, "disk")), second: secondOn(disk), seed: p.seed, kept: p.from.kept}
	step := p.from.step
	record := func(fork func() *blobtest.Disk) {
		all = append(all, moment{fork(), len(all), step, now.kept})
	}
	disk.Record(record)
	for _, s := range p.steps {
		if err := s.do(ctx, &now, step); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		step++
	}
	step-- // after the last operation the last step is still the one to be done again
	record(disk.Fork)
	return all, nil
}

// lookedAt remembers the disks of one program on which all was well: programs cannot tell them from others
// with the same fingerprint, of which many crashes leave one.
type lookedAt struct {
	mu    sync.Mutex
	sound map[disc]bool
	again map[again]bool
}

// again is what becomes of a crash: models that leave the same disk at the same operation go on alike.
type again struct {
	fingerprint uint64
	at          int // operation before which the machine died
}

// begins reports whether nobody has gone on from that disk yet.
func (k *lookedAt) begins(disk *blobtest.Disk, at int) bool {
	a := again{disk.Fingerprint(), at}
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.again[a]
	k.again[a] = true
	return !seen
}

type disc struct {
	fingerprint, step, promises uint64
	copied                      *promises
	erased                      int
	erasing, broken             bool
}

// holds is holds for a disk that may have been looked at.
func (k *lookedAt) holds(ctx context.Context, disk *blobtest.Disk, m moment) error {
	d := disc{
		disk.Fingerprint(), uint64(m.step), uint64(len(m.kept.snaps)<<32 | len(m.kept.notes)),
		m.kept.copied, 0, m.kept.erasing, m.kept.broken,
	}
	for _, p := range m.kept.snaps {
		if p.erased {
			d.erased++
		}
	}
	k.mu.Lock()
	sound := k.sound[d]
	k.mu.Unlock()
	if sound {
		return nil
	}
	err := diskHolds(ctx, disk, m.kept)
	if err == nil {
		k.mu.Lock()
		k.sound[d] = true
		k.mu.Unlock()
	}
	return err
}

// secondWithin is how many operations of a repeated step the second crash is drawn from.
const secondWithin = 48

// crash lets the machine die at the moment, and returns what is wrong afterwards: with what was
// promised, with doing the step in progress again, and with what that promised when the machine dies
// a second time, in the middle of it or after it.
func (p program) crash(ctx context.Context, k *lookedAt, m moment, model blobtest.Model, seed uint64) error {
	disk := m.disk.Crash(model, seed)
	if err := k.holds(ctx, disk, m); err != nil || !k.begins(disk, m.at) {
		return err
	}
	r := rand.New(rand.NewPCG(seed, 3))
	bucket := blob.Bucket(file.New(disk, "disk"))
	if seed%8 == 0 {
		bucket = p.watch(bucket) // which costs as much again
	}
	again := process{bucket: bucket, second: secondOn(disk), seed: p.seed, kept: m.kept}
	second, late := moment{step: -1}, blobtest.DropUnsynced
	at := r.IntN(secondWithin)
	disk.Record(func(fork func() *blobtest.Disk) {
		if at--; at == -1 {
			second.disk, second.kept, late = fork(), again.kept, blobtest.Model(r.IntN(int(blobtest.Models)))
		}
	})
	todo := p.steps[m.step-p.from.step]
	if err := todo.do(ctx, &again, m.step); err != nil {
		return fmt.Errorf("%s, again: %w", todo.name, err)
	}
	disk.Record(nil)
	if second.disk == nil {
		second.disk, second.kept = disk, again.kept
	}
	if err := k.holds(ctx, second.disk.Crash(late, seed), second); err != nil {
		return fmt.Errorf("%s, again, and a second crash (%v): %w", todo.name, late, err)
	}
	return nil
}

// TestCrashAtEveryOperationLosesNothing lets the machine die before and after every operation of many
// programs, in every model.
func TestCrashAtEveryOperationLosesNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // much garbage, little to keep
	all := makeFixtures(t)
	in, shards := inShard(t)
	want := scheduleCount(1_000, 50_000, 1_000_000) / shards
	share := scheduleCount(6, 1, 1) // of few schedules, more programs
	done, operations, programs := 0, 0, uint64(0)
	first, only := uint64(0), os.Getenv(replayEnv)
	if only != "" {
		if _, err := fmt.Sscanf(only, "%d/", &first); err != nil {
			t.Fatal(err)
		}
	}
	for seed := first; done < want; seed++ {
		if !in(seed) {
			continue
		}
		programs++
		cryptotest.SetGlobalRandom(t, seed) // so that a replay meets the same names
		p := all.program(seed)
		moments, err := p.moments(t.Context())
		if err != nil {
			t.Fatalf("program %d (%s): %v", seed, p.names(), err)
		}
		operations += len(moments) - 1
		n, err := p.crashes(t.Context(), moments, share, only)
		done += n
		if err != nil {
			t.Fatal(err)
		}
		if only != "" {
			break
		}
	}
	t.Logf("%d crash schedules, %d operations of %d programs, %d models", done, operations, programs, blobtest.Models)
}

// crashes runs one of share schedules of the program, or only the one of that name, and returns how many.
func (p program) crashes(ctx context.Context, moments []moment, share int, only string) (int, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	n, k := 0, &lookedAt{sound: make(map[disc]bool), again: make(map[again]bool)}
	for _, m := range moments {
		for model := range blobtest.Models {
			seed := p.seed<<16 | uint64(m.at)
			name := fmt.Sprintf("%d/%d/%d", p.seed, m.at, model)
			skip := (m.at*int(blobtest.Models)+int(model)+int(p.seed))%share != 0
			if only == "" && skip || only != "" && only != name || ctx.Err() != nil {
				continue
			}
			n++
			g.Go(func() error {
				if err := p.crash(ctx, k, m, model, seed); err != nil && !errors.Is(err, context.Canceled) {
					return fmt.Errorf("%s, crash (%v) before operation %d in %s: %w\nreplay: %s=%s go test ./internal/snapshot -run CrashAtEvery",
						p.names(), model, m.at, p.steps[m.step-p.from.step].name, err, replayEnv, name)
				}
				return nil
			})
		}
	}
	return n, g.Wait()
}
