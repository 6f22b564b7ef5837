package run_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// loading is an org with accounts, into which a test loads rows.
type loading struct {
	*observed
	plans int
	hard  int // how many records the plans may delete for good
}

func newLoading(t *testing.T) *loading { return newLoadingOf(t, emulator.Options{}) }

// newLoadingOf is newLoading of an org with these options that shows these objects, too.
func newLoadingOf(t *testing.T, options emulator.Options, objects ...string) *loading {
	l := &loading{observed: observeOrg(t, options)}
	l.server.Intercept(func(r emulator.Request) emulator.Fault {
		if r.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: testkit.Narrow(append([]string{"Account", "User", "Contact"}, objects...)...)}
		}
		return emulator.Fault{}
	})
	return l
}

func (l *loading) input(op run.LoadOp, key, csv string) run.LoadInput {
	in := run.LoadInput{
		Restore: run.RestoreInput{Source: l.client, Store: l.store, Capture: capture.Options{OrgName: "prod"}},
		Object:  "Account", Op: op, Key: key,
	}
	for i, line := range strings.Split(csv, "\n") {
		cells := strings.Split(line, ",")
		if i == 0 {
			in.Columns = cells
		} else {
			in.Rows = append(in.Rows, cells)
		}
	}
	return in
}

// load plans a load, changes the org when meanwhile says how, and applies the plan.
func (l *loading) load(op run.LoadOp, key, csv string, meanwhile func()) (run.LoadResult, run.ApplyResult, error) {
	l.Helper()
	planned, err := run.Load(l.Context(), l.input(op, key, csv))
	if err != nil {
		l.Fatal(err)
	}
	again, err := run.LoadedRows(l.Context(), l.input(op, key, csv), planned.Plan)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(planned.Rows) {
		l.Errorf("rows are not known again: %v, %v", again, err)
	}
	if meanwhile != nil {
		meanwhile()
	}
	applied, err := l.apply(planned.RestoreResult)
	return planned, applied, err
}

func (l *loading) apply(planned run.RestoreResult) (run.ApplyResult, error) {
	l.Helper()
	l.plans++
	r, err := run.Apply(l.Context(), run.ApplyInput{
		Org: l.client, Store: l.store, File: planned.File, Digest: planned.Digest,
		HardDelete: l.hard, Journal: filepath.Join(l.TempDir(), fmt.Sprintf("%d.journal", l.plans)), Capture: capture.Options{OrgName: "prod"},
	})
	l.server.Clock().Advance(time.Hour)
	return r, err
}

// accounts returns the live accounts as Name|Phone|Site, by Name.
func (l *loading) accounts() string {
	l.Helper()
	var lines []string
	schema, err := l.client.Schema(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	for r, err := range l.client.Records(l.Context(), sf.Extract{Object: schema.Object("Account"), Fields: []string{"Name", "Phone", "Site"}}) {
		if err != nil {
			l.Fatal(err)
		}
		lines = append(lines, r.Get("Name").Text()+"|"+r.Get("Phone").Text()+"|"+r.Get("Site").Text())
	}
	return strings.Join(lines, " ")
}

func (l *loading) want(accounts string) {
	l.Helper()
	if have := l.accounts(); have != accounts {
		l.Errorf("the org has %s\nwant %s", have, accounts)
	}
}

// TestLoadIsPlannedAppliedAndUndone: rows are inserted, updated, found by a key and deleted; a plan shows what that does, what is
// applied is verified, and what was applied is taken back.
func TestLoadIsPlannedAppliedAndUndone(t *testing.T) {
	l := newLoading(t)
	var ids []sf.ID
	for _, name := range []string{"a", "b", "c"} {
		ids = append(ids, l.write(org.Insert, org.Row{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: name}, {Field: "Phone", Text: "1"}}})...)
	}
	before := l.accounts()

	planned, applied, err := l.load(run.LoadUpdate, "", fmt.Sprintf("Id,Phone,Site\n%s,2,here\n%s,#N/A,", ids[0], ids[1][:15]), nil)
	if err != nil || planned.Totals.Update != 2 || !applied.Verified || applied.Unexplained != 0 {
		t.Fatalf("%+v %+v %v", planned.Totals, applied, err)
	}
	l.want("a|2|here b|| c|1|")
	undo, err := run.Restore(t.Context(), run.RestoreInput{
		Source: l.client, Store: l.store, Before: planned.Live.ID, After: applied.Observed.ID, Capture: capture.Options{OrgName: "prod"},
	})
	if err != nil && problem.KindOf(err) != problem.Partial { // objects that no backup holds
		t.Fatal(err)
	}
	if _, err := l.apply(undo); err != nil {
		t.Fatal(err)
	}
	l.want(before)

	planned, applied, err = l.load(run.LoadInsert, "", "Name,Phone\nd,7\nd,7", nil)
	if err != nil || planned.Totals.Insert != 2 || len(applied.NewIDs) != 2 {
		t.Fatalf("%+v %+v %v", planned.Totals, applied, err)
	}
	l.want("a|1| b|1| c|1| d|7| d|7|")

	planned, applied, err = l.load(run.LoadUpsert, "Name", "Name,Phone\nb,8\ne,9", nil)
	if err != nil || planned.Totals.Insert != 1 || planned.Totals.Update != 1 || planned.Rows[0] != ids[1] {
		t.Fatalf("%+v %+v %v", planned.Totals, applied, err)
	}
	l.want("a|1| b|8| c|1| d|7| d|7| e|9|")

	planned, applied, err = l.load(run.LoadDelete, "", fmt.Sprintf("Id\n%s", ids[2]), nil)
	if err != nil || planned.Totals.Delete != 1 || !applied.Verified {
		t.Fatalf("%+v %+v %v", planned.Totals, applied, err)
	}
	l.want("a|1| b|8| d|7| d|7| e|9|")
}

// TestHardDeletionIsAgreedToAndUndoneByInserting: records are deleted for good only when it was said how many, nothing of
// them is in the Recycle Bin, and what takes it back inserts them again and points links at the new ones.
func TestHardDeletionIsAgreedToAndUndoneByInserting(t *testing.T) {
	l := newLoadingOf(t, emulator.Options{Permissions: []string{"BulkApiHardDelete"}}, "Profile", "PermissionSet", "PermissionSetAssignment")
	ids := l.write(org.Insert, account("", "Name", "a"), account("", "Name", "b"), account("", "Name", "c"))
	child := l.write(org.Insert, org.Row{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "d"}, {Field: "ParentId", Text: string(ids[0])}}})[0]
	csv := fmt.Sprintf("Id\n%s\n%s", ids[0], ids[1])
	planned, _, err := l.load(run.LoadHardDelete, "", csv, nil)
	if problem.KindOf(err) != problem.Usage || planned.Totals.HardDelete != 2 || planned.Totals.Delete != 0 {
		t.Fatalf("%+v, %v", planned.Totals, err)
	}
	if note := strings.Join(planned.Notes, " "); !strings.Contains(note, "2 records go for good") || !strings.Contains(note, "new Ids") {
		t.Errorf("notes %q", note)
	}
	l.want("a|| b|| c|| d||")
	l.hard = 2
	planned, applied, err := l.load(run.LoadHardDelete, "", csv, nil)
	if err != nil || !applied.Verified || applied.Unexplained != 0 || applied.Done != 2 {
		t.Fatalf("%+v, %v", applied, err)
	}
	l.hard = 0
	l.want("c|| d||")
	if found := l.server.Org().Write(l.server.Org().Admin(), org.Undelete, []org.Row{{ID: string(ids[0])}}, org.Options{}); found[0].Success {
		t.Error("the record was in the Recycle Bin")
	}
	undo, err := run.Restore(t.Context(), run.RestoreInput{
		Source: l.client, Store: l.store, Before: planned.Live.ID, After: applied.Observed.ID, Capture: capture.Options{OrgName: "prod"},
		Purged: map[sf.ID]bool{ids[0]: true, ids[1]: true},
	})
	if err != nil && problem.KindOf(err) != problem.Partial { // objects that no backup holds
		t.Fatal(err)
	}
	if undo.Totals.Insert != 2 || undo.Totals.Update != 1 || undo.Totals.Undelete != 0 {
		t.Errorf("%+v", undo.Totals)
	}
	back, err := l.apply(undo)
	if err != nil || len(back.NewIDs) != 2 {
		t.Fatal(back, err)
	}
	l.want("c|| d|| a|| b||") // new Ids come last
	now := map[sf.ID]sf.ID{}
	for _, p := range back.NewIDs {
		now[p.Old] = p.New
	}
	schema, err := l.client.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range l.client.Records(t.Context(), sf.Extract{Object: schema.Object("Account"), Fields: []string{"ParentId"}, IDs: []sf.ID{child}}) {
		if parent := r.Get("ParentId").Text(); err != nil || parent != string(now[ids[0]]) {
			t.Errorf("the child belongs to %s, %v, want %s", parent, err, now[ids[0]])
		}
	}
}

// TestHardDeletionNeedsItsPermission: the dry run already says so where permissions can be read, and the org where not.
func TestHardDeletionNeedsItsPermission(t *testing.T) {
	l := newLoadingOf(t, emulator.Options{}, "Profile", "PermissionSet", "PermissionSetAssignment")
	id := l.write(org.Insert, account("", "Name", "a"))[0]
	_, err := run.Load(t.Context(), l.input(run.LoadHardDelete, "", "Id\n"+string(id)))
	if problem.KindOf(err) != problem.Unauthorized || !strings.Contains(err.Error(), "Bulk API Hard Delete") {
		t.Errorf("the dry run: %v", err)
	}
	l = newLoading(t)
	l.hard = 1
	id = l.write(org.Insert, account("", "Name", "a"))[0]
	if _, _, err := l.load(run.LoadHardDelete, "", "Id\n"+string(id), nil); problem.KindOf(err) != problem.Unauthorized {
		t.Errorf("the org: %v", err)
	}
	l.want("a||")
}

// TestHardDeletionKeepsWhatOthersDo: a record that was edited, or is in the Recycle Bin, since the plan was made is none
// that is deleted for good.
func TestHardDeletionKeepsWhatOthersDo(t *testing.T) {
	l := newLoadingOf(t, emulator.Options{Permissions: []string{"BulkApiHardDelete"}})
	l.hard = 2
	ids := l.write(org.Insert, account("", "Name", "a"), account("", "Name", "b"))
	csv := fmt.Sprintf("Id\n%s\n%s", ids[0], ids[1])
	for what, meanwhile := range map[string]func(){
		"an edit":    func() { l.write(org.Update, account(ids[0], "Phone", "9")) },
		"a deletion": func() { l.write(org.Delete, org.Row{ID: string(ids[1])}) },
	} {
		if _, _, err := l.load(run.LoadHardDelete, "", csv, meanwhile); problem.KindOf(err) != problem.Conflict {
			t.Errorf("%s: %v", what, err)
		}
		l.server.Org().Write(l.server.Org().Admin(), org.Undelete, []org.Row{{ID: string(ids[1])}}, org.Options{})
	}
	l.want("a|9| b||")
}

// TestLoadKeepsWhatOthersDo: who changes a record after the plan was made makes it stale; others are as they left them.
func TestLoadKeepsWhatOthersDo(t *testing.T) {
	l := newLoading(t)
	ids := l.write(org.Insert, org.Row{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "a"}}},
		org.Row{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "b"}}})
	_, _, err := l.load(run.LoadUpdate, "", fmt.Sprintf("Id,Phone\n%s,2", ids[0]), func() { l.write(org.Update, account(ids[0], "Phone", "9")) })
	if problem.KindOf(err) != problem.Conflict {
		t.Errorf("%v", err)
	}
	l.want("a|9| b||")
	if _, _, err := l.load(run.LoadUpdate, "", fmt.Sprintf("Id,Phone\n%s,2", ids[0]), func() { l.write(org.Update, account(ids[1], "Site", "there")) }); err != nil {
		t.Error(err)
	}
	l.want("a|2| b||there")
}

// TestLoadRefuses what cannot be loaded before anything is written down.
func TestLoadRefuses(t *testing.T) {
	l := newLoading(t)
	id := l.write(org.Insert, org.Row{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "a"}}},
		org.Row{Object: "Account", Fields: []org.Assignment{{Field: "Name", Text: "a"}}})[0]
	for csv, kind := range map[string]problem.Kind{
		"update||Name\nx":                                       problem.Usage,    // which record?
		"update||Id,Nme\n" + string(id) + ",x":                  problem.Usage,    // no such field
		"update||Id,CreatedDate\n" + string(id) + ",x":          problem.Usage,    // not writable
		"update||Id,Name\n" + string(id):                        problem.Usage,    // a cell is missing
		"update||Id,Name\nnonsense,x":                           problem.Usage,    // no Id
		"update||Id,Name\n001000000000zzz,x":                    problem.NotFound, // not there
		"update||Id,NumberOfEmployees\n" + string(id) + ",many": problem.Usage,    // no number
		"update||Id,Name\n" + string(id) + ",#N/A":              problem.Usage,    // never blank
		"upsert|Name|Name,Phone\na,1":                           problem.Conflict, // two have it
		"upsert|Name|Name,Phone\nn,1\nn,2":                      problem.Usage,    // twice
		"merge||Id\n" + string(id):                              problem.Usage,
	} {
		words := strings.SplitN(csv, "|", 3)
		if _, err := run.Load(t.Context(), l.input(run.LoadOp(words[0]), words[1], words[2])); problem.KindOf(err) != kind {
			t.Errorf("%q: %v", csv, err)
		}
	}
}
