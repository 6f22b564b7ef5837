package run

import (
	"context"
	"slices"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// RangeRow is what is likely, and between what it will probably be.
type RangeRow struct {
	Low    int64 `json:"low"`    // at least, probably
	Likely int64 `json:"likely"` // most likely
	High   int64 `json:"high"`   // at most, probably
}

// PlanForecast says what applying a plan will probably take, the observation at its end included.
type PlanForecast struct {
	Calls    RangeRow          `json:"calls"`        // of the org's APIs
	Bytes    RangeRow          `json:"bytes"`        // of the values of rows and records, as text
	Millis   RangeRow          `json:"milliseconds"` // how long it takes
	Measured int               `json:"measured"`     // earlier applications to the org from whose journals the times are; 0: stated defaults
	Kinds    []PlanForecastRow `json:"kinds"`        // the same by kind of calls
}

// PlanForecastRow says what calls of one kind will probably take.
type PlanForecastRow struct {
	Kind     string   `json:"kind"`         // describe, clock, query, write, undelete, bulk, file, metadata, bypass or observe
	Rows     int64    `json:"rows"`         // that they carry
	Calls    RangeRow `json:"calls"`        // of the org's APIs
	Bytes    RangeRow `json:"bytes"`        // of the values of rows and records, as text
	Millis   RangeRow `json:"milliseconds"` // how long they take
	Measured bool     `json:"measured"`     // calls of this kind were measured by earlier applications
}

// SpentRow says what calls of one kind took.
type SpentRow struct {
	Kind   string `json:"kind"`         // as in the forecast
	Calls  int64  `json:"calls"`        // of the org's APIs
	Rows   int64  `json:"rows"`         // that they carried
	Jobs   int64  `json:"jobs"`         // of Bulk API 2.0
	Bytes  int64  `json:"bytes"`        // of the values of rows and records, as text
	Millis int64  `json:"milliseconds"` // how long they took
}

// ForecastPlan forecasts the application of a plan, without asking the org. The times are those that the journals
// at these paths measured in the same org, where they have any. It is nil where the state that the plan was
// made on cannot be read, and of a plan without steps.
func ForecastPlan(ctx context.Context, store *snapshot.Store, p *plan.Plan, journals []string) *PlanForecast {
	if store == nil || p.Empty() {
		return nil
	}
	live, err := store.Load(ctx, p.Source.Live)
	if err != nil {
		return nil
	}
	return forecastOn(ctx, p, live, journals)
}

// forecastOn is ForecastPlan on a live state that was read.
func forecastOn(ctx context.Context, p *plan.Plan, live liveState, journals []string) *PlanForecast {
	if p.Empty() {
		return nil
	}
	basis := apply.Basis{Schema: live.Schema(), ObserveCalls: live.Info().Calls, Held: func(object string, ids []sf.ID, fields []string) map[sf.ID]int64 {
		return heldIn(ctx, live, object, ids, fields)
	}}
	basis.Spent, basis.Applications = apply.Measured(p.Org, journals)
	f := apply.Estimate(p, basis)
	out := &PlanForecast{
		Calls: RangeRow(f.Calls), Bytes: RangeRow(f.Bytes), Millis: RangeRow(f.Millis), Measured: f.Measured, Kinds: []PlanForecastRow{},
	}
	for _, k := range f.Kinds {
		out.Kinds = append(out.Kinds, PlanForecastRow{
			Kind: k.Kind, Rows: k.Rows, Calls: RangeRow(k.Calls), Bytes: RangeRow(k.Bytes), Millis: RangeRow(k.Millis), Measured: k.Measured,
		})
	}
	return out
}

// heldIn says how many bytes of text the fields have by record. What cannot be read is left out: this serves forecasts.
func heldIn(ctx context.Context, live liveState, object string, ids []sf.ID, fields []string) map[sf.ID]int64 {
	out := make(map[sf.ID]int64, len(ids))
	if _, has := live.Part(object); !has {
		return out
	}
	for r, err := range live.Lookup(ctx, object, slices.Values(ids)) {
		if err != nil {
			return out
		}
		size := int64(0)
		for _, name := range fields {
			size += int64(len(r.Get(name).Text()))
		}
		out[r.ID] = size
	}
	return out
}

// counted makes the application count the calls of the connection.
func (in *ApplyInput) counted() {
	if in.Options.Calls == nil {
		in.Options.Calls = func() int64 { return in.Org.Usage().Calls }
	}
	if in.Options.Now == nil {
		in.Options.Now = time.Now
	}
}

// observing runs f, which observes the org again, and writes down what that took.
func (in ApplyInput) observing(journal *apply.Journal, out *ApplyResult, f func() error) error {
	begun, before := in.Options.Now(), in.Options.Calls()
	err := f()
	s := apply.Spent{Kind: apply.KindObserve, Calls: in.Options.Calls() - before, Time: in.Options.Now().Sub(begun)}
	if s.Calls == 0 || out.Before {
		return err
	}
	out.spend(s)
	if failed := journal.Spent(s); err == nil {
		err = failed
	}
	return err
}

// spend adds what was spent to the result.
func (out *ApplyResult) spend(spent ...apply.Spent) {
	for _, s := range spent {
		out.Spent = append(out.Spent, SpentRow{Kind: s.Kind, Calls: s.Calls, Rows: s.Rows, Jobs: s.Jobs, Bytes: s.Bytes, Millis: s.Time.Milliseconds()})
	}
}
