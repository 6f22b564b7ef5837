package run

import (
	"context"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// ForecastResult says what a backup would probably cost.
type ForecastResult struct {
	OrgID    sf.ID         `json:"org_id"`       // Id of the org
	Username string        `json:"username"`     // who would read it
	Instance string        `json:"instance_url"` // where the org's APIs are
	Objects  []ForecastRow `json:"objects"`      // that would be read, in that order
	Metadata MetadataRow   `json:"metadata"`     // that would be read
	Coverage []GapRow      `json:"-"`            // what would not be held, as far as it is known before
	Rows     int64         `json:"rows"`         // that the org would send
	Bytes    int64         `json:"bytes"`        // of their values and of the files of metadata, about
	Calls    int64         `json:"calls"`        // of the org's APIs
	Seconds  int64         `json:"seconds"`      // about how long it would take

	DailyUsed  int64 `json:"daily_used"`  // API calls of the last 24 hours, of everyone, as the org counts them
	DailyLimit int64 `json:"daily_limit"` // API calls that the org allows in 24 hours; 0 when it did not say
	Ceiling    int64 `json:"ceiling"`     // calls of everyone beyond which a backup does not go on
}

// MetadataRow says what reading metadata would probably cost.
type MetadataRow struct {
	Types      int   `json:"types"`      // metadata types that would be read; 0 when none would
	Components int64 `json:"components"` // listed, or held by the last snapshot
	Retrieves  int64 `json:"retrieves"`  // archives that the org would make
	Bytes      int64 `json:"bytes"`      // of their files, about
	Calls      int64 `json:"calls"`      // of the org's APIs
}

// ForecastRow says what reading one object would probably cost.
type ForecastRow struct {
	Object string `json:"object"`        // API name
	Mode   string `json:"mode"`          // full or changes
	Why    string `json:"why,omitempty"` // of a full reading
	Rows   int64  `json:"rows"`          // counted for a full reading, guessed for changes
	Bytes  int64  `json:"bytes"`         // of their values, about
	Calls  int64  `json:"calls"`         // of the org's APIs
}

// Forecast tells what Backup with the same input would cost; share is that of the daily calls that may
// be used up. The error is of kind Limits when the calls that are left of the share will not do.
func Forecast(ctx context.Context, in BackupInput, share float64) (ForecastResult, error) {
	if err := knownTypes(ctx, in.Options); err != nil {
		return ForecastResult{}, err
	}
	f, err := capture.Estimate(ctx, in.Source, in.Store, in.Options)
	if err != nil {
		return ForecastResult{}, err
	}
	out := ForecastResult{
		OrgID: f.Org.OrgID, Username: f.Org.Username, Instance: f.Org.InstanceURL,
		Objects: []ForecastRow{}, Metadata: MetadataRow(f.Metadata), Coverage: gapRows(f.Coverage),
		Rows: f.Rows, Bytes: f.Bytes, Calls: f.Calls, Seconds: int64(f.Time.Seconds()) + 1,
		DailyUsed: f.Usage.DailyUsed, DailyLimit: f.Usage.DailyLimit, Ceiling: int64(share * float64(f.Usage.DailyLimit)),
	}
	for _, p := range f.Parts {
		out.Objects = append(out.Objects, ForecastRow{
			Object: p.Object, Mode: string(p.Mode), Why: p.Why, Rows: p.Rows, Bytes: p.Bytes, Calls: p.Calls,
		})
	}
	if out.DailyLimit > 0 && out.DailyUsed+out.Calls > out.Ceiling {
		return out, problem.Newf(problem.Limits, "about %d calls are needed, and %d of %d are left of the share",
			out.Calls, max(0, out.Ceiling-out.DailyUsed), out.Ceiling).
			Hint("allow a larger share with --api-share, or back up all the same: what was read is kept, and the next run goes on")
	}
	return out, nil
}
