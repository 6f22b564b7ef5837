package emulator_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
)

// sfResume leaves jobs running and comes back to them by their Ids.
func sfResume(t *testing.T, sf commandLine, c *client) {
	file := sf.file(t, "campaigns.csv", "Name,Status\nSlow,Planned\n,Planned\n")
	var job struct{ JobID string }
	sf.json(t, &job, "data", "import", "bulk", "-o", "emu", "-s", "Campaign", "-f", file, "--line-ending", "LF") // without --wait it does not wait
	var done struct{ Status string }
	if text := sf.refused(t, "data", "import", "resume", "-i", job.JobID, "--wait", "5"); !strings.Contains(text, job.JobID) {
		t.Errorf("import resume of a job with a row that failed: %s", text)
	}
	var results struct {
		SuccessfulRecords, FailedRecords int
		Status                           string
	}
	sf.json(t, &results, "data", "bulk", "results", "-o", "emu", "-i", job.JobID)
	if results.SuccessfulRecords != 1 || results.FailedRecords != 1 || results.Status != "JobComplete" {
		t.Errorf("bulk results: %+v", results)
	}
	sf.json(t, &job, "data", "export", "bulk", "-o", "emu", "-q", "SELECT Name FROM Campaign WHERE Name = 'Slow'",
		"--output-file", "slow.json", "--result-format", "json")
	sf.json(t, &done, "data", "export", "resume", "-i", job.JobID)
	raw, err := os.ReadFile(filepath.Join(sf.dir, "slow.json"))
	var rows []struct{ Name string }
	if err == nil {
		err = json.Unmarshal(raw, &rows)
	}
	if err != nil || fmt.Sprint(rows) != "[{Slow}]" {
		t.Errorf("export resume: %v %s", err, raw)
	}
}

// sfApex learns that no Apex can be run.
func sfApex(t *testing.T, sf commandLine, _ *client) {
	file := sf.file(t, "hello.apex", "System.debug('hello');\n")
	if text := sf.refused(t, "apex", "run", "-o", "emu", "-f", file); !strings.Contains(text, "Apex cannot be run in an emulated org.") {
		t.Errorf("apex run: %s", text)
	}
}

// sfManyTrees imports more records than one call takes.
func sfManyTrees(t *testing.T, sf commandLine, c *client) {
	var records []string
	for i := range 250 {
		records = append(records, fmt.Sprintf(`{"attributes":{"type":"Solution","referenceId":"s%d"},"SolutionName":"S%03d","Status":"Draft"}`, i, i))
	}
	sf.file(t, "solutions.json", `{"records":[`+strings.Join(records, ",")+`]}`)
	sf.file(t, "plan.json", `[{"sobject":"Solution","saveRefs":true,"files":["solutions.json"]}]`)
	sf.json(t, &[]any{}, "data", "import", "tree", "-o", "emu", "-p", "plan.json")
	if n := c.query("SELECT Id FROM Solution").TotalSize; n != 250 {
		t.Errorf("import tree: %d solutions", n)
	}
}

// TestConformanceJobs asks for deployments by their Ids, and retrieves what lies in folders.
func TestConformanceJobs(t *testing.T) {
	t.Parallel()
	sf, c := signedIn(t, emulator.Options{})
	sf.source(t, "reports/Yard/Sheds.report-meta.xml", metaHead+"<Report"+metaSpace+"<name>Sheds</name><reportType>AccountList</reportType></Report>")
	sf.source(t, "reports/Yard.reportFolder-meta.xml", metaHead+"<ReportFolder"+metaSpace+"<name>Yard</name></ReportFolder>")
	release := c.s.Metadata().Hold(metadata.Pending)
	var r deployReport
	sf.json(t, &r, "project", "deploy", "start", "-o", "emu", "--source-dir", "force-app", "--async")
	id := r.ID
	sf.json(t, &r, "project", "deploy", "report", "-o", "emu", "--job-id", id)
	if r.Status != "Pending" {
		t.Errorf("report of what waits: %+v", r)
	}
	release()
	sf.json(t, &r, "project", "deploy", "resume", "--job-id", id)
	if r.Status != "Succeeded" {
		t.Errorf("resume: %+v", r)
	}
	sf.json(t, &r, "project", "deploy", "report", "-o", "emu", "--job-id", id)
	if r.Status != "Succeeded" || r.NumberComponentsDeployed != 2 {
		t.Errorf("report of what is done: %+v", r)
	}
	if err := os.RemoveAll(filepath.Join(sf.dir, "force-app", "main")); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Files []struct{ FullName, Type string }
	}
	sf.json(t, &got, "project", "retrieve", "start", "-o", "emu", "-m", "Report:Yard/Sheds", "-m", "Report:Yard")
	for _, name := range []string{"reports/Yard/Sheds.report-meta.xml", "reports/Yard.reportFolder-meta.xml"} {
		if _, err := os.Stat(filepath.Join(sf.dir, "force-app", "main", "default", name)); err != nil {
			t.Errorf("%s did not come back: %+v", name, got.Files)
		}
	}
	var orgs struct{ Other []struct{ Username string } }
	sf.json(t, &orgs, "org", "list")
	if !slices.ContainsFunc(orgs.Other, func(o struct{ Username string }) bool { return o.Username == c.s.Username }) {
		t.Errorf("org list: %+v", orgs)
	}
}
