package state

import (
	"fmt"
	"slices"

	"holdfast/internal/sf"

	"pgregory.net/rapid"
)

// genID returns the n-th Account Id of the generated orgs.
func genID(n int) sf.ID {
	id, err := sf.ParseID(fmt.Sprintf("001%012d", n))
	if err != nil {
		panic(err)
	}
	return id
}

var genFields = []string{"Name", "Phone", "Rating", "LastModifiedDate", "SystemModstamp"}

// genShapes are few, so that records share shapes and also differ in them.
var genShapes = []*sf.Shape{
	sf.NewShape("Account", genFields),
	sf.NewShape("Account", genFields[:3]),
	sf.NewShape("Account", []string{"Name", "Zip"}),
	sf.NewShape("Account", nil),
}

func genValue() *rapid.Generator[sf.Value] {
	return rapid.SampledFrom([]sf.Value{
		{}, sf.Null(), sf.Text("a"), sf.Text("b"), sf.Text("#N/A"), sf.Text("null"), sf.Text("a\r\nb"),
	})
}

func genRecord(id sf.ID) *rapid.Generator[sf.Record] {
	return rapid.Custom(func(t *rapid.T) sf.Record {
		shape := rapid.SampledFrom(genShapes).Draw(t, "shape")
		r := sf.Record{ID: id, Shape: shape, Values: make([]sf.Value, shape.Len())}
		for i := range r.Values {
			r.Values[i] = genValue().Draw(t, shape.Fields()[i])
		}
		return r
	})
}

// genState draws a state of some of ten records. Such small worlds make every relation between two
// or three states come up: a record in one, in both, equal, or different in some field.
func genState() *rapid.Generator[[]sf.Record] {
	return rapid.Custom(func(t *rapid.T) []sf.Record {
		var records []sf.Record
		for n := range 10 {
			if rapid.Bool().Draw(t, "there") {
				records = append(records, genRecord(genID(n)).Draw(t, "record"))
			}
		}
		return records
	})
}

// genLater draws a state that some records, fields and deletions away from the given one.
func genLater(from []sf.Record) *rapid.Generator[[]sf.Record] {
	return rapid.Custom(func(t *rapid.T) []sf.Record {
		var records []sf.Record
		other := genState().Draw(t, "other")
		for n := range 10 {
			id := genID(n)
			pick := from
			if rapid.IntRange(0, 3).Draw(t, "moved") == 0 {
				pick = other
			}
			if r, found := find(pick, id); found {
				if rapid.IntRange(0, 3).Draw(t, "edited") == 0 && len(r.Values) > 0 {
					r.Values = slices.Clone(r.Values)
					r.Values[rapid.IntRange(0, len(r.Values)-1).Draw(t, "field")] = genValue().Draw(t, "value")
				}
				records = append(records, r)
			}
		}
		return records
	})
}

func find(records []sf.Record, id sf.ID) (sf.Record, bool) {
	for _, r := range records {
		if r.ID == id {
			return r, true
		}
	}
	return sf.Record{}, false
}

func diffOf(t fataler, a, b []sf.Record) Delta {
	d, err := Collect(Diff(FromSlice(a), FromSlice(b)), 0)
	if err != nil {
		t.Fatalf("diff: %v", err)
	}
	return d
}

func patchOf(t fataler, a []sf.Record, d Delta) []sf.Record {
	var out []sf.Record
	for r, err := range Patch(FromSlice(a), d.All()) {
		if err != nil {
			t.Fatalf("patch: %v", err)
		}
		out = append(out, r)
	}
	return out
}

func rebaseOf(t fataler, e *Equivalence, wanted Delta, live []sf.Record) (Delta, []Conflict) {
	d, conflicts, err := e.Rebase(wanted, FromSlice(live))
	if err != nil {
		t.Fatalf("rebase: %v", err)
	}
	return d, conflicts
}

// fataler is what property tests and plain ones share.
type fataler interface {
	Fatalf(format string, args ...any)
}

func sameState(t fataler, what string, got, want []sf.Record) {
	if !slices.EqualFunc(got, want, Equal) {
		t.Fatalf("%s:\n got %v\nwant %v", what, show(got), show(want))
	}
}

func show(records []sf.Record) []string {
	var out []string
	for _, r := range records {
		line := string(r.ID)
		for i, f := range r.Shape.Fields() {
			line += " " + f + "=" + r.Values[i].String()
		}
		out = append(out, line)
	}
	return out
}

func sameDelta(t fataler, what string, got, want Delta) {
	equal := slices.EqualFunc(got, want, func(a, b Change) bool {
		return a.Object == b.Object && a.ID == b.ID && a.Kind == b.Kind &&
			a.Before == b.Before && a.After == b.After && slices.Equal(a.Fields, b.Fields)
	})
	if !equal {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
