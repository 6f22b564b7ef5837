package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

// traffic is several processes at work on one repository, in virtual time: what they do interleaves as
// the seed decides, some stand still for a day in the middle, and the store is under some weather.
type traffic struct {
	seed   uint64
	memory *blob.Memory
	sky    *blobtest.Sky
	start  promises

	copied   *blob.Memory // the second copy, which all bring up to date
	otherSky *blobtest.Sky

	mu   sync.Mutex
	kept promises // of all processes
	made int      // how many were told that they made the repository
}

// stepsEach is how much each process does.
const stepsEach = 3

// maxRepeats is how often a process repeats a step that the weather ended.
const maxRepeats = 500

// run has the processes work until all are done, and returns what is wrong then.
func (tr *traffic) run(ctx context.Context) error {
	r := rand.New(rand.NewPCG(tr.seed, 21))
	weather := []blobtest.Weather{blobtest.Calm, blobtest.Rough, {Paused: 30}}[r.IntN(3)]
	g, within := errgroup.WithContext(ctx)
	for n := range 2 + r.IntN(3) {
		bucket := tr.sky.Under(weather, tr.seed<<8|uint64(n))
		if r.IntN(2) == 0 {
			chance := rand.New(rand.NewPCG(tr.seed, uint64(n)))
			bucket = blob.NewRetry(bucket, blob.Pace{Sleep: blobtest.Sleep, Chance: chance.Float64})
		}
		if tr.seed%4 == 0 {
			bucket = watched(bucket)
		}
		seed := r.Uint64()
		second := tr.otherSky.Under(weather, tr.seed<<8|128|uint64(n))
		g.Go(func() error { return tr.work(within, n, bucket, second, seed) })
	}
	reader := tr.sky.Under(weather, tr.seed<<8|255)
	g.Go(func() error { return tr.look(within, reader, r.Uint64()) })
	if err := g.Wait(); err != nil {
		return err
	}
	tr.sky.Settle()
	tr.otherSky.Settle()
	if tr.made > 1 {
		return fmt.Errorf("%d processes were told that they made the repository", tr.made)
	}
	return firstError(holds(ctx, tr.memory, tr.kept), copyHolds(ctx, tr.copied, tr.kept))
}

// work is one process that writes. Two processes may take the same step on the same data, and the clock of
// each is somewhere else.
func (tr *traffic) work(ctx context.Context, n int, bucket, second blob.Bucket, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 5))
	p := &process{bucket: bucket, second: second, seed: tr.seed + uint64(r.IntN(2)), kept: tr.start}
	before := len(tr.start.snaps)
	for s := range stepsEach {
		// An erasure breaks off what others do: what it may do to them is a law of package repo.
		todo := protocols[r.IntN(len(protocols)-1)]
		if s == 0 && !tr.start.made {
			todo = protocolNamed("init")
		}
		step := 8 + s + 24*(r.IntN(3)-1) // a day ahead or behind: what a snapshot says of its time
		if step < 0 {
			step = 8 + s
		}
		p.bucket, p.second = bucket, second
		if todo.name == "copy" || todo.name == "repair" {
			// They do so much that without patience some weather would never let them pass.
			chance := rand.New(rand.NewPCG(seed, uint64(s)))
			pace := blob.Pace{Sleep: blobtest.Sleep, Chance: chance.Float64}
			p.bucket, p.second = blob.NewRetry(bucket, pace), blob.NewRetry(second, pace)
		}
		if err := repeat(ctx, func() error { return todo.do(ctx, p, step) }); err != nil {
			return fmt.Errorf("process %d, %s: %w", n, todo.name, err)
		}
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.kept.snaps = append(tr.kept.snaps, p.kept.snaps[before:]...)
	tr.kept.notes = append(tr.kept.notes, p.kept.notes[len(tr.start.notes):]...)
	if p.kept.made && !tr.start.made {
		tr.made++
	}
	if c := p.kept.copied; c != nil {
		if tr.kept.copied == nil {
			tr.kept.copied = &promises{}
		}
		tr.kept.copied.snaps = append(tr.kept.copied.snaps, c.snaps...)
		tr.kept.copied.notes = append(tr.kept.copied.notes, c.notes...)
	}
	return nil
}

// repeat does something until the weather lets it pass. Any other error is wrong.
func repeat(ctx context.Context, do func() error) error {
	var err error
	for range maxRepeats {
		if err = do(); err == nil || problem.KindOf(err) == problem.Conflict {
			return nil // another was first, and nothing was promised
		}
		notYet := problem.KindOf(err) == problem.NoRepository
		if !errors.Is(err, blobtest.ErrWeather) && !notYet || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// look is one process that reads, checks and verifies all the while.
func (tr *traffic) look(ctx context.Context, bucket blob.Bucket, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 5))
	for range 4 {
		err := repeat(ctx, func() error {
			opened, err := repo.Open(ctx, bucket, recoveryIdentity)
			if err != nil {
				return err
			}
			s := Open(opened)
			if r.IntN(2) == 0 {
				_, err = s.Verify(ctx, VerifyOptions{Parallel: 1}, nil)
				return err
			}
			sn, err := s.Load(ctx, Latest)
			if problem.KindOf(err) == problem.NotFound {
				return nil
			}
			if err != nil {
				return err
			}
			for _, err := range sn.Records(ctx, "Account") {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reader: %w", err)
		}
	}
	return nil
}

// TestTrafficLosesNothing has processes work on one repository in many interleavings.
func TestTrafficLosesNothing(t *testing.T) {
	if _, err := encoder(); err != nil { // made outside of the bubbles, which share it
		t.Fatal(err)
	}
	if _, err := decoder(); err != nil {
		t.Fatal(err)
	}
	cryptotest.SetGlobalRandom(t, 1<<41)
	small := &blob.Memory{}
	p := &process{bucket: small, seed: 1}
	for step, name := range []string{"init", "full", "increment", "note"} {
		if err := protocolNamed(name).do(t.Context(), p, step); err != nil {
			t.Fatal(err)
		}
	}
	want := scheduleCount(60, 1_000, 20_000)
	first := 0
	if only := os.Getenv(replayEnv); only != "" {
		n, err := strconv.Atoi(only)
		if err != nil {
			t.Fatal(err)
		}
		first, want = n, n+1
	}
	var ops, faults int
	for n := first; n < want; n++ {
		tr := &traffic{seed: uint64(n), memory: &blob.Memory{}}
		if n%3 > 0 {
			tr.memory, tr.start, tr.kept = small.Clone(), p.kept, p.kept
			tr.kept.snaps, tr.kept.notes = slices.Clone(p.kept.snaps), slices.Clone(p.kept.notes)
		}
		tr.sky = blobtest.NewSky(tr.memory)
		tr.copied = &blob.Memory{}
		tr.otherSky = blobtest.NewSky(tr.copied)
		cryptotest.SetGlobalRandom(t, tr.seed) // names decide what a listing passes: a replay meets the same
		synctest.Test(t, func(t *testing.T) {
			if err := tr.run(t.Context()); err != nil {
				t.Fatalf("%v\nreplay: %s=%d go test ./internal/snapshot -run Traffic", err, replayEnv, n)
			}
		})
		for _, sky := range []*blobtest.Sky{tr.sky, tr.otherSky} {
			o, f := sky.Ops()
			ops, faults = ops+o, faults+f
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d schedules, %d operations of the store, %d of which went wrong", want-first, ops, faults)
}
