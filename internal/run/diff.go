package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// DiffInput names two snapshots and what to compare of them.
type DiffInput struct {
	Store         *snapshot.Store
	OrgID         sf.ID    // what "latest" is the latest of; empty: of every org
	Before, After string   // beginnings of IDs, or "latest"
	Objects       []string // empty: all that both hold

	// Each is given every change, by object and Id; an error of it ends the comparison. Nil: only
	// the summaries are wanted.
	Each func(ChangeRow) error
}

// DiffResult says what changed between two snapshots.
type DiffResult struct {
	Before  SnapshotRow `json:"before"`  // the earlier snapshot; without an ID when it is a project
	After   SnapshotRow `json:"after"`   // the later snapshot; without an ID when it is a project
	Objects []DiffRow   `json:"objects"` // that differ or cannot be compared, by name
	Same    int         `json:"same"`    // objects and metadata types without a difference

	Components []ComponentDiff `json:"components"` // that differ, by type and name
	Totals     DiffRow         `json:"totals"`     // sums over the objects

	Data  []DataRow `json:"data,omitempty"`  // that changes of the schema touch, as the earlier snapshot holds it
	Sides []SideRow `json:"sides,omitempty"` // what was compared, when it was metadata alone: before, after
}

// DiffRow counts the changes of one object.
type DiffRow struct {
	Object  string `json:"object,omitempty"` // API name
	Created int64  `json:"created"`          // records that only the later snapshot has
	Updated int64  `json:"updated"`          // records that differ
	Deleted int64  `json:"deleted"`          // records that only the earlier snapshot has
	Fields  int64  `json:"fields"`           // values changed by updates
	Note    string `json:"note,omitempty"`   // why it could not be compared
}

// ChangeRow is one changed record. Values that a side does not hold are left out.
type ChangeRow struct {
	Object string           `json:"object"` // API name
	ID     sf.ID            `json:"id"`     // Id of the record
	Kind   string           `json:"kind"`   // create, update or delete
	Fields []FieldChangeRow `json:"fields"` // the values that differ, by field
}

// FieldChangeRow is one changed value.
type FieldChangeRow struct {
	Field  string `json:"field"`           // API name
	Before Value  `json:"before,omitzero"` // value in the earlier snapshot
	After  Value  `json:"after,omitzero"`  // value in the later snapshot
}

// Diff compares two snapshots of one org, reading only what they do not share. Errors: NotFound for a
// snapshot or an object that neither holds; Usage for snapshots of different orgs.
func Diff(ctx context.Context, in DiffInput) (DiffResult, error) {
	out := DiffResult{Objects: []DiffRow{}, Components: []ComponentDiff{}}
	before, err := held(ctx, in.Store, in.Before, ofOrg(in.OrgID)...)
	if err != nil {
		return out, err
	}
	after, err := held(ctx, in.Store, in.After, ofOrg(in.OrgID)...)
	if err != nil {
		return out, err
	}
	out.Before, out.After = snapshotRow(before.Info()), snapshotRow(after.Info())
	if out.Before.OrgID != out.After.OrgID {
		return out, problem.Newf(problem.Usage, "snapshot %s is of org %s, snapshot %s of org %s",
			out.Before.Short, out.Before.OrgID, out.After.Short, out.After.OrgID).
			Hint("compare snapshots of one org; `holdfast snapshots` lists them")
	}
	objects, err := diffObjects(before, after, in.Objects)
	if err != nil {
		return out, err
	}
	for _, object := range objects {
		if kind, ok := snapshot.Components.Of(object); ok {
			if err := diffKind(ctx, in, before, after, kind, &out); err != nil {
				return out, err
			}
			continue
		}
		row, err := diffObject(ctx, before, after, object, in.Each)
		if err != nil {
			return out, fmt.Errorf("compare %s: %w", object, err)
		}
		if row.Note == "" && row.Created+row.Updated+row.Deleted == 0 {
			out.Same++
			continue
		}
		out.Objects = append(out.Objects, row)
		out.Totals.Created += row.Created
		out.Totals.Updated += row.Updated
		out.Totals.Deleted += row.Deleted
		out.Totals.Fields += row.Fields
	}
	out.Data, err = touchedData(ctx, before, out.Components)
	return out, err
}

// diffObjects returns the objects to compare, sorted: those that were asked for, or all that either
// snapshot names.
func diffObjects(before, after *snapshot.Snapshot, wanted []string) ([]string, error) {
	var all []string
	for _, p := range slices.Concat(before.Parts(), after.Parts(), before.PartsOf(snapshot.Components), after.PartsOf(snapshot.Components)) {
		all = append(all, p.Object)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(wanted) == 0 {
		return all, nil
	}
	var chosen []string
	for _, name := range wanted {
		i := slices.IndexFunc(all, func(o string) bool { return strings.EqualFold(o, name) })
		if i < 0 {
			return nil, problem.Newf(problem.NotFound, "neither snapshot holds an object %q", name).
				Hint("`holdfast show %s` lists what it holds", after.Info().Short())
		}
		chosen = append(chosen, all[i])
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

func diffObject(ctx context.Context, before, after *snapshot.Snapshot, object string, each func(ChangeRow) error) (DiffRow, error) {
	row := DiffRow{Object: object}
	a, heldA := wholePart(before, object)
	b, heldB := wholePart(after, object)
	switch {
	case !heldA && !heldB:
		row.Note = "neither snapshot holds it"
		return row, nil
	case !heldA:
		row.Note = "only the later snapshot holds it"
		return row, nil
	case !heldB:
		row.Note = "only the earlier snapshot holds it"
		return row, nil
	case a.Digest == b.Digest && a.Records == b.Records:
		return row, nil
	}
	var summary state.Summary
	images := newPictures(before, after)
	for change, err := range snapshot.Diff(ctx, before, after, object) {
		if err != nil {
			return row, err
		}
		change, left, err := images.unlike(ctx, change)
		if err != nil {
			return row, err
		}
		if !left {
			continue
		}
		summary.Count(change)
		if each == nil {
			continue
		}
		if err := each(changeRow(change)); err != nil {
			return row, err
		}
	}
	row.Created, row.Updated, row.Deleted, row.Fields = summary.Created, summary.Updated, summary.Deleted, summary.Fields
	return row, nil
}

func wholePart(sn *snapshot.Snapshot, object string) (snapshot.Part, bool) {
	p, named := sn.Part(object)
	return p, named && p.State == snapshot.Whole
}

func changeRow(c state.Change) ChangeRow {
	row := ChangeRow{Object: c.Object, ID: c.ID, Kind: c.Kind.String(), Fields: make([]FieldChangeRow, len(c.Fields))}
	for i, f := range c.Fields {
		row.Fields[i] = FieldChangeRow{Field: f.Field, Before: Value{f.Before}, After: Value{f.After}}
	}
	return row
}
