package capture_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

func TestTrap01LateCommitsEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	e.insert("Account", 5)
	e.back()
	clock, engine := e.server.Clock(), e.server.Org()
	clock.Advance(time.Hour)
	engine.WriteLate(engine.Admin(), 4*time.Minute, org.Insert, []org.Row{
		{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "late 1"}}},
		{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "late 2"}}},
		{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "late 3"}}},
	}, org.Options{}, nil)
	clock.Advance(time.Minute)
	e.insert("Account", 1)
	clock.Advance(time.Minute)
	e.back()
	clock.Advance(5 * time.Minute)
	r := e.back()
	e.wantSame("Account")
	if c := part(t, r, "Account").Part.Changes; c.Created != 3 || c.Updated != 0 {
		t.Errorf("got %+v, want the 3 late records once", c)
	}
}

func TestTrap02ClocksApartEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{Clock: org.FixedClock(time.Now().UTC().Add(-9 * time.Hour))})
	ids := e.insert("Account", 10)
	e.opts.Overlap = -1
	edited := false
	e.intercept(func(r emulator.Request) emulator.Fault {
		if !asks(r, "Account") || edited {
			return emulator.Fault{}
		}
		edited = true
		return emulator.Fault{After: func() { // committed after the query was answered
			e.server.Clock().Advance(time.Minute)
			e.update(ids[4], "Name", "edited meanwhile")
		}}
	})
	e.opts.Parallel = 1
	started := e.server.Clock().Now()
	r := e.back()
	if mark := part(t, r, "Account").Part.Watermark; mark.After(started) {
		t.Errorf("watermark %v is later than the start %v", mark, started)
	}
	e.server.Clock().Advance(time.Minute)
	e.back()
	if !edited {
		t.Fatal("no query was seen")
	}
	e.wantSame("Account")
}

func TestTrap03ManyRowsWithOneStampEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{BulkPageRows: 2000})
	e.insert("Account", 5000)
	ctx, cancel := context.WithCancel(t.Context())
	pages := 0
	e.intercept(func(r emulator.Request) emulator.Fault {
		if strings.HasSuffix(r.Op, "/results") {
			pages++
			return emulator.Fault{After: cancel} // with the rows on their way
		}
		return emulator.Fault{}
	})
	if _, err := capture.Run(ctx, e.client, e.store, e.opts); problem.KindOf(err) != problem.Interrupted {
		t.Fatalf("got %v, want interrupted (%d pages)", err, pages)
	}
	if n := snapshots(t, e.store); n != 0 {
		t.Fatalf("%d snapshots after an interruption", n)
	}
	e.intercept(nil)
	r := e.back()
	if n := part(t, r, "Account").Part.Records; n != 5000 {
		t.Errorf("%d records, want 5000", n)
	}
	e.wantSame("Account")
}

func TestTrap04FormulasEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	e.define(org.FieldSpec{Name: "Parent_Site__c", Label: "Parent site", Type: "Text", Formula: "Parent.Site"})
	ids := e.insert("Account", 2)
	e.update(ids[1], "ParentId", string(ids[0]))
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.server.Clock().Advance(time.Hour)
	e.update(ids[0], "Site", "Berlin")
	r := e.back()
	if rule := gapOf(r, "Account", "Parent_Site__c"); rule != capture.RuleFormula {
		t.Errorf("a formula that may be stale is reported %q", rule)
	}
	e.opts.Full = true
	if r = e.back(); gapOf(r, "Account", "Parent_Site__c") != "" {
		t.Error("a refreshed formula is reported stale")
	}
	e.wantSame("Account")
}

// define adds or changes a field of Account.
func (e *emulated) define(spec org.FieldSpec) {
	e.Helper()
	engine := e.server.Org()
	err := engine.Change(engine.Admin(), func(tx *org.Tx) error {
		if _, err := tx.PutField("Account", spec); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		e.Fatal(err)
	}
}

func TestTrap05SchemaChangesEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	ids := e.insert("Account", 20)
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.define(org.FieldSpec{Name: "Tier__c", Label: "Tier", Type: "Text", Length: 40})
	e.write(org.Update, []org.Row{{ID: string(ids[3]), Fields: []org.Assignment{{Field: "Tier__c", Text: "gold"}}}}, org.Options{Quiet: true})
	if r := e.back(); gapOf(r, "Account", "Tier__c") != capture.RuleFieldNew {
		t.Errorf("coverage %v", r.Coverage)
	}
	e.wantSame("Account")
	dropped := false
	drop := func() {
		engine := e.server.Org()
		if err := engine.Change(engine.Admin(), func(tx *org.Tx) error {
			if err := tx.DropField("Account", "Tier__c"); err != nil {
				return err // a nil *org.Error would be an error that is not nil
			}
			return nil
		}); err != nil {
			e.Error(err)
		}
	}
	e.intercept(func(r emulator.Request) emulator.Fault { // between describe and query
		if asks(r, "Account") && !dropped {
			dropped = true
			return emulator.Fault{Before: drop}
		}
		return emulator.Fault{}
	})
	r := e.back()
	if !dropped || gapOf(r, "Account", "Tier__c") != capture.RuleFieldGone {
		t.Errorf("dropped %v, coverage %v", dropped, r.Coverage)
	}
	e.wantSame("Account")
}

func TestTrap06HardDeletesEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	ids := e.insert("Account", 300)
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.server.Clock().Advance(time.Hour)
	e.write(org.HardDelete, rowsOf(ids[:10]), org.Options{})
	e.write(org.Delete, rowsOf(ids[20:25]), org.Options{})
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.wantSame("Account")
	got := e.evidence("Account")
	for i, id := range ids {
		want := ""
		switch {
		case i < 10:
			want = capture.EvidenceLog
		case i >= 20 && i < 25:
			want = capture.EvidenceBin
		}
		if got[id] != want {
			t.Errorf("record %d: evidence %q, want %q", i, got[id], want)
		}
	}
	e.server.Clock().Advance(time.Hour)
	e.write(org.Undelete, rowsOf(ids[20:22]), org.Options{})
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.wantSame("Account")
}

func TestTrap07TruncatedCensusEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	e.insert("Account", 500)
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.server.Clock().Advance(time.Hour)
	e.opts.Census = true
	e.intercept(func(r emulator.Request) emulator.Fault {
		if !strings.HasPrefix(r.Op, "GET query") || !strings.Contains(r.Query, "SELECT+Id+FROM+Account") && !strings.Contains(r.Query, "SELECT%20Id%20FROM%20Account") {
			return emulator.Fault{}
		}
		return emulator.Fault{Rewrite: keepShare(6, 10)}
	})
	e.backPartial("Account")
	if n := len(e.evidence("Account")); n != 0 {
		t.Errorf("%d tombstones", n)
	}
	e.intercept(nil)
	e.wantSame("Account")
	e.back()
	e.wantSame("Account")
}

// keepShare rewrites the answer to a query to a share of its rows, with counts that fit.
func keepShare(part, of int) func(int, http.Header, []byte) (int, []byte) {
	return func(status int, _ http.Header, body []byte) (int, []byte) {
		var answer map[string]any
		if json.Unmarshal(body, &answer) != nil {
			return status, body
		}
		records, ok := answer["records"].([]any)
		if !ok {
			return status, body
		}
		answer["records"] = records[:len(records)*part/of]
		answer["totalSize"] = len(records) * part / of
		short, err := json.Marshal(answer)
		if err != nil {
			return status, body
		}
		return status, short
	}
}

func TestTrap08HorizonOfTheLogEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	ids := e.insert("Account", 300)
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.write(org.HardDelete, rowsOf(ids[:8]), org.Options{})
	e.server.Clock().Advance(20 * 24 * time.Hour)
	e.server.Org().PurgeDeletions(e.server.Clock().Now())
	before := e.server.Clock().Now()
	r := e.back()
	e.wantSame("Account")
	if p := part(t, r, "Account"); p.Buried.Census != 8 || p.Part.Watermark.After(before) {
		t.Errorf("buried %+v, watermark %v", p.Buried, p.Part.Watermark)
	}
}

func TestTrap09And10DamagedAnswersEmulated(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"503 with HTML":       {Status: 503, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html><title>Maintenance</title></html>"},
		"500 with JSON":       {Status: 500, Body: `[{"errorCode":"UNKNOWN_EXCEPTION","message":"an unexpected error occurred"}]`},
		"200 with HTML":       {Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html><title>Sign in</title></html>"},
		"cut after 300 bytes": {CutAfter: 300},
		"headers stripped":    {StripHeaders: []string{"Sforce-*"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEmulated(t, emulator.Options{BulkPageRows: 1000})
			e.insert("Account", 2500)
			e.insert("Contact", 5)
			e.intercept(func(r emulator.Request) emulator.Fault {
				if strings.HasSuffix(r.Op, "/results") {
					return fault
				}
				return emulator.Fault{}
			})
			r := e.backPartial("Account")
			if p := part(t, r, "Account"); p.Mode != capture.ModeAbsent {
				t.Errorf("the part is %s", p.Mode)
			}
			e.wantSame("Contact")
			e.intercept(nil)
			e.back()
			e.wantSame("Account")
		})
	}
}

func TestTrap12TextIsHeldByteForByteEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{BulkPageRows: 100})
	texts := []string{
		"a\r\nb", "a\rb", "a\nb", "\"quoted\", twice\"\"", " edges ", "a\u2028b", "a,b;c\td", "Null", "#N/A", "null", "=1+1",
		strings.Repeat("é\r\n\"", 2000),
	}
	var rows []org.Row
	for i := range 2400 {
		rows = append(rows, org.Row{Object: "Account", Fields: []org.Assignment{
			{Field: "Name", Text: fmt.Sprintf("n %d", i)}, {Field: "Description", Text: texts[i%len(texts)]},
		}})
	}
	e.write(org.Insert, rows, org.Options{})
	e.back() // by Bulk
	e.wantSame("Account")
	e.server.Clock().Advance(time.Hour)
	ids := e.insert("Account", len(texts))
	for i, id := range ids {
		e.update(id, "Description", texts[i])
	}
	e.back() // by REST
	e.wantSame("Account")
}

func TestTrap15SessionsThatDieEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	e.insert("Account", 300)
	e.client = e.connect(salesforce.Credentials{
		ClientID: e.server.ClientID, ClientSecret: salesforce.Secret(e.server.ClientSecret), RefreshToken: salesforce.Secret(e.server.RefreshToken),
	})
	e.opts.Parallel = 8
	e.wholeOrg()
	e.intercept(func(r emulator.Request) emulator.Fault {
		return emulator.Fault{ExpireToken: r.N%70 == 0 && !strings.Contains(r.Op, "oauth2")}
	})
	e.back()
	e.intercept(nil)
	e.wantSame("Account")
}

func TestTrap16OneObjectFailsEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	ids := e.insert("Account", 10)
	e.insert("Contact", 10)
	mark := part(t, e.back(), "Account").Part.Watermark
	e.server.Clock().Advance(time.Hour)
	e.update(ids[0], "Name", "new")
	e.insert("Contact", 2)
	e.intercept(func(r emulator.Request) emulator.Fault {
		if asks(r, "Account") {
			return emulator.Fault{Status: 503, Body: "down"}
		}
		return emulator.Fault{}
	})
	r := e.backPartial("Account")
	if p := part(t, r, "Account"); p.Mode != capture.ModeStale || !p.Part.Watermark.Equal(mark) {
		t.Errorf("%s with watermark %v, want stale with %v", p.Mode, p.Part.Watermark, mark)
	}
	e.wantSame("Contact")
	e.intercept(nil)
	e.server.Clock().Advance(time.Hour)
	e.back()
	e.wantSame("Account")
}

// TestTrap17WholeOrgEmulated demands that every object and field that the org describes is held or
// named with a reason, and that the counts agree with the org's.
func TestTrap17WholeOrgEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	e.insert("Account", 40)
	e.insert("Contact", 40)
	e.wholeOrg()
	e.server.Clock().Advance(time.Hour)
	r := e.back()
	schema, err := e.client.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sn, err := e.store.Load(t.Context(), r.Snapshot.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range schema.Objects {
		held, named := sn.Part(o.Name)
		if !named {
			if gapOf(r, o.Name, "") == "" {
				t.Errorf("%s is neither held nor named", o.Name)
			}
			continue
		}
		counted := gapOf(r, o.Name, "") != capture.RuleUncounted
		if n, err := e.client.Count(t.Context(), o.Name, false); counted && (err != nil || n != held.Records) {
			t.Errorf("%s: %d held, the org counts %d (%v)", o.Name, held.Records, n, err)
		}
		for _, f := range o.Fields {
			isHeld := f.Name == "Id" || slices.Contains(held.Fields, f.Name)
			if isHeld == (gapOf(r, o.Name, f.Name) != "") {
				t.Errorf("%s.%s: held %v, coverage %q", o.Name, f.Name, isHeld, gapOf(r, o.Name, f.Name))
			}
		}
	}
	e.server.Clock().Advance(time.Hour)
	again := e.back()
	for _, p := range again.Parts {
		if c := p.Part.Changes; c.Created+c.Updated+c.Deleted != 0 {
			t.Errorf("%s: an unchanged org changed: %+v", p.Object, c)
		}
	}
	// Describes go 25 to a call, counts 5, and readings of the clock 16.
	if limit := int64(len(schema.Objects) / 2); again.Calls > limit {
		t.Errorf("%d calls for %d unchanged objects, describing them included; want at most %d", again.Calls, len(schema.Objects), limit)
	}
	t.Logf("%d objects, %d held, first %d calls, then %d", len(schema.Objects), len(again.Parts), r.Calls, again.Calls)
}

// TestRetriedAnswersAreCountedOnceEmulated demands that nothing of a client's retry leaks into the
// result when the connection breaks once on each query.
func TestRetriedAnswersAreCountedOnceEmulated(t *testing.T) {
	e := newEmulated(t, emulator.Options{})
	e.insert("Account", 1500)
	cut := map[string]bool{}
	e.intercept(func(r emulator.Request) emulator.Fault {
		if asks(r, "Account") && !cut[r.Query] {
			cut[r.Query] = true
			return emulator.Fault{CutAfter: 2000}
		}
		return emulator.Fault{}
	})
	r, err := capture.Run(t.Context(), e.client, e.store, capture.Options{Include: []string{"Account"}, Parallel: 1})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if p := part(t, r, "Account"); p.Part.Records != 1500 || p.Part.Changes.Created != 1500 {
		t.Errorf("held %d, %+v", p.Part.Records, p.Part.Changes)
	}
	e.wantSame("Account")
}
