package apply

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// ring is an org without records and a plan that brings so many contacts, each of which reports to the next. more may add to what
// the second pass sets on one of them.
func ring(n int, more func(i int) []state.FieldChange) (*smallOrg, *plan.Plan) {
	insert := plan.Step{Op: plan.Insert, Object: "Contact", Without: []string{"ReportsToId"}}
	second := plan.Step{Op: plan.Second, Object: "Contact"}
	for i := range n {
		insert.Rows = append(insert.Rows, row(con(i+1), set("LastName", no(), text(fmt.Sprint("Person ", i)))))
		fields := []state.FieldChange{set("ReportsToId", null(), link(con((i+1)%n+1)))}
		if more != nil {
			fields = append(fields, more(i)...)
		}
		second.Rows = append(second.Rows, row(con(i+1), fields...))
	}
	return newSmallOrg(), steps(insert, second)
}

// A second pass goes by job when it has many rows, in as few jobs as they take, and by call when it has few.
func TestSecondPassChoosesBySize(t *testing.T) {
	for _, c := range []struct{ rows, jobs, calls int }{{1999, 0, 10}, {2000, 1, 0}, {10_500, 1, 3}, {12_000, 2, 0}} {
		o, p := ring(c.rows, nil)
		j, _ := freshJournal(t)
		result := mustRun(t, o, approve(t, p), j, noWait())
		if o.calls["start update"] != c.jobs || o.calls["update"] != c.calls || len(result.Failed) > 0 {
			t.Errorf("%d rows: %d jobs and %d calls, want %d and %d; %d failed", c.rows, o.calls["start update"], o.calls["update"], c.jobs, c.calls, len(result.Failed))
		}
		linked := 0
		for _, values := range o.live {
			if o.live[sf.ID(values["ReportsToId"].Text())] != nil {
				linked++
			}
		}
		if linked != c.rows {
			t.Errorf("%d of %d links", linked, c.rows)
		}
	}
}

// What no job carries goes by call, and so does what only a call gets past a duplicate rule.
func TestSecondPassSendsByCallWhatNoJobCarries(t *testing.T) {
	long := strings.Repeat("x", 32_001)
	o, p := ring(8, func(i int) []state.FieldChange {
		return map[int][]state.FieldChange{1: {set("Phone", null(), text("#N/A"))}, 4: {set("Email", null(), text(long))}, 5: {set("Email", text("e"), null())}}[i]
	})
	o.refuse = func(op, _ string, values map[string]sf.Value) string {
		if op == "update by job" && values["LastName"] == text("Person 2") {
			return codeDuplicate
		}
		return ""
	}
	j, _ := freshJournal(t)
	opts := noWait()
	opts.CallRows, opts.JobRows = 2, 3
	result := mustRun(t, o, approve(t, p), j, opts)
	have := o.state(result.Pairs)
	if len(result.Failed) > 0 || strings.Count(have, "ReportsToId") != 8 || strings.Count(have, `Phone="#N/A"`) != 1 || strings.Count(have, long) != 1 {
		t.Errorf("%+v\n%.2000s", result.Failed, have)
	}
	if o.calls["start update"] != 2 || o.calls["update"] != 2 {
		t.Errorf("%d jobs and %d calls", o.calls["start update"], o.calls["update"])
	}
}

// An org that takes no job for the updates gets them by call.
func TestSecondPassGoesByCallWhereNoJobIsTaken(t *testing.T) {
	o, p := ring(6, nil)
	o.fault = func(call string, after bool) error {
		if call == "start update" {
			return problem.New(problem.Failed, "INVALIDENTITY: not supported by the Bulk API")
		}
		return nil
	}
	j, _ := freshJournal(t)
	opts := noWait()
	opts.CallRows, opts.JobRows = 1, 4
	result := mustRun(t, o, approve(t, p), j, opts)
	if have := o.state(result.Pairs); len(result.Failed) > 0 || strings.Count(have, "ReportsToId") != 6 || o.calls["start update"] != 1 {
		t.Errorf("%d jobs, %+v\n%s", o.calls["start update"], result.Failed, have)
	}
}

// A crash anywhere, and a resume: the same end. Nothing is written twice that somebody has changed since.
func TestLaw12SecondPassByJobResumesToTheSameEnd(t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 12))
	_, p := ring(7, nil)
	approved := approve(t, p)
	opts := Options{CallRows: 1, JobRows: 3}
	o, _ := ring(7, nil)
	result, events := lives(t, o, approved, opts, rnd, func(int) int { return 0 })
	want := o.state(result.Pairs)
	if o.calls["start update"] != 2 {
		t.Fatalf("%d jobs", o.calls["start update"])
	}
	for at := 1; at <= events; at++ {
		o, _ := ring(7, nil)
		result, _ := lives(t, o, approved, opts, rnd, func(n int) int {
			if n == 0 {
				return at
			}
			return 0
		})
		if d := cmp.Diff(want, o.state(result.Pairs)); d != "" || len(result.Failed) > 0 {
			t.Fatalf("crash at event %d of %d: %s %+v", at, events, d, result.Failed)
		}
	}
}

// A job that was under way when the run died, and that the org does not know any more, is settled by looking.
func TestForgottenJobOfASecondPassIsLookedAt(t *testing.T) {
	_, p := ring(4, nil)
	approved := approve(t, p)
	rnd := rand.New(rand.NewPCG(2, 2))
	opts := Options{CallRows: 1, JobRows: 4}
	forgotten := 0
	for at := 1; ; at++ {
		o, _ := ring(4, nil)
		_, _, disk, err := life(t, o, approved, nil, at, opts, rnd)
		if err == nil {
			break
		}
		if o.calls["start update"] == 0 {
			continue
		}
		o.fault, o.jobs = nil, map[string]*smallJob{}
		j, _, err := openMemory(t, disk)
		if err != nil {
			t.Fatal(err)
		}
		again := noWait()
		again.CallRows, again.JobRows = 1, 4
		result := mustRun(t, o, approved, j, again)
		if have := o.state(result.Pairs); strings.Count(have, "ReportsToId") != 4 || len(o.live) != 4 || len(result.Failed) > 0 {
			t.Fatalf("crash at event %d: %s %+v", at, have, result.Failed)
		}
		forgotten++
	}
	if forgotten == 0 {
		t.Error("no run died at its second pass")
	}
}

// What somebody has set on a record since it came back stays.
func TestSecondPassByJobKeepsWhatSomeoneHasSet(t *testing.T) {
	o, p := ring(4, nil)
	o.live[con(99)] = map[string]sf.Value{"LastName": text("Boss")}
	o.fault = func(call string, after bool) error {
		if call == "results" && after {
			for id, values := range o.live {
				if values["LastName"] == text("Person 1") {
					o.live[id]["ReportsToId"] = link(con(99))
				}
			}
			o.fault = nil
		}
		return nil
	}
	j, _ := freshJournal(t)
	opts := noWait()
	opts.CallRows, opts.JobRows = 1, 4
	result := mustRun(t, o, approve(t, p), j, opts)
	if have := o.state(result.Pairs); len(result.Failed) != 1 || result.Failed[0].Code != CodeMoved || strings.Count(have, `ReportsToId="`+string(con(99))) != 1 || o.calls["start update"] != 1 {
		t.Errorf("%+v\n%s", result.Failed, have)
	}
}

// Results of updates that fit no row, or are of another record, are errors.
func TestTrap20ResultsOfUpdatesAreNeverGuessed(t *testing.T) {
	for name, spoil := range map[string]func([]sf.JobResult) []sf.JobResult{
		"of no row":         func(r []sf.JobResult) []sf.JobResult { r[0].Echo[0] = string(con(77)); return r },
		"of another record": func(r []sf.JobResult) []sf.JobResult { r[0].Outcome.ID = con(77); return r },
		"twice":             func(r []sf.JobResult) []sf.JobResult { return append(r, r[0]) },
		"one is missing":    func(r []sf.JobResult) []sf.JobResult { return r[1:] },
	} {
		o, p := ring(4, nil)
		o.tamper = func(r []sf.JobResult) []sf.JobResult {
			if o.calls["start update"] == 0 {
				return r
			}
			return spoil(r)
		}
		j, _ := freshJournal(t)
		opts := noWait()
		opts.CallRows, opts.JobRows = 1, 4
		if _, err := Run(t.Context(), o, approve(t, p), j, opts); problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}
