package capture_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

func TestTrap09ShortAnswersAreNeverPublished(t *testing.T) {
	drop := func(rows []sf.Record, id sf.ID) []sf.Record {
		return slices.DeleteFunc(rows, func(r sf.Record) bool { return r.ID == id })
	}
	t.Run("the list knows better", func(t *testing.T) {
		b := newBench(t, object("Account", "001"))
		ids := b.org.insert("Account", 100)
		b.org.spoil = func(x sf.Extract, rows []sf.Record) []sf.Record {
			if len(x.Fields) > 0 && x.IDs == nil {
				return drop(rows, ids[7])
			}
			return rows
		}
		b.back()
		b.org.spoil = nil
		b.wantSame("Account")
	})
	t.Run("nothing knows better", func(t *testing.T) {
		b := newBench(t, object("Account", "001"), object("Contact", "003"))
		ids := b.org.insert("Account", 100)
		b.org.insert("Contact", 3)
		b.org.spoil = func(x sf.Extract, rows []sf.Record) []sf.Record { return drop(rows, ids[7]) }
		b.backPartial("Account")
		if p, _ := b.latest().Part("Account"); p.State != "absent" || p.Reason == "" {
			t.Errorf("the part is %+v", p)
		}
	})
	t.Run("cut in the middle", func(t *testing.T) {
		b := newBench(t, object("Account", "001"), object("Contact", "003"))
		b.org.insert("Account", 100)
		b.org.insert("Contact", 3)
		b.org.onRecords = func(x sf.Extract) error {
			if x.Object.Name == "Account" {
				return errors.New("unexpected end of the page")
			}
			return nil
		}
		b.backPartial("Account")
		b.org.onRecords = nil
		b.back()
		b.wantSame("Account")
	})
}

func TestTrap09ConcurrentChangeIsNotAShortAnswer(t *testing.T) {
	b := newBench(t, object("Account", "001"), without(object("Share", "0aS"), "SystemModstamp", "IsDeleted"))
	ids := b.org.insert("Account", 200)
	b.org.insert("Share", 50)
	b.opts.Parallel = 1 // one reading at a time counts the edits
	edits := map[string]int{}
	b.org.during = func(x sf.Extract, row int) {
		if row == 20 && edits[x.Object.Name] < 3 {
			edits[x.Object.Name]++
			b.org.advance(time.Second)
			b.org.insert(x.Object.Name, 2)
			if x.Object.Name == "Account" {
				b.org.remove("Account", ids[edits["Account"]])
			}
		}
	}
	b.back()
	b.wantSame("Account")
	b.org.during = nil
	b.back()
	b.wantSame("Account")
	b.wantSame("Share")
}

func TestTrap09AnObjectThatNeverStandsStillIsMarked(t *testing.T) {
	b := newBench(t, object("Account", "001"))
	b.org.insert("Account", 20)
	n := 0
	b.org.onCount = func(object string, count int64) (int64, error) {
		n++
		b.org.advance(time.Second)
		b.org.insert("Account", 1+n%2)
		return count + int64(1+n%2), nil
	}
	r := b.back()
	if gapOf(r, "Account", "") != capture.RuleMoving {
		t.Errorf("coverage %v", r.Coverage)
	}
	b.org.onCount = nil
	b.back()
	b.wantSame("Account")
}

func TestTrap10AnErrorIsNotAnAnswer(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Contact", "003"))
	b.org.insert("Account", 10)
	b.org.insert("Contact", 10)
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Contact" {
			return problem.New(problem.Unreachable, "HTTP 503: an HTML page: Maintenance")
		}
		return nil
	}
	r := b.backPartial("Contact")
	if got := part(t, r, "Contact"); got.Mode != capture.ModeAbsent || !strings.Contains(got.Why, "503") {
		t.Errorf("got %+v", got)
	}
	b.wantSame("Account")
}

func TestTrap16FailureNeverMovesAWatermark(t *testing.T) {
	b := newBench(t, object("Account", "001"), object("Contact", "003"))
	accounts := b.org.insert("Account", 10)
	contacts := b.org.insert("Contact", 10)
	first := b.back()
	mark := part(t, first, "Contact").Part.Watermark
	b.org.advance(time.Hour)
	b.org.update("Account", accounts[0], "Name", "new")
	b.org.update("Contact", contacts[0], "Name", "new")
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Contact" {
			return errors.New("the connection broke")
		}
		return nil
	}
	r := b.backPartial("Contact")
	p := part(t, r, "Contact")
	if p.Mode != capture.ModeStale || !p.Part.Watermark.Equal(mark) {
		t.Errorf("got %s with watermark %v, want stale with %v", p.Mode, p.Part.Watermark, mark)
	}
	if held, _ := b.latest().Part("Contact"); !held.Stale || !held.Watermark.Equal(mark) || held.Records != 10 {
		t.Errorf("published %+v", held)
	}
	if gapOf(r, "Contact", "") != capture.RuleFailed {
		t.Errorf("coverage %v", r.Coverage)
	}
	b.wantSame("Account")
	b.org.advance(time.Hour)
	b.org.onRecords = nil
	r = b.back()
	b.wantSame("Contact")
	if part(t, r, "Contact").Mode != capture.ModeChanges {
		t.Error("the part that failed is read in full")
	}
}

// TestTrap16StorageWithoutRoom lets the storage refuse every write in turn: whatever is published
// afterwards is right, and a failure is never a success.
func TestTrap16StorageWithoutRoom(t *testing.T) {
	partial := 0
	for nth := range 40 {
		memory := &blob.Memory{}
		b := &bench{TB: t, org: newOrg(object("Account", "001"), object("Contact", "003")), store: newStore(t, memory)}
		ids := b.org.insert("Account", 20)
		b.org.insert("Contact", 20)
		b.back()
		b.org.advance(time.Hour)
		b.org.update("Account", ids[3], "Name", "new")
		b.org.insert("Contact", 5)
		puts := 0
		full := problem.New(problem.NoSpace, "no space left on device")
		broken := openStore(t, blob.NewFault(memory, full, func(op blob.Op) blob.Outcome {
			if op.Verb == "put" {
				if puts++; puts == nth+1 {
					return blob.Fail
				}
			}
			return blob.Pass
		}))
		r, err := capture.Run(t.Context(), b.org, broken, capture.Options{Parallel: 1})
		b.org.advance(time.Second)
		switch {
		case err == nil:
			b.wantSame("Account")
			b.wantSame("Contact")
			if partial == 0 {
				t.Error("no refusal led to a partial snapshot")
			}
			return // no write is left to refuse
		case problem.KindOf(err) == problem.Partial:
			partial++
			for _, p := range r.Failed() {
				if held, _ := b.latest().Part(p.Object); !held.Watermark.Equal(stamp0) {
					t.Errorf("refusal %d: %s failed and its watermark moved to %v", nth, p.Object, held.Watermark)
				}
			}
		case snapshots(t, b.store) != 1:
			t.Errorf("refusal %d: %v, and a snapshot was published", nth, err)
		}
		b.back()
		b.wantSame("Account")
		b.wantSame("Contact")
	}
	t.Error("forty refusals were not enough to see a success")
}

func TestTrap17EverythingIsHeldOrNamed(t *testing.T) {
	var extra []*sf.Field
	for i := range 300 {
		extra = append(extra, &sf.Field{Name: fmt.Sprintf("Field%03d__c", i), Type: sf.TypeString})
	}
	extra = append(extra,
		&sf.Field{Name: "BillingAddress", Type: sf.TypeAddress},
		&sf.Field{Name: "Body", Type: sf.TypeBase64})
	notQueryable := object("Silent", "0aa")
	notQueryable.Queryable = false
	notRetrieveable := object("Deaf", "0ab")
	notRetrieveable.Retrieveable = false
	b := newBench(t, object("Account", "001", extra...), notQueryable, notRetrieveable,
		object("AccountChangeEvent", "0ac"), object("Thing__e", "0ad"), object("Thing__x", "0ae"), object("Thing__b", "0af"),
		without(object("NoId", "0ag"), "Id"), object("Left", "0ah"), object("ContentDocumentLink", "06A"), object("Vote", "083"))
	b.org.insert("Account", 1500)
	b.org.insert("ContentDocumentLink", 2)
	b.opts.Rules.Exclude = []string{"left"}
	refuse := func(object string) error {
		switch object {
		case "ContentDocumentLink":
			return orgError("MALFORMED_QUERY: Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId or LinkedEntityId")
		case "Vote":
			return orgError("INVALID_TYPE_FOR_OPERATION: entity type Vote does not support query")
		}
		return nil
	}
	b.org.onRecords = func(x sf.Extract) error { return refuse(x.Object.Name) }
	b.org.onCount = func(object string, n int64) (int64, error) { return n, refuse(object) }
	r := b.back()
	wantRules := map[string]capture.Rule{
		"Silent": capture.RuleNotQueryable, "Deaf": capture.RuleNotQueryable, "NoId": capture.RuleNoID,
		"AccountChangeEvent": capture.RuleKind, "Thing__e": capture.RuleKind, "Thing__x": capture.RuleKind, "Thing__b": capture.RuleKind,
		"Left": capture.RuleExcluded, "ContentDocumentLink": capture.RuleRefused, "Vote": capture.RuleRefused,
	}
	for name, table := range b.org.tables {
		if rule, isGap := wantRules[name]; isGap {
			if got := gapOf(r, name, ""); got != rule {
				t.Errorf("%s: rule %q, want %q", name, got, rule)
			}
			if _, named := b.latest().Part(name); named {
				t.Errorf("%s is a part", name)
			}
			continue
		}
		held, named := b.latest().Part(name)
		if !named {
			t.Errorf("%s is neither held nor named", name)
			continue
		}
		if held.Records != int64(len(table.rows)) {
			t.Errorf("%s: %d records held, the org has %d", name, held.Records, len(table.rows))
		}
		for _, f := range table.object.Fields {
			isHeld := slices.Contains(held.Fields, f.Name) || f.Name == "Id"
			if isHeld == (gapOf(r, name, f.Name) != "") {
				t.Errorf("%s.%s: held %v, coverage %q", name, f.Name, isHeld, gapOf(r, name, f.Name))
			}
		}
	}
	if gapOf(r, "Account", "Body") != capture.RuleBase64 || gapOf(r, "Account", "BillingAddress") != capture.RuleCompound {
		t.Errorf("fields: %v", r.Coverage)
	}
}
