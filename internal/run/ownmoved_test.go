package run_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

// Somebody who makes one account of two gives the own Id to the one that stays. The seed follows it there, and what the
// backups of that org know of the two accounts is not touched: each comes back as itself.
func TestAnOwnIDThatMovedLeavesBothRecordsThemselves(t *testing.T) {
	a, b := strangers(t)
	in := run.SeedInput{Snapshot: a.backup().Snapshot.ID, Objects: []string{"Account", "Contact"}, OwnIDs: []string{"Account"}, MakeOwnIDs: b.client}
	b.apply(b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}))
	own := a.ids["Account"][0]
	first := ""
	for id, of := range b.field("Account", run.OwnIDField) {
		if of == own {
			first = id
		}
	}
	second := b.added("Account", testkit.Row{"Name": "Of another name", "Phone": "1"})[0]
	b.server.Clock().Advance(time.Hour)
	before := b.backup().Snapshot.ID
	b.update("Account", []testkit.Row{{"Id": first, run.OwnIDField: "", "Phone": "first"}})
	b.update("Account", []testkit.Row{{"Id": second, run.OwnIDField: own, "Phone": "second"}})
	b.server.Clock().Advance(time.Hour)

	name := a.field("Account", "Name")[own]
	r := b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID})
	if r.Totals.Insert != 0 {
		t.Errorf("%+v", r.Totals)
	}
	b.apply(r)
	b.server.Clock().Advance(time.Hour)
	if got := b.field("Account", "Name")[second]; got != name {
		t.Errorf("the account that has the own Id is called %q, not %q", got, name)
	}
	if got := b.field("Account", "Phone")[first]; got != "first" {
		t.Errorf("the other one has the phone %q", got)
	}
	for contact, account := range b.field("Contact", "AccountId") {
		if account == first {
			t.Errorf("contact %s still belongs to the other one", contact)
		}
	}

	b.apply(b.restore(run.RestoreInput{Snapshot: before, Selection: run.Selection{Objects: []string{"Account"}}}))
	b.server.Clock().Advance(time.Hour)
	if names := b.field("Account", "Name"); names[second] != "Of another name" || names[first] != name {
		t.Errorf("back: %q and %q", names[second], names[first])
	}
	if owns := b.field("Account", run.OwnIDField); owns[first] != own || owns[second] == own {
		t.Errorf("back: own Ids %q and %q", owns[first], owns[second])
	}
}

// Two records of the first org that have one own Id are no two records of the other one: that is said before anything is
// remembered, and not when the second is refused or, worse, taken for the first.
func TestAnOwnIDThatStandsTwiceIsRefused(t *testing.T) {
	a, b := strangers(t)
	a.must(a.loader.DeployFiles(t.Context(), map[string]string{
		"package.xml":            `<?xml version="1.0"?><Package` + metadataSpace + `><types><members>Account.Holdfast_Id__c</members><name>CustomField</name></types><version>66.0</version></Package>`,
		"objects/Account.object": `<CustomObject` + metadataSpace + `><fields><fullName>Holdfast_Id__c</fullName><label>Id</label><type>Text</type><length>18</length></fields></CustomObject>`,
	}))
	in := run.SeedInput{Snapshot: a.backup().Snapshot.ID, Objects: []string{"Account"}, OwnIDs: []string{"Account"}, MakeOwnIDs: b.client}
	b.apply(b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}))
	b.server.Clock().Advance(time.Hour)
	ids := a.ids["Account"]
	a.loader = &testkit.Loader{InstanceURL: a.server.URL, AccessToken: a.server.AccessToken, Version: "v66.0"} // which has not described it yet
	a.update("Account", []testkit.Row{{"Id": ids[1], run.OwnIDField: strings.ToUpper(ids[0])}})
	a.server.Clock().Advance(time.Hour)
	in.Snapshot = a.backup().Snapshot.ID
	in.Target, in.Store, in.OrgName = b.client, b.store, "other"
	_, err := run.Seed(t.Context(), in)
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), ids[0]) || !strings.Contains(err.Error(), ids[1]) {
		t.Errorf("%v", err)
	}
	if got := slices.Sorted(maps.Keys(b.field("Account", "Name"))); len(got) != len(ids) {
		t.Errorf("%d accounts", len(got))
	}
}
