package capture_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/blob/file"
	"holdfast/internal/capture"
	"holdfast/internal/sf"
)

// wideOrg answers with as many records as it is told to, made as they are read.
type wideOrg struct {
	*fakeOrg
	rows  int
	peak  atomic.Uint64 // of the heap, sampled while rows are read
	touch map[int]bool  // records that changed since the first reading
}

func (o *wideOrg) Count(context.Context, string, bool) (int64, error) { return int64(o.rows), nil }

func (o *wideOrg) Counts(_ context.Context, objects []string) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, name := range objects {
		counts[name] = int64(o.rows)
	}
	return counts, nil
}

func (o *wideOrg) Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	shape := sf.NewShape(x.Object.Name, x.Fields)
	return func(yield func(sf.Record, error) bool) {
		stamp := sf.Text(stamp0.Format(sf.DatetimeLayout))
		for i := range o.rows {
			n := (i * 7919) % o.rows // every record once, in no order
			if !x.From.IsZero() && !o.touch[n] {
				continue
			}
			r := sf.Record{ID: idOf("a00", n), Shape: shape, Values: make([]sf.Value, shape.Len())}
			for f, name := range shape.Fields() {
				switch name {
				case "SystemModstamp":
					r.Values[f] = stamp
				case "IsDeleted":
					r.Values[f] = sf.Bool(false)
				default:
					r.Values[f] = sf.Text(fmt.Sprintf("%s of %d, version %t, %070d", name, n, o.touch[n], n))
				}
			}
			if i%20_000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				if m.HeapAlloc > o.peak.Load() {
					o.peak.Store(m.HeapAlloc)
				}
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// TestTrap18MemoryIsBounded reads many records and demands that the heap does not grow with them.
// HOLDFAST_LONG makes them two million.
func TestTrap18MemoryIsBounded(t *testing.T) {
	rows, limit := 60_000, uint64(128<<20) // the values alone are 70 MiB, and twice that while a buffer for them grows
	if os.Getenv("HOLDFAST_LONG") != "" {
		rows, limit = 2_000_000, 256<<20
	}
	var extra []*sf.Field
	for i := range 10 {
		extra = append(extra, &sf.Field{Name: fmt.Sprintf("Field%02d__c", i), Type: sf.TypeString})
	}
	bucket, err := file.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store := newStore(t, bucket)
	o := &wideOrg{fakeOrg: newOrg(object("Big__c", "a00", extra...)), rows: rows, touch: map[int]bool{}}
	began := time.Now()
	first, err := capture.Run(t.Context(), o, store, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := first.Snapshot.Records; n != int64(rows) {
		t.Fatalf("%d records held, want %d", n, rows)
	}
	took := time.Since(began)
	for i := 0; i < rows; i += 1000 {
		o.touch[i] = true
	}
	o.advance(time.Hour)
	second, err := capture.Run(t.Context(), o, store, capture.Options{Census: true})
	if err != nil {
		t.Fatal(err)
	}
	if c := part(t, second, "Big__c").Part.Changes; c.Updated != int64(len(o.touch)) || c.Created+c.Deleted != 0 {
		t.Errorf("changes %+v, want %d updates", c, len(o.touch))
	}
	if peak := o.peak.Load(); peak > limit {
		t.Errorf("the heap grew to %d MiB, want at most %d", peak>>20, limit>>20)
	}
	t.Logf("%d records in %v, heap at most %d MiB; stored %d bytes, then %d for %d changes", rows, took.Round(time.Millisecond),
		o.peak.Load()>>20, first.Snapshot.NewBytes, second.Snapshot.NewBytes, len(o.touch))
}
