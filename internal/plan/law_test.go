package plan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"

	"holdfast/internal/sf"
	"holdfast/internal/state"

	"pgregory.net/rapid"
)

// genSchema has the shapes of reference that matter: to itself, to each other, required, owned, one
// that forbids deletion, and one that only an insert sets.
var genSchema = parseSchema([]string{
	"Account Name! ParentId>Account Main__c>Contact",
	"Contact LastName! AccountId>Account* ReportsToId>Contact",
	"Line__c Name Contact__c>Contact!* Twin__c>Line__c Once__c>Account+",
	"Seal__c Name Line__c>Line__c^",
})

var genPrefix = map[string]string{"Account": "001", "Contact": "003", "Line__c": "a01", "Seal__c": "a02"}

const genEach = 5

func genIDOf(object string, n int) sf.ID { return longID(genPrefix[object] + string(rune('A'+n))) }

// genWorld draws a state with every reference set, null or absent.
func genWorld() *rapid.Generator[map[string][]sf.Record] {
	return rapid.Custom(func(t *rapid.T) map[string][]sf.Record {
		world := make(map[string][]sf.Record)
		for _, o := range genSchema.Objects {
			for n := range genEach {
				if rapid.IntRange(0, 2).Draw(t, "there") == 0 {
					continue
				}
				values := map[string]sf.Value{}
				for _, f := range o.Fields {
					values[f.Name] = genValueOf(t, f)
				}
				world[o.Name] = append(world[o.Name], sf.NewRecord(o.Name, genIDOf(o.Name, n), values))
			}
		}
		return world
	})
}

func genValueOf(t *rapid.T, f *sf.Field) sf.Value {
	if f.Type != sf.TypeReference {
		return rapid.SampledFrom([]sf.Value{sf.Text("x"), sf.Text("y"), sf.Null(), sf.Text("#N/A"), sf.Text("cut \xed\xa0\xbd")}).Draw(t, f.Name)
	}
	n := rapid.IntRange(0, genEach+1).Draw(t, f.Name)
	switch {
	case n < genEach || !f.Nillable:
		return sf.Text(string(genIDOf(f.ReferenceTo[0], n%genEach)))
	case n == genEach:
		return sf.Null()
	default:
		return sf.Value{}
	}
}

// genInput draws a live state, a wanted one, and a bin with some of what is not live.
func genInput(t *rapid.T) Input {
	live, want := genWorld().Draw(t, "live"), genWorld().Draw(t, "want")
	bin := make(map[sf.ID]sf.Record)
	for _, records := range genWorld().Draw(t, "bin") {
		for _, r := range records {
			bin[r.ID] = r
		}
	}
	in := Input{Org: "00D000000000001EAA", Schema: genSchema, Notes: []string{"a note"}}
	for _, o := range genSchema.Objects {
		for _, r := range live[o.Name] {
			delete(bin, r.ID)
		}
		d, err := state.Collect(state.Diff(state.FromSlice(live[o.Name]), state.FromSlice(want[o.Name])), 0)
		if err != nil {
			t.Fatalf("diff: %v", err)
		}
		in.Delta = append(in.Delta, d...)
	}
	for _, o := range genSchema.Objects {
		links, err := Dependants(in.Delta, genSchema, state.FromSlice(live[o.Name]))
		if err != nil {
			t.Fatalf("dependants: %v", err)
		}
		in.Dependants = append(in.Dependants, links...)
	}
	in.InBin = func(id sf.ID) bool { _, found := bin[id]; return found }
	in.BinRecord = func(id sf.ID) (sf.Record, bool) { r, found := bin[id]; return r, found }
	return in
}

func TestLaw06OrderIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		first, err := Order(in)
		in.Delta = rapid.Permutation(in.Delta).Draw(t, "shuffled")
		second, again := Order(in)
		if err != nil || again != nil {
			if fmt.Sprint(err) != fmt.Sprint(again) {
				t.Fatalf("error %v, then %v", err, again)
			}
			return
		}
		if a, b := encodedIn(t, first), encodedIn(t, second); !bytes.Equal(a, b) {
			t.Fatalf("two plans\n%s\nand\n%s", a, b)
		}
	})
}

func encodedIn(t *rapid.T, p *Plan) []byte {
	var b bytes.Buffer
	if err := Encode(&b, p); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b.Bytes()
}

// TestLaw06OrderIsTopologicallyValid plays the plan step by step on a model of its own: what is
// there, what a row refers to when it is written, and what the fields hold in the end.
func TestLaw06OrderIsTopologicallyValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		p, err := Order(in)
		if err != nil {
			if _, cycle := errors.AsType[*CycleError](err); cycle {
				return
			}
			t.Fatalf("order: %v", err)
		}
		planned := map[sf.ID]bool{} // comes or goes with the plan
		for _, s := range p.Steps {
			for _, r := range s.Rows {
				planned[r.ID] = true
			}
		}
		here := map[sf.ID]bool{}
		gone := map[sf.ID]bool{}
		written := map[sf.ID]map[string]sf.Value{}
		for _, s := range p.Steps {
			for _, r := range s.Rows {
				playRow(t, in, s, r, here, gone, written, planned)
			}
			for _, r := range s.Rows {
				here[r.ID], gone[r.ID] = s.Op != Delete, s.Op == Delete
			}
		}
		holdsWhatWasWanted(t, in, p, here, gone, written)
	})
}

// playRow checks that whatever the row refers to is there when the row is sent.
func playRow(t *rapid.T, in Input, s Step, r Row, here, gone map[sf.ID]bool, written map[sf.ID]map[string]sf.Value, planned map[sf.ID]bool) {
	if s.Op == Delete {
		for _, f := range r.Fields {
			field := in.Schema.Object(s.Object).Field(f.Field)
			if field.RestrictedDelete && gone[sf.ID(f.Before.Text())] {
				t.Fatalf("step %d: %s goes after %s, which it protects", s.Number, r.ID, f.Before.Text())
			}
		}
		return
	}
	if r.With != "" && !here[r.With] {
		t.Fatalf("step %d: %s comes with %s, which is not back yet", s.Number, r.ID, r.With)
	}
	for _, f := range r.Fields {
		field := in.Schema.Object(s.Object).Field(f.Field)
		if s.Op == Insert && f.After.Text() == bulkNull {
			t.Fatalf("step %d: %s is sent the text that means null", s.Number, r.ID)
		}
		if s.Op == Insert && !utf8.ValidString(f.After.Text()) {
			t.Fatalf("step %d: %s is sent half a character, which is no UTF-8", s.Number, r.ID)
		}
		if written[r.ID] == nil {
			written[r.ID] = map[string]sf.Value{}
		}
		written[r.ID][f.Field] = f.After
		target := sf.ID(f.After.Text())
		if field.Type != sf.TypeReference || !f.After.IsText() {
			continue
		}
		wantedBack := false
		for _, c := range in.Delta {
			wantedBack = wantedBack || (c.ID == target && c.Kind == state.Create)
		}
		if wantedBack && !here[target] {
			t.Fatalf("step %d: %s.%s refers to %s, which is not there yet", s.Number, r.ID, f.Field, target)
		}
		for _, c := range in.Delta {
			if planned[target] && c.ID == target && c.Kind == state.Delete {
				t.Fatalf("step %d: %s.%s refers to %s, which the plan deletes", s.Number, r.ID, f.Field, target)
			}
		}
	}
}

// holdsWhatWasWanted checks every change of the delta against what the plan did, or said to be lost.
func holdsWhatWasWanted(t *rapid.T, in Input, p *Plan, here, gone map[sf.ID]bool, written map[sf.ID]map[string]sf.Value) {
	kept := map[sf.ID]bool{}
	for _, c := range p.Conflicts {
		kept[c.ID] = true
	}
	lost := map[string]bool{}
	for _, l := range p.Fidelity.Lost() {
		lost[l.Object+"."+l.Field] = true
	}
	for _, c := range in.Delta {
		if c.Kind == state.Delete {
			if !gone[c.ID] && !kept[c.ID] {
				t.Fatalf("%s is not deleted", c.ID)
			}
			continue
		}
		if c.Kind == state.Create && !here[c.ID] && !lost[c.Object+"."] {
			t.Fatalf("%s neither comes back nor is lost", c.ID)
		}
		for _, f := range c.Fields {
			class, _ := (&state.Equivalence{Schema: in.Schema}).Class(c.Object, f.Field, state.Update)
			bin, _ := in.BinRecord(c.ID)
			asItWas := bin.Shape != nil && bin.Get(f.Field) == f.After
			nulled := f.After.IsNull() && c.Kind == state.Create // a new record has it anyway
			switch got := written[c.ID][f.Field]; {
			case got == f.After, asItWas, nulled, f.After.IsAbsent(), class == state.Recomputed: // even for a create: it may be an undelete
			case lost[c.Object+"."+f.Field], lost[c.Object+"."]:
			default:
				t.Fatalf("%s.%s is %v, wanted %v", c.ID, f.Field, got, f.After)
			}
		}
	}
}

// TestLaw05DeletionTakesNothingAlong: after the plan nobody whom it does not delete has lost the
// record that owns it.
func TestLaw05DeletionTakesNothingAlong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live := genWorld().Draw(t, "live")
		in := Input{Org: "00D000000000001EAA", Schema: genSchema}
		for _, records := range live {
			for _, r := range records {
				if c, _ := state.Between(r, sf.Record{}); rapid.Bool().Draw(t, "deleted") {
					in.Delta = append(in.Delta, c)
				}
			}
		}
		for _, o := range genSchema.Objects {
			links, err := Dependants(in.Delta, genSchema, state.FromSlice(live[o.Name]))
			if err != nil {
				t.Fatalf("dependants: %v", err)
			}
			in.Dependants = append(in.Dependants, links...)
		}
		p, err := Order(in)
		if err != nil {
			t.Fatalf("order: %v", err)
		}
		gone := map[sf.ID]bool{}
		for _, s := range p.Steps {
			for _, r := range s.Rows {
				gone[r.ID] = true
			}
		}
		for object, records := range live {
			for _, r := range records {
				for _, f := range genSchema.Object(object).References() {
					harm := f.CascadeDelete || f.RestrictedDelete
					if harm && !gone[r.ID] && gone[sf.ID(r.Get(f.Name).Text())] {
						t.Fatalf("%s stays, and %s, on which it depends by %s, goes", r.ID, r.Get(f.Name), f.Name)
					}
				}
			}
		}
	})
}

// TestLaw07PlanFileIsCanonical: reading gives back what was written, and writing that gives the same
// bytes.
func TestLaw07PlanFileIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		in.Source = Source{Wanted: rapid.String().Draw(t, "wanted"), Live: "l"}
		in.Conflicts = []state.Conflict{{
			Object: "Account", ID: genIDOf("Account", 0), Field: "Name", Base: sf.Null(), Reason: state.ReasonEdited,
			Wanted: sf.Text(rapid.String().Draw(t, "text")), Live: sf.Text(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))),
		}}
		p, err := Order(in)
		if err != nil {
			return
		}
		p.SetBypass(sampleBypass[:rapid.IntRange(0, 2).Draw(t, "bypasses")])
		raw := encodedIn(t, p)
		got, err := Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("decode: %v\n%s", err, raw)
		}
		if again := encodedIn(t, got); !bytes.Equal(again, raw) {
			t.Fatalf("encoded again\n%s\nwas\n%s", again, raw)
		}
		if got.Conflicts[0] != p.Conflicts[0] || len(got.Undo) != len(p.Undo) || len(got.Steps) != len(p.Steps) || !slices.Equal(got.Bypass, p.Bypass) {
			t.Fatalf("decoded %+v, was %+v", got, p)
		}
	})
}

// TestLaw02UndoOfAPlanTakesItBack: the undo names every record that the plan touches, with the
// opposite of what the plan does to it.
func TestLaw02UndoOfAPlanTakesItBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := Order(genInput(t))
		if err != nil {
			return
		}
		undone := map[sf.ID]state.Change{}
		for _, c := range p.Undo {
			undone[c.ID] = c
		}
		opposite := map[Op]state.Kind{Undelete: state.Delete, Insert: state.Delete, Delete: state.Create}
		for _, s := range p.Steps {
			for _, r := range s.Rows {
				c, found := undone[r.ID]
				if want := opposite[s.Op]; !found || (want != 0 && c.Kind != want) {
					t.Fatalf("undo of %s %s is %+v", s.Op, r.ID, c)
				}
				if s.Op == Update && !r.Before.IsZero() && (c.After != r.Before || len(c.Fields) != len(r.Fields)) {
					t.Fatalf("undo of the update of %s is %+v", r.ID, c)
				}
			}
		}
	})
}
