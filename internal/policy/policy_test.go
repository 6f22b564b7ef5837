package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// days returns a snapshot for each of n days, the newest last.
func days(n int) []Snapshot {
	var out []Snapshot
	for i := range n {
		out = append(out, Snapshot{ID: fmt.Sprintf("%03d", i), Group: "org", Started: start.AddDate(0, 0, i)})
	}
	return out
}

func ids(keep []Reason) string {
	var out []string
	for _, r := range keep {
		out = append(out, r.Snapshot.ID+"("+strings.Join(r.Rules, " ")+")")
	}
	return strings.Join(out, " ")
}

func TestKeep(t *testing.T) {
	partial := days(3)
	partial[2].Partial = true
	hours := []Snapshot{{ID: "a", Started: start}, {ID: "b", Started: start.Add(20 * time.Minute)}, {ID: "c", Started: start.Add(time.Hour)}}
	for _, c := range []struct {
		name  string
		of    []Snapshot
		rules Rules
		holds []Hold
		want  string
	}{
		{"no rule", days(2), Rules{}, nil, ""},
		{"last", days(5), Rules{Last: 2}, nil, "004(last newest whole) 003(last)"},
		{"held", days(5), Rules{Last: 1}, []Hold{{"001"}}, "004(last newest whole) 001(hold)"},
		{"monthly", days(40), Rules{Monthly: 2}, nil, "039(monthly newest whole) 030(monthly)"},
		{"weekly", days(15), Rules{Weekly: 2}, nil, "014(weekly newest whole) 007(weekly)"},
		{"yearly", days(400), Rules{Yearly: 5}, nil, "399(yearly newest whole) 305(yearly)"},
		{"hourly", hours, Rules{Hourly: 5}, nil, "c(hourly newest whole) b(hourly)"},
		{"daily and last", days(4), Rules{Daily: 2, Last: 1}, nil, "003(last daily newest whole) 002(daily)"},
		{"within", days(4), Rules{Within: 36 * time.Hour}, nil, "003(within newest whole) 002(within)"},
		{"a partial one is not all", partial, Rules{Last: 1}, nil, "002(last) 001(newest whole)"},
	} {
		keep, expire := Keep(c.of, c.rules, c.holds, start.AddDate(0, 0, len(c.of)-1))
		want := c.want
		if c.rules.Empty() { // each is kept for want of a rule, one of them for two reasons
			want = "001(newest whole no rule) 000(no rule)"
		}
		if got := ids(keep); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
		if len(keep)+len(expire) != len(c.of) {
			t.Errorf("%s: %d kept, %d expire, of %d", c.name, len(keep), len(expire), len(c.of))
		}
	}
}

// TestLaw09HoldsOnlyKeepMore: what is held is kept, one more hold never frees anything, and the order
// in which snapshots are given decides nothing.
func TestLaw09HoldsOnlyKeepMore(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 9))
		var all []Snapshot
		for i := range r.IntN(40) {
			all = append(all, Snapshot{
				ID: fmt.Sprint(i), Group: fmt.Sprint(r.IntN(2)), Partial: r.IntN(4) == 0,
				Started: start.Add(time.Duration(r.IntN(20000)) * time.Hour),
			})
		}
		rules := Rules{Last: r.IntN(3), Hourly: r.IntN(3), Daily: r.IntN(8), Weekly: r.IntN(5), Monthly: r.IntN(5), Yearly: r.IntN(2), Within: time.Duration(r.IntN(400)) * time.Hour}
		var holds []Hold
		for _, s := range all {
			if r.IntN(6) == 0 {
				holds = append(holds, Hold{s.ID})
			}
		}
		now := start.Add(20000 * time.Hour)
		keep, expire := Keep(all, rules, holds, now)
		kept := map[string]bool{}
		for _, k := range keep {
			kept[k.Snapshot.ID] = true
		}
		for _, h := range holds {
			if !kept[h.ID] {
				t.Fatalf("seed %d: %s is held and expires", seed, h.ID)
			}
		}
		if len(keep)+len(expire) != len(all) {
			t.Fatalf("seed %d: %d of %d", seed, len(keep)+len(expire), len(all))
		}
		if len(expire) == 0 {
			continue
		}
		more, _ := Keep(all, rules, append(slices.Clone(holds), Hold{expire[r.IntN(len(expire))].ID}), now)
		if len(more) != len(keep)+1 {
			t.Fatalf("seed %d: %d kept with one more hold, %d before", seed, len(more), len(keep))
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if again, _ := Keep(all, rules, holds, now); ids(again) != ids(keep) {
			t.Fatalf("seed %d: the order decides", seed)
		}
	}
}
