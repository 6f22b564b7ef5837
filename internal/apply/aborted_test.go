package apply

import (
	"strings"
	"testing"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Somebody in the org aborts the job of an application: it stops there, and goes on only when it is told to.
func TestRunStopsWhereSomebodyAbortsItsJob(t *testing.T) {
	o := newSmallOrg()
	abort := func() {
		for _, j := range o.jobs {
			if j.state == sf.JobInProgress {
				sent := j.rows
				j.rows = sent[:1]
				o.work(j)
				for _, w := range sent[1:] {
					j.results = append(j.results, sf.JobResult{Outcome: sf.Outcome{Code: codeUnprocessed}, Echo: cellsOf(w)})
				}
				j.state = sf.JobAborted
			}
		}
	}
	o.fault = func(call string, after bool) error {
		if call == "state" && !after && o.calls["start"] < 5 {
			abort()
		}
		return nil
	}
	approved := approve(t, steps(plan.Step{Op: plan.Insert, Object: "Account", Rows: []plan.Row{
		row(acc(1), set("Name", no(), text("a"))), row(acc(2), set("Name", no(), text("b"))), row(acc(3), set("Name", no(), text("c"))),
	}}))
	j, m := freshJournal(t)
	result, err := Run(t.Context(), o, approved, j, noWait())
	if problem.KindOf(err) != problem.Interrupted || !strings.Contains(err.Error(), string(testID("750", 1))) || o.calls["start"] != 1 || len(result.Pairs) != 1 {
		t.Fatalf("%v after %d jobs, %+v", err, o.calls["start"], result)
	}
	o.fault = nil
	j, _, err = openMemory(t, m.synced)
	if err != nil {
		t.Fatal(err)
	}
	if result := mustRun(t, o, approved, j, noWait()); len(result.Pairs) != 3 || len(o.live) != 3 || o.calls["start"] != 2 {
		t.Errorf("%d jobs, %d records: %+v", o.calls["start"], len(o.live), result)
	}
}
