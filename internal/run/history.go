package run

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// HistoryInput says whose history is wanted, and up to when.
type HistoryInput struct {
	Moment        // up to when; empty: all snapshots
	Object string // empty: that to which the Id belongs
	Record string // Id of 15 or 18 characters
}

// HistoryResult is what the snapshots of an org know of one record, oldest first.
type HistoryResult struct {
	Object    string       `json:"object"`    // API name
	ID        sf.ID        `json:"id"`        // Id of the record
	Snapshots int          `json:"snapshots"` // that hold the object, and were looked into
	Versions  []VersionRow `json:"versions"`  // each another than the one before
	Damaged   []string     `json:"damaged"`   // IDs of snapshots that could not be looked into
}

// VersionRow is one version of a record, in the first snapshot that has it.
type VersionRow struct {
	Kind      string           `json:"kind"`               // first (there in the oldest snapshot), create, update or delete
	Snapshot  string           `json:"snapshot"`           // ID of the first snapshot that has it
	Short     string           `json:"short"`              // enough of the ID to name it
	After     time.Time        `json:"after,omitzero"`     // end of the window in which the version before was last seen, server time
	From      time.Time        `json:"from"`               // window in which it was first seen: its beginning, server time
	To        time.Time        `json:"to"`                 // window in which it was first seen: its end, server time
	Until     string           `json:"until"`              // ID of the last snapshot that has it
	Sightings int              `json:"sightings"`          // snapshots that have it
	Fields    []FieldChangeRow `json:"fields"`             // the values that differ from the version before; of the first, all
	At        time.Time        `json:"at,omitzero"`        // of a deletion: when it was deleted or found gone, server time
	Evidence  string           `json:"evidence,omitempty"` // of a deletion: how it is known; empty: it is not there any more, and nobody told
}

// History folds what all snapshots of an org know of one record into its versions. Errors: NotFound
// for a record that no snapshot holds; Usage for an Id that is none; Partial, with the result, when
// snapshots are damaged.
func History(ctx context.Context, in HistoryInput) (HistoryResult, error) {
	id, err := sf.ParseID(in.Record)
	if err != nil {
		return HistoryResult{}, problem.Newf(problem.Usage, "%q is no record Id", in.Record).Hint("give its 15 or 18 characters")
	}
	last, err := in.load(ctx)
	if err != nil {
		return HistoryResult{}, err
	}
	object, err := objectOf(last, id, in.Object)
	if err != nil {
		return HistoryResult{}, err
	}
	out := HistoryResult{Object: object, ID: id, Versions: []VersionRow{}, Damaged: []string{}}
	org, until := snapshot.OfOrg(last.Info().OrgID), last.Info()
	notAfter := func(i snapshot.Info) bool {
		return in.At == "" || in.At == snapshot.Latest || i.ID == until.ID || !i.To.After(until.To)
	}
	fold := versions{out: &out}
	for s, err := range in.Store.History(ctx, object, id, org, notAfter) {
		if err != nil {
			return out, fmt.Errorf("history of %s %s: %w", object, id, err)
		}
		fold.add(s)
	}
	if len(out.Damaged) > 0 {
		return out, problem.Newf(problem.Partial, "%s that could not be looked into, being damaged", counted(len(out.Damaged), "snapshot")).
			Hint("run `holdfast verify` to see what is affected")
	}
	if len(out.Versions) == 0 {
		return out, problem.Newf(problem.NotFound, "none of %d snapshots holds a record of %s with the Id %s", out.Snapshots, object, id).
			Hint("`holdfast snapshots` lists what there is")
	}
	return out, nil
}

// versions folds sightings into versions.
type versions struct {
	out    *HistoryResult
	before snapshot.Version
	end    time.Time // of the window of the sighting before
}

func (f *versions) add(s snapshot.Sighting) {
	if s.Damage != nil {
		f.out.Damaged = append(f.out.Damaged, s.Snapshot.ID)
		return
	}
	first := f.out.Snapshots == 0
	f.out.Snapshots++
	switch {
	case s.Changed && (s.Version.Live() || s.Version.Gone() || f.before.Live()):
		f.out.Versions = append(f.out.Versions, f.row(s, first))
	case len(f.out.Versions) > 0:
		last := &f.out.Versions[len(f.out.Versions)-1]
		last.Until = s.Snapshot.ID
		last.Sightings++
	}
	f.before, f.end = s.Version, s.Part.To
}

func (f *versions) row(s snapshot.Sighting, first bool) VersionRow {
	row := VersionRow{
		Kind: state.Update.String(), Snapshot: s.Snapshot.ID, Short: s.Snapshot.Short(), After: f.end,
		From: s.Part.From, To: s.Part.To, Until: s.Snapshot.ID, Sightings: 1, Fields: []FieldChangeRow{},
	}
	switch {
	case !s.Version.Live():
		row.Kind = state.Delete.String()
		row.At, row.Evidence = s.Version.Tombstone.At, s.Version.Tombstone.Evidence
	case first:
		row.Kind = "first"
	case !f.before.Live():
		row.Kind = state.Create.String()
	}
	if c, differs := state.Between(f.before.Record, s.Version.Record); differs && s.Version.Live() {
		row.Fields = changeRow(c).Fields
	}
	return row
}
