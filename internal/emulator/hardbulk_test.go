package emulator_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/bulk"
	"holdfast/internal/emulator/hard"
)

const insertAccounts = `{"object":"Account","operation":"insert"}`

func names(n int) string {
	var rows strings.Builder
	rows.WriteString("Name\n")
	for i := range n {
		fmt.Fprintf(&rows, "A%05d\n", i)
	}
	return rows.String()
}

// rowsIn counts the rows of one result file of a job.
func (c *client) rowsIn(id, file string) int {
	c.t.Helper()
	_, rows := c.do("GET", "jobs/ingest/"+id+"/"+file, "").ok(200).table()
	return len(rows)
}

// A job of more than 10,000 rows has a second batch, which is where this one fails: what the first
// one wrote stays, the rest is unprocessed.
func TestHardnessJobsFailMidway(t *testing.T) {
	c := hardened(t, 0, emulator.Hardness{Script: []emulator.Injected{
		{Behaviour: hard.JobFailure, Key: "insert Account batch 1", Nth: 1},
	}})
	j := c.load(insertAccounts, names(10_001))
	if j.State != "Failed" || j.NumberRecordsProcessed != 10_000 || j.ErrorMessage == "" {
		t.Errorf("job %+v", j)
	}
	if done, left := c.rowsIn(j.ID, "successfulResults"), c.rowsIn(j.ID, "unprocessedrecords"); done != 10_000 || left != 1 {
		t.Errorf("%d done, %d left", done, left)
	}
	c.harden(emulator.Hardness{Bulk: hard.Bulk{JobFailure: 1}})
	if j := c.export(`{"operation":"query","query":"SELECT Id FROM Account"}`); j.State != "Failed" || j.ErrorMessage == "" {
		t.Errorf("query job %+v", j)
	}
}

// The rows of a job are written 200 at a time.
func TestHardnessJobsGoInChunks(t *testing.T) {
	c := hardened(t, 0, emulator.Hardness{})
	var done []int
	c.s.InterceptBatch(func(b bulk.Batch) error { done = append(done, b.Done); return nil })
	c.load(insertAccounts, names(450))
	if fmt.Sprint(done) != "[0 200 400 450]" {
		t.Errorf("rows done at each step: %v", done)
	}
}

// A batch whose chunks always take too long goes back 20 times, and then the job fails.
func TestHardnessBatchesAreRetried(t *testing.T) {
	c := hardened(t, 0, emulator.Hardness{Bulk: hard.Bulk{ChunkTimeout: 1}})
	j := c.load(insertAccounts, names(300))
	if j.State != "Failed" || !strings.Contains(j.ErrorMessage, "Retried more than 20 times") || j.NumberRecordsProcessed != 0 {
		t.Errorf("job %+v", j)
	}
	timeouts := 0
	for _, i := range c.s.Injected() {
		if i.Behaviour == hard.ChunkTimeout {
			timeouts++
		}
	}
	if timeouts != 21 || c.rowsIn(j.ID, "unprocessedrecords") != 300 {
		t.Errorf("%d timeouts", timeouts)
	}
	// Once is no harm: nothing is lost and nothing is written twice.
	c.harden(emulator.Hardness{Script: []emulator.Injected{
		{Behaviour: hard.ChunkTimeout, Key: "insert Account batch 0", Nth: 2},
	}})
	if j := c.load(insertAccounts, names(600)); j.State != "JobComplete" || j.NumberRecordsProcessed != 600 || c.query("SELECT Id FROM Account").TotalSize != 600 {
		t.Errorf("job %+v", j)
	}
}

// A batch that takes longer than 10 minutes goes back with what it has not done, behind the others.
func TestHardnessSlowBatchesGoBack(t *testing.T) {
	c := hardened(t, 0, emulator.Hardness{Bulk: hard.Bulk{BatchRows: 400}, Script: []emulator.Injected{
		{Behaviour: hard.BatchTimeout, Key: "insert Account batch 0", Nth: 1},
	}})
	if j := c.load(insertAccounts, names(800)); j.State != "JobComplete" || j.NumberRecordsProcessed != 800 {
		t.Fatalf("job %+v", j)
	}
	// Ids are given out in the order of writing: the second chunk of the first batch came last.
	p := c.query("SELECT Name FROM Account ORDER BY Id")
	if p.Records[200]["Name"] != "A00400" || p.Records[799]["Name"] != "A00399" {
		t.Errorf("row 201 is %v, the last one %v", p.Records[200]["Name"], p.Records[799]["Name"])
	}
}

// Children of one parent in two batches that run side by side contend for it; in one batch they do not.
func TestHardnessParentsAreLocked(t *testing.T) {
	c := hardened(t, 2, emulator.Hardness{Bulk: hard.Bulk{BatchRows: 200, Parallel: 2, LockFailure: 1}})
	ids := c.query("SELECT Id FROM Account").Records
	contacts := func(parent func(i int) string) job {
		var rows strings.Builder
		rows.WriteString("LastName,AccountId\n")
		for i := range 400 {
			fmt.Fprintf(&rows, "C%03d,%s\n", i, parent(i))
		}
		return c.load(`{"object":"Contact","operation":"insert"}`, rows.String())
	}
	mixed := contacts(func(i int) string { return ids[i%2]["Id"].(string) })
	if mixed.State != "JobComplete" || mixed.NumberRecordsFailed != 200 {
		t.Errorf("mixed %+v", mixed)
	}
	_, failures := c.do("GET", "jobs/ingest/"+mixed.ID+"/failedResults", "").ok(200).table()
	for _, row := range failures {
		if !strings.HasPrefix(row[1], "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 001") {
			t.Fatalf("row %q", row)
		}
	}
	if sorted := contacts(func(i int) string { return ids[i/200]["Id"].(string) }); sorted.NumberRecordsFailed != 0 {
		t.Errorf("sorted by parent %+v", sorted)
	}
}

// The rows of a partial job are told in two files, in an order that is not that of the upload.
func TestHardnessResultsAreOutOfOrder(t *testing.T) {
	c := hardened(t, 0, emulator.Hardness{})
	j := c.load(insertAccounts, names(100))
	_, rows := c.do("GET", "jobs/ingest/"+j.ID+"/successfulResults", "").ok(200).table()
	ordered := true
	for i, row := range rows {
		ordered = ordered && row[2] == fmt.Sprintf("A%05d", i)
	}
	if len(rows) != 100 || ordered {
		t.Errorf("%d rows, in the order of the upload: %v", len(rows), ordered)
	}
	update := "Id,Name\n"
	for _, row := range rows {
		update += row[0] + ",B\n"
	}
	c.harden(emulator.Hardness{Seed: 3, RowLocked: 0.5})
	j = c.load(`{"object":"Account","operation":"update"}`, update)
	done, refused := c.rowsIn(j.ID, "successfulResults"), c.rowsIn(j.ID, "failedResults")
	if j.State != "JobComplete" || done == 0 || refused == 0 || done+refused != 100 || j.NumberRecordsFailed != refused {
		t.Errorf("%d done, %d refused: %+v", done, refused, j)
	}
}

// Batches of two jobs that run at the same time contend as those of one do, and all together are written no faster than the
// places of the org let them.
func TestHardnessJobsShareThePlaces(t *testing.T) {
	const chunk = 5 * time.Millisecond
	c := hardened(t, 2, emulator.Hardness{Bulk: hard.Bulk{Parallel: 2, ChunkTime: hard.Duration(chunk), LockFailure: 1}})
	ids := c.query("SELECT Id FROM Account").Records
	var here sync.WaitGroup
	c.s.InterceptBatch(func(b bulk.Batch) error {
		if b.Done == 0 { // each waits for the other
			here.Done()
			here.Wait()
		}
		return nil
	})
	two := func(parent func(job int) string) (failed int) {
		here.Add(2)
		begun := time.Now()
		var jobs [2]job
		for n := range jobs {
			var rows strings.Builder
			rows.WriteString("LastName,AccountId\n")
			for i := range 4_000 {
				fmt.Fprintf(&rows, "C%d-%04d,%s\n", n, i, parent(n))
			}
			jobs[n] = c.begin(`{"object":"Contact","operation":"insert"}`, rows.String())
		}
		for n := range jobs {
			jobs[n] = c.settled("jobs/ingest/" + jobs[n].ID)
			if jobs[n].State != "JobComplete" || jobs[n].NumberRecordsProcessed != 4_000 {
				t.Fatalf("job %+v", jobs[n])
			}
			failed += jobs[n].NumberRecordsFailed
		}
		if took := time.Since(begun); took < 19*chunk {
			t.Errorf("40 chunks in two places took %s", took)
		}
		return failed
	}
	if n := two(func(int) string { return ids[0]["Id"].(string) }); n < 200 {
		t.Errorf("%d rows of two jobs lost the lock of their parent", n)
	}
	if n := two(func(job int) string { return ids[job]["Id"].(string) }); n != 0 {
		t.Errorf("%d rows lost a lock that nobody else wanted", n)
	}
}
