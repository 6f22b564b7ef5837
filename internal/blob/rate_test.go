package blob_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
)

func TestRateIsABucket(t *testing.T) {
	blobtest.Bucket(t, func(*testing.T) blob.Bucket {
		return blob.NewRate(&blob.Memory{}, 1<<40, blob.Pace{Now: time.Now, Sleep: blobtest.Sleep})
	})
}

// TestRateIsKept moves bytes from several goroutines: together they take as long as the rate asks for, and no
// longer.
func TestRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, size, each, workers = 1000, 250, 10, 4
		b := blob.NewRate(&blob.Memory{}, perSecond, blob.Pace{Now: time.Now, Sleep: blobtest.Sleep})
		started := time.Now()
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for n := range each {
					key := fmt.Sprintf("%d/%d", w, n)
					if err := b.Put(t.Context(), key, make([]byte, size)); err != nil {
						t.Error(err)
					}
					if got, err := b.Get(t.Context(), key, 0, -1); err != nil || len(got) != size {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		const want = 2 * size * each * workers / perSecond * time.Second
		if took := time.Since(started); took < want || took > want+time.Second {
			t.Errorf("%d bytes took %v, want %v", 2*size*each*workers, took, want)
		}
	})
}
