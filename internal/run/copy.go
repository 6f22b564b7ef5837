package run

import (
	"context"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/snapshot"
)

// CopyInput says where a copy of the repository goes.
type CopyInput struct {
	Store  *snapshot.Store
	To     repo.Place
	Delete bool // what the repository has given up is deleted from the copy, too
	Damage bool // the copy may lack what is damaged in the repository
	DryRun bool

	// Progress is told now and then how much is done, never twice at once; nil is nobody.
	Progress func(snapshot.CopyProgress)
}

// CopyResult says what was copied.
type CopyResult struct {
	DryRun     bool      `json:"dry_run"`           // nothing was written
	New        bool      `json:"new"`               // there was no copy before
	Generation uint64    `json:"generation"`        // of the key table that was copied
	Copied     CountRow  `json:"copied"`            // stored objects that were written, or would be
	Present    CountRow  `json:"present"`           // stored objects that were there already
	Deleted    CountRow  `json:"deleted"`           // stored objects of the copy that the repository has given up
	Retained   CountRow  `json:"retained"`          // stored objects of the copy that are given up and locked
	Missing    []FlawRow `json:"missing,omitempty"` // what could not be copied
}

// FlawRow is a stored object that could not be copied.
type FlawRow struct {
	Key    string `json:"key"`     // in the storage
	InCopy bool   `json:"in_copy"` // it is the copy that is damaged
	Text   string `json:"text"`    // what is wrong
}

// Copy brings a second place to the state of the repository. The error is of kind Damaged when not
// everything could be copied, or when what is there is no earlier state of this repository.
func Copy(ctx context.Context, in CopyInput) (CopyResult, error) {
	got, err := in.Store.Copy(ctx, in.To, snapshot.CopyOptions{Delete: in.Delete, Damage: in.Damage, DryRun: in.DryRun}, in.Progress)
	out := CopyResult{
		DryRun: in.DryRun, New: got.New, Generation: got.Generation, Copied: countRow(got.Copied), Present: countRow(got.Present),
		Deleted: countRow(got.Deleted), Retained: countRow(got.Retained),
	}
	for _, f := range got.Missing {
		out.Missing = append(out.Missing, FlawRow{Key: f.Key, InCopy: f.InCopy, Text: f.Err.Error()})
	}
	return out, err
}

// RepairInput says what is repaired, and from where.
type RepairInput struct {
	Place    repo.Place // of the repository, which need not open
	From     repo.Place // of the second copy
	Identity *seal.Identity
	Quick    bool // what is missing or has another size, without reading every object
	DryRun   bool
	Seen     func(id string) (repo.Witness, error) // see snapshot.RepairOptions

	// Progress is told now and then how much is looked at, never twice at once; nil is nobody.
	Progress func(VerifyProgress)
}

// RepairResult says what was put back.
type RepairResult struct {
	DryRun  bool        `json:"dry_run"`          // nothing was written
	Keys    []MendRow   `json:"keys"`             // config, key files and objects of the key table
	Objects []MendRow   `json:"objects"`          // stored objects
	Aside   []MendRow   `json:"aside"`            // damaged stored objects that nothing relies on
	Unknown bool        `json:"unknown"`          // of a dry run: the keys come first, and nothing can be said of objects before
	Damage  []DamageRow `json:"damage,omitempty"` // what is still wrong
}

// MendRow is one thing that was put back, or that could not be.
type MendRow struct {
	Key        string `json:"key"`                  // in the storage
	Quarantine string `json:"quarantine,omitempty"` // key under which the damaged bytes are kept
	Error      string `json:"error,omitempty"`      // why it was not put back
}

// Repair puts back what is missing or damaged in a repository from its second copy. The error is of kind
// Damaged when something is still wrong, and of a dry run of kind Findings when something would be repaired.
func Repair(ctx context.Context, in RepairInput) (RepairResult, error) {
	var progress func(snapshot.Progress)
	if in.Progress != nil {
		progress = func(p snapshot.Progress) {
			in.Progress(VerifyProgress{Done: p.Done, Total: p.Total, Bytes: p.Read})
		}
	}
	got, err := snapshot.Repair(ctx, in.Place, in.From, in.Identity, snapshot.RepairOptions{Quick: in.Quick, DryRun: in.DryRun, Seen: in.Seen}, progress)
	out := RepairResult{
		DryRun: in.DryRun, Keys: mendRows(got.Keys), Objects: mendRows(got.Mended), Aside: mendRows(got.Aside), Unknown: got.Unknown,
		Damage: damageRows(got.Report),
	}
	if n := len(out.Keys) + len(out.Objects) + len(out.Aside); err == nil && in.DryRun && n > 0 {
		err = problem.Newf(problem.Findings, "%d stored objects are damaged or missing, and can be repaired", n).
			Hint("run the command again without --dry-run")
	}
	return out, err
}

func mendRows(all []repo.Mending) []MendRow {
	rows := make([]MendRow, 0, len(all))
	for _, m := range all {
		row := MendRow{Key: m.Key, Quarantine: m.Quarantine}
		if m.Err != nil {
			row.Error = m.Err.Error()
		}
		rows = append(rows, row)
	}
	return rows
}
