package run

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// BackupInput says what to back up, and where to.
type BackupInput struct {
	Source  capture.Source
	Store   *snapshot.Store
	Options capture.Options
}

// BackupResult says what a backup did.
type BackupResult struct {
	OrgID    sf.ID            `json:"org_id"`             // Id of the org
	Username string           `json:"username"`           // who read it
	Instance string           `json:"instance_url"`       // where the org's APIs are
	Snapshot SnapshotRow      `json:"snapshot"`           // the new snapshot
	Objects  []BackupRow      `json:"objects"`            // what became of each object, by name
	Files    []BackupFilesRow `json:"files"`              // what became of the files of each object, by name
	Types    []ComponentPart  `json:"components"`         // what became of each metadata type, by name
	Coverage []GapRow         `json:"coverage"`           // what the snapshot does not hold, and why
	Totals   BackupTotals     `json:"totals"`             // sums over the objects
	Limits   BackupLimits     `json:"limits"`             // what was spent of the org's limits
	Forecast *ForecastResult  `json:"forecast,omitempty"` // of a dry run, which has neither a snapshot nor totals
	Window   time.Duration    `json:"-"`                  // from the beginning of the first part to the end of the last
}

// BackupRow says what became of one object.
type BackupRow struct {
	Object string `json:"object"`         // API name
	Mode   string `json:"mode"`           // full, changes, carried, stale or absent
	Why    string `json:"why,omitempty"`  // of a full reading, or of a failure
	Hint   string `json:"hint,omitempty"` // what to do about a failure

	Records int64 `json:"records"` // live, as the snapshot holds them
	Created int64 `json:"created"` // new since the last snapshot; of a first reading, all
	Updated int64 `json:"updated"` // changed since the last snapshot
	Deleted int64 `json:"deleted"` // gone since the last snapshot
	Read    int64 `json:"read"`    // rows that the org sent
	Bytes   int64 `json:"bytes"`   // of the values that the org sent

	// Deletions by what proves them.
	FromBin    int64 `json:"deleted_recycle_bin"` // deletions that the Recycle Bin shows
	FromLog    int64 `json:"deleted_log"`         // deletions that the org's log names
	FromCensus int64 `json:"deleted_census"`      // deletions that only a comparison of Ids shows

	From      time.Time `json:"from,omitzero"`      // window of observation: its beginning, server time
	To        time.Time `json:"to,omitzero"`        // window of observation: its end, server time
	Watermark time.Time `json:"watermark,omitzero"` // changes are known to be complete up to here, server time
	Settled   string    `json:"settled,omitempty"`  // how a difference of counts was explained
}

// ComponentPart says what became of the components of one metadata type.
type ComponentPart struct {
	Type       string   `json:"type"`             // metadata type
	Mode       string   `json:"mode"`             // full, changes, carried, stale or absent
	Why        string   `json:"why,omitempty"`    // of a failure
	Hint       string   `json:"hint,omitempty"`   // what to do about a failure
	Components int64    `json:"components"`       // that the snapshot holds
	Added      int64    `json:"added"`            // since the last snapshot; of a first reading, all
	Changed    int64    `json:"changed"`          // since the last snapshot, their dates and authors included
	Removed    int64    `json:"removed"`          // since the last snapshot
	Retrieved  int64    `json:"retrieved"`        // that the org sent
	Bytes      int64    `json:"bytes"`            // of the files that the org sent
	Broken     []string `json:"broken,omitempty"` // components that the org could not give
}

// BackupTotals are sums over the objects.
type BackupTotals struct {
	Objects int   `json:"objects"` // objects that the snapshot names
	Failed  int   `json:"failed"`  // objects that could not be read: stale or absent
	Created int64 `json:"created"` // records that are new since the last snapshot
	Updated int64 `json:"updated"` // records that changed since the last snapshot
	Deleted int64 `json:"deleted"` // records that are gone since the last snapshot
	Records int64 `json:"records"` // live records in the snapshot
	Read    int64 `json:"read"`    // rows that the org sent
	Bytes   int64 `json:"bytes"`   // of the values that were read
	Stored  int64 `json:"stored"`  // bytes added to the repository
}

// BackupLimits is what the backup spent of the org's limits.
type BackupLimits struct {
	Calls      int64 `json:"calls"`       // API calls of this backup
	DailyUsed  int64 `json:"daily_used"`  // API calls of the last 24 hours, of everyone, as the org counts them
	DailyLimit int64 `json:"daily_limit"` // API calls that the org allows in 24 hours; 0 when it did not say
}

// Backup captures the org into a new snapshot. When parts of it failed the result is complete and
// the error is of kind Partial; with any other error nothing was published.
func Backup(ctx context.Context, in BackupInput) (BackupResult, error) {
	if err := knownTypes(ctx, in.Options); err != nil {
		return BackupResult{Objects: []BackupRow{}, Files: []BackupFilesRow{}, Types: []ComponentPart{}, Coverage: []GapRow{}}, err
	}
	captured, err := capture.Run(ctx, in.Source, in.Store, in.Options)
	out := BackupResult{
		Objects: []BackupRow{}, Files: []BackupFilesRow{}, Types: []ComponentPart{}, Coverage: []GapRow{},
		OrgID: captured.Org.OrgID, Username: captured.Org.Username, Instance: captured.Org.InstanceURL,
		Limits: BackupLimits{
			Calls: captured.Calls, DailyUsed: captured.Usage.DailyUsed, DailyLimit: captured.Usage.DailyLimit,
		},
	}
	if captured.Snapshot.ID == "" {
		return out, err
	}
	out.Snapshot = snapshotRow(captured.Snapshot)
	out.Window = captured.Snapshot.To.Sub(captured.Snapshot.From)
	out.Coverage = gapRows(captured.Coverage)
	out.Totals = BackupTotals{
		Objects: len(captured.Parts), Failed: len(captured.Failed()),
		Records: captured.Snapshot.Records, Stored: captured.Snapshot.NewBytes,
	}
	for _, f := range captured.Files {
		out.Files = append(out.Files, backupFilesRow(f))
	}
	for _, p := range captured.Parts {
		if kind, ok := snapshot.Components.Of(p.Object); ok {
			out.Types = append(out.Types, componentPart(kind, p))
			out.Totals.Objects--
			continue
		}
		row := backupRow(p)
		out.Objects = append(out.Objects, row)
		out.Totals.Created += row.Created
		out.Totals.Updated += row.Updated
		out.Totals.Deleted += row.Deleted
		out.Totals.Read += row.Read
		out.Totals.Bytes += row.Bytes
	}
	return out, err
}

func componentPart(kind string, p capture.PartResult) ComponentPart {
	row := ComponentPart{
		Type: kind, Mode: string(p.Mode), Why: p.Why, Hint: p.Hint, Components: p.Part.Records, Retrieved: p.Read, Bytes: p.Bytes, Broken: p.Broken,
	}
	if p.Mode == capture.ModeFull || p.Mode == capture.ModeChanges {
		row.Added, row.Changed, row.Removed = p.Part.Changes.Created, p.Part.Changes.Updated, p.Part.Changes.Deleted
	}
	return row
}

func backupRow(p capture.PartResult) BackupRow {
	row := BackupRow{
		Object: p.Object, Mode: string(p.Mode), Why: p.Why, Hint: p.Hint,
		Records: p.Part.Records, Read: p.Read, Bytes: p.Bytes,
		FromBin: p.Buried.Bin, FromLog: p.Buried.Log, FromCensus: p.Buried.Census,
		From: p.Part.From, To: p.Part.To, Watermark: p.Part.Watermark, Settled: p.Settled,
	}
	if p.Mode == capture.ModeFull || p.Mode == capture.ModeChanges {
		row.Created, row.Updated, row.Deleted = p.Part.Changes.Created, p.Part.Changes.Updated, p.Part.Changes.Deleted
	}
	return row
}

func gapRows(gaps []snapshot.Gap) []GapRow {
	rows := make([]GapRow, len(gaps))
	for i, g := range gaps {
		rows[i] = GapRow{Object: g.Object, Field: g.Field, Rule: string(capture.Of(g.Reason)), Reason: g.Reason}
	}
	return rows
}

// knownTypes refuses metadata types that are to be read alone and that the org does not describe: a misspelt one
// would hold nothing.
func knownTypes(ctx context.Context, o capture.Options) error {
	prefix := string(snapshot.Components) + "/"
	asked := slices.DeleteFunc(slices.Clone(o.Include), func(n string) bool { return !strings.HasPrefix(n, prefix) })
	if len(asked) == 0 || o.Metadata == nil {
		return nil
	}
	types, _, err := o.Metadata.MetadataTypes(ctx)
	if err != nil {
		return fmt.Errorf("describe the metadata types of the org: %w", err)
	}
	names := []string{"DashboardFolder", "DocumentFolder", "EmailFolder", "ReportFolder"} // held, and described by no org
	within := map[string]string{}
	for _, t := range types {
		names = append(names, t.Name)
		for _, child := range t.Children {
			within[strings.ToLower(child)] = t.Name
		}
	}
	for _, name := range asked {
		pattern := strings.ToLower(strings.TrimPrefix(name, prefix))
		if parent := within[pattern]; parent != "" {
			return problem.Newf(problem.Usage, "components of type %q are held within those of %s", strings.TrimPrefix(name, prefix), parent).
				Hint("give %s%s", prefix, parent)
		}
		if slices.ContainsFunc(names, func(n string) bool { ok, _ := path.Match(pattern, strings.ToLower(n)); return ok }) {
			continue
		}
		err := problem.Newf(problem.NotFound, "the org has no metadata type %q", strings.TrimPrefix(name, prefix))
		if near := sf.Near(pattern, names); near != "" {
			return err.Hint("%s", near)
		}
		return err.Hint("give names of the Metadata API, such as %sFlow", prefix)
	}
	return nil
}
