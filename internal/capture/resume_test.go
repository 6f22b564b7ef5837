package capture_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// spent is the error of an org that allows no more calls.
var spent = problem.New(problem.Limits, "the API budget is used up")

// TestAnInterruptedRunIsGoneOnWith cuts a first reading short after every so many rows: the runs after it
// read only what is left and what changed, and the result is what one run would have made.
func TestAnInterruptedRunIsGoneOnWith(t *testing.T) {
	for _, why := range []error{spent, context.Canceled, errors.New("ENOSPC")} {
		t.Run(why.Error(), func(t *testing.T) {
			b := newBench(t, object("Big__c", "a00"))
			b.opts.RangeRows, b.opts.Overlap = 300, -1
			ids := b.org.insert("Big__c", 3000)
			b.org.advance(time.Minute) // so that what is read again has changed
			var sent atomic.Int64      // of two ranges at once
			b.org.during = func(x sf.Extract, _ int) {
				if len(x.Fields) > 2 { // no census
					sent.Add(1)
				}
			}
			cut := &cutOrg{fakeOrg: b.org, left: 1100, why: why}
			if _, err := capture.Run(t.Context(), cut, b.store, b.opts); err == nil {
				t.Fatal("the reading was not cut short")
			}
			if n := snapshots(t, b.store); n != 0 {
				t.Fatalf("%d snapshots of a run that was cut short", n)
			}
			b.org.advance(time.Minute)
			b.org.update("Big__c", ids[7], "Name", "changed meanwhile") // was read already
			b.org.remove("Big__c", ids[8])
			b.org.hardDelete("Big__c", true, ids[9])
			b.org.insert("Big__c", 5)
			sent.Store(0)
			r := b.back()
			p := part(t, r, "Big__c")
			rows := int(sent.Load())
			if p.Kept < 600 || rows > 3005-int(p.Kept)+20 {
				t.Errorf("kept %d rows, and %d were sent again", p.Kept, rows)
			}
			b.wantSame("Big__c")
			if got := b.tombstones("Big__c"); got[ids[8]] == "" || got[ids[9]] == "" {
				t.Errorf("deletions since: %v", got)
			}
			if err := b.check(); err != nil {
				t.Error(err)
			}
			if begun, err := b.store.Begun(t.Context(), r.Org.OrgID); err != nil || len(begun) != 0 {
				t.Errorf("what was begun stays behind: %v %v", begun, err)
			}
			if p.Part.From.After(stamp0.Add(time.Minute)) {
				t.Errorf("the window begins at %v, when the first run had read some of it", p.Part.From)
			}
		})
	}
}

// cutOrg ends its answers with an error after so many rows.
type cutOrg struct {
	*fakeOrg
	left int
	why  error
}

func (o *cutOrg) Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	return func(yield func(sf.Record, error) bool) {
		for r, err := range o.fakeOrg.Records(ctx, x) {
			if err == nil {
				if o.mu.Lock(); o.left <= 0 {
					err = o.why
				}
				o.left--
				o.mu.Unlock()
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func (b *bench) check() error {
	b.Helper()
	_, err := b.store.Verify(b.Context(), snapshot.VerifyOptions{}, nil)
	return err
}

// TestWhatWasBegunIsReadAnewWhenTheObjectChanged: values of another field or type are others.
func TestWhatWasBegunIsReadAnewWhenTheObjectChanged(t *testing.T) {
	b := newBench(t, object("Big__c", "a00", &sf.Field{Name: "Size__c", Type: sf.TypeString}))
	b.opts.RangeRows = 100
	b.org.insert("Big__c", 1000)
	cut := &cutOrg{fakeOrg: b.org, left: 500, why: spent}
	if _, err := capture.Run(t.Context(), cut, b.store, b.opts); err == nil {
		t.Fatal("the reading was not cut short")
	}
	b.org.describe(object("Big__c", "a00", &sf.Field{Name: "Size__c", Type: sf.TypeDouble}))
	r := b.back()
	if p := part(t, r, "Big__c"); p.Kept != 0 || p.Read < 1000 {
		t.Errorf("kept %d rows of another type, read %d", p.Kept, p.Read)
	}
	b.wantSame("Big__c")
}

// TestAClosedPartIsNotedToo: an interrupted run that had read many changes of one object, and failed at
// another, has not read them for nothing.
func TestAClosedPartIsNotedToo(t *testing.T) {
	b := newBench(t, object("Alpha__c", "a00"), object("Beta__c", "a01"))
	b.org.insert("Alpha__c", 10_500)
	b.org.insert("Beta__c", 10)
	b.org.advance(time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Beta__c" {
			stop()
			return ctx.Err()
		}
		return nil
	}
	b.opts.Parallel = 1
	b.opts.Overlap = -1
	if _, err := capture.Run(ctx, b.org, b.store, b.opts); err == nil {
		t.Fatal("the run was not interrupted")
	}
	b.org.onRecords = nil
	b.org.advance(time.Minute)
	r := b.back()
	if p := part(t, r, "Alpha__c"); p.Kept != 10_500 || p.Read > 10 {
		t.Errorf("kept %d, read %d: %s", p.Kept, p.Read, fmt.Sprint(r.Parts))
	}
	b.wantSame("Alpha__c")
	b.wantSame("Beta__c")
}
