package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/testkit"
)

// The org whose rate is met: items that belong to boxes by master-detail, so that an item locks its box when it is written. Most boxes
// have some fifty items, and one item in twenty is in one of a few very large ones.
const (
	itemsPerBox = 50
	largeBoxes  = 20
	largeShare  = 20 // one item in so many
	stockRows   = 100_000
	goneRows    = 500_000 // that one process deletes
	chunkRows   = 200     // rows that an org writes in one transaction. Source: Bulk API 2.0, "Understanding Bulk API 2.0 Ingest"
	baseline    = 100_000
)

// model is how fast the emulated org takes rows: so many batches at one time, 200 rows of each in so long. A row whose box
// another batch holds is refused. How many batches a real org works at is not documented; what it takes in a day is, 150 million
// rows, or 1,736 in a second (Bulk API 2.0 limits).
type model struct {
	places int
	chunk  time.Duration
}

func (m model) most() float64 { return float64(m.places) * chunkRows / m.chunk.Seconds() }

func (m model) hardness() map[string]any {
	return map[string]any{"seed": 7, "bulk": map[string]any{"parallel": m.places, "chunkTime": m.chunk.String(), "lockFailure": 1}}
}

// rate measures how fast rows are restored that are gone for good, beside what the model of the org would let through, and how many of
// them met a lock; and how many rows of a load that is not sorted do, in as many jobs at one time as the org has places.
func (b *bench) rate(ctx context.Context, m model) error {
	if err := b.step(ctx, "stock", 0); err != nil {
		return err
	}
	if err := b.init(ctx); err != nil {
		return err
	}
	columnsOf(fmt.Sprintf("%d rows below %d parents; model: %d batches at one time, %d rows of each in %s, at most %.0f rows a second",
		b.rows, b.rows/itemsPerBox, m.places, chunkRows, m.chunk, m.most()))
	backup := []string{b.holdfast, "backup", "bench", "--quiet", "--api-share", "100", "--object", "Box__c", "--object", "Item__c"}
	said, err := b.shown(ctx, figure{name: "holdfast backup", rows: b.rows, commands: [][]string{append(backup, "--json")}})
	if err != nil {
		return err
	}
	var made struct {
		Snapshot struct{ ID string } `json:"snapshot"`
	}
	if err := json.Unmarshal([]byte(said), &made); err != nil {
		return fmt.Errorf("holdfast backup said %.200q: %w", said, err)
	}
	for gone := 0; gone < b.rows; gone += goneRows {
		if err := b.step(ctx, "unstock", 0); err != nil {
			return err
		}
	}
	// The org's log tells no more than 600,000 deletions at once, and more that nobody witnessed are not believed: here it is
	// known that they are. Source: SOAP API Developer Guide, getDeleted().
	if _, err := b.measure(ctx, backup[0], append(backup[1:], "--accept-deletions", "Item__c")...); err != nil {
		return err
	}
	if err := b.steer(ctx, http.MethodPut, "hardness", m.hardness(), nil); err != nil {
		return err
	}
	path := filepath.Join(b.dir, "back.plan")
	restore := []string{b.holdfast, "restore", "bench", "--to", made.Snapshot.ID, "--quiet", "--api-share", "100", "--max-rows", strconv.Itoa(b.rows), "--plan", path}
	if _, err := b.shown(ctx, figure{name: "holdfast restore --plan", rows: b.rows, commands: [][]string{restore}}); err != nil {
		return err
	}
	sum, err := digestOf(path)
	if err != nil {
		return err
	}
	if err := planSize(path, b.rows); err != nil {
		return err
	}
	begun := time.Now()
	apply := []string{b.holdfast, "apply", path, "--approve", sum, "--quiet", "--api-share", "100"}
	if _, err := b.shown(ctx, figure{name: "holdfast apply, verified", rows: b.rows, commands: [][]string{apply}}); err != nil {
		return err
	}
	if err := b.rateOf(ctx, m, begun); err != nil {
		return err
	}
	return b.unsorted(ctx, m)
}

// planSize prints how large the plan of so many rows is.
func planSize(path string, rows int) error {
	about, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("    plan of %.1f MB, %.0f bytes a row\n", float64(about.Size())/1e6, float64(about.Size())/float64(rows))
	return nil
}

// digestOf is the digest by which a plan file is approved.
func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}

// job is a job of Bulk API 2.0 as the org tells it.
type job struct {
	ID        string `json:"id"`
	Operation string `json:"operation"`
	State     string `json:"state"`
	Created   string `json:"createdDate"`
	Modified  string `json:"systemModstamp"`
	Processed int    `json:"numberRecordsProcessed"`
	Failed    int    `json:"numberRecordsFailed"`
	Message   string `json:"errorMessage"`
}

const jobStamp = "2006-01-02T15:04:05.000-0700"

// rateOf prints what the org's own jobs say of the restore: from when the first was made to when the last had ended.
func (b *bench) rateOf(ctx context.Context, m model, since time.Time) error {
	var listed struct {
		Records []job  `json:"records"`
		Next    string `json:"nextRecordsUrl"`
	}
	var first, last time.Time
	jobs, full, rows, failed := 0, 0, 0, 0
	for path := "/services/data/v66.0/jobs/ingest"; path != ""; path = listed.Next {
		listed.Next, listed.Records = "", nil
		if err := b.get(ctx, path, b.loader.AccessToken, &listed); err != nil {
			return err
		}
		for _, j := range listed.Records {
			if err := b.get(ctx, "/services/data/v66.0/jobs/ingest/"+j.ID, b.loader.AccessToken, &j); err != nil {
				return err
			}
			from, err := time.Parse(jobStamp, j.Created)
			if err != nil {
				return err
			}
			to, err := time.Parse(jobStamp, j.Modified)
			if err != nil {
				return err
			}
			if j.Operation != "insert" || from.Before(since.Add(-time.Second)) {
				continue
			}
			if first.IsZero() || from.Before(first) {
				first = from
			}
			if to.After(last) {
				last = to
			}
			jobs, rows, failed = jobs+1, rows+j.Processed, failed+j.Failed
			if j.Processed >= 9_500 {
				full += j.Processed
			}
		}
	}
	took := last.Sub(first).Seconds()
	done := rows - failed
	fmt.Printf("    %d rows in %d jobs and %.1f s: %.0f rows a second, %.1f %% of the model's most; %.1f %% of the rows in jobs that are 95 %% full\n",
		done, jobs, took, float64(done)/took, 100*float64(done)/took/m.most(), 100*float64(full)/float64(max(rows, 1)))
	fmt.Printf("    %d rows sent again, %.2f %%\n", failed, 100*float64(failed)/float64(max(done, 1)))
	return nil
}

// unsorted loads rows in the order in which they were first made, which is none, in as many jobs at one time as the org has places.
func (b *bench) unsorted(ctx context.Context, m model) error {
	boxes, err := b.boxes(ctx)
	if err != nil {
		return err
	}
	rows := min(baseline, b.rows)
	work, ctx := errgroup.WithContext(ctx)
	results := make([]job, m.places)
	for n := range results {
		body := items(boxes, b.rows, b.rows+n*rows/m.places, b.rows+(n+1)*rows/m.places)
		work.Go(func() (err error) {
			results[n], err = b.load(ctx, "insert", "Item__c", body)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		failed += r.Failed
	}
	fmt.Printf("    for comparison, %d rows that are not sorted by parent, in %d jobs at one time: %d rows locked, %.2f %%\n",
		rows, m.places, failed, 100*float64(failed)/float64(rows))
	return nil
}

// load carries rows out in one job and waits for its end.
func (b *bench) load(ctx context.Context, operation, object, body string) (job, error) {
	var j job
	const path = "/services/data/v66.0/jobs/ingest"
	create, err := json.Marshal(map[string]string{"object": object, "operation": operation, "contentType": "CSV", "lineEnding": "LF"})
	if err != nil {
		return j, err
	}
	if err := b.ask(ctx, http.MethodPost, path, b.loader.AccessToken, bytes.NewReader(create), &j); err != nil {
		return j, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, b.loader.InstanceURL+path+"/"+j.ID+"/batches", strings.NewReader(body))
	if err != nil {
		return j, err
	}
	req.Header.Set("Authorization", "Bearer "+b.loader.AccessToken)
	req.Header.Set("Content-Type", "text/csv")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return j, err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusCreated {
		return j, fmt.Errorf("upload to job %s: %s %w", j.ID, resp.Status, cmp.Or(err, resp.Body.Close()))
	}
	if err := resp.Body.Close(); err != nil {
		return j, err
	}
	if err := b.ask(ctx, http.MethodPatch, path+"/"+j.ID, b.loader.AccessToken, strings.NewReader(`{"state":"UploadComplete"}`), &j); err != nil {
		return j, err
	}
	for j.State != "JobComplete" {
		if j.State == "Failed" || j.State == "Aborted" {
			return j, fmt.Errorf("job %s to %s %s: %s: %s", j.ID, operation, object, j.State, j.Message)
		}
		select {
		case <-ctx.Done():
			return j, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if err := b.get(ctx, path+"/"+j.ID, b.loader.AccessToken, &j); err != nil {
			return j, err
		}
	}
	return j, nil
}

// boxes returns the Ids of the boxes, in the order in which they were made.
func (b *bench) boxes(ctx context.Context) ([]string, error) {
	records, err := b.loader.Query(ctx, "SELECT Id FROM Box__c ORDER BY Name")
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = fmt.Sprint(r["Id"])
	}
	return ids, nil
}

// items are the rows of the items of these numbers, of so many in all.
func items(boxes []string, of, from, to int) string {
	var rows strings.Builder
	rows.WriteString("Name,Label__c,Size__c,Box__c\n")
	for i := from; i < to; i++ {
		draw := rand.New(rand.NewPCG(uint64(i), 3))
		box := boxes[draw.IntN(len(boxes))]
		if draw.IntN(largeShare) == 0 {
			box = boxes[draw.IntN(min(largeBoxes, len(boxes)))]
		}
		fmt.Fprintf(&rows, "Item %07d,label of item %d of %d,%d,%s\n", i, i, of, draw.IntN(1000), box)
	}
	return rows.String()
}

const (
	boxObject = `<CustomObject` + metadataSpace + `><deploymentStatus>Deployed</deploymentStatus><label>Box</label>` +
		`<nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Boxes</pluralLabel><sharingModel>ReadWrite</sharingModel></CustomObject>`
	itemObject = `<CustomObject` + metadataSpace + `><deploymentStatus>Deployed</deploymentStatus>` +
		`<fields><fullName>Box__c</fullName><label>Box</label><type>MasterDetail</type><referenceTo>Box__c</referenceTo><relationshipLabel>Items</relationshipLabel>` +
		`<relationshipName>Items</relationshipName><relationshipOrder>0</relationshipOrder><reparentableMasterDetail>true</reparentableMasterDetail></fields>` +
		`<fields><fullName>Label__c</fullName><label>Label</label><length>80</length><type>Text</type></fields>` +
		`<fields><fullName>Size__c</fullName><label>Size</label><precision>6</precision><scale>0</scale><type>Number</type></fields>` +
		`<label>Item</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Items</pluralLabel><sharingModel>ControlledByParent</sharingModel></CustomObject>`
	stockProfile = `<Profile` + metadataSpace + `><fieldPermissions><editable>true</editable><field>Item__c.Label__c</field><readable>true</readable></fieldPermissions>` +
		`<fieldPermissions><editable>true</editable><field>Item__c.Size__c</field><readable>true</readable></fieldPermissions></Profile>`
	stockManifest = `<?xml version="1.0" encoding="UTF-8"?><Package` + metadataSpace + `><types><members>Box__c</members><members>Item__c</members>` +
		`<name>CustomObject</name></types><types><members>Admin</members><name>Profile</name></types><version>66.0</version></Package>`
)

// stock fills the org.
func (b *bench) stock(ctx context.Context) error {
	if err := b.loader.DeployFiles(ctx, map[string]string{
		"package.xml": stockManifest, "objects/Box__c.object": boxObject, "objects/Item__c.object": itemObject, "profiles/Admin.profile": stockProfile,
	}); err != nil {
		return err
	}
	rows := make([]testkit.Row, max(1, b.rows/itemsPerBox))
	for i := range rows {
		rows[i] = testkit.Row{"Name": fmt.Sprintf("Box %06d", i)}
	}
	boxes, err := b.loader.Insert(ctx, "Box__c", rows)
	if err != nil {
		return err
	}
	for from := 0; from < b.rows; from += stockRows {
		if j, err := b.load(ctx, "insert", "Item__c", items(boxes, b.rows, from, min(from+stockRows, b.rows))); err != nil || j.Failed > 0 {
			return fmt.Errorf("%d items were refused: %w", j.Failed, err)
		}
	}
	return nil
}

// unstock deletes so many items for good.
func (b *bench) unstock(ctx context.Context) error {
	for range goneRows / stockRows {
		records, err := b.loader.Query(ctx, "SELECT Id FROM Item__c LIMIT "+strconv.Itoa(stockRows))
		if err != nil || len(records) == 0 {
			return err
		}
		var rows strings.Builder
		rows.WriteString("Id\n")
		for _, r := range records {
			fmt.Fprintf(&rows, "%s\n", r["Id"])
		}
		if j, err := b.load(ctx, "hardDelete", "Item__c", rows.String()); err != nil || j.Failed > 0 {
			return fmt.Errorf("%d items were not deleted: %w", j.Failed, err)
		}
	}
	return nil
}
