package plan

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// nullInput brings back a record with a null in each kind of field; more is wanted beside it.
func nullInput(more ...state.Change) Input {
	field := func(name string, change func(*sf.Field)) *sf.Field {
		f := &sf.Field{Name: name, Type: sf.TypeString, Nillable: true, Createable: true, Updateable: true}
		if change != nil {
			change(f)
		}
		return f
	}
	object := &sf.Object{Name: "Thing__c", KeyPrefix: "a00", Queryable: true, Createable: true, Updateable: true, Deletable: true, Undeletable: true, Fields: []*sf.Field{
		field("Defaulted__c", func(f *sf.Field) { f.DefaultedOnCreate = true }),
		field("Link__c", func(f *sf.Field) { f.Type, f.ReferenceTo = sf.TypeReference, []string{"Thing__c"} }),
		field("Pick__c", func(f *sf.Field) { f.Type = sf.TypePicklist }),
		field("Size__c", func(f *sf.Field) { f.Type = sf.TypeDouble }),
		field("Text__c", nil),
		field("Value__c", nil),
	}}
	c := state.Change{Object: "Thing__c", ID: "a00000000000001AAA", Kind: state.Create, After: state.Hash{1}}
	for _, f := range object.Fields {
		after := sf.Null()
		if f.Name == "Value__c" {
			after = sf.Text("v")
		}
		c.Fields = append(c.Fields, state.FieldChange{Field: f.Name, After: after})
	}
	return Input{
		Org: "00D000000000001EAA", Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Schema: &sf.Schema{Objects: []*sf.Object{object}},
		Delta: append(state.Delta{c}, more...),
	}
}

// An insert carries no null that a new record has anyway, and each that something else might stand in the place of. All come
// back as they were, and are counted so.
func TestInsertsCarryNoNeedlessNulls(t *testing.T) {
	p, err := Order(nullInput())
	if err != nil {
		t.Fatal(err)
	}
	names := func(fields []state.FieldChange) (out []string) {
		for _, f := range fields {
			out = append(out, f.Field)
		}
		return out
	}
	if got := names(p.Steps[0].Rows[0].Fields); !slices.Equal(got, []string{"Defaulted__c", "Pick__c", "Value__c"}) || !slices.Equal(p.Steps[0].Fields, got) {
		t.Errorf("the row sets %q, the step has %q", got, p.Steps[0].Fields)
	}
	if n := p.Fidelity.Total(state.Exact) + p.Fidelity.Total(state.Remapped); n != 6 {
		t.Errorf("%d values come back, of 6", n)
	}
	if u := p.Undo[0]; u.Kind != state.Delete || u.Before != (state.Hash{1}) || len(u.Fields) > 0 {
		t.Errorf("its undo holds once more what the row has: %+v", u)
	}
	raw, err := Encoded(p)
	var same bytes.Buffer
	if failed := Encode(&same, p); err != nil || failed != nil || !bytes.Equal(raw, same.Bytes()) || cap(raw) != len(raw) {
		t.Errorf("%d bytes in room for %d, %v", len(raw), cap(raw), err)
	}
}

// Beside an undeletion a record may come back by itself with what it had: every null is needed to take that away.
func TestInsertsBesideUndeletionsCarryEveryNull(t *testing.T) {
	binned := sf.ID("a00000000000002AAA")
	in := nullInput(state.Change{Object: "Thing__c", ID: binned, Kind: state.Create, After: state.Hash{2}})
	in.InBin = func(id sf.ID) bool { return id == binned }
	p, err := Order(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if s.Op == Insert && len(s.Rows[0].Fields) != 6 {
			t.Errorf("%+v", s.Rows[0].Fields)
		}
	}
	if p.Count(Undelete) != 1 || p.Count(Insert) != 1 {
		t.Errorf("%+v", p.Steps)
	}
}
