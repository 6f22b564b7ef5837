package salesforce_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// TestBudgetIsNeverOvershot runs many callers against orgs of random limits, some of which others
// use at the same time: the calls that this connection adds stop at the share.
func TestBudgetIsNeverOvershot(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		f := newFake(t)
		f.limit = 100 + r.IntN(200)
		f.used = r.IntN(f.limit / 3)
		share := 0.4 + r.Float64()*0.6
		f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			writeJSON(w, 200, `{"totalSize":1,"done":true}`)
		})
		c := f.config()
		c.Budget = salesforce.Budget{Share: share}
		org, err := salesforce.Connect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var refused atomic.Int64
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 60 {
					_, err := org.Count(t.Context(), "Account", false)
					switch {
					case err == nil:
					case problem.KindOf(err) == problem.Limits && strings.Contains(err.Error(), "budget"):
						refused.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		ceiling := int(share * float64(f.limit))
		if f.used > ceiling || f.used < ceiling-1 || refused.Load() == 0 {
			t.Errorf("seed %d: %d calls used of %d allowed, %d refused", seed, f.used, ceiling, refused.Load())
		}
	}
}

func TestBudgetSeesTheWindowMove(t *testing.T) {
	f := newFake(t)
	f.limit, f.used = 100, 40
	f.on("GET "+v+"query", answer(200, `{"totalSize":1,"done":true}`))
	c := f.config()
	c.Budget.Share = 0.5
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := org.Count(t.Context(), "Account", false); err != nil {
			t.Fatal(err)
		}
	}
	f.used = 3 // yesterday's calls have left the window
	for range 10 {
		if _, err := org.Count(t.Context(), "Account", false); err != nil {
			t.Fatal(err)
		}
	}
	if u := org.Usage(); u.DailyUsed != 13 || u.DailyLimit != 100 {
		t.Errorf("usage %+v", u)
	}
}

func TestBudgetSpentBeforeWeCame(t *testing.T) {
	f := newFake(t)
	f.limit, f.used = 100, 90
	c := f.config()
	c.Budget = salesforce.Budget{}
	_, err := salesforce.Connect(t.Context(), c)
	if problem.KindOf(err) != problem.Limits || problem.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if f.used != 91 {
		t.Errorf("%d calls used", f.used)
	}
}
