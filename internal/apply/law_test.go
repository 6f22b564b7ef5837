package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

var errCrash = errors.New("crash")

// crash ends a process at the n-th event, where an event is a call to the org before and after it
// takes effect, and a write or sync of the journal. After it nothing has any effect.
type crash struct {
	at, events int
	dead       bool
}

func (c *crash) event() error {
	if c.dead {
		return errCrash
	}
	if c.events++; c.at > 0 && c.events == c.at {
		c.dead = true
		return errCrash
	}
	return nil
}

// life runs the plan until it ends or crashes, and returns the journal as the disk may hold it then:
// what was synced, and some of what was not.
func life(t *testing.T, o *smallOrg, approved plan.Approved, disk []byte, at int, opts Options, rnd *rand.Rand) (Result, *crash, []byte, error) {
	t.Helper()
	c := &crash{at: at}
	o.fault = func(string, bool) error { return c.event() }
	opts.Wait = func(context.Context, time.Duration) error { return c.event() }
	m := &memory{synced: bytes.Clone(disk), written: bytes.Clone(disk), fail: func(string) error { return c.event() }}
	j, err := newJournal("memory", m, journalBytes)
	if err != nil {
		if !errors.Is(err, errCrash) {
			t.Fatalf("journal does not open again: %v", err)
		}
	} else {
		var result Result
		if result, err = Run(t.Context(), o, approved, j, opts); err == nil {
			return result, c, m.synced, nil
		}
	}
	left := bytes.Clone(m.synced)
	if tail := len(m.written) - len(m.synced); tail > 0 {
		left = append(left, m.written[len(m.synced):len(m.synced)+rnd.IntN(tail+1)]...)
	} else if tail < 0 {
		left = bytes.Clone(m.written) // a cut that may or may not have reached the disk: it did
	}
	return Result{}, c, left, err
}

// lives runs the plan to its end through crashes, each at the event that next returns.
func lives(t *testing.T, o *smallOrg, approved plan.Approved, opts Options, rnd *rand.Rand, next func(life int) int) (Result, int) {
	t.Helper()
	var disk []byte
	for n := range 1000 {
		result, c, left, err := life(t, o, approved, disk, next(n), opts, rnd)
		if err == nil {
			return result, c.events
		}
		if !errors.Is(err, errCrash) {
			t.Fatalf("life %d, crash at event %d: %v", n, c.at, err)
		}
		disk = left
	}
	t.Fatal("no end after 1000 lives")
	return Result{}, 0
}

// A crash at any journal entry and at any call, before or after the org obeys, and a resume: the same
// end state and no duplicate.
func TestLaw12CrashAnywhereResumesToTheSameEnd(t *testing.T) {
	rnd := rand.New(rand.NewPCG(12, 12))
	_, p := wreck()
	approved := approve(t, p)
	for _, opts := range []Options{{}, {CallRows: 1, JobRows: 2}, {CallRows: 2, JobRows: 1, Jobs: 1}} {
		o, _ := wreck()
		_, events := lives(t, o, approved, opts, rnd, func(int) int { return 0 })
		if events < 100 {
			t.Fatalf("only %d events", events)
		}
		for at := 1; at <= events; at++ {
			o, _ := wreck()
			result, _ := lives(t, o, approved, opts, rnd, func(n int) int {
				if n == 0 {
					return at
				}
				return 0
			})
			if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" {
				t.Fatalf("crash at event %d of %d: %s", at, events, d)
			}
			if len(result.Failed) != 0 {
				t.Fatalf("crash at event %d of %d: %+v", at, events, result.Failed)
			}
			for id, job := range o.jobs {
				if job.state == sf.JobOpen && job.rows != nil {
					t.Fatalf("crash at event %d of %d: job %s is left open with its rows", at, events, id)
				}
			}
		}
	}
}

// Crashes upon crashes, also while resuming.
func TestLaw12CrashesWhileResuming(t *testing.T) {
	_, p := wreck()
	approved := approve(t, p)
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 12))
		o, _ := wreck()
		opts := Options{CallRows: 1 + rnd.IntN(4), JobRows: 1 + rnd.IntN(4), Jobs: rnd.IntN(4)}
		result, _ := lives(t, o, approved, opts, rnd, func(n int) int {
			if n > 20 {
				return 0
			}
			return 1 + rnd.IntN(60)
		})
		if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" || len(result.Failed) != 0 {
			t.Fatalf("seed %d: %s %+v", seed, d, result.Failed)
		}
	}
}

// Any batch size gives the same end state.
func TestLaw13AnyBatchSizeEndsTheSame(t *testing.T) {
	_, p := wreck()
	approved := approve(t, p)
	for _, calls := range []int{1, 2, 3, 7, 200} {
		for _, jobs := range []int{1, 2, 3, 10_000} {
			o, _ := wreck()
			j, _ := freshJournal(t)
			opts := noWait()
			opts.CallRows, opts.JobRows, opts.Jobs = calls, jobs, calls%3
			result := mustRun(t, o, approved, j, opts)
			if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" {
				t.Fatalf("%d rows a call, %d a job, %d jobs at once: %s", calls, jobs, opts.Jobs, d)
			}
		}
	}
}

// Any single failing call, whether the org obeyed or not, is settled within the run, or by running
// again where the call was one that a run cannot do without.
func TestLaw13AnySingleFailureEndsTheSame(t *testing.T) {
	_, p := wreck()
	approved := approve(t, p)
	for at := 1; ; at++ {
		o, _ := wreck()
		events := 0
		o.fault = func(string, bool) error {
			if events++; events == at {
				return problem.New(problem.Unreachable, "no answer")
			}
			return nil
		}
		j, m := freshJournal(t)
		result, err := Run(t.Context(), o, approved, j, noWait())
		if err != nil {
			if j, _, err = openMemory(t, m.synced); err != nil {
				t.Fatal(err)
			}
			result = mustRun(t, o, approved, j, noWait())
		}
		if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" || len(result.Failed) > 0 {
			t.Fatalf("failure at call event %d: %s %+v", at, d, result.Failed)
		}
		if events < at {
			break
		}
	}
}

// Trap 25: an org that obeys and loses the answer, at every call that writes, gets no row twice.
func TestTrap25LostAnswersDuplicateNothing(t *testing.T) {
	_, p := wreck()
	approved := approve(t, p)
	for _, call := range []string{"start", "upload", "complete", "state", "results", "update", "delete", "undelete"} {
		o, _ := wreck()
		lost := map[int]bool{}
		o.fault = func(name string, after bool) error {
			if name == call && after && !lost[o.calls[call]/2] && len(lost) < 50 {
				lost[o.calls[call]/2] = true
				return errors.New("connection reset")
			}
			return nil
		}
		var result Result
		var disk []byte
		for life := 0; ; life++ {
			j, m, err := openMemory(t, disk)
			if err != nil || life > 50 {
				t.Fatal(life, err)
			}
			result, err = Run(t.Context(), o, approved, j, noWait())
			disk = m.synced
			if err == nil {
				break
			}
		}
		if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" {
			t.Errorf("answers to %s lost: %s", call, d)
		}
		if len(o.live) != 14 {
			t.Errorf("answers to %s lost: %d records", call, len(o.live))
		}
	}
}

// An edit that someone makes while the application lies dead is not overwritten by the resume.
func TestResumeKeepsWhatSomeoneChangedMeanwhile(t *testing.T) {
	_, p := wreck()
	approved := approve(t, p)
	rnd := rand.New(rand.NewPCG(3, 3))
	for at := 1; at < 160; at++ {
		o, _ := wreck()
		_, c, disk, err := life(t, o, approved, nil, at, Options{}, rnd)
		if err == nil {
			break
		}
		if o.live[acc(1)]["Phone"] != text("999") {
			continue // written already: later edits are later than the plan
		}
		o.live[acc(1)]["Phone"] = text("honest")
		o.fault = nil
		j, _, err := openMemory(t, disk)
		if err != nil {
			t.Fatal(err)
		}
		result, err := Run(t.Context(), o, approved, j, noWait())
		if o.live[acc(1)]["Phone"] != text("honest") {
			t.Fatalf("crash at event %d: the edit is lost", c.at)
		}
		if problem.KindOf(err) == problem.Conflict && len(result.Moved) > 0 {
			continue
		}
		if err != nil || len(result.Failed) != 1 || result.Failed[0].Code != CodeMoved {
			t.Fatalf("crash at event %d: %v, %+v", c.at, err, result.Failed)
		}
	}
}

// An edit that comes between a lost call and its repetition is not overwritten either.
func TestRunKeepsWhatSomeoneChangedBetweenTwoTries(t *testing.T) {
	o, p := wreck()
	o.fault = func(call string, after bool) error {
		if call == "update" && !after && o.live[acc(1)]["Phone"] == text("999") {
			o.live[acc(1)]["Phone"] = text("honest")
			return errors.New("connection reset")
		}
		return nil
	}
	j, _ := freshJournal(t)
	result := mustRun(t, o, approve(t, p), j, noWait())
	if o.live[acc(1)]["Phone"] != text("honest") || len(result.Failed) != 1 || result.Failed[0].Code != CodeMoved {
		t.Errorf("%s, %+v", o.live[acc(1)]["Phone"], result.Failed)
	}
}

// A job whose fate the org does not know any more stops the run; its rows are not sent again.
func TestResumeStopsWhereAJobIsForgotten(t *testing.T) {
	_, p := wreck()
	approved := approve(t, p)
	rnd := rand.New(rand.NewPCG(1, 1))
	for at := 1; ; at++ {
		o, _ := wreck()
		_, _, disk, err := life(t, o, approved, nil, at, Options{}, rnd)
		if err == nil {
			t.Fatal("no crash left a job open")
		}
		if o.calls["complete"] == 0 {
			continue
		}
		o.fault, o.jobs = nil, map[string]*smallJob{}
		records := fmt.Sprint(len(o.live))
		j, _, err := openMemory(t, disk)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Run(t.Context(), o, approved, j, noWait()); problem.KindOf(err) != problem.NotVerified {
			t.Fatalf("%v", err)
		}
		if fmt.Sprint(len(o.live)) != records {
			t.Fatal("something was inserted")
		}
		return
	}
}

// A record that the plan inserts, because no Recycle Bin shows it, and that comes back with its parent
// all the same, is not made a second time, wherever the run is cut.
func TestLaw12WhatCameBackByItselfIsNotInserted(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	_, p := wreck()
	p.Steps[1].Rows = p.Steps[1].Rows[:1]
	p.Steps[5].Rows = append(p.Steps[5].Rows, row(item(2), set("Label__c", no(), text("i")), set("Parent__c", no(), link(acc(2)))))
	approved := approve(t, p)
	o, _ := wreck()
	_, events := lives(t, o, approved, Options{}, rnd, func(int) int { return 0 })
	for at := range events + 1 {
		o, _ := wreck()
		result, _ := lives(t, o, approved, Options{}, rnd, func(n int) int {
			if n == 0 {
				return at
			}
			return 0
		})
		if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" || len(result.Failed) > 0 || len(result.Pairs) != 9 {
			t.Fatalf("crash at event %d of %d: %s %+v", at, events, d, result.Failed)
		}
	}
}
