package snapshot

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"holdfast/internal/blob"
)

// TestEqualBodiesWaitInBoundedMemory: a million records with one logo ask for one frame. Of those who ask some are
// told whenever the bound is met, and while the storage stands still nobody is added to them.
func TestEqualBodiesWaitInBoundedMemory(t *testing.T) {
	// The coders are made at their first use, and belong to no bubble.
	if _, err := unpackPiece(must(packPiece(prose(1, 1000)))); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		memory := &blob.Memory{}
		initRepository(t, memory)
		gate, slow := make(chan struct{}), false
		s := openStore(t, blob.NewFault(memory, nil, func(op blob.Op) blob.Outcome {
			if slow && op.Verb == "put" && class(op.Key) == string(classBody) {
				<-gate
			}
			return blob.Pass
		}))
		_, err := s.Write(t.Context(), draft(nil, day), func(w *Writer) error {
			b, told := w.Bodies(), 0
			put := func(ctx context.Context, n int, logo string) {
				for range n {
					if err := b.Put(ctx, bytes.NewReader([]byte(logo)), func(Body) error { told++; return nil }); err != nil {
						t.Error(err)
					}
				}
			}
			put(t.Context(), bundleAsked-1, "the logo")
			if told != 0 {
				t.Errorf("%d were told before anything was stored", told)
			}
			put(t.Context(), 2, "the logo")
			if told != bundleAsked+1 || len(b.open.asked) != 0 {
				t.Errorf("%d were told and %d wait, want %d and none", told, len(b.open.asked), bundleAsked+1)
			}

			told, slow = 0, true
			put(t.Context(), 1, "another logo")
			with := b.open
			go func() {
				if err := b.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
			go put(t.Context(), bundleAsked+10, "another logo")
			synctest.Wait()
			b.mu.Lock()
			waiting := len(with.asked)
			b.mu.Unlock()
			if waiting != bundleAsked {
				t.Errorf("%d wait for storage that stands still, want %d", waiting, bundleAsked)
			}
			close(gate)
			synctest.Wait()
			if told != bundleAsked+11 {
				t.Errorf("%d were told, want %d", told, bundleAsked+11)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
