package apply

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// doomed is an org and the plan that deletes two accounts and an item of one of them for good. A third account stays.
func doomed() (*smallOrg, *plan.Plan) {
	o := newSmallOrg()
	item := testID("a01", 1)
	for n := 1; n <= 3; n++ {
		o.live[acc(n)] = map[string]sf.Value{"Name": text(fmt.Sprint(n))}
	}
	o.live[item] = map[string]sf.Value{"Label__c": text("x"), "Parent__c": text(string(acc(1)))}
	gone := func(n int) plan.Row { return onLive(row(acc(n), set("Name", text(fmt.Sprint(n)), sf.Value{}))) }
	return o, steps(
		plan.Step{Op: plan.HardDelete, Object: "Item__c", Rows: []plan.Row{onLive(row(item, set("Label__c", text("x"), sf.Value{})))}},
		plan.Step{Op: plan.HardDelete, Object: "Account", Rows: []plan.Row{gone(1), gone(2)}},
	)
}

// A crash at any journal entry and at any call, and a resume: what is to be gone for good is, nothing else, and what
// an earlier life deleted is no refusal of the next.
func TestLaw12HardDeletionsAreCarriedOutAcrossCrashes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 15))
	_, p := doomed()
	approved := approve(t, p)
	for _, opts := range []Options{{}, {JobRows: 1}} {
		o, _ := doomed()
		_, events := lives(t, o, approved, opts, rnd, func(int) int { return 0 })
		for at := range events + 1 {
			o, _ := doomed()
			result, _ := lives(t, o, approved, opts, rnd, func(n int) int {
				if n == 0 {
					return at
				}
				return 0
			})
			if have := o.state(nil); have != string(acc(3))+` Name="3"` || len(o.bin) != 0 || len(result.Failed) > 0 {
				t.Fatalf("%+v, crash at event %d of %d: %s, bin %v, %+v", opts, at, events, have, o.bin, result.Failed)
			}
		}
	}
}

// A record that is not in the org at all is where the plan wants it; one in the Recycle Bin can come back, and is refused.
func TestHardDeletionTellsGoneFromBinned(t *testing.T) {
	o, p := doomed()
	o.fault = func(call string, after bool) error {
		if call != "upload" || after {
			return nil
		}
		o.fault = nil
		o.remove(testID("a01", 1))
		delete(o.bin, testID("a01", 1))
		o.remove(acc(2))
		return nil
	}
	j, _ := freshJournal(t)
	result := mustRun(t, o, approve(t, p), j, noWait())
	if len(result.Failed) != 1 || result.Failed[0].ID != acc(2) || result.Failed[0].Code != "ENTITY_IS_DELETED" {
		t.Errorf("%+v", result.Failed)
	}
	if _, there := o.bin[acc(1)]; there || o.live[acc(1)] != nil {
		t.Error("the other account is not gone for good")
	}
}

// Results that fit no row, and such as are of another record, are errors.
func TestTrap20HardDeletionsAreNeverGuessed(t *testing.T) {
	for name, spoil := range map[string]func([]sf.JobResult) []sf.JobResult{
		"of no row":         func(r []sf.JobResult) []sf.JobResult { r[0].Echo = []string{string(acc(9))}; return r },
		"of another record": func(r []sf.JobResult) []sf.JobResult { r[0].Outcome.ID = acc(9); return r },
		"twice":             func(r []sf.JobResult) []sf.JobResult { return append(r, r[0]) },
		"none":              func([]sf.JobResult) []sf.JobResult { return nil },
	} {
		o, p := doomed()
		o.tamper = spoil
		j, _ := freshJournal(t)
		if _, err := Run(t.Context(), o, approve(t, p), j, noWait()); problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}
