package capture_test

import (
	"testing"

	"holdfast/internal/capture"
	"holdfast/internal/component"
)

// TestForecastOfMetadata: what metadata costs is foretold, of a first run and of later ones, which are foretold
// without listing anything.
func TestForecastOfMetadata(t *testing.T) {
	e := componentOrg(t)
	files, profiles := generated(60, 3)
	e.deploy(files)
	e.deploy(profiles)
	for run, most := range []int64{1000, 12} {
		before := e.client.Usage().Calls
		f, err := capture.Estimate(t.Context(), e.client, e.store, e.opts)
		if err != nil {
			t.Fatal(err)
		}
		if spent := e.client.Usage().Calls - before; spent > most {
			t.Errorf("run %d: the forecast itself costs %d calls", run, spent)
		}
		before = e.client.Usage().Calls
		r := e.back()
		spent, held := e.client.Usage().Calls-before, int64(0)
		for _, p := range r.Parts {
			held += p.Part.Records
		}
		t.Logf("run %d: forecast %+v, spent %d calls on %d components", run, f.Metadata, spent, held)
		if f.Calls < spent*2/3 || f.Calls > spent*3/2 {
			t.Errorf("run %d: %d calls foretold, %d spent", run, f.Calls, spent)
		}
		// Which standard value sets an org has is known when it gives them.
		if n := f.Metadata.Components; n < held || n > held+int64(len(component.StandardValueSets()))*int64(1-run) || f.Metadata.Types == 0 || f.Bytes < f.Metadata.Bytes {
			t.Errorf("run %d: forecast %+v, %d components held", run, f.Metadata, held)
		}
	}
	e.opts.Metadata = nil
	f, err := capture.Estimate(t.Context(), e.client, e.store, e.opts)
	if err != nil || f.Metadata != (capture.ComponentForecast{}) {
		t.Errorf("metadata that is not read: %+v, %v", f.Metadata, err)
	}
}
