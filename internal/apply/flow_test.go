package apply

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// crowd is an org that counts which of its jobs are under way at one time, and lets rows contend that lock one parent. Jobs
// go on only when one is asked for, all of them by a look.
type crowd struct {
	*smallOrg
	most    int
	twice   int             // jobs that were sent beside one with a parent of theirs
	now     map[string]bool // under way
	parents map[string]map[string]bool
	busy    func(job int) int // rows of the n-th job that somebody else holds
	held    map[string]bool   // labels of these, which are free the next time
	sent    int
	sizes   []int
}

func (c *crowd) SendRows(ctx context.Context, job string, fields []string, rows []sf.Write) error {
	c.sent++
	c.sizes = append(c.sizes, len(rows))
	at := slices.Index(fields, "Parent__c")
	own := map[string]bool{}
	for _, r := range rows {
		own[r.Values[at].Text()] = true
	}
	for other := range c.now {
		for id := range own {
			if c.parents[other][id] {
				c.twice++
			}
		}
	}
	c.now[job], c.parents[job] = true, own
	c.most = max(c.most, len(c.now))
	if c.busy != nil {
		label := slices.Index(fields, "Label__c")
		for _, r := range rows[:c.busy(c.sent)] {
			c.held[r.Values[label].Text()] = true
		}
	}
	return c.smallOrg.SendRows(ctx, job, fields, rows)
}

func (c *crowd) JobResults(ctx context.Context, job string, fields []string, rows int) iter.Seq2[sf.JobResult, error] {
	delete(c.now, job)
	return c.smallOrg.JobResults(ctx, job, fields, rows)
}

// children is a plan that inserts rows below parents, sorted by them: so many below each.
func children(parents []int) *plan.Plan {
	var rows []plan.Row
	n := 0
	for p, of := range parents {
		for range of {
			n++
			rows = append(rows, row(item(n), set("Label__c", no(), text(fmt.Sprint("row ", n))), set("Parent__c", no(), link(acc(p+1)))))
		}
	}
	return steps(plan.Step{Op: plan.Insert, Object: "Item__c", Rows: rows})
}

func newCrowd(t *testing.T, parents int) *crowd {
	t.Helper()
	c := &crowd{smallOrg: newSmallOrg(), now: map[string]bool{}, parents: map[string]map[string]bool{}, held: map[string]bool{}}
	c.refuse = func(_, _ string, values map[string]sf.Value) string {
		label := values["Label__c"].Text()
		if !c.held[label] {
			return ""
		}
		delete(c.held, label)
		return codeLocked
	}
	for p := range parents {
		c.live[acc(p+1)] = map[string]sf.Value{"Name": text("A")}
	}
	return c
}

// Jobs that are under way at one time never write below one parent, however many children the parents have, and every row
// arrives once.
func TestJobsAtOneTimeShareNoParent(t *testing.T) {
	shapes := map[string][]int{"even": {}, "skewed": {300, 1, 1, 2, 40, 7}, "one": {500}, "odd": {}}
	for i := range 100 {
		shapes["even"] = append(shapes["even"], 5)
		shapes["odd"] = append(shapes["odd"], 1+i%13)
	}
	for name, parents := range shapes {
		c := newCrowd(t, len(parents))
		j, _ := freshJournal(t)
		opts := noWait()
		opts.JobRows = 20
		p := children(parents)
		r, err := Run(t.Context(), c, approve(t, p), j, opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Failed) != 0 || len(r.Pairs) != len(p.Steps[0].Rows) || len(c.live) != len(parents)+len(p.Steps[0].Rows) {
			t.Errorf("%s: %d rows came of %d, %v", name, len(r.Pairs), len(p.Steps[0].Rows), r.Failed)
		}
		if c.twice != 0 {
			t.Errorf("%s: %d times a job was sent beside one that locks a parent of its rows", name, c.twice)
		}
		if want := map[string]int{"one": 1, "even": jobsFirst}[name]; want > 0 && (c.most < want || want == 1 && c.most > 1) {
			t.Errorf("%s: %d jobs at one time, want %d", name, c.most, want)
		}
	}
}

// Where rows meet locks of others, fewer jobs are sent at one time, only the rows that were locked are sent again, and the
// journal alone tells how many jobs there are to be when it is taken up again.
func TestContentionNarrowsTheFlow(t *testing.T) {
	parents := slices.Repeat([]int{20}, 60)
	c := newCrowd(t, len(parents))
	c.busy = func(job int) int {
		if job%3 == 0 && job < 30 {
			return 4
		}
		return 0
	}
	j, m := freshJournal(t)
	opts := noWait()
	opts.JobRows = 20
	approved := approve(t, children(parents))
	r, err := Run(t.Context(), c, approved, j, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) != 0 || len(r.Pairs) != 1200 {
		t.Fatalf("%d rows came, %v", len(r.Pairs), r.Failed)
	}
	rows := 0
	for _, n := range c.sizes {
		rows += n
	}
	if again := rows - 1200; again != 9*4 {
		t.Errorf("%d rows were sent again, want those 36 that were locked", again)
	}
	whole := newLedger(approved)
	var cuts []int
	again, _, err := openMemory(t, m.synced)
	if err != nil {
		t.Fatal(err)
	}
	least := jobsFirst
	for _, e := range again.entries {
		if err := whole.fold(e); err != nil {
			t.Fatal(err)
		}
		if f := whole.flows["Item__c"]; f != nil {
			least = min(least, f.jobs)
		}
		if e.T == entryIntent && whole.flowOf(0).jobs < len(whole.open) {
			cuts = append(cuts, e.Batch)
		}
	}
	if least > jobsFirst/2 || len(cuts) != 0 {
		t.Errorf("%d jobs at one time at least, and %v were begun beyond what the flow allows", least, cuts)
	}
}

// The flow grows by one for each good job until it meets contention, is cut once for what was under way then, and grows slowly after it.
func TestFlow(t *testing.T) {
	f := newFlow()
	if f.take(1, 100, 0, 0, 10); f.jobs != jobsFirst+1 {
		t.Errorf("%d jobs after a good one", f.jobs)
	}
	f.take(2, 100, 1, 0, 12) // one row in a hundred is somebody else's affair
	f.take(3, 100, 2, 0, 14)
	if f.jobs != (jobsFirst+2)/2 || f.size != sizeSteps {
		t.Errorf("%d jobs of size %d after contention", f.jobs, f.size)
	}
	f.take(14, 100, 50, 0, 14) // was under way when that was seen
	if f.jobs != 6 {
		t.Errorf("%d jobs: one contention counts twice", f.jobs)
	}
	for n := range 6 {
		if f.jobs != 6 {
			t.Errorf("%d jobs after %d good ones", f.jobs, n)
		}
		f.take(15+n, 100, 0, 0, 30)
	}
	if f.jobs != 7 {
		t.Errorf("%d jobs after 6 good ones", f.jobs)
	}
	f.take(31, 100, 0, 40, 40)
	if f.jobs != 3 || f.size != sizeSteps/2 || f.rows(10_000) != 5_000 {
		t.Errorf("%d jobs of %d rows after one that did not end in time", f.jobs, f.rows(10_000))
	}
	for n := range 1_000 {
		f.take(41+n, 100, 0, 0, 50+n)
	}
	if f.jobs != jobsMost || f.rows(10_000) != 10_000 {
		t.Errorf("%d jobs of %d rows after many good ones", f.jobs, f.rows(10_000))
	}
	for n := range 100 {
		f.take(2_000+10*n, 100, 100, 100, 2_005+10*n)
	}
	if f.jobs != 1 || f.rows(3) != 1 {
		t.Errorf("%d jobs of %d rows at least", f.jobs, f.rows(3))
	}
}
