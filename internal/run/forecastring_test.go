package run_test

import (
	"math"
	"testing"
	"time"

	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// A ring so large that its links are set by job: every edge comes back, and what it takes is what was forecast.
func TestForecastOfASecondPassByJob(t *testing.T) {
	const size = 2_050
	w := newWard(t, 9)
	from := len(w.ids["Contact"])
	var rows []testkit.Row
	for range size {
		rows = append(rows, testkit.Row{"LastName": "Ring"})
	}
	w.insert("Contact", rows)
	ring := w.ids["Contact"][from:]
	rows = nil
	for i, id := range ring {
		rows = append(rows, testkit.Row{"Id": id, "ReportsToId": ring[(i+1)%size]})
	}
	w.update("Contact", rows)
	w.server.Clock().Advance(time.Hour)

	want := w.dump()
	before := w.backup()
	w.must(w.loader.Delete(t.Context(), ring))
	w.must(w.loader.EmptyRecycleBin(t.Context(), ring))
	w.server.Clock().Advance(time.Hour)
	out := w.apply(w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID}))
	w.same(want, out.NewIDs)

	forecast := map[string]run.PlanForecastRow{}
	for _, k := range out.Forecast.Kinds {
		forecast[k.Kind] = k
	}
	jobs := int64(0)
	for _, s := range out.Spent {
		f := forecast[s.Kind]
		switch s.Kind {
		case "query", "write", "describe":
			if f.Calls.Likely != s.Calls || f.Rows != s.Rows {
				t.Errorf("%s: %d calls for %d rows were forecast, and %d for %d were made", s.Kind, f.Calls.Likely, f.Rows, s.Calls, s.Rows)
			}
		case "bulk":
			if jobs = s.Jobs; f.Rows != s.Rows || math.Abs(float64(f.Bytes.Likely-s.Bytes)) > 0.02*float64(s.Bytes) {
				t.Errorf("%d rows and %d bytes in jobs were forecast, and %d and %d sent", f.Rows, f.Bytes.Likely, s.Rows, s.Bytes)
			}
		}
	}
	if jobs != 2 || forecast["bulk"].Rows != 2*size || forecast["write"].Calls.Likely != 0 {
		t.Errorf("%d jobs; forecast %+v", jobs, forecast)
	}
}
