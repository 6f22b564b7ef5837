package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// observed is an emulated org with a client and a repository.
type observed struct {
	testing.TB
	server *emulator.Server
	client *salesforce.Org
	memory *blob.Memory
	full   atomic.Bool // the storage takes nothing more
	store  *snapshot.Store
}

func observe(t testing.TB) *observed {
	t.Helper()
	return observeOrg(t, emulator.Options{})
}

// nap sleeps a tenth of what it is asked for: the jobs of an emulated org are done in milliseconds.
func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d / 10):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// observeFew is observe of an org that shows few objects: describing hundreds is what most time would go to.
func observeFew(t testing.TB) *observed {
	t.Helper()
	o := observe(t)
	o.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: wardSees}
		}
		return emulator.Fault{}
	})
	return o
}

// observeOrg is observe of an org with these options.
func observeOrg(t testing.TB, options emulator.Options) *observed {
	t.Helper()
	options.Clock, options.DailyCalls = org.FixedClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), 100_000
	server, err := emulator.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := salesforce.Connect(t.Context(), salesforce.Config{
		InstanceURL: server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(server.AccessToken)}, Sleep: nap,
	})
	if err != nil {
		t.Fatal(err)
	}
	operator, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	recovery, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	o := &observed{TB: t, server: server, client: client, memory: &blob.Memory{}}
	if err := repo.Init(t.Context(), o.memory, operator.Recipient(), recovery.Recipient()); err != nil {
		t.Fatal(err)
	}
	bucket := blob.NewFault(o.memory, problem.New(problem.NoSpace, "no space left on device"), func(op blob.Op) blob.Outcome {
		if op.Verb == "put" && o.full.Load() {
			return blob.Fail
		}
		return blob.Pass
	})
	repository, err := repo.Open(t.Context(), bucket, operator)
	if err != nil {
		t.Fatal(err)
	}
	o.store = snapshot.Open(repository)
	return o
}

func (o *observed) write(op org.Op, rows ...org.Row) []sf.ID {
	o.Helper()
	var ids []sf.ID
	for i, r := range o.server.Org().Write(o.server.Org().Admin(), op, rows, org.Options{}) {
		if !r.Success {
			o.Fatalf("row %d: %v", i, r.Errors)
		}
		ids = append(ids, r.ID)
	}
	o.server.Clock().Advance(time.Hour)
	return ids
}

func account(id sf.ID, field, text string) org.Row {
	return org.Row{Object: "Account", ID: string(id), Fields: []org.Assignment{{Field: field, Text: text}}}
}

func (o *observed) backup() run.BackupResult {
	o.Helper()
	r, err := run.Backup(o.Context(), run.BackupInput{Source: o.client, Store: o.store, Options: capture.Options{OrgName: "prod"}})
	if err != nil {
		o.Fatal(err)
	}
	o.server.Clock().Advance(time.Hour)
	return r
}

func backupRow(t testing.TB, r run.BackupResult, object string) run.BackupRow {
	t.Helper()
	for _, row := range r.Objects {
		if row.Object == object {
			return row
		}
	}
	t.Fatalf("no object %s in the result", object)
	return run.BackupRow{}
}

func TestBackupDiffShow(t *testing.T) {
	o := observeFew(t)
	var rows []org.Row
	for i := range 30 {
		rows = append(rows, account("", "Name", fmt.Sprintf("A %d", i)))
	}
	ids := o.write(org.Insert, rows...)
	first := o.backup()
	if row := backupRow(t, first, "Account"); row.Mode != "full" || row.Created != 30 || row.Records != 30 {
		t.Errorf("first backup: %+v", row)
	}
	if first.Totals.Stored == 0 || first.Limits.Calls == 0 || first.Limits.DailyLimit != 100_000 || len(first.Coverage) == 0 {
		t.Errorf("first backup: %+v %+v", first.Totals, first.Limits)
	}
	o.write(org.Update, account(ids[3], "Site", "Berlin"), account(ids[4], "Name", "Renamed"))
	o.write(org.Insert, account("", "Name", "New"))
	o.write(org.Delete, org.Row{ID: string(ids[7])})
	second := o.backup()
	row := backupRow(t, second, "Account")
	if row.Created != 1 || row.Updated != 2 || row.Deleted != 1 || row.FromBin != 1 || row.Mode != "changes" {
		t.Errorf("second backup: %+v", row)
	}

	var changes []run.ChangeRow
	diff, err := run.Diff(t.Context(), run.DiffInput{
		Store: o.store, Before: first.Snapshot.ID, After: "latest", Objects: []string{"account"},
		Each: func(c run.ChangeRow) error { changes = append(changes, c); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(diff.Objects) != 1 || diff.Objects[0].Created != 1 || diff.Objects[0].Updated != 2 || diff.Objects[0].Deleted != 1 {
		t.Errorf("diff: %+v", diff.Objects)
	}
	wantChange(t, changes, ids[3], "update", `{"field":"Site","before":null,"after":"Berlin"}`)
	wantChange(t, changes, ids[7], "delete", `{"field":"Name","before":"A 7"}`)

	shown, err := run.Show(t.Context(), run.ShowInput{Store: o.store, Snapshot: second.Snapshot.Short, Record: ids[4].Short()})
	if err != nil || shown.Record == nil || shown.Record.Object != "Account" {
		t.Fatalf("show: %+v, %v", shown, err)
	}
	for _, f := range shown.Record.Fields {
		if f.Field == "Name" && f.Value.Text() != "Renamed" {
			t.Errorf("show: Name is %v", f.Value)
		}
	}
	gone, err := run.Show(t.Context(), run.ShowInput{Store: o.store, Snapshot: "latest", Object: "Account", Record: string(ids[7])})
	if err != nil || gone.Tombstone == nil || gone.Tombstone.Evidence != capture.EvidenceBin {
		t.Errorf("show a deleted record: %+v, %v", gone.Tombstone, err)
	}
	whole, err := run.Show(t.Context(), run.ShowInput{Store: o.store, Snapshot: "latest"})
	if err != nil || len(whole.Parts) != len(second.Objects) || len(whole.Coverage) != len(second.Coverage) {
		t.Errorf("show: %d parts, %d gaps, %v", len(whole.Parts), len(whole.Coverage), err)
	}
	listed, err := run.Snapshots(t.Context(), run.SnapshotsInput{Store: o.store, OrgID: second.OrgID})
	if err != nil || len(listed.Snapshots) != 2 || listed.Snapshots[0].ID != second.Snapshot.ID {
		t.Errorf("snapshots: %+v, %v", listed, err)
	}
}

// wantChange demands the change of the record with that field, as JSON shows it.
func wantChange(t *testing.T, changes []run.ChangeRow, id sf.ID, kind, field string) {
	t.Helper()
	for _, c := range changes {
		if c.ID != id {
			continue
		}
		raw, err := json.Marshal(c.Fields)
		if err != nil {
			t.Fatal(err)
		}
		if c.Kind != kind || !strings.Contains(string(raw), field) {
			t.Errorf("%s: %s %s, want %s with %s", id, c.Kind, raw, kind, field)
		}
		return
	}
	t.Errorf("%s did not change", id)
}

func TestQuestionsWithoutAnAnswer(t *testing.T) {
	o := observeFew(t)
	o.write(org.Insert, account("", "Name", "A"))
	o.backup()
	for _, tt := range []struct {
		name string
		in   run.ShowInput
		want problem.Kind
	}{
		{"no such object", run.ShowInput{Object: "Nothing"}, problem.NotFound},
		{"no Id", run.ShowInput{Record: "x"}, problem.Usage},
		{"no such record", run.ShowInput{Record: "001000000000999"}, problem.NotFound},
		{"no such prefix", run.ShowInput{Record: "zzz000000000999"}, problem.NotFound},
	} {
		tt.in.Store, tt.in.Snapshot = o.store, "latest"
		if _, err := run.Show(t.Context(), tt.in); problem.KindOf(err) != tt.want || problem.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q), want %v", tt.name, err, problem.HintOf(err), tt.want)
		}
	}
	_, err := run.Diff(t.Context(), run.DiffInput{Store: o.store, Before: "latest", After: "latest", Objects: []string{"Nothing"}})
	if problem.KindOf(err) != problem.NotFound {
		t.Errorf("diff of an unknown object: %v", err)
	}
}

func TestCheck(t *testing.T) {
	o := observe(t)
	r, err := run.Check(t.Context(), run.CheckInput{Source: o.client, Store: o.store})
	if problem.KindOf(err) != problem.Findings || len(r.Findings) != 1 || r.Access.Permissions[0] != "QueryAllFiles" {
		t.Fatalf("%v: %+v", err, r.Findings)
	}
	if r.Readable == 0 || r.Fields == 0 || r.Forecast == 0 || r.Username == "" {
		t.Errorf("%+v", r)
	}
	used := int(o.client.Usage().DailyUsed)
	o.server.Org().SetLimit("DailyApiRequests", used+40, 30)
	r, err = run.Check(t.Context(), run.CheckInput{Source: o.client, Store: o.store})
	if kind := problem.KindOf(err); kind != problem.Findings && kind != problem.Limits {
		t.Errorf("an org without calls left: %v, %+v", err, r.Findings)
	}
}

func TestCheckOfABrokenRepository(t *testing.T) {
	o := observeFew(t)
	o.write(org.Insert, account("", "Name", "A"))
	o.backup()
	good, err := run.Verify(t.Context(), run.VerifyInput{Store: o.store})
	if err != nil || good.Records == 0 || good.Read == 0 || len(good.Damage) != 0 {
		t.Errorf("verify: %+v, %v", good, err)
	}
	o.full.Store(true)
	r, err := run.Check(t.Context(), run.CheckInput{Source: o.client, Store: o.store})
	if problem.KindOf(err) != problem.Findings || r.Findings[0].Rule != run.FindingUnwritten {
		t.Errorf("a full disk: %v, %+v", err, r.Findings)
	}
	if _, err := run.Backup(t.Context(), run.BackupInput{Source: o.client, Store: o.store}); problem.KindOf(err) != problem.NoSpace {
		t.Errorf("a backup to a full disk: %v", err)
	}
	o.full.Store(false)
	key := o.spoil("segment/", func(n int) int { return n / 2 })
	bad, err := run.Verify(t.Context(), run.VerifyInput{Store: o.store})
	if problem.KindOf(err) != problem.Damaged || len(bad.Damage) == 0 || len(bad.Damage[0].Snapshots) == 0 {
		t.Errorf("verify of a flipped bit in %q: %v, %+v", key, err, bad.Damage)
	}
	// Not even the head of this manifest can be read, so that it cannot be listed.
	key = o.spoil("snapshot/", func(int) int { return 20 })
	r, err = run.Check(t.Context(), run.CheckInput{Source: o.client, Store: o.store})
	if problem.KindOf(err) != problem.Findings || r.Findings[0].Rule != run.FindingDamaged {
		t.Errorf("check of a flipped bit in %q: %v, %+v", key, err, r.Findings)
	}
}

// spoil flips a bit of one stored object of the class, and returns its key.
func (o *observed) spoil(class string, at func(size int) int) string {
	o.Helper()
	for info, err := range o.memory.List(o.Context(), class) {
		if err != nil {
			o.Fatal(err)
		}
		o.memory.Corrupt(info.Key, func(body []byte) []byte { body[at(len(body))] ^= 1; return body })
		return info.Key
	}
	o.Fatalf("nothing is stored below %s", class)
	return ""
}
