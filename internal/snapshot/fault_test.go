package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/cryptotest"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
	"holdfast/internal/problem"
)

// trouble is one fault of the disk: which call meets it, what it is, and whether it stays.
type trouble struct {
	call  blobtest.Call
	fault blobtest.Fault
	stays bool
}

func (t trouble) String() string {
	return fmt.Sprintf("%s %s (%d): %+v, stays %v", t.call.Verb, t.call.Name, t.call.N, t.fault, t.stays)
}

// faultsOf are the faults that a call may meet.
func faultsOf(verb string) []blobtest.Fault {
	var faults []blobtest.Fault
	fail := func(errs ...error) {
		for _, err := range errs {
			faults = append(faults, blobtest.Fault{Err: err})
		}
	}
	fail(syscall.EIO)
	switch verb {
	case "create", "mkdir":
		fail(syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.EROFS)
	case "write":
		fail(syscall.ENOSPC, syscall.EDQUOT)
		faults = append(faults, blobtest.Fault{Half: true}, blobtest.Fault{Lie: true})
	case "link":
		fail(syscall.ENOSPC, syscall.EDQUOT, syscall.EMLINK, syscall.EPERM)
	case "open", "list", "syncdir":
		fail(syscall.EMFILE, syscall.ENFILE)
	case "read":
		faults = append(faults, blobtest.Fault{Half: true})
	}
	switch verb {
	case "create", "mkdir", "link", "remove", "syncdir": // the answer was lost, as on a network
		faults = append(faults, blobtest.Fault{Err: syscall.EIO, Effect: true})
	}
	return faults
}

// calls runs the program once without trouble and returns every call that it makes of the disk.
func (p program) calls(ctx context.Context) ([]blobtest.Call, error) {
	var all []blobtest.Call
	disk := p.from.disk.Fork()
	disk.Interfere(func(c blobtest.Call) blobtest.Fault {
		all = append(all, c)
		return blobtest.Fault{}
	})
	_, err := p.run(ctx, disk)
	return all, err
}

// run does the steps of the program on the disk, up to the first error.
func (p program) run(ctx context.Context, disk *blobtest.Disk) (process, error) {
	now := process{bucket: file.New(disk, "disk"), second: secondOn(disk), seed: p.seed, kept: p.from.kept}
	for n, s := range p.steps {
		if err := s.do(ctx, &now, p.from.step+n); err != nil {
			return now, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return now, nil
}

// meet runs the program into the trouble, and returns what is wrong: with the error that it gives, with
// what was promised, and with running it again when the trouble is over.
func (p program) meet(ctx context.Context, t trouble, model blobtest.Model) error {
	disk := p.from.disk.Fork()
	met := false // where several goroutines read or write, the call may be another one this time
	disk.Interfere(func(c blobtest.Call) blobtest.Fault {
		same := c.Changes() == t.call.Changes() && c.Verb == t.call.Verb
		if same && (c.N == t.call.N || t.stays && c.N > t.call.N) {
			met = true
			return t.fault
		}
		return blobtest.Fault{}
	})
	now, err := p.run(ctx, disk)
	if !met && err != nil {
		return err
	}
	if met {
		if err := tells(t, err); err != nil {
			return err
		}
	}
	full := t.stays && (errors.Is(t.fault.Err, syscall.ENOSPC) || errors.Is(t.fault.Err, syscall.EDQUOT))
	if !full { // a full disk stays full: it is read as it is
		disk.Interfere(nil)
	}
	if err := diskHolds(ctx, disk, now.kept); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	if left := disk.Crash(model, p.seed); full || left.Fingerprint() != disk.Fingerprint() { // else it was looked at
		if err := diskHolds(ctx, left, now.kept); err != nil {
			return fmt.Errorf("after a crash (%v): %w", model, err)
		}
	}
	disk.Interfere(nil)
	for n, s := range p.steps { // the same process, with what it believes of the disk
		if err := s.do(ctx, &now, p.from.step+n); err != nil {
			return fmt.Errorf("%s, again: %w", s.name, err)
		}
	}
	if err := diskHolds(ctx, disk.Crash(blobtest.DropUnsynced, 0), now.kept); err != nil {
		return fmt.Errorf("again, and a crash: %w", err)
	}
	return nil
}

// tells returns what is wrong with the error of a program that met the trouble; no error is right where
// what failed was the removal of something that nobody needs, the reserve, or was not needed after all.
func tells(t trouble, err error) error {
	switch {
	case err == nil && strings.HasPrefix(t.call.Name, "tmp/reserve"): // it is held as far as it can be
	case err == nil && t.fault.Err == nil:
		return fmt.Errorf("%w: half of the bytes are a success", errUnclear)
	case err == nil:
		return nil
	case t.fault.Err != nil && !errors.Is(err, t.fault.Err) && !strings.Contains(err.Error(), t.fault.Err.Error()):
		return fmt.Errorf("%w: %w", errUnclear, err)
	case t.fault.Half && !errors.Is(err, io.ErrShortWrite) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", errUnclear, err)
	}
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if full && (problem.KindOf(err) != problem.NoSpace || problem.HintOf(err) == "") {
		return fmt.Errorf("%w, of kind %v: %w", errUnclear, problem.KindOf(err), err)
	}
	return nil
}

var errUnclear = errors.New("the error does not tell what happened")

// TestEveryFailureOfTheDiskLosesNothing lets calls of the disk fail, once and for good: the error says so,
// nothing that was promised is lost, a full disk can be read, and the same again succeeds later.
func TestEveryFailureOfTheDiskLosesNothing(t *testing.T) {
	all := makeFixtures(t)
	want := uint64(scheduleCount(600, 5_000, 100_000))
	const perProgram = 100
	first := uint64(0)
	only := os.Getenv(replayEnv)
	if only != "" {
		if _, err := fmt.Sscanf(only, "%d", &first); err != nil {
			t.Fatal(err)
		}
		want = first + 1
	}
	verbs, done := make(map[string]int), 0
	in, _ := inShard(t)
	for seed := first - first%perProgram; seed < want; seed += perProgram {
		if !in(seed / perProgram) {
			continue
		}
		cryptotest.SetGlobalRandom(t, seed)
		p := all.program(seed / perProgram)
		calls, err := p.calls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g, ctx := errgroup.WithContext(t.Context())
		g.SetLimit(runtime.GOMAXPROCS(0))
		for n := max(seed, first); n < min(want, seed+perProgram); n++ {
			r := rand.New(rand.NewPCG(n, 11))
			call := calls[r.IntN(len(calls))]
			for r.IntN(4) > 0 && !call.Changes() { // the most are looks
				call = calls[r.IntN(len(calls))]
			}
			faults := faultsOf(call.Verb)
			tr := trouble{call, faults[r.IntN(len(faults))], r.IntN(3) == 0}
			model := blobtest.Model(r.IntN(int(blobtest.Models)))
			verbs[call.Verb]++
			done++
			g.Go(func() error {
				if err := p.meet(ctx, tr, model); err != nil && !errors.Is(err, context.Canceled) {
					return fmt.Errorf("%s, %v: %w\nreplay: %s=%d go test ./internal/snapshot -run FailureOfTheDisk", p.names(), tr, err, replayEnv, n)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for _, verb := range []string{"create", "write", "sync", "link", "mkdir", "syncdir", "remove", "open", "read", "stat", "size", "list"} {
		if verbs[verb] == 0 && only == "" {
			t.Errorf("no %s failed", verb)
		}
	}
	t.Logf("%d faults, by call: %v", done, verbs)
}
