// Package policy decides which snapshots are kept. It is a pure function of the snapshots, the rules,
// the holds and a time: what it says can be read in a table of tests.
package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Snapshot is what a decision rests on.
type Snapshot struct {
	ID      string
	Group   string    // snapshots of different groups do not count for each other: the org and the kind
	Started time.Time // server time
	Partial bool
}

// Rules says what is kept of each group. A snapshot that one rule keeps is kept. Without any rule
// everything is.
type Rules struct {
	Last    int // the newest so many
	Hourly  int // the newest of each of so many hours that have one, and so on
	Daily   int
	Weekly  int // weeks as ISO 8601 counts them
	Monthly int
	Yearly  int
	Within  time.Duration // everything that is not older than this
}

// Empty reports whether there is no rule.
func (r Rules) Empty() bool { return r == Rules{} }

// Hold names a snapshot that no rule lets go.
type Hold struct{ ID string }

// Reason says which rules keep a snapshot.
type Reason struct {
	Snapshot Snapshot
	Rules    []string // such as "last", "daily" or "hold"
}

// Keep divides the snapshots into those that are kept, with the reasons, and those that expire, both
// newest first. The newest whole snapshot of a group is always kept, because a partial one may be all
// that is newer. Periods are those of UTC. Snapshots from after now count as the newest.
func Keep(snapshots []Snapshot, rules Rules, holds []Hold, now time.Time) (keep []Reason, expire []Snapshot) {
	ordered := slices.Clone(snapshots)
	slices.SortStableFunc(ordered, func(a, b Snapshot) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.ID, b.ID))
	})
	groups := make(map[string]*group)
	for _, s := range ordered {
		g := groups[s.Group]
		if g == nil {
			g = newGroup(rules)
			groups[s.Group] = g
		}
		why := g.reasons(s, rules, now)
		if slices.Contains(holds, Hold{s.ID}) {
			why = append(why, "hold")
		}
		if rules.Empty() {
			why = append(why, "no rule")
		}
		if len(why) > 0 {
			keep = append(keep, Reason{s, why})
		} else {
			expire = append(expire, s)
		}
	}
	return keep, expire
}

// period is a rule that keeps the newest snapshot of each of some periods.
type period struct {
	name string
	left int
	of   func(time.Time) string
	last string
}

// group is what was seen of a group, newest first.
type group struct {
	last    int
	whole   bool
	periods []period
}

func newGroup(r Rules) *group {
	layout := func(form string) func(time.Time) string {
		return func(t time.Time) string { return t.Format(form) }
	}
	week := func(t time.Time) string {
		year, n := t.ISOWeek()
		return fmt.Sprintf("%04d-%02d", year, n)
	}
	return &group{last: r.Last, periods: []period{
		{name: "hourly", left: r.Hourly, of: layout("2006-01-02 15")},
		{name: "daily", left: r.Daily, of: layout("2006-01-02")},
		{name: "weekly", left: r.Weekly, of: week},
		{name: "monthly", left: r.Monthly, of: layout("2006-01")},
		{name: "yearly", left: r.Yearly, of: layout("2006")},
	}}
}

func (g *group) reasons(s Snapshot, r Rules, now time.Time) []string {
	var why []string
	if g.last > 0 {
		g.last--
		why = append(why, "last")
	}
	if r.Within > 0 && now.Sub(s.Started) <= r.Within {
		why = append(why, "within")
	}
	for i := range g.periods {
		p := &g.periods[i]
		if at := p.of(s.Started.UTC()); p.left > 0 && at != p.last {
			p.left--
			p.last = at
			why = append(why, p.name)
		}
	}
	if !s.Partial && !g.whole {
		g.whole = true
		why = append(why, "newest whole")
	}
	return why
}
