package run_test

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/state"
	"holdfast/internal/testkit"
)

// purge deletes records for good.
func (w *ward) purge(ids ...string) {
	w.Helper()
	w.must(w.loader.Delete(w.Context(), ids))
	w.must(w.loader.EmptyRecycleBin(w.Context(), ids))
	w.server.Clock().Advance(time.Hour)
}

// added inserts rows and returns their Ids.
func (w *ward) added(object string, rows ...testkit.Row) []string {
	w.Helper()
	from := len(w.ids[object])
	w.insert(object, rows)
	return slices.Clone(w.ids[object][from:])
}

// backTo restores to a snapshot and applies the plan; the org may refuse rows.
func (w *ward) backTo(snapshot string) run.ApplyResult {
	w.Helper()
	r := w.restore(run.RestoreInput{Snapshot: snapshot})
	out, err := run.Apply(w.Context(), w.input(r, filepath.Join(w.TempDir(), "plan.journal")))
	if err != nil && problem.KindOf(err) != problem.Partial {
		w.Fatalf("%v\n%+v", err, out.Differences)
	}
	w.server.Clock().Advance(time.Hour)
	return out
}

func newIDs(out run.ApplyResult) map[string]string {
	ids := map[string]string{}
	for _, p := range out.NewIDs {
		ids[string(p.Old)] = string(p.New)
	}
	return ids
}

// field returns the text of one field of each record of the object.
func (w *ward) field(object, field string) map[string]string {
	w.Helper()
	rows, err := w.loader.Query(w.Context(), "SELECT Id, "+field+" FROM "+object)
	w.must(err)
	out := map[string]string{}
	for _, r := range rows {
		out[r["Id"].(string)] = ""
		if r[field] != nil {
			out[r["Id"].(string)] = fmt.Sprint(r[field])
		}
	}
	return out
}

// Trap 19: twins, rows that are equal and rows whose names differ by a space, one of which a rule
// rejects: no child changes its parent, and the report names the row that was refused.
func TestTrap19TwinsOfWhichOneIsRejected(t *testing.T) {
	w := newWard(t, 19)
	accounts := w.added("Account", testkit.Row{"Name": "Site 5"}, testkit.Row{"Name": "Site 5"}, testkit.Row{"Name": "Site  5"}, testkit.Row{"Name": "Plot 5"})
	var children []testkit.Row
	for i, id := range accounts {
		children = append(children, testkit.Row{"LastName": fmt.Sprint("child of ", i), "AccountId": id}, testkit.Row{"LastName": "twin", "AccountId": id})
	}
	contacts := w.added("Contact", children...)
	w.server.Clock().Advance(time.Hour)
	before := w.backup()
	w.purge(slices.Concat(contacts, accounts)...)

	refused := 0
	w.server.Org().Reject(func(a org.Attempt) *org.Error {
		if a.Object == "Account" && a.Op == org.Insert && a.Value("Name") == "Site 5" {
			if refused++; refused == 2 {
				return &org.Error{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: "one of the two"}
			}
		}
		return nil
	})
	out := w.backTo(before.Snapshot.ID)
	if len(out.Errors) != 1 || !slices.Contains(accounts[:2], string(out.Errors[0].ID)) || out.Unexplained != 0 {
		t.Fatalf("%+v %+v", out.Errors, out.Differences)
	}
	news, parents := newIDs(out), w.field("Contact", "AccountId")
	for i, id := range contacts {
		want := news[accounts[i/2]] // "" for the children of the one that was refused
		if got := parents[news[id]]; got != want {
			t.Errorf("contact %d hangs on %q, and its parent is %q", i, got, want)
		}
	}
	if got := string(out.Errors[0].ID); news[got] != "" {
		t.Errorf("the report names %s, which came back", got)
	}
}

// Trap 20: the org answers a job in two files, each in an order of its own; every row gets its own
// answer, and the report blames the right ones.
func TestTrap20ResultsInAnyOrderAndTwoFiles(t *testing.T) {
	w := newWard(t, 20)
	var rows []testkit.Row
	for i := range 300 {
		rows = append(rows, testkit.Row{"LastName": fmt.Sprintf("Order %d", i), "Phone": w.text()})
	}
	ids := w.added("Contact", rows...)
	w.server.Clock().Advance(time.Hour)
	want := w.dump()
	before := w.backup()
	w.purge(ids...)
	w.server.Org().Reject(func(a org.Attempt) *org.Error {
		if a.Op == org.Insert && strings.HasSuffix(a.Value("LastName"), "7") {
			return &org.Error{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: a.Value("LastName")}
		}
		return nil
	})
	out := w.backTo(before.Snapshot.ID)
	out.Errors = slices.DeleteFunc(out.Errors, func(e run.RowErrorRow) bool { return e.Code == apply.CodeAbsent }) // their second pass
	if len(out.Errors) != 30 || len(out.NewIDs) != 270 {
		t.Fatalf("%d refused, %d came back: %+v", len(out.Errors), len(out.NewIDs), out.Errors)
	}
	for _, e := range out.Errors {
		if name := want["Contact"][string(e.ID)]["LastName"]; name != `"`+e.Message+`"` {
			t.Errorf("%s of %s is blamed for what %s did", e.ID, name, e.Message)
		}
		delete(want["Contact"], string(e.ID))
	}
	w.same(want, out.NewIDs)
}

// Trap 22: lookups that lead to one of several objects, and custom ones: what a task is about, who
// it is with, queues and users as owners, after all of them came back under new Ids.
func TestTrap22PolymorphicAndCustomLookups(t *testing.T) {
	w := newWard(t, 22)
	w.sees("Lead", "Task", "Group", "QueueSobject", "Case")
	one := func(object string, row testkit.Row) string { return w.added(object, row)[0] }
	group := one("Group", testkit.Row{"Name": "Second line", "DeveloperName": "Second_line", "Type": "Queue"})
	one("QueueSobject", testkit.Row{"QueueId": group, "SobjectType": "Case"})
	account := one("Account", testkit.Row{"Name": "About"})
	contact := one("Contact", testkit.Row{"LastName": "With", "AccountId": account})
	lead := one("Lead", testkit.Row{"LastName": "Lead", "Company": "Company"})
	deal := one("Opportunity", testkit.Row{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-06-01", "AccountId": account})
	crate := one("Crate__c", testkit.Row{"Account__c": account, "Keeper__c": contact})
	issue := one("Case", testkit.Row{"Subject": "queued", "OwnerId": group, "ContactId": contact})
	tasks := w.added("Task",
		testkit.Row{"Subject": "1", "WhatId": account, "WhoId": contact}, testkit.Row{"Subject": "2", "WhatId": deal},
		testkit.Row{"Subject": "3", "WhatId": crate}, testkit.Row{"Subject": "4", "WhoId": lead}, testkit.Row{"Subject": "5", "WhatId": issue, "WhoId": contact})
	w.server.Clock().Advance(time.Hour)
	objects := []string{"Account", "Contact", "Lead", "Opportunity", "Crate__c", "Case", "Task"}
	want, err := testkit.TakeDump(t.Context(), w.loader, objects)
	w.must(err)
	before := w.backup()
	w.purge(slices.Concat(tasks, []string{issue, crate, deal, lead, contact, account})...)

	out := w.backTo(before.Snapshot.ID)
	if len(out.Errors) > 0 || out.Unexplained > 0 {
		t.Fatalf("%+v %+v", out.Errors, out.Differences)
	}
	now, err := testkit.TakeDump(t.Context(), w.loader, objects)
	w.must(err)
	news := newIDs(out)
	if len(news) != 11 {
		t.Errorf("%d new Ids", len(news))
	}
	if lines, n := want.Differences(now, news, 20); n > 0 {
		t.Errorf("%d differences:\n%v", n, lines)
	}
}

// Trap 23: values that look like null, and null itself, through each way in which a restore writes: the
// Bulk insert, the second pass, the update through Collections, and the update after an undelete.
func TestTrap23NullThroughEveryWayIn(t *testing.T) {
	w := newWard(t, 23)
	texts := []string{"Null", "#N/A", "N/A", "null", "NULL", "\\N", "''", "-", "0", "false", ""}
	row := func(s string) testkit.Row {
		return testkit.Row{"LastName": "n", "Phone": s, "Title": s, "Description": s}
	}
	ways := map[string][]string{}
	for _, way := range []string{"insert", "update", "undelete"} {
		for _, s := range texts {
			ways[way] = append(ways[way], w.added("Contact", row(s))...)
		}
	}
	w.server.Clock().Advance(time.Hour)
	want := w.dump()
	before := w.backup()

	var spoiled []testkit.Row
	for _, id := range slices.Concat(ways["update"], ways["undelete"]) {
		r := row("spoiled")
		r["Id"], r["Email"] = id, "not@null.example"
		spoiled = append(spoiled, r)
	}
	w.update("Contact", spoiled)
	w.must(w.loader.Delete(t.Context(), ways["undelete"]))
	w.purge(ways["insert"]...)
	out := w.backTo(before.Snapshot.ID)
	if len(out.Errors) > 0 || len(out.NewIDs) != len(texts) {
		t.Fatalf("%+v", out)
	}
	w.same(want, out.NewIDs)
}

// Trap 24: the columns of a job are those of all its rows; the first record lacks three of them.
func TestTrap24FirstRecordLacksFields(t *testing.T) {
	w := newWard(t, 24)
	ids := w.added("Contact", testkit.Row{"LastName": "A"}, testkit.Row{"LastName": "B", "Phone": "1", "Title": "T", "Email": "b@x.example"}, testkit.Row{"LastName": "C", "Fax": "2"})
	w.server.Clock().Advance(time.Hour)
	want := w.dump()
	before := w.backup()
	w.purge(ids...)
	out := w.backTo(before.Snapshot.ID)
	if len(out.NewIDs) != 3 {
		t.Fatalf("%+v", out)
	}
	w.same(want, out.NewIDs)
}

// writing matches the requests that change something in the org.
var writing = regexp.MustCompile(`^(PATCH|DELETE) composite|^(POST|PUT|PATCH) jobs/ingest|^SOAP undelete`)

// Trap 25: the org commits and the connection drops, at every write in turn, and the run dies there;
// what runs again converges to exactly one copy.
func TestTrap25CommittedThenDropped(t *testing.T) {
	w := newWard(t, 25)
	want := w.dump()
	before := w.backup()
	w.incident(want)
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, DeleteExtra: true})
	in := w.input(r, filepath.Join(t.TempDir(), "j"))
	writes, lives := 0, 0
	for done := false; !done; lives++ {
		ctx, die := context.WithCancel(t.Context())
		var mu sync.Mutex
		seen, last := 0, 1+w.rnd.IntN(6)
		w.intercept(func(q emulator.Request) emulator.Fault {
			mu.Lock()
			defer mu.Unlock()
			if !writing.MatchString(q.Op) {
				return emulator.Fault{}
			}
			if seen++; seen == last {
				writes++
				return emulator.Fault{DropReply: true, After: die}
			}
			return emulator.Fault{}
		})
		out, err := run.Apply(ctx, in)
		die()
		if done = err == nil; done {
			w.same(want, out.NewIDs)
		} else if problem.KindOf(err) != problem.Interrupted || lives > 200 {
			t.Fatalf("life %d: %v", lives, err)
		}
	}
	if writes < 5 {
		t.Errorf("only %d writes were dropped in %d lives", writes, lives)
	}
}

// Trap 26: rows that share a parent meet locks in parallel batches of a job; only these are sent again,
// in smaller batches, and all of them arrive once.
func TestTrap26LocksOfRowsThatShareAParent(t *testing.T) {
	w := newWard(t, 26)
	want := w.dump()
	before := w.backup()
	w.purge(w.ids["Contact"]...)
	w.must(w.server.SetHardness(emulator.Hardness{Seed: 26, Bulk: hard.Bulk{BatchRows: 10, Parallel: 6, LockFailure: 0.2}}))
	var mu sync.Mutex
	jobs := 0
	w.intercept(func(q emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		if q.Op == "PUT jobs/ingest/*/batches" {
			jobs++
		}
		return emulator.Fault{}
	})
	out := w.backTo(before.Snapshot.ID)
	w.must(w.server.SetHardness(emulator.Hardness{}))
	locked := 0
	for _, i := range w.server.Injected() {
		if i.Behaviour == hard.LockFailure {
			locked++
		}
	}
	if len(out.Errors) > 0 || locked == 0 || jobs < 2 {
		t.Fatalf("%d locks, %d jobs, refused: %+v", locked, jobs, out.Errors)
	}
	w.same(want, out.NewIDs)
}

// Trap 26: jobs that are under way at one time meet no lock of each other, on an org that refuses every row whose
// parent another job holds; and there are as many of them as the org has places at least.
func TestTrap26JobsAtOneTimeMeetNoLock(t *testing.T) {
	w := emptyWard(t, 26, emulator.Options{})
	accounts := make([]testkit.Row, 40)
	for i := range accounts {
		accounts[i] = testkit.Row{"Name": fmt.Sprint("Parent ", i)}
	}
	parents := w.added("Account", accounts...)
	contacts := make([]testkit.Row, 1200)
	for i := range contacts {
		contacts[i] = testkit.Row{"LastName": fmt.Sprint("Child ", i), "AccountId": parents[min(w.rnd.IntN(60), 39)]} // the last has a third of them
	}
	ids := w.added("Contact", contacts...)
	want := w.dump()
	before := w.backup()
	w.purge(ids...)
	const places = 4
	w.must(w.server.SetHardness(emulator.Hardness{Seed: 26, Bulk: hard.Bulk{Parallel: places, ChunkTime: hard.Duration(5 * time.Millisecond), LockFailure: 1}}))
	var mu sync.Mutex
	now, most := 0, 0
	w.intercept(func(q emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch q.Op {
		case "PUT jobs/ingest/*/batches":
			now++
			most = max(most, now)
		case "GET jobs/ingest/*/successfulResults":
			now--
		}
		return emulator.Fault{}
	})
	in := w.input(w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID}), filepath.Join(t.TempDir(), "plan.journal"))
	in.Options.JobRows = 50
	out, err := run.Apply(t.Context(), in)
	w.must(err)
	w.must(w.server.SetHardness(emulator.Hardness{}))
	w.intercept(nil)
	for _, i := range w.server.Injected() {
		if i.Behaviour == hard.LockFailure {
			t.Errorf("two jobs met at %s", i.Key)
		}
	}
	if most < places {
		t.Errorf("%d jobs at one time, on an org that works at %d", most, places)
	}
	w.same(want, out.NewIDs)
}

// Trap 27: people and clocks. An owner who left, a queue that is gone, who made a record and when,
// person accounts, record types, and prices that need a standard price: each is decided in the dry run,
// and the result is what was decided.
func TestTrap27PeopleAndClocks(t *testing.T) {
	w := emptyWard(t, 27, emulator.Options{Features: org.Features{PersonAccounts: true}})
	w.sees("Group", "QueueSobject", "Case", "Pricebook2", "PricebookEntry", "Product2", "PermissionSet", "PermissionSetAssignment")
	one := func(object string, row testkit.Row) string { return w.added(object, row)[0] }
	person, business := "", ""
	types, err := w.loader.Query(t.Context(), "SELECT Id, IsPersonType FROM RecordType WHERE SobjectType = 'Account'")
	w.must(err)
	for _, r := range types {
		if r["IsPersonType"] == true {
			person = r["Id"].(string)
		} else {
			business = r["Id"].(string)
		}
	}
	profile, err := w.loader.Query(t.Context(), "SELECT Id FROM Profile WHERE Name = 'Standard User'")
	w.must(err)
	leaver := one("User", testkit.Row{
		"Username": "leaver@people.example", "LastName": "Leaver", "Email": "l@people.example", "Alias": "leaver", "ProfileId": profile[0]["Id"].(string),
		"TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "IsActive": "true",
	})
	queue := one("Group", testkit.Row{"Name": "Old queue", "DeveloperName": "Old_queue", "Type": "Queue"})
	served := one("QueueSobject", testkit.Row{"QueueId": queue, "SobjectType": "Case"})
	owned := one("Account", testkit.Row{"Name": "Owned", "OwnerId": leaver, "RecordTypeId": business})
	given := one("Account", testkit.Row{"Name": "Given away", "OwnerId": leaver})
	ada := one("Account", testkit.Row{"LastName": "Byron", "FirstName": "Ada", "RecordTypeId": person, "PersonEmail": "ada@x.example"})
	contact := w.field("Account", "PersonContactId")[ada]
	queued := one("Case", testkit.Row{"Subject": "queued", "OwnerId": queue})
	about := one("Case", testkit.Row{"Subject": "about Ada", "ContactId": contact, "AccountId": ada})
	standard, err := w.loader.Query(t.Context(), "SELECT Id FROM Pricebook2 WHERE IsStandard = true")
	w.must(err)
	product := one("Product2", testkit.Row{"Name": "Thing"})
	book := one("Pricebook2", testkit.Row{"Name": "Aaa", "IsActive": "true"})
	var prices []string
	for _, b := range []string{standard[0]["Id"].(string), book} {
		prices = append(prices, one("PricebookEntry", testkit.Row{"Pricebook2Id": b, "Product2Id": product, "UnitPrice": "5", "IsActive": "true"}))
	}
	w.server.Clock().Advance(time.Hour)
	objects := []string{"Account", "Contact", "Case", "Product2", "Pricebook2", "PricebookEntry"}
	want, err := testkit.TakeDump(t.Context(), w.loader, objects)
	w.must(err)
	before := w.backup()

	w.update("Account", []testkit.Row{{"Id": given, "OwnerId": w.server.UserID}})
	w.purge(about, queued, ada, owned, prices[1], prices[0], product, served, queue)
	w.update("User", []testkit.Row{{"Id": leaver, "IsActive": "false"}})
	w.server.Clock().Advance(time.Hour)
	r := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, Selection: run.Selection{Objects: objects}})
	for _, note := range []string{
		"1 record of Account comes back owned by whoever restores: user leaver@people.example is inactive",
		"1 record of Account keeps the owner that it has: user leaver@people.example is inactive",
		"1 record of Group comes along because chosen ones refer to it",
		"1 contact belongs to a person account and comes back with it",
	} {
		if !slices.Contains(r.Notes, note) {
			t.Errorf("the dry run does not say %q: %q", note, r.Notes)
		}
	}
	if !slices.ContainsFunc(r.Fidelity, func(f run.FidelityRow) bool {
		return f.Object == "Account" && f.Field == "CreatedDate" && f.Class == "lost" && f.Reason == state.ReasonAudit
	}) {
		t.Errorf("the dry run does not say that audit fields are lost: %+v", r.Fidelity)
	}
	out := w.apply(r)
	now, err := testkit.TakeDump(t.Context(), w.loader, objects)
	w.must(err)
	mine := `"` + w.server.UserID + `"`
	want["Account"][owned]["OwnerId"], want["Account"][given]["OwnerId"] = mine, mine
	if lines, n := want.Differences(now, newIDs(out), 20); n > 0 {
		t.Errorf("%d differences:\n%v", n, lines)
	}
	if again := w.restore(run.RestoreInput{Snapshot: before.Snapshot.ID, Selection: run.Selection{Objects: objects}}); !again.Plan.Empty() {
		t.Errorf("something remains to be done: %s", again.File)
	}
}

// Trap 27, with the permissions that the platform has for it: who made a record, when, and an inactive
// owner come back as they were.
func TestTrap27AuditFieldsAndInactiveOwnersWithPermission(t *testing.T) {
	w := emptyWard(t, 27, emulator.Options{Permissions: []string{"CreateAuditFields", "UpdateWithInactiveOwner"}})
	w.sees("PermissionSet", "PermissionSetAssignment")
	profile, err := w.loader.Query(t.Context(), "SELECT Id FROM Profile WHERE Name = 'Standard User'")
	w.must(err)
	leaver := w.added("User", testkit.Row{
		"Username": "leaver@people.example", "LastName": "Leaver", "Email": "l@people.example", "Alias": "leaver", "ProfileId": profile[0]["Id"].(string),
		"TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "IsActive": "true",
	})[0]
	id := w.added("Account", testkit.Row{"Name": "Owned", "OwnerId": leaver, "CreatedById": leaver, "CreatedDate": "2020-02-29T01:02:03.000Z"})[0]
	w.update("User", []testkit.Row{{"Id": leaver, "IsActive": "false"}})
	w.server.Clock().Advance(time.Hour)
	before := w.backup()
	w.purge(id)
	out := w.backTo(before.Snapshot.ID)
	if len(out.Errors) > 0 || out.Unexplained > 0 {
		t.Fatalf("%+v %+v", out.Errors, out.Differences)
	}
	back := newIDs(out)[id]
	for field, want := range map[string]string{"OwnerId": leaver, "CreatedById": leaver, "CreatedDate": "2020-02-29T01:02:03.000+0000"} {
		if got := w.field("Account", field)[back]; got != want {
			t.Errorf("%s is %s, not %s", field, got, want)
		}
	}
}

// sees adds objects to those that the ward shows.
func (w *ward) sees(more ...string) {
	rewrite := testkit.Narrow(slices.Concat([]string{"Account", "Contact", "Opportunity", "User", "RecordType"}, more)...)
	w.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: rewrite}
		}
		return emulator.Fault{}
	})
}
