package orgtest

import (
	"encoding/csv"
	"net/http"
	"strings"
	"time"
)

// jobPatience is how long a Bulk job may take; a real org lets them queue.
const jobPatience = 10 * time.Minute

// Job is a Bulk 2.0 job at its end.
type Job struct {
	o    *Org
	kind string // "ingest" or "query"

	ID                     string
	State                  string
	ErrorMessage           string
	NumberRecordsProcessed int
	NumberRecordsFailed    int
}

// Ingest loads a file and waits for the end of the job.
func (o *Org) Ingest(request Values, file string) Job {
	o.t.Helper()
	job := Job{o: o, kind: "ingest"}
	o.Post("jobs/ingest", request).OK(http.StatusOK).Into(&job)
	o.Do("PUT", "jobs/ingest/"+job.ID+"/batches", "text/csv", file).OK(http.StatusCreated)
	o.Patch("jobs/ingest/"+job.ID, Values{"state": "UploadComplete"}).OK(http.StatusOK)
	return job.wait()
}

// Export runs a query and waits for the end of the job.
func (o *Org) Export(request Values) Job {
	o.t.Helper()
	job := Job{o: o, kind: "query"}
	o.Post("jobs/query", request).OK(http.StatusOK).Into(&job)
	return job.wait()
}

func (j Job) wait() Job {
	j.o.t.Helper()
	for until := time.Now().Add(jobPatience); time.Now().Before(until); j.o.pause() {
		j.o.Get("jobs/" + j.kind + "/" + j.ID).OK(http.StatusOK).Into(&j)
		switch j.State {
		case "JobComplete", "Failed", "Aborted":
			return j
		}
	}
	j.o.t.Fatalf("job %s is %s after %v", j.ID, j.State, jobPatience)
	return j
}

// Rows returns one of the results of a job as CSV, without its header row, and the header.
func (j Job) Rows(resource string) (header []string, rows [][]string) {
	j.o.t.Helper()
	reply := j.o.Get("jobs/" + j.kind + "/" + j.ID + "/" + resource).OK(http.StatusOK)
	all, err := csv.NewReader(strings.NewReader(string(reply.Body))).ReadAll()
	if err != nil || len(all) == 0 {
		j.o.t.Fatalf("%s of job %s: %v in %.300s", resource, j.ID, err, reply.Body)
	}
	return all[0], all[1:]
}

// loads is the request for a job that writes accounts.
func loads(operation string) Values {
	return Values{"object": "Account", "operation": operation, "lineEnding": "LF"}
}

// exports is the request for a job that reads.
func exports(soql string) Values { return Values{"operation": "query", "query": soql} }
