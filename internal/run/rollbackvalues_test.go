package run_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// What no document of the platform tells how to do: a deleted field comes back with its values, and a
// deleted object with its records, in one plan that is approved once.
func TestDeletedFieldAndObjectComeBackWithTheirValues(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	lost := map[string]string{"objects/Lost__c.object": strings.ReplaceAll(thing("A=a")["objects/Thing__c.object"], ">Thing", ">Lost")}
	r.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: testkit.Narrow("Account", "User", "Thing__c", "Lost__c")}
		}
		return emulator.Fault{}
	})
	r.deploy(nil, thing("A=a", "B=b"), lost)
	insert := func(object string, rows ...testkit.Row) []string {
		ids, err := r.loader.Insert(t.Context(), object, rows)
		if err != nil {
			t.Fatal(err)
		}
		r.server.Clock().Advance(time.Hour)
		return ids
	}
	things := insert("Thing__c", testkit.Row{"Name": "one", "A__c": "large", "B__c": "b"}, testkit.Row{"Name": "two", "A__c": "#N/A"}, testkit.Row{"Name": "three"})
	insert("Lost__c", testkit.Row{"Name": "gone", "A__c": "x"}, testkit.Row{"Name": "gone too"})
	whole := append([]string{"Thing__c", "Lost__c", "User"}, few...)
	before := r.take(whole...)
	r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.A__c"}, {Type: "CustomObject", Name: "Lost__c"}})
	after := r.take(append([]string{"Thing__c", "User"}, few...)...)
	if err := r.loader.Update(t.Context(), "Thing__c", []testkit.Row{{"Id": things[0], "B__c": "later"}}); err != nil {
		t.Fatal(err)
	}
	r.server.Clock().Advance(time.Hour)

	out := r.roll(before, after)
	want := []run.ValuesRow{{Object: "Lost__c", Records: 2}, {Object: "Thing__c", Field: "A__c", Records: 3}}
	if !slices.Equal(out.Values, want) || len(out.Applied) != 1 || out.Applied[0].Failed > 0 || len(out.Applied[0].NewIDs) != 2 {
		t.Fatalf("%+v %+v\n%s", out.Values, out.Applied, shown(out.RollbackResult))
	}
	for query, want := range map[string]string{
		"SELECT Name, A__c, B__c FROM Thing__c ORDER BY Name": "one large later, three <nil> <nil>, two #N/A <nil>",
		"SELECT Name, A__c FROM Lost__c ORDER BY Name":        "gone x, gone too <nil>",
	} {
		rows, err := r.loader.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range rows {
			text := fmt.Sprint(row["Name"], " ", row["A__c"])
			if strings.Contains(query, "B__c") {
				text += fmt.Sprint(" ", row["B__c"])
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s", query, strings.Join(got, ", "))
		}
	}
}
