package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// BulkInsert loads a CSV body (LF line ends) with one Bulk API 2.0 job and waits for its end. Every
// row must succeed.
func (l *Loader) BulkInsert(ctx context.Context, object string, body io.Reader) error {
	var job struct {
		ID        string `json:"id"`
		State     string `json:"state"`
		Failed    int    `json:"numberRecordsFailed"`
		Message   string `json:"errorMessage"`
		Processed int    `json:"numberRecordsProcessed"`
	}
	create := map[string]string{"object": object, "operation": "insert", "contentType": "CSV", "lineEnding": "LF"}
	if err := l.call(ctx, http.MethodPost, "jobs/ingest", create, &job); err != nil {
		return fmt.Errorf("bulk insert %s: %w", object, err)
	}
	path := "jobs/ingest/" + job.ID
	if err := l.put(ctx, path+"/batches", body); err != nil {
		return fmt.Errorf("bulk insert %s: %w", object, err)
	}
	if err := l.call(ctx, http.MethodPatch, path, map[string]string{"state": "UploadComplete"}, &job); err != nil {
		return fmt.Errorf("bulk insert %s: %w", object, err)
	}
	for job.State != "JobComplete" {
		if job.State == "Failed" || job.State == "Aborted" {
			return fmt.Errorf("bulk insert %s: job %s %s: %s", object, job.ID, job.State, job.Message)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(deployPoll):
		}
		if err := l.call(ctx, http.MethodGet, path, nil, &job); err != nil {
			return fmt.Errorf("bulk insert %s: %w", object, err)
		}
	}
	if job.Failed > 0 {
		return fmt.Errorf("bulk insert %s: job %s: %d of %d rows failed", object, job.ID, job.Failed, job.Processed)
	}
	return nil
}

func (l *Loader) put(ctx context.Context, path string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, l.InstanceURL+"/services/data/"+l.Version+"/"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+l.AccessToken)
	req.Header.Set("Content-Type", "text/csv")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("HTTP %d: %s", resp.StatusCode, raw)
	}
	return err
}

// DeployFiles deploys files in Metadata API format, by name.
func (l *Loader) DeployFiles(ctx context.Context, files map[string]string) error {
	archive, err := Zip(files)
	if err != nil {
		return err
	}
	return l.Deploy(ctx, archive)
}

// PackageXML is the manifest of components of one metadata type.
func PackageXML(kind string, members ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types>`)
	for _, m := range members {
		fmt.Fprintf(&b, "<members>%s</members>", m)
	}
	fmt.Fprintf(&b, "<name>%s</name></types><version>66.0</version></Package>\n", kind)
	return b.String()
}

// SignIn is the line that `holdfast emulate` prints when it is ready.
type SignIn struct {
	InstanceURL string `json:"instance_url"`
	AccessToken string `json:"access_token"`
	Username    string `json:"username"`
	OrgID       string `json:"org_id"`
}

// ReadSignIn reads that line.
func ReadSignIn(line []byte) (SignIn, error) {
	var s SignIn
	err := json.Unmarshal(line, &s)
	if err == nil && (s.InstanceURL == "" || s.AccessToken == "") {
		err = fmt.Errorf("no address or token in %q", line)
	}
	return s, err
}
