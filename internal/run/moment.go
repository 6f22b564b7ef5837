package run

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Moment is a point in time of an org, as an operator names it.
type Moment struct {
	Store *snapshot.Store
	Org   string // name of the org, or its Id of 15 or 18 characters; empty: the only one that the repository holds
	At    string // a time, the beginning of a snapshot's ID, or "latest"; empty is "latest"
}

// layouts are the spellings of a time; one without a zone is in UTC.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}

// readMoment reads a time, which a day means the end of, and reports whether it is one.
func readMoment(text string) (time.Time, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Millisecond), true
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// load returns the snapshot that shows the org at the moment.
func (m Moment) load(ctx context.Context) (*snapshot.Snapshot, error) {
	at, isTime := readMoment(m.At)
	if !isTime && m.At != "" && m.At != snapshot.Latest {
		return held(ctx, m.Store, m.At, m.named()...)
	}
	org, err := m.org(ctx)
	if err != nil {
		return nil, err
	}
	if isTime {
		return m.Store.AsOf(ctx, at, snapshot.OfOrg(org))
	}
	return held(ctx, m.Store, snapshot.Latest, snapshot.OfOrg(org))
}

// Snapshot returns the Id of the snapshot that shows the org at the moment.
func (m Moment) Snapshot(ctx context.Context) (string, error) {
	sn, err := m.load(ctx)
	if err != nil {
		return "", err
	}
	return sn.Info().ID, nil
}

// named selects the snapshots of the org that was named, or all.
func (m Moment) named() []snapshot.Filter {
	if m.Org == "" {
		return nil
	}
	return []snapshot.Filter{func(i snapshot.Info) bool {
		return i.OrgName == m.Org || string(i.OrgID) == m.Org || i.OrgID.Short() == m.Org
	}}
}

// org returns the one org that is meant.
func (m Moment) org(ctx context.Context) (sf.ID, error) {
	infos, err := m.Store.List(ctx, m.named()...)
	if err != nil {
		return "", err
	}
	var ids []sf.ID
	var names []string
	for _, i := range infos {
		if i.Damage == nil && !slices.Contains(ids, i.OrgID) {
			ids, names = append(ids, i.OrgID), append(names, i.OrgName+" ("+string(i.OrgID)+")")
		}
	}
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1 && m.Org != "":
		return "", problem.Newf(problem.Usage, "the repository holds snapshots of %d orgs of that name: %s", len(ids), strings.Join(names, ", ")).
			Hint("give the Id of the org in its place")
	case len(ids) > 1:
		return "", problem.Newf(problem.Usage, "the repository holds snapshots of %d orgs: %s", len(ids), strings.Join(names, ", ")).
			Hint("name the org with --org")
	case m.Org != "":
		return "", problem.Newf(problem.NotFound, "there is no snapshot of an org %q", m.Org).
			Hint("`holdfast snapshots` lists what there is")
	}
	return "", problem.New(problem.NotFound, "there is no snapshot yet").Hint("make one with `holdfast backup`")
}
