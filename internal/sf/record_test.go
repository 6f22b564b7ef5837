package sf

import (
	"slices"
	"testing"
)

func TestValueKeepsAbsentNullAndEmptyApart(t *testing.T) {
	absent, null, empty := Value{}, Null(), Text("")
	if absent == null || null == empty || absent == empty {
		t.Fatal("absent, null and empty are three values")
	}
	if !absent.IsAbsent() || !null.IsNull() || !empty.IsText() || empty.IsNull() {
		t.Error("a value does not know its kind")
	}
	for want, v := range map[string]Value{"(absent)": absent, "null": null, `""`: empty, `"say ""hi"""`: Text(`say "hi"`)} {
		if v.String() != want {
			t.Errorf("String() = %s, want %s", v, want)
		}
	}
	if Bool(true) != Text("true") || Bool(false) != Text("false") {
		t.Error("a value changed")
	}
}

func TestShapeSortsOnceAndLeavesIdOut(t *testing.T) {
	s := NewShape("Account", []string{"Name", "Id", "AccountNumber", "Name"})
	if !slices.Equal(s.Fields(), []string{"AccountNumber", "Name"}) || s.Len() != 2 {
		t.Fatalf("fields %v", s.Fields())
	}
	if s.Index("Name") != 1 || s.Index("Id") != -1 || s.Object() != "Account" {
		t.Errorf("index %d, %d of %s", s.Index("Name"), s.Index("Id"), s.Object())
	}
	if !s.Equal(NewShape("Account", []string{"AccountNumber", "Name"})) || s.Equal(NewShape("Lead", s.Fields())) {
		t.Error("shapes are equal by object and fields")
	}
}

func TestRecordGet(t *testing.T) {
	r := NewRecord("Account", "001D000000IqhSLIAZ", map[string]Value{"Name": Text("Acme"), "Fax": Null()})
	if r.Get("Name") != Text("Acme") || !r.Get("Fax").IsNull() || !r.Get("Phone").IsAbsent() || r.Object() != "Account" {
		t.Errorf("record %v", r)
	}
	if Compare(r, Record{ID: "001D000000IqhSMIAZ"}) >= 0 {
		t.Error("records are ordered by Id")
	}
}

func TestRequiredFields(t *testing.T) {
	for _, c := range []struct {
		field Field
		want  bool
	}{
		{Field{Type: TypeString, Createable: true}, true},
		{Field{Type: TypeString, Createable: true, Nillable: true}, false},
		{Field{Type: TypeString, Createable: true, DefaultedOnCreate: true}, false},
		{Field{Type: TypeBoolean, Createable: true}, false},
		{Field{Type: TypeString}, false},
	} {
		if got := c.field.Required(); got != c.want {
			t.Errorf("%+v: required %v", c.field, got)
		}
	}
	if !slices.IsSorted(systemFields) || !IsSystemField("SystemModstamp") || IsSystemField("Name") {
		t.Error("the list of system fields is searched in order")
	}
	s := Schema{Objects: []*Object{{Name: "Account", Fields: []*Field{{Name: "ParentId", Type: TypeReference}, {Name: "Name", Type: TypeString}}}}}
	if o := s.Object("account"); o == nil || o.Field("parentid") == nil || len(o.References()) != 1 || s.Object("x") != nil || o.Field("x") != nil {
		t.Error("names are found without regard to case")
	}
}
