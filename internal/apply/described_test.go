package apply

import (
	"testing"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// Where the schema that a plan was made on is known, only what the plan writes is described again; a plan that deletes
// depends on every object that may refer to what it deletes.
func TestRunDescribesWhatItDependsOn(t *testing.T) {
	insert := plan.Step{Op: plan.Insert, Object: "Account", Rows: []plan.Row{row(acc(1), set("Name", no(), text("x")))}}
	gone := plan.Step{Op: plan.Delete, Object: "Contact", Rows: []plan.Row{onLive(row(con(2), set("Email", text("a@x.example"), no())))}}
	for name, c := range map[string]struct {
		plan      *plan.Plan
		known     bool
		all, some int
	}{
		"known":         {steps(insert), true, 0, 1},
		"not known":     {steps(insert), false, 1, 0},
		"with deletion": {steps(insert, gone), true, 1, 0},
	} {
		o := newSmallOrg()
		o.live[con(2)] = map[string]sf.Value{"LastName": text("extra"), "Email": text("a@x.example")}
		j, _ := freshJournal(t)
		opts := noWait()
		if c.known {
			opts.Known = smallSchema()
		}
		mustRun(t, o, approve(t, c.plan), j, opts)
		if o.calls["schema"] != c.all || o.calls["schema of some"] != c.some {
			t.Errorf("%s: %v", name, o.calls)
		}
	}
}
