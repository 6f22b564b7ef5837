package apply

import (
	"errors"
	"testing"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// A run dies while it updates a record that came back by itself. What goes on writes nothing before it has checked the
// plan, and nothing over what somebody has made of that record since.
func TestResumeLooksAtWhatCameBackBeforeItWrites(t *testing.T) {
	for name, meanwhile := range map[string]func(*smallOrg){
		"nobody":       func(*smallOrg) {},
		"edited":       func(o *smallOrg) { o.live[item(2)]["Label__c"] = text("honest") },
		"stale":        func(o *smallOrg) { o.live[acc(1)]["Phone"] = text("honest") },
		"gone again":   func(o *smallOrg) { o.remove(item(2)) },
		"as is wanted": func(o *smallOrg) { o.live[item(2)]["Label__c"] = text("wanted") },
	} {
		o := newSmallOrg()
		o.live[acc(1)] = map[string]sf.Value{"Name": text("Acme"), "Phone": text("999")}
		o.live[acc(2)] = map[string]sf.Value{"Name": text("Gone")}
		o.live[item(2)] = map[string]sf.Value{"Label__c": text("i"), "Parent__c": link(acc(2))}
		o.remove(acc(2))
		approved := approve(t, steps(
			plan.Step{Op: plan.Undelete, Object: "Account", Rows: []plan.Row{row(acc(2))}},
			plan.Step{Op: plan.Insert, Object: "Item__c", Rows: []plan.Row{
				row(item(2), set("Label__c", no(), text("wanted")), set("Parent__c", no(), link(acc(2)))),
			}},
			plan.Step{Op: plan.Update, Object: "Account", Rows: []plan.Row{onLive(row(acc(1), set("Phone", text("999"), text("111"))))}},
		))
		o.fault = func(call string, after bool) error {
			if call == "update" {
				return errors.New("connection reset")
			}
			return nil
		}
		j, m := freshJournal(t)
		if _, err := Run(t.Context(), o, approved, j, noWait()); err == nil {
			t.Fatal("did not die")
		}
		o.fault = nil
		clear(o.calls)
		meanwhile(o)
		j, _, err := openMemory(t, m.synced)
		if err != nil {
			t.Fatal(err)
		}
		result, err := Run(t.Context(), o, approved, j, noWait())
		label := o.live[item(2)]["Label__c"].Text()
		switch name {
		case "stale":
			if problem.KindOf(err) != problem.Conflict || len(result.Moved) != 1 || o.calls["update"] != 0 {
				t.Errorf("%s: %v, %d updates", name, err, o.calls["update"])
			}
		case "edited":
			if err != nil || label != "honest" || len(result.Failed) != 1 || result.Failed[0].Code != CodeMoved {
				t.Errorf("%s: %v, %s, %+v", name, err, label, result.Failed)
			}
		case "gone again":
			if err != nil || len(result.Failed) != 0 || len(result.Pairs) != 1 {
				t.Errorf("%s: %v, %+v %+v", name, err, result.Failed, result.Pairs)
			}
		default:
			if err != nil || label != "wanted" || len(result.Failed)+len(result.Pairs) != 0 {
				t.Errorf("%s: %v, %s, %+v", name, err, label, result)
			}
		}
	}
}
