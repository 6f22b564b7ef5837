package run_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/run"
	"holdfast/internal/seal"
	"holdfast/internal/snapshot"
	"holdfast/internal/testkit"
)

// ownSees are the objects that the other org shows: those of a ward, and permission sets.
var ownSees = testkit.Narrow("Account", "Contact", "Opportunity", "User", "RecordType", "PermissionSet", "PermissionSetAssignment")

// strangers are an org with a company, and another one without, in which a field that is deployed is seen by nobody.
func strangers(t *testing.T) (a, b *ward) {
	a = newWard(t, 53)
	b = emptyWard(t, 54, emulator.Options{Seed: 98, StrictFieldAccess: true})
	b.seesGrants()
	b.store = a.store
	a.server.Clock().Advance(time.Hour)
	return a, b
}

// seesGrants lets the org show the objects in which a field is granted.
func (w *ward) seesGrants() {
	w.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: ownSees}
		}
		return emulator.Fault{}
	})
}

// newStore is a repository of its own, as another machine has it.
func newStore(t *testing.T) *snapshot.Store {
	t.Helper()
	var who [2]*seal.Identity
	for i := range who {
		var err error
		if who[i], err = seal.NewIdentity(); err != nil {
			t.Fatal(err)
		}
	}
	bucket := &blob.Memory{}
	if err := repo.Init(t.Context(), bucket, who[0].Recipient(), who[1].Recipient()); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(t.Context(), bucket, who[0])
	if err != nil {
		t.Fatal(err)
	}
	return snapshot.Open(r)
}

// idsOf are the Ids of all records of an object.
func (w *ward) idsOf(object string) []string {
	w.Helper()
	return slices.Sorted(maps.Keys(w.field(object, "Name")))
}

// A seed that keeps own Ids is found again by one that remembers nothing of it: another repository, as another machine has
// it. The fields are made, and nothing is written the second time; without them everything would come twice.
func TestASeedKnowsItsRecordsByTheirOwnIDs(t *testing.T) {
	a, b := strangers(t)
	from := a.backup().Snapshot
	in := run.SeedInput{Snapshot: from.ID, Objects: []string{"Account", "Contact"}, OwnIDs: []string{"Account", "Contact"}}
	in.Target, in.Store, in.OrgName = b.client, b.store, "other"
	if _, err := run.Seed(t.Context(), in); problem.KindOf(err) != problem.NotFound ||
		!strings.Contains(err.Error(), "Account.Holdfast_Id__c, Contact.Holdfast_Id__c") || !strings.Contains(problem.HintOf(err), "--make-own-ids") {
		t.Fatalf("the fields are not there: %v", err)
	}
	in.MakeOwnIDs = b.client
	prepared := b.seed(in)
	if got := fmt.Sprint(prepared.MadeOwnIDs); got != "[Account.Holdfast_Id__c Contact.Holdfast_Id__c]" {
		t.Errorf("made %s", got)
	}
	out := b.apply(b.restore(run.RestoreInput{Snapshot: prepared.Snapshot.ID}))
	if out.Failed > 0 || out.Unexplained > 0 {
		t.Fatalf("%+v %+v", out.Errors, out.Differences)
	}
	b.server.Clock().Advance(time.Hour)
	for _, object := range in.Objects {
		if want, got := a.idsOf(object), slices.Sorted(maps.Values(b.field(object, run.OwnIDField))); !slices.Equal(want, got) {
			t.Errorf("own Ids of %s: %v, not %v", object, got, want)
		}
	}
	a.store = newStore(t)
	b.store = a.store
	in.Snapshot = a.backup().Snapshot.ID
	alone := in
	alone.OwnIDs, alone.MakeOwnIDs = nil, nil
	if r := b.restore(run.RestoreInput{Snapshot: b.seed(alone).Snapshot.ID}); r.Totals.Insert != len(a.idsOf("Account"))+len(a.idsOf("Contact")) {
		t.Errorf("without own Ids: %+v", r.Totals)
	}
	again := b.seed(in)
	if len(again.MadeOwnIDs) > 0 {
		t.Errorf("made again: %v", again.MadeOwnIDs)
	}
	for _, o := range again.Objects {
		if o.Records == 0 || o.Matched != o.Records || o.OwnID != run.OwnIDField {
			t.Errorf("%+v", o)
		}
	}
	if r := b.restore(run.RestoreInput{Snapshot: again.Snapshot.ID}); !r.Plan.Empty() {
		t.Errorf("the second time there is something to do: %+v %+v", r.Totals, r.Steps)
	}
	// An edit of the first org reaches the same record, and no other.
	a.update("Account", []testkit.Row{{"Id": a.ids["Account"][0], "Phone": "changed"}})
	a.server.Clock().Advance(time.Hour)
	in.Snapshot = a.backup().Snapshot.ID
	if r := b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}); r.Totals.Update != 1 || r.Totals.Insert != 0 {
		t.Errorf("one edit: %+v", r.Totals)
	}
	// Back where they came from they are the records that they were.
	a.seesGrants()
	home := run.SeedInput{Snapshot: b.backup().Snapshot.ID, Objects: in.Objects, OwnIDs: in.OwnIDs, MakeOwnIDs: a.client}
	home.Target, home.Store, home.OrgName = a.client, a.store, "home"
	back := a.seed(home)
	for _, o := range back.Objects {
		if o.Records == 0 || o.Matched != o.Records {
			t.Errorf("back home: %+v", o)
		}
	}
	if r := a.restore(run.RestoreInput{Snapshot: back.Snapshot.ID}); r.Totals.Insert > 0 {
		t.Errorf("back home they come twice: %+v %+v", r.Totals, r.Steps)
	}
}

// A record that was seeded, purged there, and made anew by another seed is one record in every repository.
func TestOwnIDsOutliveARecord(t *testing.T) {
	a, b := strangers(t)
	in := run.SeedInput{Snapshot: a.backup().Snapshot.ID, Objects: []string{"Account"}, OwnIDs: []string{"Account"}, MakeOwnIDs: b.client}
	first := a.store
	b.apply(b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}))
	victim := ""
	for id, own := range b.field("Account", run.OwnIDField) {
		if own == a.ids["Account"][0] {
			victim = id
		}
	}
	b.purge(victim)
	b.server.Clock().Advance(time.Hour)
	a.store = newStore(t)
	b.store = a.store
	second := in
	second.Snapshot = a.backup().Snapshot.ID
	if r := b.restore(run.RestoreInput{Snapshot: b.seed(second).Snapshot.ID}); r.Totals.Insert != 1 {
		t.Fatalf("%+v", r.Totals)
	} else {
		b.apply(r)
	}
	b.server.Clock().Advance(time.Hour)
	a.store, b.store = first, first
	if r := b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}); !r.Plan.Empty() {
		t.Errorf("the first repository wants %+v", r.Totals)
	}
}

// A field that cannot hold own Ids is refused before anything is read.
func TestOwnIDsNeedAFieldThatHoldsThem(t *testing.T) {
	a, b := strangers(t)
	in := run.SeedInput{Snapshot: a.backup().Snapshot.ID, Objects: []string{"Account"}, Target: b.client, Store: b.store, OrgName: "other", MakeOwnIDs: b.client}
	for own, kind := range map[string]problem.Kind{"Account.Phone": problem.Usage, "Account.Nope__c": problem.NotFound, "Nope__c": problem.NotFound} {
		in.OwnIDs = []string{own}
		if _, err := run.Seed(t.Context(), in); problem.KindOf(err) != kind {
			t.Errorf("%s: %v", own, err)
		}
	}
}

// Two records of the first org that have one own Id, as where a record has come back to the org that it is of, are never made one.
func TestOwnIDsOfTwoRecordsAreTold(t *testing.T) {
	a, b := strangers(t)
	a.must(a.loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": testkit.PackageXML("CustomField", "Account.Holdfast_Id__c"),
		"objects/Account.object": `<CustomObject` + metadataSpace + `><fields><fullName>Holdfast_Id__c</fullName><label>Id</label><type>Text</type><length>18</length>
<unique>true</unique><externalId>true</externalId></fields></CustomObject>`,
	}))
	one := a.ids["Account"][0]
	anew := &testkit.Loader{InstanceURL: a.server.URL, AccessToken: a.server.AccessToken, Version: "v66.0"} // which sees the field
	_, err := anew.Insert(t.Context(), "Account", []testkit.Row{{"Name": "came back", run.OwnIDField: one}})
	a.must(err)
	a.server.Clock().Advance(time.Hour)
	in := run.SeedInput{Snapshot: a.backup().Snapshot.ID, Objects: []string{"Account"}, OwnIDs: []string{"Account"}, Target: b.client, Store: b.store, OrgName: "other", MakeOwnIDs: b.client}
	if _, err := run.Seed(t.Context(), in); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), one) || problem.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}
