package salesforce_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// TestUpdateJobs: what a job sets is what is read afterwards, null and nothing told apart; each row has its result; and no call is
// made for results that there cannot be.
func TestUpdateJobs(t *testing.T) {
	server, c := emulated(t, emulator.Options{})
	client := mustConnect(t, c)
	held := load(t, client, accounts(3))
	ids := slices.Sorted(maps.Keys(held))
	var mu sync.Mutex
	asked := map[string]int{}
	server.Intercept(func(q emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		asked[q.Op]++
		return emulator.Fault{}
	})
	fields := []string{"Id", "Description", "Phone"}
	send := func(rows []sf.Write) map[string]sf.Outcome {
		t.Helper()
		job, err := client.StartUpdate(t.Context(), "Account", fields)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.SendRows(t.Context(), job, fields, rows); err != nil {
			t.Fatal(err)
		}
		for state, n := sf.JobOpen, 0; state != sf.JobComplete; n++ {
			if state, err = client.JobState(t.Context(), job); err != nil || n > 2000 || state == sf.JobFailed {
				t.Fatal(state, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		out := map[string]sf.Outcome{}
		for r, err := range client.JobResults(t.Context(), job, fields, len(rows)) {
			if err != nil {
				t.Fatal(err)
			}
			out[r.Echo[0]] = r.Outcome
		}
		return out
	}
	row := func(id sf.ID, description, phone sf.Value) sf.Write {
		return sf.Write{Values: []sf.Value{sf.Text(string(id)), description, phone}}
	}
	out := send([]sf.Write{row(ids[0], sf.Text("one"), sf.Text("1")), row(ids[1], sf.Text("two"), sf.Text("2"))})
	if len(out) != 2 || !out[string(ids[0])].Success || out[string(ids[1])].ID != ids[1] {
		t.Errorf("%+v", out)
	}
	mu.Lock()
	if asked["GET jobs/ingest/*/failedResults"]+asked["GET jobs/ingest/*/unprocessedrecords"] > 0 || asked["GET jobs/ingest/*/successfulResults"] != 1 {
		t.Errorf("%v", asked)
	}
	mu.Unlock()
	missing := sf.ID("001000000000000AAA")
	out = send([]sf.Write{row(ids[0], sf.Null(), sf.Value{}), row(missing, sf.Text("x"), sf.Value{})})
	if len(out) != 2 || !out[string(ids[0])].Success || out[string(missing)].Success || out[string(missing)].Code == "" {
		t.Errorf("%+v", out)
	}
	account, err := client.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now, err := collect(t, client, sf.Extract{Object: account.Object("Account"), Fields: fields[1:], IDs: ids[:1]})
	if err != nil || len(now) != 1 || !now[0].Get("Description").IsNull() || now[0].Get("Phone") != sf.Text("1") {
		t.Errorf("%+v, %v", now, err)
	}
	if _, err := client.StartUpdate(t.Context(), "Account", []string{"Phone"}); problem.KindOf(err) != problem.Usage {
		t.Errorf("without Ids: %v", err)
	}
}

// TestHardDeletionJobs: what a job deletes is in no Recycle Bin, each row has its result, and who lacks the permission
// is told so before anything is sent.
func TestHardDeletionJobs(t *testing.T) {
	_, c := emulated(t, emulator.Options{Permissions: []string{"BulkApiHardDelete"}})
	client := mustConnect(t, c)
	held := load(t, client, accounts(3))
	ids := slices.Sorted(maps.Keys(held))
	job, err := client.StartHardDelete(t.Context(), "Account")
	if err != nil {
		t.Fatal(err)
	}
	missing := sf.ID("001000000000000AAA")
	rows := []sf.Write{{Values: []sf.Value{sf.Text(string(ids[0]))}}, {Values: []sf.Value{sf.Text(string(missing))}}, {Values: []sf.Value{sf.Text(string(ids[1]))}}}
	if err := client.SendRows(t.Context(), job, []string{"Id"}, rows); err != nil {
		t.Fatal(err)
	}
	for state, n := sf.JobOpen, 0; state != sf.JobComplete; n++ {
		if state, err = client.JobState(t.Context(), job); err != nil || n > 2000 || state == sf.JobFailed {
			t.Fatal(state, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	done := map[sf.ID]bool{}
	for r, err := range client.JobResults(t.Context(), job, []string{"Id"}, 3) {
		if err != nil {
			t.Fatal(err)
		}
		done[sf.ID(r.Echo[0])] = r.Outcome.Success
		if !r.Outcome.Success && r.Outcome.Code == "" {
			t.Errorf("%+v", r)
		}
	}
	if want := map[sf.ID]bool{ids[0]: true, missing: false, ids[1]: true}; !maps.Equal(done, want) {
		t.Errorf("%v, want %v", done, want)
	}
	back, err := client.Undelete(t.Context(), ids[:1])
	if err != nil || back[0].Success {
		t.Errorf("it was in the Recycle Bin: %+v, %v", back, err)
	}

	_, c = emulated(t, emulator.Options{})
	_, err = mustConnect(t, c).StartHardDelete(t.Context(), "Account")
	if problem.KindOf(err) != problem.Unauthorized || !strings.Contains(problem.HintOf(err), "Bulk API Hard Delete") {
		t.Errorf("without the permission: %v", err)
	}
}
