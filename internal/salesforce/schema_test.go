package salesforce_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

func TestSchemaOfRealDescribes(t *testing.T) {
	f := newFake(t)
	read := func(name string) string {
		raw, err := os.ReadFile(testkit.Shared(t, "describe", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	f.on("GET "+v+"sobjects", answer(200, read("Global")))
	known := []string{"Account", "Contact", "Opportunity", "OpportunityContactRole"}
	for _, name := range known {
		f.on("GET "+v+"sobjects/"+name+"/describe", answer(200, read(name)))
	}
	var now, most atomic.Int64
	f.on("GET "+v+"sobjects/{name}/describe", func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(time.Millisecond)
		writeJSON(w, 200, fmt.Sprintf(`{"name":%q,"queryable":true,"fields":[{"name":"Id","type":"id"}]}`, r.PathValue("name")))
	})
	schema, err := f.connect().Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if schema.APIVersion != "66.0" || len(schema.Objects) != 110 || most.Load() > 8 ||
		!slices.IsSortedFunc(schema.Objects, func(a, b *sf.Object) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%s, %d objects, %d describes at once", schema.APIVersion, len(schema.Objects), most.Load())
	}
	a := schema.Object("Account")
	if len(a.Fields) != 68 || a.KeyPrefix != "001" || !a.Undeletable || !a.Replicateable || len(a.Children) == 0 || a.Custom {
		t.Errorf("account has %d fields, %d children, %+v", len(a.Fields), len(a.Children), a)
	}
	street, parent := a.Field("BillingStreet"), a.Field("ParentId")
	if street.CompoundFieldName != "BillingAddress" || street.Type != sf.TypeTextarea || street.Length != 255 || !street.Nillable {
		t.Errorf("%+v", street)
	}
	if parent.Type != sf.TypeReference || !slices.Equal(parent.ReferenceTo, []string{"Account"}) || parent.RelationshipName != "Parent" ||
		parent.RelationshipOrder != 0 {
		t.Errorf("%+v", parent)
	}
	if n := len(a.Field("Industry").Picklist); n == 0 || !a.Field("Industry").Picklist[0].Active {
		t.Errorf("%d industries", n)
	}
	role := schema.Object("OpportunityContactRole").Field("OpportunityId")
	if !role.Required() || !slices.Equal(role.ReferenceTo, []string{"Opportunity"}) {
		t.Errorf("%+v", role)
	}
}

func TestSchemaKeepsWhatCannotBeQueriedByName(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"sobjects", answer(200, `{"sobjects":[{"name":"Name","queryable":false},{"name":"Account","queryable":true},{"name":"Gone__c","queryable":true}]}`))
	f.on("GET "+v+"sobjects/Account/describe", answer(200, `{"name":"Account","queryable":true,"fields":[
		{"name":"M__c","type":"reference","referenceTo":["X"],"relationshipOrder":1,"cascadeDelete":true},{"name":"I__c","type":"int","digits":8}]}`))
	f.on("GET "+v+"sobjects/Gone__c/describe", answer(404, `[{"errorCode":"NOT_FOUND","message":"x"}]`))
	schema, err := f.connect().Schema(t.Context())
	if err != nil || len(schema.Objects) != 2 || schema.Object("Name").Queryable || schema.Object("Name").Fields != nil {
		t.Fatalf("%+v, %v", schema, err)
	}
	if a := schema.Object("Account"); a.Fields[0].RelationshipOrder != 2 || !a.Fields[0].CascadeDelete || a.Fields[1].Precision != 8 {
		t.Errorf("%+v", a.Fields[0])
	}
}

func TestSchemaFailsWhenADescribeFails(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"sobjects", answer(200, `{"sobjects":[{"name":"Account","queryable":true}]}`))
	f.on("GET "+v+"sobjects/Account/describe", answer(403, `[{"errorCode":"INSUFFICIENT_ACCESS","message":"x"}]`))
	if _, err := f.connect().Schema(t.Context()); err == nil || !strings.Contains(err.Error(), "describe Account") {
		t.Error(err)
	}
	f = newFake(t)
	f.on("GET "+v+"sobjects", answer(200, `{"sobjects":[]}`))
	if _, err := f.connect().Schema(t.Context()); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
}
