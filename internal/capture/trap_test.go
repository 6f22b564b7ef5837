package capture_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

func TestTrap01LateCommitsBehindTheWatermark(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	b.org.insert("Account", 5)
	b.back()
	b.org.advance(time.Hour)
	b.org.insertLate("Account", 3, 4*time.Minute) // stamped now, visible later
	b.org.advance(time.Minute)
	read := b.org.insert("Account", 1) // stamped later, visible at once
	b.org.advance(time.Minute)
	b.back()
	if _, ok := b.held("Account")[read[0]]; !ok {
		t.Fatal("the visible record was not captured")
	}
	b.org.advance(6 * time.Minute)
	r := b.back()
	b.wantSame("Account")
	changes := part(t, r, "Account").Part.Changes
	if changes.Created != 3 || changes.Updated != 0 {
		t.Errorf("got %+v, want the 3 late records and no second version of the one read before", changes)
	}
	r = b.back()
	if c := part(t, r, "Account").Part.Changes; c.Created+c.Updated+c.Deleted != 0 {
		t.Errorf("an unchanged org changed: %+v", c)
	}
}

// TestTrap01LateCommitsThatCountsDoNotShow: as many records go for good as come late, so that no count tells of
// them.
func TestTrap01LateCommitsThatCountsDoNotShow(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	ids := b.org.insert("Account", 50)
	b.back()
	b.org.advance(time.Hour)
	late := b.org.insertLate("Account", 3, 4*time.Minute)
	b.org.advance(time.Minute)
	b.org.update("Account", ids[9], "Name", "already read")
	b.back()
	b.org.advance(6 * time.Minute)
	b.org.hardDelete("Account", false, ids[0], ids[1], ids[2])
	b.back()
	for _, id := range late {
		if _, ok := b.held("Account")[id]; !ok {
			t.Errorf("%s, which came late, was not captured", id)
		}
	}
}

func TestTrap02WatermarkIsServerTimeAtTheStart(t *testing.T) {
	for _, skew := range []time.Duration{-9 * time.Hour, 9 * time.Hour} {
		b := newBench(t, object("Account", "001"))
		b.org.now = time.Now().UTC().Add(skew) // the org's clock is far from this machine's
		b.org.insert("Account", 10)
		started := b.org.now
		b.opts.Overlap = -1 // the watermark alone must do
		b.org.during = func(x sf.Extract, row int) {
			if row == 5 { // a record is modified and another made while the job runs, which is long
				b.org.advance(time.Hour)
				b.org.update("Account", idOf("001", 1), "Name", "edited")
				b.org.insert("Account", 1)
				b.org.advance(time.Hour)
			}
		}
		r := b.back()
		b.org.during = nil
		p := part(t, r, "Account").Part
		if !p.Watermark.Equal(started.Truncate(time.Millisecond)) && !p.Watermark.Equal(started) {
			t.Errorf("skew %v: watermark %v, want the server time %v of the start", skew, p.Watermark, started)
		}
		if p.To.Before(p.From.Add(2 * time.Hour)) {
			t.Errorf("skew %v: window [%v, %v] is shorter than the reading", skew, p.From, p.To)
		}
		b.back()
		b.wantSame("Account")
	}
}

func TestTrap03ManyRowsWithOneStamp(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	b.org.insert("Account", 5000)
	ctx, cancel := context.WithCancel(t.Context())
	b.org.during = func(x sf.Extract, row int) {
		if row == 2000 {
			cancel()
		}
	}
	if _, err := capture.Run(ctx, b.org, b.store, b.opts); problem.KindOf(err) != problem.Interrupted {
		t.Fatalf("got %v, want interrupted", err)
	}
	if n := snapshots(t, b.store); n != 0 {
		t.Fatalf("%d snapshots after an interruption", n)
	}
	b.org.during = nil
	b.back()
	if n := len(b.held("Account")); n != 5000 {
		t.Errorf("held %d, want 5000", n)
	}
}

func TestTrap04FormulasAreReportedStaleUntilRefreshed(t *testing.T) {
	formula := &sf.Field{Name: "Score__c", Type: sf.TypeDouble, Calculated: true}
	b := newBench(t, object("Account", "001", formula))
	ids := b.org.insert("Account", 2)
	b.org.advance(time.Hour) // out of the overlap
	r := b.back()
	if rule := gapOf(r, "Account", "Score__c"); rule != "" {
		t.Errorf("after a full reading the formula is reported %q", rule)
	}
	b.org.advance(time.Hour)
	b.org.updateQuietly("Account", ids[0], "Score__c", "7")
	r = b.back()
	if rule := gapOf(r, "Account", "Score__c"); rule != capture.RuleFormula {
		t.Errorf("the formula that may be stale is reported %q", rule)
	}
	b.opts.Full = true
	r = b.back()
	if got := b.held("Account")[ids[0]].Get("Score__c").Text(); got != "7" {
		t.Errorf("after the refresh the formula is %q", got)
	}
	if rule := gapOf(r, "Account", "Score__c"); rule != "" {
		t.Errorf("after the refresh the formula is reported %q", rule)
	}
	if c := part(t, r, "Account").Part.Changes; c.Updated != 1 || c.Created+c.Deleted != 0 {
		t.Errorf("the refresh changed %+v, want one update", c)
	}
}

// TestTrap04FormulasAreRefreshedByTheirAge: what is stale is named with its age, and read again when it is due,
// however many runs are in between.
func TestTrap04FormulasAreRefreshedByTheirAge(t *testing.T) {
	formula := &sf.Field{Name: "Score__c", Type: sf.TypeDouble, Calculated: true}
	b := newBench(t, object("Account", "001", formula), object("Plain__c", "a00"))
	ids := b.org.insert("Account", 3)
	b.org.insert("Plain__c", 3)
	b.org.advance(time.Hour)
	b.opts.RefreshFormulas = 24 * time.Hour
	b.back()
	b.org.updateQuietly("Account", ids[0], "Score__c", "7")
	for hours := 6; hours < 24; hours += 6 {
		b.org.advance(6*time.Hour - time.Second)
		if p := part(t, b.back(), "Account"); p.Mode != capture.ModeChanges {
			t.Errorf("after %d hours the object was read %s: %s", hours, p.Mode, p.Why)
		}
	}
	if got := b.held("Account")[ids[0]].Get("Score__c").Text(); got == "7" {
		t.Error("the formula moved a stamp")
	}
	b.org.advance(6 * time.Hour)
	r := b.back()
	if p := part(t, r, "Account"); p.Mode != capture.ModeFull || gapOf(r, "Account", "Score__c") != "" {
		t.Errorf("after a day the object was read %s, and the formula is reported %q", p.Mode, gapOf(r, "Account", "Score__c"))
	}
	if p := part(t, r, "Plain__c"); p.Mode != capture.ModeChanges {
		t.Errorf("an object without formulas was read %s", p.Mode)
	}
	if got := b.held("Account")[ids[0]].Get("Score__c").Text(); got != "7" {
		t.Errorf("after the refresh the formula is %q", got)
	}
}

func TestTrap05SchemaChangesBetweenRuns(t *testing.T) {
	extra := &sf.Field{Name: "Extra__c", Type: sf.TypeString}
	b := newBench(t, object("Account", "001"))
	ids := b.org.insert("Account", 3)
	b.back()
	b.org.advance(time.Hour)
	b.org.describe(object("Account", "001", extra))
	b.org.updateQuietly("Account", ids[1], "Extra__c", "filled without a stamp")
	r := b.back()
	if got := b.held("Account")[ids[1]].Get("Extra__c").Text(); got != "filled without a stamp" {
		t.Errorf("the new field holds %q", got)
	}
	if p := part(t, r, "Account"); p.Mode != capture.ModeFull || gapOf(r, "Account", "Extra__c") != capture.RuleFieldNew {
		t.Errorf("mode %s, coverage %v", p.Mode, r.Coverage)
	}
	b.org.describe(object("Account", "001", &sf.Field{Name: "Extra__c", Type: sf.TypeTextarea}))
	if r = b.back(); gapOf(r, "Account", "Extra__c") != capture.RuleFieldType || part(t, r, "Account").Mode != capture.ModeFull {
		t.Errorf("a changed type: mode %s, coverage %v", part(t, r, "Account").Mode, r.Coverage)
	}
	b.org.describe(object("Account", "001"))
	if r = b.back(); gapOf(r, "Account", "Extra__c") != capture.RuleFieldGone {
		t.Errorf("a removed field: coverage %v", r.Coverage)
	}
	if !b.held("Account")[ids[1]].Get("Extra__c").IsAbsent() {
		t.Error("the removed field is still held")
	}
	b.wantSame("Account")
}

func TestTrap05FieldDeletedMidRunKeepsTheObject(t *testing.T) {
	extra := &sf.Field{Name: "Extra__c", Type: sf.TypeString}
	b := newBench(t, object("Account", "001", extra))
	b.org.insert("Account", 3)
	b.org.onRecords = func(sf.Extract) error {
		b.org.describe(object("Account", "001"))
		return nil
	}
	r := b.back()
	b.wantSame("Account")
	if gapOf(r, "Account", "Extra__c") != capture.RuleFieldGone {
		t.Errorf("coverage %v", r.Coverage)
	}

	// The same between two full readings, when only changes would have been read.
	b.org.onRecords = nil
	b.org.describe(object("Account", "001", extra))
	b.back()
	b.org.update("Account", idOf("001", 1), "Extra__c", "x")
	b.org.onRecords = func(sf.Extract) error {
		b.org.describe(object("Account", "001"))
		return nil
	}
	if r = b.back(); part(t, r, "Account").Mode != capture.ModeFull {
		t.Error("the values of the field that went are still held for records that did not change")
	}
	b.wantSame("Account")
}

func TestTrap06HardDeletesAreFoundWithEvidence(t *testing.T) {
	for _, tt := range []struct {
		name   string
		logged bool
		want   string
	}{{"in the log", true, capture.EvidenceLog}, {"without a trace", false, capture.EvidenceCensus}} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, object("Account", "001"))
			ids := b.org.insert("Account", 400)
			b.back()
			b.org.advance(time.Hour)
			b.org.hardDelete("Account", tt.logged, ids[20:30]...)
			r := b.back()
			b.wantSame("Account")
			tombstones := b.tombstones("Account")
			if len(tombstones) != 10 {
				t.Errorf("%d tombstones, want 10", len(tombstones))
			}
			for _, id := range ids[20:30] {
				if tombstones[id] != tt.want {
					t.Errorf("%s: evidence %q, want %q", id, tombstones[id], tt.want)
				}
			}
			buried := part(t, r, "Account").Buried
			if buried.Log+buried.Census != 10 || buried.Bin != 0 {
				t.Errorf("reported as %+v", buried)
			}
		})
	}
}

func TestTrap06SoftDeletesAndUndeletes(t *testing.T) {
	for _, stamped := range []bool{true, false} {
		b := newBench(t, object("Account", "001"))
		ids := b.org.insert("Account", 50)
		b.back()
		b.org.advance(time.Hour)
		b.org.remove("Account", ids[:4]...)
		r := b.back()
		if got := b.tombstones("Account"); got[ids[0]] != capture.EvidenceBin || len(got) != 4 {
			t.Errorf("tombstones %v", got)
		}
		if buried := part(t, r, "Account").Buried; buried.Bin != 4 {
			t.Errorf("reported as %+v", buried)
		}
		b.org.advance(time.Hour)
		b.org.undelete("Account", stamped, ids[:2]...)
		b.back()
		b.wantSame("Account")
	}
}

func TestTrap07TruncatedCensusDeletesNothing(t *testing.T) {
	for _, counts := range []string{"true", "false"} { // the org's count may be as wrong as its list
		t.Run("count "+counts, func(t *testing.T) {
			b := newBench(t, object("Account", "001"), object("Contact", "003"))
			b.org.insert("Account", 500)
			b.back()
			b.org.advance(time.Hour)
			truncate := func(x sf.Extract, rows []sf.Record) []sf.Record {
				if x.From.IsZero() && x.IDs == nil {
					return rows[:len(rows)*6/10]
				}
				return rows
			}
			b.org.spoil = truncate
			b.opts.Census = true
			if counts == "false" {
				b.org.onCount = func(_ string, n int64) (int64, error) { return n * 6 / 10, nil }
			}
			r := b.backPartial("Account")
			if p := part(t, r, "Account"); p.Mode != capture.ModeStale || p.Hint == "" {
				t.Errorf("got %+v", p)
			}
			if n := len(b.tombstones("Account")); n != 0 {
				t.Errorf("%d tombstones", n)
			}
			b.wantSameAfter(func() { b.org.spoil, b.org.onCount = nil, nil })
		})
	}
}

// wantSameAfter compares with what the org shows once it tells the truth again.
func (b *bench) wantSameAfter(heal func()) {
	b.Helper()
	heal()
	for name := range b.org.tables {
		b.wantSame(name)
	}
}

func TestTrap07LostPermissionNeedsAWord(t *testing.T) {
	for _, whole := range []bool{false, true} { // part of the records, or all of them
		b := newBench(t, object("Account", "001"), object("Contact", "003"))
		ids := b.org.insert("Account", 400)
		b.back()
		b.org.advance(time.Hour)
		lost := ids[:100]
		if whole {
			lost = ids
		}
		b.org.hardDelete("Account", false, lost...) // gone from every answer alike
		b.backPartial("Account")
		if n := len(b.held("Account")); n != 400 {
			t.Fatalf("held %d, want all 400", n)
		}
		b.opts.Full = true
		b.backPartial("Account")
		b.opts.Full = false
		b.opts.AcceptDeletions = []string{"account"}
		r := b.back()
		b.wantSame("Account")
		if got := part(t, r, "Account").Buried.Census; got != int64(len(lost)) {
			t.Errorf("buried %d by census, want %d", got, len(lost))
		}
	}
}

func TestTrap07FirstRunHasABrakeToo(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Contact", "003"))
	ids := b.org.insert("Account", 400)
	b.org.during = func(x sf.Extract, row int) { // everything but the first answer forgets half of them
		if row == 399 {
			b.org.during = nil
			b.org.hardDelete("Account", false, ids[:200]...)
		}
	}
	b.backPartial("Account")
}

func TestTrap08LogWithAHorizon(t *testing.T) {
	for name, log := range map[string]func(string) (*sf.DeletedLog, error){
		"refused": func(string) (*sf.DeletedLog, error) {
			return nil, fmt.Errorf("deleted: %w", orgError("INVALID_REPLICATION_DATE: startDate before org replication enabled date"))
		},
		"not covered": func(string) (*sf.DeletedLog, error) {
			return &sf.DeletedLog{Earliest: stamp0.AddDate(0, 0, 10), Covered: stamp0.AddDate(0, 0, 15)}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, object("Account", "001"))
			ids := b.org.insert("Account", 400)
			b.back()
			b.org.advance(20 * 24 * time.Hour)
			b.org.hardDelete("Account", false, ids[:7]...)
			b.org.onDeleted = log
			before := b.org.now
			r := b.back()
			b.wantSame("Account")
			p := part(t, r, "Account")
			if p.Buried.Census != 7 {
				t.Errorf("buried %+v, want 7 by census", p.Buried)
			}
			if p.Part.Watermark.After(before) {
				t.Errorf("watermark %v is after the query", p.Part.Watermark)
			}
		})
	}
}

func TestTrap08LogThatNamesLiveRecords(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	ids := b.org.insert("Account", 100)
	b.back()
	b.org.advance(time.Hour)
	b.org.remove("Account", ids[:5]...)
	b.org.undelete("Account", false, ids[:3]...)
	b.org.hardDelete("Account", true, ids[50])
	b.back()
	b.wantSame("Account")
}

// Of a log that names more live records than are asked for by Id, none is buried on its word.
func TestTrap08LogThatNamesManyLiveRecords(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	ids := b.org.insert("Account", 12_000)
	b.back()
	b.org.advance(time.Hour)
	b.org.remove("Account", ids[:11_000]...)
	b.org.undelete("Account", false, ids[:10_900]...)
	b.org.hardDelete("Account", true, ids[11_500])
	r := b.back()
	b.wantSame("Account")
	if got := part(t, r, "Account").Buried; got.Log != 1 {
		t.Errorf("%+v, want one by the log", got)
	}
}

// TestTrap02TimeThatWasWrongOnce takes a snapshot while the org tells a time far ahead: what changes
// afterwards must not be looked for after that time.
func TestTrap02TimeThatWasWrongOnce(t *testing.T) {
	for name, lie := range map[string]func(b *bench){
		"from the start": func(b *bench) { b.org.advance(100 * 365 * 24 * time.Hour) },
		"in the middle": func(b *bench) {
			b.org.during = func(sf.Extract, int) { b.org.advance(24 * time.Hour) }
		},
	} {
		b := newBench(t, object("Account", "001"), object("Contact", "003"))
		b.org.insert("Account", 5)
		b.org.insert("Contact", 5)
		b.back()
		right := b.org.now
		b.opts.Full = true
		lie(b)
		b.back()
		b.opts.Full, b.org.during, b.org.now = false, nil, right.Add(time.Minute)
		b.org.update("Contact", idOf("003", 1), "Name", "edited")
		b.org.insert("Account", 1)
		b.org.advance(time.Hour)
		r := b.back()
		if p := part(t, r, "Contact"); p.Mode != capture.ModeChanges {
			t.Errorf("%s: contacts were read by %s: %s", name, p.Mode, p.Why)
		}
		taken, err := b.store.Load(t.Context(), r.Snapshot.ID)
		if err != nil {
			t.Fatal(err)
		}
		contact, _, err := taken.Record(t.Context(), "Contact", idOf("003", 1))
		if err != nil || contact.Get("Name").Text() != "edited" {
			t.Errorf("%s: the contact is held as %v, %v", name, contact.Get("Name"), err)
		}
		if n := part(t, r, "Account").Part.Records; n != 6 {
			t.Errorf("%s: %d accounts are held, want 6", name, n)
		}
	}
}
