package apply

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// extras is an org with a record that a plan deletes together with its children, after it has changed another.
func extras() (*smallOrg, *plan.Plan) {
	o := newSmallOrg()
	o.live[acc(1)] = map[string]sf.Value{"Name": text("Acme"), "Phone": text("999")}
	o.live[acc(8)] = map[string]sf.Value{"Name": text("Extra")}
	o.live[item(8)] = map[string]sf.Value{"Label__c": text("extra"), "Parent__c": link(acc(8))}
	o.live[item(9)] = map[string]sf.Value{"Label__c": text("moves"), "Parent__c": link(acc(8))}
	return o, steps(
		plan.Step{Op: plan.Update, Object: "Account", Rows: []plan.Row{onLive(row(acc(1), set("Phone", text("999"), text("111"))))}},
		plan.Step{Op: plan.Update, Object: "Item__c", Rows: []plan.Row{onLive(row(item(9), set("Parent__c", link(acc(8)), link(acc(1)))))}},
		plan.Step{Op: plan.Delete, Object: "Item__c", Rows: []plan.Row{
			onLive(row(item(8), set("Label__c", text("extra"), no()), set("Parent__c", link(acc(8)), no()))),
		}},
		plan.Step{Op: plan.Delete, Object: "Account", Rows: []plan.Row{onLive(row(acc(8), set("Name", text("Extra"), no())))}},
	)
}

func TestDeletionTakesAlongNothingThatStays(t *testing.T) {
	attach := func(o *smallOrg) {
		o.live[item(77)] = map[string]sf.Value{"Label__c": text("honest"), "Parent__c": link(acc(8))}
	}
	o, p := extras()
	if result := runSteps(t, o, p); len(result.Failed) != 0 || o.live[acc(8)] != nil || o.live[item(9)] == nil {
		t.Fatalf("nothing was attached: %+v", result.Failed)
	}

	o, p = extras()
	attach(o)
	j, _ := freshJournal(t)
	result, err := Run(t.Context(), o, approve(t, p), j, noWait())
	if problem.KindOf(err) != problem.Conflict || len(result.Moved) != 1 || result.Moved[0].ID != acc(8) || !strings.Contains(result.Moved[0].Reason, string(item(77))) {
		t.Errorf("attached before: %v %+v", err, result.Moved)
	}

	for name, during := range map[string]func(*smallOrg){
		"attached": attach,
		// Its own deletion is refused for that, and so it stays and holds its parent.
		"edited": func(o *smallOrg) { o.live[item(8)]["Label__c"] = text("adopted") },
	} {
		o, p := extras()
		o.fault = func(call string, after bool) error {
			if call == "update" && after && o.calls["update"] == 1 {
				during(o)
			}
			return nil
		}
		result := runSteps(t, o, p)
		last := len(result.Failed) - 1
		if last < 0 || result.Failed[last].ID != acc(8) || result.Failed[last].Code != CodeHeld || o.live[acc(8)] == nil || o.live[item(77)] == nil && o.live[item(8)] == nil {
			t.Errorf("%s during the run: %+v, %d deletions", name, result.Failed, o.calls["delete"])
		}
	}
}

// Rows are looked at again before they are sent: what people changed since the run began is left to them, also a
// thousand rows further on, at one look for five calls.
func TestRunKeepsWhatSomeoneChangedWhileItWasAtWork(t *testing.T) {
	o := newSmallOrg()
	var rows []plan.Row
	for n := range 2_400 {
		o.live[acc(n)] = map[string]sf.Value{"Name": text(fmt.Sprint(n)), "Phone": text("old")}
		rows = append(rows, onLive(row(acc(n), set("Phone", text("old"), text("new")))))
	}
	o.live[con(1)] = map[string]sf.Value{"LastName": text("old")}
	o.live[con(2)] = map[string]sf.Value{"LastName": text("extra"), "Email": text("a@x.example")}
	o.fault = func(call string, after bool) error {
		if call == "update" && after && o.calls["update"] == 1 {
			o.live[acc(2_345)]["Phone"], o.live[acc(2_346)]["Phone"] = text("honest"), text("new")
			o.live[con(1)]["LastName"], o.live[con(2)]["Email"] = text("honest"), text("b@x.example")
		}
		return nil
	}
	looks := o.calls
	result := runSteps(t, o, steps(
		plan.Step{Op: plan.Update, Object: "Account", Rows: rows},
		plan.Step{Op: plan.Update, Object: "Contact", Rows: []plan.Row{onLive(row(con(1), set("LastName", text("old"), text("new"))))}},
		plan.Step{Op: plan.Delete, Object: "Contact", Rows: []plan.Row{onLive(row(con(2), set("Email", text("a@x.example"), no())))}},
	))
	var failed []sf.ID
	for _, f := range result.Failed {
		if f.Code == CodeMoved {
			failed = append(failed, f.ID)
		}
	}
	if fmt.Sprint(failed) != fmt.Sprint([]sf.ID{acc(2_345), con(1), con(2)}) || o.live[acc(2_345)]["Phone"] != text("honest") ||
		o.live[con(1)]["LastName"] != text("honest") || o.live[con(2)] == nil {
		t.Errorf("%+v", result.Failed)
	}
	if looks["records"] != 3+5 || looks["update"] != 12 { // of the check as a whole, and again
		t.Errorf("%d looks for %d updates", looks["records"], looks["update"])
	}
}
