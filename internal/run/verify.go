package run

import (
	"context"

	"holdfast/internal/problem"
	"holdfast/internal/snapshot"
)

// VerifyInput says what to verify.
type VerifyInput struct {
	Store    *snapshot.Store
	Snapshot string // beginning of an ID, or "latest"; empty: everything that the repository holds
	Parallel int    // objects read at once; 0 is one per processor

	// Part, from 1, of so many Parts: one share of all objects, so that all shares are everything. Zero Parts
	// is everything.
	Part, Parts int

	// Progress is told now and then how much is done, never twice at once; nil is nobody.
	Progress func(VerifyProgress)
}

// VerifyProgress says how far a verification has come.
type VerifyProgress struct {
	Done, Total int
	Bytes       int64
}

// VerifyResult says what was read again, and what is wrong with it.
type VerifyResult struct {
	Snapshots   int           `json:"snapshots"`           // snapshots in the repository
	Parts       int           `json:"parts"`               // objects that are held, counted in every snapshot
	Records     int64         `json:"records"`             // versions decoded and hashed
	Objects     int           `json:"stored_objects"`      // objects in the storage
	Stored      int64         `json:"stored_bytes"`        // their size
	Read        int64         `json:"read_bytes"`          // bytes that were read again
	Quarantined int           `json:"quarantined"`         // damaged objects that were repaired, and are kept aside
	Keyless     []string      `json:"keyless,omitempty"`   // stored objects that no snapshot relies on and no key opens
	Unpublished int           `json:"unpublished"`         // stored objects that no snapshot relies on
	Foreign     []string      `json:"foreign,omitempty"`   // keys in the storage that no version of this program writes
	Lone        []string      `json:"lone,omitempty"`      // objects of the key table of which one of two copies is missing
	Statement   *StatementRow `json:"statement,omitempty"` // of --statement, which verifies nothing else
	Damage      []DamageRow   `json:"damage,omitempty"`    // what is not as it was stored
}

// StatementRow says what a statement was found to be.
type StatementRow struct {
	Snapshot string `json:"snapshot"`        // Id of the snapshot of which it speaks
	Verifier string `json:"verifier"`        // the key that its signature was checked with
	Drill    string `json:"drill,omitempty"` // lines that a drill of the snapshot has stated
}

// VerifyStatement checks a signed statement, by the given key or else by that of the repository, and that the
// snapshot still is what it says.
func VerifyStatement(ctx context.Context, store *snapshot.Store, signed []byte, verifier string) (StatementRow, error) {
	stated, err := store.CheckStatement(ctx, signed, verifier)
	return StatementRow{Snapshot: stated.Snapshot, Verifier: stated.Verifier, Drill: stated.Drill}, err
}

// DamageRow is one thing that is not as it was stored.
type DamageRow struct {
	Key       string   `json:"key"`              // in the storage
	Object    string   `json:"object,omitempty"` // whose part is affected
	Snapshots []string `json:"snapshots"`        // that rely on it
	Text      string   `json:"text"`             // what is wrong
}

// Verify reads every stored byte again, decrypts and decodes it and recomputes every digest. The
// error is of kind Damaged when anything is wrong; the result then lists all of it.
func Verify(ctx context.Context, in VerifyInput) (VerifyResult, error) {
	var progress func(snapshot.Progress)
	if in.Progress != nil {
		progress = func(p snapshot.Progress) {
			in.Progress(VerifyProgress{Done: p.Done, Total: p.Total, Bytes: p.Read})
		}
	}
	if in.Snapshot == snapshot.Latest {
		sn, err := held(ctx, in.Store, in.Snapshot)
		if err != nil {
			return VerifyResult{}, err
		}
		in.Snapshot = sn.Info().ID
	}
	report, err := in.Store.Verify(ctx, snapshot.VerifyOptions{Snapshot: in.Snapshot, Parallel: in.Parallel, Part: in.Part, Parts: in.Parts}, progress)
	if err != nil && problem.KindOf(err) != problem.Damaged {
		return VerifyResult{}, err
	}
	return verifyResult(report), err
}

func verifyResult(r snapshot.Report) VerifyResult {
	out := VerifyResult{
		Snapshots: r.Snapshots, Parts: r.Parts, Records: r.Records, Objects: r.Objects,
		Stored: r.Bytes, Read: r.Read, Unpublished: r.Unpublished, Foreign: r.Foreign, Lone: r.Lone,
		Quarantined: r.Quarantined, Keyless: r.Keyless,
	}
	out.Damage = damageRows(r)
	return out
}

func damageRows(r snapshot.Report) []DamageRow {
	var rows []DamageRow
	for _, f := range r.Findings {
		rows = append(rows, DamageRow{
			Key: f.Key, Object: f.Object, Snapshots: append([]string{}, f.Snapshots...), Text: f.Text,
		})
	}
	return rows
}
