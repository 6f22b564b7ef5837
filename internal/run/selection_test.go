package run_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// touched returns the Ids of the records that a plan writes, by object.
func touched(r run.RestoreResult) map[string][]string {
	out := map[string][]string{}
	for _, s := range r.Plan.Steps {
		for _, row := range s.Rows {
			if !slices.Contains(out[s.Object], string(row.ID)) {
				out[s.Object] = append(out[s.Object], string(row.ID))
			}
		}
	}
	for _, ids := range out {
		slices.Sort(ids)
	}
	return out
}

func (w *ward) touches(what string, in run.RestoreInput, want map[string][]string) run.RestoreResult {
	w.Helper()
	r := w.restore(in)
	for _, ids := range want {
		slices.Sort(ids)
	}
	got := touched(r)
	if !maps.EqualFunc(got, want, slices.Equal) {
		w.Errorf("%s: the plan touches %v, not %v", what, got, want)
	}
	return r
}

// estate is two accounts with contacts, a deal, a crate with slots, all spoiled after a backup.
func estate(t *testing.T) (w *ward, ids map[string]string, snapshot string) {
	w = emptyWard(t, 31, emulatorOptions)
	ids = map[string]string{}
	one := func(name, object string, row testkit.Row) {
		ids[name] = w.added(object, row)[0]
	}
	one("top", "Account", testkit.Row{"Name": "Top", "Site": "north", "Phone": "1"})
	one("sub", "Account", testkit.Row{"Name": "Sub", "Site": "north", "Phone": "2", "ParentId": ids["top"]})
	one("other", "Account", testkit.Row{"Name": "Other", "Site": "south", "Phone": "3"})
	one("ann", "Contact", testkit.Row{"LastName": "Ann", "AccountId": ids["top"], "Phone": "1"})
	one("bob", "Contact", testkit.Row{"LastName": "Bob", "AccountId": ids["other"], "Phone": "2"})
	one("deal", "Opportunity", testkit.Row{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-06-01", "AccountId": ids["sub"]})
	one("crate", "Crate__c", testkit.Row{"Account__c": ids["top"], "Weight__c": "1"})
	one("slot", "Slot__c", testkit.Row{"Name": "Slot", "Crate__c": ids["crate"], "Text__c": "x"})
	w.server.Clock().Advance(time.Hour)
	snapshot = w.backup().Snapshot.ID
	for name, object := range map[string]string{"top": "Account", "sub": "Account", "other": "Account", "ann": "Contact", "bob": "Contact"} {
		w.update(object, []testkit.Row{{"Id": ids[name], "Phone": "spoiled"}})
	}
	w.update("Account", []testkit.Row{{"Id": ids["top"], "Site": "spoiled"}})
	w.update("Opportunity", []testkit.Row{{"Id": ids["deal"], "Name": "spoiled"}})
	w.update("Crate__c", []testkit.Row{{"Id": ids["crate"], "Weight__c": "9"}})
	w.update("Slot__c", []testkit.Row{{"Id": ids["slot"], "Text__c": "spoiled"}})
	w.server.Clock().Advance(time.Hour)
	return w, ids, snapshot
}

func TestRestoreSelects(t *testing.T) {
	w, id, snapshot := estate(t)
	of := func(names ...string) []string {
		var out []string
		for _, n := range names {
			out = append(out, id[n])
		}
		return out
	}
	for name, c := range map[string]struct {
		selection run.Selection
		want      map[string][]string
	}{
		"a query":              {run.Selection{Query: "SELECT Id FROM Account WHERE Site = 'north'"}, map[string][]string{"Account": of("top", "sub")}},
		"a query over parents": {run.Selection{Query: "SELECT Id FROM Account WHERE Parent.Name = 'Top'"}, map[string][]string{"Account": of("sub")}},
		"two parents up":       {run.Selection{Query: "SELECT Id FROM Opportunity o WHERE o.Account.Parent.Site LIKE 'nor%'"}, map[string][]string{"Opportunity": of("deal")}},
		"a semi-join":          {run.Selection{Query: "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName = 'Bob')"}, map[string][]string{"Account": of("other")}},
		"an anti-join":         {run.Selection{Query: "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)"}, map[string][]string{"Account": of("sub")}},
		"a field":              {run.Selection{Fields: []string{"Account.Site"}}, map[string][]string{"Account": of("top")}},
		"a field everywhere":   {run.Selection{Fields: []string{"Phone"}}, map[string][]string{"Account": of("top", "sub", "other"), "Contact": of("ann", "bob")}},
		"a field of a query":   {run.Selection{Fields: []string{"Phone"}, Query: "SELECT Id FROM Contact WHERE LastName = 'Ann'"}, map[string][]string{"Contact": of("ann")}},
		"children": {run.Selection{Records: of("top"), Children: 1}, map[string][]string{
			"Account": of("top", "sub"), "Contact": of("ann"), "Crate__c": of("crate"),
		}},
		"children of children": {run.Selection{Query: "SELECT Id FROM Account WHERE Name = 'Top'", Children: 2}, map[string][]string{
			"Account": of("top", "sub"), "Contact": of("ann"), "Crate__c": of("crate"), "Opportunity": of("deal"), "Slot__c": of("slot"),
		}},
		"children of one kind": {run.Selection{Records: of("top"), Children: 3, Follow: []string{"crate__c", "Slot__c"}}, map[string][]string{
			"Account": of("top"), "Crate__c": of("crate"), "Slot__c": of("slot"),
		}},
		"without an object": {run.Selection{Records: of("top"), Children: 2, Exclude: []string{"Crate__c"}}, map[string][]string{
			"Account": of("top", "sub"), "Contact": of("ann"), "Opportunity": of("deal"),
		}},
		"without a record":              {run.Selection{Objects: []string{"Account"}, Exclude: of("sub")}, map[string][]string{"Account": of("top", "other")}},
		"objects and records":           {run.Selection{Objects: []string{"Account"}, Records: of("sub", "ann")}, map[string][]string{"Account": of("sub")}},
		"all of an object, with theirs": {run.Selection{Objects: []string{"Crate__c"}, Children: 1}, map[string][]string{"Crate__c": of("crate"), "Slot__c": of("slot")}},
	} {
		r := w.touches(name, run.RestoreInput{Snapshot: snapshot, Selection: c.selection}, c.want)
		if name == "a field" && fmt.Sprint(r.Steps[0].Fields) != "[Site]" {
			t.Errorf("%s: %v", name, r.Steps[0].Fields)
		}
	}
}

// A plan for chosen fields is verified for these fields: what else differs is not its business.
func TestRestoreOfFieldsIsVerifiedForThem(t *testing.T) {
	w, id, snapshot := estate(t)
	in := run.RestoreInput{Snapshot: snapshot, Selection: run.Selection{Fields: []string{"Account.Site"}}}
	out := w.apply(w.restore(in))
	if !out.Verified || out.Unexplained != 0 || w.field("Account", "Site")[id["top"]] != "north" || w.field("Account", "Phone")[id["top"]] != "spoiled" {
		t.Errorf("%+v", out)
	}
	if again := w.restore(in); !again.Plan.Empty() {
		t.Errorf("%s", again.File)
	}
}

func TestRestoreRefusesSelectionsThatMakeNoSense(t *testing.T) {
	w, id, snapshot := estate(t)
	for name, c := range map[string]struct {
		selection run.Selection
		kind      problem.Kind
	}{
		"a query that is none":       {run.Selection{Query: "SELECT FROM"}, problem.Usage},
		"an order":                   {run.Selection{Query: "SELECT Id FROM Account ORDER BY Name"}, problem.Usage},
		"a security clause":          {run.Selection{Query: "SELECT Id FROM Account WITH SECURITY_ENFORCED"}, problem.Usage},
		"a limit":                    {run.Selection{Query: "SELECT Id FROM Account LIMIT 1"}, problem.Usage},
		"an unknown field":           {run.Selection{Query: "SELECT Id FROM Account WHERE Nothing__c = 1"}, problem.NotFound},
		"an unknown relationship":    {run.Selection{Query: "SELECT Id FROM Account WHERE Nothing.Name = 'x'"}, problem.Usage},
		"an unknown object":          {run.Selection{Query: "SELECT Id FROM Nothing"}, problem.NotFound},
		"a query of nothing":         {run.Selection{Query: "SELECT Id FROM Account WHERE Name = 'no such'"}, problem.NotFound},
		"a query of another object":  {run.Selection{Query: "SELECT Id FROM Account", Objects: []string{"Contact"}}, problem.Usage},
		"children of nobody":         {run.Selection{Children: 1}, problem.Usage},
		"following without children": {run.Selection{Records: []string{id["top"]}, Follow: []string{"Contact"}}, problem.Usage},
		"a field that is not there":  {run.Selection{Fields: []string{"Account.Nothing__c"}}, problem.NotFound},
		"excluding a word":           {run.Selection{Exclude: []string{"nothing at all"}}, problem.NotFound},
		"somebody, back to a state":  {run.Selection{By: w.server.UserID}, problem.Usage},
	} {
		_, err := run.Restore(t.Context(), run.RestoreInput{Source: w.client, Store: w.store, Snapshot: snapshot, Selection: c.selection})
		if problem.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A conflict keeps what is live, unless it is decided for the value before the change: by name of a field, of
// an object, of a record, or all of them. What was decided is verified.
func TestRestoreDecidesConflictsAsAsked(t *testing.T) {
	w := emptyWard(t, 33, emulatorOptions)
	a, b := w.added("Account", testkit.Row{"Name": "A", "Phone": "1", "Site": "1"})[0], w.added("Account", testkit.Row{"Name": "B", "Phone": "1", "Site": "1"})[0]
	gone := w.added("Account", testkit.Row{"Name": "gone", "Phone": "1"})[0]
	w.server.Clock().Advance(time.Hour)
	before := w.backup()
	w.update("Account", []testkit.Row{{"Id": a, "Phone": "2", "Site": "2"}, {"Id": b, "Phone": "2", "Site": "2"}, {"Id": gone, "Phone": "2"}})
	made := w.added("Account", testkit.Row{"Name": "made"})[0]
	w.server.Clock().Advance(time.Hour)
	after := w.backup()
	w.update("Account", []testkit.Row{{"Id": a, "Phone": "3", "Site": "3"}, {"Id": b, "Phone": "3", "Site": "3"}, {"Id": made, "Phone": "worked on"}})
	w.must(w.loader.Delete(t.Context(), []string{gone}))
	w.server.Clock().Advance(time.Hour)
	for _, c := range []struct {
		take      []string
		updates   int
		conflicts int
	}{
		{nil, 0, 7}, {[]string{"Account.Phone"}, 2, 5}, {[]string{a}, 1, 5}, {[]string{"account"}, 2, 3}, {[]string{"all"}, 2, 3},
	} {
		r := w.restore(run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID, Selection: run.Selection{Take: c.take}})
		if r.Totals.Update != c.updates || r.Totals.Conflicts != c.conflicts || r.Totals.Delete != 0 {
			t.Errorf("%v: %+v %+v", c.take, r.Totals, r.Conflicts)
		}
	}
	in := run.RestoreInput{Before: before.Snapshot.ID, After: after.Snapshot.ID, Selection: run.Selection{Take: []string{"Account.Phone"}}}
	out := w.apply(w.restore(in))
	if phones, sites := w.field("Account", "Phone"), w.field("Account", "Site"); out.Unexplained != 0 || phones[a] != "1" || phones[b] != "1" || sites[a] != "3" {
		t.Errorf("%v %v %+v", phones, sites, out.Differences)
	}
	if again := w.restore(in); !again.Plan.Empty() {
		t.Errorf("%s", again.File)
	}
}

// A plan that touches more than it may is refused until somebody says so.
func TestRestoreRefusesMoreRowsThanAllowed(t *testing.T) {
	w, _, snapshot := estate(t)
	in := run.RestoreInput{Source: w.client, Store: w.store, Snapshot: snapshot, MaxRows: 7}
	if _, err := run.Restore(t.Context(), in); problem.KindOf(err) != problem.Limits {
		t.Errorf("eight rows, seven are allowed: %v", err)
	}
	in.MaxRows = 8
	if _, err := run.Restore(t.Context(), in); err != nil {
		t.Error(err)
	}
}

// What one user did between two snapshots is undone, and what others did is not: neither in other records,
// nor in the same record, nor in the same field afterwards. States between the two tell more.
func TestRestoreUndoesWhatOneUserChanged(t *testing.T) {
	w := emptyWard(t, 32, emulatorOptions)
	profile, err := w.loader.Query(t.Context(), "SELECT Id FROM Profile WHERE Name = 'System Administrator'")
	w.must(err)
	robot := w.added("User", testkit.Row{
		"Username": "robot@loads.example", "LastName": "Robot", "Email": "r@loads.example", "Alias": "robot", "ProfileId": profile[0]["Id"].(string),
		"TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "IsActive": "true",
	})[0]
	as := w.actor(sf.ID(robot))
	one := func(row testkit.Row) string { return w.added("Account", row)[0] }
	both, mine, theirs, after := one(testkit.Row{"Name": "both", "Phone": "1", "Site": "1"}), one(testkit.Row{"Name": "mine", "Phone": "1"}),
		one(testkit.Row{"Name": "theirs", "Phone": "1"}), one(testkit.Row{"Name": "after", "Phone": "1"})
	lost, kept := one(testkit.Row{"Name": "deleted by the robot"}), one(testkit.Row{"Name": "deleted by people"})
	w.server.Clock().Advance(time.Hour)
	before := w.backup()

	as.update("Account", both, "Site", "robot")
	as.update("Account", mine, "Phone", "robot")
	as.update("Account", after, "Phone", "robot")
	as.remove(lost)
	spam := as.insert("Account", "Name", "made by the robot")
	noon := w.server.Clock().Now()
	w.server.Clock().Advance(time.Hour)
	w.backup() // between the two
	w.update("Account", []testkit.Row{{"Id": both, "Phone": "people"}, {"Id": theirs, "Phone": "people"}, {"Id": after, "Phone": "people"}})
	w.must(w.loader.Delete(t.Context(), []string{kept}))
	w.server.Clock().Advance(time.Hour)
	w.backup()

	in := run.RestoreInput{Before: before.Snapshot.ID, After: "latest", Selection: run.Selection{By: "robot@loads.example"}}
	r := w.touches("by user", in, map[string][]string{"Account": {both, mine, lost, spam}})
	if len(r.Notes) == 0 {
		t.Error("that a deletion is not the robot's is not said")
	}
	in.Until = noon.Add(-time.Minute)
	w.touches("by user before it did anything", in, map[string][]string{})
	in.Until = time.Time{}
	out := w.apply(r)
	if out.Unexplained != 0 {
		t.Errorf("%+v", out.Differences)
	}
	phones, sites := w.field("Account", "Phone"), w.field("Account", "Site")
	if phones[both] != "people" || sites[both] != "1" || phones[mine] != "1" || phones[after] != "people" {
		t.Errorf("%v %v", phones, sites)
	}
	if _, back := phones[lost]; !back {
		t.Error("what the robot deleted is not back")
	}
	if _, there := phones[spam]; there {
		t.Error("what the robot made is there")
	}
	if again := w.restore(in); !again.Plan.Empty() {
		t.Errorf("something remains to be done: %s", again.File)
	}
}
