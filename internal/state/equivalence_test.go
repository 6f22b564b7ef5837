package state

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

// contactSchema has one field of every sort that an equivalence tells apart.
func contactSchema() *sf.Schema {
	return &sf.Schema{Objects: []*sf.Object{
		{
			Name: "Contact", Createable: true, Updateable: true, Deletable: true,
			Fields: []*sf.Field{
				{Name: "AccountId", Type: sf.TypeReference, Nillable: true, Createable: true, Updateable: true, ReferenceTo: []string{"Account"}},
				{Name: "CreatedDate", Type: sf.TypeDatetime},
				{Name: "LastModifiedDate", Type: sf.TypeDatetime, Createable: true},
				{Name: "LastName", Type: sf.TypeString, Createable: true, Updateable: true},
				{Name: "Hidden__c", Type: sf.TypeString, Nillable: true, Custom: true},
				{Name: "MailingAddress", Type: sf.TypeAddress, Nillable: true},
				{Name: "Number__c", Type: sf.TypeString, AutoNumber: true, Custom: true},
				{Name: "Parent__c", Type: sf.TypeReference, Createable: true, Custom: true, RelationshipOrder: 1},
				{Name: "PhotoUrl", Type: sf.TypeURL, Nillable: true},
				{Name: "Portal", Type: sf.TypeBoolean, Updateable: true},
				{Name: "Sum__c", Type: sf.TypeDouble, Nillable: true, Calculated: true, Custom: true},
				{Name: "SystemModstamp", Type: sf.TypeDatetime},
			},
		},
		{Name: "User", Updateable: true},
	}}
}

func TestClassOfEverySortOfField(t *testing.T) {
	e := &Equivalence{Schema: contactSchema()}
	for _, c := range []struct{ field, create, update string }{
		{"LastName", "exact", "exact"},
		{"lastname", "exact", "exact"},
		{"AccountId", "remapped", "remapped"},
		{"Parent__c", "remapped", "lost: " + ReasonOnCreateOnly},
		{"Portal", "exact", "exact"},
		{"Sum__c", "recomputed: " + ReasonFormula, "recomputed: " + ReasonFormula},
		{"Number__c", "recomputed: " + ReasonAutoNumber, "recomputed: " + ReasonAutoNumber},
		{"MailingAddress", "recomputed: " + ReasonCompound, "recomputed: " + ReasonCompound},
		{"PhotoUrl", "recomputed: " + ReasonPlatform, "recomputed: " + ReasonPlatform},
		{"Hidden__c", "lost: " + ReasonReadOnly, "lost: " + ReasonReadOnly},
		{"SystemModstamp", "recomputed: " + ReasonBookkeeping, "recomputed: " + ReasonBookkeeping},
		{"CreatedDate", "lost: " + ReasonAudit, "recomputed: " + ReasonBookkeeping},
		{"LastModifiedDate", "exact", "recomputed: " + ReasonBookkeeping},
		{"Gone__c", "lost: " + ReasonNoField, "lost: " + ReasonNoField},
	} {
		for kind, want := range map[Kind]string{Create: c.create, Update: c.update} {
			class, reason := e.Class("Contact", c.field, kind)
			got := strings.TrimSuffix(class.String()+": "+reason, ": ")
			if got != want {
				t.Errorf("%s on %s: %s, want %s", c.field, kind, got, want)
			}
		}
	}
	if class, _ := e.Class("Gone__c", "Name", Create); class != Lost {
		t.Errorf("field of an object that is not there: %s, want lost", class)
	}
}

func TestReduceNeverWritesWhatIsNotHeld(t *testing.T) {
	e := &Equivalence{Schema: contactSchema()}
	got, dropped, something := e.Reduce(Change{
		Object: "Contact", ID: genID(1), Kind: Update, Before: Hash{1}, After: Hash{2},
		Fields: []FieldChange{
			{Field: "AccountId", Before: sf.Text("x"), After: sf.Null()},
			{Field: "LastName", Before: sf.Text("a"), After: sf.Value{}},
			{Field: "Portal", Before: sf.Value{}, After: sf.Text("true")},
			{Field: "Sum__c", Before: sf.Text("1"), After: sf.Text("2")},
		},
	})
	if !something || len(got.Fields) != 1 || got.Fields[0].Field != "AccountId" || got.Before != (Hash{1}) {
		t.Errorf("reduced to %+v", got)
	}
	want := fmt.Sprintf("[{Portal lost %s} {Sum__c recomputed %s}]", ReasonNotHeld, ReasonFormula)
	if fmt.Sprint(dropped) != want {
		t.Errorf("dropped %v, want %s", dropped, want)
	}
}

func TestReduceOfRequiredFields(t *testing.T) {
	e := &Equivalence{Schema: contactSchema()}
	blank := []FieldChange{{Field: "LastName", Before: sf.Text("a"), After: sf.Null()}}
	if _, dropped, something := e.Reduce(Change{Object: "Contact", Kind: Update, Fields: blank}); something || dropped[0].Reason != ReasonRequired {
		t.Errorf("an update that blanks a required field is kept: %v", dropped)
	}
	got, dropped, something := e.Reduce(Change{Object: "Contact", Kind: Create, Fields: blank})
	if !something || len(got.Fields) != 0 || len(dropped) != 0 {
		t.Errorf("a create with a blank required field gives %v, %v", got, dropped)
	}
}

func TestReduceOfWholeRecords(t *testing.T) {
	e := &Equivalence{Schema: contactSchema()}
	for _, c := range []struct {
		object string
		kind   Kind
		want   string
	}{
		{"User", Create, ReasonNoCreate},
		{"User", Delete, ReasonNoDelete},
		{"Gone__c", Update, ReasonNoObject},
		{"Contact", Delete, ""},
	} {
		_, dropped, something := e.Reduce(Change{Object: c.object, Kind: c.kind})
		if something != (c.want == "") || (c.want != "" && dropped[0] != Dropped{Class: Lost, Reason: c.want}) {
			t.Errorf("%s of %s: %v %v, want %q", c.kind, c.object, dropped, something, c.want)
		}
	}
}

func TestReduceAllCountsEveryValue(t *testing.T) {
	e := &Equivalence{Schema: contactSchema()}
	one, _ := Between(sf.Record{}, sf.NewRecord("Contact", "003000000000001AAA", map[string]sf.Value{
		"LastName": sf.Text("a"), "AccountId": sf.Text("001000000000001AAA"), "CreatedDate": sf.Text("x"), "Sum__c": sf.Text("1"),
	}))
	d, fidelity := e.ReduceAll(Delta{one})
	if len(d) != 1 || len(d[0].Fields) != 2 {
		t.Errorf("reduced to %+v", d)
	}
	for class, want := range map[Class]int64{Exact: 1, Remapped: 1, Recomputed: 1, Lost: 1} {
		if got := fidelity.Total(class); got != want {
			t.Errorf("%d %s, want %d", got, class, want)
		}
	}
	if lost := fidelity.Lost(); len(lost) != 1 || lost[0].Field != "CreatedDate" || lost[0].Reason != ReasonAudit {
		t.Errorf("lost %v", lost)
	}
	if len(fidelity.Lines()) != 4 {
		t.Errorf("lines %v", fidelity.Lines())
	}
}

func TestRecordsUnderAnIdentityMap(t *testing.T) {
	schema := accountSchema()
	schema.Objects[0].Fields = append(schema.Objects[0].Fields, &sf.Field{Name: "ParentId", Type: sf.TypeReference, Nillable: true})
	m := NewIdentityMap()
	if err := m.Add(genID(1), genID(7)); err != nil {
		t.Fatal(err)
	}
	e := &Equivalence{Schema: schema, Identity: m}
	old := string(genID(1))
	state := []sf.Record{
		account(1, "Name", "moved", "ParentId", old),
		account(3, "Name", old, "ParentId", old), // a text that looks like an Id is only a text
		account(8, "ParentId", "<null>"),
	}
	want := []sf.Record{
		account(3, "Name", old, "ParentId", string(genID(7))),
		account(7, "Name", "moved", "ParentId", string(genID(7))),
		account(8, "ParentId", "<null>"),
	}
	if d := diffOf(t, want, recordsOf(t, e.Records(FromSlice(state)))); len(d) != 0 {
		t.Errorf("differs: %+v", d)
	}
	if state[0].Get("ParentId").Text() != old {
		t.Error("the source was changed")
	}
	clash := e.Records(FromSlice([]sf.Record{account(1), account(7)}))
	var err error
	for _, err = range clash {
	}
	if err == nil {
		t.Error("two records become one without an error")
	}
}

func recordsOf(t fataler, records Records) []sf.Record {
	var out []sf.Record
	for r, err := range records {
		if err != nil {
			t.Fatalf("records: %v", err)
		}
		out = append(out, r)
	}
	return out
}

// rebaseCases are records at the base, as wanted and live, and what a rebase makes of them.
var rebaseCases = []struct {
	name             string
	base, want, live sf.Record
	changes          string
	conflicts        string
}{
	{
		"update of what nobody touched",
		account(1, "Name", "bad", "Phone", "1"), account(1, "Name", "good", "Phone", "1"), account(1, "Name", "bad", "Phone", "2"),
		`update Name "bad"→"good"`, "",
	},
	{
		"update of what was edited since",
		account(1, "Name", "bad"), account(1, "Name", "good"), account(1, "Name", "better"),
		"", `Name keeps "better": edited since`,
	},
	{
		"update that someone made already",
		account(1, "Name", "bad"), account(1, "Name", "good"), account(1, "Name", "good"),
		"", "",
	},
	{
		"update back to null",
		account(1, "Name", "bad"), account(1, "Name", "<null>"), account(1, "Name", "bad"),
		`update Name "bad"→null`, "",
	},
	{
		"update of a record that is gone",
		account(1, "Name", "bad"), account(1, "Name", "good"),
		sf.Record{},
		"", " keeps (absent): deleted since",
	},
	{
		"create of a record that is back",
		sf.Record{},
		account(1, "Name", "good", "Phone", "1", "Zip", "9"), account(1, "Name", "good", "Phone", "2"),
		`update Zip (absent)→"9"`, `Phone keeps "2": the record is back, with another value`,
	},
	{
		"delete of a record that was edited since",
		account(1, "Name", "bad"),
		sf.Record{},
		account(1, "Name", "worked on"),
		"", `Name keeps "worked on": edited since`,
	},
	{
		"delete of a record whose modification date moved",
		account(1, "LastModifiedDate", "1"),
		sf.Record{},
		account(1, "LastModifiedDate", "2"),
		"", `LastModifiedDate keeps "2": edited since`,
	},
	{
		"delete of a record that was only looked at",
		account(1, "LastViewedDate", "1"),
		sf.Record{},
		account(1, "LastViewedDate", "2"),
		`delete LastViewedDate "2"→(absent)`, "",
	},
	{
		"delete of a record that is gone",
		account(1, "Name", "bad"),
		sf.Record{},
		sf.Record{},
		"", "",
	},
	{
		"bookkeeping is no conflict",
		account(1, "Name", "bad", "SystemModstamp", "2"), account(1, "Name", "good", "SystemModstamp", "1"), account(1, "Name", "bad", "SystemModstamp", "3"),
		`update Name "bad"→"good"`, "",
	},
}

func TestRebaseCases(t *testing.T) {
	for _, c := range rebaseCases {
		t.Run(c.name, func(t *testing.T) {
			wanted, _ := Between(c.base, c.want)
			var live []sf.Record
			if c.live.Shape != nil {
				live = append(live, c.live)
			}
			changes, conflicts, err := Rebase([]Change{wanted}, FromSlice(live))
			if err != nil {
				t.Fatal(err)
			}
			if got := showChanges(changes); got != c.changes {
				t.Errorf("changes %s, want %s", got, c.changes)
			}
			if got := showConflicts(conflicts); got != c.conflicts {
				t.Errorf("conflicts %s, want %s", got, c.conflicts)
			}
			for _, change := range changes {
				if change.Before != HashRecord(c.live) {
					t.Error("the change does not carry the hash of the live record")
				}
			}
		})
	}
}

func showChanges(changes []Change) string {
	var parts []string
	for _, c := range changes {
		for _, f := range c.Fields {
			parts = append(parts, fmt.Sprintf("%s %s %s→%s", c.Kind, f.Field, f.Before, f.After))
		}
	}
	return strings.Join(parts, ", ")
}

func showConflicts(conflicts []Conflict) string {
	var parts []string
	for _, c := range conflicts {
		parts = append(parts, fmt.Sprintf("%s keeps %s: %s", c.Field, c.Live, c.Reason))
	}
	return strings.Join(parts, ", ")
}

func TestRebaseRefusesDisorder(t *testing.T) {
	a, _ := Between(sf.Record{}, account(1))
	b, _ := Between(sf.Record{}, account(2))
	contact := sf.NewRecord("Contact", "003000000000001AAA", nil)
	if _, _, err := Rebase([]Change{b, a}, FromSlice(nil)); err == nil {
		t.Error("changes out of order are accepted")
	}
	if _, _, err := Rebase([]Change{a, b}, FromSlice([]sf.Record{account(2), account(1)})); err == nil {
		t.Error("records out of order are accepted")
	}
	if _, _, err := Rebase([]Change{a, b}, FromSlice([]sf.Record{contact})); err == nil {
		t.Error("records of another object are accepted")
	}
	if _, _, err := Rebase([]Change{{Object: "Account", ID: genID(1)}}, FromSlice([]sf.Record{account(1)})); err == nil {
		t.Error("a change without a kind is accepted")
	}
}
