package capture_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// How many backups run against a random budget: in every run of the tests, and with HOLDFAST_LONG.
const (
	budgetSeeds     = 6
	budgetSeedsLong = 1_000
)

// TestBudgetIsNeverOvershotByBackups backs up orgs that allow few calls and few Bulk jobs, of which others use
// some: neither goes beyond the share, whatever was read is kept, and with the next day's calls the snapshot is
// what the org holds.
func TestBudgetIsNeverOvershotByBackups(t *testing.T) {
	seeds := budgetSeeds
	if os.Getenv("HOLDFAST_LONG") != "" {
		seeds = budgetSeedsLong
	}
	ends := map[string]int{}
	e := newEmulated(t, emulator.Options{BulkPageRows: 1000})
	e.insert("Account", 2300)
	e.insert("Contact", 40)
	e.server.Clock().Advance(time.Hour)
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { ends[e.spendOn(t, seed)]++ })
	}
	t.Logf("%d backups: %v", seeds, ends)
	if ends["whole"] == 0 || ends["cut short"] == 0 {
		t.Errorf("the budgets were all large or all small: %v", ends)
	}
}

// spendOn backs up under the budget of a seed, and returns how that ended.
func (e *emulated) spendOn(t *testing.T, seed uint64) string {
	e.TB = t
	r := rand.New(rand.NewPCG(seed, 3))
	world := e.server.Org()
	share := 0.2 + 0.8*r.Float64()
	calls, jobs := 12+r.IntN(90), r.IntN(6)
	world.SetLimit("DailyApiRequests", calls, calls-r.IntN(5))
	world.SetLimit("DailyBulkV2QueryJobs", jobs+1, jobs+1-r.IntN(2))
	e.store = newStore(t, &blob.Memory{})
	e.opts = capture.Options{Include: []string{"Account", "Contact"}, RangeRows: []int64{0, 300}[r.IntN(2)], Parallel: 1 + r.IntN(4)}
	client, err := salesforce.Connect(t.Context(), salesforce.Config{
		InstanceURL: e.server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(e.server.AccessToken)},
		Budget: salesforce.Budget{Share: share}, Sleep: quickSleep,
	})
	if err == nil {
		_, err = capture.Run(t.Context(), client, e.store, e.opts)
	}
	limits := map[string]org.Limit{}
	for _, l := range world.Limits() {
		limits[l.Name] = l
	}
	// Connecting takes two calls before it knows what is allowed.
	if used, most := limits["DailyApiRequests"].Max-limits["DailyApiRequests"].Remaining, max(int(share*float64(calls)), 7); used > most {
		t.Errorf("%d calls used of %d, share %.2f allows %d", used, calls, share, most)
	}
	if l := limits["DailyBulkV2QueryJobs"]; l.Max-l.Remaining > max(int(share*float64(l.Max)), 1) {
		t.Errorf("%d Bulk jobs used of %d, share %.2f", l.Max-l.Remaining, l.Max, share)
	}
	world.SetLimit("DailyApiRequests", 1_000_000, 1_000_000)
	world.SetLimit("DailyBulkV2QueryJobs", 10_000, 10_000)
	end := "whole"
	switch problem.KindOf(err) {
	case problem.Limits, problem.Partial:
		end = "cut short"
	default:
		if err != nil {
			t.Error(err)
		}
	}
	if seed%20 < 3 {
		e.back()
		e.wantSame("Account")
		e.wantSame("Contact")
	}
	return end
}

// TestARunOfOneObjectIsCheap: it may be made every minute.
func TestARunOfOneObjectIsCheap(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	e.whole = true
	e.server.Intercept(nil)
	ids := e.insert("Account", 40)
	e.insert("Contact", 40)
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.server.Clock().Advance(time.Hour)
	e.update(ids[3], "Phone", "555-0100")
	e.opts.Include = []string{"Account"}
	r := e.back()
	if r.Calls > 7 { // the time twice, the list of objects, a describe, two counts, the changes; signing in is apart
		t.Errorf("%d calls", r.Calls)
	}
	if c := part(t, r, "Account").Part.Changes; c.Updated != 1 {
		t.Errorf("changes %+v", c)
	}
	e.wantSame("Account")
	e.wantSame("Contact")
}
