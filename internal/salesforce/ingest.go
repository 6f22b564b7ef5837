package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce/csv"
	"holdfast/internal/sf"
)

// Limits of the data of a Bulk API 2.0 ingest job, from its Developer Guide.
const (
	maxJobBytes    = 100_000_000 // 150 MB once it is base64 inside the platform
	maxJobFields   = 5_000
	maxValueChars  = 32_000
	maxRecordChars = 400_000
)

// nullCell is how ingest spells "set to null"; an empty cell leaves the field alone.
const nullCell = "#N/A"

// StartInsert creates a Bulk API 2.0 job that inserts records of the object. Nothing happens in the
// org until SendRows. Creating a job twice is harmless: one without data does nothing.
func (o *Org) StartInsert(ctx context.Context, object string, fields []string) (string, error) {
	if what := "insert " + object; len(fields) == 0 || len(fields) > maxJobFields {
		return "", problem.New(problem.Usage, fmt.Sprintf("%s: %d fields, between 1 and %d are possible", what, len(fields), maxJobFields))
	}
	return o.startJob(ctx, "insert", object)
}

// StartHardDelete creates a Bulk API 2.0 job that deletes records of the object for good; its rows have the field Id.
// Nothing happens in the org until SendRows.
//
// The error is Unauthorized when the user lacks the permission Bulk API Hard Delete. Which code the org then has is
// unverified; the one here is the one that the official command line looks for.
func (o *Org) StartHardDelete(ctx context.Context, object string) (string, error) {
	job, err := o.startJob(ctx, "hardDelete", object)
	if fault, ok := errors.AsType[*Fault](err); ok && fault.Code == "FEATURENOTENABLED" {
		return "", problem.Wrap(problem.Unauthorized, err, "the user may not").
			Hint(`the user needs the permission "Bulk API Hard Delete", which nobody has by default`)
	}
	return job, err
}

// StartUpdate creates a Bulk API 2.0 job that sets fields of records of the object; the field Id says of which. Nothing
// happens in the org until SendRows. Unlike Update it cannot let records pass that a duplicate rule warns of.
func (o *Org) StartUpdate(ctx context.Context, object string, fields []string) (string, error) {
	if what := "update " + object; len(fields) < 2 || len(fields) > maxJobFields || fields[0] != "Id" {
		return "", problem.New(problem.Usage, fmt.Sprintf("%s: %d fields, Id and between 1 and %d others are possible", what, len(fields), maxJobFields-1))
	}
	return o.startJob(ctx, "update", object)
}

func (o *Org) startJob(ctx context.Context, operation, object string) (string, error) {
	what := operation + " " + object
	if !isName(object) {
		return "", unknownObject(what, object)
	}
	body, err := json.Marshal(map[string]string{
		"object": object, "operation": operation,
		"contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
	})
	if err != nil {
		return "", err
	}
	var j job
	if err := o.json(ctx, call{
		what: what, method: http.MethodPost, path: o.data("jobs/ingest"), repeat: true,
		header: map[string]string{"Content-Type": mediaJSON}, body: fixedBody(body),
	}, &j); err != nil {
		return "", err
	}
	if !jobForm.MatchString(j.ID) {
		return "", fmt.Errorf("%s: %w: job %q", what, errDamaged, oneLine(j.ID))
	}
	return j.ID, nil
}

func jobPath(o *Org, id string) (string, error) {
	if !jobForm.MatchString(id) {
		return "", problem.New(problem.Usage, fmt.Sprintf("%q is not the Id of a bulk job", oneLine(id)))
	}
	return o.data("jobs/ingest/" + id), nil
}

// SendRows uploads the rows as the data of the job and tells the org to begin. Values that CSV
// cannot carry are refused before anything is sent: the text "#N/A", which would set null; the empty
// text, which would leave the field alone; more than 32,000 characters.
//
// When an error is returned, ask JobState: a job that is Open has done nothing and can be aborted.
// The upload is not repeated when its outcome is unknown; the order to begin is.
func (o *Org) SendRows(ctx context.Context, id string, fields []string, rows []sf.Write) error {
	what := "upload to bulk job " + id
	path, err := jobPath(o, id)
	if err != nil {
		return err
	}
	size, err := sizeRows(fields, rows)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	upload := call{
		what: what, method: http.MethodPut, path: path + "/batches",
		header: map[string]string{"Content-Type": "text/csv; charset=UTF-8"},
		body: func(string) (io.Reader, int64, error) {
			return &rowReader{fields: fields, rows: rows, next: -1}, size, nil
		},
	}
	if err := o.do(ctx, upload, func(*http.Response) error { return nil }); err != nil {
		return err
	}
	return o.begin(ctx, "start bulk job "+id, path)
}

// begin sets the job to UploadComplete. A second order would be refused, so after a failure the job
// itself is asked whether it has begun.
func (o *Org) begin(ctx context.Context, what, path string) error {
	var j job
	err := o.json(ctx, call{
		what: what, method: http.MethodPatch, path: path, repeat: true,
		header: map[string]string{"Content-Type": mediaJSON},
		body:   fixedBody([]byte(`{"state":"UploadComplete"}`)),
	}, &j)
	if err == nil || ctx.Err() != nil {
		return err
	}
	now, askErr := o.job(ctx, what, path)
	if askErr == nil && now.State != string(sf.JobOpen) && now.State != string(sf.JobAborted) {
		return nil
	}
	return err
}

// sizeRows checks every row and returns the length of the CSV.
func sizeRows(fields []string, rows []sf.Write) (int64, error) {
	line := csv.AppendRow(nil, fields)
	size := int64(len(line))
	for i, row := range rows {
		var err error
		if line, err = appendIngestRow(line[:0], fields, row); err != nil {
			return 0, fmt.Errorf("row %d: %w", i+1, err)
		}
		if size += int64(len(line)); size > maxJobBytes {
			return 0, problem.New(problem.Usage, fmt.Sprintf("the first %d rows have more than %d bytes", i+1, maxJobBytes)).
				Hint("put fewer rows into one job")
		}
	}
	return size, nil
}

// appendIngestRow appends the row as CSV, or says why it cannot.
func appendIngestRow(dst []byte, fields []string, row sf.Write) ([]byte, error) {
	if len(row.Values) != len(fields) {
		return nil, fmt.Errorf("%d values for %d fields", len(row.Values), len(fields))
	}
	chars := 0
	refuse := func(i int, why string) ([]byte, error) {
		return nil, problem.New(problem.Usage, fmt.Sprintf("field %s: %s", fields[i], why)).
			Hint("leave the value out of the insert and set it afterwards by an update")
	}
	for i, v := range row.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch {
		case v.IsAbsent():
		case v.IsNull():
			dst = append(dst, nullCell...)
		case v.Text() == nullCell:
			return refuse(i, `the text "#N/A" means null in a bulk job`)
		case v.Text() == "":
			return refuse(i, "the empty text means no change in a bulk job")
		default:
			n := utf8.RuneCountInString(v.Text())
			if chars += n; n > maxValueChars {
				return refuse(i, fmt.Sprintf("%d characters, a bulk job takes %d", n, maxValueChars))
			}
			if !utf8.ValidString(v.Text()) {
				return refuse(i, "text that is not UTF-8")
			}
			dst = csv.AppendField(dst, v.Text())
		}
	}
	if chars > maxRecordChars {
		return nil, problem.New(problem.Usage, fmt.Sprintf("%d characters in one record, a bulk job takes %d", chars, maxRecordChars)).
			Hint("leave long values out of the insert and set them afterwards by an update")
	}
	return append(dst, '\n'), nil
}

// rowReader writes the CSV while it is read, so that one row is in memory and not the whole file.
type rowReader struct {
	fields  []string
	rows    []sf.Write
	next    int // -1 is the header row
	line    []byte
	pending []byte // of line, not read yet
}

// Read continues the CSV.
func (r *rowReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.pending) == 0 {
			if r.next == len(r.rows) {
				break
			}
			if r.next < 0 {
				r.line = csv.AppendRow(r.line[:0], r.fields)
			} else {
				var err error
				if r.line, err = appendIngestRow(r.line[:0], r.fields, r.rows[r.next]); err != nil {
					return n, err
				}
			}
			r.next++
			r.pending = r.line
		}
		m := copy(p[n:], r.pending)
		r.pending = r.pending[m:]
		n += m
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (o *Org) job(ctx context.Context, what, path string) (job, error) {
	var j job
	err := o.json(ctx, call{what: what, method: http.MethodGet, path: path, repeat: true}, &j)
	return j, err
}

// JobState asks the org for the state of such a job. Why a job failed is in JobResults.
func (o *Org) JobState(ctx context.Context, id string) (sf.JobState, error) {
	path, err := jobPath(o, id)
	if err != nil {
		return "", err
	}
	j, err := o.job(ctx, "ask for bulk job "+id, path)
	if err != nil {
		return "", err
	}
	switch s := sf.JobState(j.State); s {
	case sf.JobOpen, sf.JobUploadComplete, sf.JobInProgress:
		return s, nil
	case sf.JobComplete, sf.JobFailed, sf.JobAborted:
		o.mu.Lock()
		o.ended = endedJob{id, j} // it changes no more, and its results are asked for next
		o.mu.Unlock()
		return s, nil
	}
	return "", fmt.Errorf("ask for bulk job %s: %w: state %q", id, errDamaged, oneLine(j.State))
}

// AbortJob aborts the job: what is not processed yet will not be. A job that is aborted already
// is a success.
func (o *Org) AbortJob(ctx context.Context, id string) error {
	path, err := jobPath(o, id)
	if err != nil {
		return err
	}
	what := "abort bulk job " + id
	var j job
	c := abortCall(what, path)
	c.attempts = 0
	if err = o.json(ctx, c, &j); err == nil || ctx.Err() != nil {
		return err
	}
	if now, askErr := o.job(ctx, what, path); askErr == nil && now.State == string(sf.JobAborted) {
		return nil
	}
	return err
}

// splitBulkError reads sf__Error, "CODE:message:FIELD FIELD --".
func splitBulkError(text string) (code, message string, fields []string) {
	code, rest, found := strings.Cut(text, ":")
	if !found || code == "" || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
		return "UNKNOWN_EXCEPTION", text, nil
	}
	rest = strings.TrimSuffix(strings.TrimSpace(rest), "--")
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		fields = strings.FieldsFunc(rest[i+1:], func(r rune) bool { return r == ' ' || r == ',' })
		rest = rest[:i]
	}
	return code, strings.TrimSpace(rest), fields
}
