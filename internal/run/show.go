package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// ShowInput says what to show of a snapshot: all of it, one object, or one record.
type ShowInput struct {
	Store    *snapshot.Store
	OrgID    sf.ID  // what "latest" is the latest of; empty: of every org
	Snapshot string // beginning of an ID, or "latest"
	Object   string // empty: every object
	Record   string // Id of 15 or 18 characters; empty: none

	Statement bool // sign what the snapshot says of itself
}

// ShowResult is what a snapshot says of itself, or holds of a record.
type ShowResult struct {
	Snapshot   SnapshotRow    `json:"snapshot"`             // the snapshot
	APIVersion string         `json:"api_version"`          // version of the API that it was read with
	Parts      []PartRow      `json:"parts,omitempty"`      // the objects, by name
	Files      []FilesRow     `json:"files,omitempty"`      // the files of objects, by name
	Types      []TypePartRow  `json:"types,omitempty"`      // the metadata types, by name
	Components []ComponentRow `json:"components,omitempty"` // of the type that was asked for, by name
	Coverage   []GapRow       `json:"coverage,omitempty"`   // what is not held, and why
	Proof      *ProofRow      `json:"proof,omitempty"`      // what of the org is held, in numbers that add up
	Statement  string         `json:"statement,omitempty"`  // signed, when it was asked for
	Verifier   string         `json:"verifier,omitempty"`   // the key that checks the statement
	Record     *RecordRow     `json:"record,omitempty"`     // the record as it was
	Tombstone  *TombstoneRow  `json:"tombstone,omitempty"`  // of a record that is gone
}

// PartRow is one object in a snapshot.
type PartRow struct {
	Object    string    `json:"object"`             // API name
	State     string    `json:"state"`              // whole or absent
	Stale     bool      `json:"stale"`              // taken over from an earlier snapshot because reading it failed
	Reason    string    `json:"reason,omitempty"`   // why it is absent or stale
	Records   int64     `json:"records"`            // live records
	Expected  int64     `json:"expected"`           // what the org counted; -1 when it does not count
	From      time.Time `json:"from,omitzero"`      // window of observation: its beginning, server time
	To        time.Time `json:"to,omitzero"`        // window of observation: its end, server time
	Watermark time.Time `json:"watermark,omitzero"` // changes are known to be complete up to here, server time
	Digest    string    `json:"digest"`             // set hash of the records, hexadecimal
	Fields    int       `json:"fields"`             // number of fields that are held
	Layers    int       `json:"layers"`             // base and deltas that it is stored in
	Bytes     int64     `json:"bytes"`              // size as stored
}

// TypePartRow is one metadata type in a snapshot.
type TypePartRow struct {
	Type       string    `json:"type"`             // metadata type
	State      string    `json:"state"`            // whole or absent
	Stale      bool      `json:"stale"`            // taken over from an earlier snapshot because reading it failed
	Reason     string    `json:"reason,omitempty"` // why it is absent or stale
	Components int64     `json:"components"`       // that are held
	Listed     int64     `json:"listed"`           // that the org listed
	NotHeld    int64     `json:"not_held"`         // components whose files are not held
	Bytes      int64     `json:"bytes"`            // of the files of those that are held, before compression
	From       time.Time `json:"from,omitzero"`    // window of observation: its beginning, server time
	To         time.Time `json:"to,omitzero"`      // window of observation: its end, server time
	FullAt     time.Time `json:"full_at,omitzero"` // when all components were retrieved for the last time, server time
}

// ComponentRow is one component in a snapshot.
type ComponentRow struct {
	Type       string    `json:"type"`                // metadata type
	Name       string    `json:"name"`                // full name
	Held       bool      `json:"held"`                // its files are
	Namespace  string    `json:"namespace,omitempty"` // of the package that it comes from
	Installed  bool      `json:"installed"`           // it is of a managed package
	Version    int       `json:"version,omitempty"`   // of a flow
	Status     string    `json:"status,omitempty"`    // of a flow
	ModifiedBy string    `json:"modified_by"`         // full name of who changed it last, as the org says
	Modified   time.Time `json:"modified,omitzero"`   // when, as the org says, server time
	Sum        string    `json:"sum,omitempty"`       // SHA-256 of the canonical form of its files, hexadecimal
}

// RecordRow is one record as the snapshot holds it.
type RecordRow struct {
	Object string     `json:"object"` // API name
	ID     sf.ID      `json:"id"`     // Id of the record
	Fields []FieldRow `json:"fields"` // the fields that are held, by name
	Files  []FileRow  `json:"files"`  // its files, by field
}

// TombstoneRow says that a record is gone, since when, and how that is known.
type TombstoneRow struct {
	Object   string    `json:"object"`   // API name
	ID       sf.ID     `json:"id"`       // Id of the record
	At       time.Time `json:"at"`       // when it was deleted or, where that is not known, found gone; server time
	Evidence string    `json:"evidence"` // how that is known: recycle bin, deletion log or census
}

// Show reads a snapshot's manifest and coverage, or one record as of it. Errors: NotFound for a
// snapshot, an object or a record that is not held; Usage for an Id that is none.
func Show(ctx context.Context, in ShowInput) (ShowResult, error) {
	sn, err := held(ctx, in.Store, in.Snapshot, ofOrg(in.OrgID)...)
	if err != nil {
		return ShowResult{}, err
	}
	out := ShowResult{Snapshot: snapshotRow(sn.Info()), APIVersion: sn.Schema().APIVersion}
	if in.Record != "" {
		err := showRecord(ctx, sn, in, &out)
		return out, err
	}
	if in.Statement {
		st, err := sn.Statement(ctx)
		if err != nil {
			return out, err
		}
		out.Statement, out.Verifier = st.Text, st.Verifier
	}
	for _, p := range sn.Parts() {
		if in.Object == "" || strings.EqualFold(p.Object, in.Object) {
			out.Parts = append(out.Parts, partRow(p))
		}
	}
	out.Files = filesRows(sn, in.Object)
	if err := showComponents(ctx, sn, in.Object, &out); err != nil {
		return out, err
	}
	for _, g := range gapRows(sn.Coverage()) {
		if in.Object == "" || strings.EqualFold(g.Object, in.Object) {
			out.Coverage = append(out.Coverage, g)
		}
	}
	if in.Object != "" && len(out.Parts)+len(out.Types)+len(out.Coverage) == 0 {
		return out, unknownObject(sn, in.Object)
	}
	if in.Object == "" {
		out.Proof = proofOf(sn)
	}
	return out, nil
}

func unknownObject(sn *snapshot.Snapshot, name string) error {
	return problem.Newf(problem.NotFound, "snapshot %s knows no object %q", sn.Info().Short(), name).
		Hint("`holdfast show %s` lists what it holds", sn.Info().Short())
}

func partRow(p snapshot.Part) PartRow {
	return PartRow{
		Object: p.Object, State: string(p.State), Stale: p.Stale, Reason: p.Reason,
		Records: p.Records, Expected: p.Expected, From: p.From, To: p.To, Watermark: p.Watermark,
		Digest: p.Digest.String(), Fields: len(p.Fields), Layers: p.Layers, Bytes: p.Bytes,
	}
}

// showRecord reads one record, or its tombstone.
func showRecord(ctx context.Context, sn *snapshot.Snapshot, in ShowInput, out *ShowResult) error {
	id, err := sf.ParseID(in.Record)
	if err != nil {
		return problem.Newf(problem.Usage, "%q is no record Id", in.Record).Hint("give its 15 or 18 characters")
	}
	object, err := objectOf(sn, id, in.Object)
	if err != nil {
		return err
	}
	v, err := sn.Version(ctx, object, id)
	if err != nil {
		return fmt.Errorf("read %s %s: %w", object, id, err)
	}
	switch {
	case v.Live():
		files, err := filesOfRecord(ctx, sn, object, id)
		if err != nil {
			return fmt.Errorf("read the files of %s %s: %w", object, id, err)
		}
		out.Record = &RecordRow{Object: object, ID: id, Fields: fieldRows(v.Record), Files: []FileRow{}}
		for _, f := range files {
			out.Record.Files = append(out.Record.Files, f.FileRow)
		}
		return nil
	case v.Gone():
		out.Tombstone = &TombstoneRow{Object: object, ID: id, At: v.Tombstone.At, Evidence: v.Tombstone.Evidence}
		return nil
	}
	return problem.Newf(problem.NotFound, "snapshot %s holds no %s with the Id %s", sn.Info().Short(), object, id).
		Hint("`holdfast snapshots` lists earlier ones")
}

// fieldRows returns the fields that the record has, by name.
func fieldRows(r sf.Record) []FieldRow {
	rows := make([]FieldRow, 0, len(r.Values))
	for i, name := range r.Shape.Fields() {
		if !r.Values[i].IsAbsent() {
			rows = append(rows, FieldRow{Field: name, Value: Value{r.Values[i]}})
		}
	}
	return rows
}

// objectOf returns the held object that was named, or else the one to which the key prefix of the Id
// belongs.
func objectOf(sn *snapshot.Snapshot, id sf.ID, name string) (string, error) {
	if name == "" {
		objects := sn.Schema().Objects
		i := slices.IndexFunc(objects, func(o *sf.Object) bool {
			_, held := wholePart(sn, o.Name)
			return held && o.KeyPrefix == id.KeyPrefix()
		})
		if i < 0 {
			return "", problem.Newf(problem.NotFound, "snapshot %s holds no object whose Ids begin with %s",
				sn.Info().Short(), id.KeyPrefix()).Hint("name the object of the record")
		}
		return objects[i].Name, nil
	}
	return objectNamed(sn, name)
}

// objectNamed returns the held object of that name, whatever its case.
func objectNamed(sn *snapshot.Snapshot, name string) (string, error) {
	for _, p := range sn.Parts() {
		if strings.EqualFold(p.Object, name) && p.State == snapshot.Whole {
			return p.Object, nil
		}
	}
	return "", unknownObject(sn, name)
}
