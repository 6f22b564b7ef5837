package apply

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

func acc(n int) sf.ID  { return testID("001", n) }
func con(n int) sf.ID  { return testID("003", n) }
func item(n int) sf.ID { return testID("a01", n) }

func text(s string) sf.Value { return sf.Text(s) }
func link(id sf.ID) sf.Value { return sf.Text(string(id)) }
func no() sf.Value           { return sf.Value{} }
func null() sf.Value         { return sf.Null() }
func some(v sf.Value) bool   { return v.IsText() }
func noWait() Options {
	return Options{Wait: func(context.Context, time.Duration) error { return nil }}
}
func fits() (h state.Hash) { h[0] = 1; return h } // the small org has no hashes; apply compares fields
func set(f string, b, a sf.Value) state.FieldChange {
	return state.FieldChange{Field: f, Before: b, After: a}
}

func row(id sf.ID, fields ...state.FieldChange) plan.Row {
	slices.SortFunc(fields, func(a, b state.FieldChange) int { return bytes.Compare([]byte(a.Field), []byte(b.Field)) })
	return plan.Row{ID: id, Fields: fields}
}

// onLive is a row on a record that is live when the plan is made.
func onLive(r plan.Row) plan.Row { r.Before = fits(); return r }

func with(id, parent sf.ID) plan.Row { return plan.Row{ID: id, With: parent} }

func steps(in ...plan.Step) *plan.Plan {
	for i := range in {
		s := &in[i]
		s.Number = i + 1
		if s.Op == plan.Undelete || s.Op.Deletes() {
			continue
		}
		names := map[string]bool{}
		for _, r := range s.Rows {
			for _, f := range r.Fields {
				names[f.Field] = true
			}
		}
		s.Fields = sortedKeys(names)
	}
	return &plan.Plan{Org: smallOrgID, Made: time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC), Steps: in}
}

func approve(t testing.TB, p *plan.Plan) plan.Approved {
	t.Helper()
	var b bytes.Buffer
	if err := plan.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	approved, err := plan.Approve(b.Bytes(), plan.Digest(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return approved
}

// wreck is an org after an incident and the plan that repairs it: undeletion with cascades, a tree
// over three levels, twins in a ring, blanks, and records to delete.
func wreck() (*smallOrg, *plan.Plan) {
	o := newSmallOrg()
	o.live[acc(1)] = map[string]sf.Value{"Name": text("Acme"), "Phone": text("999")}
	o.live[acc(8)] = map[string]sf.Value{"Name": text("Extra")}
	o.live[item(8)] = map[string]sf.Value{"Label__c": text("extra"), "Parent__c": link(acc(8))}
	o.live[con(9)] = map[string]sf.Value{"LastName": text("Kept"), "Email": text("bad@x.example"), "AccountId": link(acc(1))}
	o.live[acc(2)] = map[string]sf.Value{"Name": text("Renamed, then deleted")}
	for n := 1; n <= 2; n++ {
		o.live[item(n)] = map[string]sf.Value{"Label__c": text("i"), "Parent__c": link(acc(2))}
	}
	o.remove(acc(2))

	twin := func(n, account int, more ...state.FieldChange) plan.Row {
		return row(con(n), append(more, set("LastName", no(), text("Twin")), set("AccountId", no(), link(acc(account))))...)
	}
	return o, steps(
		plan.Step{Op: plan.Undelete, Object: "Account", Rows: []plan.Row{row(acc(2))}},
		plan.Step{Op: plan.Undelete, Object: "Item__c", Rows: []plan.Row{with(item(1), acc(2)), with(item(2), acc(2))}},
		plan.Step{Op: plan.Insert, Object: "Account", Rows: []plan.Row{row(acc(3), set("Name", no(), text("Top")))}},
		plan.Step{Op: plan.Insert, Object: "Account", Rows: []plan.Row{
			row(acc(4), set("Name", no(), text("Null")), set("ParentId", no(), link(acc(3)))),
			row(acc(5), set("Name", no(), text(" N/A\r\n")), set("ParentId", no(), link(acc(3))), set("Phone", no(), text("\"5\""))),
		}},
		plan.Step{Op: plan.Insert, Object: "Contact", Without: []string{"ReportsToId"}, Rows: []plan.Row{
			twin(1, 3), twin(2, 3), twin(3, 3), twin(4, 4, set("Email", no(), text("four@x.example"))),
		}},
		plan.Step{Op: plan.Insert, Object: "Item__c", Rows: []plan.Row{
			row(item(3), set("Label__c", no(), text("i")), set("Parent__c", no(), link(acc(4)))),
			row(item(4), set("Parent__c", no(), link(acc(5))), set("Second__c", no(), link(acc(1))), set("Size__c", no(), text("1.5"))),
		}},
		plan.Step{Op: plan.Update, Object: "Account", Rows: []plan.Row{
			onLive(row(acc(1), set("Phone", text("999"), text("111")))),
			row(acc(2), set("Name", text("Renamed, then deleted"), text("Bell")), set("Phone", null(), text("222"))),
		}},
		plan.Step{Op: plan.Update, Object: "Contact", Rows: []plan.Row{
			onLive(row(con(9), set("Email", text("bad@x.example"), null()), set("AccountId", link(acc(1)), link(acc(4))))),
		}},
		plan.Step{Op: plan.Second, Object: "Contact", Rows: []plan.Row{
			row(con(1), set("ReportsToId", no(), link(con(2)))), row(con(2), set("ReportsToId", no(), link(con(3)))),
			row(con(3), set("ReportsToId", no(), link(con(1)))), row(con(4), set("ReportsToId", no(), link(con(9)))),
		}},
		plan.Step{Op: plan.Delete, Object: "Item__c", Rows: []plan.Row{
			onLive(row(item(8), set("Label__c", text("extra"), no()), set("Parent__c", link(acc(8)), no()))),
		}},
		plan.Step{Op: plan.Delete, Object: "Account", Rows: []plan.Row{onLive(row(acc(8), set("Name", text("Extra"), no())))}},
	)
}

const wreckRepaired = `001000000000001AAA Name="Acme" Phone="111"
001000000000002AAA Name="Bell" Phone="222"
001000000000003AAA' Name="Top"
001000000000004AAA' Name="Null" ParentId="001000000000003AAA'"
001000000000005AAA' Name=" N/A\r\n" ParentId="001000000000003AAA'" Phone="\"5\""
003000000000001AAA' AccountId="001000000000003AAA'" LastName="Twin" ReportsToId="003000000000002AAA'"
003000000000002AAA' AccountId="001000000000003AAA'" LastName="Twin" ReportsToId="003000000000003AAA'"
003000000000003AAA' AccountId="001000000000003AAA'" LastName="Twin" ReportsToId="003000000000001AAA'"
003000000000004AAA' AccountId="001000000000004AAA'" Email="four@x.example" LastName="Twin" ReportsToId="003000000000009AAA"
003000000000009AAA AccountId="001000000000004AAA'" LastName="Kept"
a01000000000001AAA Label__c="i" Parent__c="001000000000002AAA"
a01000000000002AAA Label__c="i" Parent__c="001000000000002AAA"
a01000000000003AAA' Label__c="i" Parent__c="001000000000004AAA'"
a01000000000004AAA' Parent__c="001000000000005AAA'" Second__c="001000000000001AAA" Size__c="1.5"`

func mustRun(t *testing.T, o *smallOrg, approved plan.Approved, j *Journal, opts Options) Result {
	t.Helper()
	result, err := Run(t.Context(), o, approved, j, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func freshJournal(t *testing.T) (*Journal, *memory) {
	t.Helper()
	j, m, err := openMemory(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j, m
}

func TestRunRepairsTheWreck(t *testing.T) {
	o, p := wreck()
	j, m := freshJournal(t)
	approved := approve(t, p)
	result := mustRun(t, o, approved, j, noWait())
	if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" {
		t.Fatal(d)
	}
	if !result.Ended || len(result.Failed)+len(result.Dropped) != 0 || result.Resumed || len(result.Pairs) != 9 {
		t.Errorf("%+v", result)
	}
	if o.calls["undelete"] != 1 {
		t.Errorf("%d undelete calls: records that come back with their parent are not sent", o.calls["undelete"])
	}
	// The same plan again does nothing and tells the same.
	o.calls = map[string]int{}
	again, _, err := openMemory(t, m.synced)
	if err != nil {
		t.Fatal(err)
	}
	repeated := mustRun(t, o, approved, again, noWait())
	repeated.Resumed = false
	if d := cmp.Diff(result, repeated); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]int{"identity": 1}, o.calls); d != "" {
		t.Error(d)
	}
}

func TestRunRefusesAnotherOrgAndAnotherPlansJournal(t *testing.T) {
	o, p := wreck()
	p.Org = "00D000000000002EAA"
	j, _ := freshJournal(t)
	if _, err := Run(t.Context(), o, approve(t, p), j, noWait()); problem.KindOf(err) != problem.Conflict {
		t.Errorf("another org: %v", err)
	}
	o, p = wreck()
	j, m := freshJournal(t)
	mustRun(t, o, approve(t, p), j, noWait())
	_, other := wreck()
	other.Notes = []string{"another"}
	j, _, _ = openMemory(t, m.synced)
	if _, err := Run(t.Context(), o, approve(t, other), j, noWait()); problem.KindOf(err) != problem.Usage {
		t.Errorf("another plan: %v", err)
	}
}

// A plan whose records moved writes nothing, and says which.
func TestRunRefusesAStalePlan(t *testing.T) {
	for name, move := range map[string]func(*smallOrg){
		"field edited":      func(o *smallOrg) { o.live[acc(1)]["Phone"] = text("honest") },
		"record deleted":    func(o *smallOrg) { o.remove(con(9)) },
		"extra edited":      func(o *smallOrg) { o.live[acc(8)]["Name"] = text("Adopted") },
		"bin emptied":       func(o *smallOrg) { delete(o.bin, acc(2)) },
		"already undeleted": func(o *smallOrg) { o.live[acc(2)] = o.bin[acc(2)].values; delete(o.bin, acc(2)) },
		"support undeleted": func(o *smallOrg) { o.live[acc(3)] = map[string]sf.Value{"Name": text("Top")} },
	} {
		t.Run(name, func(t *testing.T) {
			o, p := wreck()
			move(o)
			before := o.state(nil)
			j, m := freshJournal(t)
			result, err := Run(t.Context(), o, approve(t, p), j, noWait())
			if problem.KindOf(err) != problem.Conflict || len(result.Moved) == 0 || problem.HintOf(err) == "" {
				t.Fatalf("%v, %+v", err, result.Moved)
			}
			if d := cmp.Diff(before, o.state(nil)); d != "" || len(m.synced) != len(journalMagic) {
				t.Errorf("something was written: %s", d)
			}
		})
	}
	t.Run("another field edited", func(t *testing.T) {
		o, p := wreck()
		o.live[acc(1)]["Name"] = text("Acme Ltd")
		j, _ := freshJournal(t)
		result := mustRun(t, o, approve(t, p), j, noWait())
		if o.live[acc(1)]["Name"] != text("Acme Ltd") || len(result.Failed) != 0 {
			t.Error("an edit of another field is no obstacle and is kept")
		}
	})
}

// What cannot live without a record that did not come back is not sent; what can, is, without the
// link; and both are told.
func TestRunLeavesOutLinksToWhatDidNotComeBack(t *testing.T) {
	o, p := wreck()
	o.refuse = func(op, object string, v map[string]sf.Value) string {
		if op == "insert" && v["Name"] == text("Null") {
			return "FIELD_CUSTOM_VALIDATION_EXCEPTION"
		}
		return ""
	}
	j, _ := freshJournal(t)
	result := mustRun(t, o, approve(t, p), j, noWait())
	var failed []string
	for _, f := range result.Failed {
		failed = append(failed, string(f.ID)+" "+f.Code)
	}
	want := []string{
		string(acc(4)) + " FIELD_CUSTOM_VALIDATION_EXCEPTION",
		string(item(3)) + " " + CodeParent,
	}
	if d := cmp.Diff(want, failed); d != "" {
		t.Error(d)
	}
	dropped := []DroppedLink{{"Contact", con(4), "AccountId"}, {"Contact", con(9), "AccountId"}}
	if d := cmp.Diff(dropped, result.Dropped); d != "" {
		t.Error(d)
	}
	if got := o.live[con(9)]; some(got["Email"]) || got["AccountId"] != link(acc(1)) {
		t.Errorf("the rest of the row is written and the link stays as it was: %v", got)
	}
}

// Records that should come back with their parent and do not are sent after all.
func TestRunSendsWhatDidNotComeBackByItself(t *testing.T) {
	o, p := wreck()
	b := o.bin[item(2)]
	b.with = ""
	o.bin[item(2)] = b
	j, _ := freshJournal(t)
	result := mustRun(t, o, approve(t, p), j, noWait())
	if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" {
		t.Error(d)
	}
}
