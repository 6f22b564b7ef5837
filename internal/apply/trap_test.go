package apply

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Trap 19: twins, of which one is rejected; the children keep their parents and the report names the
// right row, whatever the twins look like.
func TestTrap19TwinsKeepTheirChildren(t *testing.T) {
	for rejected := 1; rejected <= 4; rejected++ {
		o := newSmallOrg()
		names := []string{"", "Site 5", "Site 5", "Site 5", "Site 5 "}
		seen := 0
		o.refuse = func(op, object string, v map[string]sf.Value) string {
			if object == "Account" && op == "insert" {
				if seen++; seen == rejected {
					return "FIELD_CUSTOM_VALIDATION_EXCEPTION"
				}
			}
			return ""
		}
		var parents, children []plan.Row
		for n := 1; n <= 4; n++ {
			parents = append(parents, row(acc(n), set("Name", no(), text(names[n]))))
			children = append(children, row(item(n), set("Label__c", no(), text(fmt.Sprint("child of ", n))), set("Parent__c", no(), link(acc(n)))))
		}
		j, _ := freshJournal(t)
		result := mustRun(t, o, approve(t, steps(
			plan.Step{Op: plan.Insert, Object: "Account", Rows: parents},
			plan.Step{Op: plan.Insert, Object: "Item__c", Rows: children},
		)), j, noWait())
		old := map[sf.ID]sf.ID{}
		for _, p := range result.Pairs {
			old[p.New] = p.Old
		}
		if len(result.Failed) != 2 || len(result.Pairs) != 6 {
			t.Fatalf("rejected %d: %+v", rejected, result)
		}
		parent, child := result.Failed[0], result.Failed[1]
		if parent.Object != "Account" || child.Code != CodeParent || child.ID != item(int(parent.ID[14]-'0')) {
			t.Errorf("rejected %d: the report names %s and %s", rejected, parent.ID, child.ID)
		}
		for id, v := range o.live {
			if !v["Label__c"].IsText() {
				continue
			}
			of := old[sf.ID(v["Parent__c"].Text())]
			if want := "child of " + string(of[14]); v["Label__c"] != text(want) {
				t.Errorf("rejected %d: %s is %s and hangs on %s", rejected, old[id], v["Label__c"], of)
			}
		}
	}
}

// Trap 20: results out of order and in two files are matched by what was sent; those that fit no
// row, or two that fit one, or none for a row, stop the run.
func TestTrap20ResultsAreNeverGuessed(t *testing.T) {
	insert := func() (*smallOrg, plan.Approved) {
		o := newSmallOrg()
		o.refuse = func(op, object string, v map[string]sf.Value) string {
			if v["Phone"].IsText() && v["Phone"].Text()[0]%2 == 1 {
				return "STRING_TOO_LONG"
			}
			return ""
		}
		var rows []plan.Row
		for n := range 9 {
			rows = append(rows, row(acc(n+1), set("Name", no(), text("x")), set("Phone", no(), text(fmt.Sprint(n)))))
		}
		return o, approve(t, steps(plan.Step{Op: plan.Insert, Object: "Account", Rows: rows}))
	}
	o, approved := insert()
	j, _ := freshJournal(t)
	result := mustRun(t, o, approved, j, noWait())
	for _, p := range result.Pairs {
		if want := fmt.Sprint(int(p.Old[14]-'0') - 1); o.live[p.New]["Phone"] != text(want) {
			t.Errorf("%s became the record with %s", p.Old, o.live[p.New]["Phone"])
		}
	}
	if len(result.Pairs) != 5 || len(result.Failed) != 4 {
		t.Errorf("%d pairs, %d failed", len(result.Pairs), len(result.Failed))
	}
	for name, tamper := range map[string]func([]sf.JobResult) []sf.JobResult{
		"missing":  func(r []sf.JobResult) []sf.JobResult { return r[1:] },
		"repeated": func(r []sf.JobResult) []sf.JobResult { return append(r, r[0]) },
		"foreign":  func(r []sf.JobResult) []sf.JobResult { r[2].Echo = []string{"x", "77"}; return r },
		"narrow":   func(r []sf.JobResult) []sf.JobResult { r[2].Echo = r[2].Echo[:1]; return r },
		"no id":    func(r []sf.JobResult) []sf.JobResult { r[0].Outcome.ID = ""; return r },
	} {
		o, approved := insert()
		o.tamper = tamper
		j, m := freshJournal(t)
		if _, err := Run(t.Context(), o, approved, j, noWait()); problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s result: %v", name, err)
		}
		// Once the org tells the truth, running again ends well, and nothing is sent twice.
		o.tamper = nil
		j, _, _ = openMemory(t, m.synced)
		if result := mustRun(t, o, approved, j, noWait()); len(result.Pairs) != 5 || len(o.live) != 5 {
			t.Errorf("%s result, then run again: %d pairs, %d records", name, len(result.Pairs), len(o.live))
		}
	}
}

// Trap 23, as far as apply reaches: null clears, the texts that look like null stay texts, and rows
// that only differ in null and nothing are not taken for each other.
func TestTrap23NullAndItsLookalikes(t *testing.T) {
	o := newSmallOrg()
	lookalikes := []string{"Null", "null", "N/A", " ", "  ", "''", `"`, "a\r\nb", "a\nb", "\\N"}
	var inserts, updates []plan.Row
	for i, s := range lookalikes {
		inserts = append(inserts, row(acc(i+1), set("Name", no(), text("n")), set("Phone", no(), text(s))))
		o.live[acc(100+i)] = map[string]sf.Value{"Name": text("n"), "Phone": text("was")}
		updates = append(updates, onLive(row(acc(100+i), set("Phone", text("was"), text(s)))))
	}
	for n := 50; n < 54; n++ { // null, nothing, null, nothing
		r := row(acc(n), set("Name", no(), text("n")))
		if n%2 == 0 {
			r = row(acc(n), set("Name", no(), text("n")), set("Phone", no(), null()))
		}
		inserts = append(inserts, r)
	}
	o.live[acc(200)] = map[string]sf.Value{"Name": text("blank me"), "Phone": text("1"), "ParentId": link(acc(100))}
	updates = append(updates, onLive(row(acc(200), set("Phone", text("1"), null()), set("ParentId", link(acc(100)), null()))))
	j, _ := freshJournal(t)
	result := mustRun(t, o, approve(t, steps(
		plan.Step{Op: plan.Insert, Object: "Account", Rows: inserts},
		plan.Step{Op: plan.Update, Object: "Account", Rows: updates},
	)), j, noWait())
	now := map[sf.ID]sf.ID{}
	for _, p := range result.Pairs {
		now[p.Old] = p.New
	}
	for i, s := range lookalikes {
		if o.live[now[acc(i+1)]]["Phone"] != text(s) || o.live[acc(100+i)]["Phone"] != text(s) {
			t.Errorf("%q came back as %s and %s", s, o.live[now[acc(i+1)]]["Phone"], o.live[acc(100+i)]["Phone"])
		}
	}
	if v := o.live[acc(200)]; v["Phone"].IsText() || v["ParentId"].IsText() {
		t.Errorf("not cleared: %v", v)
	}
	if len(result.Pairs) != len(inserts) {
		t.Errorf("%d of %d inserted", len(result.Pairs), len(inserts))
	}
}

// Trap 24: the columns are those of all rows, not of the first.
func TestTrap24ColumnsOfAllRows(t *testing.T) {
	o := newSmallOrg()
	o.live[con(1)] = map[string]sf.Value{"LastName": text("a")}
	o.live[con(2)] = map[string]sf.Value{"LastName": text("b"), "Email": text("keep@x.example")}
	result := runSteps(t, o, steps(
		plan.Step{Op: plan.Insert, Object: "Account", Rows: []plan.Row{
			row(acc(1), set("Name", no(), text("first"))),
			row(acc(2), set("Name", no(), text("second")), set("Phone", no(), text("2"))),
		}},
		plan.Step{Op: plan.Update, Object: "Contact", Rows: []plan.Row{
			onLive(row(con(1), set("LastName", text("a"), text("A")))),
			onLive(row(con(2), set("Phone", null(), text("22")))),
		}},
	))
	want := `001000000000001AAA' Name="first"
001000000000002AAA' Name="second" Phone="2"
003000000000001AAA LastName="A"
003000000000002AAA Email="keep@x.example" LastName="b" Phone="22"`
	if d := cmp.Diff(want, o.state(result.Pairs)); d != "" {
		t.Error(d)
	}
}

func runSteps(t *testing.T, o *smallOrg, p *plan.Plan) Result {
	t.Helper()
	j, _ := freshJournal(t)
	return mustRun(t, o, approve(t, p), j, noWait())
}

// Trap 26: rows that meet a lock are sent again, they alone, in smaller batches, and not for ever.
func TestTrap26LocksAreRetriedNarrowly(t *testing.T) {
	o := newSmallOrg()
	var rows, inserts []plan.Row
	for n := 1; n <= 40; n++ {
		o.live[acc(n)] = map[string]sf.Value{"Name": text(fmt.Sprint(n)), "Phone": text("old")}
		rows = append(rows, onLive(row(acc(n), set("Phone", text("old"), text("new")))))
		inserts = append(inserts, row(con(n), set("LastName", no(), text(fmt.Sprint(n)))))
	}
	tries := map[string]int{}
	o.refuse = func(op, object string, v map[string]sf.Value) string {
		name := v["Name"].Text() + v["LastName"].Text()
		tries[op+name]++
		switch name {
		case "3", "17":
			if tries[op+name] <= 2 {
				return "UNABLE_TO_LOCK_ROW"
			}
		case "30":
			return "UNABLE_TO_LOCK_ROW"
		}
		return ""
	}
	result := runSteps(t, o, steps(
		plan.Step{Op: plan.Insert, Object: "Contact", Rows: inserts},
		plan.Step{Op: plan.Update, Object: "Account", Rows: rows},
	))
	for _, op := range []string{"insert", "update"} {
		if tries[op+"3"] != 3 || tries[op+"30"] != Attempts || tries[op+"4"] != 1 {
			t.Errorf("%s: sent %d, %d and %d times", op, tries[op+"3"], tries[op+"30"], tries[op+"4"])
		}
	}
	if len(result.Failed) != 2 || result.Failed[0].ID != con(30) || result.Failed[1].ID != acc(30) {
		t.Errorf("%+v", result.Failed)
	}
}

// A target that never answers ends the run with its error, after a few tries, and leaves a journal
// from which it goes on.
func TestRunGivesUpOnADeadOrg(t *testing.T) {
	o, p := wreck()
	gone := errors.New("no route to host")
	o.fault = func(call string, after bool) error {
		if call == "update" {
			return gone
		}
		return nil
	}
	approved := approve(t, p)
	j, m := freshJournal(t)
	result, err := Run(t.Context(), o, approved, j, noWait())
	if !errors.Is(err, gone) || o.calls["update"] != callTries || len(result.Pairs) != 9 {
		t.Fatalf("%v after %d calls, %d pairs", err, o.calls["update"], len(result.Pairs))
	}
	o.fault = nil
	j, _, _ = openMemory(t, m.synced)
	result = mustRun(t, o, approved, j, noWait())
	if d := cmp.Diff(wreckRepaired, o.state(result.Pairs)); d != "" || !result.Resumed {
		t.Error(d)
	}
}

// Rows that are equal in all that is sent go in one job: which of them becomes which record makes no difference, and
// each becomes one.
func TestEqualRowsShareAJob(t *testing.T) {
	o := newSmallOrg()
	refused := 0
	o.refuse = func(op, object string, v map[string]sf.Value) string {
		if op == "insert" && object == "Account" && v["Name"] == text("log") {
			if refused++; refused <= 2 {
				return "FIELD_CUSTOM_VALIDATION_EXCEPTION"
			}
		}
		return ""
	}
	var parents, children []plan.Row
	for n := range 40 {
		r := row(acc(n), set("Name", no(), text("log")))
		if n%2 == 1 { // null is not nothing: an org may fill what is left out
			r = row(acc(n), set("Name", no(), text("log")), set("Phone", no(), null()))
		}
		parents = append(parents, r)
		children = append(children, row(item(n), set("Label__c", no(), text(fmt.Sprint(n))), set("Parent__c", no(), link(acc(n)))))
	}
	result := runSteps(t, o, steps(
		plan.Step{Op: plan.Insert, Object: "Account", Rows: parents}, plan.Step{Op: plan.Insert, Object: "Item__c", Rows: children},
	))
	if o.calls["start"] != 3 || len(result.Pairs) != 38*2 || len(result.Failed) != 2*2 {
		t.Errorf("%d jobs, %d pairs, %d failed", o.calls["start"], len(result.Pairs), len(result.Failed))
	}
	held := map[string]int{}
	for _, v := range o.live {
		if p := v["Parent__c"]; p.IsText() {
			held[p.Text()]++
		}
	}
	if len(held) != 38 {
		t.Errorf("%d parents have a child", len(held))
	}
}
