package apply

import (
	"math/rand/v2"
	"slices"
	"testing"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// swapped is an org in which two accounts have each other's phone number and a third one has that of a deleted
// one, and the plan that gives each its own; no two accounts may have the same.
func swapped() (*smallOrg, *plan.Plan) {
	o := newSmallOrg()
	o.schema.Object("Account").Field("Phone").Unique = true
	o.live[acc(1)] = map[string]sf.Value{"Name": text("A"), "Phone": text("2")}
	o.live[acc(2)] = map[string]sf.Value{"Name": text("B"), "Phone": text("1")}
	o.live[acc(3)] = map[string]sf.Value{"Name": text("Again"), "Phone": text("3")}
	o.refuse = func(_, object string, values map[string]sf.Value) string {
		same := 0
		for _, other := range o.live {
			if object == "Account" && values["Phone"].IsText() && other["Phone"] == values["Phone"] && other["Name"] != values["Name"] {
				same++
			}
		}
		if same > 0 {
			return "DUPLICATE_VALUE"
		}
		return ""
	}
	phone := func(n int, before, after sf.Value) plan.Row { return onLive(row(acc(n), set("Phone", before, after))) }
	gone := onLive(row(acc(3), set("Name", text("Again"), sf.Value{}), set("Phone", text("3"), sf.Value{})))
	return o, steps(
		plan.Step{Op: plan.Release, Object: "Account", Rows: []plan.Row{
			phone(1, text("2"), sf.Null()), phone(2, text("1"), sf.Null()), phone(3, text("3"), sf.Null()),
		}},
		plan.Step{Op: plan.Insert, Object: "Account", Rows: []plan.Row{row(acc(4), set("Name", no(), text("C")), set("Phone", no(), text("3")))}},
		plan.Step{Op: plan.Update, Object: "Account", Rows: []plan.Row{phone(1, text("2"), text("1")), phone(2, text("1"), text("2"))}},
		plan.Step{Op: plan.Delete, Object: "Account", Rows: []plan.Row{gone}},
	)
}

// A crash anywhere, before or after a unique value was taken from its holder, and a resume: each record has its
// own in the end, and what the plan itself took away is not taken for somebody's edit.
func TestLaw12UniqueValuesAreReleasedAcrossCrashes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(14, 14))
	_, p := swapped()
	approved := approve(t, p)
	o, _ := swapped()
	_, events := lives(t, o, approved, Options{CallRows: 1}, rnd, func(int) int { return 0 })
	for at := range events + 1 {
		o, _ := swapped()
		result, _ := lives(t, o, approved, Options{CallRows: 1}, rnd, func(n int) int {
			if n == 0 {
				return at
			}
			return 0
		})
		var got []string
		for _, values := range o.live {
			got = append(got, values["Name"].Text()+values["Phone"].Text())
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"A1", "B2", "C3"}) || len(result.Failed) > 0 {
			t.Fatalf("crash at event %d of %d: %v %+v", at, events, got, result.Failed)
		}
	}
}

// The run dies after it took the values, and somebody gives the holders others: these stay.
func TestReleaseKeepsWhatSomeoneChangedMeanwhile(t *testing.T) {
	o, p := swapped()
	o.fault = func(call string, _ bool) error {
		if call == "start" {
			return errCrash
		}
		return nil
	}
	j, m := freshJournal(t)
	if _, err := Run(t.Context(), o, approve(t, p), j, noWait()); err == nil || o.live[acc(3)]["Phone"] == text("3") {
		t.Fatalf("%v %v", err, o.live[acc(3)])
	}
	o.fault = nil
	o.live[acc(3)]["Phone"], o.live[acc(2)]["Phone"] = text("7"), text("8")
	j, _, err := openMemory(t, m.synced)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), o, approve(t, p), j, noWait())
	if problem.KindOf(err) != problem.Conflict || len(result.Moved) != 2 || o.live[acc(3)]["Phone"] != text("7") || o.live[acc(2)]["Phone"] != text("8") {
		t.Errorf("%v %+v %v %v", err, result.Moved, o.live[acc(3)], o.live[acc(2)])
	}
}
